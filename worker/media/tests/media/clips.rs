//! Clips made of FFmpeg's own sources, and an independent look at results. Shared with the suite of the whole program.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Moving pictures of 2 s, 25 a second, with a tone; the rest of a command line chooses size and codecs.
pub(crate) const PICTURES: &str = "-f lavfi -i testsrc2=duration=2:rate=25:size=";
/// A tone of 2 s.
pub(crate) const TONE: &str = "-f lavfi -i sine=frequency=440:sample_rate=44100:duration=2";

/// A folder of clips.
pub(crate) struct Clips(tempfile::TempDir);

impl Clips {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Runs the command line of `ffmpeg` and returns what it made.
    pub(crate) fn make(&self, name: &str, arguments: &str) -> PathBuf {
        let path = self.path(name);
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-y"])
            .args(arguments.split_whitespace())
            .arg(&path)
            .output()
            .expect("ffmpeg is installed: deploy/install-deps.sh test");
        assert!(made.status.success(), "{arguments}: {}", String::from_utf8_lossy(&made.stderr));
        path
    }

    /// A video of that size in H.264 and AAC.
    pub(crate) fn video(&self, name: &str, size: &str) -> PathBuf {
        self.make(name, &format!("{PICTURES}{size} {TONE} -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac -shortest"))
    }

    /// A file of those bytes.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }
}

/// What ffprobe says of a file.
#[derive(Debug)]
pub(crate) struct Probed(Value);

pub(crate) fn probe(path: &Path) -> Probed {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json", "-show_format", "-show_streams", "-show_chapters"])
        .arg(path)
        .output()
        .expect("ffprobe is installed");
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    Probed(serde_json::from_slice(&output.stdout).expect("JSON"))
}

impl Probed {
    /// The first stream of that kind.
    pub(crate) fn stream(&self, kind: &str) -> Option<&Value> {
        self.0["streams"].as_array().expect("streams").iter().find(|stream| stream["codec_type"] == kind)
    }

    pub(crate) fn codec(&self, kind: &str) -> Option<&str> {
        self.stream(kind)?["codec_name"].as_str()
    }

    pub(crate) fn size(&self) -> (u64, u64) {
        let video = self.stream("video").expect("pictures");
        (video["width"].as_u64().expect("a number"), video["height"].as_u64().expect("a number"))
    }

    pub(crate) fn duration(&self) -> f64 {
        self.0["format"]["duration"].as_str().and_then(|text| text.parse().ok()).unwrap_or(-1.0)
    }

    pub(crate) fn tag(&self, name: &str) -> Option<&str> {
        self.0["format"]["tags"][name].as_str()
    }

    pub(crate) fn chapters(&self) -> usize {
        self.0["chapters"].as_array().map_or(0, Vec::len)
    }
}

/// The sound as samples of one channel, 8,000 a second.
pub(crate) fn samples(path: &Path) -> Vec<i16> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(path)
        .args(["-vn", "-af", "aresample=8000:async=1:first_pts=0,pan=mono|c0=c0", "-f", "s16le", "-"])
        .output()
        .expect("ffmpeg is installed");
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    let (pairs, _) = output.stdout.as_chunks::<2>();
    pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

/// Where sound begins, seconds: each first loud sample after a tenth of a second of silence.
pub(crate) fn onsets(samples: &[i16]) -> Vec<f64> {
    let (mut found, mut quiet) = (Vec::new(), 800);
    for (index, sample) in samples.iter().enumerate() {
        if sample.unsigned_abs() < 300 {
            quiet += 1;
        } else {
            if quiet >= 800 {
                found.push(index as f64 / 8000.0);
            }
            quiet = 0;
        }
    }
    found
}

/// When the first bright picture is shown, seconds.
pub(crate) fn first_bright(path: &Path) -> Option<f64> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(path)
        .args(["-an", "-vf", "scale=2:2,format=gray,fps=200:start_time=0", "-f", "rawvideo", "-"])
        .output()
        .expect("ffmpeg is installed");
    let (pictures, _) = output.stdout.as_chunks::<4>();
    pictures.iter().position(|picture| picture[0] > 128).map(|index| index as f64 / 200.0)
}

/// Decodes all of it, and counts the frames of pictures; errors are printed and fail.
pub(crate) fn decode(path: &Path) -> usize {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-xerror", "-i"])
        .arg(path)
        .args(["-f", "null", "-progress", "-", "-"])
        .output()
        .expect("ffmpeg is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{}: {errors}", path.display());
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().rev().find_map(|line| line.strip_prefix("frame=")?.trim().parse().ok()).unwrap_or(0)
}

/// The colour at a place of the first picture, as red, green and blue.
pub(crate) fn colour(path: &Path, x: u32, y: u32) -> [u8; 3] {
    colour_at(path, 0.0, x, y)
}

/// The colour at a place of the picture that is shown at a time.
pub(crate) fn colour_at(path: &Path, second: f64, x: u32, y: u32) -> [u8; 3] {
    let crop = format!("trim=start={second},crop=2:2:{x}:{y},scale=1:1,format=rgb24");
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(path)
        .args(["-frames:v", "1", "-vf", &crop, "-f", "rawvideo", "-"])
        .output()
        .expect("ffmpeg is installed");
    output.stdout.get(..3).and_then(|bytes| bytes.try_into().ok()).unwrap_or_else(|| panic!("no pixel at {x}, {y}"))
}
