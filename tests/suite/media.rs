//! Video and audio over the API: every pair of the reference, prices, thumbnails, facts.

use std::path::{Path, PathBuf};

use base64::Engine;
use serde_json::{Map, Value, json};

use crate::clips::{self, Clips, colour_at};
use crate::support::process::program;
use crate::support::server::Server;

/// Pictures of 1 s with a tone.
const BOTH: &str = "-f lavfi -i testsrc2=duration=1:rate=25:size=96x64 -f lavfi -i sine=frequency=440:duration=1 -shortest";
/// A tone of 1 s.
const TONE: &str = "-f lavfi -i sine=frequency=440:duration=1";

fn import(path: &Path) -> Value {
    let file = base64::engine::general_purpose::STANDARD.encode(std::fs::read(path).expect("the clip"));
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    json!({ "operation": "import/base64", "file": file, "filename": name })
}

/// Codecs of pictures and sound, and the length in seconds, as ffprobe finds them; the file is decoded to its end as well.
fn look(path: &Path) -> (Option<String>, Option<String>, f64) {
    let (video, audio, length, _) = look_and_count(path);
    (video, audio, length)
}

/// As [`look`], with the number of pictures.
fn look_and_count(path: &Path) -> (Option<String>, Option<String>, f64, usize) {
    let frames = clips::decode(path);
    let probed = clips::probe(path);
    let codec = |kind: &str| probed.codec(kind).map(str::to_owned);
    (codec("video"), codec("audio"), probed.duration(), frames)
}

/// One job with every source and every target; each result is looked at. `first` is the number of the first pair in the reference.
fn every_pair(
    server: &Server,
    sources: &[(&str, PathBuf)],
    targets: &[&str],
    first: u16,
    credits: u16,
    check: impl Fn(&str, &Path, &str),
) -> u16 {
    let mut tasks = Map::new();
    for (from, path) in sources {
        tasks.insert(format!("import-{from}"), import(path));
        for to in targets {
            tasks.insert(
                format!("{from}-{to}"),
                json!({ "operation": "convert", "input": format!("import-{from}"), "output_format": to, "options": { "quality": 60 } }),
            );
            tasks.insert(format!("export-{from}-{to}"), json!({ "operation": "export/url", "input": format!("{from}-{to}") }));
        }
    }
    let job = server.run(&json!({ "tasks": tasks }));
    assert_eq!(job["status"], "FINISHED", "{:#}", errors(&job));
    let count = sources.len() * targets.len();
    assert_eq!(job["credits_used"], json!(usize::from(credits) * count), "{credits} a file");
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut number = first;
    for (from, _) in sources {
        for to in targets {
            let pair = format!("R{number}: {from} -> {to}");
            let result = &job["tasks"][format!("export-{from}-{to}")]["result"];
            let file =
                server.send("GET", result["url"].as_str().unwrap_or_else(|| panic!("{pair}: {result:#}")), None, None, &[]);
            assert_eq!(file.status, 200, "{pair}");
            let path = folder.path().join(format!("{from}.{to}"));
            std::fs::write(&path, &file.bytes).expect("written");
            check(&pair, &path, to);
            number += 1;
        }
    }
    number
}

/// The tasks that failed, with their errors.
fn errors(job: &Value) -> Value {
    let tasks = job["tasks"].as_object().expect("tasks");
    tasks
        .iter()
        .filter(|(_, task)| task["status"] == "ERROR")
        .map(|(name, task)| (name.clone(), task["error"].clone()))
        .collect::<Map<_, _>>()
        .into()
}

