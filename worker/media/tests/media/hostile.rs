//! Files that lie, end early, name other files, or are nothing at all.

use std::net::TcpListener;

use convertfly_sandbox::{Cancel, Failure};
use serde_json::json;

use crate::animations::uneven;
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

#[test]
fn tags_may_be_anything() {
    let (child, clips) = (Child::start(), Clips::new());
    let sources = "-f lavfi -i testsrc2=d=0.3:r=10:s=64x36 -f lavfi -i sine=duration=0.3";
    let tags = "-metadata title=TITLE -metadata:s:v language=LNG -metadata:s:a title=SOUND";
    let mut bytes = std::fs::read(clips.make("a.mkv", &format!("{sources} {tags} -c:v mpeg4 -c:a flac"))).expect("the clip");
    // An old alphabet, half a letter at the end, a continuation of nothing.
    for (text, other) in [(&b"TITLE"[..], &b"caf\xe9\xc3"[..]), (b"LNG", b"un\xff"), (b"SOUND", b"\x80\xbf\xf0\x9f\x98")] {
        while let Some(at) = bytes.windows(text.len()).position(|window| window == text) {
            bytes[at..at + text.len()].copy_from_slice(other);
        }
    }
    let input = clips.write("b.mkv", &bytes);
    let job = json!({ "action": "metadata", "from": "mkv", "to": "json" });
    let facts = child.run(&input, job, &Cancel::new()).expect("facts").answer["metadata"].clone();
    assert_eq!(facts["tags"]["title"], "caf\u{fffd}\u{fffd}", "{facts:#}");
    assert_eq!(facts["streams"][0]["language"], "un\u{fffd}", "{facts:#}");
    for to in ["mkv", "mp4", "webm"] {
        let made = child.convert(&input, "mkv", to, json!({})).unwrap_or_else(|failure| panic!("{to}: {failure}"));
        let path = clips.path(&format!("out.{to}"));
        made.save(&path);
        assert_eq!(decode(&path), 3, "{to}");
    }
    assert_eq!(child.pool.stats().crashes, 0, "the child is well");
}

/// Numbers that look like chance: xorshift64, the same every time.
struct Chance(u64);

