//! The bodies of the webhook routes.

use convertfly_scheduler::guard::Gate;
use convertfly_scheduler::webhooks::EVENTS;
use serde_json::{Map, Value};

use super::json;
use super::problem::{Place, Problems, shown};
use crate::error::{ApiError, Code};

/// Longest that an old secret stays valid beside the new one, seconds.
const MAX_OVERLAP: u64 = 7 * 24 * 3600;

/// How long it does where nothing is said.
const DEFAULT_OVERLAP: u64 = 24 * 3600;

/// A registration that may be stored.
#[derive(Debug)]
pub(crate) struct Registration {
    /// As the customer wrote it.
    pub(crate) url: String,
    /// Sorted, without repetition.
    pub(crate) events: Vec<String>,
}

/// A change of a webhook.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// Whether it is sent to.
    pub(crate) enabled: Option<bool>,
    /// Other events.
    pub(crate) events: Option<Vec<String>>,
}

/// The body of `POST /webhooks`.
///
/// # Errors
/// One [`ApiError`] that lists every problem of the request.
pub(crate) fn registration(gate: &Gate, body: &[u8]) -> Result<Registration, ApiError> {
    let mut problems = Problems::default();
    let body = object(body, &["url", "events"], &mut problems)?;
    let root = Place::root();
    let url = match body.get("url") {
        None | Some(Value::Null) => {
            problems.missing(&root.key("url"));
            String::new()
        }
        Some(url) => target(gate, url, &root.key("url"), &mut problems).unwrap_or_default(),
    };
    let events = match body.get("events") {
        None | Some(Value::Null) => {
            problems.missing(&root.key("events"));
            Vec::new()
        }
        Some(list) => events(list, &mut problems),
    };
    if problems.is_empty() { Ok(Registration { url, events }) } else { Err(problems.into_error()) }
}

/// The body of `PATCH /webhooks/:id`.
///
/// # Errors
/// As [`registration`].
pub(crate) fn change(body: &[u8]) -> Result<Change, ApiError> {
    let mut problems = Problems::default();
    let body = object(body, &["enabled", "events"], &mut problems)?;
    let enabled = match body.get("enabled") {
        None => None,
        Some(Value::Bool(enabled)) => Some(*enabled),
        Some(_) => {
            problems.invalid(&Place::root().key("enabled"), "must be true or false");
            None
        }
    };
    let events = body.get("events").map(|list| events(list, &mut problems));
    if enabled.is_none() && events.is_none() && problems.is_empty() {
        problems.missing(&Place::root().key("enabled"));
    }
    if problems.is_empty() { Ok(Change { enabled, events }) } else { Err(problems.into_error()) }
}

/// The body of a test: the event to send, `job.finished` where nothing is said.
///
/// # Errors
/// As [`registration`].
pub(crate) fn test(body: &[u8]) -> Result<String, ApiError> {
    let mut problems = Problems::default();
    let body = object(body, &["event"], &mut problems)?;
    let event = match body.get("event") {
        Some(Value::String(event)) if EVENTS.contains(&event.as_str()) => event.clone(),
        other => {
            if other.is_some() {
                problems.invalid(&Place::root().key("event"), format!("must be one of {}", EVENTS.join(", ")));
            }
            EVENTS[0].to_owned()
        }
    };
    if problems.is_empty() { Ok(event) } else { Err(problems.into_error()) }
}

/// The body of a rotation: seconds for which the old secret stays valid.
///
/// # Errors
/// As [`registration`].
pub(crate) fn rotation(body: &[u8]) -> Result<u64, ApiError> {
    let mut problems = Problems::default();
    let body = object(body, &["overlap_seconds"], &mut problems)?;
    let overlap =
        body.get("overlap_seconds").map_or(Some(DEFAULT_OVERLAP), Value::as_u64).filter(|seconds| *seconds <= MAX_OVERLAP);
    if overlap.is_none() {
        problems.invalid(&Place::root().key("overlap_seconds"), format!("must be an integer from 0 to {MAX_OVERLAP}"));
    }
    match overlap {
        Some(seconds) if problems.is_empty() => Ok(seconds),
        _ => Err(problems.into_error()),
    }
}

/// The `webhook_url` of a job; the handler holds it against the gate.
pub(super) fn of_job(body: &Map<String, Value>, problems: &mut Problems) -> Option<String> {
    match body.get("webhook_url") {
        None | Some(Value::Null) => None,
        Some(Value::String(url)) => Some(url.clone()),
        Some(_) => {
            problems.invalid(&Place::root().key("webhook_url"), "must be an https URL");
            None
        }
    }
}

/// A URL that events may be sent to. Names are judged again, by their addresses, at each delivery.
fn target(gate: &Gate, url: &Value, place: &Place, problems: &mut Problems) -> Option<String> {
    let Value::String(url) = url else {
        problems.invalid(place, "must be an https URL");
        return None;
    };
    match gate.check_webhook(url) {
        Ok(_) => Some(url.clone()),
        Err(reason) => {
            problems.invalid(place, reason);
            None
        }
    }
}

