//! Places a layer over or under an image, once or as tiles (Porter and Duff's "over", Compositing Digital Images, 1984, equation for
//! straight alpha). Whole numbers, rounded to the nearest.

use std::ops::Range;

use super::convert::Convert;
use super::{Kernel, Tolerance, at_level, wrong_step};
use crate::failure::Failure;
use crate::pixels::pass::{Band, Pass};
use crate::pixels::samples::{Bits8, Bits16, Samples, expect_shape};
use crate::pixels::{Channels, CpuLevel, Depth, Image, Layer, Shape, Step};

/// See [`Step::Overlay`].
pub(super) struct Overlay;

/// Where the layer lies on an image.
#[derive(Clone, Copy)]
struct Place {
    /// Left edge of the first copy; may be outside.
    x: i32,
    /// Top edge of the first copy; may be outside.
    y: i32,
    /// Pixels from one copy to the next; `None` is a single one.
    every: Option<(u32, u32)>,
    /// Under the image.
    below: bool,
}

impl Kernel for Overlay {
    fn name(&self) -> &'static str {
        "overlay"
    }

    fn tolerance(&self, src: Shape) -> Tolerance {
        // Colour under alpha needs 48 bits at that depth; the GPU divides in single precision instead.
        Tolerance { simd: 0, gpu: u32::from(src.depth == Depth::U16 && src.channels.has_alpha()) }
    }

    fn output(&self, step: &Step, src: Shape) -> Result<Shape, Failure> {
        let Step::Overlay { .. } = step else { return Err(wrong_step(self.name(), step)) };
        Ok(src)
    }

    fn is_identity(&self, step: &Step, src: Shape) -> bool {
        // Nothing is seen under an opaque image.
        let hidden = |below: bool| below && !src.channels.has_alpha();
        matches!(step, &Step::Overlay { opacity, below, .. } if opacity == 0 || hidden(below))
    }

    fn cpu(&self, level: CpuLevel, step: &Step, layers: &[Layer], src: &Image, dst: &mut Image) -> Result<(), Failure> {
        expect_shape(dst, self.output(step, src.shape())?)?;
        let (layer, place) = prepare(step, layers, src.shape())?;
        dst.data_mut().copy_from_slice(src.data());
        if self.is_identity(step, src.shape()) {
            return Ok(());
        }
        for (x, y) in copies(place, layer.shape(), src.shape()) {
            over(level, dst, &layer, (x, y), place.below);
        }
        Ok(())
    }

    fn gpu(&self, step: &Step, layers: &[Layer], src: Shape) -> Result<Vec<Pass>, Failure> {
        let dst = self.output(step, src)?;
        let (layer, Place { x, y, every, below }) = prepare(step, layers, src)?;
        let (across, down) = every.unwrap_or_default();
        let own = [layer.width(), layer.height(), x.cast_unsigned(), y.cast_unsigned(), across, down, below.into(), 0];
        Ok(vec![Pass::over_words(self.name(), src, dst, own).with_layer(&layer)])
    }

    fn band(&self, step: &Step, layers: &[Layer], src: Shape, rows: Range<u32>) -> Result<Option<Band>, Failure> {
        let &Step::Overlay { layer, x, y, opacity, every, below } = step else { return Err(wrong_step(self.name(), step)) };
        // Images and their distance to a layer are far smaller than half of 32 bits.
        let y = y.saturating_sub_unsigned(rows.start);
        let (step, part) = (Step::Overlay { layer, x, y, opacity, every, below }, Shape { height: rows.end - rows.start, ..src });
        let passes = self.gpu(&step, layers, part)?;
        Ok(Some(Band { columns: 0..src.width, rows, passes, made: part, skip: 0 }))
    }
}

