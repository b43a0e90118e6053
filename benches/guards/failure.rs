//! What the kernels need of the worker's `Failure`, without what that is made of.

/// Why a kernel does not do it.
#[derive(Debug)]
pub(crate) struct Failure(#[expect(dead_code, reason = "shown where a guard fails")] String);

impl Failure {
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        Self(cause.to_string())
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}
