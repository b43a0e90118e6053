//! Lists: items whose bullets are alike, or whose numbers follow one another, nested by how far they stand in.

use super::lines::{Line, Row, Word};
use super::paragraphs::Paragraph;
use super::{Block, Sheet};
use crate::model::{Char, Rule};

/// Levels of a list, at most.
pub(crate) const MAX_LEVELS: usize = 9;

/// Characters that stand before items.
const BULLETS: &str = "•◦▪●○■‣–▸►✓∙·";

/// How items are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Bullet(char),
    Decimal,
    LowerLetter,
    UpperLetter,
    LowerRoman,
    UpperRoman,
}

/// What stands before an item of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Bullet(char),
    /// A number or letter, whether a bracket opens before it, and what stands behind it.
    Number {
        body: String,
        opens: bool,
        after: char,
    },
}

/// A level of a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Level {
    pub(crate) form: Form,
    pub(crate) opens: bool,
    pub(crate) after: Option<char>,
    pub(crate) start: u32,
    /// Whether lines after the first begin below the number, not below the text.
    pub(crate) is_flush: bool,
}

/// The levels of a list; none where an item of another list stands between.
pub(crate) type Levels = [Option<Level>; MAX_LEVELS];

/// Where an item belongs.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) list: usize,
    pub(crate) level: usize,
    /// How its number is dressed.
    pub(crate) mark: Char,
}

/// What a row begins with, if that marks an item of a list.
pub(super) fn marker(row: &Row) -> Option<Marker> {
    let words = &row.lines.first()?.words;
    let more = words.len() > 1 || row.lines.len() > 1;
    marker_of(words.first()?).filter(|_| more)
}

fn marker_of(word: &Word) -> Option<Marker> {
    let text = word.text();
    let mut chars = text.chars();
    if let (Some(what), None) = (chars.next(), chars.next())
        && (BULLETS.contains(what) || ('\u{f000}'..='\u{f0ff}').contains(&what))
    {
        return Some(Marker::Bullet(bullet(what)));
    }
    let opens = text.starts_with('(');
    let plain = text.strip_prefix('(').unwrap_or(&text);
    let after = plain.chars().last().filter(|after| matches!(after, '.' | ')'))?;
    let body = plain.strip_suffix(after)?;
    let all = |is: fn(&char) -> bool| !body.is_empty() && body.chars().all(|what| is(&what));
    let is_number = body.len() <= 3 && all(char::is_ascii_digit);
    let is_letter = body.len() == 1 && all(char::is_ascii_lowercase);
    // A capital and a full stop are the initial of a name.
    let is_capital = body.len() == 1 && after == ')' && all(char::is_ascii_uppercase);
    let is_roman = body.len() > 1 && roman(body).is_some();
    (is_number || is_letter || is_capital || is_roman).then(|| Marker::Number { body: body.to_owned(), opens, after })
}

/// The bullet that readers of documents show as that one.
fn bullet(what: char) -> char {
    match what {
        '◦' | '○' => '◦',
        '▪' | '■' => '▪',
        '‣' | '▸' | '►' => '►',
        '–' | '✓' | '·' => what,
        _ => '•',
    }
}

