// Masks of packed blocks (worker/jpeg/src/packed): bit 0 says that values are of two bytes, the others which coefficients there are.

// Bytes of a block's values.
fn value_bytes(low: u32, high: u32) -> u32 {
    return (countOneBits(low & 0xfffffffeu) + countOneBits(high)) << (low & 1u);
}

// How many values stand before that of number k.
fn rank(low: u32, high: u32, k: u32) -> u32 {
    let known = low & 0xfffffffeu;
    if k < 32u {
        return countOneBits(known & ((1u << k) - 1u));
    }
    return countOneBits(known) + countOneBits(high & ((1u << (k - 32u)) - 1u));
}

fn has(low: u32, high: u32, k: u32) -> bool {
    return ((select(high, low, k < 32u) >> (k & 31u)) & 1u) == 1u;
}
