//! Which encoders work on this machine. Every build of FFmpeg lists those of every maker, so each is really opened, given a picture and
//! ended; FFmpeg's own log line says why one refuses.

use std::ffi::CStr;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::time::Instant;

use ffmpeg_next::frame::Video;
use ffmpeg_next::{Error, Packet, Rational};
use serde_json::{Value, json};

use crate::drivers;
use crate::encoders::{VIDEO, VideoEncoder, VideoSettings};
use crate::log;
use crate::options::Options;

/// Side of the picture.
const SIDE: u32 = 256;

/// FFmpeg's version.
pub(crate) fn version() -> String {
    // SAFETY: returns a string that lives as long as the library.
    unsafe { CStr::from_ptr(ffmpeg_next::ffi::av_version_info()) }.to_string_lossy().into_owned()
}

/// Devices that video encoders are on, as far as they are there: cards of NVIDIA, and what draws on all others. Nothing that watches or listens.
pub(crate) fn devices() -> Vec<PathBuf> {
    let names = |folder: &str, start: &str| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(start));
        named.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_char_device())).map(|entry| entry.path()).collect()
    };
    [names("/dev", "nvidia"), names("/dev/dri", "renderD")].concat()
}

/// The answer to `convertfly-media probe`, of those encoders.
pub(crate) fn report(wanted: impl Fn(&VideoEncoder) -> bool) -> Value {
    let encoders: Vec<Value> = VIDEO
        .iter()
        .filter(|encoder| wanted(encoder))
        .map(|encoder| {
            let start = Instant::now();
            let tried = attempt(encoder);
            let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            match tried {
                Ok(()) => json!({ "name": encoder.name, "hardware": encoder.hardware, "usable": true, "ms": ms }),
                Err(reason) => {
                    json!({ "name": encoder.name, "hardware": encoder.hardware, "usable": false, "reason": reason, "ms": ms })
                }
            }
        })
        .collect();
    #[cfg_attr(not(feature = "nvenc"), expect(unused_mut, reason = "there is nothing to add"))]
    let mut report = json!({ "ffmpeg": version(), "encoders": encoders });
    #[cfg(feature = "nvenc")]
    {
        report["nvenc"] = crate::nvenc::report();
    }
    report
}

/// Encodes one grey picture.
pub(crate) fn attempt(encoder: &VideoEncoder) -> Result<(), String> {
    told(encoder, || {})
}

/// As [`attempt`]; the driver stays loaded.
pub(crate) fn attempt_and_keep(encoder: &VideoEncoder) -> Result<(), String> {
    told(encoder, drivers::keep)
}

/// Encodes one grey picture, or says why not; `opened` is called while the encoder is open.
fn told(encoder: &VideoEncoder, opened: impl FnOnce()) -> Result<(), String> {
    log::take();
    encode(encoder, opened).map_err(|error| {
        if error == Error::EncoderNotFound {
            return "not part of this FFmpeg".to_owned();
        }
        // The first line says why, the ones behind it only what follows from it.
        log::take().into_iter().next().unwrap_or_else(|| error.to_string())
    })
}

fn encode(encoder: &VideoEncoder, while_open: impl FnOnce()) -> Result<(), Error> {
    let options = Options::default();
    let settings = VideoSettings {
        size: (SIDE, SIDE),
        unit: Rational(1, 25),
        rate: Some(Rational(25, 1)),
        options: &options,
        global_header: false,
        threads: 1,
    };
    let mut opened = encoder.open(&settings, None)?;
    while_open();
    let mut frame = Video::new(encoder.format.parse().map_err(|_| Error::Bug)?, SIDE, SIDE);
    for plane in 0..frame.planes() {
        frame.data_mut(plane).fill(128);
    }
    frame.set_pts(Some(0));
    opened.send_frame(&frame)?;
    opened.send_eof()?;
    let mut packet = Packet::empty();
    opened.receive_packet(&mut packet)
}
