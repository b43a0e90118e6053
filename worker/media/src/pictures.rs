//! The pictures of a file, one after the other, for what is made of them alone.

use std::fs::File;

use convertfly_sandbox::{Cancel, Failure};
use ffmpeg_next::Rational;
use ffmpeg_next::frame::Video;

use crate::containers::Container;
use crate::decoder::Decoder;
use crate::source::{self, Source};
use crate::transcode;

/// See the module.
pub(crate) struct Reader {
    source: Source,
    decoder: Decoder,
    stream: usize,
    has_ended: bool,
    /// Frames a second.
    pub(crate) rate: Option<Rational>,
    /// Degrees to turn clockwise.
    pub(crate) turn: u16,
}

impl Reader {
    pub(crate) fn open(file: &File, container: &'static Container, threads: usize, cancel: &Cancel) -> Result<Self, Failure> {
        let source = Source::open(file, container, cancel)?;
        let title = container.title;
        // A cover is what there is to see of a sound.
        let Some(stream) = source.video().or_else(|| source.cover()) else {
            return Err(Failure::invalid(format!("The {title} file has no pictures. Check that it plays elsewhere")));
        };
        let decoder = Decoder::open(&source, &stream, threads)?;
        let rate = transcode::usable(stream.avg_frame_rate()).or_else(|| transcode::usable(stream.rate()));
        let (stream, turn) = (stream.index(), source::rotation(&stream));
        Ok(Self { source, decoder, stream, has_ended: false, rate, turn })
    }

    /// How long the file is, seconds, as it says.
    pub(crate) fn duration(&self) -> Option<f64> {
        self.source.duration()
    }

    /// Of the frames' times.
    pub(crate) fn unit(&self) -> Rational {
        self.decoder.unit
    }

    /// When what was read so far ends, in [`unit`](Self::unit).
    pub(crate) fn end(&self) -> i64 {
        self.decoder.end()
    }

    /// Goes on at the last picture from which the one at `second` can be reached.
    pub(crate) fn seek(&mut self, second: f64) {
        if second > 0.0 {
            self.source.seek(second);
        }
    }

    /// Reads the next picture; `false` at the end.
    pub(crate) fn next_picture(&mut self, frame: &mut Video, cancel: &Cancel) -> Result<bool, Failure> {
        loop {
            if self.decoder.next_picture(frame, self.rate)? {
                return Ok(true);
            }
            if self.has_ended {
                return Ok(false);
            }
            match self.source.next_packet(cancel)? {
                Some(packet) if packet.stream() == self.stream => self.decoder.feed(Some(&packet))?,
                Some(_) => {}
                None => {
                    self.has_ended = true;
                    self.decoder.feed(None)?;
                }
            }
        }
    }
}
