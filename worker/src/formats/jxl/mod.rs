//! JPEG XL (ISO/IEC 18181): jxl-oxide reads, memory-safe and within a budget of memory; nothing writes.

mod size;

use ::jxl_oxide::image::BitDepth;
use ::jxl_oxide::{AllocTracker, FrameBufferSample, InitializeResult, JxlImage, JxlThreadPool, PixelFormat, Render};

use super::support::{damaged, unsupported};
use super::{Category, DecodeOptions, Decoded, Decoder, Flags, Format, Frame, Header, Limits};
use crate::failure::Failure;
use crate::pixels::{Channels, Depth, Image, Orientation};

const TITLE: &str = "JPEG XL";

/// How many times the samples of the picture, which are 32 bits in there, may be held at a time: reference frames, filters.
const COPIES: u64 = 8;

/// Frames that a file may hold, shown or not; each has buffers of its own.
const MAX_FRAMES: usize = 10_000;

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "jxl",
    title: TITLE,
    mime: "image/jxl",
    extensions: &["jxl"],
    aliases: &[],
    category: Category::Image,
    flags: Flags { alpha: true, animated: true, deep: true, grey: true, ..Flags::NONE },
    magic: |head| head.starts_with(b"\xff\x0a") || head.starts_with(b"\0\0\0\x0cJXL \r\n\x87\n"),
    decode: Some(Decoder::whole(probe, decode)),
    encode: None,
};

type Error = Box<dyn std::error::Error + Send + Sync>;

fn failure(error: Error) -> Failure {
    let text = error.to_string();
    let memory = ["memory", "allocat", "limit"].iter().any(|word| text.to_ascii_lowercase().contains(word));
    if memory {
        Failure::too_large("The JPEG XL file needs more memory than its size in pixels explains. Save it again")
    } else {
        damaged(TITLE, text)
    }
}

fn open(data: &[u8], limits: &Limits) -> Result<(JxlImage, Header), Failure> {
    let (width, height) = size::of(data).ok_or_else(|| damaged(TITLE, "its header is cut short"))?;
    limits.check(TITLE, width, height, 1)?;
    // Four samples of four bytes a pixel; small pictures get room for their tables.
    let budget = u64::from(width) * u64::from(height) * 16 * COPIES + limits.metadata_bytes * 2;
    let builder = JxlImage::builder()
        .pool(JxlThreadPool::none())
        .alloc_tracker(AllocTracker::with_limit(usize::try_from(budget).unwrap_or(usize::MAX)));
    let mut waiting = builder.build_uninit();
    waiting.feed_bytes(data).map_err(failure)?;
    let image = match waiting.try_init().map_err(failure)? {
        InitializeResult::Initialized(image) => image,
        InitializeResult::NeedMoreData(_) => return Err(damaged(TITLE, "it ends within its header")),
    };
    let channels = match image.pixel_format() {
        PixelFormat::Gray => Channels::Grey,
        PixelFormat::Graya => Channels::GreyAlpha,
        PixelFormat::Rgb => Channels::Rgb,
        PixelFormat::Rgba => Channels::Rgba,
        PixelFormat::Cmyk | PixelFormat::Cmyka => return Err(unsupported(TITLE, "its colours are CMYK")),
    };
    let bits = match image.image_header().metadata.bit_depth {
        BitDepth::IntegerSample { bits_per_sample } | BitDepth::FloatSample { bits_per_sample, .. } => bits_per_sample,
    };
    limits.check(TITLE, image.width(), image.height(), 1)?;
    let frames = image.num_loaded_keyframes();
    if frames > MAX_FRAMES {
        return Err(Failure::too_large(format!("The JPEG XL file holds {frames} frames; the limit is {MAX_FRAMES}")));
    }
    let header = Header {
        width: image.width(),
        height: image.height(),
        frames: frames.max(1) as u32,
        channels,
        depth: if bits > 8 { Depth::U16 } else { Depth::U8 },
        // Rendering turns the picture upright.
        orientation: Orientation::Upright,
    };
    Ok((image, header))
}

