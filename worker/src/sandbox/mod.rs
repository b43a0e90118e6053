//! Children that touch customers' bytes: supervised, confined, and replaceable.
