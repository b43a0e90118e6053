//! The sound of the clips in one format, without gaps: samples are counted, not their times read.

use convertfly_sandbox::Failure;
use ffmpeg_next::Stream;
use ffmpeg_next::filter::Graph;
use ffmpeg_next::frame::Audio as Frame;

use super::clips::Audio;
use super::playing::{Playing, Target};
use crate::containers::Container;
use crate::decoder::Decoder;
use crate::encoders;
use crate::encoding::{Encoding, Stop};
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

/// Samples to leave out at the beginning of a clip.
pub(super) struct Skip(i64);

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
    pub(super) fn begin(&self, source: &Source, stream: &Stream) -> Result<Playing<Frame, Skip>, Failure> {
        Ok(Playing::new(Decoder::open(source, stream, 1)?, None, Skip(self.ahead)))
    }

    fn play(&mut self, piece: &mut Frame, sink: &mut Sink) -> Result<(), Stop> {
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
            self.play(&mut piece, sink)?;
        }
        self.ahead = self.samples - until;
        Ok(())
    }

    pub(super) fn finish(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        self.encoding.finish(sink)
    }
}

impl Target<Frame> for Sound {
    type Clip = Skip;

    fn graph(&self, playing: &Playing<Frame, Skip>, looks: Looks) -> Result<Graph, Failure> {
        // Gaps are filled, that before the first sound as well.
        let first = if playing.has_begun { "" } else { ":first_pts=0" };
        let cut = match playing.clip {
            Skip(samples) if samples != 0 && !playing.has_begun => format!(",atrim=start_sample={samples}"),
            _ => String::new(),
        };
        let spec = format!("aresample=async=1{first},{}{cut}", filters::sound_format(&self.wanted));
        filters::build(looks, playing.decoder.unit, None, &spec)
    }

    fn write(&mut self, _clip: &Skip, mut piece: Frame, sink: &mut Sink) -> Result<(), Stop> {
        self.play(&mut piece, sink)
    }
}
