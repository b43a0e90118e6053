//! Chromium's process in the jail.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;

use convertfly_sandbox::Growth;
use tokio::process::{Child, Command};

use super::START;
use super::cdp::Connection;
use crate::engines::Availability;
use crate::failure::Failure;
use crate::jail::{self, Jail};

/// Where Debian keeps it. The script of the same name in `/usr/bin` reads settings of the machine, which have no place here.
const PROGRAM: &str = "/usr/lib/chromium/chromium-headless-shell";

/// Bytes of memory for its profile.
const FILES: u64 = 1 << 30;

/// Puts the two descriptors of the debugging pipe where Chromium looks for them.
const SCRIPT: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null";

const FLAGS: &[&str] = &[
    "--remote-debugging-pipe",
    "--user-data-dir=/tmp/profile",
    // The jail is the sandbox; Chromium's own needs privileges that nothing has in there.
    "--no-sandbox",
    "--no-zygote",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
    "--font-render-hinting=none",
    "--hide-scrollbars",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-first-run",
    // There is no network in the jail. These are the second wall, and spare the wait.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
];

/// A running browser. Dropping it kills it, and the jail with all that is in it.
pub(super) struct Browser {
    pub(super) connection: Connection,
    /// Documents printed so far.
    pub(super) documents: u32,
    child: Child,
}

/// Whether there is one.
pub fn probe() -> Availability {
    let missing = |what: &str| Availability::Missing { what: what.to_owned(), remedy: jail::REMEDY.to_owned() };
    if !Path::new(PROGRAM).exists() {
        return missing("chromium-headless-shell is not installed");
    }
    match Jail::find() {
        Ok(_) => Availability::Ready("Chromium in bubblewrap".to_owned()),
        Err(why) => missing(why),
    }
}

impl Browser {
    /// Whether it keeps more memory than it may.
    pub(super) fn has_outgrown(&self, growth: &Growth) -> bool {
        self.child.id().is_some_and(|pid| growth.is_above(pid))
    }

    /// Starts one and waits until it answers.
    pub(super) async fn start() -> Result<Self, Failure> {
        let jail = Jail::find().map_err(Failure::internal)?;
        let arguments: Vec<&OsStr> = ["-c", SCRIPT, PROGRAM].iter().chain(FLAGS).map(OsStr::new).collect();
        let mut command = Command::new(jail.program());
        command
            .args(jail.arguments(FILES, &[], &[], Path::new("/bin/sh"), &arguments))
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = convertfly_sandbox::spawn(command).await.map_err(Failure::internal)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::internal("Chromium has no pipes"));
        };
        let mut connection = Connection::new(input, output);
        let version = connection.call(None, "Browser.getVersion", serde_json::json!({}));
        tokio::time::timeout(START, version)
            .await
            .map_err(|_| Failure::internal(format!("Chromium was not ready within {START:?}")))??;
        Ok(Self { connection, documents: 0, child })
    }
}