fn events(list: &Value, problems: &mut Problems) -> Vec<String> {
    let place = Place::root().key("events");
    let reason = format!("must be a list of at least one of {}", EVENTS.join(", "));
    let Some(list) = list.as_array().filter(|list| !list.is_empty()) else {
        problems.invalid(&place, reason);
        return Vec::new();
    };
    let mut events: Vec<String> = Vec::new();
    for event in list {
        match event.as_str() {
            Some(event) if EVENTS.contains(&event) => events.push(event.to_owned()),
            Some(event) => {
                let hint = problems.hint(event, EVENTS);
                problems.invalid(&place, format!("has the unknown event {}{hint}; {reason}", shown(event)));
            }
            None => problems.invalid(&place, reason.clone()),
        }
    }
    events.sort();
    events.dedup();
    events
}

/// Reads an object with these keys; an empty body is an empty object.
fn object<const N: usize>(
    body: &[u8],
    keys: &[&'static str; N],
    problems: &mut Problems,
) -> Result<Map<String, Value>, ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    let details = |reason: &str| serde_json::json!({ "field": "body", "reason": reason, "path": "" });
    let (value, duplicates) = json::read(body).map_err(|cause| {
        ApiError::new(Code::InvalidData, format!("The body is not valid JSON: {cause}")).with_details(details(&cause))
    })?;
    let Value::Object(body) = value else {
        let error = ApiError::new(Code::InvalidData, "The body must be a JSON object");
        return Err(error.with_details(details("must be a JSON object")));
    };
    for duplicate in duplicates {
        let field = duplicate.path.last().cloned().unwrap_or_default();
        let message = format!("The key {} is given twice", shown(&field));
        problems.add(Code::InvalidData, &Place::at(duplicate.path), &field, message, "duplicate");
    }
    let root = Place::root();
    for key in body.keys().filter(|key| !keys.contains(&key.as_str()) && !key.starts_with("x-")) {
        problems.unknown(&root.key(key), *keys);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(nets: &str) -> Gate {
        Gate { allow: nets.parse().expect("networks"), high_ports: true }
    }

    fn reason(outcome: Result<Registration, ApiError>) -> String {
        let details = outcome.expect_err("refused").details.expect("details");
        format!("{}: {}", details["field"].as_str().unwrap_or(""), details["reason"].as_str().unwrap_or(""))
    }

    #[test]
    fn r300_url_and_events_are_required() {
        let body = br#"{"url":"https://your-app.com/webhooks/convertfly","events":["job.finished","job.failed","job.failed"]}"#;
        let good = registration(&gate(""), body).expect("the reference's own body");
        assert_eq!(good.url, "https://your-app.com/webhooks/convertfly", "as it was written");
        assert_eq!(good.events, ["job.failed", "job.finished"], "sorted, once each");
        assert_eq!(reason(registration(&gate(""), br#"{"events":["job.failed"]}"#)), "url: required", "no url");
        assert_eq!(reason(registration(&gate(""), br#"{"url":"https://a.example/"}"#)), "events: required", "no events");
        let wrong = br#"{"url":"https://a.example/","events":["job.finish"]}"#;
        assert!(reason(registration(&gate(""), wrong)).contains("job.finished"), "a typo is answered with the right name");
        for events in ["[]", "\"job.failed\"", "[1]", "null", "{}"] {
            let body = format!(r#"{{"url":"https://a.example/","events":{events}}}"#);
            assert!(reason(registration(&gate(""), body.as_bytes())).starts_with("events:"), "{events}");
        }
        assert!(
            registration(&gate(""), br#"{"url":"https://a.example/","events":["job.failed"],"evnets":[]}"#).is_err(),
            "unknown"
        );
    }

    #[test]
    fn a73_https_is_required_and_private_addresses_are_refused() {
        let with = |url: &str| format!(r#"{{"url":"{url}","events":["job.failed"]}}"#);
        for url in
            ["http://example.com/", "https://127.0.0.1/", "https://localhost/", "https://[::1]/", "https://10.1/", "ftp://a/"]
        {
            assert!(reason(registration(&gate(""), with(url).as_bytes())).starts_with("url:"), "{url}");
        }
        let open = gate("127.0.0.0/8");
        assert!(registration(&open, with("http://127.0.0.1:9000/").as_bytes()).is_ok(), "an allowed network, in clear");
        assert!(registration(&open, with("http://93.184.215.14/").as_bytes()).is_err(), "a public address, in clear");
        assert!(registration(&open, with("https://10.0.0.1/").as_bytes()).is_err(), "another network");
    }

    #[test]
    fn changes_and_rotations_are_checked() {
        assert_eq!(change(br#"{"enabled":false}"#).expect("valid").enabled, Some(false), "disable");
        assert!(
            change(b"{}").is_err() && change(br#"{"enabled":1}"#).is_err() && change(br#"{"events":[]}"#).is_err(),
            "nothing"
        );
        assert_eq!(rotation(b"").expect("valid"), 86_400, "a day");
        for odd in [&br#"{"":null}"#[..], br#"{"overlap_second":5}"#, br#"{"overlap_seconds":5,"overlap_seconds":6}"#] {
            assert!(rotation(odd).is_err(), "{}", String::from_utf8_lossy(odd));
        }
        assert!(
            test(br#"{"events":["job.finished"]}"#).is_err() && test(br#"{"event":null}"#).is_err(),
            "nor an unknown key of a test"
        );
        assert!(rotation(br#"{"overlap_seconds":604801}"#).is_err() && rotation(br#"{"overlap_seconds":-1}"#).is_err(), "range");
        assert_eq!(test(b"").expect("valid"), "job.finished", "the default");
        assert!(test(br#"{"event":"job.deleted"}"#).is_err(), "unknown");
    }
}
