//! The end of a track that is encoded anew: frames in, packets of the result out.

use convertfly_sandbox::Failure;
use ffmpeg_next::codec::Capabilities;
use ffmpeg_next::filter::Graph;
use ffmpeg_next::frame::{Audio, Video};
use ffmpeg_next::{Error, Packet, Rational, picture};

use crate::encoders::{self, Opened, Sound, VideoEncoder, VideoSettings};
use crate::fault;
use crate::filters::{self, Looks};
use crate::geometry::Size;
use crate::options::{AudioCodec, Options};
use crate::sink::{Sink, Track};
use crate::source;
use crate::transcode::USUAL_RATE;

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

/// `language` and `title` of a track.
pub(crate) type Tags = Vec<(String, String)>;

/// See the module.
pub(crate) struct Encoding {
    slot: usize,
    encoder: Option<Opened>,
    name: &'static str,
    /// Of the times of frames and packets.
    unit: Rational,
    /// Cuts sound into the frames that the encoder wants. It outlives the graphs before it, since an encoder takes one shorter frame only: the last.
    cutter: Option<Graph>,
    cut: Audio,
    /// How long a picture is shown where the encoder does not say, in that unit.
    one: i64,
    last: Option<i64>,
    dropped: u64,
    /// That of the pictures.
    size: Size,
}

impl Encoding {
    /// Of the track in that slot of the result.
    pub(crate) fn new(slot: usize) -> Self {
        let unit = Rational(0, 1);
        Self {
            slot,
            encoder: None,
            name: "",
            unit,
            cutter: None,
            cut: Audio::empty(),
            one: 0,
            last: None,
            dropped: 0,
            size: (0, 0),
        }
    }

    /// FFmpeg's name of the encoder, once it is open.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it takes frames.
    pub(crate) fn is_open(&self) -> bool {
        self.encoder.is_some()
    }

    /// Pictures that came too late to be shown.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Opens an encoder of pictures, and begins the track with it.
    pub(crate) fn open_video(
        &mut self,
        encoder: &'static VideoEncoder,
        settings: &VideoSettings<'_>,
        like: Option<&Video>,
        container: &str,
        metadata: Tags,
        sink: &mut Sink,
    ) -> Result<(), Stop> {
        (self.name, self.unit, self.size) = (encoder.name, settings.unit, settings.size);
        // A picture that is shown for no time is not shown at all.
        let rate = settings.rate.unwrap_or(USUAL_RATE);
        self.one = source::ticks(f64::from(rate.invert()), settings.unit);
        crate::log::take();
        let opened = Opened::Video(self.refused(encoder.open(settings, like))?);
        let track = Track {
            parameters: opened.parameters(),
            unit: self.unit,
            rate: settings.rate,
            tag: encoder.tag(container),
            cover: false,
            matrix: None,
            metadata,
        };
        self.encoder = Some(opened);
        Ok(sink.begin(self.slot, track)?)
    }

    /// Opens an encoder for sound that looks like `source`, begins the track with it, and says what frames have to look like.
    pub(crate) fn open_audio(
        &mut self,
        codec: AudioCodec,
        source: Sound,
        options: &Options,
        metadata: Tags,
        sink: &mut Sink,
    ) -> Result<Sound, Failure> {
        let (opened, wanted, name) = encoders::open_audio(codec, source, options, sink.wants_global_headers())?;
        (self.name, self.unit) = (name, Rational(1, wanted.rate as i32));
        let capabilities = opened.codec().map(|codec| codec.capabilities()).unwrap_or_else(Capabilities::empty);
        if opened.frame_size() > 0 && !capabilities.contains(Capabilities::VARIABLE_FRAME_SIZE) {
            let looks = Looks::Audio { rate: wanted.rate, format: wanted.format, layout: wanted.layout };
            let mut cutter = filters::build(looks, self.unit, None, "anull")?;
            if let Some(mut output) = cutter.get("out") {
                output.sink().set_frame_size(opened.frame_size());
            }
            self.cutter = Some(cutter);
        }
        let opened = Opened::Audio(opened);
        let parameters = opened.parameters();
        self.encoder = Some(opened);
        let track = Track { parameters, unit: self.unit, rate: None, tag: 0, cover: false, matrix: None, metadata };
        sink.begin(self.slot, track)?;
        Ok(wanted)
    }

