//! The image engine: decode once, run one recording of kernels, encode once.
