//! What of a failure the customer is told.

pub use convertfly_sandbox::Failure;
use convertfly_scheduler::task::{ErrorCode, TaskError};

/// What the customer is told of it.
pub fn task_error(failure: &Failure) -> TaskError {
    match failure {
        Failure::Invalid { message, field } => TaskError {
            code: ErrorCode::InvalidData,
            message: message.clone(),
            details: field.as_ref().map(|field| serde_json::json!({ "field": field, "reason": message })),
        },
        Failure::Unsupported { message } => TaskError::new(ErrorCode::UnsupportedFormat, message),
        Failure::TooLarge { message } => TaskError::new(ErrorCode::PayloadTooLarge, message),
        Failure::Unreachable { message, .. } => TaskError::new(ErrorCode::ImportFailed, message),
        Failure::Undelivered { message } => TaskError::new(ErrorCode::ExportFailed, message),
        Failure::Crashed { .. } => TaskError::new(
            ErrorCode::InvalidData,
            "The file could not be processed: the decoder gave up on it. Check that it opens elsewhere, and save it again",
        ),
        Failure::TimedOut => {
            TaskError::new(ErrorCode::Timeout, "The task took longer than its time limit. Try a smaller file or smaller output")
        }
        Failure::Cancelled => TaskError::new(ErrorCode::Cancelled, "The task was cancelled"),
        Failure::Internal { .. } => {
            TaskError::new(ErrorCode::ServerError, "An internal error occurred; no credits were charged. Retry the task")
        }
    }
}
