//! Header fields: the customer's, and the names of files.

use http::HeaderMap;
use http::header::{self, HeaderValue};
use proptest::prelude::*;
use url::Url;

use super::super::headers::{customer_headers, file_name};
use super::server::{Answer, Server, field};
use super::*;

fn fields(name: &str, value: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), value.to_owned())]
}

#[test]
fn headers_that_frame_or_route_the_message_are_refused() {
    let refused = [
        "Host",
        "host",
        "HOST",
        "Content-Length",
        "Transfer-Encoding",
        "transfer-encoding",
        "Connection",
        "Expect",
        "Upgrade",
        "TE",
        "Trailer",
        "Keep-Alive",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Accept-Encoding",
        "Range",
        "If-Range",
        "HTTP2-Settings",
        "Content-Encoding",
    ];
    for name in refused {
        let failure = customer_headers(&fields(name, "marker")).expect_err(name);
        let Failure::Invalid { message, field } = failure else { panic!("{name}: {failure:?}") };
        assert_eq!(field.as_deref(), Some("headers"), "{name}");
        assert!(message.contains(&name.to_ascii_lowercase()) && !message.contains("marker"), "{name}: {message}");
    }
}

#[test]
fn broken_names_and_values_are_refused() {
    let names = ["", " ", "X Y", "X:Y", "X\r\nHost", "X\n", "Ü", ":authority", "X\0", "X\tY", "(x)"];
    for name in names {
        assert!(customer_headers(&fields(name, "v")).is_err(), "{name:?} is no name");
    }
    for value in ["a\r\nHost: evil", "a\nb", "a\rb", "a\0b", "\u{7f}", "a\u{1b}b"] {
        let message = customer_headers(&fields("X-A", value)).expect_err("control characters").to_string();
        assert!(message.contains("x-a") && !message.contains("evil"), "{value:?}: {message}");
    }
    let twice = [fields("X-A", "1"), fields("x-a", "2")].concat();
    assert!(customer_headers(&twice).is_err(), "one name in two spellings");
    let many: Vec<_> = (0..65).map(|n| (format!("x-{n}"), String::new())).collect();
    assert!(customer_headers(&many).is_err(), "65 headers");
    assert!(customer_headers(&fields("X-A", &"a".repeat(17 << 10))).is_err(), "17 KiB");
}

#[tokio::test]
async fn allowed_headers_arrive_and_ours_frame_them() {
    let server = Server::start(|_, _| Answer::ok(b"x")).await;
    let (fetcher, ..) = stubbed(loopback_config(), StubResolver::default(), RecordingDialer::default());
    let headers =
        [("Authorization", "Bearer t"), ("User-Agent", "Mine/1"), ("Accept", "image/png"), ("X-Ü".trim_end_matches('Ü'), "é")];
    let run = download_with(&fetcher, &server.url("/a?b=c#d"), &headers, 10).await;
    assert_eq!(run.content(), b"x", "downloaded");
    let head = server.heads().remove(0);
    assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "no fragment, no host in the request line: {head}");
    let expected = [
        ("authorization", "Bearer t"),
        ("user-agent", "Mine/1"),
        ("accept", "image/png"),
        ("accept-encoding", "identity"),
        ("connection", "close"),
    ];
    for (name, value) in expected {
        assert_eq!(field(&head, name), Some(value), "{name} in {head}");
    }
    assert_eq!(field(&head, "host"), Some(server.address.to_string().as_str()), "the port is in Host");
    assert_eq!(field(&head, "range"), None, "the first attempt asks for all of it");
}

fn name(disposition: Option<&[u8]>, url: &str) -> Option<String> {
    let mut headers = HeaderMap::new();
    if let Some(value) = disposition {
        headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_bytes(value).expect("a header value"));
    }
    let url = Url::parse(url).expect("a URL");
    file_name(&headers, &url, &Url::parse("https://asked.test/asked.gif").expect("a URL"))
}

#[test]
fn names_come_from_the_disposition() {
    let cases: &[(&[u8], &str)] = &[
        (b"attachment; filename=a.png", "a.png"),
        (b"attachment; filename=\"a b.png\"", "a b.png"),
        (b"attachment;filename=\"a\\\"b;c.png\"; size=3", "a\"b;c.png"),
        (b"inline; FileName = \"x.png\"", "x.png"),
        (b"attachment; filename=\"plain.png\"; filename*=UTF-8''na%C3%AFve.png", "na\u{ef}ve.png"),
        (b"attachment; filename*=utf-8'en'first.png; filename=\"second.png\"", "first.png"),
        (b"attachment; filename*=iso-8859-1''na%EFve.png", "na\u{ef}ve.png"),
        (b"attachment; filename*=koi8-r''x.png; filename=y.png", "y.png"),
        ("attachment; filename=\"n\u{e4}me.png\"".as_bytes(), "n\u{e4}me.png"),
        (b"attachment; filename=\"../../etc/passwd\"", "../../etc/passwd"),
        (b"attachment; filename=\"open", "open"),
    ];
    for (disposition, expected) in cases {
        let found = name(Some(disposition), "https://h.test/from-url.gif");
        assert_eq!(found.as_deref(), Some(*expected), "{}", String::from_utf8_lossy(disposition));
    }
    for useless in
        ["attachment", "attachment; filename=", "attachment; filename=\"\"", "", ";;;", "attachment; x", "a; filename*=''"]
    {
        let found = name(Some(useless.as_bytes()), "https://h.test/from-url.gif");
        assert_eq!(found.as_deref(), Some("from-url.gif"), "{useless:?} says nothing");
    }
}

#[test]
fn names_come_from_the_url_otherwise() {
    let cases = [
        ("https://h.test/a/photo.jpg?x=1", "photo.jpg"),
        ("https://h.test/a%20b%C3%BC.jpg", "a b\u{fc}.jpg"),
        ("https://h.test/opaque", "asked.gif"),
        ("https://h.test/", "asked.gif"),
        ("https://h.test/%2e%2e%2fx.png", "../x.png"),
    ];
    for (url, expected) in cases {
        assert_eq!(name(None, url).as_deref(), Some(expected), "{url}");
    }
    let nothing = Url::parse("https://h.test/").expect("a URL");
    assert_eq!(file_name(&HeaderMap::new(), &nothing, &nothing), None, "a bare host has no file name");
}

proptest! {
    #[test]
    fn any_disposition_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        if let Ok(value) = HeaderValue::from_bytes(&[b"attachment; filename*=", bytes.as_slice()].concat()) {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_DISPOSITION, value);
            let url = Url::parse("https://h.test/from-url").expect("a URL");
            prop_assert!(file_name(&headers, &url, &url).is_some_and(|name| !name.is_empty()), "a name is always found");
        }
    }
}
