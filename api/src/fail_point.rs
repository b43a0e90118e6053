//! Places at which a test lets the process die, as if by `kill -9`: nothing is flushed, closed or told.

use std::sync::LazyLock;

/// The place at which this process dies; nowhere unless a test says so.
static FATAL: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("CONVERTFLY_FAIL_POINT").ok());

/// Dies here if this is the place.
pub(crate) fn reach(place: &str) {
    if FATAL.as_deref() == Some(place) {
        std::process::abort();
    }
}
