//! Few bits, palettes, interlacing, and animations with every kind of disposal and blending.

use ::png::{BitDepth, BlendOp, ColorType, DisposeOp, Encoder};

use super::*;
use crate::formats::support::testing::{decode as read, deep, encode, picture, still};

/// A file of one picture as its samples are stored.
fn stored(width: u32, height: u32, color: ColorType, bits: BitDepth, palette: Option<(&[u8], &[u8])>, data: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, width, height);
    encoder.set_color(color);
    encoder.set_depth(bits);
    if let Some((colors, alpha)) = palette {
        encoder.set_palette(colors);
        encoder.set_trns(alpha);
    }
    encoder.write_header().expect("a header").write_image_data(data).expect("pixels");
    file
}

#[test]
fn few_bits_and_palettes_are_spread_out() {
    for (bits, data, expected) in [
        (BitDepth::One, &[0b1010_0000][..], vec![255, 0, 255]),
        (BitDepth::Two, &[0b0001_1000], vec![0, 85, 170]),
        (BitDepth::Four, &[0x0f, 0x80], vec![0, 255, 136]),
    ] {
        let decoded = read("png", &stored(3, 1, ColorType::Grayscale, bits, None, data));
        assert_eq!(
            (decoded.frames[0].image.channels(), decoded.frames[0].image.data()),
            (Channels::Grey, &expected[..]),
            "{bits:?}"
        );
    }
    let palette = [10, 20, 30, 40, 50, 60];
    let opaque = read("png", &stored(2, 1, ColorType::Indexed, BitDepth::Four, Some((&palette, &[])), &[0x10]));
    let clear = read("png", &stored(2, 1, ColorType::Indexed, BitDepth::One, Some((&palette, &[7])), &[0b0100_0000]));
    assert_eq!(clear.frames[0].image.data(), [10, 20, 30, 7, 40, 50, 60, 255], "alpha by entry");
    let colors = opaque.frames[0].image.data();
    assert!(colors.starts_with(&[40, 50, 60]), "the second entry first: {colors:?}");
}

fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let named = [name, body].concat();
    [&(body.len() as u32).to_be_bytes()[..], &named, &::crc32fast::hash(&named).to_be_bytes()].concat()
}

/// Adam7 by hand: seven passes, each filtered by nothing (PNG third edition, 8.1).
fn interlaced(image: &Image) -> Vec<u8> {
    let count = image.channels().count();
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut data = Vec::new();
    for (left, top, right, down) in
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    {
        for y in (top..height).step_by(down).filter(|_| left < width) {
            data.push(0);
            for x in (left..width).step_by(right) {
                data.extend_from_slice(&image.data()[(y * width + x) * count..][..count]);
            }
        }
    }
    let plain = encode("png", &still(image.clone()));
    let mut packer = ::flate2::write::ZlibEncoder::new(Vec::new(), ::flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, &data).expect("packed");
    let mut header = plain[16..29].to_vec();
    header[12] = 1;
    let pixels = packer.finish().expect("packed");
    [plain[..8].to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &pixels), chunk(b"IEND", b"")].concat()
}

#[test]
fn interlaced_files_are_read() {
    for (width, height) in [(1, 1), (3, 5), (8, 8), (29, 17)] {
        for channels in [Channels::Grey, Channels::Rgba] {
            let image = picture(width, height, channels);
            assert_eq!(read("png", &interlaced(&image)).frames[0].image, image, "{channels:?} {width} x {height}");
        }
    }
}

#[test]
fn frames_are_disposed_of_and_blended() {
    let (red, half, clear) = ([255, 0, 0, 255], [0, 0, 255, 128], [0; 4]);
    for (dispose, blend, expected) in [
        (DisposeOp::None, BlendOp::Source, [half, red]),
        (DisposeOp::None, BlendOp::Over, [[127, 0, 128, 255], red]),
        (DisposeOp::Background, BlendOp::Source, [half, clear]),
        (DisposeOp::Previous, BlendOp::Source, [half, red]),
    ] {
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, 2, 1);
        encoder.set_color(ColorType::Rgba);
        encoder.set_animated(3, 5).expect("an animation");
        encoder.set_frame_delay(1, 10).expect("a delay");
        let mut writer = encoder.write_header().expect("a header");
        writer.write_image_data(&[red, red].concat()).expect("the first frame");
        // The second lies on the right pixel and is disposed of before the third, which lies on the left one.
        writer.set_frame_dimension(1, 1).expect("a size");
        writer.set_frame_position(1, 0).expect("a place");
        writer.set_dispose_op(dispose).expect("a disposal");
        writer.write_image_data(&if dispose == DisposeOp::None { red } else { half }).expect("the second frame");
        writer.set_frame_position(0, 0).expect("a place");
        writer.set_dispose_op(DisposeOp::None).expect("a disposal");
        writer.set_blend_op(blend).expect("a blending");
        writer.write_image_data(&half).expect("the third frame");
        writer.finish().expect("a file");
        let decoded = read("png", &file);
        assert_eq!((decoded.frames.len(), decoded.loops), (3, 5), "{dispose:?} {blend:?}");
        assert!(decoded.frames.iter().all(|frame| frame.delay_ms == 100), "a tenth of a second");
        let last = &decoded.frames[2].image;
        let count = last.channels().count();
        let found: Vec<&[u8]> = last.data().chunks_exact(count).collect();
        assert_eq!(found, expected.iter().map(|pixel| &pixel[..count]).collect::<Vec<_>>(), "{dispose:?} {blend:?}");
    }
}

