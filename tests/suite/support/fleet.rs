//! Roles as processes of their own, on a shared Redis and storage folder: killed, frozen and started again as a test likes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock};

use super::process::{Process, program};

/// What every process of a fleet is started with.
#[derive(Clone)]
pub(crate) struct Fleet {
    /// Their data folder: the same for all, as on one machine.
    pub(crate) data: PathBuf,
    /// Where they meet.
    pub(crate) redis: String,
    /// The storage folder.
    pub(crate) storage: PathBuf,
    /// Further variables.
    pub(crate) variables: Vec<(&'static str, String)>,
}

/// A process and what it said of itself once it was ready.
pub(crate) struct Member {
    pub(crate) process: Process,
    ready: Arc<OnceLock<String>>,
    /// The last line of its log.
    last: Arc<Mutex<String>>,
}

impl Member {
    /// An API's address or a worker's name; nothing while it starts.
    pub(crate) fn ready(&self) -> Option<&str> {
        self.ready.get().map(String::as_str)
    }

    /// Whether it still runs.
    pub(crate) fn alive(&mut self) -> bool {
        matches!(self.process.0.try_wait(), Ok(None))
    }

    /// Waits until it is ready; panics where it ends before.
    pub(crate) fn wait_ready(&mut self) -> String {
        loop {
            if let Some(ready) = self.ready() {
                return ready.to_owned();
            }
            assert!(self.alive(), "the process ended before it was ready: {}", self.last.lock().expect("never poisoned"));
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

impl Fleet {
    pub(crate) fn new(folder: &Path, redis: String, storage: PathBuf) -> Self {
        let data = folder.join("node");
        std::fs::create_dir_all(&data).expect("a data folder");
        // 32 bytes, the same for every process.
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned();
        Self { data, redis, storage, variables: vec![("CONVERTFLY_SECRET_KEY", key)] }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// An API on a port of the machine's choice, or on `listen`.
    pub(crate) fn api(&self, listen: Option<&str>) -> Member {
        self.start(&["api", "--listen", listen.unwrap_or("127.0.0.1:0")], |line| {
            let (_, rest) = line.split_once("listening on ")?;
            Some(rest.split('"').next()?.to_owned())
        })
    }

    /// A worker; ready once it leases.
    pub(crate) fn worker(&self) -> Member {
        self.start(&["worker"], |line| {
            let at = line.contains("worker ready").then(|| line.find("worker_"))??;
            Some(line[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect())
        })
    }

    fn start(&self, arguments: &[&str], ready: fn(&str) -> Option<String>) -> Member {
        let mut command = program(&self.data);
        command.args(arguments).env("CONVERTFLY_REDIS_URL", &self.redis).env("CONVERTFLY_STORAGE", &self.storage);
        command.envs(self.variables.iter().map(|(name, value)| (*name, value))).env("CONVERTFLY_LOG", "info");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let said = Arc::new(OnceLock::new());
        let last = Arc::new(Mutex::new(String::new()));
        let (tell, note) = (Arc::clone(&said), Arc::clone(&last));
        let loud = std::env::var_os("SUITE_LOG").is_some();
        // Reads on to the end, or the child would block on a full pipe.
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if let Some(word) = ready(&line) {
                    let _ = tell.set(word);
                }
                if loud {
                    eprintln!("{line}");
                }
                *note.lock().expect("never poisoned") = line;
            }
        });
        Member { process: Process(child), ready: said, last }
    }
}
