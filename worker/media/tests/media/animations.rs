//! Pictures that move: into video and out of it, with their colours and times.

use std::path::Path;
use std::process::Command;

use convertfly_sandbox::Failure;
use serde_json::json;

use crate::clips::{Clips, colour, colour_at, probe};
use crate::support::Child;

/// When each picture is shown, seconds.
pub(crate) fn times(path: &Path) -> Vec<f64> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v", "-show_entries", "frame=pts_time", "-of", "csv=p=0"])
        .arg(path)
        .output()
        .expect("ffprobe is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect()
}

/// Red for 0.1 s, green for 0.2 s, then blue: three pictures.
pub(crate) fn uneven(clips: &Clips, name: &str, more: &str) -> std::path::PathBuf {
    let colours = [("red", 0.1), ("lime", 0.3), ("blue", 0.8)];
    let inputs: String =
        colours.iter().map(|(colour, seconds)| format!("-f lavfi -i color={colour}:s=64x36:d={seconds}:r=10 ")).collect();
    clips.make(
        name,
        &format!("{inputs} -filter_complex concat=n=3:v=1:a=0,select=eq(n\\,0)+eq(n\\,1)+eq(n\\,4) -vsync vfr {more}"),
    )
}

#[test]
fn each_picture_of_an_animation_is_shown_for_its_time() {
    let (child, clips) = (Child::start(), Clips::new());
    let png = |last: u32| (uneven(&clips, &format!("{last}.apng"), &format!("-final_delay {last}/100 -plays 0")), "png", last);
    let gif = |last: u32| (uneven(&clips, &format!("{last}.gif"), &format!("-final_delay {last}")), "gif", last);
    // The last one is shown for as long as the others, for longer, for less.
    let cases = [(png(80), "mp4"), (png(300), "mp4"), (png(5), "mp4"), (png(150), "webm"), (gif(120), "mp4"), (gif(5), "mp4")];
    for ((input, from, last), to) in cases {
        let what = format!("{from} -> {to}, {last}");
        let made =
            child.convert(&input, from, to, json!({ "quality": 95 })).unwrap_or_else(|failure| panic!("{what}: {failure}"));
        let path = clips.path(&format!("out.{to}"));
        made.save(&path);
        let times = times(&path);
        let near = |at: f64| times.iter().any(|time| (time - at).abs() < 0.011);
        assert!(near(0.0) && near(0.1) && near(0.3) && times.len() <= 4, "{what}: {times:?}");
        let expected = 0.3 + f64::from(last) / 100.0;
        assert!((probe(&path).duration() - expected).abs() < 0.02, "{what}: {} s, {times:?}", probe(&path).duration());
        // The first picture that begins at that time or later.
        for (second, brightest) in [(0.0, 0), (0.05, 1), (0.25, 2)] {
            let found = colour_at(&path, second, 30, 16);
            assert!(found.iter().enumerate().all(|(index, value)| (*value > 200) == (index == brightest)), "{what}: {found:?}");
        }
    }
}

#[test]
fn the_last_picture_stands_as_long_as_it_says() {
    let (child, clips) = (Child::start(), Clips::new());
    // Of the many before it, FFmpeg knows how long one is shown; of the last one nothing.
    let many = "-f lavfi -i testsrc2=s=64x36:d=4:r=10";
    for last in [3_u32, 150] {
        let png = clips.make(&format!("{last}.apng"), &format!("{many} -final_delay {last}/100 -plays 0"));
        let gif = clips.make(&format!("{last}.gif"), &format!("{many} -final_delay {last}"));
        for (input, from, to) in [(&png, "png", "mp4"), (&png, "png", "webm"), (&gif, "gif", "mp4")] {
            let what = format!("{from} -> {to}, {last}");
            let made = child.convert(input, from, to, json!({})).unwrap_or_else(|failure| panic!("{what}: {failure}"));
            let path = clips.path(&format!("out.{to}"));
            made.save(&path);
            let expected = 3.9 + f64::from(last) / 100.0;
            assert!((probe(&path).duration() - expected).abs() < 0.021, "{what}: {} s", probe(&path).duration());
        }
    }
}

