//! Files that lie, end early, name other files, or are nothing at all.

use std::net::TcpListener;

use convertfly_sandbox::Failure;
use serde_json::json;

use crate::clips::{Clips, PICTURES, TONE, decode, probe};
use crate::support::Child;

/// A fault of the file, in words for its owner: no path or address of ours is in them.
fn refused(result: Result<crate::support::Made, Failure>, what: &str) -> String {
    match result {
        Err(failure @ (Failure::Invalid { .. } | Failure::TooLarge { .. })) => {
            let text = failure.to_string();
            assert!(!text.contains('/') || text.contains("1/"), "{what}: {text}");
            text
        }
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn t5_playlists_under_other_names_open_nothing() {
    let (child, clips) = (Child::start(), Clips::new());
    let canary = TcpListener::bind("127.0.0.1:0").expect("a port");
    canary.set_nonblocking(true).expect("set");
    let url = format!("http://{}", canary.local_addr().expect("its address"));
    let secret = clips.video("secret.mp4", "64x36");
    let path = secret.display();
    let files = [
        ("hls", format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{path}\n#EXT-X-ENDLIST\n")),
        ("hls-http", format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}/a.ts\n#EXT-X-ENDLIST\n")),
        ("hls-concat", format!("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nconcat:{url}/|file://{path}\n#EXT-X-ENDLIST\n")),
        ("ffconcat", format!("ffconcat version 1.0\nfile '{path}'\n")),
        ("concat-http", format!("ffconcat version 1.0\nfile '{url}/a.mp4'\n")),
        (
            "dash",
            format!(
                "<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\"><Period><AdaptationSet><Representation id=\"1\" \
                 bandwidth=\"1\"><BaseURL>{url}/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>"
            ),
        ),
        (
            "sdp",
            format!("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\na=control:{url}\nm=video 9 RTP/AVP 96\n"),
        ),
        ("image2", "/etc/%d.png\n".to_owned()),
    ];
    for (kind, text) in &files {
        let input = clips.write(&format!("{kind}.bin"), text.as_bytes());
        for from in ["mp4", "avi", "mkv", "mp3", "wav", "gif"] {
            let to = if matches!(from, "mp3" | "wav") { "mp3" } else { "mp4" };
            refused(child.convert(&input, from, to, json!({})), &format!("{kind} as {from}"));
        }
    }
    assert!(canary.accept().is_err(), "nobody has called");
    assert_eq!(child.pool.stats().crashes, 0, "the child is well");
}

#[test]
fn the_child_is_confined_while_it_works() {
    let report = Child::start().pool.report().expect("a child");
    assert_eq!(report.weaknesses(), Vec::<String>::new(), "every layer holds, with all that FFmpeg needs");
}

#[test]
fn another_container_than_said_is_refused() {
    let (child, clips) = (Child::start(), Clips::new());
    let input = clips.video("a.mkv", "64x36");
    let text = refused(child.convert(&input, "avi", "mp4", json!({})), "a Matroska file as AVI");
    assert!(text.contains("AVI"), "{text}");
}

#[test]
fn truncated_files_give_what_is_there_or_a_clear_word() {
    let (child, clips) = (Child::start(), Clips::new());
    let whole = std::fs::read(clips.video("a.mp4", "160x90")).expect("the clip");
    // Its index is at the end.
    let input = clips.write("half.mp4", &whole[..whole.len() / 2]);
    let text = refused(child.convert(&input, "mp4", "webm", json!({})), "no index");
    assert!(text.contains("damaged or incomplete"), "{text}");
    let whole = std::fs::read(clips.video("a.mkv", "160x90")).expect("the clip");
    let input = clips.write("half.mkv", &whole[..whole.len() / 2]);
    let made = child.convert(&input, "mkv", "mp4", json!({ "quality": 50 })).expect("the first half");
    let path = clips.path("out.mp4");
    made.save(&path);
    assert!((10..50).contains(&decode(&path)), "what was there");
    assert!(made.warnings().contains("ends after"), "and it is said: {}", made.warnings());
    for (name, bytes) in [("empty", &[][..]), ("zeros", &[0; 5000][..]), ("header", &whole[..40])] {
        let input = clips.write(name, bytes);
        refused(child.convert(&input, "mkv", "mp4", json!({})), name);
    }
}

#[test]
fn what_is_not_in_the_file_cannot_be_made_of_it() {
    let (child, clips) = (Child::start(), Clips::new());
    let silent = clips.make("silent.mp4", &format!("{PICTURES}64x36 -c:v libx264 -preset ultrafast -pix_fmt yuv420p"));
    let text = refused(child.convert(&silent, "mp4", "mp3", json!({})), "no sound");
    assert!(text.contains("no sound"), "{text}");
    let dark = clips.make("dark.mp4", &format!("{TONE} -c:a aac"));
    let text = refused(child.convert(&dark, "mp4", "gif", json!({})), "no pictures");
    assert!(text.contains("no pictures"), "{text}");
    refused(child.convert(&dark, "mp4", "png", json!({})), "no frame");
    let made = child.convert(&dark, "mp4", "webm", json!({})).expect("a video of sound");
    assert!(made.warnings().contains("no pictures"), "{}", made.warnings());
    refused(child.convert(&dark, "mp4", "webm", json!({ "mute": true })), "nothing left");
    // A cover is no video: the sound is what counts.
    let cover = clips.make("cover.png", "-f lavfi -i color=green:s=32x32:d=1 -frames:v 1");
    let covered = clips.make(
        "b.mp3",
        &format!("{TONE} -i {} -map 0 -map 1 -c:a libmp3lame -c:v copy -disposition:v attached_pic", cover.display()),
    );
    let made = child.convert(&covered, "mp3", "ogg", json!({})).expect("its sound");
    let path = clips.path("out.ogg");
    made.save(&path);
    assert_eq!((probe(&path).codec("audio"), probe(&path).codec("video")), (Some("vorbis"), None), "sound alone");
}

#[test]
fn results_without_content_are_errors() {
    let (child, clips) = (Child::start(), Clips::new());
    // Shorter than one frame of AAC.
    let short = clips.make("short.wav", "-f lavfi -i sine=sample_rate=44100:duration=0.005");
    let result = child.convert(&short, "wav", "aac", json!({}));
    if let Ok(made) = &result {
        let path = clips.path("short.aac");
        made.save(&path);
        assert_eq!(probe(&path).codec("audio"), Some("aac"), "a result has a stream");
    }
    let none = clips.make("none.wav", "-f lavfi -i anullsrc=d=1 -t 0");
    refused(child.convert(&none, "wav", "mp3", json!({})), "no samples");
    let clip = clips.video("a.mp4", "64x36");
    let failure = child.convert(&clip, "mp4", "mkv", json!({ "start": 100.0 })).expect_err("past the end");
    assert!(matches!(&failure, Failure::Invalid { field: Some(field), .. } if field == "start"), "{failure:?}");
}

#[test]
fn codecs_that_a_container_does_not_hold_name_their_field() {
    let (child, clips) = (Child::start(), Clips::new());
    let clip = clips.video("a.mp4", "64x36");
    for (to, options, named) in [
        ("webm", json!({ "video_codec": "h264" }), "video_codec"),
        ("avi", json!({ "audio_codec": "opus" }), "audio_codec"),
        ("mp4", json!({ "encoder": "libvpx-vp9" }), "encoder"),
    ] {
        let failure = child.convert(&clip, "mp4", to, options.clone()).expect_err("it does not fit");
        assert!(matches!(&failure, Failure::Invalid { field: Some(field), .. } if field == named), "{options}: {failure:?}");
    }
}

/// Bytes are changed, cut and repeated; the child answers every time. `CONVERTFLY_MUTATIONS` asks for more than continuous integration runs.
#[test]
fn mutated_files_never_end_the_child() {
    let count: u64 = std::env::var("CONVERTFLY_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(120);
    let (child, clips) = (Child::start(), Clips::new());
    let sound = |name: &str, codec: &str| clips.make(name, &format!("-f lavfi -i sine=duration=0.3 -c:a {codec}"));
    let small = |name: &str, codecs: &str| {
        clips.make(
            name,
            &format!("-f lavfi -i testsrc2=d=0.3:r=10:s=64x36 -f lavfi -i sine=duration=0.3 {codecs} -pix_fmt yuv420p"),
        )
    };
    let seeds = [
        ("mp4", small("s.mp4", "-c:v libx264 -c:a aac"), "webm"),
        ("mkv", small("s.mkv", "-c:v mpeg4 -c:a libvorbis"), "mp4"),
        ("webm", small("s.webm", "-c:v libvpx-vp9 -c:a libopus"), "mp4"),
        ("avi", small("s.avi", "-c:v mpeg4 -c:a libmp3lame"), "gif"),
        ("mov", small("s.mov", "-c:v libx264 -c:a pcm_s16le"), "png"),
        ("mp3", sound("s.mp3", "libmp3lame"), "wav"),
        ("wav", sound("s.wav", "pcm_s16le"), "mp3"),
        ("ogg", sound("s.ogg", "libvorbis"), "flac"),
        ("flac", sound("s.flac", "flac"), "ogg"),
        ("aac", sound("s.aac", "aac"), "m4a"),
        ("m4a", sound("s.m4a", "aac"), "mp3"),
    ];
    let seeds = seeds.map(|(from, path, to)| (from, std::fs::read(path).expect("the clip"), to));
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |bound: usize| {
        // xorshift64: the same files every time.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % bound.max(1) as u64) as usize
    };
    let mut done = 0;
    for round in 0..count {
        let (from, seed, to) = &seeds[(round % seeds.len() as u64) as usize];
        let mut bytes = seed.clone();
        for _ in 0..=next(12) {
            // Half of the changes hit the headers, where they do most.
            let place = if next(2) == 0 { next(bytes.len().min(600)) } else { next(bytes.len()) };
            match next(4) {
                0 => bytes.truncate(place.max(16)),
                1 => bytes[place..].iter_mut().take(1 + next(8)).for_each(|byte| *byte = 0xff),
                2 => bytes[place] ^= 1 << next(8),
                _ => {
                    let piece: Vec<u8> = bytes[place..].iter().take(64).copied().collect();
                    let at = next(bytes.len());
                    bytes.splice(at..at, piece);
                }
            }
        }
        let input = clips.write("mutated", &bytes);
        match child.convert(&input, from, to, json!({})) {
            Ok(_) => done += 1,
            Err(Failure::Invalid { .. } | Failure::TooLarge { .. }) => {}
            Err(failure) => panic!("round {round}, {from} -> {to}: {failure:?}"),
        }
    }
    let stats = child.pool.stats();
    assert_eq!((stats.crashes, stats.kills), (0, 0), "{done} of {count} were converted: {stats:?}");
    assert!(done > 0, "some changes do not matter");
}
