//! The checks as a table for people or as JSON for programs.

use std::io::{self, Write};

use super::{Check, State, ready};

/// Writes a line a check, and under it what to do where something is to be done.
pub(super) fn table(out: &mut impl Write, checks: &[Check], colour: bool) -> io::Result<()> {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for check in checks {
        let (word, code) = match check.state {
            State::Ok => ("ok", "32"),
            State::Warning => ("note", "33"),
            State::Missing => ("MISSING", "31"),
        };
        let word = if colour { format!("\x1b[{code}m{word:<7}\x1b[0m") } else { format!("{word:<7}") };
        writeln!(out, "{word}  {:<width$}  {}", check.name, check.detail)?;
        if let Some(remedy) = &check.remedy {
            writeln!(out, "{:9}{:width$}  -> {remedy}", "", "")?;
        }
    }
    let missing = checks.iter().filter(|check| check.state == State::Missing).count();
    match missing {
        0 => writeln!(out, "\nThis machine can run ConvertFly."),
        1 => writeln!(out, "\n1 thing is missing; the arrow says what mends it."),
        more => writeln!(out, "\n{more} things are missing; the arrows say what mends them."),
    }
}

/// Writes `{"ready": …, "checks": [{name, state, detail, remedy?}, …]}`.
pub(super) fn json(out: &mut impl Write, checks: &[Check]) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &serde_json::json!({ "ready": ready(checks), "checks": checks }))?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Vec<Check> {
        vec![Check::ok("CPU", "8 cores"), Check::missing("Redis", "not installed", "sudo deploy/install-deps.sh run")]
    }

    #[test]
    fn the_table_is_aligned_and_shows_what_to_do() {
        let mut text = Vec::new();
        table(&mut text, &checks(), false).expect("written to memory");
        let expected = "ok       CPU    8 cores\n\
                        MISSING  Redis  not installed\n                -> sudo deploy/install-deps.sh run\n\n\
                        1 thing is missing; the arrow says what mends it.\n";
        assert_eq!(String::from_utf8(text).expect("text"), expected, "the whole table");
    }

    #[test]
    fn json_has_every_check_and_the_verdict() {
        let mut text = Vec::new();
        json(&mut text, &checks()).expect("written to memory");
        let value: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let expected = serde_json::json!({ "ready": false, "checks": [
            { "name": "CPU", "state": "ok", "detail": "8 cores" },
            { "name": "Redis", "state": "missing", "detail": "not installed", "remedy": "sudo deploy/install-deps.sh run" },
        ]});
        assert_eq!(value, expected, "the whole object");
    }
}
