//! Several files into one, over the API.

use serde_json::json;

use crate::support::pictures;
use crate::support::server::Server;

#[test]
fn r093_a54_a62_pictures_become_one_pdf_for_one_credit() {
    use base64::Engine;
    let server = Server::start();
    let import = |name: &str, bytes: Vec<u8>| {
        let file = base64::engine::general_purpose::STANDARD.encode(bytes);
        json!({ "operation": "import/base64", "file": file, "filename": name })
    };
    let job = server.run(&json!({ "tasks": {
        "one": import("one.png", pictures::png(120, 90, 3)),
        "two": import("two.png", pictures::png(50, 80, 4)),
        "merge": { "operation": "merge", "input": ["one", "two"] },
        "gif": { "operation": "merge", "input": ["two", "one"], "output_format": "gif", "filename": "both.gif", "options": { "delay": 200 } },
        "export": { "operation": "export/url", "input": "merge" },
    }}));
    assert_eq!((&job["status"], &job["credits_used"]), (&"FINISHED".into(), &2.into()), "one credit a merge: {job:#}");
    let file = server.download(&job);
    assert_eq!(file.header("content-type"), Some("application/pdf"), "{:?}", file.headers);
    assert!(file.bytes.starts_with(b"%PDF-") && String::from_utf8_lossy(&file.bytes).contains("/Count 2"), "two pages");
    assert_eq!(job["tasks"]["merge"]["result"]["files"][0]["filename"], "merged.pdf", "{job:#}");
    let gif = &job["tasks"]["gif"]["result"]["files"][0];
    assert_eq!((&gif["filename"], &gif["width"], &gif["height"]), (&"both.gif".into(), &120.into(), &90.into()), "{gif:#}");
}
