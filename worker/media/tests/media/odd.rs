//! Files that are odd in one way: their times, rates, sizes, the number of their tracks.

use std::path::Path;
use std::process::Command;

use convertfly_sandbox::Failure;
use serde_json::{Value, json};

use crate::animations::{times, uneven};
use crate::clips::{Clips, PICTURES, TONE, decode, probe};
use crate::support::{Child, Made};

/// The result, which decodes without an error; nothing where the file is refused in words for its owner.
fn sound(clips: &Clips, made: Result<Made, Failure>, to: &str, what: &str) -> Option<Made> {
    match made {
        Ok(made) => {
            let path = clips.path(&format!("sound.{to}"));
            made.save(&path);
            assert!(decode(&path) > 0, "{what}: pictures");
            Some(made)
        }
        Err(Failure::Invalid { .. } | Failure::TooLarge { .. }) => None,
        Err(failure) => panic!("{what}: {failure:?}"),
    }
}

#[test]
fn of_a_hundred_tracks_one_of_each_kind_is_taken_and_the_rest_is_counted() {
    let (child, clips) = (Child::start(), Clips::new());
    let maps = "-map 1 ".repeat(98);
    let sources = "-f lavfi -i testsrc2=d=0.4:r=10:s=64x36 -f lavfi -i sine=duration=0.4";
    let input = clips.make("a.mkv", &format!("{sources} -map 0 -map 0 {maps} -c:v mpeg4 -c:a pcm_s16le"));
    for to in ["mp4", "webm", "avi"] {
        let made = child.convert(&input, "mkv", to, json!({})).unwrap_or_else(|failure| panic!("{to}: {failure}"));
        assert!(made.warnings().contains("98 more tracks"), "{to}: {}", made.warnings());
        assert_eq!(made.tracks().as_array().map(Vec::len), Some(2), "{to}: {:#}", made.answer);
        sound(&clips, Ok(made), to, to).expect("a result");
    }
    let made = child.convert(&input, "mkv", "mp3", json!({})).expect("its sound");
    assert_eq!(made.tracks().as_array().map(Vec::len), Some(1), "{:#}", made.answer);
}

#[test]
fn pictures_at_uneven_times_keep_them() {
    let (child, clips) = (Child::start(), Clips::new());
    let input = uneven(&clips, "vfr.mkv", "-c:v ffv1 -pix_fmt yuv420p");
    for to in ["mp4", "mov", "mkv", "webm"] {
        let made = child.convert(&input, "mkv", to, json!({ "quality": 60 })).unwrap_or_else(|failure| panic!("{to}: {failure}"));
        let path = clips.path(&format!("out.{to}"));
        made.save(&path);
        let times = times(&path);
        let near = |at: f64| times.iter().any(|time| (time - at).abs() < 0.002);
        assert!(times.len() == 3 && near(0.0) && near(0.1) && near(0.3), "{to}: {times:?}");
    }
    // A container of one rate shows each for as many pictures as it takes.
    let made = child.convert(&input, "mkv", "avi", json!({ "fps": 20 })).expect("avi");
    let path = clips.path("out.avi");
    made.save(&path);
    assert!((7..=9).contains(&decode(&path)), "0.4 s at 20 a second: {}", decode(&path));
}

/// Replaces the first time between two pictures in an MP4's table by another one.
fn with_delta(file: &[u8], delta: u32) -> Vec<u8> {
    let mut bytes = file.to_vec();
    let at = bytes.windows(4).position(|four| four == b"stts").expect("a table of times");
    bytes[at + 16..at + 20].copy_from_slice(&delta.to_be_bytes());
    bytes
}

