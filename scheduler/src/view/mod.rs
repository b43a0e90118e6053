//! Jobs and tasks as clients see them, in the API's answers and in webhooks.

pub mod links;
pub mod warnings;
pub mod webhooks;

use crate::job::JobRecord;
use crate::task::{FileRef, TaskError, TaskRecord, TaskStatus};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use self::links::Links;

/// A job: `tasks` is a map from name to task, in the customer's order.
pub fn job(job: &JobRecord, links: &Links) -> Value {
    let mut view = Map::new();
    view.insert("id".into(), job.id.as_str().into());
    view.insert("tag".into(), job.tag.clone().into());
    view.insert("status".into(), job.status.as_str().into());
    view.insert("credits_used".into(), job.credits_used.into());
    view.insert("created_at".into(), timestamp(job.created_at));
    if let Some(at) = job.ended_at {
        view.insert("ended_at".into(), timestamp(at));
    }
    if let Some(key) = &job.created_by_key {
        view.insert("created_by_key".into(), key.as_str().into());
    }
    if job.choices.test {
        view.insert("test".into(), true.into());
    }
    if let Some(error) = &job.error {
        view.insert("error".into(), task_error(error));
    }
    for (name, chosen) in [("fail_fast", job.choices.fail_fast), ("keep_intermediates", job.choices.keep_intermediates)] {
        if chosen {
            view.insert(name.into(), true.into());
        }
    }
    view.insert("warnings".into(), warnings::of_job(&job.tasks).into());
    let tasks = job.tasks.iter().map(|task| (task.spec.name.clone(), self::task(task, links))).collect();
    view.insert("tasks".into(), Value::Object(tasks));
    Value::Object(view)
}

/// A task. Of what was asked for only its name, operation and inputs are repeated: other fields may hold secrets.
pub fn task(task: &TaskRecord, links: &Links) -> Value {
    let mut view = Map::new();
    view.insert("name".into(), task.spec.name.as_str().into());
    view.insert("operation".into(), task.spec.operation.as_str().into());
    if !task.spec.input.is_empty() {
        view.insert("input".into(), json!(task.spec.input));
    }
    view.insert("status".into(), task.status.as_str().into());
    view.insert("credits".into(), task.price().into());
    if let Some(result) = result(task, links) {
        view.insert("result".into(), result);
    }
    if let Some(error) = &task.error {
        view.insert("error".into(), task_error(error));
    }
    if let Some(progress) = task.progress.filter(|_| task.status == TaskStatus::Processing) {
        view.insert("progress".into(), progress.into());
    }
    if let Some(explain) = &task.explain {
        view.insert("explain".into(), explain.clone());
    }
    if let Some(at) = task.started_at {
        view.insert("started_at".into(), timestamp(at));
    }
    if let Some(at) = task.ended_at {
        view.insert("ended_at".into(), timestamp(at));
    }
    Value::Object(view)
}

/// What a task made, or where it waits for its bytes.
fn result(task: &TaskRecord, links: &Links) -> Option<Value> {
    if let (Some(url), Some(slot)) = (links.uploads.get(&task.spec.name), &task.upload) {
        let expires_at = timestamp(slot.expires_at);
        return Some(json!({ "url": url, "upload_url": url, "tus_url": url, "method": "PUT", "expires_at": expires_at }));
    }
    let result = task.result.as_ref()?;
    let urls = links.downloads.get(&task.spec.name).map(Vec::as_slice).unwrap_or_default();
    let mut view = Map::new();
    if let Some(first) = result.files.first() {
        view.insert("file_id".into(), first.file_id.as_str().into());
    }
    // Old clients read `url` alone: of several files it leads to an archive of all. Each has its own link in `files`.
    if let Some(url) = links.archives.get(&task.spec.name).or(urls.first()) {
        view.insert("url".into(), url.as_str().into());
    }
    let files = result.files.iter().enumerate().map(|(i, entry)| file(entry, urls.get(i))).collect();
    view.insert("files".into(), Value::Array(files));
    if let Some(at) = result.expires_at {
        view.insert("expires_at".into(), timestamp(at));
    }
    if let Some(first) = result.objects.first() {
        view.insert("bucket".into(), first.bucket.as_str().into());
        view.insert("key".into(), first.key.as_str().into());
        view.insert("objects".into(), json!(result.objects));
    }
    if let Some(metadata) = &result.metadata {
        view.insert("metadata".into(), metadata.clone());
    }
    if !result.warnings.is_empty() {
        view.insert("warnings".into(), json!(result.warnings));
    }
    Some(Value::Object(view))
}

/// A file, with its link if it has one.
pub fn file(file: &FileRef, url: Option<&String>) -> Value {
    let mut view = Map::new();
    view.insert("file_id".into(), file.file_id.as_str().into());
    view.insert("filename".into(), file.filename.as_str().into());
    view.insert("size".into(), file.size.into());
    let optional = [
        ("format", file.format.clone().map(Value::from)),
        ("sha256", file.sha256.clone().map(Value::from)),
        ("width", file.width.map(Value::from)),
        ("height", file.height.map(Value::from)),
        ("page", file.page.map(Value::from)),
        ("url", url.cloned().map(Value::from)),
    ];
    view.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Value::Object(view)
}

fn task_error(error: &TaskError) -> Value {
    let mut view = Map::new();
    view.insert("code".into(), json!(error.code));
    view.insert("message".into(), error.message.as_str().into());
    if let Some(details) = &error.details {
        view.insert("details".into(), details.clone());
    }
    Value::Object(view)
}

