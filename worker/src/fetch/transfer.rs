//! One download: attempts, redirects, resumption, and the body's way to the file.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncSeekExt, AsyncWriteExt, BufWriter};
use tokio::time::{Instant, sleep, timeout};

use super::connect::{Connector, unreachable};
use super::headers::{content_range, file_name, is_identity, strong_etag};
use super::hops::Place;
use super::{Downloaded, FetchConfig};
use crate::failure::Failure;

/// Bytes collected before they are written, and between two reports of progress.
const WRITE_BYTES: usize = 1 << 20;

/// The longest that a source's `Retry-After` is honoured.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// An attempt that did not succeed, and how long the source asks to be left alone.
struct Broken {
    failure: Failure,
    retry_after: Option<Duration>,
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self { failure, retry_after: None }
    }
}

/// A file that grows over several attempts.
struct Partial {
    file: BufWriter<File>,
    /// Bytes of the file so far.
    written: u64,
    /// Size of the whole file, where the source tells.
    total: Option<u64>,
    /// The strong entity tag of what is written so far; the rest is asked for under it.
    validator: Option<HeaderValue>,
}

impl Partial {
    async fn create(path: &Path) -> Result<Self, Failure> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        let file = options.open(path).await.map_err(Failure::internal)?;
        Ok(Self { file: BufWriter::with_capacity(WRITE_BYTES, file), written: 0, total: None, validator: None })
    }

    /// Forgets what was written.
    async fn restart(&mut self) -> Result<(), Failure> {
        if self.written > 0 {
            // Seeking writes the buffer out first.
            self.file.rewind().await.map_err(Failure::internal)?;
            self.file.get_mut().set_len(0).await.map_err(Failure::internal)?;
        }
        (self.written, self.total, self.validator) = (0, None, None);
        Ok(())
    }

    /// The tag under which the rest may be asked for.
    fn resumable(&self) -> Option<&HeaderValue> {
        self.validator.as_ref().filter(|_| self.written > 0)
    }

    /// What asks for the rest alone, where that may be.
    fn fields(&self) -> HeaderMap {
        let mut fields = HeaderMap::new();
        if let Some(tag) = self.resumable()
            && let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", self.written))
        {
            fields.insert(header::RANGE, range);
            fields.insert(header::IF_RANGE, tag.clone());
        }
        fields
    }
}

/// Tells a slow source from a busy node: only the time spent waiting for the source counts.
pub(super) struct StallMeter {
    window: Duration,
    min_bytes: u64,
    waited: Duration,
    bytes: u64,
}

impl StallMeter {
    /// At least `min_bytes` have to come in each `window` of waiting.
    pub(super) fn new(window: Duration, min_bytes: u64) -> Self {
        Self { window, min_bytes, waited: Duration::ZERO, bytes: 0 }
    }

    /// What is left of the window.
    pub(super) fn remaining(&self) -> Duration {
        self.window.saturating_sub(self.waited)
    }

    /// Records a wait and what it brought; whether the source is fast enough.
    pub(super) fn record(&mut self, waited: Duration, bytes: u64) -> bool {
        self.waited += waited;
        self.bytes += bytes;
        if self.waited < self.window {
            return true;
        }
        let enough = self.bytes >= self.min_bytes;
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        enough
    }
}

/// A download in progress.
pub(super) struct Transfer<'a, P> {
    pub(super) connector: &'a Connector,
    pub(super) config: &'a FetchConfig,
    pub(super) place: Place,
    pub(super) max_bytes: u64,
    pub(super) progress: P,
}

