//! Which pages are meant: `1-5`, `1,3,5`, `3-`, `-2`, `all`.

use crate::failure::Failure;

/// Pages that a text names, as ranges counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engines::image) struct Pages(Vec<(u32, u32)>);

impl Pages {
    /// # Errors
    /// [`Failure::Invalid`] naming `pages` for a text of another form.
    pub(in crate::engines::image) fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = || Failure::invalid_field("pages", format!("pages is `{}`: write 1-5, 1,3,5, 3-, -2 or all", text.trim()));
        if text.trim() == "all" {
            return Ok(Self(vec![(1, u32::MAX)]));
        }
        let number = |text: &str, absent: u32| match text.trim() {
            "" => Ok(absent),
            digits => digits.parse().ok().filter(|&number| number > 0).ok_or_else(wrong),
        };
        let range = |part: &str| match part.split_once('-') {
            Some((from, to)) if !(from.trim().is_empty() && to.trim().is_empty()) => {
                Ok((number(from, 1)?, number(to, u32::MAX)?))
            }
            None if !part.trim().is_empty() => number(part, 0).map(|page| (page, page)),
            _ => Err(wrong()),
        };
        let ranges = text.split(',').map(range).collect::<Result<Vec<_>, _>>()?;
        if ranges.iter().any(|(from, to)| from > to) { Err(wrong()) } else { Ok(Self(ranges)) }
    }

    /// # Errors
    /// [`Failure::Invalid`] naming `pages` where one is meant that a file of `count` pages has not.
    pub(in crate::engines::image) fn check(&self, count: u32) -> Result<(), Failure> {
        let beyond = |&(from, to): &(u32, u32)| from > count || (to > count && to != u32::MAX);
        if self.0.iter().any(beyond) {
            return Err(Failure::invalid_field("pages", format!("pages names one that is not there: the file has {count}")));
        }
        Ok(())
    }

    /// Whether that one is meant, counted from 0.
    pub(in crate::engines::image) fn has(&self, index: u32) -> bool {
        self.0.iter().any(|&(from, to)| (from..=to).contains(&(index + 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a53_the_grammar_of_pages() {
        let meant = |text: &str| {
            let pages = Pages::parse(text).unwrap_or_else(|failure| panic!("{text}: {failure}"));
            pages.check(6).map(|()| (0..6).filter(|&index| pages.has(index)).map(|index| index + 1).collect::<Vec<_>>()).ok()
        };
        for (text, wanted) in [
            ("all", vec![1, 2, 3, 4, 5, 6]),
            ("2", vec![2]),
            ("2-4", vec![2, 3, 4]),
            ("1,3, 5", vec![1, 3, 5]),
            ("5-", vec![5, 6]),
            ("-2", vec![1, 2]),
            ("1,4-", vec![1, 4, 5, 6]),
        ] {
            assert_eq!(meant(text), Some(wanted), "{text}");
        }
        for text in ["7", "2-7", "7-"] {
            assert_eq!(meant(text), None, "{text} is beyond six pages");
        }
        for text in ["", "-", "0", "4-2", "a", "1;2", "1,,2", "1-2-3", "99999999999"] {
            match Pages::parse(text) {
                Err(Failure::Invalid { field: Some(field), .. }) => assert_eq!(field, "pages", "{text}"),
                other => panic!("{text} gave {other:?}"),
            }
        }
    }
}
