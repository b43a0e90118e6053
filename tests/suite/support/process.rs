//! Processes of the real program.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_convertfly");

/// Seals secrets in the stores of tests.
pub(crate) const TEST_SECRET_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// The program with the machine's own settings kept out, and no GPU unless a test asks for one.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CONVERTFLY_")) {
        command.env_remove(name);
    }
    // Roles in separate processes share a key; `serve` makes its own where this is taken out.
    command.env("CONVERTFLY_SECRET_KEY", TEST_SECRET_KEY);
    command.env("CONVERTFLY_DATA", folder).env("CONVERTFLY_GPU", "off").current_dir(folder).stdin(Stdio::null());
    command
}

/// A child that is killed with its test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn signal(&self, signal: Signal) {
        // It may have ended already; that is what the caller looks at next.
        let _ = kill_process(Pid::from_child(&self.0), signal);
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.0.wait().expect("the child can be waited for")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A stopped process does not die of anything but KILL.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
