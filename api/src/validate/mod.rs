//! The body of `POST /jobs` against the catalogue: a job that can be submitted, or every problem of it.

mod api_key;
mod base64;
mod json;
mod price;
mod problem;
mod task;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod webhook;

use std::collections::HashMap;

use bytes::Bytes;
use convertfly_scheduler::catalog::Catalog;
use convertfly_scheduler::graph::{self, GraphError};
use convertfly_scheduler::ids::new_id;
use convertfly_scheduler::job::{JobChoices, NewJob};
use convertfly_scheduler::task::TaskSpec;
use serde_json::{Map, Value};

use crate::error::{ApiError, Code};
pub(crate) use api_key::{MAX_NAME, SCOPES, api_key};
pub(crate) use json::MAX_DEPTH;
pub(crate) use price::Hop;
use problem::{Place, Problems, shown};
use task::Draft;
pub(crate) use task::{IGNORE_ERROR, MAX_HEADERS, MAX_TIMEOUT, MAX_URL, TIMEOUT};

/// Most tasks in a job.
pub(crate) const MAX_TASKS: usize = 1_000;

/// Longest tag, bytes.
pub(crate) const MAX_TAG: usize = 255;

/// Longest task name, characters.
const MAX_TASK_NAME: usize = 64;

/// Keys of the body.
pub(crate) const JOB_KEYS: [&str; 5] = ["tasks", "tag", "webhook_url", "fail_fast", "keep_intermediates"];

/// A file that came inside the request; it goes to storage and never into a task's record.
#[derive(Debug)]
pub(crate) struct Payload {
    /// The task that imports it.
    pub(crate) task: String,
    /// Name for people, sanitised.
    pub(crate) filename: String,
    /// The file.
    pub(crate) bytes: Bytes,
}

/// A request that may be submitted.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The job.
    pub(crate) job: NewJob,
    /// Files that came with it.
    pub(crate) payloads: Vec<Payload>,
    /// The way of each input file of each conversion, by task.
    pub(crate) routes: HashMap<String, Vec<Hop>>,
}

/// Reads, checks and prices the body of `POST /jobs`.
///
/// # Errors
/// One [`ApiError`] that lists every problem of the request.
pub(crate) fn job(catalog: &Catalog, body: &[u8], account: &str, key: &str) -> Result<Accepted, ApiError> {
    let (body, duplicates) = object(body)?;
    let mut problems = Problems::default();
    duplicate_keys(duplicates, &mut problems);
    let (tag, mut choices) = envelope(&body, &mut problems);
    choices.webhook_url = webhook::of_job(&body, &mut problems);
    let drafts = tasks(catalog, body.get("tasks"), &mut problems);
    let (mut specs, facts): (Vec<TaskSpec>, Vec<task::Facts>) = drafts.into_iter().map(|d| (d.spec, d.facts)).unzip();
    let routes = match graph::check(&specs) {
        Ok(order) => price::price(catalog, &order, &mut specs, &facts, &mut problems),
        Err(faults) => {
            faults.iter().for_each(|fault| graph_problem(fault, &specs, &facts, &mut problems));
            HashMap::new()
        }
    };
    if !problems.is_empty() {
        return Err(problems.into_error());
    }
    let payloads = specs.iter().zip(facts).filter_map(|(spec, facts)| {
        let filename = spec.fields.get("filename").and_then(Value::as_str).unwrap_or("file").to_owned();
        facts.payload.map(|bytes| Payload { task: spec.name.clone(), filename, bytes })
    });
    let payloads = payloads.collect();
    let job = NewJob {
        account: account.to_owned(),
        id: new_id("job"),
        tag,
        tasks: specs,
        created_by_key: Some(key.to_owned()),
        choices,
        ..NewJob::default()
    };
    Ok(Accepted { job, payloads, routes })
}

/// Reads a body that must be a JSON object; also returns the keys that it gives twice.
fn object(body: &[u8]) -> Result<(Map<String, Value>, Vec<json::Duplicate>), ApiError> {
    let (value, duplicates) = json::read(body).map_err(|cause| {
        ApiError::new(Code::InvalidData, format!("The body is not valid JSON: {cause}"))
            .with_details(serde_json::json!({ "field": "body", "reason": cause, "path": "" }))
    })?;
    let Value::Object(body) = value else {
        let reason = "must be a JSON object";
        return Err(ApiError::new(Code::InvalidData, "The body must be a JSON object")
            .with_details(serde_json::json!({ "field": "body", "reason": reason, "path": "" })));
    };
    Ok((body, duplicates))
}

