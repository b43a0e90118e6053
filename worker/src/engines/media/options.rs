//! What can be asked of video and audio, beside what pictures have in common with images.

use convertfly_scheduler::catalog::OptionKind;

use crate::pixels::{Fit, Gravity};

fn words(values: &[&str]) -> OptionKind {
    OptionKind::OneOf { values: values.iter().map(|&value| value.to_owned()).collect() }
}

crate::options! {
    /// Options of conversions from and to video and audio. What is not said leaves a track as it is, where the target can hold it.
    pub struct MediaOptions {
        "Output quality of lossy formats, 1 to 100. For video it is the constant rate factor 51 - quality / 3 on the scale of x264, and \
         the factor that looks alike on that of another encoder; for audio the bit rate follows from it."
            quality: Option<u8> = None => OptionKind::Integer { min: 1, max: 100 },
        "Width of the result in pixels; the aspect ratio is kept if height is absent." width: Option<u32> = None =>
            OptionKind::Integer { min: 1, max: 16_384 },
        "Height of the result in pixels; the aspect ratio is kept if width is absent." height: Option<u32> = None =>
            OptionKind::Integer { min: 1, max: 16_384 },
        "How width and height together are understood." fit: Option<Fit> = None => words(&["scale", "max", "crop", "pad"]),
        "Which part stays when fit is crop, and where the pictures stand when it is pad; smart is the middle." gravity: Option<Gravity> = None =>
            words(&Gravity::NAMES),
        "Whether smaller pictures are enlarged to the size asked for." enlarge: Option<bool> = None => OptionKind::Boolean,
        "Degrees to turn clockwise, after the file's own rotation has been applied." rotate: Option<u16> = None =>
            OptionKind::OneOfIntegers { values: vec![0, 90, 180, 270] },
        "Video: frames a second; absent: as the source, and 10 for gif." fps: Option<f64> = None =>
            OptionKind::Number { min: 1.0, max: 240.0 },
        "Video: codec of the pictures; absent: h264 in mp4, mov and mkv, vp9 in webm, mpeg4 in avi." video_codec: Option<String> = None =>
            words(&["h264", "hevc", "vp9", "av1", "mpeg4"]),
        "Video and audio: codec of the sound; absent: that of the format, aac in mp4, mov and mkv, opus in webm, mp3 in avi."
            audio_codec: Option<String> = None => words(&["aac", "mp3", "opus", "vorbis", "flac", "pcm"]),
        "Video: kilobits a second of the pictures, in place of quality." video_bitrate: Option<u32> = None =>
            OptionKind::Integer { min: 16, max: 500_000 },
        "Video and audio: kilobits a second of the sound, in place of quality." audio_bitrate: Option<u32> = None =>
            OptionKind::Integer { min: 8, max: 1536 },
        "Video and audio: samples a second; the nearest that the codec knows." sample_rate: Option<u32> = None =>
            OptionKind::Integer { min: 8_000, max: 192_000 },
        "Video and audio: number of channels." channels: Option<u8> = None => OptionKind::Integer { min: 1, max: 8 },
        "Video: how long the encoder may think; slower gives smaller files of the same quality." preset: Option<String> = None =>
            words(&["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"]),
        "Video and audio: begin there, in seconds." start: Option<f64> = None => OptionKind::Number { min: 0.0, max: 360_000.0 },
        "Video and audio: end there, in seconds of the source." end: Option<f64> = None => OptionKind::Number { min: 0.0, max: 360_000.0 },
        "Video and audio: how much to take, in seconds." duration: Option<f64> = None => OptionKind::Number { min: 0.001, max: 360_000.0 },
        "Video and audio: how loud the sound is made, in LUFS by EBU R128 (broadcasts have -23, streams -14 to -16); measured first, then \
         changed by one factor. Peaks that would go over -1 dB are held down." loudness: Option<f64> = None =>
            OptionKind::Number { min: -50.0, max: -5.0 },
        "Video: keep subtitles that are text, where the result can hold them; absent: yes." subtitles: Option<bool> = None =>
            OptionKind::Boolean,
        "Video: leave the sound out." mute: Option<bool> = None => OptionKind::Boolean,
        "Video to image: which moment, in seconds (12.5), as a time (1:02:03) or as a share of the length (10%); absent: the \
         first at 10% or later that is not dark."
            timestamp: Option<String> = None => OptionKind::String { max_length: 32 },
        "Video to image: so many pictures, spread evenly over the length, on one sheet." count: Option<u32> = None =>
            OptionKind::Integer { min: 1, max: 100 },
        "Video to webp: all of it as an animation instead of one picture; 10 frames a second and 480 pixels wide where fps and width say \
         nothing." animated: Option<bool> = None => OptionKind::Boolean,
        "Video: auto takes a hardware encoder where one works and falls back to software, hardware and software prefer one kind, and \
         a name such as h264_nvenc or libx264 is tried first." encoder: Option<String> = None => OptionKind::String { max_length: 32 },
    }
}

crate::options! {
    /// Options of `metadata`.
    pub struct MetadataOptions {
        "Video and audio: measure how loud the sound is by EBU R128, too (integrated in LUFS, range in LU, true peak in dBFS); all of it is \
         decoded for that." loudness: bool = false => OptionKind::Boolean,
    }
}
