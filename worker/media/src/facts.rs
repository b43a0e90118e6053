//! `metadata`: what is known about a file, from its header and the first packets.

use std::fs::File;

use convertfly_sandbox::{Cancel, Failure};
use ffmpeg_next::codec::Parameters;
use ffmpeg_next::media::Type;
use ffmpeg_next::{ChannelLayout, DictionaryRef, Rational, Stream};
use serde_json::{Map, Value, json};

use crate::containers::Container;
use crate::filters;
use crate::job::Made;
use crate::loudness::{self, Loudness};
use crate::options::Options;
use crate::source::{self, Source};
use crate::tags;
use crate::transcode;

/// Streams that are described.
const MOST_STREAMS: usize = 100;

/// Chapters that are listed.
const MOST_CHAPTERS: usize = 500;

/// Bytes of a tag's text that are given.
const LONGEST_TAG: usize = 1000;

/// Describes the file; `loudness` asks for what only decoding all of its sound can tell.
pub(crate) fn run(from: &'static Container, input: &File, loudness: bool, cancel: &Cancel) -> Result<Made, Failure> {
    let source = Source::open(input, from, cancel)?;
    let bytes = input.metadata().map_err(Failure::internal)?.len();
    let duration = source.duration();
    let stated = u64::try_from(source.input.bit_rate()).ok().filter(|rate| *rate > 0);
    let counted = duration.map(|duration| (bytes as f64 * 8.0 / duration).round() as u64);
    let begin = source::seconds(source.start(), source::MICROSECONDS);
    let chapters: Vec<Value> = source
        .input
        .chapters()
        .take(MOST_CHAPTERS)
        .map(|chapter| {
            let unit = chapter.time_base();
            json!({
                "start": thousandths(source::seconds(chapter.start(), unit) - begin),
                "end": thousandths(source::seconds(chapter.end(), unit) - begin),
                "title": tags::one(&chapter.metadata(), "title").unwrap_or_default(),
            })
        })
        .collect();
    let streams: Vec<Value> = source.input.streams().take(MOST_STREAMS).map(|stream| describe(&stream)).collect();
    let mut facts = Map::new();
    facts.insert("format".into(), from.name.into());
    facts.insert("size".into(), bytes.into());
    facts.insert("duration".into(), json!(duration.map(thousandths)));
    facts.insert("bit_rate".into(), json!(stated.or(counted)));
    let video = source.video();
    if let Some(stream) = &video {
        let numbers = Numbers::of(&stream.parameters());
        let turned = source::rotation(stream) % 180 == 90;
        let (width, height) = if turned { (numbers.height, numbers.width) } else { (numbers.width, numbers.height) };
        facts.insert("width".into(), width.into());
        facts.insert("height".into(), height.into());
    }
    facts.insert("streams".into(), Value::Array(streams));
    facts.insert("chapters".into(), Value::Array(chapters));
    facts.insert("tags".into(), Value::Object(shown(&source.input.metadata())));
    if loudness {
        let measured = loudness::measure(from, input, Options::default().span(), cancel)?;
        facts.insert("loudness".into(), measured.map_or(Value::Null, Loudness::facts));
    }
    Ok(Made { metadata: Some(Value::Object(facts)), ..Made::default() })
}

fn thousandths(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

fn rate(rate: Rational) -> Option<f64> {
    transcode::usable(rate).map(|rate| thousandths(f64::from(rate)))
}

fn shown(tags: &DictionaryRef<'_>) -> Map<String, Value> {
    let short = |text: &str| text.chars().take(LONGEST_TAG).collect::<String>();
    tags::all(tags).into_iter().map(|(name, value)| (name.to_ascii_lowercase(), short(&value).into())).collect()
}

/// What the parameters of a codec tell.
pub(crate) struct Numbers {
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) sample_rate: i32,
    pub(crate) channels: i32,
    /// 0 where the order of the channels is none of the usual ones.
    pub(crate) layout: u64,
    pub(crate) format: i32,
    profile: i32,
    pub(crate) aspect: Rational,
    transfer: ffmpeg_next::ffi::AVColorTransferCharacteristic,
    /// What a decoder has to know before the first packet.
    pub(crate) header: Vec<u8>,
}

