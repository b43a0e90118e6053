//! Codes of different lengths, the frequent symbols' short ones.

/// Lengths of the codes of `counts.len()` symbols, none above `most` bits; 0 for symbols that do not occur.
///
/// Moffat and Katajainen's way (In-Place Calculation of Minimum-Redundancy Codes, 1995) over the symbols by their counts; lengths beyond `most`
/// are cut, and what that takes too much of the space of codes is given back by the longest codes that can grow.
pub(crate) fn lengths(counts: &[u32], most: u8, lengths: &mut [u8]) {
    lengths.fill(0);
    let mut order: Vec<usize> = (0..counts.len()).filter(|&symbol| counts[symbol] > 0).collect();
    order.sort_by_key(|&symbol| counts[symbol]);
    match order[..] {
        [] => return,
        [only] => {
            lengths[only] = 1;
            return;
        }
        _ => {}
    }
    let weights: Vec<u64> = order.iter().map(|&symbol| u64::from(counts[symbol])).collect();
    let depths = depths(&weights);
    // How many codes have each length; those that are too long have the longest that may be.
    let mut of = vec![0u32; usize::from(most) + 1];
    for depth in depths {
        of[usize::from(most).min(depth)] += 1;
    }
    let space = 1u64 << most;
    let taken = |of: &[u32]| {
        of.iter().enumerate().skip(1).map(|(length, &many)| u64::from(many) << (usize::from(most) - length)).sum::<u64>()
    };
    let mut over = taken(&of).saturating_sub(space);
    while over > 0 {
        // A code one bit longer, and one of the longest beside it.
        let Some(length) = (1..usize::from(most)).rev().find(|&length| of[length] > 0) else { break };
        of[length] -= 1;
        of[length + 1] += 2;
        of[usize::from(most)] -= 1;
        over -= 1;
    }
    // The rarest symbols are first and get the longest codes.
    let mut symbols = order.into_iter();
    for length in (1..=most).rev() {
        for symbol in symbols.by_ref().take(of[usize::from(length)] as usize) {
            lengths[symbol] = length;
        }
    }
}

/// How deep each of at least two leaves stands in a tree of least cost; `weights` ascend.
fn depths(weights: &[u64]) -> Vec<usize> {
    let leaves = weights.len();
    // Nodes come into being in the order of their weights, so that the two lightest are always at the front of one of two queues.
    let mut nodes: Vec<u64> = Vec::with_capacity(leaves - 1);
    let (mut leaf, mut node) = (0, 0);
    let mut parents = vec![0usize; 2 * leaves - 1];
    while nodes.len() < leaves - 1 {
        let mut sum = 0;
        for _ in 0..2 {
            let take_leaf = leaf < leaves && (node >= nodes.len() || weights[leaf] <= nodes[node]);
            let at = if take_leaf { &mut leaf } else { &mut node };
            sum += if take_leaf { weights[*at] } else { nodes[*at] };
            let index = if take_leaf { *at } else { leaves + *at };
            parents[index] = leaves + nodes.len();
            *at += 1;
        }
        nodes.push(sum);
    }
    let mut depths = vec![0usize; 2 * leaves - 1];
    for index in (0..2 * leaves - 2).rev() {
        depths[index] = depths[parents[index]] + 1;
    }
    depths.truncate(leaves);
    depths
}

/// A code, its bits in the order in which they are written; how many they are stands in the lower 6 bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Code(u32);

impl Code {
    /// The bits; zeros above them.
    #[inline(always)]
    pub(crate) fn bits(self) -> u64 {
        u64::from(self.0 >> 6)
    }

    /// How many.
    #[inline(always)]
    pub(crate) fn count(self) -> u32 {
        self.0 & 63
    }
}

/// The codes of every two bytes one after the other, so that both are written at once: 256 KiB, which stay in the second level of cache.
pub(crate) struct Pairs(Box<[u32; 1 << 16]>);

/// Bits of the longest code of which two, and how many bits they are, fit 32.
pub(crate) const MOST_OF_PAIRS: u8 = 13;

