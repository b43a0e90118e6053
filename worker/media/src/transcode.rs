//! From one container to another: each track is taken over as it is where that is enough, and encoded anew where it is not.

use std::cell::Cell;
use std::fs::File;
use std::time::Instant;

use convertfly_sandbox::Failure;
use ffmpeg_next::media::Type;
use ffmpeg_next::{Rational, Stream};
use serde_json::{Value, json};

use crate::coder::{Coder, Medium};
use crate::containers::Container;
use crate::copier::Copier;
use crate::decoder::Decoder;
use crate::encoders::{self, VideoEncoder};
use crate::encoding::Stop;
use crate::job::{Job, Made, Surroundings};
use crate::loudness;
use crate::options::{AudioCodec, VideoCodec};
use crate::probe;
use crate::sink::{self, Sink};
use crate::source::{self, Source};
use crate::subtitles::{self, Subtitles};
use crate::tags;

/// Frames a second where a file does not say, or says nonsense.
pub(crate) const USUAL_RATE: Rational = Rational(25, 1);

/// Most frames a second that are written.
const HIGHEST_RATE: f64 = 240.0;

/// Share of its stated length that a file has to reach to count as whole.
const WHOLE: f64 = 0.95;

/// A track of the result.
enum Flow {
    Copy(Copier),
    Code(Box<Coder>),
    Words(Subtitles),
}

