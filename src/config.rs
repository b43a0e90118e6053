//! Settings: one TOML file, `CONVERTFLY_*` variables over it, all problems reported together.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use convertfly_api::Policy;
use convertfly_scheduler::plans::ENTERPRISE;
use convertfly_scheduler::secret::Secret;
use convertfly_scheduler::storage::StorageConfig;
use convertfly_worker::node::WorkerConfig;
use serde::Deserialize;

use crate::retention::Retention;
use crate::routes;
use crate::webhook_settings::WebhookSettings;

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// `CONVERTFLY_DATA`: folder for the embedded Redis, files and the first API key.
    pub(crate) data: PathBuf,
    /// `CONVERTFLY_LISTEN`: address of the API.
    pub(crate) listen: SocketAddr,
    /// `CONVERTFLY_PUBLIC_URL`: where clients reach the API, for links; default `http://<listen>`.
    pub(crate) public_url: Option<String>,
    /// `CONVERTFLY_REDIS_URL`: the shared Redis; without it, `serve` starts its own.
    pub(crate) redis_url: Option<String>,
    /// `CONVERTFLY_SHARDS`: parts of the store; fixed when it is first used.
    pub(crate) shards: u16,
    /// `CONVERTFLY_SECRET_KEY`: seals customers' secrets in the store; 32 bytes in base64, the same for every process. `serve`
    /// makes one in `<data>/secret-key` where it is not set.
    pub(crate) secret_key: Option<Secret<String>>,
    /// Webhooks.
    pub(crate) webhooks: WebhookSettings,
    /// The account that the first start makes.
    pub(crate) default_account: DefaultAccount,
    /// `CONVERTFLY_REFUND_ON_ERROR`: `false` charges tasks that fail through their file or options; others are never charged.
    pub(crate) refund_on_error: bool,
    /// The API.
    pub(crate) api: Policy,
    /// Where files live.
    pub(crate) storage: StorageConfig,
    /// The worker.
    pub(crate) worker: WorkerConfig,
    /// How long things are kept.
    pub(crate) retention: Retention,
}

/// Limits of the account `default`; on one's own machine there is little reason to be tight.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DefaultAccount {
    /// Credits to start with.
    pub(crate) credits: u64,
    /// Jobs active at once.
    pub(crate) concurrent_jobs: u64,
    /// Jobs that may wait.
    pub(crate) waiting_jobs: u64,
    /// `CONVERTFLY_REQUESTS_PER_MINUTE`: requests that a key may make in a clock minute.
    pub(crate) requests_per_minute: u64,
}

impl Default for DefaultAccount {
    fn default() -> Self {
        Self {
            credits: 1_000_000,
            concurrent_jobs: ENTERPRISE.concurrent_jobs,
            waiting_jobs: ENTERPRISE.waiting_jobs,
            requests_per_minute: ENTERPRISE.requests_per_minute,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("convertfly-data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            redis_url: None,
            shards: 16,
            secret_key: None,
            webhooks: WebhookSettings::default(),
            default_account: DefaultAccount::default(),
            refund_on_error: true,
            api: Policy::default(),
            storage: StorageConfig { location: String::new(), ..StorageConfig::default() },
            worker: WorkerConfig::default(),
            retention: Retention::default(),
        }
    }
}

impl Config {
    /// Where clients reach the API.
    pub(crate) fn public_url(&self) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.listen))
    }

    /// Folder for tasks' temporary files.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.worker.scratch.clone().unwrap_or_else(|| self.data.join("scratch"))
    }
}

/// Reads the file, then the variables, then checks everything.
///
/// # Errors
/// All problems at once, each naming the variable or the place in the file.
pub(crate) fn load(file: Option<&Path>, data: Option<&Path>, listen: Option<SocketAddr>) -> anyhow::Result<Config> {
    let mut config = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the configuration file {}", path.display()))?;
            toml::from_str(&text).with_context(|| format!("the configuration file {} is not valid", path.display()))?
        }
        None => Config::default(),
    };
    let mut problems = apply_variables(&mut config, &|name| std::env::var(name).ok());
    if let Some(data) = data {
        config.data = data.to_owned();
    }
    if let Some(listen) = listen {
        config.listen = listen;
    }
    if config.storage.location.is_empty() {
        config.storage.location = config.data.join("storage").to_string_lossy().into_owned();
    }
    routes::apply(&mut config);
    problems.extend(config.api.validate());
    problems.extend(config.storage.validate());
    config.worker.link_lifetime = config.retention.files;
    problems.extend(config.retention.validate());
    problems.extend(config.worker.validate());
    problems.extend(config.webhooks.validate());
    if config.shards == 0 {
        problems.push("CONVERTFLY_SHARDS must be a number from 1 to 65535, for example 16".into());
    }
    if !problems.is_empty() {
        bail!("the configuration has {} problem(s):\n  - {}", problems.len(), problems.join("\n  - "));
    }
    Ok(config)
}

