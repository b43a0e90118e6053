//! The operations: a row each; data for the API, a function for the node.
