//! One track that is encoded anew: decode, filter, encode.

use convertfly_sandbox::Failure;
use ffmpeg_next::codec::Capabilities;
use ffmpeg_next::filter::Graph;
use ffmpeg_next::frame::{Audio, Video};
use ffmpeg_next::{Error, Packet, Rational, picture};

use crate::decoder::{self, Decoder};
use crate::encoders::{self, Opened, Sound, VideoEncoder, VideoSettings};
use crate::fault;
use crate::filters::{self, Looks, Pictures};
use crate::geometry::Size;
use crate::options::{AudioCodec, Fit, Options};
use crate::sink::{Sink, Track};
use crate::source;

/// Why a track ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The task fails.
    Failure(Failure),
    /// The encoder does not do it; another one may.
    Encoder { name: &'static str, reason: String },
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

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
        frame: Video,
        filtered: Video,
        /// Of the first picture: what follows is brought to it.
        canvas: Option<Size>,
    },
    Audio {
        codec: AudioCodec,
        sound: Option<Sound>,
        frame: Audio,
        filtered: Audio,
    },
}

/// See the module.
pub(crate) struct Coder {
    pub(crate) decoder: Decoder,
    pub(crate) medium: Medium,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) slot: usize,
    pub(crate) threads: usize,
    graph: Option<(Looks, Graph)>,
    /// Cuts sound into the frames that the encoder wants. It outlives the graphs, since an encoder takes one shorter frame only: the last.
    cutter: Option<Graph>,
    encoder: Option<Opened>,
    encoder_name: &'static str,
    /// Of the encoder's times.
    unit: Rational,
    last: Option<i64>,
    /// Time of the last frame, seconds.
    pub(crate) at: f64,
    /// Frames that came too late to be shown.
    pub(crate) dropped: u64,
}

impl Coder {
    pub(crate) fn new(decoder: Decoder, medium: Medium, metadata: Vec<(String, String)>, slot: usize, threads: usize) -> Self {
        Self {
            decoder,
            medium,
            metadata,
            slot,
            threads,
            graph: None,
            cutter: None,
            encoder: None,
            encoder_name: "",
            unit: Rational(0, 1),
            last: None,
            at: 0.0,
            dropped: 0,
        }
    }

