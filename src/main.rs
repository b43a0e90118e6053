//! Subcommands only.
fn main() {}