/// The value of a Roman number up to 39 that is written as it is usual.
fn roman(text: &str) -> Option<u32> {
    const ONES: [&str; 10] = ["", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix"];
    let lower = text.to_ascii_lowercase();
    if text != lower && text != text.to_ascii_uppercase() {
        return None;
    }
    let tens = lower.chars().take_while(|what| *what == 'x').count();
    let ones = ONES.iter().position(|ones| Some(*ones) == lower.get(tens..))?;
    // Nine is written with a letter that looks like a ten, but behind its one.
    (tens <= 3 && tens + ones > 0).then(|| (tens * 10 + ones) as u32)
}

/// What a number can mean, the likeliest first where nothing came before.
fn meanings(body: &str) -> Vec<(Form, u32)> {
    let mut found = Vec::new();
    if let Ok(value) = body.parse::<u32>() {
        found.push((Form::Decimal, value));
    }
    let is_lower = body.chars().all(|what| what.is_ascii_lowercase());
    let mut letters = body.bytes();
    if let (Some(letter), None) = (letters.next(), letters.next())
        && letter.is_ascii_alphabetic()
    {
        let value = u32::from(letter.to_ascii_lowercase() - b'a') + 1;
        found.push((if is_lower { Form::LowerLetter } else { Form::UpperLetter }, value));
    }
    if let Some(value) = roman(body) {
        let roman = (if is_lower { Form::LowerRoman } else { Form::UpperRoman }, value);
        // A list of letters does not begin with an i.
        let at = if value == 1 { 0 } else { found.len() };
        found.insert(at, roman);
    }
    found
}

/// Puts a marker that stands apart into the line that it belongs to; otherwise the two would be columns of a table.
pub(super) fn join_markers(rows: &mut [Row], rules: &[Rule]) {
    for row in rows {
        let [mark, text] = row.lines.as_slice() else { continue };
        let [word] = mark.words.as_slice() else { continue };
        let gap = text.x0 - mark.x1;
        let (from, to, middle) = (mark.x1, text.x0, row.y - 0.3 * row.size);
        let is_parted = rules.iter().any(|rule| {
            let bounds = rule.bounds;
            rule.is_vertical && bounds.x1 > from && bounds.x0 < to && bounds.y0 < middle && bounds.y1 > middle
        });
        if marker_of(word).is_some() && gap < 4.5 * row.size && !is_parted {
            let words = row.lines.drain(..).flat_map(|line| line.words).collect();
            row.lines = vec![Line::new(words, row.y)];
        }
    }
}

/// A list that may go on.
struct Open {
    indent: f64,
    level: usize,
    family: usize,
    last: u32,
    kind: Level,
    members: Vec<usize>,
}

/// A paragraph that may be an item, and the left edge of what it stands in.
type Candidate<'p> = (&'p mut Paragraph, f64);

/// Makes lists of the items of a document.
pub(super) fn apply(sheets: &mut [Sheet]) -> Vec<Levels> {
    let mut items = candidates(sheets);
    let (mut families, mut open, mut done): (Vec<Levels>, Vec<Open>, Vec<Open>) = Default::default();
    for (index, (paragraph, left)) in items.iter().enumerate() {
        let (indent, slack) = (paragraph.first - left, 0.5 * paragraph.size);
        let is_flush = paragraph.lines > 1 && paragraph.left < paragraph.first + 0.3 * paragraph.size;
        while let Some(deeper) = open.pop_if(|list| list.indent > indent + slack) {
            done.push(deeper);
        }
        let same = open.last_mut().filter(|list| list.indent > indent - slack);
        let Some((mut kind, value)) = kind(paragraph, same.as_deref()) else { continue };
        let mut is_new = false;
        if let Some(list) = same {
            if goes_on(list, &kind, value) {
                list.last = value;
                list.kind.is_flush |= is_flush;
                list.members.push(index);
                continue;
            }
            is_new = true;
            done.extend(open.pop());
        }
        kind.is_flush = is_flush;
        let parent = open.last();
        let level = parent.map_or(0, |parent| (parent.level + 1).min(MAX_LEVELS - 1));
        // A list below an item begins anew by itself; one after another one has to be another one.
        let family = parent.filter(|_| !is_new).map(|parent| parent.family).filter(|family| {
            let known = families.get(*family).and_then(|levels| levels.get(level)).and_then(Option::as_ref);
            known.is_none_or(|known| Level { is_flush: known.is_flush, ..kind.clone() } == *known)
        });
        let family = family.unwrap_or_else(|| {
            families.push(Levels::default());
            families.len() - 1
        });
        if let Some(place) = families.get_mut(family).and_then(|levels| levels.get_mut(level)) {
            place.get_or_insert_with(|| kind.clone());
        }
        open.push(Open { indent, level, family, last: value, kind, members: vec![index] });
    }
    done.append(&mut open);
    for list in done {
        let is_bullets = matches!(list.kind.form, Form::Bullet(_));
        // A number alone is one: "7. of May".
        if list.members.len() < 2 && !is_bullets {
            continue;
        }
        if let Some(Some(level)) = families.get_mut(list.family).and_then(|levels| levels.get_mut(list.level)) {
            level.is_flush |= list.kind.is_flush;
        }
        for index in &list.members {
            if let Some((paragraph, _)) = items.get_mut(*index) {
                take(paragraph, list.family, list.level, list.kind.is_flush);
            }
        }
    }
    families
}

