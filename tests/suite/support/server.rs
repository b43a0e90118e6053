//! `convertfly serve` on a free port, and a client for it.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::{Process, program};

/// A running server with its key.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) key: String,
    pub(crate) process: Process,
    pub(crate) folder: TempDir,
    log: Log,
    client: ureq::Agent,
}

/// Everything that a server has logged so far.
type Log = Arc<Mutex<String>>;

/// An answer: status, headers that matter, body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("not JSON ({e}): {}", String::from_utf8_lossy(&self.bytes)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Server {
    /// Starts a server that may import from this machine.
    pub(crate) fn start() -> Self {
        Self::start_with(&[("CONVERTFLY_ALLOW_NETS", "127.0.0.0/8")])
    }

    pub(crate) fn start_with(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let (url, process, log) = spawn(&folder, "serve", variables);
        let key = std::fs::read_to_string(folder.path().join("api-key")).expect("the first start writes a key").trim().to_owned();
        Self { url, key, process, folder, log, client: client() }
    }

    /// Another API process beside this server, on the same store and the same files.
    pub(crate) fn beside(&self) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let storage = self.folder.path().join("storage");
        // The processes of a store seal with the same key.
        std::fs::copy(self.folder.path().join("secret-key"), folder.path().join("secret-key")).expect("the server has a key");
        let variables = [("CONVERTFLY_REDIS_URL", self.redis_url()), ("CONVERTFLY_STORAGE", storage.display().to_string())];
        let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
        let (url, process, log) = spawn(&folder, "api", &variables);
        Self { url, key: self.key.clone(), process, folder, log, client: client() }
    }

    /// The embedded Redis of this server.
    pub(crate) fn redis_url(&self) -> String {
        format!("redis+unix://{}", self.folder.path().join("redis/redis.sock").display())
    }

    /// What the server has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("nobody panics with it").clone()
    }

    /// Runs `convertfly admin` on this server's data while it runs.
    pub(crate) fn admin(&self, arguments: &[&str]) -> std::process::Output {
        program(self.folder.path()).arg("admin").args(arguments).output().expect("the program runs")
    }

    /// As [`Server::admin`], which must succeed; returns what it prints.
    pub(crate) fn admin_says(&self, arguments: &[&str]) -> String {
        let output = self.admin(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
    }

    /// As [`Server::call`], with another key.
    pub(crate) fn call_as(&self, key: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let text = body.map(Value::to_string);
        let url = format!("{}/api/v1{path}", self.url);
        self.send(method, &url, Some(key), text.as_deref().map(str::as_bytes), &[("content-type", "application/json")])
    }

    /// Sends a JSON request with the key.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let text = body.map(Value::to_string);
        self.send(
            method,
            &format!("{}/api/v1{path}", self.url),
            Some(&self.key),
            text.as_deref().map(str::as_bytes),
            &[("content-type", "application/json")],
        )
    }

    /// Sends anything anywhere.
    pub(crate) fn send(
        &self,
        method: &str,
        url: &str,
        key: Option<&str>,
        body: Option<&[u8]>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match body {
            Some(body) => self.client.run(request.body(body).expect("a request")),
            None => self.client.run(request.body(()).expect("a request")),
        };
        let (parts, mut body) = response.expect("an answer").into_parts();
        let bytes = body.with_config().limit(256 << 20).read_to_vec().expect("a body");
        Answer { status: parts.status.as_u16(), headers: parts.headers, bytes }
    }

    /// Submits a job and waits for its end; returns the job.
    pub(crate) fn run(&self, job: &Value) -> Value {
        let created = self.call("POST", "/jobs", Some(job));
        assert_eq!(created.status, 201, "{}", String::from_utf8_lossy(&created.bytes));
        self.wait(created.json()["data"]["id"].as_str().expect("an id"))
    }

    /// Waits for a job's end.
    pub(crate) fn wait(&self, id: &str) -> Value {
        let answer = self.call("GET", &format!("/jobs/{id}/wait?timeout=120"), None);
        assert_eq!(answer.status, 200, "the job ends in time: {}", String::from_utf8_lossy(&answer.bytes));
        answer.json()["data"].clone()
    }

    /// Converts bytes by `import/base64`; returns the job.
    pub(crate) fn convert(&self, file: &[u8], name: &str, format: &str, options: &Value) -> Value {
        use base64::Engine;
        let file = base64::engine::general_purpose::STANDARD.encode(file);
        self.run(&json!({"tasks": {
            "import": {"operation": "import/base64", "file": file, "filename": name},
            "convert": {"operation": "convert", "input": ["import"], "output_format": format, "options": options},
            "export": {"operation": "export/url", "input": ["convert"]},
        }}))
    }

    /// Downloads a finished job's export.
    pub(crate) fn download(&self, job: &Value) -> Answer {
        let url = job["tasks"]["export"]["result"]["url"].as_str().unwrap_or_else(|| panic!("no link: {job:#}"));
        self.send("GET", url, None, None, &[])
    }

    /// Kills the server without a warning and starts another one on the same data; its address is another one, too.
    pub(crate) fn kill_and_restart(&mut self, variables: &[(&str, &str)]) {
        self.process.signal(Signal::KILL);
        self.process.wait();
        (self.url, self.process, self.log) = spawn(&self.folder, "serve", variables);
    }

    /// Most memory that the server's process has used since [`Server::forget_peak`], bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.0.id())).expect("its status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        peak.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") << 10
    }

    /// Forgets the peak so far; returns the memory in use.
    pub(crate) fn forget_peak(&self) -> u64 {
        std::fs::write(format!("/proc/{}/clear_refs", self.process.0.id()), "5").expect("the peak can be forgotten");
        self.peak_memory()
    }

    /// Files in the data folder, or in a folder of it, by path.
    pub(crate) fn files(&self, below: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().join(below)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() { folders.push(entry.path()) } else { found.push(entry.path().display().to_string()) }
            }
        }
        found
    }

    /// Ends the server as Ctrl-C does.
    pub(crate) fn stop(mut self) -> std::process::ExitStatus {
        self.process.signal(Signal::INT);
        self.process.wait()
    }
}

