//! What the document says of each route, a file per kind of resource. A handler may as well keep its [`super::Doc`] itself.

pub(crate) mod account;
pub(crate) mod api_keys;
pub(crate) mod catalogue;
pub(crate) mod files;
pub(crate) mod jobs;
pub(crate) mod service;
pub(crate) mod storage;
pub(crate) mod tasks;
pub(crate) mod webhooks;
