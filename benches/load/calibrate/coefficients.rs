//! Whole conversions of photos to half their sides, from file to file: on the CPU as planes, and with the coefficients on the GPU, in batches.

use std::fs::File;
use std::io::{Seek, Write};
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};
use convertfly_worker::engines::image::decodes::Share;
use convertfly_worker::engines::image::job::{self, ImageJob};
use convertfly_worker::pixels::routes::{CoefficientRoute, Point};
use convertfly_worker::pixels::{CpuLevel, Processor};
use serde_json::{Value, json};

use super::balance::{Rate, break_even, enough};
use super::{MARGIN, PATIENCE, Plan, sizes};
use crate::thumbnail::median;

/// Pictures that are asked of a source at once.
const RENDITIONS: u32 = 5;

/// A photo of that size, in a file.
fn photo(width: u32, height: u32) -> anyhow::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(&crate::codecs::encoded("jpg", width, height)?)?;
    Ok(file)
}

/// One conversion to that width; `way` is the one that it must have gone.
fn convert(processor: &Processor, photo: &File, width: u32, readers: u32, way: &str) -> anyhow::Result<Value> {
    let share = (readers > 1).then(|| Share { account: "bench".to_owned(), readers, followers: 0 });
    let job = json!({ "from": "jpg", "to": "jpg", "options": { "width": width, "quality": 85 }, "share": share });
    let job: ImageJob = serde_json::from_value(job)?;
    // Of its own, so that threads do not read on where another one has stopped.
    let mut input = File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(photo)))?;
    input.rewind()?;
    let made = job::run(&job, vec![input, tempfile::tempfile()?], processor, &Default::default());
    let made = made.map_err(|failure| anyhow!("{failure}"))?;
    let went = made.explain.get("way").cloned().unwrap_or_default();
    ensure!(went == way, "it went the way {went}, not {way}: {:?}", made.explain);
    Ok(made.explain.get("batch").cloned().unwrap_or_default())
}

/// How long each of so many conversions takes that run at once.
fn each(processor: &Processor, photo: &File, widths: &[u32], readers: u32, way: &str) -> anyhow::Result<Duration> {
    let start = Instant::now();
    std::thread::scope(|scope| {
        let all: Vec<_> =
            widths.iter().map(|&width| scope.spawn(move || convert(processor, photo, width, readers, way).map(drop))).collect();
        all.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked"))))
    })?;
    Ok(start.elapsed() / widths.len() as u32)
}

const GPU: &str = "coefficients on the gpu";
const CPU: &str = "planes";

/// From how many pixels on they are sooner done by the GPU, and how many of them in a batch.
pub(super) fn route(cpu: &Processor, gpu: Option<&Processor>, plan: Plan) -> anyhow::Result<CoefficientRoute> {
    let mut route = CoefficientRoute::default();
    // The scalar forms show what others are measured by; they take no such way.
    let Some(gpu) = gpu.filter(|_| plan.level > CpuLevel::Scalar) else { return Ok(route) };
    let (width, height) = sizes(plan.megapixels.min(16)).pop().unwrap_or((256, 192));
    let source = photo(width, height)?;
    let mut rates = Vec::new();
    for threads in [1, 2, 4, 8, 16] {
        let widths = vec![width / 2; threads];
        let times: Vec<f64> = (0..=plan.rounds.max(1))
            .map(|_| each(gpu, &source, &widths, 1, GPU).map(|time| time.as_secs_f64()))
            .collect::<anyhow::Result<_>>()?;
        // The first round warms up.
        let time = median(times[1..].to_vec());
        let is_more = rates.last().is_none_or(|last: &Rate| 1.0 / time > last.per_second * (1.0 + MARGIN));
        rates.push(Rate { threads, per_second: 1.0 / time });
        // More at once is no gain any more.
        if !is_more || time * threads as f64 > PATIENCE.as_secs_f64() {
            break;
        }
    }
    route.in_batch = enough(&rates, MARGIN);
    for (width, height) in sizes(plan.megapixels) {
        let (source, widths) = (photo(width, height)?, vec![width / 2; route.in_batch]);
        let (mut on_cpu, mut on_gpu) = (Vec::new(), Vec::new());
        for round in 0..=plan.rounds.max(1) {
            let cpu_ms = each(cpu, &source, &widths, 1, CPU)?.as_secs_f64() * 1e3;
            let gpu_ms = each(gpu, &source, &widths, 1, GPU)?.as_secs_f64() * 1e3;
            if round > 0 {
                on_cpu.push(cpu_ms);
                on_gpu.push(gpu_ms);
            }
        }
        let pixels = u64::from(width) * u64::from(height);
        let point = Point { pixels, cpu_ms: median(on_cpu), gpu_ms: Some(median(on_gpu)) };
        route.measured.push(point);
        if point.cpu_ms.max(point.gpu_ms.unwrap_or(0.0)) > PATIENCE.as_secs_f64() * 1e3 {
            break;
        }
    }
    route.gpu_from_pixels = break_even(&route.measured);
    Ok(route)
}

/// Pictures a second of one source that is wanted in five sizes, on the CPU and on the GPU; nothing without one.
pub(super) fn renditions(cpu: &Processor, gpu: Option<&Processor>, plan: Plan) -> anyhow::Result<Option<(f64, f64)>> {
    let Some(gpu) = gpu.filter(|_| plan.level > CpuLevel::Scalar) else { return Ok(None) };
    let (width, height) = sizes(plan.megapixels.min(16)).pop().unwrap_or((256, 192));
    let source = photo(width, height)?;
    let widths: Vec<u32> = (0..RENDITIONS).map(|index| (width * (8 - index) / 10).max(1)).collect();
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..=plan.rounds.max(1) {
        for (rates, (processor, way)) in rates.iter_mut().zip([(cpu, CPU), (gpu, GPU)]) {
            let time = each(processor, &source, &widths, RENDITIONS, way)?;
            if round > 0 {
                rates.push(1.0 / time.as_secs_f64());
            }
        }
    }
    Ok(Some(rates.map(median).into()))
}

/// What each stage takes of one photo by the device's own clock, milliseconds; nothing where it tells no time.
pub(super) fn stages(gpu: Option<&Processor>, plan: Plan) -> anyhow::Result<Vec<(String, f64)>> {
    let Some(gpu) = gpu.filter(|_| plan.level > CpuLevel::Scalar) else { return Ok(Vec::new()) };
    let (width, height) = sizes(plan.megapixels.min(16)).pop().unwrap_or((256, 192));
    let batch = convert(gpu, &photo(width, height)?, width / 2, 1, GPU)?;
    let stages = batch["ms"].as_object().into_iter().flatten();
    Ok(stages.filter_map(|(stage, ms)| Some((stage.clone(), ms.as_f64()?))).collect())
}
