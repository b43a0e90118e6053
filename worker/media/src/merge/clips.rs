//! What is known of each clip before any is decoded.

use std::fs::File;

use convertfly_sandbox::{Cancel, Failure};
use ffmpeg_next::codec::Id;
use ffmpeg_next::format::Sample;
use ffmpeg_next::format::sample::Type as Kind;
use ffmpeg_next::{ChannelLayout, Rational, Stream};

use crate::containers::Container;
use crate::encoders;
use crate::facts::Numbers;
use crate::filters;
use crate::geometry::Size;
use crate::source::{self, Source};
use crate::transcode;

/// A clip.
pub(super) struct Clip {
    pub(super) container: &'static Container,
    pub(super) file: File,
    pub(super) video: Option<Video>,
    pub(super) audio: Option<Audio>,
    /// Seconds, as the file says.
    pub(super) duration: Option<f64>,
}

/// Pictures that may be taken over as they are behind others that are equal in all of this.
#[derive(Clone, PartialEq)]
pub(super) struct Video {
    pub(super) codec: Id,
    pub(super) size: Size,
    pub(super) aspect: Rational,
    pub(super) turn: u16,
    format: i32,
    header: Vec<u8>,
}

/// As [`Video`], of sound.
#[derive(Clone, PartialEq)]
pub(super) struct Audio {
    pub(super) codec: Id,
    rate: u32,
    channels: i32,
    layout: u64,
    format: i32,
    header: Vec<u8>,
}

impl Clip {
    /// Reads what stands at the beginning of the file.
    pub(super) fn look(container: &'static Container, file: File, cancel: &Cancel) -> Result<Self, Failure> {
        let source = Source::open(&file, container, cancel)?;
        let video = source.video().map(|stream| Video::of(&stream));
        let audio = source.audio().map(|stream| Audio::of(&stream));
        let duration = source.duration();
        drop(source);
        if video.is_none() && audio.is_none() {
            return Err(Failure::invalid(format!(
                "The {} file has no pictures and no sound. Check that it plays elsewhere",
                container.title
            )));
        }
        Ok(Self { container, file, video, audio, duration })
    }
}

impl Video {
    fn of(stream: &Stream) -> Self {
        let Numbers { width, height, aspect, format, header, .. } = Numbers::of(&stream.parameters());
        let side = |length: i32| u32::try_from(length).unwrap_or(0);
        let (size, turn) = ((side(width), side(height)), source::rotation(stream));
        Self { codec: stream.parameters().id(), size, aspect, turn, format, header }
    }
}

/// Frames a second of a stream, if it says so.
pub(super) fn rate(stream: &Stream) -> Option<Rational> {
    transcode::usable(stream.avg_frame_rate()).or_else(|| transcode::usable(stream.rate()))
}

impl Audio {
    fn of(stream: &Stream) -> Self {
        let Numbers { sample_rate, channels, layout, format, header, .. } = Numbers::of(&stream.parameters());
        Self { codec: stream.parameters().id(), rate: u32::try_from(sample_rate).unwrap_or(0), channels, layout, format, header }
    }

    /// What an encoder of such sound is told.
    pub(super) fn looks(&self) -> encoders::Sound {
        let layout = ChannelLayout::from_bits_truncate(self.layout);
        let layout = if layout.is_empty() { ChannelLayout::default(self.channels.clamp(1, 8)) } else { layout };
        let rate = if self.rate == 0 { 48_000 } else { self.rate };
        let format = filters::sample_format(self.format).unwrap_or(Sample::F32(Kind::Planar));
        encoders::Sound { rate, format, layout }
    }
}
