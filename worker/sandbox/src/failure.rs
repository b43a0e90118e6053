//! How work fails, and what of it the customer is told.

use serde::{Deserialize, Serialize};

/// Why a piece of work did not succeed. Crosses the executor's process boundary as JSON.
///
/// Messages of the first five variants are shown to the customer: they name the fault of the file or the field and never
/// contain addresses, paths or keys of ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Failure {
    /// The file or an option is at fault.
    #[error("{message}")]
    Invalid {
        /// What is wrong, for the customer.
        message: String,
        /// The option at fault, if one is.
        #[serde(default)]
        field: Option<String>,
    },
    /// This engine cannot do it; another one may.
    #[error("{message}")]
    Unsupported {
        /// What is not supported, for the customer.
        message: String,
    },
    /// The file exceeds a limit (bytes, pixels, side, frames, metadata).
    #[error("{message}")]
    TooLarge {
        /// Which limit and by how much, for the customer.
        message: String,
    },
    /// The customer's source could not be read.
    #[error("{message}")]
    Unreachable {
        /// What happened, for the customer.
        message: String,
        /// Whether another try may help (a 503, a reset) or not (a 404, a refused address).
        retry: bool,
    },
    /// A result could not be delivered to the customer's bucket, after all tries.
    #[error("{message}")]
    Undelivered {
        /// What happened, for the customer.
        message: String,
    },
    /// The process that did the work died of this input, alone.
    #[error("the engine crashed: {cause}")]
    Crashed {
        /// For the log: signal or exit code.
        cause: String,
    },
    /// The deadline passed.
    #[error("the time limit passed")]
    TimedOut,
    /// The job was cancelled or the lease was lost.
    #[error("cancelled")]
    Cancelled,
    /// A fault of ours; the task may be run again.
    #[error("internal: {cause}")]
    Internal {
        /// For the log only.
        cause: String,
    },
}

impl Failure {
    /// A fault of the file.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into(), field: None }
    }

    /// A fault of an option.
    pub fn invalid_field(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into(), field: Some(field.to_owned()) }
    }

    /// Something that this engine cannot do.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::Unsupported { message: message.into() }
    }

    /// A limit exceeded.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::TooLarge { message: message.into() }
    }

    /// A fault of ours, with the cause for the log.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::Internal { cause: cause.to_string() }
    }

    /// The same fault of a file, with what else is known about the file.
    pub fn explained(self, more: Option<&str>) -> Self {
        let join = |message: String| more.map_or_else(|| message.clone(), |more| format!("{message}. {more}"));
        match self {
            Self::Invalid { message, field } => Self::Invalid { message: join(message), field },
            Self::Unsupported { message } => Self::Unsupported { message: join(message) },
            other => other,
        }
    }

    /// Whether the same task may succeed when it is run again.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Internal { .. } | Self::Unreachable { retry: true, .. })
    }
}
