//! A block of deflate with codes of its own (RFC 1951, 3.2.7).

use crate::bits::Writer;
use crate::huffman::{Code, MOST_OF_PAIRS, Pairs, codes, lengths};
use crate::simd::Level;

/// Literals, the end, and lengths of repetitions.
const SYMBOLS: usize = 286;
/// The end of a block.
const END: usize = 256;
/// Bytes of literals from which on a table of pairs is worth making.
const PAIRED: usize = 64 << 10;
/// Zeros in a row from which on they become a repetition: so many are found with one comparison.
const RUN: usize = 8;
/// Bytes from which on some of their rows say enough of how often each occurs, and which those are: one of four, for 0.03 % more bytes than
/// one of two.
const SAMPLED: usize = 64 << 10;
const EVERY: usize = 4;
/// The longest repetition.
const LONGEST: usize = 258;

/// Where zeros stand, at least [`RUN`] of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    start: usize,
    len: usize,
}

/// Writes `data`, filtered rows of `line` bytes, as one block.
pub(crate) fn write(level: Level, data: &[u8], line: usize, last: bool, pairs: &mut Option<Pairs>, out: &mut Writer) {
    let runs = runs(data);
    let counts = count(data, line, &runs);
    let mut bits = [0; SYMBOLS];
    lengths(&counts, MOST_OF_PAIRS, &mut bits);
    // Literals take 13 bits at most, and what is no literal is shorter than what it stands for; then the codes.
    out.reserve(data.len() * usize::from(MOST_OF_PAIRS) / 8 + 1024);
    header(&bits, last, out);
    let codes = codes(&bits);
    let single = data.len() - runs.iter().map(|run| run.len).sum::<usize>();
    let pairs = if single >= PAIRED { Some(pairs.get_or_insert_with(Pairs::new)) } else { None };
    level.run(
        #[inline(always)]
        || match (pairs, codes.first_chunk()) {
            (Some(pairs), Some(bytes)) => {
                pairs.fill(bytes);
                all(data, &runs, &codes, out, |data, out| in_pairs(data, pairs, &codes, out));
            }
            _ => all(data, &runs, &codes, out, |data, out| one_by_one(data, &codes, out)),
        },
    );
}

/// Literals by `literals`, and the runs between them.
#[inline(always)]
fn all(data: &[u8], runs: &[Run], codes: &[Code; SYMBOLS], out: &mut Writer, literals: impl Fn(&[u8], &mut Writer)) {
    let mut at = 0;
    for run in runs {
        literals(&data[at..run.start], out);
        repetition(run.len, codes, out);
        at = run.start + run.len;
    }
    literals(&data[at..], out);
    out.put(codes[END].bits(), codes[END].count());
}

/// Where there are zeros in a row.
fn runs(data: &[u8]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut at = 0;
    while let Some(word) = data[at..].first_chunk::<RUN>() {
        // Words are looked at one behind the other, so that of a run at most seven zeros at its start are missed.
        if u64::from_ne_bytes(*word) != 0 {
            at += RUN;
            continue;
        }
        let len = zeros(&data[at..]);
        runs.push(Run { start: at, len });
        at += len;
    }
    runs
}

/// How many zeros `data` begins with.
fn zeros(data: &[u8]) -> usize {
    let (words, _) = data.as_chunks::<16>();
    let whole = words.iter().take_while(|&&word| u128::from_ne_bytes(word) == 0).count() * 16;
    whole + data[whole..].iter().take_while(|&&byte| byte == 0).count()
}

/// How often each symbol occurs. Of a photograph some rows are looked at, and each literal gets a code, since the rows between may have
/// those that these do not have.
fn count(data: &[u8], line: usize, runs: &[Run]) -> [u32; SYMBOLS] {
    // Equal bytes one after the other would wait for each other in one table.
    let mut tables = [[0u32; 256]; 4];
    let mut add = |part: &[u8]| {
        let (words, rest) = part.as_chunks::<8>();
        for word in words {
            let word = u64::from_le_bytes(*word);
            for byte in 0..8 {
                tables[byte % 4][(word >> (8 * byte)) as usize & 0xff] += 1;
            }
        }
        for &byte in rest {
            tables[0][usize::from(byte)] += 1;
        }
    };
    let mut counts = [0; SYMBOLS];
    let zeros: usize = runs.iter().map(|run| run.len).sum();
    let sampled = data.len() >= SAMPLED && zeros < data.len() / 8;
    let mut at = 0;
    for run in runs.iter().copied().chain([Run { start: data.len(), len: 0 }]) {
        while at < run.start {
            let row = at / line;
            let end = if sampled { run.start.min((row + 1) * line) } else { run.start };
            if !sampled || row.is_multiple_of(EVERY) {
                add(&data[at..end]);
            }
            at = end;
        }
        at = run.start + run.len;
        each_repetition(run.len, |symbol, _, _| counts[symbol] += 1);
    }
    let times = if sampled { EVERY as u32 } else { 1 };
    for (symbol, count) in counts[..256].iter_mut().enumerate() {
        *count = u32::from(sampled) + times * tables.iter().map(|table| table[symbol]).sum::<u32>();
    }
    // The first zero of each run; what is repeated is the byte before.
    counts[0] += u32::try_from(runs.len()).unwrap_or(u32::MAX / 2);
    counts[END] = 1;
    counts
}

