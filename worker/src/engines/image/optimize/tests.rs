//! Files in, files out: never larger, the same picture, nothing lost.

use serde_json::{Value, json};

use super::compare::{same, sample, score};
use crate::engines::image::testing::{job, made, travelled};
use crate::engines::{Action, Made};
use crate::failure::Failure;
use crate::formats::support::inputs::icc::matrix;
use crate::formats::support::testing::{decode, encode, exif, picture, psnr, still};
use crate::formats::{Decoded, Effort, EncodeOptions, Frame, OPTIMIZERS, Tags, by_name};
use crate::pixels::{Channels, Image, Orientation};

fn optimize(data: &[u8], format: &str, options: Value) -> Result<(Vec<u8>, Made), Failure> {
    made(&job(Action::Optimize, format, format, &options), data)
}

/// Waves and noise: something that lossy coding works on.
fn scene(width: u32, height: u32, channels: Channels) -> Image {
    let mut image = picture(width, height, channels);
    let count = channels.count();
    let colors = channels.without_alpha().count();
    let wide = width as usize;
    for (index, pixel) in image.data_mut().chunks_exact_mut(count).enumerate() {
        let (x, y) = ((index % wide) as f32, (index / wide) as f32);
        let wave = 30.0 * ((x * 0.31).sin() + (y * 0.17).cos());
        let noise = (((index * 2_654_435_761) >> 7) & 7) as f32;
        pixel[..colors].iter_mut().for_each(|sample| *sample = (f32::from(*sample) + wave + noise).clamp(0.0, 255.0) as u8);
    }
    image
}

fn written(name: &str, decoded: &Decoded, options: &EncodeOptions) -> Vec<u8> {
    let encoder = by_name(name).and_then(|format| format.encode).expect("it is written");
    let mut out = std::io::Cursor::new(Vec::new());
    encoder(decoded, options, &mut out).expect("it is written");
    out.into_inner()
}

fn moving(channels: Channels) -> Decoded {
    let frame = |index: u8| {
        let mut image = picture(64, 48, channels);
        let count = channels.count();
        image.data_mut()[usize::from(index) * 64 * count..][..40 * count].fill(255 - index * 20);
        Frame { image, delay_ms: 40 + 10 * u32::from(index) }
    };
    Decoded { frames: (0..5).map(frame).collect(), loops: 2, ..still(picture(1, 1, channels)) }
}

const DRAWING: &str = concat!(
    "<?xml version=\"1.0\"?>\n<!-- by hand -->\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"120\" height=\"80\">\n",
    "  <metadata>someone, somewhere</metadata>\n  <g fill=\"#ff0000\">\n    <path d=\"M 10.00,10.00 L 100.50 20.0 l -30 40 Z\"/>\n",
    "    <circle cx=\"60\" cy=\"40\" r=\"12.50\" fill=\"#00ff00\"/>\n  </g>\n  <text x=\"8\" y=\"70\">two <tspan>words</tspan></text>\n</svg>\n",
);

/// Files of every kind that is optimised.
fn fixtures() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut add = |format: &'static str, what: &str, data: Vec<u8>| all.push((format, format!("{format}, {what}"), data));
    let plain = EncodeOptions::default();
    for channels in [Channels::Grey, Channels::Rgb] {
        let scene = still(scene(150, 110, channels));
        for quality in [40, 95] {
            let name = format!("{channels:?} of quality {quality}");
            add("jpg", &name, written("jpg", &scene, &EncodeOptions { quality, ..EncodeOptions::default() }));
        }
    }
    for channels in [Channels::Grey, Channels::GreyAlpha, Channels::Rgb, Channels::Rgba] {
        add("png", &format!("{channels:?}"), written("png", &still(scene(150, 110, channels)), &plain));
    }
    let deep = crate::formats::support::testing::deep(50, 40, Channels::Rgb);
    add("png", "16 bits", written("png", &still(deep), &plain));
    add("png", "animated", written("png", &moving(Channels::Rgba), &plain));
    for channels in [Channels::Rgb, Channels::Rgba] {
        let scene = still(scene(150, 110, channels));
        add(
            "webp",
            &format!("{channels:?}"),
            written("webp", &scene, &EncodeOptions { quality: 90, ..EncodeOptions::default() }),
        );
        add(
            "webp",
            &format!("{channels:?}, exact"),
            written("webp", &scene, &EncodeOptions { exact: true, ..EncodeOptions::default() }),
        );
    }
    add("webp", "animated", written("webp", &moving(Channels::Rgb), &plain));
    add("gif", "still", written("gif", &still(scene(150, 110, Channels::Rgb)), &plain));
    add("gif", "animated", written("gif", &moving(Channels::Rgb), &plain));
    add("svg", "drawing", DRAWING.as_bytes().to_vec());
    for (format, image) in
        [("jpg", picture(1, 1, Channels::Rgb)), ("png", picture(3, 2, Channels::Rgba)), ("gif", picture(1, 5, Channels::Rgb))]
    {
        add(format, "tiny", written(format, &still(image), &plain));
    }
    all
}