#[test]
fn r215_to_r244_every_video_pair_converts() {
    let server = Server::start();
    let folder = Clips::new();
    let h264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac";
    let sources = [
        ("mp4", folder.make("a.mp4", &format!("{BOTH} {h264}"))),
        ("avi", folder.make("a.avi", &format!("{BOTH} -c:v mpeg4 -c:a libmp3lame"))),
        ("mov", folder.make("a.mov", &format!("{BOTH} {h264}"))),
        ("mkv", folder.make("a.mkv", &format!("{BOTH} -c:v libx264 -preset ultrafast -c:a libvorbis"))),
        ("webm", folder.make("a.webm", &format!("{BOTH} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus"))),
    ];
    let codecs = |to: &str| match to {
        "avi" => (Some("mpeg4"), Some("mp3")),
        "webm" => (Some("vp9"), Some("opus")),
        "gif" => (Some("gif"), None),
        _ => (Some("h264"), Some("aac")),
    };
    let targets = ["mp4", "avi", "mov", "mkv", "webm", "gif"];
    let end = every_pair(&server, &sources, &targets, 215, 2, |pair, path, to| {
        let (video, audio, length, frames) = look_and_count(path);
        let (wanted, sound) = codecs(to);
        let expected = if to == "gif" { 10 } else { 25 };
        assert!(frames.abs_diff(expected) <= 1, "{pair}: as long as it was, to a picture: {frames}");
        assert_eq!(video.as_deref(), wanted, "{pair}");
        // Sound that the target holds is taken over as it is.
        assert_eq!(audio.is_some(), sound.is_some(), "{pair}: {audio:?}");
        assert!((length - 1.0).abs() < 0.15, "{pair}: {length} s");
    });
    assert_eq!(end, 245, "the whole table");
}

#[test]
fn r245_to_r274_every_audio_pair_converts() {
    let server = Server::start();
    let folder = Clips::new();
    let sources = [
        ("mp3", folder.make("a.mp3", &format!("{TONE} -c:a libmp3lame"))),
        ("wav", folder.make("a.wav", &format!("{TONE} -c:a pcm_s16le"))),
        ("ogg", folder.make("a.ogg", &format!("{TONE} -c:a libvorbis"))),
        ("flac", folder.make("a.flac", &format!("{TONE} -c:a flac"))),
        ("aac", folder.make("a.aac", &format!("{TONE} -c:a aac"))),
        ("m4a", folder.make("a.m4a", &format!("{TONE} -c:a aac"))),
    ];
    let end = every_pair(&server, &sources, &["mp3", "wav", "ogg", "flac", "aac"], 245, 1, |pair, path, to| {
        let (video, audio, length) = look(path);
        let codec = match to {
            "wav" => "pcm_s16le",
            "ogg" => "vorbis",
            other => other,
        };
        assert_eq!((video, audio.as_deref()), (None, Some(codec)), "{pair}");
        // ffprobe only guesses how long ADTS is.
        let grace = if to == "aac" { 0.5 } else { 0.1 };
        assert!((length - 1.0).abs() < grace, "{pair}: {length} s");
    });
    assert_eq!(end, 275, "the whole table");
}

#[test]
fn a43_sound_frames_thumbnails_and_facts_of_a_video() {
    let server = Server::start();
    let folder = Clips::new();
    let video = folder.make("film.mp4", &format!("{BOTH} -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac"));
    let job = server.run(&json!({ "tasks": {
        "import": import(&video),
        "sound": { "operation": "convert", "input": "import", "output_format": "mp3" },
        "m4a": { "operation": "convert", "input": "import", "output_format": "m4a" },
        "frame": { "operation": "convert", "input": "import", "output_format": "png", "options": { "timestamp": "0.5" } },
        "small": { "operation": "convert", "input": "import", "output_format": "webp", "options": { "timestamp": "50%", "width": 48 } },
        "thumbnail": { "operation": "thumbnail", "input": "import", "options": { "timestamp": "0.9", "width": 32, "height": 32 } },
        "facts": { "operation": "metadata", "input": "import", "options": { "loudness": true } },
        "export": { "operation": "export/url", "input": "thumbnail" },
    }}));
    assert_eq!(job["status"], "FINISHED", "{:#}", errors(&job));
    let result = |task: &str| &job["tasks"][task]["result"]["files"][0];
    assert_eq!(result("sound")["filename"], "film.mp3", "{job:#}");
    assert_eq!((&result("frame")["width"], &result("frame")["height"]), (&json!(96), &json!(64)), "its own size");
    assert_eq!((&result("small")["width"], &result("small")["height"]), (&json!(48), &json!(32)), "{:#}", result("small"));
    assert_eq!(
        (&result("thumbnail")["width"], &result("thumbnail")["format"]),
        (&json!(32), &json!("jpg")),
        "{:#}",
        result("thumbnail")
    );
    assert!(server.download(&job).bytes.starts_with(b"\xff\xd8\xff"), "a JPEG");
    assert_eq!(job["tasks"]["m4a"]["explain"]["mode"], "copy", "the sound is taken out as it is: {job:#}");
    let facts = &job["tasks"]["facts"]["result"]["metadata"];
    assert_eq!((&facts["format"], &facts["streams"][0]["codec"]), (&json!("mp4"), &json!("h264")), "{facts:#}");
    // A sine of FFmpeg's is an eighth of full scale.
    let peak = facts["loudness"]["peak"].as_f64().expect("measured");
    assert!((peak + 18.0).abs() < 1.0, "{facts:#}");
    assert_eq!(job["credits_used"], json!(2 + 2 + 1 + 1 + 1 + 1), "as the price list says");
}

