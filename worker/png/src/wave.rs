//! Four rows at once, each one pixel behind the row above: what a row needs of that one is then there, and the rows do not wait for each other.
//!
//! A register of 16 bytes holds a pixel of each row, in 4 bytes whatever its size; what is in bytes that no pixel has stays among its like and
//! is never looked at. The pixels to the left are those of the step before; the ones above are the same, one row further.

use std::arch::x86_64::*;

use crate::decompress::GROUP;
use crate::filter::Filter;

/// The rows of a group.
struct Rows<'a> {
    /// As they are filtered.
    lines: [&'a [u8]; GROUP],
    /// The row above the first one, undone.
    above: &'a [u8],
    /// As they become.
    out: [&'a mut [u8]; GROUP],
}

/// The pixels to the left of a step's, and the ones above them.
#[derive(Clone, Copy)]
struct Step {
    left: __m128i,
    above: __m128i,
}

/// Which bytes of a register are of rows with a filter, by each of [`Filter::ALL`].
#[derive(Clone, Copy)]
struct Masks([__m128i; 4]);

/// Undoes `lines`, each of which begins with the number of its filter, of pixels of `PIXEL` bytes.
#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(crate) fn undo<const PIXEL: usize>(lines: &[u8], above: &[u8], out: &mut [u8]) {
    let row = above.len();
    let mut parts = out.chunks_exact_mut(row);
    let numbers: [u8; GROUP] = std::array::from_fn(|at| lines[at * (row + 1)]);
    let rows = Rows {
        lines: std::array::from_fn(|at| &lines[at * (row + 1) + 1..][..row]),
        above,
        out: std::array::from_fn(|_| parts.next().unwrap_or_default()),
    };
    let masks = Masks(Filter::ALL.map(|filter| lanes(|at| numbers[at] == filter as u8)));
    // Most encoders that filter at all choose this one for most rows of photographs.
    if numbers == [Filter::Paeth as u8; GROUP] { walk::<PIXEL, true>(rows, masks) } else { walk::<PIXEL, false>(rows, masks) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn walk<const PIXEL: usize, const PAETH: bool>(mut rows: Rows<'_>, masks: Masks) {
    let width = rows.above.len() / PIXEL;
    let zero = _mm_setzero_si128();
    let mut step = Step { left: zero, above: zero };
    // Where all rows are inside, and four bytes may be read and written for a pixel: what is written too much is the next one's.
    let (begin, end) = (GROUP - 1, width.saturating_sub(3).max(GROUP - 1));
    for at in 0..begin {
        step = edge::<PIXEL>(&mut rows, at, step, masks);
    }
    // Slices of one length, known to the compiler.
    let (above, [a, b, c, d]) = (rows.above, rows.lines.map(|line| &line[..rows.above.len()]));
    let [e, f, g, h] = rows.out.each_mut().map(|out| &mut out[..above.len()]);
    for at in begin..end {
        let [p, q, r, s] = [(a, at), (b, at - 1), (c, at - 2), (d, at - 3)].map(|(row, at)| whole::<PIXEL>(row, at));
        step = next::<PAETH>(step, whole::<PIXEL>(above, at), _mm_set_epi32(s, r, q, p), masks);
        put::<PIXEL>(e, at, _mm_extract_epi32::<0>(step.left));
        put::<PIXEL>(f, at - 1, _mm_extract_epi32::<1>(step.left));
        put::<PIXEL>(g, at - 2, _mm_extract_epi32::<2>(step.left));
        put::<PIXEL>(h, at - 3, _mm_extract_epi32::<3>(step.left));
    }
    for at in end..width + begin {
        step = edge::<PIXEL>(&mut rows, at, step, masks);
    }
}

/// A step where some rows have not begun, or have ended, or end soon.
#[target_feature(enable = "avx2")]
fn edge<const PIXEL: usize>(rows: &mut Rows<'_>, at: usize, step: Step, masks: Masks) -> Step {
    let width = rows.above.len() / PIXEL;
    let inside = |lane: usize| at >= lane && at - lane < width;
    let pixel = |lane: usize, row: &[u8]| {
        let mut bytes = [0; 4];
        if inside(lane) {
            bytes[..PIXEL].copy_from_slice(&row[(at - lane) * PIXEL..][..PIXEL]);
        }
        i32::from_le_bytes(bytes)
    };
    let filtered: [i32; GROUP] = std::array::from_fn(|lane| pixel(lane, rows.lines[lane]));
    let [p, q, r, s] = filtered;
    // What is to the left of the first pixel of a row, and above that, is made of nothing, and so nothing as it has to be.
    let step = next::<false>(step, pixel(0, rows.above), _mm_set_epi32(s, r, q, p), masks);
    let undone = [
        _mm_extract_epi32::<0>(step.left),
        _mm_extract_epi32::<1>(step.left),
        _mm_extract_epi32::<2>(step.left),
        _mm_extract_epi32::<3>(step.left),
    ];
    for (lane, (out, value)) in rows.out.iter_mut().zip(undone).enumerate().filter(|&(lane, _)| inside(lane)) {
        out[(at - lane) * PIXEL..][..PIXEL].copy_from_slice(&value.to_le_bytes()[..PIXEL]);
    }
    step
}

/// All bits of the lanes for which `which` holds.
#[inline]
#[target_feature(enable = "avx2")]
fn lanes(which: impl Fn(usize) -> bool) -> __m128i {
    let lane = |at| if which(at) { -1 } else { 0 };
    _mm_set_epi32(lane(3), lane(2), lane(1), lane(0))
}

/// The pixels of the next step, of which `above` is the one over the first row and `filtered` what the file has of each.
#[inline]
#[target_feature(enable = "avx2")]
fn next<const PAETH: bool>(step: Step, above: i32, filtered: __m128i, masks: Masks) -> Step {
    let Step { left, above: corner } = step;
    let above = _mm_or_si128(_mm_slli_si128::<4>(left), _mm_cvtsi32_si128(above));
    let guess = paeth(left, above, corner);
    let guess = if PAETH {
        guess
    } else {
        let [is_sub, is_up, is_average, is_paeth] = masks.0;
        // The instruction rounds up.
        let odd = _mm_and_si128(_mm_xor_si128(left, above), _mm_set1_epi8(1));
        let average = _mm_sub_epi8(_mm_avg_epu8(left, above), odd);
        let sideways = _mm_or_si128(_mm_and_si128(left, is_sub), _mm_and_si128(above, is_up));
        let both = _mm_or_si128(_mm_and_si128(average, is_average), _mm_and_si128(guess, is_paeth));
        _mm_or_si128(sideways, both)
    };
    Step { left: _mm_add_epi8(filtered, guess), above }
}

/// See `filter::predicted`.
#[inline]
#[target_feature(enable = "avx2")]
fn paeth(left: __m128i, above: __m128i, corner: __m128i) -> __m128i {
    let apart = |a, b| _mm_or_si128(_mm_subs_epu8(a, b), _mm_subs_epu8(b, a));
    let below = |a, b| _mm_cmpeq_epi8(_mm_max_epu8(a, b), a);
    let (to_left, to_above) = (apart(above, corner), apart(left, corner));
    let other_side = _mm_xor_si128(below(above, corner), below(left, corner));
    let to_corner = _mm_blendv_epi8(_mm_adds_epu8(to_left, to_above), apart(to_left, to_above), other_side);
    let least = _mm_min_epu8(_mm_min_epu8(to_left, to_above), to_corner);
    let guess = _mm_blendv_epi8(corner, above, _mm_cmpeq_epi8(to_above, least));
    _mm_blendv_epi8(guess, left, _mm_cmpeq_epi8(to_left, least))
}

/// Four bytes from the beginning of a pixel on.
#[inline(always)]
fn whole<const PIXEL: usize>(row: &[u8], at: usize) -> i32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&row[at * PIXEL..at * PIXEL + 4]);
    i32::from_le_bytes(bytes)
}

/// Puts four bytes where a pixel begins.
#[inline(always)]
fn put<const PIXEL: usize>(row: &mut [u8], at: usize, value: i32) {
    row[at * PIXEL..at * PIXEL + 4].copy_from_slice(&value.to_le_bytes());
}
