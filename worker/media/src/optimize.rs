//! The same in fewer bytes: encoded anew in the codecs that it has, and never larger than it was.

use std::fs::File;
use std::io::{self, Seek};

use convertfly_sandbox::Failure;
use serde_json::json;

use crate::containers::Container;
use crate::facts::bit_rate;
use crate::job::{Job, Made, Surroundings};
use crate::options::{AudioCodec, Options};
use crate::source::Source;
use crate::transcode::{self, audio_codec_of, codec_of};

/// Times that a file is encoded in search of a size.
const TRIES: u32 = 5;

/// Share of the bytes allowed above which a result is near enough.
const NEAR: f64 = 0.92;

/// What a search aims at: a little less than is allowed.
const AIM: f64 = 0.97;

/// Steps of quality that halve the bytes of pictures: six of the rate factor, of which one is three of quality.
const HALVES: f64 = 18.0;

/// Share of the bytes that sound may take where a size is asked for, of a file with pictures.
const SOUND: f64 = 0.2;

/// Quality where none is named.
const USUAL_QUALITY: u8 = 75;

/// What is known of the source.
struct Facts {
    bytes: u64,
    duration: f64,
    has_pictures: bool,
    /// Kilobits a second, where it is known.
    sound: Option<u32>,
    /// The options that keep its codecs.
    options: Options,
}

/// Writes the smaller file.
pub(crate) fn run(
    job: &Job,
    container: &'static Container,
    input: &File,
    output: &File,
    around: &Surroundings<'_>,
) -> Result<Made, Failure> {
    let facts = look(job, container, input, around)?;
    let search = Search { job, container, input, output, around, facts: &facts };
    let (mut made, way) = search.smallest()?;
    let after = output.metadata().map_err(Failure::internal)?.len();
    if let Some(most) = job.max_bytes
        && after > most
    {
        let mended = if facts.has_pictures { "Convert it to a smaller size (width) first, or" } else { "Convert it to mp3, or" };
        let reason = format!("no result of at most {most} bytes can be made: the smallest has {after}. {mended} allow more");
        return Err(Failure::invalid_field("max_bytes", reason));
    }
    let kept = 1.0 - after as f64 / facts.bytes.max(1) as f64;
    made.explain.insert("way".into(), way.into());
    made.explain.insert("bytes_in".into(), facts.bytes.into());
    made.explain.insert("bytes_out".into(), after.into());
    made.explain.insert("saved".into(), json!((kept * 1000.0).round() / 1000.0));
    Ok(made)
}

fn look(job: &Job, container: &'static Container, input: &File, around: &Surroundings<'_>) -> Result<Facts, Failure> {
    let source = Source::open(input, container, around.cancel)?;
    let (video, audio) = (source.video(), source.audio());
    let codec = video.as_ref().and_then(|stream| codec_of(stream.parameters().id()));
    let sound = audio.as_ref().and_then(|stream| audio_codec_of(stream.parameters().id()));
    let options = Options {
        // Named, so that nothing is taken over as it is; where nothing is lost it means nothing.
        quality: job.options.quality.or(Some(USUAL_QUALITY)),
        video_codec: codec.filter(|codec| container.video.contains(codec)),
        audio_codec: sound.filter(|codec| container.audio.contains(codec)),
        ..job.options.clone()
    };
    Ok(Facts {
        bytes: input.metadata().map_err(Failure::internal)?.len(),
        duration: source.duration().unwrap_or(0.0),
        has_pictures: video.is_some() && !container.video.is_empty(),
        sound: audio.as_ref().and_then(|stream| bit_rate(stream)),
        options,
    })
}

impl Facts {
    /// Whether what is encoded anew is the same to the last bit.
    fn is_lossless(&self) -> bool {
        self.options.audio_codec == Some(AudioCodec::Flac) && !self.has_pictures
    }
}

struct Search<'a> {
    job: &'a Job,
    container: &'static Container,
    input: &'a File,
    output: &'a File,
    around: &'a Surroundings<'a>,
    facts: &'a Facts,
}

