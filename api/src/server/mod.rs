//! The accept loop: bounded connections, a clock on each, and a graceful end.

pub(crate) mod body;
mod connection;
mod peers;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::pin::pin;
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

/// Serves the API on `listener` until `shutdown` resolves. Then no connection is accepted any more, waiting requests are
/// answered at once, those in flight have [`Limits::drain`] to finish, and the function returns.
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
    let slots = Arc::new(Semaphore::new(limits.connections));
    let peers = Peers::new(limits.connections_per_ip, limits.count_loopback);
    let connections = TaskTracker::new();
    let abort = CancellationToken::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let (Ok(slot), Some(place)) = (slots.clone().try_acquire_owned(), peers.enter(peer.ip())) else {
            front.metrics().connection_refused();
            refuse(&stream);
            continue;
        };
        // Answers are written whole; waiting for more to send only delays them.
        let _ = stream.set_nodelay(true);
        let (front, limits, drain, abort) = (front.clone(), limits.clone(), drain.clone(), abort.clone());
        connections.spawn(async move {
            let open = front.metrics().connection_opened();
            tokio::select! {
                () = connection::run(stream, peer, front.clone(), limits, drain) => {}
                () = abort.cancelled() => {}
            }
            drop((open, place, slot));
        });
    }
    drop(listener);
    drain.cancel();
    connections.close();
    if tokio::time::timeout(limits.drain, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "closing connections that did not finish in time");
        abort.cancel();
        connections.wait().await;
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
