//! Clips of all kinds: codecs, containers, pixel formats, rates, layouts, turns. Each flashes and sounds after half a second, so that pictures
//! and sound can be held against each other in the result.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::clips::{Clips, decode, first_bright, onsets, probe, samples};
use crate::support::Child;

/// Container, pictures, pixel format, frames a second, sound, layout, samples a second, turn.
type Kind = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str, u32, u16);

const X264: &str = "libx264 -preset ultrafast";
const X265: &str = "libx265 -preset ultrafast -x265-params log-level=error";
const VP9: &str = "libvpx-vp9 -deadline realtime -cpu-used 8";

const KINDS: &[Kind] = &[
    ("mp4", X264, "yuv420p", "25", "aac", "stereo", 44_100, 0),
    ("mp4", X264, "yuv422p", "30000/1001", "aac", "mono", 48_000, 0),
    ("mp4", X264, "yuv444p", "24000/1001", "aac", "5.1", 48_000, 0),
    ("mp4", X264, "yuv420p10le", "50", "aac", "stereo", 22_050, 0),
    ("mp4", X264, "yuv422p10le", "60000/1001", "aac", "7.1", 48_000, 0),
    ("mp4", X264, "yuv444p10le", "24", "libmp3lame", "stereo", 44_100, 0),
    ("mp4", X264, "gray", "15", "aac", "stereo", 8_000, 0),
    ("mp4", X264, "yuvj420p", "30", "alac", "stereo", 44_100, 0),
    ("mp4", X264, "nv12", "60", "aac", "stereo", 96_000, 0),
    ("mp4", X264, "yuv420p", "120", "aac", "stereo", 48_000, 0),
    ("mp4", X264, "yuv420p", "5", "aac", "quad", 48_000, 0),
    ("mp4", X264, "yuv420p", "12", "aac", "stereo", 11_025, 90),
    ("mp4", X264, "yuv420p", "25", "aac", "stereo", 44_100, 180),
    ("mov", X264, "yuv420p", "25", "pcm_s16le", "stereo", 48_000, 270),
    ("mp4", X265, "yuv420p", "25", "aac", "5.0", 48_000, 0),
    ("mp4", X265, "yuv420p10le", "24", "aac", "stereo", 32_000, 90),
    ("mkv", X265, "yuv422p10le", "48", "flac", "stereo", 48_000, 0),
    ("mkv", X265, "yuv444p12le", "25", "libopus", "stereo", 48_000, 0),
    ("webm", VP9, "yuv420p", "25", "libopus", "mono", 48_000, 0),
    ("webm", VP9, "yuv444p", "30", "libvorbis", "stereo", 44_100, 0),
    ("webm", VP9, "yuv420p10le", "60", "libopus", "5.1", 48_000, 0),
    ("webm", VP9, "yuva420p", "24", "libopus", "stereo", 48_000, 0),
    ("webm", "libvpx -deadline realtime -cpu-used 8", "yuv420p", "15", "libvorbis", "mono", 22_050, 0),
    ("mp4", "libsvtav1 -preset 12", "yuv420p", "25", "aac", "stereo", 44_100, 0),
    ("mkv", "libsvtav1 -preset 12", "yuv420p10le", "30", "libopus", "stereo", 48_000, 0),
    ("avi", "mpeg4", "yuv420p", "25", "libmp3lame", "stereo", 44_100, 0),
    ("avi", "msmpeg4", "yuv420p", "30", "pcm_s16le", "mono", 8_000, 0),
    ("avi", "mjpeg", "yuvj422p", "12", "pcm_s16le", "stereo", 44_100, 0),
    ("avi", "ffv1", "yuv420p", "50", "ac3", "5.1", 48_000, 0),
    ("mov", "mjpeg", "yuvj444p", "24", "pcm_s24le", "stereo", 48_000, 0),
    ("mov", "prores_ks", "yuv422p10le", "25", "pcm_s16le", "stereo", 48_000, 0),
    ("mov", "prores_ks -profile:v 4444", "yuva444p10le", "30000/1001", "aac", "stereo", 48_000, 0),
    ("mov", "qtrle", "rgb24", "10", "pcm_s16le", "mono", 16_000, 0),
    ("mov", "png", "rgba", "5", "aac", "stereo", 44_100, 0),
    ("mkv", "mpeg2video", "yuv420p", "25", "ac3", "stereo", 48_000, 0),
    ("mkv", "mpeg2video", "yuv422p", "30", "mp2", "stereo", 44_100, 0),
    ("mkv", "libtheora", "yuv420p", "25", "libvorbis", "stereo", 44_100, 0),
    ("mkv", "ffv1", "bgr0", "25", "flac", "2.1", 44_100, 0),
    ("mkv", "ffv1", "gbrp", "24", "pcm_f32le", "stereo", 48_000, 0),
    ("mkv", "ffv1", "gray10le", "30", "pcm_s24le", "6.1", 48_000, 0),
    ("mkv", "ffv1", "rgb48le", "15", "pcm_u8", "mono", 8_000, 0),
    ("mkv", "ffv1", "yuv410p", "25", "eac3", "5.1", 48_000, 0),
    ("mkv", "ffv1", "yuv411p", "60", "libopus", "quad", 48_000, 0),
    ("mkv", "huffyuv", "yuv422p", "25", "wavpack", "stereo", 44_100, 0),
    ("mkv", "utvideo", "gbrp", "25", "libmp3lame", "mono", 32_000, 0),
    ("mkv", "rawvideo", "uyvy422", "25", "pcm_s16le", "stereo", 44_100, 0),
];

