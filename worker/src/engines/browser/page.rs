//! One document in a context of its own: served, printed, forgotten.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

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
pub(super) async fn print(browser: &mut Browser, document: &[u8], options: &PrintOptions) -> Result<Printed, Failure> {
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
    let refused = load(browser, session, document).await?;
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
async fn load(browser: &mut Browser, session: Option<&str>, document: &[u8]) -> Result<u32, Failure> {
    let connection = &mut browser.connection;
    let (mut served, mut refused) = (false, 0);
    loop {
        let event = connection.event().await?;
        if event["sessionId"].as_str() != session {
            continue;
        }
        let parameters = &event["params"];
        match event["method"].as_str() {
            Some("Fetch.requestPaused") => {
                let id = &parameters["requestId"];
                if parameters["request"]["url"] == ORIGIN && !served {
                    served = true;
                    let answer = json!({
                        "requestId": id,
                        "responseCode": 200,
                        "responseHeaders": [
                            { "name": "Content-Type", "value": content_type(document) },
                            { "name": "Content-Security-Policy", "value": POLICY },
                        ],
                        "body": STANDARD.encode(document),
                    });
                    connection.send(session, "Fetch.fulfillRequest", answer).await?;
                } else {
                    refused += 1;
                    let answer = json!({ "requestId": id, "errorReason": "BlockedByClient" });
                    connection.send(session, "Fetch.failRequest", answer).await?;
                }
            }
            // What the policy forbids is not even asked for; the log tells.
            Some("Log.entryAdded") if parameters["entry"]["source"] == "security" => refused += 1,
            Some("Page.loadEventFired") if served => return Ok(refused),
            Some("Inspector.targetCrashed") => return Err(Failure::internal("the page crashed")),
            _ => {}
        }
    }
}

/// A document that is UTF-8 is said to be: without that, and without a word in itself, it would be taken for Latin.
fn content_type(document: &[u8]) -> &'static str {
    if std::str::from_utf8(document).is_ok() { "text/html; charset=utf-8" } else { "text/html" }
}

fn text(answer: &Value, name: &str) -> Result<String, Failure> {
    let found = answer.get(name).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| Failure::internal(format!("Chromium's answer has no {name}")))
}
