//! Leases, runs and reports tasks.