#[test]
fn a20_a54_clips_are_merged_marked_and_made_smaller() {
    let server = Server::start();
    let folder = Clips::new();
    let white = "-f lavfi -i color=white:s=192x128:d=1:r=25 -f lavfi -i sine=frequency=440:duration=1 -shortest";
    let film = folder.make("film.mp4", &format!("{white} -c:v libx264 -preset ultrafast -qp 0 -pix_fmt yuv420p -c:a aac"));
    let other = folder.make("other.webm", &format!("{BOTH} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus"));
    let logo = folder.make("logo.png", "-f lavfi -i color=red:s=16x16:d=1 -frames:v 1");
    let job = server.run(&json!({ "tasks": {
        "film": import(&film),
        "other": import(&other),
        "logo": import(&logo),
        "merged": { "operation": "merge", "input": ["film", "other"] },
        "text": { "operation": "watermark", "input": "film", "options": { "text": "Ünique", "font_color": "#000", "font_size": 40, "pages": "2-3" } },
        "marked": { "operation": "watermark", "input": "film",
            "options": { "image": "logo", "position_horizontal": "right", "position_vertical": "bottom", "margin_horizontal": 8, "margin_vertical": 8, "opacity": 50 } },
        "small": { "operation": "optimize", "input": "film", "options": { "max_bytes": 20_000 } },
        "export-merged": { "operation": "export/url", "input": "merged" },
        "export-text": { "operation": "export/url", "input": "text" },
        "export-marked": { "operation": "export/url", "input": "marked" },
        "export-small": { "operation": "export/url", "input": "small" },
    }}));
    assert_eq!(job["status"], "FINISHED", "{:#}", errors(&job));
    let fetched = |task: &str| {
        let result = &job["tasks"][format!("export-{task}")]["result"];
        let file = server.send("GET", result["url"].as_str().unwrap_or_else(|| panic!("{task}: {result:#}")), None, None, &[]);
        let path = folder.path(&format!("{task}.mp4"));
        std::fs::write(&path, &file.bytes).expect("written");
        path
    };
    let merged = fetched("merged");
    let (video, audio, length) = look(&merged);
    assert_eq!((video.as_deref(), audio.as_deref()), (Some("h264"), Some("aac")), "in the format of the first one");
    assert!((length - 2.0).abs() < 0.1, "both: {length} s");
    let file = &job["tasks"]["merged"]["result"]["files"][0];
    assert_eq!((&file["filename"], &file["width"]), (&json!("merged.mp4"), &json!(192)), "{file:#}");
    // White under half of red is pink; in the middle it stays white.
    let marked = fetched("marked");
    let [r, g, b] = colour_at(&marked, 0.5, 176, 112);
    assert!(r > 235 && (100..155).contains(&g) && (100..155).contains(&b), "the logo in its corner: {r} {g} {b}");
    assert!(colour_at(&marked, 0.5, 96, 64).iter().all(|value| *value > 240), "and nowhere else");
    let dark = |path: &Path| (30..160).filter(|x| colour_at(path, 0.5, *x, 64)[0] < 100).count();
    assert!(dark(&fetched("text")) > 8, "letters stand in the middle");
    let told = &job["tasks"]["text"]["result"]["warnings"];
    assert!(told.to_string().contains("`pages` has no effect"), "what does not apply is said: {told}");
    let small = fetched("small");
    assert!(std::fs::metadata(&small).expect("the file").len() <= 20_000, "as small as asked");
    assert_eq!(look(&small).0.as_deref(), Some("h264"), "as it was");
    assert_eq!(job["credits_used"], json!(4), "one a task");
}

