//! Watermarks on videos, and files in fewer bytes.

use convertfly_sandbox::{Cancel, Failure};
use serde_json::json;

use crate::clips::{Clips, TONE, colour, colour_at, decode, probe};
use crate::support::Child;

#[test]
fn a_drawing_lies_over_every_picture() {
    let (child, clips) = (Child::start(), Clips::new());
    let input = clips.make(
        "a.mp4",
        &format!("-f lavfi -i color=white:s=160x90:d=2:r=25 {TONE} -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac"),
    );
    // Red, half of it seen, from 100, 50 on; the rest is transparent.
    let drawing = clips.make(
        "mark.png",
        "-f lavfi -i color=black@0.0:s=160x90:d=1,format=rgba -f lavfi -i color=red@0.5:s=40x20:d=1,format=rgba \
         -filter_complex overlay=100:50:format=rgb -frames:v 1",
    );
    let job = json!({ "action": "watermark", "from": "mp4", "to": "mp4", "beside": ["png"], "options": { "quality": 95 } });
    let made = child.run_all(&[&input, &drawing], job, &Cancel::new()).expect("marked");
    let path = clips.path("out.mp4");
    made.save(&path);
    assert_eq!((decode(&path), probe(&path).size()), (50, (160, 90)), "as long and as large");
    assert_eq!(made.tracks()[1]["how"], "copied", "the sound is as it was: {:#}", made.answer);
    for second in [0.0, 1.9] {
        let [r, g, b] = colour_at(&path, second, 120, 60);
        assert!(r > 235 && (100..155).contains(&g) && (100..155).contains(&b), "half red at {second}: {r} {g} {b}");
        for (x, y) in [(90, 60), (120, 40), (145, 60), (120, 76)] {
            let around = colour_at(&path, second, x, y);
            assert!(around.iter().all(|value| *value > 240), "white at {x}, {y}: {around:?}");
        }
    }
    // What is turned is turned first.
    let turned = clips.make("turned.mp4", &format!("-i {} -c copy -metadata:s:v rotate=270", input.display()));
    let job = json!({ "action": "measure", "from": "mp4", "to": "mp4" });
    let made = child.run(&turned, job, &Cancel::new()).expect("measured");
    assert_eq!((&made.answer["width"], &made.answer["height"]), (&json!(90), &json!(160)), "{:#}", made.answer);
}

fn optimize(from: &str, more: serde_json::Value) -> serde_json::Value {
    let mut job = json!({ "action": "optimize", "from": from, "to": from, "threads": 2 });
    for (name, value) in more.as_object().expect("an object") {
        job[name] = value.clone();
    }
    job
}

#[test]
fn a_file_gets_smaller_and_never_larger() {
    let (child, clips) = (Child::start(), Clips::new());
    let large = clips.make(
        "large.mp4",
        &format!("-f lavfi -i testsrc2=s=320x180:d=2:r=25 {TONE} -c:v libx264 -preset ultrafast -crf 8 -pix_fmt yuv420p -c:a aac -shortest"),
    );
    let before = std::fs::metadata(&large).expect("the clip").len();
    let job = optimize("mp4", json!({ "options": { "quality": 75, "preset": "medium" } }));
    let made = child.run(&large, job.clone(), &Cancel::new()).expect("smaller");
    assert_eq!(made.answer["explain"]["way"], "encoded", "{:#}", made.answer);
    assert!((made.bytes.len() as u64) < before / 2, "{} of {before}", made.bytes.len());
    let small = clips.path("small.mp4");
    made.save(&small);
    let probed = probe(&small);
    assert_eq!((probed.codec("video"), probed.size(), decode(&small)), (Some("h264"), (320, 180), 50), "the same otherwise");
    // Once more there is nothing to gain.
    let fine = optimize("mp4", json!({ "options": { "quality": 98, "preset": "ultrafast" } }));
    let again = child.run(&small, fine, &Cancel::new()).expect("kept");
    assert_ne!(again.answer["explain"]["way"], "encoded", "{:#}", again.answer);
    assert!(again.bytes.len() <= made.bytes.len(), "{} of {}", again.bytes.len(), made.bytes.len());
    let exact = child.run(&large, optimize("mp4", json!({ "exact": true })), &Cancel::new()).expect("repacked");
    assert_eq!(exact.answer["explain"]["mode"], "copy", "{:#}", exact.answer);
}

