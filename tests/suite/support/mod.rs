//! What the tests share: a private Redis each, accounts and jobs to work on, processes of the real program, pictures.

pub(crate) mod accounts;
pub(crate) mod api;
pub(crate) mod bucket;
pub(crate) mod fleet;
pub(crate) mod own_redis;
pub(crate) mod papers;
pub(crate) mod pictures;
pub(crate) mod process;
pub(crate) mod random;
pub(crate) mod redis;
pub(crate) mod server;
pub(crate) mod sink;
pub(crate) mod source;