#[test]
fn times_that_are_nonsense_give_what_can_be_shown_or_a_clear_word() {
    let (child, clips) = (Child::start(), Clips::new());
    let whole =
        clips.make("a.mp4", "-f lavfi -i testsrc2=d=0.5:r=10:s=64x36 -c:v libx264 -preset ultrafast -bf 0 -pix_fmt yuv420p");
    let whole = std::fs::read(whole).expect("the clip");
    for delta in [0, 1, 0x0fff_ffff, 0x7fff_ffff, 0xffff_ffff] {
        let input = clips.write("b.mp4", &with_delta(&whole, delta));
        for to in ["mp4", "webm", "avi", "gif"] {
            let options = json!({ "quality": 50, "preset": "ultrafast" });
            sound(&clips, child.convert(&input, "mp4", to, options), to, &format!("{delta:x} -> {to}"));
        }
        let still = child.convert(&input, "mp4", "png", json!({})).unwrap_or_else(|failure| panic!("{delta:x}: {failure}"));
        assert_eq!(still.answer["width"], 64, "{delta:x}: a picture is there whatever its time");
    }
    assert_eq!((child.pool.stats().crashes, child.pool.stats().kills), (0, 0), "the child is well");
}

#[test]
fn absurd_rates_are_brought_to_what_players_show() {
    let (child, clips) = (Child::start(), Clips::new());
    // 20,000 a second for a thousandth of one; one in 20 s.
    let fast = clips.make("fast.mov", "-f lavfi -i testsrc2=d=0.002:r=20000:s=64x36 -c:v png");
    let slow = clips.make("slow.mkv", "-f lavfi -i testsrc2=d=60:r=1/20:s=64x36 -c:v ffv1 -pix_fmt yuv420p");
    for to in ["mp4", "avi", "webm", "gif"] {
        // Shorter than a picture: one, or a word that there is none. Only MP4 can say the times of all of them.
        match child.convert(&fast, "mov", to, json!({})) {
            Ok(made) if to == "mp4" => drop(sound(&clips, Ok(made), to, "fast -> mp4").expect("a result")),
            Ok(_) | Err(Failure::Invalid { .. }) => {}
            Err(failure) => panic!("fast -> {to}: {failure:?}"),
        }
        let made = child.convert(&slow, "mkv", to, json!({ "quality": 50 }));
        sound(&clips, made, to, &format!("slow -> {to}")).expect(to);
        let seconds = probe(&clips.path(&format!("sound.{to}"))).duration();
        assert!((38.0..62.0).contains(&seconds), "slow -> {to}: {seconds} s");
    }
}

/// An AVI of raw pictures that claims to be of another size.
fn claiming(file: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut bytes = file.to_vec();
    let at = bytes.windows(4).position(|four| four == b"strf").expect("the format of a stream");
    bytes[at + 12..at + 16].copy_from_slice(&width.to_le_bytes());
    bytes[at + 16..at + 20].copy_from_slice(&height.to_le_bytes());
    bytes
}

#[test]
fn absurd_sizes_are_refused_in_words() {
    let (child, clips) = (Child::start(), Clips::new());
    let raw = clips.make("a.avi", "-f lavfi -i testsrc2=d=0.3:r=10:s=64x36 -c:v rawvideo -pix_fmt yuv420p");
    let raw = std::fs::read(raw).expect("the clip");
    for (width, height) in [(65_000, 65_000), (2_000_000_000, 2), (1, 0x7fff_ffff), (0, 0), (0xffff_ffff, 36)] {
        let input = clips.write("b.avi", &claiming(&raw, width, height));
        for to in ["mp4", "gif", "png"] {
            let what = format!("{width} x {height} -> {to}");
            let failure = child.convert(&input, "avi", to, json!({})).err().unwrap_or_else(|| panic!("{what}: a result"));
            assert!(matches!(failure, Failure::Invalid { .. } | Failure::TooLarge { .. }), "{what}: {failure:?}");
        }
    }
    assert_eq!((child.pool.stats().crashes, child.pool.stats().kills), (0, 0), "the child is well");
}

