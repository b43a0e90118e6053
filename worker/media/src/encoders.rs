//! The table of encoders: which there are for a codec, and how quality and effort are said to each.
//!
//! Quality 1 to 100 becomes a constant rate factor on the scale of x264, `51 - quality / 3`; 85 is 23, x264's own default. The other
//! encoders have scales of their own. Where on each of them a video is as similar to its source (SSIM) as x264 makes it was measured at the qualities 25
//! to 100, on a filmed clip and on a drawn one: x265 counts nearly as x264, VP9 and AV1 in steps more than twice as fine, and the quantiser of MPEG-4
//! doubles every six.

use convertfly_sandbox::Failure;
use ffmpeg_next::codec::encoder;
use ffmpeg_next::codec::{Context, Flags, Parameters};
use ffmpeg_next::color;
use ffmpeg_next::format::{Pixel, Sample};
use ffmpeg_next::frame::Video;
use ffmpeg_next::{ChannelLayout, Codec, Dictionary, Error, Rational};

use crate::fault;
use crate::geometry::Size;
use crate::options::{AudioCodec, Options, Preset, VideoCodec};

/// An encoder of pictures.
#[derive(Debug)]
pub(crate) struct VideoEncoder {
    /// FFmpeg's name.
    pub(crate) name: &'static str,
    pub(crate) codec: VideoCodec,
    /// Whether it needs a device.
    pub(crate) hardware: bool,
    /// The pixel format that it is given.
    pub(crate) format: &'static str,
}

const fn row(name: &'static str, codec: VideoCodec, hardware: bool, format: &'static str) -> VideoEncoder {
    VideoEncoder { name, codec, hardware, format }
}

/// Every encoder, for each codec in the order in which they are tried.
pub(crate) static VIDEO: &[VideoEncoder] = &[
    row("h264_nvenc", VideoCodec::H264, true, "yuv420p"),
    row("h264_qsv", VideoCodec::H264, true, "nv12"),
    row("h264_v4l2m2m", VideoCodec::H264, true, "yuv420p"),
    row("libx264", VideoCodec::H264, false, "yuv420p"),
    row("hevc_nvenc", VideoCodec::Hevc, true, "yuv420p"),
    row("hevc_qsv", VideoCodec::Hevc, true, "nv12"),
    row("libx265", VideoCodec::Hevc, false, "yuv420p"),
    row("vp9_qsv", VideoCodec::Vp9, true, "nv12"),
    row("libvpx-vp9", VideoCodec::Vp9, false, "yuv420p"),
    row("av1_nvenc", VideoCodec::Av1, true, "yuv420p"),
    row("av1_qsv", VideoCodec::Av1, true, "nv12"),
    row("libsvtav1", VideoCodec::Av1, false, "yuv420p"),
    row("libaom-av1", VideoCodec::Av1, false, "yuv420p"),
    row("mpeg4", VideoCodec::Mpeg4, false, "yuv420p"),
];

/// An opened encoder of either kind.
pub(crate) enum Opened {
    Video(encoder::video::Encoder),
    Audio(encoder::audio::Encoder),
}

impl Opened {
    pub(crate) fn inner(&mut self) -> &mut encoder::Encoder {
        match self {
            Self::Video(video) => video,
            Self::Audio(audio) => audio,
        }
    }

    /// What a muxer has to know of its packets.
    pub(crate) fn parameters(&self) -> Parameters {
        match self {
            Self::Video(video) => Parameters::from(video),
            Self::Audio(audio) => Parameters::from(audio),
        }
    }
}

/// The encoders to try for a codec, in order. `usable` names the hardware ones that opened when they were probed.
pub(crate) fn candidates(codec: VideoCodec, policy: &str, usable: &[String]) -> Result<Vec<&'static VideoEncoder>, Failure> {
    let of_codec = || VIDEO.iter().filter(move |encoder| encoder.codec == codec);
    let software = of_codec().filter(|encoder| !encoder.hardware);
    let hardware = of_codec().filter(|encoder| encoder.hardware && usable.iter().any(|name| name == encoder.name));
    Ok(match policy {
        "software" => software.collect(),
        "auto" | "hardware" => hardware.chain(software).collect(),
        // A name is tried even where probing failed: the answer says why it does not work, and another one does it.
        name => {
            let Some(named) = of_codec().find(|encoder| encoder.name == name) else {
                let known: Vec<_> = of_codec().map(|encoder| encoder.name).collect();
                return Err(Failure::invalid_field(
                    "encoder",
                    format!("encoder must be auto, hardware, software or, for this codec, one of {}", known.join(", ")),
                ));
            };
            let others = software.filter(|encoder| encoder.name != named.name);
            [named].into_iter().chain(others).collect()
        }
    })
}

