//! Names of objects: the only paths that exist in storage.

use std::fmt;

use super::StorageError;

/// Names every kind of object in storage. Only these paths exist; no customer text is ever part of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StorageKey {
    /// Bytes that a customer sent (`import/upload`, or decoded `import/base64`).
    Upload {
        /// Owner.
        account: String,
        /// Job that the bytes belong to.
        job: String,
        /// The upload slot's identifier, `up_…`.
        slot: String,
    },
    /// A file that a task made. The fence is part of the key: a zombie never overwrites a committed object.
    Output {
        /// Owner.
        account: String,
        /// Job.
        job: String,
        /// Fencing token of the lease that made it.
        fence: String,
        /// Position among the task's files.
        index: u32,
    },
}

impl StorageKey {
    /// The job's folder, under which every object of the job lives: `jobs/<account>/<job>/`.
    pub fn job_prefix(account: &str, job: &str) -> String {
        format!("jobs/{account}/{job}/")
    }

    /// The key as text, once it is certain that it reads back as itself: an account or job with a slash or a dot-dot in it
    /// never reaches a path.
    ///
    /// # Errors
    /// [`StorageError::InvalidKey`] for any part outside letters, digits, `_`, `-` and inner dots, or over 128 bytes.
    pub(super) fn checked(&self) -> Result<String, StorageError> {
        let text = self.to_string();
        if Self::parse(&text).as_ref() == Some(self) { Ok(text) } else { Err(StorageError::InvalidKey(text)) }
    }

    /// Reads back what `Display` wrote; `None` for anything else, so that a stored key can never point outside.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("jobs/")?.split('/');
        let (account, job, kind, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || ![account, job, name].iter().all(|part| is_plain(part)) {
            return None;
        }
        match kind {
            "in" => Some(Self::Upload { account: account.into(), job: job.into(), slot: name.into() }),
            "out" => {
                let (fence, index) = name.rsplit_once('.')?;
                Some(Self::Output { account: account.into(), job: job.into(), fence: fence.into(), index: index.parse().ok()? })
            }
            _ => None,
        }
    }
}

impl fmt::Display for StorageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upload { account, job, slot } => {
                write!(f, "{}in/{slot}", Self::job_prefix(account, job))
            }
            Self::Output { account, job, fence, index } => write!(f, "{}out/{fence}.{index}", Self::job_prefix(account, job)),
        }
    }
}

/// Bytes in one part of a key; file systems allow 255, of which a temporary name needs some.
const LONGEST_PART: usize = 128;

/// Checks a folder of keys such as `jobs/acct_1/job_2/`: it starts at `jobs/`, ends with a slash, and each part is plain.
/// `at_least` is how many parts must follow `jobs/` at least.
///
/// # Errors
/// [`StorageError::InvalidKey`] for anything else, so that an empty account or job never widens a deletion.
pub(super) fn checked_prefix(prefix: &str, at_least: usize) -> Result<&str, StorageError> {
    let invalid = || StorageError::InvalidKey(prefix.to_owned());
    let inner = prefix.strip_prefix("jobs/").ok_or_else(invalid)?;
    let parts: Vec<&str> = match inner.strip_suffix('/') {
        Some(inner) => inner.split('/').collect(),
        None if inner.is_empty() => Vec::new(),
        None => return Err(invalid()),
    };
    if parts.len() < at_least || parts.len() > 3 || !parts.iter().all(|part| is_plain(part)) {
        return Err(invalid());
    }
    Ok(prefix)
}

/// Letters, digits, `_`, `-` and inner dots: what our identifiers and fences are made of.
fn is_plain(part: &str) -> bool {
    !part.is_empty()
        && part.len() <= LONGEST_PART
        && !part.starts_with('.')
        && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_nothing_else_does() {
        let key = StorageKey::Output { account: "acct_1".into(), job: "job_2".into(), fence: "1-2-ab".into(), index: 3 };
        assert_eq!(StorageKey::parse(&key.to_string()), Some(key), "round trip");
        for bad in ["", "jobs/a/b/out/../../etc.0", "jobs/../b/in/x", "jobs/a/b/in/.x", "/etc/passwd", "jobs/a/b/in/x/y"] {
            assert_eq!(StorageKey::parse(bad), None, "{bad} must not parse");
        }
    }
    #[test]
    fn a_key_made_by_hand_cannot_leave_the_root() {
        for evil in ["..", "a/../..", "", ".hidden", "a b", "a\0", &"x".repeat(129)] {
            let key = StorageKey::Upload { account: "acct_1".into(), job: evil.into(), slot: "up_1".into() };
            assert!(key.checked().is_err(), "{evil:?} must not become a path");
            let key = StorageKey::Output { account: "acct_1".into(), job: "job_1".into(), fence: evil.into(), index: 0 };
            assert!(key.checked().is_err(), "fence {evil:?} must not become a path");
        }
    }

    #[test]
    fn a_deletion_is_never_wider_than_meant() {
        assert!(checked_prefix(&StorageKey::job_prefix("acct_1", "job_1"), 1).is_ok(), "a job's folder");
        assert!(checked_prefix("jobs/", 0).is_ok() && checked_prefix("jobs/", 1).is_err(), "everything is only ever listed");
        let (no_job, no_account) = (StorageKey::job_prefix("acct_1", ""), StorageKey::job_prefix("", "job_1"));
        for bad in ["", "/", "jobs", "jobs//", "jobs/a", "jobs/../", "jobs/a/../b/", "jobs/a/b/in/x/", &no_job, &no_account] {
            assert!(checked_prefix(bad, 1).is_err(), "{bad:?} must be refused");
        }
    }
}