#[test]
fn a55_results_are_never_larger_and_show_the_same() {
    let fixtures = fixtures();
    let covered = |name| fixtures.iter().any(|(format, ..)| *format == name);
    assert!(OPTIMIZERS.iter().all(|optimizer| covered(optimizer.format.name)), "every format has its files");
    for (format, what, data) in &fixtures {
        let before = decode(format, data);
        for profile in ["web", "print", "archive", "max"] {
            let name = format!("{what}, {profile}");
            let (result, made) = optimize(data, format, json!({ "profile": profile })).unwrap_or_else(|f| panic!("{name}: {f}"));
            assert!(result.len() <= data.len(), "{name}: {} of {}", result.len(), data.len());
            assert_eq!(made.explain["bytes_out"], json!(result.len()), "{name}");
            let kept = made.explain["kept_original"] == json!(true);
            assert_eq!(kept, result == *data, "{name}: {:?}", made.explain);
            assert_eq!(kept, made.warnings.iter().any(|text| text.contains("could not be made smaller")), "{name}");
            let after = decode(format, &result);
            if kept || made.explain["method"] == "exact" {
                assert!(same(&before, &after), "{name}: not the same");
            } else {
                assert_ne!(profile, "archive", "{name}: archive changes no pixel");
                let found = score(&sample(&before.frames).expect("a sample"), &sample(&after.frames).expect("a sample"));
                let found = found.expect("a score").expect("large enough");
                let wanted = [("web", 80.0), ("print", 90.0), ("max", 70.0)].into_iter().find(|(name, _)| *name == profile);
                assert!(found >= wanted.expect("a lossy profile").1 - 0.5, "{name}: {found:.1}");
                assert_eq!((after.frames.len(), after.loops), (before.frames.len(), before.loops), "{name}");
            }
            let again = optimize(&result, format, json!({ "profile": "archive" })).expect("it is taken again").0;
            assert!(again.len() <= result.len(), "{name}: again");
        }
    }
}

#[test]
fn what_was_packed_badly_becomes_smaller_and_stays_exact() {
    for (format, what, data) in fixtures() {
        if ["tiny", "exact", "animated", "quality 40"].iter().any(|word| what.contains(word)) || ["webp", "gif"].contains(&format)
        {
            continue;
        }
        let (result, made) = optimize(&data, format, json!({ "profile": "archive" })).expect("it is optimised");
        assert!(result.len() < data.len(), "{what}: {:?}", made.explain);
        assert_eq!(made.explain["method"], "exact", "{what}");
    }
    let (again, made) = optimize(DRAWING.as_bytes(), "svg", json!({})).expect("it is optimised");
    assert!(!String::from_utf8_lossy(&again).contains("someone"), "no metadata");
    let (same, kept) = optimize(&again, "svg", json!({})).expect("it is optimised");
    assert_eq!((same, kept.explain["kept_original"].clone()), (again, json!(true)), "{:?}", made.explain);
}

#[test]
fn photos_become_much_smaller_by_looking() {
    let scene = still(scene(300, 200, Channels::Rgb));
    let high = EncodeOptions { quality: 98, ..EncodeOptions::default() };
    for format in ["jpg", "webp"] {
        let data = written(format, &scene, &high);
        let sizes = ["print", "web", "max"].map(|profile| {
            let (result, made) = optimize(&data, format, json!({ "profile": profile })).expect("it is optimised");
            println!("{format}, {profile}: {} of {}: {:?}", result.len(), data.len(), made.explain);
            result.len()
        });
        assert!(sizes[0] >= sizes[1] && sizes[1] > sizes[2], "{format}: {sizes:?} of {}", data.len());
        assert!(sizes[1] * 3 < data.len() * 2, "{format}: {sizes:?} of {}", data.len());
        let auto = optimize(&data, format, json!({ "quality": "auto" })).expect("it is optimised").0.len();
        assert_eq!(auto, sizes[0], "{format}: auto looks as closely as print");
    }
}

