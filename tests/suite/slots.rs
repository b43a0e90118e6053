//! What a node does at a time.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, json};

use crate::support::bucket::{ACCESS_KEY, BUCKET, Bucket, SECRET_KEY};
use crate::support::pictures;
use crate::support::server::Server;

/// A storage that takes its time holds up no conversion: a task that only stores its result has left its slot to the next.
#[test]
fn results_on_their_way_to_storage_take_no_slot() {
    const RESULTS: u32 = 8;
    let bucket = Bucket::start();
    bucket.hang_on("image/webp");
    let server = Server::start_with(&[
        // Slots for two tasks.
        ("CONVERTFLY_CPU_SLOTS", "1"),
        ("CONVERTFLY_STORAGE", &format!("s3://{BUCKET}/own")),
        ("CONVERTFLY_S3_ENDPOINT", &bucket.endpoint()),
        ("CONVERTFLY_S3_ACCESS_KEY_ID", ACCESS_KEY),
        ("CONVERTFLY_S3_SECRET_ACCESS_KEY", SECRET_KEY),
    ]);
    let mut tasks = Map::new();
    let file = STANDARD.encode(pictures::png(40, 30, 7));
    tasks.insert("in".into(), json!({ "operation": "import/base64", "file": file, "filename": "in.png" }));
    for width in 1..=RESULTS {
        let convert = json!({ "operation": "convert", "input": "in", "output_format": "webp", "options": { "width": width } });
        tasks.insert(format!("out{width}"), convert);
    }
    let submitted = server.call("POST", "/jobs", Some(&json!({ "tasks": tasks })));
    assert_eq!(submitted.status, 201, "{:#}", submitted.json());
    // Requests are given up and tried again in the end; long before that all results are on their way at once.
    let until = Instant::now() + Duration::from_secs(20);
    while bucket.asked_to_keep("image/webp").len() < RESULTS as usize {
        assert!(Instant::now() < until, "only {:?}: the others wait for a slot", bucket.asked_to_keep("image/webp"));
        std::thread::sleep(Duration::from_millis(20));
    }
}
