//! Parts of a file that stays where it is: one ranged request each, every one through the whole gate, and all of them of the same version of the
//! file.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use super::connect::unreachable;
use super::headers::{content_range, customer_headers, file_name, is_identity, strong_etag};
use super::hops::Place;
use super::transfer::StallMeter;
use super::{Fetcher, Request};
use crate::failure::Failure;
use crate::glance::Source;

/// How long one part may take: whoever waits for it holds a place that others could have.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a file has to be for parts of it to belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Bytes of the whole.
    pub size: u64,
    /// The strong entity tag.
    etag: Option<String>,
    /// When it was changed last, as the source says.
    modified: Option<String>,
}

impl Version {
    /// That of an answer with a part; `None` where it does not say enough to be told from another.
    fn of(head: &HeaderMap, size: u64) -> Option<Self> {
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        Self::new(size, strong_etag(head).as_ref().and_then(text), head.get(header::LAST_MODIFIED).and_then(text))
    }

    /// One that can be told from others by its tag or by when it was changed; `None` without either.
    pub(crate) fn new(size: u64, etag: Option<String>, modified: Option<String>) -> Option<Self> {
        (etag.is_some() || modified.is_some()).then_some(Self { size, etag, modified })
    }

    /// The tag.
    pub(crate) fn tag(&self) -> Option<String> {
        self.etag.clone()
    }
}

/// The beginning of a file.
#[derive(Debug)]
pub struct Beginning {
    /// Its first bytes.
    pub bytes: Bytes,
    /// Of which file.
    pub version: Version,
    /// As [`Downloaded::filename`](super::Downloaded::filename).
    pub filename: Option<String>,
}

/// A part, and what the answer's head says of the whole.
struct Part {
    bytes: Bytes,
    version: Option<Version>,
    filename: Option<String>,
}

/// A file at its source.
pub struct Parts {
    fetcher: Fetcher,
    place: Place,
    version: Version,
}

impl Fetcher {
    /// Reads the first `length` bytes and finds out whether other parts can be asked for: `None` where the source sends the whole all the same,
    /// or does not say what would change with the file.
    ///
    /// # Errors
    /// As [`Fetcher::download`]; nothing is tried twice.
    pub async fn beginning(&self, request: Request<'_>, length: u64) -> Result<Option<Beginning>, Failure> {
        let place = self.place(request.url, request.headers)?;
        let part = self.part(&place, (0, length), None).await?;
        Ok(part.and_then(|Part { bytes, version, filename }| Some(Beginning { bytes, version: version?, filename })))
    }

    /// The file at that URL, as long as it is of that version.
    ///
    /// # Errors
    /// [`Failure::Invalid`] for a refused URL or header.
    pub fn parts(&self, url: &str, headers: &[(String, String)], version: Version) -> Result<Parts, Failure> {
        Ok(Parts { fetcher: self.clone(), place: self.place(url, headers)?, version })
    }

    pub(super) fn place(&self, url: &str, headers: &[(String, String)]) -> Result<Place, Failure> {
        let start = self.connector.gate.check(url).map_err(|why| Failure::invalid_field("url", why))?;
        Ok(Place { start, headers: customer_headers(headers)? })
    }

    /// At most `length` bytes from `first` on, at least one; `None` where the answer is no part. `tag` is what the file has to have
    /// still.
    async fn part(&self, place: &Place, (first, length): (u64, u64), tag: Option<&str>) -> Result<Option<Part>, Failure> {
        let read = async {
            let mut more = HeaderMap::new();
            let mut add = |name: HeaderName, text: &str| {
                HeaderValue::from_str(text).map(|value| more.insert(name, value)).map_err(Failure::internal)
            };
            let last = first.saturating_add(length).saturating_sub(1);
            add(header::RANGE, &format!("bytes={first}-{last}"))?;
            if let Some(tag) = tag {
                add(header::IF_RANGE, tag)?;
            }
            let (mut exchange, target) = place.follow(&self.connector, &self.config, &more).await?;
            let head = exchange.response.headers();
            let range = content_range(head).filter(|_| exchange.response.status() == StatusCode::PARTIAL_CONTENT);
            let Some((begins, Some(size))) = range.filter(|_| is_identity(head)) else { return Ok(None) };
            if begins != first || size <= first {
                return Ok(None);
            }
            let version = Version::of(head, size);
            let filename = file_name(head, target.url(), place.start.url());
            let expected = length.min(size - first);
            let mut bytes = Vec::with_capacity(usize::try_from(expected).map_err(Failure::internal)?);
            let mut meter = StallMeter::new(self.config.stall_window, self.config.stall_bytes);
            let body = exchange.response.body_mut();
            loop {
                let began = Instant::now();
                let data = match timeout(meter.remaining(), body.frame()).await {
                    Err(_) => Bytes::new(),
                    Ok(None) => break,
                    Ok(Some(frame)) => frame.map_err(|_| broken_off())?.into_data().unwrap_or_default(),
                };
                if !meter.record(began.elapsed(), data.len() as u64) {
                    return Err(unreachable("The source sends too slowly", false));
                }
                if bytes.len() as u64 + data.len() as u64 > expected {
                    return Ok(None);
                }
                bytes.extend_from_slice(&data);
            }
            // A source may give less at a time than was asked for.
            if bytes.is_empty() {
                return Err(broken_off());
            }
            Ok(Some(Part { bytes: bytes.into(), version, filename }))
        };
        timeout(PATIENCE, read).await.unwrap_or_else(|_| Err(unreachable("The source sends too slowly", true)))
    }
}

fn broken_off() -> Failure {
    unreachable("The source broke off within a part of the file", true)
}

impl Source for Parts {
    fn size(&self) -> u64 {
        self.version.size
    }

    fn read(&self, first: u64, length: u64) -> BoxFuture<'_, Result<Bytes, Failure>> {
        async move {
            let part = self.fetcher.part(&self.place, (first, length), self.version.etag.as_deref()).await?;
            match part {
                Some(part) if part.version.as_ref() == Some(&self.version) => Ok(part.bytes),
                _ => {
                    tracing::debug!(url = %self.place.loggable(), first, "a source holds another file than before");
                    Err(unreachable("The source changed while parts of it were read", true))
                }
            }
        }
        .boxed()
    }
}
