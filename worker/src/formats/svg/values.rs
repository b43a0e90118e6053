//! Values of attributes in fewer characters that mean the same.

use std::iter::Peekable;
use std::str::Chars;

/// Attributes that are colours and nothing else.
const COLORS: [&str; 6] = ["fill", "stroke", "stop-color", "flood-color", "lighting-color", "color"];

/// The same value, shorter; `None` where it is not known to be of use.
pub(super) fn shortened(name: &str, value: &str) -> Option<String> {
    let short = match name {
        "d" => path(value)?,
        "points" => points(value)?,
        "transform" | "gradientTransform" | "patternTransform" => calls(value)?,
        name if COLORS.contains(&name) => color(value)?,
        _ => return None,
    };
    (short.len() < value.len()).then_some(short)
}

/// `#aabbcc` as `#abc`.
fn color(value: &str) -> Option<String> {
    let hex = value.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let hex = hex.as_bytes();
    let doubled = hex.chunks_exact(2).all(|pair| pair[0].eq_ignore_ascii_case(&pair[1]));
    doubled.then(|| format!("#{}{}{}", char::from(hex[0]), char::from(hex[2]), char::from(hex[4])))
}

/// A list of transforms: white space where nothing needs it.
fn calls(value: &str) -> Option<String> {
    if value.contains(['&', '"']) {
        return None;
    }
    let mut out = String::with_capacity(value.len());
    let mut space = false;
    for c in value.trim().chars() {
        if c.is_ascii_whitespace() {
            space = true;
            continue;
        }
        let tight = matches!(c, '(' | ')' | ',') || out.ends_with(['(', ',']);
        if space && !tight {
            out.push(' ');
        }
        space = false;
        out.push(c);
    }
    Some(out)
}

/// Reads numbers as SVG writes them (SVG 2, 9.3.9).
struct Scanner<'a> {
    chars: Peekable<Chars<'a>>,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self { chars: text.chars().peekable() }
    }

    /// Passes over white space and at most one comma.
    fn separators(&mut self) {
        let mut comma = false;
        while let Some(&c) = self.chars.peek() {
            match c {
                ' ' | '\t' | '\n' | '\r' | '\x0c' => {}
                ',' if !comma => comma = true,
                _ => break,
            }
            self.chars.next();
        }
    }

    fn digits(&mut self, into: &mut String) -> bool {
        let before = into.len();
        while let Some(digit) = self.chars.next_if(char::is_ascii_digit) {
            into.push(digit);
        }
        into.len() > before
    }

    /// A number in its shortest form of the same value.
    fn number(&mut self) -> Option<String> {
        self.separators();
        let sign = self.chars.next_if(|c| matches!(c, '+' | '-'));
        let (mut whole, mut fraction, mut exponent) = (String::new(), String::new(), String::new());
        let mut any = self.digits(&mut whole);
        if self.chars.next_if_eq(&'.').is_some() {
            any |= self.digits(&mut fraction);
        }
        if !any {
            return None;
        }
        if self.chars.next_if(|c| matches!(c, 'e' | 'E')).is_some() {
            exponent.push('e');
            if self.chars.next_if(|c| matches!(c, '+' | '-')).is_some_and(|sign| sign == '-') {
                exponent.push('-');
            }
            if !self.digits(&mut exponent) {
                return None;
            }
        }
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        if whole.is_empty() && fraction.is_empty() {
            return Some("0".to_owned());
        }
        let mut out = String::new();
        if sign == Some('-') {
            out.push('-');
        }
        out.push_str(whole);
        if !fraction.is_empty() {
            out.push('.');
            out.push_str(fraction);
        }
        out.push_str(&exponent);
        Some(out)
    }

    /// A flag of an arc, which needs no space behind it.
    fn flag(&mut self) -> Option<String> {
        self.separators();
        self.chars.next_if(|c| matches!(c, '0' | '1')).map(String::from)
    }
}

/// Appends a number behind another one, with a space where they would run together.
fn append(out: &mut String, number: &str, before: Option<&str>) {
    let runs_on =
        number.starts_with('-') || (number.starts_with('.') && before.is_some_and(|before| before.contains(['.', 'e'])));
    if before.is_some() && !runs_on {
        out.push(' ');
    }
    out.push_str(number);
}