/// Puts the variables over the file's values; returns what does not read.
fn apply_variables(config: &mut Config, lookup: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut problems = config.storage.apply_variables(lookup);
    problems.extend(config.webhooks.apply_variables(lookup));
    problems.extend(config.api.apply_variables(lookup));
    let text = |name: &str| lookup(name).filter(|value| !value.is_empty());
    if let Some(url) = text("CONVERTFLY_PUBLIC_URL") {
        config.public_url = Some(url.trim_end_matches('/').to_owned());
    }
    if let Some(url) = text("CONVERTFLY_REDIS_URL") {
        config.redis_url = Some(url);
    }
    if let Some(key) = text("CONVERTFLY_SECRET_KEY") {
        config.secret_key = Some(Secret::new(key));
    }
    if let Some(scratch) = text("CONVERTFLY_SCRATCH") {
        config.worker.scratch = Some(scratch.into());
    }
    if let Some(table) = text("CONVERTFLY_ROUTES") {
        config.worker.routes = Some(table.into());
    }
    if let Some(program) = text("CONVERTFLY_MEDIA") {
        config.worker.media = Some(program.into());
    }
    for (name, place) in [
        ("CONVERTFLY_ALLOW_NETS", &mut config.worker.allow_nets),
        ("CONVERTFLY_GPU", &mut config.worker.gpu),
        ("CONVERTFLY_CPU", &mut config.worker.cpu),
        ("CONVERTFLY_ENCODER", &mut config.worker.encoder),
    ] {
        if let Some(value) = text(name) {
            *place = value;
        }
    }
    for (name, place) in [
        ("CONVERTFLY_REFUND_ON_ERROR", &mut config.refund_on_error),
        ("CONVERTFLY_SHARE_DECODES", &mut config.worker.share_decodes),
    ] {
        match text(name).as_deref() {
            None => {}
            Some("true") => *place = true,
            Some("false") => *place = false,
            Some(_) => problems.push(format!("{name} must be true or false, for example true")),
        }
    }
    let requests = &mut config.default_account.requests_per_minute;
    number(&text, "CONVERTFLY_REQUESTS_PER_MINUTE", "6000", requests, &mut problems);
    number(&text, "CONVERTFLY_SHARDS", "16", &mut config.shards, &mut problems);
    number(&text, "CONVERTFLY_KEEP_FILES", "86400", &mut config.retention.files, &mut problems);
    number(&text, "CONVERTFLY_KEEP_RECORDS", "2592000", &mut config.retention.records, &mut problems);
    number(&text, "CONVERTFLY_UPLOAD_LIFETIME", "3600", &mut config.retention.uploads, &mut problems);
    number(&text, "CONVERTFLY_CPU_SLOTS", "8", &mut config.worker.cpu_slots, &mut problems);
    number(&text, "CONVERTFLY_VIDEO_SLOTS", "2", &mut config.worker.video_slots, &mut problems);
    number(&text, "CONVERTFLY_OFFICE_SLOTS", "2", &mut config.worker.office_slots, &mut problems);
    number(&text, "CONVERTFLY_OFFICE_MEMORY", "1024", &mut config.worker.office_memory, &mut problems);
    number(&text, "CONVERTFLY_IO_SLOTS", "32", &mut config.worker.io_slots, &mut problems);
    number(&text, "CONVERTFLY_LEASE_MS", "10000", &mut config.worker.lease_ms, &mut problems);
    number(&text, "CONVERTFLY_TASK_TIMEOUT", "600", &mut config.worker.task_timeout, &mut problems);
    problems
}

fn number<T: std::str::FromStr>(
    lookup: &dyn Fn(&str) -> Option<String>,
    name: &str,
    example: &str,
    place: &mut T,
    problems: &mut Vec<String>,
) {
    match lookup(name).map(|value| value.parse::<T>()) {
        None => {}
        Some(Ok(value)) => *place = value,
        Some(Err(_)) => problems.push(format!("{name} must be a whole number, for example {example}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_reported() {
        let mut config = Config::default();
        let lookup = |name: &str| match name {
            "CONVERTFLY_IO_SLOTS" | "CONVERTFLY_SHARE_DECODES" => Some("many".to_owned()),
            _ => None,
        };
        let problems = apply_variables(&mut config, &lookup);
        assert_eq!(problems.len(), 2, "both are named: {problems:?}");
        assert!(problems.iter().all(|problem| problem.contains("for example")), "with an example: {problems:?}");
    }

    #[test]
    fn variables_go_over_the_file() {
        let mut config: Config = toml::from_str("shards = 4\n[worker]\nio_slots = 3\n").expect("valid");
        apply_variables(&mut config, &|name| (name == "CONVERTFLY_IO_SLOTS").then(|| "5".to_owned()));
        assert_eq!((config.shards, config.worker.io_slots), (4, 5), "the file's shards, the variable's slots");
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(toml::from_str::<Config>("shard = 4").is_err(), "a typo must not be silent");
    }
}
