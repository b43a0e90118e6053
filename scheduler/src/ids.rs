//! Unguessable identifiers with a type prefix.

/// Base62 alphabet of every identifier: safe in URLs, file names and shells.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters after the prefix: 22 base62 characters carry 130.9 bits.
const LENGTH: usize = 22;

/// Returns a fresh identifier such as `job_7kX9mP2qR…`: `prefix`, an underscore and 22 random base62 characters
/// (130 bits from the operating system's generator).
///
/// # Panics
/// When the operating system cannot supply random bytes; nothing secret may be made then.
pub fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", random_base62(LENGTH))
}

/// Random characters of a file's identifier behind its job's.
const FILE_LENGTH: usize = 8;

/// Returns a fresh identifier of a file of `job`: `file_`, what the job's has after its prefix, and 8 random characters. As
/// hard to guess as the job's own, and the job can be told from it.
///
/// # Panics
/// As [`new_id`].
pub fn file_id(job: &str) -> String {
    format!("file_{}{}", job.strip_prefix("job_").unwrap_or(job), random_base62(FILE_LENGTH))
}

/// The job that a file's identifier names, if it has the form of one.
pub fn job_of_file(file: &str) -> Option<String> {
    let id = file.strip_prefix("file_").filter(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric()))?;
    let job = id.get(..id.len().checked_sub(FILE_LENGTH)?)?;
    (1..=64).contains(&job.len()).then(|| format!("job_{job}"))
}

/// Returns `length` random base62 characters, drawn without modulo bias.
///
/// # Panics
/// When the operating system cannot supply random bytes.
pub fn random_base62(length: usize) -> String {
    let mut text = String::with_capacity(length);
    let mut pool = [0u8; 64];
    while text.len() < length {
        getrandom::fill(&mut pool).expect("the operating system supplies random bytes");
        for byte in pool {
            // 248 is the largest multiple of 62 below 256; a larger byte would favour the first letters.
            if byte < 248 && text.len() < length {
                text.push(ALPHABET[usize::from(byte % 62)] as char);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_identifier_tells_its_job() {
        let job = new_id("job");
        let (a, b) = (file_id(&job), file_id(&job));
        assert_ne!(a, b, "two files of one job differ");
        assert_eq!(job_of_file(&a), Some(job), "and tell it");
        for bad in ["", "file_", "file_12345678", "job_123456789", "file_1/3456789", "file_äöüäöüäöü"] {
            assert_eq!(job_of_file(bad), None, "{bad}");
        }
    }

    #[test]
    fn ids_carry_their_prefix_and_differ() {
        let (a, b) = (new_id("job"), new_id("job"));
        assert!(a.starts_with("job_") && a.len() == 26, "unexpected id {a}");
        assert_ne!(a, b, "two ids must differ");
        assert!(a[4..].bytes().all(|c| ALPHABET.contains(&c)), "only base62: {a}");
    }
}
