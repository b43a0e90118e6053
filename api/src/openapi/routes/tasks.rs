//! Tasks.

use serde_json::{Value, json};

use super::super::doc::{count, reference};
use super::super::{Doc, Tag};
use crate::error::Code;

fn sample(status: &str) -> Value {
    let mut task = json!({
        "name": "convert", "operation": "convert", "input": ["import-file"], "status": status, "credits": 1,
    });
    if status == "FINISHED" {
        task["result"] = json!({ "file_id": "file_Pm3n", "files": [{ "file_id": "file_Pm3n", "filename": "photo.png", "size": 48213, "format": "png" }] });
    }
    task
}

/// `GET /jobs/:id/tasks`.
pub(crate) fn list() -> Doc {
    let tasks = json!({ "type": "array", "items": reference("Task") });
    let example = json!({ "data": [
        {
            "name": "import-file", "operation": "import/url", "status": "FINISHED", "credits": 0,
            "result": { "file_id": "file_Xk9m", "files": [{ "file_id": "file_Xk9m", "filename": "photo.jpg", "size": 90112 }] },
        },
        sample("FINISHED"),
    ] });
    Doc::new("listTasks", Tag::Tasks, "List tasks for a job")
        .text("In the order of the request.")
        .data(200, "The tasks.", tasks)
        .example(example)
}

/// `GET /jobs/:job_id/tasks/:task_name`.
pub(crate) fn get() -> Doc {
    Doc::new("getTask", Tag::Tasks, "Get a task")
        .data(200, "The task.", reference("Task"))
        .example(json!({ "data": sample("FINISHED") }))
}

/// `POST …/cancel`.
pub(crate) fn cancel() -> Doc {
    Doc::new("cancelTask", Tag::Tasks, "Cancel a task")
        .text("Cancels a running or waiting task. Downstream tasks that depend on it are cancelled too; what was reserved for them is refunded.")
        .data(200, "The task.", reference("Task"))
        .example(json!({ "data": sample("CANCELLED") }))
        .errors(&[Code::Conflict])
}

/// `POST …/retry`.
pub(crate) fn retry() -> Doc {
    Doc::new("retryTask", Tag::Tasks, "Retry a failed task")
        .text(
            "Retries a task that has status `ERROR` or `CANCELLED`, and the tasks that fell with it. This consumes credits again if \
             the task is billable: those of the failed attempt have been refunded.",
        )
        .data(200, "The task.", reference("Task"))
        .example(json!({ "data": sample("WAITING") }))
        .with("X-Credits-Used", "Credits reserved for the new attempt.", count(""))
        .errors(&[Code::InsufficientCredits, Code::Conflict])
}
