//! API keys: how one is made, recognised and hashed.
//!
//! A key is `cvfly_sk_live_` or `cvfly_sk_test_`, 30 random base62 characters (178 bits) and 6 base62 characters of checksum.
//! The checksum is the CRC-32 of everything before it, so a mistyped or truncated key is refused without asking the store,
//! and leaked keys can be found in text with few false alarms. Only the SHA-256 of a key is ever stored: a key has far too
//! many bits for a slow hash to be of use.

use convertfly_scheduler::ids::random_base62;
use convertfly_scheduler::secret::Secret;
use sha2::{Digest, Sha256};

/// Start of every key.
const PREFIX: &str = "cvfly_sk_";

/// Random characters between prefix and checksum.
const RANDOM_LENGTH: usize = 30;

/// Base62 characters that hold any CRC-32: 62^6 > 2^32.
const CHECKSUM_LENGTH: usize = 6;

/// Digits of the checksum, in the order of the identifiers' alphabet.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Which world a key works in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Real work, paid.
    Live,
    /// Sandbox.
    Test,
}

impl Mode {
    /// The mode that goes by `word`.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Live, Self::Test].into_iter().find(|mode| mode.word() == word)
    }

    /// The word in the key.
    pub fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

/// Makes a fresh key.
///
/// # Panics
/// When the operating system cannot supply random bytes.
pub fn generate(mode: Mode) -> Secret<String> {
    let mut key = format!("{PREFIX}{}_{}", mode.word(), random_base62(RANDOM_LENGTH));
    key.push_str(&checksum(key.as_bytes()));
    Secret::new(key)
}

/// Tells whether `key` has the form of a key and a checksum that fits, and for which mode; `None` for anything else.
/// Whether such a key was ever issued is known to the store alone.
pub fn parse(key: &str) -> Option<Mode> {
    let tail = key.strip_prefix(PREFIX)?;
    let mode = [Mode::Live, Mode::Test].into_iter().find(|mode| tail.starts_with(mode.word()))?;
    let secret = tail.strip_prefix(mode.word())?.strip_prefix('_')?;
    if secret.len() != RANDOM_LENGTH + CHECKSUM_LENGTH || !secret.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let (body, sum) = key.split_at_checked(key.len() - CHECKSUM_LENGTH)?;
    (checksum(body.as_bytes()) == sum).then_some(mode)
}

/// The last four characters of a key: they tell keys apart and give nothing away, since they are of the checksum.
pub fn last4(key: &str) -> String {
    key.get(key.len().saturating_sub(4)..).unwrap_or_default().to_owned()
}

/// What a key of `mode` begins with.
pub fn prefix(mode: Mode) -> String {
    format!("{PREFIX}{}_", mode.word())
}

/// Hex SHA-256 of a key: what the store knows it by.
pub fn sha256_hex(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The CRC-32 of `bytes` as six base62 digits, the most significant first.
fn checksum(bytes: &[u8]) -> String {
    let mut rest = crc32(bytes);
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().map(|&digit| char::from(digit)).collect()
}

/// CRC-32 of ISO-HDLC (reflected polynomial 0xEDB88320, as in gzip and PNG), bit by bit: keys are 50 bytes long.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_agrees_with_the_published_check_value() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926, "check value of CRC-32/ISO-HDLC");
    }

    #[test]
    fn a_generated_key_parses() {
        for mode in [Mode::Live, Mode::Test] {
            let key = generate(mode);
            assert_eq!(parse(key.expose()), Some(mode), "our own key must parse");
            assert_eq!(key.expose().len(), "cvfly_sk_live_".len() + 36, "30 random characters and 6 of checksum");
        }
    }

    #[test]
    fn every_single_typo_is_refused() {
        let key = generate(Mode::Live).expose().clone();
        for position in 0..key.len() {
            for typo in DIGITS.iter().chain(b"_-") {
                let mut bytes = key.clone().into_bytes();
                if bytes[position] == *typo {
                    continue;
                }
                bytes[position] = *typo;
                let mistyped = String::from_utf8(bytes).expect("ASCII");
                assert_eq!(parse(&mistyped), None, "a typo at {position} must be refused");
            }
            assert_eq!(parse(&key[..position]), None, "a key cut at {position} must be refused");
        }
    }

    #[test]
    fn odd_texts_are_refused() {
        let live = generate(Mode::Live).expose().clone();
        for bad in ["", "cvfly_sk_", "cvfly_sk_live_", &live.replace("live", "test"), &format!("{live} "), "cvfly_sk_live_é"] {
            assert_eq!(parse(bad), None, "{bad} must be refused");
        }
    }

    #[test]
    fn the_hash_is_sha256() {
        assert_eq!(
            sha256_hex("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "test vector of FIPS 180-2"
        );
    }
}