impl Drop for Server {
    /// A server that is killed leaves its Redis running, so that the next one can take it over; here there is no next one.
    fn drop(&mut self) {
        let _ = self.process.0.kill();
        let _ = self.process.0.wait();
        if let Ok(mut redis) = super::redis::redis_client(&self.redis_url()).get_connection() {
            // The answer is the end of the connection.
            let _ = redis::cmd("SHUTDOWN").arg("NOSAVE").query::<()>(&mut redis);
        }
    }
}

/// Starts the program and reads its address from the log.
fn spawn(folder: &TempDir, role: &str, variables: &[(&str, &str)]) -> (String, Process, Log) {
    let mut command = program(folder.path());
    command.env_remove("CONVERTFLY_SECRET_KEY");
    // A test's own refused requests are many, and all from one address.
    command.env("CONVERTFLY_STRANGER_REQUESTS", "1000000");
    command.args([role, "--listen", "127.0.0.1:0"]).envs(variables.iter().copied());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut seen = Vec::new();
    let url = loop {
        let Some(Ok(line)) = log.next() else { panic!("the server did not start:\n{}", seen.join("\n")) };
        if let Some((_, rest)) = line.split_once("listening on ") {
            break rest.split('"').next().expect("an address").to_owned();
        }
        seen.push(line);
    };
    // Somebody has to read on, or the child would block on a full pipe.
    let kept = Log::new(Mutex::new(seen.join("\n")));
    let keep = Arc::clone(&kept);
    std::thread::spawn(move || {
        log.map_while(Result::ok).for_each(|line| {
            if std::env::var_os("SUITE_LOG").is_some() {
                eprintln!("{line}")
            }
            let mut kept = keep.lock().expect("nobody panics with it");
            kept.push_str(&line);
            kept.push('\n');
        })
    });
    (url, Process(child), kept)
}

fn client() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(180))).build().into()
}
