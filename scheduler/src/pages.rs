//! Which pages of a document: `all`, `N`, `N-M`, `N-`, `-M`, or a list of those separated by commas. Read here and nowhere else.

use std::str::FromStr;

/// Longest text that is read, bytes.
pub const MAX_LENGTH: usize = 1_000;

/// What a text that is no selection is answered with.
pub const FORM: &str = "must be pages such as 1-5, 1,3,5, 2- or all";

/// A selection of pages, in the order in which they are wanted; a page may be wanted twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pages(Vec<Range>);

/// From a page to a page, both included and counted from 1; without an end up to the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u32,
    last: Option<u32>,
}

/// The text is no selection of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{FORM}")]
pub struct NoPages;

/// A page is wanted that the document does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no page {wanted}: the document has {count}")]
pub struct OutOfRange {
    /// The first one that is not there.
    pub wanted: u32,
    /// How many there are.
    pub count: u32,
}

impl Default for Pages {
    /// Every page.
    fn default() -> Self {
        Self(vec![Range { first: 1, last: None }])
    }
}

impl FromStr for Pages {
    type Err = NoPages;

    fn from_str(text: &str) -> Result<Self, NoPages> {
        let text = text.trim();
        if text.len() > MAX_LENGTH {
            return Err(NoPages);
        }
        if text.eq_ignore_ascii_case("all") {
            return Ok(Self::default());
        }
        text.split(',').map(|part| range(part.trim())).collect::<Option<_>>().map(Self).ok_or(NoPages)
    }
}

fn range(text: &str) -> Option<Range> {
    let number = |text: &str| {
        let digits = text.trim();
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|number: &u32| plain && *number > 0)
    };
    match text.split_once('-') {
        None => number(text).map(|page| Range { first: page, last: Some(page) }),
        Some((first, "")) => number(first).map(|first| Range { first, last: None }),
        Some(("", last)) => number(last).map(|last| Range { first: 1, last: Some(last) }),
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Range { first, last: Some(last) })
        }
    }
}

impl Pages {
    /// Whether it is every page, once, in order.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// The pages of a document that has `count` of them, counted from 1.
    ///
    /// # Errors
    /// [`OutOfRange`] for a page that it does not have.
    pub fn of(&self, count: u32) -> Result<Vec<u32>, OutOfRange> {
        let mut pages = Vec::new();
        for Range { first, last } in &self.0 {
            let last = last.unwrap_or(count.max(*first));
            if let Some(wanted) = [*first, last].into_iter().find(|page| *page > count) {
                return Err(OutOfRange { wanted, count });
            }
            pages.extend(*first..=last);
        }
        Ok(pages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, count: u32) -> Result<Vec<u32>, OutOfRange> {
        text.parse::<Pages>().unwrap_or_else(|_| panic!("{text:?} is a selection")).of(count)
    }

    #[test]
    fn a53_every_form_is_read() {
        for (text, expected) in [
            ("all", vec![1, 2, 3, 4, 5]),
            ("3", vec![3]),
            ("2-4", vec![2, 3, 4]),
            ("4-", vec![4, 5]),
            ("-2", vec![1, 2]),
            ("5,1, 1 ,2-3", vec![5, 1, 1, 2, 3]),
            (" ALL ", vec![1, 2, 3, 4, 5]),
        ] {
            assert_eq!(of(text, 5), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn a53_what_is_not_there_is_named() {
        for (text, wanted) in [("6", 6), ("4-9", 9), ("7-", 7), ("-8", 8), ("1,6", 6)] {
            assert_eq!(of(text, 5), Err(OutOfRange { wanted, count: 5 }), "{text:?}");
        }
        assert_eq!(of("all", 0), Err(OutOfRange { wanted: 1, count: 0 }), "no page at all");
        assert_eq!(of("1-4000000000", 3), Err(OutOfRange { wanted: 4_000_000_000, count: 3 }), "nothing is listed first");
    }

    #[test]
    fn a53_what_is_no_selection_is_refused() {
        for text in ["", "0", "5-3", "a", "1,,2", "1;2", "-", "1-2-3", "+1", "1.5", "99999999999", "--1"] {
            assert_eq!(text.parse::<Pages>(), Err(NoPages), "{text:?}");
        }
        assert_eq!("1,".repeat(600).parse::<Pages>(), Err(NoPages), "too long");
    }

    #[test]
    fn every_page_in_order_is_all_of_them() {
        for (text, all) in [("all", true), ("1-", true), ("1-2", false), ("-3", false)] {
            assert_eq!(text.parse::<Pages>().map(|pages| pages.is_all()), Ok(all), "{text}");
        }
    }
}
