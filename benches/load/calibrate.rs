//! `bench calibrate`: from how many pixels on each kind of work is sooner done by the GPU, how many recordings it does best at once,
//! and how many conversions the processor does best at once. What comes out is the table that the router loads.

use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use convertfly_worker::pixels::routes::{Kind, Machine, Point, Route, Routes};
use convertfly_worker::pixels::{Channels, CpuLevel, Filter, GpuPolicy, Processor, Recording, Step};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::kernels::{open_gpu, timed};
use crate::pictures;
use crate::thumbnail::median;

mod balance;
mod coefficients;

use balance::{Rate, break_even, enough};

/// A side that takes longer than this for one size is not given a larger one.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far a larger number of threads has to be ahead to be worth its memory.
const MARGIN: f64 = 0.03;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Which GPU; `Auto` takes a hardware one where there is one.
    pub gpu: GpuPolicy,
    /// The CPU level that the node will use.
    pub level: CpuLevel,
    /// Megapixels of the largest picture.
    pub megapixels: u32,
    /// Counted rounds a size.
    pub rounds: usize,
}

/// The table, and why it knows no GPU.
#[derive(Clone, Debug)]
pub struct Calibrated {
    /// For the router.
    pub routes: Routes,
    /// Why there is none.
    pub no_gpu: Option<String>,
    /// Pictures a second where a photo is wanted in five sizes: on the CPU, and with its coefficients on the GPU.
    pub five: Option<(f64, f64)>,
    /// What the stages of one photo take on the GPU, by its own clock, milliseconds.
    pub stages: Vec<(String, f64)>,
}

/// Measures; tells what it is at.
///
/// # Errors
/// When a kernel fails.
pub fn run(plan: Plan, mut tell: impl FnMut(&str)) -> anyhow::Result<Calibrated> {
    let cpu = Processor::new(plan.level, GpuPolicy::Off).map_err(|failure| anyhow!("{failure}"))?;
    let gpu = open_gpu(plan.gpu);
    let mut recordings = std::collections::BTreeMap::new();
    for kind in Kind::ALL {
        tell(kind.as_str());
        recordings.insert(kind, route(kind, &cpu, gpu.as_ref().ok(), plan)?);
    }
    tell("recordings at once");
    let gpu_at_once = match &gpu {
        Ok(gpu) => at_once(gpu, plan)?,
        Err(_) => 1,
    };
    tell("coefficients");
    let coefficients = coefficients::route(&cpu, gpu.as_ref().ok(), plan)?;
    let five = coefficients::renditions(&cpu, gpu.as_ref().ok(), plan)?;
    let stages = coefficients::stages(gpu.as_ref().ok(), plan)?;
    tell("conversions at once");
    let cpu_slots = slots(&cpu, plan)?;
    let adapter = gpu.as_ref().ok().and_then(Processor::gpu_name);
    let date = OffsetDateTime::now_utc().replace_nanosecond(0)?.format(&Rfc3339)?;
    let routes = Routes { machine: Machine::here(plan.level, adapter), date, recordings, coefficients, gpu_at_once, cpu_slots };
    Ok(Calibrated { routes, no_gpu: gpu.err(), five, stages })
}

/// The work that stands for a kind, on a picture of that size.
fn sample(kind: Kind, width: u32, height: u32) -> Recording {
    let resize =
        |part: u32| Step::Resize { width: (width / part).max(1), height: (height / part).max(1), filter: Filter::Lanczos3 };
    let step = match kind {
        Kind::Light => Step::Flatten { color: [255; 3] },
        Kind::Thumbnail => resize(8),
        Kind::Resize => resize(2),
        Kind::Color => Step::Lut { curves: 1, table: 2 },
        Kind::Blur => Step::Blur { sigma: 3.0 },
    };
    Recording { steps: vec![step], layers: pictures::layers() }
}

fn channels(kind: Kind) -> Channels {
    // What is flattened has an alpha.
    if kind == Kind::Light { Channels::Rgba } else { Channels::Rgb }
}

