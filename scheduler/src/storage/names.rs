//! File names that customers see: made safe for their disks, and written into a header by one function.

use std::collections::HashSet;

/// Longest file name in bytes; what common file systems allow.
pub const MAX_NAME_BYTES: usize = 255;

/// Longest extension that a shortened name keeps, its dot included.
const MAX_EXTENSION_BYTES: usize = 16;

/// The name given to a file whose own has nothing usable in it.
const FALLBACK: &str = "file";

/// Makes a customer's text a file name: the part after the last slash or backslash, without control characters, line
/// separators and bidirectional overrides (which make `exe.gpj` read `jpg.exe`), without blanks around it and dots after
/// it, at most 255 bytes with the extension kept. Never empty, `.` or `..`: then it is `file`. Applying it twice changes
/// nothing.
pub fn sanitise_filename(name: &str) -> String {
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let visible: String = base.chars().filter(|&c| !is_hidden(c)).collect();
    let shortened = shorten(trimmed(&visible));
    if shortened.is_empty() { FALLBACK.to_owned() } else { shortened }
}

/// The value of a `Content-Disposition` header (RFC 6266): `attachment`, or `inline` when asked for, with the sanitised
/// name twice, in ASCII for old clients and exactly in `filename*` (RFC 8187). The only place that writes this header.
pub fn content_disposition(filename: &str, inline: bool) -> String {
    let name = sanitise_filename(filename);
    let kind = if inline { "inline" } else { "attachment" };
    // Quotes and backslashes would need escapes that clients read differently, and some decode a percent sign.
    let ascii: String =
        name.chars().map(|c| if matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%') { c } else { '_' }).collect();
    let exact = percent_encoding::utf8_percent_encode(&name, EXCEPT_ATTR_CHAR);
    format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{exact}")
}

/// Gives every name a place of its own, also on file systems that do not tell `A` from `a`: `a.png`, `a-2.png`.
pub fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut taken = HashSet::new();
    names
        .map(|name| {
            let (stem, extension) = match name.rfind('.') {
                Some(dot) if dot > 0 => name.split_at(dot),
                _ => (name, ""),
            };
            let mut candidate = name.to_owned();
            let mut number = 2u32;
            while !taken.insert(candidate.to_lowercase()) {
                candidate = format!("{stem}-{number}{extension}");
                number += 1;
            }
            candidate
        })
        .collect()
}

/// Everything but `attr-char` of RFC 8187, section 3.2.1.
const EXCEPT_ATTR_CHAR: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Control characters, line and paragraph separators, marks and overrides of direction, and the byte order mark.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Without blanks in front, and without blanks and dots at the end, which Windows drops silently.
fn trimmed(name: &str) -> &str {
    name.trim_start().trim_end_matches(|c: char| c.is_whitespace() || c == '.')
}

fn shorten(name: &str) -> String {
    if name.len() <= MAX_NAME_BYTES {
        return name.to_owned();
    }
    let extension = match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= MAX_EXTENSION_BYTES => &name[at..],
        _ => "",
    };
    let stem = &name[..name.len() - extension.len()];
    let end = stem.floor_char_boundary(MAX_NAME_BYTES - extension.len());
    trimmed(&format!("{}{extension}", &stem[..end])).to_owned()
}

#[cfg(test)]
#[path = "names_test.rs"]
mod tests;