/// A factor on x264's scale.
fn rate_factor(quality: f64) -> f64 {
    51.0 - quality / 3.0
}

/// The number at which another encoder's result looks like that of x264 at `factor`: that of quality 85, and so much more for each of x264's steps.
fn alike(factor: f64, at_85: f64, step: f64) -> f64 {
    at_85 + (factor - rate_factor(85.0)) * step
}

/// What an encoder of pictures is told.
pub(crate) struct VideoSettings<'a> {
    pub(crate) size: Size,
    pub(crate) unit: Rational,
    pub(crate) rate: Option<Rational>,
    pub(crate) options: &'a Options,
    pub(crate) global_header: bool,
    pub(crate) threads: usize,
}

impl VideoEncoder {
    /// Opens it for frames that have the colours of `like`.
    pub(crate) fn open(&self, settings: &VideoSettings<'_>, like: Option<&Video>) -> Result<encoder::video::Encoder, Error> {
        let found = encoder::find_by_name(self.name).ok_or(Error::EncoderNotFound)?;
        let mut video = Context::new_with_codec(found).encoder().video()?;
        video.set_width(settings.size.0);
        video.set_height(settings.size.1);
        video.set_format(self.format.parse::<Pixel>().map_err(|_| Error::Bug)?);
        video.set_time_base(settings.unit);
        video.set_frame_rate(settings.rate);
        video.set_aspect_ratio(Rational(1, 1));
        if let Some(frame) = like {
            set_colours(&mut video, frame);
        }
        if settings.global_header {
            video.set_flags(Flags::GLOBAL_HEADER);
        }
        if let Some(kilobits) = settings.options.video_bitrate {
            video.set_bit_rate(kilobits as usize * 1000);
        }
        let mut words = Dictionary::new();
        words.set("threads", &self.threads(settings.threads).to_string());
        for (name, value) in self.words(settings) {
            words.set(name, &value);
        }
        video.open_with(words)
    }

    /// Threads to ask it for. Those of x264 wait for each other's lines; half as many again as there are cores is its own rule.
    fn threads(&self, cores: usize) -> usize {
        if self.name == "libx264" && cores > 1 { cores * 3 / 2 } else { cores.max(1) }
    }

    /// How quality and effort are said to this encoder.
    fn words(&self, settings: &VideoSettings<'_>) -> Vec<(&'static str, String)> {
        let factor = rate_factor(settings.options.quality());
        let by_rate = settings.options.video_bitrate.is_some();
        let preset = settings.options.preset.unwrap_or_default();
        let mut words: Vec<(&'static str, String)> = Vec::new();
        let mut quality = |name, value: f64, most: f64| {
            if !by_rate {
                let value = value.min(most);
                // Where it was searched for, a step of one is too coarse; only x264 and x265 know smaller ones.
                let value =
                    if settings.options.fine.is_some() && self.name.starts_with("libx26") { value } else { value.round() };
                words.push((name, format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()));
            }
        };
        match self.name {
            "libx264" => {
                quality("crf", factor, 51.0);
                words.push(("preset", preset.as_str().to_owned()));
            }
            "libx265" => {
                quality("crf", factor + 0.5, 51.0);
                words.push(("preset", preset.as_str().to_owned()));
                words.push(("x265-params", format!("log-level=error:pools={}", settings.threads.max(1))));
            }
            "libvpx-vp9" => {
                quality("crf", alike(factor, 26.5, 2.2), 63.0);
                let (deadline, speed) = vp9_effort(preset);
                words.extend([("deadline", deadline.to_owned()), ("cpu-used", speed.to_string()), ("row-mt", "1".to_owned())]);
            }
            "libsvtav1" => {
                quality("crf", alike(factor, 30.0, 2.2), 63.0);
                words.push(("preset", av1_effort(preset).to_string()));
            }
            "libaom-av1" => {
                quality("crf", alike(factor, 30.0, 2.2), 63.0);
                words.extend([("cpu-used", av1_effort(preset).min(8).to_string()), ("row-mt", "1".to_owned())]);
            }
            "mpeg4" if !by_rate => {
                // 2 is the finest and 31 the coarsest quantiser; FFmpeg counts them in 118ths.
                let quantiser = (3.2 * ((factor - rate_factor(85.0)) / 6.2).exp2()).clamp(2.0, 31.0);
                let header = if settings.global_header { "+global_header" } else { "" };
                words.push(("flags", format!("+qscale{header}")));
                words.push(("global_quality", format!("{}", (quantiser * 118.0).round())));
            }
            name if name.ends_with("_nvenc") => {
                quality("cq", factor, 51.0);
                words.extend([("rc", "vbr".to_owned()), ("preset", nvenc_effort(preset).to_owned())]);
            }
            name if name.ends_with("_qsv") => {
                quality("global_quality", factor, 51.0);
                words.push(("preset", preset.as_str().replace("ultrafast", "veryfast").replace("superfast", "veryfast")));
            }
            _ => {}
        }
        words
    }

    /// The tag that players look for, where FFmpeg would write another one.
    pub(crate) fn tag(&self, container: &str) -> u32 {
        match (self.codec, container) {
            (VideoCodec::Mpeg4, "avi") => u32::from_le_bytes(*b"XVID"),
            (VideoCodec::Hevc, "mp4" | "mov") => u32::from_le_bytes(*b"hvc1"),
            _ => 0,
        }
    }
}

/// The colours of what the filters make of such frames: RGB becomes YUV, and full range where the format's name says so becomes the usual one.
fn set_colours(video: &mut encoder::video::Video, frame: &Video) {
    video.set_color_primaries(frame.color_primaries());
    video.set_color_transfer_characteristic(frame.color_transfer_characteristic());
    if frame.color_space() != color::Space::RGB {
        video.set_colorspace(frame.color_space());
    }
    let stays = frame.format().descriptor().is_some_and(|descriptor| {
        let name = descriptor.name();
        (name.starts_with("yuv") || name.starts_with("nv")) && !name.starts_with("yuvj")
    });
    if stays {
        video.set_color_range(frame.color_range());
    }
}

fn vp9_effort(preset: Preset) -> (&'static str, u8) {
    match preset {
        Preset::Ultrafast | Preset::Superfast | Preset::Veryfast => ("realtime", 8),
        Preset::Faster => ("realtime", 6),
        Preset::Fast => ("good", 5),
        Preset::Medium => ("good", 3),
        Preset::Slow => ("good", 2),
        Preset::Slower | Preset::Veryslow => ("good", 1),
    }
}

fn av1_effort(preset: Preset) -> u8 {
    match preset {
        Preset::Ultrafast => 12,
        Preset::Superfast => 11,
        Preset::Veryfast => 10,
        Preset::Faster => 9,
        Preset::Fast => 8,
        Preset::Medium => 7,
        Preset::Slow => 6,
        Preset::Slower => 5,
        Preset::Veryslow => 4,
    }
}

fn nvenc_effort(preset: Preset) -> &'static str {
    match preset {
        Preset::Ultrafast => "p1",
        Preset::Superfast => "p2",
        Preset::Veryfast => "p3",
        Preset::Faster | Preset::Fast => "p4",
        Preset::Medium => "p5",
        Preset::Slow => "p6",
        Preset::Slower | Preset::Veryslow => "p7",
    }
}

