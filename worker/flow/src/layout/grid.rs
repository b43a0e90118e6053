//! The grid of a table: edges of columns and rows, by rules where there are such and else by what is free, and what stands in it.

use hayro::kurbo::Rect;

use super::lines::{Line, Row, Word};
use super::paragraphs::paragraphs;
use super::tables::{Cell, Lines, Merge, Table};
use crate::model::{Color, Rule};

/// Columns of a table, at most: what readers of documents take.
const MAX_COLUMNS: usize = 60;

/// How far rules that mean the same edge are apart, points.
const SNAP: f64 = 2.5;

/// Edges of the columns, from left to right.
pub(super) fn columns(rows: &[Row], bounds: Option<Rect>, rules: &[Rule]) -> Option<Vec<f64>> {
    let (top, bottom) = (rows.first().map(|row| row.y - row.size)?, rows.last().map(|row| row.y)?);
    let x0 = rows.iter().map(Row::x0).fold(f64::INFINITY, f64::min);
    let x1 = rows.iter().map(Row::x1).fold(f64::NEG_INFINITY, f64::max);
    let area = bounds.map_or(Rect::new(x0 - 2.0, top, x1 + 2.0, bottom), |bounds| {
        Rect::new(bounds.x0.min(x0 - 1.0), bounds.y0.min(top), bounds.x1.max(x1 + 1.0), bounds.y1.max(bottom))
    });
    let mut ruled: Vec<f64> = rules
        .iter()
        .filter(|rule| rule.is_vertical && rule.bounds.height() > 4.0)
        .filter(|rule| rule.bounds.y1 > area.y0 - 1.0 && rule.bounds.y0 < area.y1 + 1.0)
        .map(|rule| rule.bounds.center().x)
        .filter(|x| (area.x0 - SNAP..=area.x1 + SNAP).contains(x))
        .collect();
    snap(&mut ruled);
    let mut edges = vec![area.x0, area.x1];
    for (from, to) in gaps(rows, area) {
        if !ruled.iter().any(|x| (from - 1.5..=to + 1.5).contains(x)) {
            edges.push((from + to) / 2.0);
        }
    }
    // A rule beside the edge of the area is that edge.
    edges.retain(|edge| !ruled.iter().any(|x| (x - edge).abs() < 2.0 * SNAP));
    edges.extend(ruled);
    snap(&mut edges);
    (edges.len() > 2 && edges.len() <= MAX_COLUMNS).then_some(edges)
}

/// Sorts places and keeps one of those that are close together.
fn snap(places: &mut Vec<f64>) {
    places.sort_by(f64::total_cmp);
    places.dedup_by(|a, b| (*a - *b).abs() < SNAP);
}

/// Where hardly a row has a word: free from top to bottom, between what is not.
fn gaps(rows: &[Row], area: Rect) -> Vec<(f64, f64)> {
    let width = area.width();
    if !(1.0..20_000.0).contains(&width) {
        return Vec::new();
    }
    // Half points.
    let mut cover = vec![0_u32; (width * 2.0).ceil() as usize + 1];
    let at = |x: f64| ((x - area.x0) * 2.0).clamp(0.0, width * 2.0);
    let parted: Vec<&Row> = rows.iter().filter(|row| row.lines.len() > 1).collect();
    let counted: Vec<&Row> = if parted.len() >= 3 { parted } else { rows.iter().collect() };
    for line in counted.iter().flat_map(|row| &row.lines) {
        for word in &line.words {
            cover.iter_mut().take(at(word.x1).ceil() as usize).skip(at(word.x0) as usize).for_each(|count| *count += 1);
        }
    }
    let few = counted.len() as u32 / 12;
    let mut sizes: Vec<f64> = rows.iter().map(|row| row.size).collect();
    sizes.sort_by(f64::total_cmp);
    let least = sizes.get(sizes.len() / 2).map_or(4.0, |size| size * if counted.len() < 6 { 0.9 } else { 0.45 }) * 2.0;
    let (mut found, mut start) = (Vec::new(), None);
    for (x, count) in cover.iter().enumerate() {
        match (start, *count <= few) {
            (None, true) => start = Some(x),
            (Some(from), false) => {
                if from > 0 && (x - from) as f64 >= least {
                    let part = cover.get(from..x).unwrap_or_default();
                    let (low, high) = emptiest(part);
                    found.push((area.x0 + (from + low) as f64 / 2.0, area.x0 + (from + high) as f64 / 2.0));
                }
                start = None;
            }
            _ => {}
        }
    }
    found
}

