//! What the options ask for is in the results.

use std::time::Duration;

use convertfly_sandbox::{Cancel, Failure};
use serde_json::json;

use crate::clips::{Clips, PICTURES, TONE, colour, decode, probe};
use crate::support::Child;

#[test]
fn a_transcode_keeps_length_size_and_frames() {
    let (child, clips) = (Child::start(), Clips::new());
    let input = clips.video("a.mp4", "160x90");
    for (to, video, audio, quality) in [
        ("mp4", "h264", "aac", 60),
        ("mkv", "h264", "aac", 60),
        ("webm", "vp9", "opus", 60),
        ("avi", "mpeg4", "mp3", 60),
        ("mov", "h264", "aac", 60),
    ] {
        let made = child.convert(&input, "mp4", to, json!({ "quality": quality, "audio_bitrate": 64 })).expect(to);
        let path = clips.path(&format!("out.{to}"));
        made.save(&path);
        let probed = probe(&path);
        assert_eq!((probed.codec("video"), probed.codec("audio")), (Some(video), Some(audio)), "{to}: {probed:?}");
        assert_eq!(probed.size(), (160, 90), "{to}");
        assert!((probed.duration() - 2.0).abs() < 0.08, "{to}: {} s", probed.duration());
        assert_eq!(decode(&path), 50, "{to}: every frame");
        assert_eq!((made.answer["width"].as_u64(), made.answer["height"].as_u64()), (Some(160), Some(90)), "{to}");
        assert!(made.progress.windows(2).all(|two| two[0] < two[1]) && !made.progress.is_empty(), "{to}: {:?}", made.progress);
    }
}

#[test]
fn every_codec_that_can_be_asked_for_is_written() {
    let (child, clips) = (Child::start(), Clips::new());
    let input = clips.video("a.mp4", "96x64");
    for (to, video, audio, found) in [
        ("mp4", "hevc", "mp3", ("hevc", "mp3")),
        ("mp4", "av1", "aac", ("av1", "aac")),
        ("webm", "av1", "vorbis", ("av1", "vorbis")),
        ("mkv", "vp9", "flac", ("vp9", "flac")),
        ("mov", "mpeg4", "pcm", ("mpeg4", "pcm_s16le")),
        ("avi", "h264", "pcm", ("h264", "pcm_s16le")),
    ] {
        let options = json!({ "video_codec": video, "audio_codec": audio, "preset": "ultrafast", "quality": 50 });
        let made = child.convert(&input, "mp4", to, options).unwrap_or_else(|failure| panic!("{to} {video}: {failure}"));
        let path = clips.path(&format!("out.{to}"));
        made.save(&path);
        let probed = probe(&path);
        assert_eq!((probed.codec("video"), probed.codec("audio")), (Some(found.0), Some(found.1)), "{to}");
        assert_eq!(decode(&path), 50, "{to} {video}: every frame");
    }
}

#[test]
fn only_the_container_changes_where_that_is_enough() {
    let (child, clips) = (Child::start(), Clips::new());
    let input = clips.video("a.mp4", "160x90");
    let made = child.convert(&input, "mp4", "mkv", json!({})).expect("a copy");
    assert_eq!(made.answer["explain"]["mode"], "copy", "{:#}", made.answer);
    let path = clips.path("out.mkv");
    made.save(&path);
    assert_eq!((probe(&path).codec("video"), decode(&path)), (Some("h264"), 50), "all of it");
    // Opus does not go into MP4 here: the pictures are still taken over.
    let mixed = clips.make("b.mkv", &format!("{PICTURES}160x90 {TONE} -c:v libx264 -preset ultrafast -c:a libopus -shortest"));
    let made = child.convert(&mixed, "mkv", "mp4", json!({})).expect("half a copy");
    assert_eq!(made.tracks()[0]["how"], "copied", "{:#}", made.answer);
    assert_eq!(made.tracks()[1]["encoder"], "aac", "{:#}", made.answer);
    let path = clips.path("out.mp4");
    made.save(&path);
    assert_eq!((probe(&path).codec("audio"), decode(&path)), (Some("aac"), 50), "both tracks");
}

#[test]
fn an_mp4_has_its_index_in_front() {
    let (child, clips) = (Child::start(), Clips::new());
    let input = clips.video("a.mkv", "160x90");
    let made = child.convert(&input, "mkv", "mp4", json!({})).expect("a copy");
    let position = |name: &[u8]| made.bytes.windows(4).position(|four| four == name).expect("the box is there");
    assert!(position(b"moov") < position(b"mdat"), "a player can begin before it has all of it");
}

