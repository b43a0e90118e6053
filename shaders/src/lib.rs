//! The compute shaders, preprocessed and checked at build time.
