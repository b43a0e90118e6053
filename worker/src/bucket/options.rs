//! The options of `import/s3` and `export/s3`, under the names that users of similar services know.

use convertfly_scheduler::catalog::{OptionEntry, OptionKind};
use convertfly_scheduler::secret::Secret;
use serde_json::{Map, Value};

use crate::failure::Failure;

/// How to reach a bucket.
pub(super) struct Connection {
    pub(super) bucket: String,
    pub(super) region: String,
    pub(super) endpoint: Option<String>,
    pub(super) access_key_id: String,
    pub(super) secret_access_key: Secret<String>,
    pub(super) session_token: Option<Secret<String>>,
}

/// A row of the catalogue.
fn entry(name: &str, kind: OptionKind, required: bool, help: &str) -> OptionEntry {
    OptionEntry { name: name.to_owned(), kind, required, default: Value::Null, help: help.to_owned() }
}

fn text(max_length: usize) -> OptionKind {
    OptionKind::String { max_length }
}

fn secret(max_length: usize) -> OptionKind {
    OptionKind::Secret { max_length }
}

/// The options that say where the bucket is and who we are.
pub fn connection_entries() -> Vec<OptionEntry> {
    let region = OptionEntry {
        default: "us-east-1".into(),
        ..entry("region", text(64), false, "Region of the bucket; servers other than Amazon's mostly take any.")
    };
    vec![
        entry("bucket", text(255), true, "Name of the bucket."),
        region,
        entry("endpoint", OptionKind::Url, false, "Address of an S3-compatible server; without it, Amazon's for the region."),
        entry("access_key_id", secret(128), true, "Identifier of the access key. Stored encrypted, never shown."),
        entry("secret_access_key", secret(256), true, "The access key's secret. Stored encrypted, never shown."),
        entry("session_token", secret(8192), false, "Token of temporary credentials. Stored encrypted, never shown."),
    ]
}

/// The options that say how an object is stored.
pub fn storage_entries() -> Vec<OptionEntry> {
    let words = |words: &[&str]| OptionKind::OneOf { values: words.iter().map(|&word| word.to_owned()).collect() };
    let acl = words(&[
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
    ]);
    vec![
        entry("acl", acl, false, "Canned access control list of the object."),
        entry("cache_control", text(1024), false, "Cache-Control of the object."),
        entry("content_type", text(255), false, "Content-Type of the object; default: that of the file's format."),
        entry("metadata", OptionKind::StringMap, false, "Metadata of the object: names and values."),
        entry("server_side_encryption", words(&["AES256", "aws:kms"]), false, "How the server encrypts the object."),
        entry("tagging", text(2048), false, "Tags of the object, in the form of a query: a=1&b=2."),
    ]
}

/// The text of an option.
pub(super) fn option<'a>(given: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    given.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

impl Connection {
    pub(super) fn read(given: &Map<String, Value>) -> Result<Self, Failure> {
        let required = |name: &str| {
            let missing = || Failure::invalid_field(name, format!("Missing required field: {name}"));
            option(given, name).map(str::to_owned).ok_or_else(missing)
        };
        let bucket = required("bucket")?;
        // With Amazon the name becomes part of a host name, and a colon would make it the name of another resource.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if !(3..=255).contains(&bucket.len()) || !bucket.bytes().all(plain) || bucket.starts_with('.') || bucket.contains("..") {
            return Err(Failure::invalid_field(
                "bucket",
                "bucket must be 3 to 255 letters, digits, dots, hyphens or underscores",
            ));
        }
        let region = option(given, "region").unwrap_or("us-east-1").to_owned();
        if !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(Failure::invalid_field("region", "region must be the name of a region, such as eu-central-1"));
        }
        Ok(Self {
            bucket,
            region,
            // An empty one is a mistake, and must not lead to Amazon.
            endpoint: given.get("endpoint").and_then(Value::as_str).map(str::to_owned),
            access_key_id: required("access_key_id")?,
            secret_access_key: Secret::new(required("secret_access_key")?),
            session_token: option(given, "session_token").map(|token| Secret::new(token.to_owned())),
        })
    }
}

/// Checks an object's key: what HTTP clients or servers may take for another path is refused.
///
/// # Errors
/// [`Failure::Invalid`] for the option `field`.
pub(super) fn check_key(field: &str, key: &str) -> Result<(), Failure> {
    if key.is_empty() || key.len() > 1024 {
        return Err(Failure::invalid_field(field, format!("{field} must be 1 to 1024 bytes long")));
    }
    let hidden = |segment: &str| matches!(segment, "." | "..");
    if key.starts_with('/') || key.split('/').any(hidden) || key.chars().any(char::is_control) {
        let reason = format!("{field} must not start with a slash or contain `.` or `..` as a segment, or control characters");
        return Err(Failure::invalid_field(field, reason));
    }
    Ok(())
}