#[test]
fn a_video_without_a_picture_is_no_video() {
    let (child, clips) = (Child::start(), Clips::new());
    let silent = format!("{PICTURES}64x36 -frames:v 0");
    for (name, codec) in [("a.mp4", "libx264"), ("a.mkv", "mpeg4"), ("a.avi", "mpeg4"), ("a.mov", "png")] {
        let from = name.trim_start_matches("a.");
        let input = clips.make(name, &format!("{silent} -c:v {codec}"));
        for to in ["webm", "gif", "png"] {
            let failure = child.convert(&input, from, to, json!({})).err().unwrap_or_else(|| panic!("{from} -> {to}: a result"));
            assert!(matches!(failure, Failure::Invalid { .. }), "{from} -> {to}: {failure:?}");
        }
    }
}

#[test]
fn chapters_and_tags_of_a_video_go_over() {
    let (child, clips) = (Child::start(), Clips::new());
    let notes = clips.write(
        "notes.txt",
        b";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=900\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=900\nEND=2000\ntitle=Two\n",
    );
    let input = clips.make(
        "a.mkv",
        &format!(
            "{PICTURES}64x36 {TONE} -i {} -map 0 -map 1 -map_metadata 2 -map_chapters 2 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac",
            notes.display()
        ),
    );
    for (to, options) in
        [("mp4", json!({})), ("mov", json!({ "quality": 50 })), ("mkv", json!({ "quality": 50 })), ("webm", json!({}))]
    {
        let made = child.convert(&input, "mkv", to, options).unwrap_or_else(|failure| panic!("{to}: {failure}"));
        let path = clips.path(&format!("out.{to}"));
        made.save(&path);
        let probed = probe(&path);
        assert_eq!((probed.chapters(), probed.tag("title")), (2, Some("A film")), "{to}: {probed:?}");
    }
}

/// The structural similarity of two videos, by FFmpeg's own filter.
fn similarity(one: &Path, other: &Path) -> f64 {
    let output = Command::new("ffmpeg")
        .args(["-v", "info", "-nostdin", "-i"])
        .arg(one)
        .arg("-i")
        .arg(other)
        .args(["-lavfi", "[0:v]settb=AVTB,setpts=N[a];[1:v]settb=AVTB,setpts=N[b];[a][b]ssim", "-f", "null", "-"])
        .output()
        .expect("ffmpeg is installed");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let all = text.rsplit_once("All:").unwrap_or_else(|| panic!("{text}")).1;
    all.split([' ', '\n']).next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{all}"))
}

/// Codec, encoder, container.
const ENCODERS: [(&str, &str, &str); 6] = [
    ("h264", "libx264", "mp4"),
    ("hevc", "libx265", "mp4"),
    ("vp9", "libvpx-vp9", "webm"),
    ("av1", "libsvtav1", "mp4"),
    ("av1", "libaom-av1", "mp4"),
    ("mpeg4", "mpeg4", "avi"),
];

#[test]
fn a_quality_looks_alike_whichever_encoder_makes_it() {
    let (child, clips) = (Child::start(), Clips::new());
    // Detail of all sizes that moves, with a little grain.
    let input = clips.make(
        "a.mkv",
        "-f lavfi -i mandelbrot=s=320x180:r=12:start_scale=0.3:end_scale=0.05:end_pts=12,noise=alls=4:allf=t:all_seed=1 -t 1 -c:v ffv1 -pix_fmt yuv420p",
    );
    // Below the usual quality the encoders err in ways of their own.
    for (quality, grace) in [(50, 0.05), (85, 0.01)] {
        let seen: Vec<_> = ENCODERS
            .iter()
            .map(|(codec, encoder, to)| {
                let options: Value = json!({ "video_codec": codec, "encoder": encoder, "quality": quality, "preset": "fast" });
                let made = child.convert(&input, "mkv", to, options).unwrap_or_else(|failure| panic!("{encoder}: {failure}"));
                assert_eq!(made.tracks()[0]["encoder"], *encoder, "{:#}", made.answer);
                let path = clips.path(&format!("{encoder}.{to}"));
                made.save(&path);
                (*encoder, similarity(&path, &input))
            })
            .collect();
        let (worst, best) = seen.iter().fold((1.0_f64, 0.0_f64), |(worst, best), (_, is)| (worst.min(*is), best.max(*is)));
        assert!(best - worst < grace, "{quality}: {seen:?}");
    }
}
