//! A bucket server in the test's own process that checks signatures, with faults on demand.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::dto::StreamingBlob;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) const BUCKET: &str = "files";
pub(crate) const ACCESS_KEY: &str = "AKIATESTTESTTEST";
pub(crate) const SECRET_KEY: &str = "a-secret-for-tests";

/// One request as the server saw it: `PUT part /files/jobs/…`, and its headers.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: http::HeaderMap,
}

/// What the server does instead of its work.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Answers with this status and S3 error code.
    Status(u16, &'static str),
    /// Never answers.
    Hang,
    /// Does its work, then cuts the connection instead of answering.
    LoseAnswer,
    /// Cuts the connection after this many bytes of the answer's body.
    CutAnswer(u64),
    /// Cuts the connection after this many bytes of the request's body.
    CutRequest(u64),
    /// Answers with the tag of other bytes.
    WrongTag,
}

/// The server's memory, shared with the test.
#[derive(Default)]
struct Shared {
    /// Faults to come: the first whose text is part of the request's line is used up.
    plan: Mutex<VecDeque<(String, Fault)>>,
    seen: Mutex<Vec<Seen>>,
    received: AtomicU64,
    sent: AtomicU64,
    lists_uploads: AtomicBool,
}

/// The server. It ends with the test's runtime.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    root: TempDir,
    shared: Arc<Shared>,
    answered: watch::Receiver<u64>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        let root = TempDir::new().expect("a folder for the bucket");
        std::fs::create_dir(root.path().join(BUCKET)).expect("the bucket");
        let files = s3s_fs::FileSystem::new(root.path()).expect("a bucket server over the folder");
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared::default());
        shared.lists_uploads.store(true, Ordering::SeqCst);
        let (count, answered) = watch::channel(0);
        let (count, folder) = (Arc::new(count), Arc::<Path>::from(root.path()));
        let state = shared.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (service, state, count, folder) = (service.clone(), state.clone(), count.clone(), folder.clone());
                let io = TokioIo::new(Counted { socket, shared: state.clone() });
                let answer = hyper::service::service_fn(move |request| {
                    let (service, state, count, folder) = (service.clone(), state.clone(), count.clone(), folder.clone());
                    async move {
                        let result = respond(request, &service, &state, &folder).await;
                        count.send_modify(|count| *count += 1);
                        result
                    }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, answer));
            }
        });
        Self { address, root, shared, answered }
    }

    /// Plans `fault` for the next `times` requests whose line, or type of content, contains `request`.
    pub(crate) fn plan(&self, request: &str, fault: Fault, times: usize) {
        self.shared.plan.lock().expect("no test panicked here").extend(vec![(request.to_owned(), fault); times]);
    }

    /// Makes the server answer "not implemented" to a listing of unfinished uploads, as some do.
    pub(crate) fn refuse_to_list_uploads(&self) {
        self.shared.lists_uploads.store(false, Ordering::SeqCst);
    }

    /// All requests so far whose line contains `text`.
    pub(crate) fn seen(&self, text: &str) -> Vec<Seen> {
        let seen = self.shared.seen.lock().expect("no test panicked here");
        seen.iter().filter(|request| request.line.contains(text)).cloned().collect()
    }

    /// Waits until `done` holds, looking again after each answer.
    pub(crate) async fn until(&self, done: impl Fn() -> bool) {
        let mut answered = self.answered.clone();
        let wait = answered.wait_for(|_| done());
        let waited = tokio::time::timeout(Duration::from_secs(60), wait).await;
        assert!(waited.is_ok_and(|held| held.is_ok()), "it never happened; there remain {:?}", self.remains());
    }

    /// Bytes that the server has read from, and written to, all its sockets.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        (self.shared.received.load(Ordering::SeqCst), self.shared.sent.load(Ordering::SeqCst))
    }

    /// Where the server keeps the object with this key of ours.
    pub(crate) fn object_path(&self, key: &str) -> PathBuf {
        self.root.path().join(BUCKET).join("some/prefix").join(key)
    }

    /// The names of all objects, and of the parts and records of unfinished uploads.
    pub(crate) fn remains(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.root.path().join(BUCKET), &mut found);
        for entry in std::fs::read_dir(self.root.path()).expect("the folder").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(".upload") || name.starts_with(".tmp") {
                found.push(name);
            }
        }
        found
    }
}

/// All files below `folder`, by path.
pub(crate) fn walk(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        if entry.path().is_dir() {
            walk(&entry.path(), found);
        } else {
            found.push(entry.path().display().to_string());
        }
    }
}

type Answer = http::Response<s3s::Body>;

