//! Proofs of the confinement and of the supervision, with this test binary as the child's program.

mod escape;
mod faults;
mod handler;
mod node;
mod work;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::{Confinement, Pool, PoolConfig, serve, threads_from_environment};
use crate::Cancel;
use crate::Failure;

/// Set in children only: their confinement as JSON.
const CHILD: &str = "CONVERTFLY_TEST_CHILD";

/// Set to a path: a child that finds a file there does not start.
const BROKEN: &str = "CONVERTFLY_TEST_BROKEN";

/// More than anything here takes, so that only work that is meant to be late is.
const LONG: Duration = Duration::from_secs(120);

/// Bytes that a child may write to a file.
const FILE_SIZE: u64 = 1 << 20;

/// Where a child of these tests starts; in an ordinary run of the tests there is nothing to do.
#[test]
fn child_entry() {
    let Ok(confinement) = std::env::var(CHILD) else { return };
    if std::env::var(BROKEN).is_ok_and(|path| std::fs::exists(path).unwrap_or(true)) {
        std::process::exit(4);
    }
    let confinement = serde_json::from_str(&confinement).expect("the test passes a confinement");
    serve(threads_from_environment(), &confinement, Arc::new(handler::handle));
    std::process::exit(1);
}

fn confinement() -> Confinement {
    Confinement { address_space: Some(1 << 30), file_size: FILE_SIZE, open_files: 64, gpu: false, devices: Vec::new() }
}

/// The arguments with which this binary runs one of its tests alone.
fn only(test: &str) -> Vec<std::ffi::OsString> {
    let module = module_path!().split_once("::").map_or("", |(_, module)| module);
    vec![format!("{module}::{test}").into(), "--exact".into(), "--nocapture".into(), "--test-threads=1".into()]
}

fn config(threads: usize, confinement: &Confinement) -> PoolConfig {
    let mut config = PoolConfig::new(std::env::current_exe().expect("a test knows its binary"));
    config.args = only("child_entry");
    config.envs = vec![(CHILD.to_owned(), serde_json::to_string(confinement).expect("a confinement is JSON"))];
    config.threads = threads;
    config
}

async fn pool(threads: usize) -> Pool {
    Pool::start(config(threads, &confinement())).await.expect("the child starts")
}

/// Files of one task, in a directory that goes with it.
struct Files {
    directory: TempDir,
    output: File,
}

impl Files {
    fn new(input: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("input"), input).expect("an input");
        Self { directory, output: tempfile::tempfile().expect("an output") }
    }

    fn input(&self) -> PathBuf {
        self.directory.path().join("input")
    }

    /// What a node passes: the input, for reading alone, and the output.
    fn descriptors(&self) -> Vec<OwnedFd> {
        let input = File::open(self.input()).expect("the input opens");
        vec![input.into(), self.output.try_clone().expect("the output's descriptor").into()]
    }

    fn output(&self) -> String {
        let mut bytes = vec![0; self.output.metadata().expect("the output's size").len() as usize];
        self.output.read_exact_at(&mut bytes, 0).expect("the output reads");
        String::from_utf8(bytes).expect("tests write text")
    }

    /// Lets a task that holds go on.
    fn release(&self, text: &str) {
        std::fs::write(self.input(), text).expect("the input is written");
    }

    async fn started(&self) {
        until("the task starts", || self.output() == "started ").await;
    }
}

/// A task that runs beside the test.
struct Task {
    files: Files,
    cancel: Cancel,
    result: tokio::task::JoinHandle<Result<Value, Failure>>,
}

impl Task {
    fn start(pool: &Pool, what: &str, deadline: Duration) -> Self {
        let (files, cancel) = (Files::new(""), Cancel::new());
        let (pool, job, descriptors, flag) = (pool.clone(), handler::job(what), files.descriptors(), cancel.clone());
        let result = tokio::spawn(async move { pool.run(job, descriptors, &flag, deadline).await });
        Self { files, cancel, result }
    }

    async fn end(self) -> (Files, Result<Value, Failure>) {
        (self.files, self.result.await.expect("the task's future does not panic"))
    }
}

async fn run(pool: &Pool, what: &str) -> Result<Value, Failure> {
    pool.run(handler::job(what), Files::new("text").descriptors(), &Cancel::new(), LONG).await
}

/// The pool does ordinary work.
async fn assert_works(pool: &Pool) {
    let files = Files::new("some text");
    let result = pool.run(handler::job("echo"), files.descriptors(), &Cancel::new(), LONG).await;
    assert_eq!(result, Ok(serde_json::json!({ "bytes": 9 })), "an echo answers");
    assert_eq!(files.output(), "some text", "an echo copies the file");
}

/// Waits for what another process does, which sends no event here.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LONG, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Whether a process runs: neither gone nor waiting to be buried.
fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z') && !rest.starts_with('X')))
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid as i32).expect("a process number");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the process is ours");
}