#[test]
fn behind_what_is_transparent_there_is_white() {
    let (child, clips) = (Child::start(), Clips::new());
    let input = clips.make(
        "a.apng",
        "-f lavfi -i color=black@0.0:s=64x36:d=0.5:r=4,format=rgba -f lavfi -i color=red@0.5:s=20x36:d=0.5:r=4,format=rgba \
         -filter_complex overlay=0:0:format=rgb",
    );
    let made = child.convert(&input, "png", "mp4", json!({ "quality": 95 })).expect("a video");
    let path = clips.path("out.mp4");
    made.save(&path);
    assert!(colour(&path, 50, 16).iter().all(|value| *value > 245), "white: {:?}", colour(&path, 50, 16));
    let [r, g, b] = colour(&path, 8, 16);
    assert!(r > 235 && (100..155).contains(&g) && (100..155).contains(&b), "half of red on white: {r} {g} {b}");
}

#[test]
fn a_picture_that_does_not_move_is_no_video() {
    let (child, clips) = (Child::start(), Clips::new());
    let input = clips.make("a.png", "-f lavfi -i color=red:s=64x36:d=1 -frames:v 1");
    let failure = child.convert(&input, "png", "mp4", json!({})).expect_err("nothing moves");
    assert!(matches!(&failure, Failure::Invalid { message, .. } if message.contains("does not move")), "{failure:?}");
}

/// The chunks of a WebP: the loops, and how long each picture is shown, milliseconds.
fn animation(bytes: &[u8]) -> (Option<u16>, Vec<u32>) {
    let (mut loops, mut shown, mut at) = (None, Vec::new(), 12);
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let body = &bytes[at + 8..bytes.len().min(at + 8 + length)];
        match &head[..4] {
            b"ANIM" => loops = Some(u16::from_le_bytes([body[4], body[5]])),
            b"ANMF" => shown.push(u32::from_le_bytes([body[12], body[13], body[14], 0])),
            _ => {}
        }
        at += 8 + length + (length & 1);
    }
    (loops, shown)
}

#[test]
fn a_video_becomes_a_webp_that_moves() {
    let (child, clips) = (Child::start(), Clips::new());
    let input = clips.video("a.mp4", "640x360");
    let made = child.convert(&input, "mp4", "webp", json!({})).expect("an animation");
    assert!(made.bytes.starts_with(b"RIFF") && made.bytes[8..].starts_with(b"WEBPVP8X"), "a WebP with more than a picture");
    let (loops, shown) = animation(&made.bytes);
    assert_eq!((&made.answer["width"], &made.answer["height"]), (&json!(480), &json!(270)), "{:#}", made.answer);
    assert_eq!((loops, shown.len(), shown.iter().sum::<u32>()), (Some(0), 20, 2000), "10 a second, again and again: {shown:?}");
    let options = json!({ "width": 128, "fps": 5, "start": 1, "quality": 20 });
    let small = child.convert(&input, "mp4", "webp", options).expect("an animation");
    let (_, shown) = animation(&small.bytes);
    assert_eq!((&small.answer["width"], shown.len(), shown.iter().sum::<u32>()), (&json!(128), 5, 1000), "as asked: {shown:?}");
    let coarse = child.convert(&input, "mp4", "webp", json!({ "quality": 10 })).expect("an animation");
    assert!(coarse.bytes.len() * 3 < made.bytes.len() * 2, "quality: {} of {}", coarse.bytes.len(), made.bytes.len());
    let dark = clips.write("none.mp4", &std::fs::read(&input).expect("the clip")[..2000]);
    child.convert(&dark, "mp4", "webp", json!({})).expect_err("no pictures");
}
