//! What an NVENC card does and refuses: FFmpeg's own `h264_nvenc`, on a stub of the driver's two libraries (`tests/stub/nvidia.c`).

use std::path::PathBuf;
use std::process::Command;

use convertfly_sandbox::Cancel;
use serde_json::{Value, json};

use crate::clips::{Clips, decode, probe};
use crate::support::{Child, Made};

/// A machine with such a card.
struct Card {
    clips: Clips,
    /// 2 s that FFmpeg decodes and encodes.
    film: PathBuf,
}

impl Card {
    fn new() -> Self {
        let clips = Clips::new();
        for library in ["libcuda.so.1", "libnvidia-encode.so.1"] {
            let made = Command::new("cc")
                .args(["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", &format!("-Wl,-soname,{library}"), "-o"])
                .arg(clips.path(library))
                .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stub/nvidia.c"))
                .output()
                .expect("a compiler of C is installed");
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        let film = clips.video("film.mkv", "160x90");
        // What the card will have made of it.
        let alone = "-an -c:v libx264 -preset ultrafast -g 1 -x264-params aud=1 -f h264";
        clips.make("stream", &format!("-i {} {alone}", film.display()));
        Self { clips, film }
    }

    /// The environment of a program that finds the stub, which fails as told.
    fn environment(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |name: &str| self.clips.path(name).display().to_string();
        let mut all = vec![
            ("LD_LIBRARY_PATH".to_owned(), self.clips.folder().display().to_string()),
            ("STUB_STREAM".to_owned(), own("stream")),
            ("STUB_LOG".to_owned(), own("log")),
        ];
        all.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        all
    }

    /// A child beside the card.
    fn child(&self, fault: &str) -> Child {
        let _ = std::fs::remove_file(self.clips.path("log"));
        Child::start_as(&["devices", "h264_nvenc"], &self.environment(&[("STUB_FAULT", fault)]))
    }

    /// Has the film encoded by a card if there is one, and looks at what came of it.
    fn encode(&self, child: &Child) -> Made {
        let options = json!({ "quality": 60, "preset": "ultrafast" });
        let job = json!({ "action": "convert", "from": "mkv", "to": "mp4", "options": options, "threads": 2, "hardware": ["h264_nvenc"] });
        let made = child.run(&self.film, job, &Cancel::new()).expect("a result");
        let path = self.clips.path("out.mp4");
        made.save(&path);
        assert_eq!(decode(&path), 50, "every picture, once: {:#}", made.answer);
        let probed = probe(&path);
        assert_eq!((probed.codec("video"), probed.codec("audio")), (Some("h264"), Some("aac")), "{:#}", made.answer);
        assert!((probed.duration() - 2.0).abs() < 0.08, "{} s", probed.duration());
        made
    }

    /// How often the stub was asked to do that.
    fn count(&self, what: &str) -> usize {
        let log = std::fs::read_to_string(self.clips.path("log")).unwrap_or_default();
        log.lines().filter(|line| *line == what).count()
    }
}

/// Encoders that have refused, with whose fault it was.
fn refused(made: &Made) -> Vec<(&str, &str)> {
    let rows = made.answer["explain"]["encoders_refused"].as_array().into_iter().flatten();
    rows.filter_map(|row| Some((row["encoder"].as_str()?, row["fault"].as_str()?))).collect()
}

#[test]
fn f12_a_card_encodes_again_and_again_in_one_confined_child() {
    let card = Card::new();
    let child = card.child("");
    assert_eq!(child.pool.report().expect("a child").weaknesses(), Vec::<String>::new(), "confined all the same");
    for time in 1..=3 {
        let made = card.encode(&child);
        assert_eq!(made.tracks()[0]["encoder"], "h264_nvenc", "time {time}: {:#}", made.answer);
        assert_eq!(refused(&made), [], "time {time}");
        // One of them was the look at the encoder, before the child was confined.
        assert_eq!((card.count("open"), card.count("frame")), (1 + time, 1 + 50 * time), "by the card alone");
    }
}

#[test]
fn f12_a_card_that_fails_whenever_it_does_is_replaced_within_the_task() {
    let card = Card::new();
    // Another session is refused to everybody; a picture or an end that fails may be due to the file, since a single picture works.
    for (fault, whose, frames) in
        [("open", "encoder", 1), ("frame:0", "encoder", 1), ("frame:7", "task", 8), ("flush", "task", 50)]
    {
        let child = card.child(fault);
        let made = card.encode(&child);
        assert_eq!(refused(&made), [("h264_nvenc", whose)], "{fault}: {:#}", made.answer);
        let reason = &made.answer["explain"]["encoders_refused"][0]["reason"];
        assert!(reason.as_str().is_some_and(|reason| reason.len() > 8), "{fault}: FFmpeg's words: {reason}");
        assert_eq!(made.tracks()[0]["encoder"], "libx264", "{fault}: {:#}", made.answer);
        assert!(card.count("frame") >= frames, "{fault}: it had begun: {}", card.count("frame"));
        assert_eq!(child.pool.stats().crashes, 0, "{fault}: the child is well");
    }
}

/// What `convertfly-media probe` says with that environment.
fn report(environment: &[(String, String)]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_convertfly-media"))
        .args(["probe", "hardware"])
        .env_clear()
        .envs(environment.iter().cloned())
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn encoder<'a>(report: &'a Value, name: &str) -> &'a Value {
    let rows = report["encoders"].as_array().expect("encoders");
    rows.iter().find(|row| row["name"] == name).expect("it is in the table")
}

