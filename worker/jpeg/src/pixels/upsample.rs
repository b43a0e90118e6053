//! Rows of components with fewer samples to rows of the full width, as libjpeg's `jdsample.c` makes them ("fancy": triangle filters).

use crate::error::Error;
use crate::frame::Frame;
use crate::simd::Level;

/// How a component grows to full size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Growth {
    /// It has full size.
    None,
    /// Twice as wide, filtered.
    Across,
    /// Twice as high, filtered.
    Down,
    /// Twice as wide and high, filtered.
    Both,
    /// Each sample stands for so many across and down.
    Repeat(usize, usize),
}

impl Growth {
    pub(super) fn of(frame: &Frame, component: usize) -> Result<Self, Error> {
        let c = &frame.components[component];
        let wide = (frame.width as usize * c.h).div_ceil(frame.max_h) > 2;
        if !frame.max_h.is_multiple_of(c.h) || !frame.max_v.is_multiple_of(c.v) {
            return Err(Error::Unsupported("of fractional sampling factors"));
        }
        Ok(match (frame.max_h / c.h, frame.max_v / c.v) {
            (1, 1) => Growth::None,
            (2, 1) if wide => Growth::Across,
            (1, 2) => Growth::Down,
            (2, 2) if wide => Growth::Both,
            (across, down) => Growth::Repeat(across, down),
        })
    }

    /// How many rows there are for one of the component.
    pub(super) fn down(self) -> usize {
        match self {
            Growth::None | Growth::Across => 1,
            Growth::Down | Growth::Both => 2,
            Growth::Repeat(_, down) => down,
        }
    }

    /// A row of full width out of one of the component and, for the heights that are filtered, its neighbour that is nearer; `lower` says
    /// that it is the one below. `sums` and `out` are long enough.
    pub(super) fn row(self, level: Level, near: &[u8], far: &[u8], lower: bool, sums: &mut [u16], out: &mut [u8]) {
        match self {
            Growth::None => out[..near.len()].copy_from_slice(near),
            Growth::Across => level.across(near, out),
            Growth::Down => level.down(near, far, 1 + u16::from(lower), out),
            Growth::Both => level.both(near, far, sums, out),
            Growth::Repeat(times, _) => {
                for (out, &sample) in out.chunks_exact_mut(times).zip(near) {
                    out.fill(sample);
                }
            }
        }
    }
}

/// Twice as wide: three quarters of the sample, a quarter of the nearer neighbour.
#[inline(always)]
pub(crate) fn across(near: &[u8], out: &mut [u8]) {
    let (out, _) = out.as_chunks_mut::<2>();
    let last = near.len() - 1;
    let three = |sample: u8| 3 * u16::from(sample);
    out[0] = [near[0], ((three(near[0]) + u16::from(near[1]) + 2) >> 2) as u8];
    for (((&left, &middle), &right), out) in near[..last - 1].iter().zip(&near[1..last]).zip(&near[2..]).zip(&mut out[1..last]) {
        let middle = three(middle);
        let (one, other) = ((middle + u16::from(left) + 1) >> 2, (middle + u16::from(right) + 2) >> 2);
        *out = (one | other << 8).to_le_bytes();
    }
    out[last] = [((three(near[last]) + u16::from(near[last - 1]) + 1) >> 2) as u8, near[last]];
}

/// Twice as high.
#[inline(always)]
pub(crate) fn down(near: &[u8], far: &[u8], bias: u16, out: &mut [u8]) {
    for ((&near, &far), out) in near.iter().zip(far).zip(out) {
        *out = ((3 * u16::from(near) + u16::from(far) + bias) >> 2) as u8;
    }
}

/// Twice as wide and high.
#[inline(always)]
pub(crate) fn both(near: &[u8], far: &[u8], sums: &mut [u16], out: &mut [u8]) {
    let sums = &mut sums[..near.len()];
    for ((&near, &far), sum) in near.iter().zip(far).zip(&mut *sums) {
        *sum = 3 * u16::from(near) + u16::from(far);
    }
    let (out, _) = out.as_chunks_mut::<2>();
    let last = sums.len() - 1;
    out[0] = [((4 * sums[0] + 8) >> 4) as u8, ((3 * sums[0] + sums[1] + 7) >> 4) as u8];
    for (((left, middle), right), out) in sums[..last - 1].iter().zip(&sums[1..last]).zip(&sums[2..]).zip(&mut out[1..last]) {
        let middle = 3 * middle;
        let (one, other) = ((middle + left + 8) >> 4, (middle + right + 7) >> 4);
        *out = (one | other << 8).to_le_bytes();
    }
    out[last] = [((3 * sums[last] + sums[last - 1] + 8) >> 4) as u8, ((4 * sums[last] + 7) >> 4) as u8];
}
