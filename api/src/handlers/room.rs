//! Nothing new is taken while there is hardly any room to keep it (F8).

use crate::error::{ApiError, Code};
use crate::state::AppState;

/// Seconds after which another try makes sense: files expire by the minute.
const RETRY_AFTER: u32 = 60;

/// Checks that storage has room for more.
///
/// # Errors
/// 503 while the file system behind it is nearly full. What exists already can still be read, and deleted.
pub(crate) fn check(state: &AppState) -> Result<(), ApiError> {
    if !is_low(state) {
        return Ok(());
    }
    let mut error = ApiError::new(
        Code::Unavailable,
        "The server is short of storage space and takes nothing new for now: try again later, or delete jobs that you no longer need",
    );
    error.retry_after = Some(RETRY_AFTER);
    Err(error)
}

/// Whether room is scarce. A file system that does not say how full it is must not stop the server.
pub(crate) fn is_low(state: &AppState) -> bool {
    state.storage().space().is_some_and(convertfly_scheduler::space::Space::is_low)
}
