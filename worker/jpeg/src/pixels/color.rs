//! Rows of components to rows of pixels, as libjpeg's `jdcolor.c` converts them (ITU-R BT.601, full range, 16 bits of fraction).

use super::taps::FINE;

/// Rows of brightness and colour to red, green and blue.
#[inline(always)]
pub(crate) fn rgb(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    const HALF: i32 = 1 << 15;
    let (out, _) = out.as_chunks_mut::<3>();
    for (((&y, &cb), &cr), out) in y.iter().zip(cb).zip(cr).zip(out) {
        let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
        let red = y + ((91881 * cr + HALF) >> 16);
        let green = y + ((-22554 * cb - 46802 * cr + HALF) >> 16);
        let blue = y + ((116130 * cb + HALF) >> 16);
        *out = [red, green, blue].map(|value| value.clamp(0, 255) as u8);
    }
}

/// The same of values with [`FINE`] bits of fraction, rounded once. They are within what Lanczos' filter makes of samples, 3 times their range.
#[inline(always)]
pub(crate) fn rgb_fine(y: &[i16], cb: &[i16], cr: &[i16], out: &mut [u8]) {
    const SHIFT: u32 = 16 + FINE;
    const CENTER: i32 = 128 << FINE;
    let (out, _) = out.as_chunks_mut::<3>();
    for (((&y, &cb), &cr), out) in y.iter().zip(cb).zip(cr).zip(out) {
        let (y, cb, cr) = ((i32::from(y) << 16) + (1 << (SHIFT - 1)), i32::from(cb) - CENTER, i32::from(cr) - CENTER);
        let sums = [y + 91881 * cr, y - 22554 * cb - 46802 * cr, y + 116130 * cb];
        *out = sums.map(|sum| (sum >> SHIFT).clamp(0, 255) as u8);
    }
}

/// YCCK to inks: the complement of red, green and blue; black stays.
pub(super) fn cmyk(rows: [&[u8]; 4], out: &mut [u8]) {
    let (out, _) = out.as_chunks_mut::<4>();
    let mut pixel = [0; 3];
    for (x, out) in out.iter_mut().enumerate() {
        rgb(&rows[0][x..=x], &rows[1][x..=x], &rows[2][x..=x], &mut pixel);
        *out = [255 - pixel[0], 255 - pixel[1], 255 - pixel[2], rows[3][x]];
    }
}

/// Components as they are.
pub(super) fn interleave(rows: &[&[u8]], out: &mut [u8]) {
    for (channel, row) in rows.iter().enumerate() {
        for (pixel, &sample) in out.chunks_exact_mut(rows.len()).zip(*row) {
            pixel[channel] = sample;
        }
    }
}
