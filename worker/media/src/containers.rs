//! The table of containers: how FFmpeg calls each, and which codecs it takes.

use ffmpeg_next::codec::Id;

use crate::options::{AudioCodec, VideoCodec};

/// A row.
pub(crate) struct Container {
    /// Our name of the format.
    pub(crate) name: &'static str,
    /// What people call it.
    pub(crate) title: &'static str,
    /// The one demuxer that may open it.
    pub(crate) demuxer: &'static str,
    /// The muxer that writes it; empty where it is only read.
    pub(crate) muxer: &'static str,
    /// Codecs that we write, the default first; none where it holds no video.
    pub(crate) video: &'static [VideoCodec],
    /// Codecs that we write, the default first; none where it holds no audio.
    pub(crate) audio: &'static [AudioCodec],
    /// Video codecs that are taken over as they are.
    pub(crate) copied_video: &'static [Id],
    /// Audio codecs that are taken over as they are.
    pub(crate) copied_audio: &'static [Id],
    /// Holds a cover picture.
    pub(crate) cover: bool,
    /// Holds chapters.
    pub(crate) chapters: bool,
    /// Every frame is shown for the same time.
    pub(crate) constant_rate: bool,
    /// Timestamps of its packets can be trusted in another container.
    pub(crate) timed: bool,
    /// Each picture says how long it is shown, the last one as well.
    pub(crate) says_durations: bool,
    /// Pictures may be transparent, and nothing lies behind them.
    pub(crate) transparent: bool,
    /// Words for the muxer, beside those that all get.
    pub(crate) words: &'static [(&'static str, &'static str)],
}

const NONE: Container = Container {
    name: "",
    title: "",
    demuxer: "",
    muxer: "",
    video: &[],
    audio: &[],
    copied_video: &[],
    copied_audio: &[],
    cover: false,
    chapters: false,
    constant_rate: false,
    timed: true,
    says_durations: false,
    transparent: false,
    words: &[],
};

/// Every container.
static CONTAINERS: &[Container] = &[
    Container {
        name: "mp4",
        title: "MP4",
        demuxer: "mov",
        muxer: "mp4",
        video: &[VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Av1, VideoCodec::Mpeg4],
        audio: &[AudioCodec::Aac, AudioCodec::Mp3],
        copied_video: &[Id::H264, Id::HEVC, Id::AV1, Id::MPEG4],
        copied_audio: &[Id::AAC, Id::MP3, Id::ALAC],
        chapters: true,
        ..NONE
    },
    Container {
        name: "mov",
        title: "MOV",
        demuxer: "mov",
        muxer: "mov",
        video: &[VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Mpeg4],
        audio: &[AudioCodec::Aac, AudioCodec::Mp3, AudioCodec::Pcm],
        copied_video: &[Id::H264, Id::HEVC, Id::MPEG4, Id::PRORES, Id::MJPEG],
        copied_audio: &[Id::AAC, Id::MP3, Id::ALAC, Id::PCM_S16LE, Id::PCM_S24LE],
        chapters: true,
        ..NONE
    },
    Container {
        name: "mkv",
        title: "Matroska",
        demuxer: "matroska",
        muxer: "matroska",
        video: &[VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Vp9, VideoCodec::Av1, VideoCodec::Mpeg4],
        audio: &[AudioCodec::Aac, AudioCodec::Mp3, AudioCodec::Opus, AudioCodec::Vorbis, AudioCodec::Flac, AudioCodec::Pcm],
        copied_video: &[Id::H264, Id::HEVC, Id::VP8, Id::VP9, Id::AV1, Id::MPEG4, Id::MPEG2VIDEO, Id::THEORA],
        copied_audio: &[
            Id::AAC,
            Id::MP3,
            Id::OPUS,
            Id::VORBIS,
            Id::FLAC,
            Id::AC3,
            Id::EAC3,
            Id::DTS,
            Id::ALAC,
            Id::PCM_S16LE,
            Id::PCM_S24LE,
        ],
        chapters: true,
        ..NONE
    },
    Container {
        name: "webm",
        title: "WebM",
        demuxer: "matroska",
        muxer: "webm",
        video: &[VideoCodec::Vp9, VideoCodec::Av1],
        audio: &[AudioCodec::Opus, AudioCodec::Vorbis],
        copied_video: &[Id::VP8, Id::VP9, Id::AV1],
        copied_audio: &[Id::OPUS, Id::VORBIS],
        chapters: true,
        ..NONE
    },
    Container {
        name: "avi",
        title: "AVI",
        demuxer: "avi",
        muxer: "avi",
        video: &[VideoCodec::Mpeg4, VideoCodec::H264],
        audio: &[AudioCodec::Mp3, AudioCodec::Pcm],
        copied_video: &[Id::MPEG4, Id::MSMPEG4V3, Id::MJPEG],
        copied_audio: &[Id::MP3, Id::AC3, Id::PCM_S16LE],
        constant_rate: true,
        timed: false,
        ..NONE
    },
    Container { name: "gif", title: "GIF", demuxer: "gif", muxer: "gif", constant_rate: true, says_durations: true, ..NONE },
    // An animated one: it stands between pictures that move and that only the node can decode, and video.
    Container { name: "png", title: "PNG", demuxer: "apng", says_durations: true, transparent: true, ..NONE },
    // Without an end, as everywhere on the web.
    Container { name: "webp", title: "WebP", muxer: "webp", constant_rate: true, words: &[("loop", "0")], ..NONE },
    Container {
        name: "mp3",
        title: "MP3",
        demuxer: "mp3",
        muxer: "mp3",
        audio: &[AudioCodec::Mp3],
        copied_audio: &[Id::MP3],
        cover: true,
        chapters: true,
        ..NONE
    },
    Container {
        name: "wav",
        title: "WAV",
        demuxer: "wav",
        muxer: "wav",
        audio: &[AudioCodec::Pcm],
        copied_audio: &[Id::PCM_S16LE, Id::PCM_S24LE],
        ..NONE
    },
    Container {
        name: "ogg",
        title: "Ogg",
        demuxer: "ogg",
        muxer: "ogg",
        audio: &[AudioCodec::Vorbis, AudioCodec::Opus, AudioCodec::Flac],
        copied_audio: &[Id::VORBIS, Id::OPUS],
        chapters: true,
        ..NONE
    },
    Container {
        name: "flac",
        title: "FLAC",
        demuxer: "flac",
        muxer: "flac",
        audio: &[AudioCodec::Flac],
        copied_audio: &[Id::FLAC],
        cover: true,
        ..NONE
    },
    Container {
        name: "aac",
        title: "AAC",
        demuxer: "aac",
        muxer: "adts",
        audio: &[AudioCodec::Aac],
        copied_audio: &[Id::AAC],
        ..NONE
    },
    Container {
        name: "m4a",
        title: "M4A",
        demuxer: "mov",
        muxer: "ipod",
        audio: &[AudioCodec::Aac],
        copied_audio: &[Id::AAC, Id::ALAC],
        cover: true,
        chapters: true,
        ..NONE
    },
];

/// The row of that name.
pub(crate) fn by_name(name: &str) -> Option<&'static Container> {
    CONTAINERS.iter().find(|container| container.name == name)
}

impl Container {
    /// Whether the muxer is one of the MP4 family, whose index can stand at the front.
    pub(crate) fn has_index_at_front(&self) -> bool {
        self.demuxer == "mov"
    }
}
