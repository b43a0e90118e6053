//! Text in any encoding, as UTF-8.

use std::fs::File;
use std::io::Read;

use chardetng::EncodingDetector;
use convertfly_sandbox::Failure;
use encoding_rs::{Encoding, UTF_8};

/// Bytes of text that are read.
const MAX_BYTES: u64 = 256 << 20;

/// Bytes that the encoding is guessed from.
const GUESS: usize = 1 << 20;

/// Reads a file of text.
///
/// # Errors
/// [`Failure::TooLarge`] beyond the limit; [`Failure::Invalid`] where it is no text.
pub(crate) fn read(file: &File, title: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Failure::internal)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Failure::too_large(format!("The {title} file has more than {MAX_BYTES} bytes, which is the limit for text")));
    }
    decode(bytes).ok_or_else(|| {
        Failure::invalid(format!("The {title} file holds bytes that are no text. Say what it is with input_format"))
    })
}

/// By its byte order mark, as UTF-8 if it is that, or else by a guess; `None` for what has characters that no text has.
fn decode(bytes: Vec<u8>) -> Option<String> {
    let text = match Encoding::for_bom(&bytes) {
        Some((encoding, length)) => encoding.decode_without_bom_handling(bytes.get(length..).unwrap_or_default()).0.into_owned(),
        None => String::from_utf8(bytes).unwrap_or_else(|error| {
            let bytes = error.into_bytes();
            let mut detector = EncodingDetector::new(chardetng::Iso2022JpDetection::Allow);
            let part = bytes.get(..GUESS).unwrap_or(&bytes);
            detector.feed(part, part.len() == bytes.len());
            let encoding = detector.guess(None, chardetng::Utf8Detection::Deny);
            let (text, used, _) = encoding.decode(&bytes);
            debug_assert!(used != UTF_8, "it is not UTF-8");
            text.into_owned()
        }),
    };
    (!text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_found_out() {
        let (japanese, _, _) = encoding_rs::SHIFT_JIS.encode("日本語のテキストです。これは文字コードの判定のための文です。");
        for (bytes, expected) in [
            ("grün ☃".as_bytes().to_vec(), "grün ☃"),
            (b"\xef\xbb\xbfa".to_vec(), "a"),
            (b"\xff\xfea\0\xfc\0".to_vec(), "aü"),
            (b"\xfe\xff\0a".to_vec(), "a"),
            (
                b"Stra\xdfe und gr\xfcne \xc4pfel f\xfcr alle, sch\xf6n und gut".to_vec(),
                "Straße und grüne Äpfel für alle, schön und gut",
            ),
            (japanese.into_owned(), "日本語のテキストです。これは文字コードの判定のための文です。"),
            (Vec::new(), ""),
        ] {
            assert_eq!(decode(bytes.clone()).as_deref(), Some(expected), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert_eq!(decode(vec![1, 0, 2, 0, 0xff]), None, "a zero byte");
    }
}
