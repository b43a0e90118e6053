//! The task's files as FFmpeg sees them: descriptors that were handed in, read and written through callbacks.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

use convertfly_sandbox::Cancel;
use convertfly_sandbox::parts::Awaited;

/// A file of which parts have to be asked for.
struct Asked {
    /// Its device and inode: descriptors of it are many.
    place: (u64, u64),
    awaited: Arc<Awaited>,
}

thread_local! {
    /// That of the task in hand.
    static ASKED: RefCell<Option<Asked>> = const { RefCell::new(None) };
}

fn place(file: &File) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

/// For as long as it lives, whoever reads that file on this thread asks for its parts.
pub(crate) struct Partial(());

impl Partial {
    /// Over that socket.
    pub(crate) fn begin(file: &File, socket: File) -> io::Result<Self> {
        ASKED.set(Some(Asked { place: place(file)?, awaited: Arc::new(Awaited::new(socket)) }));
        Ok(Self(()))
    }

    /// How parts of that file are asked for, where it is not all there.
    fn of(file: &File) -> io::Result<Option<Arc<Awaited>>> {
        let place = place(file)?;
        Ok(ASKED.with_borrow(|asked| asked.as_ref().filter(|asked| asked.place == place).map(|asked| Arc::clone(&asked.awaited))))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        ASKED.take();
    }
}

/// A file with a position of its own: the descriptor may be shared with other readers, and with the node.
pub(crate) struct Positioned {
    file: File,
    position: u64,
    cancel: Cancel,
    awaited: Option<Arc<Awaited>>,
}

impl Positioned {
    /// The file from its beginning.
    pub(crate) fn new(file: &File, cancel: &Cancel) -> io::Result<Self> {
        Ok(Self { file: file.try_clone()?, position: 0, cancel: cancel.clone(), awaited: Partial::of(file)? })
    }

    /// FFmpeg looks for the next packet for as long as there are bytes, so this is where cancelled work stops.
    fn check(&self) -> io::Result<()> {
        if self.cancel.is_cancelled() { Err(io::Error::other("cancelled")) } else { Ok(()) }
    }
}

impl Read for Positioned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        let mut room = buffer;
        if let Some(awaited) = &self.awaited {
            let left = self.file.metadata()?.len().saturating_sub(self.position);
            let wanted = left.min(room.len() as u64);
            let there = if wanted == 0 { 0 } else { awaited.wait_for(self.position, wanted)? };
            let (part, _) = room.split_at_mut(usize::try_from(there).unwrap_or(0).min(room.len()));
            room = part;
        }
        let read = self.file.read_at(room, self.position)?;
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
    fn parts_that_are_not_there_are_asked_for() {
        use std::os::fd::OwnedFd;
        use std::os::unix::net::UnixStream;

        let file = tempfile::tempfile().expect("a temporary file");
        file.set_len(1 << 20).expect("sparse");
        let other = tempfile::tempfile().expect("a temporary file");
        other.write_all_at(b"whole", 0).expect("written");
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let filled = file.try_clone().expect("a second handle");
        let node = std::thread::spawn(move || {
            let mut question = [0; convertfly_sandbox::parts::PACKET];
            theirs.read_exact(&mut question).expect("a question");
            let at = convertfly_sandbox::parts::decode(question).start;
            filled.write_all_at(b"part", at).expect("fetched");
            theirs.write_all(&convertfly_sandbox::parts::encode(&(at..at + 4))).expect("answered");
        });
        let partial = Partial::begin(&file, File::from(OwnedFd::from(ours))).expect("a socket");
        let cancel = Cancel::new();
        let mut reader = Positioned::new(&file, &cancel).expect("cloned");
        reader.seek(SeekFrom::End(-100)).expect("a place in the file");
        let mut buffer = [0; 32];
        assert_eq!(reader.read(&mut buffer).expect("read"), 4, "as much as has come");
        assert_eq!(&buffer[..4], b"part", "what was fetched, and no hole");
        node.join().expect("answered");
        assert!(reader.read(&mut buffer).is_err(), "no hole either where the node gets no more");
        reader.seek(SeekFrom::End(0)).expect("the end");
        assert_eq!(reader.read(&mut buffer).expect("read"), 0, "nothing is asked for behind the end");
        let mut reader = Positioned::new(&other, &cancel).expect("cloned");
        assert_eq!(reader.read(&mut buffer).expect("read"), 5, "other files are there");
        drop(partial);
        let mut reader = Positioned::new(&file, &cancel).expect("cloned");
        assert_eq!(reader.read(&mut buffer).expect("read"), 32, "the next task has nothing to do with it");
    }

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