/// The longest stretch with the fewest words.
fn emptiest(part: &[u32]) -> (usize, usize) {
    let least = part.iter().copied().min().unwrap_or(0);
    let (mut best, mut start) = ((0, 0), None);
    for (index, count) in part.iter().chain([&u32::MAX]).enumerate() {
        match (start, *count == least) {
            (None, true) => start = Some(index),
            (Some(from), false) => {
                if index - from >= best.1 - best.0 {
                    best = (from, index);
                }
                start = None;
            }
            _ => {}
        }
    }
    best
}

/// Edges of the rows: rules, and where several lines of text stand between two of them as rows of their own, what is between those.
pub(super) fn edges(rows: &[Row], bounds: Option<Rect>, rules: &[Rule], (left, right): (f64, f64)) -> Vec<f64> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Vec::new() };
    let (mut top, mut bottom) = (first.y - first.size, last.y + 0.3 * last.size);
    if let Some(bounds) = bounds {
        (top, bottom) = (top.min(bounds.y0), bottom.max(bounds.y1));
    }
    let mut ruled: Vec<f64> = rules
        .iter()
        .filter(|rule| !rule.is_vertical && rule.bounds.width() > 0.02 * (right - left))
        .map(|rule| rule.bounds.center().y)
        .filter(|y| (top - 6.0..=bottom + 6.0).contains(y))
        .collect();
    snap(&mut ruled);
    top = ruled.first().map_or(top, |y| y.min(top));
    bottom = ruled.last().map_or(bottom, |y| y.max(bottom));
    let mut edges = ruled.clone();
    edges.extend([top, bottom]);
    snap(&mut edges);
    let count = |from: f64, to: f64| rows.iter().filter(|row| (from..to).contains(&(row.y - 0.3 * row.size))).count();
    let mut counts: Vec<usize> =
        edges.windows(2).filter_map(|pair| Some(count(*pair.first()?, *pair.last()?))).filter(|count| *count > 0).collect();
    counts.sort_unstable();
    // Cells that are ruled each may hold several lines; lines between few rules are rows.
    let median = counts.get(counts.len() / 2).copied().unwrap_or(0);
    let parted = rows.iter().filter(|row| row.lines.len() > 1).count();
    let whole = median <= 3 && (counts.len() >= 3 || parted * 10 < rows.len() * 6);
    let mut all = edges.clone();
    for pair in rows.windows(2) {
        let [above, below] = pair else { continue };
        let between = edges.iter().any(|edge| (above.y - 0.3 * above.size..=below.y - 0.3 * below.size).contains(edge));
        let same = edges
            .windows(2)
            .filter_map(|pair| Some((*pair.first()?, *pair.last()?)))
            .find(|(from, to)| (*from..*to).contains(&(above.y - 0.3 * above.size)));
        let crowded = same.is_some_and(|(from, to)| count(from, to) > 6);
        if between || (whole && !crowded) {
            continue;
        }
        let pitch = below.y - above.y;
        all.push(if pitch > 1.8 * below.size { below.y - below.size } else { above.y + 0.25 * pitch });
    }
    all.sort_by(f64::total_cmp);
    all.dedup_by(|a, b| (*a - *b).abs() < 1.2);
    all
}

