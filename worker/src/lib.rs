//! Does the work: imports, conversions and exports, with the engines, codecs and kernels behind them.

mod breaker;
pub mod bucket;
pub mod catalog;
mod cores;
pub mod engines;
pub mod executor;
pub mod failure;
pub mod fetch;
pub mod fonts;
pub mod formats;
pub mod glance;
mod icc;
mod jail;
pub mod kernels;
pub mod node;
pub mod operations;
pub mod options;
pub mod pixels;
pub mod scratch;

pub use convertfly_sandbox as sandbox;
