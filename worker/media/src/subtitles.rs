//! Subtitles that are text: taken over as they are, or their words put into the form of another container.

use convertfly_sandbox::Failure;
use ffmpeg_next::codec::{Id, Parameters};
use ffmpeg_next::media::Type;
use ffmpeg_next::{Packet, Rational, Stream, ffi};

use crate::containers::Container;
use crate::sink::{self, Sink, Track};
use crate::source::{self, Source};

/// Tracks of subtitles that are kept.
pub(crate) const MOST: usize = 32;

/// Bytes of one line that are kept.
const LONGEST: usize = 16 << 10;

/// What QuickTime's text tracks say of their style: white, at the bottom, in a font with serifs of 18 pixels.
const STYLE: [u8; 48] =
    *b"\0\0\0\0\x01\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x12\xff\xff\xff\xff\0\0\0\x12ftab\0\x01\0\x01\x05Serif";

/// See the module.
pub(crate) struct Subtitles {
    stream: usize,
    slot: usize,
    unit: Rational,
    offset: i64,
    from: Id,
    to: Id,
}

/// Whether subtitles of that codec can be read as text.
fn is_text(id: Id) -> bool {
    matches!(id, Id::SUBRIP | Id::TEXT | Id::ASS | Id::SSA | Id::MOV_TEXT | Id::WEBVTT)
}

/// The codec that text gets in a container; `None` where it holds none.
fn codec_in(container: &Container) -> Option<Id> {
    match container.name {
        "mp4" | "mov" => Some(Id::MOV_TEXT),
        "mkv" => Some(Id::SUBRIP),
        "webm" => Some(Id::WEBVTT),
        _ => None,
    }
}

impl Subtitles {
    /// What becomes of a stream; `None` where the result cannot hold it.
    pub(crate) fn new(stream: &Stream, slot: usize, source: &Source, to: &Container) -> Option<Self> {
        let from = stream.parameters().id();
        if stream.parameters().medium() != Type::Subtitle || !is_text(from) {
            return None;
        }
        // What looks as it was drawn keeps its looks where it can.
        let stays = to.name == "mkv" && matches!(from, Id::ASS | Id::SUBRIP) || codec_in(to) == Some(from);
        let to = if stays { from } else { codec_in(to)? };
        let unit = stream.time_base();
        let offset = source::ticks(source::seconds(source.start(), source::MICROSECONDS), unit);
        Some(Self { stream: stream.index(), slot, unit, offset, from, to })
    }

    /// The codec of the result, as FFmpeg calls it.
    pub(crate) fn codec(&self) -> &'static str {
        self.to.name()
    }

    /// Whether they are taken over as they are.
    pub(crate) fn is_copied(&self) -> bool {
        self.from == self.to
    }

    /// Tells the result what comes.
    pub(crate) fn begin(&self, source: &Source, sink: &mut Sink) -> Result<(), Failure> {
        let stream = source.input.stream(self.stream).ok_or_else(|| Failure::internal("a stream that is gone"))?;
        let parameters = if self.is_copied() { stream.parameters().clone() } else { text_parameters(self.to)? };
        let metadata = sink::carried(&stream.metadata());
        let track = Track { parameters, unit: self.unit, rate: None, tag: 0, cover: false, matrix: None, metadata };
        sink.begin(self.slot, track)
    }

    /// A packet of the stream.
    pub(crate) fn take(&self, packet: &Packet, sink: &mut Sink) -> Result<(), Failure> {
        let Some(data) = packet.data() else { return Ok(()) };
        let mut written = if self.is_copied() {
            packet.clone()
        } else {
            let text = words(self.from, data);
            // QuickTime fills its gaps with empty lines; other containers need none.
            if text.is_empty() {
                return Ok(());
            }
            Packet::copy(&shaped(self.to, &text))
        };
        let time = packet.pts().or(packet.dts()).map(|time| time.saturating_sub(self.offset));
        written.set_pts(time);
        written.set_dts(time);
        written.set_duration(packet.duration());
        written.set_flags(ffmpeg_next::codec::packet::Flags::KEY);
        sink.write(self.slot, written)
    }
}

