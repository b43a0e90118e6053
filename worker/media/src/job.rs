//! A piece of work as the node describes it, and the answer.

use std::rc::Rc;

use convertfly_sandbox::{Cancel, Failure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::mark::Mark;
use crate::options::Options;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Convert,
    /// The size that pictures have once they are upright and their pixels square.
    Measure,
    Merge,
    Metadata,
    Optimize,
    Watermark,
}

/// From the node.
#[derive(Clone, Deserialize)]
pub(crate) struct Job {
    pub(crate) action: Action,
    pub(crate) from: String,
    pub(crate) to: String,
    /// Formats of the files beside the input, in their order.
    #[serde(default)]
    pub(crate) beside: Vec<String>,
    #[serde(default)]
    pub(crate) options: Options,
    /// Bytes that the result may have at most.
    #[serde(default)]
    pub(crate) max_bytes: Option<u64>,
    /// Nothing may be lost.
    #[serde(default)]
    pub(crate) exact: bool,
    /// The facts include how loud the sound is.
    #[serde(default)]
    pub(crate) measures_loudness: bool,
    /// The node's own policy, where the task says nothing.
    #[serde(default)]
    pub(crate) encoder: Option<String>,
    /// Hardware encoders that opened when they were probed.
    #[serde(default)]
    pub(crate) hardware: Vec<String>,
    /// Encoders that are not to be tried, with the reason.
    #[serde(default)]
    pub(crate) resting: Vec<Resting>,
    /// Threads that one codec may use.
    #[serde(default)]
    pub(crate) threads: usize,
    /// The input is not all there; a socket comes behind it on which parts are asked for.
    #[serde(default)]
    pub(crate) parts: bool,
    /// What is laid over every picture.
    #[serde(skip)]
    pub(crate) mark: Option<Rc<Mark>>,
    /// A step that makes the sound as loud as asked.
    #[serde(skip)]
    pub(crate) level: Option<String>,
}

/// An encoder that has failed too often of late.
#[derive(Clone, Deserialize)]
pub(crate) struct Resting {
    pub(crate) encoder: String,
    pub(crate) reason: String,
}

/// To the node; the same fields as every engine's answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Made {
    pub(crate) width: Option<u32>,
    pub(crate) height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Value>,
    pub(crate) warnings: Vec<String>,
    pub(crate) explain: Map<String, Value>,
}

/// What belongs to the work beside its description.
pub(crate) struct Surroundings<'a> {
    pub(crate) cancel: &'a Cancel,
    /// Told the share done, 0 to 1.
    pub(crate) progress: &'a dyn Fn(f64),
}

impl Job {
    /// Which encoders are tried: the task's word, or the node's.
    pub(crate) fn policy(&self) -> &str {
        self.options.encoder.as_deref().or(self.encoder.as_deref()).unwrap_or("auto")
    }

    /// Whether it would use that encoder: by its name, or because it works here.
    pub(crate) fn wants(&self, encoder: &str) -> bool {
        self.policy() == encoder || (self.policy() != "software" && self.hardware.iter().any(|name| name == encoder))
    }

    /// Threads for a codec.
    pub(crate) fn threads(&self) -> usize {
        self.threads.clamp(1, 64)
    }
}

/// A format that the node names and the table does not know: the two are not of one release.
pub(crate) fn unknown(name: &str) -> Failure {
    Failure::internal(format!("the media program does not know the format {name}"))
}
