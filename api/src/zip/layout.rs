//! The bytes of an archive around its files (APPNOTE 6.3.10).

use std::ops::Range;

use bytes::Bytes;
use convertfly_scheduler::storage::names::unique;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

/// Sizes and offsets from here on are kept in zip64 fields.
const LIMIT32: u64 = 0xffff_ffff;

/// Counts from here on are kept in zip64 fields.
const LIMIT16: u64 = 0xffff;

/// Names are UTF-8.
const FLAGS: u16 = 1 << 11;

/// Version needed to extract: 2.0, and 4.5 with zip64.
const PLAIN: u16 = 20;
const ZIP64: u16 = 45;

/// Made on Unix, by a writer that knows zip64.
const MADE_BY: u16 = (3 << 8) | ZIP64;

/// A regular file that its owner may read and write and all others may read.
const MODE: u32 = 0o100_644 << 16;

/// A file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name; sanitised, and unique once it is in a [`Layout`].
    pub(crate) name: String,
    /// Bytes.
    pub(crate) size: u64,
    /// CRC-32 of the bytes.
    pub(crate) crc32: u32,
}

/// A stretch of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Bytes of the format itself.
    Bytes(Bytes),
    /// A part of the file at this position.
    File(usize, Range<u64>),
}

/// The archive, piece by piece.
#[derive(Debug)]
pub(crate) struct Layout {
    pieces: Vec<(u64, Piece)>,
    size: u64,
    tag: String,
}

impl Layout {
    /// Lays out an archive of `entries`, all of them changed at `at`.
    pub(crate) fn new(entries: &[Entry], at: OffsetDateTime) -> Self {
        let names = unique(entries.iter().map(|entry| entry.name.as_str()));
        let stamp = dos_time(at);
        let mut layout = Self { pieces: Vec::with_capacity(2 * entries.len() + 1), size: 0, tag: String::new() };
        let (mut directory, mut digest) = (Vec::new(), Sha256::new());
        for (index, (entry, name)) in entries.iter().zip(&names).enumerate() {
            directory.extend(central_header(entry, name, stamp, layout.size));
            digest.update(entry.size.to_le_bytes());
            layout.push(Piece::Bytes(local_header(entry, name, stamp).into()));
            layout.push(Piece::File(index, 0..entry.size));
        }
        let end = end_records(entries.len() as u64, layout.size, directory.len() as u64);
        directory.extend(end);
        // Headers hold names, sizes and CRCs: all that the archive consists of but the bytes that the CRCs stand for.
        digest.update(&directory);
        layout.push(Piece::Bytes(directory.into()));
        layout.tag = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        layout
    }

    fn push(&mut self, piece: Piece) {
        let at = self.size;
        self.size += match &piece {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::File(_, range) => range.end,
        };
        self.pieces.push((at, piece));
    }

    /// Bytes of the archive.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// What changes when the archive does; mixes in `files`, the digests of the files.
    pub(crate) fn tag(&self, files: impl Iterator<Item = String>) -> String {
        let digest = files.fold(Sha256::new_with_prefix(&self.tag), |digest, file| digest.chain_update(file));
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The pieces of the bytes `first..=last`, cut to size.
    pub(crate) fn slice(&self, first: u64, last: u64) -> Vec<Piece> {
        let end = last.saturating_add(1).min(self.size);
        let begin = self.pieces.partition_point(|(at, _)| *at <= first).saturating_sub(1);
        let within = self.pieces[begin.min(self.pieces.len())..].iter().take_while(|(at, _)| *at < end);
        let cut = within.filter_map(|(at, piece)| match piece {
            Piece::Bytes(bytes) => {
                let length = bytes.len() as u64;
                let range = first.saturating_sub(*at).min(length)..(end - at).min(length);
                let index = |position| usize::try_from(position).unwrap_or(usize::MAX);
                (!range.is_empty()).then(|| Piece::Bytes(bytes.slice(index(range.start)..index(range.end))))
            }
            Piece::File(file, whole) => {
                let range = first.saturating_sub(*at).min(whole.end)..(end - at).min(whole.end);
                (!range.is_empty()).then_some(Piece::File(*file, range))
            }
        });
        cut.collect()
    }
}

/// MS-DOS time and date: two seconds exact, from 1980 to 2107.
fn dos_time(at: OffsetDateTime) -> [u8; 4] {
    let year = u32::try_from(at.year()).unwrap_or(0).clamp(1980, 2107) - 1980;
    let date = (year << 9) | (u32::from(u8::from(at.month())) << 5) | u32::from(at.day());
    let time = (u32::from(at.hour()) << 11) | (u32::from(at.minute()) << 5) | (u32::from(at.second()) / 2);
    ((date << 16) | time).to_le_bytes()
}

fn narrow32(value: u64) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes()
}