impl Chance {
    fn next(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    /// The file with some bytes changed, cut and repeated.
    fn mutated(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.next(12) {
            // Half of the changes hit the headers, where they do most.
            let place = if self.next(2) == 0 { self.next(bytes.len().min(600)) } else { self.next(bytes.len()) };
            match self.next(4) {
                0 => bytes.truncate(place.max(16)),
                1 => bytes[place..].iter_mut().take(1 + self.next(8)).for_each(|byte| *byte = 0xff),
                2 => bytes[place] ^= 1 << self.next(8),
                _ => {
                    let piece: Vec<u8> = bytes[place..].iter().take(64).copied().collect();
                    let at = self.next(bytes.len());
                    bytes.splice(at..at, piece);
                }
            }
        }
        bytes
    }
}

/// How many files are changed; `CONVERTFLY_MUTATIONS` asks for more than continuous integration runs.
fn mutations(usual: usize) -> usize {
    std::env::var("CONVERTFLY_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// A small clip of 0.3 s.
fn small(clips: &Clips, name: &str, codecs: &str) -> Vec<u8> {
    let sources = "-f lavfi -i testsrc2=d=0.3:r=10:s=64x36 -f lavfi -i sine=duration=0.3";
    std::fs::read(clips.make(name, &format!("{sources} {codecs} -pix_fmt yuv420p"))).expect("the clip")
}

/// Counts what was done; anything but a fault of the file fails, and so does a child that has ended.
fn all_answered(child: &Child, clips: &Clips, results: impl Iterator<Item = (String, Result<crate::support::Made, Failure>)>) {
    let (mut done, mut refused) = (0, 0);
    for (what, result) in results {
        match result {
            Ok(_) => done += 1,
            Err(Failure::Invalid { .. } | Failure::TooLarge { .. }) => refused += 1,
            Err(failure) => {
                let kept = std::env::temp_dir().join(format!("mutated-media-{}", std::process::id()));
                std::fs::copy(clips.path("mutated"), &kept).expect("it is kept");
                panic!("{what}, {}: {failure:?}", kept.display());
            }
        }
    }
    let stats = child.pool.stats();
    assert_eq!((stats.crashes, stats.kills), (0, 0), "{done} done, {refused} refused: {stats:?}");
    assert!(done > 0 && refused > 0, "some changes do not matter, some do: {done}, {refused}");
}

#[test]
fn mutated_files_never_end_the_child() {
    let (child, clips) = (Child::start(), Clips::new());
    let sound = |name: &str, codec: &str| {
        std::fs::read(clips.make(name, &format!("-f lavfi -i sine=duration=0.3 -c:a {codec}"))).expect("the clip")
    };
    let seeds = [
        ("mp4", small(&clips, "s.mp4", "-c:v libx264 -c:a aac"), "webm"),
        ("mkv", small(&clips, "s.mkv", "-c:v mpeg4 -c:a libvorbis"), "mp4"),
        ("webm", small(&clips, "s.webm", "-c:v libvpx-vp9 -c:a libopus"), "mp4"),
        ("avi", small(&clips, "s.avi", "-c:v mpeg4 -c:a libmp3lame"), "gif"),
        ("mov", small(&clips, "s.mov", "-c:v libx264 -c:a pcm_s16le"), "png"),
        ("mp4", small(&clips, "t.mp4", "-c:v libx264 -c:a aac"), "webp"),
        ("png", std::fs::read(uneven(&clips, "s.apng", "-plays 0")).expect("the clip"), "mp4"),
        ("mp3", sound("s.mp3", "libmp3lame"), "wav"),
        ("wav", sound("s.wav", "pcm_s16le"), "mp3"),
        ("ogg", sound("s.ogg", "libvorbis"), "flac"),
        ("flac", sound("s.flac", "flac"), "ogg"),
        ("aac", sound("s.aac", "aac"), "m4a"),
        ("m4a", sound("s.m4a", "aac"), "mp3"),
    ];
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let results = (0..mutations(2_000)).map(|round| {
        let (from, seed, to) = &seeds[round % seeds.len()];
        let input = clips.write("mutated", &chance.mutated(seed));
        (format!("round {round}, {from} -> {to}"), child.convert(&input, from, to, json!({})))
    });
    all_answered(&child, &clips, results);
}

#[test]
fn mutated_files_end_no_other_action_either() {
    let (child, clips) = (Child::start(), Clips::new());
    let mark = clips.make("mark.png", "-f lavfi -i color=red@0.5:s=64x36:d=1,format=rgba -frames:v 1");
    let whole = small(&clips, "whole.mp4", "-c:v libx264 -c:a aac");
    let whole = clips.write("whole.mp4", &whole);
    let seeds = [
        ("mp4", small(&clips, "s.mp4", "-c:v libx264 -c:a aac")),
        ("mkv", small(&clips, "s.mkv", "-c:v libx264 -c:a libvorbis")),
        ("webm", small(&clips, "s.webm", "-c:v libvpx-vp9 -c:a libopus")),
        ("avi", small(&clips, "s.avi", "-c:v mpeg4 -c:a libmp3lame")),
        ("mov", small(&clips, "s.mov", "-c:v mpeg4 -c:a pcm_s16le")),
    ];
    let mut chance = Chance(0x2545_f491_4f6c_dd1d);
    let quick = json!({ "preset": "ultrafast", "quality": 40 });
    let results = (0..mutations(600)).map(|round| {
        let (from, seed) = &seeds[round % seeds.len()];
        let input = clips.write("mutated", &chance.mutated(seed));
        // Every action with every seed in turn.
        let (action, result) = match round / seeds.len() % 6 {
            0 => ("merge", child.merge(&[(&whole, "mp4"), (&input, from)], "mp4", quick.clone())),
            1 => ("merge", child.merge(&[(&input, from), (&input, from)], "mkv", json!({}))),
            2 => {
                let job = json!({ "action": "optimize", "from": from, "to": from, "options": quick, "max_bytes": 20_000 });
                ("optimize", child.run(&input, job, &Cancel::new()))
            }
            3 => {
                let job = json!({ "action": "watermark", "from": from, "to": from, "beside": ["png"], "options": quick });
                ("watermark", child.run_all(&[&input, &mark], job, &Cancel::new()))
            }
            4 => ("sheet", child.convert(&input, from, "png", json!({ "count": 4 }))),
            _ => {
                let job = json!({ "action": "metadata", "from": from, "to": "json", "measures_loudness": true });
                ("metadata", child.run(&input, job, &Cancel::new()))
            }
        };
        (format!("round {round}, {action} of {from}"), result)
    });
    all_answered(&child, &clips, results);
}
