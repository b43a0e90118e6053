//! What is known about a PDF file: pages, their sizes, who made it and when.

use std::fs::File;
use std::io::{Seek, Write};

use lopdf::{Document, Object};
use serde_json::{Map, Value, json};

use super::file;
use super::work::only;
use crate::engines::Made;
use crate::failure::Failure;

/// Bytes of a text that are told.
const MAX_TEXT: usize = 2_000;

/// Keys of the information dictionary, and what they are called here.
const FACTS: [(&[u8], &str); 8] = [
    (b"Title", "title"),
    (b"Author", "author"),
    (b"Subject", "subject"),
    (b"Keywords", "keywords"),
    (b"Creator", "creator"),
    (b"Producer", "producer"),
    (b"CreationDate", "created"),
    (b"ModDate", "modified"),
];

/// Tells everything that is known about the input; writes it to the output as JSON, too.
pub(super) fn run(data: &[u8], password: &str, outputs: Vec<File>) -> Result<Made, Failure> {
    let mut output = only(outputs)?;
    let document = file::open(data, password)?;
    let found = facts(&document, data.len());
    let text = serde_json::to_vec_pretty(&found).map_err(Failure::internal)?;
    output.rewind().and_then(|()| output.set_len(0)).and_then(|()| output.write_all(&text)).map_err(Failure::internal)?;
    let explain = json!({ "engine": super::super::super::pdf::ID, "bytes_in": data.len(), "bytes_out": text.len() });
    let explain = if let Value::Object(explain) = explain { explain } else { Map::new() };
    Ok(Made { metadata: Some(Value::Object(found)), explain, ..Made::default() })
}

fn facts(document: &Document, size: usize) -> Map<String, Value> {
    let pages: Vec<_> = document.page_iter().collect();
    let mut found = Map::from_iter([
        ("format".to_owned(), Value::from("pdf")),
        ("mime".to_owned(), "application/pdf".into()),
        ("size".to_owned(), size.into()),
        ("version".to_owned(), document.version.as_str().into()),
        ("pages".to_owned(), pages.len().into()),
        ("encrypted".to_owned(), document.was_encrypted().into()),
    ]);
    if let Some([width, height]) = pages.first().and_then(|id| page_size(document, *id)) {
        found.insert("page_width".to_owned(), json!(width));
        found.insert("page_height".to_owned(), json!(height));
    }
    let catalog = document.catalog().ok();
    let has = |name: &[u8]| catalog.is_some_and(|catalog| catalog.has(name));
    for (name, key) in [("bookmarks", &b"Outlines"[..]), ("form", b"AcroForm"), ("tagged", b"StructTreeRoot")] {
        found.insert(name.to_owned(), has(key).into());
    }
    let info = document.trailer.get(b"Info").and_then(|info| document.dereference(info)).and_then(|(_, info)| info.as_dict());
    for (key, name) in FACTS {
        let value = info.as_ref().ok().and_then(|info| info.get(key).ok()).and_then(|value| document.dereference(value).ok());
        if let Some((_, value)) = value
            && let Ok(text) = lopdf::decode_text_string(value)
        {
            let text: String = text.trim_matches(['\0', ' ']).chars().take(MAX_TEXT).collect();
            let text = if matches!(name, "created" | "modified") { date(&text).unwrap_or(text) } else { text };
            if !text.is_empty() {
                found.insert(name.to_owned(), text.into());
            }
        }
    }
    found
}

/// Width and height of a page in points, as it is shown.
fn page_size(document: &Document, id: lopdf::ObjectId) -> Option<[f64; 2]> {
    let page = file::push_down(document, document.get_dictionary(id).ok()?);
    let bounds = page.get(b"CropBox").or_else(|_| page.get(b"MediaBox")).ok()?;
    let bounds = document.dereference(bounds).ok()?.1.as_array().ok()?;
    let number =
        |object: &Object| document.dereference(object).ok().and_then(|(_, object)| object.as_float().ok()).map(f64::from);
    let [left, bottom, right, top] = <[f64; 4]>::try_from(bounds.iter().filter_map(number).collect::<Vec<_>>()).ok()?;
    let round = |points: f64| (points.abs() * 100.0).round() / 100.0;
    let (width, height) = (round(right - left), round(top - bottom));
    let turned = page.get(b"Rotate").and_then(Object::as_i64).is_ok_and(|degrees| degrees.rem_euclid(180) == 90);
    Some(if turned { [height, width] } else { [width, height] })
}

/// `D:YYYYMMDDHHmmSSOHH'mm` (ISO 32000-1, 7.9.4) as RFC 3339.
fn date(text: &str) -> Option<String> {
    let digits = text.strip_prefix("D:").unwrap_or(text);
    let part = |at: usize, length: usize, default: &str| match digits.get(at..at + length) {
        Some(part) if part.bytes().all(|byte| byte.is_ascii_digit()) => Some(part.to_owned()),
        None if digits.len() <= at => Some(default.to_owned()),
        _ => None,
    };
    let year = part(0, 4, "").filter(|year| year.len() == 4)?;
    let (month, day) = (part(4, 2, "01")?, part(6, 2, "01")?);
    let (hour, minute, second) = (part(8, 2, "00")?, part(10, 2, "00")?, part(12, 2, "00")?);
    let zone = digits.get(14..).unwrap_or_default();
    let zone = match zone.as_bytes().first() {
        Some(b'+' | b'-') => {
            let numbers: String = zone.chars().filter(char::is_ascii_digit).collect();
            let (hours, minutes) = (numbers.get(..2)?, numbers.get(2..4).unwrap_or("00"));
            format!("{}{hours}:{minutes}", zone.get(..1)?)
        }
        _ => "Z".to_owned(),
    };
    Some(format!("{year}-{month}-{day}T{hour}:{minute}:{second}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_read_as_far_as_they_go() {
        for (text, expected) in [
            ("D:20240102030405+01'30'", Some("2024-01-02T03:04:05+01:30")),
            ("D:20240102030405Z", Some("2024-01-02T03:04:05Z")),
            ("D:2024", Some("2024-01-01T00:00:00Z")),
            ("20240102", Some("2024-01-02T00:00:00Z")),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(date(text).as_deref(), expected, "{text:?}");
        }
    }
}
