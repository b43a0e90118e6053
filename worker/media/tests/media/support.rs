//! The child, and its results.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use convertfly_sandbox::{Cancel, Failure, Pool, PoolConfig, Progress};
use serde_json::{Value, json};

/// The child behind its pool.
pub(crate) struct Child {
    pub(crate) pool: Pool,
    runtime: tokio::runtime::Runtime,
}

/// A result.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) answer: Value,
    pub(crate) bytes: Vec<u8>,
    pub(crate) progress: Vec<f64>,
}

impl Child {
    pub(crate) fn start() -> Self {
        Self::start_as(&[], &[])
    }

    /// Started with those arguments, and that environment.
    pub(crate) fn start_as(args: &[&str], envs: &[(String, String)]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let (args, envs) = (args.iter().map(Into::into).collect(), envs.to_vec());
        let config =
            PoolConfig { threads: 1, args, envs, ..PoolConfig::new(PathBuf::from(env!("CARGO_BIN_EXE_convertfly-media"))) };
        let pool = runtime.block_on(Pool::start(config)).expect("the child starts");
        Self { pool, runtime }
    }

    /// Has a file converted, and returns the result or why there is none.
    pub(crate) fn convert(&self, input: &Path, from: &str, to: &str, options: Value) -> Result<Made, Failure> {
        self.run(input, json!({ "action": "convert", "from": from, "to": to, "options": options, "threads": 2 }), &Cancel::new())
    }

    /// Has files joined, each of its format.
    pub(crate) fn merge(&self, inputs: &[(&Path, &str)], to: &str, options: Value) -> Result<Made, Failure> {
        let (from, beside) = inputs.split_first().expect("some files");
        let beside: Vec<_> = beside.iter().map(|(_, format)| format).collect();
        let job = json!({ "action": "merge", "from": from.1, "to": to, "beside": beside, "options": options, "threads": 2 });
        let paths: Vec<_> = inputs.iter().map(|(path, _)| *path).collect();
        self.run_all(&paths, job, &Cancel::new())
    }

    pub(crate) fn run(&self, input: &Path, job: Value, cancel: &Cancel) -> Result<Made, Failure> {
        self.run_all(&[input], job, cancel)
    }

    /// Does a job whose files are the input and those beside it.
    pub(crate) fn run_all(&self, inputs: &[&Path], job: Value, cancel: &Cancel) -> Result<Made, Failure> {
        let mut output = tempfile::tempfile().expect("a temporary file");
        let opened = inputs.iter().map(|path| File::open(path).expect("the input"));
        let files = opened.chain([output.try_clone().expect("a second handle")]).map(Into::into).collect();
        let told = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&told);
        let progress = Progress::new(move |share| listener.lock().expect("no panic").push(share));
        let work = self.pool.run_with_progress(job, files, cancel, Duration::from_secs(120), progress);
        let answer = self.runtime.block_on(work)?;
        let mut bytes = Vec::new();
        output.rewind().expect("it can be read again");
        output.read_to_end(&mut bytes).expect("the result");
        let progress = told.lock().expect("no panic").clone();
        Ok(Made { answer, bytes, progress })
    }
}

impl Made {
    pub(crate) fn save(&self, path: &Path) {
        File::create(path).and_then(|mut file| file.write_all(&self.bytes)).expect("written");
    }

    pub(crate) fn warnings(&self) -> String {
        self.answer["warnings"].to_string()
    }

    pub(crate) fn tracks(&self) -> &Value {
        &self.answer["explain"]["tracks"]
    }
}