/// Half a second of black and silence, then white and a tone for as long.
fn make(clips: &Clips, name: &str, kind: &Kind) -> PathBuf {
    let (container, video, pixels, rate, audio, layout, samples, turn) = kind;
    let made = clips.make(
        &format!("{name}.{container}"),
        &format!(
            "-f lavfi -i color=black:s=128x72:r={rate}:d=1,drawbox=t=fill:c=white:enable='gte(t,0.4999)',noise=alls=6:allf=t \
             -f lavfi -i aevalsrc='if(gte(t,0.5),0.5*sin(2764*t),0)':s={samples}:d=1,pan={layout}|{} \
             -c:v {video} -pix_fmt {pixels} -c:a {audio} -strict -2",
            everywhere(layout)
        ),
    );
    if *turn == 0 {
        return made;
    }
    let turned = format!("-i {} -c copy -metadata:s:v rotate={turn}", made.display());
    clips.make(&format!("{name}-turned.{container}"), &turned)
}

/// The tone on every channel of a layout.
fn everywhere(layout: &str) -> String {
    let channels = match layout {
        "mono" => 1,
        "stereo" => 2,
        "2.1" => 3,
        "quad" => 4,
        "5.0" => 5,
        "5.1" => 6,
        "6.1" => 7,
        _ => 8,
    };
    (0..channels).map(|channel| format!("c{channel}=c0")).collect::<Vec<_>>().join("|")
}

