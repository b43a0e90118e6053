//! Coefficients as they cross a bus: of each block which are not 0, and those alone, so that a photo of 12 megapixels takes some MB, not the 37
//! of a dense store.
//!
//! The blocks of a plane lie in **runs** of [`RUN`], which a workgroup of a GPU reads or writes: those beside each other in a row, of which the last
//! run may have fewer. Each block has a **slot**: run times [`RUN`], and its place in the run; a slot without a block is all zero. Of each slot
//! there are
//!
//! - a mask, in which bit `k` says that the coefficient with that number in coding order (zigzag) is not 0. DC is bit 0, and always there, so that
//!   bit says something else: that the values of the block are wide;
//! - DC, 16 bits;
//!
//! and of each run where its values begin, in words of 4 bytes: of one block after the other what its mask names, by ascending `k`, each in a byte, or,
//! where one of them does not fit, in two, the lower one first. How long the values of a block are follows from its mask, so that a block is found
//! without a look at the values of others.

mod part;
mod plane;
mod read;

pub use plane::{PackedPlane, RUN};
pub use read::Packed;

pub(crate) use plane::Blocks;