#[test]
fn sizes_rates_and_parts_are_as_asked() {
    let (child, clips) = (Child::start(), Clips::new());
    let input = clips.video("a.mp4", "320x180");
    let cases = [
        (json!({ "width": 161 }), (162, 90), 50, 2.0),
        (json!({ "width": 100, "height": 100, "fit": "max" }), (100, 56), 50, 2.0),
        (json!({ "width": 100, "height": 100, "fit": "crop" }), (100, 100), 50, 2.0),
        (json!({ "width": 100, "height": 100, "fit": "pad" }), (100, 100), 50, 2.0),
        (json!({ "rotate": 90 }), (180, 320), 50, 2.0),
        (json!({ "fps": 10 }), (320, 180), 20, 2.0),
        (json!({ "start": 0.5, "end": 1.5 }), (320, 180), 25, 1.0),
        (json!({ "start": 1.0, "duration": 0.4 }), (320, 180), 10, 0.4),
    ];
    for (options, size, frames, seconds) in cases {
        let made = child.convert(&input, "mp4", "mp4", options.clone()).unwrap_or_else(|failure| panic!("{options}: {failure}"));
        let path = clips.path("out.mp4");
        made.save(&path);
        let probed = probe(&path);
        assert_eq!(probed.size(), size, "{options}");
        assert_eq!(decode(&path), frames, "{options}");
        assert!((probed.duration() - seconds).abs() < 0.08, "{options}: {} s", probed.duration());
        assert!(probed.codec("audio").is_some(), "{options}: with its sound");
    }
}

#[test]
fn odd_sizes_become_even_and_the_sound_can_be_left_out() {
    let (child, clips) = (Child::start(), Clips::new());
    let input =
        clips.make("odd.mkv", &format!("{PICTURES}160x90,scale=161:91,format=yuv444p {TONE} -c:v ffv1 -c:a flac -shortest"));
    assert_eq!(probe(&input).size(), (161, 91), "odd indeed");
    let made = child.convert(&input, "mkv", "mp4", json!({ "mute": true })).expect("odd sizes");
    let path = clips.path("out.mp4");
    made.save(&path);
    let probed = probe(&path);
    assert_eq!((probed.size(), probed.codec("audio")), ((162, 92), None), "{probed:?}");
    assert_eq!(decode(&path), 50, "every frame");
}

#[test]
fn a_turn_in_the_file_is_applied() {
    let (child, clips) = (Child::start(), Clips::new());
    // Red on the left, blue on the right; the player is told to turn it by a quarter clockwise.
    let flat = clips.make(
        "flat.mp4",
        "-f lavfi -i color=red:s=80x80:d=1:r=5 -f lavfi -i color=blue:s=80x80:d=1:r=5 -filter_complex hstack -pix_fmt yuv420p -c:v libx264",
    );
    let input = clips.make("turned.mp4", &format!("-i {} -c copy -metadata:s:v rotate=270", flat.display()));
    let made = child.convert(&input, "mp4", "webm", json!({})).expect("turned");
    let path = clips.path("out.webm");
    made.save(&path);
    assert_eq!(probe(&path).size(), (80, 160), "stands upright");
    let (top, bottom) = (colour(&path, 40, 20), colour(&path, 40, 140));
    assert!(top[0] > 150 && top[2] < 90, "the left is now on top: {top:?}");
    assert!(bottom[2] > 150 && bottom[0] < 90, "the right is below: {bottom:?}");
    // Where nothing is encoded, the player is still told.
    let copied = child.convert(&input, "mp4", "mov", json!({})).expect("copied");
    let path = clips.path("out.mov");
    copied.save(&path);
    let stream = probe(&path);
    let matrix = stream.stream("video").expect("pictures")["side_data_list"][0]["rotation"].clone();
    assert_eq!(
        (matrix.as_i64().map(i64::abs), copied.answer["explain"]["mode"].as_str()),
        (Some(90), Some("copy")),
        "{stream:?}"
    );
}