/// The layer in the depth and colours of `src`, with an alpha that includes the opacity; and where it lies.
fn prepare(step: &Step, layers: &[Layer], src: Shape) -> Result<(Image, Place), Failure> {
    let &Step::Overlay { layer, x, y, opacity, every, below } = step else { return Err(wrong_step("overlay", step)) };
    let layer = layers.get(layer as usize).ok_or_else(|| Failure::internal(format!("the recording has no layer {layer}")))?;
    if every.is_some_and(|(across, down)| across < layer.width() || down < layer.height()) {
        return Err(Failure::internal(format!("tiles every {every:?} pixels overlap: the layer is {:?}", layer.shape())));
    }
    let channels = if src.channels.without_alpha() == Channels::Grey { Channels::GreyAlpha } else { Channels::Rgba };
    let step = Step::Convert { channels, depth: src.depth };
    let mut prepared = Image::zeroed(Convert.output(&step, layer.shape())?)?;
    if Convert.is_identity(&step, layer.shape()) {
        prepared.data_mut().copy_from_slice(layer.data());
    } else {
        Convert.cpu(CpuLevel::Scalar, &step, &[], layer, &mut prepared)?;
    }
    if opacity != u8::MAX {
        match src.depth {
            Depth::U8 => fade::<Bits8>(prepared.data_mut(), channels.count(), opacity),
            Depth::U16 => fade::<Bits16>(prepared.data_mut(), channels.count(), opacity),
        }
    }
    Ok((prepared, Place { x, y, every, below }))
}

/// Multiplies alpha, the last of `count` samples, by `opacity` of 255.
fn fade<S: Samples>(data: &mut [u8], count: usize, opacity: u8) {
    for pixel in 0..data.len() / (count * S::BYTES) {
        let at = pixel * count + count - 1;
        let alpha = S::get(data, at) * u32::from(opacity);
        S::set(data, at, (alpha + 127) / 255);
    }
}

/// The corners of every copy that touches the image.
fn copies(place: Place, layer: Shape, image: Shape) -> Vec<(i64, i64)> {
    let along = |start: i32, every: Option<u32>, length: u32, whole: u32| -> Vec<i64> {
        let (start, length, whole) = (i64::from(start), i64::from(length), i64::from(whole));
        let Some(every) = every.map(i64::from) else { return vec![start] };
        // The first one that reaches into the image.
        let first = start.rem_euclid(every) - every;
        (0..).map(|n| first + n * every).take_while(|at| *at < whole).filter(|at| at + length > 0).collect()
    };
    let xs = along(place.x, place.every.map(|every| every.0), layer.width, image.width);
    let ys = along(place.y, place.every.map(|every| every.1), layer.height, image.height);
    ys.into_iter().flat_map(|y| xs.iter().map(move |x| (*x, y))).collect()
}

/// One copy over or under `dst`, with its corner at `x`, `y`.
fn over(level: CpuLevel, dst: &mut Image, layer: &Image, (x, y): (i64, i64), below: bool) {
    let Shape { channels, depth, .. } = dst.shape();
    // The part of the copy that lies in the image: from and to, in the layer.
    let part = |at: i64, length: u32, whole: u32| {
        let (from, to) = ((-at).max(0), (i64::from(whole) - at).min(i64::from(length)));
        (usize::try_from(from).unwrap_or(usize::MAX), usize::try_from(to).unwrap_or(0))
    };
    let ((left, right), (top, bottom)) = (part(x, layer.width(), dst.width()), part(y, layer.height(), dst.height()));
    if left >= right || top >= bottom {
        return;
    }
    let (pixel, ink) = (channels.count() * depth.bytes(), layer.channels().count() * depth.bytes());
    // Neither is negative: the part begins inside the image.
    let (column, row) = ((x + left as i64) as usize * pixel, (y + top as i64) as usize);
    let length = (right - left) * pixel;
    let (stride, from) = (dst.stride(), layer.stride());
    for (under, line) in
        dst.data_mut().chunks_exact_mut(stride).skip(row).zip(layer.data().chunks_exact(from).take(bottom).skip(top))
    {
        let (under, line) = (&mut under[column..column + length], &line[left * ink..right * ink]);
        match (depth, channels) {
            (Depth::U8, Channels::Grey) => at_level!(level, grey8(under: &mut [u8], line: &[u8])),
            (Depth::U8, Channels::GreyAlpha) => at_level!(level, grey_alpha8(under: &mut [u8], line: &[u8], below: bool)),
            (Depth::U8, Channels::Rgb) => at_level!(level, rgb8(under: &mut [u8], line: &[u8])),
            (Depth::U8, Channels::Rgba) => at_level!(level, rgba8(under: &mut [u8], line: &[u8], below: bool)),
            (Depth::U16, Channels::Grey) => at_level!(level, grey16(under: &mut [u8], line: &[u8])),
            (Depth::U16, Channels::GreyAlpha) => at_level!(level, grey_alpha16(under: &mut [u8], line: &[u8], below: bool)),
            (Depth::U16, Channels::Rgb) => at_level!(level, rgb16(under: &mut [u8], line: &[u8])),
            (Depth::U16, Channels::Rgba) => at_level!(level, rgba16(under: &mut [u8], line: &[u8], below: bool)),
        }
    }
}

