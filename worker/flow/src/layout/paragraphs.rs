//! From rows to paragraphs: where they begin, how they are set.

use super::lines::{Line, Row, Word};
use super::lists::{Item, Marker, marker};
use crate::model::{Char, Face};
use crate::text::logical;

/// How the lines of a paragraph stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Center,
    Right,
    Both,
}

/// A paragraph.
#[derive(Clone, Debug)]
pub(crate) struct Paragraph {
    /// Characters, spaces among them; a tab goes to the next of `tabs`, a line break ends a line.
    pub(crate) content: Vec<Char>,
    /// Left edge of its lines but the first.
    pub(crate) left: f64,
    /// Left edge of the first line.
    pub(crate) first: f64,
    /// Right edge of what it has room for.
    pub(crate) right: f64,
    /// Left edge of the room that it stands in.
    pub(crate) room: f64,
    pub(crate) align: Align,
    /// Baseline of the first and of the last line.
    pub(crate) baselines: (f64, f64),
    /// From line to line.
    pub(crate) pitch: f64,
    pub(crate) size: f64,
    /// What it begins with, if that could be the mark of an item of a list.
    pub(crate) marker: Option<Marker>,
    /// Where it belongs, if it is one: then the mark is no part of the content.
    pub(crate) item: Option<Item>,
    /// Whether it goes on with what ended the column or page before.
    pub(crate) goes_on: bool,
    /// 1 for the largest headings; set when the whole document is known.
    pub(crate) heading: Option<u8>,
    pub(crate) is_rtl: bool,
    pub(crate) tabs: Vec<f64>,
    pub(crate) lines: usize,
}

impl Paragraph {
    /// Where a line of an exact height has its baseline: that share of it is above.
    pub(crate) const ABOVE: f64 = 0.8;

    pub(crate) fn top(&self) -> f64 {
        self.baselines.0 - Self::ABOVE * self.pitch
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.baselines.1 + (1.0 - Self::ABOVE) * self.pitch
    }

    pub(crate) fn text(&self) -> String {
        self.content.iter().map(|char| char.what).collect()
    }

    pub(crate) fn is_bold(&self, faces: &[Face]) -> bool {
        let mut letters = self.content.iter().filter(|char| char.what.is_alphanumeric()).peekable();
        letters.peek().is_some() && letters.all(|char| faces.get(char.face).is_some_and(|face| face.bold))
    }
}

/// The paragraphs of rows in a column from `bounds.0` to `bounds.1`.
pub(crate) fn paragraphs(rows: &[Row], bounds: (f64, f64)) -> Vec<Paragraph> {
    let mut groups: Vec<Vec<&Row>> = Vec::new();
    for row in rows {
        match groups.last_mut() {
            Some(group) if goes_on(group, row, bounds) => group.push(row),
            _ => groups.push(vec![row]),
        }
    }
    groups
        .iter()
        .enumerate()
        .map(|(index, group)| {
            let next = groups.get(index + 1).and_then(|next| next.first()).map(|row| row.y);
            build(group, bounds, next)
        })
        .collect()
}

/// Whether a row continues a paragraph.
fn goes_on(group: &[&Row], row: &Row, bounds: (f64, f64)) -> bool {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return false };
    let size = last.size;
    if (row.size - size).abs() > 0.08 * size || row.lines.len() > 1 || last.lines.len() > 1 {
        return false;
    }
    let gap = row.y - last.y;
    let pitch = if group.len() > 1 { (last.y - first.y) / (group.len() - 1) as f64 } else { 1.45 * size };
    if gap > pitch * 1.18 || gap > 2.2 * size {
        return false;
    }
    if marker(row).is_some() || face(row) != face(last) {
        return false;
    }
    if is_centered(row, bounds) && is_centered(last, bounds) {
        return false;
    }
    let rtl = row.lines.iter().any(|line| line.chars().any(|char| crate::model::is_rtl(char.what)));
    let (start, body) = (row.x0(), if group.len() > 1 { group.get(1).map_or(last.x0(), |row| row.x0()) } else { last.x0() });
    if !rtl {
        let indent = start - body;
        // The second line may stand further left than an indented first one, or further right than a hanging one.
        let loose = if group.len() == 1 && marker(first).is_some() { 4.0 * size } else { 0.6 * size };
        if indent > loose || (group.len() > 1 && indent < -0.6 * size) || (group.len() == 1 && indent < -6.0 * size) {
            return false;
        }
        // What would still have fitted into the line before begins something new.
        let word = row.lines.first().and_then(|line| line.words.first()).map_or(0.0, |word| word.x1 - word.x0);
        if last.x1() + word + 0.6 * size < bounds.1 {
            return false;
        }
    } else if last.x0() > bounds.0 + 4.0 * size {
        return false;
    }
    true
}

