//! One track that is encoded anew: decode, filter, encode.

use std::rc::Rc;

use convertfly_sandbox::Failure;
use ffmpeg_next::filter::Graph;
use ffmpeg_next::frame::{Audio, Video};
use ffmpeg_next::{Error, Packet, Rational};

use crate::decoder::Decoder;
use crate::encoders::{Sound, VideoEncoder, VideoSettings};
use crate::encoding::{Encoding, Stop, Tags};
use crate::fault;
use crate::filters::{self, Looks, Pictures};
use crate::geometry::Size;
use crate::job::Job;
use crate::mark::Mark;
use crate::options::{AudioCodec, Fit, Options};
use crate::sink::Sink;
use crate::source;

/// What is encoded, and by what.
pub(crate) enum Medium {
    Video {
        encoder: &'static VideoEncoder,
        turn: u16,
        /// Frames a second of the source.
        rate: Option<Rational>,
        /// Frames a second that the result has to keep to.
        constant: Option<Rational>,
        container: &'static str,
        /// What is transparent gets white behind it.
        transparent: bool,
        /// The last picture, where it may be shown for longer than the others.
        held: Option<Video>,
        frame: Video,
        filtered: Video,
        /// Of the first picture: what follows is brought to it.
        canvas: Option<Size>,
        /// Laid over every picture.
        mark: Option<Rc<Mark>>,
    },
    Audio {
        codec: AudioCodec,
        sound: Option<Sound>,
        frame: Audio,
        filtered: Audio,
        /// A step that makes it as loud as asked.
        level: Option<String>,
    },
}

/// See the module.
pub(crate) struct Coder {
    pub(crate) decoder: Decoder,
    pub(crate) medium: Medium,
    pub(crate) encoding: Encoding,
    metadata: Tags,
    threads: usize,
    graph: Option<(Looks, Graph)>,
    /// Whether it ends before the file does.
    is_part: bool,
    /// Time of the last frame, seconds.
    pub(crate) at: f64,
}

impl Coder {
    pub(crate) fn new(decoder: Decoder, medium: Medium, metadata: Tags, slot: usize, job: &Job) -> Self {
        let (threads, is_part) = (job.threads(), job.options.span().is_part());
        Self { decoder, medium, encoding: Encoding::new(slot), metadata, threads, graph: None, is_part, at: 0.0 }
    }

    /// Size of the pictures, once they are known.
    pub(crate) fn size(&self) -> Option<Size> {
        match &self.medium {
            Medium::Video { canvas, .. } => *canvas,
            Medium::Audio { .. } => None,
        }
    }

    /// Takes a packet of the source, or its end.
    pub(crate) fn take(&mut self, packet: Option<&Packet>, options: &Options, sink: &mut Sink) -> Result<(), Stop> {
        self.decoder.feed(packet)?;
        while self.decode()? {
            self.frame_decoded(options, sink)?;
        }
        if packet.is_none() {
            self.end_graph(sink)?;
            self.hold_last(sink)?;
            self.encoding.finish(sink)?;
        }
        Ok(())
    }

    /// The last picture of an animation is often shown for longer, for which a video has no word: it is shown once more at its end.
    fn hold_last(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        let end = source::seconds(self.decoder.end(), self.decoder.unit);
        match &mut self.medium {
            Medium::Video { held, .. } => match held.take() {
                Some(last) => self.encoding.hold_until(end, last, sink),
                None => Ok(()),
            },
            Medium::Audio { .. } => Ok(()),
        }
    }

    fn decode(&mut self) -> Result<bool, Failure> {
        match &mut self.medium {
            Medium::Video { frame, rate, .. } => {
                let decoded = self.decoder.next_picture(frame, *rate)?;
                if decoded {
                    self.at = source::seconds(frame.pts().unwrap_or(0), self.decoder.unit);
                }
                Ok(decoded)
            }
            Medium::Audio { frame, .. } => {
                let decoded = self.decoder.next_sound(frame)?;
                if decoded {
                    self.at = source::seconds(self.decoder.end(), self.decoder.unit);
                }
                Ok(decoded)
            }
        }
    }

