//! Routing over engines that do what a test tells them.
