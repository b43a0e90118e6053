//! Tables: where they are, by their rules and by what stands in line, and their cells.

use hayro::kurbo::Rect;

use super::grid;
use super::lines::{Line, Row};
use super::paragraphs::{Align, Paragraph};
use crate::model::{Color, Fill, Rule};

/// Rows of a table, at most; a longer one is cut into several.
pub(crate) const MAX_ROWS: usize = 400;

/// How a cell goes on from the one above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merge {
    Not,
    First,
    Next,
}

/// A cell.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) span: usize,
    pub(crate) paragraphs: Vec<Paragraph>,
    /// Colours of its borders: top, right, bottom, left.
    pub(crate) borders: [Option<Color>; 4],
    pub(crate) shade: Option<Color>,
    pub(crate) merge: Merge,
    pub(crate) bounds: Rect,
}

/// A table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Edges of its columns.
    pub(crate) columns: Vec<f64>,
    /// Edges of its rows.
    pub(crate) edges: Vec<f64>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// What rules and areas there are around rows.
#[derive(Clone, Copy)]
pub(crate) struct Lines<'a> {
    pub(crate) rules: &'a [Rule],
    pub(crate) fills: &'a [Fill],
}

/// Which of the rows are of a table: first and last index of each, and the bounds of its rules.
pub(crate) fn areas(rows: &[Row], lines: Lines<'_>) -> Vec<(usize, usize, Option<Rect>)> {
    let ruled = ruled(lines.rules);
    let mut kind: Vec<Option<Rect>> = Vec::with_capacity(rows.len());
    let mut in_table = vec![false; rows.len()];
    for (index, row) in rows.iter().enumerate() {
        let middle = row.y - 0.3 * row.size;
        let inside = |area: &&Rect| {
            area.y0 - 1.0 <= middle
                && middle <= area.y1 + 1.0
                && row.x1() > area.x0
                && row.x0() < area.x1
                && row.x1() - area.x1.min(row.x1()) < 0.5 * (row.x1() - row.x0())
        };
        let area = ruled.iter().find(inside).copied();
        kind.push(area);
        if let Some(mark) = in_table.get_mut(index) {
            *mark = area.is_some();
        }
    }
    for (from, to) in aligned(rows) {
        in_table.iter_mut().take(to + 1).skip(from).for_each(|mark| *mark = true);
    }
    let mut found: Vec<(usize, usize, Option<Rect>)> = Vec::new();
    for (index, row) in rows.iter().enumerate().filter(|(index, _)| in_table.get(*index) == Some(&true)) {
        let area = kind.get(index).copied().flatten();
        let last_y = index.checked_sub(1).and_then(|before| rows.get(before)).map_or(f64::NEG_INFINITY, |row| row.y);
        match found.last_mut() {
            Some((from, to, bounds)) if *to + 1 == index && index - *from < MAX_ROWS && row.y - last_y < 40.0 => {
                *to = index;
                *bounds = match (*bounds, area) {
                    (Some(a), Some(b)) => Some(a.union(b)),
                    (a, b) => a.or(b),
                };
            }
            _ => found.push((index, index, area)),
        }
    }
    found.retain(|(from, to, bounds)| to > from || bounds.is_some());
    found
}

/// Areas of rules that touch one another and make cells.
fn ruled(rules: &[Rule]) -> Vec<Rect> {
    let mut groups: Vec<(Rect, Vec<&Rule>)> = Vec::new();
    for rule in rules {
        let reach = rule.bounds.inflate(2.5, 2.5);
        let (touched, mut rest): (Vec<_>, Vec<_>) = groups.into_iter().partition(|(bounds, members)| {
            bounds.overlaps(reach) && members.iter().any(|member| member.bounds.inflate(0.5, 0.5).overlaps(reach))
        });
        let (mut bounds, mut members) = (rule.bounds, vec![rule]);
        for (other, mut more) in touched {
            bounds = bounds.union(other);
            members.append(&mut more);
        }
        rest.push((bounds, members));
        groups = rest;
    }
    let distinct = |mut places: Vec<f64>| {
        places.sort_by(f64::total_cmp);
        places.dedup_by(|a, b| (*a - *b).abs() < 3.0);
        places.len()
    };
    groups.retain(|(bounds, members)| {
        let vertical = distinct(members.iter().filter(|rule| rule.is_vertical).map(|rule| rule.bounds.center().x).collect());
        let horizontal = distinct(members.iter().filter(|rule| !rule.is_vertical).map(|rule| rule.bounds.center().y).collect());
        // Two columns and two rows, or the frame around a part that is a table by how it is set.
        let cells = vertical >= 3 && horizontal >= 2 || vertical >= 1 && horizontal >= 3;
        cells && bounds.width() > 30.0 && bounds.height() > 8.0
    });
    groups.into_iter().map(|(bounds, _)| bounds).collect()
}

