//! The programs that ConvertFly starts: there or not, and which version.

use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use convertfly_worker::engines::office::Offices;
use convertfly_worker::engines::{Availability, browser, text};

use super::Check;
use super::version::Version;

/// Oldest Redis that the store's scripts run on: functions of `#!lua` headers came with 7.
const REDIS_MINIMUM: u32 = 7;

/// How long a program may take to print its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// The job store. Without a URL, `serve` starts a `redis-server` of its own.
pub(super) fn redis(url: Option<&str>) -> Check {
    redis_from(output("redis-server", &["--version"]).as_deref(), url.is_some())
}

fn redis_from(printed: Option<&str>, elsewhere: bool) -> Check {
    const NAME: &str = "Redis";
    const INSTALL: &str = "sudo deploy/install-deps.sh run";
    if elsewhere {
        return Check::ok(NAME, "CONVERTFLY_REDIS_URL is set: that server is used, no redis-server is needed here");
    }
    match printed.map(|text| Version::after(text, "v=")) {
        None => Check::missing(NAME, "redis-server is not installed, and CONVERTFLY_REDIS_URL is not set", INSTALL),
        Some(Some(version)) if version.major() >= REDIS_MINIMUM => Check::ok(NAME, format!("redis-server {version}")),
        Some(Some(version)) => Check::missing(
            NAME,
            format!("redis-server {version} is too old, {REDIS_MINIMUM} or newer is needed"),
            "install a newer redis-server, or set CONVERTFLY_REDIS_URL=redis://HOST:6379 to one that runs elsewhere",
        ),
        Some(None) => Check::missing(NAME, "redis-server --version printed no version", INSTALL),
    }
}

/// LibreOffice in its jail, for office documents.
pub(super) fn libreoffice() -> Check {
    engine("office documents", Offices::probe())
}

/// Chromium in its jail, for html and md.
pub(super) fn chromium() -> Check {
    engine("html to pdf", browser::probe())
}

/// pdftotext in its jail.
pub(super) fn pdftotext() -> Check {
    engine("pdf to txt", text::probe())
}

/// What an engine says of this machine.
fn engine(name: &'static str, found: Availability) -> Check {
    match found {
        Availability::Ready(with) => Check::ok(name, with),
        Availability::Missing { what, remedy } => Check::warning(name, format!("not on this machine: {what}"), remedy),
    }
}

/// What `program` prints on standard output; `None` when it is not there, fails, or takes longer than [`PATIENCE`].
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let mut child =
        Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let stdout = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(std::io::read_to_string(stdout)));
    let printed = receiver.recv_timeout(PATIENCE);
    if printed.is_err() {
        let _ = child.kill();
    }
    let succeeded = child.wait().is_ok_and(|status| status.success());
    printed.ok()?.ok().filter(|_| succeeded)
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn redis_has_to_be_there_and_new_enough() {
        let new = "Redis server v=7.0.15 sha=00000000:0";
        let old = "Redis server v=6.0.16 sha=00000000:0";
        for (printed, elsewhere, expected) in [
            (Some(new), false, State::Ok),
            (Some(old), false, State::Missing),
            (Some("?"), false, State::Missing),
            (None, false, State::Missing),
            (None, true, State::Ok),
        ] {
            assert_eq!(redis_from(printed, elsewhere).state, expected, "{printed:?}, a server elsewhere: {elsewhere}");
        }
        assert!(redis_from(Some(old), false).detail.contains("6.0.16"), "an old one is named");
    }

    #[test]
    fn output_is_what_a_program_prints_and_nothing_if_it_fails() {
        assert_eq!(output("echo", &["v=7"]).as_deref(), Some("v=7\n"), "printed");
        assert_eq!(output("false", &[]), None, "failed");
        assert_eq!(output("no-such-program-here", &[]), None, "not there");
    }
}
