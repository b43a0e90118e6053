//! `POST /convert`: bytes in, bytes out; a job inside.

use serde_json::json;

use crate::support::pictures;
use crate::support::server::{Answer, Server};

fn post(server: &Server, query: &str, body: &[u8], headers: &[(&str, &str)]) -> Answer {
    server.send("POST", &format!("{}/api/v1/convert{query}", server.url), Some(&server.key), Some(body), headers)
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.bytes).chars().take(2_000).collect()
}

#[test]
fn bytes_go_in_and_come_out() {
    let server = Server::start();
    let picture = pictures::png(60, 40, 1);
    let made = post(&server, "?to=webp&width=30&filename=holiday.png", &picture, &[("content-type", "image/png")]);
    assert_eq!((made.status, made.bytes.get(..4)), (200, Some(&b"RIFF"[..])), "{}", text(&made));
    assert_eq!(made.header("content-type"), Some("image/webp"), "its media type");
    assert!(made.header("content-disposition").is_some_and(|value| value.contains("holiday.webp")), "{:?}", made.headers);
    assert_eq!(
        (made.header("x-credits-used"), made.header("x-credits-remaining")),
        (Some("1"), Some("999999")),
        "paid like a job"
    );
    let id = made.header("x-job-id").expect("a job").to_owned();
    let job = server.call("GET", &format!("/jobs/{id}"), None).json()["data"].clone();
    assert_eq!((&job["status"], &job["credits_used"]), (&json!("FINISHED"), &json!(1)), "a job like any other: {job:#}");
    assert_eq!(job["tasks"]["convert"]["result"]["files"][0]["width"], 30, "the option was heard: {job:#}");
    assert_eq!(server.download(&job).bytes, made.bytes, "and its link gives the same bytes again");

    // A form.
    let boundary = "----boundary42";
    let mut form = Vec::new();
    for (name, value) in [("to", "jpg"), ("quality", "40"), ("width", "20")] {
        form.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes());
    }
    form.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f.png\"\r\n\r\n").bytes());
    form.extend(&picture);
    form.extend(format!("\r\n--{boundary}--\r\n").bytes());
    let media = format!("multipart/form-data; boundary={boundary}");
    let made = post(&server, "", &form, &[("content-type", &media)]);
    assert_eq!((made.status, made.bytes.get(..3)), (200, Some(&b"\xff\xd8\xff"[..])), "{}", text(&made));
    assert!(made.header("content-disposition").is_some_and(|value| value.contains("f.jpg")), "the form's file name");

    // At once, as a job.
    let later = post(&server, "?to=gif", &picture, &[("prefer", "respond-async")]);
    assert_eq!(later.status, 202, "{}", text(&later));
    assert_eq!((later.header("preference-applied"), later.header("retry-after")), (Some("respond-async"), Some("1")), "RFC 7240");
    let id = later.json()["data"]["id"].as_str().expect("a job").to_owned();
    assert_eq!(later.header("location"), Some(format!("/api/v1/jobs/{id}").as_str()), "where it goes on");
    assert!(server.download(&server.wait(&id)).bytes.starts_with(b"GIF8"), "it does");
}

#[test]
fn faults_are_answered_as_everywhere() {
    let server = Server::start();
    let picture = pictures::png(8, 8, 1);
    for (query, status, code, field) in [
        ("", 400, "INVALID_DATA", "to"),
        ("?to=webp&quality=0", 400, "INVALID_DATA", "quality"),
        ("?to=webp&quality=high", 400, "INVALID_DATA", "quality"),
        ("?to=webp&qualty=9", 400, "INVALID_DATA", "qualty"),
        ("?to=webp&to=png", 400, "INVALID_DATA", "to"),
        ("?to=nonsense", 422, "UNSUPPORTED_FORMAT", "to"),
        ("?to=png&from=nonsense", 422, "UNSUPPORTED_FORMAT", "from"),
    ] {
        let refused = post(&server, query, &picture, &[]);
        let body = refused.json();
        assert_eq!(
            (refused.status, &body["code"], &body["details"]["field"]),
            (status, &json!(code), &json!(field)),
            "{query}: {body:#}"
        );
        assert!(!body.to_string().contains("/tasks/"), "no places of a job that the client never wrote: {body:#}");
    }
    let hint = post(&server, "?to=webp&qualty=9", &picture, &[]).json();
    assert!(hint["details"]["reason"].as_str().is_some_and(|text| text.contains("quality")), "did you mean: {hint:#}");
    assert_eq!(post(&server, "?to=webp", b"", &[]).json()["details"]["field"], "body", "an empty body");
    let broken = post(&server, "?to=webp&filename=a.png", &picture[..picture.len() / 2], &[]);
    assert_eq!((broken.status, &broken.json()["code"]), (400, &json!("INVALID_DATA")), "a torn file: {}", text(&broken));
    assert!(broken.json()["details"]["job_id"].is_string() && broken.header("x-job-id").is_some(), "it names the job");
    assert_eq!(broken.header("x-credits-used"), Some("0"), "and costs nothing");
    let unknown = post(&server, "?to=webp", b"this is no picture at all", &[]);
    assert_eq!((unknown.status, &unknown.json()["code"]), (422, &json!("UNSUPPORTED_FORMAT")), "{}", text(&unknown));
    let large = post(&server, "?to=webp", &vec![0; (32 << 20) + (65 << 10)], &[]);
    assert_eq!(large.status, 413, "{}", text(&large));
    let form = post(&server, "?to=webp", b"--b\r\nno form", &[("content-type", "multipart/form-data; boundary=b")]);
    assert_eq!((form.status, &form.json()["details"]["field"]), (400, &json!("body")), "{}", text(&form));
    let total = server.call("GET", "/jobs", None).json()["meta"]["total"].clone();
    assert_eq!(total, 2, "what is refused leaves no job");
}
