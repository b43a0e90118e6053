//! The pictures of the clips on one canvas, at one rate.

use convertfly_sandbox::Failure;
use ffmpeg_next::filter::Graph;
use ffmpeg_next::frame::Video as Frame;
use ffmpeg_next::{Rational, Stream};

use super::clips::{self, Video};
use super::playing::{Playing, Target};
use crate::containers::Container;
use crate::decoder::Decoder;
use crate::encoders::{VideoEncoder, VideoSettings};
use crate::encoding::{Encoding, Stop};
use crate::filters::{self, Looks};
use crate::geometry::Size;
use crate::job::Job;
use crate::options::{Fit, Options, VideoCodec};
use crate::sink::Sink;
use crate::source::{self, Source};
use crate::transcode::{self, Refused, USUAL_RATE};

/// Seconds by which sound may outlast its pictures without meaning to: encoders fill up their last frame.
const PADDING: f64 = 0.05;

/// See the module.
pub(super) struct Pictures {
    encoding: Encoding,
    encoder: &'static VideoEncoder,
    container: &'static str,
    options: Options,
    threads: usize,
    pub(super) canvas: Size,
    /// That of the first clip, once it is open.
    rate: Option<Rational>,
    /// Pictures so far; the number of the next one.
    pub(super) frames: i64,
    last: Option<Frame>,
}

/// What is known of a clip.
pub(super) struct Begun {
    turn: u16,
    /// Number of its first picture.
    pub(super) start: i64,
}

impl Playing<Frame, Begun> {
    /// Time of the last picture, seconds from the clip's start.
    pub(super) fn at(&self) -> f64 {
        source::seconds(self.at, self.decoder.unit)
    }
}

impl Pictures {
    /// On the canvas of the first clip, or on one of the size that is asked for.
    pub(super) fn new(job: &Job, first: &Video, to: &'static Container, refused: &Refused) -> Result<Self, Failure> {
        let codec = to.video.first().copied().unwrap_or(VideoCodec::H264);
        let encoder = transcode::encoder_for(codec, job, to, refused)?;
        let asked = Options { fit: Some(Fit::Pad), ..job.options.clone() };
        let pictures =
            filters::Pictures { options: &asked, turn: first.turn, rate: None, even: true, formats: "", tone_map: false };
        let canvas = pictures.chain(first.size, first.aspect).1;
        let (width, height) = (Some(canvas.0), Some(canvas.1));
        let options = Options { width, height, fit: Some(Fit::Pad), enlarge: Some(true), ..job.options.clone() };
        Ok(Self {
            encoding: Encoding::new(0),
            encoder,
            container: to.name,
            options,
            threads: job.threads(),
            canvas,
            rate: None,
            frames: 0,
            last: None,
        })
    }

    pub(super) fn encoder_name(&self) -> &'static str {
        self.encoding.name()
    }

    fn rate(&self) -> Rational {
        self.rate.unwrap_or(USUAL_RATE)
    }

    /// Seconds so far.
    pub(super) fn end(&self) -> f64 {
        self.frames as f64 / f64::from(self.rate())
    }

    /// Begins a clip.
    pub(super) fn begin(&mut self, source: &Source, stream: &Stream, threads: usize) -> Result<Playing<Frame, Begun>, Failure> {
        let rate = clips::rate(stream);
        self.rate.get_or_insert(rate.unwrap_or(USUAL_RATE));
        let clip = Begun { turn: source::rotation(stream), start: self.frames };
        Ok(Playing::new(Decoder::open(source, stream, threads)?, rate, clip))
    }

    fn show(&mut self, mut picture: Frame, number: i64, sink: &mut Sink) -> Result<(), Stop> {
        if !self.encoding.is_open() {
            let rate = self.rate();
            let settings = VideoSettings {
                size: self.canvas,
                unit: rate.invert(),
                rate: Some(rate),
                options: &self.options,
                global_header: sink.wants_global_headers(),
                threads: self.threads,
            };
            self.encoding.open_video(self.encoder, &settings, Some(&picture), self.container, Vec::new(), sink)?;
        }
        if number < self.frames {
            return Ok(());
        }
        picture.set_pts(Some(number));
        self.encoding.picture(&mut picture, sink)?;
        self.frames = number + 1;
        self.last = Some(picture);
        Ok(())
    }

    /// Shows the last picture until then, seconds, where that is longer than what an encoder of sound adds.
    pub(super) fn hold_until(&mut self, end: f64, sink: &mut Sink) -> Result<(), Stop> {
        let rate = f64::from(self.rate());
        if end - self.end() < PADDING.max(1.0 / rate) {
            return Ok(());
        }
        let until = (end * rate).round() as i64;
        while self.frames < until
            && let Some(picture) = self.last.take()
        {
            self.show(picture, self.frames, sink)?;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        self.encoding.finish(sink)
    }
}

impl Target<Frame> for Pictures {
    type Clip = Begun;

    fn graph(&self, playing: &Playing<Frame, Begun>, looks: Looks) -> Result<Graph, Failure> {
        let Looks::Video { size, aspect, .. } = looks else { return Err(Failure::internal("a picture without looks")) };
        let tone_map = filters::is_hdr(playing.frame.color_transfer_characteristic());
        let pictures = filters::Pictures {
            options: &self.options,
            turn: playing.clip.turn,
            rate: None,
            even: true,
            formats: self.encoder.format,
            tone_map,
        };
        let Rational(rate, base) = self.rate();
        // What a clip lacks at its beginning is filled with its first picture.
        let start = if playing.has_begun { "" } else { ":start_time=0" };
        let spec = format!("fps={rate}/{base}{start},{}", pictures.spec(size, aspect));
        filters::build(looks, playing.decoder.unit, playing.rate, &spec)
    }

    fn write(&mut self, clip: &Begun, picture: Frame, sink: &mut Sink) -> Result<(), Stop> {
        let number = clip.start + picture.pts().unwrap_or(0);
        self.show(picture, number, sink)
    }
}
