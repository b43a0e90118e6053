//! Paragraphs that go over the end of a column or page: what follows there goes on with them.

use super::paragraphs::Paragraph;
use super::{Block, Sheet};
use crate::model::Char;

/// Which column of a document: sheet, band, column.
type Place = (usize, usize, usize);

/// Marks the paragraphs that go on with the last one of the column before, within a band and from one page to the next. Of a word that is
/// divided there, what stands before goes to what stands behind.
pub(super) fn apply(sheets: &mut [Sheet]) {
    let places: Vec<Place> = sheets
        .iter()
        .enumerate()
        .flat_map(|(sheet, page)| page.bands.iter().enumerate().map(move |(band, columns)| (sheet, band, columns.columns.len())))
        .flat_map(|(sheet, band, columns)| (0..columns).map(move |column| (sheet, band, column)))
        .collect();
    for pair in places.windows(2) {
        let [before, after] = <[Place; 2]>::try_from(pair).unwrap_or_default();
        // The columns of a band below another one begin anew, wherever the last one ended; and a page may have nothing on it.
        let follows = before.0 == after.0 && before.1 == after.1 || before.0 + 1 == after.0;
        let last = paragraph(sheets, before, true).filter(|_| follows).cloned();
        let next = paragraph(sheets, after, false).cloned();
        let [edge, next_edge] = [before, after].map(|place| left(sheets, place));
        if !last.zip(next).is_some_and(|(last, next)| goes_on((&last, edge), (&next, next_edge))) {
            continue;
        }
        let start = paragraph(sheets, before, true).map(divided).unwrap_or_default();
        if let Some(next) = paragraph(sheets, after, false) {
            next.goes_on = true;
            next.content.splice(..0, start);
        }
    }
}

/// The left edge of a column.
fn left(sheets: &[Sheet], (sheet, band, column): Place) -> f64 {
    let column = sheets.get(sheet).and_then(|sheet| sheet.bands.get(band)).and_then(|band| band.columns.get(column));
    column.map_or(0.0, |column| column.left)
}

/// The last paragraph of a column, or its first one, where it ends or begins with one.
fn paragraph(sheets: &mut [Sheet], (sheet, band, column): Place, is_last: bool) -> Option<&mut Paragraph> {
    let blocks = &mut sheets.get_mut(sheet)?.bands.get_mut(band)?.columns.get_mut(column)?.blocks;
    match if is_last { blocks.last_mut() } else { blocks.first_mut() } {
        Some(Block::Paragraph(paragraph)) => Some(paragraph),
        _ => None,
    }
}

/// Takes what stands of a divided word off the end of a paragraph, without the hyphen.
fn divided(paragraph: &mut Paragraph) -> Vec<Char> {
    let ends = |content: &[Char]| matches!(content, [.., before, last] if before.what.is_lowercase() && matches!(last.what, '-' | '\u{2010}'));
    if !ends(&paragraph.content) {
        return Vec::new();
    }
    paragraph.content.pop();
    let from = paragraph.content.iter().rposition(|char| char.what == ' ').map_or(0, |space| space + 1);
    let start = paragraph.content.split_off(from);
    paragraph.content.pop_if(|char| char.what == ' ');
    start
}

/// Whether what begins a column is the rest of what ended the one before: it has the same dress, the line before it is full, and no sentence
/// ends there. Of an item of a list it stands in as far as the lines before, each from the left edge of its column.
fn goes_on((before, edge): (&Paragraph, f64), (next, next_edge): (&Paragraph, f64)) -> bool {
    let is_running = |paragraph: &Paragraph| paragraph.heading.is_none() && paragraph.tabs.is_empty() && !paragraph.is_rtl;
    let (Some(last), Some(first)) = (before.content.last(), next.content.first()) else { return false };
    let size = before.size;
    let is_alike = (before.size - next.size).abs() < 0.05 * size && last.face == first.face;
    let is_flush = (next.first - next.left).abs() < 0.3 * size && next.marker.is_none() && next.item.is_none();
    let indents = (before.left - edge, next.left - next_edge);
    let is_below = before.item.is_none() || (indents.0 - indents.1).abs() < 0.5 * size;
    if !is_running(before) || !is_running(next) || !is_alike || !is_flush || !is_below || before.lines < 2 {
        return false;
    }
    let word = next.content.iter().take_while(|char| char.what != ' ').map(|char| char.x1).fold(first.x0, f64::max) - first.x0;
    let is_full = last.x1 + word + 0.6 * size >= before.right;
    let is_divided = matches!(last.what, '-' | '\u{2010}');
    let is_open = is_divided || last.what.is_alphanumeric() || last.what == ',';
    is_full && is_open && first.what.is_alphanumeric() && (!is_divided || first.what.is_lowercase())
}

