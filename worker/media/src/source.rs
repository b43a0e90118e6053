//! The input: opened by the one demuxer that it is said to be for, and what it holds.

use std::fs::File;

use convertfly_sandbox::{Cancel, Failure};
use ffmpeg_next::codec::packet::side_data::Type as SideData;
use ffmpeg_next::format::context::{Input, StreamIo};
use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::media::Type;
use ffmpeg_next::{Dictionary, Packet, Rational, Stream};

use crate::containers::Container;
use crate::fault;
use crate::files::Positioned;

/// Bytes that are read at a time.
const BUFFER: usize = 128 << 10;

/// FFmpeg's unit of a file's times.
pub(crate) const MICROSECONDS: Rational = Rational(1, 1_000_000);

/// An opened input.
pub(crate) struct Source {
    pub(crate) input: Input,
    pub(crate) container: &'static Container,
}

/// A number that the file gives, or `None` where it gives none.
fn known(value: i64) -> Option<i64> {
    (value != ffmpeg_next::ffi::AV_NOPTS_VALUE).then_some(value)
}

/// Seconds of a time in a unit.
pub(crate) fn seconds(value: i64, unit: Rational) -> f64 {
    value as f64 * f64::from(unit)
}

/// A time in seconds in a unit.
pub(crate) fn ticks(seconds: f64, unit: Rational) -> i64 {
    (seconds / f64::from(unit)).round() as i64
}

impl Source {
    /// Opens the file. No protocol can be opened from within it, and no demuxer but the container's takes it: a playlist under another
    /// name is refused before it names anything.
    pub(crate) fn open(file: &File, container: &'static Container, cancel: &Cancel) -> Result<Self, Failure> {
        let mut options = Dictionary::new();
        options.set("protocol_whitelist", "none");
        options.set("format_whitelist", container.demuxer);
        let file = Positioned::new(file, cancel).map_err(Failure::internal)?;
        let stream = StreamIo::from_read_seek_with_capacity(file, BUFFER).map_err(|error| fault::ours("input", error))?;
        // The name is of our own table. It helps with formats that begin with no mark of their own.
        let name = format!("input.{}", container.name);
        let opened = ffmpeg_next::format::input_from_stream(stream, Some(&name), Some(options));
        cancel.check()?;
        let input = opened.map_err(|error| match container.name {
            "png" => Failure::invalid(
                "The picture does not move, so that no video can be made of it. Merge several into one, or send an animation",
            ),
            _ => fault::reading(container.title, error),
        })?;
        Ok(Self { input, container })
    }

    /// The pictures, if there are some; a cover is none.
    pub(crate) fn video(&self) -> Option<Stream<'_>> {
        let moving = |stream: &Stream| stream.parameters().medium() == Type::Video && !is_cover(stream);
        let best = self.input.streams().best(Type::Video).filter(moving);
        best.or_else(|| self.input.streams().find(moving))
    }

    /// The main sound, if there is some.
    pub(crate) fn audio(&self) -> Option<Stream<'_>> {
        self.input.streams().best(Type::Audio)
    }

    /// The cover picture, if there is one.
    pub(crate) fn cover(&self) -> Option<Stream<'_>> {
        self.input.streams().find(is_cover)
    }

    /// When it begins, microseconds.
    pub(crate) fn start(&self) -> i64 {
        // SAFETY: the context is open, so the pointer is valid; a plain number is read.
        known(unsafe { (*self.input.as_ptr()).start_time }).unwrap_or(0)
    }

    /// How long it is, seconds, as the file says.
    pub(crate) fn duration(&self) -> Option<f64> {
        known(self.input.duration()).map(|duration| seconds(duration, MICROSECONDS)).filter(|duration| *duration > 0.0)
    }

    /// Goes to the last place from which everything from `second` on can be decoded. Reading goes on at the start if there is none.
    pub(crate) fn seek(&mut self, second: f64) {
        let to = self.start().saturating_add(ticks(second, MICROSECONDS));
        if self.input.seek(to, ..to).is_err() {
            let start = self.start();
            let _ = self.input.seek(start, ..);
        }
    }

    /// The next packet; `None` at the end, also at an early one: what was read until there counts.
    pub(crate) fn next_packet(&mut self, cancel: &Cancel) -> Result<Option<Packet>, Failure> {
        // Broken bytes that the demuxer cannot get past would otherwise be tried for ever.
        let mut patience = 10_000;
        loop {
            cancel.check()?;
            let mut packet = Packet::empty();
            match packet.read(&mut self.input) {
                Ok(()) => return Ok(Some(packet)),
                Err(ffmpeg_next::Error::InvalidData | ffmpeg_next::Error::Other { errno: ffmpeg_next::error::EAGAIN })
                    if patience > 0 =>
                {
                    patience -= 1;
                }
                Err(_) => {
                    cancel.check()?;
                    return Ok(None);
                }
            }
        }
    }
}

/// Whether a stream is a picture that belongs to the sound.
pub(crate) fn is_cover(stream: &Stream) -> bool {
    stream.disposition().contains(Disposition::ATTACHED_PIC)
}

/// Degrees by which the pictures have to be turned clockwise to stand upright: 0, 90, 180 or 270.
pub(crate) fn rotation(stream: &Stream) -> u16 {
    let matrix = stream.side_data().find(|data| data.kind() == SideData::DisplayMatrix);
    matrix.map_or(0, |matrix| turned(matrix.data()))
}

/// The turn of a display matrix: nine numbers of 16.16 fixed point, of which the first, second, fourth and fifth turn and mirror.
fn turned(matrix: &[u8]) -> u16 {
    let number = |index: usize| {
        let bytes = matrix.get(index * 4..index * 4 + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        f64::from(i32::from_ne_bytes(bytes.unwrap_or_default()))
    };
    let (a, b) = (number(0), number(1));
    if a == 0.0 && b == 0.0 {
        return 0;
    }
    let degrees = b.atan2(a).to_degrees();
    (((degrees / 90.0).round() as i32).rem_euclid(4) * 90) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(a: i32, b: i32, c: i32, d: i32) -> Vec<u8> {
        [a, b, 0, c, d, 0, 0, 0, 1 << 30].iter().flat_map(|number: &i32| number.to_ne_bytes()).collect()
    }

    #[test]
    fn display_matrices_turn_clockwise() {
        let one = 1 << 16;
        assert_eq!(turned(&matrix(one, 0, 0, one)), 0, "upright");
        assert_eq!(turned(&matrix(0, one, -one, 0)), 90, "a telephone held upright");
        assert_eq!(turned(&matrix(-one, 0, 0, -one)), 180, "upside down");
        assert_eq!(turned(&matrix(0, -one, one, 0)), 270, "the other way");
        assert_eq!(turned(&matrix(0, 0, 0, 0)), 0, "an empty one says nothing");
        assert_eq!(turned(&[1, 2, 3]), 0, "neither does a short one");
    }
}