/// The face of most of a row, for a change from bold to plain.
fn face(row: &Row) -> Option<usize> {
    let faces: Vec<usize> = row.lines.iter().flat_map(Line::chars).map(|char| char.face).collect();
    let first = faces.first().copied()?;
    // Of mixed faces in one row nothing follows.
    faces.iter().all(|face| *face == first).then_some(first)
}

fn is_centered(row: &Row, bounds: (f64, f64)) -> bool {
    let (left, right) = (row.x0() - bounds.0, bounds.1 - row.x1());
    left > 1.2 * row.size && right > 1.2 * row.size && (left - right).abs() < (0.03 * (bounds.1 - bounds.0)).max(2.0)
}

fn build(group: &[&Row], bounds: (f64, f64), next: Option<f64>) -> Paragraph {
    let mut content: Vec<Char> = Vec::new();
    let mut tabs = Vec::new();
    let mut right_to_left = false;
    for row in group {
        let mut line: Vec<Char> = Vec::new();
        for (index, part) in row.lines.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|index| row.lines.get(index));
            if let (Some(before), Some(last)) = (before, line.last()) {
                let what = if part.x0 - before.x1 > 1.6 * row.size { '\t' } else { ' ' };
                if what == '\t' {
                    tabs.push(part.x0);
                }
                let blank = Char { what, link: None, shift: 0, underlined: false, struck: false, ..last.clone() };
                line.push(blank);
            }
            for (index, word) in part.words.iter().enumerate() {
                if index > 0 {
                    line.extend(space(line.last(), word));
                }
                line.extend(word.chars.iter().cloned());
            }
        }
        right_to_left |= logical(&mut line, |char| char.what);
        join(&mut content, line);
    }
    let (first_row, last_row) = (group.first(), group.last());
    let y = |row: Option<&&Row>| row.map_or(0.0, |row| row.y);
    let size = first_row.map_or(10.0, |row| row.size);
    let baselines = (y(first_row), y(last_row));
    let pitch = if group.len() > 1 {
        (baselines.1 - baselines.0) / (group.len() - 1) as f64
    } else {
        // A line alone has the room that is there, up to what is usual.
        next.map_or(1.2 * size, |next| (next - baselines.0).clamp(0.95 * size, 1.2 * size))
    };
    let marker = first_row.and_then(|row| marker(row));
    let mut body: Vec<f64> = group.iter().skip(1).map(|row| row.x0()).collect();
    body.sort_by(f64::total_cmp);
    let first = first_row.map_or(bounds.0, |row| row.x0());
    let left = body.get(body.len() / 2).copied().unwrap_or(first);
    let align = align(group, bounds, !tabs.is_empty() || marker.is_some());
    Paragraph {
        content,
        left,
        first,
        right: bounds.1,
        room: bounds.0,
        align,
        baselines,
        pitch,
        size,
        marker,
        item: None,
        goes_on: false,
        heading: None,
        is_rtl: right_to_left,
        tabs,
        lines: group.len(),
    }
}

/// A space between two words, dressed as the one that was set there, or as both are.
fn space(before: Option<&Char>, word: &Word) -> Option<Char> {
    between(before, word.chars.first()).map(|space| match &word.space {
        Some(set) => Char { face: set.face, size: set.size, ..space },
        None => space,
    })
}

fn between(before: Option<&Char>, after: Option<&Char>) -> Option<Char> {
    let (before, after) = (before?, after?);
    Some(Char {
        what: ' ',
        link: before.link.filter(|link| after.link == Some(*link)),
        underlined: before.underlined && after.underlined,
        struck: before.struck && after.struck,
        shift: 0,
        ..before.clone()
    })
}

