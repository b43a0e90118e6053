//! The best table for a histogram: ITU-T T.81, annex K.2, with ties as libjpeg breaks them, so that files have the same length.

use super::Spec;

/// How often each symbol stands in a scan.
pub(crate) type Histogram = [u32; 256];

/// Codes of at most 16 bits, none of ones only.
pub(crate) fn optimal(histogram: &Histogram) -> Spec {
    // One more symbol, which takes the code of ones only.
    let mut symbols: Vec<usize> = (0..256).filter(|&symbol| histogram[symbol] != 0).collect();
    let mut weights: Vec<u64> = symbols.iter().map(|&symbol| u64::from(histogram[symbol])).collect();
    symbols.push(256);
    weights.push(1);
    let lengths = lengths(&mut weights);
    let mut counts = [0usize; 258];
    for &length in &lengths {
        counts[length] += 1;
    }
    let mut order: Vec<usize> = (0..symbols.len() - 1).collect();
    order.sort_by_key(|&index| lengths[index]);
    let mut spec = Spec { counts: [0; 16], values: [0; 256] };
    for (value, index) in spec.values.iter_mut().zip(order) {
        *value = symbols[index] as u8;
    }
    shorten(&mut counts);
    for (count, &wanted) in spec.counts.iter_mut().zip(&counts[1..]) {
        *count = wanted as u8;
    }
    spec
}

/// Huffman's lengths; of equal weights the later symbol is taken first.
fn lengths(weights: &mut [u64]) -> Vec<usize> {
    let mut lengths = vec![0; weights.len()];
    let mut members: Vec<Vec<usize>> = (0..weights.len()).map(|index| vec![index]).collect();
    let mut alive: Vec<usize> = (0..weights.len()).collect();
    while alive.len() > 1 {
        let least = |alive: &[usize]| (0..alive.len()).rev().min_by_key(|&place| weights[alive[place]]);
        let Some(first) = least(&alive) else { break };
        let first = alive.remove(first);
        let Some(second) = least(&alive) else { break };
        let second = alive.remove(second);
        weights[first] += weights[second];
        let taken = std::mem::take(&mut members[second]);
        members[first].extend(taken);
        for &member in &members[first] {
            lengths[member] += 1;
        }
        let place = alive.partition_point(|&index| index < first);
        alive.insert(place, first);
    }
    lengths
}

/// Brings lengths down to 16, and takes the code of ones only away.
fn shorten(counts: &mut [usize; 258]) {
    for length in (17..counts.len()).rev() {
        while counts[length] > 0 {
            let mut shorter = length - 2;
            while counts[shorter] == 0 {
                shorter -= 1;
            }
            counts[length] -= 2;
            counts[length - 1] += 1;
            counts[shorter + 1] += 2;
            counts[shorter] -= 1;
        }
    }
    if let Some(longest) = (1..17).rev().find(|&length| counts[length] > 0) {
        counts[longest] -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::huffman::Codes;

    #[test]
    fn every_symbol_has_a_code_and_none_is_of_ones_only() {
        let mut histogram = [0; 256];
        // Fibonacci's numbers make the longest codes.
        let (mut a, mut b) = (1, 1);
        for count in &mut histogram[..40] {
            *count = a;
            (a, b) = (b, a + b);
        }
        let spec = optimal(&histogram);
        assert_eq!(spec.coded().len(), 40);
        let codes = Codes::new(&spec).expect("a prefix code");
        let mut used = 0.0;
        for symbol in 0..40 {
            let (code, length) = codes.of(symbol);
            assert!((1..=16).contains(&length), "{symbol}: {length}");
            assert_ne!(code, (1 << length) - 1, "{symbol}");
            used += 0.5f64.powi(length as i32);
        }
        assert!(used < 1.0, "{used}");
        assert!(codes.of(39).1 < codes.of(0).1, "what is frequent is short");
    }

    #[test]
    fn nothing_and_one_symbol_are_fine() {
        assert_eq!(optimal(&[0; 256]).coded(), &[] as &[u8]);
        let mut one = [0; 256];
        one[7] = 5;
        let spec = optimal(&one);
        assert_eq!((spec.coded(), spec.counts[0]), (&[7][..], 1));
    }
}
