//! A task's directory, with a quota.
