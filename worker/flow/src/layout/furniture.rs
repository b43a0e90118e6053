//! Headers and footers: what stands at the top or the bottom of most pages, but for the number of the page.

use std::collections::HashMap;

use super::lines::{Line, Row, rows};

/// What is above or below the text of every page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Furniture {
    pub(crate) header: Option<Strip>,
    pub(crate) footer: Option<Strip>,
}

/// A row of it.
#[derive(Clone, Debug)]
pub(crate) struct Strip {
    pub(crate) row: Row,
    /// What number the first page has, where the numbers are those of the pages.
    pub(crate) first_number: Option<i64>,
    /// Whether it is on the first page.
    pub(crate) on_first: bool,
}

/// Takes headers and footers off the pages; `heights` are those of the pages.
pub(crate) fn take(pages: &mut [Vec<Line>], heights: &[f64]) -> Furniture {
    Furniture { header: strip(pages, heights, true), footer: strip(pages, heights, false) }
}

fn strip(pages: &mut [Vec<Line>], heights: &[f64], is_header: bool) -> Option<Strip> {
    if pages.len() < 2 {
        return None;
    }
    let outermost: Vec<Option<Row>> =
        pages.iter().zip(heights).map(|(lines, height)| outermost(lines, *height, is_header)).collect();
    let shapes: Vec<Option<String>> = outermost.iter().map(|row| row.as_ref().map(shape)).collect();
    // The row that most pages have: the same words at the same height.
    let mut counts: HashMap<(&str, i64), usize> = HashMap::new();
    let mut best: Option<(usize, usize)> = None;
    for (page, (row, shape)) in outermost.iter().zip(&shapes).enumerate() {
        let (Some(row), Some(shape)) = (row, shape) else { continue };
        let count = counts.entry((shape, (row.y / 6.0).round() as i64)).or_default();
        *count += 1;
        if best.is_none_or(|(most, _)| *count > most) {
            best = Some((*count, page));
        }
    }
    let (_, page) = best?;
    let model = outermost.get(page)?.clone()?;
    let model_shape = shapes.get(page)?.clone()?;
    let is_like =
        |page: usize, row: &Row| shapes.get(page).and_then(Option::as_ref) == Some(&model_shape) && (row.y - model.y).abs() < 3.0;
    let members: Vec<(usize, &Row)> = outermost
        .iter()
        .enumerate()
        .filter_map(|(page, row)| Some((page, row.as_ref().filter(|row| is_like(page, row))?)))
        .collect();
    if members.len() < 2 || members.len() * 10 < pages.len() * 6 {
        return None;
    }
    let first_number = offset(&members);
    // Numbers that are no page numbers differ from page to page: they belong to the text.
    let same = members.iter().all(|(_, row)| text(row) == text(&model));
    if first_number.is_none() && !same {
        return None;
    }
    let taken: Vec<usize> = members.iter().map(|(page, _)| *page).collect();
    for (index, lines) in pages.iter_mut().enumerate().filter(|(index, _)| taken.contains(index)) {
        let y = outermost.get(index).and_then(Option::as_ref).map_or(f64::NAN, |row| row.y);
        lines.retain(|line| (line.y - y).abs() > 0.35 * line.size);
    }
    Some(Strip { row: model, first_number, on_first: taken.contains(&0) })
}

/// The first or last row of a page, where it stands apart from the text, near the edge.
fn outermost(lines: &[Line], height: f64, is_header: bool) -> Option<Row> {
    let mut rows = rows(lines.to_vec());
    if !is_header {
        rows.reverse();
    }
    let mut rows = rows.into_iter();
    let (row, next) = (rows.next()?, rows.next());
    let near = if is_header { row.y < 0.16 * height } else { row.y > 0.8 * height };
    let apart = next.is_none_or(|next| (next.y - row.y).abs() > 1.5 * row.size);
    (near && apart).then_some(row)
}

fn text(row: &Row) -> String {
    row.lines.iter().map(Line::text).collect::<Vec<_>>().join("\t")
}

/// The text with every number alike.
fn shape(row: &Row) -> String {
    let mut shape = String::new();
    for what in text(row).chars() {
        match what {
            digit if digit.is_ascii_digit() => {
                if !shape.ends_with('#') {
                    shape.push('#');
                }
            }
            other => shape.push(other),
        }
    }
    shape
}

/// What the first page's number would be, where the first number of every row is that of its page.
fn offset(members: &[(usize, &Row)]) -> Option<i64> {
    let number = |row: &Row| {
        let text = text(row);
        let digits: String = text.chars().skip_while(|what| !what.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
        digits.parse::<i64>().ok().filter(|number| *number < 100_000)
    };
    let mut offsets = members.iter().map(|(page, row)| Some(number(row)? - *page as i64));
    let first = offsets.next()??;
    offsets.all(|offset| offset == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::super::lines::{lines, tests::set};
    use super::*;
    use crate::model::Page;

    fn pages(text: impl Fn(usize) -> String) -> Vec<Vec<Line>> {
        let page = |index: usize| {
            let mut page = Page { chars: set("Some text of the page", 50.0, 300.0, 10.0), ..Page::default() };
            page.chars.extend(set(&text(index), 280.0, 800.0, 10.0));
            lines(&mut page)
        };
        (0..3).map(page).collect()
    }

    #[test]
    fn numbers_of_pages_become_a_footer() {
        let mut found = pages(|index| format!("Page {} of 9", index + 4));
        let furniture = take(&mut found, &[842.0; 3]);
        assert_eq!(furniture.footer.as_ref().and_then(|strip| strip.first_number), Some(4), "{furniture:?}");
        assert!(furniture.header.is_none(), "the text is no header");
        assert!(found.iter().all(|lines| lines.len() == 1), "and the pages keep their text");
    }

    #[test]
    fn what_differs_stays() {
        let mut found = pages(|index| format!("Total {}", index * 37));
        assert!(take(&mut found, &[842.0; 3]).footer.is_none(), "sums are no page numbers");
        assert!(found.iter().all(|lines| lines.len() == 2));
    }
}
