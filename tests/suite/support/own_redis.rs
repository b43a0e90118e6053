//! A redis-server that a test starts, stops and restarts itself, with the settings of the embedded one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use convertfly_scheduler::store::Store;
use rustix::process::Signal;

use super::process::Process;

pub(crate) struct OwnRedis {
    pub(crate) process: Process,
    folder: PathBuf,
    socket: PathBuf,
}

impl OwnRedis {
    /// Starts one on the files of `folder`, with its socket beside it, and waits until it answers.
    pub(crate) async fn start(folder: &Path, appendfsync: &str) -> Self {
        let mut redis = Self::spawn(folder, appendfsync);
        assert!(redis.answers().await, "redis-server answers: {}", redis.log());
        redis
    }

    /// Starts one that may end again at once.
    pub(crate) fn spawn(folder: &Path, appendfsync: &str) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        let socket = folder.with_extension("sock");
        let _ = std::fs::remove_file(&socket);
        let log = std::fs::File::create(folder.with_extension("log")).expect("a log");
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "yes", "--aof-load-truncated", "yes"])
            .args(["--maxmemory-policy", "noeviction", "--appendfsync", appendfsync, "--dir"])
            .arg(folder)
            .arg("--unixsocket")
            .arg(&socket)
            .stdout(log)
            .spawn()
            .expect("redis-server");
        Self { process: Process(child), folder: folder.to_owned(), socket }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket.display())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.with_extension("log")).unwrap_or_default()
    }

    /// Waits until it answers; `false` where it ends first.
    pub(crate) async fn answers(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            let client = redis::Client::open(self.url()).expect("a URL");
            if let Ok(mut connection) = client.get_multiplexed_async_connection().await
                && redis::cmd("PING").query_async::<String>(&mut connection).await.is_ok()
            {
                return true;
            }
            if !matches!(self.process.0.try_wait(), Ok(None)) {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(mut self) {
        self.process.signal(Signal::KILL);
        self.process.wait();
    }

    pub(crate) async fn store(&self) -> Store {
        Store::open(&self.url(), 16).await.expect("the store opens")
    }
}

/// Copies a folder with all in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).stdin(Stdio::null()).status().expect("cp");
    assert!(done.success(), "{} is copied", from.display());
}

/// A small file system of its own on `folder`, where this user may mount one.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    pub(crate) fn mount(folder: &Path, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(folder).expect("a folder");
        let options = format!("size={megabytes}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(folder.to_owned()))
    }

    /// Fills it up to the last byte, or leaves some free.
    pub(crate) fn fill(&self, leave: u64) -> PathBuf {
        use std::io::Write;
        let path = self.0.join("ballast");
        let mut file = std::fs::File::create(&path).expect("a file");
        let block = vec![0u8; 4096];
        loop {
            let stat = rustix::fs::statvfs(&self.0).expect("its size");
            if stat.f_bavail * stat.f_frsize <= leave || file.write_all(&block).is_err() {
                return path;
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(&self.0).status();
    }
}
