//! What a GPU makes of coefficients is what the CPU makes of them, byte for byte; and nothing of one task gets into another.

mod bands;
mod through;

use std::sync::Arc;
use std::time::Duration;

use ::turbojpeg::{Compressor, PixelFormat, Subsamp};
use convertfly_jpeg::{
    Coding, Limits, Packed, PackedPlane, Planes, Range, Samples, Scale, Source, Turn, WriteOptions, encode, encode_packed,
    quality_steps,
};

use super::{Layout, Most};
use crate::cores::Cores;
use crate::failure::Failure;
use crate::formats::Cancel;
use crate::pixels::coefficients::{Batched, Outcome, Rendition, SAMPLING};
use crate::pixels::gpu::device::WgpuBackend;
use crate::pixels::gpu::{Backend, Fault, Gpu, Injected};
use crate::pixels::{CpuLevel, GpuPolicy, Processor};

/// What is made, and of which file.
struct Case {
    name: String,
    file: Vec<u8>,
    rendition: Arc<Rendition>,
}

fn photo(width: usize, height: usize, subsamp: Subsamp, quality: i32, noise: u8) -> Vec<u8> {
    let mut state = 0x2545_f491u32 ^ (width * 31 + height) as u32;
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let smooth =
                    ((x * (channel + 1)) as f64 / 9.0).sin() * 60.0 + (y as f64 / (7.0 + channel as f64)).cos() * 50.0 + 128.0;
                pixels.push((smooth + f64::from((state >> 24) as u8 % noise.max(1))).clamp(0.0, 255.0) as u8);
            }
        }
    }
    let mut compressor = Compressor::new().expect("a compressor");
    compressor.set_quality(quality).expect("a quality");
    compressor.set_subsamp(subsamp).expect("a sampling");
    let image = ::turbojpeg::Image { pixels: &pixels[..], width, pitch: width * 3, height, format: PixelFormat::RGB };
    compressor.compress_to_vec(image).expect("it is written")
}

fn case(name: &str, file: &[u8], scale: Scale, size: (u32, u32), turn: Option<Turn>, quality: u8) -> Case {
    let source = Arc::new(Packed::read(file, &Limits::default()).expect("it is read"));
    assert!(source.sound, "{name}");
    let steps = [0, 1].map(|kind| quality_steps(kind, quality));
    let name = format!("{name} at {scale:?} to {size:?}, {turn:?}, quality {quality}");
    Case { name, file: file.to_vec(), rendition: Arc::new(Rendition { source, scale, size, turn, steps, through: None }) }
}

/// Width and height of the file.
fn turned(rendition: &Rendition) -> (u32, u32) {
    rendition.turned_size()
}

fn options() -> WriteOptions<'static> {
    WriteOptions { coding: Coding::Optimized, ..WriteOptions::default() }
}

/// The file by the CPU's planes.
fn by_cpu(case: &Case) -> Vec<u8> {
    let Rendition { scale, size, turn, steps, .. } = &*case.rendition;
    let planes = Planes::resized(&case.file, *scale, *size, *turn, SAMPLING, Range::Full, &Limits::default());
    let planes = planes.expect("it is read").expect("it is sound").planes;
    let samples = match &planes[..] {
        [grey] => Samples::Grey(&grey.data),
        [y, cb, cr] => Samples::YCbCr([&y.data, &cb.data, &cr.data], SAMPLING),
        _ => panic!("{}", case.name),
    };
    let (width, height) = turned(&case.rendition);
    encode(&Source { width, height, samples }, steps, &options()).expect("written")
}

fn written(case: &Case, planes: &[PackedPlane]) -> Vec<u8> {
    encode_packed(turned(&case.rendition), planes, SAMPLING, &case.rendition.steps, &options()).expect("written")
}

fn lavapipe() -> WgpuBackend {
    WgpuBackend::open(GpuPolicy::Software).unwrap_or_else(|error| panic!("these tests need lavapipe: {error:?}"))
}

fn run(backend: &dyn Backend, cases: &[Case]) -> (Vec<Vec<PackedPlane>>, Batched) {
    let renditions: Vec<_> = cases.iter().map(|case| Arc::clone(&case.rendition)).collect();
    let layout = Layout::new(&renditions).expect("it is laid out");
    let mut made = None;
    backend.batch(&layout, &mut |outcomes, batched| made = Some((outcomes, batched))).expect("lavapipe runs it");
    let (outcomes, batched) = made.expect("it was handed out");
    (outcomes.into_iter().map(planes_of).collect(), batched)
}

