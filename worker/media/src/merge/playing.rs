//! One track of a clip being played: decoded and filtered, whether it is seen or heard.

use std::ops::DerefMut;

use convertfly_sandbox::Failure;
use ffmpeg_next::filter::Graph;
use ffmpeg_next::frame::{Audio, Video};
use ffmpeg_next::{Error, Packet, Rational};

use crate::decoder::Decoder;
use crate::encoding::Stop;
use crate::fault;
use crate::filters::Looks;
use crate::sink::Sink;

/// A frame of either kind.
pub(super) trait Frame: DerefMut<Target = ffmpeg_next::Frame> + Sized {
    fn none() -> Self;
    fn looks(&self) -> Looks;
    /// The next one; `rate` says how long it lasts where the file does not.
    fn decode(&mut self, decoder: &mut Decoder, rate: Option<Rational>) -> Result<bool, Failure>;
}

impl Frame for Video {
    fn none() -> Self {
        Self::empty()
    }

    fn looks(&self) -> Looks {
        Looks::of_video(self)
    }

    fn decode(&mut self, decoder: &mut Decoder, rate: Option<Rational>) -> Result<bool, Failure> {
        decoder.next_picture(self, rate)
    }
}

impl Frame for Audio {
    fn none() -> Self {
        Self::empty()
    }

    fn looks(&self) -> Looks {
        Looks::of_audio(self)
    }

    fn decode(&mut self, decoder: &mut Decoder, _rate: Option<Rational>) -> Result<bool, Failure> {
        decoder.next_sound(self)
    }
}

/// What the tracks of one clip after the other become part of.
pub(super) trait Target<F: Frame> {
    /// What it has to know of a clip.
    type Clip;

    /// The filters for frames of those looks.
    fn graph(&self, playing: &Playing<F, Self::Clip>, looks: Looks) -> Result<Graph, Failure>;

    /// Takes a frame that has been filtered.
    fn write(&mut self, clip: &Self::Clip, frame: F, sink: &mut Sink) -> Result<(), Stop>;
}

/// See the module.
pub(super) struct Playing<F, C> {
    pub(super) decoder: Decoder,
    pub(super) rate: Option<Rational>,
    pub(super) clip: C,
    graph: Option<(Looks, Graph)>,
    /// Whether a graph has been there: only the first one begins with the clip.
    pub(super) has_begun: bool,
    /// Time of the last frame, in the decoder's unit.
    pub(super) at: i64,
    /// The one just decoded.
    pub(super) frame: F,
    filtered: F,
}

impl<F: Frame, C> Playing<F, C> {
    pub(super) fn new(decoder: Decoder, rate: Option<Rational>, clip: C) -> Self {
        Self { decoder, rate, clip, graph: None, has_begun: false, at: 0, frame: F::none(), filtered: F::none() }
    }

    /// Takes a packet of the clip, or its end.
    pub(super) fn take<J>(&mut self, packet: Option<&Packet>, target: &mut J, sink: &mut Sink) -> Result<(), Stop>
    where
        J: Target<F, Clip = C>,
    {
        self.decoder.feed(packet)?;
        while self.frame.decode(&mut self.decoder, self.rate)? {
            self.at = self.frame.pts().unwrap_or(0);
            let looks = self.frame.looks();
            if self.graph.as_ref().is_none_or(|(known, _)| *known != looks) {
                self.end_graph(target, sink)?;
                self.graph = Some((looks, target.graph(self, looks)?));
                self.has_begun = true;
            }
            if let Some(mut input) = self.graph.as_mut().and_then(|(_, graph)| graph.get("in")) {
                input.source().add(&self.frame).map_err(|error| fault::ours("filters", error))?;
            }
            self.drain(target, sink)?;
        }
        if packet.is_none() { self.end_graph(target, sink) } else { Ok(()) }
    }

    fn end_graph<J>(&mut self, target: &mut J, sink: &mut Sink) -> Result<(), Stop>
    where
        J: Target<F, Clip = C>,
    {
        if let Some(mut input) = self.graph.as_mut().and_then(|(_, graph)| graph.get("in")) {
            // The end tells how long the last frame lasts. A source that knows it already says so.
            let _ = input.source().close(self.decoder.end());
        }
        self.drain(target, sink)?;
        self.graph = None;
        Ok(())
    }

    fn drain<J>(&mut self, target: &mut J, sink: &mut Sink) -> Result<(), Stop>
    where
        J: Target<F, Clip = C>,
    {
        loop {
            let Some(mut output) = self.graph.as_mut().and_then(|(_, graph)| graph.get("out")) else { return Ok(()) };
            match output.sink().frame(&mut self.filtered) {
                Ok(()) => target.write(&self.clip, std::mem::replace(&mut self.filtered, F::none()), sink)?,
                Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => return Ok(()),
                Err(error) => return Err(fault::ours("filters", error).into()),
            }
        }
    }
}
