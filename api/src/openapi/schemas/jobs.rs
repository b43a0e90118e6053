//! Jobs, tasks and files.

use serde_json::{Value, json};

use super::super::doc::{count, identifier, moment, object, reference, string};
use crate::validate::{MAX_TAG, MAX_TASKS};

/// The body of `POST /jobs`.
pub(super) fn request() -> Value {
    let mut schema = object(
        "A pipeline of tasks.",
        &["tasks"],
        json!({
            "tag": {
                "type": ["string", "null"], "maxLength": MAX_TAG,
                "description": "Optional label to organize jobs (e.g. `batch-2026-04`). At most 255 bytes of UTF-8.",
            },
            "tasks": {
                "type": "object",
                "description": "A map of task names to task definitions. Task names must be unique within the job.",
                "minProperties": 1, "maxProperties": MAX_TASKS,
                "propertyNames": { "pattern": "^[A-Za-z0-9_-]{1,64}$" },
                "additionalProperties": reference("TaskDefinition"),
            },
            "fail_fast": {
                "type": ["boolean", "null"], "default": false,
                "description": "The first failure cancels what is left, instead of letting independent branches finish.",
            },
            "keep_intermediates": {
                "type": ["boolean", "null"], "default": false,
                "description": "Files of intermediate tasks stay readable under `/files`.",
            },
            "webhook_url": {
                "type": ["string", "null"], "format": "uri",
                "description": "URL to receive a `job.finished` or `job.failed` event when the job completes.",
            },
        }),
    );
    schema["patternProperties"] = json!({ "^x-": { "description": "Ignored: for your own notes." } });
    schema["additionalProperties"] = json!(false);
    schema
}

/// A job.
pub(super) fn job() -> Value {
    object(
        "A job.",
        &["id", "tag", "status", "credits_used", "created_at", "tasks"],
        json!({
            "id": identifier("job", "Identifier."),
            "tag": { "type": ["string", "null"], "description": "Label, as given." },
            "status": reference("JobStatus"),
            "credits_used": count("Credits reserved for or spent on it, less refunds."),
            "created_at": moment("When it was created."),
            "ended_at": moment("When it ended."),
            "created_by_key": identifier("key", "The API key that created it."),
            "test": { "type": "boolean", "const": true, "description": "Made with a test key; absent otherwise." },
            "error": reference("TaskError"),
            "webhook_signing_secret": string("Signs the event that goes to `webhook_url`: only in the answer to a request that gives one."),
            "fail_fast": { "type": "boolean", "description": "As chosen; absent: no." },
            "keep_intermediates": { "type": "boolean", "description": "As chosen; absent: no." },
            "warnings": { "type": "array", "items": reference("Warning"), "description": "What you may want to know." },
            "tasks": {
                "type": "object",
                "description": "Its tasks by name, in the order of the request.",
                "additionalProperties": reference("Task"),
            },
        }),
    )
}

/// A warning.
pub(super) fn warning() -> Value {
    object(
        "Something that you may want to know though nothing is wrong.",
        &["code", "message"],
        json!({
            "code": { "type": "string", "enum": ["NO_EXPORT", "UNUSED_OUTPUT", "NAME_MISMATCH", "FILE", "UNAFFORDABLE"], "description": "Machine-readable." },
            "task": string("The task that it is about."),
            "message": string("For people."),
        }),
    )
}

/// What `dry_run` answers.
pub(super) fn plan() -> Value {
    let hop = object(
        "The way of one input file.",
        &["from", "to", "lane", "engine", "credits"],
        json!({
            "from": { "type": ["string", "null"], "description": "Its format; null where that is not known before it has been read." },
            "to": string("The format that it is converted to."),
            "lane": string("What it needs to run."),
            "engine": { "type": ["string", "null"], "description": "What converts it; null where that depends on the file." },
            "credits": count("Its price."),
        }),
    );
    let task = object(
        "A task as it would run.",
        &["name", "operation", "lane", "credits"],
        json!({
            "name": string("Its name."),
            "operation": string("What it does."),
            "input": { "type": "array", "items": { "type": "string" }, "description": "The tasks whose files it takes." },
            "lane": string("What it needs to run."),
            "credits": count("Its price."),
            "route": { "type": "array", "items": hop, "description": "The way of each input file of a conversion." },
        }),
    );
    object(
        "A job as it would run. Nothing has been stored and nothing charged.",
        &["dry_run", "credits", "balance", "balance_after", "affordable", "tasks", "warnings"],
        json!({
            "dry_run": { "type": "boolean", "const": true },
            "credits": count("The whole price."),
            "balance": { "type": "integer", "description": "Credits now." },
            "balance_after": { "type": "integer", "description": "Credits that would be left; below zero it would be refused." },
            "affordable": { "type": "boolean", "description": "Whether the balance covers the price." },
            "tasks": { "type": "object", "additionalProperties": task, "description": "By name, in the order of the request." },
            "warnings": { "type": "array", "items": reference("Warning"), "description": "What you may want to know." },
        }),
    )
}

