//! Whether a file that a child was given to write is out of its reach.

use std::fs::File;
use std::os::fd::AsRawFd;

/// Whether nobody has that file open for writing or mapped for it: what it holds stays as it is, since a child can open nothing. `file` has to be open
/// for reading only. False also where the file system does not tell.
///
/// The kernel grants a read lease only on such a file (fcntl(2), `F_SETLEASE`). It is given back at once.
pub fn is_settled(file: &File) -> bool {
    // SAFETY: the call takes numbers alone, and the descriptor is open for as long as `file` is borrowed.
    let lease = |kind: libc::c_int| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) } == 0;
    lease(libc::F_RDLCK) && lease(libc::F_UNLCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_a_writer_is_not_settled() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let writer = File::create(&path).expect("a file");
        let reader = File::open(&path).expect("the file");
        assert!(!is_settled(&reader), "it is open for writing");
        let copy = writer.try_clone().expect("another descriptor of it");
        drop(writer);
        assert!(!is_settled(&reader), "still");
        drop(copy);
        assert!(is_settled(&reader), "now it is not");
        let file = File::options().read(true).write(true).open(&path).expect("the file");
        file.set_len(1).expect("a byte");
        // SAFETY: nobody makes the file shorter while it is mapped.
        let map = unsafe { memmap2::MmapMut::map_mut(&file) }.expect("mapped");
        drop(file);
        assert!(!is_settled(&reader), "mapped for writing");
        drop(map);
        assert!(is_settled(&reader), "and no more");
        assert!(is_settled(&reader) && File::options().write(true).open(&path).is_ok(), "the lease was given back");
    }
}
