//! A private `redis-server` child on a Unix socket in the data directory.
//!
//! `convertfly serve` without `CONVERTFLY_REDIS_URL` runs on it, and so do the tests: there is no second implementation of
//! the store. It is set up not to lose what it has acknowledged, started again when it dies, and stopped cleanly.

use std::fs::{File, TryLockError};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::Notify;

/// How long a start may take: loading a large append-only file takes a while.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long to wait for another process that holds the folder.
const LOCK_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest path of a Unix socket on Linux (`sockaddr_un.sun_path`, less the final NUL).
const SOCKET_PATH_LIMIT: usize = 107;

/// Why the embedded Redis did not start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// There is no such program.
    #[error("redis-server was not found. Install it with `sudo apt-get install redis-server`, or set CONVERTFLY_REDIS_URL")]
    Missing,
    /// The data directory's path is too long for a socket.
    #[error("the path {0} is too long for a Unix socket (limit: 107 bytes). Choose a shorter data directory with --data")]
    PathTooLong(PathBuf),
    /// It ended or stayed silent.
    #[error("redis-server did not start: {0}")]
    Failed(String),
    /// Another process runs a Redis in it.
    #[error("another ConvertFly process uses the data in {0}. Stop it first, or choose another data directory with --data")]
    InUse(PathBuf),
    /// The directory could not be used.
    #[error("{path}: {error}")]
    Io {
        /// What was touched.
        path: PathBuf,
        /// Why it failed.
        error: std::io::Error,
    },
}

/// The running child with its supervisor. Dropping it kills the child; [`EmbeddedRedis::stop`] lets it finish writing.
pub struct EmbeddedRedis {
    shared: Arc<Shared>,
    supervisor: tokio::task::JoinHandle<()>,
    /// Two servers on the same append-only file would destroy it; the lock goes with the process, however it ends.
    _lock: File,
}

struct Shared {
    socket: PathBuf,
    folder: PathBuf,
    stopping: AtomicBool,
    stop: Notify,
    pid: AtomicU32,
}

impl EmbeddedRedis {
    /// Starts `redis-server` in `folder` (made if missing, mode 0700), or takes over the one that still runs there after its
    /// parent was killed. Returns once it answers.
    ///
    /// # Errors
    /// [`EmbeddedError`], each saying what to do.
    pub async fn start(folder: &Path) -> Result<Self, EmbeddedError> {
        let io = |error| EmbeddedError::Io { path: folder.to_owned(), error };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(io)?;
        let folder = folder.canonicalize().map_err(io)?;
        let socket = folder.join("redis.sock");
        if socket.as_os_str().len() > SOCKET_PATH_LIMIT {
            return Err(EmbeddedError::PathTooLong(socket));
        }
        let shared =
            Arc::new(Shared { socket, folder, stopping: AtomicBool::new(false), stop: Notify::new(), pid: AtomicU32::new(0) });
        let lock = lock(&shared.folder).await?;
        if answers(&shared.socket).await {
            tracing::info!("a Redis of an earlier run still serves this data directory: stopping it first");
            shutdown(&shared.socket).await;
        }
        let child = shared.spawn().await?;
        let supervisor = tokio::spawn(supervise(Arc::clone(&shared), child));
        Ok(Self { shared, supervisor, _lock: lock })
    }

    /// The URL to open the store with.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.shared.socket.display())
    }

    /// The child's process id; changes when it is restarted.
    pub fn pid(&self) -> u32 {
        self.shared.pid.load(Ordering::Relaxed)
    }

    /// Asks the child to write everything and end; kills it if it does not within ten seconds.
    pub async fn stop(mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.stop.notify_one();
        let _ = (&mut self.supervisor).await;
    }
}

impl Drop for EmbeddedRedis {
    fn drop(&mut self) {
        // The child is killed with the supervisor's task, which owns it (`kill_on_drop`).
        self.supervisor.abort();
    }
}

