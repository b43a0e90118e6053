//! What several codecs share: no format of its own.

pub(super) mod brands;
pub(super) mod canvas;
pub(super) mod cmyk;
pub(super) mod exif;
pub(super) mod icc;
#[cfg(test)]
pub(crate) mod inputs;
pub(super) mod media;
pub(super) mod palette;
pub(super) mod samples;
#[cfg(test)]
pub(crate) mod testing;
pub(super) mod veiled;

use std::fmt::Display;

use crate::failure::Failure;

/// A file whose bytes contradict its format: cut short, or changed.
pub(super) fn damaged(title: &str, cause: impl Display) -> Failure {
    let cause = cause.to_string();
    let cause = cause.trim().trim_end_matches('.');
    // Decoders' texts may quote bytes of the file; they go to the customer, so they are bounded.
    let short: String = cause.chars().filter(|c| !c.is_control()).take(160).collect();
    Failure::invalid(format!(
        "The {title} file is truncated or damaged: {short}. Check that all of it was sent, or open it elsewhere and save it again"
    ))
}

/// A well-formed file that uses a feature we cannot read.
pub(super) fn unsupported(title: &str, what: impl Display) -> Failure {
    Failure::unsupported(format!("This {title} file cannot be read: {what}. Save it in a more common form first"))
}

/// An encoder that gave up on pixels of ours.
pub(super) fn encoding(title: &str, cause: impl Display) -> Failure {
    Failure::internal(format!("{title} encoder: {cause}"))
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod hostile;
