//! One connection: what it is doing, since when, and when that has taken too long.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::body::TimedBody;
use crate::front::Front;
use crate::limits::Limits;

/// What a connection is doing.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Connected; no byte yet.
    Fresh(Instant),
    /// Some bytes of a request's head have arrived.
    Head(Instant),
    /// A request is being answered; its body has a clock of its own.
    Busy,
    /// Answered; the next request may come.
    Idle(Instant),
}

/// What socket, service and clock of a connection share.
#[derive(Clone)]
struct Watch(Arc<Mutex<State>>);

struct State {
    phase: Phase,
    /// Since when the client has not taken our bytes.
    blocked: Option<Instant>,
    /// Whether arriving bytes may belong to the body of a request that has been answered already.
    reading_body: bool,
}

impl Watch {
    fn new() -> Self {
        let phase = Phase::Fresh(Instant::now());
        Self(Arc::new(Mutex::new(State { phase, blocked: None, reading_body: false })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the current state has lasted too long.
    fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let state = self.state();
        let phase = match state.phase {
            Phase::Fresh(since) | Phase::Head(since) => Some(since + limits.header_timeout),
            Phase::Busy => None,
            Phase::Idle(since) => Some(since + limits.idle_timeout),
        };
        let blocked = state.blocked.map(|since| since + limits.write_stall);
        phase.into_iter().chain(blocked).min()
    }
}

/// Serves one connection until it ends, times out or, once `drain` is cancelled, has nothing in flight any more.
pub(super) async fn run(stream: TcpStream, peer: SocketAddr, front: Arc<Front>, limits: Arc<Limits>, drain: CancellationToken) {
    let watch = Watch::new();
    let service = service_fn(|request: Request<Incoming>| {
        let reading = Reading::new(&watch);
        let (front, limits, done, drain) = (front.clone(), limits.clone(), Done(watch.clone()), drain.clone());
        async move {
            // A client that waits for `100 Continue` has not sent its body, so there is nothing to discard.
            let discard = !request.headers().contains_key(http::header::EXPECT);
            let request = request.map(|body| Body::new(TimedBody::new(body, reading, &limits, discard)));
            let mut response = front.handle(request, peer).await;
            if drain.is_cancelled() {
                response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
            }
            Ok::<_, std::convert::Infallible>(response.map(|body| Answer { inner: body, _done: done }))
        }
    });
    let io = TokioIo::new(Watched { stream, watch: watch.clone() });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Our own clock tells the first byte, the head and the pause between requests apart.
        .header_read_timeout(None)
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.header_bytes.max(64 << 10))
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let mut draining = pin!(drain.cancelled());
    let mut closing = Closing::Not;
    let mut timer = pin!(sleep_until(Instant::now()));
    poll_fn(|cx| {
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if matches!(closing, Closing::Not) && draining.as_mut().poll(cx).is_ready() {
            closing = Closing::By(Instant::now() + limits.linger);
        }
        let mut deadline = watch.deadline(&limits);
        if let Closing::By(until) = closing {
            let phase = watch.state().phase;
            match phase {
                // Half a head: the rest is on its way, and the answer will close the connection.
                Phase::Head(_) => {}
                Phase::Fresh(_) | Phase::Idle(_) if Instant::now() < until => {
                    deadline = Some(deadline.map_or(until, |deadline| deadline.min(until)));
                }
                _ => {
                    closing = Closing::Told;
                    connection.as_mut().graceful_shutdown();
                    if connection.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(());
                    }
                    deadline = watch.deadline(&limits);
                }
            }
        }
        let Some(deadline) = deadline else { return Poll::Pending };
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        match (timer.as_mut().poll(cx), closing) {
            // The clock of the linger, not one that cuts the connection off.
            (Poll::Ready(()), Closing::By(until)) if deadline == until => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            (outcome, _) => outcome,
        }
    })
    .await;
}

/// How far a connection is on its way to the end that a drain asks for.
#[derive(Clone, Copy)]
enum Closing {
    /// There is no drain.
    Not,
    /// Where nothing has been asked by then, nothing will be.
    By(Instant),
    /// It ends with what is in flight.
    Told,
}

/// Marks the connection as idle when the answer has been handed over, or dropped.
struct Done(Watch);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.state().phase = Phase::Idle(Instant::now());
    }
}

/// Notes that a request has come and its body is being read, as long as this lives.
pub(super) struct Reading(Watch);

impl Reading {
    fn new(watch: &Watch) -> Self {
        let mut state = watch.state();
        (state.phase, state.reading_body) = (Phase::Busy, true);
        Self(watch.clone())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.state().reading_body = false;
    }
}

/// A response body that reports its end.
struct Answer {
    inner: Body,
    _done: Done,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A socket that notes when bytes arrive and when the client does not take ours.
struct Watched {
    stream: TcpStream,
    watch: Watch,
}

impl Watched {
    fn note_write<T>(&self, outcome: Poll<T>) -> Poll<T> {
        let mut state = self.watch.state();
        match outcome {
            Poll::Pending => {
                state.blocked.get_or_insert_with(Instant::now);
            }
            Poll::Ready(_) => state.blocked = None,
        }
        drop(state);
        outcome
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            let mut state = self.watch.state();
            if !state.reading_body && matches!(state.phase, Phase::Fresh(_) | Phase::Idle(_)) {
                state.phase = Phase::Head(Instant::now());
            }
        }
        outcome
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note_write(outcome)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note_write(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
