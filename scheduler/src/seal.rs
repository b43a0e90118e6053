//! Secrets at rest: customers' credentials and signing secrets are stored encrypted, under a key that is never in Redis.
//!
//! AES-256-GCM with a random nonce. The associated data names the place of a value (`webhook:wh_…`), so that a sealed value
//! that is copied to another place does not open there. The key comes from `CONVERTFLY_SECRET_KEY` or a file in the data
//! directory; several keys may be given, which is how the key is changed: the first one seals, all of them open.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The variable that holds the key or keys.
pub const VARIABLE: &str = "CONVERTFLY_SECRET_KEY";

/// First byte of every sealed value: the layout `version, nonce (12 bytes), ciphertext and tag`.
const VERSION: u8 = 1;

/// Why a value cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key is not 32 bytes of base64.
    #[error(
        "{VARIABLE} must be 32 random bytes in base64, for example from `openssl rand -base64 32`; several, separated by commas, while the key is being changed"
    )]
    Key,
    /// None of the keys opens it, it was altered, or it belongs to another place.
    #[error(
        "a sealed value does not open: it was sealed with another {VARIABLE}, or was altered. Give every process the same keys"
    )]
    Open,
    /// No random bytes, or none of the key file.
    #[error("the secret key cannot be used: {0}")]
    Io(#[from] io::Error),
}

/// Seals and opens small secrets. Cheap to clone; prints nothing of its keys.
#[derive(Clone)]
pub struct Sealer(Arc<Vec<SealKey>>);

struct SealKey {
    aead: RandomizedNonceKey,
    fingerprint: String,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({} keys)", self.0.len())
    }
}

impl Sealer {
    /// From the text of `CONVERTFLY_SECRET_KEY`: one key, or several separated by commas; the first one seals.
    ///
    /// # Errors
    /// [`SealError::Key`].
    pub fn from_text(text: &str) -> Result<Self, SealError> {
        let keys = text.split(',').map(str::trim).filter(|key| !key.is_empty()).map(SealKey::parse);
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(SealError::Key) } else { Ok(Self(Arc::new(keys))) }
    }

    /// From a key file; `None` when there is none.
    ///
    /// # Errors
    /// [`SealError::Key`] for other contents, [`SealError::Io`].
    pub fn from_file(path: &Path) -> Result<Option<Self>, SealError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::from_text(&text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// From a key file, which is made with a new random key, mode 0600, when there is none.
    ///
    /// # Errors
    /// As [`Sealer::from_file`].
    pub fn from_file_or_new(path: &Path) -> Result<Self, SealError> {
        if let Some(sealer) = Self::from_file(path)? {
            return Ok(sealer);
        }
        let mut key = [0u8; 32];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        // A complete file appears under its name, or none: half a key would lock out everything sealed with the whole.
        let part = path.with_extension("part");
        let _ = std::fs::remove_file(&part);
        let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&part)?;
        writeln!(file, "{}", STANDARD.encode(key))?;
        file.sync_all()?;
        // Fails where a process beside this one was faster; its key counts.
        let linked = std::fs::hard_link(&part, path);
        let _ = std::fs::remove_file(&part);
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error.into()),
            _ => Self::from_file(path)?.ok_or(SealError::Key),
        }
    }

    /// Seals `plain` for the place that `context` names. The result is text: URL-safe base64.
    ///
    /// # Errors
    /// [`SealError::Io`] without random bytes.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<String, SealError> {
        let key = self.0.first().ok_or(SealError::Key)?;
        let mut data = plain.to_vec();
        let nonce = key
            .aead
            .seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut data)
            .map_err(|_| io::Error::other("no random bytes"))?;
        let sealed = [&[VERSION][..], nonce.as_ref(), &data].concat();
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens what [`Sealer::seal`] made for the same `context`.
    ///
    /// # Errors
    /// [`SealError::Open`].
    pub fn open(&self, context: &str, sealed: &str) -> Result<Vec<u8>, SealError> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| SealError::Open)?;
        let (&version, rest) = bytes.split_first().ok_or(SealError::Open)?;
        if version != VERSION || rest.len() < NONCE_LEN {
            return Err(SealError::Open);
        }
        let (nonce, data) = rest.split_at(NONCE_LEN);
        for key in &*self.0 {
            let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Open)?;
            let mut buffer = data.to_vec();
            if let Ok(plain) = key.aead.open_in_place(nonce, Aad::from(context.as_bytes()), &mut buffer) {
                return Ok(plain.to_vec());
            }
        }
        Err(SealError::Open)
    }

    /// As [`Sealer::open`], for text.
    ///
    /// # Errors
    /// [`SealError::Open`].
    pub fn open_text(&self, context: &str, sealed: &str) -> Result<String, SealError> {
        String::from_utf8(self.open(context, sealed)?).map_err(|_| SealError::Open)
    }

    /// Fingerprints of the keys, the sealing one first: the store remembers it, so that a process with another key is found
    /// when it starts and not when a customer's secret does not open.
    pub fn fingerprints(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.fingerprint.as_str())
    }
}