fn narrow16(value: u64) -> [u8; 2] {
    u16::try_from(value).unwrap_or(u16::MAX).to_le_bytes()
}

/// The zip64 field with those of `values` that do not fit into 32 bits.
fn zip64_field(values: &[u64]) -> Vec<u8> {
    let large: Vec<u8> = values.iter().filter(|value| **value >= LIMIT32).flat_map(|value| value.to_le_bytes()).collect();
    if large.is_empty() {
        return large;
    }
    [&1u16.to_le_bytes()[..], &narrow16(large.len() as u64), &large].concat()
}

/// What local and central headers share: from the flags to the length of the name.
fn common(entry: &Entry, name: &str, stamp: [u8; 4], version: u16) -> Vec<u8> {
    [
        &version.to_le_bytes()[..],
        &FLAGS.to_le_bytes(),
        &0u16.to_le_bytes(),
        &stamp,
        &entry.crc32.to_le_bytes(),
        &narrow32(entry.size),
        &narrow32(entry.size),
        &narrow16(name.len() as u64),
    ]
    .concat()
}

fn local_header(entry: &Entry, name: &str, stamp: [u8; 4]) -> Vec<u8> {
    let extra = zip64_field(&[entry.size, entry.size]);
    let version = if extra.is_empty() { PLAIN } else { ZIP64 };
    let common = common(entry, name, stamp, version);
    [b"PK\x03\x04", &common[..], &narrow16(extra.len() as u64), name.as_bytes(), &extra].concat()
}

fn central_header(entry: &Entry, name: &str, stamp: [u8; 4], offset: u64) -> Vec<u8> {
    let extra = zip64_field(&[entry.size, entry.size, offset]);
    let version = if extra.is_empty() { PLAIN } else { ZIP64 };
    [
        b"PK\x01\x02",
        &MADE_BY.to_le_bytes()[..],
        &common(entry, name, stamp, version),
        &narrow16(extra.len() as u64),
        &[0; 6],
        &MODE.to_le_bytes(),
        &narrow32(offset),
        name.as_bytes(),
        &extra,
    ]
    .concat()
}

/// What follows the central directory, which begins at `offset` and has `length` bytes.
fn end_records(count: u64, offset: u64, length: u64) -> Vec<u8> {
    let mut end = Vec::new();
    if count >= LIMIT16 || offset >= LIMIT32 || length >= LIMIT32 {
        end.extend(b"PK\x06\x06");
        end.extend(44u64.to_le_bytes());
        end.extend(MADE_BY.to_le_bytes());
        end.extend(ZIP64.to_le_bytes());
        end.extend([0; 8]);
        for value in [count, count, length, offset] {
            end.extend(value.to_le_bytes());
        }
        end.extend(b"PK\x06\x07");
        end.extend([0; 4]);
        end.extend((offset + length).to_le_bytes());
        end.extend(1u32.to_le_bytes());
    }
    end.extend(b"PK\x05\x06");
    end.extend([0; 4]);
    end.extend(narrow16(count));
    end.extend(narrow16(count));
    end.extend(narrow32(length));
    end.extend(narrow32(offset));
    end.extend([0; 2]);
    end
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