#[test]
fn what_cannot_be_merged_or_marked_is_refused_in_words() {
    let server = Server::start();
    let folder = Clips::new();
    let film = folder.make("film.mp4", &format!("{BOTH} -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac"));
    let logo = folder.make("logo.png", "-f lavfi -i color=red:s=16x16:d=1 -frames:v 1");
    let song = folder.make("song.mp3", &format!("{TONE} -c:a libmp3lame"));
    let cases = [
        (json!({ "operation": "merge", "input": ["film", "logo"] }), "Input 2: png"),
        (json!({ "operation": "merge", "input": ["film", "song"] }), "Input 2: The file has sound only"),
        (json!({ "operation": "merge", "input": ["film", "film2"], "output_format": "gif" }), "output_format"),
        (json!({ "operation": "watermark", "input": "film", "options": { "text": "a", "layer": "below" } }), "layer"),
        (json!({ "operation": "watermark", "input": "song", "options": { "text": "a" } }), "does not take MP3"),
        (json!({ "operation": "optimize", "input": "film", "options": { "max_bytes": 50 } }), "max_bytes"),
    ];
    for (task, words) in cases {
        let job = server.run(&json!({ "tasks": {
            "film": import(&film), "film2": import(&film), "logo": import(&logo), "song": import(&song), "task": task,
        }}));
        let error = &job["tasks"]["task"]["error"];
        assert_eq!((&job["status"], &job["credits_used"]), (&json!("ERROR"), &json!(0)), "{task}: {job:#}");
        assert!(error.to_string().contains(words), "{task}: {error:#}");
    }
}

#[test]
fn a43_pictures_that_move_become_video_and_back() {
    let server = Server::start();
    let folder = Clips::new();
    let film = folder.make("film.mp4", &format!("{BOTH} -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac"));
    let convert = |input: &str, to: &str, options: Value| json!({ "operation": "convert", "input": input, "output_format": to, "options": options });
    let job = server.run(&json!({ "tasks": {
        "film": import(&film),
        "still": convert("film", "webp", json!({})),
        "webp": convert("film", "webp", json!({ "animated": true, "quality": 95, "fps": 12.5, "grayscale": true })),
        "png": convert("webp", "png", json!({})),
        "mp4": convert("webp", "mp4", json!({ "quality": 95 })),
        "webm": convert("png", "webm", json!({ "quality": 95 })),
        "gif": convert("webp", "gif", json!({})),
        "mkv": convert("film", "mkv", json!({})),
        "mkv-webp": convert("mkv", "webp", json!({ "animated": true, "width": 48 })),
        "avif": convert("mkv", "avif", json!({ "timestamp": "50%" })),
        "export-mp4": { "operation": "export/url", "input": "mp4" },
        "export-webm": { "operation": "export/url", "input": "webm" },
    }}));
    assert_eq!(job["status"], "FINISHED", "{:#}", errors(&job));
    let result = |task: &str| &job["tasks"][task]["result"];
    assert!(result("webp")["warnings"].to_string().contains("`grayscale` has no effect"), "{:#}", result("webp"));
    let routes = |task: &str| job["tasks"][task]["explain"]["attempts"][0]["route"].to_string();
    assert!(
        routes("webp").contains("mp4 -> webp") && routes("still").contains("png -> webp"),
        "{} {}",
        routes("webp"),
        routes("still")
    );
    assert!(routes("mkv-webp").contains("mkv -> webp"), "it moves: {}", routes("mkv-webp"));
    let file = |task: &str| &result(task)["files"][0];
    assert_eq!((&file("mkv-webp")["width"], &file("mkv-webp")["height"]), (&json!(48), &json!(32)), "{:#}", file("mkv-webp"));
    assert_eq!((&file("avif")["width"], &file("avif")["format"]), (&json!(96), &json!("avif")), "{:#}", file("avif"));
    assert!(routes("mp4").contains("png -> mp4"), "not by way of 256 colours: {}", routes("mp4"));
    let was = colour_at(&film, 0.48, 40, 30);
    for to in ["mp4", "webm"] {
        let task = &job["tasks"][format!("export-{to}")]["result"];
        let file = server.send("GET", task["url"].as_str().unwrap_or_else(|| panic!("{to}: {task:#}")), None, None, &[]);
        let path = folder.path(&format!("back.{to}"));
        std::fs::write(&path, &file.bytes).expect("written");
        let (video, _, length) = look(&path);
        assert!(video.is_some() && (length - 1.0).abs() < 0.05, "{to}: {video:?}, {length} s");
        let back = colour_at(&path, 0.48, 40, 30);
        assert!(back.iter().zip(was).all(|(a, b)| a.abs_diff(b) < 24), "{to}: {back:?} was {was:?}");
    }
    let plan = server.call(
        "POST",
        "/jobs?dry_run=true",
        Some(&json!({ "tasks": {
        "film": { "operation": "import/upload", "filename": "film.mp4" },
        "photo": { "operation": "import/upload", "filename": "photo.jpg" },
        "small": { "operation": "optimize", "input": "film" },
        "marked": { "operation": "watermark", "input": "small", "options": { "text": "a" } },
        "merged": { "operation": "merge", "input": ["film", "small"] },
        "photos": { "operation": "optimize", "input": "photo" },
    } })),
    );
    let plan = plan.json();
    for (name, lane) in [("small", "video"), ("marked", "video"), ("merged", "video"), ("photos", "cpu")] {
        assert_eq!(plan["data"]["tasks"][name]["lane"], lane, "{name}: {plan:#}");
    }
}

