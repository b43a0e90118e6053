//! The body of `POST /api-keys`: a key that can be made, or every problem of it.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::problem::{Place, Problems, shown};
use super::{duplicate_keys, object};
use crate::error::ApiError;
use crate::keys::Mode;

/// Every scope.
pub(crate) const SCOPES: [&str; 4] = ["*", "jobs:read", "jobs:write", "webhooks:manage"];

/// Longest name, characters.
pub(crate) const MAX_NAME: usize = 100;

/// Keys of the body.
const KEYS: [&str; 3] = ["name", "scopes", "mode"];

/// A key to be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NewKey {
    /// Name for people.
    pub(crate) name: String,
    /// Without repetition; `*` stands alone.
    pub(crate) scopes: Vec<String>,
    /// Live or test, where the customer says.
    pub(crate) mode: Option<Mode>,
}

/// Reads and checks the body of `POST /api-keys`.
///
/// # Errors
/// One [`ApiError`] that lists every problem of the request.
pub(crate) fn api_key(body: &Bytes) -> Result<NewKey, ApiError> {
    let (body, duplicates) = object(body)?;
    let mut problems = Problems::default();
    duplicate_keys(duplicates, &mut problems);
    let root = Place::root();
    for key in body.keys().filter(|key| !KEYS.contains(&key.as_str()) && !key.starts_with("x-")) {
        problems.unknown(&root.key(key), KEYS);
    }
    let key = NewKey {
        name: name(&body, &mut problems),
        scopes: scopes(body.get("scopes"), &mut problems),
        mode: mode(body.get("mode"), &mut problems),
    };
    if problems.is_empty() { Ok(key) } else { Err(problems.into_error()) }
}

fn name(body: &Map<String, Value>, problems: &mut Problems) -> String {
    let place = Place::root().key("name");
    match body.get("name") {
        None | Some(Value::Null) => problems.missing(&place),
        Some(Value::String(name)) if is_name(name) => return name.trim().to_owned(),
        Some(_) => problems.invalid(&place, format!("must be a string of 1 to {MAX_NAME} characters on one line")),
    }
    String::new()
}

/// Whether people can tell keys apart by it.
fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= MAX_NAME && !name.chars().any(char::is_control)
}

/// The scopes; all of them where none are given.
fn scopes(value: Option<&Value>, problems: &mut Problems) -> Vec<String> {
    let place = Place::root().key("scopes");
    let given = match value {
        None | Some(Value::Null) => return vec!["*".to_owned()],
        Some(Value::Array(given)) if !given.is_empty() && given.len() <= 16 => given,
        Some(_) => {
            problems.invalid(&place, format!("must be a list of scopes: {}. Leave it out for all of them", SCOPES.join(", ")));
            return Vec::new();
        }
    };
    let mut scopes: Vec<String> = Vec::new();
    for (index, scope) in given.iter().enumerate() {
        match scope.as_str() {
            Some(known) if SCOPES.contains(&known) => {
                if !scopes.iter().any(|have| have == known) {
                    scopes.push(known.to_owned());
                }
            }
            Some(other) => {
                let hint = problems.hint(other, SCOPES);
                let reason = format!("`{}` is none of {}{hint}", shown(other), SCOPES.join(", "));
                problems.element(&place, index, reason);
            }
            None => problems.element(&place, index, "must be a string"),
        }
    }
    if scopes.iter().any(|scope| scope == "*") { vec!["*".to_owned()] } else { scopes }
}

fn mode(value: Option<&Value>, problems: &mut Problems) -> Option<Mode> {
    match value {
        None | Some(Value::Null) => None,
        Some(value) => {
            let mode = value.as_str().and_then(Mode::parse);
            if mode.is_none() {
                problems.invalid(&Place::root().key("mode"), "must be \"live\" or \"test\"");
            }
            mode
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<NewKey, ApiError> {
        api_key(&Bytes::from(body.to_string()))
    }

    #[test]
    fn all_scopes_are_the_default_and_repetition_is_dropped() {
        let key = |body: Value| read(&body).expect("valid");
        assert_eq!(key(json!({ "name": " CI " })), NewKey { name: "CI".into(), scopes: vec!["*".into()], mode: None }, "default");
        let scopes = |list: Value| key(json!({ "name": "a", "scopes": list })).scopes;
        assert_eq!(scopes(json!(["jobs:read", "jobs:write", "jobs:read"])), ["jobs:read", "jobs:write"], "once each");
        assert_eq!(scopes(json!(["jobs:read", "*"])), ["*"], "`*` covers the others");
        assert_eq!(key(json!({ "name": "a", "mode": "test", "x-note": 1 })).mode, Some(Mode::Test), "mode");
    }

    #[test]
    fn every_problem_is_named_with_its_place() {
        let error = read(&json!({ "nme": "a", "scopes": ["jobs:raed", 7], "mode": "sandbox" })).expect_err("refused");
        let details = error.details.expect("details");
        let paths: Vec<&str> =
            details["errors"].as_array().expect("several").iter().filter_map(|problem| problem["path"].as_str()).collect();
        assert_eq!(paths, ["/nme", "/name", "/scopes/0", "/scopes/1", "/mode"], "{details}");
        assert!(details.to_string().contains("did you mean `jobs:read`?"), "{details}");
        for bad in [json!({ "name": "" }), json!({ "name": "a\nb" }), json!({ "name": 1 }), json!({ "name": "x".repeat(101) })] {
            assert_eq!(read(&bad).expect_err("refused").details.expect("details")["field"], "name", "{bad}");
        }
        for bad in [json!([]), json!("*"), json!([[]])] {
            assert!(read(&json!({ "name": "a", "scopes": bad })).is_err(), "{bad}");
        }
        assert!(api_key(&Bytes::from_static(br#"{"name":"a","name":"b"}"#)).is_err(), "a key given twice");
    }
}