impl Numbers {
    pub(crate) fn of(parameters: &Parameters) -> Self {
        // SAFETY: the parameters belong to a stream of an open context, which they keep alive; plain fields are read, and the bytes of the
        // header for as long as FFmpeg says that it is.
        unsafe {
            let raw = &*parameters.as_ptr();
            Self {
                width: raw.width,
                height: raw.height,
                sample_rate: raw.sample_rate,
                channels: raw.ch_layout.nb_channels,
                layout: if raw.ch_layout.order == ffmpeg_next::ffi::AVChannelOrder::AV_CHANNEL_ORDER_NATIVE {
                    raw.ch_layout.u.mask
                } else {
                    0
                },
                format: raw.format,
                profile: raw.profile,
                aspect: raw.sample_aspect_ratio.into(),
                transfer: raw.color_trc,
                header: match usize::try_from(raw.extradata_size) {
                    Ok(length) if length > 0 && !raw.extradata.is_null() => {
                        std::slice::from_raw_parts(raw.extradata, length).to_vec()
                    }
                    _ => Vec::new(),
                },
            }
        }
    }
}

/// Kilobits a second of a stream, where the file says so.
pub(crate) fn bit_rate(stream: &Stream) -> Option<u32> {
    u32::try_from(stream.parameters().bit_rate() / 1000).ok().filter(|rate| *rate > 0)
}

fn describe(stream: &Stream) -> Value {
    let parameters = stream.parameters();
    let numbers = Numbers::of(&parameters);
    let kind = match parameters.medium() {
        Type::Video if source::is_cover(stream) => "cover",
        Type::Video => "video",
        Type::Audio => "audio",
        Type::Subtitle => "subtitle",
        _ => "other",
    };
    let mut facts = Map::new();
    facts.insert("index".into(), stream.index().into());
    facts.insert("kind".into(), kind.into());
    facts.insert("codec".into(), parameters.id().name().into());
    if parameters.bit_rate() > 0 {
        facts.insert("bit_rate".into(), parameters.bit_rate().into());
    }
    let duration = stream.duration();
    if duration > 0 {
        facts.insert("duration".into(), thousandths(source::seconds(duration, stream.time_base())).into());
    }
    match parameters.medium() {
        Type::Video => {
            facts.insert("width".into(), numbers.width.into());
            facts.insert("height".into(), numbers.height.into());
            if kind == "video" {
                facts.insert("frame_rate".into(), json!(rate(stream.avg_frame_rate()).or_else(|| rate(stream.rate()))));
                facts.insert("rotation".into(), source::rotation(stream).into());
                facts.insert("hdr".into(), filters::is_hdr(numbers.transfer.into()).into());
            }
            if let Some(name) = pixel_format(numbers.format) {
                facts.insert("pixel_format".into(), name.into());
            }
            if numbers.aspect.0 > 0 && numbers.aspect.0 != numbers.aspect.1 {
                facts.insert("pixel_aspect".into(), format!("{}:{}", numbers.aspect.0, numbers.aspect.1).into());
            }
            if numbers.profile >= 0 {
                facts.insert("profile".into(), numbers.profile.into());
            }
        }
        Type::Audio => {
            facts.insert("sample_rate".into(), numbers.sample_rate.into());
            facts.insert("channels".into(), numbers.channels.into());
            if let Some(name) = layout_name(numbers.layout) {
                facts.insert("channel_layout".into(), name.into());
            }
        }
        _ => {}
    }
    let tags = shown(&stream.metadata());
    if let Some(language) = tags.get("language") {
        facts.insert("language".into(), language.clone());
    }
    facts.insert("tags".into(), Value::Object(tags));
    Value::Object(facts)
}

fn pixel_format(number: i32) -> Option<String> {
    // SAFETY: the function takes any number and returns null or a string that lives as long as the library.
    unsafe {
        let name = ffmpeg_next::ffi::av_get_pix_fmt_name(std::mem::transmute::<i32, ffmpeg_next::ffi::AVPixelFormat>(number));
        (!name.is_null()).then(|| std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}

fn layout_name(bits: u64) -> Option<&'static str> {
    let known = [
        (ChannelLayout::MONO, "mono"),
        (ChannelLayout::STEREO, "stereo"),
        (ChannelLayout::_2POINT1, "2.1"),
        (ChannelLayout::SURROUND, "3.0"),
        (ChannelLayout::QUAD, "quad"),
        (ChannelLayout::_5POINT0, "5.0"),
        (ChannelLayout::_5POINT1, "5.1"),
        (ChannelLayout::_5POINT1_BACK, "5.1"),
        (ChannelLayout::_7POINT1, "7.1"),
    ];
    known.into_iter().find(|(layout, _)| layout.bits() == bits).map(|(_, name)| name)
}
