//! Coefficients to coefficients on a GPU: one submission for the pictures of many tasks.
//!
//! `layout` says where everything of a batch lies, with no type of wgpu in it; `submit` runs it on a device; `queue` collects what arrives
//! within a short time, and keeps some batches in flight, so that one is uploaded while another is computed and a third is read back.

mod axes;
mod bands;
mod layout;
mod queue;
mod results;
mod stages;
mod submit;
#[cfg(test)]
mod tests;
mod through;

pub(in crate::pixels) use layout::Layout;
pub(super) use queue::Queue;
pub(in crate::pixels) use queue::{IN_BATCH, IN_FLIGHT, Most};
pub(in crate::pixels) use submit::Deliver;

/// Every adapter takes bindings at multiples of so many words.
const BOUND_WORDS: u64 = super::device::ALIGNMENT / 4;