impl SealKey {
    fn parse(text: &str) -> Result<Self, SealError> {
        let text = text.trim_end_matches('=');
        let bytes = STANDARD_NO_PAD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).map_err(|_| SealError::Key)?;
        let aead = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| SealError::Key)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&bytes).map_err(|_| SealError::Key)?;
        mac.update(b"convertfly fingerprint of a sealing key");
        let fingerprint = mac.finalize().into_bytes().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { aead, fingerprint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(byte: u8) -> Sealer {
        Sealer::from_text(&STANDARD.encode([byte; 32])).expect("a key")
    }

    #[test]
    fn what_is_sealed_opens_at_its_place_alone() {
        let sealed = sealer(1).seal("webhook:wh_1", b"whsec_secret").expect("sealed");
        assert!(!sealed.contains("whsec"), "not readable: {sealed}");
        assert_eq!(sealer(1).open_text("webhook:wh_1", &sealed).expect("opens"), "whsec_secret", "the same bytes");
        assert!(sealer(1).open("webhook:wh_2", &sealed).is_err(), "another place");
        assert!(sealer(2).open("webhook:wh_1", &sealed).is_err(), "another key");
        assert_ne!(sealed, sealer(1).seal("webhook:wh_1", b"whsec_secret").expect("sealed"), "a nonce of its own each time");
    }

    #[test]
    fn every_flipped_byte_is_found() {
        let sealed = sealer(1).seal("c", b"secret").expect("sealed");
        let bytes = URL_SAFE_NO_PAD.decode(&sealed).expect("base64");
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert!(sealer(1).open("c", &URL_SAFE_NO_PAD.encode(altered)).is_err(), "byte {at}");
        }
        assert!(sealer(1).open("c", "").is_err() && sealer(1).open("c", "AQ").is_err(), "too short");
    }

    #[test]
    fn a_key_is_changed_by_giving_both() {
        let old = sealer(1).seal("c", b"x").expect("sealed");
        let both = Sealer::from_text(&format!("{},{}", STANDARD.encode([2; 32]), STANDARD.encode([1; 32]))).expect("keys");
        assert_eq!(both.open("c", &old).expect("opens"), b"x", "the old key opens");
        assert!(sealer(2).open("c", &both.seal("c", b"y").expect("sealed")).is_ok(), "the new one seals");
        assert_eq!(both.fingerprints().count(), 2, "both are known");
    }

    #[test]
    fn the_key_file_is_private_and_made_once() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret-key");
        assert!(Sealer::from_file(&path).expect("no error").is_none(), "none yet");
        let sealed = Sealer::from_file_or_new(&path).expect("made").seal("c", b"x").expect("sealed");
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "for its owner alone");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "no half file is left");
        assert_eq!(Sealer::from_file_or_new(&path).expect("read").open("c", &sealed).expect("opens"), b"x", "the same key");
    }

    #[test]
    fn a_bad_key_says_how_to_make_a_good_one() {
        for text in ["", " , ", "hunter2", &STANDARD.encode([1; 31]), "!!!!"] {
            let error = Sealer::from_text(text).expect_err("no key").to_string();
            assert!(error.contains("openssl rand"), "{text:?}: {error}");
        }
    }
}