/// A row of pixels of `DST` bytes without alpha under one of `INK` bytes, which have one sample more.
#[inline(always)]
fn opaque<S: Samples, const DST: usize, const INK: usize>(under: &mut [u8], line: &[u8]) {
    let (under, _) = under.as_chunks_mut::<DST>();
    let (line, _) = line.as_chunks::<INK>();
    for (under, ink) in under.iter_mut().zip(line) {
        let alpha = S::get(ink, DST / S::BYTES);
        for channel in 0..DST / S::BYTES {
            let (value, below) = (S::get(ink, channel), S::get(under, channel));
            S::set(under, channel, (value * alpha + below * (S::MAX - alpha) + S::MAX / 2) / S::MAX);
        }
    }
}

/// A row of pixels of `PIXEL` bytes with alpha under another one of the same layout, or over it where that lies `below`.
#[inline(always)]
fn translucent<S: Samples, const PIXEL: usize>(under: &mut [u8], line: &[u8], below: bool) {
    let (under, _) = under.as_chunks_mut::<PIXEL>();
    let (line, _) = line.as_chunks::<PIXEL>();
    let colours = PIXEL / S::BYTES - 1;
    for (under, ink) in under.iter_mut().zip(line) {
        let (alpha, ground) = (S::get(ink, colours), S::get(under, colours));
        // Both weights in steps of 1 / MAX squared; their sum is the new alpha and fits 32 bits.
        let (mine, theirs) =
            if below { (alpha * (S::MAX - ground), ground * S::MAX) } else { (alpha * S::MAX, ground * (S::MAX - alpha)) };
        let sum = mine + theirs;
        // Nothing over nothing: what colour lies hidden there stays.
        if sum == 0 {
            continue;
        }
        for channel in 0..colours {
            let blended = u64::from(S::get(ink, channel)) * u64::from(mine)
                + u64::from(S::get(under, channel)) * u64::from(theirs)
                + u64::from(sum / 2);
            S::set(under, channel, (blended / u64::from(sum)) as u32);
        }
        S::set(under, colours, ((u64::from(sum) + u64::from(S::MAX / 2)) / u64::from(S::MAX)) as u32);
    }
}

#[inline(always)]
fn grey8(under: &mut [u8], line: &[u8]) {
    opaque::<Bits8, 1, 2>(under, line);
}

#[inline(always)]
fn grey_alpha8(under: &mut [u8], line: &[u8], below: bool) {
    translucent::<Bits8, 2>(under, line, below);
}

#[inline(always)]
fn rgb8(under: &mut [u8], line: &[u8]) {
    opaque::<Bits8, 3, 4>(under, line);
}

#[inline(always)]
fn rgba8(under: &mut [u8], line: &[u8], below: bool) {
    translucent::<Bits8, 4>(under, line, below);
}

#[inline(always)]
fn grey16(under: &mut [u8], line: &[u8]) {
    opaque::<Bits16, 2, 4>(under, line);
}

#[inline(always)]
fn grey_alpha16(under: &mut [u8], line: &[u8], below: bool) {
    translucent::<Bits16, 4>(under, line, below);
}

#[inline(always)]
fn rgb16(under: &mut [u8], line: &[u8]) {
    opaque::<Bits16, 6, 8>(under, line);
}

