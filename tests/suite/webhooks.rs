//! Webhooks through HTTP: registered and per job, signed so that the published verifiers accept them word for word, attempted
//! again, disabled, replayed, and silent about what was deleted.

use std::collections::HashSet;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use convertfly_scheduler::webhooks::sign::{self, SigningSecret};
use serde_json::{Value, json};

use crate::support::pictures;
use crate::support::server::Server;
use crate::support::sink::{Received, Sink};

/// The reference's JavaScript verifier.
const JAVASCRIPT: &str = r#"import crypto from "crypto";
function verifyWebhook(rawBody, signature, timestamp, secret) {
const signedContent = timestamp + "." + rawBody;
const expected = "v1=" + crypto
.createHmac("sha256", secret)
.update(signedContent)
.digest("hex");
return crypto.timingSafeEqual(
Buffer.from(expected),
Buffer.from(signature)
);
}"#;

/// The reference's Python verifier.
const PYTHON: &str = r#"import hmac, hashlib
def verify_webhook(raw_body: bytes, signature: str, timestamp: str, secret: str) -> bool:
    signed_content = f"{timestamp}.{raw_body.decode()}"
    expected = "v1=" + hmac.new(
        secret.encode(), signed_content.encode(), hashlib.sha256
    ).hexdigest()
    return hmac.compare_digest(expected, signature)"#;

/// Reads deliveries from `deliveries.json`, verifies each, then each again with every byte of body, signature and timestamp
/// flipped; prints `verified refused accepted-though-flipped`.
const JAVASCRIPT_CHECK: &str = r#"
import fs from "fs";
let verified = 0, refused = 0, wrong = 0;
for (const d of JSON.parse(fs.readFileSync("deliveries.json", "utf8"))) {
  if (verifyWebhook(d.body, d.signature, d.timestamp, d.secret)) verified++;
  for (const field of ["body", "signature", "timestamp"]) {
    for (let i = 0; i < d[field].length; i++) {
      const flipped = d[field].slice(0, i) + String.fromCharCode(d[field].charCodeAt(i) ^ 1) + d[field].slice(i + 1);
      if (verifyWebhook(...["body", "signature", "timestamp", "secret"].map((f) => (f === field ? flipped : d[f])))) wrong++;
      else refused++;
    }
  }
}
console.log(verified, refused, wrong);"#;

const PYTHON_CHECK: &str = r#"
import json
verified = refused = wrong = 0
for d in json.load(open("deliveries.json")):
    verified += verify_webhook(d["body"].encode(), d["signature"], d["timestamp"], d["secret"])
    for field in ["body", "signature", "timestamp"]:
        for i in range(len(d[field])):
            flipped = {**d, field: d[field][:i] + chr(ord(d[field][i]) ^ 1) + d[field][i + 1:]}
            if verify_webhook(flipped["body"].encode(), flipped["signature"], flipped["timestamp"], flipped["secret"]):
                wrong += 1
            else:
                refused += 1
print(verified, refused, wrong)"#;

/// A server whose failed deliveries are attempted again soon.
fn impatient() -> Server {
    Server::start_with(&[
        ("CONVERTFLY_ALLOW_NETS", "127.0.0.0/8"),
        ("CONVERTFLY_WEBHOOK_PAUSES", "0.2,0.2,0.2"),
        ("CONVERTFLY_WEBHOOK_TIMEOUT", "2"),
    ])
}

fn register(server: &Server, url: &str, events: &[&str]) -> Value {
    let answer = server.call("POST", "/webhooks", Some(&json!({ "url": url, "events": events })));
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.bytes));
    answer.json()["data"].clone()
}

fn id(view: &Value) -> &str {
    view["id"].as_str().expect("an id")
}

/// A job that finishes, or one that fails.
fn job(good: bool) -> Value {
    use base64::Engine;
    let file = if good { pictures::png(8, 8, 1) } else { b"no picture at all".to_vec() };
    json!({ "tasks": {
        "import": { "operation": "import/base64", "file": base64::engine::general_purpose::STANDARD.encode(file), "filename": "a.png" },
        "convert": { "operation": "convert", "input": ["import"], "output_format": "jpg" },
        "export": { "operation": "export/url", "input": ["convert"] },
    }})
}