    /// Takes a picture; one that is not later than the one before it is dropped.
    pub(crate) fn picture(&mut self, frame: &mut Video, sink: &mut Sink) -> Result<(), Stop> {
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        let Some(time) = frame.pts() else { return Ok(()) };
        if self.last.is_some_and(|last| time <= last) {
            self.dropped += 1;
            return Ok(());
        }
        // Encoders read as many lines as they were told at first, whatever the picture has.
        if (frame.width(), frame.height()) != self.size {
            return Err(Failure::internal("a picture of another size than the encoder was opened for").into());
        }
        self.last = Some(time);
        // The encoder decides which pictures stand alone, not what the old file did.
        frame.set_kind(picture::Type::None);
        // An encoder of a fixed quantiser takes that of each picture, and the finest where a picture says none.
        // SAFETY: both are open for as long as they are borrowed here, and the fields are plain numbers that FFmpeg leaves to the caller.
        unsafe { (*frame.as_mut_ptr()).quality = (*encoder.inner().as_ptr()).global_quality };
        let sent = encoder.inner().send_frame(frame);
        self.refused(sent)?;
        self.drain(sink)
    }

    /// Shows the last picture until then, seconds: once more, for as long as pictures are shown or for half of its time.
    pub(crate) fn hold_until(&mut self, end: f64, mut last: Video, sink: &mut Sink) -> Result<(), Stop> {
        let Some(shown) = self.last else { return Ok(()) };
        let end = source::ticks(end, self.unit);
        let left = end.saturating_sub(shown);
        let is_right = (left - self.one).abs() <= source::ticks(0.001, self.unit).max(1);
        if left < 2 || is_right {
            return Ok(());
        }
        self.one = if self.one > 0 { self.one.min(left / 2) } else { left / 2 };
        last.set_pts(Some(end - self.one));
        self.picture(&mut last, sink)
    }

    /// Takes sound.
    pub(crate) fn sound(&mut self, frame: &Audio, sink: &mut Sink) -> Result<(), Stop> {
        let Some(cutter) = &mut self.cutter else { return self.sound_cut(frame, sink) };
        if let Some(mut input) = cutter.get("in") {
            input.source().add(frame).map_err(|error| fault::ours("filters", error))?;
        }
        self.drain_cutter(sink)
    }

    /// The end of the track.
    pub(crate) fn finish(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        if let Some(mut input) = self.cutter.as_mut().and_then(|cutter| cutter.get("in")) {
            let _ = input.source().flush();
            self.drain_cutter(sink)?;
        }
        if let Some(encoder) = &mut self.encoder {
            let ended = encoder.inner().send_eof();
            self.refused(ended)?;
            self.drain(sink)?;
        }
        Ok(())
    }

    fn sound_cut(&mut self, frame: &Audio, sink: &mut Sink) -> Result<(), Stop> {
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        let sent = encoder.inner().send_frame(frame);
        self.refused(sent)?;
        self.drain(sink)
    }

    fn drain_cutter(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        loop {
            let Some(mut output) = self.cutter.as_mut().and_then(|cutter| cutter.get("out")) else { return Ok(()) };
            match output.sink().frame(&mut self.cut) {
                Ok(()) => {
                    let cut = std::mem::replace(&mut self.cut, Audio::empty());
                    self.sound_cut(&cut, sink)?;
                }
                Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => return Ok(()),
                Err(error) => return Err(fault::ours("filters", error).into()),
            }
        }
    }

    fn drain(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        loop {
            let Some(encoder) = &mut self.encoder else { return Ok(()) };
            let mut packet = Packet::empty();
            match encoder.inner().receive_packet(&mut packet) {
                Ok(()) => {
                    if packet.duration() == 0 {
                        packet.set_duration(self.one);
                    }
                    sink.write(self.slot, packet)?;
                }
                Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => return Ok(()),
                Err(error) => return self.refused(Err(error)),
            }
        }
    }

    /// An encoder's refusal, with its reason. Sound has one encoder for each codec, so its refusal is the end.
    fn refused<T>(&self, result: Result<T, Error>) -> Result<T, Stop> {
        result.map_err(|error| match (&self.encoder, error) {
            (_, Error::Other { errno: ffmpeg_next::error::ENOMEM }) | (Some(Opened::Audio(_)), _) => {
                Stop::Failure(fault::ours(self.name, error))
            }
            (_, error) => {
                let mut lines = crate::log::take();
                // The first line says why, the ones behind it only what follows from it.
                let reason = if lines.is_empty() { error.to_string() } else { lines.swap_remove(0) };
                Stop::Encoder { name: self.name, reason }
            }
        })
    }
}