/// The cells of a row from one height to another.
pub(super) fn cells(rows: &[&Row], columns: &[f64], (top, bottom): (f64, f64), lines: Lines<'_>) -> Vec<Cell> {
    let count = columns.len() - 1;
    let is_ruled = |x: f64| {
        let crosses = |rule: &&Rule| {
            rule.is_vertical
                && (rule.bounds.center().x - x).abs() < SNAP
                && rule.bounds.y0 < bottom - 1.0
                && rule.bounds.y1 > top + 1.0
        };
        lines.rules.iter().any(|rule| crosses(&rule))
    };
    let walls: Vec<bool> = columns.iter().map(|x| is_ruled(*x)).collect();
    // What stands in which columns.
    let mut parts: Vec<(usize, usize, Line)> = Vec::new();
    for row in rows {
        for line in row.lines.iter().flat_map(|line| cut(line, columns, &walls)) {
            let column = |x: f64| columns.iter().skip(1).take(count - 1).filter(|edge| **edge <= x).count();
            let (from, to) = (column(line.x0 + 0.4 * line.size), column(line.x1 - 0.4 * line.size));
            let (from, to) = confine(from.min(to), to.max(from), &walls, &line, columns);
            parts.push((from, to, line));
        }
    }
    // Parts of several lines that overlap share a cell.
    let mut groups: Vec<(usize, usize)> = parts.iter().map(|(from, to, _)| (*from, *to)).collect();
    groups.sort_unstable();
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for (from, to) in groups {
        match spans.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => spans.push((from, to)),
        }
    }
    let (mut cells, mut at) = (Vec::new(), 0);
    while at < count {
        let (from, to) = spans.iter().find(|(from, to)| (*from..=*to).contains(&at)).copied().unwrap_or((at, at));
        let inside: Vec<Line> =
            parts.iter().filter(|(start, end, _)| from <= *start && *end <= to).map(|(.., line)| line.clone()).collect();
        let edge = |index: usize| columns.get(index).copied().unwrap_or_default();
        let bounds = Rect::new(edge(from), top, edge(to + 1), bottom);
        cells.push(Cell {
            span: to + 1 - from,
            paragraphs: paragraphs(&super::lines::rows(inside), (bounds.x0 + 2.0, bounds.x1 - 2.0)),
            borders: borders(bounds, lines.rules),
            shade: shade(bounds, lines),
            merge: Merge::Not,
            bounds,
        });
        at = to + 1;
    }
    cells
}

/// A part does not go through a wall that it hardly touches.
fn confine(from: usize, to: usize, walls: &[bool], line: &Line, columns: &[f64]) -> (usize, usize) {
    let Some(wall) = (from + 1..=to).find(|wall| walls.get(*wall) == Some(&true)) else { return (from, to) };
    let x = columns.get(wall).copied().unwrap_or_default();
    if x - line.x0 > line.x1 - x { (from, wall - 1) } else { (wall, to) }
}

/// Cuts a line where a wall, or the edge of a column in a gap, is between two words.
fn cut(line: &Line, columns: &[f64], walls: &[bool]) -> Vec<Line> {
    let (mut parts, mut words): (Vec<Line>, Vec<Word>) = (Vec::new(), Vec::new());
    for word in &line.words {
        if let Some(last) = words.last() {
            let (from, to) = (last.x1 - 0.3 * line.size, word.x0 + 0.3 * line.size);
            let wide = word.x0 - last.x1 > 0.6 * line.size;
            let parted = columns.iter().zip(walls).any(|(x, wall)| (from..=to).contains(x) && (*wall || wide));
            if parted {
                parts.push(Line { size: line.size, ..Line::new(std::mem::take(&mut words), line.y) });
            }
        }
        words.push(word.clone());
    }
    parts.push(Line { size: line.size, ..Line::new(words, line.y) });
    parts
}

fn borders(cell: Rect, rules: &[Rule]) -> [Option<Color>; 4] {
    let along = |vertical: bool, place: f64, (from, to): (f64, f64)| {
        let mut covered = 0.0;
        let mut color = None;
        for rule in rules.iter().filter(|rule| rule.is_vertical == vertical) {
            let (middle, start, end) = if vertical {
                (rule.bounds.center().x, rule.bounds.y0, rule.bounds.y1)
            } else {
                (rule.bounds.center().y, rule.bounds.x0, rule.bounds.x1)
            };
            let part = end.min(to) - start.max(from);
            if (middle - place).abs() < SNAP && part > 0.0 {
                covered += part;
                color = Some(rule.color);
            }
        }
        color.filter(|_| covered > 0.6 * (to - from))
    };
    let (wide, high) = ((cell.x0, cell.x1), (cell.y0, cell.y1));
    [along(false, cell.y0, wide), along(true, cell.x1, high), along(false, cell.y1, wide), along(true, cell.x0, high)]
}

/// The colour that lies under most of a cell, the last one drawn.
fn shade(cell: Rect, lines: Lines<'_>) -> Option<Color> {
    let covers = |bounds: Rect| bounds.contains(cell.center()) && bounds.intersect(cell).area() > 0.5 * cell.area();
    lines.fills.iter().rev().find(|fill| covers(fill.bounds)).map(|fill| fill.color).filter(|color| *color != [255; 3])
}

