//! What a delivery says: the event, when it happened, and the job or task as the API shows it.

use serde_json::{Map, Value, json};

use crate::job::JobRecord;
use crate::task::TaskRecord;
use crate::view::{self, links::Links};

/// Bytes that a payload may have; Standard Webhooks advises under 20 KB.
pub const MAX_BYTES: usize = 20_000;

/// The payload of a job's event.
///
/// A job that is too large for [`MAX_BYTES`] is told in less detail: first without `explain`, then without warnings and with
/// the status, links and error of each task alone, then with as many of these as fit, failed and exporting tasks first. The last two say so:
/// `truncated` is true and `tasks_total` counts them all; the whole is at `GET /jobs/:id`.
pub fn job_event(event: &str, at: u64, job: &JobRecord, links: &Links) -> String {
    let mut view = view::job(job, links);
    // The record may have moved on since (a retry); the event tells what it was.
    view["status"] = if event == "job.finished" { "FINISHED".into() } else { "ERROR".into() };
    let text = envelope(event, at, view.clone());
    if text.len() <= MAX_BYTES {
        return text;
    }
    for task in tasks(&mut view).filter_map(|(_, task)| task.as_object_mut()) {
        task.shift_remove("explain");
    }
    let text = envelope(event, at, view.clone());
    if text.len() <= MAX_BYTES {
        return text;
    }
    // A warning a task is as long as the tasks themselves.
    view.as_object_mut().and_then(|view| view.shift_remove("warnings"));
    let brief: Vec<(String, Value)> = tasks(&mut view).map(|(name, task)| (name.clone(), in_brief(task))).collect();
    view["tasks_total"] = brief.len().into();
    view["truncated"] = true.into();
    view["tasks"] = Value::Object(Map::new());
    let mut room = MAX_BYTES.saturating_sub(envelope(event, at, view.clone()).len());
    let mut kept = vec![false; brief.len()];
    let matters = |task: &Value| u8::from(task.get("error").is_none()) + u8::from(task.pointer("/result/url").is_none());
    let mut order: Vec<usize> = (0..brief.len()).collect();
    order.sort_by_key(|&at| matters(&brief[at].1));
    for at in order {
        // Quotes, colon and comma.
        let bytes = brief[at].0.len() + brief[at].1.to_string().len() + 4;
        if bytes <= room {
            (room, kept[at]) = (room - bytes, true);
        }
    }
    let fitting = brief.into_iter().zip(kept).filter_map(|(task, kept)| kept.then_some(task));
    view["tasks"] = Value::Object(fitting.collect());
    envelope(event, at, view)
}

/// The payload of a task's event: the task, and the job that it belongs to.
pub fn task_event(event: &str, at: u64, job: &str, task: &TaskRecord, links: &Links) -> String {
    let mut view = view::task(task, links);
    view["status"] = if event == "task.finished" { "FINISHED".into() } else { "ERROR".into() };
    view["job_id"] = job.into();
    let text = envelope(event, at, view.clone());
    if text.len() <= MAX_BYTES {
        return text;
    }
    // Hundreds of files: the first link leads to all of them.
    let mut brief = in_brief(&view);
    for name in ["name", "operation", "job_id"] {
        brief[name] = view[name].take();
    }
    brief["truncated"] = true.into();
    envelope(event, at, brief)
}

/// The payload of a test event: a job that does not exist, and says so.
pub fn test_event(event: &str, at: u64) -> String {
    let failed = event.ends_with(".failed");
    let mut task = json!({ "name": "export", "operation": "export/url", "status": if failed { "ERROR" } else { "FINISHED" } });
    if failed {
        task["error"] = json!({ "code": "INVALID_DATA", "message": "This is a test event" });
    } else {
        task["result"] = json!({ "file_id": "file_test", "url": "https://example.com/test" });
    }
    let data = if event.starts_with("task.") {
        task["job_id"] = "job_test".into();
        task["test"] = true.into();
        task
    } else {
        json!({ "id": "job_test", "status": task["status"], "test": true, "tasks": { "export": task } })
    };
    envelope(event, at, data)
}

fn envelope(event: &str, at: u64, data: Value) -> String {
    json!({ "event": event, "timestamp": view::timestamp(at), "data": data }).to_string()
}

fn tasks(job: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    job["tasks"].as_object_mut().into_iter().flatten()
}