#[cfg(test)]
mod tests {
    use super::super::layout;
    use super::super::lines::tests::set;
    use crate::model::Page;

    fn page(lines: &[&str]) -> Page {
        let mut page = Page { width: 330.0, height: 400.0, ..Page::default() };
        for (index, line) in lines.iter().enumerate() {
            page.chars.extend(set(line, 50.0, 60.0 + 12.0 * index as f64, 10.0));
        }
        page
    }

    /// The texts of the paragraphs of two pages, those that go on with a plus before them.
    fn read(first: &[&str], second: &[&str]) -> Vec<String> {
        let layout = layout(vec![page(first), page(second)], &[]);
        let columns = layout.sheets.iter().flat_map(|sheet| &sheet.bands).flat_map(|band| &band.columns);
        let paragraphs = columns.flat_map(|column| &column.blocks).filter_map(|block| match block {
            super::Block::Paragraph(paragraph) => Some(paragraph),
            _ => None,
        });
        paragraphs.map(|paragraph| format!("{}{}", if paragraph.goes_on { "+" } else { "" }, paragraph.text())).collect()
    }

    const FULL: [&str; 2] = ["This line fills the column to its edge here", "and so does the second one of the two, wi"];

    #[test]
    fn what_goes_over_a_page_goes_on_there() {
        let found = read(&FULL, &["thout an end to it before the page ended so", "that it ends here."]);
        assert_eq!(found[1], "+thout an end to it before the page ended so that it ends here.", "{found:?}");
        let divided = ["This line fills the column to its edge here", "and so does the second one of the two, exa-"];
        let found = read(&divided, &["mple of what is divided at the end of pages", "that it ends here."]);
        assert!(found[0].ends_with("of the two,"), "what stands of the word goes along: {found:?}");
        assert!(found[1].starts_with("+example of what"), "{found:?}");
    }

    #[test]
    fn an_item_of_a_list_goes_on_where_its_lines_stand() {
        let items = [
            "A line that begins where the lines of items end",
            "1. This item is one line and is not long.",
            "2. This item fills the column to its edge over",
            "   here and so does the second one of its, wi",
        ];
        let rest = ["   thout an end to it before the page ended so", "   that it ends here."];
        let below = "A text that stands below the list and reaches";
        let found = read(&items, &[rest[0], rest[1], below]);
        let joined = found.iter().find(|text| text.starts_with('+'));
        assert_eq!(
            joined.map(String::as_str),
            Some("+thout an end to it before the page ended so that it ends here."),
            "{found:?}"
        );
        // As far in as the number itself, it is a text after the list.
        let found = read(&items, &[rest[0].trim_start(), rest[1].trim_start(), below]);
        assert!(found.iter().all(|text| !text.starts_with('+')), "{found:?}");
    }

    #[test]
    fn what_ends_or_begins_anew_does_not() {
        let ended = ["This line fills the column to its edge here", "and so does the second one, which ends so."];
        let short = ["This line fills the column to its edge here", "and the other not"];
        let next = ["Another one begins on the second of the two", "pages of it."];
        for first in [ended, short] {
            let found = read(&first, &next);
            assert!(found.iter().all(|text| !text.starts_with('+')), "{found:?}");
        }
        let found = read(&FULL, &["   An indent begins a paragraph also where", "the one before is open."]);
        assert!(found.iter().all(|text| !text.starts_with('+')), "{found:?}");
    }
}
