//! What goes by planes, what does not, and that the picture is at least as good.

use serde_json::json;

use super::*;
use crate::engines::image::testing::{file, job, made};
use crate::formats::Cancel;
use crate::formats::Decoded;
use crate::formats::support::inputs::icc;
use crate::formats::support::testing::{decode, encode, picture, psnr, still};
use crate::pixels::{Channels, CpuLevel, Depth, GpuPolicy, Image, Processor, Recording};

/// Fine detail and colour in many directions.
fn photo(width: u32, height: u32) -> Image {
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (f64::from(x) / f64::from(width), f64::from(y) / f64::from(height));
            let ring = ((u - 0.4).hypot(v - 0.6).powi(2) * 180.0).sin() * 50.0;
            let stripes = if (x / 23 + y / 31) % 2 == 0 { 25.0 } else { -25.0 };
            let of = |shift: f64| 128.0 + ring + stripes * (u * 5.0 + shift).cos() + 40.0 * (v * 7.0 + shift * 2.0).sin();
            data.extend([of(0.0), of(1.0), of(2.0)].map(|value| value.clamp(0.0, 255.0) as u8));
        }
    }
    Image::new(width, height, Channels::Rgb, Depth::U8, data).expect("the sizes match")
}

fn way(data: &[u8], to: &str, options: serde_json::Value) -> (Vec<u8>, Made, bool) {
    let (out, made) = made(&job(Action::Convert, "jpg", to, &options), data).expect("converted");
    let is_planes = made.explain.get("way") == Some(&json!("planes"));
    (out, made, is_planes)
}

/// The same by red, green and blue: the scalar forms do not take planes.
fn by_pixels(data: &[u8], to: &str, options: &serde_json::Value) -> Vec<u8> {
    let processor = Processor::new(CpuLevel::Scalar, GpuPolicy::Off).expect("the CPU is always there");
    let mut output = file(&[]);
    let files = vec![file(data), output.try_clone().expect("a second handle")];
    let made = crate::engines::image::job::run(&job(Action::Convert, "jpg", to, options), files, &processor, &Cancel::new());
    assert_eq!(made.expect("converted").explain.get("way"), None, "through pixels");
    let mut out = Vec::new();
    output.rewind().and_then(|()| std::io::Read::read_to_end(&mut output, &mut out)).expect("it is read back");
    out
}

/// The picture at another size without any loss but that of the filter.
fn exact(image: &Image, (width, height): (u32, u32)) -> Image {
    let processor = Processor::new(CpuLevel::Scalar, GpuPolicy::Off).expect("the CPU is always there");
    let mut recording = Recording::new();
    recording.push(Step::Resize { width, height, filter: Filter::Lanczos3 });
    processor.run(&recording, image.clone(), &Cancel::new()).expect("resampled").0
}

#[test]
fn effort_decides_over_bytes() {
    let data = encode("jpg", &still(photo(700, 520)));
    let before = decode("jpg", &data).frames[0].image.data().to_vec();
    // By planes, and by pixels.
    for (to, more) in [
        ("webp", json!({})),
        ("webp", json!({ "keep_icc": true, "sharpen": 0.3 })),
        ("jpg", json!({ "rotate": 90, "width": 300 })),
    ] {
        let [fast, balanced, small] = ["fast", "balanced", "small"].map(|effort| {
            let mut options = more.clone();
            options["effort"] = json!(effort);
            way(&data, to, options).0
        });
        assert_eq!(balanced, way(&data, to, more.clone()).0, "{to}, {more}: it is the default");
        assert!(small.len() < balanced.len(), "{to}, {more}: {} and {} bytes", small.len(), balanced.len());
        let share = fast.len() as f64 / balanced.len() as f64;
        assert!(fast != balanced && (0.8..1.2).contains(&share), "{to}, {more}: the fast way has {share} of the bytes");
        let [fast, balanced] = [fast, balanced].map(|file| decode(to, &file).frames[0].image.data().to_vec());
        if to == "jpg" {
            assert_eq!(fast, balanced, "only the tables of codes are others");
        } else {
            let (coarse, fine) = (psnr(&fast, &before), psnr(&balanced, &before));
            assert!(coarse > fine - 1.0, "{more}: {coarse} and {fine} dB");
        }
    }
}