/// What sound is turned into before it is encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sound {
    pub(crate) rate: u32,
    pub(crate) format: Sample,
    pub(crate) layout: ChannelLayout,
}

/// Kilobits a second and channel, by quality, of encoders that are told a rate.
fn kilobits(quality: f64) -> u32 {
    match quality {
        ..30.0 => 24,
        30.0..50.0 => 40,
        50.0..70.0 => 56,
        70.0..80.0 => 64,
        80.0..95.0 => 80,
        _ => 128,
    }
}

/// Opens an encoder for sound that arrives as `source`, and says what it wants to be given.
pub(crate) fn open_audio(
    codec: AudioCodec,
    source: Sound,
    options: &Options,
    global_header: bool,
) -> Result<(encoder::audio::Encoder, Sound, &'static str), Failure> {
    let deep = matches!(source.format, Sample::I32(_));
    let name = match codec {
        AudioCodec::Aac => "aac",
        AudioCodec::Mp3 => "libmp3lame",
        AudioCodec::Opus => "libopus",
        AudioCodec::Vorbis => "libvorbis",
        AudioCodec::Flac => "flac",
        AudioCodec::Pcm if deep => "pcm_s24le",
        AudioCodec::Pcm => "pcm_s16le",
    };
    let ours = |error| fault::ours(name, error);
    let found = encoder::find_by_name(name).ok_or(Error::EncoderNotFound).map_err(ours)?;
    let sound = wanted(found, source, options, deep).map_err(ours)?;
    let mut audio = Context::new_with_codec(found).encoder().audio().map_err(ours)?;
    audio.set_rate(sound.rate as i32);
    audio.set_format(sound.format);
    audio.set_channel_layout(sound.layout);
    audio.set_channels(sound.layout.channels());
    audio.set_time_base(Rational(1, sound.rate as i32));
    let channels = sound.layout.channels().max(1) as u32;
    let mut flags = if global_header { "+global_header".to_owned() } else { String::new() };
    let mut words = Dictionary::new();
    let quality = options.quality();
    match (codec, options.audio_bitrate) {
        (AudioCodec::Flac, _) if options.preset >= Some(Preset::Slow) => words.set("compression_level", "12"),
        (AudioCodec::Flac | AudioCodec::Pcm, _) => {}
        (_, Some(kilobits)) => audio.set_bit_rate(kilobits as usize * 1000),
        // LAME's V2 and Vorbis' q5 at 85. FFmpeg counts qualities in 118ths.
        (AudioCodec::Mp3, None) => {
            flags.push_str("+qscale");
            words.set("global_quality", &format!("{}", ((100.0 - quality) / 7.5 * 118.0).min(9.0 * 118.0).round()));
        }
        (AudioCodec::Vorbis, None) => {
            flags.push_str("+qscale");
            words.set("global_quality", &format!("{}", (quality / 17.0 * 118.0).round()));
        }
        (AudioCodec::Opus, None) => audio.set_bit_rate((kilobits(quality) * channels * 3 / 5).max(16) as usize * 1000),
        (AudioCodec::Aac, None) => audio.set_bit_rate((kilobits(quality) * channels) as usize * 1000),
    }
    if !flags.is_empty() {
        words.set("flags", &flags);
    }
    Ok((audio.open_with(words).map_err(ours)?, sound, name))
}

