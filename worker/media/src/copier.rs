//! One track that is taken over as it is: its packets move, their times are counted from the file's start.

use convertfly_sandbox::Failure;
use ffmpeg_next::media::Type;
use ffmpeg_next::{Packet, Rational, Stream};

use crate::sink::{self, Sink, Track};
use crate::source::{self, Source};

/// See the module.
pub(crate) struct Copier {
    stream: usize,
    slot: usize,
    unit: Rational,
    offset: i64,
    medium: Type,
    is_cover: bool,
    at: f64,
}

impl Copier {
    pub(crate) fn new(stream: &Stream, slot: usize, source: &Source) -> Self {
        let unit = stream.time_base();
        Self {
            stream: stream.index(),
            slot,
            unit,
            offset: source::ticks(source::seconds(source.start(), source::MICROSECONDS), unit),
            medium: stream.parameters().medium(),
            is_cover: source::is_cover(stream),
            at: 0.0,
        }
    }

    /// `video`, `audio` or `cover`.
    pub(crate) fn kind(&self) -> &'static str {
        match (self.is_cover, self.medium) {
            (true, _) => "cover",
            (false, Type::Video) => "video",
            _ => "audio",
        }
    }

    /// The last time seen, seconds. A cover has none and waits for nobody.
    pub(crate) fn at(&self) -> f64 {
        if self.is_cover { f64::INFINITY } else { self.at }
    }

    /// Tells the result what comes.
    pub(crate) fn begin(&self, source: &Source, sink: &mut Sink) -> Result<(), Failure> {
        let stream = source.input.stream(self.stream).ok_or_else(|| Failure::internal("a stream that is gone"))?;
        let rate = if self.medium == Type::Video { crate::transcode::usable(stream.avg_frame_rate()) } else { None };
        let track = Track {
            parameters: sink::taken_over(&stream)?,
            unit: self.unit,
            rate,
            tag: 0,
            cover: self.is_cover,
            matrix: sink::matrix_of(&stream),
            metadata: sink::carried(&stream.metadata()),
        };
        sink.begin(self.slot, track)
    }

    /// A packet of the stream.
    pub(crate) fn take(&mut self, mut packet: Packet, sink: &mut Sink) -> Result<(), Failure> {
        packet.set_pts(packet.pts().map(|time| time.saturating_sub(self.offset)));
        packet.set_dts(packet.dts().map(|time| time.saturating_sub(self.offset)));
        if let Some(time) = packet.dts().or(packet.pts()) {
            self.at = source::seconds(time.saturating_add(packet.duration()), self.unit);
        }
        sink.write(self.slot, packet)
    }
}