impl Pairs {
    pub(crate) fn new() -> Self {
        Self(vec![0; 1 << 16].try_into().unwrap_or_else(|_| Box::new([0; 1 << 16])))
    }

    /// Takes the codes of bytes, none longer than [`MOST_OF_PAIRS`].
    #[inline(always)]
    pub(crate) fn fill(&mut self, codes: &[Code; 256]) {
        for (second, row) in codes.iter().zip(self.0.as_chunks_mut::<256>().0) {
            let (second_bits, second_count) = (second.0 >> 6, second.0 & 63);
            for (first, pair) in codes.iter().zip(row) {
                let count = first.0 & 63;
                *pair = (first.0 >> 6 | second_bits.wrapping_shl(count)) << 5 | (count + second_count);
            }
        }
    }

    /// The bits of the codes of two bytes, the first one lower, and how many they are.
    #[inline(always)]
    pub(crate) fn of(&self, bytes: u16) -> (u64, u32) {
        let pair = self.0[usize::from(bytes)];
        (u64::from(pair >> 5), pair & 31)
    }
}

/// The codes that belong to `lengths` (RFC 1951, 3.2.2).
pub(crate) fn codes<const N: usize>(lengths: &[u8; N]) -> [Code; N] {
    let mut of = [0u32; 17];
    for &length in lengths {
        of[usize::from(length)] += 1;
    }
    of[0] = 0;
    let mut next = [0u32; 17];
    for length in 1..next.len() {
        next[length] = (next[length - 1] + of[length - 1]) << 1;
    }
    lengths.map(|length| {
        if length == 0 {
            return Code::default();
        }
        let code = next[usize::from(length)];
        next[usize::from(length)] += 1;
        // Codes begin with their highest bit; everything else with the lowest.
        Code(code.reverse_bits() >> (32 - u32::from(length)) << 6 | u32::from(length))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(lengths: &[u8], most: u8) -> u64 {
        lengths.iter().filter(|&&length| length > 0).map(|&length| 1 << (most - length)).sum()
    }

    #[test]
    fn codes_are_whole_and_none_too_long() {
        let mut random = fastrand::Rng::with_seed(4);
        for round in 0..2000 {
            let symbols = random.usize(2..=286);
            let steep = round % 30;
            let counts: Vec<u32> = (0..symbols).map(|_| (random.u32(..) >> random.u32(..32)) >> steep.min(8)).collect();
            let most = if round % 2 == 0 { 14 } else { 9 };
            let mut bits = vec![0; symbols];
            lengths(&counts, most, &mut bits);
            let used = counts.iter().filter(|&&count| count > 0).count();
            assert!(counts.iter().zip(&bits).all(|(&count, &length)| (count > 0) == (length > 0) && length <= most));
            if used > 1 {
                assert_eq!(space(&bits, most), 1 << most, "every code is one that a decoder may see: {counts:?}");
            }
            for (count, length) in counts.iter().zip(&bits) {
                let worse = counts.iter().zip(&bits).find(|(other, longer)| *other > count && *longer > length && *length > 0);
                assert_eq!(worse, None, "{count} in {length} bits");
            }
        }
    }

    #[test]
    fn the_least_cost_is_found_where_no_length_is_too_long() {
        // Frequencies of Fibonacci make the deepest tree.
        let counts: Vec<u32> = (0..12)
            .scan((1, 1), |(a, b), _| {
                (*a, *b) = (*b, *a + *b);
                Some(*a)
            })
            .collect();
        let mut bits = vec![0; 12];
        lengths(&counts, 14, &mut bits);
        assert_eq!(bits, [11, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
        lengths(&counts, 4, &mut bits);
        assert_eq!(space(&bits, 4), 16);
    }

    /// The example of RFC 1951, 3.2.2.
    #[test]
    fn codes_are_those_of_the_specification() {
        let codes = codes(&[3, 3, 3, 3, 3, 2, 4, 4]);
        let texts =
            codes.map(|code| (0..code.count()).map(|at| char::from(b'0' + (code.bits() >> at & 1) as u8)).collect::<String>());
        assert_eq!(texts, ["010", "011", "100", "101", "110", "00", "1110", "1111"]);
    }
}