fn planes_of(outcome: Outcome) -> Vec<PackedPlane> {
    match outcome {
        Outcome::Coefficients(planes) => planes,
        Outcome::Pixels(_) => panic!("coefficients were wanted"),
    }
}

fn check(backend: &dyn Backend, cases: &[Case]) -> Batched {
    let (made, batched) = run(backend, cases);
    assert_eq!((made.len(), batched.renditions), (cases.len(), cases.len()));
    for (case, planes) in cases.iter().zip(&made) {
        assert!(written(case, planes) == by_cpu(case), "{}: another file than the CPU's", case.name);
    }
    batched
}

const TURNS: [Option<Turn>; 8] = [
    None,
    Some(Turn::FlipHorizontal),
    Some(Turn::Rotate180),
    Some(Turn::FlipVertical),
    Some(Turn::Transpose),
    Some(Turn::Rotate90),
    Some(Turn::Transverse),
    Some(Turn::Rotate270),
];

const SAMPLINGS: [(&str, Subsamp); 5] = [
    ("4:4:4", Subsamp::None),
    ("4:2:2", Subsamp::Sub2x1),
    ("4:2:0", Subsamp::Sub2x2),
    ("4:4:0", Subsamp::Sub1x2),
    ("grey", Subsamp::Gray),
];

#[test]
fn every_sampling_size_and_turn_is_byte_for_byte_what_the_cpu_makes() {
    let backend = lavapipe();
    // Turns and qualities go round while sizes and samplings change; a batch has sizes of every kind.
    let mut turns = TURNS.into_iter().cycle();
    let mut qualities = [80, 35, 95, 3, 100].into_iter().cycle();
    let sizes = [(1, 1), (8, 8), (17, 9), (130, 67), (203, 150)];
    for (name, subsamp) in SAMPLINGS {
        let mut cases = Vec::new();
        for (width, height) in sizes {
            let file = photo(width, height, subsamp, 90, 30);
            let (width, height) = (width as u32, height as u32);
            let half = (width.div_ceil(2), height.div_ceil(2));
            for size in [half, (width * 3 / 4 + 1, height / 3 + 1), (width + 9, height + 30), (width, height)] {
                let (turn, quality) = (turns.next().expect("a cycle"), qualities.next().expect("a cycle"));
                cases.push(case(&format!("{name} {width} x {height}"), &file, Scale::Full, size, turn, quality));
            }
        }
        let batched = check(&backend, &cases);
        assert_eq!(batched.sources, cases.len(), "each was read anew");
    }
}

#[test]
fn every_turn_and_scale_is_byte_for_byte_what_the_cpu_makes() {
    let backend = lavapipe();
    let file = photo(203, 117, Subsamp::Sub2x2, 85, 40);
    let mut cases: Vec<Case> = TURNS.into_iter().map(|turn| case("4:2:0", &file, Scale::Full, (75, 51), turn, 88)).collect();
    for (name, subsamp) in SAMPLINGS {
        let file = photo(301, 222, subsamp, 92, 60);
        for (scale, size) in [(Scale::Half, (70, 51)), (Scale::Quarter, (25, 18)), (Scale::Eighth, (9, 7))] {
            cases.push(case(name, &file, scale, size, Some(Turn::Rotate90), 75));
        }
    }
    check(&backend, &cases);
}

#[test]
fn every_component_is_divided_by_its_own_steps() {
    let backend = lavapipe();
    let read = Packed::read(&photo(90, 70, Subsamp::Sub2x2, 85, 40), &Limits::default()).expect("it is read");
    let made: Vec<_> = (0..3)
        .map(|other| {
            let mut source = read.clone();
            let c = &mut source.frame.components[other];
            c.quant = c.quant.map(|quant| quant.map(|step| step + 1 + other as u16));
            let wanted = Planes::resized_of(&source.coefficients(), Scale::Full, (61, 47), None, SAMPLING, Range::Full)
                .expect("it is sound");
            let steps = [quality_steps(0, 90), quality_steps(1, 60)];
            let rendition = Arc::new(Rendition {
                source: Arc::new(source),
                scale: Scale::Full,
                size: (61, 47),
                turn: None,
                steps,
                through: None,
            });
            let samples = Samples::YCbCr([0, 1, 2].map(|index| &wanted.planes[index].data[..]), SAMPLING);
            let wanted = encode(&Source { width: 61, height: 47, samples }, &steps, &options()).expect("written");
            let case = Case { name: format!("component {other}"), file: Vec::new(), rendition };
            let found = written(&case, &run(&backend, std::slice::from_ref(&case)).0[0]);
            assert!(found == wanted, "other steps of component {other}");
            found
        })
        .collect();
    assert!(made[0] != made[1] && made[1] != made[2], "each tells");
}