/// Stretches of rows whose parts stand under one another.
fn aligned(rows: &[Row]) -> Vec<(usize, usize)> {
    let (mut found, mut from, mut last, mut parted) = (Vec::new(), None, 0, 0);
    let mut end = |from: &mut Option<usize>, last: usize, parted: &mut usize| {
        if let Some(start) = from.take()
            && *parted >= 3
            && stands_in_line(rows.get(start..=last).unwrap_or_default())
        {
            found.push((start, last));
        }
        *parted = 0;
    };
    for (index, row) in rows.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| rows.get(before));
        let apart = before.is_some_and(|before| row.y - before.y > 3.0 * row.size.max(before.size));
        let is_parted = row.lines.len() >= 2;
        // Two rows in a run of rows with one part alone end a table.
        if apart || (!is_parted && from.is_some() && index - last > 1) {
            end(&mut from, last, &mut parted);
        }
        if is_parted {
            from.get_or_insert(index);
            parted += 1;
            last = index;
        }
    }
    end(&mut from, last, &mut parted);
    found
}

/// Whether most parts begin or end where a part of another row does.
fn stands_in_line(rows: &[Row]) -> bool {
    let parts: Vec<(usize, &Line)> =
        rows.iter().enumerate().flat_map(|(index, row)| row.lines.iter().map(move |line| (index, line))).collect();
    let later: Vec<_> =
        rows.iter().enumerate().flat_map(|(index, row)| row.lines.iter().skip(1).map(move |line| (index, line))).collect();
    let near = |a: f64, b: f64| (a - b).abs() < 2.5;
    let in_line = later.iter().filter(|(row, line)| {
        let same = parts.iter().filter(|(other, part)| {
            let middle = near(part.x0 + part.x1, line.x0 + line.x1);
            other != row && (near(part.x0, line.x0) || near(part.x1, line.x1) || middle)
        });
        same.count() >= 2
    });
    !later.is_empty() && in_line.count() * 10 >= later.len() * 6
}

/// The table of rows, if they make one.
pub(crate) fn build(rows: &[Row], bounds: Option<Rect>, lines: Lines<'_>) -> Option<Table> {
    let columns = grid::columns(rows, bounds, lines.rules)?;
    let (left, right) = (*columns.first()?, *columns.last()?);
    let inside = |rule: &&Rule| rule.bounds.x1 > left - 2.0 && rule.bounds.x0 < right + 2.0;
    let rules: Vec<Rule> = lines.rules.iter().filter(inside).copied().collect();
    let edges = grid::edges(rows, bounds, &rules, (left, right));
    let lines = Lines { rules: &rules, ..lines };
    let mut table = Table { rows: Vec::new(), columns, edges };
    for pair in table.edges.windows(2) {
        let [top, bottom] = <[f64; 2]>::try_from(pair).ok()?;
        let within: Vec<&Row> = rows.iter().filter(|row| (top..bottom).contains(&(row.y - 0.3 * row.size))).collect();
        table.rows.push(grid::cells(&within, &table.columns, (top, bottom), lines));
    }
    grid::merge(&mut table, &rules);
    align(&mut table);
    // A row of its own for every line of text must not be lost, nor a table be made of one cell.
    let filled = table.rows.iter().flatten().filter(|cell| !cell.paragraphs.is_empty()).count();
    (table.columns.len() > 2 && filled >= 2).then_some(table)
}

/// Columns whose lines end in line, rather than begin so, are aligned at the right.
fn align(table: &mut Table) {
    for column in 0..table.columns.len() - 1 {
        let left = table.columns.get(column).copied().unwrap_or_default();
        let is_of = |cell: &&mut Cell| (cell.bounds.x0 - left).abs() < 0.1 && cell.span == 1 && cell.paragraphs.len() == 1;
        let mut ends: Vec<(f64, f64)> = Vec::new();
        let mut members: Vec<&mut Paragraph> = Vec::new();
        for cell in table.rows.iter_mut().flatten().filter(is_of) {
            for paragraph in cell.paragraphs.iter_mut().filter(|paragraph| paragraph.lines == 1 && paragraph.tabs.is_empty()) {
                let x0 = paragraph.content.iter().map(|char| char.x0).fold(f64::INFINITY, f64::min);
                let x1 = paragraph.content.iter().map(|char| char.x1).fold(0.0, f64::max);
                ends.push((x0, x1));
                members.push(paragraph);
            }
        }
        // Headings of a column may stand otherwise: most of them decide.
        let middle = |mut places: Vec<f64>| {
            places.sort_by(f64::total_cmp);
            places.get(places.len() / 2).copied().unwrap_or_default()
        };
        let (start, end) = (middle(ends.iter().map(|(x0, _)| *x0).collect()), middle(ends.iter().map(|(_, x1)| *x1).collect()));
        let near = |place: f64, other: f64| (place - other).abs() < 1.0;
        let (starts, at_end) = ends.iter().fold((0, 0), |(starts, at_end), (x0, x1)| {
            (starts + usize::from(near(*x0, start)), at_end + usize::from(near(*x1, end)))
        });
        if at_end < 3 || at_end <= starts || at_end * 10 < members.len() * 6 {
            continue;
        }
        for (paragraph, (_, x1)) in members.into_iter().zip(&ends).filter(|(_, (_, x1))| near(*x1, end)) {
            paragraph.align = Align::Right;
            paragraph.right = *x1;
        }
    }
}