#[test]
fn the_picture_is_as_good_as_through_pixels() {
    let image = photo(1400, 1050);
    let data = encode("jpg", &still(image.clone()));
    // From the whole, from a half, a quarter, an eighth; and with odd sides.
    for (size, reduction) in [((1000, 750), 1), ((333, 249), 2), ((116, 87), 4), ((35, 26), 8)] {
        let wanted = exact(&image, size);
        for to in ["jpg", "webp"] {
            let options = json!({ "width": size.0, "height": size.1, "quality": 92 });
            let (out, made, is_planes) = way(&data, to, options.clone());
            assert!(is_planes, "{size:?} {to}: {:?}", made.explain);
            assert_eq!(made.explain.get("reduction"), Some(&json!(reduction)), "{size:?} {to}");
            assert_eq!((made.width, made.height), (Some(size.0), Some(size.1)));
            let [planes, pixels] = [out, by_pixels(&data, to, &options)].map(|out| {
                let decoded = decode(to, &out);
                psnr(decoded.frames[0].image.data(), wanted.data())
            });
            assert!(planes >= pixels - 0.05, "{size:?} {to}: {planes:.2} dB, through pixels {pixels:.2} dB");
        }
    }
}

/// As a camera that was held like that stores it.
fn held(image: &Image, value: u8) -> Vec<u8> {
    let exif = crate::formats::support::testing::exif(value.into(), true)[6..].to_vec();
    let how =
        EncodeOptions { quality: 90, tags: crate::formats::Tags { exif: Some(exif), xmp: None }, ..EncodeOptions::default() };
    let mut data = std::io::Cursor::new(Vec::new());
    let encode = crate::formats::by_name("jpg").and_then(|format| format.encode).expect("an encoder");
    encode(&still(image.clone()), &how, &mut data).expect("written");
    data.into_inner()
}

#[test]
fn whichever_side_is_up_the_picture_is_as_good() {
    let image = photo(700, 525);
    for value in 1..=8 {
        let data = held(&image, value);
        // Odd sides: colour begins at the other end of the last pair of pixels.
        for (stored, to) in [((333, 249), "jpg"), ((332, 249), "webp"), ((333, 250), "jpg")] {
            let orientation = Orientation::from_exif(value.into());
            let (width, height) = if orientation.swaps_sides() { (stored.1, stored.0) } else { stored };
            let mut recording = Recording::new();
            recording.push(Step::Orient { orientation });
            let processor = Processor::new(CpuLevel::Scalar, GpuPolicy::Off).expect("the CPU is always there");
            let wanted = processor.run(&recording, exact(&image, stored), &Cancel::new()).expect("turned").0;
            let options = json!({ "width": width, "height": height, "fit": "scale", "quality": 92 });
            let (out, made, is_planes) = way(&data, to, options.clone());
            assert!(is_planes, "{value} {to}: {:?}", made.explain);
            assert_eq!((made.width, made.height), (Some(width), Some(height)));
            let [planes, pixels] =
                [out, by_pixels(&data, to, &options)].map(|out| psnr(decode(to, &out).frames[0].image.data(), wanted.data()));
            assert!(planes >= pixels - 0.05, "{value} {to} {stored:?}: {planes:.2} dB, through pixels {pixels:.2} dB");
        }
    }
}

/// The file, and what is said of it.
fn by(processor: &Processor, data: &[u8], options: &serde_json::Value) -> (Vec<u8>, Made) {
    let mut output = file(&[]);
    let files = vec![file(data), output.try_clone().expect("a second handle")];
    let made = crate::engines::image::job::run(&job(Action::Convert, "jpg", "jpg", options), files, processor, &Cancel::new());
    let mut out = Vec::new();
    output.rewind().and_then(|()| std::io::Read::read_to_end(&mut output, &mut out)).expect("it is read back");
    (out, made.expect("converted"))
}

