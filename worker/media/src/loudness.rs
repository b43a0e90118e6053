//! How loud sound is by EBU R128, and the step that makes it as loud as asked: one factor for all of it, so that quiet stays quiet beside loud.

use std::fs::File;

use convertfly_sandbox::{Cancel, Failure};
use ffmpeg_next::Error;
use ffmpeg_next::filter::Graph;
use ffmpeg_next::frame::Audio;
use serde_json::{Value, json};

use crate::containers::Container;
use crate::decoder::Decoder;
use crate::fault;
use crate::filters::{self, Looks};
use crate::options::Span;
use crate::source::Source;
use crate::tags;

/// Highest peak that is let through, decibels below full scale.
const CEILING: f64 = -1.0;

/// What the measure says of silence, LUFS: what is quieter is left alone.
const SILENCE: f64 = -69.0;

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Loudness {
    /// Integrated, LUFS.
    pub(crate) integrated: f64,
    /// How far apart quiet and loud passages are (LRA), LU.
    range: f64,
    /// Highest peak between the samples, decibels of full scale.
    pub(crate) peak: f64,
}

impl Loudness {
    /// As a part of a file's facts. Of silence there is no loudness, and no peak.
    pub(crate) fn facts(self) -> Value {
        let tenths = |value: f64| (value * 10.0).round() / 10.0;
        if self.integrated <= SILENCE {
            return json!({ "integrated": null, "range": null, "peak": null });
        }
        json!({ "integrated": tenths(self.integrated), "range": tenths(self.range), "peak": tenths(self.peak) })
    }

    /// The filter that brings it to `target` LUFS; `None` where there is nothing to make louder.
    pub(crate) fn step(self, target: f64) -> Option<String> {
        if self.integrated <= SILENCE {
            return None;
        }
        let gain = target - self.integrated;
        let volume = format!("volume={gain:.2}dB:precision=float");
        if self.peak + gain <= CEILING {
            return Some(volume);
        }
        Some(format!("{volume},alimiter=limit={:.4}:attack=5:release=50:level=false", 10_f64.powf(CEILING / 20.0)))
    }
}

/// Measures the part of the sound that is wanted; `None` where nothing can be decoded.
pub(crate) fn measure(from: &'static Container, input: &File, span: Span, cancel: &Cancel) -> Result<Option<Loudness>, Failure> {
    let mut source = Source::open(input, from, cancel)?;
    let Some(stream) = source.audio() else { return Ok(None) };
    let (mut decoder, index) = (Decoder::open(&source, &stream, 1)?, stream.index());
    if span.start > 0.0 {
        source.seek(span.start);
    }
    let mut meter = Meter { span, graph: None, filtered: Audio::empty(), found: None };
    let mut frame = Audio::empty();
    loop {
        let packet = source.next_packet(cancel)?;
        if packet.as_ref().is_some_and(|packet| packet.stream() != index) {
            continue;
        }
        decoder.feed(packet.as_ref())?;
        while decoder.next_sound(&mut frame)? {
            meter.take(&frame, &decoder)?;
        }
        let is_past = span.end.is_some_and(|end| crate::source::seconds(decoder.end(), decoder.unit) > end);
        if packet.is_none() || is_past {
            meter.end()?;
            return Ok(meter.found);
        }
    }
}

struct Meter {
    span: Span,
    graph: Option<(Looks, Graph)>,
    filtered: Audio,
    found: Option<Loudness>,
}

impl Meter {
    fn take(&mut self, frame: &Audio, decoder: &Decoder) -> Result<(), Failure> {
        let looks = Looks::of_audio(frame);
        if self.graph.is_none() {
            let steps = filters::span_steps(self.span, "atrim", "asetpts");
            let spec = steps.into_iter().chain(["ebur128=metadata=1:peak=true".to_owned()]).collect::<Vec<_>>().join(",");
            self.graph = Some((looks, filters::build(looks, decoder.unit, None, &spec)?));
        }
        let Some((first, graph)) = &mut self.graph else { return Ok(()) };
        // Sound that changes on the way is measured by how it begins.
        if *first != looks {
            return Ok(());
        }
        if let Some(mut input) = graph.get("in") {
            match input.source().add(frame) {
                Ok(()) | Err(Error::Eof) => {}
                Err(error) => return Err(fault::ours("filters", error)),
            }
        }
        self.drain()
    }

    fn end(&mut self) -> Result<(), Failure> {
        if let Some(mut input) = self.graph.as_mut().and_then(|(_, graph)| graph.get("in")) {
            let _ = input.source().flush();
        }
        self.drain()
    }

    fn drain(&mut self) -> Result<(), Failure> {
        loop {
            let Some(mut output) = self.graph.as_mut().and_then(|(_, graph)| graph.get("out")) else { return Ok(()) };
            match output.sink().frame(&mut self.filtered) {
                Ok(()) => self.read(),
                Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => return Ok(()),
                Err(error) => return Err(fault::ours("filters", error)),
            }
        }
    }

    /// Each frame tells what is known so far, the last one all of it.
    fn read(&mut self) {
        let facts = self.filtered.metadata();
        let number = |name: &str| tags::one(&facts, name).and_then(|text| text.parse::<f64>().ok());
        let Some(integrated) = number("lavfi.r128.I") else { return };
        // Peaks are told as amplitudes.
        let channels = usize::from(self.filtered.channels());
        let highest =
            (0..channels).filter_map(|channel| number(&format!("lavfi.r128.true_peaks_ch{channel}"))).fold(0.0, f64::max);
        let before = self.found.map_or(f64::NEG_INFINITY, |found| found.peak);
        let peak = before.max(20.0 * highest.max(1e-9).log10());
        let range = number("lavfi.r128.LRA").unwrap_or(0.0);
        self.found = Some(Loudness { integrated, range, peak });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_are_held_down_only_where_they_would_be_too_high() {
        let quiet = Loudness { integrated: -30.0, range: 3.0, peak: -20.0 };
        assert_eq!(quiet.step(-16.0).as_deref(), Some("volume=14.00dB:precision=float"), "there is room");
        let peaky = Loudness { peak: -10.0, ..quiet };
        assert!(peaky.step(-16.0).is_some_and(|step| step.contains("alimiter=limit=0.8913")), "there is none");
        let silent = Loudness { integrated: -70.0, peak: -90.0, ..quiet };
        assert_eq!(silent.step(-16.0), None, "silence stays");
        assert_eq!(silent.facts()["integrated"], Value::Null, "and has no loudness: {}", silent.facts());
    }
}
