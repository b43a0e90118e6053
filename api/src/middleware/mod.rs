//! What stands between the front and a handler, row by row: the body's limit, the API key, the balance.

pub(crate) mod auth;
mod guard;
mod key_cache;

pub(crate) use key_cache::KeyCache;

pub(crate) use guard::{CREDITS_REMAINING, CREDITS_USED, Guard, guard, too_large};
