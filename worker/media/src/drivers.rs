//! The drivers of devices, which stay loaded.
//!
//! FFmpeg loads a driver when an encoder is opened and unloads it when the encoder is closed. A child that is confined can open no library:
//! its second encoder would not find what its first one used. So each driver that was used before the confinement is kept for good.

use std::collections::BTreeSet;
use std::ffi::CString;

/// Keeps every library that is loaded now.
pub(crate) fn keep() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for path in libraries(&maps) {
        let Ok(path) = CString::new(path) else { continue };
        // SAFETY: the string ends with a NUL. RTLD_NOLOAD runs no code of the library, it only finds one that is there; what is not a library
        // or is gone by now gives NULL, and nothing is done with a handle.
        unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE) };
    }
}

/// The shared libraries among the files that are mapped.
fn libraries(maps: &str) -> BTreeSet<&str> {
    let paths = maps.lines().filter_map(|line| line.find('/').and_then(|at| line.get(at..)));
    paths.filter(|path| path.contains(".so") && !path.ends_with(" (deleted)")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_told_from_other_files() {
        let maps = "7f00-7f01 r-xp 00000000 08:01 12   /usr/lib/libcuda.so.1\n\
                    7f02-7f03 r--p 00001000 08:01 12   /usr/lib/libcuda.so.1\n\
                    7f04-7f05 r--p 00000000 08:01 13   /usr/bin/convertfly-media\n\
                    7f06-7f07 r--p 00000000 08:01 14   /tmp/old.so (deleted)\n\
                    7f08-7f09 rw-p 00000000 00:00 0    [heap]\n";
        assert_eq!(libraries(maps).into_iter().collect::<Vec<_>>(), ["/usr/lib/libcuda.so.1"], "once");
    }
}
