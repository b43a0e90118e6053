//! What a figure was measured on, and what else that machine had to do meanwhile: no report without it.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::node::tree_cpu;

/// The circumstances of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Model of the processor.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Version of the program.
    pub version: String,
    /// Whether it was built without optimisation: such figures say nothing about a release.
    pub debug: bool,
    /// When it began, RFC 3339.
    pub date: String,
    /// Mean number of processes that wanted to run in the minute before it.
    pub load_before: f64,
    /// Share of all processor time that others had during it, 0 to 1.
    pub others: f64,
}

/// A report with its circumstances, as `--json` prints it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured<T> {
    /// Where and when.
    pub run: Run,
    /// What came of it.
    pub report: T,
}

/// Watches a run from its beginning.
pub struct Watch {
    run: Run,
    start: Instant,
    busy: f64,
    own: f64,
}

impl Watch {
    /// Begins.
    pub fn start() -> Self {
        let date = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let run = Run {
            cpu: cpu_model(),
            cores: cores(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            debug: cfg!(debug_assertions),
            date: date.format(&Rfc3339).unwrap_or_default(),
            load_before: load(),
            others: 0.0,
        };
        Self { run, start: Instant::now(), busy: busy_seconds(), own: own_seconds() }
    }

    /// Ends, and gives what was measured its circumstances.
    pub fn end<T>(self, report: T) -> Measured<T> {
        // Children that were killed rather than waited for count for others; that errs on the careful side.
        let (busy, own) = (busy_seconds() - self.busy, own_seconds() - self.own);
        let whole = self.start.elapsed().as_secs_f64() * self.run.cores as f64;
        let others = ((busy - own) / whole.max(1e-9)).clamp(0.0, 1.0);
        Measured { run: Run { others, ..self.run }, report }
    }
}

impl Run {
    /// In one line.
    pub fn line(&self) -> String {
        let build = if self.debug { ", DEBUG BUILD" } else { "" };
        let day = self.date.split('T').next().unwrap_or_default();
        format!(
            "{}, {} cores; ConvertFly {}{build}, {day}; load {:.2} before, {:.0} % of the processors with others meanwhile",
            self.cpu,
            self.cores,
            self.version,
            self.load_before,
            self.others * 100.0
        )
    }
}

/// Model of the processor.
pub fn cpu_model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(": ")?.1));
    model.unwrap_or("unknown processor").to_owned()
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

/// Processor seconds that the machine has spent on anything (`/proc/stat`: user, nice, system, then irq, softirq, and steal).
fn busy_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<f64> = text.lines().next().unwrap_or_default().split_whitespace().skip(1).flat_map(str::parse).collect();
    [0, 1, 2, 5, 6, 7].into_iter().filter_map(|at| fields.get(at)).sum::<f64>() / 100.0
}

/// Processor seconds of this process and everything below it.
fn own_seconds() -> f64 {
    tree_cpu(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_says_where_and_when_it_was() {
        let watch = Watch::start();
        let measured = watch.end(7);
        let run = &measured.run;
        assert!(run.cores > 0 && !run.cpu.is_empty() && (0.0..=1.0).contains(&run.others), "{run:?}");
        assert!(OffsetDateTime::parse(&run.date, &Rfc3339).is_ok(), "{run:?}");
        let line = run.line();
        assert!(line.contains(&run.cpu) && line.contains("meanwhile"), "{line}");
        let text = serde_json::to_string(&measured).expect("JSON");
        let read: Measured<i32> = serde_json::from_str(&text).expect("the same form");
        assert_eq!((read.report, read.run), (7, measured.run));
    }
}
