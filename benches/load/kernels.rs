//! `bench kernels`: each kernel in each form that this machine can run, in turn, as megapixels a second and against the scalar form.

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use convertfly_worker::formats::Cancel;
use convertfly_worker::pixels::{Channels, CpuLevel, Depth, Filter, GpuPolicy, Image, Orientation, Processor, Recording, Step};
use serde::Serialize;

use crate::gpu::{self, GpuRow};
use crate::pictures;
use crate::thumbnail::median;

mod peers;

/// A kernel with parameters, and the kind of picture that it is given.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What it is called in reports.
    pub name: &'static str,
    /// Of the picture.
    pub channels: Channels,
    /// The work, on the layers of [`pictures::layers`].
    pub step: Step,
}

impl Case {
    /// Pixels that the scalar form may be given: that of a blur sums over every pixel that counts, minutes for a photo.
    pub fn patience(&self) -> u64 {
        match self.step {
            Step::Blur { sigma } | Step::Sharpen { sigma, .. } if sigma > 5.0 => 0,
            Step::Blur { .. } | Step::Sharpen { .. } => 500_000,
            _ => u64::MAX,
        }
    }
}

/// Every kernel; resizes are to 800 x 600.
pub fn cases() -> Vec<Case> {
    let resize = |filter| Step::Resize { width: 800, height: 600, filter };
    let unsharp = Step::Sharpen { sigma: 1.0, amount: 1.0, threshold: 0.0 };
    let matrix = Step::Matrix { curves: 1, matrix: [0.9, 0.1, 0.0, 0.0, 1.0, 0.0, 0.0, 0.1, 0.9], out: 0 };
    let overlay = Step::Overlay { layer: 3, x: 9, y: 7, opacity: 200, every: Some((300, 200)), below: false };
    let pad = Step::Pad { x: 16, y: 16, width: 4032, height: 3032, color: [255; 4] };
    [
        ("blur 2", Channels::Rgb, Step::Blur { sigma: 2.0 }),
        ("blur 20", Channels::Rgb, Step::Blur { sigma: 20.0 }),
        ("blur 20", Channels::Rgba, Step::Blur { sigma: 20.0 }),
        ("sharpen 1", Channels::Rgb, unsharp),
        ("curve to linear", Channels::Rgb, Step::Curve { curve: 0, depth: Depth::U16 }),
        ("matrix", Channels::Rgb, matrix),
        ("lut of 33 points", Channels::Rgb, Step::Lut { curves: 1, table: 2 }),
        ("resize lanczos3", Channels::Rgb, resize(Filter::Lanczos3)),
        ("resize lanczos3", Channels::Rgba, resize(Filter::Lanczos3)),
        ("resize box", Channels::Rgb, resize(Filter::Box)),
        ("orient rotate90", Channels::Rgb, Step::Orient { orientation: Orientation::Rotate90 }),
        ("crop", Channels::Rgb, Step::Crop { x: 10, y: 10, width: 500, height: 300 }),
        ("pad", Channels::Rgb, pad),
        ("overlay", Channels::Rgb, overlay),
        ("flatten", Channels::Rgba, Step::Flatten { color: [255; 3] }),
        ("convert to grey", Channels::Rgb, Step::Convert { channels: Channels::Grey, depth: Depth::U8 }),
        ("convert to rgba", Channels::Rgb, Step::Convert { channels: Channels::Rgba, depth: Depth::U8 }),
    ]
    .map(|(name, channels, step)| Case { name, channels, step })
    .to_vec()
}

/// What is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Widths and heights of the pictures.
    pub sizes: Vec<(u32, u32)>,
    /// Counted rounds.
    pub rounds: usize,
    /// Only kernels whose name contains this.
    pub only: Option<String>,
    /// Which GPU; `Auto` takes a hardware one where there is one.
    pub gpu: GpuPolicy,
}

