//! One file per subcommand.

pub(crate) mod admin;
pub(crate) mod bench;
pub(crate) mod convert;
pub(crate) mod executor;
pub(crate) mod formats;
pub(crate) mod roles;
