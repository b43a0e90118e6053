//! Jobs: create, list, get, wait, follow, delete.

mod create;
mod delete;
mod events;
mod get;
mod list;
mod payloads;
mod plan;
mod reuse;
mod wait;

use convertfly_scheduler::job::JobRecord;
use convertfly_scheduler::store::StoreError;
use serde_json::Value;

use crate::error::ApiError;
use crate::links::links;
use crate::state::AppState;
use crate::view;

pub(crate) use create::{create, insert_location, seal, submit, wait_for};
pub(crate) use delete::delete;
pub(crate) use events::events;
pub(crate) use get::get;
pub(crate) use list::list;
pub(crate) use wait::wait;

/// A job with its links.
pub(crate) async fn show(state: &AppState, record: &JobRecord) -> Value {
    view::job(record, &links(state, &record.account, &record.id, &record.tasks).await)
}

fn about_job(error: StoreError) -> ApiError {
    ApiError::from(error).about("job")
}