    /// FFmpeg's name of the encoder, once it is open.
    pub(crate) fn encoder_name(&self) -> &'static str {
        self.encoder_name
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
            if let Some(mut input) = self.cutter.as_mut().and_then(|cutter| cutter.get("in")) {
                let _ = input.source().flush();
                self.drain_cutter(sink)?;
            }
            if let Some(encoder) = &mut self.encoder {
                let ended = encoder.inner().send_eof();
                self.refused(ended)?;
                self.drain_encoder(sink)?;
            }
        }
        Ok(())
    }

    fn decode(&mut self) -> Result<bool, Failure> {
        let unit = self.decoder.unit;
        match &mut self.medium {
            Medium::Video { frame, rate, .. } => {
                let one = rate.map_or(0, |rate| source::ticks(f64::from(rate.invert()), unit));
                let decoded = self.decoder.next_frame(frame, |_| one)?;
                if decoded {
                    decoder::check_size((frame.width(), frame.height()))?;
                    self.at = source::seconds(frame.pts().unwrap_or(0), unit);
                }
                Ok(decoded)
            }
            Medium::Audio { frame, .. } => {
                // The rate is that of the frame, which is only known after it has been decoded.
                let decoded = self.decoder.next_frame(frame, |_| 0)?;
                if decoded {
                    let time = frame.pts().unwrap_or(0);
                    let length = frame.samples() as f64 / f64::from(frame.rate().max(1));
                    self.decoder.expect(time.saturating_add(source::ticks(length, unit)));
                    self.at = source::seconds(time, unit) + length;
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
        let mut graph = match (&mut self.medium, looks) {
            (Medium::Video { encoder, turn, rate, constant, canvas, frame, .. }, Looks::Video { size, aspect, .. }) => {
                let fixed;
                let options = match canvas {
                    None => options,
                    Some((width, height)) => {
                        let (width, height, fit) = (Some(*width), Some(*height), Some(Fit::Scale));
                        fixed = Options { width, height, fit, enlarge: Some(true), ..options.clone() };
                        &fixed
                    }
                };
                let tone_map = filters::is_hdr(frame.color_transfer_characteristic());
                let pictures = Pictures { options, turn: *turn, rate: *constant, even: true, formats: encoder.format, tone_map };
                canvas.get_or_insert(pictures.chain(size, aspect).1);
                filters::build(looks, unit, *rate, &pictures.spec(size, aspect))?
            }
            (Medium::Audio { codec, sound, .. }, Looks::Audio { rate, format, layout }) => {
                let wanted = match sound {
                    Some(sound) => *sound,
                    None => {
                        let global = sink.wants_global_headers();
                        let source = Sound { rate, format, layout };
                        let (opened, wanted, name) = encoders::open_audio(*codec, source, options, global)?;
                        (self.encoder, self.encoder_name, self.unit) =
                            (Some(Opened::Audio(opened)), name, Rational(1, wanted.rate as i32));
                        *sound.insert(wanted)
                    }
                };
                filters::build(
                    looks,
                    unit,
                    None,
                    &filters::sound_spec(options.span(), wanted.format.name(), wanted.rate, wanted.layout),
                )?
            }
            _ => return Err(Failure::internal("a frame of another kind than its track").into()),
        };
        let mut output = graph.get("out").ok_or_else(|| Failure::internal("a graph without its sink"))?;
        if self.encoder.is_none() {
            self.unit = output.sink().time_base();
            self.open_video(options, sink)?;
        }
        if self.cutter.is_none() {
            self.cutter = self.build_cutter()?;
        }
        let is_first = self.graph.is_none() && self.last.is_none();
        self.graph = Some((looks, graph));
        if is_first { self.begin_track(sink) } else { Ok(()) }
    }

    /// For an encoder that wants frames of one length.
    fn build_cutter(&self) -> Result<Option<Graph>, Failure> {
        let (Some(Opened::Audio(encoder)), Medium::Audio { sound: Some(sound), .. }) = (&self.encoder, &self.medium) else {
            return Ok(None);
        };
        let capabilities = encoder.codec().map(|codec| codec.capabilities()).unwrap_or_else(Capabilities::empty);
        if encoder.frame_size() == 0 || capabilities.contains(Capabilities::VARIABLE_FRAME_SIZE) {
            return Ok(None);
        }
        let looks = Looks::Audio { rate: sound.rate, format: sound.format, layout: sound.layout };
        let mut cutter = filters::build(looks, self.unit, None, "anull")?;
        if let Some(mut output) = cutter.get("out") {
            output.sink().set_frame_size(encoder.frame_size());
        }
        Ok(Some(cutter))
    }

    fn open_video(&mut self, options: &Options, sink: &Sink) -> Result<(), Stop> {
        let Medium::Video { encoder, rate, constant, canvas, frame, .. } = &self.medium else { return Ok(()) };
        let settings = VideoSettings {
            size: canvas.unwrap_or((2, 2)),
            unit: self.unit,
            rate: constant.or(*rate),
            options,
            global_header: sink.wants_global_headers(),
            threads: self.threads,
        };
        // What has been darkened carries its new colours in its frames; the encoder is told the usual ones by not being told.
        let like = (!filters::is_hdr(frame.color_transfer_characteristic())).then_some(frame);
        self.encoder_name = encoder.name;
        crate::log::take();
        let opened = encoder.open(&settings, like);
        self.encoder = Some(Opened::Video(self.refused(opened)?));
        Ok(())
    }

    fn begin_track(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        let Some(encoder) = &self.encoder else { return Ok(()) };
        let (rate, tag) = match &self.medium {
            Medium::Video { encoder, rate, constant, container, .. } => (constant.or(*rate), encoder.tag(container)),
            Medium::Audio { .. } => (None, 0),
        };
        let track = Track {
            parameters: encoder.parameters(),
            unit: self.unit,
            rate,
            tag,
            cover: false,
            matrix: None,
            metadata: self.metadata.clone(),
        };
        Ok(sink.begin(self.slot, track)?)
    }

    /// An encoder's refusal, with its reason.
    fn refused<T>(&self, result: Result<T, Error>) -> Result<T, Stop> {
        result.map_err(|error| match (&self.medium, error) {
            (_, Error::Other { errno: ffmpeg_next::error::ENOMEM }) | (Medium::Audio { .. }, _) => {
                Stop::Failure(fault::ours(self.encoder_name, error))
            }
            (Medium::Video { .. }, error) => {
                let mut lines = crate::log::take();
                // The first line says why, the ones behind it only what follows from it.
                let reason = if lines.is_empty() { error.to_string() } else { lines.swap_remove(0) };
                Stop::Encoder { name: self.encoder_name, reason }
            }
        })
    }

    fn drain_graph(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        loop {
            let Some((_, graph)) = &mut self.graph else { return Ok(()) };
            let Some(mut output) = graph.get("out") else { return Ok(()) };
            let found = match &mut self.medium {
                Medium::Video { filtered, .. } => output.sink().frame(filtered),
                Medium::Audio { filtered, .. } => output.sink().frame(filtered),
            };
            match found {
                Ok(()) => self.filtered(sink)?,
                Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => return Ok(()),
                Err(error) => return Err(fault::ours("filters", error).into()),
            }
        }
    }

    /// A frame has come out of the filters.
    fn filtered(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        let (Some(cutter), Medium::Audio { filtered, .. }) = (&mut self.cutter, &mut self.medium) else {
            return self.encode(sink);
        };
        if let Some(mut input) = cutter.get("in") {
            input.source().add(filtered).map_err(|error| fault::ours("filters", error))?;
        }
        self.drain_cutter(sink)
    }

    fn drain_cutter(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        loop {
            let (Some(cutter), Medium::Audio { filtered, .. }) = (&mut self.cutter, &mut self.medium) else { return Ok(()) };
            let Some(mut output) = cutter.get("out") else { return Ok(()) };
            match output.sink().frame(filtered) {
                Ok(()) => self.encode(sink)?,
                Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => return Ok(()),
                Err(error) => return Err(fault::ours("filters", error).into()),
            }
        }
    }

    fn encode(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        let sent = match &mut self.medium {
            Medium::Video { filtered, .. } => {
                let Some(time) = filtered.pts() else { return Ok(()) };
                if self.last.is_some_and(|last| time <= last) {
                    self.dropped += 1;
                    return Ok(());
                }
                self.last = Some(time);
                // The encoder decides which pictures stand alone, not what the old file did.
                filtered.set_kind(picture::Type::None);
                encoder.inner().send_frame(filtered)
            }
            Medium::Audio { filtered, .. } => {
                self.last = filtered.pts().or(self.last);
                encoder.inner().send_frame(filtered)
            }
        };
        self.refused(sent)?;
        self.drain_encoder(sink)
    }

    fn drain_encoder(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        let one = match &self.medium {
            Medium::Video { rate, constant, .. } => {
                constant.or(*rate).map_or(0, |rate| source::ticks(f64::from(rate.invert()), self.unit))
            }
            Medium::Audio { .. } => 0,
        };
        loop {
            let Some(encoder) = &mut self.encoder else { return Ok(()) };
            let mut packet = Packet::empty();
            match encoder.inner().receive_packet(&mut packet) {
                Ok(()) => {
                    if packet.duration() == 0 {
                        packet.set_duration(one);
                    }
                    sink.write(self.slot, packet)?;
                }
                Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => return Ok(()),
                Err(error) => return self.refused(Err(error)),
            }
        }
    }
}
