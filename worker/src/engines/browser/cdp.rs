//! The Chrome DevTools protocol over a pipe: JSON messages, each ended by a NUL.

use std::collections::VecDeque;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};

use crate::failure::Failure;

/// Bytes of one message, at most: a chunk of a result in base64, and some.
const MAX_MESSAGE: u64 = 64 << 20;

/// Events that wait to be looked at, at most.
const MAX_EVENTS: usize = 10_000;

/// A line to one browser.
pub(super) struct Connection {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next: u64,
    events: VecDeque<Value>,
}

impl Connection {
    pub(super) fn new(input: ChildStdin, output: ChildStdout) -> Self {
        Self { input, output: BufReader::with_capacity(1 << 16, output), next: 0, events: VecDeque::new() }
    }

    /// Asks and waits for the answer. Events that come meanwhile are kept for [`Connection::event`].
    pub(super) async fn call(&mut self, session: Option<&str>, method: &str, parameters: Value) -> Result<Value, Failure> {
        let id = self.send(session, method, parameters).await?;
        loop {
            let mut message = self.receive().await?;
            if message.get("id").and_then(Value::as_u64) == Some(id) {
                return match message.get("error") {
                    None => Ok(message["result"].take()),
                    Some(error) => Err(Failure::internal(format!("Chromium's {method}: {error}"))),
                };
            }
            self.keep(message)?;
        }
    }

    /// Asks without waiting; the answer is dropped when it comes.
    pub(super) async fn send(&mut self, session: Option<&str>, method: &str, parameters: Value) -> Result<u64, Failure> {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": parameters });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = serde_json::to_vec(&message).map_err(Failure::internal)?;
        bytes.push(0);
        self.input.write_all(&bytes).await.map_err(gone)?;
        Ok(self.next)
    }

    /// The next event.
    pub(super) async fn event(&mut self) -> Result<Value, Failure> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let message = self.receive().await?;
            self.keep(message)?;
        }
    }

    fn keep(&mut self, message: Value) -> Result<(), Failure> {
        if message.get("method").is_some() {
            self.events.push_back(message);
        }
        if self.events.len() > MAX_EVENTS { Err(Failure::internal("Chromium sends too many events")) } else { Ok(()) }
    }

    async fn receive(&mut self) -> Result<Value, Failure> {
        let mut bytes = Vec::new();
        (&mut self.output).take(MAX_MESSAGE).read_until(0, &mut bytes).await.map_err(gone)?;
        match bytes.pop() {
            Some(0) => serde_json::from_slice(&bytes).map_err(Failure::internal),
            _ => Err(Failure::internal("Chromium has ended, or says too much at once")),
        }
    }
}

fn gone(error: std::io::Error) -> Failure {
    Failure::internal(format!("Chromium's pipe: {error}"))
}
