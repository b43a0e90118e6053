//! Decodes base64 in the forms that clients send: either alphabet, with or without padding, line breaks or a `data:` prefix.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

/// Why a text was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The decoded bytes exceed the limit.
    TooLarge,
    /// It is no base64; says what is wrong.
    Invalid(&'static str),
}

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    // Encoders differ in the bits after the last byte and in padding; neither changes the file.
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);

/// Decodes `text` into at most `max_bytes` bytes.
///
/// # Errors
/// [`Refusal`]; nothing larger than the limit is ever allocated.
pub(super) fn decode(text: &str, max_bytes: u64) -> Result<Bytes, Refusal> {
    let payload = strip_data_uri(text)?;
    let mut plain = Vec::with_capacity(payload.len());
    for byte in payload.bytes() {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'-' => plain.push(b'+'),
            b'_' => plain.push(b'/'),
            other => plain.push(other),
        }
    }
    let digits = plain.len() - plain.iter().rev().take_while(|&&byte| byte == b'=').count();
    if digits as u64 * 3 / 4 > max_bytes {
        return Err(Refusal::TooLarge);
    }
    let bytes = ENGINE.decode(&plain).map_err(|_| Refusal::Invalid("must be base64"))?;
    if bytes.is_empty() { Err(Refusal::Invalid("must not be empty")) } else { Ok(bytes.into()) }
}

/// What follows `data:…;base64,`, or the text itself.
fn strip_data_uri(text: &str) -> Result<&str, Refusal> {
    let text = text.trim_start();
    match text.get(..5) {
        Some(scheme) if scheme.eq_ignore_ascii_case("data:") => match text.split_once(',') {
            Some((head, payload)) if head.len() >= 7 && head.to_ascii_lowercase().ends_with(";base64") => Ok(payload),
            _ => Err(Refusal::Invalid("a data: URI must be of the form data:<type>;base64,<data>")),
        },
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_form_decodes() {
        for text in
            ["+/+/AA==", "-_-_AA==", "-_-_AA", " +/+/\r\n AA==\n", "data:image/png;base64,+/+/AA==", "DATA:;BASE64,+/+/AA"]
        {
            assert_eq!(decode(text, 100).as_deref(), Ok(&[0xfb, 0xff, 0xbf, 0x00][..]), "{text}");
        }
    }

    #[test]
    fn the_limit_is_on_decoded_bytes_and_exact() {
        let encode = |n: usize| base64::engine::general_purpose::STANDARD.encode(vec![7u8; n]);
        for limit in [10u64, 11, 12] {
            assert_eq!(decode(&encode(limit as usize), limit).map(|b| b.len() as u64), Ok(limit), "exactly {limit}");
            assert_eq!(decode(&encode(limit as usize + 1), limit), Err(Refusal::TooLarge), "one more than {limit}");
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for bad in ["", "====", "a", "ab$c", "AAAA=AAAA", "data:image/png,AAAA", "data:", "é"] {
            assert!(matches!(decode(bad, 100), Err(Refusal::Invalid(_))), "{bad} must be refused");
        }
    }
}
