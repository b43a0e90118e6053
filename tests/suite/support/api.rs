//! `convertfly api` processes on a Redis of the test's own, so that they can die while what they wrote lives on.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use convertfly_api::keys::{Mode, generate, sha256_hex};
use convertfly_scheduler::store::{ApiKey, Store};
use rustix::process::Signal;
use tempfile::TempDir;

use super::process::{Process, program};
use super::redis::TestStore;
use super::server::Answer;

/// An API process.
pub(crate) struct Api {
    pub(crate) url: String,
    pub(crate) process: Process,
    client: Client,
    _folder: TempDir,
}

/// A client of an API process, with connections of its own.
#[derive(Clone)]
pub(crate) struct Client {
    url: String,
    agent: ureq::Agent,
}

/// Makes a live key of that account.
pub(crate) async fn key_for(store: &Store, account: &str, id: &str, scopes: &[&str]) -> String {
    let key = generate(Mode::Live).expose().clone();
    let record = ApiKey {
        id: id.into(),
        account: account.into(),
        name: id.into(),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        ..ApiKey::default()
    };
    store.put_key(&sha256_hex(&key), &record).await.expect("a key");
    key
}

impl Api {
    /// Starts a process on the test's Redis; all of them share one storage folder.
    pub(crate) fn start(t: &TestStore, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let mut command = program(folder.path());
        command.args(["api", "--listen", "127.0.0.1:0"]).env("CONVERTFLY_REDIS_URL", t.redis.url());
        command.env("CONVERTFLY_STORAGE", t.folder.path().join("storage"));
        // 32 bytes in base64: the same for every process of the store.
        command.env("CONVERTFLY_SECRET_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
        command.env("CONVERTFLY_STRANGER_REQUESTS", "1000000").envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut seen = Vec::new();
        let url = loop {
            let Some(Ok(line)) = log.next() else { panic!("the API did not start:\n{}", seen.join("\n")) };
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest.split('"').next().expect("an address").to_owned();
            }
            seen.push(line);
        };
        // Somebody has to read on, or the child would block on a full pipe.
        std::thread::spawn(move || log.for_each(drop));
        let client = Client::of(&url);
        Self { url, process: Process(child), client, _folder: folder }
    }

    /// A client with connections of its own.
    pub(crate) fn client(&self) -> Client {
        Client::of(&self.url)
    }

    pub(crate) fn call(&self, key: &str, method: &str, path: &str, body: Option<&str>, headers: &[(&str, &str)]) -> Answer {
        self.client.call(key, method, path, body, headers)
    }

    /// Ends the process as a power cut does.
    pub(crate) fn kill(mut self) {
        self.process.signal(Signal::KILL);
        self.process.wait();
    }
}

impl Client {
    fn of(url: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(180)));
        Self { url: url.to_owned(), agent: config.build().into() }
    }

    /// Sends a JSON request; panics when there is no answer.
    pub(crate) fn call(&self, key: &str, method: &str, path: &str, body: Option<&str>, headers: &[(&str, &str)]) -> Answer {
        self.attempt(key, method, path, body, headers).expect("an answer")
    }

    /// Sends a JSON request; `None` when the process died over it.
    pub(crate) fn attempt(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Option<Answer> {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}/api/v1{path}", self.url));
        request = request.header("authorization", format!("Bearer {key}")).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match body {
            Some(body) if method != "GET" => self.agent.run(request.body(body.as_bytes().to_vec()).expect("a request")),
            _ => self.agent.run(request.body(()).expect("a request")),
        };
        let (parts, mut body) = response.ok()?.into_parts();
        let bytes = body.with_config().limit(256 << 20).read_to_vec().ok()?;
        Some(Answer { status: parts.status.as_u16(), headers: parts.headers, bytes })
    }
}
