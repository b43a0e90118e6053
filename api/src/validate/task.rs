//! One task of a request against its operation in the catalogue.

use bytes::Bytes;
use convertfly_scheduler::catalog::{Catalog, FormatsWith, OperationEntry, OperationKind, OptionEntry, OptionKind};
use convertfly_scheduler::storage::names::sanitise_filename;
use convertfly_scheduler::task::TaskSpec;
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::base64::{Refusal, decode};
use super::problem::{Place, Problems, shown};
use crate::error::Code;

/// Keys that every task has.
const TASK_KEYS: [&str; 5] = ["operation", "input", "options", IGNORE_ERROR, TIMEOUT];

/// Whether the job goes on without the task if it fails.
pub(crate) const IGNORE_ERROR: &str = "ignore_error";

/// Seconds that the task may take; also understood among the options.
pub(crate) const TIMEOUT: &str = "timeout";

/// Largest [`TIMEOUT`]: five hours. A worker may allow less.
pub(crate) const MAX_TIMEOUT: u64 = 18_000;

/// The operation whose bytes arrive by `PUT`.
const AWAITS_UPLOAD: &str = "import/upload";

/// Longest URL, bytes.
pub(crate) const MAX_URL: usize = 8_192;

/// Most request headers that an import may set, and their size together, bytes.
pub(crate) const MAX_HEADERS: (usize, usize) = (50, 16_384);

/// Request headers that belong to the connection and not to the customer.
const RESERVED_HEADERS: [&str; 10] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "proxy-authorization",
];

/// A task that has been read; its price and lane follow from the whole graph.
#[derive(Debug)]
pub(super) struct Draft {
    /// The task.
    pub(super) spec: TaskSpec,
    /// What is known about it beside.
    pub(super) facts: Facts,
}

/// What pricing and submitting need to know and the record does not hold.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Whether it was read without a problem.
    pub(super) sound: bool,
    /// The decoded file of `import/base64`.
    pub(super) payload: Option<Bytes>,
    /// Where each of the tasks beside the inputs is named.
    pub(super) beside: Vec<Place>,
}

/// Reads one task. A task with problems still takes part in the graph, so that its dependents are judged fairly.
pub(super) fn read(catalog: &Catalog, name: &str, definition: &Value, problems: &mut Problems) -> Draft {
    let place = Place::task(name);
    let mut draft = Draft { spec: TaskSpec { name: name.to_owned(), ..TaskSpec::default() }, facts: Facts::default() };
    let before = problems.count();
    let Value::Object(definition) = definition else {
        problems.invalid(&place, "must be an object with an `operation`");
        return draft;
    };
    draft.spec.input = input(definition.get("input"), &place, problems);
    draft.spec.ignore_error = match definition.get(IGNORE_ERROR) {
        None | Some(Value::Null) => false,
        Some(Value::Bool(flag)) => *flag,
        Some(_) => {
            problems.invalid(&place.key(IGNORE_ERROR), "must be true or false");
            false
        }
    };
    if let Some(operation) = operation(catalog, definition.get("operation"), &place, problems) {
        draft.spec.operation.clone_from(&operation.name);
        draft.spec.awaits_upload = operation.name == AWAITS_UPLOAD;
        let takes_input = operation.kind != OperationKind::Import;
        if takes_input && definition.get("input").is_none_or(|input| matches!(input, Value::Array(list) if list.is_empty())) {
            problems.missing(&place.key("input"));
        } else if !takes_input && !draft.spec.input.is_empty() {
            problems.invalid(&place.key("input"), "an import takes no input");
        }
        let mut reader = Reader { catalog, problems, payload: None, beside: Vec::new() };
        draft.spec.fields = reader.fields(operation, definition, &place);
        draft.facts.payload = reader.payload;
        (draft.spec.beside, draft.facts.beside) = reader.beside.into_iter().unzip();
        if let Some(seconds) = timeout(operation, definition, &place, problems) {
            draft.spec.fields.insert(TIMEOUT.to_owned(), seconds.into());
        }
    }
    draft.facts.sound = problems.count() == before;
    draft
}

/// The time limit, given in the task or among its options.
fn timeout(operation: &OperationEntry, definition: &Map<String, Value>, place: &Place, problems: &mut Problems) -> Option<u64> {
    // An operation may have an option of that name with a meaning of its own.
    let theirs = operation.options.iter().chain(&operation.fields).any(|entry| entry.name == TIMEOUT);
    let beside = definition.get("options").and_then(|options| options.get(TIMEOUT)).filter(|_| !theirs);
    let (value, place) = match (definition.get(TIMEOUT), beside) {
        (Some(_), Some(_)) => {
            problems.invalid(&place.key("options").key(TIMEOUT), "is given twice: in the task and in its options");
            return None;
        }
        (Some(value), None) => (value, place.key(TIMEOUT)),
        (None, Some(value)) => (value, place.key("options").key(TIMEOUT)),
        (None, None) => return None,
    };
    let seconds = value.as_u64().filter(|seconds| (1..=MAX_TIMEOUT).contains(seconds));
    if seconds.is_none() {
        problems.invalid(&place, format!("must be an integer from 1 to {MAX_TIMEOUT}, seconds"));
    }
    seconds
}

