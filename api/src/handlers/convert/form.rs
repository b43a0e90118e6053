//! The body of `POST /convert`: a stream of bytes, or a form with one. Files go to storage as they arrive.

use std::error::Error;
use std::io;

use axum::body::Body;
use bytes::Bytes;
use convertfly_scheduler::storage::{PutLimit, StorageKey, Stored};
use futures_util::{Stream, StreamExt};
use multer::Multipart;

use super::options::Options;
use crate::error::{ApiError, Code};
use crate::handlers::timed_out;
use crate::state::AppState;

/// Name of the part that is the file.
const FILE: &str = "file";

/// Bytes of a field of a form, and how many there may be.
const MAX_FIELD: usize = 16 << 10;
const MAX_FIELDS: usize = 100;

/// Stores bytes as they arrive.
pub(super) async fn store<E>(
    state: &AppState,
    key: &StorageKey,
    exact: Option<u64>,
    stream: impl Stream<Item = Result<Bytes, E>> + Send + Unpin,
) -> Result<Stored, ApiError>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let chunks = stream.map(|chunk| {
        chunk.map_err(|error| {
            let error = error.into();
            let kind = if timed_out(error.as_ref()) { io::ErrorKind::TimedOut } else { io::ErrorKind::UnexpectedEof };
            io::Error::new(kind, error)
        })
    });
    let limit = PutLimit { max_bytes: state.limits().convert_body as u64, exact };
    Ok(state.storage().put_stream(key, chunks, limit).await?)
}

/// Reads a form: its file into storage, its other fields into `options`.
pub(super) async fn read(
    state: &AppState,
    body: Body,
    boundary: String,
    key: &StorageKey,
    options: &mut Options,
) -> Result<Stored, ApiError> {
    let mut form = Multipart::new(body.into_data_stream(), boundary);
    let mut stored = None;
    for _ in 0..MAX_FIELDS {
        let Some(mut field) = form.next_field().await.map_err(broken)? else {
            let reason = "must have a part `file`";
            return stored.ok_or_else(|| ApiError::field(Code::InvalidData, FILE, reason));
        };
        let name = field.name().unwrap_or_default().to_owned();
        if name == FILE {
            if stored.is_some() {
                return Err(ApiError::field(Code::InvalidData, FILE, "is given twice: send one file a request"));
            }
            options.suggest_filename(field.file_name());
            stored = Some(store(state, key, None, &mut field).await?);
            continue;
        }
        let mut value = Vec::new();
        while let Some(chunk) = field.chunk().await.map_err(broken)? {
            if value.len() + chunk.len() > MAX_FIELD {
                return Err(ApiError::field(Code::InvalidData, &short(&name), format!("must be at most {MAX_FIELD} bytes")));
            }
            value.extend_from_slice(&chunk);
        }
        let Ok(value) = String::from_utf8(value) else {
            return Err(ApiError::field(Code::InvalidData, &short(&name), "must be UTF-8 text"));
        };
        options.set(name, value)?;
    }
    Err(ApiError::field(Code::InvalidData, "body", format!("must be a form of at most {MAX_FIELDS} fields")))
}

/// A name of the customer's as messages repeat it.
pub(super) fn short(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

fn broken(error: multer::Error) -> ApiError {
    if timed_out(&error) {
        return ApiError::new(Code::RequestTimeout, "The request's body did not arrive in time: send it again");
    }
    ApiError::field(Code::InvalidData, "body", "is not a well-formed multipart/form-data form: check its boundary and its end")
}
