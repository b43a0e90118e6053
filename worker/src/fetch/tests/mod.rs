//! Tests of the outbound client. Nothing here leaves the machine: names are answered by a stub, and connections go to servers
//! on loopback or are only written down.

mod blocks;
mod faults;
mod header_fields;
mod parts;
mod post;
mod rebinding;
mod redirects;
mod resolver;
mod server;
mod tls;
mod urls;

pub(crate) use urls::hostile_endpoints;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tempfile::TempDir;

use super::connect::{Dial, Stream, TcpDialer};
use super::resolve::{Resolve, ResolveError};
use super::{Downloaded, FetchConfig, Fetcher, Request};
use crate::failure::Failure;
use crate::formats::Cancel;
use convertfly_scheduler::guard::Vetted;

/// A public address for names that the stub has no other answer for: a forgotten name is let through, and its test fails.
const PUBLIC: &str = "93.184.215.14";

/// Answers from a list; the n-th question gets the n-th answer, the last one for ever.
#[derive(Default)]
struct StubResolver {
    answers: HashMap<String, Vec<Vec<IpAddr>>>,
    asked: Mutex<HashMap<String, usize>>,
}

impl StubResolver {
    fn with(mut self, name: &str, answers: &[&[&str]]) -> Self {
        let parse = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().expect("an address")).collect();
        self.answers.insert(name.to_owned(), answers.iter().map(parse).collect());
        self
    }

    fn asked(&self, name: &str) -> usize {
        self.asked.lock().expect("not poisoned").get(name).copied().unwrap_or(0)
    }
}

impl Resolve for StubResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>> {
        let mut asked = self.asked.lock().expect("not poisoned");
        let count = asked.entry(name.to_owned()).or_default();
        let answer = match self.answers.get(name) {
            None => vec![PUBLIC.parse().expect("an address")],
            Some(answers) => answers.get(*count).or(answers.last()).cloned().unwrap_or_default(),
        };
        *count += 1;
        async move { if answer.is_empty() { Err(ResolveError::NoSuchName) } else { Ok(answer) } }.boxed()
    }
}

/// Writes down every address that it is asked for. Those in `routes` lead to a server on loopback; loopback itself is really
/// dialled, so that a canary there sees what gets through; all others refuse.
#[derive(Default)]
struct RecordingDialer {
    routes: HashMap<SocketAddr, SocketAddr>,
    dialled: Mutex<Vec<SocketAddr>>,
}

impl RecordingDialer {
    fn route(mut self, public: &str, server: SocketAddr) -> Self {
        self.routes.insert(public.parse().expect("an address with a port"), server);
        self
    }

    fn dialled(&self) -> Vec<SocketAddr> {
        self.dialled.lock().expect("not poisoned").clone()
    }
}

impl Dial for RecordingDialer {
    fn dial(&self, to: Vetted) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        self.dialled.lock().expect("not poisoned").push(to.address());
        if to.address().ip().is_loopback() {
            return TcpDialer.dial(to);
        }
        let server = self.routes.get(&to.address()).copied();
        async move {
            let server = server.ok_or(io::ErrorKind::ConnectionRefused)?;
            Ok(Box::new(tokio::net::TcpStream::connect(server).await?) as Box<dyn Stream>)
        }
        .boxed()
    }
}

/// No waits between attempts, no limits that a busy machine could meet.
fn test_config() -> FetchConfig {
    FetchConfig {
        backoff: Duration::ZERO,
        connect_timeout: Duration::from_secs(300),
        response_timeout: Duration::from_secs(300),
        stall_window: Duration::from_secs(300),
        ..FetchConfig::default()
    }
}

/// As [`test_config`], with loopback allowed: for fault servers addressed directly.
fn loopback_config() -> FetchConfig {
    FetchConfig { allow: "127.0.0.0/8".parse().expect("a network"), ..test_config() }
}

/// A client with stubs in place of name servers and network.
fn stubbed(
    config: FetchConfig,
    resolver: StubResolver,
    dialer: RecordingDialer,
) -> (Fetcher, Arc<StubResolver>, Arc<RecordingDialer>) {
    let (resolver, dialer) = (Arc::new(resolver), Arc::new(dialer));
    let fetcher = Fetcher::with_parts(config, resolver.clone(), dialer.clone()).expect("a client");
    (fetcher, resolver, dialer)
}

/// A download into a directory of its own.
struct Run {
    outcome: Result<Downloaded, Failure>,
    path: PathBuf,
    _dir: TempDir,
}

impl Run {
    fn content(&self) -> Vec<u8> {
        std::fs::read(&self.path).expect("the file is there")
    }

    /// The failure's message; on failure nothing may be left behind.
    fn message(&self) -> String {
        assert!(!self.path.exists(), "a failed download leaves no file");
        match &self.outcome {
            Ok(done) => panic!("expected a failure, got {done:?}"),
            Err(failure) => failure.to_string(),
        }
    }
}

async fn download_with(fetcher: &Fetcher, url: &str, headers: &[(&str, &str)], max_bytes: u64) -> Run {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("input");
    let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let request = Request { url, headers: &headers, max_bytes, deadline: Duration::from_secs(3600) };
    let outcome = fetcher.download(request, &path, &Cancel::new(), |_, _| {}).await;
    Run { outcome, path, _dir: dir }
}

async fn download(fetcher: &Fetcher, url: &str) -> Run {
    download_with(fetcher, url, &[], 1 << 20).await
}