#[inline(always)]
fn rgba16(under: &mut [u8], line: &[u8], below: bool) {
    translucent::<Bits16, 8>(under, line, below);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn image(width: u32, height: u32, channels: Channels, data: Vec<u8>) -> Image {
        Image::new(width, height, channels, Depth::U8, data).expect("an image")
    }

    fn run(image: &Image, layer: Image, x: i32, y: i32, opacity: u8, every: Option<(u32, u32)>) -> Vec<u8> {
        let mut made = Image::zeroed(image.shape()).expect("fits");
        let step = Step::Overlay { layer: 0, x, y, opacity, every, below: false };
        Overlay.cpu(CpuLevel::Scalar, &step, &[Arc::new(layer)], image, &mut made).expect("the step fits");
        made.into_data()
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let ground = image(3, 2, Channels::Grey, vec![0; 6]);
        let white = || image(2, 2, Channels::Grey, vec![255; 4]);
        assert_eq!(run(&ground, white(), -1, -1, 255, None), [255, 0, 0, 0, 0, 0], "beyond the corner");
        assert_eq!(run(&ground, white(), 2, 1, 255, None), [0, 0, 0, 0, 0, 255], "beyond the other corner");
        for (x, y) in [(3, 0), (0, 2), (-2, 0), (0, -2), (i32::MIN, 0), (i32::MAX, i32::MAX)] {
            assert_eq!(run(&ground, white(), x, y, 255, None), [0; 6], "{x},{y} is outside altogether");
        }
    }

    #[test]
    fn tiles_cover_the_image_from_any_corner() {
        let ground = image(5, 1, Channels::Grey, vec![0; 5]);
        let dot = || image(1, 1, Channels::Grey, vec![255]);
        for x in [-6, -3, 0, 3, 300] {
            assert_eq!(run(&ground, dot(), x, -7, 255, Some((3, 1))), [255, 0, 0, 255, 0], "from {x}");
        }
        let wide = image(3, 1, Channels::Grey, vec![255, 9, 255]);
        assert_eq!(run(&ground, wide, -2, 0, 255, Some((4, 1))), [255, 0, 255, 9, 255], "cut at both ends");
    }

    #[test]
    fn straight_alpha_is_blended_by_porter_and_duff() {
        let half = |rgb: [u8; 3]| image(1, 1, Channels::Rgba, [&rgb[..], &[128]].concat());
        let clear = image(1, 1, Channels::Rgba, vec![7, 8, 9, 0]);
        assert_eq!(run(&clear, half([200, 100, 0]), 0, 0, 255, None), [200, 100, 0, 128], "over nothing: the layer itself");
        assert_eq!(run(&half([0, 0, 200]), half([200, 0, 0]), 0, 0, 255, None), [134, 0, 66, 192], "0.502 over 0.502");
        let blue = image(1, 1, Channels::Rgb, vec![0, 0, 255]);
        assert_eq!(run(&blue, half([255, 0, 0]), 0, 0, 255, None), [128, 0, 127], "over opaque blue");
        assert_eq!(run(&blue, half([255, 0, 0]), 0, 0, 128, None), [64, 0, 191], "half the opacity");
        assert_eq!(
            run(&clear, image(1, 1, Channels::Rgba, vec![1, 2, 3, 0]), 0, 0, 255, None),
            [7, 8, 9, 0],
            "nothing over nothing"
        );
    }

    #[test]
    fn what_lies_below_shows_where_the_image_is_transparent() {
        let under = |image: &Image, layer: Image| {
            let mut made = Image::zeroed(image.shape()).expect("fits");
            let step = Step::Overlay { layer: 0, x: 0, y: 0, opacity: 255, every: None, below: true };
            Overlay.cpu(CpuLevel::Scalar, &step, &[Arc::new(layer)], image, &mut made).expect("the step fits");
            made.into_data()
        };
        let half = |rgb: [u8; 3]| image(1, 1, Channels::Rgba, [&rgb[..], &[128]].concat());
        let red = || image(1, 1, Channels::Rgb, vec![255, 0, 0]);
        assert_eq!(under(&image(1, 1, Channels::Rgba, vec![7, 8, 9, 0]), red()), [255, 0, 0, 255], "through nothing");
        assert_eq!(under(&half([0, 0, 255]), red()), [127, 0, 128, 255], "half through half");
        assert_eq!(under(&half([0, 0, 200]), half([200, 0, 0])), [66, 0, 134, 192], "the other way round than above");
        assert_eq!(under(&image(1, 1, Channels::Rgba, vec![7, 8, 9, 255]), red()), [7, 8, 9, 255], "not at all");
        assert_eq!(under(&image(1, 1, Channels::Rgb, vec![7, 8, 9]), red()), [7, 8, 9], "without alpha neither");
    }

    #[test]
    fn overlapping_tiles_and_unknown_layers_are_faults_of_the_caller() {
        let ground = image(3, 2, Channels::Grey, vec![0; 6]);
        let mut made = ground.clone();
        let layers = [Arc::new(image(2, 1, Channels::Grey, vec![1, 2]))];
        for (layer, every) in [(1, None), (0, Some((1, 1)))] {
            let step = Step::Overlay { layer, x: 0, y: 0, opacity: 255, every, below: false };
            let failed = Overlay.cpu(CpuLevel::Scalar, &step, &layers, &ground, &mut made);
            assert!(matches!(failed, Err(Failure::Internal { .. })), "{step:?} gave {failed:?}");
        }
    }
}
