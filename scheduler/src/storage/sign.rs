//! Signed links to the storage host, for storage in a folder: what one link allows, and the proof that we made it.
//!
//! A token is `base64url(payload).base64url(HMAC-SHA256(secret, context || base64url(payload)))`. The code covers the text
//! as sent, so that not one bit of it can change, and it is compared in constant time before anything is parsed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::StorageKey;
use super::names::sanitise_filename;
use crate::secret::Secret;

/// Keeps these codes apart from any other use of the same secret.
const CONTEXT: &[u8] = b"convertfly storage link v1\n";

/// Longest token looked at, in bytes; the longest that we make has under half of it.
const MAX_TOKEN_BYTES: usize = 4096;

/// Fewest bytes of a secret.
const MIN_SECRET_BYTES: usize = 32;

/// What a link lets its holder do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Download (`GET` and `HEAD`).
    Get,
    /// Upload (`PUT`).
    Put,
}

/// One permission, for one object, until a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What may be done.
    pub method: Method,
    /// With which object.
    pub key: StorageKey,
    /// From this moment on the link is void; milliseconds since 1970.
    pub expires_at_ms: u64,
    /// Most bytes of an upload.
    pub max_bytes: Option<u64>,
    /// Name for the download, sanitised when signed; the server passes it through [`super::names::content_disposition`].
    pub filename: Option<String>,
    /// Media type for the download.
    pub content_type: Option<String>,
    /// Whether a browser may show the download instead of saving it.
    pub inline: bool,
    /// Hex SHA-256 of the object, where it is known: the download's `ETag`.
    pub sha256: Option<String>,
}

/// Why a link is refused. None of them says more to a guesser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Not made by us, or changed since.
    #[error("this link is not valid; ask for the job again to get a fresh one")]
    Invalid,
    /// Its time is over.
    #[error("this link has expired; ask for the job again to get a fresh one")]
    Expired,
    /// An upload link used for a download, or the other way round.
    #[error("this link is for the other direction (upload or download)")]
    WrongMethod,
}

/// The secret that signs links: at least 32 bytes, never printed.
#[derive(Clone, Debug)]
pub struct LinkSecret(Secret<Vec<u8>>);

impl LinkSecret {
    /// Takes a secret from the configuration or the store; `None` under 32 bytes.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() >= MIN_SECRET_BYTES).then(|| Self(Secret::new(bytes)))
    }

    fn code(&self, context: &[u8], payload: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose()).expect("HMAC takes keys of any length");
        mac.update(context);
        mac.update(payload.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// The payload's JSON; short names because it travels in an address.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    m: Method,
    k: String,
    e: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    s: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    f: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    t: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    i: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    d: Option<String>,
}

/// Makes the token of a grant: URL-safe text of some 200 bytes.
pub fn sign(secret: &LinkSecret, grant: &Grant) -> String {
    let payload = Payload {
        m: grant.method,
        k: grant.key.to_string(),
        e: grant.expires_at_ms,
        s: grant.max_bytes,
        f: grant.filename.as_deref().map(sanitise_filename),
        t: grant.content_type.clone(),
        i: grant.inline,
        d: grant.sha256.clone(),
    };
    seal(secret, CONTEXT, &payload)
}

/// Signs a payload for one use, which `context` names.
pub(super) fn seal<T: Serialize>(secret: &LinkSecret, context: &[u8], payload: &T) -> String {
    let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(payload).expect("strings and numbers always serialise"));
    let code = URL_SAFE_NO_PAD.encode(secret.code(context, &payload));
    format!("{payload}.{code}")
}

/// Reads a payload that [`seal`] signed for the same use.
pub(super) fn open<T: DeserializeOwned>(secret: &LinkSecret, context: &[u8], token: &str) -> Result<T, SignError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(SignError::Invalid);
    }
    let (payload, code) = token.split_once('.').ok_or(SignError::Invalid)?;
    // This decoder refuses padding and unused bits, so a code has one spelling only.
    let code = URL_SAFE_NO_PAD.decode(code).map_err(|_| SignError::Invalid)?;
    if !bool::from(secret.code(context, payload).as_slice().ct_eq(&code)) {
        return Err(SignError::Invalid);
    }
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| SignError::Invalid)?;
    serde_json::from_slice(&payload).map_err(|_| SignError::Invalid)
}