#[test]
fn a_gpu_makes_the_same_file_of_coefficients_and_without_it_the_processor_does() {
    use crate::pixels::Injected;

    let gpu = Processor::new(CpuLevel::detect(), GpuPolicy::Software).expect("these tests need lavapipe");
    let image = photo(700, 525);
    for (value, options) in [
        (1, json!({ "width": 333, "quality": 92 })),
        (6, json!({ "width": 333, "height": 250, "fit": "scale" })),
        (3, json!({ "width": 800, "enlarge": true, "rotate": 90, "strip": false })),
    ] {
        let data = held(&image, value);
        let (wanted, planes, is_planes) = way(&data, "jpg", options.clone());
        assert!(is_planes, "{options}: {:?}", planes.explain);
        let (found, made) = by(&gpu, &data, &options);
        assert_eq!(made.explain.get("way"), Some(&json!("coefficients on the gpu")), "{options}: {:?}", made.explain);
        assert_eq!((made.width, made.height, made.warnings), (planes.width, planes.height, planes.warnings.clone()));
        assert!(found == wanted, "{options}: byte for byte");

        gpu.inject(Injected::DestroyDevice);
        let (found, made) = by(&gpu, &data, &options);
        assert_eq!(made.explain.get("way"), Some(&json!("planes")), "{options}: {:?}", made.explain);
        let fallbacks = made.explain["fallbacks"].as_array().cloned().unwrap_or_default();
        assert!(fallbacks.len() == 1 && fallbacks[0].as_str().is_some_and(|why| why.contains("lost")), "{fallbacks:?}");
        assert!(found == wanted, "{options}: the same within the same attempt");
        gpu.settle();
    }
}

#[test]
fn other_ways_than_coefficients_stay_as_they_were_with_a_gpu() {
    let gpu = Processor::new(CpuLevel::detect(), GpuPolicy::Software).expect("these tests need lavapipe");
    let data = encode("jpg", &still(photo(400, 300)));
    // The size stays; something else is done to the picture; a file that is not sound.
    let (_, made) = by(&gpu, &data, &json!({ "quality": 50 }));
    assert_eq!(made.explain.get("way"), Some(&json!("coefficients")), "{:?}", made.explain);
    let (_, made) = by(&gpu, &data, &json!({ "width": 200, "blur": 2.0 }));
    assert_eq!(made.explain.get("way"), Some(&json!("pixels on the gpu")), "{:?}", made.explain);
    let mut broken = data.clone();
    let at = broken.len() / 2;
    broken.drain(at..at + 300);
    let (_, made) = by(&gpu, &broken, &json!({ "width": 200 }));
    assert_ne!(made.explain.get("way"), Some(&json!("coefficients on the gpu")), "{:?}", made.explain);
}

#[test]
fn other_colours_are_changed_in_what_is_left_of_the_picture() {
    let image = photo(1400, 1050);
    let profile = icc::matrix([[0.5, 0.2, 0.0], [0.3, 0.7, 0.1], [0.1, 0.1, 0.7]], 2.2);
    let data = encode("jpg", &Decoded { icc: Some(profile.clone()), ..still(image.clone()) });
    for (size, turn) in [((1000, 750), 0), ((333, 249), 90), ((116, 87), 0)] {
        let exact = encode("png", &Decoded { icc: Some(profile.clone()), ..still(exact(&image, size)) });
        let wanted = made(&job(Action::Convert, "png", "png", &json!({ "rotate": turn })), &exact).expect("converted").0;
        let wanted = decode("png", &wanted);
        let (width, height) = if turn == 90 { (size.1, size.0) } else { size };
        let (_, exactly, _) = way(&data, "png", json!({ "width": width, "height": height, "rotate": turn }));
        assert_eq!(exactly.explain.get("way"), None, "{size:?}: a target that loses nothing is worth the way through pixels");
        for to in ["jpg", "webp"] {
            let options = json!({ "width": width, "height": height, "rotate": turn, "quality": 92 });
            let (out, made, _) = way(&data, to, options.clone());
            assert_eq!(made.explain.get("way"), Some(&json!("resized")), "{size:?} {to}");
            assert_eq!((made.width, made.height), (Some(width), Some(height)));
            let [resized, pixels] = [out, by_pixels(&data, to, &options)].map(|out| {
                let decoded = decode(to, &out);
                psnr(decoded.frames[0].image.data(), wanted.frames[0].image.data())
            });
            // Brightness and colour are resampled apart, and a strange profile makes more of what differs: 0.01 dB of a photo with Display P3.
            assert!(resized >= pixels - 0.15, "{size:?} {to}: {resized:.2} dB, through pixels {pixels:.2} dB");
        }
    }
}

#[test]
fn a_document_gets_the_picture_in_the_size_that_was_asked_for() {
    let data = encode("jpg", &still(photo(400, 300)));
    let holds = |out: &[u8]| out.windows(200).any(|window| window == &data[data.len() - 200..]);
    assert!(holds(&way(&data, "pdf", json!({})).0), "the file itself where nothing is to be done");
    assert!(!holds(&way(&data, "pdf", json!({ "width": 200 })).0), "not where it is to be smaller");
}