    fn frame_decoded(&mut self, options: &Options, sink: &mut Sink) -> Result<(), Stop> {
        let looks = match &self.medium {
            Medium::Video { frame, .. } => Looks::of_video(frame),
            Medium::Audio { frame, .. } => Looks::of_audio(frame),
        };
        if self.graph.as_ref().is_none_or(|(known, _)| *known != looks) {
            self.end_graph(sink)?;
            self.begin_graph(looks, options, sink)?;
        }
        let Some((_, graph)) = &mut self.graph else { return Ok(()) };
        let mut input = graph.get("in").ok_or_else(|| Failure::internal("a graph without its source"))?;
        let added = match &self.medium {
            Medium::Video { frame, .. } => input.source().add(frame),
            Medium::Audio { frame, .. } => input.source().add(frame),
        };
        // After the end of a part that is wanted nothing more is taken.
        if !matches!(added, Ok(()) | Err(Error::Eof)) {
            added.map_err(|error| fault::ours("filters", error))?;
        }
        self.drain_graph(sink)
    }

    fn end_graph(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        if let Some((_, graph)) = &mut self.graph
            && let Some(mut input) = graph.get("in")
        {
            // The end tells how long the last frame is shown. A source that knows it already says so.
            let _ = input.source().close(self.decoder.end());
        }
        self.drain_graph(sink)?;
        self.graph = None;
        Ok(())
    }

    /// Builds the filters for frames of those looks; the first time also the encoder behind them.
    fn begin_graph(&mut self, looks: Looks, options: &Options, sink: &mut Sink) -> Result<(), Stop> {
        let unit = self.decoder.unit;
        let graph = match (&mut self.medium, looks) {
            (
                Medium::Video { encoder, turn, rate, constant, container, canvas, frame, mark, transparent, .. },
                Looks::Video { size, aspect, format },
            ) => {
                let fixed;
                let asked = match canvas {
                    None => options,
                    Some((width, height)) => {
                        let (width, height, fit) = (Some(*width), Some(*height), Some(Fit::Scale));
                        fixed = Options { width, height, fit, enlarge: Some(true), ..options.clone() };
                        &fixed
                    }
                };
                let tone_map = filters::is_hdr(frame.color_transfer_characteristic());
                let pictures =
                    Pictures { options: asked, turn: *turn, rate: *constant, even: true, formats: encoder.format, tone_map };
                let (mut chain, size) = pictures.chain(size, aspect);
                if *transparent && filters::has_alpha(format) {
                    chain.insert_str(0, filters::OVER_WHITE);
                }
                let size = *canvas.get_or_insert(size);
                let spec = format!("format=pix_fmts={}", encoder.format);
                let mut graph = match mark {
                    Some(mark) => mark.over(looks, unit, *rate, &chain, &spec)?,
                    None => filters::build(looks, unit, *rate, &format!("{chain},{spec}"))?,
                };
                if !self.encoding.is_open() {
                    let settings = VideoSettings {
                        size,
                        unit: filters::unit_of(&mut graph)?,
                        rate: constant.or(*rate),
                        options,
                        global_header: sink.wants_global_headers(),
                        threads: self.threads,
                    };
                    // What has been darkened carries its new colours in its frames; the encoder is told the usual ones by not being told.
                    let like = (!tone_map).then_some(&*frame);
                    self.encoding.open_video(encoder, &settings, like, container, self.metadata.clone(), sink)?;
                }
                graph
            }
            (Medium::Audio { codec, sound, level, .. }, Looks::Audio { rate, format, layout }) => {
                let wanted = match sound {
                    Some(sound) => *sound,
                    None => {
                        let source = Sound { rate, format, layout };
                        *sound.insert(self.encoding.open_audio(*codec, source, options, self.metadata.clone(), sink)?)
                    }
                };
                let spec = filters::sound_spec(options.span(), level.as_deref(), &wanted);
                filters::build(looks, unit, None, &spec)?
            }
            _ => return Err(Failure::internal("a frame of another kind than its track").into()),
        };
        self.graph = Some((looks, graph));
        Ok(())
    }

    fn drain_graph(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        loop {
            let Some((_, graph)) = &mut self.graph else { return Ok(()) };
            let Some(mut output) = graph.get("out") else { return Ok(()) };
            let found = match &mut self.medium {
                Medium::Video { filtered, .. } => output.sink().frame(filtered),
                Medium::Audio { filtered, .. } => output.sink().frame(filtered),
            };
            match (found, &mut self.medium) {
                (Ok(()), Medium::Video { filtered, held, constant, .. }) => {
                    self.encoding.picture(filtered, sink)?;
                    if self.decoder.says_durations && constant.is_none() && !self.is_part {
                        *held = Some(std::mem::replace(filtered, Video::empty()));
                    }
                }
                (Ok(()), Medium::Audio { filtered, .. }) => self.encoding.sound(filtered, sink)?,
                (Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }), _) => return Ok(()),
                (Err(error), _) => return Err(fault::ours("filters", error).into()),
            }
        }
    }
}