#[test]
fn five_renditions_of_a_source_go_up_once() {
    let backend = lavapipe();
    let file = photo(320, 240, Subsamp::Sub2x2, 85, 25);
    let first = case("4:2:0", &file, Scale::Full, (200, 150), None, 82);
    let mut cases = vec![first];
    for size in [(160, 120), (120, 90), (80, 60), (40, 30)] {
        let other = Rendition { size, ..Rendition::clone(&cases[0].rendition) };
        cases.push(Case { name: format!("{size:?}"), file: file.clone(), rendition: Arc::new(other) });
    }
    let alone = check(&backend, &cases[..1]);
    let all = check(&backend, &cases);
    assert_eq!((alone.sources, all.sources), (1, 1));
    // Of so small ones the weights are as much as the picture.
    assert!(all.bytes_up < 3 * alone.bytes_up, "{} and {} bytes go up", alone.bytes_up, all.bytes_up);
    assert_eq!(all.stages_us.len(), 7, "lavapipe tells what each stage took: {all:?}");
    assert!(all.stages_us.iter().any(|(_, micros)| *micros > 0.0), "{all:?}");
}

#[test]
fn a_batch_of_more_planes_and_of_planes_of_more_runs_than_a_workgroup_has_lanes() {
    let backend = lavapipe();
    let file = photo(40, 30, Subsamp::Sub2x2, 85, 25);
    let first = case("one of many", &file, Scale::Full, (20, 15), None, 82);
    let others = (0..99u32).map(|index| {
        let rendition = Rendition { size: (9 + index % 32, 8 + index % 21), ..Rendition::clone(&first.rendition) };
        Case { name: format!("number {index}"), file: file.clone(), rendition: Arc::new(rendition) }
    });
    let many: Vec<Case> = others.collect();
    check(&backend, &many);
    let large = case("large", &photo(500, 700, Subsamp::Sub2x2, 85, 25), Scale::Full, (480, 690), None, 82);
    let (made, _) = run(&backend, std::slice::from_ref(&large));
    assert!(many.len() * 3 > 256 && made[0][0].starts().len() > 512, "{} runs", made[0][0].starts().len());
    assert!(written(&large, &made[0]) == by_cpu(&large), "another file than the CPU's");
}

#[test]
fn more_values_than_are_likely_come_back_all_the_same() {
    let backend = lavapipe();
    let file = photo(150, 90, Subsamp::None, 100, 255);
    // Enlarged by half a pixel at steps of 1: nearly every coefficient is there, and many need two bytes.
    let cases = [case("noise", &file, Scale::Full, (151, 91), None, 100)];
    let (made, _) = run(&backend, &cases);
    let plane = &made[0][0];
    assert!(plane.values().len() > plane.starts().len() * 160, "more than is read back at once: {} bytes", plane.values().len());
    assert!(plane.masks().iter().any(|mask| mask & 1 == 1), "some need two bytes");
    check(&backend, &cases);
}

#[test]
fn nothing_of_a_batch_is_left_in_idle_buffers() {
    let backend = lavapipe();
    let cases = [case("4:2:0", &photo(120, 80, Subsamp::Sub2x2, 95, 99), Scale::Full, (90, 60), None, 95)];
    check(&backend, &cases);
    let idle = backend.idle_bytes();
    let up = Layout::new(&[Arc::clone(&cases[0].rendition)]).expect("laid out").buffers().into_iter().sum::<u64>();
    assert!(idle.len() as u64 >= up, "the buffers of the batch are in the pool: {} bytes of {up}", idle.len());
    assert_eq!(idle.iter().position(|byte| *byte != 0), None, "idle buffers hold zeros alone");
    // And what uses them next gets nothing but its own.
    check(&backend, &cases);
    check(&backend, &[case("grey", &photo(115, 83, Subsamp::Gray, 95, 99), Scale::Full, (88, 61), None, 95)]);
}

/// A processor whose batches are of so many, for which the first one waits as long as it takes.
fn processor(renditions: usize) -> Processor {
    let gpu = Gpu::new(GpuPolicy::Software);
    gpu.open().unwrap_or_else(|cause| panic!("these tests need lavapipe: {cause}"));
    gpu.limit_batches(Most { renditions, window: Duration::from_secs(20), ..Most::default() });
    Processor::with_gpu(CpuLevel::detect(), gpu)
}

/// The file that the GPU made and in which batch, or why it made none.
type Attempt = Result<(Vec<u8>, Batched), Vec<String>>;

