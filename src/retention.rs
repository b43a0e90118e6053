//! How long things are kept: files, records, and the places that wait for uploads.

use std::time::Duration;

use convertfly_scheduler::upkeep::UpkeepConfig;
use serde::Deserialize;

/// Settings of the `[retention]` table; all in seconds.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Retention {
    /// `CONVERTFLY_KEEP_FILES`: from a job's end to the deletion of its files, and the lifetime of download links; 24 hours.
    pub(crate) files: u64,
    /// `CONVERTFLY_KEEP_RECORDS`: from a job's end to the deletion of its record; 30 days.
    pub(crate) records: u64,
    /// `CONVERTFLY_UPLOAD_LIFETIME`: how long an upload is awaited; 1 hour, at most 24.
    pub(crate) uploads: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { files: 24 * 3_600, records: 30 * 24 * 3_600, uploads: 3_600 }
    }
}

impl Retention {
    /// Every problem, each naming the variable, the form of its value and an example.
    pub(crate) fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.files == 0 {
            problems.push("CONVERTFLY_KEEP_FILES must be a number of seconds from 1 up, for example 86400".to_owned());
        }
        if self.records < self.files {
            problems.push("CONVERTFLY_KEEP_RECORDS must be at least CONVERTFLY_KEEP_FILES, for example 2592000".to_owned());
        }
        if !(1..=86_400).contains(&self.uploads) {
            problems.push("CONVERTFLY_UPLOAD_LIFETIME must be a number of seconds from 1 to 86400, for example 3600".to_owned());
        }
        problems
    }

    /// How long an upload is awaited.
    pub(crate) fn upload_lifetime(&self) -> Duration {
        Duration::from_secs(self.uploads)
    }

    /// The scheduler's duties with these times. What is kept for a short time is looked after more often.
    pub(crate) fn upkeep(&self) -> UpkeepConfig {
        let usual = UpkeepConfig::default();
        UpkeepConfig {
            expire: usual.expire.min(Duration::from_secs((self.files / 4).max(1))),
            keep_files: Duration::from_secs(self.files),
            keep_record: Duration::from_secs(self.records.saturating_sub(self.files)),
            ..usual
        }
    }
}
