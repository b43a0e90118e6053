//! `convertfly doctor`: what this machine can do, what it cannot, and the command that mends it.

mod machine;
mod media;
mod pixels;
mod programs;
mod report;
mod routes;
mod sandbox;
mod version;

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// There, and fit for use.
    Ok,
    /// ConvertFly runs, with something less.
    Warning,
    /// ConvertFly does not run, or not safely, until this is mended.
    Missing,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What was looked at, in one or two words.
    pub(crate) name: &'static str,
    /// What was found.
    pub(crate) state: State,
    /// Versions, amounts, or what follows from its absence.
    pub(crate) detail: String,
    /// The command, or the one thing to do, that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

impl Check {
    /// A check that found all well.
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, state: State::Ok, detail: detail.into(), remedy: None }
    }

    /// A check that found something less.
    fn warning(name: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: State::Warning, detail: detail.into(), remedy: Some(remedy.into()) }
    }

    /// A check that found something needed absent.
    fn missing(name: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: State::Missing, detail: detail.into(), remedy: Some(remedy.into()) }
    }
}

/// What `serve` would use with the same settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'a> {
    /// Data directory.
    pub(crate) data: &'a Path,
    /// The store, if it is not our own.
    pub(crate) redis_url: Option<&'a str>,
    /// `CONVERTFLY_CPU`; empty where it is not set.
    pub(crate) cpu: &'a str,
    /// `CONVERTFLY_GPU`; empty where it is not set.
    pub(crate) gpu: &'a str,
    /// `CONVERTFLY_MEDIA`, if it is set.
    pub(crate) media: Option<&'a Path>,
    /// The table of routes, if there is one.
    pub(crate) routes: Option<&'a Path>,
}

/// Looks at this machine and prints what it found: a table, or with `json` one object. Ends in failure when something that
/// this release needs is missing.
///
/// # Errors
/// When standard output cannot be written to.
pub(crate) fn run(json: bool, settings: &Settings<'_>) -> anyhow::Result<ExitCode> {
    let checks = examine(settings);
    let stdout = std::io::stdout();
    if json {
        report::json(&mut stdout.lock(), &checks)?;
    } else {
        let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        report::table(&mut stdout.lock(), &checks, colour)?;
    }
    Ok(if ready(&checks) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every check, in the order of the report: what this release needs first.
fn examine(settings: &Settings<'_>) -> Vec<Check> {
    let mut checks = vec![pixels::cpu(settings.cpu)];
    checks.extend(pixels::gpu(settings.gpu));
    checks.push(routes::routes(settings));
    checks.extend([
        programs::redis(settings.redis_url),
        sandbox::landlock(),
        sandbox::seccomp(),
        machine::disk(settings.data),
        machine::open_files(),
        machine::fonts(),
        programs::libreoffice(),
        programs::chromium(),
        programs::pdftotext(),
    ]);
    checks.extend(media::media(settings.media));
    checks
}

/// Whether nothing that is needed is missing.
fn ready(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.state != State::Missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_fails() {
        let good = [Check::ok("a", "there"), Check::warning("b", "less", "do this")];
        assert!(ready(&good), "warnings do not fail");
        let bad = [Check::ok("a", "there"), Check::missing("b", "gone", "do this")];
        assert!(!ready(&bad), "a missing part fails");
    }

    #[test]
    fn whatever_is_not_well_says_what_to_do() {
        for check in examine(&Settings { data: Path::new("."), redis_url: None, cpu: "", gpu: "", media: None, routes: None }) {
            assert!(!check.detail.is_empty(), "{} says what it found", check.name);
            let has_remedy = check.remedy.as_ref().is_some_and(|remedy| !remedy.is_empty());
            assert_eq!(has_remedy, check.state != State::Ok, "{check:?}: a remedy exactly where something is not well");
        }
    }
}