/// Unix milliseconds as RFC 3339 in UTC, whole seconds: `2026-04-03T10:30:00Z`.
pub fn timestamp(unix_ms: u64) -> Value {
    let seconds = i64::try_from(unix_ms / 1_000).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).ok().and_then(|at| at.format(&Rfc3339).ok()).into()
}

#[cfg(test)]
mod tests {
    use crate::catalog::Lane;
    use crate::job::JobStatus;
    use crate::task::{ErrorCode, TaskResult, TaskSpec, UploadSlot};

    use super::*;

    fn record(name: &str, operation: &str, status: TaskStatus) -> TaskRecord {
        let fields = json!({ "url": "https://secret.example/?token=MARKER", "headers": { "Authorization": "MARKER" } });
        TaskRecord {
            spec: TaskSpec {
                name: name.into(),
                operation: operation.into(),
                lane: Lane::Cpu,
                credits: 1,
                fields: fields.as_object().cloned().unwrap_or_default(),
                ..TaskSpec::default()
            },
            status,
            ..TaskRecord::default()
        }
    }

    fn file(id: &str) -> FileRef {
        FileRef {
            file_id: id.into(),
            key: "jobs/acct_MARKER/job_1/out/f.0".into(),
            filename: "a.png".into(),
            size: 9,
            format: Some("png".into()),
            sha256: None,
            crc32: None,
            width: Some(3),
            height: None,
            page: None,
            remote: None,
        }
    }

    #[test]
    fn a_job_has_the_shape_of_the_reference() {
        let mut export = record("export", "export/url", TaskStatus::Finished);
        export.result =
            Some(TaskResult { files: vec![file("file_1")], expires_at: Some(1_775_298_600_000), ..Default::default() });
        let mut failed = record("broken", "convert", TaskStatus::Error);
        failed.error = Some(TaskError::new(ErrorCode::UnsupportedFormat, "not an image"));
        let record = JobRecord {
            id: "job_1".into(),
            account: "acct_MARKER".into(),
            tag: Some("batch".into()),
            status: JobStatus::Error,
            error: failed.error.clone(),
            credits_used: 1,
            created_at: 1_775_212_200_999,
            tasks: vec![export, failed],
            version: 7,
            ..JobRecord::default()
        };
        let mut links = Links::default();
        links.downloads.insert("export".into(), vec!["https://x/dl/1".into()]);
        let view = job(&record, &links);
        assert_eq!(view["created_at"], "2026-04-03T10:30:00Z", "whole seconds, Z");
        assert_eq!(view["tasks"]["export"]["status"], "FINISHED", "{view}");
        assert_eq!(view["tasks"]["export"]["result"]["url"], "https://x/dl/1", "{view}");
        assert_eq!(view["tasks"]["export"]["result"]["file_id"], "file_1", "{view}");
        assert_eq!(
            view["tasks"]["export"]["result"]["files"],
            json!([{ "file_id": "file_1", "filename": "a.png", "size": 9, "format": "png", "width": 3, "url": "https://x/dl/1" }]),
            "{view}"
        );
        assert_eq!(
            view["tasks"]["broken"]["error"],
            json!({ "code": "UNSUPPORTED_FORMAT", "message": "not an image" }),
            "{view}"
        );
        assert_eq!(view["error"]["code"], "UNSUPPORTED_FORMAT", "{view}");
        assert_eq!((&view["tag"], &view["credits_used"]), (&json!("batch"), &json!(1)), "{view}");
        assert!(!view.to_string().contains("MARKER"), "nothing secret is repeated: {view}");
    }

    #[test]
    fn an_upload_that_is_awaited_says_where_it_goes() {
        let mut waiting = record("up", "import/upload", TaskStatus::Waiting);
        waiting.upload = Some(UploadSlot { id: "up_1".into(), expires_at: 1_775_215_800_000 });
        let mut links = Links::default();
        links.uploads.insert("up".into(), "https://x/upload/1".into());
        let view = task(&waiting, &links);
        let slot = json!({
            "url": "https://x/upload/1", "upload_url": "https://x/upload/1", "tus_url": "https://x/upload/1", "method": "PUT",
            "expires_at": "2026-04-03T11:30:00Z",
        });
        assert_eq!(view["result"], slot, "{view}");
        assert_eq!((&view["name"], &view["operation"]), (&json!("up"), &json!("import/upload")), "{view}");
    }

    #[test]
    fn several_files_have_a_link_each() {
        let mut export = record("export", "export/url", TaskStatus::Finished);
        export.result =
            Some(TaskResult { files: vec![file("file_1"), file("file_2")], expires_at: Some(1), ..Default::default() });
        let mut links = Links::default();
        links.downloads.insert("export".into(), vec!["u1".into(), "u2".into()]);
        let view = task(&export, &links);
        assert_eq!(view["result"]["url"], "u1", "the first one, where no archive is wanted");
        links.archives.insert("export".into(), "zip".into());
        let view = task(&export, &links);
        assert_eq!(view["result"]["url"], "zip", "the archive");
        assert_eq!(view["result"]["files"][1]["url"], "u2", "{view}");
    }

    #[test]
    fn progress_shows_only_while_it_runs() {
        let mut running = record("a", "convert", TaskStatus::Processing);
        running.progress = Some(0.5);
        assert_eq!(task(&running, &Links::default())["progress"], 0.5, "running");
        running.status = TaskStatus::Finished;
        assert_eq!(task(&running, &Links::default()).get("progress"), None, "ended");
    }
}
