//! The filters of PNG (PNG 1.2, 6): what a byte is beyond what its neighbours say.

use crate::simd::Level;

/// What is subtracted from a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Filter {
    /// The byte a pixel to the left.
    Sub = 1,
    /// The byte above.
    Up = 2,
    /// The mean of both, rounded down.
    Average = 3,
    /// Whichever of both and of the one above to the left is nearest to left + above - above left.
    Paeth = 4,
}

impl Filter {
    pub(crate) const ALL: [Self; 4] = [Self::Sub, Self::Up, Self::Average, Self::Paeth];
}

/// Puts the number of a filter and the row filtered by it into `out`: of those the one whose differences are smallest in sum, since small ones
/// are frequent and get short codes (PNG 1.2, 9.6).
pub(crate) fn choose(level: Level, pixel: usize, row: &[u8], above: &[u8], out: &mut [u8]) {
    let sums = level.sums(pixel, row, above);
    let best = Filter::ALL.into_iter().zip(sums).min_by_key(|&(_, sum)| sum).map_or(Filter::Sub, |(filter, _)| filter);
    let Some((number, filtered)) = out.split_first_mut() else { return };
    *number = best as u8;
    level.filter(best, pixel, row, above, filtered);
}

/// What `filter` subtracts, from the bytes to the left, above, and above to the left.
#[inline(always)]
pub(crate) fn predicted(filter: Filter, left: u8, above: u8, corner: u8) -> u8 {
    match filter {
        Filter::Sub => left,
        Filter::Up => above,
        Filter::Average => (left & above) + ((left ^ above) >> 1),
        Filter::Paeth => paeth(left, above, corner),
    }
}

/// In bytes alone, so that as many fit a register as can.
#[inline(always)]
fn paeth(left: u8, above: u8, corner: u8) -> u8 {
    let (to_left, to_above) = (above.abs_diff(corner), left.abs_diff(corner));
    // The corner is as far away as both together where both lie on the same side of it. Cut at 255 it is still not nearer than they are.
    let to_corner =
        if (above >= corner) == (left >= corner) { to_left.saturating_add(to_above) } else { to_left.abs_diff(to_above) };
    let least = to_left.min(to_above).min(to_corner);
    if to_left == least {
        left
    } else if to_above == least {
        above
    } else {
        corner
    }
}

/// `row` less what `filter` predicts, into `out`.
#[inline(always)]
pub(crate) fn plain(filter: Filter, pixel: usize, row: &[u8], above: &[u8], out: &mut [u8]) {
    let start = pixel.min(row.len());
    for (out, (&byte, &above)) in out.iter_mut().zip(row.iter().zip(above)).take(start) {
        *out = byte.wrapping_sub(predicted(filter, 0, above, 0));
    }
    // Slices of one length, or the compiler would not take many bytes at a time.
    let count = row.len() - start;
    let (lefts, corners) = (&row[..count], &above[..count]);
    let (bytes, aboves, out) = (&row[start..], &above[start..][..count], &mut out[start..][..count]);
    for at in 0..count {
        out[at] = bytes[at].wrapping_sub(predicted(filter, lefts[at], aboves[at], corners[at]));
    }
}

/// How large the differences are in sum, as signed bytes without their sign, by each of [`Filter::ALL`].
pub(crate) fn sums(pixel: usize, row: &[u8], above: &[u8]) -> [u64; 4] {
    Filter::ALL
        .map(|filter| (0..row.len()).map(|at| u64::from((difference(filter, pixel, row, above, at) as i8).unsigned_abs())).sum())
}

/// One byte less what is predicted for it.
#[inline(always)]
pub(crate) fn difference(filter: Filter, pixel: usize, row: &[u8], above: &[u8], at: usize) -> u8 {
    let (left, corner) = if at < pixel { (0, 0) } else { (row[at - pixel], above[at - pixel]) };
    row[at].wrapping_sub(predicted(filter, left, above[at], corner))
}