fn check(child: &Child, clips: &Clips, index: usize, kind: &Kind) {
    let (container, .., rate, _, _, _, turn) = *kind;
    let to = if index % 4 == 3 { "webm" } else { "mp4" };
    let input = make(clips, &index.to_string(), kind);
    let options = json!({ "quality": 60, "preset": "ultrafast", "audio_bitrate": 128 });
    let made = child.convert(&input, container, to, options).unwrap_or_else(|failure| panic!("{kind:?}: {failure}"));
    let path = clips.path(&format!("{index}-out.{to}"));
    made.save(&path);
    let rate =
        rate.split_once('/').map_or_else(|| rate.parse(), |(a, b)| a.parse::<f64>().and_then(|a| Ok(a / b.parse::<f64>()?)));
    let rate = rate.expect("a rate");
    let (frames, probed) = (decode(&path) as f64, probe(&path));
    assert!((frames - rate).abs() <= 1.0, "{kind:?}: as long as it was, to a frame: {frames}");
    let size = if turn % 180 == 90 { (72, 128) } else { (128, 72) };
    assert_eq!(probed.size(), size, "{kind:?}: upright");
    let flash = |path: &Path| first_bright(path).unwrap_or_else(|| panic!("{kind:?}: no flash in {path:?}"));
    let tone = |path: &Path| onsets(&samples(path)).first().copied().unwrap_or_else(|| panic!("{kind:?}: no tone in {path:?}"));
    let (seen, heard) = (flash(&path) - flash(&input), tone(&path) - tone(&input));
    assert!((seen - heard).abs() < 0.04, "{kind:?}: seen {seen} s late, heard {heard} s late");
    assert!(seen.abs() < 0.04, "{kind:?}: seen {seen} s late");
}

fn check_part(part: usize) {
    let (child, clips) = (Child::start(), Clips::new());
    for (index, kind) in KINDS.iter().enumerate().skip(part).step_by(3) {
        check(&child, &clips, index, kind);
    }
}

#[test]
fn clips_of_all_kinds_stay_in_step_first_third() {
    check_part(0);
}

#[test]
fn clips_of_all_kinds_stay_in_step_second_third() {
    check_part(1);
}

#[test]
fn clips_of_all_kinds_stay_in_step_last_third() {
    check_part(2);
}

#[test]
fn pictures_brighter_than_a_screen_are_darkened() {
    let (child, clips) = (Child::start(), Clips::new());
    // Bands of equal steps of the curve of SMPTE ST 2084: 0, about 10, 92, 620 and 4,000 candelas a square metre.
    let bands: Vec<_> = [0.0, 0.3, 0.5, 0.7, 0.9]
        .into_iter()
        .enumerate()
        .map(|(index, code)| format!("if(between(X,{},{}),{},0)", index * 32, index * 32 + 31, 64.0 + code * 876.0))
        .collect();
    let input = clips.make(
        "hdr.mkv",
        &format!(
            "-f lavfi -i color=black:s=160x64:r=5:d=1,format=yuv420p10le,geq=lum='{}':cb=512:cr=512 -c:v {X265}:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc \
             -pix_fmt yuv420p10le -color_trc smpte2084 -color_primaries bt2020 -colorspace bt2020nc",
            bands.join("+")
        ),
    );
    assert_eq!(probe(&input).stream("video").expect("pictures")["color_transfer"], "smpte2084", "bright indeed");
    let made = child.convert(&input, "mkv", "mp4", json!({ "video_codec": "h264", "quality": 95 })).expect("darkened");
    let path = clips.path("out.mp4");
    made.save(&path);
    let stream = probe(&path);
    let transfer = &stream.stream("video").expect("pictures")["color_transfer"];
    assert!(transfer.is_null() || transfer == "bt709" || transfer == "unknown", "as screens have it: {transfer}");
    let shown: Vec<_> = (0..5).map(|band| crate::clips::colour(&path, band * 32 + 15, 30)).collect();
    assert!(shown.iter().all(|[r, g, b]| r.abs_diff(*g) < 8 && g.abs_diff(*b) < 8), "grey stays grey: {shown:?}");
    assert!(shown.windows(2).all(|two| two[0][1] < two[1][1]), "brighter stays brighter: {shown:?}");
    // Reckoned by hand: the curve that J. Hable has published, from 1,000 candelas a square metre down, and the screen of BT.1886 with a gamma
    // of 2.4. Shown as they are, they would be 77, 128, 178 and 229.
    for (band, expected) in [(0, 0), (1, 66), (2, 153), (3, 241), (4, 255)] {
        assert!(shown[band][1].abs_diff(expected) < 6, "band {band}, not {expected}: {shown:?}");
    }
}
