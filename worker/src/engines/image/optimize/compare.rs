//! Whether two pictures are the same, and how much they look alike.

use ::ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};

use crate::failure::Failure;
use crate::formats::{Decoded, Frame};
use crate::pixels::{Channels, Depth, Image, Shape};

/// Side of the parts of a large picture that are looked at, pixels, and how many there are across and down: enough of most pictures
/// to tell how much they suffer, and no more than takes a fraction of a second.
const TILE: u32 = 256;
const TILES: u32 = 3;

/// Grid of the blocks that JPEG and WebP code, pixels: parts lie on it, so that they are coded as they are in the whole.
const BLOCK: u32 = 16;

/// Shortest side that the score is defined for.
const SMALLEST: u32 = 8;

/// One pixel as 16-bit RGBA.
fn pixel(image: &Image, index: usize) -> [u16; 4] {
    let count = image.channels().count();
    let sample = |channel: usize| match image.depth() {
        Depth::U8 => u16::from(image.data()[index * count + channel]) * 257,
        Depth::U16 => {
            let at = (index * count + channel) * 2;
            u16::from_ne_bytes([image.data()[at], image.data()[at + 1]])
        }
    };
    match image.channels() {
        Channels::Grey => [sample(0), sample(0), sample(0), u16::MAX],
        Channels::GreyAlpha => [sample(0), sample(0), sample(0), sample(1)],
        Channels::Rgb => [sample(0), sample(1), sample(2), u16::MAX],
        Channels::Rgba => [sample(0), sample(1), sample(2), sample(3)],
    }
}

fn same_pixels(a: &Image, b: &Image) -> bool {
    if a == b {
        return true;
    }
    let pixels = a.width() as usize * a.height() as usize;
    (a.width(), a.height()) == (b.width(), b.height())
        && (0..pixels).all(|index| {
            let (a, b) = (pixel(a, index), pixel(b, index));
            // The colour of what does not show is none.
            a == b || (a[3] == 0 && b[3] == 0)
        })
}

/// Whether two files show the same: every pixel, the way up, times and repetitions. How pixels are stored does not matter.
pub(super) fn same(a: &Decoded, b: &Decoded) -> bool {
    a.orientation == b.orientation
        && a.frames.len() == b.frames.len()
        && (a.frames.len() == 1 || a.loops == b.loops)
        && a.frames.iter().zip(&b.frames).all(|(a, b)| a.delay_ms == b.delay_ms && same_pixels(&a.image, &b.image))
}

/// A part of a picture or an animation that stands for all of it, 8 bits a sample: all of a small still, otherwise nine parts from
/// all over, of frames from all over.
///
/// # Errors
/// [`Failure::Internal`] for a file without a frame.
pub(super) fn sample(frames: &[Frame]) -> Result<Image, Failure> {
    let first = &frames.first().ok_or_else(|| Failure::internal("a decoder gave no frame"))?.image;
    let Shape { width, height, channels, .. } = first.shape();
    if frames.len() == 1 && width <= TILE * TILES && height <= TILE * TILES {
        let pixels = (0..width as usize * height as usize).map(|index| pixel(first, index));
        return picture(width, height, channels, pixels);
    }
    let (wide, high) = (width.min(TILE), height.min(TILE));
    let place = |room: u32, tile: u32| room * tile / (TILES - 1) / BLOCK * BLOCK;
    let rows = TILES * high;
    let pixels = (0..rows).flat_map(|row| {
        (0..TILES * wide).map(move |column| {
            let (down, across) = (row / high, column / wide);
            let frame = &frames[frames.len() * (down * TILES + across) as usize / (TILES * TILES) as usize].image;
            let (x, y) = (place(width - wide, across) + column % wide, place(height - high, down) + row % high);
            // Pages may be smaller than the first one.
            let (x, y) = (x.min(frame.width() - 1), y.min(frame.height() - 1));
            pixel(frame, y as usize * frame.width() as usize + x as usize)
        })
    });
    picture(TILES * wide, rows, channels, pixels)
}

fn picture(width: u32, height: u32, channels: Channels, pixels: impl Iterator<Item = [u16; 4]>) -> Result<Image, Failure> {
    let data = pixels
        .flat_map(|pixel| {
            let [r, g, b, a] = pixel.map(|sample| (sample >> 8) as u8);
            let (samples, count) = match channels {
                Channels::Grey => ([r, 0, 0, 0], 1),
                Channels::GreyAlpha => ([r, a, 0, 0], 2),
                Channels::Rgb => ([r, g, b, 0], 3),
                Channels::Rgba => ([r, g, b, a], 4),
            };
            samples.into_iter().take(count)
        })
        .collect();
    Image::new(width, height, channels, Depth::U8, data)
}

