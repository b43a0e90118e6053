//! A private `redis-server` child.
