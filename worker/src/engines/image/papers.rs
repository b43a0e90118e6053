//! What is known about an office document: who made it and when, how long it is (ECMA-376 part 2, 8.3; OpenDocument 1.2, 3.1).

use std::fs::File;
use std::io::{Seek, Write};

use serde_json::{Map, Value, json};
use xmlparser::{ElementEnd, Token, Tokenizer};

use super::job::{Files, ImageJob};
use crate::engines::Made;
use crate::failure::Failure;
use crate::formats::by_name;

/// Formats of which it is known.
pub(crate) const KNOWN: &[&str] = &["docx", "xlsx", "pptx", "odt", "ods", "odp", "doc", "xls", "ppt"];

/// Those that are compound files, as Office wrote them until 2003.
const COMPOUND: &[&str] = &["doc", "xls", "ppt"];

/// Parts that say it.
const PARTS: [&str; 3] = ["docProps/core.xml", "docProps/app.xml", "meta.xml"];

/// Bytes of such a part, at most.
const MAX_PART: u64 = 1 << 20;

/// Characters of a text that are told.
const MAX_TEXT: usize = 2_000;

/// Elements and attributes, without their prefixes, and what they are called here.
const FACTS: [(&str, &str); 17] = [
    ("title", "title"),
    ("creator", "author"),
    ("initial-creator", "author"),
    ("subject", "subject"),
    ("keywords", "keywords"),
    ("keyword", "keywords"),
    ("created", "created"),
    ("creation-date", "created"),
    ("modified", "modified"),
    ("date", "modified"),
    ("Application", "creator"),
    ("generator", "creator"),
    ("Pages", "pages"),
    ("page-count", "pages"),
    ("Words", "words"),
    ("word-count", "words"),
    ("Company", "company"),
];

/// Whether something is known about files of that format.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// Tells what is known about the input; writes it to the output as JSON, too.
pub(super) fn run(job: &ImageJob, files: Files) -> Result<Made, Failure> {
    let size = files.input.metadata().map_err(Failure::internal)?.len();
    let title = by_name(&job.from).map_or(job.from.as_str(), |format| format.title);
    let mut found = Map::from_iter([("format".to_owned(), Value::from(job.from.as_str())), ("size".to_owned(), size.into())]);
    if let Some(format) = by_name(&job.from) {
        found.insert("mime".to_owned(), format.mime.into());
    }
    let read = if COMPOUND.contains(&job.from.as_str()) {
        convertfly_office::properties(&files.input).map(|mut properties| found.append(&mut properties))
    } else {
        archive(&files.input, &mut found)
    };
    read.ok_or_else(|| {
        Failure::invalid(format!(
            "The {title} file is damaged: its list of contents cannot be read. Open it elsewhere and save it again"
        ))
    })?;
    let text = serde_json::to_vec_pretty(&found).map_err(Failure::internal)?;
    let mut output = files.output;
    output.rewind().and_then(|()| output.set_len(0)).and_then(|()| output.write_all(&text)).map_err(Failure::internal)?;
    let explain = json!({ "engine": super::super::pdf::ID, "bytes_in": size, "bytes_out": text.len() });
    let explain = if let Value::Object(explain) = explain { explain } else { Map::new() };
    Ok(Made { metadata: Some(Value::Object(found)), explain, ..Made::default() })
}

/// Adds what the parts of an archive say; `None` where its list of contents cannot be read.
fn archive(file: &File, found: &mut Map<String, Value>) -> Option<()> {
    let convertfly_office::Parts { names, contents } = convertfly_office::parts(file, &PARTS, MAX_PART)?;
    for (_, content) in &contents {
        tell(&String::from_utf8_lossy(content), found);
    }
    let count = |folder: &str| names.iter().filter(|name| name.starts_with(folder) && name.ends_with(".xml")).count();
    for (what, folder) in [("sheets", "xl/worksheets/"), ("slides", "ppt/slides/")] {
        if count(folder) > 0 {
            found.insert(what.to_owned(), count(folder).into());
        }
    }
    let has = |part: &str| names.iter().any(|name| name.ends_with(part));
    found.insert("macros".to_owned(), (has("vbaProject.bin") || names.iter().any(|name| name.starts_with("Basic/"))).into());
    Some(())
}

/// Adds what a part says, as far as it can be read. What was said first stays.
fn tell(xml: &str, found: &mut Map<String, Value>) {
    let mut open = String::new();
    for token in Tokenizer::from(xml) {
        let Ok(token) = token else { return };
        match token {
            Token::ElementStart { local, .. } => open = local.as_str().to_owned(),
            Token::ElementEnd { end: ElementEnd::Close(..), .. } => open.clear(),
            Token::Text { text } => add(&open, text.as_str(), found),
            Token::Attribute { local, value, .. } => add(local.as_str(), value.as_str(), found),
            _ => {}
        }
    }
}

fn add(name: &str, text: &str, found: &mut Map<String, Value>) {
    let Some((_, called)) = FACTS.iter().find(|(known, _)| *known == name) else { return };
    let text = text.trim();
    if text.is_empty() || found.contains_key(*called) {
        return;
    }
    let value = match *called {
        "pages" | "words" => text.parse::<u64>().ok().map(Value::from),
        _ => Some(Value::from(unescaped(text).chars().take(MAX_TEXT).collect::<String>())),
    };
    if let Some(value) = value {
        found.insert((*called).to_owned(), value);
    }
}

/// Text without the five names of XML for characters.
fn unescaped(text: &str) -> String {
    let names = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    names.iter().fold(text.to_owned(), |text, (name, what)| text.replace(name, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_of_documents_tell_the_same() {
        let core = "<cp:coreProperties><dc:title>A &amp; B</dc:title><dc:creator>Ann</dc:creator>\
             <dcterms:created>2024-01-02T03:04:05Z</dcterms:created></cp:coreProperties>";
        let app = "<Properties><Pages>3</Pages><Words>1200</Words><Application>Writer</Application></Properties>";
        let meta = "<office:meta><dc:title>A &amp; B</dc:title><meta:initial-creator>Ann</meta:initial-creator>\
             <meta:creation-date>2024-01-02T03:04:05Z</meta:creation-date><meta:generator>Writer</meta:generator>\
             <meta:document-statistic meta:page-count=\"3\" meta:word-count=\"1200\"/></office:meta>";
        let told = |parts: &[&str]| {
            let mut found = Map::new();
            parts.iter().for_each(|part| tell(part, &mut found));
            Value::Object(found)
        };
        let expected = json!({
            "title": "A & B", "author": "Ann", "created": "2024-01-02T03:04:05Z", "pages": 3, "words": 1200, "creator": "Writer",
        });
        for parts in [&[core, app][..], &[meta]] {
            let told = told(parts);
            for (name, value) in expected.as_object().expect("facts") {
                assert_eq!(told[name], *value, "{name} of {told}");
            }
        }
        assert_eq!(told(&["<a><Pages>many</Pages><b", "no XML"]), json!({}), "what is damaged says nothing");
    }
}
