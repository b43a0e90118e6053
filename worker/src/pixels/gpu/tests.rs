//! Faults of the GPU: whatever happens, the caller gets the right image.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::device::WgpuBackend;
use super::*;
use crate::pixels::twins::{compare, picture};
use crate::pixels::{Channels, CpuLevel, Depth, Filter, Orientation, Processor, Ran, Recording, Shape, Step};

const SHAPE: Shape = Shape { width: 64, height: 48, channels: Channels::Rgba, depth: Depth::U8 };

fn recording() -> Recording {
    let turn = Step::Orient { orientation: Orientation::Rotate270 };
    Recording { steps: vec![turn, Step::Resize { width: 31, height: 50, filter: Filter::Lanczos3 }], ..Recording::default() }
}

fn on_cpu(image: &Image) -> Image {
    let cpu = Processor::new(CpuLevel::Scalar, GpuPolicy::Off).expect("the CPU is always there");
    cpu.run(&recording(), image.clone(), &Cancel::new()).expect("the steps fit").0
}

fn software() -> Processor {
    Processor::new(CpuLevel::Scalar, GpuPolicy::Software)
        .unwrap_or_else(|failure| panic!("these tests need a software Vulkan adapter: {failure}"))
}

/// Runs the recording on a picture of `seed` and checks the pixels against the CPU's.
fn run_checked(processor: &Processor, seed: u32) -> Ran {
    let image = picture(SHAPE, seed);
    let expected = on_cpu(&image);
    let (found, ran) = processor.run(&recording(), image, &Cancel::new()).expect("no fault of the GPU is an error");
    compare(&expected, &found, 1).unwrap_or_else(|difference| panic!("a wrong image from {ran:?}: {difference:?}"));
    ran
}

#[track_caller]
fn assert_fell_back(ran: &Ran, cause: &str) {
    assert_eq!(ran.device, "cpu:scalar", "the CPU finished it");
    assert!(
        ran.fallbacks.len() == 1 && ran.fallbacks[0].contains(cause),
        "one attempt before, told with its cause {cause:?}: {ran:?}"
    );
}

#[track_caller]
fn assert_on_gpu(ran: &Ran) {
    assert!(ran.device.starts_with("gpu:") && ran.fallbacks.is_empty(), "the GPU did it at the first try: {ran:?}");
}

#[test]
fn devices_destroyed_at_random_under_load_cost_no_result() {
    // Two losses a round: a third would open the breaker, and then there is nothing more to destroy.
    let mut fallbacks = 0;
    for round in 0..3 {
        let processor = software();
        let finished = AtomicUsize::new(0);
        let found = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (processor, finished, found) = (&processor, &finished, &found);
                scope.spawn(move || {
                    for index in 0..8 {
                        let ran = run_checked(processor, round * 100 + thread * 10 + index);
                        // While the other threads are somewhere in their runs: after the 5th and the 20th result.
                        if matches!(finished.fetch_add(1, Ordering::SeqCst), 4 | 19) {
                            processor.settle();
                            processor.inject(Injected::DestroyDevice);
                        }
                        found.lock().expect("no thread panicked").push(ran);
                    }
                });
            }
        });
        let found = found.into_inner().expect("no thread panicked");
        assert_eq!(found.len(), 32, "every run gave a result");
        fallbacks += found.iter().filter(|ran| !ran.fallbacks.is_empty()).count();
        processor.settle();
        // At most one: the loss may not have been noticed by then.
        let _ = run_checked(&processor, 1000);
        processor.settle();
        assert_on_gpu(&run_checked(&processor, 1001));
    }
    assert!(fallbacks > 0, "at least one destroyed device was in use");
}

#[test]
fn a_destroyed_device_is_noticed_and_opened_anew() {
    let processor = software();
    assert_on_gpu(&run_checked(&processor, 1));
    processor.inject(Injected::DestroyDevice);
    assert_fell_back(&run_checked(&processor, 2), "lost");
    processor.settle();
    assert_on_gpu(&run_checked(&processor, 3));
}

#[test]
fn work_that_was_accepted_but_never_done_is_noticed_by_its_receipts() {
    let processor = software();
    // So that the buffers are used a second time.
    assert_on_gpu(&run_checked(&processor, 1));
    processor.inject(Injected::SkipDispatch);
    assert_fell_back(&run_checked(&processor, 2), "receipt");
    processor.settle();
    assert_on_gpu(&run_checked(&processor, 3));
}

#[test]
fn a_result_that_cannot_be_read_back_is_made_by_the_cpu() {
    let processor = software();
    processor.inject(Injected::FailReadback);
    assert_fell_back(&run_checked(&processor, 1), "read back");
    processor.settle();
    assert_on_gpu(&run_checked(&processor, 2));
}