/// The repetitions that a run of zeros has behind its first one: symbol of the length, further bits and how many.
fn each_repetition(run: usize, mut each: impl FnMut(usize, u64, u32)) {
    let mut left = run.saturating_sub(1);
    while left > 0 {
        // None may be shorter than 3, so the last but one leaves enough.
        let len = if left > LONGEST && left < LONGEST + 3 { LONGEST - 3 } else { left.min(LONGEST) };
        let (symbol, bits, count) = length_symbol(len);
        each(symbol, bits, count);
        left -= len;
    }
}

/// How a length of 3 to 258 is written (RFC 1951, 3.2.5).
fn length_symbol(len: usize) -> (usize, u64, u32) {
    debug_assert!((3..=LONGEST).contains(&len));
    if len == LONGEST {
        return (285, 0, 0);
    }
    let from = len - 3;
    if from < 8 {
        return (257 + from, 0, 0);
    }
    // From here on four symbols have the same number of further bits.
    let count = from.ilog2() - 2;
    let (quarter, bits) = (from >> count, from & ((1 << count) - 1));
    (257 + 4 * (count as usize) + quarter, bits as u64, count)
}

#[inline(always)]
fn in_pairs(data: &[u8], pairs: &Pairs, codes: &[Code; SYMBOLS], out: &mut Writer) {
    let (fours, rest) = data.as_chunks::<4>();
    out.run(
        #[inline(always)]
        |out| {
            for &[a, b, c, d] in fours {
                let (front, front_count) = pairs.of(u16::from_le_bytes([a, b]));
                let (back, back_count) = pairs.of(u16::from_le_bytes([c, d]));
                out.put(front | back.wrapping_shl(front_count), front_count + back_count);
            }
        },
    );
    one_by_one(rest, codes, out);
}

#[inline(always)]
fn one_by_one(data: &[u8], codes: &[Code; SYMBOLS], out: &mut Writer) {
    out.run(
        #[inline(always)]
        |out| {
            for &byte in data {
                let code = codes[usize::from(byte)];
                out.put(code.bits(), code.count());
            }
        },
    );
}

/// A zero, and that again as often as needed: the byte before has the one code of distances.
fn repetition(run: usize, codes: &[Code; SYMBOLS], out: &mut Writer) {
    out.put(codes[0].bits(), codes[0].count());
    each_repetition(run, |symbol, bits, count| {
        let code = codes[symbol];
        // The distance of 1 is symbol 0, whose code is one bit, 0.
        out.put(code.bits() | bits << code.count(), code.count() + count + 1);
    });
}

/// In which order the lengths of the codes of lengths come.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// What a decoder needs to know of the codes.
fn header(bits: &[u8; SYMBOLS], last: bool, out: &mut Writer) {
    // One distance, of one bit.
    let all: Vec<u8> = bits.iter().copied().chain([1]).collect();
    let written = packed(&all);
    let mut counts = [0; 19];
    for &(symbol, _, _) in &written {
        counts[usize::from(symbol)] += 1;
    }
    let mut of_lengths = [0; 19];
    lengths(&counts, 7, &mut of_lengths);
    let codes = codes(&of_lengths);
    out.put(u64::from(last), 1);
    out.put(2, 2);
    out.put(SYMBOLS as u64 - 257, 5);
    out.put(0, 5);
    out.put(ORDER.len() as u64 - 4, 4);
    for symbol in ORDER {
        out.put(u64::from(of_lengths[symbol]), 3);
    }
    for (symbol, bits, count) in written {
        let code = codes[usize::from(symbol)];
        out.put(code.bits() | bits << code.count(), code.count() + count);
    }
}

/// Lengths, those that repeat written as such: symbol, further bits and how many.
fn packed(lengths: &[u8]) -> Vec<(u8, u64, u32)> {
    let mut written = Vec::new();
    for group in lengths.chunk_by(|a, b| a == b) {
        let (length, mut left) = (group[0], group.len());
        if length != 0 {
            written.push((length, 0, 0));
            left -= 1;
        }
        while left > 0 {
            let (symbol, from, most, count) = match (length, left) {
                (_, ..3) => (length, 1, 1, 0),
                (0, 3..11) => (17, 3, 10, 3),
                (0, _) => (18, 11, 138, 7),
                _ => (16, 3, 6, 2),
            };
            let many = left.min(most);
            written.push((symbol, (many - from) as u64, count));
            left -= many;
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of RFC 1951, 3.2.5: the first length of each symbol.
    #[test]
    fn lengths_are_written_as_deflate_has_them() {
        let first =
            [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
        for len in 3..=LONGEST {
            let (symbol, bits, count) = length_symbol(len);
            assert_eq!(first[symbol - 257] + bits as usize, len, "symbol {symbol} and {bits} in {count} bits");
            assert!(bits < 1 << count, "{bits} fits {count} bits");
        }
    }

    #[test]
    fn a_run_is_its_first_zero_and_repetitions_of_it() {
        for run in RUN..2000 {
            let mut sum = 1;
            each_repetition(run, |symbol, bits, _| {
                let first = (3..=LONGEST).find(|&len| length_symbol(len).0 == symbol).expect("a length of that symbol");
                sum += first + bits as usize;
            });
            assert_eq!(sum, run);
        }
    }
}
