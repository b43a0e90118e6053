//! A picture in bands is the picture.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::pixels::gpu::batch::{Deliver, bands};
use crate::pixels::gpu::{Done, Plan};
use crate::pixels::image::Image;

/// A device that binds less, and fails on purpose.
struct Small {
    device: WgpuBackend,
    limit: u64,
    /// So many batches go well; then that happens.
    fails: Option<(usize, Injected)>,
    made: AtomicUsize,
    cancels: Option<Cancel>,
}

impl Small {
    fn new(limit: u64) -> Self {
        Self { device: lavapipe(), limit, fails: None, made: AtomicUsize::new(0), cancels: None }
    }
}

impl Backend for Small {
    fn name(&self) -> &str {
        self.device.name()
    }
    fn is_lost(&self) -> bool {
        self.device.is_lost()
    }
    fn limit(&self) -> u64 {
        self.limit
    }
    fn run(&self, plan: &Plan, image: &Image, cancel: &Cancel) -> Result<Done, Fault> {
        self.device.run(plan, image, cancel)
    }
    fn batch(&self, layout: &Layout, deliver: Deliver<'_>) -> Result<(), Fault> {
        assert!(layout.fits(self.limit), "nothing larger is ever asked for");
        let made = self.made.fetch_add(1, Ordering::SeqCst);
        if let Some((_, fault)) = self.fails.filter(|(after, _)| *after == made) {
            self.device.inject(fault);
        }
        if let Some(cancel) = &self.cancels {
            cancel.cancel();
        }
        self.device.batch(layout, deliver)
    }
    fn inject(&self, fault: Injected) {
        self.device.inject(fault);
    }
}

/// The largest buffer that all of it would take.
fn largest(case: &Case) -> u64 {
    let layout = Layout::new(&[Arc::clone(&case.rendition)]).expect("it is laid out");
    layout.buffers().into_iter().max().expect("there are buffers")
}

fn in_bands(device: &mut Small, case: &Case, part: u64) -> Batched {
    device.limit = largest(case) / part;
    let made = bands::run(device, &case.rendition, &Cancel::new());
    let (planes, batched) = made.unwrap_or_else(|fault| panic!("{}: {fault}", case.name));
    assert!(batched.bands as u64 >= part, "{}: in {} bands", case.name, batched.bands);
    assert!(written(case, &planes) == by_cpu(case), "{}: another file in {} bands", case.name, batched.bands);
    batched
}

#[test]
fn every_sampling_and_turn_in_bands_is_byte_for_byte_what_the_cpu_makes() {
    let mut device = Small::new(0);
    let mut sizes = [(400, 141), (411, 150), (297, 333), (901, 301)].into_iter().cycle();
    for (name, subsamp) in SAMPLINGS {
        // Wide enough that columns, of which whole runs are taken, make bands as well.
        let file = photo(901, 301, subsamp, 85, 30);
        for turn in TURNS {
            let size = sizes.next().expect("a cycle");
            in_bands(&mut device, &case(name, &file, Scale::Full, size, turn, 84), 2);
        }
        for turn in [None, Some(Turn::Rotate90), Some(Turn::Rotate180)] {
            in_bands(&mut device, &case(name, &file, Scale::Half, (201, 73), turn, 84), 2);
        }
    }
}

#[test]
fn many_bands_are_as_good_as_two() {
    let mut device = Small::new(0);
    let file = photo(650, 900, Subsamp::Sub2x2, 85, 20);
    for (part, turn) in [(3, Some(Turn::Rotate270)), (8, None), (8, Some(Turn::FlipVertical))] {
        let batched = in_bands(&mut device, &case("4:2:0", &file, Scale::Full, (333, 451), turn, 70), part);
        assert_eq!((batched.renditions, batched.sources), (1, 1));
        assert!(batched.stages_us.iter().any(|(_, micros)| *micros > 0.0), "{batched:?}");
    }
    let idle = device.device.idle_bytes();
    assert!(!idle.is_empty(), "buffers are used again");
    assert_eq!(idle.iter().position(|byte| *byte != 0), None, "what bands leave in idle buffers is zeros alone");
}

/// A processor of that device.
fn of_device(device: Small) -> Processor {
    let device: Arc<dyn Backend> = Arc::new(device);
    let gpu = Gpu::with_opener(Box::new(move || Ok(Arc::clone(&device))));
    gpu.open().expect("it is open");
    Processor::with_gpu(CpuLevel::detect(), gpu)
}

#[test]
fn a_task_beyond_the_limit_is_made_in_bands_and_one_beyond_any_band_by_the_cpu() {
    let case = case("4:2:0", &photo(203, 420, Subsamp::Sub2x2, 85, 20), Scale::Full, (150, 301), None, 70);
    let made = attempt(&of_device(Small::new(largest(&case) / 3)), &case);
    let (file, batched) = made.expect("the GPU made it");
    assert!(batched.bands > 1 && file == by_cpu(&case), "in {} bands", batched.bands);
    let fallbacks = attempt(&of_device(Small::new(1000)), &case).expect_err("nothing fits");
    assert!(fallbacks[0].contains("binds at most 1000"), "{fallbacks:?}");
}

#[test]
fn a_fault_in_the_middle_leaves_all_of_it_to_the_cpu() {
    let case = case("4:2:0", &photo(203, 420, Subsamp::Sub2x2, 85, 20), Scale::Full, (150, 301), None, 70);
    let limit = largest(&case) / 4;
    for (fault, cause) in
        [(Injected::DestroyDevice, "lost"), (Injected::SkipDispatch, "receipt"), (Injected::FailReadback, "read back")]
    {
        let device = Small { fails: Some((2, fault)), ..Small::new(limit) };
        let fallbacks = attempt(&of_device(device), &case).expect_err("no half of a picture");
        assert!(fallbacks.len() == 1 && fallbacks[0].contains(cause), "{fault:?}: {fallbacks:?}");
    }
}

#[test]
fn a_cancelled_task_makes_no_further_band() {
    let case = case("4:2:0", &photo(203, 420, Subsamp::Sub2x2, 85, 20), Scale::Full, (150, 301), None, 70);
    let cancel = Cancel::new();
    let device = Small { cancels: Some(cancel.clone()), ..Small::new(largest(&case) / 4) };
    let fault = bands::run(&device, &case.rendition, &cancel).expect_err("it is not wanted");
    assert!(matches!(fault, Fault::Stop(Failure::Cancelled)), "{fault:?}");
    assert_eq!(device.made.load(Ordering::SeqCst), 1);
}