#[test]
fn a_quality_is_taken_at_its_word() {
    let jpeg = written("jpg", &still(scene(200, 150, Channels::Rgb)), &EncodeOptions { quality: 95, ..EncodeOptions::default() });
    let (low, made) = optimize(&jpeg, "jpg", json!({ "quality": 30 })).expect("it is optimised");
    assert_eq!((&made.explain["method"], &made.explain["quality"]), (&json!("lossy"), &json!(30)), "{:?}", made.explain);
    let wanted = EncodeOptions { quality: 30, effort: Effort::Small, ..EncodeOptions::default() };
    let by_pixels = written("jpg", &decode("jpg", &jpeg), &wanted);
    let shown = |data: &[u8]| decode("jpg", data).frames.remove(0).image;
    let near = |data: &[u8]| psnr(shown(data).data(), shown(&jpeg).data());
    assert_eq!(made.explain.get("way"), Some(&json!("coefficients")), "{:?}", made.explain);
    assert!(near(&low) > near(&by_pixels) - 0.1, "{:.2} dB, by pixels {:.2}", near(&low), near(&by_pixels));
    assert!(low.len() * 20 < by_pixels.len() * 21, "{} bytes, by pixels {}", low.len(), by_pixels.len());
    assert!(low.windows(2).any(|pair| pair == [0xff, 0xc2]), "progressive");
    let png = written("png", &still(scene(200, 150, Channels::Rgb)), &EncodeOptions::default());
    let (few, made) = optimize(&png, "png", json!({ "quality": 10 })).expect("it is optimised");
    assert_eq!(made.explain["colors"], 25, "{:?}", made.explain);
    let decoded = decode("png", &few);
    let seen: std::collections::HashSet<&[u8]> = decoded.frames[0].image.data().chunks_exact(3).collect();
    assert!(seen.len() <= 25, "{} colours", seen.len());
    let apng = written("png", &moving(Channels::Rgba), &EncodeOptions::default());
    let (_, made) = optimize(&apng, "png", json!({ "quality": 10 })).expect("it is optimised");
    assert!(made.warnings.iter().any(|text| text.contains("quality was not applied")), "{:?}", made.warnings);
}

#[test]
fn the_best_that_fits_is_taken_and_the_impossible_named() {
    for (format, most) in [("jpg", 9_000), ("webp", 9_000), ("png", 16_000), ("gif", 16_000)] {
        let scene = still(scene(300, 200, Channels::Rgb));
        let data = written(format, &scene, &EncodeOptions { quality: 97, ..EncodeOptions::default() });
        assert!(data.len() > 20_000, "{format}: {} to begin with", data.len());
        let (result, made) = optimize(&data, format, json!({ "max_bytes": most, "profile": "archive" })).expect("it fits");
        assert!(result.len() <= most && result.len() * 2 > most, "{format}: {} of {most}: {:?}", result.len(), made.explain);
        let Err(Failure::Invalid { field, message }) = optimize(&data, format, json!({ "max_bytes": 40 })) else {
            panic!("{format}: 40 bytes cannot be")
        };
        assert_eq!(field.as_deref(), Some("max_bytes"), "{format}: {message}");
        let smallest: usize = message.split(' ').filter_map(|word| word.parse().ok()).next_back().expect("it says how small");
        assert!(optimize(&data, format, json!({ "max_bytes": smallest })).is_ok(), "{format}: {smallest} is reached: {message}");
    }
    let Err(Failure::Invalid { field, .. }) = optimize(DRAWING.as_bytes(), "svg", json!({ "max_bytes": 9 })) else {
        panic!("no")
    };
    assert_eq!(field.as_deref(), Some("max_bytes"), "a drawing has no quality");
    let (result, _) = optimize(DRAWING.as_bytes(), "svg", json!({ "max_bytes": 9_000 })).expect("there is room");
    assert!(result.len() < DRAWING.len(), "made smaller all the same");
}

