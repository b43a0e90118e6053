//! The sound of the clips in one format, without gaps: samples are counted, not their times read.

use convertfly_sandbox::Failure;
use ffmpeg_next::filter::Graph;
use ffmpeg_next::frame::Audio as Frame;
use ffmpeg_next::{Error, Packet, Stream};

use super::clips::Audio;
use crate::containers::Container;
use crate::decoder::Decoder;
use crate::encoders;
use crate::encoding::{Encoding, Stop};
use crate::fault;
use crate::filters::{self, Looks};
use crate::job::Job;
use crate::options::AudioCodec;
use crate::sink::Sink;
use crate::source::Source;

/// Samples of silence that are written at a time.
const PIECE: i64 = 4096;

/// See the module.
pub(super) struct Sound {
    encoding: Encoding,
    wanted: encoders::Sound,
    /// So far.
    samples: i64,
    /// What the clip before had more than its pictures: so much is left out of the next one.
    ahead: i64,
}

/// A clip being played.
pub(super) struct Playing {
    decoder: Decoder,
    graph: Option<(Looks, Graph)>,
    has_begun: bool,
    frame: Frame,
    filtered: Frame,
    /// Samples to leave out at the beginning.
    skip: i64,
}

impl Sound {
    /// Opens the encoder for sound like that of the first clip that has some.
    pub(super) fn open(job: &Job, first: &Audio, to: &Container, slot: usize, sink: &mut Sink) -> Result<Self, Failure> {
        let codec = to.audio.first().copied().unwrap_or(AudioCodec::Aac);
        let mut encoding = Encoding::new(slot);
        let wanted = encoding.open_audio(codec, first.looks(), &job.options, Vec::new(), sink)?;
        Ok(Self { encoding, wanted, samples: 0, ahead: 0 })
    }

    pub(super) fn encoder_name(&self) -> &'static str {
        self.encoding.name()
    }

    /// Seconds so far.
    pub(super) fn end(&self) -> f64 {
        self.samples as f64 / f64::from(self.wanted.rate)
    }

    /// Begins a clip.
    pub(super) fn begin(&self, source: &Source, stream: &Stream) -> Result<Playing, Failure> {
        let decoder = Decoder::open(source, stream, 1)?;
        let (frame, filtered) = (Frame::empty(), Frame::empty());
        Ok(Playing { decoder, graph: None, has_begun: false, frame, filtered, skip: self.ahead })
    }

    /// Takes a packet of the clip, or its end.
    pub(super) fn take(&mut self, clip: &mut Playing, packet: Option<&Packet>, sink: &mut Sink) -> Result<(), Stop> {
        clip.decoder.feed(packet)?;
        while clip.decoder.next_sound(&mut clip.frame)? {
            let looks = Looks::of_audio(&clip.frame);
            if clip.graph.as_ref().is_none_or(|(known, _)| *known != looks) {
                self.end_graph(clip, sink)?;
                clip.graph = Some((looks, self.graph(clip, looks)?));
                clip.has_begun = true;
            }
            if let Some(mut input) = clip.graph.as_mut().and_then(|(_, graph)| graph.get("in")) {
                input.source().add(&clip.frame).map_err(|error| fault::ours("filters", error))?;
            }
            self.drain(clip, sink)?;
        }
        if packet.is_none() { self.end_graph(clip, sink) } else { Ok(()) }
    }

    fn graph(&self, clip: &Playing, looks: Looks) -> Result<Graph, Failure> {
        // Gaps are filled, that before the first sound as well.
        let first = if clip.has_begun { "" } else { ":first_pts=0" };
        let cut = if clip.has_begun || clip.skip == 0 { String::new() } else { format!(",atrim=start_sample={}", clip.skip) };
        let spec = format!("aresample=async=1{first},{}{cut}", filters::sound_format(&self.wanted));
        filters::build(looks, clip.decoder.unit, None, &spec)
    }

    fn end_graph(&mut self, clip: &mut Playing, sink: &mut Sink) -> Result<(), Stop> {
        if let Some(mut input) = clip.graph.as_mut().and_then(|(_, graph)| graph.get("in")) {
            let _ = input.source().close(clip.decoder.end());
        }
        self.drain(clip, sink)?;
        clip.graph = None;
        Ok(())
    }

    fn drain(&mut self, clip: &mut Playing, sink: &mut Sink) -> Result<(), Stop> {
        loop {
            let Some(mut output) = clip.graph.as_mut().and_then(|(_, graph)| graph.get("out")) else { return Ok(()) };
            match output.sink().frame(&mut clip.filtered) {
                Ok(()) => {
                    let mut piece = std::mem::replace(&mut clip.filtered, Frame::empty());
                    self.write(&mut piece, sink)?;
                }
                Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => return Ok(()),
                Err(error) => return Err(fault::ours("filters", error).into()),
            }
        }
    }

    fn write(&mut self, piece: &mut Frame, sink: &mut Sink) -> Result<(), Stop> {
        piece.set_pts(Some(self.samples));
        self.samples += piece.samples() as i64;
        self.encoding.sound(piece, sink)
    }

    /// Fills up with silence until then, seconds. What reaches further already is taken from the next clip's beginning.
    pub(super) fn be_silent_until(&mut self, end: f64, sink: &mut Sink) -> Result<(), Stop> {
        let until = (end * f64::from(self.wanted.rate)).round() as i64;
        while self.samples < until {
            let length = (until - self.samples).min(PIECE);
            let mut piece = Frame::new(self.wanted.format, length as usize, self.wanted.layout);
            piece.set_rate(self.wanted.rate);
            for plane in 0..piece.planes() {
                // All formats that encoders are given here are signed or of floating point.
                piece.data_mut(plane).fill(0);
            }
            self.write(&mut piece, sink)?;
        }
        self.ahead = self.samples - until;
        Ok(())
    }

    pub(super) fn finish(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        self.encoding.finish(sink)
    }
}
