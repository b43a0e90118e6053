//! The task's files as FFmpeg sees them: descriptors that were handed in, read and written through callbacks.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use convertfly_sandbox::Cancel;

/// A file with a position of its own: the descriptor may be shared with other readers, and with the node.
pub(crate) struct Positioned {
    file: File,
    position: u64,
    cancel: Cancel,
}

impl Positioned {
    /// The file from its beginning.
    pub(crate) fn new(file: &File, cancel: &Cancel) -> io::Result<Self> {
        Ok(Self { file: file.try_clone()?, position: 0, cancel: cancel.clone() })
    }

    /// FFmpeg looks for the next packet for as long as there are bytes, so this is where cancelled work stops.
    fn check(&self) -> io::Result<()> {
        if self.cancel.is_cancelled() { Err(io::Error::other("cancelled")) } else { Ok(()) }
    }
}

impl Read for Positioned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Write for Positioned {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        let written = self.file.write_at(bytes, self.position)?;
        self.position += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Positioned {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.file.metadata()?.len().checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_readers_of_a_descriptor_do_not_disturb_each_other() {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(b"abcdef").expect("written");
        let cancel = Cancel::new();
        let mut first = Positioned::new(&file, &cancel).expect("cloned");
        let mut second = Positioned::new(&file, &cancel).expect("cloned");
        let mut two = [0; 2];
        first.read_exact(&mut two).expect("read");
        second.seek(SeekFrom::End(-1)).expect("a place in the file");
        first.read_exact(&mut two).expect("read");
        assert_eq!(&two, b"cd", "the other one's seek changes nothing");
        assert!(second.seek(SeekFrom::Current(-9)).is_err(), "before the start is nowhere");
        cancel.cancel();
        assert!(first.read(&mut two).is_err(), "nothing is read for work that is not wanted");
    }
}