/// One form of a kernel, or a peer.
#[derive(Clone, Debug, Serialize)]
pub struct Form {
    /// A CPU level, `gpu:` and the adapter, or the peer's name.
    pub name: String,
    /// Median of the wall clock on one thread, milliseconds; a GPU's with the way there and back.
    pub ms: f64,
    /// Pixels of the source or of the result, whichever are more, in millions a second.
    pub megapixels_per_second: f64,
    /// Median over the rounds of the scalar form's time over this one's.
    pub to_scalar: Option<f64>,
}

/// A kernel at a size.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The kernel.
    pub name: &'static str,
    /// Of the picture.
    pub channels: Channels,
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Ours, lowest level first; then peers.
    pub forms: Vec<Form>,
}

/// All rows, and why there is no GPU among the forms.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Kernel by kernel.
    pub rows: Vec<Row>,
    /// Why there is none.
    pub no_gpu: Option<String>,
    /// Photos in batches, beside the same cores.
    pub batches: Vec<GpuRow>,
}

/// A GPU that takes everything, or why there is none.
///
/// # Errors
/// The reason.
pub fn open_gpu(policy: GpuPolicy) -> Result<Processor, String> {
    if policy == GpuPolicy::Auto {
        let adapters = Processor::adapters(policy);
        if !adapters.iter().any(|adapter| adapter.chosen) {
            let found: Vec<String> = adapters.into_iter().map(|adapter| adapter.name).collect();
            let found = if found.is_empty() { "none at all".to_owned() } else { found.join(", ") };
            return Err(format!("no hardware Vulkan adapter (found: {found})"));
        }
    }
    let policy = match policy {
        GpuPolicy::Off => return Err("CONVERTFLY_GPU=off".to_owned()),
        GpuPolicy::Software => GpuPolicy::Software,
        GpuPolicy::Auto | GpuPolicy::Require => GpuPolicy::Require,
    };
    Processor::new(CpuLevel::detect(), policy).map_err(|failure| failure.to_string())
}

/// One run of a step on its own; `Err` where it ran elsewhere than it should have.
pub(crate) fn timed(processor: &Processor, recording: &Recording, image: &Image, device: &str) -> anyhow::Result<Duration> {
    let image = image.clone();
    let start = Instant::now();
    let (made, ran) = processor.run(recording, image, &Cancel::new()).map_err(|failure| anyhow!("{failure}"))?;
    let time = start.elapsed();
    black_box(made);
    if !ran.device.starts_with(device) {
        bail!("it ran on {}: {} {:?}", ran.device, ran.reason, ran.fallbacks);
    }
    Ok(time)
}

/// Runs the kernels; tells each row as it is done.
///
/// # Errors
/// When a kernel fails.
pub fn run(plan: &Plan, mut tell: impl FnMut(&Row)) -> anyhow::Result<Report> {
    let opened = open_gpu(plan.gpu);
    let levels: Vec<CpuLevel> = CpuLevel::ALL.into_iter().filter(|level| level.usable() == *level).collect();
    let mut rows = Vec::new();
    let wanted = |case: &Case| plan.only.as_ref().is_none_or(|only| case.name.contains(only.as_str()));
    for case in cases().into_iter().filter(wanted) {
        for &(width, height) in &plan.sizes {
            let image = pictures::noise(width, height, case.channels);
            let recording = Recording { steps: vec![case.step], layers: pictures::layers() };
            let Ok(made) = recording.output(image.shape()) else { continue };
            let pixels = made.pixels().max(image.shape().pixels());
            let mut sides: Vec<Side<'_>> = Vec::new();
            for level in levels.iter().filter(|level| **level > CpuLevel::Scalar || image.shape().pixels() <= case.patience()) {
                let processor = Processor::new(*level, GpuPolicy::Off).map_err(|failure| anyhow!("{failure}"))?;
                let (image, recording) = (&image, &recording);
                sides.push((level.as_str().to_owned(), Box::new(move || timed(&processor, recording, image, "cpu:"))));
            }
            if let Ok(gpu) = &opened {
                let name = format!("gpu:{}", gpu.gpu_name().unwrap_or_default());
                sides.push((name, Box::new(|| timed(gpu, &recording, &image, "gpu:"))));
            }
            sides.extend(peers::of(&case, &image));
            let forms = forms(sides, plan.rounds, pixels)?;
            let row = Row { name: case.name, channels: case.channels, width, height, forms };
            tell(&row);
            rows.push(row);
        }
    }
    let wanted = |name: &str| plan.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let batches = if gpu::WORKLOADS.iter().any(|workload| wanted(workload.name)) {
        gpu::run(&gpu::Plan { gpu: plan.gpu, photo: None, photos: 96, rounds: plan.rounds.min(3) }, |_| ())?
    } else {
        Vec::new()
    };
    Ok(Report { rows, no_gpu: opened.err(), batches })
}

