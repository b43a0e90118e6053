//! Video and audio: the program that does them, its FFmpeg, and the hardware encoders that really open.

use std::path::Path;
use std::process::{Command, Stdio};

use convertfly_worker::engines::Availability;
use convertfly_worker::engines::media;
use serde_json::Value;

use super::Check;

const NAME: &str = "FFmpeg";
const HARDWARE: &str = "video encoders";

/// Two rows: the program, and what encodes video here.
pub(super) fn media(said: Option<&Path>) -> Vec<Check> {
    match media::program(said) {
        Err(Availability::Missing { what, remedy }) => vec![Check::warning(NAME, format!("{what}; no video and audio"), remedy)],
        Err(Availability::Ready(_)) => Vec::new(),
        Ok(program) => rows(report(&program).as_ref()),
    }
}

/// What the program says of this machine.
fn report(program: &Path) -> Option<Value> {
    let output = Command::new(program).arg("probe").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

fn rows(report: Option<&Value>) -> Vec<Check> {
    let Some(report) = report else {
        let remedy = "install FFmpeg's libraries: sudo deploy/install-deps.sh run";
        return vec![Check::warning(NAME, "convertfly-media does not start; no video and audio", remedy)];
    };
    let version = report["ffmpeg"].as_str().unwrap_or("of an unknown version");
    let encoders = report["encoders"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |encoder: &Value| encoder["name"].as_str().unwrap_or_default().to_owned();
    let is = |encoder: &&Value, hardware: bool| encoder["hardware"] == hardware && encoder["usable"] == true;
    let software: Vec<_> = encoders.iter().filter(|encoder| is(encoder, false)).map(name).collect();
    let hardware: Vec<_> = encoders.iter().filter(|encoder| is(encoder, true)).map(name).collect();
    let mut detail = format!("software: {}", software.join(", "));
    if hardware.is_empty() {
        let refused = encoders.iter().filter(|encoder| encoder["hardware"] == true);
        let reasons: Vec<_> =
            refused.map(|encoder| format!("{}: {}", name(encoder), encoder["reason"].as_str().unwrap_or_default())).collect();
        detail = format!("{detail}; no hardware encoder works ({})", reasons.join("; "));
    } else {
        detail = format!("hardware: {}; {detail}", hardware.join(", "));
    }
    if let Some(card) = card(&report["nvenc"]) {
        detail = format!("{detail}; NVENC: {card}");
    }
    vec![Check::ok(NAME, format!("{version}, in convertfly-media, for video and audio")), Check::ok(HARDWARE, detail)]
}

/// What an NVIDIA card's driver says, where the program was built to ask it.
fn card(told: &Value) -> Option<String> {
    if let Some(reason) = told["reason"].as_str() {
        return Some(reason.to_owned());
    }
    let codecs = told["codecs"].as_array()?.iter().map(|codec| {
        let depth = if codec["ten_bit"] == true { ", 10 bits" } else { "" };
        format!("{} up to {} x {}{depth}", codec["name"].as_str().unwrap_or_default(), codec["width"], codec["height"])
    });
    let codecs: Vec<_> = codecs.collect();
    Some(format!("{} at a time; {}", told["sessions"], if codecs.is_empty() { "no codec".to_owned() } else { codecs.join(", ") }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::State;
    use super::*;

    #[test]
    fn encoders_that_refuse_are_named_with_their_reason() {
        let report = json!({ "ffmpeg": "5.1.9", "encoders": [
            { "name": "h264_nvenc", "hardware": true, "usable": false, "reason": "Cannot load libcuda.so.1" },
            { "name": "libx264", "hardware": false, "usable": true },
        ]});
        let rows = rows(Some(&report));
        assert!(rows.iter().all(|row| row.state == State::Ok), "software is enough: {rows:?}");
        assert!(rows[0].detail.contains("5.1.9"), "{rows:?}");
        assert!(rows[1].detail.contains("libx264") && rows[1].detail.contains("Cannot load libcuda.so.1"), "{rows:?}");
    }

    #[test]
    fn what_a_card_can_do_is_told_where_it_is_known() {
        let codecs = json!([{ "name": "h264", "width": 4096, "height": 4096, "ten_bit": false }]);
        for (nvenc, words) in [
            (json!({ "sessions": 3, "codecs": codecs }), "NVENC: 3 at a time; h264 up to 4096 x 4096"),
            (json!({ "reason": "no driver" }), "NVENC: no driver"),
        ] {
            let rows = rows(Some(&json!({ "ffmpeg": "5.1.9", "encoders": [], "nvenc": nvenc })));
            assert!(rows[1].detail.ends_with(words), "{rows:?}");
        }
        let rows = rows(Some(&json!({ "ffmpeg": "5.1.9", "encoders": [] })));
        assert!(!rows[1].detail.contains("NVENC"), "not asked: {rows:?}");
    }

    #[test]
    fn without_the_program_video_is_less_and_not_a_failure() {
        let rows = media(Some(Path::new("/nonexistent/convertfly-media")));
        assert_eq!((rows.len(), rows[0].state), (1, State::Warning), "{rows:?}");
        assert!(rows[0].remedy.as_ref().is_some_and(|remedy| remedy.contains("convertfly-media")), "{rows:?}");
    }
}
