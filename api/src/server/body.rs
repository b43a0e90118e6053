//! A request's body under a clock: it must begin in time and must not stall.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::connection::Reading;
use crate::limits::Limits;

/// Bytes that must arrive in each stretch of [`Limits::body_stall`].
const PROGRESS: u64 = 1 << 10;

/// How much of a body that nobody wants is still read, so that the client gets to read the answer before its connection closes: more than the
/// largest body that any route takes into memory, so that who is a little over a limit is told so.
const DISCARD: (u64, Duration) = (64 << 20, Duration::from_secs(5));

/// Why reading a body failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// It did not begin in time, or it came too slowly.
    #[error("the body did not arrive in time")]
    TimedOut,
    /// The client went away or sent something that is no body.
    #[error("the body ended early: {0}")]
    Broken(#[from] hyper::Error),
}

/// A body that fails with [`BodyError::TimedOut`] when the client is too slow.
pub(crate) struct TimedBody {
    /// The bytes, and the note that they are being read; gone once they have ended.
    inner: Option<(Incoming, Reading)>,
    timer: Pin<Box<Sleep>>,
    first: Duration,
    stall: Duration,
    /// Since when we wait for the next bytes.
    waiting_since: Option<Instant>,
    /// Time waited in the current stretch; time in which nobody asked for bytes does not count.
    waited: Duration,
    /// Bytes of the current stretch.
    arrived: u64,
    begun: bool,
    /// Whether the rest is worth reading after a refusal: not when the client waits for `100 Continue`.
    discard: bool,
}

impl TimedBody {
    pub(super) fn new(inner: Incoming, reading: Reading, limits: &Limits, discard: bool) -> Self {
        Self {
            inner: Some((inner, reading)),
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            first: limits.body_first_byte,
            stall: limits.body_stall,
            waiting_since: None,
            waited: Duration::ZERO,
            arrived: 0,
            begun: false,
            discard,
        }
    }

    /// Books what has arrived.
    fn progress(&mut self, bytes: u64) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
        self.arrived += bytes;
        if !self.begun || self.arrived >= PROGRESS {
            self.begun = true;
            self.arrived = 0;
            self.waited = Duration::ZERO;
        }
    }

    /// Whether the client has used up its time; otherwise the timer wakes us when it has.
    fn overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let allowed = if self.begun { self.stall } else { self.first };
        let deadline = since + allowed.saturating_sub(self.waited);
        if self.timer.deadline() != deadline {
            self.timer.as_mut().reset(deadline);
        }
        self.timer.as_mut().poll(cx).is_ready()
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some((inner, _)) = self.inner.as_mut() else { return Poll::Ready(None) };
        match Pin::new(inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.progress(bytes as u64);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.inner = None;
                Poll::Ready(Some(Err(BodyError::Broken(error))))
            }
            Poll::Ready(None) => {
                self.inner = None;
                Poll::Ready(None)
            }
            Poll::Pending if self.overdue(cx) => {
                self.inner = None;
                Poll::Ready(Some(Err(BodyError::TimedOut)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), |(body, _)| body.size_hint())
    }
}

impl Drop for TimedBody {
    /// A connection that is closed with unread bytes is reset, and the reset may overtake the answer: read on for a while.
    fn drop(&mut self) {
        let Some((mut rest, reading)) = self.inner.take() else { return };
        if !self.discard || rest.is_end_stream() {
            return;
        }
        let (mut left, time) = DISCARD;
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(time, async move {
                let _reading = reading;
                while let Some(Ok(frame)) = rest.frame().await {
                    left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len) as u64);
                    if left == 0 {
                        break;
                    }
                }
            }));
        }
    }
}
