//! Signed links to a task's files as one zip archive, made when it is downloaded.

use serde::{Deserialize, Serialize};

use super::sign::{LinkSecret, SignError, open, seal};

/// Keeps these codes apart from those of links to one file.
const CONTEXT: &[u8] = b"convertfly archive link v1\n";

/// Permission to download all files of a task's result, until a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveGrant {
    /// Owner of the job.
    #[serde(rename = "a")]
    pub account: String,
    /// Job.
    #[serde(rename = "j")]
    pub job: String,
    /// Task whose files they are.
    #[serde(rename = "t")]
    pub task: String,
    /// From this moment on the link is void; milliseconds since 1970.
    #[serde(rename = "e")]
    pub expires_at_ms: u64,
}

/// Makes the token of a grant: URL-safe text.
pub fn sign(secret: &LinkSecret, grant: &ArchiveGrant) -> String {
    seal(secret, CONTEXT, grant)
}

/// Checks a token at `now_ms` (milliseconds since 1970) and returns what it grants.
///
/// # Errors
/// [`SignError::Invalid`] for any token that `secret` did not sign for an archive; [`SignError::Expired`] afterwards.
pub fn verify(secret: &LinkSecret, token: &str, now_ms: u64) -> Result<ArchiveGrant, SignError> {
    let grant: ArchiveGrant = open(secret, CONTEXT, token)?;
    if now_ms >= grant.expires_at_ms { Err(SignError::Expired) } else { Ok(grant) }
}

#[cfg(test)]
mod tests {
    use super::super::sign::{Grant, Method};
    use super::super::{StorageKey, sign as file_link};
    use super::*;

    #[test]
    fn links_to_archives_and_files_are_not_interchangeable() {
        let secret = LinkSecret::new(vec![3; 32]).expect("32 bytes");
        let grant = ArchiveGrant { account: "acct_1".into(), job: "job_1".into(), task: "export".into(), expires_at_ms: 10 };
        let token = sign(&secret, &grant);
        assert_eq!(verify(&secret, &token, 9), Ok(grant), "round trip");
        assert_eq!(verify(&secret, &token, 10), Err(SignError::Expired), "it ends at its moment");
        assert_eq!(file_link::verify(&secret, &token, Method::Get, 0), Err(SignError::Invalid), "it is no link to a file");
        let file = Grant {
            method: Method::Get,
            key: StorageKey::Upload { account: "a".into(), job: "j".into(), slot: "s".into() },
            expires_at_ms: 10,
            max_bytes: None,
            filename: None,
            content_type: None,
            inline: false,
            sha256: None,
        };
        assert_eq!(verify(&secret, &file_link::sign(&secret, &file), 0), Err(SignError::Invalid), "nor the other way round");
    }
}
