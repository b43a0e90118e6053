//! FFmpeg's errors as failures that the customer understands.

use convertfly_sandbox::Failure;
use ffmpeg_next::Error;

/// What went wrong while reading a file that people call `title`.
pub(crate) fn reading(title: &str, error: Error) -> Failure {
    match error {
        Error::Other { errno: ffmpeg_next::error::ENOMEM } => {
            Failure::too_large(format!("The {title} file needs more memory to read than a task may take"))
        }
        // The refusal of a demuxer that is not the one we chose says EINVAL, the one of unknown bytes AVERROR_INVALIDDATA.
        Error::InvalidData | Error::Eof | Error::Other { errno: ffmpeg_next::error::EINVAL } => Failure::invalid(format!(
            "The file is damaged or incomplete, or is no {title} file: its index could not be read. Check that it plays elsewhere"
        )),
        Error::DecoderNotFound => Failure::invalid(format!("The {title} file uses a codec that is not known here")),
        other => Failure::invalid(format!("The {title} file could not be read: {other}")),
    }
}

/// What went wrong while a packet was put into the result: packets of a damaged file that are taken over as they are may fit nowhere.
pub(crate) fn muxing(error: Error) -> Failure {
    match error {
        // The muxer of MP4 says EPERM of AAC without its header, and the filter before it what it says of unknown forms.
        Error::InvalidData
        | Error::PatchWelcome
        | Error::Other { errno: ffmpeg_next::error::EINVAL | ffmpeg_next::error::EPERM } => Failure::invalid(
            "The file is damaged: not everything in it fits into the result. Set quality, so that it is encoded anew",
        ),
        error => ours("muxer", error),
    }
}

/// What went wrong with a part of ours: a filter, an encoder, the muxer.
pub(crate) fn ours(part: &str, error: Error) -> Failure {
    let lines = crate::log::take();
    match error {
        Error::Other { errno: ffmpeg_next::error::ENOMEM } => {
            Failure::too_large("The task needs more memory than it may take. Ask for a smaller size")
        }
        Error::Other { errno: ffmpeg_next::error::EFBIG | ffmpeg_next::error::ENOSPC } => Failure::too_large(
            "The result is larger than a result may be. Ask for a smaller size, a lower quality or a shorter part",
        ),
        error => Failure::internal(format!("{part}: {error}: {}", lines.join("; "))),
    }
}
