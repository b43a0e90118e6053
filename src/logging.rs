//! Logs: readable on a terminal, JSON lines otherwise. Secrets are redacted by their type.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging to standard error. `CONVERTFLY_LOG` filters, for example `info` or `convertfly_worker=debug,info`.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("CONVERTFLY_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first one's settings.
    let _ = if std::io::stderr().is_terminal() { builder.compact().try_init() } else { builder.json().try_init() };
}