/// A problem for each key that is given twice.
fn duplicate_keys(duplicates: Vec<json::Duplicate>, problems: &mut Problems) {
    for duplicate in duplicates {
        let field = duplicate.path.last().cloned().unwrap_or_default();
        let message = match duplicate.path.as_slice() {
            [tasks, name] if tasks == "tasks" => format!("Two tasks are called {}: names must be unique", shown(name)),
            _ => format!("The key {} is given twice", shown(&field)),
        };
        problems.add(Code::InvalidData, &Place::at(duplicate.path), &field, message, "duplicate");
    }
}

/// The keys beside `tasks`: the tag, and what is chosen for the job as a whole.
fn envelope(body: &Map<String, Value>, problems: &mut Problems) -> (Option<String>, JobChoices) {
    let root = Place::root();
    for key in body.keys().filter(|key| !JOB_KEYS.contains(&key.as_str()) && !key.starts_with("x-")) {
        problems.unknown(&root.key(key), JOB_KEYS);
    }
    let mut flag = |key: &str| match body.get(key) {
        None | Some(Value::Null) => false,
        Some(Value::Bool(flag)) => *flag,
        Some(_) => {
            problems.invalid(&root.key(key), "must be true or false");
            false
        }
    };
    let (fail_fast, keep_intermediates) = (flag("fail_fast"), flag("keep_intermediates"));
    let choices = JobChoices { fail_fast, keep_intermediates, ..JobChoices::default() };
    let tag = match body.get("tag") {
        None | Some(Value::Null) => None,
        Some(Value::String(tag)) if tag.len() <= MAX_TAG => Some(tag.clone()),
        Some(_) => {
            problems.invalid(&root.key("tag"), format!("must be a string of at most {MAX_TAG} bytes"));
            None
        }
    };
    (tag, choices)
}

/// The tasks, in the customer's order.
fn tasks(catalog: &Catalog, tasks: Option<&Value>, problems: &mut Problems) -> Vec<Draft> {
    let place = Place::root().key("tasks");
    let map = match tasks {
        None | Some(Value::Null) => {
            problems.missing(&place);
            return Vec::new();
        }
        Some(Value::Object(map)) if map.is_empty() => {
            problems.invalid(&place, "must name at least one task");
            return Vec::new();
        }
        Some(Value::Object(map)) if map.len() > MAX_TASKS => {
            problems.invalid(&place, format!("must name at most {MAX_TASKS} tasks, not {}", map.len()));
            return Vec::new();
        }
        Some(Value::Object(map)) => map,
        Some(_) => {
            problems.invalid(&place, "must be an object that maps task names to tasks");
            return Vec::new();
        }
    };
    let read = |(name, definition): (&String, &Value)| {
        if !is_task_name(name) {
            let reason = format!("must be 1 to {MAX_TASK_NAME} letters, digits, `-` or `_`");
            let message = format!("Invalid task name {}: {reason}", shown(name));
            problems.add(Code::InvalidData, &Place::task(name), "tasks", message, reason);
        }
        task::read(catalog, name, definition, problems)
    };
    map.iter().map(read).collect()
}

/// Letters, digits, `-` and `_`, up to 64 of them.
pub(crate) fn is_task_name(name: &str) -> bool {
    (1..=MAX_TASK_NAME).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// A fault of the graph, as a problem of the task's `input`.
fn graph_problem(fault: &GraphError, specs: &[TaskSpec], facts: &[task::Facts], problems: &mut Problems) {
    let reason = match fault {
        GraphError::UnknownInput { input, .. } => {
            let hint = problems.hint(input, specs.iter().map(|spec| spec.name.as_str()));
            format!("no task of this job is called `{}`{hint}", shown(input))
        }
        GraphError::SelfInput { .. } => "a task cannot be its own input".to_owned(),
        GraphError::Cycle { path } => {
            let steps: Vec<&str> = path.iter().take(20).map(String::as_str).collect();
            format!("tasks wait for each other in a circle: {}", steps.join(" -> "))
        }
    };
    let place = match fault {
        GraphError::UnknownInput { task, input } => named_at(task, input, specs, facts),
        GraphError::SelfInput { task } => named_at(task, task, specs, facts),
        GraphError::Cycle { .. } => Place::task(fault.task()).key("input"),
    };
    problems.invalid(&place, reason);
}

/// Where a task names another one: in its `input`, or in an option that takes the name of a task.
fn named_at(task: &str, needed: &str, specs: &[TaskSpec], facts: &[task::Facts]) -> Place {
    let found = specs.iter().zip(facts).find(|(spec, _)| spec.name == task);
    let beside = found.filter(|(spec, _)| !spec.input.iter().any(|input| input == needed));
    let option = beside.and_then(|(spec, facts)| spec.beside.iter().zip(&facts.beside).find(|(name, _)| *name == needed));
    option.map_or_else(|| Place::task(task).key("input"), |(_, place)| place.clone())
}
