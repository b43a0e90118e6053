// Taps of one axis (worker/jpeg/src/pixels/taps.rs) in `table`: start and count of each position, then the weights of each window, two a word.

fn weight(at: u32, tap: u32) -> i32 {
    return (i32(table[at + tap / 2u]) << (16u - (tap & 1u) * 16u)) >> 16u;
}

// Where the weights of a position lie.
fn weights_of(taps_at: u32, positions: u32, window: u32, position: u32) -> u32 {
    return taps_at + 2u * positions + position * (window / 2u);
}
