//! Signed links to files, as this server makes them.

use convertfly_scheduler::task::{FileRef, TaskRecord};
pub(crate) use convertfly_scheduler::view::links::{Links, archive_name, now_ms};

use crate::state::AppState;

/// Makes the links of `tasks`, which belong to `job` of `account`.
pub(crate) async fn links(state: &AppState, account: &str, job: &str, tasks: &[TaskRecord]) -> Links {
    state.linker().links(account, job, tasks).await
}

/// The media type of a file.
pub(crate) fn media_type(state: &AppState, file: &FileRef) -> String {
    let format = file.format.as_deref().and_then(|format| state.catalog().format(format));
    format.map_or("application/octet-stream", |format| format.mime.as_str()).to_owned()
}