/// Set in the child process of the test below.
const LIMITED: &str = "CONVERTFLY_TEST_LIMITED_MEMORY";

#[test]
fn out_of_memory_is_borne_and_the_device_stays() {
    // lavapipe gives any amount of memory that it need not touch, so the refusal has to come from a limit on the address space.
    // That holds for a whole process: this test runs itself again in one of its own.
    if std::env::var_os(LIMITED).is_none() {
        let program = std::env::current_exe().expect("the test program has a path");
        let name = "pixels::gpu::tests::out_of_memory_is_borne_and_the_device_stays";
        let child = std::process::Command::new(program).args(["--exact", name, "--nocapture"]).env(LIMITED, "1").output();
        let child = child.expect("the test program starts");
        let output = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{output}{}", String::from_utf8_lossy(&child.stderr));
        assert!(output.contains("1 passed"), "the child ran this very test: {output}");
        return;
    }
    let processor = software();
    assert_on_gpu(&run_checked(&processor, 1));
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells the size of a process");
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("with this line");
    let kilobytes: u64 = size.trim().trim_end_matches(" kB").parse().expect("which is a number");
    let limit = Some((kilobytes << 10) + (6 << 30));
    let limits = rustix::process::Rlimit { current: limit, maximum: limit };
    rustix::process::setrlimit(rustix::process::Resource::As, limits).expect("a limit can be lowered");
    processor.inject(Injected::OutOfMemory);
    assert_fell_back(&run_checked(&processor, 2), "out of memory");
    // Without `settle`: nothing has to be opened.
    assert_on_gpu(&run_checked(&processor, 3));
}

/// A device that binds little, and how often it ran.
struct Narrow {
    device: WgpuBackend,
    runs: Arc<AtomicUsize>,
}

impl Backend for Narrow {
    fn name(&self) -> &str {
        self.device.name()
    }

    fn is_lost(&self) -> bool {
        self.device.is_lost()
    }

    fn limit(&self) -> u64 {
        self.device.limit()
    }

    fn run(&self, plan: &Plan, image: &Image, cancel: &Cancel) -> Result<Done, Fault> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        self.device.run(plan, image, cancel)
    }

    fn batch(&self, layout: &batch::Layout, deliver: batch::Deliver<'_>) -> Result<(), Fault> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        self.device.batch(layout, deliver)
    }

    fn inject(&self, fault: Injected) {
        self.device.inject(fault);
    }
}

/// A processor whose device binds that many bytes at most, and how often that ran.
fn narrow(limit: u64) -> (Processor, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = runs.clone();
    let gpu = Gpu::with_opener(Box::new(move || {
        let device = WgpuBackend::open(GpuPolicy::Software)?.limited(limit);
        Ok(Arc::new(Narrow { device, runs: counter.clone() }) as Arc<dyn Backend>)
    }));
    gpu.open().expect("these tests need lavapipe");
    (Processor::with_gpu(CpuLevel::Scalar, gpu), runs)
}

#[test]
fn rows_beyond_the_binding_limit_go_to_the_cpu_and_the_device_stays() {
    let (processor, _) = narrow(1 << 20);
    let shape = Shape { width: 2_000_000, height: 1, channels: Channels::Grey, depth: Depth::U8 };
    let pad = Step::Pad { x: 0, y: 0, width: shape.width, height: 2, color: [0; 4] };
    let recording = Recording { steps: vec![pad], ..Recording::default() };
    let (made, ran) = processor.run(&recording, picture(shape, 1), &Cancel::new()).expect("the CPU does it");
    assert_eq!(made.shape(), Shape { height: 2, ..shape });
    assert_fell_back(&ran, "is larger than");
    // Without `settle`: nothing has to be opened.
    assert_on_gpu(&run_checked(&processor, 2));
}