#[test]
fn f12_an_encoder_that_fails_again_and_again_rests() {
    let server = Server::start();
    let folder = Clips::new();
    let film = folder.make("film.avi", &format!("{BOTH} -c:v mpeg4 -c:a libmp3lame"));
    // Compiled in everywhere, and opened by no machine that has no such device: a real encoder that really fails.
    let task = json!({ "operation": "convert", "input": "film", "output_format": "mp4", "options": { "encoder": "h264_v4l2m2m", "mute": true } });
    let mut seen = Vec::new();
    for _ in 0..5 {
        let job = server.run(&json!({ "tasks": { "film": import(&film), "task": task } }));
        assert_eq!(job["status"], "FINISHED", "software does it within the attempt: {:#}", errors(&job));
        let explain = &job["tasks"]["task"]["explain"];
        assert_eq!(explain["tracks"][0]["encoder"], "libx264", "{explain:#}");
        seen.push((explain["encoders_refused"].is_array(), explain["encoders_resting"].is_array()));
    }
    let (tried, rested) = ((true, false), (false, true));
    assert_eq!(seen, [tried, tried, tried, rested, rested], "three times is enough");
    let metrics = server.send("GET", &format!("{}/metrics", server.url), None, None, &[]);
    let text = String::from_utf8_lossy(&metrics.bytes).into_owned();
    let line = "convertfly_video_encoder_probes_total{encoder=\"h264_v4l2m2m\",outcome=\"fails\"} 1";
    assert!(text.contains(line), "what was found at the start is counted: {text}");
    let line = "convertfly_video_encoder_breaker_total{encoder=\"h264_v4l2m2m\",outcome=\"rests\"} 1";
    assert!(text.contains(line), "and that it rests, once: {text}");
}

/// A program that is `convertfly-media` on a machine with a card of NVIDIA's, whose driver is the stub of that program's own tests.
fn beside_a_card(folder: &Clips, film: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    for library in ["libcuda.so.1", "libnvidia-encode.so.1"] {
        let made = std::process::Command::new("cc")
            .args(["-shared", "-fPIC", &format!("-Wl,-soname,{library}"), "-o"])
            .arg(folder.path(library))
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/worker/media/tests/stub/nvidia.c"))
            .status();
        assert!(made.expect("a compiler of C is installed").success(), "{library}");
    }
    folder.make("stream", &format!("-i {} -an -c:v libx264 -g 1 -x264-params aud=1 -f h264", film.display()));
    let own = Path::new(env!("CARGO_BIN_EXE_convertfly")).with_file_name("convertfly-media");
    let path = folder.folder().display().to_string();
    let script = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH={path} STUB_STREAM={path}/stream STUB_LOG={path}/log exec {} \"$@\"\n",
        own.display()
    );
    let program = folder.write("beside-a-card", script.as_bytes());
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("set");
    program
}

