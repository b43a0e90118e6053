//! Opens connections to vetted addresses only, and sends one request on each.
//!
//! Nothing is pooled: a connection kept open would outlive the answer that vetted it. TLS sessions are resumed, so a second
//! import from the same host costs no full handshake.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use http::header::{self, HeaderValue};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;
use url::{Host, Position};

use super::resolve::{Resolve, ResolveError};
use crate::failure::Failure;
use convertfly_scheduler::guard::{Gate, NOT_PUBLIC, Target, Vetted};

/// How long an address may take before the next one is tried beside it (RFC 8305 proposes 250 ms).
const STAGGER: Duration = Duration::from_millis(250);

/// Addresses of one name that are dialled at most; all of them are vetted.
const MAX_DIALLED: usize = 8;

/// Read buffer of a connection, which also bounds the head of an answer, bytes.
const READ_BUFFER: usize = 256 << 10;

/// A connection, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens a connection to an address that the gate has let through.
pub(super) trait Dial: Send + Sync {
    /// Connects.
    fn dial(&self, to: Vetted) -> BoxFuture<'_, io::Result<Box<dyn Stream>>>;
}

/// Plain TCP. There is no proxy, and no variable that could name one.
pub(super) struct TcpDialer;

impl Dial for TcpDialer {
    fn dial(&self, to: Vetted) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        async move {
            let stream = TcpStream::connect(to.address()).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        }
        .boxed()
    }
}

/// The TLS settings: Mozilla's roots and `extra`, TLS 1.2 and 1.3, HTTP/1.1.
///
/// # Errors
/// A sentence for the operator, when an extra root cannot be read.
pub(super) fn tls_config(extra: &[CertificateDer<'static>]) -> Result<ClientConfig, String> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for root in extra {
        roots.add(root.clone()).map_err(|cause| format!("an extra root certificate cannot be used: {cause}"))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = versions.map_err(|cause| cause.to_string())?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// An answer whose body is still to be read, and the task that drives its connection.
pub(super) struct Exchange {
    /// Head and body of the answer.
    pub(super) response: http::Response<Incoming>,
    /// Ends when the body has been read; gives what the source sent beyond it.
    surplus: AbortOnDropHandle<Bytes>,
}

impl Exchange {
    /// The answer, and what drives its connection for as long as it is kept.
    pub(super) fn into_parts(self) -> (http::Response<Incoming>, AbortOnDropHandle<Bytes>) {
        (self.response, self.surplus)
    }

    /// How many bytes were already received that do not belong to the answer. Call it when the body has been read.
    pub(super) async fn surplus_bytes(self) -> usize {
        drop(self.response);
        // The connection ends by itself after the only answer; the limit is for the case that it does not.
        timeout(Duration::from_secs(1), self.surplus).await.ok().and_then(Result::ok).map_or(0, |bytes| bytes.len())
    }
}

/// Resolves, vets, dials, encrypts and asks. Downloads use it with GET; it serves any method and body.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) gate: Gate,
    /// Whether only the networks may be reached that are allowed besides the public ones.
    pub(super) allowed_only: bool,
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) dialer: Arc<dyn Dial>,
    pub(super) tls: Arc<ClientConfig>,
    /// For the TCP handshake, and again for that of TLS.
    pub(super) connect_timeout: Duration,
    /// From the request's last byte to the end of the answer's head.
    pub(super) response_timeout: Duration,
}