fn probe(data: &[u8], limits: &Limits) -> Result<Header, Failure> {
    open(data, limits).map(|(_, header)| header)
}

fn decode(data: &[u8], options: &DecodeOptions) -> Result<Decoded, Failure> {
    let (image, header) = open(data, &options.limits)?;
    if image.num_loaded_keyframes() == 0 || !image.is_loading_done() {
        return Err(damaged(TITLE, "it ends before its pixels do"));
    }
    let wanted = if options.all_frames { header.frames } else { 1 };
    options.limits.check(TITLE, header.width, header.height, wanted)?;
    let metadata = &image.image_header().metadata;
    let premultiplied = metadata.ec_info.iter().any(|channel| channel.alpha_associated() == Some(true));
    let animation = metadata.animation.as_ref();
    let mut frames = Vec::with_capacity(wanted as usize);
    for index in 0..wanted as usize {
        options.cancel.check()?;
        let render = image.render_frame(index).map_err(failure)?;
        let delay_ms =
            animation.map_or(0, |header| milliseconds(render.duration(), header.tps_numerator, header.tps_denominator));
        let mut picture = match header.depth {
            Depth::U8 => pixels::<u8>(&render, &header)?,
            Depth::U16 => pixels::<u16>(&render, &header)?,
        };
        if premultiplied && header.channels.has_alpha() {
            super::support::samples::straighten(&mut picture);
        }
        frames.push(Frame { image: picture, delay_ms: if wanted > 1 { delay_ms } else { 0 } });
    }
    Ok(Decoded {
        frames,
        orientation: Orientation::Upright,
        icc: Some(image.rendered_icc()).filter(|icc| !icc.is_empty() && icc.len() as u64 <= options.limits.metadata_bytes),
        loops: animation.map_or(0, |header| header.num_loops),
    })
}

/// Ticks as milliseconds.
fn milliseconds(ticks: u32, numerator: u32, denominator: u32) -> u32 {
    let numerator = u64::from(numerator.max(1));
    let time = (u64::from(ticks) * u64::from(denominator) * 1000 + numerator / 2) / numerator;
    u32::try_from(time).unwrap_or(u32::MAX)
}

fn pixels<S: FrameBufferSample + bytemuck::Pod>(render: &Render, header: &Header) -> Result<Image, Failure> {
    let mut stream = render.stream();
    let count = header.channels.count();
    if (stream.width(), stream.height(), stream.channels() as usize) != (header.width, header.height, count) {
        return Err(damaged(TITLE, "a frame is not as large as the header says"));
    }
    let mut samples = vec![S::zeroed(); header.width as usize * header.height as usize * count];
    stream.write_to_buffer(&mut samples);
    let data = bytemuck::cast_slice(&samples).to_vec();
    Image::new(header.width, header.height, header.channels, header.depth, data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::support::testing::{decode, deep, encode, picture, still};

    #[test]
    fn lossless_files_come_back_exactly() {
        for channels in [Channels::Grey, Channels::GreyAlpha, Channels::Rgb, Channels::Rgba] {
            for image in [picture(37, 21, channels), deep(37, 21, channels)] {
                // The tests' encoder says that the alpha of deep pictures has 8 bits.
                if channels.has_alpha() && image.depth() == Depth::U16 {
                    continue;
                }
                let back = decode("jxl", &encode("jxl", &still(image.clone())));
                assert_eq!(back.frames[0].image, image, "{channels:?} {:?}", image.depth());
                assert_eq!(back.frames.len(), 1, "one frame");
            }
        }
    }

    #[test]
    fn ticks_become_milliseconds() {
        assert_eq!(milliseconds(5, 100, 1), 50, "hundredths");
        assert_eq!(milliseconds(1, 30_000, 1001), 33, "NTSC");
        assert_eq!(milliseconds(u32::MAX, 0, 1023), u32::MAX, "nonsense saturates");
    }
}
