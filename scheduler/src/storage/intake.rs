//! Bytes on their way into storage: cut into blocks, counted against their limits.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};

use super::{PutLimit, StorageError};

/// Cuts a stream into blocks and refuses it as soon as it breaks its limit.
pub(super) struct Intake<S> {
    stream: S,
    limit: PutLimit,
    /// The part of the last chunk that no block has taken yet.
    carry: Bytes,
    received: u64,
    ended: bool,
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Intake<S> {
    /// Starts reading; refuses at once when the announced length is over the limit.
    pub(super) fn new(stream: S, limit: PutLimit) -> Result<Self, StorageError> {
        if limit.exact.is_some_and(|exact| exact > limit.max_bytes) {
            return Err(StorageError::TooLarge { limit: limit.max_bytes });
        }
        Ok(Self { stream, limit, carry: Bytes::new(), received: 0, ended: false })
    }

    /// Bytes seen so far.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// The next block: exactly `size` bytes, or fewer at the end, or `None` after it. Holds one block and one chunk.
    pub(super) async fn block(&mut self, size: usize) -> Result<Option<Bytes>, StorageError> {
        let mut block = BytesMut::new();
        while block.len() < size && self.fill().await? {
            if block.is_empty() && self.carry.len() >= size {
                return Ok(Some(self.carry.split_to(size)));
            }
            let take = self.carry.len().min(size - block.len());
            block.extend_from_slice(&self.carry.split_to(take));
        }
        Ok((!block.is_empty()).then(|| block.freeze()))
    }

    /// Makes `carry` non-empty; false at the end of the stream, whose length has then been checked.
    async fn fill(&mut self) -> Result<bool, StorageError> {
        while self.carry.is_empty() {
            if self.ended {
                return Ok(false);
            }
            match self.stream.next().await {
                Some(Ok(chunk)) => {
                    self.received = self.received.saturating_add(chunk.len() as u64);
                    self.check_growth()?;
                    self.carry = chunk;
                }
                Some(Err(error)) => return Err(StorageError::Source(error)),
                None => {
                    self.ended = true;
                    self.check_length(|exact, received| exact != received)?;
                }
            }
        }
        Ok(true)
    }

    fn check_growth(&self) -> Result<(), StorageError> {
        if self.received > self.limit.max_bytes {
            return Err(StorageError::TooLarge { limit: self.limit.max_bytes });
        }
        self.check_length(|exact, received| received > exact)
    }

    fn check_length(&self, wrong: impl Fn(u64, u64) -> bool) -> Result<(), StorageError> {
        match self.limit.exact {
            Some(expected) if wrong(expected, self.received) => {
                Err(StorageError::LengthMismatch { expected, received: self.received })
            }
            _ => Ok(()),
        }
    }
}

/// Runs file work off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(StorageError::Unavailable("the program is stopping".to_owned())),
        },
    }
}