impl Connector {
    /// Sends one request on a connection of its own and returns when the answer's head is there. Fills in the path, `Host` and
    /// `Connection: close`; redirects are the caller's.
    ///
    /// # Errors
    /// [`Failure::Unreachable`], with `retry` where another try may help.
    pub(super) async fn send<B>(&self, target: &Target, mut request: http::Request<B>) -> Result<Exchange, Failure>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let url = target.url();
        let bad = |_| unreachable("The URL holds characters that HTTP cannot carry. Percent-encode them", false);
        *request.uri_mut() = url[Position::BeforePath..Position::AfterQuery].parse().map_err(bad)?;
        let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort])
            .map_err(|_| unreachable("The URL's host holds characters that HTTP cannot carry", false))?;
        request.headers_mut().insert(header::HOST, host);
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));

        let stream = self.open(target).await?;
        let mut builder = http1::Builder::new();
        let handshake = builder.max_buf_size(READ_BUFFER).handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|cause| broken(&cause))?;
        let driver = async move { connection.without_shutdown().await.map_or_else(|_| Bytes::new(), |parts| parts.read_buf) };
        let surplus = AbortOnDropHandle::new(tokio::spawn(driver));
        match timeout(self.response_timeout, sender.send_request(request)).await {
            Ok(Ok(response)) => Ok(Exchange { response, surplus }),
            Ok(Err(cause)) => Err(broken(&cause)),
            Err(_) => {
                Err(unreachable(format!("The source did not answer within {} s", self.response_timeout.as_secs_f32()), true))
            }
        }
    }

    /// Resolves the host **once**, refuses it if any address is not permitted, and connects to one of exactly those addresses.
    async fn open(&self, target: &Target) -> Result<Box<dyn Stream>, Failure> {
        let url = target.url();
        let no_host = || unreachable("The URL has no host", false);
        let host = url.host().ok_or_else(no_host)?;
        let port = url.port_or_known_default().ok_or_else(no_host)?;
        let addresses = match &host {
            Host::Ipv4(address) => vec![(*address).into()],
            Host::Ipv6(address) => vec![(*address).into()],
            Host::Domain(name) => self.resolver.resolve(name).await.map_err(|cause| match cause {
                ResolveError::NoSuchName => unreachable("The URL's host name does not exist", false),
                ResolveError::Unavailable(cause) => {
                    tracing::warn!(%cause, "a name could not be resolved");
                    unreachable("The URL's host name could not be resolved", true)
                }
            })?,
        };
        let permitted = !self.allowed_only || self.gate.allows(&addresses);
        let vetted = self.gate.vet(&addresses, port).filter(|_| permitted).ok_or_else(|| unreachable(NOT_PUBLIC, false))?;
        let connected = timeout(self.connect_timeout, self.race(&vetted)).await;
        let stream = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|cause| {
            tracing::debug!(%cause, "no address of a source could be reached");
            unreachable("The source cannot be connected to", true)
        })?;
        if url.scheme() != "https" {
            return Ok(stream);
        }
        let name = match host {
            Host::Ipv4(address) => ServerName::from(std::net::IpAddr::from(address)),
            Host::Ipv6(address) => ServerName::from(std::net::IpAddr::from(address)),
            Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
                .map_err(|_| unreachable("The URL's host name cannot be used with https", false))?,
        };
        let handshake = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream);
        match timeout(self.connect_timeout, handshake).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(cause)) => Err(tls_failure(&cause)),
            Err(_) => Err(unreachable("The source did not finish the TLS handshake in time", true)),
        }
    }

    /// The first address that connects; the next one is tried when one fails or takes long.
    async fn race(&self, addresses: &[Vetted]) -> io::Result<Box<dyn Stream>> {
        let mut waiting = addresses.iter().take(MAX_DIALLED);
        let mut pending = FuturesUnordered::new();
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        loop {
            match waiting.next() {
                Some(&address) => pending.push(self.dialer.dial(address)),
                None if pending.is_empty() => return Err(last),
                None => {}
            }
            tokio::select! {
                Some(connected) = pending.next() => match connected {
                    Ok(stream) => return Ok(stream),
                    Err(cause) => last = cause,
                },
                () = sleep(STAGGER), if waiting.len() > 0 => {}
            }
        }
    }
}

/// The source could not be read.
pub(super) fn unreachable(message: impl Into<String>, retry: bool) -> Failure {
    Failure::Unreachable { message: message.into(), retry }
}

fn tls_failure(cause: &io::Error) -> Failure {
    match cause.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(reason)) => {
            unreachable(format!("The source's TLS certificate is not accepted: {reason}"), false)
        }
        Some(_) => unreachable("The source does not speak TLS as a web server does. Check the URL's port", false),
        None => unreachable("The source broke off the TLS handshake", true),
    }
}

fn broken(cause: &hyper::Error) -> Failure {
    if cause.is_parse() {
        unreachable("The source's answer is not valid HTTP", false)
    } else {
        unreachable("The source broke off the connection before it answered", true)
    }
}
