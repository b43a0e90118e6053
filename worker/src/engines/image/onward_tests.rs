//! What stays with the GPU behind the resize, what does not, and that it is the same picture.

use std::io::Read;

use super::*;
use crate::engines::Action;
use crate::engines::image::testing::{file, job};
use crate::formats::Cancel;
use crate::formats::support::inputs::icc;
use crate::formats::support::testing::{decode, encode, picture, psnr, still};
use crate::pixels::{CpuLevel, GpuPolicy, Injected, Processor};

fn gpu() -> Processor {
    Processor::new(CpuLevel::detect(), GpuPolicy::Software).expect("these tests need lavapipe")
}

/// The file, and what is said of it.
fn by(processor: &Processor, data: &[u8], to: &str, options: &Value) -> (Vec<u8>, Made) {
    let mut output = file(&[]);
    let files = vec![file(data), output.try_clone().expect("a second handle")];
    let made = crate::engines::image::job::run(&job(Action::Convert, "jpg", to, options), files, processor, &Cancel::new());
    let mut out = Vec::new();
    output.rewind().and_then(|()| output.read_to_end(&mut out)).expect("it is read back");
    (out, made.expect("converted"))
}

fn strange() -> Vec<u8> {
    icc::matrix([[0.5, 0.2, 0.0], [0.3, 0.7, 0.1], [0.1, 0.1, 0.7]], 2.2)
}

#[test]
fn what_is_done_behind_a_resize_is_done_by_the_gpu_and_is_the_same_picture() {
    let cpu = Processor::new(CpuLevel::detect(), GpuPolicy::Off).expect("the CPU is always there");
    let gpu = gpu();
    let plain = encode("jpg", &still(picture(420, 301, Channels::Rgb)));
    let grey = encode("jpg", &still(picture(420, 301, Channels::Grey)));
    let other = encode("jpg", &Decoded { icc: Some(strange()), ..still(picture(420, 301, Channels::Rgb)) });
    for (data, to, options) in [
        (&plain, "jpg", json!({ "width": 201, "blur": 1.5, "quality": 90 })),
        (&plain, "jpg", json!({ "width": 200, "height": 180, "fit": "pad", "rotate": 90, "quality": 90 })),
        (&plain, "jpg", json!({ "width": 200, "grayscale": true, "quality": 90 })),
        (&grey, "jpg", json!({ "width": 200, "sharpen": 1.0, "quality": 90 })),
        (&other, "jpg", json!({ "width": 200, "quality": 90 })),
        (&other, "jpg", json!({ "width": 200, "quality": 90, "strip": false })),
        (&plain, "webp", json!({ "width": 200, "quality": 90, "blur": 1.0 })),
        (&other, "webp", json!({ "width": 200, "quality": 90 })),
        (&plain, "png", json!({ "width": 200 })),
        (&grey, "png", json!({ "width": 151, "rotate": 90 })),
        (&other, "png", json!({ "width": 200, "blur": 1.0 })),
    ] {
        let (wanted, by_cpu) = by(&cpu, data, to, &options);
        let (found, made) = by(&gpu, data, to, &options);
        assert_eq!(made.explain.get("way"), Some(&json!("pixels on the gpu")), "{to} {options}: {:?}", made.explain);
        assert_eq!(made.explain["fallbacks"], json!([]), "{to} {options}");
        assert_eq!((made.width, made.height, made.warnings), (by_cpu.width, by_cpu.height, by_cpu.warnings), "{to} {options}");
        let (wanted, found) = (decode(to, &wanted), decode(to, &found));
        assert_eq!(found.icc, wanted.icc, "{to} {options}");
        assert_eq!(found.frames[0].image.shape(), wanted.frames[0].image.shape(), "{to} {options}");
        // A kernel may be a level off, and what it makes is divided anew.
        let psnr = psnr(found.frames[0].image.data(), wanted.frames[0].image.data());
        assert!(psnr > 42.0, "{to} {options}: {psnr:.2} dB");
    }
}

#[test]
fn other_work_goes_the_ordinary_way() {
    let gpu = gpu();
    let data = encode("jpg", &still(picture(420, 301, Channels::Rgb)));
    for (to, options) in [
        ("jpg", json!({ "blur": 1.0 })),
        ("jpg", json!({ "width": 500, "enlarge": true, "blur": 1.0 })),
        ("jpg", json!({ "width": 200, "height": 200, "fit": "crop" })),
        ("jpg", json!({ "width": 200, "linear": true })),
        ("jpg", json!({ "width": 200, "trim": true, "blur": 1.0 })),
        ("pdf", json!({ "width": 200 })),
    ] {
        let (_, made) = by(&gpu, &data, to, &options);
        assert_ne!(made.explain.get("way"), Some(&json!("pixels on the gpu")), "{to} {options}");
    }
}

#[test]
fn what_the_gpu_cannot_finish_is_done_the_ordinary_way_and_told() {
    let gpu = gpu();
    let data = encode("jpg", &still(picture(420, 301, Channels::Rgb)));
    let options = json!({ "width": 200, "blur": 1.5 });
    gpu.inject(Injected::SkipDispatch);
    let (found, made) = by(&gpu, &data, "jpg", &options);
    let fallbacks = made.explain["fallbacks"].as_array().cloned().unwrap_or_default();
    assert!(fallbacks.first().and_then(Value::as_str).is_some_and(|why| why.contains("receipt")), "{fallbacks:?}");
    assert_eq!(decode("jpg", &found).frames[0].image.width(), 200);
    gpu.settle();
    let (_, made) = by(&gpu, &data, "jpg", &options);
    assert_eq!(made.explain.get("way"), Some(&json!("pixels on the gpu")), "it is back: {:?}", made.explain);
}
