//! Renditions that become pixels on the way are what decoder, kernels and encoder make one after the other, byte for byte.

use ::convertfly_jpeg::{Picture, Sampling};

use super::*;
use crate::pixels::coefficients::{Growth, Outcome, Through};
use crate::pixels::gpu::Plan;
use crate::pixels::{Channels, Depth, Filter, Image, Layer, Orientation, Recording, Shape, Step, transfer};

fn shape(rendition: &Rendition) -> Shape {
    let channels = if rendition.source.planes.len() > 1 { Channels::Rgb } else { Channels::Grey };
    Shape { width: rendition.size.0, height: rendition.size.1, channels, depth: Depth::U8 }
}

fn through(mut case: Case, recording: &Recording, back: bool) -> Case {
    let mut rendition = Rendition::clone(&case.rendition);
    let through = Through::new(recording, shape(&rendition), back, None).expect("it fits");
    (rendition.turn, rendition.through) = (None, Some(Arc::new(through)));
    case.name = format!("{}, {:?}, back {back}", case.name, recording.steps);
    case.rendition = Arc::new(rendition);
    case
}

/// What the CPU's decoder gives, through the same passes by themselves.
fn wanted(backend: &dyn Backend, case: &Case, recording: &Recording) -> Image {
    let Rendition { scale, size, .. } = *case.rendition;
    let picture = Picture::resized(&case.file, scale, size, &Limits::default()).expect("it is read").expect("it is sound");
    let shape = shape(&case.rendition);
    let image = Image::new(size.0, size.1, shape.channels, Depth::U8, picture.data).expect("an image");
    match Plan::new(recording, shape).expect("it fits") {
        None => image,
        Some(plan) => backend.run(&plan, &image, &Cancel::new()).expect("it runs").image,
    }
}

/// A curve for each colour.
fn three(curve: &Image) -> Layer {
    let values = curve.data().as_chunks::<2>().0.iter().flat_map(|value| [*value; 3]).flatten().collect();
    Arc::new(Image::new(curve.width(), 1, Channels::Rgb, Depth::U16, values).expect("a curve"))
}

/// Recordings of an even and an odd number of passes, with tables and without.
fn recordings(channels: Channels) -> Vec<Recording> {
    let of = |steps: Vec<Step>| Recording { steps, ..Recording::default() };
    let mut all = vec![of(vec![]), of(vec![Step::Blur { sigma: 1.5 }])];
    all.push(of(vec![Step::Orient { orientation: Orientation::Rotate90 }]));
    let mut marked = Recording::new();
    let layered = if channels == Channels::Rgb { Channels::Rgba } else { Channels::GreyAlpha };
    let bytes = (0..layered.count() * 21 * 13).map(|at| (at * 37 % 256) as u8).collect();
    let mark = Image::new(21, 13, layered, Depth::U8, bytes).expect("a mark");
    let layer = marked.layer(Arc::new(mark));
    marked.push(Step::Sharpen { sigma: 1.0, amount: 1.0, threshold: 0.0 });
    marked.push(Step::Overlay { layer, x: 5, y: -3, opacity: 200, every: None, below: false });
    all.push(marked);
    if channels == Channels::Rgb {
        let mut colored = Recording::new();
        let (curves, out) = (
            colored.layer(three(&transfer::to_linear().expect("a curve"))),
            colored.layer(transfer::to_srgb().expect("a curve")),
        );
        colored.push(Step::Matrix { curves, matrix: [0.9, 0.1, 0.0, 0.05, 0.9, 0.05, 0.0, 0.1, 0.9], out });
        all.push(colored);
        all.push(of(vec![Step::Convert { channels: Channels::Grey, depth: Depth::U8 }]));
    }
    all
}

fn pixels_of(outcome: Outcome) -> Image {
    match outcome {
        Outcome::Pixels(image) => image,
        Outcome::Coefficients(_) => panic!("pixels were wanted"),
    }
}

#[test]
fn pixels_and_files_are_those_of_decoder_kernels_and_encoder_one_after_the_other() {
    let backend = lavapipe();
    for (name, subsamp) in SAMPLINGS {
        let file = photo(203, 151, subsamp, 88, 30);
        for (scale, size) in [(Scale::Full, (101, 77)), (Scale::Half, (50, 38))] {
            let plain = || case(name, &file, scale, size, None, 83);
            let channels = shape(&plain().rendition).channels;
            let recordings = recordings(channels);
            let cases: Vec<Case> =
                recordings.iter().flat_map(|recording| [false, true].map(|back| through(plain(), recording, back))).collect();
            // One that stays planes among them.
            let mut all: Vec<Arc<Rendition>> = cases.iter().map(|case| Arc::clone(&case.rendition)).collect();
            let other = case(name, &file, scale, (60, 47), Some(Turn::Rotate90), 70);
            all.insert(3, Arc::clone(&other.rendition));
            let layout = Layout::new(&all).expect("it is laid out");
            let mut made = Vec::new();
            backend.batch(&layout, &mut |outcomes, _| made = outcomes).expect("lavapipe runs it");
            let Outcome::Coefficients(planes) = made.remove(3) else { panic!("coefficients were wanted") };
            assert!(written(&other, &planes) == by_cpu(&other), "{}", other.name);
            for ((case, outcome), recording) in cases.iter().zip(made).zip(recordings.iter().flat_map(|one| [one, one])) {
                let wanted = wanted(&backend, case, recording);
                match outcome {
                    Outcome::Pixels(image) => assert!(image == wanted, "{}: other pixels", case.name),
                    Outcome::Coefficients(planes) => {
                        let samples = match wanted.channels() {
                            Channels::Grey => Samples::Grey(wanted.data()),
                            _ => Samples::Rgb(wanted.data(), Sampling::Half),
                        };
                        let size = (wanted.width(), wanted.height());
                        let steps = &case.rendition.steps;
                        let wanted =
                            encode(&Source { width: size.0, height: size.1, samples }, steps, &options()).expect("written");
                        let found = encode_packed(size, &planes, SAMPLING, steps, &options()).expect("written");
                        assert!(found == wanted, "{}: another file", case.name);
                    }
                }
            }
        }
    }
}

