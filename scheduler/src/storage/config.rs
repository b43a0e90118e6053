//! Where objects are kept, as the operator says it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// Settings of storage, from the `[storage]` table of the configuration file or the variables named below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageConfig {
    /// `CONVERTFLY_STORAGE`: a folder, or `s3://bucket[/prefix]`.
    pub location: String,
    /// `CONVERTFLY_S3_ENDPOINT`: address of an S3-compatible server; without it, Amazon's for the region.
    pub s3_endpoint: Option<String>,
    /// `CONVERTFLY_S3_REGION`: the bucket's region; servers other than Amazon's mostly take any.
    pub s3_region: String,
    /// `CONVERTFLY_S3_ACCESS_KEY_ID`.
    pub s3_access_key_id: Option<String>,
    /// `CONVERTFLY_S3_SECRET_ACCESS_KEY`.
    pub s3_secret_access_key: Option<Secret<String>>,
    /// `CONVERTFLY_S3_PATH_STYLE`: the bucket in the path rather than in the host name. Without it: true with an endpoint
    /// of one's own, false with Amazon's.
    pub s3_path_style: Option<bool>,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            location: "convertfly-data/storage".to_owned(),
            s3_endpoint: None,
            s3_region: "us-east-1".to_owned(),
            s3_access_key_id: None,
            s3_secret_access_key: None,
            s3_path_style: None,
        }
    }
}

/// [`StorageConfig::location`] once it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// A folder.
    Local(PathBuf),
    /// A bucket, and what every key in it starts with: empty, or text that ends with a slash.
    S3 { bucket: String, prefix: String },
}

impl StorageConfig {
    /// The settings for a folder.
    pub fn local(folder: impl Into<PathBuf>) -> Self {
        Self { location: folder.into().to_string_lossy().into_owned(), ..Self::default() }
    }

    /// Takes over the variables that `lookup` finds (the environment, in a program) and returns what is wrong with them.
    pub fn apply_variables(&mut self, lookup: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(value) = lookup("CONVERTFLY_STORAGE") {
            self.location = value;
        }
        if let Some(value) = lookup("CONVERTFLY_S3_ENDPOINT") {
            self.s3_endpoint = (!value.is_empty()).then_some(value);
        }
        if let Some(value) = lookup("CONVERTFLY_S3_REGION") {
            self.s3_region = value;
        }
        if let Some(value) = lookup("CONVERTFLY_S3_ACCESS_KEY_ID") {
            self.s3_access_key_id = Some(value);
        }
        if let Some(value) = lookup("CONVERTFLY_S3_SECRET_ACCESS_KEY") {
            self.s3_secret_access_key = Some(Secret::new(value));
        }
        if let Some(value) = lookup("CONVERTFLY_S3_PATH_STYLE") {
            match value.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => self.s3_path_style = Some(true),
                "false" | "0" | "no" | "off" => self.s3_path_style = Some(false),
                _ => problems.push(format!("CONVERTFLY_S3_PATH_STYLE: {value:?} is not true or false, for example `true`")),
            }
        }
        problems
    }

    /// Everything that is wrong, each with the variable, the form of its value and an example; empty when all is well.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let location = self.parse_location();
        if let Err(problem) = &location {
            problems.push(problem.clone());
        }
        if !matches!(location, Ok(Location::S3 { .. })) {
            return problems;
        }
        if let Some(endpoint) = &self.s3_endpoint {
            let usable = url::Url::parse(endpoint).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https")
                    && url.has_host()
                    && url.username().is_empty()
                    && url.password().is_none()
                    && url.query().is_none()
            });
            if !usable {
                problems.push(
                    "CONVERTFLY_S3_ENDPOINT: expected http(s)://host[:port] without credentials or query, for example \
                     `https://minio.example.com:9000`"
                        .to_owned(),
                );
            }
        }
        if self.s3_region.is_empty() || !self.s3_region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            problems.push(format!("CONVERTFLY_S3_REGION: {:?} is not a region name, for example `eu-central-1`", self.s3_region));
        }
        if self.s3_access_key_id.as_deref().is_none_or(str::is_empty) {
            problems.push(
                "CONVERTFLY_S3_ACCESS_KEY_ID: an s3:// location needs the key's identifier, for example `AKIAIOSFODNN7EXAMPLE` \
                 (AWS_ variables and instance roles are not read)"
                    .to_owned(),
            );
        }
        if self.s3_secret_access_key.as_ref().is_none_or(|secret| secret.expose().is_empty()) {
            problems.push(
                "CONVERTFLY_S3_SECRET_ACCESS_KEY: an s3:// location needs the key's secret, as text, for example from a \
                 file: `CONVERTFLY_S3_SECRET_ACCESS_KEY=$(cat /etc/convertfly/s3-secret)`"
                    .to_owned(),
            );
        }
        problems
    }

    /// True when the bucket is named in the path of each address.
    pub(super) fn path_style(&self) -> bool {
        self.s3_path_style.unwrap_or(self.s3_endpoint.is_some())
    }

    /// Understands `location`, or says in one sentence what is wrong with it.
    pub(super) fn parse_location(&self) -> Result<Location, String> {
        const FORM: &str = "expected a folder such as `/var/lib/convertfly/storage`, or s3://bucket[/prefix] such as \
                            `s3://my-bucket/convertfly`";
        let location = self.location.as_str();
        let Some(address) = location.strip_prefix("s3://") else {
            if location.trim().is_empty() || location == "/" || location.contains("://") || location.contains('\0') {
                return Err(format!("CONVERTFLY_STORAGE: {location:?} cannot be used; {FORM}"));
            }
            return Ok(Location::Local(PathBuf::from(location)));
        };
        let (bucket, prefix) = address.split_once('/').unwrap_or((address, ""));
        if !is_bucket_name(bucket) {
            return Err(format!("CONVERTFLY_STORAGE: {bucket:?} is not a bucket name; {FORM}"));
        }
        let prefix = prefix.trim_end_matches('/');
        let plain = |part: &str| {
            !part.is_empty() && !part.starts_with('.') && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        if !prefix.is_empty() && !prefix.split('/').all(plain) {
            return Err(format!("CONVERTFLY_STORAGE: {prefix:?} may hold letters, digits, `-`, `_` and `/` only; {FORM}"));
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Location::S3 { bucket: bucket.to_owned(), prefix })
    }
}

