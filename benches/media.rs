//! Video beside the command line of `ffmpeg` with the same settings: one transcode (wall and CPU time), one that is scaled, and a queue of short
//! clips beside a loop of the shell: `cargo bench -p convertfly-benches --bench media`.
//!
//! `CONVERTFLY_BENCH_SECONDS` (20), `CONVERTFLY_BENCH_CLIPS` (12) and `CONVERTFLY_BENCH_CLIP_SECONDS` (10) say how much; figures are the medians of
//! `CONVERTFLY_BENCH_ROUNDS` (3), the two taking turns. `CONVERTFLY_BENCH_NOISE` (8) is how restless the pictures are: the grain of a clean recording is 2.
//! `CONVERTFLY_BENCH_ONLY=queue` or `transcode` leaves the other out. The load of the machine is
//! printed before and after: figures of one that does other work say little.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use convertfly_worker::engines::image::Runner;
use convertfly_worker::engines::media::{MediaConfig, MediaEngine};
use convertfly_worker::engines::{Action, Engine, Progress, Work};
use convertfly_worker::formats::Cancel;
use convertfly_worker::pixels::{CpuLevel, GpuPolicy, Processor};
use serde_json::{Map, Value, json};

/// Ticks a second of the times in /proc; the same on every Linux.
const TICKS: f64 = 100.0;

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Seconds of processor time of this process, of its children that live, and of those that it has waited for.
fn cpu() -> f64 {
    let own = std::process::id().to_string();
    let mut ticks = 0.0;
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        // Beside the numbers of processes there are names for this one.
        if entry.file_name().to_string_lossy().parse::<u32>().is_err() {
            continue;
        }
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // What stands in parentheses is a name, which may hold anything.
        let Some((start, rest)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<_> = rest.split_whitespace().collect();
        let field = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        if start.split_whitespace().next() == Some(own.as_str()) {
            ticks += field(11) + field(12) + field(13) + field(14);
        } else if fields.get(1) == Some(&own.as_str()) {
            ticks += field(11) + field(12);
        }
    }
    ticks / TICKS
}

