//! What is known about files, over the API.

use serde_json::json;

use crate::support::pictures;
use crate::support::server::Server;

#[test]
fn r095_a27_metadata_comes_inline_and_as_a_file() {
    use base64::Engine;
    let server = Server::start();
    let import = |name: &str, bytes: Vec<u8>| {
        let file = base64::engine::general_purpose::STANDARD.encode(bytes);
        json!({ "operation": "import/base64", "file": file, "filename": name })
    };
    let job = server.run(&json!({ "tasks": {
        "import": import("photo.png", pictures::png(120, 90, 3)),
        "other": import("other.png", pictures::half_transparent_png(20, 10)),
        "facts": { "operation": "metadata", "input": "import" },
        "both": { "operation": "metadata", "input": ["import", "other"] },
        "export": { "operation": "export/url", "input": "facts" },
    }}));
    assert_eq!((&job["status"], &job["credits_used"]), (&"FINISHED".into(), &3.into()), "one credit a file: {job:#}");
    let found = &job["tasks"]["facts"]["result"]["metadata"];
    assert_eq!((&found["format"], &found["width"], &found["height"]), (&"png".into(), &120.into(), &90.into()), "{found:#}");
    let file = server.download(&job);
    assert_eq!(file.header("content-type"), Some("application/json"), "{:?}", file.headers);
    assert_eq!(&file.json(), found, "the file says the same");
    assert_eq!(job["tasks"]["facts"]["result"]["files"][0]["filename"], "photo.json", "{job:#}");
    let both = &job["tasks"]["both"]["result"]["metadata"];
    assert_eq!((&both[0]["alpha"], &both[1]["alpha"], &both[1]["width"]), (&false.into(), &true.into(), &20.into()), "{both:#}");
}
