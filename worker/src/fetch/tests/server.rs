//! A server on loopback that answers as it is told, right or wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::*;

/// How the server ends what it says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Closes in an orderly way.
    Close,
    /// Sends a reset.
    Reset,
    /// Says nothing more and keeps the connection.
    Hang,
    /// Sends the same again and again, as fast as it is taken.
    Repeat(&'static [u8]),
    /// Sends one byte after each wait, for ever.
    Drip(Duration),
}

/// What is sent on one connection.
pub(super) struct Answer(pub(super) Vec<u8>, pub(super) End);

impl Answer {
    /// Status line, fields and body as given, then an orderly close.
    pub(super) fn new(head: &str, body: &[u8]) -> Self {
        Self([format!("HTTP/1.1 {}\r\n\r\n", head.replace('\n', "\r\n")).as_bytes(), body].concat(), End::Close)
    }

    /// A well-formed 200.
    pub(super) fn ok(body: &[u8]) -> Self {
        Self::new(&format!("200 OK\nContent-Length: {}", body.len()), body)
    }

    pub(super) fn then(self, end: End) -> Self {
        Self(self.0, end)
    }
}

/// A running server; stops when dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    accepted: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl Server {
    /// Answers the n-th connection with `answer(n, head of the request)`.
    pub(super) async fn start(answer: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with(None, answer).await
    }

    /// The same behind TLS.
    pub(super) async fn start_with(
        tls: Option<tokio_rustls::TlsAcceptor>,
        answer: impl Fn(usize, &str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (heads, accepted, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)), Arc::new(answer));
        let (seen, count) = (heads.clone(), accepted.clone());
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let number = count.fetch_add(1, Ordering::SeqCst);
                let (seen, answer, tls) = (seen.clone(), answer.clone(), tls.clone());
                tokio::spawn(async move {
                    // What the client does to the connection is the client's business: errors end it.
                    let _ = match tls {
                        None => serve(stream, number, &seen, &*answer).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, number, &seen, &*answer).await,
                            Err(cause) => Err(cause),
                        },
                    };
                });
            }
        });
        Self { address, heads, accepted, _task: AbortOnDropHandle::new(task) }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Heads of the requests so far.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("not poisoned").clone()
    }

    /// Connections so far.
    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// A stream that can be broken off.
trait Breakable: AsyncRead + AsyncWrite + Unpin {
    fn reset_on_close(&self) -> io::Result<()>;
}

impl Breakable for tokio::net::TcpStream {
    fn reset_on_close(&self) -> io::Result<()> {
        self.set_zero_linger()
    }
}

impl Breakable for tokio_rustls::server::TlsStream<tokio::net::TcpStream> {
    fn reset_on_close(&self) -> io::Result<()> {
        self.get_ref().0.set_zero_linger()
    }
}

async fn serve<S: Breakable>(
    mut stream: S,
    number: usize,
    seen: &Mutex<Vec<String>>,
    answer: &(dyn Fn(usize, &str) -> Answer + Send + Sync),
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let Answer(bytes, end) = answer(number, &head);
    seen.lock().expect("not poisoned").push(head);
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    match end {
        End::Close => stream.shutdown().await,
        End::Reset => stream.reset_on_close(),
        End::Hang => std::future::pending().await,
        End::Repeat(bytes) => loop {
            stream.write_all(bytes).await?;
        },
        End::Drip(wait) => loop {
            tokio::time::sleep(wait).await;
            stream.write_all(b"x").await?;
            stream.flush().await?;
        },
    }
}

/// The value of a field in a request's head.
pub(super) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}