/// Goes on with a line: after a hyphen within a word without it, else after a space.
fn join(content: &mut Vec<Char>, line: Vec<Char>) {
    let mut end = content.iter().rev();
    let (last, before) = (end.next().map(|char| char.what), end.next().map(|char| char.what));
    let first = line.first().map(|char| char.what);
    match (before, last, first) {
        (Some(before), Some('-' | '\u{2010}'), Some(first)) if before.is_lowercase() && first.is_lowercase() => {
            content.pop();
        }
        (_, Some('-' | '\u{2010}'), Some(_)) => {}
        // Scripts without spaces between words.
        (_, Some(last), Some(first)) if is_wide(last) && is_wide(first) => {}
        (_, Some(_), Some(_)) => content.extend(between(content.last(), line.first())),
        _ => {}
    }
    content.extend(line);
}

/// Whether a script has no spaces between words.
pub(crate) fn is_wide(what: char) -> bool {
    matches!(u32::from(what), 0x2e80..=0x9fff | 0xf900..=0xfaff | 0xff00..=0xffef | 0x20000..=0x3ffff)
}

fn align(group: &[&Row], bounds: (f64, f64), is_fixed: bool) -> Align {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return Align::Left };
    let near = |a: f64, b: f64| (a - b).abs() < (0.012 * (bounds.1 - bounds.0)).max(1.5);
    let full = group.iter().take(group.len() - 1).filter(|row| near(row.x1(), bounds.1)).count();
    if group.len() > 2 && full + 1 == group.len()
        || group.len() == 2 && full == 1 && first.lines.iter().any(|line| line.words.len() > 4)
    {
        return Align::Both;
    }
    if is_fixed {
        return Align::Left;
    }
    if group.iter().all(|row| is_centered(row, bounds)) {
        return Align::Center;
    }
    let at_right = group.iter().all(|row| near(row.x1(), bounds.1) && row.x0() > bounds.0 + 2.0 * row.size);
    if at_right && (group.len() > 1 || last.x0() > (bounds.0 + bounds.1) / 2.0) { Align::Right } else { Align::Left }
}

#[cfg(test)]
mod tests {
    use super::super::lines::{lines, rows, tests::set};
    use super::*;
    use crate::model::Page;

    fn read(text: &[(&str, f64)]) -> Vec<Paragraph> {
        let mut page = Page::default();
        for (index, (line, x)) in text.iter().enumerate() {
            page.chars.extend(set(line, *x, 100.0 + 12.0 * index as f64, 10.0));
        }
        paragraphs(&rows(lines(&mut page)), (10.0, 210.0))
    }

    #[test]
    fn lines_are_joined_hyphens_go_and_indents_begin_anew() {
        let found = read(&[
            ("   The first para-", 10.0),
            ("graph of this text that goes on to be-yond", 10.0),
            ("its end.", 10.0),
            ("A second one that is as wide as columns", 25.0),
            ("and ends.", 10.0),
        ]);
        // The first line is short, so that what follows would have fitted: it stands alone.
        let texts: Vec<String> = found.iter().map(Paragraph::text).collect();
        assert_eq!(
            texts,
            [
                "The first para-",
                "graph of this text that goes on to be-yond its end.",
                "A second one that is as wide as columns and ends."
            ]
        );
        let found = read(&[("A line that fills the column to its very en-", 10.0), ("ding here.", 10.0)]);
        assert_eq!(found[0].text(), "A line that fills the column to its very ending here.");
    }

    #[test]
    fn items_of_lists_are_told_apart() {
        let found = read(&[("• one item here", 10.0), ("• and another", 10.0), ("1. a number", 10.0), ("Dr. Who", 10.0)]);
        let number = Marker::Number { body: "1".to_owned(), opens: false, after: '.' };
        let markers: Vec<_> = found.iter().map(|paragraph| paragraph.marker.clone()).collect();
        assert_eq!(markers, [Some(Marker::Bullet('•')), Some(Marker::Bullet('•')), Some(number), None]);
    }

    #[test]
    fn a_line_in_the_middle_is_centred() {
        let found = read(&[("Middle of it", 80.0)]);
        assert_eq!(found[0].align, Align::Center);
    }
}
