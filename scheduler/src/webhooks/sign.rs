//! How deliveries are signed: the published scheme and the Standard Webhooks one, side by side, with the same secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::secret::Secret;

/// Prefix of every signing secret.
const PREFIX: &str = "whsec_";

/// Random bytes of a secret: Standard Webhooks asks for 24 to 64; 24 have no padding in base64.
const SECRET_BYTES: usize = 24;

/// A secret that signs deliveries: `whsec_` and 24 random bytes in base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningSecret(Secret<String>);

impl SigningSecret {
    /// A fresh secret.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0u8; SECRET_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(Secret::new(format!("{PREFIX}{}", STANDARD.encode(bytes)))))
    }

    /// A secret that was stored.
    pub fn from_text(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// The whole text, as its owner gets it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What may be shown in lists: the prefix and the last four characters.
    pub fn hint(&self) -> String {
        let text = self.expose();
        let tail: String = text.chars().skip(text.chars().count().saturating_sub(4)).collect();
        format!("{PREFIX}…{tail}")
    }

    /// The value of `X-Webhook-Signature`: `v1=` and 64 hexadecimal digits. The key is the whole text of the secret.
    pub fn published(&self, timestamp: &str, body: &str) -> String {
        let code = code(self.expose().as_bytes(), &[timestamp, ".", body]);
        let hex: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("v1={hex}")
    }

    /// One entry of `webhook-signature`: `v1,` and base64. The key is what the secret's tail decodes to.
    fn standard(&self, id: &str, timestamp: &str, body: &str) -> String {
        let tail = self.expose().strip_prefix(PREFIX).unwrap_or(self.expose());
        let key = STANDARD.decode(tail).unwrap_or_else(|_| tail.as_bytes().to_vec());
        format!("v1,{}", STANDARD.encode(code(&key, &[id, ".", timestamp, ".", body])))
    }
}

/// The headers of one attempt, signed with the time of that attempt. `secrets` has the newest one first: it alone signs
/// `X-Webhook-Signature`, whose published verifiers compare it with exactly one value; `webhook-signature` lists all.
pub fn headers(secrets: &[SigningSecret], id: &str, unix_seconds: u64, body: &str) -> Vec<(&'static str, String)> {
    let timestamp = unix_seconds.to_string();
    let published = secrets.first().map(|secret| secret.published(&timestamp, body)).unwrap_or_default();
    let standard: Vec<String> = secrets.iter().map(|secret| secret.standard(id, &timestamp, body)).collect();
    vec![
        ("x-webhook-id", id.to_owned()),
        ("x-webhook-timestamp", timestamp.clone()),
        ("x-webhook-signature", published),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", standard.join(" ")),
    ]
}

fn code(key: &[u8], parts: &[&str]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"event":"job.finished","timestamp":"2026-04-03T10:31:15Z","data":{"id":"job_7kX9mP2qR","status":"FINISHED","tasks":{"export":{"status":"FINISHED"}}}}"#;

    fn secret(text: &str) -> SigningSecret {
        SigningSecret::from_text(text.to_owned())
    }

    fn value<'a>(headers: &'a [(&str, String)], name: &str) -> &'a str {
        headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str()).expect("the header")
    }

    #[test]
    fn r308_the_test_vector_of_the_contract() {
        let signature = secret("whsec_9f8e7d6c5b4a").published("1775212275", BODY);
        assert_eq!(signature, "v1=334fefe4f571bbd0757238e2d88655284c04661dfa689ae4f3b7e520cf70d8bf", "accepted by the seed's JS");
    }

    /// From the specification's own examples.
    #[test]
    fn the_test_vector_of_standard_webhooks() {
        let signature = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").standard(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "its libraries verify it");
    }

    #[test]
    fn r308_two_secrets_are_listed_in_the_standard_header_alone() {
        let secrets = [secret("whsec_bmV3"), secret("whsec_b2xk")];
        let headers = headers(&secrets, "evt_1", 5, "{}");
        let published = value(&headers, "x-webhook-signature");
        assert_eq!(
            (published.len(), published),
            (67, secrets[0].published("5", "{}").as_str()),
            "one value, the newest secret's"
        );
        let standard: Vec<&str> = value(&headers, "webhook-signature").split(' ').collect();
        assert_eq!(standard.len(), 2, "both secrets: {standard:?}");
        assert_eq!(standard[1], secrets[1].standard("evt_1", "5", "{}"), "the old one's");
        assert_eq!((value(&headers, "webhook-id"), value(&headers, "x-webhook-id")), ("evt_1", "evt_1"), "the same identifier");
    }

    #[test]
    fn every_byte_counts() {
        let secret = secret("whsec_9f8e7d6c5b4a");
        let (published, standard) = (secret.published("1", BODY), secret.standard("evt", "1", BODY));
        for at in 0..BODY.len() {
            let mut bytes = BODY.as_bytes().to_vec();
            bytes[at] ^= 1;
            let altered = String::from_utf8(bytes).expect("still ASCII");
            assert_ne!(secret.published("1", &altered), published, "byte {at}");
            assert_ne!(secret.standard("evt", "1", &altered), standard, "byte {at}");
        }
        assert_ne!(secret.published("2", BODY), published, "the time is signed");
        assert_ne!(secret.standard("evu", "1", BODY), standard, "the identifier is signed");
    }

    #[test]
    fn a_new_secret_has_24_random_bytes_and_prints_nothing() {
        let (one, other) = (SigningSecret::generate().expect("random"), SigningSecret::generate().expect("random"));
        assert_ne!(one, other, "two differ");
        let tail = one.expose().strip_prefix("whsec_").expect("the prefix");
        assert_eq!(STANDARD.decode(tail).expect("base64").len(), 24, "what Standard Webhooks asks for");
        assert_eq!(format!("{one:?}"), "SigningSecret([redacted])", "no secret in logs");
        assert!(one.hint().ends_with(&tail[28..]) && one.hint().len() < 20, "{}", one.hint());
    }
}