fn points(value: &str) -> Option<String> {
    let mut scanner = Scanner::new(value);
    let (mut out, mut before): (String, Option<String>) = (String::new(), None);
    loop {
        scanner.separators();
        if scanner.chars.peek().is_none() {
            return Some(out);
        }
        let number = scanner.number()?;
        append(&mut out, &number, before.as_deref());
        before = Some(number);
    }
}

/// The data of a path: the same commands with the same numbers; a command that follows itself is not repeated.
fn path(value: &str) -> Option<String> {
    let mut scanner = Scanner::new(value);
    let mut out = String::with_capacity(value.len());
    // What numbers without a command would mean, and the last number.
    let (mut implied, mut before): (Option<char>, Option<String>) = (None, None);
    let mut command = None;
    loop {
        scanner.separators();
        let Some(&next) = scanner.chars.peek() else { return Some(out) };
        if next.is_ascii_alphabetic() {
            scanner.chars.next();
            command = Some(next);
        } else if command.is_some_and(|command| command.eq_ignore_ascii_case(&'z')) {
            return None;
        }
        let current = command?;
        if current.eq_ignore_ascii_case(&'z') {
            out.push(current);
            (implied, before) = (None, None);
            continue;
        }
        let count = match current.to_ascii_lowercase() {
            'm' | 'l' | 't' => 2,
            'h' | 'v' => 1,
            's' | 'q' => 4,
            'c' => 6,
            'a' => 7,
            _ => return None,
        };
        if implied != Some(current) {
            out.push(current);
            before = None;
        }
        for index in 0..count {
            let flag = count == 7 && (index == 3 || index == 4);
            let number = if flag { scanner.flag()? } else { scanner.number()? };
            append(&mut out, &number, before.as_deref());
            before = Some(number);
        }
        // Pairs behind the first one of a move are lines.
        command = Some(match current {
            'M' => 'L',
            'm' => 'l',
            other => other,
        });
        implied = command;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_characters_and_no_meaning() {
        for (long, short) in [
            ("M 10 20 L 30 40", "M10 20 30 40"),
            ("M10,20 30,40 l 1 1", "M10 20 30 40l1 1"),
            ("m0.50-0.5 1.0e2,+.25", "m.5-.5 1e2.25"),
            ("M0 0 C 1 2 3 4 5 6 C 7 8 9 10 11 12 Z M 1 1 M 2 2", "M0 0C1 2 3 4 5 6 7 8 9 10 11 12ZM1 1M2 2"),
            ("M0 0a1.5 2 0 01-10 .5", "M0 0a1.5 2 0 0 1-10 .5"),
            ("M0,0 H 010.10 h -0.0 V-5", "M0 0H10.1h0V-5"),
            (" M 0 0 z ", "M0 0z"),
        ] {
            assert_eq!(path(long).as_deref(), Some(short), "{long}");
            assert_eq!(path(short).as_deref(), Some(short), "{short} stays");
        }
        for odd in ["M 0 0 L 1", "5 5", "M0 0 x 1", "M0 0z 1 1", "M0 0 A1 1 0 2 1 5 5", "M 0,,0", "&c;", "M1e 2"] {
            assert_eq!(path(odd), None, "{odd} is left alone");
        }
    }

    #[test]
    fn other_values_are_shortened() {
        let short = |name, value| shortened(name, value);
        assert_eq!(short("points", "0,0 10.0,-5 1.5,.5").as_deref(), Some("0 0 10-5 1.5.5"), "points");
        assert_eq!(
            short("transform", " translate( 1 , 2 )  scale( 2 )").as_deref(),
            Some("translate(1,2) scale(2)"),
            "transforms"
        );
        assert_eq!(short("transform", "rotate(45 , 1   1)").as_deref(), Some("rotate(45,1 1)"), "spaces between numbers stay");
        assert_eq!(short("fill", "#AAbbCC").as_deref(), Some("#AbC"), "colours");
        assert_eq!(short("fill", "#a1bbcc"), None, "not each is doubled");
        assert_eq!(short("id", "#aabbcc"), None, "no colour");
        assert_eq!(short("fill", "url(#aabbcc)"), None, "no colour either");
    }
}