#[test]
fn the_picture_for_old_readers_is_no_frame() {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 1, 1);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_animated(2, 0).expect("an animation");
    encoder.set_sep_def_img(true).expect("a picture of its own");
    let mut writer = encoder.write_header().expect("a header");
    for level in [9, 100, 200] {
        writer.write_image_data(&[level]).expect("pixels");
    }
    writer.finish().expect("a file");
    let decoded = read("png", &file);
    let levels: Vec<u8> = decoded.frames.iter().map(|frame| frame.image.data()[0]).collect();
    assert_eq!(levels, [100, 200], "the animation alone");
    let still = super::decode(&file, &DecodeOptions::default()).expect("it decodes");
    assert_eq!(still.frames[0].image.data(), [9], "and alone where one picture is wanted");
}

#[test]
fn animations_come_back_exactly_in_every_layout() {
    for channels in [Channels::Grey, Channels::GreyAlpha, Channels::Rgb, Channels::Rgba] {
        for make in [picture, deep] {
            let frame = |index: u8| {
                let mut image = make(23, 11, channels);
                let stride = image.stride();
                image.data_mut()[stride * 3..stride * 5].iter_mut().for_each(|byte| *byte = byte.wrapping_add(index * 40));
                Frame { image, delay_ms: [20, 70_000, 1_000_000][usize::from(index)] }
            };
            let before = Decoded { frames: (0..3).map(frame).collect(), loops: 7, ..still(picture(1, 1, channels)) };
            let after = read("png", &encode("png", &before));
            assert_eq!(after.loops, 7, "{channels:?}");
            assert_eq!(
                after.frames.iter().map(|frame| frame.delay_ms).collect::<Vec<_>>(),
                [20, 70_000, 1_000_000],
                "{channels:?}"
            );
            for (index, (before, after)) in before.frames.iter().zip(&after.frames).enumerate() {
                let bytes = before.image.depth().bytes();
                // Composed in 8 bits and colour: what was stored in more is compared by its high bytes.
                let high = |data: &[u8]| data.chunks_exact(bytes).map(|sample| sample[bytes - 1]).collect::<Vec<u8>>();
                let count = before.image.channels().count();
                let wanted: Vec<u8> = high(before.image.data())
                    .chunks_exact(count)
                    .flat_map(|p| [p[0], p[if count > 2 { 1 } else { 0 }], p[if count > 2 { 2 } else { 0 }]])
                    .collect();
                let step = after.image.channels().count();
                let found: Vec<u8> = after.image.data().chunks_exact(step).flat_map(|p| p[..3].to_vec()).collect();
                assert!(found == wanted, "{channels:?} {bytes} frame {index}");
            }
        }
    }
}

#[test]
fn a_wrong_checksum_is_told_in_words_for_people() {
    let mut file = encode("png", &still(picture(67, 31, Channels::Rgb)));
    let at = file.len() - 14;
    file[at] ^= 1;
    let told = super::decode(&file, &DecodeOptions::default()).expect_err("it is damaged").to_string();
    assert_eq!(
        told,
        "The PNG file is truncated or damaged: the checksum of one of its parts is wrong. \
         Check that all of it was sent, or open it elsewhere and save it again"
    );
}

/// The pixels as the `png` crate reads them, without our own reader.
fn by_the_crate(file: &[u8]) -> Option<Vec<u8>> {
    let mut reader = open(file, &Limits::default()).read_info().ok()?;
    let mut pixels = vec![0; reader.output_buffer_size()?];
    reader.next_frame(&mut pixels).ok()?;
    if reader.output_color_type().1 == BitDepth::Sixteen {
        samples::from_big_endian(&mut pixels);
    }
    Some(pixels)
}

#[test]
fn our_reader_and_the_crate_agree_on_what_is_sound_and_what_is_not() {
    let image = picture(67, 31, Channels::Rgb);
    let mut random = fastrand::Rng::with_seed(7);
    let (mut read, mut refused) = (0, 0);
    for color in [ColorType::Grayscale, ColorType::GrayscaleAlpha, ColorType::Rgb, ColorType::Rgba] {
        for bits in [BitDepth::Eight, BitDepth::Sixteen] {
            let bytes = 67 * 31 * color.samples() * bits as usize / 8;
            let data: Vec<u8> = image.data().iter().copied().cycle().take(bytes).collect();
            let whole = stored(67, 31, color, bits, None, &data);
            let stream = chunks::stream(&whole).expect("it is sound").into_owned();
            let mut start = chunks::without(&whole, b"IDAT");
            let end = start.split_off(start.len() - 12);
            for broken in 0..120 {
                let (mut stream, mut file) = (stream.clone(), start.clone());
                // Damage whose sums were made anew: the crate forgives another sum of the pixels.
                if broken >= 80 {
                    let at = random.usize(0..stream.len());
                    stream[at] ^= 1 << random.u8(..8);
                }
                // In pieces of any size, as other writers have them.
                let mut rest = &stream[..];
                while !rest.is_empty() {
                    let (piece, after) = rest.split_at(random.usize(1..=rest.len().min(3_000)));
                    file.extend_from_slice(&chunk(b"IDAT", piece));
                    rest = after;
                }
                file.extend_from_slice(&end);
                match broken {
                    1..40 => file.truncate(random.usize(8..file.len())),
                    40..80 => {
                        let at = random.usize(33..file.len());
                        file[at] ^= 1 << random.u8(..8);
                    }
                    _ => {}
                }
                let ours =
                    super::decode(&file, &DecodeOptions::default()).ok().map(|decoded| decoded.frames[0].image.data().to_vec());
                let count = if ours.is_some() { &mut read } else { &mut refused };
                *count += 1;
                assert!(ours == by_the_crate(&file), "{color:?} {bits:?}, damage {broken}");
            }
        }
    }
    assert!(read > 30 && refused > 500, "{read} read, {refused} refused");
}
