//! Signed links to files, as this server makes them.

use convertfly_scheduler::task::TaskRecord;
pub(crate) use convertfly_scheduler::view::links::{Links, archive_name, now_ms};

use crate::state::AppState;

/// Makes the links of `tasks`, which belong to `job` of `account`.
pub(crate) async fn links(state: &AppState, account: &str, job: &str, tasks: &[TaskRecord]) -> Links {
    state.linker().links(account, job, tasks).await
}
