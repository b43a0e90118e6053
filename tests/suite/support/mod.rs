//! What the tests share: a private Redis each, accounts and jobs to work on.

pub(crate) mod redis;
