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
    fn ids_carry_their_prefix_and_differ() {
        let (a, b) = (new_id("job"), new_id("job"));
        assert!(a.starts_with("job_") && a.len() == 26, "unexpected id {a}");
        assert_ne!(a, b, "two ids must differ");
        assert!(a[4..].bytes().all(|c| ALPHABET.contains(&c)), "only base62: {a}");
    }
}
