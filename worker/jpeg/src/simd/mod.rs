//! What processors do faster than one by one, chosen when it runs; the only place of this crate with `unsafe`.

/// The place of the first FF.
pub(crate) fn find_ff(data: &[u8]) -> Option<usize> {
    let (words, _) = data.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // The high bit of every byte that is FF, and perhaps of others behind it.
        let hits = (!word).wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080;
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    data[at..].iter().position(|&byte| byte == 0xff).map(|place| at + place)
}

/// Appends what stands before the first FF, and gives that one's place.
pub(crate) fn copy_until_ff(data: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let found = find_ff(data);
    out.extend_from_slice(&data[..found.unwrap_or(data.len())]);
    found
}
