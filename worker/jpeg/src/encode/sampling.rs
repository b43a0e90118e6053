//! Pixels to brightness and colour, and colour to fewer samples, as libjpeg's `jccolor.c` and `jcsample.c` have it.

/// Red, green and blue to brightness and colour (ITU-R BT.601, full range, 16 bits of fraction).
#[inline(always)]
pub(crate) fn ycc(rgb: &[u8], y: &mut [u8], cb: &mut [u8], cr: &mut [u8]) {
    const HALF: i32 = 1 << 15;
    const CENTER: i32 = (128 << 16) + HALF - 1;
    let (pixels, _) = rgb.as_chunks::<3>();
    for (((&[r, g, b], y), cb), cr) in pixels.iter().zip(y).zip(cb).zip(cr) {
        let (r, g, b) = (i32::from(r), i32::from(g), i32::from(b));
        *y = ((19595 * r + 38470 * g + 7471 * b + HALF) >> 16) as u8;
        *cb = ((-11059 * r - 21709 * g + 32768 * b + CENTER) >> 16) as u8;
        *cr = ((32768 * r - 27439 * g - 5329 * b + CENTER) >> 16) as u8;
    }
}

/// Half as wide and high: the mean of four, rounded down and up in turns.
#[inline(always)]
pub(crate) fn halve(upper: &[u8], lower: &[u8], out: &mut [u8]) {
    let ((upper, _), (lower, _)) = (upper.as_chunks::<2>(), lower.as_chunks::<2>());
    for (((&[a, b], &[c, d]), out), bias) in upper.iter().zip(lower).zip(out).zip([1, 2].into_iter().cycle()) {
        *out = ((u16::from(a) + u16::from(b) + u16::from(c) + u16::from(d) + bias) >> 2) as u8;
    }
}
