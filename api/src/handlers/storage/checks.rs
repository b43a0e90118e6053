//! What clients say of the bytes that they send, held against the bytes that arrive: `Content-MD5` (RFC 1864), `Repr-Digest`
//! and `Content-Digest` (RFC 9530), and `Upload-Checksum` of tus.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http::HeaderMap;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::error::{ApiError, Code};

/// Names of the checksums that tus clients may use.
pub(super) const TUS_ALGORITHMS: &str = "sha1,md5,sha256,sha512,crc32";

/// A digest under way.
#[derive(Clone)]
enum Algorithm {
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Sha512),
    Crc32(crc32fast::Hasher),
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "md5" => Self::Md5(Md5::new()),
            "sha1" => Self::Sha1(Sha1::new()),
            "sha-256" | "sha256" => Self::Sha256(Sha256::new()),
            "sha-512" | "sha512" => Self::Sha512(Sha512::new()),
            "crc32" => Self::Crc32(crc32fast::Hasher::new()),
            _ => return None,
        })
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(digest) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
            Self::Sha512(digest) => digest.update(bytes),
            Self::Crc32(digest) => digest.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Md5(digest) => digest.finalize().to_vec(),
            Self::Sha1(digest) => digest.finalize().to_vec(),
            Self::Sha256(digest) => digest.finalize().to_vec(),
            Self::Sha512(digest) => digest.finalize().to_vec(),
            Self::Crc32(digest) => digest.finalize().to_be_bytes().to_vec(),
        }
    }

    /// Bytes of a finished digest.
    fn length(&self) -> usize {
        self.clone().finish().len()
    }
}

/// A digest that a client announced.
#[derive(Clone)]
pub(super) struct Check {
    /// The header that announced it.
    field: &'static str,
    algorithm: Algorithm,
    wanted: Vec<u8>,
}

/// The bytes are not those that the client announced.
#[derive(Debug, thiserror::Error)]
#[error("the bytes do not match {0}")]
pub(super) struct Mismatch(pub(super) &'static str);

impl Check {
    fn new(field: &'static str, algorithm: Algorithm, value: &str) -> Result<Self, ApiError> {
        let wanted = STANDARD.decode(value.trim()).ok().filter(|bytes| bytes.len() == algorithm.length());
        let wanted = wanted.ok_or_else(|| {
            ApiError::field(
                Code::InvalidData,
                field,
                format!("must be the base64 text of a digest of {} bytes", algorithm.length()),
            )
        })?;
        Ok(Self { field, algorithm, wanted })
    }

    /// What the headers of a `PUT` announce. Algorithms that we do not know are passed over, as RFC 9530 wants.
    ///
    /// # Errors
    /// `INVALID_DATA` for a header that cannot be read: a client that wants its bytes checked must not believe that they were.
    pub(super) fn of_put(headers: &HeaderMap) -> Result<Vec<Self>, ApiError> {
        let mut checks = Vec::new();
        if let Some(value) = headers.get("content-md5") {
            let value = value.to_str().unwrap_or_default();
            checks.push(Self::new("Content-MD5", Algorithm::Md5(Md5::new()), value)?);
        }
        for field in ["Repr-Digest", "Content-Digest"] {
            let unreadable = || ApiError::field(Code::InvalidData, field, "must have the form sha-256=:<base64>:");
            for member in headers.get_all(field).iter().flat_map(|value| value.to_str().unwrap_or("?").split(',')) {
                let (name, value) = member.trim().split_once('=').ok_or_else(unreadable)?;
                let value = value.split(';').next().unwrap_or_default().trim();
                let value = value.strip_prefix(':').and_then(|value| value.strip_suffix(':')).ok_or_else(unreadable)?;
                if let Some(algorithm) = Algorithm::named(name.trim()) {
                    checks.push(Self::new(field, algorithm, value)?);
                }
            }
        }
        Ok(checks)
    }

    /// What the header of a tus `PATCH` announces.
    ///
    /// # Errors
    /// `INVALID_DATA` for another algorithm or form.
    pub(super) fn of_tus(headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        const FIELD: &str = "Upload-Checksum";
        let Some(value) = headers.get(FIELD) else { return Ok(None) };
        let unreadable = || {
            ApiError::field(Code::InvalidData, FIELD, format!("must be one of {TUS_ALGORITHMS}, a space and the base64 digest"))
        };
        let (name, value) = value.to_str().ok().and_then(|value| value.trim().split_once(' ')).ok_or_else(unreadable)?;
        let algorithm = Algorithm::named(name).ok_or_else(unreadable)?;
        Self::new(FIELD, algorithm, value).map(Some)
    }

    /// Takes in the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.algorithm.update(bytes);
    }

    /// Whether the bytes were those announced.
    pub(super) fn holds(self) -> Result<(), Mismatch> {
        if self.algorithm.finish() == self.wanted { Ok(()) } else { Err(Mismatch(self.field)) }
    }
}