/// Sides of 4:3 pictures, each of four times as many pixels as the one before it, up to `megapixels`; at least one.
fn sizes(megapixels: u32) -> Vec<(u32, u32)> {
    let most = u64::from(megapixels.max(1)) * 1_000_000;
    let all = (0..).map(|power| (256u32 << power, 192u32 << power));
    let fits = |&(width, height): &(u32, u32)| u64::from(width) * u64::from(height) <= most;
    all.take_while(fits).collect()
}

fn route(kind: Kind, cpu: &Processor, gpu: Option<&Processor>, plan: Plan) -> anyhow::Result<Route> {
    let mut measured = Vec::new();
    for (width, height) in sizes(plan.megapixels) {
        let image = pictures::noise(width, height, channels(kind));
        let recording = sample(kind, width, height);
        let (mut on_cpu, mut on_gpu) = (Vec::new(), Vec::new());
        for round in 0..=plan.rounds.max(1) {
            let cpu_ms = timed(cpu, &recording, &image, "cpu:")?;
            let gpu_ms = gpu.map(|gpu| timed(gpu, &recording, &image, "gpu:")).transpose()?;
            // The first round warms up.
            if round > 0 {
                on_cpu.push(cpu_ms.as_secs_f64() * 1e3);
                on_gpu.extend(gpu_ms.map(|time| time.as_secs_f64() * 1e3));
            }
        }
        let gpu_ms = (!on_gpu.is_empty()).then(|| median(on_gpu));
        let point = Point { pixels: image.shape().pixels(), cpu_ms: median(on_cpu), gpu_ms };
        measured.push(point);
        if point.cpu_ms.max(gpu_ms.unwrap_or(0.0)) > PATIENCE.as_secs_f64() * 1e3 {
            break;
        }
    }
    Ok(Route { gpu_from_pixels: break_even(&measured), measured })
}

/// Recordings at once that the GPU does best.
fn at_once(gpu: &Processor, plan: Plan) -> anyhow::Result<usize> {
    let (width, height) = sizes(plan.megapixels.min(16)).pop().unwrap_or((256, 192));
    let (image, recording) = (pictures::noise(width, height, Channels::Rgb), sample(Kind::Resize, width, height));
    let mut rates = Vec::new();
    for threads in [1, 2, 4, 8] {
        let one = || timed(gpu, &recording, &image, "gpu:").map(drop);
        rates.push(Rate { threads, per_second: rate(threads, plan.rounds, &one)? });
    }
    Ok(enough(&rates, MARGIN))
}

/// Conversions at once that the processor does best: a photo becomes smaller in pixels, then in bytes.
fn slots(cpu: &Processor, plan: Plan) -> anyhow::Result<u32> {
    let (width, height) = sizes(plan.megapixels.min(4)).pop().unwrap_or((256, 192));
    let photo = crate::codecs::encoded("jpg", width, height)?;
    let recording = sample(Kind::Resize, width, height);
    let one = || {
        let picture = crate::codecs::decoded("jpg", &photo)?;
        let frame = picture.frames.into_iter().next().ok_or_else(|| anyhow!("a photo has a frame"))?;
        let made = cpu.run(&recording, frame.image, &Default::default()).map_err(|failure| anyhow!("{failure}"))?.0;
        crate::codecs::written("jpg", made).map(drop)
    };
    let cores = crate::machine::cores();
    let mut counts = vec![cores.div_ceil(2), cores, cores + cores.div_ceil(2), cores * 2];
    counts.dedup();
    // In turn, so that a busy moment does not decide.
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); counts.len()];
    for _ in 0..plan.rounds.max(1) {
        for (threads, rates) in counts.iter().zip(&mut rates) {
            rates.push(rate(*threads, 4, &one)?);
        }
    }
    let rates: Vec<Rate> =
        counts.iter().zip(rates).map(|(threads, rates)| Rate { threads: *threads, per_second: median(rates) }).collect();
    Ok(u32::try_from(enough(&rates, MARGIN))?)
}