/// Status, link and error of a task's view.
fn in_brief(task: &Value) -> Value {
    let mut brief = json!({ "status": task["status"] });
    let mut result = Map::new();
    for name in ["file_id", "url", "expires_at"] {
        if let Some(value) = task["result"].get(name) {
            result.insert(name.to_owned(), value.clone());
        }
    }
    if !result.is_empty() {
        brief["result"] = Value::Object(result);
    }
    if let Some(code) = task["error"].get("code") {
        brief["error"] = json!({ "code": code });
    }
    brief
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobStatus;
    use crate::task::{ErrorCode, FileRef, TaskError, TaskResult, TaskSpec, TaskStatus};

    fn task(name: &str, operation: &str) -> TaskRecord {
        let file = FileRef {
            file_id: format!("file_{name}"),
            key: "jobs/SECRET".into(),
            filename: "a.png".into(),
            size: 1,
            format: None,
            sha256: None,
            crc32: None,
            width: None,
            height: None,
            page: None,
            remote: None,
        };
        TaskRecord {
            spec: TaskSpec { name: name.into(), operation: operation.into(), ..TaskSpec::default() },
            status: TaskStatus::Finished,
            result: Some(TaskResult { files: vec![file], ..TaskResult::default() }),
            explain: Some(json!({ "engine": "image", "stages": "x".repeat(100) })),
            ..TaskRecord::default()
        }
    }

    fn job(tasks: Vec<TaskRecord>) -> JobRecord {
        JobRecord { id: "job_1".into(), status: JobStatus::Finished, tasks, ..JobRecord::default() }
    }

    fn read(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn r304_a_payload_is_event_timestamp_and_data() {
        let text = job_event("job.finished", 1_775_212_275_000, &job(vec![task("export", "export/url")]), &Links::default());
        assert!(text.starts_with(r#"{"event":"job.finished","timestamp":"2026-04-03T10:31:15Z","data":{"id":"job_1""#), "{text}");
        let data = &read(&text)["data"];
        assert_eq!((&data["status"], &data["tasks"]["export"]["status"]), (&json!("FINISHED"), &json!("FINISHED")), "{data}");
        assert!(data["tasks"]["export"].get("explain").is_some() && !text.contains("SECRET"), "as the API shows it: {text}");
    }

    #[test]
    fn a75_a_task_payload_is_the_task_and_its_job() {
        let text = task_event("task.finished", 0, "job_1", &task("convert", "convert"), &Links::default());
        let data = &read(&text)["data"];
        assert_eq!(
            (&data["job_id"], &data["name"], &data["status"]),
            (&json!("job_1"), &json!("convert"), &json!("FINISHED")),
            "{text}"
        );
    }

    #[test]
    fn an_event_tells_what_was_though_the_job_was_retried() {
        let mut retried = job(vec![task("a", "convert")]);
        retried.status = JobStatus::Processing;
        retried.tasks[0].status = TaskStatus::Waiting;
        assert_eq!(read(&job_event("job.failed", 0, &retried, &Links::default()))["data"]["status"], "ERROR", "the job's");
        let text = task_event("task.failed", 0, "job_1", &retried.tasks[0], &Links::default());
        assert_eq!(read(&text)["data"]["status"], "ERROR", "the task's");
    }

    #[test]
    fn t16_a_job_of_a_thousand_tasks_stays_under_20_kb() {
        let mut tasks: Vec<TaskRecord> = (0..999).map(|i| task(&format!("task-{i}"), "convert")).collect();
        tasks[700].error = Some(TaskError::new(ErrorCode::InvalidData, "x"));
        tasks.push(task("export", "export/url"));
        let mut links = Links::default();
        links.downloads.insert("export".into(), vec!["https://x/dl/1".into()]);
        let text = job_event("job.failed", 0, &job(tasks), &links);
        assert!(text.len() <= MAX_BYTES && text.len() > MAX_BYTES * 9 / 10, "{} bytes", text.len());
        let data = &read(&text)["data"];
        assert_eq!((&data["truncated"], &data["tasks_total"]), (&json!(true), &json!(1000)), "it says so");
        assert_eq!(data["tasks"]["export"]["result"]["url"], "https://x/dl/1", "what was asked for is in it");
        assert_eq!(data["tasks"]["task-700"]["error"]["code"], "INVALID_DATA", "what went wrong is in it");
    }

    #[test]
    fn t16_a_middling_job_loses_explain_alone() {
        let tasks: Vec<TaskRecord> = (0..60).map(|i| task(&format!("task-{i}"), "convert")).collect();
        let text = job_event("job.finished", 0, &job(tasks), &Links::default());
        let data = &read(&text)["data"];
        assert!(text.len() <= MAX_BYTES && data.get("truncated").is_none(), "{} bytes", text.len());
        assert_eq!(data["tasks"].as_object().map(Map::len), Some(60), "every task");
        assert_eq!(data["tasks"]["task-3"]["result"]["files"][0]["filename"], "a.png", "with its files");
    }

    #[test]
    fn a_task_with_a_thousand_files_is_told_in_brief() {
        let mut many = task("pages", "convert");
        let result = many.result.as_mut().expect("a result");
        result.files = vec![result.files[0].clone(); 1000];
        let text = task_event("task.finished", 0, "job_1", &many, &Links::default());
        let data = &read(&text)["data"];
        assert!(text.len() < 1000 && data["truncated"] == true && data["name"] == "pages", "{text}");
    }

    #[test]
    fn test_events_have_the_shape_of_real_ones() {
        for event in ["job.finished", "job.failed", "task.finished", "task.failed"] {
            let payload = read(&test_event(event, 0));
            assert_eq!((&payload["event"], &payload["data"]["test"]), (&json!(event), &json!(true)), "{payload}");
            let id = if event.starts_with("job.") { "id" } else { "job_id" };
            assert_eq!(payload["data"][id], "job_test", "{payload}");
        }
    }
}
