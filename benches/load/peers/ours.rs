//! Our side: the image engine, as the executor runs it, in this process.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use convertfly_worker::engines::image::decodes::Share;
use convertfly_worker::engines::image::{ImageEngine, Runner};
use convertfly_worker::engines::{Action, Beside, Engine, Progress, Work};
use convertfly_worker::formats::{Cancel, Limits};
use convertfly_worker::pixels::Processor;
use cpu_time::ProcessTime;
use serde_json::{Map, Value, json};

use super::{Cost, Row};

pub(super) struct Ours {
    engine: ImageEngine,
    runtime: tokio::runtime::Runtime,
}

impl Ours {
    pub(super) fn new() -> anyhow::Result<Self> {
        let processor = Processor::from_env().map_err(|failure| anyhow!("{failure}"))?;
        let engine = ImageEngine::new(Runner::InProcess(Arc::new(processor)), Limits::default());
        Ok(Self { engine, runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()? })
    }

    /// Does the row once.
    ///
    /// # Errors
    /// When the engine fails.
    pub(super) fn run(&self, row: &Row, source: &Path, mark: &Path, output: &Path, scratch: &Path) -> anyhow::Result<Cost> {
        let (cpu, wall) = (ProcessTime::now(), Instant::now());
        if row.widths.is_empty() {
            self.one(row, json!({ "quality": 85 }), source, mark, output, scratch)?;
        }
        for width in row.widths {
            self.one(row, json!({ "quality": 85, "width": width }), source, mark, output, scratch)?;
        }
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        Ok(Cost { cpu_ms: millis(cpu.elapsed()), wall_ms: millis(wall.elapsed()) })
    }

    /// One result of a row.
    fn one(&self, row: &Row, options: Value, source: &Path, mark: &Path, output: &Path, scratch: &Path) -> anyhow::Result<()> {
        let mut options = options.as_object().cloned().unwrap_or_else(Map::new);
        if let Some(effort) = row.effort {
            options.insert("effort".to_owned(), json!(effort));
        }
        let mut beside = Vec::new();
        if row.mark {
            beside.push(Beside { format: "png".to_owned(), file: File::open(mark)? });
            // As the peers lay it: in the corner, in its own size.
            for (name, value) in [
                ("image", json!("mark")),
                ("position_vertical", json!("bottom")),
                ("position_horizontal", json!("right")),
                ("margin_vertical", json!(0)),
                ("margin_horizontal", json!(0)),
            ] {
                options.insert(name.to_owned(), value);
            }
        }
        let work = Work {
            action: if row.mark { Action::Watermark } else { Action::Convert },
            from: if row.source == "png" { "png" } else { "jpg" }.to_owned(),
            to: row.extension.to_owned(),
            glance: None,
            input: File::open(source)?,
            beside,
            output: File::options().read(true).write(true).create(true).truncate(true).open(output)?,
            options,
            test: false,
            share: share(row),
            scratch: scratch.to_owned(),
            progress: Progress::default(),
            cancel: Cancel::new(),
            deadline: Duration::from_mins(10),
        };
        self.runtime.block_on(self.engine.convert(work)).map_err(|failure| anyhow!("{}: {failure}", row.name))?;
        Ok(())
    }
}

/// Results of one picture share what is decoded of it, as the tasks of one job do.
fn share(row: &Row) -> Option<Share> {
    let readers = u32::try_from(row.widths.len()).unwrap_or(u32::MAX);
    (readers > 1).then(|| Share { account: "bench".to_owned(), readers, followers: 0 })
}
