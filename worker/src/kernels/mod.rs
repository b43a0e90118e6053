//! The kernels: one file each, twin of `shaders/wgsl/<same name>.wgsl`.
