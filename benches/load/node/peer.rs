//! sharp in a process a core, fed by BullMQ, on a Redis that writes its file as ours does.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use convertfly_scheduler::embedded::EmbeddedRedis;
use serde_json::{Value, json};

use super::Peer;
use super::mix::Work;
use super::server::tree_cpu;

/// Those of the files that sharp reads.
///
/// # Errors
/// When it is not installed.
pub(super) fn readable<'a>(folder: &Path, files: impl Iterator<Item = &'a Path>) -> anyhow::Result<BTreeSet<PathBuf>> {
    let files: Vec<&Path> = files.collect();
    let reply = script(folder, "readable.mjs", &json!({ "files": files }))?;
    let list = reply["readable"].as_array().context("a list")?;
    Ok(list.iter().filter_map(Value::as_str).map(PathBuf::from).collect())
}

/// Does the work.
///
/// # Errors
/// When the script fails.
pub(super) fn run<'a>(folder: &Path, work: impl Iterator<Item = (&'a Path, &'static Work)>) -> anyhow::Result<Peer> {
    let results = tempfile::tempdir()?;
    let jobs: Vec<Value> = work
        .enumerate()
        .map(|(i, (source, work))| {
            let output = results.path().join(format!("{i}.{}", work.format));
            json!({ "source": source, "output": output, "format": work.format, "widths": work.widths, "quality": work.quality })
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let redis_folder = tempfile::tempdir()?;
    let redis = runtime.block_on(EmbeddedRedis::start(redis_folder.path()))?;
    let socket = redis.url().trim_start_matches("redis+unix://").to_owned();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let before = tree_cpu(redis.pid());
    let reply = script(folder, "queue.mjs", &json!({ "socket": socket, "jobs": jobs, "processes": cores }));
    let redis_cpu = tree_cpu(redis.pid()) - before;
    runtime.block_on(redis.stop());
    let reply = reply?;
    let figure = |name: &str| reply[name].as_f64().with_context(|| format!("no {name} in {reply}"));
    let bytes_out = std::fs::read_dir(results.path())?.flatten().filter_map(|entry| entry.metadata().ok()).map(|m| m.len()).sum();
    Ok(Peer {
        seconds: figure("seconds")?,
        cpu_seconds: figure("cpu_seconds")? + redis_cpu,
        bytes_out,
        failed: figure("failed")? as usize,
        ratio: 0.0,
        cpu_ratio: 0.0,
    })
}

/// Runs a script of the peer's with a JSON document on its standard input, and reads one from its output.
fn script(folder: &Path, name: &str, input: &Value) -> anyhow::Result<Value> {
    if !folder.join("node_modules/sharp").exists() {
        bail!("the peer is not installed; run `npm ci` in {}", folder.display());
    }
    let mut command = Command::new("node");
    let mut child = command.arg(folder.join(name)).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("node")?;
    child.stdin.take().context("a pipe")?.write_all(input.to_string().as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{name} failed: {}", output.status);
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("{name} answers with JSON"))
}
