//! A whole file in one request.

use std::error::Error;
use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use convertfly_scheduler::ids::{file_id, random_base62};
use convertfly_scheduler::storage::names::sanitise_filename;
use convertfly_scheduler::storage::{PutLimit, StorageError};
use convertfly_scheduler::store::StoreError;
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::checks::{Check, Mismatch, checked};
use super::{Slot, arrived};
use crate::error::{ApiError, Code};
use crate::handlers::{Names, announced, data, room, timed_out};
use crate::middleware::too_large;
use crate::state::AppState;

/// `PUT /storage/upload/:token`.
pub(crate) async fn upload(
    State(state): State<AppState>,
    Names(token): Names<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let place = Slot::open(&state, &token)?;
    let (max_bytes, exact) = (place.max_bytes, announced(&headers));
    if exact.is_some_and(|bytes| bytes > max_bytes) {
        return Err(too_large(max_bytes));
    }
    let checks = Check::of_put(&headers)?;
    room::check(&state)?;
    let Slot { account, job, slot, grant, .. } = &place;
    state.store().upload_open(account, job, slot).await.map_err(about_upload)?;
    let key = place.key(&random_base62(11));
    let stored = match state.storage().put_stream(&key, checked(incoming(body), checks), PutLimit { max_bytes, exact }).await {
        Ok(stored) => stored,
        Err(error) => {
            // A job that is deleted meanwhile takes its folder with it: that is no fault of ours.
            state.store().upload_open(account, job, slot).await.map_err(about_upload)?;
            return Err(unstored(error));
        }
    };
    let filename = sanitise_filename(grant.filename.as_deref().unwrap_or_default());
    let file = arrived(file_id(job), &key, filename, stored);
    if let Err(error) = state.store().upload_arrived(account, job, slot, &file).await {
        // When the store did not answer it may have taken the file, so the bytes stay until the job goes.
        if !matches!(error, StoreError::Unavailable(_))
            && let Err(error) = state.storage().delete(&key).await
        {
            tracing::error!(%key, %error, "an upload that came too late could not be removed");
        }
        return Err(about_upload(error));
    }
    let view = json!({ "file_id": file.file_id, "filename": file.filename, "size": file.size, "sha256": file.sha256 });
    Ok(data(StatusCode::OK, view))
}

/// A request's body as storage takes it.
pub(super) fn incoming(body: Body) -> impl Stream<Item = io::Result<bytes::Bytes>> + Unpin + Send {
    body.into_data_stream().map(|chunk| {
        chunk.map_err(|error| {
            let kind = if timed_out(&error) { io::ErrorKind::TimedOut } else { io::ErrorKind::UnexpectedEof };
            io::Error::new(kind, error)
        })
    })
}

pub(super) fn about_upload(error: StoreError) -> ApiError {
    ApiError::from(error).about("upload")
}

/// A put that failed: bytes other than announced are the client's to send again.
fn unstored(error: StorageError) -> ApiError {
    if let StorageError::Source(cause) = &error
        && let Some(Mismatch(field)) = cause.get_ref().and_then(|inner| (inner as &(dyn Error + 'static)).downcast_ref())
    {
        return ApiError::field(Code::InvalidData, field, "does not match the bytes that arrived: send the file again");
    }
    error.into()
}