/// How much two pictures of one size look alike: 100 is the same, 90 cannot be told apart (SSIMULACRA 2). What is transparent is
/// looked at on white and on black. `None` for pictures too small for that.
///
/// # Errors
/// [`Failure::Internal`] where they differ in size.
pub(super) fn score(a: &Image, b: &Image) -> Result<Option<f64>, Failure> {
    if a.width().min(a.height()) < SMALLEST {
        return Ok(None);
    }
    let grounds: &[f32] = if a.channels().has_alpha() || b.channels().has_alpha() { &[1.0, 0.0] } else { &[1.0] };
    let mut worst = f64::INFINITY;
    for &ground in grounds {
        let score = compute_frame_ssimulacra2(rgb(a, ground)?, rgb(b, ground)?).map_err(Failure::internal)?;
        worst = worst.min(score);
    }
    Ok(Some(worst))
}

/// The picture on a grey of that brightness.
fn rgb(image: &Image, ground: f32) -> Result<Rgb, Failure> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let on_ground = |pixel: [u16; 4]| {
        let [r, g, b, a] = pixel.map(|sample| f32::from(sample) / 65_535.0);
        [r, g, b].map(|value| value * a + ground * (1.0 - a))
    };
    let data = (0..width * height).map(|index| on_ground(pixel(image, index))).collect();
    Rgb::new(data, width, height, TransferCharacteristic::SRGB, ColorPrimaries::BT709).map_err(Failure::internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::support::testing::{picture, still};
    use crate::pixels::Orientation;

    #[test]
    fn storage_does_not_matter_and_pixels_do() {
        let grey = picture(20, 10, Channels::Grey);
        let as_rgba = |image: &Image, hidden: u16| {
            let data = (0..200).flat_map(|index| {
                let mut pixel = pixel(image, index);
                if index == 7 {
                    pixel = [hidden, 0, 0, 0];
                }
                pixel.into_iter().flat_map(u16::to_ne_bytes)
            });
            Image::new(20, 10, Channels::Rgba, Depth::U16, data.collect()).expect("an image")
        };
        let whole = |image: &Image| {
            let data = (0..200).flat_map(|index| pixel(image, index)[..3].to_vec()).map(|sample| (sample >> 8) as u8).collect();
            still(Image::new(20, 10, Channels::Rgb, Depth::U8, data).expect("an image"))
        };
        assert!(same(&still(grey.clone()), &whole(&grey)), "grey as colour");
        assert!(same(&still(as_rgba(&grey, 5)), &still(as_rgba(&grey, 900))), "what does not show");
        let mut other = whole(&grey);
        other.frames[0].image.data_mut()[30] ^= 1;
        assert!(!same(&whole(&grey), &other), "one step of one sample");
        assert!(
            !same(&still(grey.clone()), &Decoded { orientation: Orientation::Rotate90, ..still(grey.clone()) }),
            "the way up"
        );
        let moving = |delay_ms: u32, loops: u32| {
            let frame = |delay_ms| Frame { image: grey.clone(), delay_ms };
            Decoded { frames: vec![frame(40), frame(delay_ms)], loops, ..still(grey.clone()) }
        };
        assert!(same(&moving(50, 2), &moving(50, 2)), "an animation is itself");
        assert!(!same(&moving(50, 2), &moving(60, 2)), "how long a frame is shown");
        assert!(!same(&moving(50, 2), &moving(50, 0)), "how often it plays");
    }

    #[test]
    fn a_sample_is_taken_from_all_over() {
        let big = picture(2_000, 1_000, Channels::Rgb);
        let sample = sample(&still(big.clone()).frames).expect("a sample");
        assert_eq!((sample.width(), sample.height()), (768, 768), "nine parts");
        let at = |image: &Image, x: u32, y: u32| pixel(image, (y * image.width() + x) as usize);
        assert_eq!(at(&sample, 0, 0), at(&big, 0, 0), "the first corner");
        assert_eq!(at(&sample, 767, 767), at(&big, 1_744 / 16 * 16 + 255, 744 / 16 * 16 + 255), "the last one, on the grid");
        let frames: Vec<Frame> = (0..18).map(|n| Frame { image: picture(9 + n, 9, Channels::Rgb), delay_ms: 1 }).collect();
        assert_eq!(super::sample(&frames).expect("a sample").width(), 27, "of an animation");
    }

    #[test]
    fn scores_fall_as_pictures_suffer() {
        let picture = picture(160, 120, Channels::Rgba);
        let noisy = |strength: u8| {
            let mut image = picture.clone();
            image.data_mut().chunks_exact_mut(4).enumerate().for_each(|(index, pixel)| {
                pixel[index % 3] = pixel[index % 3].saturating_add((index * 7919 % 13) as u8 * strength);
            });
            score(&picture, &image).expect("a score").expect("it is large enough")
        };
        assert!(noisy(0) > 99.9, "the same: {}", noisy(0));
        let scores = [0, 1, 3, 9].map(noisy);
        assert!(scores.is_sorted_by(|a, b| a > b), "{scores:?}");
        let tiny = super::picture(7, 9, Channels::Rgb, std::iter::repeat_n([0; 4], 63)).expect("an image");
        assert_eq!(score(&tiny, &tiny), Ok(None), "too small");
    }
}