/// A file by its identifier.
pub(super) fn file_details() -> Value {
    let mut schema = file();
    schema["required"] = json!(["file_id", "filename", "size", "job_id", "task", "content_url"]);
    schema["properties"]["job_id"] = identifier("job", "The job that it belongs to.");
    schema["properties"]["task"] = string("The task that made it.");
    schema["properties"]["content_url"] = string("Where its bytes are, with the API key.");
    schema
}

/// The states of a job.
pub(super) fn status() -> Value {
    json!({
        "type": "string",
        "enum": ["WAITING", "PROCESSING", "FINISHED", "ERROR"],
        "description": "`WAITING`: created, queued for processing. `PROCESSING`: at least one task is running. \
            `FINISHED`: all tasks completed successfully. `ERROR`: one or more tasks failed or were cancelled.",
    })
}

/// The states of a task.
pub(super) fn task_status() -> Value {
    json!({
        "type": "string",
        "enum": ["WAITING", "PROCESSING", "FINISHED", "ERROR", "CANCELLED"],
        "description": "As a job's; `CANCELLED`: by request, before it ended.",
    })
}

/// A task.
pub(super) fn task() -> Value {
    object(
        "A task, as it stands.",
        &["name", "operation", "status", "credits"],
        json!({
            "name": string("Its name within the job."),
            "operation": string("What it does."),
            "input": { "type": "array", "items": { "type": "string" }, "description": "The tasks whose files it takes." },
            "status": reference("TaskStatus"),
            "credits": count("Its price: what was reserved, and once it has finished what was paid."),
            "result": reference("TaskResult"),
            "error": reference("TaskError"),
            "progress": { "type": "number", "minimum": 0, "maximum": 1, "description": "Share done, while it runs." },
            "explain": {
                "type": ["object", "null"], "additionalProperties": true,
                "description": "How it was done: engine, device, milliseconds per stage. For reading, not for programs.",
            },
            "started_at": moment("When a worker began with it."),
            "ended_at": moment("When it ended."),
        }),
    )
}

/// What a task made.
pub(super) fn result() -> Value {
    object(
        "What a task made; for `import/upload` that waits, where the bytes go.",
        &[],
        json!({
            "file_id": identifier("file", "The first file."),
            "url": string("Download link of `export/url`: of several files, of an archive of all. Or the link that an `import/upload` waits for bytes on."),
            "files": { "type": "array", "items": reference("File"), "description": "Every file." },
            "expires_at": moment("Until when the links are valid."),
            "upload_url": string("The same as `url`, for `import/upload`."),
            "tus_url": string("The same link for resumable uploads: the endpoint of a tus client."),
            "method": { "type": "string", "const": "PUT", "description": "How to send the bytes, for `import/upload`." },
            "bucket": string("The bucket, for `export/s3`."),
            "key": string("Key of the first object in the bucket, for `export/s3`."),
            "objects": {
                "type": "array",
                "items": object(
                    "An object in your bucket.",
                    &["bucket", "key"],
                    json!({ "bucket": string("Bucket."), "key": string("Key."), "etag": string("The bucket's tag of it.") }),
                ),
                "description": "Every object, for `export/s3`.",
            },
            "metadata": { "type": ["object", "array"], "description": "What `metadata` found; a list where the task has several files." },
            "warnings": { "type": "array", "items": { "type": "string" }, "description": "What you may want to know." },
        }),
    )
}

/// Why a task failed.
pub(super) fn task_error() -> Value {
    object(
        "Why a task, or the job with it, failed.",
        &["code", "message"],
        json!({
            "code": {
                "type": "string",
                "enum": [
                    "INVALID_DATA", "UNSUPPORTED_FORMAT", "PAYLOAD_TOO_LARGE", "IMPORT_FAILED", "EXPORT_FAILED",
                    "INPUT_TASK_FAILED", "CANCELLED", "TIMEOUT", "UPLOAD_EXPIRED", "WORKER_LOST", "SERVER_ERROR",
                ],
                "description": "Machine-readable.",
            },
            "message": string("For people: what is wrong, and what to do next."),
            "details": reference("ErrorDetails"),
        }),
    )
}

/// A file of a task.
pub(super) fn file() -> Value {
    object(
        "A file.",
        &["file_id", "filename", "size"],
        json!({
            "file_id": identifier("file", "Identifier."),
            "filename": string("Name."),
            "size": count("Bytes."),
            "format": string("Format, where it is known."),
            "sha256": { "type": "string", "pattern": "^[0-9a-f]{64}$", "description": "SHA-256 of its bytes, hexadecimal." },
            "width": count("Pixels, for images."),
            "height": count("Pixels, for images."),
            "page": count("Which page of the source it shows, from 1, where a source gives several files."),
            "url": string("Download link, for exports."),
        }),
    )
}

/// What an upload is answered by.
pub(super) fn uploaded() -> Value {
    object(
        "The file that has arrived.",
        &["file_id", "filename", "size", "sha256"],
        json!({
            "file_id": identifier("file", "Identifier."),
            "filename": string("Name."),
            "size": count("Bytes."),
            "sha256": { "type": ["string", "null"], "pattern": "^[0-9a-f]{64}$", "description": "SHA-256 of its bytes, hexadecimal." },
        }),
    )
}
