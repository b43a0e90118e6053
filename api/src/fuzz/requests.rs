//! One request to a route: valid, with one part of it mutated.

use std::collections::HashMap;

use axum::body::Body;
use fastrand::Rng;
use http::{HeaderName, HeaderValue, Method, Request};
use serde_json::Value;

use super::mutate;
use super::sample::Sampler;

/// What the answers have taught: identifiers and tokens by their kind.
pub(super) type Known = HashMap<&'static str, Vec<String>>;

/// A route of the document.
pub(super) struct Target<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) operation: &'a Value,
}

/// A request, and what of it was changed.
pub(super) struct Case {
    pub(super) method: Method,
    pub(super) uri: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Vec<u8>,
    /// Whether the key is the one that was given.
    pub(super) authorised: bool,
}

impl Case {
    /// The request itself.
    pub(super) fn build(&self) -> Option<Request<Body>> {
        let mut request = Request::builder().method(self.method.clone()).uri(&self.uri);
        request.headers_mut()?.extend(self.headers.iter().map(|(name, value)| (Some(name.clone()), value.clone())));
        request.body(Body::from(self.body.clone())).ok()
    }
}

/// Makes a case for `target`.
pub(super) fn case(target: &Target<'_>, document: &Value, words: &[String], known: &Known, key: &str, rng: &mut Rng) -> Case {
    let sampler = Sampler(document);
    // Which part is mutated: mostly the body, where there is one.
    let content = &target.operation["requestBody"]["content"];
    let media = content.get("application/json");
    let part = if media.is_some() && rng.u8(..4) > 0 { 0 } else { rng.u8(1..7) };
    let mut uri = path(target.path, known, part == 1, rng);
    let mut query = Vec::new();
    let mut headers = Vec::new();
    for parameter in target.operation["parameters"].as_array().into_iter().flatten() {
        let parameter = match parameter["$ref"].as_str() {
            Some(target) => document.pointer(target.trim_start_matches('#')).expect("a parameter"),
            None => parameter,
        };
        let name = parameter["name"].as_str().unwrap_or_default();
        let wanted = name == "timeout" || rng.u8(..3) == 0;
        match parameter["in"].as_str() {
            Some("query") if wanted => {
                let mut value = if name == "timeout" { 0.into() } else { sampler.value(&parameter["schema"], rng) };
                if part == 2 {
                    mutate::value(&mut value, words, rng);
                }
                query.push(format!("{name}={}", encode(&plain(&value))));
            }
            Some("header") if wanted => {
                let mut value = sampler.value(&parameter["schema"], rng);
                if part == 3 {
                    mutate::value(&mut value, words, rng);
                }
                push(&mut headers, name, plain(&value).as_bytes());
            }
            _ => {}
        }
    }
    if part == 2 && rng.bool() {
        query.push(["page=", "limit=1e9", "&&=&", "status=%ff", "tag=%00", "cursor=x", "x"][rng.usize(..7)].to_owned());
    }
    if !query.is_empty() {
        uri = format!("{uri}?{}", query.join("&"));
    }
    let keyed = target.operation["security"].as_array().is_some_and(|security| !security.is_empty());
    let authorised = keyed && part != 4;
    authorise(&mut headers, key, keyed, authorised, rng);
    if part == 5 {
        odd_header(&mut headers, rng);
    }
    let mut body = Vec::new();
    if let Some(media) = media {
        let mut value = match media.get("example") {
            Some(example) if rng.u8(..4) == 0 => example.clone(),
            _ => sampler.value(&media["schema"], rng),
        };
        if part == 0 && rng.u8(..12) > 0 {
            mutate::value(&mut value, words, rng);
        }
        body = if part == 0 { mutate::bytes(&value, rng) } else { value.to_string().into_bytes() };
        push(&mut headers, "content-type", b"application/json");
    } else if !content.is_null() {
        body = vec![rng.u8(..); rng.usize(..2_000)];
    }
    const METHODS: [Method; 7] =
        [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::HEAD, Method::OPTIONS];
    let method = if part == 6 { METHODS[rng.usize(..7)].clone() } else { target.method.clone() };
    Case { method, uri, headers, body, authorised }
}

fn authorise(headers: &mut Vec<(HeaderName, HeaderValue)>, key: &str, keyed: bool, authorised: bool, rng: &mut Rng) {
    if authorised || (!keyed && rng.u8(..8) == 0) {
        push(headers, "authorization", format!("Bearer {key}").as_bytes());
    } else if keyed {
        let wrong = match rng.u8(..6) {
            0 => return,
            1 => format!("Basic {key}"),
            2 => format!("Bearer {}", &key[..key.len() - 1]),
            3 => format!("Bearer {}", key.replace("live", "test")),
            4 => "Bearer".to_owned(),
            _ => format!("Bearer {key}{key}"),
        };
        push(headers, "authorization", wrong.as_bytes());
    }
}

/// A header that none asked for, or one with an odd value.
fn odd_header(headers: &mut Vec<(HeaderName, HeaderValue)>, rng: &mut Rng) {
    const ODD: [(&str, &[u8]); 22] = [
        ("content-type", b"text/plain"),
        ("content-type", b"application/json; charset=\xff"),
        ("content-length", b"18446744073709551615"),
        ("content-length", b"-1"),
        ("accept", b"application/problem+json"),
        ("accept", b"*/*;q=\xff"),
        ("accept", b"text/event-stream"),
        ("accept-encoding", b"gzip, br;q=0, \xff"),
        ("x-request-id", b"<script>"),
        ("x-request-id", b"\xff\xfe"),
        ("idempotency-key", b"one"),
        ("idempotency-key", b"\xff"),
        ("prefer", b"wait=-1, respond-async"),
        ("prefer", b"respond-async"),
        ("range", b"bytes=0-0,5-"),
        ("range", b"bytes=18446744073709551615-"),
        ("if-none-match", b"*"),
        ("if-range", b"\"x\""),
        ("origin", b"https://evil.example"),
        ("traceparent", b"00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-ff"),
        ("last-event-id", b"99999999999999999999"),
        ("x-forwarded-for", b"1.2.3.4, \xff"),
    ];
    for _ in 0..rng.usize(1..4) {
        let (name, value) = ODD[rng.usize(..ODD.len())];
        push(headers, name, value);
    }
}

fn push(headers: &mut Vec<(HeaderName, HeaderValue)>, name: &str, value: &[u8]) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
        headers.push((name, value));
    }
}

/// The path with identifiers that exist, or with something else in one place.
fn path(template: &str, known: &Known, mutated: bool, rng: &mut Rng) -> String {
    let mut path = String::new();
    for (index, part) in template.split(['{', '}']).enumerate() {
        if index % 2 == 0 {
            path.push_str(part);
        } else {
            let kind = if part == "token" && template.contains("/dl/") { "dl" } else { part };
            path.push_str(known.get(kind).filter(|ids| !ids.is_empty()).map_or("none", |ids| &ids[rng.usize(..ids.len())]));
        }
    }
    if !mutated {
        return path;
    }
    let at = (1..=path.len()).nth(rng.usize(..path.len())).filter(|&at| path.is_char_boundary(at)).unwrap_or(path.len());
    let piece = ["%ff", "%00", "/", "//", "..", "%2e%2e%2f", "%", "a", ";x=1", "%F0%9F%98%80", "{job}"][rng.usize(..11)];
    match rng.u8(..4) {
        0 => path.insert_str(at, piece),
        1 => path.truncate(at),
        2 => path.push_str(piece),
        _ => path.insert_str(at, &"a".repeat(rng.usize(..3_000))),
    }
    path
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