#[test]
fn whole_pictures_are_those_of_the_decoder_and_go_through_the_same_kernels() {
    let backend = lavapipe();
    for (name, subsamp) in SAMPLINGS {
        for (width, height) in [(203, 151), (16, 9), (7, 34)] {
            let file = photo(width, height, subsamp, 88, 30);
            let size = (width as u32, height as u32);
            let plain = case(name, &file, Scale::Full, size, None, 83);
            let shape = shape(&plain.rendition);
            let picture = Picture::decode_sound(&file, &Limits::default()).expect("it is read").expect("it is sound");
            let image = Image::new(size.0, size.1, shape.channels, Depth::U8, picture.data).expect("an image");
            let resize = Step::Resize { width: size.0.div_ceil(2), height: size.1 / 3, filter: Filter::Lanczos3 };
            for steps in [vec![], vec![resize], vec![resize, Step::Blur { sigma: 1.0 }]] {
                let recording = Recording { steps, ..Recording::default() };
                let growth = Growth::of(&plain.rendition.source.frame).expect("a usual sampling");
                let through = Through::new(&recording, shape, false, Some(growth)).expect("it fits");
                let rendition = Rendition { through: Some(Arc::new(through)), ..Rendition::clone(&plain.rendition) };
                let layout = Layout::new(&[Arc::new(rendition)]).expect("it is laid out");
                let mut made = Vec::new();
                backend.batch(&layout, &mut |outcomes, _| made = outcomes).expect("lavapipe runs it");
                let wanted = match Plan::new(&recording, shape).expect("it fits") {
                    None => image.clone(),
                    Some(plan) => backend.run(&plan, &image, &Cancel::new()).expect("it runs").image,
                };
                assert!(pixels_of(made.remove(0)) == wanted, "{name}, {size:?}, {:?}: other pixels", recording.steps);
            }
        }
    }
}

#[test]
fn colour_that_does_not_grow_by_a_filter_is_left_to_the_cpu() {
    let frame = |width, subsamp| Packed::read(&photo(width, 20, subsamp, 88, 30), &Limits::default()).expect("it is read").frame;
    for (width, subsamp, growth) in [
        (5, Subsamp::Sub2x2, Some((2, 2))),
        (4, Subsamp::Sub2x2, None),
        (4, Subsamp::Sub2x1, None),
        (4, Subsamp::Sub1x2, Some((1, 2))),
        (4, Subsamp::None, Some((1, 1))),
        (90, Subsamp::Sub4x1, None),
    ] {
        assert_eq!(Growth::of(&frame(width, subsamp)).map(|growth| (growth.across, growth.down)), growth, "{width}, {subsamp:?}");
    }
}

#[test]
fn nothing_of_pixels_is_left_in_idle_buffers() {
    let backend = lavapipe();
    let recording = Recording { steps: vec![Step::Blur { sigma: 2.0 }], ..Recording::default() };
    let case =
        through(case("4:2:0", &photo(120, 80, Subsamp::Sub2x2, 95, 99), Scale::Full, (90, 60), None, 95), &recording, false);
    let layout = Layout::new(&[Arc::clone(&case.rendition)]).expect("laid out");
    let mut made = None;
    backend.batch(&layout, &mut |outcomes, batched| made = Some((outcomes, batched))).expect("lavapipe runs it");
    let (outcomes, batched) = made.expect("it was handed out");
    assert_eq!(batched.stages_us.last().map(|(name, _)| *name), Some("kernels"), "{batched:?}");
    assert!(pixels_of(outcomes.into_iter().next().expect("one")).data().iter().any(|byte| *byte != 0));
    let idle = backend.idle_bytes();
    assert!(idle.len() as u64 >= layout.buffers().into_iter().sum(), "{} bytes are idle", idle.len());
    assert_eq!(idle.iter().position(|byte| *byte != 0), None, "idle buffers hold zeros alone");
}

#[test]
fn a_pass_that_does_not_run_is_noticed() {
    let (processor, recording) = (processor(1), Recording { steps: vec![Step::Blur { sigma: 2.0 }], ..Recording::default() });
    let case =
        through(case("4:2:0", &photo(120, 80, Subsamp::Sub2x2, 95, 99), Scale::Full, (90, 60), None, 95), &recording, false);
    processor.inject(Injected::SkipDispatch);
    let turn = processor.transforms(1, 1, 1).expect("it goes to the GPU");
    let (made, ran) = processor.transform(turn, Rendition::clone(&case.rendition), &Cancel::new()).expect("no error");
    assert!(made.is_none() && ran.fallbacks[0].contains("receipt"), "{ran:?}");
}
