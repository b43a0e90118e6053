//! The roles: together until Ctrl-C, apart with a shared Redis, and killed without loss.

use std::process::Stdio;
use std::time::{Duration, Instant};

use convertfly_scheduler::job::JobStatus;
use convertfly_scheduler::seal::Sealer;
use convertfly_scheduler::storage::{Storage, StorageConfig};
use convertfly_scheduler::upkeep::{self, UpkeepConfig};
use rustix::process::Signal;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::pictures;
use crate::support::process::{Process, program};
use crate::support::redis::TestStore;
use crate::support::server::Server;

#[test]
fn ctrl_c_leaves_nothing_behind() {
    let server = Server::start();
    server.convert(&pictures::png(8, 8, 1), "a.png", "png", &json!({}));
    let (folder, pid) = (server.folder.path().to_owned(), server.process.0.id());
    let folder_text = folder.to_string_lossy().into_owned();
    // Keeps the folder for a look after the server has gone.
    let kept = tempfile::tempdir().expect("a temporary directory");
    let status = {
        let mut server = server;
        server.process.signal(Signal::INT);
        let status = server.process.wait();
        std::fs::rename(&folder, kept.path().join("data")).expect("moved");
        status
    };
    assert!(status.success(), "it ends well: {status}");
    let left: Vec<String> = processes()
        .into_iter()
        .filter(|(parent, line)| *parent == pid || line.contains(&folder_text))
        .map(|(_, line)| line)
        .collect();
    assert!(left.is_empty(), "no process is left: {left:?}");
    let scratch = kept.path().join("data/scratch");
    // The empty lock file of the folder itself is no leftover of a task.
    let leftovers: Vec<_> =
        std::fs::read_dir(&scratch).expect("the folder").flatten().filter(|entry| entry.file_name() != ".lock").collect();
    assert!(leftovers.is_empty(), "no temporary file is left: {leftovers:?}");
}

/// Parent and command line of every process.
fn processes() -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Ok(line) = std::fs::read_to_string(entry.path().join("cmdline")) else { continue };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0);
        found.push((parent, line.replace('\0', " ")));
    }
    found
}

#[test]
fn the_key_is_private_and_survives_a_restart() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start();
    let mode = std::fs::metadata(server.folder.path().join("api-key")).expect("a key file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "for its owner alone");
    assert_eq!(server.call("GET", "/account", None).status, 200, "it opens the API");
    assert!(server.stop().success(), "stopped");
}

/// Two workers with the same settings share the work; one is killed with -9 in the middle; everything is done once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f20_two_workers_alike_share_and_one_may_die() {
    let t = TestStore::start().await;
    let root = t.folder.path().join("storage");
    let storage = Storage::open(&StorageConfig::local(&root)).await.expect("storage");
    let account = t.account("a", 1000, 1000).await;
    let stop = CancellationToken::new();
    let role = UpkeepConfig { reap: Duration::from_millis(100), ..UpkeepConfig::default() };
    tokio::spawn(upkeep::run(t.store.clone(), storage.clone(), role, stop.clone()));
    let jobs = crate::chaos::submit(&t, &storage, &account, 60).await;

    let spawn = || {
        let data = t.folder.path().join("node");
        std::fs::create_dir_all(&data).expect("a folder");
        let mut command = program(&data);
        command.arg("worker").env("CONVERTFLY_REDIS_URL", t.redis.url()).env("CONVERTFLY_STORAGE", &root);
        command.env("CONVERTFLY_LEASE_MS", "1000").env("CONVERTFLY_CPU_SLOTS", "1").env("CONVERTFLY_IO_SLOTS", "1");
        Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a worker"))
    };
    let (first, mut second) = (spawn(), spawn());
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut killed = false;
    loop {
        let done = t.store.jobs(&account, 1, 100, Some(JobStatus::Finished), None).await.expect("jobs").total;
        if done >= 15 && !killed {
            first.signal(Signal::KILL);
            killed = true;
        }
        if done == jobs.len() as u64 {
            break;
        }
        assert!(Instant::now() < deadline, "{done} of {} jobs done", jobs.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(killed, "one was killed in the middle");
    assert_eq!(t.store.account(&account).await.expect("account").spent, 60, "each was paid once");
    t.assert_money(&account).await;
    // The other one drains when it is asked to.
    second.signal(Signal::TERM);
    assert!(second.wait().success(), "a drained worker ends well");
    stop.cancel();
}

#[test]
fn a_role_without_redis_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    for role in ["api", "scheduler", "worker"] {
        let mut command = program(folder.path());
        command.arg(role).env("CONVERTFLY_LISTEN", "127.0.0.1:0");
        let output = command.output().expect("it runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains("CONVERTFLY_REDIS_URL"), "{role}: {error}");
    }
}

/// Secrets in the store are sealed with one key; a process that has none, or another one, does not start.
#[tokio::test]
async fn a_role_with_another_secret_key_is_refused() {
    let t = TestStore::start().await;
    let run = |key: Option<&str>| {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let mut command = program(folder.path());
        command.arg("worker").env("CONVERTFLY_REDIS_URL", t.redis.url()).env_remove("CONVERTFLY_SECRET_KEY");
        if let Some(key) = key {
            command.env("CONVERTFLY_SECRET_KEY", key);
        }
        let output = command.output().expect("it runs");
        assert!(!output.status.success(), "it does not start");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let missing = run(None);
    assert!(missing.contains("CONVERTFLY_SECRET_KEY is not set") && missing.contains("openssl rand"), "{missing}");
    let sealer = Sealer::from_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").expect("a key");
    t.store.check_sealer(&sealer).await.expect("the first key is the store's");
    let other = run(Some("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
    assert!(other.contains("sealed with another key"), "{other}");
    let bad = run(Some("hunter2"));
    assert!(bad.contains("32 random bytes") && !bad.contains("hunter2"), "{bad}");
}
