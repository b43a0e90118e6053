//! How tables of colours hold what they do ([`super::Step::Lut`]): 16-bit words that reach below 0 and beyond 1, since between a
//! colour that can be shown and one that cannot the edge is not at a point.

/// The word of 0.
pub const ZERO: u32 = 0x4000;

/// How many words are from 0 to 1.
pub const RANGE: u32 = 0x8000;

/// The word of a value.
pub fn word(value: f64) -> u16 {
    (f64::from(ZERO) + value * f64::from(RANGE)).round() as u16
}

/// The value of a word.
pub fn value(word: u16) -> f64 {
    (f64::from(word) - f64::from(ZERO)) / f64::from(RANGE)
}