#[test]
fn the_same_size_goes_by_planes_to_webp() {
    let image = photo(301, 200);
    let data = encode("jpg", &still(image.clone()));
    let (out, _, is_planes) = way(&data, "webp", json!({}));
    assert!(is_planes);
    let [planes, pixels] =
        [out, by_pixels(&data, "webp", &json!({}))].map(|out| psnr(decode("webp", &out).frames[0].image.data(), image.data()));
    assert!(planes >= pixels - 0.05, "{planes:.2} dB, through pixels {pixels:.2} dB");
}

#[test]
fn grey_stays_grey() {
    let data = encode("jpg", &still(picture(400, 300, Channels::Grey)));
    let (out, _, is_planes) = way(&data, "jpg", json!({ "width": 100 }));
    assert!(is_planes);
    let decoded = decode("jpg", &out);
    assert_eq!(decoded.frames[0].image.channels(), Channels::Grey);
    let (_, _, is_planes) = way(&data, "webp", json!({ "width": 100 }));
    assert!(!is_planes, "WebP has colours always");
}

#[test]
fn whatever_needs_pixels_gets_pixels() {
    let image = picture(400, 300, Channels::Rgb);
    let plain = encode("jpg", &still(image.clone()));
    let srgb = Decoded { icc: Some(moxcms::ColorProfile::new_srgb().encode().expect("a profile")), ..still(image.clone()) };
    let other = icc::matrix([[0.5, 0.2, 0.0], [0.3, 0.7, 0.1], [0.1, 0.1, 0.7]], 2.2);
    let other = encode("jpg", &Decoded { icc: Some(other), ..still(image.clone()) });
    let srgb = encode("jpg", &srgb);
    let is_planes = |data: &[u8], options| way(data, "jpg", options).2;
    assert!(is_planes(&plain, json!({ "width": 200 })), "nothing but the size");
    assert!(is_planes(&srgb, json!({ "width": 200 })), "sRGB is what is taken for granted");
    assert!(is_planes(&plain, json!({ "width": 200, "rotate": 90 })), "turned");
    assert!(is_planes(&plain, json!({ "width": 200, "flip": "horizontal" })), "mirrored");
    for options in [
        json!({ "width": 200, "grayscale": true }),
        json!({ "width": 200, "height": 200, "fit": "crop" }),
        json!({ "width": 200, "height": 200, "fit": "pad" }),
        json!({ "width": 200, "blur": 1.0 }),
        json!({ "width": 200, "sharpen": 1.0 }),
        json!({ "width": 200, "linear": true }),
        json!({ "width": 200, "trim": true }),
    ] {
        assert!(!is_planes(&plain, options.clone()), "{options}");
    }
    assert!(!is_planes(&other, json!({ "width": 200 })), "other colours");
    assert!(!is_planes(&srgb, json!({ "width": 200, "keep_icc": true })), "a profile that is kept");
    let mut tested = job(Action::Convert, "jpg", "jpg", &json!({ "width": 200 }));
    tested.test = true;
    assert_ne!(made(&tested, &plain).expect("converted").1.explain.get("way"), Some(&json!("planes")), "a mark");
    let short = [&plain[..plain.len() - 9], &[0xff, 0xd9]].concat();
    let broken = made(&job(Action::Convert, "jpg", "jpg", &json!({ "width": 200 })), &short);
    if let Ok((_, made)) = broken {
        assert_eq!(made.explain.get("way"), None, "what is missing is for others to judge");
    }
}

#[test]
fn tags_are_kept() {
    let image = picture(400, 300, Channels::Rgb);
    let exif = crate::formats::support::testing::exif(1, true)[6..].to_vec();
    let tags = crate::formats::Tags { exif: Some(exif), xmp: None };
    let mut data = std::io::Cursor::new(Vec::new());
    let how = EncodeOptions { tags, ..EncodeOptions::default() };
    crate::formats::by_name("jpg").and_then(|f| f.encode).expect("an encoder")(&still(image), &how, &mut data).expect("written");
    for to in ["jpg", "webp"] {
        let (kept, _, is_planes) = way(data.get_ref(), to, json!({ "width": 200, "strip": false }));
        assert!(is_planes && crate::engines::image::testing::exif(&kept).is_some(), "{to}: kept");
        let (bare, ..) = way(data.get_ref(), to, json!({ "width": 200 }));
        assert!(crate::engines::image::testing::exif(&bare).is_none(), "{to}: not kept");
    }
}
