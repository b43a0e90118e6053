//! Jobs.

use serde_json::{Value, json};

use super::super::doc::{count, reference, string};
use super::super::{Doc, Tag};
use crate::error::Code;

/// The job of the reference's samples.
fn sample(status: &str, tasks: Value) -> Value {
    json!({ "data": {
        "id": "job_7kX9mP2qR", "tag": "invoice-batch", "status": status, "credits_used": 1,
        "created_at": "2026-04-03T10:30:00Z", "tasks": tasks,
    } })
}

fn running() -> Value {
    sample(
        "PROCESSING",
        json!({
            "import-file": { "name": "import-file", "operation": "import/url", "status": "FINISHED", "credits": 0 },
            "to-png": { "name": "to-png", "operation": "convert", "input": ["import-file"], "status": "PROCESSING", "credits": 1 },
            "export": { "name": "export", "operation": "export/url", "input": ["to-png"], "status": "WAITING", "credits": 0 },
        }),
    )
}

fn finished() -> Value {
    let file = json!({ "file_id": "file_Xk9mPm3n", "filename": "photo.png", "size": 48213, "format": "png" });
    let url = "https://storage.convertfly.io/dl/abc123";
    let mut exported = file.clone();
    exported["url"] = url.into();
    let result = json!({ "file_id": "file_Xk9mPm3n", "url": url, "files": [exported], "expires_at": "2026-04-04T10:31:15Z" });
    sample(
        "FINISHED",
        json!({ "export": {
            "name": "export", "operation": "export/url", "input": ["to-png"], "status": "FINISHED", "credits": 0, "result": result,
        } }),
    )
}

/// `POST /jobs`.
pub(crate) fn create() -> Doc {
    let example = json!({
        "tag": "invoice-batch",
        "tasks": {
            "import-file": { "operation": "import/url", "url": "https://example.com/photo.jpg" },
            "to-png": {
                "operation": "convert", "input": ["import-file"], "output_format": "png", "options": { "width": 1200 },
            },
            "export": { "operation": "export/url", "input": ["to-png"] },
        },
    });
    Doc::new("createJob", Tag::Jobs, "Create a job")
        .text(
            "Starts a pipeline of tasks and returns at once. Tasks run in the order that `input` gives; those that do not depend \
             on each other may run at the same time. The price of the whole job is reserved; what fails or is cancelled is refunded.",
        )
        .query("dry_run", "Only say what would happen: nothing is stored, nothing is charged.", json!({ "type": "boolean", "default": false }))
        .header("Prefer", "`wait=30`: answer when the job has ended, or after so many seconds (RFC 7240).", json!({ "type": "string" }))
        .body(reference("JobRequest"), example)
        .data(201, "The job.", reference("Job"))
        .example(running())
        .with("X-Credits-Used", "Credits reserved for the job.", count(""))
        .with("Location", "Where the job is.", string(""))
        .with("Preference-Applied", "What was honoured of `Prefer`.", string(""))
        .data(200, "With `dry_run`: what would happen.", reference("Plan"))
        .errors(&[Code::InsufficientCredits, Code::UnsupportedFormat])
}

/// `GET /jobs`.
pub(crate) fn list() -> Doc {
    let statuses = json!({ "type": "string", "enum": ["WAITING", "PROCESSING", "FINISHED", "ERROR"] });
    Doc::new("listJobs", Tag::Jobs, "List jobs")
        .text(
            "Newest first. Pages shift while jobs come and go; `cursor` does not: it goes on behind the last job of the answer that it \
             comes from.",
        )
        .query(
            "page",
            "Page number, starting at 1.",
            json!({ "type": "integer", "minimum": 1, "maximum": 1_000_000_000, "default": 1 }),
        )
        .query("cursor", "The `next_cursor` of an earlier answer, in place of `page`.", json!({ "type": "string", "pattern": "^[0-9]{1,16}\\.job_[0-9A-Za-z]{1,64}$" }))
        .query("limit", "Results per page.", json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 20 }))
        .query("status", "Filter by status.", statuses)
        .query("tag", "Filter by tag.", string("Exactly this tag."))
        .list("A page of jobs.", reference("Job"), reference("PageMeta"))
        .example(json!({ "data": [finished()["data"]], "meta": { "page": 1, "limit": 5, "total": 42, "next_cursor": "1775212200999.job_7kX9mP2qR" } }))
        .with("Link", "The neighbouring pages (RFC 8288): `next`, `prev`, `first`, `last`.", string(""))
}

/// `GET /jobs/:id`.
pub(crate) fn get() -> Doc {
    Doc::new("getJob", Tag::Jobs, "Get a job")
        .text(
            "Job details and the status of all its tasks. Send the ETag of the last answer to be told when nothing has changed.",
        )
        .header("If-None-Match", "The ETag of an earlier answer.", json!({ "type": "string" }))
        .data(200, "The job.", reference("Job"))
        .example(finished())
        .with("ETag", "Changes when the job does.", string(""))
        .empty(304, "The job is as it was.")
}

/// `DELETE /jobs/:id`.
pub(crate) fn delete() -> Doc {
    Doc::new("deleteJob", Tag::Jobs, "Delete a job")
        .text("Deletes a job and all its associated files. Running tasks are cancelled. This action is irreversible.")
        .empty(204, "It is gone.")
}

/// `GET /jobs/:id/wait`.
pub(crate) fn wait() -> Doc {
    let timeout = json!({ "type": "integer", "minimum": 0, "default": 300, "maximum": 300 });
    Doc::new("waitForJob", Tag::Jobs, "Wait for completion")
        .text(
            "Long poll: blocks until the job reaches a terminal state (`FINISHED` or `ERROR`). A job that has not by then is answered \
             by 202: ask again.",
        )
        .query("timeout", "Longest wait in seconds; more than 300 means 300.", timeout)
        .header("Accept", "`text/event-stream`: follow the job instead, as under /events.", json!({ "type": "string" }))
        .data(200, "The job has ended.", reference("Job"))
        .example(finished())
        .or_text("text/event-stream")
        .data(202, "The job is still under way.", reference("Job"))
        .example(running())
        .with("Retry-After", "Seconds to wait before asking again.", count(""))
}

/// `GET /jobs/:id/events`.
pub(crate) fn events() -> Doc {
    Doc::new("followJob", Tag::Jobs, "Follow a job")
        .text(
            "Server-sent events: first `job` with the job as it stands, then `task` for each change of a task (its state, its progress) \
             and `job` for each change of the job's own state. The stream ends when the job has. An event's id is a version of \
             the job: a client that comes back with `Last-Event-ID` gets what has changed since, and nothing twice.",
        )
        .header("Last-Event-ID", "The id of the last event that you have seen.", json!({ "type": "string" }))
        .media(200, "The events.", "text/event-stream")
        .empty(204, "The job has ended and you have seen all of it.")
}
