//! What is wrong with a request: all of it, each with its place.

use serde_json::{Map, Value, json};

use super::json::pointer;
use crate::error::{ApiError, Code};

/// Most problems that are listed; the rest is counted.
const MAX_LISTED: usize = 1_000;

/// Longest text of the customer's that a message repeats, characters.
const MAX_ECHO: usize = 64;

/// One problem.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Problem {
    /// Which public code it stands for.
    pub(super) code: Code,
    /// For people.
    pub(super) message: String,
    /// The key at fault.
    pub(super) field: String,
    /// What form it must have.
    pub(super) reason: String,
    /// The task at fault.
    pub(super) task: Option<String>,
    /// Keys from the root to the value at fault.
    pub(super) path: Vec<String>,
}

impl Problem {
    fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        details.insert("field".into(), self.field.as_str().into());
        details.insert("reason".into(), self.reason.as_str().into());
        if let Some(task) = &self.task {
            details.insert("task".into(), task.as_str().into());
        }
        details.insert("path".into(), pointer(&self.path).into());
        details
    }

    fn entry(&self) -> Value {
        let mut entry = Map::new();
        entry.insert("code".into(), self.code.name().into());
        entry.insert("message".into(), self.message.as_str().into());
        entry.extend(self.details());
        Value::Object(entry)
    }
}

/// Where in the request the reader is.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    task: Option<String>,
    path: Vec<String>,
}

impl Place {
    /// The request itself.
    pub(super) fn root() -> Self {
        Self::default()
    }

    /// A task.
    pub(super) fn task(name: &str) -> Self {
        Self { task: Some(name.to_owned()), path: vec!["tasks".to_owned(), name.to_owned()] }
    }

    /// The place that the keys in `path` lead to.
    pub(super) fn at(path: Vec<String>) -> Self {
        let task = (path.first().is_some_and(|step| step == "tasks") && path.len() > 2).then(|| path[1].clone());
        Self { task, path }
    }

    /// A value below this one.
    pub(super) fn key(&self, key: &str) -> Self {
        let mut path = self.path.clone();
        path.push(key.to_owned());
        Self { task: self.task.clone(), path }
    }

    fn last(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }
}

/// All problems of one request.
#[derive(Debug, Default)]
pub(super) struct Problems {
    list: Vec<Problem>,
    left_out: usize,
}

impl Problems {
    /// Notes a problem in so many words.
    pub(super) fn add(&mut self, code: Code, place: &Place, field: &str, message: String, reason: impl Into<String>) {
        if self.list.len() >= MAX_LISTED {
            self.left_out += 1;
            return;
        }
        let (task, path) = (place.task.clone(), place.path.clone());
        self.list.push(Problem { code, message, field: field.to_owned(), reason: reason.into(), task, path });
    }

    /// A required key is not there; `place` is where it should be.
    pub(super) fn missing(&mut self, place: &Place) {
        let field = place.last();
        self.add(Code::InvalidData, place, field, format!("Missing required field: {}", shown(field)), "required");
    }

    /// A value has the wrong form; `reason` says which one it must have.
    pub(super) fn invalid(&mut self, place: &Place, reason: impl Into<String>) {
        self.refused(Code::InvalidData, place, reason);
    }

    /// As [`Problems::invalid`], for one value of a list.
    pub(super) fn element(&mut self, list: &Place, index: usize, reason: impl Into<String>) {
        let (field, reason) = (list.last(), reason.into());
        let message = format!("Invalid value for {}: {reason}", shown(field));
        self.add(Code::InvalidData, &list.key(&index.to_string()), field, message, reason);
    }

    /// As [`Problems::invalid`], under another code.
    pub(super) fn refused(&mut self, code: Code, place: &Place, reason: impl Into<String>) {
        let (field, reason) = (place.last(), reason.into());
        self.add(code, place, field, format!("Invalid value for {}: {reason}", shown(field)), reason);
    }

    /// A key that nothing knows.
    pub(super) fn unknown<'a>(&mut self, place: &Place, known: impl IntoIterator<Item = &'a str>) {
        let field = place.last();
        let reason = format!("unknown{}", self.hint(field, known));
        self.add(Code::InvalidData, place, field, format!("Unknown field: {}", shown(field)), reason);
    }

    /// `; did you mean …?`, where a known word is near. Only for the first problems and for words of usual length, since the
    /// comparison costs time and the words are the customer's.
    pub(super) fn hint<'a>(&self, word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
        if self.list.len() >= 100 || word.len() > MAX_ECHO {
            return String::new();
        }
        match convertfly_scheduler::catalog::Catalog::did_you_mean(word, known) {
            Some(meant) => format!("; did you mean `{meant}`?"),
            None => String::new(),
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are so far, listed or not.
    pub(super) fn count(&self) -> usize {
        self.list.len() + self.left_out
    }

    /// The error for the client: the first of the gravest code, and all of them in `details.errors`.
    pub(super) fn into_error(mut self) -> ApiError {
        self.list.sort_by_key(|problem| problem.code);
        let Some(first) = self.list.first() else { return ApiError::server() };
        let mut details = first.details();
        if self.count() > 1 {
            details.insert("errors".into(), self.list.iter().map(Problem::entry).collect());
        }
        if self.left_out > 0 {
            details.insert("errors_left_out".into(), json!(self.left_out));
        }
        ApiError::new(first.code, first.message.clone()).with_details(Value::Object(details))
    }
}

/// A text of the customer's as messages repeat it: cut to a bearable length.
pub(super) fn shown(text: &str) -> String {
    if text.chars().nth(MAX_ECHO).is_none() {
        return text.to_owned();
    }
    text.chars().take(MAX_ECHO).chain(['…']).collect()
}