/// The operation that the task names.
fn operation<'a>(
    catalog: &'a Catalog,
    name: Option<&Value>,
    place: &Place,
    problems: &mut Problems,
) -> Option<&'a OperationEntry> {
    let place = place.key("operation");
    match name {
        None => problems.missing(&place),
        Some(Value::String(name)) => match catalog.operation(name) {
            Some(operation) => return Some(operation),
            None => {
                let hint = problems.hint(name, catalog.operations.iter().map(|operation| operation.name.as_str()));
                problems.invalid(&place, format!("there is no operation `{}`{hint}", shown(name)));
            }
        },
        Some(_) => problems.invalid(&place, "must be the name of an operation, such as \"convert\""),
    }
    None
}

/// The names in `input`: a string or an array of strings, none of them twice.
fn input(input: Option<&Value>, place: &Place, problems: &mut Problems) -> Vec<String> {
    let place = place.key("input");
    let list = match input {
        None => return Vec::new(),
        Some(Value::String(name)) => return vec![name.clone()],
        Some(Value::Array(list)) => list,
        Some(_) => {
            problems.invalid(&place, "must be a task name or an array of task names");
            return Vec::new();
        }
    };
    let mut names = Vec::with_capacity(list.len());
    let mut seen = std::collections::HashSet::with_capacity(list.len());
    for (index, name) in list.iter().enumerate() {
        match name.as_str() {
            Some(name) if seen.insert(name) => names.push(name.to_owned()),
            Some(name) => problems.invalid(&place, format!("names `{}` twice", shown(name))),
            None => problems.invalid(&place.key(&index.to_string()), "must be a task name"),
        }
    }
    names
}

/// Reads a task's fields and options.
struct Reader<'a> {
    catalog: &'a Catalog,
    problems: &'a mut Problems,
    payload: Option<Bytes>,
    beside: Vec<(String, Place)>,
}