impl Shared {
    /// Starts the program and waits until it answers.
    async fn spawn(&self) -> Result<Child, EmbeddedError> {
        // A socket file of a killed process would be in the way.
        let _ = std::fs::remove_file(&self.socket);
        let log = File::create(self.folder.join("redis.log"))
            .map_err(|error| EmbeddedError::Io { path: self.folder.join("redis.log"), error })?;
        let mut child = Command::new("redis-server")
            .args(["--port", "0", "--daemonize", "no", "--save", "", "--unixsocketperm", "700"])
            .args(["--appendonly", "yes", "--appendfsync", "always", "--aof-load-truncated", "yes"])
            .args(["--maxmemory-policy", "noeviction", "--databases", "1", "--dir"])
            .arg(&self.folder)
            .arg("--unixsocket")
            .arg(&self.socket)
            .stdin(Stdio::null())
            .stderr(log.try_clone().map_or_else(|_| Stdio::null(), Stdio::from))
            .stdout(log)
            // Its own process group: Ctrl-C on the terminal must reach it only after we have drained.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => EmbeddedError::Missing,
                _ => EmbeddedError::Failed(error.to_string()),
            })?;
        let deadline = tokio::time::Instant::now() + START_TIMEOUT;
        loop {
            if answers(&self.socket).await {
                self.pid.store(child.id().unwrap_or(0), Ordering::Relaxed);
                return Ok(child);
            }
            if let Ok(Some(status)) = child.try_wait() {
                let log = std::fs::read_to_string(self.folder.join("redis.log")).unwrap_or_default();
                let last = log.lines().rev().take(5).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join(" | ");
                return Err(EmbeddedError::Failed(format!("{status}: {last}")));
            }
            if tokio::time::Instant::now() > deadline {
                return Err(EmbeddedError::Failed(format!("no answer within {} s", START_TIMEOUT.as_secs())));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Starts the child again whenever it dies, until it is to stop.
async fn supervise(shared: Arc<Shared>, mut child: Child) {
    loop {
        tokio::select! {
            status = child.wait() => {
                if shared.stopping.load(Ordering::SeqCst) {
                    return;
                }
                tracing::error!(?status, "redis-server ended; starting it again");
                child = loop {
                    match shared.spawn().await {
                        Ok(child) => break child,
                        Err(error) => {
                            tracing::error!(%error, "redis-server does not come back");
                            tokio::time::sleep(Duration::from_secs(1)).await;
                        }
                    }
                };
            }
            () = shared.stop.notified() => {
                shutdown(&shared.socket).await;
                if tokio::time::timeout(Duration::from_secs(10), child.wait()).await.is_err() {
                    let _ = child.kill().await;
                }
                let _ = std::fs::remove_file(&shared.socket);
                return;
            }
        }
    }
}

/// The URL of the Redis that serves `folder` now, if one answers there.
pub async fn running(folder: &Path) -> Option<String> {
    let socket = folder.canonicalize().ok()?.join("redis.sock");
    answers(&socket).await.then(|| format!("redis+unix://{}", socket.display()))
}

/// Takes the folder for this process; waits a while for one that is just ending.
async fn lock(folder: &Path) -> Result<File, EmbeddedError> {
    let path = folder.join("lock");
    let io = |error| EmbeddedError::Io { path: path.clone(), error };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io)?;
    let deadline = tokio::time::Instant::now() + LOCK_TIMEOUT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(TryLockError::WouldBlock) => return Err(EmbeddedError::InUse(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
    }
}

/// Whether a Redis that has finished loading listens on the socket.
async fn answers(socket: &Path) -> bool {
    let Ok(client) = redis::Client::open(format!("redis+unix://{}", socket.display())) else { return false };
    let ping = async {
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("PING").query_async::<String>(&mut connection).await
    };
    matches!(tokio::time::timeout(Duration::from_secs(1), ping).await, Ok(Ok(_)))
}

/// Sends SHUTDOWN, which writes the append-only file out, and waits until the socket is silent.
async fn shutdown(socket: &Path) {
    let Ok(client) = redis::Client::open(format!("redis+unix://{}", socket.display())) else { return };
    if let Ok(mut connection) = client.get_multiplexed_async_connection().await {
        let _ = tokio::time::timeout(Duration::from_secs(10), redis::cmd("SHUTDOWN").query_async::<()>(&mut connection)).await;
    }
    for _ in 0..1000 {
        if !answers(socket).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