async fn respond(
    request: http::Request<Incoming>,
    service: &S3Service,
    shared: &Shared,
    root: &Path,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let query = request.uri().query().unwrap_or_default();
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let kind = match () {
        () if has("partNumber") => "part",
        () if has("uploadId") => "upload",
        () if has("uploads") => "uploads",
        () if has("list-type") => "list",
        () => "object",
    };
    let line = format!("{} {kind} {}", request.method(), request.uri().path());
    let headers = request.headers().clone();
    let kind = headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    shared.seen.lock().expect("no test panicked here").push(Seen { line: line.clone(), headers });
    let fault = {
        let mut plan = shared.plan.lock().expect("no test panicked here");
        let at = plan.iter().position(|(text, _)| line.contains(text) || kind.contains(text));
        at.and_then(|at| plan.remove(at)).map(|(_, fault)| fault)
    };
    match fault {
        Some(Fault::Status(status, code)) => return Ok(refusal(status, code)),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::CutRequest(after)) => {
            let (mut body, mut read) = (s3s::Body::from(request.into_body()), 0);
            while read < after
                && let Some(chunk) = body.next().await
            {
                read += chunk?.len() as u64;
            }
            return Err("the request is cut".into());
        }
        _ => {}
    }
    if line.starts_with("GET uploads") && shared.lists_uploads.load(Ordering::SeqCst) {
        return Ok(http::Response::new(s3s::Body::from(list_uploads(root))));
    }
    let answer = service.call(request.map(s3s::Body::from)).await?;
    match fault {
        Some(Fault::LoseAnswer) => Err("the answer is lost".into()),
        Some(Fault::WrongTag) => {
            let mut answer = answer;
            let other = http::HeaderValue::from_static("\"00000000000000000000000000000000\"");
            answer.headers_mut().insert(http::header::ETAG, other);
            Ok(answer)
        }
        Some(Fault::CutAnswer(after)) => Ok(answer.map(|body| cut(body, after))),
        _ => Ok(answer),
    }
}

fn refusal(status: u16, code: &str) -> Answer {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>planned</Message></Error>");
    http::Response::builder().status(status).body(s3s::Body::from(body)).expect("a valid status")
}

/// The first `after` bytes of `body`, then an error, upon which the connection is closed.
fn cut(body: s3s::Body, after: u64) -> s3s::Body {
    let first = body.scan(after, |left, chunk| {
        let chunk = chunk.map_err(io::Error::other).map(|chunk: Bytes| {
            let take = usize::try_from(*left).unwrap_or(usize::MAX).min(chunk.len());
            *left -= take as u64;
            chunk.slice(..take)
        });
        std::future::ready(chunk.as_ref().is_ok_and(|chunk| !chunk.is_empty()).then_some(chunk))
    });
    let end = stream::once(async { Err(io::Error::other("cut")) });
    s3s::Body::from(StreamingBlob::wrap(Box::pin(first.chain(end))))
}

/// `ListMultipartUploads`, which this server does not know: from the records that it keeps of unfinished uploads.
fn list_uploads(root: &Path) -> String {
    let mut xml = String::from("<?xml version=\"1.0\"?><ListMultipartUploadsResult><IsTruncated>false</IsTruncated>");
    for entry in std::fs::read_dir(root).expect("the folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((object, id)) = name.strip_suffix(".metadata.json").and_then(|name| name.split_once(".upload-")) else {
            continue;
        };
        let key = object.split_once(".object-").map(|(_, key)| URL_SAFE_NO_PAD.decode(key).expect("the server's own name"));
        let key = String::from_utf8(key.expect("the server's own name")).expect("a key is text");
        xml.push_str(&format!(
            "<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>2020-01-01T00:00:00Z</Initiated></Upload>"
        ));
    }
    xml + "</ListMultipartUploadsResult>"
}

/// Sends one plain HTTP request without our client and returns status, headers and body.
pub(crate) async fn plain_http(method: &str, url: &str) -> (u16, http::HeaderMap, Vec<u8>) {
    let uri: http::Uri = url.parse().expect("an address");
    let authority = uri.authority().expect("a host").to_string();
    let socket = TcpStream::connect(&authority).await.expect("the server listens");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.expect("the server speaks HTTP");
    tokio::spawn(connection);
    let path = uri.path_and_query().expect("a path").as_str();
    let request = http::Request::builder().method(method).uri(path).header("host", authority);
    let request = request.body(s3s::Body::empty()).expect("a request");
    let answer = sender.send_request(request).await.expect("an answer");
    let (parts, body) = answer.into_parts();
    let body = s3s::Body::from(body).map(|chunk| chunk.expect("a whole body")).collect::<Vec<Bytes>>().await;
    (parts.status.as_u16(), parts.headers, body.concat())
}

/// A socket whose bytes are counted.
struct Counted {
    socket: TcpStream,
    shared: Arc<Shared>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.socket).poll_read(cx, buffer);
        self.shared.received.fetch_add((buffer.filled().len() - before) as u64, Ordering::SeqCst);
        result
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = result {
            self.shared.sent.fetch_add(count as u64, Ordering::SeqCst);
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
