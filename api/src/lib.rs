//! HTTP in, JSON out. No Redis command, no pixel.
