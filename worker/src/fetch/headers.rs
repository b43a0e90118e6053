//! Headers: which of the customer's are sent, and what a source's tell about a file.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

use crate::failure::Failure;

/// Header fields that a customer may add to a request.
const MAX_FIELDS: usize = 64;

/// Bytes that they may have together.
const MAX_BYTES: usize = 16 << 10;

/// Fields that frame the message, choose the host or the coding, or ask for a part of the file: ours alone.
const OURS: [HeaderName; 11] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::EXPECT,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::ACCEPT_ENCODING,
    header::RANGE,
    header::IF_RANGE,
];

/// More of the same, which have no constant.
const OURS_BY_NAME: [&str; 3] = ["keep-alive", "http2-settings", "content-encoding"];

/// Checks the customer's header fields.
///
/// # Errors
/// [`Failure::Invalid`] for the field `headers`, naming the header; values are never repeated, they may be secret.
pub(super) fn customer_headers(fields: &[(String, String)]) -> Result<HeaderMap, Failure> {
    let refuse = |message: String| Failure::invalid_field("headers", message);
    if fields.len() > MAX_FIELDS {
        return Err(refuse(format!("{} headers are given; at most {MAX_FIELDS} are allowed", fields.len())));
    }
    let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_BYTES {
        return Err(refuse(format!("The headers have {bytes} bytes; at most {MAX_BYTES} are allowed")));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let shown: String = name.chars().take(64).collect();
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| refuse(format!("{shown:?} is not a header name. Use letters, digits and hyphens")))?;
        if OURS.contains(&key) || OURS_BY_NAME.contains(&key.as_str()) || key.as_str().starts_with("proxy-") {
            return Err(refuse(format!("The header {key} cannot be set. Remove it")));
        }
        let mut value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| refuse(format!("The value of the header {key} has a line break or another control character")))?;
        value.set_sensitive(true);
        if headers.insert(key.clone(), value).is_some() {
            return Err(refuse(format!("The header {key} is given twice. Names are not case-sensitive")));
        }
    }
    Ok(headers)
}

/// Whether the body comes as it is; anything else would have to be decoded, which is how small bodies become huge ones.
pub(super) fn is_identity(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(header::CONTENT_ENCODING).iter();
    codings.flat_map(|value| value.as_bytes().split(|&byte| byte == b',')).all(|coding| {
        let coding = coding.trim_ascii();
        coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
    })
}

/// The strong entity tag, with which the rest of a file can be asked for.
pub(super) fn strong_etag(headers: &HeaderMap) -> Option<HeaderValue> {
    let tag = headers.get(header::ETAG)?;
    let text = tag.as_bytes();
    (text.len() > 2 && text.starts_with(b"\"") && text.ends_with(b"\"")).then(|| tag.clone())
}

/// First byte and total of a `Content-Range: bytes 5-9/10`.
pub(super) fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    range_of(headers.get(header::CONTENT_RANGE)?.to_str().ok()?)
}

/// First byte and total of what such a field says.
pub(crate) fn range_of(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (first, _last) = range.split_once('-')?;
    let total = if total.trim() == "*" { None } else { Some(total.trim().parse().ok()?) };
    Some((first.trim().parse().ok()?, total))
}

/// What the source calls the file: `Content-Disposition`, or the last path segment of the URL that answered or of the one
/// asked for, rather one with an extension (redirects lead from short links to files and from files to opaque storage
/// names). **Not** sanitised.
pub(super) fn file_name(headers: &HeaderMap, answered: &Url, asked: &Url) -> Option<String> {
    let disposition = headers.get(header::CONTENT_DISPOSITION).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let segments = [last_segment(answered), last_segment(asked)];
    disposition
        .and_then(|text| disposition_name(&text))
        .or_else(|| segments.iter().flatten().find(|name| name.contains('.')).cloned())
        .or_else(|| segments.into_iter().flatten().next())
}

fn last_segment(url: &Url) -> Option<String> {
    let segment = url.path_segments()?.next_back()?;
    let name = percent_decode_str(segment).decode_utf8_lossy().into_owned();
    (!name.is_empty()).then_some(name)
}

/// `filename*` (RFC 8187) before `filename`, as RFC 6266 says.
fn disposition_name(text: &str) -> Option<String> {
    let mut plain = None;
    let mut rest = text.split_once(';')?.1;
    while !rest.trim().is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = parameter_value(after.trim_start());
        match name.trim().trim_start_matches(';').trim().to_ascii_lowercase().as_str() {
            "filename*" => {
                if let Some(name) = extended_value(&value) {
                    return Some(name);
                }
            }
            "filename" if !value.is_empty() => plain = Some(value),
            _ => {}
        }
        rest = after;
    }
    plain
}

/// A token or quoted string, and what follows its semicolon.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_once(';').unwrap_or((text, ""));
        return (value.trim().to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => value.extend(characters.next()),
            _ => value.push(character),
        }
    }
    let rest = characters.as_str();
    (value, rest.split_once(';').map_or("", |(_, rest)| rest))
}

/// `UTF-8'en'na%C3%AFve.txt`
fn extended_value(value: &str) -> Option<String> {
    let mut parts = value.splitn(3, '\'');
    let (charset, _language, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    let decoded = percent_decode_str(encoded);
    let name = match charset.to_ascii_lowercase().as_str() {
        "utf-8" => decoded.decode_utf8().ok()?.into_owned(),
        "iso-8859-1" => decoded.map(char::from).collect(),
        _ => return None,
    };
    (!name.is_empty()).then_some(name)
}
