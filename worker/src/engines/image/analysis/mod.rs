//! What has to be seen in the pixels before it can be planned what is done to them. Each analysis gives a place; the plan stays a
//! function of sizes and options.

mod saliency;
mod trim;

pub(super) use saliency::place;
pub(super) use trim::inside_of_border;

/// A rectangle in decoded pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rectangle {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}
