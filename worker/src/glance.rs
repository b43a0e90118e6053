//! A look into a file that stays at its source: a sparse file on this machine, into which parts are fetched as they are asked for. Bounded in
//! requests, bytes and time; beyond that, or when the source changes, it gives up, and whoever looks needs the whole file.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use convertfly_sandbox::parts::{PACKET, Ranges, decode, encode};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Mutex;

use crate::failure::Failure;
use crate::formats::Cancel;

/// Bytes of a first part; where reading goes on behind it, each is twice as large as the one before, up to `MOST_AT_ONCE`.
const FIRST: u64 = 256 << 10;
const MOST_AT_ONCE: u64 = 4 << 20;

/// Files up to this size are fetched as a whole: that takes no longer than the connections for some parts.
pub(crate) const SMALL: u64 = 4 << 20;

/// What may be spent before all of the file is the better choice.
const MOST_REQUESTS: u32 = 64;
const MOST_WAITING: Duration = Duration::from_secs(60);
/// Bytes; of a large file a quarter.
const MOST_BYTES: u64 = 32 << 20;

/// Where the parts come from.
pub trait Source: Send + Sync {
    /// Bytes of the whole.
    fn size(&self) -> u64;

    /// At most `length` bytes from `first` on, at least one. Fails where they cannot be had, and where the file is another one by now.
    fn read(&self, first: u64, length: u64) -> BoxFuture<'_, Result<Bytes, Failure>>;
}

/// See the module.
pub struct Glance {
    source: Box<dyn Source>,
    file: Arc<File>,
    state: Mutex<State>,
    over: AtomicBool,
}

#[derive(Default)]
struct State {
    there: Ranges,
    requests: u32,
    bytes: u64,
    waited: Duration,
    /// Where the last part ended, and its size.
    last: (u64, u64),
}

impl Glance {
    /// A sparse file at `path`, of which the beginning is there.
    ///
    /// # Errors
    /// As [`Source::read`]; [`Failure::Internal`] if the file cannot be made.
    pub async fn open(source: Box<dyn Source>, path: &Path) -> Result<Self, Failure> {
        let file = File::options().read(true).write(true).create_new(true).open(path).map_err(Failure::internal)?;
        file.set_len(source.size()).map_err(Failure::internal)?;
        let glance = Self { source, file: Arc::new(file), state: Mutex::default(), over: AtomicBool::new(false) };
        glance.need(0).await?;
        Ok(glance)
    }

    /// Whether what was read is of no use: not all of it could be had.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Nothing more is fetched, and what was made of it does not count.
    pub fn give_up(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// How much of the file was read.
    pub async fn explain(&self) -> Value {
        let state = self.state.lock().await;
        json!({ "bytes": state.bytes, "of": self.source.size(), "requests": state.requests })
    }

    /// Both ends of a socket on which a child asks for parts: ours, and the child's.
    ///
    /// # Errors
    /// [`Failure::Internal`].
    pub(crate) fn socket() -> Result<(tokio::net::UnixStream, OwnedFd), Failure> {
        let (ours, theirs) = UnixStream::pair().map_err(Failure::internal)?;
        ours.set_nonblocking(true).map_err(Failure::internal)?;
        Ok((tokio::net::UnixStream::from_std(ours).map_err(Failure::internal)?, theirs.into()))
    }

    /// Answers until the other end is closed, or until it gives up, which closes this one.
    pub(crate) async fn serve(&self, mut socket: tokio::net::UnixStream, cancel: &Cancel) {
        let answer = async {
            let mut question = [0; PACKET];
            while socket.read_exact(&mut question).await.is_ok() {
                let at = decode(question).start;
                let end = match self.need(at).await {
                    Ok(end) => end,
                    Err(failure) => {
                        tracing::debug!(%failure, "a file has to be fetched as a whole");
                        self.give_up();
                        return;
                    }
                };
                if socket.write_all(&encode(&(at..end))).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = answer => {}
            () = cancel.cancelled() => {}
        }
    }

    /// Sees to it that the byte is there, and tells where what is there ends.
    async fn need(&self, at: u64) -> Result<u64, Failure> {
        let mut state = self.state.lock().await;
        if let Some(end) = state.there.end_of(at) {
            return Ok(end);
        }
        let size = self.source.size();
        if at >= size {
            return Err(Failure::internal(format!("byte {at} of a file of {size} was asked for")));
        }
        let (behind, length) = state.last;
        let goes_on = behind == at && length > 0;
        let wanted = if goes_on { (length * 2).min(MOST_AT_ONCE) } else { FIRST };
        let end = state.there.next_after(at).unwrap_or(size).min(at + wanted);
        let most = MOST_BYTES.max(size / 4);
        if self.is_over() || state.requests >= MOST_REQUESTS || state.waited > MOST_WAITING || state.bytes + (end - at) > most {
            return Err(Failure::internal("too many parts of a remote file"));
        }
        state.requests += 1;
        let start = Instant::now();
        let bytes = self.source.read(at, end - at).await;
        state.waited += start.elapsed();
        let bytes = bytes?;
        let end = at + bytes.len() as u64;
        let file = Arc::clone(&self.file);
        state.bytes += end - at;
        let written = tokio::task::spawn_blocking(move || file.write_all_at(&bytes, at)).await;
        written.map_err(Failure::internal)?.map_err(Failure::internal)?;
        state.there.add(at..end);
        state.last = (end, wanted);
        state.there.end_of(at).ok_or_else(|| Failure::internal("a part that was fetched is not there"))
    }
}
