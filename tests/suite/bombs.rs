//! Files made to break things, through the whole program: each task ends, nothing is charged for one that failed, the node neither
//! grows nor restarts, and its executor does not even die of one.

mod files;

use serde_json::json;

use crate::support::server::Server;

/// How much more memory the node may take for the whole set than for harmless files of the same sizes, bytes.
const GROWTH: u64 = 64 << 20;

/// How a task on a bomb ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Refused, and not charged.
    Refused,
    /// What is wrong does not concern the picture: it is converted, or refused.
    Either,
}

#[test]
fn t6_t7_t8_bombs_end_in_refusals_and_nothing_else_happens() {
    let bombs = files::all();
    assert!(bombs.len() >= 40, "{} files", bombs.len());
    let server = Server::start();
    // Harmless files of the same sizes first: what the allocator keeps of uploads like these is no growth.
    let mut charged = 0u64;
    for length in bombs.iter().map(|(_, _, data)| data.len()).chain([0]) {
        let good = server.convert(&files::harmless(length), "a.png", "jpg", &json!({}));
        assert_eq!(good["status"], "FINISHED", "{good:#}");
        charged += 1;
    }
    let (before, children) = (server.peak_memory(), crate::executor::children(&server));
    let mut wrong = Vec::new();
    for (index, (name, end, data)) in bombs.iter().enumerate() {
        // By turns to a still, to an animation, and to a smaller picture.
        let (to, options) = [("png", json!({})), ("webp", json!({})), ("jpg", json!({ "width": 20 }))][index % 3].clone();
        let job = server.convert(data, name, to, &options);
        let task = &job["tasks"]["convert"];
        match job["status"].as_str() {
            Some("FINISHED") if *end == End::Either => charged += 1,
            Some("ERROR") => {
                let code =
                    task["error"]["code"].as_str().or(job["tasks"]["import"]["error"]["code"].as_str()).unwrap_or_default();
                let expected = ["INVALID_DATA", "PAYLOAD_TOO_LARGE", "UNSUPPORTED_FORMAT"];
                if !expected.contains(&code) {
                    wrong.push(format!("{name}: {}", task["error"]));
                }
            }
            status => {
                charged += u64::from(status == Some("FINISHED"));
                wrong.push(format!("{name} of {} bytes: {status:?}", data.len()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let balance = server.call("GET", "/account", None).json()["data"]["credits_remaining"].clone();
    assert_eq!(balance, 1_000_000 - charged, "what failed is not charged");
    let growth = server.peak_memory().saturating_sub(before);
    println!("{} bombs: the node took {} KiB more than for harmless files; {charged} tasks charged", bombs.len(), growth >> 10);
    assert!(growth <= GROWTH, "the node took {} MiB more than for harmless files", growth >> 20);
    assert_eq!(crate::executor::children(&server), children, "the executor outlived them all");
    let good = server.convert(&crate::support::pictures::png(64, 64, 2), "a.png", "webp", &json!({}));
    assert_eq!(good["status"], "FINISHED", "and goes on: {good:#}");
}

/// Patterns within patterns: little memory, and more rectangles to draw than there is time.
fn endless_drawing() -> String {
    let mut body =
        String::from(r#"<pattern id="p0" width="9" height="9" patternUnits="userSpaceOnUse"><path d="M0 0h5v5"/></pattern>"#);
    for level in 1..14 {
        let rows: String = (0..9).map(|row| format!(r##"<path d="M0 {row}h9v1h-9z" fill="url(#p{})"/>"##, level - 1)).collect();
        body.push_str(&format!(r#"<pattern id="p{level}" width="9" height="9" patternUnits="userSpaceOnUse">{rows}</pattern>"#));
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="99" height="99">{body}<path d="M0 0h99v99" fill="url(#p13)"/></svg>"##
    )
}

#[test]
fn t6_a_drawing_without_end_is_stopped_at_the_deadline() {
    let server = Server::start_with(&[("CONVERTFLY_TASK_TIMEOUT", "3")]);
    let job = server.convert(endless_drawing().as_bytes(), "a.svg", "png", &json!({}));
    assert_eq!(job["status"], "ERROR", "{job:#}");
    assert_eq!(job["tasks"]["convert"]["error"]["code"], "TIMEOUT", "{job:#}");
    assert_eq!(server.call("GET", "/account", None).json()["data"]["credits_remaining"], 1_000_000, "and not charged");
    let good = server.convert(&crate::support::pictures::png(64, 64, 2), "a.png", "webp", &json!({}));
    assert_eq!(good["status"], "FINISHED", "the next one finds an executor: {good:#}");
}