impl Reader<'_> {
    /// What the worker gets to read: the fields, and `options` with those that stood beside them.
    fn fields(&mut self, operation: &OperationEntry, definition: &Map<String, Value>, place: &Place) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut options = Map::new();
        for (key, value) in definition.iter().filter(|(key, _)| !TASK_KEYS.contains(&key.as_str()) && !key.starts_with("x-")) {
            let place = place.key(key);
            if let Some(entry) = operation.fields.iter().find(|entry| entry.name == *key) {
                fields.extend(self.value(entry, value, &place).map(|value| (key.clone(), value)));
            } else if let Some(entry) = operation.options.iter().find(|entry| entry.name == *key) {
                options.extend(self.value(entry, value, &place).map(|value| (key.clone(), value)));
            } else {
                self.problems.unknown(&place, names(&operation.fields).chain(names(&operation.options)).chain(TASK_KEYS));
            }
        }
        self.options(operation, definition, place, &mut options);
        for entry in operation.fields.iter().filter(|entry| entry.required && !definition.contains_key(&entry.name)) {
            self.problems.missing(&place.key(&entry.name));
        }
        let beside = |name: &String| definition.get("options").is_some_and(|options| options.get(name).is_some());
        for entry in operation.options.iter().filter(|entry| entry.required) {
            if !definition.contains_key(&entry.name) && !beside(&entry.name) {
                self.problems.missing(&place.key("options").key(&entry.name));
            }
        }
        for group in &operation.exactly_one {
            self.exactly_one(group, &options, &|name| definition.contains_key(name) || beside(name), place);
        }
        for rule in &operation.formats_with {
            self.formats_with(operation, rule, &fields, &options, place);
        }
        if !options.is_empty() {
            fields.insert("options".to_owned(), Value::Object(options));
        }
        fields
    }

    /// One option of a group and no second one. What was given and refused is not missing as well.
    fn exactly_one(&mut self, group: &[String], options: &Map<String, Value>, given: &dyn Fn(&String) -> bool, place: &Place) {
        let place = |name: &str| place.key("options").key(name);
        let mut found = group.iter().filter(|name| options.get(*name).is_some_and(|value| !value.is_null()));
        match (found.next(), found.next()) {
            (Some(first), Some(second)) => {
                self.problems.invalid(&place(second), format!("cannot be given together with `{first}`"));
            }
            (None, _) if !group.iter().any(given) => {
                if let [first, others @ ..] = group {
                    let message = format!("Missing required field: {first} (or {})", others.join(", or "));
                    self.problems.add(Code::InvalidData, &place(first), first, message, "required");
                }
            }
            _ => {}
        }
    }

    /// A format that the value of an option, perhaps its default, can be made with. An absent format is the default, which can.
    fn formats_with(
        &mut self,
        operation: &OperationEntry,
        rule: &FormatsWith,
        fields: &Map<String, Value>,
        options: &Map<String, Value>,
        place: &Place,
    ) {
        let default = || operation.options.iter().find(|entry| entry.name == rule.option).map(|entry| &entry.default);
        let value = options.get(&rule.option).or_else(default).and_then(Value::as_str);
        let format = fields.get(&rule.field).and_then(Value::as_str).unwrap_or_default();
        if value != Some(rule.value.as_str()) || format.is_empty() || rule.formats.iter().any(|one| one == format) {
            return;
        }
        let entry = operation.options.iter().find(|entry| entry.name == rule.option);
        let others = match entry.map(|entry| &entry.kind) {
            Some(OptionKind::OneOf { values }) => values.iter().filter(|other| **other != rule.value).cloned().collect(),
            _ => Vec::new(),
        };
        let reason = format!(
            "{format} does not go with the {} `{}`. Set it to one of {}; or `{}` to {}",
            rule.option,
            rule.value,
            rule.formats.join(", "),
            rule.option,
            others.join(" or "),
        );
        self.problems.invalid(&place.key(&rule.field), reason);
    }

    /// The `options` object.
    fn options(
        &mut self,
        operation: &OperationEntry,
        definition: &Map<String, Value>,
        place: &Place,
        options: &mut Map<String, Value>,
    ) {
        let place = place.key("options");
        let given = match definition.get("options") {
            None => return,
            Some(Value::Object(given)) => given,
            Some(_) => return self.problems.invalid(&place, "must be an object"),
        };
        for (key, value) in given.iter().filter(|(key, _)| !key.starts_with("x-")) {
            let place = place.key(key);
            match operation.options.iter().find(|entry| entry.name == *key) {
                None if key == TIMEOUT => {}
                None => self.problems.unknown(&place, names(&operation.options)),
                Some(_) if definition.contains_key(key) => {
                    self.problems.invalid(&place, "is given twice: in the task and in its options");
                }
                Some(entry) => options.extend(self.value(entry, value, &place).map(|value| (key.clone(), value))),
            }
        }
    }

    /// A checked value in canonical form; `None` after a problem, and for a file, which is kept apart.
    fn value(&mut self, entry: &OptionEntry, value: &Value, place: &Place) -> Option<Value> {
        if let Err(reason) = entry.kind.check(value) {
            self.problems.invalid(place, reason);
            return None;
        }
        match (&entry.kind, value) {
            (OptionKind::Format, Value::String(name)) => self.format(name, place),
            (OptionKind::Base64 { max_bytes }, Value::String(text)) => {
                match decode(text, *max_bytes) {
                    Ok(bytes) => self.payload = Some(bytes),
                    Err(Refusal::TooLarge) => {
                        let reason =
                            format!("must be at most {max_bytes} bytes when decoded: use import/upload for larger files");
                        self.problems.refused(Code::PayloadTooLarge, place, reason);
                    }
                    Err(Refusal::Invalid(reason)) => self.problems.invalid(place, reason),
                }
                None
            }
            (OptionKind::Url, Value::String(url)) if url.len() > MAX_URL => {
                self.problems.invalid(place, format!("must be at most {MAX_URL} bytes long"));
                None
            }
            (OptionKind::Task, Value::String(name)) => {
                self.beside.push((name.clone(), place.clone()));
                Some(value.clone())
            }
            (OptionKind::Headers, Value::Object(headers)) => {
                self.headers(headers, place);
                Some(value.clone())
            }
            (OptionKind::String { .. }, Value::String(name)) if entry.name == "filename" => Some(sanitise_filename(name).into()),
            _ => Some(value.clone()),
        }
    }

    /// The canonical name of a format.
    fn format(&mut self, name: &str, place: &Place) -> Option<Value> {
        if let Some(format) = self.catalog.format(name) {
            return Some(format.name.as_str().into());
        }
        let hint = self.problems.hint(name, self.catalog.formats.iter().map(|format| format.name.as_str()));
        let reason = format!("the format `{}` is not supported{hint}", shown(name));
        self.problems.refused(Code::UnsupportedFormat, place, reason);
        None
    }

    /// Headers that a fetch may carry. Their values are secrets: no message repeats one.
    fn headers(&mut self, headers: &Map<String, Value>, place: &Place) {
        let (most, most_bytes) = MAX_HEADERS;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let size: usize = headers.iter().map(|(name, value)| name.len() + text(value).len()).sum();
        if headers.len() > most || size > most_bytes {
            return self
                .problems
                .invalid(place, format!("must be at most {most} headers of at most {most_bytes} bytes together"));
        }
        for (name, value) in headers {
            let place = place.key(name);
            if HeaderName::try_from(name).is_err() {
                self.problems.invalid(&place, "is not the name of an HTTP header");
            } else if RESERVED_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                self.problems.invalid(&place, "is set by the connection and cannot be chosen");
            } else if HeaderValue::try_from(text(value)).is_err() {
                self.problems.invalid(&place, "must not contain line breaks or control characters");
            }
        }
    }
}

fn names(entries: &[OptionEntry]) -> impl Iterator<Item = &str> {
    entries.iter().map(|entry| entry.name.as_str())
}