/// Wall and processor time of something.
fn timed(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<(f64, f64)> {
    let (start, before) = (Instant::now(), cpu());
    work()?;
    Ok((start.elapsed().as_secs_f64(), cpu() - before))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn ffmpeg(arguments: &str) -> anyhow::Result<()> {
    let status = Command::new("ffmpeg").args(["-v", "error", "-nostdin", "-y"]).args(arguments.split_whitespace()).status();
    ensure!(status.context("ffmpeg is not installed")?.success(), "ffmpeg {arguments}");
    Ok(())
}

struct Bench {
    engine: Arc<MediaEngine>,
    runtime: tokio::runtime::Runtime,
    folder: PathBuf,
    rounds: usize,
}

impl Bench {
    fn convert(
        engine: &MediaEngine,
        folder: &Path,
        input: &Path,
        options: &Value,
    ) -> anyhow::Result<impl Future<Output = anyhow::Result<()>>> {
        let work = Work {
            action: Action::Convert,
            from: "mp4".to_owned(),
            to: "mp4".to_owned(),
            glance: None,
            input: File::open(input)?,
            beside: Vec::new(),
            output: tempfile::tempfile_in(folder)?,
            options: options.as_object().cloned().unwrap_or_else(Map::new),
            test: false,
            share: None,
            scratch: folder.to_owned(),
            progress: Progress::default(),
            cancel: Cancel::new(),
            deadline: Duration::from_secs(600),
        };
        let working = engine.convert(work);
        Ok(async move { working.await.map(drop).map_err(|failure| anyhow::anyhow!("{failure}")) })
    }

    /// Ours and FFmpeg's own in turns; prints both medians and their ratios, and returns that of wall times.
    fn beside(
        &self,
        name: &str,
        ours: impl Fn() -> anyhow::Result<()>,
        theirs: impl Fn() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (mut own, mut other) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            own.push(timed(&ours)?);
            other.push(timed(&theirs)?);
        }
        let of = |rows: &[(f64, f64)], pick: fn(&(f64, f64)) -> f64| median(rows.iter().map(pick).collect());
        let (wall, cpu) = (of(&own, |row| row.0), of(&own, |row| row.1));
        let (their_wall, their_cpu) = (of(&other, |row| row.0), of(&other, |row| row.1));
        println!(
            "{name}: wall {wall:.2} s beside {their_wall:.2} s (ratio {:.3}), CPU {cpu:.2} s beside {their_cpu:.2} s (ratio {:.3})",
            wall / their_wall,
            cpu / their_cpu
        );
        Ok(())
    }

    fn transcode(&self, name: &str, input: &Path, options: &Value, filter: &str) -> anyhow::Result<()> {
        let output = self.folder.join("theirs.mp4");
        self.beside(
            name,
            || self.runtime.block_on(Self::convert(&self.engine, &self.folder, input, options)?),
            || {
                let (input, output) = (input.display(), output.display());
                ffmpeg(&format!(
                    "-i {input} {filter} -c:v libx264 -preset veryfast -crf 23 -c:a copy -movflags +faststart {output}"
                ))
            },
        )
    }

    fn queue(&self, clips: &[PathBuf]) -> anyhow::Result<()> {
        let options = json!({ "quality": 85, "preset": "veryfast" });
        let list = self.folder.join("clips.txt");
        std::fs::write(&list, clips.iter().map(|clip| format!("{}\n", clip.display())).collect::<String>())?;
        let script = format!(
            "while read -r clip; do ffmpeg -v error -nostdin -y -i \"$clip\" -c:v libx264 -preset veryfast -crf 23 -c:a copy -movflags +faststart {}; done < {}",
            self.folder.join("theirs.mp4").display(),
            list.display()
        );
        self.beside(
            &format!("a queue of {} clips", clips.len()),
            || {
                self.runtime.block_on(async {
                    let mut tasks = tokio::task::JoinSet::new();
                    for clip in clips {
                        let (engine, folder, clip, options) =
                            (Arc::clone(&self.engine), self.folder.clone(), clip.clone(), options.clone());
                        tasks.spawn(async move { Self::convert(&engine, &folder, &clip, &options)?.await });
                    }
                    while let Some(done) = tasks.join_next().await {
                        done??;
                    }
                    Ok(())
                })
            },
            || {
                ensure!(Command::new("bash").args(["-c", &script]).status()?.success(), "the loop of the shell");
                Ok(())
            },
        )
    }
}

fn main() -> anyhow::Result<()> {
    // `cargo test` runs benches with this argument, to see that they start.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let own = std::env::current_exe()?;
    let beside = own.ancestors().skip(1).take(2).map(|folder| folder.join("convertfly-media")).find(|path| path.is_file());
    let program = std::env::var_os("CONVERTFLY_MEDIA").map(PathBuf::from).or(beside);
    if program.is_none() {
        println!(
            "convertfly-media does not lie beside this program: build it (cargo build --release -p convertfly-media), or set CONVERTFLY_MEDIA"
        );
        return Ok(());
    }
    let config = MediaConfig { program, children: (cores / 4).max(2), threads: cores, ..MediaConfig::default() };
    let processor = Processor::new(CpuLevel::detect(), GpuPolicy::Off).map_err(|failure| anyhow::anyhow!("{failure}"))?;
    let bench = Bench {
        engine: Arc::new(MediaEngine::new(config, Runner::InProcess(Arc::new(processor)))),
        runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?,
        folder: folder.path().to_owned(),
        rounds: number("CONVERTFLY_BENCH_ROUNDS", 3),
    };
    let noise = number("CONVERTFLY_BENCH_NOISE", 8);
    let make = |name: &str, seconds: usize| {
        let path = folder.path().join(name);
        let sources = format!(
            "-f lavfi -i testsrc2=s=1280x720:r=30:d={seconds},noise=alls={noise}:allf=t -f lavfi -i sine=d={seconds} -shortest"
        );
        ffmpeg(&format!("{sources} -c:v libx264 -preset ultrafast -crf 18 -pix_fmt yuv420p -c:a aac {}", path.display()))?;
        anyhow::Ok(path)
    };
    let only = std::env::var("CONVERTFLY_BENCH_ONLY").unwrap_or_default();
    let load = || std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned();
    let usual = json!({ "quality": 85, "preset": "veryfast" });
    // The child starts with the first task, as it would on a node that has just begun.
    bench.runtime.block_on(Bench::convert(&bench.engine, folder.path(), &make("warm.mp4", 1)?, &usual)?)?;
    println!("{cores} cores, load {}", load());
    if only != "queue" {
        let long = make("long.mp4", number("CONVERTFLY_BENCH_SECONDS", 20))?;
        bench.transcode("720p", &long, &usual, "")?;
        let scaled = json!({ "quality": 85, "preset": "veryfast", "width": 640 });
        bench.transcode("720p to 640 wide", &long, &scaled, "-vf scale=640:360:flags=bicubic")?;
    }
    if only != "transcode" {
        let (count, length) = (number("CONVERTFLY_BENCH_CLIPS", 12), number("CONVERTFLY_BENCH_CLIP_SECONDS", 10));
        // A few are made and come up again and again: a hundred would take longer to make than to convert.
        let made =
            (0..count.min(4)).map(|index| make(&format!("clip-{index}.mp4"), length)).collect::<anyhow::Result<Vec<_>>>()?;
        let clips: Vec<_> = made.iter().cycle().take(count).cloned().collect();
        bench.queue(&clips)?;
    }
    println!("load {}", load());
    bench.runtime.block_on(bench.engine.stop());
    Ok(())
}
