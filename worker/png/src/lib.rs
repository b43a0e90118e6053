//! The pixels of a PNG, filtered and deflated: the stream of its IDAT chunks, both ways.
//!
//! Written fast rather than small: no search for repetitions but those of zeros, which is what flat areas become by filtering. What is left is for
//! Huffman, and that with codes for each strip of the picture: photographs have few repetitions that are worth a search, and a code of their
//! own saves more than fixed ones cost less.

mod bits;
mod block;
mod decompress;
mod filter;
mod huffman;
mod simd;
#[cfg(target_arch = "x86_64")]
mod wave;

pub use decompress::{Layout, decompress};
use simd::Level;

/// Bytes of filtered rows in a block of deflate: with the tables they stay in the second level of cache.
const STRIP: usize = 192 << 10;

/// The first bytes of a stream of zlib: deflate with a window of 32 KiB, compressed fast, no dictionary (RFC 1950, 2.2).
const HEADER: [u8; 2] = [0x78, 0x01];

/// Rows of a picture, each `row` bytes, as PNG has them: 16-bit samples big-endian.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    data: &'a [u8],
    row: usize,
    pixel: usize,
}

impl<'a> Rows<'a> {
    /// Rows of `row` bytes, of pixels of `pixel` bytes, one after the other; nothing where `data` is not a whole number of them, or where no
    /// PNG has such pixels (1 to 8 bytes).
    pub fn new(data: &'a [u8], row: usize, pixel: usize) -> Option<Self> {
        let fits = row > 0
            && !data.is_empty()
            && data.len().is_multiple_of(row)
            && (1..=8).contains(&pixel)
            && row.is_multiple_of(pixel);
        fits.then_some(Self { data, row, pixel })
    }
}

/// Compresses `rows`; `sink` gets the stream of zlib (RFC 1950) in pieces of one strip each, and ends it with an error.
///
/// # Errors
/// What `sink` returns.
pub fn compress<E>(rows: Rows<'_>, sink: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    compress_at(Level::detect(), rows, sink)
}

fn compress_at<E>(level: Level, rows: Rows<'_>, sink: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let line = rows.row + 1;
    let height = (STRIP / line).max(1);
    let mut buffer = vec![0; height.min(rows.data.len() / rows.row) * line];
    let mut writer = bits::Writer::starting_with(&HEADER);
    let mut pairs = None;
    let mut sum = simd_adler32::Adler32::new();
    let nothing = vec![0; rows.row];
    let mut above = &nothing[..];
    let mut strips = rows.data.chunks(height * rows.row).peekable();
    while let Some(strip) = strips.next() {
        let filtered = &mut buffer[..strip.len() / rows.row * line];
        for (row, out) in strip.chunks_exact(rows.row).zip(filtered.chunks_exact_mut(line)) {
            filter::choose(level, rows.pixel, row, above, out);
            above = row;
        }
        sum.write(filtered);
        block::write(level, filtered, line, strips.peek().is_none(), &mut pairs, &mut writer);
        if strips.peek().is_none() {
            writer.finish(&sum.finish().to_be_bytes());
        }
        sink(writer.whole())?;
        writer.forget();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
