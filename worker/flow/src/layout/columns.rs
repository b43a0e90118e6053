//! Columns of running text, and the bands of a page that have them.

use super::lines::{Line, rows};

/// Columns side by side, at most.
const MAX_COLUMNS: usize = 4;

/// Width of what is between columns, points, at least.
const GUTTER: f64 = 7.0;

/// A part of a page from one height to another: lines by column.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(crate) columns: Vec<Vec<Line>>,
}

/// Cuts a page into bands: those with columns, and those across.
pub(crate) fn stretches(lines: Vec<Line>) -> Vec<Stretch> {
    let gutters = gutters(&lines);
    if gutters.is_empty() {
        return vec![Stretch { columns: vec![lines] }];
    }
    let column = |line: &Line| {
        let (left, right) = (line.x0 + 0.5, line.x1 - 0.5);
        let column = gutters.iter().filter(|gutter| **gutter < (left + right) / 2.0).count();
        gutters.iter().all(|gutter| *gutter <= left || *gutter >= right).then_some(column)
    };
    let (mut found, mut across): (Vec<Stretch>, bool) = (Vec::new(), false);
    for line in lines {
        match column(&line) {
            None => {
                match found.last_mut().filter(|_| across) {
                    Some(last) => last.columns.iter_mut().take(1).for_each(|column| column.push(line.clone())),
                    None => found.push(Stretch { columns: vec![vec![line]] }),
                }
                across = true;
            }
            Some(index) => {
                if across || found.is_empty() {
                    found.push(Stretch { columns: vec![Vec::new(); gutters.len() + 1] });
                }
                across = false;
                found
                    .last_mut()
                    .and_then(|last| last.columns.get_mut(index))
                    .into_iter()
                    .for_each(|column| column.push(line.clone()));
            }
        }
    }
    join(found)
}

/// What has too few lines for columns goes across, and what goes across stays together.
fn join(stretches: Vec<Stretch>) -> Vec<Stretch> {
    let mut joined: Vec<Stretch> = Vec::new();
    for mut stretch in stretches {
        let filled = stretch.columns.iter().filter(|column| rows((*column).clone()).len() >= 3).count();
        if filled < 2 {
            stretch.columns = vec![stretch.columns.into_iter().flatten().collect()];
        }
        match joined.last_mut() {
            Some(last) if last.columns.len() == 1 && stretch.columns.len() == 1 => {
                last.columns.iter_mut().zip(stretch.columns).for_each(|(last, more)| last.extend(more));
            }
            _ => joined.push(stretch),
        }
    }
    joined
}

/// Where columns of running text are apart. Empty where there is one column, or what stands side by side is a table.
fn gutters(lines: &[Line]) -> Vec<f64> {
    let (left, right) =
        lines.iter().fold((f64::INFINITY, 0.0_f64), |(left, right), line| (left.min(line.x0), right.max(line.x1)));
    if lines.len() < 12 || right - left < 100.0 || right - left > 20_000.0 {
        return Vec::new();
    }
    let width = (right - left).ceil() as usize;
    let mut cover = vec![0_u32; width + 1];
    for line in lines {
        let (from, to) = ((line.x0 - left).floor().max(0.0) as usize, (line.x1 - left).ceil() as usize);
        cover.iter_mut().take(to).skip(from).for_each(|count| *count += 1);
    }
    let most = cover.iter().copied().max().unwrap_or(0);
    // A few lines go across: titles, notes.
    let few = (most / 4).max(1);
    let mut found = Vec::new();
    let mut start = None;
    for (x, count) in cover.iter().enumerate() {
        match (start, *count <= few) {
            (None, true) => start = Some(x),
            (Some(from), false) => {
                let (from, to) = (from as f64, x as f64);
                if to - from >= GUTTER && from > 40.0 {
                    found.push(left + (from + to) / 2.0);
                }
                start = None;
            }
            _ => {}
        }
    }
    let sound = !found.is_empty() && found.len() < MAX_COLUMNS && is_prose(lines, &found, (left, right));
    if sound { found } else { Vec::new() }
}

/// Whether what stands between the gutters is running text: lines that fill their column, each alone in its row.
fn is_prose(lines: &[Line], gutters: &[f64], (left, right): (f64, f64)) -> bool {
    let edges: Vec<f64> = std::iter::once(left).chain(gutters.iter().copied()).chain([right]).collect();
    edges.windows(2).all(|pair| {
        let [from, to] = <[f64; 2]>::try_from(pair).unwrap_or_default();
        let inside: Vec<&Line> = lines.iter().filter(|line| line.x0 >= from - 1.0 && line.x1 <= to + 1.0).collect();
        let count = inside.len() as f64;
        let words: usize = inside.iter().map(|line| line.words.len()).sum();
        let filled: f64 = inside.iter().map(|line| (line.x1 - line.x0) / (to - from)).sum();
        let alone = rows(inside.iter().map(|line| (*line).clone()).collect()).len() as f64;
        inside.len() >= 4 && words as f64 >= 3.0 * count && filled >= 0.5 * count && alone >= 0.75 * count
    })
}

#[cfg(test)]
mod tests {
    use super::super::lines::{lines, tests::set};
    use super::*;
    use crate::model::Page;

    #[test]
    fn columns_are_read_one_after_the_other_under_their_title() {
        let mut page = Page { chars: set("A title across both of the columns", 150.0, 50.0, 12.0), ..Page::default() };
        for row in 0..10 {
            let y = 80.0 + 12.0 * f64::from(row);
            page.chars.extend(set(&format!("left column has line {row} of words"), 50.0, y, 10.0));
            page.chars.extend(set(&format!("right column has line {row} of it"), 250.0, y, 10.0));
        }
        let found = stretches(lines(&mut page));
        let counts: Vec<Vec<usize>> = found.iter().map(|stretch| stretch.columns.iter().map(Vec::len).collect()).collect();
        assert_eq!(counts, [vec![1], vec![10, 10]], "{found:?}");
        assert!(found[1].columns[0].iter().all(|line| line.text().starts_with("left")), "the left one first");
    }

    #[test]
    fn a_table_is_no_columns_of_text() {
        let mut page = Page::default();
        for row in 0..20 {
            let y = 80.0 + 12.0 * f64::from(row);
            page.chars.extend(set("Alabama", 50.0, y, 10.0));
            page.chars.extend(set("1,234", 250.0, y, 10.0));
        }
        assert_eq!(stretches(lines(&mut page)).len(), 1, "numbers are no running text");
    }
}
