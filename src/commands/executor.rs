//! `image-executor`: the confined child.

use std::process::ExitCode;

/// Serves the node until it goes away.
pub(crate) fn run() -> ExitCode {
    convertfly_worker::executor::child()
}
