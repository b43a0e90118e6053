//! Where files live: one enum of keys over a local folder or an S3-compatible bucket.

use std::fmt;

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

/// Letters, digits, `_`, `-` and inner dots: what our identifiers and fences are made of.
fn is_plain(part: &str) -> bool {
    !part.is_empty()
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
}