type Side<'a> = (String, Box<dyn FnMut() -> anyhow::Result<Duration> + 'a>);

/// Each side in turn within every round, after one that warms up.
fn forms(mut sides: Vec<Side<'_>>, rounds: usize, pixels: u64) -> anyhow::Result<Vec<Form>> {
    let mut times = vec![Vec::new(); sides.len()];
    for round in 0..=rounds.max(1) {
        for ((_, side), times) in sides.iter_mut().zip(&mut times) {
            let time = side()?;
            if round > 0 {
                times.push(time.as_secs_f64() * 1e3);
            }
        }
    }
    let scalar = sides.iter().position(|(name, _)| name == CpuLevel::Scalar.as_str());
    let form = |(at, (name, _)): (usize, Side<'_>)| {
        let ms = median(times[at].clone());
        let ratio = |scalar: usize| median(times[scalar].iter().zip(&times[at]).map(|(scalar, own)| scalar / own).collect());
        Form { name, ms, megapixels_per_second: pixels as f64 / ms / 1e3, to_scalar: scalar.map(ratio) }
    };
    Ok(sides.into_iter().enumerate().map(form).collect())
}

/// One row for a terminal.
pub fn table(row: &Row) -> String {
    let megapixels = f64::from(row.width) * f64::from(row.height) / 1e6;
    let mut text = format!("\n{}, {:?}, {megapixels:.1} Mpixel\n", row.name, row.channels);
    for form in &row.forms {
        let ratio = form.to_scalar.map_or_else(String::new, |ratio| format!("{ratio:>8.2} x scalar"));
        let _ = writeln!(text, "  {:<28} {:>9.2} ms {:>9.1} Mpixel/s{ratio}", form.name, form.ms, form.megapixels_per_second);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_is_measured_and_every_form_of_it() {
        let plan = Plan { sizes: vec![(520, 320)], rounds: 1, only: None, gpu: GpuPolicy::Off };
        let report = run(&plan, |_| ()).expect("they run");
        let names: std::collections::BTreeSet<&str> =
            cases().iter().map(|case| convertfly_worker::kernels::of(&case.step).name()).collect();
        let all: std::collections::BTreeSet<&str> =
            convertfly_worker::kernels::KERNELS.iter().map(|kernel| kernel.name()).collect();
        assert_eq!(names, all, "no kernel of the table is left out");
        assert_eq!(report.rows.len(), cases().len(), "a row each");
        assert_eq!(report.no_gpu.as_deref(), Some("CONVERTFLY_GPU=off"), "and a word about the GPU");
        assert!(report.batches.len() == 2 && report.batches.iter().all(|row| row.figures.is_none()), "{:?}", report.batches);
        for row in &report.rows {
            let best = CpuLevel::detect().as_str();
            assert!(row.forms.iter().any(|form| form.name == best && form.ms > 0.0), "{}: at the best level", row.name);
        }
        let resize = report.rows.iter().find(|row| row.name == "resize lanczos3").expect("a row");
        let peer = resize.forms.iter().find(|form| form.name == "fast_image_resize").expect("its peer");
        assert!(peer.to_scalar.is_some_and(|ratio| ratio > 0.0), "against the scalar form: {peer:?}");
        assert!(table(resize).contains("x scalar"), "{}", table(resize));
    }
}