/// Pieces of work a second where each of so many threads does `each`.
fn rate(threads: usize, each: usize, one: &(impl Fn() -> anyhow::Result<()> + Sync)) -> anyhow::Result<f64> {
    let each = each.max(1);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(|| (0..each).try_for_each(|_| one()))).collect();
        all.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked"))))
    })?;
    Ok((threads * each) as f64 / start.elapsed().as_secs_f64())
}

/// For a terminal.
pub fn table(calibrated: &Calibrated) -> String {
    let routes = &calibrated.routes;
    let machine = &routes.machine;
    let mut text = format!("{}, {} cores, level {}, version {}\n", machine.cpu, machine.cores, machine.level, machine.version);
    match (&machine.adapter, &calibrated.no_gpu) {
        (Some(adapter), _) => {
            let _ = writeln!(text, "GPU: {adapter}, {} recording(s) at once", routes.gpu_at_once);
        }
        (None, why) => {
            let _ = writeln!(text, "no GPU: {}; everything stays on the CPU", why.as_deref().unwrap_or("none was found"));
        }
    }
    let _ = writeln!(text, "conversions at once: {}\n", routes.cpu_slots);
    let coefficients = &routes.coefficients;
    let rows = routes.recordings.iter().map(|(kind, route)| (kind.as_str(), route.gpu_from_pixels, &route.measured));
    let in_batch = ("coefficients", coefficients.gpu_from_pixels, &coefficients.measured);
    for (name, from, measured) in rows.chain([in_batch]) {
        let to = from.map_or_else(|| "cpu".to_owned(), |pixels| format!("gpu from {pixels} pixels"));
        let _ = writeln!(text, "{name:<12} {to}");
        for point in measured {
            let gpu = point.gpu_ms.map_or_else(String::new, |ms| format!("   gpu {ms:>8.2} ms"));
            let _ = writeln!(text, "    {:>6.2} Mpixel   cpu {:>8.2} ms{gpu}", point.pixels as f64 / 1e6, point.cpu_ms);
        }
    }
    let _ = writeln!(text, "coefficients in a batch: {}", coefficients.in_batch);
    for (stage, ms) in &calibrated.stages {
        let _ = writeln!(text, "    {stage:<14} {ms:>8.2} ms");
    }
    if let Some((cpu, gpu)) = calibrated.five {
        let _ = writeln!(text, "five sizes of a photo: cpu {cpu:.1}, gpu {gpu:.1} pictures a second");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_gpu_the_table_says_cpu_and_why() {
        let plan = Plan { gpu: GpuPolicy::Off, level: CpuLevel::detect(), megapixels: 1, rounds: 1 };
        let calibrated = run(plan, |_| ()).expect("it measures");
        let routes = &calibrated.routes;
        assert_eq!(routes.machine, Machine::here(CpuLevel::detect(), None), "this machine");
        assert_eq!(calibrated.no_gpu.as_deref(), Some("CONVERTFLY_GPU=off"));
        for kind in Kind::ALL {
            let route = &routes.recordings[&kind];
            assert_eq!(route.gpu_from_pixels, None, "{kind:?}");
            assert_eq!(route.measured.len(), 3, "{kind:?}: three sizes below a megapixel");
            assert!(route.measured.iter().all(|point| point.cpu_ms > 0.0 && point.gpu_ms.is_none()), "{route:?}");
        }
        assert!(routes.cpu_slots >= 1, "{routes:?}");
        let text = table(&calibrated);
        assert!(text.contains("everything stays on the CPU") && text.contains("thumbnail    cpu"), "{text}");
        assert_eq!(routes.foreign(CpuLevel::detect()), None, "the router takes it");
    }

    #[test]
    fn each_sample_is_of_its_kind() {
        for kind in Kind::ALL {
            let image = pictures::noise(256, 192, channels(kind));
            let found = Kind::of(&sample(kind, 256, 192), image.shape()).expect("it fits");
            assert_eq!(found, Some((kind, 256 * 192)));
        }
    }
}