/// The nearest to the source, or to what is asked for, that the encoder takes.
fn wanted(found: Codec, source: Sound, options: &Options, deep: bool) -> Result<Sound, Error> {
    let audio = found.audio()?;
    let formats: Vec<Sample> = audio.formats().map(Iterator::collect).unwrap_or_default();
    let is_deep = |format: &&Sample| matches!(format, Sample::I32(_)) == deep;
    let format = formats.iter().find(is_deep).or(formats.first()).copied().unwrap_or(source.format);
    let asked = options.sample_rate.unwrap_or(source.rate).clamp(4_000, 192_000);
    let rates: Vec<u32> = audio.rates().map(|rates| rates.map(|rate| rate as u32).collect()).unwrap_or_default();
    // Of two that are equally near the higher one keeps more.
    let rate = rates.iter().copied().min_by_key(|rate| (rate.abs_diff(asked), u32::MAX - rate)).unwrap_or(asked);
    let channels = options.channels.map_or_else(|| source.layout.channels(), i32::from).clamp(1, 8);
    let layout = if channels == source.layout.channels() { source.layout } else { ChannelLayout::default(channels) };
    let layouts: Vec<ChannelLayout> = audio.channel_layouts().map(Iterator::collect).unwrap_or_default();
    let layout = if layouts.is_empty() || layouts.contains(&layout) {
        layout
    } else {
        let fitting = layouts.iter().filter(|layout| layout.channels() <= channels).max_by_key(|layout| layout.channels());
        fitting.or(layouts.first()).copied().unwrap_or(layout)
    };
    let layout = if found.name() == "libopus" { opus_layout(layout) } else { layout };
    Ok(Sound { rate, format, layout })
}

/// The layout that Opus has for as many channels: it knows one for each number, and lists none.
fn opus_layout(layout: ChannelLayout) -> ChannelLayout {
    match layout.channels() {
        3 => ChannelLayout::SURROUND,
        4 => ChannelLayout::QUAD,
        5 => ChannelLayout::_5POINT0_BACK,
        6 | 7 => ChannelLayout::_5POINT1_BACK,
        8 => ChannelLayout::_7POINT1,
        _ => layout,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(policy: &str, usable: &[&str]) -> Vec<&'static str> {
        let usable: Vec<_> = usable.iter().map(|&name| name.to_owned()).collect();
        let found = candidates(VideoCodec::H264, policy, &usable).expect("a policy");
        found.into_iter().map(|encoder| encoder.name).collect()
    }

    #[test]
    fn hardware_is_tried_where_it_opened_and_software_always_stands_behind_it() {
        assert_eq!(names("auto", &[]), ["libx264"], "no device");
        assert_eq!(names("auto", &["h264_nvenc", "hevc_nvenc"]), ["h264_nvenc", "libx264"], "a device");
        assert_eq!(names("software", &["h264_nvenc"]), ["libx264"], "as asked");
        assert_eq!(names("h264_nvenc", &[]), ["h264_nvenc", "libx264"], "a name is tried whatever was probed");
    }

    #[test]
    fn an_encoder_of_another_codec_is_the_fault_of_the_field() {
        let failure = candidates(VideoCodec::H264, "libx265", &[]).expect_err("another codec");
        assert!(matches!(failure, Failure::Invalid { field: Some(field), .. } if field == "encoder"), "named");
    }

    #[test]
    fn quality_85_is_the_default_of_x264() {
        assert_eq!(rate_factor(85.0).round(), 23.0, "x264's default");
        assert!(rate_factor(100.0) < rate_factor(85.0) && rate_factor(1.0) <= 51.0, "finer is a smaller factor");
    }
}