impl Search<'_> {
    /// Leaves in the output what is smallest of: the source encoded anew, its tracks in a new container, the source itself.
    fn smallest(&self) -> Result<(Made, &'static str), Failure> {
        let Facts { bytes, .. } = self.facts;
        if !self.job.exact || self.facts.is_lossless() {
            let made = self.encoded()?;
            if self.written()? < *bytes {
                return Ok((made, "encoded"));
            }
        }
        let untouched = Options::default();
        let made = self.attempt(&untouched);
        match made {
            Ok(made) if self.written()? <= *bytes => return Ok((made, "repacked")),
            // A file that cannot even be repacked is still the customer's own.
            Ok(_) | Err(Failure::Invalid { .. }) => {}
            Err(failure) => return Err(failure),
        }
        let (mut from, mut to) = (self.input, self.output);
        to.set_len(0).and_then(|()| to.rewind()).and_then(|()| from.rewind()).map_err(Failure::internal)?;
        io::copy(&mut from, &mut to).map_err(Failure::internal)?;
        let mut made = Made::default();
        made.warnings.push("The file could not be made smaller and is given back as it is".to_owned());
        Ok((made, "kept"))
    }

    fn written(&self) -> Result<u64, Failure> {
        Ok(self.output.metadata().map_err(Failure::internal)?.len())
    }

    fn attempt(&self, options: &Options) -> Result<Made, Failure> {
        let job = Job { options: options.clone(), ..self.job.clone() };
        transcode::run(&job, (self.container, self.container), self.input, self.output, self.around)
    }

    /// At the quality asked for; where that is too large, at the best one that is small enough.
    fn encoded(&self) -> Result<Made, Failure> {
        let Facts { options, .. } = self.facts;
        let made = self.attempt(options)?;
        match self.job.max_bytes {
            Some(most) if self.written()? > most => self.fitting(most),
            _ => Ok(made),
        }
    }

    /// Encoders of sound keep to a rate, but some know only a few: where the nearest is too high, a lower one is asked for.
    fn fitting_sound(&self, most: u64, kilobits: f64, mut options: Options) -> Result<Made, Failure> {
        let mut rate = kilobits;
        loop {
            options.audio_bitrate = Some((rate as u32).clamp(8, 1536));
            let made = self.attempt(&options)?;
            let size = self.written()?;
            if size <= most || rate <= 8.0 || options.audio_codec == Some(AudioCodec::Flac) {
                return Ok(made);
            }
            rate *= (most as f64 / size as f64).min(0.9);
        }
    }

    fn fitting(&self, most: u64) -> Result<Made, Failure> {
        let Facts { duration, has_pictures, sound, options, .. } = self.facts;
        let whole = most as f64 * AIM * 8.0 / 1000.0 / duration.max(0.1);
        let mut options = options.clone();
        if !has_pictures {
            return self.fitting_sound(most, whole, options);
        }
        if sound.is_none_or(|sound| f64::from(sound) > whole * SOUND) {
            options.audio_bitrate = Some(((whole * SOUND) as u32).clamp(16, 128));
        }
        // The bytes of pictures halve every so many steps of quality, about. Each try is measured, and the next one corrects by that.
        let target = most as f64 * AIM;
        let (mut low, mut high) = (1.0, options.quality());
        let mut quality = high;
        let mut best = None;
        let mut size = self.written()? as f64;
        for attempt in 0..TRIES {
            let next = quality + HALVES * (target / size).log2();
            quality = if next <= low || next >= high { f64::midpoint(low, high) } else { next };
            // The last chance is the coarsest there is, where nothing has fitted yet.
            if attempt + 1 == TRIES && best.is_none() {
                quality = 1.0;
            }
            let made = self.attempt(&Options { fine: Some(quality), ..options.clone() })?;
            size = self.written()? as f64;
            if size > most as f64 {
                high = quality;
                continue;
            }
            if size >= most as f64 * NEAR || attempt + 1 == TRIES {
                return Ok(told(made, quality));
            }
            (low, best) = (quality, Some(quality));
        }
        // The last try was too large: the best one before it is made once more.
        let quality = best.unwrap_or(1.0);
        Ok(told(self.attempt(&Options { fine: Some(quality), ..options })?, quality))
    }
}

fn told(mut made: Made, quality: f64) -> Made {
    made.explain.insert("quality".into(), json!((quality * 100.0).round() / 100.0));
    made
}
