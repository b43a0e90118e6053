//! The HTTP front of ConvertFly: HTTP in, JSON out. No Redis command, no pixel.
//!
//! [`serve`] runs the accept loop on a listener with an [`AppState`]; [`keys`] makes and recognises API keys.

mod error;
mod fail_point;
mod front;
#[cfg(test)]
mod fuzz;
mod handlers;
pub mod keys;
mod limits;
mod links;
mod metrics;
mod middleware;
mod openapi;
mod policy;
mod prefer;
mod range;
mod router;
mod server;
mod state;
mod validate;
mod waits;
mod zip;

pub(crate) use convertfly_scheduler::view;
pub use limits::Limits;
pub use policy::Policy;
pub use server::serve;
pub use state::{AppState, Parts};
