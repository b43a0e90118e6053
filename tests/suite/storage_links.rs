//! Links to files: ranges, tags, methods, tampering.

use serde_json::json;

use crate::support::pictures;
use crate::support::server::Server;

#[test]
fn downloads_serve_ranges_and_cannot_be_forged() {
    let server = Server::start();
    let job = server.convert(&pictures::png(90, 70, 1), "bild \u{fc}.png", "png", &json!({}));
    let link = job["tasks"]["export"]["result"]["url"].as_str().expect("a link").to_owned();
    let whole = server.send("GET", &link, None, None, &[]);
    assert_eq!(whole.status, 200, "no key is needed");
    let tag = whole.header("etag").expect("an entity tag").to_owned();
    assert_eq!(whole.header("accept-ranges"), Some("bytes"), "ranges are offered");
    assert_eq!(whole.header("x-content-type-options"), Some("nosniff"), "types are not guessed");
    assert!(
        whole
            .header("content-disposition")
            .is_some_and(|h| h.starts_with("attachment") && h.contains("filename*=UTF-8''bild%20%C3%BC.png")),
        "{:?}",
        whole.headers
    );

    let part = server.send("GET", &link, None, None, &[("range", "bytes=10-19"), ("if-range", &tag)]);
    assert_eq!((part.status, part.bytes.as_slice()), (206, &whole.bytes[10..20]), "a part");
    let beyond = server.send("GET", &link, None, None, &[("range", "bytes=99999999-")]);
    assert_eq!(beyond.status, 416, "beyond the end");
    let head = server.send("HEAD", &link, None, None, &[]);
    assert_eq!(head.header("content-length").map(str::to_owned), Some(whole.bytes.len().to_string()), "HEAD tells the size");

    let mut forged = link.clone();
    let last = if forged.pop() == Some('A') { 'B' } else { 'A' };
    forged.insert(forged.len() - 6, last);
    assert_eq!(server.send("GET", &forged, None, None, &[]).status, 404, "a changed link is no link");
    assert_ne!(server.send("PUT", &link, None, Some(b"x"), &[]).status, 200, "a download link takes no upload");
}
