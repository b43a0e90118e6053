//! The accept loop: bounded connections, a clock on each, and a graceful end.

pub(crate) mod body;
mod connection;
mod peers;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::front::Front;
use crate::limits::Limits;
use crate::state::AppState;
use peers::Peers;

/// What a connection over the limit gets to read.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n\
    Connection: close\r\nContent-Length: 78\r\n\r\n\
    {\"code\":\"UNAVAILABLE\",\"message\":\"Too many connections: try again in a moment\"}";

/// Serves the API on `listener` until `shutdown` resolves. Then waiting requests are answered at once, those in flight have
/// [`Limits::drain`] to finish, and what connects within [`Limits::linger`] or has been accepted by the kernel is still
/// answered once; then the function returns.
pub async fn serve(listener: TcpListener, state: AppState, shutdown: impl Future<Output = ()>) {
    let (limits, drain) = (Arc::new(state.limits().clone()), state.drain().clone());
    let front = Front::of(&state);
    run(listener, Arc::new(front), limits, drain, shutdown).await;
}

/// The loop itself; `drain` is cancelled when it ends.
async fn run(
    listener: TcpListener,
    front: Arc<Front>,
    limits: Arc<Limits>,
    drain: CancellationToken,
    shutdown: impl Future<Output = ()>,
) {
    let door = Door::new(front, limits.clone(), drain.clone());
    tokio::select! {
        biased;
        () = shutdown => {}
        never = door.keep_open(&listener) => match never {},
    }
    drain.cancel();
    // Who has just been told of this server, by a balancer or a name server, still comes for a moment.
    let _ = tokio::time::timeout(limits.linger, door.keep_open(&listener)).await;
    door.empty(listener);
    door.connections.close();
    if tokio::time::timeout(limits.drain, door.connections.wait()).await.is_err() {
        tracing::warn!(open = door.connections.len(), "closing connections that did not finish in time");
        door.abort.cancel();
        door.connections.wait().await;
    }
}

/// Lets connections in.
struct Door {
    front: Arc<Front>,
    limits: Arc<Limits>,
    drain: CancellationToken,
    slots: Arc<Semaphore>,
    peers: Peers,
    connections: TaskTracker,
    abort: CancellationToken,
}

impl Door {
    fn new(front: Arc<Front>, limits: Arc<Limits>, drain: CancellationToken) -> Self {
        let slots = Arc::new(Semaphore::new(limits.connections));
        let peers = Peers::new(limits.connections_per_ip, limits.count_loopback);
        Self { front, limits, drain, slots, peers, connections: TaskTracker::new(), abort: CancellationToken::new() }
    }

    async fn keep_open(&self, listener: &TcpListener) -> Infallible {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.let_in(stream, peer),
                Err(error) => pause_after(&error).await,
            }
        }
    }

    /// Takes what the kernel has accepted already, and closes the listener: a client whose connection stands gets its answer.
    fn empty(&self, listener: TcpListener) {
        // Asked directly: the runtime would only know of those that it has been told of.
        let listener = match listener.into_std() {
            Ok(listener) => listener,
            Err(error) => return tracing::warn!(%error, "the listener is closed without a last look"),
        };
        while let Ok((stream, peer)) = listener.accept() {
            match stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
                Ok(stream) => self.let_in(stream, peer),
                Err(error) => tracing::warn!(%error, "a connection is lost"),
            }
        }
    }

    fn let_in(&self, stream: TcpStream, peer: SocketAddr) {
        let (Ok(slot), Some(place)) = (self.slots.clone().try_acquire_owned(), self.peers.enter(peer.ip())) else {
            self.front.metrics().connection_refused();
            refuse(&stream);
            return;
        };
        // Answers are written whole; waiting for more to send only delays them.
        let _ = stream.set_nodelay(true);
        let (front, limits) = (self.front.clone(), self.limits.clone());
        let (drain, abort) = (self.drain.clone(), self.abort.clone());
        self.connections.spawn(async move {
            let open = front.metrics().connection_opened();
            tokio::select! {
                () = connection::run(stream, peer, front.clone(), limits, drain) => {}
                () = abort.cancelled() => {}
            }
            drop((open, place, slot));
        });
    }
}

/// Tells a client that there is no room, as far as that is possible without waiting for it.
fn refuse(stream: &TcpStream) {
    let _ = stream.try_write(FULL);
}

/// A connection that broke before it was accepted is its own affair; a lack of descriptors or memory needs a pause.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "cannot accept connections: raise the limit of open files (ulimit -n)");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
