//! Several clips, one after the other, in one file: taken over as they are where they are all of one kind, encoded anew where they are not.

mod clips;
mod copy;
mod pictures;
mod playing;
mod sound;

use std::fs::File;
use std::time::Instant;

use convertfly_sandbox::Failure;
use serde_json::{Value, json};

use self::clips::Clip;
use self::pictures::Pictures;
use self::sound::Sound;
use crate::containers::Container;
use crate::encoding::Stop;
use crate::job::{Job, Made, Surroundings};
use crate::sink::Sink;
use crate::source::Source;
use crate::transcode::{self, Refused};

/// Joins the clips.
pub(crate) fn run(
    job: &Job,
    files: Vec<(&'static Container, File)>,
    to: &'static Container,
    output: &File,
    around: &Surroundings<'_>,
) -> Result<Made, Failure> {
    let mut clips = Vec::with_capacity(files.len());
    for (index, (from, file)) in files.into_iter().enumerate() {
        clips.push(Clip::look(from, file, around.cancel).map_err(|failure| numbered(failure, index))?);
    }
    let plan = Plan::of(&clips, to)?;
    let start = Instant::now();
    let mut made = if copy::is_enough(&clips, plan, job, to) {
        copy::run(&clips, plan, to, output, around)?
    } else {
        transcode::with_any_encoder(job, around, |refused| encode(job, &clips, plan, to, output, around, refused))?
    };
    transcode::check_result(output, to, around)?;
    made.explain.insert("clips".into(), clips.len().into());
    made.explain.insert("ms".into(), u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX).into());
    Ok(made)
}

/// What tracks the result has.
#[derive(Clone, Copy)]
struct Plan {
    pictures: bool,
    sound: bool,
}

impl Plan {
    fn of(clips: &[Clip], to: &Container) -> Result<Self, Failure> {
        let pictures = !to.video.is_empty() && clips.iter().any(|clip| clip.video.is_some());
        if pictures && let Some(index) = clips.iter().position(|clip| clip.video.is_none()) {
            let without =
                Failure::invalid("The file has sound only. Merge it with files of its kind, or set output_format to mp3");
            return Err(numbered(without, index));
        }
        let sound = !to.audio.is_empty() && clips.iter().any(|clip| clip.audio.is_some());
        if !pictures && !sound {
            return Err(Failure::invalid(format!("Nothing in these files can be part of a {} file", to.title)));
        }
        Ok(Self { pictures, sound })
    }
}

/// Says which of the clips is at fault.
fn numbered(failure: Failure, index: usize) -> Failure {
    let number = index + 1;
    match failure {
        Failure::Invalid { message, field: None } => Failure::invalid(format!("Input {number}: {message}")),
        Failure::TooLarge { message } => Failure::too_large(format!("Input {number}: {message}")),
        other => other,
    }
}

