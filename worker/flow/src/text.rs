//! Characters as they are typed: ligatures taken apart, presentation forms of Arabic as letters, odd spaces as spaces.

use crate::model::is_rtl;

/// What a glyph says, in characters that a person would type.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for what in text.chars() {
        match what {
            '\u{fb00}' => plain.push_str("ff"),
            '\u{fb01}' => plain.push_str("fi"),
            '\u{fb02}' => plain.push_str("fl"),
            '\u{fb03}' => plain.push_str("ffi"),
            '\u{fb04}' => plain.push_str("ffl"),
            '\u{fb05}' | '\u{fb06}' => plain.push_str("st"),
            '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\t' => plain.push(' '),
            '\u{ad}' => plain.push('-'),
            // No part of XML, or of no meaning in a text.
            '\u{fffe}' | '\u{ffff}' | '\u{feff}' | '\u{200b}' => {}
            other => plain.push(other),
        }
    }
    plain
}

/// Brings characters that stand from left to right into the order in which they are read: the whole line where most of it runs from right to
/// left, else each stretch of such letters. Numbers and other letters within keep their order.
pub(crate) fn logical<T>(line: &mut [T], what: impl Fn(&T) -> char) -> bool {
    let strong = |item: &T| {
        let what = what(item);
        if is_rtl(what) { Some(true) } else { what.is_alphanumeric().then_some(false) }
    };
    let right = line.iter().filter(|item| strong(item) == Some(true)).count();
    if right == 0 {
        return false;
    }
    let left = line.iter().filter(|item| strong(item) == Some(false) && what(item).is_alphabetic()).count();
    let is_right = right >= left;
    if is_right {
        line.reverse();
    }
    // What now stands the wrong way round: words and numbers in a line from right to left, or the other way about.
    let mut at = 0;
    while at < line.len() {
        let Some(odd) = line.iter().skip(at).position(|item| strong(item) == Some(!is_right)).map(|found| at + found) else {
            break;
        };
        let mut end = odd;
        for (index, item) in line.iter().enumerate().skip(odd) {
            match strong(item) {
                Some(direction) if direction != is_right => end = index + 1,
                Some(_) => break,
                None => {}
            }
        }
        if let Some(part) = line.get_mut(odd..end) {
            part.reverse();
        }
        at = end;
    }
    is_right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ligatures_are_taken_apart() {
        assert_eq!(plain("e\u{fb03}cient\u{a0}\u{fb02}ow"), "efficient flow");
    }

    #[test]
    fn lines_from_right_to_left_are_read_in_their_order() {
        let read = |seen: &str| {
            let mut line: Vec<char> = seen.chars().collect();
            let is_right = logical(&mut line, |what| *what);
            (line.into_iter().collect::<String>(), is_right)
        };
        assert_eq!(read("plain text 12"), ("plain text 12".to_owned(), false));
        // As it is seen: the first letter rightmost.
        assert_eq!(read("םולש"), ("שלום".to_owned(), true));
        assert_eq!(read("123 םולש"), ("שלום 123".to_owned(), true), "a number keeps its order");
        assert_eq!(read("He said םולש twice"), ("He said שלום twice".to_owned(), false));
    }
}