/// Everything with a marker, in the order in which it is read: of tables only what has a bullet.
fn candidates(sheets: &mut [Sheet]) -> Vec<Candidate<'_>> {
    let mut found = Vec::new();
    for column in sheets.iter_mut().flat_map(|sheet| &mut sheet.bands).flat_map(|band| &mut band.columns) {
        for block in &mut column.blocks {
            match block {
                Block::Paragraph(paragraph) if paragraph.marker.is_some() && paragraph.heading.is_none() => {
                    found.push((paragraph, column.left));
                }
                Block::Table(table) => {
                    for cell in table.rows.iter_mut().flatten() {
                        let left = cell.bounds.x0;
                        let bullets = cell.paragraphs.iter_mut();
                        let is_bullet = |paragraph: &&mut Paragraph| matches!(paragraph.marker, Some(Marker::Bullet(_)));
                        found.extend(bullets.filter(is_bullet).map(|paragraph| (paragraph, left)));
                    }
                }
                _ => {}
            }
        }
    }
    // From right to left numbers stand on the other side.
    found.retain(|(paragraph, _)| !paragraph.is_rtl);
    found
}

/// What list an item would begin, or how it goes on with the one that it stands under; and its value.
fn kind(paragraph: &Paragraph, same: Option<&Open>) -> Option<(Level, u32)> {
    match paragraph.marker.as_ref()? {
        Marker::Bullet(what) => {
            let form = Form::Bullet(*what);
            Some((Level { form, opens: false, after: None, start: 1, is_flush: false }, 1))
        }
        Marker::Number { body, opens, after } => {
            let meanings = meanings(body);
            let next = same.and_then(|list| {
                meanings.iter().find(|(form, value)| *form == list.kind.form && Some(*value) == list.last.checked_add(1))
            });
            let (form, value) = *next.or(meanings.first())?;
            Some((Level { form, opens: *opens, after: Some(*after), start: value, is_flush: false }, value))
        }
    }
}

fn goes_on(list: &Open, kind: &Level, value: u32) -> bool {
    let is_alike = (list.kind.form, list.kind.opens, list.kind.after) == (kind.form, kind.opens, kind.after);
    is_alike && (matches!(kind.form, Form::Bullet(_)) || value == list.last + 1)
}

/// Makes a paragraph an item: its number goes, the list has its own.
fn take(paragraph: &mut Paragraph, list: usize, level: usize, is_flush: bool) {
    let Some(mark) = paragraph.content.first().cloned() else { return };
    let marks = paragraph.content.iter().take_while(|char| !matches!(char.what, ' ' | '\t')).count();
    let blanks = paragraph.content.iter().skip(marks).take_while(|char| matches!(char.what, ' ' | '\t')).count();
    let tabs = paragraph.content.iter().skip(marks).take(blanks).filter(|char| char.what == '\t').count();
    paragraph.tabs.drain(..tabs.min(paragraph.tabs.len()));
    paragraph.content.drain(..marks + blanks);
    let text = paragraph.content.first().map_or(paragraph.first, |char| char.x0);
    let hangs = paragraph.lines > 1 && paragraph.left > paragraph.first + 0.3 * paragraph.size;
    paragraph.left = match (is_flush, hangs) {
        (true, _) => paragraph.first,
        (false, true) => paragraph.left,
        (false, false) => text,
    };
    paragraph.item = Some(Item { list, level, mark });
}

#[cfg(test)]
mod tests {
    use super::super::lines::{lines, tests::set};
    use super::super::{Layout, layout};
    use super::*;
    use crate::model::Page;

