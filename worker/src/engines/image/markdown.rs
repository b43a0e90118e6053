//! Markdown as HTML, with a style that prints well (comrak: CommonMark with GitHub's extensions).

use std::fs::File;
use std::io::{Seek, Write};

use comrak::{Options, markdown_to_html};
use serde_json::{Map, Value, json};

use super::pipeline;
use crate::engines::Made;
use crate::failure::Failure;

/// How it looks, on a screen and on paper.
const STYLE: &str = include_str!("markdown.css");

/// Bytes of a document.
const MAX_BYTES: usize = 32 << 20;

/// Writes the input as a whole HTML document to the output.
///
/// # Errors
/// As [`super::job::run`].
pub(super) fn run(files: Vec<File>) -> Result<Made, Failure> {
    let [input, mut output] = <[File; 2]>::try_from(files)
        .map_err(|files| Failure::internal(format!("{} files for a Markdown document", files.len())))?;
    let bytes = pipeline::read(input)?;
    if bytes.len() > MAX_BYTES {
        return Err(Failure::too_large(format!("The Markdown file has more than {MAX_BYTES} bytes, which is the limit")));
    }
    let mut warnings = Vec::new();
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes));
    if text.contains('\0') {
        return Err(Failure::invalid("The Markdown file holds bytes that are no text. Say what it is with input_format"));
    }
    if matches!(text, std::borrow::Cow::Owned(_)) {
        warnings.push("The file is not UTF-8: some characters could not be read".to_owned());
    }
    let html = pipeline::guarded(|| Ok(document(&text)))?;
    output
        .rewind()
        .and_then(|()| output.set_len(0))
        .and_then(|()| output.write_all(html.as_bytes()))
        .map_err(Failure::internal)?;
    let explain = json!({ "engine": crate::engines::markdown::ID, "bytes_in": bytes.len(), "bytes_out": html.len() });
    let explain = if let Value::Object(explain) = explain { explain } else { Map::new() };
    Ok(Made { warnings, explain, ..Made::default() })
}

fn document(text: &str) -> String {
    let mut options = Options::default();
    let extension = &mut options.extension;
    extension.alerts = true;
    extension.autolink = true;
    extension.footnotes = true;
    extension.front_matter_delimiter = Some("---".to_owned());
    extension.strikethrough = true;
    extension.table = true;
    extension.tasklist = true;
    // HTML within Markdown is part of it. Nothing of ours runs its scripts.
    options.render.r#unsafe = true;
    let body = markdown_to_html(text, &options);
    let title = title(text);
    format!(
        "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

/// The first heading, as text of HTML.
fn title(text: &str) -> String {
    let heading = text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default();
    heading.trim().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gfm_becomes_a_whole_document() {
        let html = document("# A & B\n\n| a | b |\n|---|---|\n| 1 | ~~2~~ |\n\n- [x] done\n\nhttps://example.org\n\n<b>raw</b>");
        for part in [
            "<title>A &amp; B</title>",
            "<table>",
            "<del>2</del>",
            "type=\"checkbox\"",
            "href=\"https://example.org\"",
            "<b>raw</b>",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(html.starts_with("<!DOCTYPE html>"), "recognised as HTML");
    }

    #[test]
    fn front_matter_is_no_text() {
        let html = document("---\ntitle: x\n---\n\ntext\n");
        assert!(html.contains("<p>text</p>") && !html.contains("title: x"), "{html}");
    }
}
