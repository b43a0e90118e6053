//! Clips of one kind: their packets one after the other, nothing decoded.

use std::fs::File;

use convertfly_sandbox::Failure;
use ffmpeg_next::media::Type;
use ffmpeg_next::{Packet, Rational};
use serde_json::{Value, json};

use super::Plan;
use super::clips::{Clip, rate};
use crate::containers::Container;
use crate::job::{Job, Made, Surroundings};
use crate::sink::{self, Sink, Track};
use crate::source::{self, Source};

/// Whether nothing has to be decoded: all clips have the tracks of the first one, equal in everything that a decoder is told once.
pub(super) fn is_enough(clips: &[Clip], plan: Plan, job: &Job, to: &Container) -> bool {
    let Some(first) = clips.first() else { return false };
    let only_sound = !plan.pictures;
    let pictures = !plan.pictures
        || (first.video.as_ref().is_some_and(|video| to.copied_video.contains(&video.codec))
            && clips.iter().all(|clip| clip.video == first.video));
    let sound = !plan.sound
        || (first.audio.as_ref().is_some_and(|audio| to.copied_audio.contains(&audio.codec))
            && clips.iter().all(|clip| clip.audio == first.audio));
    let timed = clips.iter().all(|clip| clip.container.timed || clip.container.name == to.name || only_sound);
    let changes = job.options.changes_video() || job.options.changes_audio(only_sound);
    // Where every frame is shown for the same time, that of the first clip would be taken for all.
    pictures && sound && timed && !changes && !to.constant_rate
}

/// A track of the result.
struct Joined {
    kind: Type,
    slot: usize,
    /// That of the first clip, in which all times are told.
    unit: Rational,
    last: Option<i64>,
}

impl Joined {
    /// Moves a packet of a clip that begins at `base` seconds; returns when it ends.
    fn take(&mut self, mut packet: Packet, unit: Rational, start: f64, base: f64, sink: &mut Sink) -> Result<f64, Failure> {
        packet.rescale_ts(unit, self.unit);
        let moved = |time: i64| time.saturating_add(source::ticks(base - start, self.unit));
        let mut decoded = packet.dts().or(packet.pts()).map(moved);
        let mut shown = packet.pts().map(moved);
        // Clips overlap by what an encoder looks ahead; players want times that grow.
        if let (Some(time), Some(last)) = (decoded, self.last)
            && time <= last
        {
            decoded = Some(last + 1);
            shown = shown.map(|time| time.max(last + 1));
        }
        self.last = decoded.or(self.last);
        packet.set_dts(decoded);
        packet.set_pts(shown);
        let end = shown.or(decoded).unwrap_or(0).saturating_add(packet.duration());
        sink.write(self.slot, packet)?;
        Ok(source::seconds(end, self.unit))
    }
}

/// Joins the clips.
pub(super) fn run(
    clips: &[Clip],
    plan: Plan,
    to: &'static Container,
    output: &File,
    around: &Surroundings<'_>,
) -> Result<Made, Failure> {
    let kinds: Vec<_> = [(plan.pictures, Type::Video), (plan.sound, Type::Audio)].into_iter().filter(|(has, _)| *has).collect();
    let mut sink = Sink::open(output, to, kinds.len(), around.cancel)?;
    let mut tracks: Vec<Joined> = Vec::new();
    let mut base = 0.0;
    for (index, clip) in clips.iter().enumerate() {
        let mut source = Source::open(&clip.file, clip.container, around.cancel)?;
        let start = source::seconds(source.start(), source::MICROSECONDS);
        let mut streams = Vec::new();
        for (slot, (_, kind)) in kinds.iter().enumerate() {
            let stream = if *kind == Type::Video { source.video() } else { source.audio() };
            let stream = stream.ok_or_else(|| Failure::internal("a track that is gone"))?;
            streams.push((stream.index(), stream.time_base()));
            if index > 0 {
                continue;
            }
            let unit = stream.time_base();
            tracks.push(Joined { kind: *kind, slot, unit, last: None });
            let track = Track {
                parameters: sink::taken_over(&stream)?,
                unit,
                rate: if *kind == Type::Video { rate(&stream) } else { None },
                tag: 0,
                cover: false,
                matrix: sink::matrix_of(&stream),
                metadata: sink::carried(&stream.metadata()),
            };
            sink.begin(slot, track)?;
        }
        let mut end = base;
        while let Some(packet) = source.next_packet(around.cancel)? {
            let Some(slot) = streams.iter().position(|(index, _)| *index == packet.stream()) else { continue };
            if let (Some(track), Some((_, unit))) = (tracks.get_mut(slot), streams.get(slot)) {
                // What an encoder has put before the sound would be heard in the middle.
                let ends = packet.pts().map(|time| source::seconds(time.saturating_add(packet.duration()), *unit));
                if index > 0 && track.kind == Type::Audio && ends.is_some_and(|ends| ends <= start + 0.001) {
                    continue;
                }
                end = track.take(packet, *unit, start, base, &mut sink)?.max(end);
            }
        }
        // Matroska counts whole milliseconds: a clip that begins within one would overlap the one before it.
        base = if to.demuxer == "matroska" { (end * 1000.0).ceil() / 1000.0 + 0.001 } else { end };
        (around.progress)((index + 1) as f64 / clips.len() as f64 * 0.99);
    }
    if !sink.finish()? {
        return Err(Failure::invalid("Nothing in these files could be read. Check that they play elsewhere"));
    }
    let name = |kind| if kind == Type::Video { "video" } else { "audio" };
    let tracks = tracks.iter().map(|track| json!({ "kind": name(track.kind), "how": "copied" })).collect();
    let size = clips
        .first()
        .and_then(|clip| clip.video.as_ref())
        .filter(|_| plan.pictures)
        .map(|video| if video.turn % 180 == 90 { (video.size.1, video.size.0) } else { video.size });
    let mut made = Made { width: size.map(|size| size.0), height: size.map(|size| size.1), ..Made::default() };
    made.explain.insert("mode".into(), "copy".into());
    made.explain.insert("tracks".into(), Value::Array(tracks));
    Ok(made)
}