    /// The items of a page of lines, each at its indent: list, level and text.
    fn read(text: &[(&str, f64)]) -> (Layout, Vec<String>) {
        let mut page = Page { width: 600.0, height: 800.0, ..Page::default() };
        for (index, (line, x)) in text.iter().enumerate() {
            page.chars.extend(set(line, *x, 100.0 + 14.0 * index as f64, 10.0));
        }
        let layout = layout(vec![page], &[]);
        let blocks = layout.sheets.iter().flat_map(|sheet| &sheet.bands).flat_map(|band| &band.columns);
        let told = blocks.flat_map(|column| &column.blocks).map(|block| match block {
            Block::Paragraph(paragraph) => match &paragraph.item {
                Some(item) => format!("{}.{} {}", item.list, item.level, paragraph.text()),
                None => paragraph.text(),
            },
            _ => "no paragraph".to_owned(),
        });
        let told = told.collect();
        (layout, told)
    }

    #[test]
    fn items_are_nested_by_their_indent_and_lists_begin_anew() {
        let (layout, told) = read(&[
            ("Some text before the list of things.", 50.0),
            ("1. first", 50.0),
            ("a) under it", 70.0),
            ("b) and again", 70.0),
            ("• deeper", 90.0),
            ("2. second", 50.0),
            ("a) under that", 70.0),
            ("b) and more", 70.0),
            ("1. another list", 50.0),
            ("2. of two", 50.0),
        ]);
        let expected = [
            "Some text before the list of things.",
            "0.0 first",
            "0.1 under it",
            "0.1 and again",
            "0.2 deeper",
            "0.0 second",
            "0.1 under that",
            "0.1 and more",
            "1.0 another list",
            "1.0 of two",
        ];
        assert_eq!(told, expected, "{:?}", layout.lists);
        let forms: Vec<_> = layout.lists[0].iter().flatten().map(|level| level.form).collect();
        assert_eq!(forms, [Form::Decimal, Form::LowerLetter, Form::Bullet('•')]);
    }

    #[test]
    fn letters_and_roman_numbers_are_told_apart_by_what_came_before() {
        let (layout, told) = read(&[("(i) one", 50.0), ("(ii) two", 50.0), ("(iii) three", 50.0)]);
        assert_eq!(told, ["0.0 one", "0.0 two", "0.0 three"]);
        assert_eq!(layout.lists[0][0].as_ref().map(|level| level.form), Some(Form::LowerRoman));
        let items: Vec<String> = ('f'..='j').map(|letter| format!("{letter}. item")).collect();
        let (layout, told) = read(&items.iter().map(|item| (item.as_str(), 50.0)).collect::<Vec<_>>());
        assert_eq!(told, vec!["0.0 item"; 5], "an i among letters is one");
        let first = layout.lists[0][0].as_ref().expect("a level");
        assert_eq!((first.form, first.start), (Form::LowerLetter, 6), "which begin with f");
        assert_eq!((roman("xiv"), roman("iiii"), roman("XXI"), roman("iX")), (Some(14), None, Some(21), None));
    }

    #[test]
    fn what_only_looks_like_a_list_stays_text() {
        let text = [
            "A line that is much wider than all of the others are",
            "7. of May it was",
            "Nothing of it",
            "12. of June not",
            "Dr. Who came",
        ];
        let (_, told) = read(&text.map(|line| (line, 50.0)));
        assert_eq!(told, text);
    }

    #[test]
    fn a_marker_that_stands_apart_makes_no_table() {
        let mut page = Page { width: 600.0, height: 800.0, ..Page::default() };
        for row in 0..5 {
            let y = 100.0 + 14.0 * f64::from(row);
            page.chars.extend(set("•", 50.0, y, 10.0));
            page.chars.extend(set("an item of this list", 75.0, y, 10.0));
        }
        let mut rows = super::super::lines::rows(lines(&mut page));
        assert!(rows.iter().all(|row| row.lines.len() == 2), "they are apart");
        let rule = Rule { bounds: hayro::kurbo::Rect::new(60.0, 0.0, 60.5, 118.0), is_vertical: true, color: [0; 3] };
        join_markers(&mut rows, &[rule]);
        let counts: Vec<_> = rows.iter().map(|row| row.lines.len()).collect();
        assert_eq!(counts, [2, 2, 1, 1, 1], "a rule between them makes cells");
    }
}
