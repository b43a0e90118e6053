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
            "tasks": {
                "type": "object",
                "description": "Its tasks by name, in the order of the request.",
                "additionalProperties": reference("Task"),
            },
        }),
    )
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
            "credits": count("Its price."),
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
            "metadata": { "type": "object", "additionalProperties": true, "description": "What `metadata` found." },
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
