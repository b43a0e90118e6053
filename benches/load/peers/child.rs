//! A peer as a child process: a JSON request a line, a JSON reply a line.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, bail};
use serde_json::Value;

use super::Cost;

pub(super) struct Child {
    process: std::process::Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    name: String,
}

impl Child {
    /// Starts `script` with its interpreter.
    ///
    /// # Errors
    /// When the interpreter is missing.
    pub(super) fn start(interpreter: impl AsRef<OsStr>, script: &Path) -> anyhow::Result<Self> {
        let name = script.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut command = Command::new(interpreter);
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().with_context(|| format!("{name} could not be started"))?;
        let input = process.stdin.take().context("a pipe")?;
        let output = BufReader::new(process.stdout.take().context("a pipe")?);
        Ok(Self { process, input, output, name })
    }

    /// One request.
    ///
    /// # Errors
    /// When the child ends, or says that it failed.
    pub(super) fn ask(&mut self, request: &Value) -> anyhow::Result<Value> {
        writeln!(self.input, "{request}").with_context(|| format!("{} has ended", self.name))?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let reply: Value = serde_json::from_str(&line).with_context(|| format!("{} has ended over {request}", self.name))?;
        if let Some(error) = reply["error"].as_str() {
            bail!("{}: {error}, asked for {request}", self.name);
        }
        Ok(reply)
    }

    /// One piece of work.
    ///
    /// # Errors
    /// As [`Child::ask`].
    pub(super) fn cost(&mut self, request: &Value) -> anyhow::Result<Cost> {
        let reply = self.ask(request)?;
        let figure = |name: &str| reply[name].as_f64().with_context(|| format!("{} gave no {name}", self.name));
        Ok(Cost { cpu_ms: figure("cpu_ms")?, wall_ms: figure("wall_ms")? })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