#[test]
fn f12_a_card_that_was_found_encodes_what_comes() {
    let folder = Clips::new();
    let film = folder.make("film.avi", &format!("{BOTH} -c:v mpeg4 -c:a libmp3lame"));
    let program = beside_a_card(&folder, &film);
    let server = Server::start_with(&[("CONVERTFLY_MEDIA", program.to_str().expect("a path"))]);
    let task = |options: Value| json!({ "operation": "convert", "input": "film", "output_format": "mp4", "options": options });
    let job = server.run(&json!({ "tasks": {
        "film": import(&film),
        "one": task(json!({})),
        "two": task(json!({ "encoder": "hardware", "mute": true })),
        "three": task(json!({ "encoder": "software" })),
        "export": { "operation": "export/url", "input": "two" },
    }}));
    assert_eq!(job["status"], "FINISHED", "{:#}", errors(&job));
    for (name, encoder) in [("one", "h264_nvenc"), ("two", "h264_nvenc"), ("three", "libx264")] {
        let explain = &job["tasks"][name]["explain"];
        assert_eq!(explain["tracks"][0]["encoder"], encoder, "{name}: {explain:#}");
        assert!(explain["encoders_refused"].is_null(), "{name}: {explain:#}");
    }
    let path = folder.write("out.mp4", &server.download(&job).bytes);
    let (video, audio, _, frames) = look_and_count(&path);
    assert_eq!((video.as_deref(), audio, frames), (Some("h264"), None, 25), "all that the card made");
    let log = std::fs::read_to_string(folder.path("log")).expect("the card was used");
    assert!(log.lines().filter(|line| *line == "frame").count() >= 50, "for both tasks: {log}");
    let metrics = server.send("GET", &format!("{}/metrics", server.url), None, None, &[]);
    let text = String::from_utf8_lossy(&metrics.bytes).into_owned();
    assert!(text.contains("encoder_probes_total{encoder=\"h264_nvenc\",outcome=\"works\"} 1"), "{text}");
}

#[test]
fn clips_are_converted_on_the_command_line() {
    let folder = Clips::new();
    folder.make("a.wav", TONE);
    folder.make("a.mkv", &format!("{BOTH} -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac"));
    let done = program(folder.folder()).args(["convert", "a.mkv", "a.webp", "-o", "animated=true"]).output().expect("it runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let webp = std::fs::read(folder.path("a.webp")).expect("the result");
    assert_eq!(webp.windows(4).filter(|four| four == b"ANMF").count(), 10, "10 pictures a second");
    for (target, options) in [("b.mp3", &["-o", "audio_bitrate=64"][..]), ("c.flac", &[])] {
        let done = program(folder.folder()).args(["convert", "a.wav", target]).args(options).output().expect("the program runs");
        assert!(done.status.success(), "{target}: {}", String::from_utf8_lossy(&done.stderr));
        let (_, audio, length) = look(&folder.path(target));
        assert!(audio.is_some() && (length - 1.0).abs() < 0.1, "{target}: {audio:?}, {length} s");
    }
}

#[test]
fn t5_a_playlist_called_a_video_is_refused_and_refunded() {
    let server = Server::start();
    let canary = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    canary.set_nonblocking(true).expect("set");
    let url = format!("http://{}", canary.local_addr().expect("its address"));
    let playlist = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}/a.ts\n#EXT-X-ENDLIST\n");
    for name in ["a.mp4", "a.avi", "a.mkv", "a.mov"] {
        let job = server.convert(playlist.as_bytes(), name, "webm", &json!({}));
        assert_eq!((&job["status"], &job["credits_used"]), (&json!("ERROR"), &json!(0)), "{name}: {job:#}");
        let error = &job["tasks"]["convert"]["error"];
        assert_eq!(error["code"], "INVALID_DATA", "{name}: {error:#}");
    }
    assert!(canary.accept().is_err(), "nobody has called");
}