#[test]
fn all_eight_ways_up_are_kept() {
    let image = scene(48, 32, Channels::Rgb);
    for value in 1..=8 {
        let orientation = Orientation::from_exif(value);
        for format in ["jpg", "png", "webp"] {
            let tags = Tags { exif: Some(exif(value, value % 2 == 0)[6..].to_vec()), xmp: None };
            let data = written(format, &still(image.clone()), &EncodeOptions { quality: 95, tags, ..EncodeOptions::default() });
            for options in [json!({}), json!({ "quality": 50 }), json!({ "profile": "archive" })] {
                let (result, made) = optimize(&data, format, options.clone()).expect("it is optimised");
                assert_eq!(decode(format, &result).orientation, orientation, "{format}, {value}, {options}");
                let upright = if orientation.swaps_sides() { (32, 48) } else { (48, 32) };
                assert_eq!((made.width, made.height), (Some(upright.0), Some(upright.1)), "{format}, {value}");
            }
        }
    }
}

#[test]
fn colours_keep_the_profile_that_they_need() {
    const ADOBE: [[f64; 3]; 3] = [[0.60974, 0.31111, 0.01947], [0.20528, 0.62567, 0.06087], [0.14919, 0.06322, 0.74457]];
    let adobe = matrix(ADOBE, 2.2);
    let srgb = moxcms::ColorProfile::new_srgb().encode().expect("a profile");
    for format in ["jpg", "png", "webp"] {
        for (icc, kept) in [(&adobe, true), (&srgb, false)] {
            let decoded = Decoded { icc: Some(icc.clone()), ..still(scene(80, 60, Channels::Rgb)) };
            let data = written(format, &decoded, &EncodeOptions { quality: 95, ..EncodeOptions::default() });
            assert!(decode(format, &data).icc.is_some(), "{format}: as made");
            for options in [json!({ "profile": "archive" }), json!({ "quality": 60 })] {
                let (result, _) = optimize(&data, format, options.clone()).expect("it is optimised");
                assert_eq!(decode(format, &result).icc.as_ref() == Some(icc), kept, "{format}, {options}");
            }
            let (result, _) = optimize(&data, format, json!({ "quality": 60, "strip": false })).expect("it is optimised");
            assert_eq!(decode(format, &result).icc.as_ref(), Some(icc), "{format}: kept on request");
        }
    }
}

#[test]
fn what_is_beside_the_pixels_is_kept_on_request() {
    for format in ["jpg", "png", "webp"] {
        let tags = Tags { exif: Some(travelled()), xmp: Some("<x:xmpmeta>here</x:xmpmeta>".to_owned()) };
        let data = written(
            format,
            &still(scene(90, 60, Channels::Rgb)),
            &EncodeOptions { quality: 95, tags, ..EncodeOptions::default() },
        );
        for options in [json!({ "strip": false }), json!({ "strip": false, "quality": 40 })] {
            let (result, _) = optimize(&data, format, options.clone()).expect("it is optimised");
            let found = crate::engines::image::testing::exif(&result).unwrap_or_else(|| panic!("{format}, {options}: EXIF"));
            assert!(found.get_field(::exif::Tag::GPSLatitude, ::exif::In::PRIMARY).is_some(), "{format}, {options}: the place");
            assert_eq!(decode(format, &result).orientation, Orientation::Rotate90, "{format}, {options}: and the way up");
            assert!(result.windows(16).any(|window| window == b"<x:xmpmeta>here<"), "{format}, {options}: XMP");
        }
    }
}

#[test]
fn test_keys_get_marked_files() {
    for (format, what, data) in fixtures() {
        let mut job = job(Action::Optimize, format, format, &json!({}));
        job.test = true;
        let (result, made) = made(&job, &data).unwrap_or_else(|f| panic!("{what}: {f}"));
        assert!(made.warnings.iter().any(|text| text.contains("TEST")), "{what}");
        assert!(!same(&decode(format, &data), &decode(format, &result)), "{what}: it is marked");
    }
}

#[test]
fn what_cannot_be_optimised_says_so() {
    let bmp = encode("bmp", &still(picture(9, 9, Channels::Rgb)));
    let Err(Failure::Unsupported { message }) = optimize(&bmp, "bmp", json!({})) else { panic!("bmp") };
    assert!(message.contains("bmp"), "{message}");
    let jpeg = encode("jpg", &still(picture(9, 9, Channels::Rgb)));
    let Err(Failure::Invalid { message, .. }) = optimize(&jpeg, "png", json!({})) else { panic!("mislabelled") };
    assert!(message.contains("JPEG"), "{message}");
    assert!(matches!(optimize(b"", "png", json!({})), Err(Failure::Invalid { .. })), "empty");
}