fn attempt(processor: &Processor, case: &Case) -> Attempt {
    let turn = processor.transforms(1, 1, 1).expect("it goes to the GPU");
    let rendition = Rendition::clone(&case.rendition);
    let (made, ran) = processor.transform(turn, rendition, &Cancel::new()).expect("no fault of the GPU is an error");
    made.map(|made| (written(case, &planes_of(made.outcome)), Batched::clone(&made.batch))).ok_or(ran.fallbacks)
}

/// Every case on a thread of its own, as tasks come.
fn transform(processor: &Processor, cases: &[Case]) -> Vec<Attempt> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = cases.iter().map(|case| scope.spawn(move || attempt(processor, case))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
    })
}

/// Four that differ in everything.
fn four() -> [Case; 4] {
    let of = |width, height, subsamp, size, turn| {
        case("one of four", &photo(width, height, subsamp, 88, 30), Scale::Full, size, turn, 80)
    };
    [
        of(90, 70, Subsamp::Sub2x2, (45, 35), None),
        of(33, 140, Subsamp::None, (30, 99), Some(Turn::Rotate90)),
        of(64, 64, Subsamp::Gray, (100, 10), None),
        of(200, 31, Subsamp::Sub2x1, (77, 15), Some(Turn::FlipHorizontal)),
    ]
}

#[test]
fn tasks_that_come_together_are_one_batch_and_each_gets_its_own() {
    let (processor, cases) = (processor(4), four());
    for (case, made) in cases.iter().zip(transform(&processor, &cases)) {
        let (file, batched) = made.expect("the GPU made it");
        assert_eq!((batched.renditions, batched.sources), (4, 4), "{}", case.name);
        assert!(file == by_cpu(case), "{}: another's picture, or a wrong one", case.name);
    }
}

#[test]
fn tasks_that_wait_for_a_batch_leave_their_core_to_those_that_are_to_join_it() {
    let (processor, cases, cores) = (processor(4), four(), Cores::new(1));
    let all: Vec<Attempt> = std::thread::scope(|scope| {
        let (processor, cores) = (&processor, &cores);
        let one = |case| scope.spawn(move || cores.run(&Cancel::new(), || Ok(attempt(processor, case))));
        let threads: Vec<_> = cases.iter().map(one).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics").expect("not cancelled")).collect()
    });
    for made in all {
        assert_eq!(made.expect("the GPU made it").1.renditions, 4, "none had to go without the others");
    }
}

#[test]
fn a_fault_in_a_batch_is_every_tasks_and_the_device_comes_back() {
    for (fault, cause) in
        [(Injected::DestroyDevice, "lost"), (Injected::SkipDispatch, "receipt"), (Injected::FailReadback, "read back")]
    {
        let (processor, cases) = (processor(4), four());
        processor.inject(fault);
        for made in transform(&processor, &cases) {
            let fallbacks = made.err().unwrap_or_default();
            assert!(fallbacks.len() == 1 && fallbacks[0].contains(cause), "{fault:?}: {fallbacks:?}");
        }
        processor.settle();
        for (case, made) in cases.iter().zip(transform(&processor, &cases)) {
            assert!(made.expect("the GPU is back").0 == by_cpu(case), "{fault:?}: {}", case.name);
        }
    }
}

#[test]
fn a_cancelled_task_leaves_its_batch_to_the_others() {
    let (processor, cases) = (processor(3), four());
    let cancel = Cancel::new();
    std::thread::scope(|scope| {
        let gone = scope.spawn(|| {
            let turn = processor.transforms(1, 1, 1).expect("it goes to the GPU");
            processor.transform(turn, Rendition::clone(&cases[0].rendition), &cancel).map(|_| ())
        });
        // It waits for two others, which come when it has gone.
        std::thread::sleep(Duration::from_millis(20));
        cancel.cancel();
        assert_eq!(gone.join().expect("it does not panic"), Err(Failure::Cancelled));
    });
    for (case, made) in cases[1..].iter().zip(transform(&processor, &cases[1..])) {
        assert!(made.expect("the GPU made it").0 == by_cpu(case), "{}", case.name);
    }
}

#[test]
fn what_is_beyond_the_binding_limit_is_told_and_the_device_stays() {
    let backend = lavapipe().limited(20_000);
    let cases = four();
    let renditions = [Arc::clone(&cases[1].rendition)];
    let layout = Layout::new(&renditions).expect("it is laid out");
    let fault = backend.batch(&layout, &mut |_, _| panic!("nothing is made")).expect_err("too large");
    assert!(matches!(&fault, Fault::Unfit(cause) if cause.contains("binds at most 20000")), "{fault:?}");
    assert!(!backend.is_lost());
}