fn log(server: &Server, webhook: &str) -> Vec<Value> {
    let answer = server.call("GET", &format!("/webhooks/{webhook}/deliveries?limit=100"), None);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
    answer.json()["data"].as_array().expect("a list").clone()
}

/// Waits until something holds of the log.
fn log_when(server: &Server, webhook: &str, what: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let found = log(server, webhook);
        if holds(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "never {what}: {found:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether a delivery is signed with that secret in both schemes, each header alone and of the right form.
fn assert_signed(received: &Received, secret: &str) {
    let signature = received.header("x-webhook-signature");
    assert_eq!(signature.len(), 67, "one value: {signature}");
    let (id, timestamp) = (received.header("x-webhook-id"), received.header("x-webhook-timestamp"));
    let seconds: u64 = timestamp.parse().expect("Unix seconds");
    let body = std::str::from_utf8(&received.body).expect("R307: UTF-8");
    let ours = sign::headers(&[SigningSecret::from_text(secret.to_owned())], id, seconds, body);
    let ours = |name: &str| ours.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone()).expect("a header");
    assert_eq!(signature, ours("x-webhook-signature"), "the published scheme");
    let listed: Vec<&str> = received.header("webhook-signature").split(' ').collect();
    assert!(listed.contains(&ours("webhook-signature").as_str()), "Standard Webhooks: {listed:?}");
    assert_eq!((received.header("webhook-id"), received.header("webhook-timestamp")), (id, timestamp), "both name the same");
    assert_eq!(received.header("content-type"), "application/json", "R002");
}

#[test]
fn r300_r301_r302_r379a_a74_a76_webhooks_are_registered_listed_and_deleted() {
    let server = Server::start();
    // The reference's own request.
    let made = register(&server, "https://your-app.com/webhooks/convertfly", &["job.finished", "job.failed"]);
    assert!(id(&made).starts_with("wh_"), "{made}");
    let secret = made["signing_secret"].as_str().expect("the secret, once");
    let tail = secret.strip_prefix("whsec_").expect("its prefix");
    use base64::Engine;
    assert!(
        base64::engine::general_purpose::STANDARD.decode(tail).is_ok_and(|key| key.len() >= 24),
        "Standard Webhooks: {secret}"
    );
    assert_eq!(made["url"], "https://your-app.com/webhooks/convertfly", "{made}");
    let events: HashSet<&str> = made["events"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(events, HashSet::from(["job.finished", "job.failed"]), "{made}");
    assert!(made["created_at"].as_str().is_some_and(|at| at.ends_with('Z') && at.len() == 20), "{made}");

    let listed = server.call("GET", "/webhooks", None);
    let text = String::from_utf8_lossy(&listed.bytes).into_owned();
    assert_eq!((listed.status, listed.json()["meta"]["total"].as_u64()), (200, Some(1)), "{text}");
    assert!(!text.contains(secret) && !text.contains("signing_secret"), "A74: never again: {text}");
    let hint = listed.json()["data"][0]["secret_hint"].as_str().expect("a hint").to_owned();
    assert!(hint.starts_with("whsec_") && hint.ends_with(&secret[secret.len() - 4..]), "{hint}");
    assert_eq!(server.call("GET", &format!("/webhooks/{}", id(&made)), None).json()["data"]["id"], made["id"], "one alone");

    let twice = json!({ "url": "https://your-app.com/webhooks/convertfly", "events": ["job.failed", "job.finished"] });
    let conflict = server.call("POST", "/webhooks", Some(&twice));
    assert_eq!((conflict.status, conflict.json()["code"].as_str().map(str::to_owned)), (409, Some("CONFLICT".into())), "A76");
    register(&server, "https://your-app.com/webhooks/convertfly", &["job.failed"]);

    assert_eq!(server.call("DELETE", &format!("/webhooks/{}", id(&made)), None).status, 204, "R302");
    for (method, path) in [("GET", ""), ("DELETE", ""), ("GET", "/deliveries"), ("POST", "/test"), ("POST", "/rotate-secret")] {
        let answer = server.call(method, &format!("/webhooks/{}{path}", id(&made)), None);
        assert_eq!(answer.status, 404, "{method} {path} after the deletion");
    }
    assert_eq!(server.call("GET", "/webhooks", None).json()["meta"]["total"], 1, "the other one stays");
    // Nothing readable of a secret is in the store's file.
    let dump = std::fs::read_dir(server.folder.path().join("redis/appendonlydir")).expect("Redis' files");
    for file in dump.flatten() {
        let bytes = std::fs::read(file.path()).expect("a file");
        assert!(!bytes.windows(tail.len()).any(|window| window == tail.as_bytes()), "the secret is sealed: {:?}", file.path());
    }
}

#[test]
fn a73_t1_only_public_https_targets_are_registered() {
    let server = Server::start_with(&[]);
    for url in
        ["http://example.com/", "https://127.0.0.1/", "https://localhost/x", "https://169.254.169.254/", "https://[::1]/", "x"]
    {
        let answer = server.call("POST", "/webhooks", Some(&json!({ "url": url, "events": ["job.failed"] })));
        assert_eq!(
            (answer.status, answer.json()["details"]["field"].as_str().map(str::to_owned)),
            (400, Some("url".into())),
            "{url}"
        );
        let mut with_url = job(true);
        with_url["webhook_url"] = url.into();
        let answer = server.call("POST", "/jobs", Some(&with_url));
        assert_eq!(
            (answer.status, answer.json()["details"]["field"].as_str().map(str::to_owned)),
            (400, Some("webhook_url".into())),
            "{url}"
        );
    }
}

#[test]
fn r303_to_r307_r379b_t16_every_event_passes_the_published_verifiers() {
    let server = Server::start();
    let sink = Sink::start();
    let all = register(&server, &format!("{}/all", sink.url), &["job.finished", "job.failed", "task.finished", "task.failed"]);
    register(&server, &format!("{}/failed", sink.url), &["job.failed"]);
    let finished = server.run(&job(true));
    let failed = server.run(&job(false));
    assert_eq!((&finished["status"], &failed["status"]), (&json!("FINISHED"), &json!("ERROR")), "one of each");
    // Finished: three tasks and the job. Failed: one import, two failed tasks, and the job.
    let received = sink.wait("/all", 8);
    let secret = all["signing_secret"].as_str().expect("the secret");
    let mut deliveries = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for delivery in &received {
        assert_signed(delivery, secret);
        let payload = delivery.json();
        let event = payload["event"].as_str().expect("R304: an event").to_owned();
        assert!(payload["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{payload}");
        let data = &payload["data"];
        let of = |job: &Value| data["id"] == job["id"] || data["job_id"] == job["id"];
        assert!(of(&finished) || of(&failed), "A75: {payload}");
        match event.as_str() {
            "job.finished" => {
                assert_eq!((&data["status"], &data["id"]), (&json!("FINISHED"), &finished["id"]), "{payload}");
                assert_eq!(data["tasks"]["export"]["status"], "FINISHED", "{payload}");
                let link = data["tasks"]["export"]["result"]["url"].as_str().expect("the link");
                assert_eq!(server.send("GET", link, None, None, &[]).status, 200, "the link in the payload works");
            }
            "job.failed" => assert_eq!((&data["status"], &data["id"]), (&json!("ERROR"), &failed["id"]), "{payload}"),
            "task.finished" => assert_eq!(data["status"], "FINISHED", "{payload}"),
            "task.failed" => assert!(data["status"] == "ERROR" && data["error"]["code"].is_string(), "{payload}"),
            other => panic!("an unknown event: {other}"),
        }
        assert!(delivery.body.len() <= 20_000, "T16: {} bytes", delivery.body.len());
        names.push(event);
        deliveries.push(json!({
            "body": String::from_utf8(delivery.body.clone()).expect("UTF-8"),
            "signature": delivery.header("x-webhook-signature"),
            "timestamp": delivery.header("x-webhook-timestamp"),
            "secret": secret,
        }));
    }
    let count = |name: &str| names.iter().filter(|event| *event == name).count();
    let counts = ["job.finished", "job.failed", "task.finished", "task.failed"].map(count);
    assert_eq!(counts, [1, 1, 4, 2], "R303: each once: {names:?}");
    for job in [&finished, &failed] {
        let of_job = |r: &&Received| r.json()["data"]["id"] == job["id"] || r.json()["data"]["job_id"] == job["id"];
        let last = received.iter().rfind(of_job).expect("events");
        assert!(last.json()["event"].as_str().is_some_and(|event| event.starts_with("job.")), "the job's own event comes last");
    }
    assert_eq!(sink.wait("/failed", 1).len(), 1, "R303: only what was subscribed to");
    assert_eq!(sink.at("/failed")[0].json()["event"], "job.failed", "the failure");

    let folder = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(folder.path().join("deliveries.json"), Value::from(deliveries).to_string()).expect("written");
    for (program, flags, script) in [
        ("node", vec!["--input-type=module", "-e"], format!("{JAVASCRIPT}{JAVASCRIPT_CHECK}")),
        ("/usr/bin/python3", vec!["-c"], format!("{PYTHON}\n{PYTHON_CHECK}")),
    ] {
        let output = Command::new(program).args(flags).arg(&script).current_dir(folder.path()).output();
        let output = output.unwrap_or_else(|e| panic!("{program}: {e}; `deploy/install-deps.sh test` installs it"));
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout).expect("text");
        let numbers: Vec<usize> = printed.split_whitespace().map(|text| text.parse().expect("a number")).collect();
        assert!(numbers[0] == 8 && numbers[1] > 1000 && numbers[2] == 0, "{program}: verified, refused, wrong: {numbers:?}");
    }
}

#[test]
fn r043_a70_a_jobs_own_url_gets_its_end_once_under_the_accounts_secret() {
    let server = Server::start();
    let sink = Sink::start();
    let mut with_url = job(true);
    with_url["webhook_url"] = format!("{}/mine", sink.url).into();
    let created = server.call("POST", "/jobs", Some(&with_url));
    assert_eq!(created.status, 201, "{}", String::from_utf8_lossy(&created.bytes));
    let created = created.json()["data"].clone();
    let secret = server.call("GET", "/account/webhook-secret", None);
    assert_eq!(secret.status, 200, "{}", String::from_utf8_lossy(&secret.bytes));
    let secret = secret.json()["data"]["signing_secret"].as_str().expect("the secret").to_owned();
    assert_eq!(created["webhook_signing_secret"], secret.as_str(), "A70: the 201 shows it");
    let shown = server.wait(id(&created));
    assert!(shown.get("webhook_signing_secret").is_none(), "and nothing else does: {shown}");
    let mut failing = job(false);
    failing["webhook_url"] = format!("{}/mine", sink.url).into();
    let failed = server.run(&failing);
    let received = sink.wait("/mine", 2);
    for delivery in &received {
        assert_signed(delivery, &secret);
    }
    let told: Vec<(Value, Value)> =
        received.iter().map(|r| (r.json()["event"].clone(), r.json()["data"]["id"].clone())).collect();
    assert_eq!(told.len(), 2, "no task events, nothing twice: {told:?}");
    assert!(told.contains(&(json!("job.finished"), created["id"].clone())), "{told:?}");
    assert!(told.contains(&(json!("job.failed"), failed["id"].clone())), "{told:?}");

    // A retry ends a second time: one event for each completion.
    let path = format!("/jobs/{}/tasks/convert/retry", id(&failed));
    assert_eq!(server.call("POST", &path, None).status, 200, "retried");
    let again = sink.wait("/mine", 3);
    assert_eq!(again[2].json()["event"], "job.failed", "it fails once more");
    assert_ne!(again[2].header("webhook-id"), again[1].header("webhook-id"), "another event");
    assert_eq!(again.len(), 3, "exactly one");
}

#[test]
fn f15_refusals_are_attempted_again_and_410_disables() {
    let server = impatient();
    let counted: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let canary = Sink::start();
    let elsewhere = format!("Location: {}/x\r\n", canary.url);
    let sink = Sink::start_with(move |received| match received.path.as_str() {
        "/flaky" => (if counted[0].fetch_add(1, Ordering::SeqCst) < 2 { 500 } else { 204 }, String::new()),
        "/moved" => (302, elsewhere.clone()),
        "/gone" => (410, String::new()),
        "/busy" => match counted[1].fetch_add(1, Ordering::SeqCst) {
            0 => (429, "Retry-After: 3\r\n".to_owned()),
            _ => (200, String::new()),
        },
        "/hang" => (0, String::new()),
        _ => (200, String::new()),
    });
    let [flaky, moved, gone, busy, hang] = ["flaky", "moved", "gone", "busy", "hang"]
        .map(|name| register(&server, &format!("{}/{name}", sink.url), &["job.finished"]));
    let done = server.run(&job(true));
    let ended = |status: &'static str| move |log: &[Value]| log.iter().any(|delivery| delivery["status"] == status);

    let delivered = &log_when(&server, id(&flaky), "delivered", ended("DELIVERED"))[0];
    assert_eq!((&delivered["attempts"], &delivered["response_code"]), (&json!(3), &json!(204)), "{delivered:#}");
    assert_eq!((&delivered["job_id"], &delivered["event"]), (&done["id"], &json!("job.finished")), "{delivered:#}");
    let tries = sink.at("/flaky");
    let ids: HashSet<&str> = tries.iter().map(|r| r.header("webhook-id")).collect();
    assert_eq!((tries.len(), ids.len()), (3, 1), "F16: the identifier stays");
    for attempt in &tries {
        assert_signed(attempt, flaky["signing_secret"].as_str().expect("secret"));
    }

    let failed = &log_when(&server, id(&moved), "given up", ended("FAILED"))[0];
    assert_eq!((&failed["attempts"], &failed["response_code"]), (&json!(4), &json!(302)), "a redirect is a failure: {failed:#}");
    assert!(failed["log"][0]["error"].as_str().is_some_and(|text| text.contains("Redirects")), "and says so: {failed:#}");
    assert!(canary.received().is_empty(), "nobody went there");

    let refused = &log_when(&server, id(&gone), "ended", ended("FAILED"))[0];
    assert_eq!((&refused["attempts"], &refused["response_code"]), (&json!(1), &json!(410)), "{refused:#}");
    let listed = server.call("GET", &format!("/webhooks/{}", id(&gone)), None).json()["data"].clone();
    assert_eq!(listed["enabled"], false, "410 disables: {listed}");
    assert!(listed["disabled_reason"].as_str().is_some_and(|text| text.contains("410")), "{listed}");

    let taken = &log_when(&server, id(&busy), "delivered", ended("DELIVERED"))[0];
    let at = |i: usize| taken["log"][i]["at"].as_str().expect("a time").to_owned();
    let seconds = |text: String| {
        let digits: Vec<u64> = text[11..19].split(':').map(|part| part.parse().expect("a number")).collect();
        digits[0] * 3600 + digits[1] * 60 + digits[2]
    };
    // Whole seconds are shown, so three may look like two.
    assert!((seconds(at(1)) + 86_400 - seconds(at(0))) % 86_400 >= 2, "Retry-After is honoured: {taken:#}");

    let slow = &log_when(&server, id(&hang), "given up", ended("FAILED"))[0];
    assert!(slow["log"][0]["error"].as_str().is_some_and(|text| text.contains("within 2 s")), "{slow:#}");

    // Disabled endpoints get nothing; enabled ones do again.
    server.run(&job(true));
    log_when(&server, id(&flaky), "delivered twice", |log| log.iter().filter(|d| d["status"] == "DELIVERED").count() == 2);
    assert_eq!(sink.at("/gone").len(), 1, "nothing after 410");
    // Operators see attempts of every kind counted, a little later.
    let counted = |name: &str| {
        let text = server.send("GET", &format!("{}/metrics", server.url), None, None, &[]).bytes;
        let text = String::from_utf8(text).expect("text");
        let value = text.lines().find_map(|line| line.strip_prefix(&format!("convertfly_webhooks_{name}_total ")));
        value.and_then(|value| value.parse::<u64>().ok()).expect("a counter")
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while ["delivered", "retried", "failed"].into_iter().any(|name| counted(name) == 0) {
        assert!(Instant::now() < deadline, "attempts are counted");
        std::thread::sleep(Duration::from_millis(100));
    }
    let enabled = server.call("PATCH", &format!("/webhooks/{}", id(&gone)), Some(&json!({ "enabled": true })));
    assert_eq!((enabled.status, enabled.json()["data"]["enabled"].clone()), (200, json!(true)), "enabled again");
    server.run(&job(true));
    sink.wait("/gone", 2);
}

#[test]
fn a72_test_events_and_replays_come_under_their_identifier() {
    let server = impatient();
    let sink = Sink::start();
    let made = register(&server, &format!("{}/hook", sink.url), &["job.finished"]);
    let path = |rest: &str| format!("/webhooks/{}{rest}", id(&made));
    let tested = server.call("POST", &path("/test"), Some(&json!({ "event": "task.failed" })));
    assert_eq!(tested.status, 202, "{}", String::from_utf8_lossy(&tested.bytes));
    let test = sink.wait("/hook", 1).remove(0);
    assert_signed(&test, made["signing_secret"].as_str().expect("secret"));
    assert_eq!((&test.json()["event"], &test.json()["data"]["test"]), (&json!("task.failed"), &json!(true)), "a test says so");
    assert_eq!(test.header("webhook-id"), tested.json()["data"]["event_id"], "the delivery is the one announced");

    server.run(&job(true));
    sink.wait("/hook", 2);
    let entry = log_when(&server, id(&made), "delivered", |log| log.iter().all(|d| d["status"] == "DELIVERED") && log.len() == 2)
        .into_iter()
        .find(|entry| entry["event"] == "job.finished")
        .expect("the job's event");
    let replay = path(&format!("/deliveries/{}/replay", id(&entry)));
    assert_eq!(server.call("POST", &replay, None).status, 202, "replayed");
    let received = sink.wait("/hook", 3);
    assert_eq!(received[2].header("webhook-id"), received[1].header("webhook-id"), "F16: the same event");
    assert_eq!(received[2].json()["data"]["id"], received[1].json()["data"]["id"], "of the same job");
    let unknown = path("/deliveries/dlv_00000000000000000000000000000000/replay");
    assert_eq!(server.call("POST", &unknown, None).status, 404, "an unknown one");

    server.call("PATCH", &path(""), Some(&json!({ "enabled": false })));
    assert_eq!(server.call("POST", &path("/test"), None).status, 409, "a disabled one is not tested");
    // Deleted hooks get nothing more (R302).
    server.call("PATCH", &path(""), Some(&json!({ "enabled": true })));
    assert_eq!(server.call("DELETE", &path(""), None).status, 204, "deleted");
    let other = register(&server, &format!("{}/other", sink.url), &["job.finished"]);
    server.run(&job(true));
    log_when(&server, id(&other), "delivered", |log| log.iter().any(|d| d["status"] == "DELIVERED"));
    assert_eq!(sink.at("/hook").len(), 3, "nothing more");
}

#[test]
fn r308_while_a_secret_changes_two_are_valid_and_the_published_header_has_one() {
    let server = impatient();
    let sink = Sink::start();
    let made = register(&server, &format!("{}/hook", sink.url), &["job.finished"]);
    let path = format!("/webhooks/{}/rotate-secret", id(&made));
    let rotated = server.call("POST", &path, Some(&json!({ "overlap_seconds": 3600 })));
    assert_eq!(rotated.status, 200, "{}", String::from_utf8_lossy(&rotated.bytes));
    let (old, new) = (made["signing_secret"].as_str().expect("old"), rotated.json()["data"]["signing_secret"].clone());
    let new = new.as_str().expect("new");
    assert_ne!(old, new, "another secret");
    assert!(rotated.json()["data"]["previous_secret_valid_until"].is_string(), "until when the old one lives");
    server.run(&job(true));
    let received = sink.wait("/hook", 1).remove(0);
    // The published header: exactly one value, the new secret's.
    assert_signed(&received, new);
    let listed: Vec<&str> = received.header("webhook-signature").split(' ').collect();
    assert_eq!(listed.len(), 2, "the standard one lists both");
    let body = std::str::from_utf8(&received.body).expect("UTF-8");
    let seconds = received.header("webhook-timestamp").parse().expect("a time");
    let with_old = sign::headers(&[SigningSecret::from_text(old.to_owned())], received.header("webhook-id"), seconds, body);
    assert!(with_old.iter().any(|(name, value)| *name == "webhook-signature" && value == listed[1]), "and the old one verifies");

    // Without overlap the old one is void at once.
    server.call("POST", &path, Some(&json!({ "overlap_seconds": 0 })));
    server.run(&job(true));
    assert_eq!(sink.wait("/hook", 2)[1].header("webhook-signature").split(' ').count(), 1, "one secret");
}

#[test]
fn a88_a_deleted_job_says_nothing_more() {
    let server = Server::start_with(&[
        ("CONVERTFLY_ALLOW_NETS", "127.0.0.0/8"),
        ("CONVERTFLY_WEBHOOK_PAUSES", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"),
    ]);
    let sink = Sink::start_with(|_| (503, String::new()));
    let made = register(&server, &format!("{}/hook", sink.url), &["job.finished"]);
    let done = server.run(&job(true));
    sink.wait("/hook", 1);
    assert_eq!(server.call("DELETE", &format!("/jobs/{}", id(&done)), None).status, 204, "deleted");
    log_when(&server, id(&made), "forgotten", <[Value]>::is_empty);
    let after = sink.at("/hook").len();
    // A job deleted before its end has no event at all; the next one's comes, so the queue has moved on.
    let mut uploads = job(true);
    uploads["tasks"]["import"] = json!({ "operation": "import/upload", "filename": "a.png" });
    let waiting = server.call("POST", "/jobs", Some(&uploads)).json()["data"].clone();
    assert_eq!(server.call("DELETE", &format!("/jobs/{}", id(&waiting)), None).status, 204, "deleted while it waits");
    let next = server.run(&job(true));
    let received = sink.wait("/hook", after + 1);
    assert!(received[after..].iter().all(|r| r.json()["data"]["id"] == next["id"]), "only the job that exists");
}

#[test]
fn operators_see_and_steer_webhooks() {
    let server = impatient();
    let sink = Sink::start();
    let made = register(&server, &format!("{}/hook", sink.url), &["job.finished"]);
    server.run(&job(true));
    let entry = log_when(&server, id(&made), "delivered", |log| log.iter().any(|d| d["status"] == "DELIVERED")).remove(0);
    let says = |arguments: &[&str]| -> Value {
        let text = server.admin_says(&[&["webhook"], arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {text}"))
    };
    let listed = says(&["list", "default"]);
    assert_eq!((&listed[0]["id"], &listed[0]["enabled"]), (&made["id"], &json!(true)), "{listed:#}");
    assert!(!listed.to_string().contains(made["signing_secret"].as_str().expect("secret")), "no secret is shown");
    assert_eq!(says(&["deliveries", "default", id(&made)])[0]["id"], entry["id"], "the log");
    says(&["replay", "default", id(&made), id(&entry)]);
    sink.wait("/hook", 2);
    let stopped = says(&["disable", "default", id(&made), "--reason", "It answers with spam"]);
    assert_eq!(
        (&stopped["enabled"], &stopped["disabled_reason"]),
        (&json!(false), &json!("It answers with spam")),
        "{stopped:#}"
    );
    let seen = server.call("GET", &format!("/webhooks/{}", id(&made)), None).json()["data"]["disabled_reason"].clone();
    assert_eq!(seen, "It answers with spam", "its owner is told");
    assert_eq!(says(&["enable", "default", id(&made)])["enabled"], true, "and back");
    let missing = server.admin(&["webhook", "show", "default", "wh_none"]);
    let text = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(!missing.status.success() && text.contains("webhook list default"), "it says where to look: {text}");
}

#[test]
fn r012_r013_webhooks_need_their_scope() {
    let server = Server::start();
    let body = json!({ "name": "reader", "scopes": ["jobs:read", "jobs:write"] });
    let made = server.call("POST", "/api-keys", Some(&body));
    assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.bytes));
    let made = made.json();
    let key = made["data"]["key"].as_str().expect("a key");
    for (method, path) in [("GET", "/webhooks"), ("POST", "/webhooks"), ("GET", "/account/webhook-secret")] {
        let answer = server.send(method, &format!("{}/api/v1{path}", server.url), Some(key), None, &[]);
        assert_eq!(answer.status, 403, "{method} {path}");
    }
}
