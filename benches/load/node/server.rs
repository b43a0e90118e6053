//! `convertfly serve` as a child, and its client.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::mix::Work;

/// Clock ticks a second in `/proc/PID/stat` (`USER_HZ`, 100 on every Linux that Rust runs on).
const TICKS: f64 = 100.0;

/// What a conversion made.
pub(super) struct Made {
    pub(super) pixels_in: u64,
    pub(super) bytes_out: u64,
    /// Milliseconds of each stage.
    pub(super) stages: Vec<(String, f64)>,
}

impl Made {
    /// Adds a task's results.
    fn add(&mut self, explain: &Value) {
        let stages = explain["ms"].as_object().into_iter().flatten();
        self.stages.extend(stages.filter_map(|(name, ms)| Some((name.clone(), ms.as_f64()?))));
        for stage in ["queued_ms", "fetch_ms", "store_ms"] {
            self.stages.extend(explain[stage].as_f64().map(|ms| (stage.trim_end_matches("_ms").to_owned(), ms)));
        }
        let figure = |name: &str| explain[name].as_u64().unwrap_or(0);
        // Of several results of one picture, it is one picture.
        self.pixels_in = figure("pixels_in");
        self.bytes_out += figure("bytes_out");
    }
}

pub(super) struct Server {
    child: Child,
    url: String,
    key: String,
    agent: ureq::Agent,
    _folder: TempDir,
}

impl Server {
    /// Starts one on a folder of its own, on the embedded Redis.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) fn start(program: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0"]).env("CONVERTFLY_DATA", folder.path());
        // The limits of a customer are not what is measured.
        command.env("CONVERTFLY_REQUESTS_PER_MINUTE", "100000000").env("CONVERTFLY_LOG", "info");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut log = BufReader::new(child.stderr.take().context("a pipe")?).lines();
        let mut seen = Vec::new();
        let url = loop {
            let Some(Ok(line)) = log.next() else { bail!("the node did not start:\n{}", seen.join("\n")) };
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest.split('"').next().unwrap_or_default().to_owned();
            }
            seen.push(line);
        };
        // Somebody has to read on, or it would block on a full pipe.
        std::thread::spawn(move || log.for_each(drop));
        let key = std::fs::read_to_string(folder.path().join("api-key")).context("the first start writes a key")?;
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_idle_connections_per_host(256);
        let agent = config.timeout_global(Some(Duration::from_mins(10))).build().into();
        Ok(Self { child, url, key: key.trim().to_owned(), agent, _folder: folder })
    }

    /// Uploads a file; returns its identifier.
    ///
    /// # Errors
    /// When it is refused.
    pub(super) fn upload(&self, path: &Path) -> anyhow::Result<String> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let task = json!({ "operation": "import/upload", "filename": name });
        let job = self.submit(&json!({ "tasks": { "in": task } }))?;
        let link = job["tasks"]["in"]["result"]["url"].as_str().context("an upload has a link")?.to_owned();
        let put = self.agent.put(link).send(std::fs::File::open(path)?)?;
        if !put.status().is_success() {
            bail!("{name}: the upload was answered {}", put.status());
        }
        let job = self.wait(&job)?;
        Ok(job["tasks"]["in"]["result"]["file_id"].as_str().with_context(|| format!("{name}: {job}"))?.to_owned())
    }

    /// One conversion, from submit to the end of `wait`.
    ///
    /// # Errors
    /// What the job says, if it does not finish.
    pub(super) fn convert(&self, file: &str, work: &Work) -> anyhow::Result<Made> {
        let plain = json!({ "quality": work.quality, "enlarge": false });
        let options: Vec<Value> = match work.widths {
            [] => vec![plain],
            widths => widths.iter().map(|width| json!({ "quality": work.quality, "enlarge": false, "width": width })).collect(),
        };
        let mut tasks = Map::new();
        tasks.insert("import".to_owned(), json!({ "operation": "import/file", "file_id": file }));
        for (at, options) in options.iter().enumerate() {
            let convert = json!({ "operation": "convert", "input": "import", "output_format": work.format, "options": options });
            tasks.insert(format!("convert{at}"), convert);
            tasks.insert(format!("export{at}"), json!({ "operation": "export/url", "input": format!("convert{at}") }));
        }
        let job = self.submit(&json!({ "tasks": tasks }))?;
        let job = self.wait(&job)?;
        let mut made = Made { pixels_in: 0, bytes_out: 0, stages: Vec::new() };
        for at in 0..options.len() {
            let task = &job["tasks"][format!("convert{at}")];
            if job["status"] != "FINISHED" {
                bail!("{}", task["error"]["code"].as_str().unwrap_or("it did not finish"));
            }
            made.add(&task["explain"]);
        }
        Ok(made)
    }

    fn submit(&self, body: &Value) -> anyhow::Result<Value> {
        let request =
            self.agent.post(format!("{}/api/v1/jobs", self.url)).header("authorization", format!("Bearer {}", self.key));
        let mut answer = request.send_json(body)?;
        let status = answer.status();
        let value: Value = answer.body_mut().read_json()?;
        if status != 201 {
            bail!("a job was answered {status}: {value}");
        }
        Ok(value["data"].clone())
    }

    fn wait(&self, job: &Value) -> anyhow::Result<Value> {
        let id = job["id"].as_str().context("an id")?;
        loop {
            let request = self.agent.get(format!("{}/api/v1/jobs/{id}/wait?timeout=120", self.url));
            let mut answer = request.header("authorization", format!("Bearer {}", self.key)).call()?;
            // 202: it still runs.
            if answer.status() == 200 {
                return Ok(answer.body_mut().read_json::<Value>()?["data"].clone());
            }
        }
    }

    /// Processor time of the node and everything below it so far.
    pub(super) fn cpu_seconds(&self) -> f64 {
        tree_cpu(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// Processor seconds of a process, of its descendants, and of those of them that were waited for.
pub(crate) fn tree_cpu(root: u32) -> f64 {
    let mut processes = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The second field may contain spaces; the rest follows its closing parenthesis: the parent is 4, the times are 14 to 17.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        processes.push((pid, number(4), (14..=17).map(number).sum::<u64>()));
    }
    let (mut ticks, mut below) = (0, vec![u64::from(root)]);
    while let Some(parent) = below.pop() {
        ticks += processes.iter().filter(|(pid, ..)| u64::from(*pid) == parent).map(|(.., ticks)| ticks).sum::<u64>();
        below.extend(processes.iter().filter(|(_, of, _)| *of == parent).map(|(pid, ..)| u64::from(*pid)));
    }
    ticks as f64 / TICKS
}