#[test]
fn a_size_that_is_asked_for_is_kept_to() {
    let (child, clips) = (Child::start(), Clips::new());
    let large = clips.make(
        "large.mp4",
        &format!("-f lavfi -i testsrc2=s=320x180:d=4:r=25,noise=alls=12:allf=t {TONE} -c:v libx264 -preset ultrafast -crf 8 -pix_fmt yuv420p -c:a aac"),
    );
    for most in [150_000_u64, 90_000] {
        let job = optimize("mp4", json!({ "max_bytes": most, "options": { "quality": 95, "preset": "veryfast" } }));
        let made = child.run(&large, job, &Cancel::new()).expect("fits");
        let bytes = made.bytes.len() as u64;
        assert!(bytes <= most, "{bytes} of {most}");
        assert!(bytes * 10 >= most * 7, "the best that fits, not the worst: {bytes} of {most}");
        let path = clips.path("out.mp4");
        made.save(&path);
        assert_eq!(decode(&path), 100, "every frame");
    }
    let job = optimize("mp4", json!({ "max_bytes": 900, "options": { "preset": "ultrafast" } }));
    let failure = child.run(&large, job, &Cancel::new()).expect_err("no film is that small");
    assert!(matches!(&failure, Failure::Invalid { field: Some(field), .. } if field == "max_bytes"), "{failure:?}");
}

#[test]
fn sound_gets_smaller_as_well() {
    let (child, clips) = (Child::start(), Clips::new());
    let noise = "-f lavfi -i anoisesrc=d=4:a=0.2:c=pink:r=44100";
    let mp3 = clips.make("a.mp3", &format!("{noise} -c:a libmp3lame -b:a 320k"));
    let before = std::fs::metadata(&mp3).expect("the clip").len();
    let made = child.run(&mp3, optimize("mp3", json!({ "options": { "quality": 75 } })), &Cancel::new()).expect("smaller");
    assert!((made.bytes.len() as u64) < before * 3 / 4, "{} of {before}", made.bytes.len());
    let made = child.run(&mp3, optimize("mp3", json!({ "max_bytes": 40_000 })), &Cancel::new()).expect("fits");
    assert!(made.bytes.len() <= 40_000, "{} bytes", made.bytes.len());
    // Samples stay as they are where nothing may be lost.
    let flac = clips.make("b.flac", &format!("{noise} -c:a flac -compression_level 0"));
    let job = optimize("flac", json!({ "exact": true, "options": { "preset": "slow" } }));
    let made = child.run(&flac, job, &Cancel::new()).expect("smaller");
    assert_eq!(made.answer["explain"]["way"], "encoded", "{:#}", made.answer);
    let out = clips.path("out.flac");
    made.save(&out);
    assert_eq!(crate::clips::samples(&out), crate::clips::samples(&flac), "every sample");
}

#[test]
fn the_place_that_is_kept_is_the_one_asked_for() {
    let (child, clips) = (Child::start(), Clips::new());
    let input = clips.make(
        "a.mp4",
        "-f lavfi -i color=red:s=80x80:d=1:r=5 -f lavfi -i color=blue:s=80x80:d=1:r=5 -filter_complex hstack -pix_fmt yuv420p -c:v libx264",
    );
    for (gravity, red) in [("west", true), ("east", false)] {
        let options = json!({ "width": 60, "height": 80, "fit": "crop", "gravity": gravity });
        let made = child.convert(&input, "mp4", "mkv", options).expect(gravity);
        let path = clips.path("out.mkv");
        made.save(&path);
        let [r, _, b] = colour(&path, 30, 40);
        assert_eq!(r > b, red, "{gravity}: {r} {b}");
    }
}