/// The same bytes; the stream ends in a [`Mismatch`] instead of its end if they are not what `checks` announce. Whoever stores
/// them then keeps nothing.
pub(super) fn checked<S>(stream: S, checks: Vec<Check>) -> impl Stream<Item = io::Result<Bytes>> + Unpin + Send
where
    S: Stream<Item = io::Result<Bytes>> + Unpin + Send,
{
    Box::pin(stream::try_unfold((stream, checks), |(mut stream, mut checks)| async move {
        match stream.next().await {
            Some(Ok(chunk)) => {
                checks.iter_mut().for_each(|check| check.update(&chunk));
                Ok(Some((chunk, (stream, checks))))
            }
            Some(Err(error)) => Err(error),
            None => match checks.into_iter().find_map(|check| check.holds().err()) {
                Some(mismatch) => Err(io::Error::new(io::ErrorKind::InvalidData, mismatch)),
                None => Ok(None),
            },
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    async fn outcome(fields: &[(&'static str, &str)], bytes: &'static [u8]) -> Result<(), String> {
        let checks = Check::of_put(&headers(fields)).map_err(|error| error.message)?;
        let chunks = bytes.chunks(2).map(|chunk| Ok(Bytes::from_static(chunk)));
        checked(stream::iter(chunks), checks).for_each(|chunk| async move { drop(chunk) }).await;
        let checks = Check::of_put(&headers(fields)).map_err(|error| error.message)?;
        let chunks = bytes.chunks(2).map(|chunk| Ok(Bytes::from_static(chunk)));
        let all: Vec<io::Result<Bytes>> = checked(stream::iter(chunks), checks).collect().await;
        all.into_iter().collect::<io::Result<Vec<Bytes>>>().map(|_| ()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn digests_of_each_kind_are_held_against_the_bytes() {
        // Digests of "hello" by coreutils and openssl.
        const MD5: &str = "XUFAKrxLKna5cZ2REBfFkg==";
        const SHA256: &str = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";
        for fields in [
            vec![],
            vec![("content-md5", MD5)],
            vec![("repr-digest", SHA256)],
            vec![("content-digest", SHA256), ("content-md5", MD5)],
            vec![("repr-digest", "unixsum=:AAA=:, sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:")],
        ] {
            assert_eq!(outcome(&fields, b"hello").await, Ok(()), "{fields:?}");
            let other = outcome(&fields, b"hellO").await;
            assert_eq!(other.is_err(), !fields.is_empty(), "{fields:?}: another byte: {other:?}");
        }
        for bad in [("content-md5", "abc"), ("content-md5", "AAAA"), ("repr-digest", "sha-256"), ("repr-digest", "sha-256=abc")] {
            let error = outcome(&[bad], b"hello").await.expect_err("unreadable");
            assert!(error.contains("must"), "{bad:?}: {error}");
        }
    }
}
