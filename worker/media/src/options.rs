//! What is asked of the child. The node has checked it against the catalogue; types and ranges are checked again here.

use serde::{Deserialize, Serialize};

/// What a video codec is called in requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum VideoCodec {
    H264,
    Hevc,
    Vp9,
    Av1,
    Mpeg4,
}

/// What an audio codec is called in requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AudioCodec {
    Aac,
    Mp3,
    Opus,
    Vorbis,
    Flac,
    Pcm,
}

/// How width and height are understood together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fit {
    #[default]
    Scale,
    Max,
    Crop,
    Pad,
}

/// Which part is kept where something is cut off, and where the picture stands where bars are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Gravity {
    #[default]
    #[serde(alias = "smart")]
    Center,
    North,
    NorthEast,
    East,
    SouthEast,
    South,
    SouthWest,
    West,
    NorthWest,
}

impl Gravity {
    /// How much of the room lies on the left and above: none, half or all of it.
    pub(crate) fn shares(self) -> (&'static str, &'static str) {
        let x = match self {
            Self::West | Self::NorthWest | Self::SouthWest => "0",
            Self::Center | Self::North | Self::South => "0.5",
            Self::East | Self::NorthEast | Self::SouthEast => "1",
        };
        let y = match self {
            Self::North | Self::NorthWest | Self::NorthEast => "0",
            Self::Center | Self::West | Self::East => "0.5",
            Self::South | Self::SouthWest | Self::SouthEast => "1",
        };
        (x, y)
    }
}

/// How long the encoder may think: names of x264, mapped for the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Preset {
    Ultrafast,
    Superfast,
    #[default]
    Veryfast,
    Faster,
    Fast,
    Medium,
    Slow,
    Slower,
    Veryslow,
}

impl Preset {
    /// The name that x264 and x265 know.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ultrafast => "ultrafast",
            Self::Superfast => "superfast",
            Self::Veryfast => "veryfast",
            Self::Faster => "faster",
            Self::Fast => "fast",
            Self::Medium => "medium",
            Self::Slow => "slow",
            Self::Slower => "slower",
            Self::Veryslow => "veryslow",
        }
    }
}

/// The options of a task. `None` is "not said": only what is said keeps a track from being taken over as it is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    pub(crate) quality: Option<u8>,
    pub(crate) width: Option<u32>,
    pub(crate) height: Option<u32>,
    pub(crate) fit: Option<Fit>,
    pub(crate) enlarge: Option<bool>,
    pub(crate) rotate: Option<u16>,
    pub(crate) fps: Option<f64>,
    pub(crate) video_codec: Option<VideoCodec>,
    pub(crate) audio_codec: Option<AudioCodec>,
    pub(crate) video_bitrate: Option<u32>,
    pub(crate) audio_bitrate: Option<u32>,
    pub(crate) sample_rate: Option<u32>,
    pub(crate) channels: Option<u8>,
    pub(crate) preset: Option<Preset>,
    pub(crate) start: Option<f64>,
    pub(crate) end: Option<f64>,
    pub(crate) duration: Option<f64>,
    pub(crate) mute: Option<bool>,
    pub(crate) timestamp: Option<String>,
    /// Pictures on one sheet.
    pub(crate) count: Option<u32>,
    pub(crate) encoder: Option<String>,
    /// Loudness of the sound, LUFS.
    pub(crate) loudness: Option<f64>,
    pub(crate) subtitles: Option<bool>,
    pub(crate) gravity: Option<Gravity>,
    /// A quality between two whole numbers, which a search for a size has found.
    #[serde(skip)]
    pub(crate) fine: Option<f64>,
}

/// Quality where none is asked for.
const QUALITY: f64 = 85.0;

impl Options {
    /// 1 to 100.
    pub(crate) fn quality(&self) -> f64 {
        self.fine.or(self.quality.map(f64::from)).unwrap_or(QUALITY).clamp(1.0, 100.0)
    }

    /// The part of the input that is wanted, seconds.
    pub(crate) fn span(&self) -> Span {
        let start = self.start.unwrap_or(0.0).max(0.0);
        let by_duration = self.duration.map(|duration| start + duration.max(0.0));
        let end = match (self.end, by_duration) {
            (Some(end), Some(other)) => Some(end.min(other)),
            (end, other) => end.or(other),
        };
        Span { start, end }
    }

    /// Whether something is asked for that only encoding the pictures again can give.
    pub(crate) fn changes_video(&self) -> bool {
        let Self { quality, width, height, fps, video_bitrate, preset, encoder, fine, .. } = self;
        let turned = self.rotate.is_some_and(|degrees| degrees != 0);
        self.span().is_part()
            || turned
            || quality.is_some()
            || fine.is_some()
            || width.is_some()
            || height.is_some()
            || fps.is_some()
            || video_bitrate.is_some()
            || preset.is_some()
            || encoder.as_deref().is_some_and(|name| name != "auto")
    }

    /// Whether something is asked for that only encoding the sound again can give. `quality` is of the pictures where there are some.
    pub(crate) fn changes_audio(&self, only_audio: bool) -> bool {
        let Self { audio_bitrate, sample_rate, channels, quality, fine, loudness, .. } = self;
        self.span().is_part()
            || audio_bitrate.is_some()
            || sample_rate.is_some()
            || channels.is_some()
            || loudness.is_some()
            || (only_audio && (quality.is_some() || fine.is_some()))
    }
}

/// A part of a file, seconds from its start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) start: f64,
    pub(crate) end: Option<f64>,
}

impl Span {
    /// Whether it is less than the whole.
    pub(crate) fn is_part(self) -> bool {
        self.start > 0.0 || self.end.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_of_end_and_duration_counts() {
        let options = Options { start: Some(2.0), end: Some(9.0), duration: Some(3.0), ..Options::default() };
        assert_eq!(options.span(), Span { start: 2.0, end: Some(5.0) }, "both given");
        assert!(!Options::default().span().is_part(), "nothing given is all of it");
    }

    #[test]
    fn quality_is_of_the_pictures_where_there_are_some() {
        let options = Options { quality: Some(50), ..Options::default() };
        assert!(options.changes_video() && options.changes_audio(true), "asked for");
        assert!(!options.changes_audio(false), "the sound of a video is taken over all the same");
        let nothing = Options { rotate: Some(0), encoder: Some("auto".into()), ..Options::default() };
        assert!(!nothing.changes_video() && !nothing.changes_audio(true), "defaults change nothing");
    }
}