/// Encoders that have refused, or are not to be tried, with their reasons.
pub(crate) type Refused = [(&'static str, String)];

/// Converts.
pub(crate) fn run(
    job: &Job,
    containers: (&'static Container, &'static Container),
    input: &File,
    output: &File,
    around: &Surroundings<'_>,
) -> Result<Made, Failure> {
    let Some(target) = job.options.loudness else {
        return with_any_encoder(job, around, |refused| attempt(job, containers, input, output, around, refused));
    };
    let measured = loudness::measure(containers.0, input, job.options.span(), around.cancel)?;
    let job = Job { level: measured.and_then(|measured| measured.step(target)), ..job.clone() };
    let made = with_any_encoder(&job, around, |refused| attempt(&job, containers, input, output, around, refused));
    made.map(|mut made| {
        if let Some(measured) = measured {
            made.explain.insert("loudness".into(), json!({ "was": measured.integrated, "is": target, "peak": measured.peak }));
        }
        made
    })
}

/// Does work that encodes: where an encoder fails, from the start with the next one, within this call.
pub(crate) fn with_any_encoder(
    job: &Job,
    around: &Surroundings<'_>,
    attempt: impl FnMut(&Refused) -> Result<Made, Stop>,
) -> Result<Made, Failure> {
    let works = |name: &str| encoders::VIDEO.iter().any(|encoder| encoder.name == name && probe::attempt(encoder).is_ok());
    with_any_working_encoder(job, around, attempt, works)
}

/// As [`with_any_encoder`]; `works` says whether an encoder that has refused does what is always asked of it. If it does, the fault is that of the
/// options or the file, and says nothing to the next customer.
fn with_any_working_encoder(
    job: &Job,
    around: &Surroundings<'_>,
    mut attempt: impl FnMut(&Refused) -> Result<Made, Stop>,
    works: impl Fn(&str) -> bool,
) -> Result<Made, Failure> {
    let resting = job.resting.iter().filter_map(|resting| {
        let encoder = encoders::VIDEO.iter().find(|encoder| encoder.name == resting.encoder)?;
        Some((encoder.name, resting.reason.clone()))
    });
    let mut refused: Vec<(&'static str, String)> = resting.collect();
    let untried = refused.len();
    let mut faults = Vec::new();
    loop {
        match attempt(&refused) {
            Ok(mut made) => {
                let (resting, tried) = refused.split_at(untried);
                let row = |(name, reason): &(&str, String)| json!({ "encoder": name, "reason": reason });
                let resting = resting.iter().filter(|(name, _)| job.wants(name)).map(row).collect();
                let tried = tried.iter().zip(&faults).map(|(refusal, fault)| {
                    let mut row = row(refusal);
                    row["fault"] = json!(fault);
                    row
                });
                for (name, list) in [("encoders_resting", resting), ("encoders_refused", tried.collect::<Vec<_>>())] {
                    if !list.is_empty() {
                        made.explain.insert(name.into(), Value::Array(list));
                    }
                }
                return Ok(made);
            }
            Err(Stop::Failure(failure)) => return Err(failure),
            Err(Stop::Encoder { name, reason }) => {
                around.cancel.check()?;
                faults.push(if works(name) { "task" } else { "encoder" });
                refused.push((name, reason));
            }
        }
    }
}

fn attempt(
    job: &Job,
    (from, to): (&'static Container, &'static Container),
    input: &File,
    output: &File,
    around: &Surroundings<'_>,
    refused: &Refused,
) -> Result<Made, Stop> {
    let start = Instant::now();
    let mut source = Source::open(input, from, around.cancel)?;
    let mut warnings = Vec::new();
    if source.video().is_none() && job.mark.is_some() {
        return Err(Failure::invalid(format!("The {} file has no pictures to put a watermark on", from.title)).into());
    }
    let plan = Planner { job, from, to, source: &source, refused };
    let mut flows = plan.flows(&mut warnings)?;
    let tracks = flows.len();
    let mut sink = Sink::open(output, to, tracks, around.cancel)?;
    describe(&source, &mut sink, job, to);
    for flow in &flows {
        match flow {
            (_, Flow::Copy(copier)) => copier.begin(&source, &mut sink)?,
            (_, Flow::Words(subtitles)) => subtitles.begin(&source, &mut sink)?,
            (_, Flow::Code(_)) => {}
        }
    }
    let span = job.options.span();
    if span.start > 0.0 {
        source.seek(span.start);
    }
    let length = source.duration().map(|whole| span.end.map_or(whole, |end| end.min(whole)));
    let told = Cell::new(0.0_f64);
    while let Some(packet) = source.next_packet(around.cancel)? {
        let Some((_, flow)) = flows.iter_mut().find(|(stream, _)| *stream == packet.stream()) else { continue };
        match flow {
            Flow::Copy(copier) => copier.take(packet, &mut sink)?,
            Flow::Words(subtitles) => subtitles.take(&packet, &mut sink)?,
            Flow::Code(coder) => coder.take(Some(&packet), &job.options, &mut sink)?,
        }
        // Tracks lie beside each other in the file, but not exactly: the end is reached when each is past it.
        if let Some(end) = span.end
            && flows.iter().all(|(_, flow)| flow.at() >= end)
        {
            break;
        }
        if let Some(length) = length.filter(|length| *length > span.start) {
            let at = flows.iter().map(|(_, flow)| flow.at()).fold(f64::INFINITY, f64::min);
            let share = ((at - span.start) / (length - span.start)).clamp(0.0, 0.99);
            if share > told.get() + 0.01 {
                told.set(share);
                (around.progress)(share);
            }
        }
    }
    for (_, flow) in &mut flows {
        if let Flow::Code(coder) = flow {
            coder.take(None, &job.options, &mut sink)?;
        }
    }
    let is_whole = sink.finish()?;
    let is_empty = |slot: usize| sink.packets(slot) == 0 || matches!(flows.get(slot), Some((_, Flow::Words(_))));
    if !is_whole || (0..flows.len()).all(is_empty) {
        return Err(nothing(job, &flows).into());
    }
    tell(&flows, &sink, length, &mut warnings)?;
    drop(sink);
    check_result(output, to, around)?;
    let mut made = Made { warnings, ..Made::default() };
    explain(&mut made, &flows, start);
    Ok(made)
}

impl Flow {
    /// The last time seen, seconds.
    fn at(&self) -> f64 {
        match self {
            Self::Copy(copier) => copier.at(),
            // They come now and then, and nobody waits for them.
            Self::Words(_) => f64::INFINITY,
            Self::Code(coder) => coder.at,
        }
    }
}

struct Planner<'a> {
    job: &'a Job,
    from: &'static Container,
    to: &'static Container,
    source: &'a Source,
    refused: &'a Refused,
}

impl Planner<'_> {
    /// What becomes of each stream that is used.
    fn flows(&self, warnings: &mut Vec<String>) -> Result<Vec<(usize, Flow)>, Failure> {
        let (to, title) = (self.to, self.from.title);
        let mut flows = Vec::new();
        let video = self.source.video();
        if let Some(stream) = &video
            && !to.video.is_empty()
        {
            flows.push((stream.index(), self.pictures(stream, flows.len())?));
        }
        if video.is_none() && !to.video.is_empty() {
            if self.source.audio().is_none() {
                return Err(Failure::invalid(format!("The {title} file has no video. Check that it plays elsewhere")));
            }
            warnings.push("The file has no pictures: the result holds sound only".to_owned());
        }
        match self.source.audio() {
            Some(stream) if !to.audio.is_empty() && !self.job.options.mute.unwrap_or(false) => {
                flows.push((stream.index(), self.sound(&stream, flows.len())?));
            }
            Some(_) => {}
            None if to.video.is_empty() => {
                return Err(Failure::invalid(format!(
                    "The {title} file has no sound, so there is nothing to convert to {}",
                    to.title
                )));
            }
            None => {}
        }
        if to.cover
            && let Some(stream) = self.source.cover()
        {
            flows.push((stream.index(), Flow::Copy(Copier::new(&stream, flows.len(), self.source))));
        }
        self.words(&mut flows);
        if flows.is_empty() {
            return Err(Failure::invalid_field("mute", "mute takes away the only track of this file, so nothing would be left"));
        }
        let is_shown = |stream: &Stream| matches!(stream.parameters().medium(), Type::Video | Type::Audio | Type::Subtitle);
        let shown = self.source.input.streams().filter(|stream| is_shown(stream) && !source::is_cover(stream)).count();
        let others = shown.saturating_sub(flows.len());
        if others > 0 && !to.video.is_empty() {
            warnings.push(format!("{others} more track{} of the file {} not in the result", plural(others), verb(others)));
        }
        Ok(flows)
    }

    /// Subtitles, where there are pictures that they belong to. Of a part they are left out: their times would be those of the whole.
    fn words(&self, flows: &mut Vec<(usize, Flow)>) {
        let options = &self.job.options;
        if self.to.video.is_empty() || flows.is_empty() || options.subtitles == Some(false) || options.span().is_part() {
            return;
        }
        let kept = flows.len() + subtitles::MOST;
        for stream in self.source.input.streams() {
            if flows.len() < kept
                && let Some(words) = Subtitles::new(&stream, flows.len(), self.source, self.to)
            {
                flows.push((stream.index(), Flow::Words(words)));
            }
        }
    }

    fn pictures(&self, stream: &Stream, slot: usize) -> Result<Flow, Failure> {
        let (options, to) = (&self.job.options, self.to);
        let id = stream.parameters().id();
        let asked = options.video_codec;
        let suits = self.from.timed || self.from.name == to.name;
        let is_asked = asked.is_none_or(|asked| codec_of(id) == Some(asked));
        if suits && is_asked && !options.changes_video() && self.job.mark.is_none() && to.copied_video.contains(&id) {
            return Ok(Flow::Copy(Copier::new(stream, slot, self.source)));
        }
        let codec = asked.or(to.video.first().copied()).unwrap_or(VideoCodec::H264);
        let encoder = encoder_for(codec, self.job, to, self.refused)?;
        let rate = usable(stream.avg_frame_rate()).or_else(|| usable(stream.rate()));
        let asked = options.fps.map(|fps| Rational((fps.clamp(1.0, HIGHEST_RATE) * 1000.0).round() as i32, 1000).reduce());
        let needs_rate = to.constant_rate || codec == VideoCodec::Mpeg4;
        let constant = asked.or(needs_rate.then(|| rate.unwrap_or(USUAL_RATE)));
        let turn = (source::rotation(stream) + options.rotate.unwrap_or(0)) % 360;
        let medium = Medium::Video {
            encoder,
            turn,
            rate,
            constant,
            container: to.name,
            transparent: self.from.transparent,
            held: None,
            frame: ffmpeg_next::frame::Video::empty(),
            filtered: ffmpeg_next::frame::Video::empty(),
            canvas: None,
            mark: self.job.mark.clone(),
        };
        self.coder(stream, medium, slot)
    }

    fn sound(&self, stream: &Stream, slot: usize) -> Result<Flow, Failure> {
        let (options, to) = (&self.job.options, self.to);
        let id = stream.parameters().id();
        let is_asked = options.audio_codec.is_none_or(|asked| audio_codec_of(id) == Some(asked));
        let suits = self.from.timed || self.from.name == to.name || to.video.is_empty();
        if suits && is_asked && !options.changes_audio(to.video.is_empty()) && to.copied_audio.contains(&id) {
            return Ok(Flow::Copy(Copier::new(stream, slot, self.source)));
        }
        let codec = options.audio_codec.or(to.audio.first().copied()).unwrap_or(AudioCodec::Aac);
        if !to.audio.contains(&codec) {
            return Err(Failure::invalid_field("audio_codec", format!("{} files do not hold this codec here", to.title)));
        }
        let (frame, filtered) = (ffmpeg_next::frame::Audio::empty(), ffmpeg_next::frame::Audio::empty());
        self.coder(stream, Medium::Audio { codec, sound: None, frame, filtered, level: self.job.level.clone() }, slot)
    }

    fn coder(&self, stream: &Stream, medium: Medium, slot: usize) -> Result<Flow, Failure> {
        let threads = self.job.threads();
        let decoder = Decoder::open(self.source, stream, threads)?;
        Ok(Flow::Code(Box::new(Coder::new(decoder, medium, sink::carried(&stream.metadata()), slot, self.job))))
    }
}

/// The encoder to use: the first of those for the codec that has not refused.
pub(crate) fn encoder_for(
    codec: VideoCodec,
    job: &Job,
    to: &Container,
    refused: &Refused,
) -> Result<&'static VideoEncoder, Failure> {
    if !to.video.contains(&codec) {
        return Err(Failure::invalid_field("video_codec", format!("{} files do not hold this codec here", to.title)));
    }
    let tried = match encoders::candidates(codec, job.policy(), &job.hardware) {
        // The operator's choice for one codec says nothing of the others.
        Err(_) if job.options.encoder.is_none() => encoders::candidates(codec, "auto", &job.hardware)?,
        tried => tried?,
    };
    let encoder = tried.into_iter().find(|encoder| refused.iter().all(|(name, _)| *name != encoder.name));
    encoder.ok_or_else(|| {
        let reasons: Vec<_> = refused.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
        Failure::internal(format!("no encoder took the pictures: {}", reasons.join("; ")))
    })
}

