//! The order in which coefficients are coded (ITU-T T.81, figure A.6).

/// Position in natural order of the coefficient that is coded as number `k`. What broken files code past the last one falls onto it.
pub(crate) static NATURAL: [u8; 144] = {
    const ORDER: [u8; 64] = [
        0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35,
        42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62,
        63,
    ];
    let mut table = [63; 144];
    let mut k = 0;
    while k < 64 {
        table[k] = ORDER[k];
        k += 1;
    }
    table
};

/// A block in coding order as one in natural order.
pub(crate) fn natural(coded: &[i16; 64]) -> [i16; 64] {
    std::array::from_fn(|position| coded[usize::from(ZIGZAG[position])])
}

/// Values in natural order in coding order.
pub(crate) fn coded<T: Copy>(natural: &[T; 64]) -> [T; 64] {
    std::array::from_fn(|k| natural[usize::from(NATURAL[k])])
}

/// The number under which the coefficient at a position in natural order is coded.
pub static ZIGZAG: [u8; 64] = {
    let mut table = [0; 64];
    let mut k = 0;
    while k < 64 {
        table[NATURAL[k] as usize] = k as u8;
        k += 1;
    }
    table
};