/// Amazon's rule for bucket names: 3 to 63 lowercase letters, digits, dots and hyphens, letter or digit at both ends. It
/// also keeps out access points (`arn:…`), which take another way of signing.
fn is_bucket_name(name: &str) -> bool {
    let end = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    (3..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
        && end(name.bytes().next())
        && end(name.bytes().last())
        && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_understood() {
        let of = |location: &str| StorageConfig { location: location.into(), ..StorageConfig::default() }.parse_location();
        assert_eq!(of("/srv/files"), Ok(Location::Local("/srv/files".into())), "a folder");
        assert_eq!(of("data/storage"), Ok(Location::Local("data/storage".into())), "a relative folder");
        assert_eq!(of("s3://files"), Ok(Location::S3 { bucket: "files".into(), prefix: String::new() }), "a bucket");
        assert_eq!(of("s3://files/a/b/"), Ok(Location::S3 { bucket: "files".into(), prefix: "a/b/".into() }), "a prefix");
        for bad in
            ["", " ", "/", "gs://files", "s3://", "s3://A", "s3://arn:aws:s3:x", "s3://files/../x", "s3://files/a//b", "a\0b"]
        {
            let problem = of(bad).expect_err(bad);
            assert!(problem.contains("CONVERTFLY_STORAGE") && problem.contains("s3://my-bucket"), "{bad:?}: {problem}");
        }
    }

    #[test]
    fn all_problems_are_listed_with_variable_and_example() {
        let config = StorageConfig {
            location: "s3://files".into(),
            s3_endpoint: Some("ftp://x".into()),
            s3_region: "not a region".into(),
            ..StorageConfig::default()
        };
        let problems = config.validate();
        for variable in ["_ENDPOINT", "_REGION", "_ACCESS_KEY_ID", "_SECRET_ACCESS_KEY"] {
            let found =
                problems.iter().any(|p| p.starts_with(&format!("CONVERTFLY_S3{variable}: ")) && p.contains("for example"));
            assert!(found, "{variable} is missing from {problems:?}");
        }
        assert_eq!(StorageConfig::default().validate(), Vec::<String>::new(), "the default needs nothing");
    }

    #[test]
    fn variables_go_over_the_file_and_the_secret_stays_hidden() {
        let mut config: StorageConfig = serde_json::from_str(r#"{"location": "/srv"}"#).expect("a table with one key");
        let problems = config.apply_variables(|name| match name {
            "CONVERTFLY_STORAGE" => Some("s3://files".into()),
            "CONVERTFLY_S3_SECRET_ACCESS_KEY" => Some("hunter2".into()),
            "CONVERTFLY_S3_PATH_STYLE" => Some("maybe".into()),
            _ => None,
        });
        assert_eq!(config.location, "s3://files", "the variable wins");
        assert!(problems.len() == 1 && problems[0].contains("PATH_STYLE"), "got {problems:?}");
        assert!(!format!("{config:?} {:?}", config.validate()).contains("hunter2"), "no secret in any message");
    }
}