#[test]
fn images_beyond_the_binding_limit_are_made_in_bands_by_every_kernel() {
    let scalar = Processor::new(CpuLevel::Scalar, GpuPolicy::Off).expect("the CPU is always there");
    let mut kernels = std::collections::BTreeSet::new();
    for (seed, (channels, depth)) in [(Channels::Rgba, Depth::U8), (Channels::Rgb, Depth::U16)].into_iter().enumerate() {
        // Rows of an odd number of words, and of words that two rows share.
        let shape = Shape { width: 13, height: 160, channels, depth };
        let image = picture(shape, seed as u32 + 1);
        let mut devices = std::collections::BTreeMap::new();
        for step in crate::pixels::twins::steps(shape.width, shape.height) {
            let kernel = crate::kernels::of(&step);
            let made = kernel.output(&step, shape).expect("the step fits");
            // Where a few rows depend on half of the image, a third of it is not enough.
            if kernel.is_identity(&step, shape) || made.height < 20 || kernel.reach(&step).is_some_and(|reach| reach > 20) {
                continue;
            }
            let recording = Recording { steps: vec![step], layers: crate::pixels::twins::layers() };
            let plan = Plan::new(&recording, shape).expect("the step fits").expect("there is work");
            let limit = plan.buffers().into_iter().max().expect("two buffers") / 3;
            let (processor, runs) = devices.entry(limit).or_insert_with(|| narrow(limit));
            let before = runs.load(Ordering::SeqCst);
            let (found, ran) = processor.run(&recording, image.clone(), &Cancel::new()).expect("no fault of the GPU is an error");
            assert_on_gpu(&ran);
            let bands = runs.load(Ordering::SeqCst) - before;
            assert!(bands >= 2, "{step:?}: three times the limit in {bands} bands");
            let (expected, _) = scalar.run(&recording, image.clone(), &Cancel::new()).expect("the step fits");
            compare(&expected, &found, kernel.tolerance(shape).gpu)
                .unwrap_or_else(|difference| panic!("{step:?} in {bands} bands on {shape:?}: {difference:?}"));
            kernels.insert(kernel.name());
        }
    }
    assert_eq!(kernels.len(), crate::kernels::KERNELS.len(), "all ran: {kernels:?}");
}

#[test]
fn a_recording_is_in_bands_until_the_rest_of_it_fits() {
    let shape = Shape { width: 120, height: 200, channels: Channels::Rgba, depth: Depth::U8 };
    let steps = vec![
        Step::Crop { x: 3, y: 5, width: 110, height: 190 },
        Step::Resize { width: 31, height: 50, filter: Filter::Lanczos3 },
        Step::Blur { sigma: 1.0 },
        Step::Orient { orientation: Orientation::Rotate90 },
        Step::Pad { x: 2, y: 1, width: 60, height: 40, color: [9, 8, 7, 255] },
    ];
    let recording = Recording { steps, ..Recording::default() };
    let image = picture(shape, 4);
    let cpu = Processor::new(CpuLevel::Scalar, GpuPolicy::Off).expect("the CPU is always there");
    let (expected, _) = cpu.run(&recording, image.clone(), &Cancel::new()).expect("the steps fit");
    let (processor, runs) = narrow(30_000);
    let (found, ran) = processor.run(&recording, image.clone(), &Cancel::new()).expect("the steps fit");
    assert_on_gpu(&ran);
    compare(&expected, &found, 2).unwrap_or_else(|difference| panic!("{difference:?}"));
    // 96,000 bytes of image; what is left after the resize takes 24,800 as f32.
    let counted = runs.load(Ordering::SeqCst);
    assert!((8..40).contains(&counted), "crop and resize in bands, the three others at once: {counted} runs");
    let (tiny, _) = narrow(400);
    assert_fell_back(&tiny.run(&recording, image, &Cancel::new()).expect("the CPU does it").1, "larger than");
    let cancel = Cancel::new();
    cancel.cancel();
    let stopped = processor.run(&recording, picture(shape, 4), &cancel).map(|_| ());
    assert_eq!(stopped, Err(Failure::Cancelled), "bands are cancelled like everything else");
}

#[test]
fn nothing_of_an_image_is_left_in_idle_buffers_or_in_later_results() {
    let backend = WgpuBackend::open(GpuPolicy::Software).unwrap_or_else(|error| panic!("these tests need lavapipe: {error:?}"));
    let secret: Vec<u8> = (0..64).map(|index| 0x80 | (index * 37 % 128) as u8).collect();
    let full = Shape { width: 64, height: 64, ..SHAPE };
    let data = secret.iter().copied().cycle().take(full.bytes().expect("small")).collect();
    let image = Image::new(64, 64, SHAPE.channels, SHAPE.depth, data).expect("the length fits");
    let flip = Recording { steps: vec![Step::Orient { orientation: Orientation::FlipVertical }], ..Recording::default() };
    let run = |recording: &Recording, image: &Image| {
        let plan = Plan::new(recording, image.shape()).expect("the steps fit").expect("there is work");
        backend.run(&plan, image, &Cancel::new()).expect("lavapipe runs it").image
    };
    let contains = |image: &Image| image.data().windows(64).any(|window| window == secret);
    assert!(contains(&run(&flip, &image)), "the secret is in its owner's result");
    let idle = backend.idle_bytes();
    assert!(idle.len() >= 4 * full.bytes().expect("small") / 2, "the buffers of the run are in the pool: {} bytes", idle.len());
    assert_eq!(idle.iter().position(|byte| *byte != 0), None, "idle buffers hold zeros alone");

    run(&flip, &image);
    for size in (1..64).step_by(3) {
        let shape = Shape { width: size, height: 63 - size / 2, channels: Channels::Rgb, depth: Depth::U8 };
        let other = picture(shape, size);
        let found = run(&flip, &other);
        assert!(!contains(&found), "another customer's pixels in a result of {shape:?}");
        let mut rows: Vec<_> = other.data().chunks_exact(other.stride()).collect();
        rows.reverse();
        assert_eq!(found.data(), rows.concat(), "the result is the flipped image and nothing else");
    }
}

