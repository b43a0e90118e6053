//! One document in a context of its own: served, printed, forgotten.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::assets::Assets;
use super::options::PrintOptions;
use super::process::Browser;
use crate::failure::Failure;

/// Where the document seems to come from. The name cannot exist (RFC 2606).
const ORIGIN: &str = "http://doc.invalid/";

/// What the document may use: what it brings along.
const POLICY: &str = "default-src 'none'; img-src data: blob:; media-src data:; style-src 'unsafe-inline' data:; font-src data:; form-action 'none'";

/// Bytes of a result, at most.
const MAX_RESULT: usize = 512 << 20;

/// Bytes that are asked for at a time.
const CHUNK: usize = 4 << 20;

/// What it may use beside, where files came with it: those, which lie where it lies itself.
fn policy(assets: &Assets) -> String {
    if assets.is_empty() {
        return POLICY.to_owned();
    }
    let origin = ORIGIN.trim_end_matches('/');
    ["img-src", "style-src", "font-src"]
        .iter()
        .fold(POLICY.to_owned(), |policy, kind| policy.replace(kind, &format!("{kind} {origin}")))
}

/// A document, and the files that came with it.
pub(super) struct Page<'a> {
    pub(super) document: &'a [u8],
    pub(super) assets: &'a Assets,
}

/// A document as PDF.
pub(super) struct Printed {
    pub(super) pdf: Vec<u8>,
    /// How many things beside itself the document has asked for.
    pub(super) refused: u32,
}

impl Printed {
    pub(super) fn warnings(&self) -> Vec<String> {
        match self.refused {
            0 => Vec::new(),
            1 => vec!["The document refers to another file, which was left out: only what it holds itself is shown".to_owned()],
            count => vec![format!(
                "The document refers to {count} other files, which were left out: only what it holds itself is shown"
            )],
        }
    }
}

/// Prints a document.
pub(super) async fn print(browser: &mut Browser, page: &Page<'_>, options: &PrintOptions) -> Result<Printed, Failure> {
    let connection = &mut browser.connection;
    let context = text(&connection.call(None, "Target.createBrowserContext", json!({})).await?, "browserContextId")?;
    let target = json!({ "url": "about:blank", "browserContextId": context });
    let target = text(&connection.call(None, "Target.createTarget", target).await?, "targetId")?;
    let attach = json!({ "targetId": target, "flatten": true });
    let session = text(&connection.call(None, "Target.attachToTarget", attach).await?, "sessionId")?;
    let session = Some(session.as_str());
    connection.call(session, "Page.enable", json!({})).await?;
    connection.call(session, "Log.enable", json!({})).await?;
    connection.call(session, "Emulation.setScriptExecutionDisabled", json!({ "value": true })).await?;
    connection.call(session, "Fetch.enable", json!({ "patterns": [{ "urlPattern": "*" }] })).await?;
    connection.send(session, "Page.navigate", json!({ "url": ORIGIN })).await?;
    let refused = load(browser, session, page).await?;
    let connection = &mut browser.connection;
    let printed = connection.call(session, "Page.printToPDF", options.parameters()).await?;
    let stream = text(&printed, "stream")?;
    let mut pdf = Vec::new();
    loop {
        let part = connection.call(session, "IO.read", json!({ "handle": stream, "size": CHUNK })).await?;
        let data = part["data"].as_str().unwrap_or_default();
        if part["base64Encoded"] == true {
            STANDARD.decode_vec(data, &mut pdf).map_err(Failure::internal)?;
        } else {
            pdf.extend_from_slice(data.as_bytes());
        }
        if pdf.len() > MAX_RESULT {
            return Err(Failure::too_large(format!("The result has more than {MAX_RESULT} bytes")));
        }
        if part["eof"] == true {
            break;
        }
    }
    connection.call(None, "Target.disposeBrowserContext", json!({ "browserContextId": context })).await?;
    if pdf.starts_with(b"%PDF-") { Ok(Printed { pdf, refused }) } else { Err(Failure::internal("Chromium made no PDF")) }
}

/// Serves the document, refuses everything else, and returns when all is there; how much was refused.
async fn load(browser: &mut Browser, session: Option<&str>, page: &Page<'_>) -> Result<u32, Failure> {
    let connection = &mut browser.connection;
    let (mut served, mut refused) = (false, 0);
    let policy = policy(page.assets);
    loop {
        let event = connection.event().await?;
        if event["sessionId"].as_str() != session {
            continue;
        }
        let parameters = &event["params"];
        match event["method"].as_str() {
            Some("Fetch.requestPaused") => {
                let id = &parameters["requestId"];
                let url = parameters["request"]["url"].as_str().unwrap_or_default();
                let found = match url.strip_prefix(ORIGIN) {
                    Some("") if !served => {
                        served = true;
                        Some((content_type(page.document), page.document))
                    }
                    Some(path) => page.assets.get(path),
                    None => None,
                };
                let (method, answer) = match found {
                    Some((kind, bytes)) => ("Fetch.fulfillRequest", served_with(id, kind, &policy, bytes)),
                    None => {
                        refused += 1;
                        ("Fetch.failRequest", json!({ "requestId": id, "errorReason": "BlockedByClient" }))
                    }
                };
                connection.send(session, method, answer).await?;
            }
            // What the policy forbids is not even asked for; the log tells.
            Some("Log.entryAdded") if parameters["entry"]["source"] == "security" => refused += 1,
            Some("Page.loadEventFired") if served => return Ok(refused),
            Some("Inspector.targetCrashed") => return Err(Failure::internal("the page crashed")),
            _ => {}
        }
    }
}

fn served_with(id: &Value, kind: &str, policy: &str, bytes: &[u8]) -> Value {
    json!({
        "requestId": id,
        "responseCode": 200,
        "responseHeaders": [
            { "name": "Content-Type", "value": kind },
            { "name": "Content-Security-Policy", "value": policy },
        ],
        "body": STANDARD.encode(bytes),
    })
}

/// A document that is UTF-8 is said to be: without that, and without a word in itself, it would be taken for Latin.
fn content_type(document: &[u8]) -> &'static str {
    if std::str::from_utf8(document).is_ok() { "text/html; charset=utf-8" } else { "text/html" }
}

fn text(answer: &Value, name: &str) -> Result<String, Failure> {
    let found = answer.get(name).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| Failure::internal(format!("Chromium's answer has no {name}")))
}
