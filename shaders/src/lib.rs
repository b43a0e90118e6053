//! The compute shaders, preprocessed and checked at build time.
//!
//! Each is the twin of the kernel of the same name in the worker's `kernels` folder, which states how far the two may differ.

/// A compute shader whose entry point is `main`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shader {
    /// Name of the file without its extension.
    pub name: &'static str,
    /// WGSL with imports in place.
    pub source: &'static str,
    /// Invocations of a workgroup in each dimension.
    pub workgroup_size: [u32; 3],
}

/// Every shader, sorted by name.
pub static SHADERS: &[Shader] = include!(concat!(env!("OUT_DIR"), "/shaders.rs"));

/// The shader of that name.
pub fn by_name(name: &str) -> Option<&'static Shader> {
    SHADERS.iter().find(|shader| shader.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shaders_are_sorted_found_by_name_and_free_of_directives() {
        assert!(SHADERS.is_sorted_by_key(|shader| shader.name), "sorted by name");
        for shader in SHADERS {
            assert_eq!(by_name(shader.name), Some(shader), "{} is found by its name", shader.name);
            assert!(!shader.source.contains("#import"), "{} has its imports in place", shader.name);
        }
        assert_eq!(by_name("no such shader"), None, "an unknown name finds nothing");
    }
}
