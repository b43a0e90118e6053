//! Decoding of one stream: opened within bounds, broken packets counted, times counted from the file's start.

use convertfly_sandbox::Failure;
use ffmpeg_next::codec::{self, decoder};
use ffmpeg_next::frame::{Audio, Video};
use ffmpeg_next::media::Type;
use ffmpeg_next::{Dictionary, Error, Frame, Packet, Rational, Stream};

use crate::fault;
use crate::source::{self, Source};

/// Longest side of pictures that are decoded, pixels.
const LONGEST_SIDE: u32 = 16_384;

/// Most pixels of a picture that is decoded.
pub(crate) const MOST_PIXELS: u64 = 100_000_000;

/// Errors in a row after which a stream is given up.
const PATIENCE: u32 = 1_000;

/// A stream being decoded.
pub(crate) struct Decoder {
    opened: decoder::Opened,
    /// Of the frames' times.
    pub(crate) unit: Rational,
    /// What the file's times begin with, in that unit.
    offset: i64,
    /// When the next frame is expected, for frames that do not say.
    next: i64,
    /// Whether each frame says how long it is shown.
    pub(crate) says_durations: bool,
    /// Packets or frames that could not be decoded.
    pub(crate) broken: u64,
    in_a_row: u32,
    pub(crate) frames: u64,
}

impl Decoder {
    /// Opens the decoder of a stream.
    pub(crate) fn open(source: &Source, stream: &Stream, threads: usize) -> Result<Self, Failure> {
        let title = source.container.title;
        let parameters = stream.parameters();
        let found = decoder::find(parameters.id());
        let found = found.ok_or_else(|| {
            let what = if parameters.medium() == Type::Video { "video" } else { "audio" };
            Failure::invalid(format!(
                "The {what} of the {title} file is in a codec that is not known here ({:?})",
                parameters.id()
            ))
        })?;
        let unit = stream.time_base();
        let mut context = codec::Context::from_parameters(parameters).map_err(|error| fault::reading(title, error))?.decoder();
        context.set_packet_time_base(unit);
        let mut words = Dictionary::new();
        // One more than work at a time, as FFmpeg counts by itself: the one that hands out packets waits for the others.
        let threads = if threads > 1 { threads + 1 } else { 1 };
        words.set("threads", &threads.to_string());
        words.set("max_pixels", &MOST_PIXELS.to_string());
        let opened = context.open_as_with(found, words).map_err(|error| fault::reading(title, error))?;
        let offset = source::ticks(source::seconds(source.start(), source::MICROSECONDS), unit);
        let says_durations = source.container.says_durations;
        Ok(Self { opened, unit, offset, next: 0, says_durations, broken: 0, in_a_row: 0, frames: 0 })
    }

    /// Feeds a packet, or the end.
    pub(crate) fn feed(&mut self, packet: Option<&Packet>) -> Result<(), Failure> {
        let fed = match packet {
            Some(packet) => self.opened.send_packet(packet),
            None => self.opened.send_eof(),
        };
        match fed {
            Ok(()) | Err(Error::Eof) => Ok(()),
            Err(error) => self.stumble(error),
        }
    }

    /// The next picture, if there is one yet; `rate` says how long one is shown where the file does not.
    pub(crate) fn next_picture(&mut self, frame: &mut Video, rate: Option<Rational>) -> Result<bool, Failure> {
        let one = rate.map_or(0, |rate| source::ticks(f64::from(rate.invert()), self.unit));
        let decoded = self.next_frame(frame, one)?;
        if decoded {
            check_size((frame.width(), frame.height()))?;
        }
        Ok(decoded)
    }

    /// The next piece of sound, if there is one yet.
    pub(crate) fn next_sound(&mut self, frame: &mut Audio) -> Result<bool, Failure> {
        let decoded = self.next_frame(frame, 0)?;
        if decoded {
            // Only now its rate is known, and with it when the next one should begin.
            let length = frame.samples() as f64 / f64::from(frame.rate().max(1));
            self.next = frame.pts().unwrap_or(0).saturating_add(source::ticks(length, self.unit));
        }
        Ok(decoded)
    }

    /// The next frame into `frame`, its time counted from the file's start; `false` when there is none yet.
    fn next_frame(&mut self, frame: &mut Frame, duration: i64) -> Result<bool, Failure> {
        loop {
            match self.opened.receive_frame(frame) {
                Ok(()) => {
                    self.in_a_row = 0;
                    self.frames += 1;
                    let time = frame.timestamp().map_or(self.next, |time| time.saturating_sub(self.offset));
                    let said = if self.says_durations { frame.packet().duration } else { 0 };
                    self.next = time.saturating_add(if said > 0 { said } else { duration }.max(1));
                    frame.set_pts(Some(time));
                    return Ok(true);
                }
                Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => return Ok(false),
                Err(error) => self.stumble(error)?,
            }
        }
    }

    /// When what was decoded so far ends.
    pub(crate) fn end(&self) -> i64 {
        self.next
    }

    fn stumble(&mut self, error: Error) -> Result<(), Failure> {
        self.broken += 1;
        self.in_a_row += 1;
        if matches!(error, Error::Other { errno: ffmpeg_next::error::ENOMEM }) {
            return Err(Failure::too_large("The file needs more memory to decode than a task may take"));
        }
        if self.in_a_row > PATIENCE {
            return Err(Failure::invalid(
                "The file is damaged: nothing in it could be decoded any more. Check that it plays elsewhere",
            ));
        }
        Ok(())
    }
}

/// Refuses pictures that are larger than what is decoded.
fn check_size((width, height): (u32, u32)) -> Result<(), Failure> {
    if width == 0 || height == 0 {
        return Err(Failure::invalid("The file is damaged: its pictures have no size"));
    }
    if width > LONGEST_SIDE || height > LONGEST_SIDE || u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(Failure::too_large(format!(
            "The video is {width} x {height} pixels; the limit is {LONGEST_SIDE} pixels a side and {} MP",
            MOST_PIXELS / 1_000_000
        )));
    }
    Ok(())
}