/// A frame rate that a file may well have.
pub(crate) fn usable(rate: Rational) -> Option<Rational> {
    let is_rate = rate.0 > 0 && rate.1 > 0 && (0.1..=HIGHEST_RATE).contains(&f64::from(rate));
    is_rate.then_some(rate)
}

pub(crate) fn codec_of(id: ffmpeg_next::codec::Id) -> Option<VideoCodec> {
    use ffmpeg_next::codec::Id;
    Some(match id {
        Id::H264 => VideoCodec::H264,
        Id::HEVC => VideoCodec::Hevc,
        Id::VP9 => VideoCodec::Vp9,
        Id::AV1 => VideoCodec::Av1,
        Id::MPEG4 => VideoCodec::Mpeg4,
        _ => return None,
    })
}

pub(crate) fn audio_codec_of(id: ffmpeg_next::codec::Id) -> Option<AudioCodec> {
    use ffmpeg_next::codec::Id;
    Some(match id {
        Id::AAC => AudioCodec::Aac,
        Id::MP3 => AudioCodec::Mp3,
        Id::OPUS => AudioCodec::Opus,
        Id::VORBIS => AudioCodec::Vorbis,
        Id::FLAC => AudioCodec::Flac,
        Id::PCM_S16LE | Id::PCM_S24LE => AudioCodec::Pcm,
        _ => return None,
    })
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn verb(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// Tags and chapters go over.
fn describe(source: &Source, sink: &mut Sink, job: &Job, to: &Container) {
    let mut carried = sink::carried(&source.input.metadata());
    // Ogg keeps them with the sound.
    if carried.is_empty()
        && let Some(audio) = source.audio()
    {
        carried = sink::carried(&audio.metadata());
    }
    sink.set_tags(&carried);
    if !to.chapters || job.options.span().is_part() {
        return;
    }
    let begin = source::seconds(source.start(), source::MICROSECONDS);
    for chapter in source.input.chapters() {
        let unit = chapter.time_base();
        let (start, end) = (source::seconds(chapter.start(), unit), source::seconds(chapter.end(), unit));
        let title = tags::one(&chapter.metadata(), "title").unwrap_or_default();
        sink.add_chapter(chapter.id(), start - begin, end - begin, &title);
    }
}

/// Why there is no result.
fn nothing(job: &Job, flows: &[(usize, Flow)]) -> Failure {
    let broken: u64 = flows.iter().map(|(_, flow)| if let Flow::Code(coder) = flow { coder.decoder.broken } else { 0 }).sum();
    if job.options.span().is_part() && broken == 0 {
        return Failure::invalid_field("start", "The part that start, end and duration ask for lies outside the file");
    }
    Failure::invalid("The file holds no picture and no sound that could be decoded. Check that it plays elsewhere")
}

/// What the customer should know of the result; a track of pictures without a picture is a failure.
fn tell(flows: &[(usize, Flow)], sink: &Sink, length: Option<f64>, warnings: &mut Vec<String>) -> Result<(), Failure> {
    let mut broken = 0;
    for (slot, (_, flow)) in flows.iter().enumerate() {
        let Flow::Code(coder) = flow else { continue };
        broken += coder.decoder.broken;
        if sink.packets(slot) > 0 {
            continue;
        }
        match coder.medium {
            Medium::Video { .. } => {
                return Err(Failure::invalid("No picture of the video could be decoded. Check that it plays elsewhere"));
            }
            Medium::Audio { .. } if flows.len() == 1 => {
                return Err(Failure::invalid("Nothing of the sound could be decoded. Check that it plays elsewhere"));
            }
            Medium::Audio { .. } => warnings.push("The sound could not be decoded and is not in the result".to_owned()),
        }
    }
    if broken > 0 {
        warnings.push(format!("{broken} damaged piece{} of the file could not be decoded", plural(broken as usize)));
    }
    let reached = flows.iter().map(|(_, flow)| flow.at()).filter(|at| at.is_finite()).fold(0.0, f64::max);
    if let Some(length) = length
        && reached < length * WHOLE
        && length - reached > 0.5
    {
        warnings.push(format!("The file says that it is {length:.1} s long, but ends after {reached:.1} s"));
    }
    Ok(())
}

/// Reads the result's header back: what cannot be opened is no result.
pub(crate) fn check_result(output: &File, to: &'static Container, around: &Surroundings<'_>) -> Result<(), Failure> {
    let whole = match Source::open(output, to, around.cancel) {
        Ok(source) => source.input.streams().count() > 0,
        Err(Failure::Cancelled) => return Err(Failure::Cancelled),
        Err(_) => false,
    };
    if whole { Ok(()) } else { Err(Failure::invalid("The file is too short: less than one frame of sound would be left")) }
}

fn explain(made: &mut Made, flows: &[(usize, Flow)], start: Instant) {
    let mut tracks = Vec::new();
    for (_, flow) in flows {
        tracks.push(match flow {
            Flow::Copy(copier) => json!({ "kind": copier.kind(), "how": "copied" }),
            Flow::Words(words) if words.is_copied() => json!({ "kind": "subtitle", "how": "copied" }),
            Flow::Words(words) => json!({ "kind": "subtitle", "how": "encoded", "encoder": words.codec() }),
            Flow::Code(coder) => {
                if let Some((width, height)) = coder.size() {
                    (made.width, made.height) = (Some(width), Some(height));
                }
                let kind = if matches!(coder.medium, Medium::Video { .. }) { "video" } else { "audio" };
                let mut track =
                    json!({ "kind": kind, "how": "encoded", "encoder": coder.encoding.name(), "frames": coder.decoder.frames });
                if coder.encoding.dropped() > 0 {
                    track["dropped"] = coder.encoding.dropped().into();
                }
                track
            }
        });
    }
    let copied = flows.iter().all(|(_, flow)| !matches!(flow, Flow::Code(_)));
    made.explain.insert("mode".into(), if copied { "copy" } else { "encode" }.into());
    made.explain.insert("tracks".into(), Value::Array(tracks));
    made.explain.insert("ms".into(), u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX).into());
}

#[cfg(test)]
mod tests {
    use convertfly_sandbox::Cancel;

    use super::*;

    /// What an encoder does in these tests, by the order in which it is tried: fails at its start, at a frame or at its end, or works.
    fn outcome(ends: &[Result<(), (&'static str, &'static str)>], more: Value) -> (Result<Made, Failure>, Vec<usize>) {
        let mut job = json!({ "action": "convert", "from": "mp4", "to": "mp4", "hardware": ["h264_nvenc", "h264_qsv"] });
        job.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let job: Job = serde_json::from_value(job).expect("a job");
        let (cancel, mut ends, mut seen) = (Cancel::new(), ends.iter(), Vec::new());
        let around = Surroundings { cancel: &cancel, progress: &|_| {} };
        let attempt = |refused: &Refused| {
            seen.push(refused.len());
            match ends.next().expect("no more is tried") {
                Ok(()) => Ok(Made::default()),
                Err((name, reason)) => Err(Stop::Encoder { name, reason: (*reason).to_owned() }),
            }
        };
        let made = with_any_working_encoder(&job, &around, attempt, |name| name == "h264_qsv");
        (made, seen)
    }

    #[test]
    fn f12_whenever_an_encoder_fails_the_next_one_starts_anew() {
        let ends = [Err(("h264_nvenc", "no session is left")), Err(("h264_qsv", "frame 12 was lost")), Ok(())];
        let (made, seen) = outcome(&ends, json!({}));
        let explain = made.expect("the third one works").explain;
        assert_eq!(seen, [0, 1, 2], "each knows of those before it");
        assert_eq!(
            explain["encoders_refused"],
            json!([{ "encoder": "h264_nvenc", "reason": "no session is left", "fault": "encoder" },
                   { "encoder": "h264_qsv", "reason": "frame 12 was lost", "fault": "task" }]),
            "in their order, with their words, and whose fault it was"
        );
    }

    #[test]
    fn f12_one_that_rests_counts_as_refused_from_the_start() {
        let resting = json!({ "resting": [{ "encoder": "h264_nvenc", "reason": "it rests" }, { "encoder": "hevc_nvenc", "reason": "it rests" }] });
        let (made, seen) = outcome(&[Err(("h264_qsv", "the end was lost")), Ok(())], resting);
        let explain = made.expect("the second one works").explain;
        assert_eq!(seen, [2, 3], "nobody tries them");
        assert_eq!(explain["encoders_resting"], json!([{ "encoder": "h264_nvenc", "reason": "it rests" }]), "who was wanted");
        assert_eq!(
            explain["encoders_refused"],
            json!([{ "encoder": "h264_qsv", "reason": "the end was lost", "fault": "task" }]),
            "who was tried"
        );
        let (made, _) = outcome(
            &[Ok(())],
            json!({ "options": { "encoder": "software" }, "resting": [{ "encoder": "h264_nvenc", "reason": "it rests" }] }),
        );
        assert!(made.expect("software").explain.is_empty(), "what nobody wanted is not spoken of");
    }

    #[test]
    fn work_that_is_not_wanted_tries_no_other_encoder() {
        let job: Job = serde_json::from_value(json!({ "action": "convert", "from": "mp4", "to": "mp4" })).expect("a job");
        let cancel = Cancel::new();
        let around = Surroundings { cancel: &cancel, progress: &|_| {} };
        let mut tries = 0;
        let made = with_any_encoder(&job, &around, |_| {
            tries += 1;
            cancel.cancel();
            Err(Stop::Encoder { name: "h264_nvenc", reason: "gone".to_owned() })
        });
        assert_eq!((made, tries), (Err(Failure::Cancelled), 1), "stopped");
    }
}