/// Parameters of a track of text.
fn text_parameters(id: Id) -> Result<Parameters, Failure> {
    let mut parameters = Parameters::new();
    parameters.set_medium(Type::Subtitle);
    parameters.set_id(id);
    if id == Id::MOV_TEXT {
        // SAFETY: the parameters were just made and belong to nobody else. The header is allocated by FFmpeg, with the room behind it that its
        // readers ask for, and is freed with the parameters.
        unsafe {
            let raw = &mut *parameters.as_mut_ptr();
            let room = STYLE.len() + ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize;
            raw.extradata = ffi::av_mallocz(room).cast::<u8>();
            if raw.extradata.is_null() {
                return Err(Failure::internal("no memory for a header"));
            }
            std::ptr::copy_nonoverlapping(STYLE.as_ptr(), raw.extradata, STYLE.len());
            raw.extradata_size = STYLE.len() as i32;
        }
    }
    Ok(parameters)
}

/// The words of a packet, without the marks of its format.
fn words(from: Id, data: &[u8]) -> String {
    let data = data.get(..data.len().min(LONGEST)).unwrap_or_default();
    let text = match from {
        Id::MOV_TEXT => {
            let length = data.first_chunk::<2>().map_or(0, |two| usize::from(u16::from_be_bytes(*two)));
            return String::from_utf8_lossy(data.get(2..2 + length).unwrap_or_default()).trim().to_owned();
        }
        _ => String::from_utf8_lossy(data),
    };
    match from {
        Id::ASS | Id::SSA => {
            // Eight fields stand before the text, which may hold commas of its own.
            let text = text.splitn(9, ',').nth(8).unwrap_or_default();
            between(text, '{', '}').replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ").trim().to_owned()
        }
        _ => {
            let plain = between(&between(&text, '<', '>'), '{', '}');
            plain.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").replace("&amp;", "&").trim().to_owned()
        }
    }
}

/// The text without what stands between those marks. A mark without its other one stays.
fn between(text: &str, open: char, close: char) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once(open) {
        out.push_str(before);
        match after.split_once(close) {
            Some((_, behind)) => rest = behind,
            None => {
                out.push(open);
                rest = after;
            }
        }
    }
    out + rest
}

/// The words as a packet.
fn shaped(to: Id, text: &str) -> Vec<u8> {
    match to {
        Id::MOV_TEXT => {
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
            let bytes = text.as_bytes().get(..usize::from(length)).unwrap_or_default();
            length.to_be_bytes().into_iter().chain(bytes.iter().copied()).collect()
        }
        Id::WEBVTT => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").into_bytes(),
        _ => text.as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lose_the_marks_of_their_format() {
        assert_eq!(words(Id::SUBRIP, b"<i>One</i> &amp; two\nlines"), "One & two\nlines", "SubRip");
        assert_eq!(words(Id::ASS, b"0,0,Default,,0,0,0,,{\\b1}Yes, and\\Nno"), "Yes, and\nno", "ASS");
        assert_eq!(words(Id::MOV_TEXT, b"\0\x05Hello\0\0\0\x16styl"), "Hello", "QuickTime, its style left out");
        assert_eq!(words(Id::MOV_TEXT, b"\0"), "", "cut off");
        assert_eq!(words(Id::SUBRIP, b"a < b"), "a < b", "a mark alone is a character");
    }

    #[test]
    fn words_get_the_form_of_the_target() {
        assert_eq!(shaped(Id::MOV_TEXT, "Hi"), b"\0\x02Hi", "with their length");
        assert_eq!(shaped(Id::WEBVTT, "a < b"), b"a &lt; b", "escaped");
        assert_eq!(shaped(Id::SUBRIP, "a < b"), b"a < b", "as they are");
    }
}
