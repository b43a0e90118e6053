//! Subtitles, loudness, and encoders that rest.

use std::path::Path;
use std::process::Command;

use convertfly_sandbox::Cancel;
use serde_json::json;

use crate::clips::{Clips, colour, decode, probe};
use crate::support::Child;

/// The words of the first track of subtitles.
fn words(path: &Path) -> String {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(path)
        .args(["-map", "0:s:0", "-f", "srt", "-"])
        .output()
        .expect("ffmpeg is installed");
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn subtitles_go_over_in_the_form_of_the_target() {
    let (child, clips) = (Child::start(), Clips::new());
    let video = clips.video("a.mp4", "64x36");
    let lines = "1\n00:00:00,200 --> 00:00:00,900\nGrüße, <i>all</i> of you\n\n2\n00:00:01,000 --> 00:00:01,500\nSecond & last\n";
    let lines = clips.write("a.srt", lines.as_bytes());
    for (from, codec) in [("mkv", "subrip"), ("mkv", "ass"), ("mp4", "mov_text"), ("mov", "mov_text")] {
        let both = format!("-i {} -i {} -c copy -c:s {codec} -metadata:s:s:0 language=deu", video.display(), lines.display());
        let input = clips.make(&format!("in-{codec}.{from}"), &both);
        for (to, expected) in
            [("mkv", if codec == "ass" { "ass" } else { "subrip" }), ("mp4", "mov_text"), ("mov", "mov_text"), ("webm", "webvtt")]
        {
            let made = child.convert(&input, from, to, json!({})).unwrap_or_else(|failure| panic!("{codec} -> {to}: {failure}"));
            let path = clips.path(&format!("out.{to}"));
            made.save(&path);
            let probed = probe(&path);
            let track =
                probed.stream("subtitle").unwrap_or_else(|| panic!("{from} {codec} -> {to}: no words: {:#}", made.answer));
            assert_eq!(track["codec_name"], expected, "{from} {codec} -> {to}");
            let language = track["tags"]["language"].as_str().unwrap_or_default();
            // QuickTime's own codes do not know this one.
            assert!(
                to == "mov" || from == "mov" || ["deu", "ger"].contains(&language),
                "{from} {codec} -> {to}: its language: {language}"
            );
            let words = words(&path);
            // All tracks move by what the sound's encoder has put before it, 23 ms.
            assert!(
                words.contains("00:00:00,2") && words.contains("00:00:00,9") && words.contains("00:00:01,5"),
                "{from} {codec} -> {to}: {words}"
            );
            assert!(
                words.contains("Grüße") && words.contains("of you") && words.contains("Second & last"),
                "{from} {codec} -> {to}: {words}"
            );
            assert_eq!(decode(&path), 50, "{from} {codec} -> {to}: every picture");
        }
        let made = child.convert(&input, from, "mkv", json!({ "subtitles": false })).expect("without");
        let path = clips.path("without.mkv");
        made.save(&path);
        assert!(probe(&path).stream("subtitle").is_none(), "not wanted");
    }
}

/// Integrated loudness, as FFmpeg's own program measures it.
fn loudness(path: &Path) -> f64 {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-i"])
        .arg(path)
        .args(["-vn", "-af", "ebur128=framelog=verbose", "-f", "null", "-"])
        .output()
        .expect("ffmpeg is installed");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().filter_map(|line| line.trim().strip_prefix("I:")).next_back().unwrap_or_else(|| panic!("{text}"));
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn sound_becomes_as_loud_as_asked() {
    let (child, clips) = (Child::start(), Clips::new());
    let quiet = clips.make("quiet.flac", "-f lavfi -i anoisesrc=d=4:a=0.02:c=pink:r=48000:seed=1 -c:a flac");
    let was = loudness(&quiet);
    assert!(was < -35.0, "quiet indeed: {was}");
    for (to, target) in [("wav", -16.0), ("mp3", -23.0), ("m4a", -14.0)] {
        let made = child.convert(&quiet, "flac", to, json!({ "loudness": target })).expect(to);
        let path = clips.path(&format!("out.{to}"));
        made.save(&path);
        let is = loudness(&path);
        assert!((is - target).abs() < 0.7, "{to}: {is} for {target}");
        let told = made.answer["explain"]["loudness"]["was"].as_f64().expect("it is told");
        assert!((told - was).abs() < 0.2, "measured alike: {told}, {was}");
    }
    let silence = clips.make("silence.wav", "-f lavfi -i anullsrc=d=2 -t 2");
    child.convert(&silence, "wav", "flac", json!({ "loudness": -16 })).expect("silence stays silence");
}

#[test]
fn facts_tell_how_loud_the_sound_is_where_that_is_asked() {
    let (child, clips) = (Child::start(), Clips::new());
    let facts = |path: &Path, format: &str, loudness: bool| {
        let job = json!({ "action": "metadata", "from": format, "to": "json", "measures_loudness": loudness });
        child.run(path, job, &Cancel::new()).expect(format).answer["metadata"].clone()
    };
    // A sine of that amplitude peaks at -12 dB.
    let tone = clips.make("a.wav", "-f lavfi -i aevalsrc=0.25*sin(440*2*PI*t):s=48000:d=4 -c:a pcm_s24le");
    let told = facts(&tone, "wav", true);
    let number = |name: &str| told["loudness"][name].as_f64().unwrap_or_else(|| panic!("{name}: {told:#}"));
    assert!((number("integrated") - loudness(&tone)).abs() < 0.11, "as FFmpeg's own program: {told:#}");
    assert!((number("peak") + 12.04).abs() < 0.2 && number("range") < 0.5, "a steady tone: {told:#}");
    assert!(facts(&tone, "wav", false)["loudness"].is_null(), "only where it is asked");
    let silence = clips.make("silence.wav", "-f lavfi -i anullsrc=d=2 -t 2");
    let told = facts(&silence, "wav", true);
    assert!(told["loudness"].is_object() && told["loudness"]["integrated"].is_null(), "silence: {told:#}");
    let mute = clips.make("mute.mp4", "-f lavfi -i testsrc2=d=1:s=64x36:r=5 -pix_fmt yuv420p");
    let told = facts(&mute, "mp4", true);
    assert!(told.as_object().is_some_and(|facts| facts["loudness"].is_null()), "no sound: {told:#}");
}

#[test]
fn an_encoder_that_rests_is_not_tried() {
    let (child, clips) = (Child::start(), Clips::new());
    let input = clips.video("a.mp4", "64x36");
    let options = json!({ "encoder": "h264_nvenc" });
    let mut job = json!({ "action": "convert", "from": "mp4", "to": "mkv", "options": options });
    let tried = child.run(&input, job.clone(), &Cancel::new()).expect("software does it");
    let refused = &tried.answer["explain"]["encoders_refused"][0];
    assert_eq!((&refused["encoder"], &refused["fault"]), (&json!("h264_nvenc"), &json!("encoder")), "it works for nobody");
    job["resting"] = json!([{ "encoder": "h264_nvenc", "reason": "it has failed" }]);
    let rested = child.run(&input, job, &Cancel::new()).expect("software does it");
    assert!(rested.answer["explain"]["encoders_refused"].is_null(), "not tried: {:#}", rested.answer);
    assert_eq!(rested.answer["explain"]["encoders_resting"][0]["reason"], "it has failed", "and said: {:#}", rested.answer);
    assert_eq!(rested.tracks()[0]["encoder"], "libx264", "{:#}", rested.answer);
}

#[test]
fn what_a_file_makes_an_encoder_refuse_is_not_its_own_fault() {
    let (child, clips) = (Child::start(), Clips::new());
    // SVT-AV1 takes nothing below 64 pixels a side.
    let input = clips.video("a.mp4", "32x32");
    let options = json!({ "video_codec": "av1", "encoder": "libsvtav1", "preset": "ultrafast", "end": 0.2 });
    let made = child.convert(&input, "mp4", "mkv", options).expect("another encoder does it");
    let refused = &made.answer["explain"]["encoders_refused"][0];
    assert_eq!((&refused["encoder"], &refused["fault"]), (&json!("libsvtav1"), &json!("task")), "{:#}", made.answer);
    assert_eq!(made.tracks()[0]["encoder"], "libaom-av1", "{:#}", made.answer);
}

#[test]
fn several_moments_stand_on_one_sheet_and_one_alone_is_not_dark() {
    let (child, clips) = (Child::start(), Clips::new());
    // Black for a quarter of the time, then red, green and blue.
    let colours: String =
        ["black", "red", "lime", "blue"].iter().map(|colour| format!("-f lavfi -i color={colour}:s=64x36:d=1:r=10 ")).collect();
    let input = clips.make("a.mp4", &format!("{colours} -filter_complex concat=n=4:v=1:a=0 -pix_fmt yuv420p -g 5"));
    let made = child.convert(&input, "mp4", "png", json!({ "count": 4 })).expect("a sheet");
    let path = clips.path("sheet.png");
    made.save(&path);
    assert_eq!((&made.answer["width"], &made.answer["height"]), (&json!(132), &json!(76)), "two by two: {:#}", made.answer);
    assert_eq!(made.answer["explain"]["timestamp"], json!([0.5, 1.5, 2.5, 3.5]), "spread evenly");
    let brightest = |x, y| colour(&path, x, y).iter().enumerate().max_by_key(|(_, value)| **value).map(|(index, _)| index);
    assert!(colour(&path, 30, 16).iter().all(|value| *value < 30), "the first is black");
    assert_eq!([brightest(98, 16), brightest(30, 56), brightest(98, 56)], [Some(0), Some(1), Some(2)], "in their order");
    let wide = child.convert(&input, "mp4", "png", json!({ "count": 3, "width": 404 })).expect("a sheet");
    assert_eq!(wide.answer["width"], 404, "as wide as asked: {:#}", wide.answer);
    let one = child.convert(&input, "mp4", "png", json!({})).expect("a picture");
    assert_eq!(one.answer["explain"]["timestamp"], 1.4, "10% and 20% are black: {:#}", one.answer);
}