#[test]
fn cancelled_work_on_the_gpu_is_cancelled() {
    let cancel = Cancel::new();
    cancel.cancel();
    let backend = Arc::new(Fake::new(|| Fault::Stop(Failure::Cancelled)));
    let (processor, _) = faked(vec![Ok(backend)]);
    let result = processor.run(&recording(), picture(SHAPE, 1), &cancel);
    assert_eq!(result.map(|_| ()), Err(Failure::Cancelled), "cancelling is no fault of the GPU and nothing to fall back from");
}

/// A device that always fails in one way.
struct Fake {
    fault: fn() -> Fault,
    runs: AtomicU32,
}

impl Fake {
    fn new(fault: fn() -> Fault) -> Self {
        Self { fault, runs: AtomicU32::new(0) }
    }
}

impl Backend for Fake {
    fn name(&self) -> &str {
        "fake"
    }

    fn is_lost(&self) -> bool {
        false
    }

    fn limit(&self) -> u64 {
        u64::MAX
    }

    fn run(&self, _plan: &Plan, _image: &Image, _cancel: &Cancel) -> Result<Done, Fault> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        Err((self.fault)())
    }

    fn batch(&self, _layout: &batch::Layout, _deliver: batch::Deliver<'_>) -> Result<(), Fault> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        Err((self.fault)())
    }

    fn inject(&self, _fault: Injected) {}
}

/// A processor whose openings give these devices, in turn, and then none any more; and how many were asked for.
fn faked(devices: Vec<Result<Arc<Fake>, &'static str>>) -> (Processor, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let devices = Mutex::new(devices.into_iter());
    let gpu = Gpu::with_opener(Box::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        match devices.lock().expect("no opening panicked").next() {
            Some(Ok(device)) => Ok(device),
            Some(Err(cause)) => Err(OpenError::Failed(cause.to_owned())),
            None => Err(OpenError::Absent("no more devices".to_owned())),
        }
    }));
    let _ = gpu.open();
    (Processor::with_gpu(CpuLevel::Scalar, gpu), asked)
}

#[test]
fn a_device_that_hangs_is_given_up_and_never_asked_again() {
    let hanging = Arc::new(Fake::new(|| Fault::Hang("no answer within 20 s".to_owned())));
    let (processor, asked) = faked(vec![Ok(hanging.clone())]);
    assert!(!processor.is_hung(), "nothing hangs yet");
    assert_fell_back(&run_checked(&processor, 1), "hangs");
    assert!(processor.is_hung(), "whoever keeps the process is told to replace it");
    processor.settle();
    assert_fell_back(&run_checked(&processor, 2), "no more devices");
    assert_eq!(hanging.runs.load(Ordering::SeqCst), 1, "the hanging device was used once");
    assert_eq!(asked.load(Ordering::SeqCst), 2, "another device was asked for once");
    drop(processor);
    assert!(Arc::strong_count(&hanging) > 1, "a hanging device is never dropped: that would wait for it");
}

#[test]
fn a_device_lost_three_times_rests() {
    let device = || Ok(Arc::new(Fake::new(|| Fault::Lost("pulled out".to_owned()))));
    let (processor, asked) = faked(vec![device(), device(), device(), device()]);
    for seed in 0..3 {
        assert_fell_back(&run_checked(&processor, seed), "pulled out");
        processor.settle();
    }
    assert_fell_back(&run_checked(&processor, 4), "rests");
    processor.settle();
    assert_eq!(asked.load(Ordering::SeqCst), 3, "no fourth device within the minute");
}

#[test]
fn a_device_that_cannot_be_opened_is_asked_for_three_times_and_then_rests() {
    let (processor, asked) = faked(vec![Err("driver mismatch"); 5]);
    for seed in 0..4 {
        assert_fell_back(&run_checked(&processor, seed), "driver mismatch");
        processor.settle();
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3, "three openings, then the breaker is open");
}

#[test]
fn a_machine_without_an_adapter_says_so_and_asks_once() {
    let (processor, asked) = faked(Vec::new());
    for seed in 0..3 {
        assert_fell_back(&run_checked(&processor, seed), "no more devices");
        processor.settle();
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "what is not there is not looked for again");
}