/// Checks a token for `method` at `now_ms` (milliseconds since 1970) and returns what it grants.
///
/// # Errors
/// [`SignError::Invalid`] first, for any token that `secret` did not sign; then [`SignError::WrongMethod`]; then
/// [`SignError::Expired`] from `expires_at_ms` on.
pub fn verify(secret: &LinkSecret, token: &str, method: Method, now_ms: u64) -> Result<Grant, SignError> {
    let payload: Payload = open(secret, CONTEXT, token)?;
    let key = StorageKey::parse(&payload.k).ok_or(SignError::Invalid)?;
    if payload.m != method {
        return Err(SignError::WrongMethod);
    }
    if now_ms >= payload.e {
        return Err(SignError::Expired);
    }
    Ok(Grant {
        method,
        key,
        expires_at_ms: payload.e,
        max_bytes: payload.s,
        filename: payload.f,
        content_type: payload.t,
        inline: payload.i,
        sha256: payload.d,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPIRES: u64 = 1_743_681_600_000;

    fn secret() -> LinkSecret {
        LinkSecret::new((0..32).collect()).expect("32 bytes are enough")
    }

    fn grant(method: Method) -> Grant {
        let key = StorageKey::Output { account: "acct_1".into(), job: "job_2".into(), fence: "1-2-ab".into(), index: 0 };
        Grant {
            method,
            key,
            expires_at_ms: EXPIRES,
            max_bytes: Some(5),
            filename: Some("Übung \"1\".png".into()),
            content_type: Some("image/png".into()),
            inline: true,
            sha256: Some("ab".repeat(32)),
        }
    }

    #[test]
    fn a_grant_comes_back_whole() {
        for method in [Method::Get, Method::Put] {
            let token = sign(&secret(), &grant(method));
            assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "URL-safe: {token}");
            assert_eq!(verify(&secret(), &token, method, 0), Ok(grant(method)), "round trip");
        }
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let token = sign(&secret(), &grant(Method::Get));
        for at in 0..token.len() {
            for bit in 0..8 {
                let mut bytes = token.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                // A byte that is no text any more is refused before it gets here.
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                let verdict = verify(&secret(), &changed, Method::Get, 0);
                assert_eq!(verdict, Err(SignError::Invalid), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn cut_grown_and_foreign_tokens_are_refused() {
        let token = sign(&secret(), &grant(Method::Get));
        let refused = |token: &str| verify(&secret(), token, Method::Get, 0) == Err(SignError::Invalid);
        for length in 0..token.len() {
            assert!(refused(&token[..length]), "cut to {length} bytes");
        }
        for more in ["A", "=", ".", "%00", "\n"] {
            assert!(refused(&format!("{token}{more}")) && refused(&format!("{more}{token}")), "grown by {more:?}");
        }
        let (payload, code) = token.split_once('.').expect("two halves");
        let other = sign(&secret(), &grant(Method::Put));
        let (other_payload, other_code) = other.split_once('.').expect("two halves");
        assert!(refused(&format!("{payload}.{other_code}")), "another token's code");
        assert!(refused(&format!("{other_payload}.{code}")), "another token's payload");
        assert!(refused(&format!("{payload}.")) && refused("") && refused("."), "no code at all");
        let stranger = LinkSecret::new(vec![7; 32]).expect("long enough");
        assert!(refused(&sign(&stranger, &grant(Method::Get))), "another secret");
        assert!(LinkSecret::new(vec![7; 31]).is_none(), "a short secret is not taken");
    }

    #[test]
    fn upload_and_download_are_not_interchangeable() {
        for (made, used) in [(Method::Get, Method::Put), (Method::Put, Method::Get)] {
            let token = sign(&secret(), &grant(made));
            assert_eq!(verify(&secret(), &token, used, 0), Err(SignError::WrongMethod), "{made:?} used as {used:?}");
        }
    }

    #[test]
    fn a_link_ends_at_its_moment() {
        let token = sign(&secret(), &grant(Method::Get));
        let at = |now| verify(&secret(), &token, Method::Get, now).map(drop);
        assert_eq!(at(EXPIRES - 1), Ok(()), "the last millisecond");
        assert_eq!(at(EXPIRES), Err(SignError::Expired), "the moment itself");
        assert_eq!(at(EXPIRES + 1), Err(SignError::Expired), "after it");
    }

    #[test]
    fn a_signed_payload_must_still_make_sense() {
        for json in [
            r#"{"m":"get","k":"jobs/../../etc/passwd","e":9}"#,
            r#"{"m":"delete","k":"jobs/a/b/in/c","e":9}"#,
            r#"{"m":"get","k":"jobs/a/b/in/c","e":-9}"#,
            r#"{"m":"get","k":"jobs/a/b/in/c","e":9,"x":1}"#,
            "",
        ] {
            let payload = URL_SAFE_NO_PAD.encode(json);
            let token = format!("{payload}.{}", URL_SAFE_NO_PAD.encode(secret().code(CONTEXT, &payload)));
            assert_eq!(verify(&secret(), &token, Method::Get, 0), Err(SignError::Invalid), "{json}");
        }
    }
}
