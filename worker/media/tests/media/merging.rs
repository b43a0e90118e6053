//! Several clips in one file.

use convertfly_sandbox::Failure;
use serde_json::json;

use crate::clips::{Clips, TONE, colour_at, decode, onsets, probe, samples};
use crate::support::Child;

/// One second in a colour, with a click of a tone in its second half.
fn clip(colour: &str, size: &str, rate: u32) -> String {
    format!(
        "-f lavfi -i color={colour}:s={size}:d=1:r={rate} \
         -f lavfi -i sine=frequency=440:duration=1:sample_rate=44100,volume=0:enable='lt(t,0.5)'"
    )
}

const H264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac";

#[test]
fn clips_of_one_kind_are_joined_as_they_are() {
    let (child, clips) = (Child::start(), Clips::new());
    let [red, blue] =
        ["red", "blue"].map(|colour| clips.make(&format!("{colour}.mp4"), &format!("{} {H264}", clip(colour, "96x64", 25))));
    for to in ["mp4", "mkv", "mov"] {
        let made = child.merge(&[(&red, "mp4"), (&blue, "mp4"), (&red, "mp4")], to, json!({})).expect(to);
        assert_eq!(made.answer["explain"]["mode"], "copy", "{to}: {:#}", made.answer);
        let path = clips.path(&format!("out.{to}"));
        made.save(&path);
        assert_eq!(decode(&path), 75, "{to}: every frame");
        assert!((probe(&path).duration() - 3.0).abs() < 0.1, "{to}: {}", probe(&path).duration());
        for (second, red) in [(0.5, true), (1.5, false), (2.5, true)] {
            let [r, _, b] = colour_at(&path, second, 40, 30);
            assert_eq!(r > b, red, "{to} at {second}: {r} {b}");
        }
        let onsets = onsets(&samples(&path));
        assert_eq!(onsets.len(), 3, "{to}: {onsets:?}");
        for (index, onset) in onsets.iter().enumerate() {
            // The sound of a clip is a little longer than its pictures, by less than two frames of AAC; both tracks wait for it.
            assert!((onset - index as f64 - 0.5).abs() < 0.05 * (index as f64 + 1.0), "{to}: {onsets:?}");
        }
    }
}

#[test]
fn clips_of_different_kinds_get_the_size_of_the_first_one() {
    let (child, clips) = (Child::start(), Clips::new());
    let red = clips.make("red.mp4", &format!("{} {H264}", clip("red", "96x64", 25)));
    // Higher than wide, another rate, codec and number of channels.
    let lime = clips.make(
        "lime.webm",
        &format!("{} -ac 2 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus", clip("lime", "32x64", 10)),
    );
    let blue = clips.make("blue.mkv", "-f lavfi -i color=blue:s=192x128:d=1:r=50 -c:v ffv1");
    for (to, video, audio) in [("mp4", "h264", "aac"), ("webm", "vp9", "opus"), ("avi", "mpeg4", "mp3")] {
        let made = child
            .merge(&[(&red, "mp4"), (&lime, "webm"), (&blue, "mkv"), (&red, "mp4")], to, json!({}))
            .unwrap_or_else(|failure| panic!("{to}: {failure}"));
        let path = clips.path(&format!("out.{to}"));
        made.save(&path);
        let probed = probe(&path);
        assert_eq!((probed.codec("video"), probed.codec("audio"), probed.size()), (Some(video), Some(audio), (96, 64)), "{to}");
        assert_eq!(decode(&path), 100, "{to}: four seconds of 25 frames");
        assert!((probed.duration() - 4.0).abs() < 0.1, "{to}: {}", probed.duration());
        let [r, g, b] = colour_at(&path, 1.5, 48, 32);
        assert!(g > 150 && r < 100 && b < 100, "{to}: green in the middle: {r} {g} {b}");
        let bar = colour_at(&path, 1.5, 8, 32);
        assert!(bar.iter().all(|value| *value < 40), "{to}: bars beside it: {bar:?}");
        let [r, _, b] = colour_at(&path, 2.5, 8, 32);
        assert!(b > 150 && r < 100, "{to}: blue fills it: {r} {b}");
        // The third clip has no sound: silence keeps the fourth one's in its place.
        let onsets = onsets(&samples(&path));
        assert_eq!(onsets.len(), 3, "{to}: {onsets:?}");
        // AVI has no place to say how much an encoder has put before the sound.
        let grace = if to == "avi" { 0.06 } else { 0.04 };
        for (onset, expected) in onsets.iter().zip([0.5, 1.5, 3.5]) {
            assert!((onset - expected).abs() < grace, "{to}: {onsets:?}");
        }
    }
}

#[test]
fn drift_does_not_add_up_over_many_clips() {
    let (child, clips) = (Child::start(), Clips::new());
    let red = clips.make("red.mp4", &format!("{} {H264}", clip("red", "32x32", 24)));
    let many = vec![(red.as_path(), "mp4"); 30];
    // A quality is asked for: nothing is copied.
    let made = child.merge(&many, "mkv", json!({ "quality": 40 })).expect("merged");
    assert_eq!(made.answer["explain"]["mode"], "encode", "{:#}", made.answer);
    let path = clips.path("out.mkv");
    made.save(&path);
    let onsets = onsets(&samples(&path));
    assert_eq!(onsets.len(), 30, "{onsets:?}");
    let worst = onsets.iter().enumerate().map(|(index, onset)| (onset - index as f64 - 0.5).abs()).fold(0.0, f64::max);
    assert!(worst < 0.04 + 0.03, "sound stays with the pictures: {worst} s, {onsets:?}");
}

#[test]
fn sound_is_joined_with_sound() {
    let (child, clips) = (Child::start(), Clips::new());
    let (mp3, flac) =
        (clips.make("a.mp3", &format!("{TONE} -c:a libmp3lame")), clips.make("b.flac", &format!("{TONE} -ac 2 -c:a flac")));
    for to in ["mp3", "wav", "ogg", "m4a", "flac", "aac"] {
        let made =
            child.merge(&[(&mp3, "mp3"), (&flac, "flac")], to, json!({})).unwrap_or_else(|failure| panic!("{to}: {failure}"));
        let path = clips.path(&format!("out.{to}"));
        made.save(&path);
        let seconds = samples(&path).len() as f64 / 8000.0;
        assert!((seconds - 4.0).abs() < 0.12, "{to}: {seconds} s");
    }
    let made = child.merge(&[(&mp3, "mp3"), (&mp3, "mp3")], "mp3", json!({})).expect("copied");
    assert_eq!(made.answer["explain"]["mode"], "copy", "{:#}", made.answer);
}

#[test]
fn what_does_not_fit_together_is_named() {
    let (child, clips) = (Child::start(), Clips::new());
    let (video, sound) = (clips.video("a.mp4", "64x36"), clips.make("b.mp3", TONE));
    let broken = clips.write("c.mp4", b"\0\0\0\x20ftypisom and nothing of what it says");
    let failure = child.merge(&[(&video, "mp4"), (&sound, "mp3")], "mp4", json!({})).expect_err("no pictures");
    assert!(matches!(&failure, Failure::Invalid { message, .. } if message.starts_with("Input 2:")), "{failure:?}");
    let failure = child.merge(&[(&video, "mp4"), (&broken, "mp4")], "mp4", json!({})).expect_err("broken");
    assert!(matches!(&failure, Failure::Invalid { message, .. } if message.starts_with("Input 2:")), "{failure:?}");
}
