//! `import/file`: a file of the account's own, taken into another job without a second upload.

use std::collections::HashMap;

use convertfly_scheduler::job::NewJob;
use convertfly_scheduler::task::FileRef;
use serde_json::{Value, json};

use crate::error::{ApiError, Code};
use crate::handlers::files::find;
use crate::state::AppState;

/// The operation that reuses a file.
const OPERATION: &str = "import/file";

/// Finds the files that the job's `import/file` tasks name, by task.
///
/// # Errors
/// `INVALID_DATA` with the place of the first one that is not there; it may be another account's, or have expired.
pub(super) async fn reused(state: &AppState, job: &NewJob) -> Result<HashMap<String, FileRef>, ApiError> {
    let mut found = HashMap::new();
    for task in job.tasks.iter().filter(|task| task.operation == OPERATION) {
        let id = task.fields.get("file_id").and_then(Value::as_str).unwrap_or_default();
        let file = match find(state, &job.account, id).await {
            Ok(found) => found.file,
            Err(error) if matches!(error.code, Code::NotFound | Code::Gone) => {
                let reason = format!("there is no such file: {}", error.message);
                return Err(ApiError::new(Code::InvalidData, format!("Invalid value for file_id: {reason}")).with_details(
                    json!({
                        "field": "file_id", "reason": reason, "task": task.name, "path": format!("/tasks/{}/file_id", task.name),
                    }),
                ));
            }
            Err(error) => return Err(error),
        };
        found.insert(task.name.clone(), file);
    }
    Ok(found)
}