impl<P: Fn(u64, Option<u64>) + Send> Transfer<'_, P> {
    /// Runs attempts until one succeeds, one fails for good, or there are none left.
    pub(super) async fn run(&mut self, into: &Path) -> Result<Downloaded, Failure> {
        let mut partial = Partial::create(into).await?;
        let mut attempt = 0;
        loop {
            let Broken { failure, retry_after } = match self.attempt(&mut partial).await {
                Ok(done) => return Ok(done),
                Err(broken) => broken,
            };
            if !matches!(failure, Failure::Unreachable { retry: true, .. }) || attempt == self.config.retries {
                return Err(failure);
            }
            let wait = retry_after.map_or_else(|| backoff(self.config.backoff, attempt), |asked| asked.min(MAX_RETRY_AFTER));
            attempt += 1;
            tracing::debug!(url = %self.place.loggable(), attempt, ?wait, %failure, "a download is tried again");
            sleep(wait).await;
        }
    }

    async fn attempt(&mut self, partial: &mut Partial) -> Result<Downloaded, Broken> {
        let (mut exchange, target) = self.place.follow(self.connector, self.config, &partial.fields()).await?;
        let head = exchange.response.headers();
        let status = exchange.response.status();
        match status {
            StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => {
                partial.restart().await?;
                partial.validator = strong_etag(head);
                partial.total = exchange.response.body().size_hint().exact();
            }
            StatusCode::PARTIAL_CONTENT if partial.resumable().is_some() => {
                let agrees = |(first, total): (u64, Option<u64>)| first == partial.written && total == partial.total;
                let same_file = strong_etag(head).is_none_or(|tag| Some(tag) == partial.validator);
                if !same_file || !content_range(head).is_some_and(agrees) {
                    partial.restart().await?;
                    return Err(unreachable("The source answered with another part of the file than was asked for", true).into());
                }
            }
            StatusCode::RANGE_NOT_SATISFIABLE if partial.resumable().is_some() => {
                partial.restart().await?;
                return Err(unreachable("The source changed while it was downloaded", true).into());
            }
            _ => return Err(status_failure(status, head)),
        }
        if !is_identity(head) {
            let message = "The source compressed the file (Content-Encoding) though that was not asked for. Serve it as it is";
            return Err(unreachable(message, false).into());
        }
        let content_type = head.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let filename = file_name(head, target.url(), self.place.start.url());

        self.receive(exchange.response.body_mut(), partial).await?;
        let sized = partial.total.is_some();
        if sized && exchange.surplus_bytes().await > 0 {
            return Err(unreachable("The source sent more bytes than its Content-Length says", false).into());
        }
        if partial.written == 0 {
            return Err(unreachable(format!("HTTP {} from the source, but the file is empty", status.as_u16()), false).into());
        }
        partial.file.flush().await.map_err(Failure::internal)?;
        (self.progress)(partial.written, Some(partial.written));
        Ok(Downloaded { size: partial.written, filename, content_type, final_url: target.into_url() })
    }

    /// Writes a body to the file. Counts every byte, and every second that nothing comes.
    async fn receive(&mut self, body: &mut Incoming, partial: &mut Partial) -> Result<(), Failure> {
        let expected = body.size_hint().exact().map(|left| partial.written.saturating_add(left));
        if expected.is_some_and(|bytes| bytes > self.max_bytes) {
            return Err(self.too_large());
        }
        let mut meter = StallMeter::new(self.config.stall_window, self.config.stall_bytes);
        let mut reported = partial.written;
        loop {
            let began = Instant::now();
            let frame = timeout(meter.remaining(), body.frame()).await;
            let data = match frame {
                Err(_) => Bytes::new(),
                Ok(None) => break,
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                Ok(Some(Err(cause))) => {
                    tracing::debug!(url = %self.place.loggable(), %cause, written = partial.written, "a source broke off");
                    return Err(cut_short(partial.written, partial.total));
                }
            };
            if !meter.record(began.elapsed(), data.len() as u64) {
                let seconds = self.config.stall_window.as_secs_f32();
                let message = format!("The source sent less than {} bytes in {seconds} s", self.config.stall_bytes);
                return Err(unreachable(message, false));
            }
            if partial.written.saturating_add(data.len() as u64) > self.max_bytes {
                return Err(self.too_large());
            }
            partial.file.write_all(&data).await.map_err(Failure::internal)?;
            partial.written += data.len() as u64;
            if partial.written - reported >= WRITE_BYTES as u64 {
                reported = partial.written;
                (self.progress)(reported, partial.total);
            }
        }
        if partial.total.is_some_and(|total| total != partial.written) {
            return Err(cut_short(partial.written, partial.total));
        }
        Ok(())
    }

    fn too_large(&self) -> Failure {
        Failure::too_large(format!("The file at the URL is larger than the limit of {} bytes", self.max_bytes))
    }
}

fn status_failure(status: StatusCode, head: &HeaderMap) -> Broken {
    let retry = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
    let seconds = head.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Broken {
        failure: unreachable(format!("HTTP {} from the source", status.as_u16()), retry),
        retry_after: seconds.map(Duration::from_secs),
    }
}

fn cut_short(written: u64, total: Option<u64>) -> Failure {
    let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
    unreachable(format!("The source broke off after {written}{of} bytes"), true)
}

/// Doubles with each attempt, less a random half, so that many tasks do not return together.
fn backoff(base: Duration, attempt: u32) -> Duration {
    let full = base.saturating_mul(1 << attempt.min(10));
    let random = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
    full.mul_f64(1.0 - random / 2.0)
}