#[test]
fn a_card_is_found_where_it_works_and_its_refusal_is_told_else() {
    let card = Card::new();
    let found = report(&card.environment(&[]));
    assert_eq!(encoder(&found, "h264_nvenc")["usable"], true, "{found:#}");
    for (fault, words) in [("frame:0", "EncodePicture"), ("codecs", "No capable devices")] {
        let told = report(&card.environment(&[("STUB_FAULT", fault)]));
        let row = encoder(&told, "h264_nvenc");
        let reason = row["reason"].as_str().unwrap_or_default();
        assert!(row["usable"] == false && (reason.contains(words) || reason.contains("support")), "{fault}: {row}");
    }
}

#[cfg(feature = "nvenc")]
#[test]
fn the_driver_tells_what_its_card_can_do_or_why_it_does_not() {
    let card = Card::new();
    let told = report(&card.environment(&[]))["nvenc"].clone();
    let expected = json!({ "sessions": 3, "codecs": [
        { "name": "h264", "width": 4096, "height": 4096, "ten_bit": true },
        { "name": "hevc", "width": 4096, "height": 4096, "ten_bit": true },
    ]});
    assert_eq!(told, expected, "as the stub says");
    let cases: [(&[(&str, &str)], &str); 2] = [(&[("STUB_VERSION", "176")], "a newer driver"), (&[("STUB_FAULT", "codecs")], "")];
    for (fault, words) in cases {
        let told = report(&card.environment(fault))["nvenc"].clone();
        let reason = told["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(words) && (!words.is_empty() || told["codecs"] == json!([])), "{fault:?}: {told}");
    }
    // Only half of a driver: a card for computing in a container that was given no encoders.
    std::fs::remove_file(card.clips.path("libnvidia-encode.so.1")).expect("removed");
    let told = report(&card.environment(&[]))["nvenc"].clone();
    assert!(told["reason"].as_str().is_some_and(|reason| reason.contains("without encoders")), "{told}");
    if !PathBuf::from("/dev/nvidiactl").exists() {
        let told = report(&[])["nvenc"].clone();
        assert!(told["reason"].as_str().is_some_and(|reason| reason.contains("no driver")), "{told}");
    }
}
