//! The only outbound HTTP client: downloads what customers' URLs point to, and cannot be made to reach anything else.
//!
//! A URL passes three gates: the [guard](convertfly_scheduler::guard) on its text, the guard again on **every** address that its host resolves to, with the
//! connection pinned to those addresses, and both once more on each redirect. Only a [`Target`] can be requested and only a
//! `Vetted` address dialled, and only the gate makes either. Bytes and time are bounded throughout.

mod connect;
mod headers;
mod hops;
mod parts;
mod post;
mod resolve;
mod sdk;
#[cfg(test)]
pub(crate) mod tests;
mod transfer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use convertfly_scheduler::guard::{AllowNets, AllowNetsError, is_public};
use convertfly_scheduler::guard::{Gate, Target};
use rustls::pki_types::CertificateDer;
use url::Url;

use self::connect::{Connector, Dial, TcpDialer, tls_config};
pub(crate) use self::headers::range_of;
pub use self::parts::{Beginning, Parts, Version};
pub use self::post::Posted;
use self::resolve::{Resolve, SystemResolver};
pub use self::sdk::{Outbound, SdkClient};
use self::transfer::Transfer;
use crate::failure::Failure;
use crate::formats::Cancel;

/// Bytes that an imported file may have unless a plan says otherwise: 5 GiB.
pub const DEFAULT_MAX_BYTES: u64 = 5 << 30;

/// What we call ourselves unless the customer says otherwise.
const USER_AGENT: &str = concat!("ConvertFly/", env!("CARGO_PKG_VERSION"), " (+https://convertfly.io)");

/// Limits and allowances of a [`Fetcher`].
#[derive(Clone, Debug)]
pub struct FetchConfig {
    /// Networks that may be reached though they are not public.
    pub allow: AllowNets,
    /// Whether ports from 1024 up may be reached besides 80 and 443.
    pub high_ports: bool,
    /// For the TCP handshake, and again for that of TLS.
    pub connect_timeout: Duration,
    /// From the request to the end of the answer's head.
    pub response_timeout: Duration,
    /// While a body is awaited, `stall_bytes` have to come in each such window.
    pub stall_window: Duration,
    /// See `stall_window`. The default is 1 KiB/s.
    pub stall_bytes: u64,
    /// Redirects that are followed.
    pub max_redirects: u32,
    /// Further attempts after the first one, on refused or broken connections and on HTTP 408, 425, 429 and 5xx.
    pub retries: u32,
    /// Wait before the first further attempt; it doubles with each one, less a random half.
    pub backoff: Duration,
    /// Certificates that are trusted besides Mozilla's roots.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            allow: AllowNets::default(),
            high_ports: true,
            connect_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(30),
            stall_window: Duration::from_secs(30),
            stall_bytes: 30 << 10,
            max_redirects: 5,
            retries: 3,
            backoff: Duration::from_millis(500),
            extra_roots: Vec::new(),
        }
    }
}

/// A [`Fetcher`] cannot be made on this machine with these settings.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot start: {0}")]
pub struct SetupError(String);

/// What to download.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// An absolute http or https URL.
    pub url: &'a str,
    /// Header fields that the customer adds; sent to the URL's own origin only.
    pub headers: &'a [(String, String)],
    /// Bytes that the file may have.
    pub max_bytes: u64,
    /// For the whole download, all attempts and waits included.
    pub deadline: Duration,
}

/// A file that was downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// Bytes.
    pub size: u64,
    /// From Content-Disposition, or the last segment of the path. **Not** sanitised: never use it as a path.
    pub filename: Option<String>,
    /// As the source states it; do not believe it.
    pub content_type: Option<String>,
    /// Where the redirects ended.
    pub final_url: Url,
}

/// The client. Cheap to clone.
#[derive(Clone)]
pub struct Fetcher {
    connector: Arc<Connector>,
    /// For webhooks over http: it reaches the allowed networks alone.
    in_clear: Arc<Connector>,
    config: Arc<FetchConfig>,
}

impl Fetcher {
    /// Makes a client that uses the system's name servers.
    ///
    /// # Errors
    /// When an extra root certificate or the name server configuration cannot be used.
    pub fn new(config: FetchConfig) -> Result<Self, SetupError> {
        let resolver = SystemResolver::new().map_err(SetupError)?;
        Self::with_parts(config, Arc::new(resolver), Arc::new(TcpDialer))
    }

    fn with_parts(config: FetchConfig, resolver: Arc<dyn Resolve>, dialer: Arc<dyn Dial>) -> Result<Self, SetupError> {
        let tls = Arc::new(tls_config(&config.extra_roots).map_err(SetupError)?);
        let connector = |allowed_only| Connector {
            gate: Gate { allow: config.allow.clone(), high_ports: config.high_ports },
            allowed_only,
            resolver: Arc::clone(&resolver),
            dialer: Arc::clone(&dialer),
            tls: Arc::clone(&tls),
            connect_timeout: config.connect_timeout,
            response_timeout: config.response_timeout,
        };
        let (connector, in_clear) = (Arc::new(connector(false)), Arc::new(connector(true)));
        Ok(Self { connector, in_clear, config: Arc::new(config) })
    }

    /// The static gate: scheme, credentials, port and, where the host is a literal address, whether it is public. A URL that
    /// passes may still be refused when its name is resolved.
    ///
    /// # Errors
    /// [`Failure::Invalid`] for the field `url`.
    pub fn check_url(&self, url: &str) -> Result<Url, Failure> {
        let checked = self.connector.gate.check(url);
        checked.map(Target::into_url).map_err(|why| Failure::invalid_field("url", why))
    }

    /// Downloads a file, following redirects, and trying again where that may help: from where it broke off if the source
    /// gives a strong ETag, else from the beginning. `progress` is told the bytes so far and, where known, the total.
    ///
    /// On failure nothing is left at `into`. A few MiB of memory are used whatever the file's size.
    ///
    /// # Errors
    /// [`Failure::Invalid`] for a refused URL or header, [`Failure::Unreachable`] for a source that cannot be read,
    /// [`Failure::TooLarge`], [`Failure::TimedOut`] past the deadline, [`Failure::Cancelled`], and [`Failure::Internal`] if the
    /// file cannot be written. Messages never tell what a name resolved to.
    pub async fn download(
        &self,
        request: Request<'_>,
        into: &Path,
        cancel: &Cancel,
        progress: impl Fn(u64, Option<u64>) + Send,
    ) -> Result<Downloaded, Failure> {
        cancel.check()?;
        let place = self.place(request.url, request.headers)?;
        let max_bytes = request.max_bytes;
        let mut transfer = Transfer { connector: &self.connector, config: &self.config, place, max_bytes, progress };
        let outcome = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Failure::Cancelled),
            ended = tokio::time::timeout(request.deadline, transfer.run(into)) => ended.unwrap_or(Err(Failure::TimedOut)),
        };
        if outcome.is_err()
            && let Err(cause) = tokio::fs::remove_file(into).await
            && cause.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%cause, "what was left of a download could not be removed");
        }
        outcome
    }
}
