//! A file of which only parts are there: the child asks for what it is about to read, over a socket that it was given with the file, and the
//! node says what is there by then. What is there stays there, so that an answer holds for whoever reads it, and for all time.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Bytes of a question and of an answer: the first byte, and the one past the last, in little endian.
pub const PACKET: usize = 16;

/// A question or an answer as it is sent.
pub fn encode(range: &Range<u64>) -> [u8; PACKET] {
    let mut bytes = [0; PACKET];
    let (first, end) = bytes.split_at_mut(PACKET / 2);
    first.copy_from_slice(&range.start.to_le_bytes());
    end.copy_from_slice(&range.end.to_le_bytes());
    bytes
}

/// A question or an answer as it was sent.
pub fn decode(bytes: [u8; PACKET]) -> Range<u64> {
    let (first, end) = bytes.split_at(PACKET / 2);
    let number = |half: &[u8]| u64::from_le_bytes(half.try_into().unwrap_or_default());
    number(first)..number(end)
}

/// Parts of a file that are there, apart from each other and in order.
#[derive(Debug, Default)]
pub struct Ranges(Vec<Range<u64>>);

impl Ranges {
    /// Adds one; neighbours become one.
    pub fn add(&mut self, mut new: Range<u64>) {
        if new.is_empty() {
            return;
        }
        self.0.retain(|old| {
            let apart = old.end < new.start || new.end < old.start;
            if !apart {
                new = old.start.min(new.start)..old.end.max(new.end);
            }
            apart
        });
        let place = self.0.partition_point(|old| old.start < new.start);
        self.0.insert(place, new);
    }

    /// Where the part ends that holds the byte; `None` if it is not there.
    pub fn end_of(&self, at: u64) -> Option<u64> {
        self.0.iter().find(|range| range.contains(&at)).map(|range| range.end)
    }

    /// The first byte behind `at` that is there.
    pub fn next_after(&self, at: u64) -> Option<u64> {
        self.0.iter().map(|range| range.start).find(|start| *start > at)
    }
}

/// The child's side.
#[derive(Debug)]
pub struct Awaited {
    /// The socket, and what it has told.
    state: Mutex<(File, Ranges)>,
}

impl Awaited {
    /// Over that socket.
    pub fn new(socket: File) -> Self {
        Self { state: Mutex::new((socket, Ranges::default())) }
    }

    /// Waits until the byte is there and tells how many are from there on, `length` at most.
    ///
    /// # Errors
    /// When the node will not get it.
    pub fn wait_for(&self, at: u64, length: u64) -> io::Result<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (socket, there) = &mut *state;
        let end = at.checked_add(length).ok_or(io::ErrorKind::InvalidInput)?;
        // An answer to a process that has died meanwhile may come first; it is as true.
        for _ in 0..4 {
            if let Some(known) = there.end_of(at) {
                return Ok(known.min(end) - at);
            }
            socket.write_all(&encode(&(at..end)))?;
            let mut answer = [0; PACKET];
            socket.read_exact(&mut answer)?;
            there.add(decode(answer));
        }
        Err(io::Error::other("a part of the file did not come"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn neighbours_become_one() {
        let mut ranges = Ranges::default();
        for range in [10..20, 40..50, 0..5, 20..30, 45..60, 7..7] {
            ranges.add(range);
        }
        assert_eq!(ranges.0, [0..5, 10..30, 40..60], "apart, in order");
        assert_eq!((ranges.end_of(10), ranges.end_of(29), ranges.end_of(30)), (Some(30), Some(30), None), "ends are not in it");
        assert_eq!((ranges.next_after(5), ranges.next_after(60)), (Some(10), None), "what comes next");
    }

    #[test]
    fn what_is_there_is_not_asked_for_again() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let node = std::thread::spawn(move || {
            let mut theirs = theirs;
            let mut asked = Vec::new();
            let mut question = [0; PACKET];
            while theirs.read_exact(&mut question).is_ok() {
                let range = decode(question);
                // First what somebody else was told, then what was asked for.
                let answer = if asked.is_empty() { 900..950 } else { range.start..range.start + 100 };
                asked.push(range);
                if asked.len() == 4 {
                    break;
                }
                theirs.write_all(&encode(&answer)).expect("sent");
            }
            asked
        });
        let awaited = Awaited::new(File::from(OwnedFd::from(ours)));
        assert_eq!(awaited.wait_for(50, 10).expect("there"), 10, "no more than asked for");
        assert_eq!(awaited.wait_for(140, 60).expect("there"), 10, "up to where it ends");
        assert_eq!(awaited.wait_for(910, 10).expect("there"), 10, "told by the way");
        assert_eq!(awaited.wait_for(150, 5).expect("there"), 5, "asked for anew");
        assert!(awaited.wait_for(500, 5).is_err(), "the node has closed its end");
        assert_eq!(
            node.join().expect("ended"),
            [50..60, 50..60, 150..155, 500..505],
            "and nothing twice but for the strange answer"
        );
    }
}