/// Cells between which a row's edge has no rule, where rules make the rows, go on downwards.
pub(super) fn merge(table: &mut Table, rules: &[Rule]) {
    let covers = |y: f64, x: f64| {
        rules.iter().any(|rule| {
            !rule.is_vertical
                && (rule.bounds.center().y - y).abs() < SNAP
                && rule.bounds.x0 - 1.0 <= x
                && x <= rule.bounds.x1 + 1.0
        })
    };
    for row in 1..table.rows.len() {
        let Some(y) = table.edges.get(row).copied() else { continue };
        let is_ruled = rules.iter().any(|rule| !rule.is_vertical && (rule.bounds.center().y - y).abs() < SNAP);
        let (before, after) = table.rows.split_at_mut(row);
        let (Some(above), Some(below)) = (before.last_mut(), after.first_mut()) else { continue };
        if !is_ruled {
            continue;
        }
        for cell in below.iter_mut() {
            let same = above.iter_mut().find(|other| (other.bounds.x0 - cell.bounds.x0).abs() < 0.1 && other.span == cell.span);
            let Some(other) = same else { continue };
            if covers(y, cell.bounds.center().x) || (!cell.paragraphs.is_empty() && !other.paragraphs.is_empty()) {
                continue;
            }
            // The text of the lower one moves up, where readers look for it.
            if other.merge == Merge::Next && !cell.paragraphs.is_empty() {
                continue;
            }
            if other.merge == Merge::Not {
                other.merge = Merge::First;
            }
            other.paragraphs.append(&mut cell.paragraphs);
            cell.merge = Merge::Next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::{lines, rows, tests::set};
    use super::super::tables::{Lines, areas, build};
    use super::*;
    use crate::model::{Fill, Page};

    fn table(page: &mut Page) -> Table {
        let rows = rows(lines(page));
        let lines = Lines { rules: &page.rules, fills: &page.fills };
        let found = areas(&rows, lines);
        assert_eq!(found.len(), 1, "{found:?}");
        let (from, to, bounds) = found[0];
        build(&rows[from..=to], bounds, lines).expect("a table")
    }

    fn texts(table: &Table) -> Vec<Vec<String>> {
        let text = |cell: &Cell| cell.paragraphs.iter().map(|paragraph| paragraph.text()).collect::<Vec<_>>().join("/");
        table.rows.iter().map(|row| row.iter().map(text).collect()).collect()
    }

    #[test]
    fn what_stands_in_line_is_a_table() {
        let mut page = Page::default();
        for (index, row) in
            [["Name", "Age", "Town"], ["Ann", "31", "Ulm"], ["Bob", "7", "Rome"], ["Cy", "55", "Nice"]].iter().enumerate()
        {
            for (column, text) in row.iter().enumerate() {
                page.chars.extend(set(text, 50.0 + 100.0 * column as f64, 100.0 + 14.0 * index as f64, 10.0));
            }
        }
        let table = table(&mut page);
        assert_eq!(texts(&table)[1], ["Ann", "31", "Ulm"]);
        assert_eq!((table.rows.len(), table.columns.len()), (4, 4));
    }

    #[test]
    fn rules_make_cells_with_borders_and_shades() {
        let mut page = Page::default();
        let mut rule =
            |bounds: Rect| page.rules.push(Rule { bounds, is_vertical: bounds.height() > bounds.width(), color: [0; 3] });
        for y in [100.0, 140.0, 180.0] {
            rule(Rect::new(50.0, y, 250.0, y + 0.5));
        }
        for x in [50.0, 150.0, 249.5] {
            rule(Rect::new(x, 100.0, x + 0.5, 180.0));
        }
        page.fills.push(Fill { bounds: Rect::new(50.0, 100.0, 150.0, 140.0), color: [200, 0, 0] });
        page.chars = set("two lines that are long enough", 55.0, 115.0, 6.0);
        page.chars.extend(set("of text", 55.0, 125.0, 6.0));
        page.chars.extend(set("beside", 155.0, 115.0, 6.0));
        page.chars.extend(set("below", 55.0, 160.0, 6.0));
        let table = table(&mut page);
        assert_eq!(texts(&table), [vec!["two lines that are long enough of text", "beside"], vec!["below", ""]]);
        assert_eq!(table.rows[0][0].shade, Some([200, 0, 0]));
        assert!(table.rows.iter().flatten().all(|cell| cell.borders.iter().all(Option::is_some)), "{table:?}");
    }
}
