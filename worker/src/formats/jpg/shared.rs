//! What tasks on one JPEG file have in common whatever size they want: its coefficients, which take most of the time to read.

use std::sync::Arc;

use ::convertfly_jpeg::{Block, Coefficients, Packed};

use super::{REDUCE_FROM, limits};
use crate::failure::Failure;
use crate::formats::{Cancel, Header, Known, Part};

/// The coefficients of a sound file that other tasks read as well; `None` where there are no others, where all of them get the same
/// pixels anyway, or where the file is one for the decoders that know what can be made of damage.
pub(super) fn coefficients(
    data: &[u8],
    header: &Header,
    known: Option<&Known>,
    cancel: &Cancel,
) -> Result<Option<Arc<Coefficients>>, Failure> {
    let Some(known) = known.filter(|_| u64::from(header.width) * u64::from(header.height) >= REDUCE_FROM) else {
        return Ok(None);
    };
    let limits = limits(header);
    let Ok(frame) = Coefficients::header(data, &limits) else { return Ok(None) };
    let blocks: usize = frame.components.iter().map(|component| component.stride * component.rows).sum();
    let bytes = (blocks * size_of::<Block>()) as u64;
    let read = || Ok(Coefficients::read(data, &limits).ok().filter(Coefficients::is_sound).map(Arc::new));
    known.get(Part::Coefficients, bytes, cancel, read).map(|found| Option::clone(&found))
}

/// The packed coefficients of a sound file, of all of them, which other tasks get as well; `None` for one that is for the decoders that know what can be
/// made of damage.
pub(super) fn packed(
    data: &[u8],
    header: &Header,
    known: Option<&Known>,
    cancel: &Cancel,
) -> Result<Option<Arc<Packed>>, Failure> {
    let limits = limits(header);
    let read = || Ok(Packed::read(data, &limits).ok().filter(|packed| packed.sound).map(Arc::new));
    let Some(known) = known else { return read() };
    let Ok(frame) = Coefficients::header(data, &limits) else { return Ok(None) };
    let blocks: usize = frame.components.iter().map(|component| component.stride * component.rows).sum();
    // Of each block a mask, DC, and its part of a start; values take about as much as their codes.
    let bytes = (blocks * 11 + data.len() * 3 / 2) as u64;
    known.get(Part::Packed, bytes, cancel, read).map(|found| Option::clone(&found))
}