/// Encodes all of it anew: pictures at one rate in the size of the first clip, sound of one kind, silence where a clip has none.
fn encode(
    job: &Job,
    clips: &[Clip],
    plan: Plan,
    to: &'static Container,
    output: &File,
    around: &Surroundings<'_>,
    refused: &Refused,
) -> Result<Made, Stop> {
    let slots = usize::from(plan.pictures) + usize::from(plan.sound);
    let mut sink = Sink::open(output, to, slots, around.cancel)?;
    let mut pictures = match clips.iter().find_map(|clip| clip.video.as_ref()).filter(|_| plan.pictures) {
        Some(first) => Some(Pictures::new(job, first, to, refused)?),
        None => None,
    };
    let mut sound = match clips.iter().find_map(|clip| clip.audio.as_ref()).filter(|_| plan.sound) {
        Some(first) => Some(Sound::open(job, first, to, usize::from(plan.pictures), &mut sink)?),
        None => None,
    };
    let whole: f64 = clips.iter().filter_map(|clip| clip.duration).sum();
    let mut done = 0.0;
    for (index, clip) in clips.iter().enumerate() {
        let work = Work { job, around, done, whole };
        let played = play(&work, clip, pictures.as_mut(), sound.as_mut(), &mut sink);
        played.map_err(|stop| match stop {
            Stop::Failure(failure) => Stop::Failure(numbered(failure, index)),
            other => other,
        })?;
        done += clip.duration.unwrap_or(0.0);
    }
    let mut tracks = Vec::new();
    let mut made = Made::default();
    if let Some(pictures) = &mut pictures {
        pictures.finish(&mut sink)?;
        (made.width, made.height) = (Some(pictures.canvas.0), Some(pictures.canvas.1));
        tracks.push(json!({ "kind": "video", "how": "encoded", "encoder": pictures.encoder_name(), "frames": pictures.frames }));
    }
    if let Some(sound) = &mut sound {
        sound.finish(&mut sink)?;
        tracks.push(json!({ "kind": "audio", "how": "encoded", "encoder": sound.encoder_name() }));
    }
    if !sink.finish()? {
        return Err(Failure::invalid("Nothing in these files could be decoded. Check that they play elsewhere").into());
    }
    made.explain.insert("mode".into(), "encode".into());
    made.explain.insert("tracks".into(), Value::Array(tracks));
    Ok(made)
}

/// What a clip is played with.
struct Work<'a> {
    job: &'a Job,
    around: &'a Surroundings<'a>,
    /// Seconds of the clips before it, and of all.
    done: f64,
    whole: f64,
}

/// Plays one clip into the result, and brings both tracks to one end: sound and pictures of the next clip begin together.
fn play(
    work: &Work<'_>,
    clip: &Clip,
    mut pictures: Option<&mut Pictures>,
    mut sound: Option<&mut Sound>,
    sink: &mut Sink,
) -> Result<(), Stop> {
    let Work { job, around, done, whole } = *work;
    let mut source = Source::open(&clip.file, clip.container, around.cancel)?;
    let threads = job.threads();
    let mut video = match (&mut pictures, source.video()) {
        (Some(pictures), Some(stream)) => Some((stream.index(), pictures.begin(&source, &stream, threads)?)),
        _ => None,
    };
    let mut audio = match (&sound, source.audio()) {
        (Some(sound), Some(stream)) => Some((stream.index(), sound.begin(&source, &stream)?)),
        _ => None,
    };
    let mut told = 0.0;
    while let Some(packet) = source.next_packet(around.cancel)? {
        let of = |track: Option<usize>| track == Some(packet.stream());
        if let (Some(pictures), Some((_, clip))) = (&mut pictures, video.as_mut().filter(|(index, _)| of(Some(*index)))) {
            clip.take(Some(&packet), *pictures, sink)?;
            let share = (done + clip.at()) / whole.max(f64::MIN_POSITIVE);
            if share > told + 0.01 && share < 1.0 {
                told = share;
                (around.progress)(share);
            }
        }
        if let (Some(sound), Some((_, clip))) = (&mut sound, audio.as_mut().filter(|(index, _)| of(Some(*index)))) {
            clip.take(Some(&packet), *sound, sink)?;
        }
    }
    if let (Some(pictures), Some((_, clip))) = (&mut pictures, &mut video) {
        clip.take(None, *pictures, sink)?;
        if pictures.frames == clip.clip.start {
            return Err(Failure::invalid("No picture of the video could be decoded. Check that it plays elsewhere").into());
        }
    }
    if let (Some(sound), Some((_, clip))) = (&mut sound, &mut audio) {
        clip.take(None, *sound, sink)?;
    }
    match (pictures, sound) {
        (Some(pictures), Some(sound)) => {
            // The last picture stands for as long as there is sound.
            pictures.hold_until(sound.end(), sink)?;
            sound.be_silent_until(pictures.end(), sink)
        }
        // Of sound alone nothing but its own length is known.
        (None, Some(sound)) if audio.is_none() => sound.be_silent_until(sound.end() + clip.duration.unwrap_or(0.0), sink),
        _ => Ok(()),
    }
}