#[test]
fn pixel_formats_and_layouts_of_all_kinds_are_read() {
    let (child, clips) = (Child::start(), Clips::new());
    for (index, (pixels, layout, rate)) in [
        ("yuv420p10le", "stereo", 48_000),
        ("yuv422p", "5.1", 48_000),
        ("yuv444p", "mono", 8_000),
        ("yuv422p10le", "7.1", 96_000),
        ("gray", "quad", 44_100),
        ("bgr0", "2.1", 22_050),
    ]
    .into_iter()
    .enumerate()
    {
        let sound = format!("-f lavfi -i anoisesrc=d=1:a=0.1:r={rate},aformat=channel_layouts={layout}");
        let input = clips.make(
            &format!("{index}.mkv"),
            &format!("-f lavfi -i testsrc2=d=1:r=25:s=64x36 {sound} -pix_fmt {pixels} -c:v ffv1 -c:a flac -shortest"),
        );
        for to in ["mp4", "webm", "avi"] {
            let made =
                child.convert(&input, "mkv", to, json!({})).unwrap_or_else(|failure| panic!("{pixels} {layout} {to}: {failure}"));
            let path = clips.path(&format!("{index}.{to}"));
            made.save(&path);
            assert_eq!(decode(&path), 25, "{pixels} {layout} -> {to}");
            assert!(probe(&path).codec("audio").is_some(), "{pixels} {layout} -> {to}: with sound");
        }
    }
}

#[test]
fn sound_and_pictures_that_change_on_the_way_are_brought_to_their_beginning() {
    let (child, clips) = (Child::start(), Clips::new());
    let stereo = clips.make("1.aac", "-f lavfi -i sine=d=1:r=44100,aformat=channel_layouts=stereo -c:a aac");
    let mono = clips.make("2.aac", "-f lavfi -i sine=d=1:r=22050,aformat=channel_layouts=mono -c:a aac");
    let both = [stereo, mono].map(|path| std::fs::read(path).expect("the clip")).concat();
    for to in ["m4a", "mp3", "ogg", "flac", "wav"] {
        let made = child
            .convert(&clips.write("both.aac", &both), "aac", to, json!({ "quality": 70 }))
            .unwrap_or_else(|failure| panic!("{to}: {failure}"));
        let path = clips.path(&format!("both.{to}"));
        made.save(&path);
        let probed = probe(&path);
        assert!((1.4..2.4).contains(&probed.duration()), "{to}: both parts: {} s", probed.duration());
        assert_eq!(probed.stream("audio").map(|stream| &stream["channels"]), Some(&json!(2)), "{to}: as it began");
        decode(&path);
    }
}

#[test]
fn an_encoder_that_refuses_is_replaced_and_the_reason_is_told() {
    let (child, clips) = (Child::start(), Clips::new());
    let input = clips.video("a.mp4", "160x90");
    // In the child there is no device to be opened, whatever this machine has.
    let made = child.convert(&input, "mp4", "mkv", json!({ "encoder": "h264_nvenc" })).expect("software does it");
    assert_eq!(made.tracks()[0]["encoder"], "libx264", "{:#}", made.answer);
    let refused = &made.answer["explain"]["encoders_refused"][0];
    assert_eq!(refused["encoder"], "h264_nvenc", "{refused}");
    assert!(refused["reason"].as_str().is_some_and(|reason| reason.len() > 8), "FFmpeg's own words: {refused}");
    let path = clips.path("out.mkv");
    made.save(&path);
    assert_eq!(decode(&path), 50, "nothing is missing");
}

#[test]
fn a_gif_moves_with_the_colours_of_the_video() {
    let (child, clips) = (Child::start(), Clips::new());
    let input = clips.video("a.mp4", "640x360");
    let made = child.convert(&input, "mp4", "gif", json!({})).expect("a GIF");
    let path = clips.path("out.gif");
    made.save(&path);
    assert_eq!((probe(&path).size(), decode(&path)), ((480, 270), 20), "10 frames a second, 480 wide");
    let back = child.convert(&path, "gif", "mp4", json!({})).expect("back");
    let path = clips.path("back.mp4");
    back.save(&path);
    assert_eq!((probe(&path).codec("video"), probe(&path).size()), (Some("h264"), (480, 270)), "and back");
    assert!((probe(&path).duration() - 2.0).abs() < 0.15, "as long: {}", probe(&path).duration());
}

