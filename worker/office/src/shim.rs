//! The Basic macro that drives LibreOffice: how it is called, and how its answer is read.

use std::path::Path;

use crate::job::Job;

/// Name of the macro's module.
pub(crate) const MODULE: &str = "Shim";

/// Behind the names of what the twin writes.
pub(crate) const SUFFIX: &str = "1";

const SOURCE: &str = include_str!("shim.bas");

/// The module as LibreOffice stores it.
pub(crate) fn module() -> String {
    let source = SOURCE.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE script:module PUBLIC \"-//OpenOffice.org//DTD OfficeDocument 1.0//EN\" \"module.dtd\">\n\
         <script:module xmlns:script=\"http://openoffice.org/2000/script\" script:name=\"{MODULE}\" \
         script:language=\"StarBasic\">{source}</script:module>\n"
    )
}

/// The address that runs it for `job`.
///
/// With stripes it makes the folder `divide`, where the process may divide; what the twin writes has a [`SUFFIX`].
pub(crate) fn call(job: &Job, input: &Path, output: &Path, answer: &Path, divide: &Path) -> String {
    let url = |path: &Path| format!("file://{}", path.display());
    let arguments = [
        &url(input),
        &job.from.filter,
        &job.from.options,
        &job.password,
        &url(output),
        &job.to.filter,
        &job.to.options,
        &(if job.sheets { "1" } else { "" }).to_owned(),
        &job.stripe.map(|stripe| stripe.to_string()).unwrap_or_default(),
        &divide.display().to_string(),
        &answer.display().to_string(),
    ];
    let arguments: Vec<_> = arguments.iter().map(|text| format!("\"{}\"", digits(text))).collect();
    format!("macro:///Standard.{MODULE}.Convert({})", arguments.join(","))
}

/// A text as hexadecimal UTF-16.
fn digits(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("{unit:04X}")).collect()
}

/// The text of such digits.
fn text_of(digits: &str) -> Option<String> {
    let units = digits.as_bytes().chunks(4).map(|four| u16::from_str_radix(std::str::from_utf8(four).ok()?, 16).ok());
    Some(String::from_utf16_lossy(&units.collect::<Option<Vec<_>>>()?))
}

/// What the macro says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Milliseconds of loading and of storing, and the names of the sheets that were stored one by one; where two have written it, what [`levels`] reads.
    Done(u64, u64, Vec<String>),
    /// The document could not be opened, for that reason.
    NotLoaded(String),
    /// The result could not be written, for that reason.
    NotStored(String),
}

/// The outline levels that the macro tells where two have written it.
pub(crate) fn levels(told: &str) -> String {
    told.trim_start_matches('L').to_owned()
}

/// Reads the macro's answer, which may have several lines.
pub(crate) fn read(text: &str) -> Option<Answer> {
    let text = text.trim_end();
    let (kind, rest) = text.split_once(' ')?;
    let (first, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    match (kind, first) {
        ("done", load) => {
            let mut words = rest.split(' ');
            let stored = words.next()?.parse().ok()?;
            Some(Answer::Done(load.parse().ok()?, stored, words.map(text_of).collect::<Option<_>>()?))
        }
        ("failed", "load") => Some(Answer::NotLoaded(rest.to_owned())),
        ("failed", "store") => Some(Answer::NotStored(rest.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Side;

    #[test]
    fn nothing_in_an_argument_is_read_as_part_of_the_address() {
        let side = |options: &str| Side { extension: "x".into(), filter: "A & \"B\"".into(), options: options.into() };
        let job = Job {
            from: side("%22"),
            to: side("𝄞"),
            archive: false,
            text: None,
            password: "\"),End(\"".into(),
            title: "X".into(),
            sheets: false,
            stripe: None,
        };
        let call = call(&job, Path::new("/tmp/in.x"), Path::new("/tmp/out.x"), Path::new("/tmp/a"), Path::new("/tmp/d"));
        let arguments = call.strip_prefix("macro:///Standard.Shim.Convert(").and_then(|rest| rest.strip_suffix(')'));
        let arguments: Vec<_> = arguments.expect("a call").split(',').collect();
        assert_eq!(arguments.len(), 11, "{call}");
        for argument in &arguments {
            let inner = argument.trim_matches('"');
            assert!(inner.chars().all(|c| c.is_ascii_hexdigit()) && inner.len() % 4 == 0, "{argument}");
        }
        assert_eq!(arguments[6], "\"D834DD1E\"", "two units of UTF-16");
    }

    #[test]
    fn answers_are_read_as_the_macro_writes_them() {
        assert_eq!(read("done 12 345\n"), Some(Answer::Done(12, 345, Vec::new())), "done");
        let names = ["Ü ber".to_owned(), "𝄞".to_owned()];
        let told = format!("done 1 2 {} {}\n", digits(&names[0]), digits(&names[1]));
        assert_eq!(read(&told), Some(Answer::Done(1, 2, names.into())), "with sheets");
        assert_eq!(read("done 1 2 00ZZ"), None, "no digits");
        assert_eq!(read("failed load a b\nc\n"), Some(Answer::NotLoaded("a b\nc".into())), "several lines");
        assert_eq!(read("failed store \n"), Some(Answer::NotStored(String::new())), "no reason");
        assert_eq!(read(""), None, "nothing");
        assert_eq!(read("done x y"), None, "no numbers");
    }
}
