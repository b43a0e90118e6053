//! The pipeline over all pairs of formats.