#[test]
fn a_frame_is_the_one_of_its_moment() {
    let (child, clips) = (Child::start(), Clips::new());
    let input = clips.make(
        "a.mp4",
        "-f lavfi -i color=red:s=64x36:d=1:r=10 -f lavfi -i color=blue:s=64x36:d=1:r=10 -filter_complex concat=n=2:v=1:a=0 -pix_fmt yuv420p",
    );
    for (timestamp, red) in [("0.5", true), ("1.5", false), ("75%", false), ("0:00:00.2", true), ("99", false)] {
        let made = child.convert(&input, "mp4", "png", json!({ "timestamp": timestamp })).expect(timestamp);
        let path = clips.path("out.png");
        made.save(&path);
        let [r, _, b] = colour(&path, 30, 16);
        assert_eq!(r > b, red, "{timestamp}: {r} {b}");
        assert_eq!(made.answer["width"], 64, "{timestamp}");
    }
    let failure = child.convert(&input, "mp4", "png", json!({ "timestamp": "soon" })).expect_err("no moment");
    assert!(matches!(failure, Failure::Invalid { field: Some(field), .. } if field == "timestamp"), "named");
}

#[test]
fn covers_tags_and_chapters_are_kept_and_places_are_not() {
    let (child, clips) = (Child::start(), Clips::new());
    let cover = clips.make("cover.png", "-f lavfi -i color=green:s=32x32:d=1 -frames:v 1");
    let notes = clips.write(
        "notes.txt",
        b";FFMETADATA1\ntitle=A song\nartist=Somebody\nlocation=+12.3+045.6/\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=900\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=900\nEND=2000\ntitle=Two\n",
    );
    let input = clips.make(
        "a.m4a",
        &format!(
            "{TONE} -i {} -i {} -map 0 -map 1 -map_metadata 2 -map_chapters 2 -c:a aac -c:v png -disposition:v attached_pic",
            cover.display(),
            notes.display()
        ),
    );
    for to in ["mp3", "flac"] {
        let made = child.convert(&input, "m4a", to, json!({})).expect(to);
        let path = clips.path(&format!("out.{to}"));
        made.save(&path);
        let probed = probe(&path);
        let title = probed.tag("title").or(probed.tag("TITLE"));
        assert_eq!(title, Some("A song"), "{to}: {probed:?}");
        assert_eq!(probed.tag("location"), None, "{to}: where it was recorded stays private");
        assert_eq!(
            probed.stream("video").map(|stream| &stream["disposition"]["attached_pic"]),
            Some(&json!(1)),
            "{to}: the cover"
        );
    }
    let made = child.convert(&input, "m4a", "mp3", json!({})).expect("mp3");
    let path = clips.path("chapters.mp3");
    made.save(&path);
    assert_eq!(probe(&path).chapters(), 2, "both");
}

#[test]
fn metadata_tells_what_is_in_the_file() {
    let (child, clips) = (Child::start(), Clips::new());
    let input = clips.video("a.mp4", "160x90");
    let job = json!({ "action": "metadata", "from": "mp4", "to": "json" });
    let made = child.run(&input, job, &Cancel::new()).expect("facts");
    let facts = &made.answer["metadata"];
    assert_eq!(
        (facts["format"].as_str(), facts["width"].as_u64(), facts["height"].as_u64()),
        (Some("mp4"), Some(160), Some(90)),
        "{facts:#}"
    );
    assert!((facts["duration"].as_f64().expect("seconds") - 2.0).abs() < 0.08, "{facts:#}");
    let (video, audio) = (&facts["streams"][0], &facts["streams"][1]);
    assert_eq!((video["codec"].as_str(), video["frame_rate"].as_f64()), (Some("h264"), Some(25.0)), "{video:#}");
    assert_eq!(
        (audio["codec"].as_str(), audio["sample_rate"].as_u64(), audio["channels"].as_u64()),
        (Some("aac"), Some(44_100), Some(1)),
        "{audio:#}"
    );
    let file: serde_json::Value = serde_json::from_slice(&made.bytes).expect("JSON");
    assert_eq!(&file, facts, "the file says the same");
}

#[test]
fn work_that_is_not_wanted_ends_early_and_the_next_is_done() {
    let (child, clips) = (Child::start(), Clips::new());
    let input =
        clips.make("long.mp4", "-f lavfi -i testsrc2=d=120:r=30:s=640x360 -c:v libx264 -preset ultrafast -pix_fmt yuv420p");
    let cancel = Cancel::new();
    let later = cancel.clone();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        later.cancel();
    });
    // Minutes of work, if it were not stopped.
    let job = json!({ "action": "convert", "from": "mp4", "to": "mp4", "options": { "preset": "veryslow" }, "threads": 2 });
    let failure = child.run(&input, job, &cancel).expect_err("cancelled");
    stopper.join().expect("no panic");
    assert_eq!(failure, Failure::Cancelled, "as asked");
    let short = clips.video("short.mp4", "64x36");
    assert!(child.convert(&short, "mp4", "mkv", json!({})).is_ok(), "the next task is done");
}
