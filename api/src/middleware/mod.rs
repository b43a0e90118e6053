//! What stands between the front and a handler: the rate limit, then row by row the API key, the body's limit, the balance.

pub(crate) mod admission;
pub(crate) mod auth;
mod guard;
pub(crate) mod idempotency;
mod key_cache;

pub(crate) use key_cache::KeyCache;

pub(crate) use guard::{CREDITS_REMAINING, CREDITS_USED, Guard, Moved, guard, too_large};
