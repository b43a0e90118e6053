//! From what is on pages to what a document is made of.

pub(crate) mod columns;
pub(crate) mod furniture;
mod grid;
mod joins;
pub(crate) mod lines;
pub(crate) mod lists;
pub(crate) mod paragraphs;
pub(crate) mod tables;

use hayro::kurbo::Rect;

use self::furniture::Furniture;
use self::lines::{Line, Row};
use self::lists::{Levels, Marker};
use self::paragraphs::Paragraph;
use self::tables::{Lines, Table};
use crate::model::{Char, Face, Fill, Page, Picture, Rule, Turned};

/// What stands in a column, from top to bottom.
#[derive(Clone, Debug)]
pub(crate) enum Block {
    Paragraph(Paragraph),
    Table(Table),
    /// A picture with nothing beside it.
    Picture(Picture),
}

impl Block {
    pub(crate) fn top(&self) -> f64 {
        match self {
            Self::Paragraph(paragraph) => paragraph.top(),
            Self::Table(table) => table.edges.first().copied().unwrap_or_default(),
            Self::Picture(picture) => picture.bounds.y0,
        }
    }

    pub(crate) fn bottom(&self) -> f64 {
        match self {
            Self::Paragraph(paragraph) => paragraph.bottom(),
            Self::Table(table) => table.edges.last().copied().unwrap_or_default(),
            Self::Picture(picture) => picture.bounds.y1,
        }
    }
}

/// A column, and what is in it.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) blocks: Vec<Block>,
}

/// Columns side by side.
#[derive(Clone, Debug)]
pub(crate) struct Band {
    pub(crate) columns: Vec<Column>,
}

/// A page, laid out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sheet {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) bands: Vec<Band>,
    /// Pictures at their place, behind the text.
    pub(crate) behind: Vec<Picture>,
    /// Areas of colour and lines that are no part of a table.
    pub(crate) fills: Vec<Fill>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) turned: Vec<Turned>,
    pub(crate) hidden: Vec<Char>,
    pub(crate) links: Vec<String>,
}

/// The whole document, laid out.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    pub(crate) sheets: Vec<Sheet>,
    pub(crate) furniture: Furniture,
    pub(crate) lists: Vec<Levels>,
}

/// Lays out pages.
pub(crate) fn layout(mut pages: Vec<Page>, faces: &[Face]) -> Layout {
    let mut texts: Vec<Vec<Line>> = pages.iter_mut().map(lines::lines).collect();
    let heights: Vec<f64> = pages.iter().map(|page| page.height).collect();
    let furniture = furniture::take(&mut texts, &heights);
    let mut sheets: Vec<Sheet> = pages.into_iter().zip(texts).map(|(page, lines)| sheet(page, lines)).collect();
    headings(&mut sheets, faces);
    let lists = lists::apply(&mut sheets);
    joins::apply(&mut sheets);
    Layout { sheets, furniture, lists }
}

fn sheet(page: Page, lines: Vec<Line>) -> Sheet {
    let paper = Rect::new(0.0, 0.0, page.width, page.height);
    let (alone, behind): (Vec<Picture>, Vec<Picture>) = page.pictures.into_iter().partition(|picture| {
        let bounds = picture.bounds;
        bounds.area() < 0.6 * paper.area() && !lines.iter().any(|line| line.y > bounds.y0 && line.y - line.size < bounds.y1)
    });
    // Several side by side stay where they are.
    let (alone, more): (Vec<Picture>, Vec<Picture>) = {
        let bounds: Vec<Rect> = alone.iter().map(|picture| picture.bounds).collect();
        alone.into_iter().partition(|picture| {
            bounds.iter().filter(|other| other.y0 < picture.bounds.y1 && other.y1 > picture.bounds.y0).count() == 1
        })
    };
    let behind = behind.into_iter().chain(more).collect();
    let mut used = Vec::new();
    let mut bands: Vec<Band> = Vec::new();
    let drawn = Lines { rules: &page.rules, fills: &page.fills };
    let extent =
        (lines.iter().map(|line| line.x0).fold(f64::INFINITY, f64::min), lines.iter().map(|line| line.x1).fold(0.0, f64::max));
    for stretch in columns::stretches(lines) {
        // What goes across has the width of all of the text.
        let extent = Some(extent).filter(|_| stretch.columns.len() == 1);
        let columns = stretch
            .columns
            .into_iter()
            .filter(|lines| !lines.is_empty())
            .map(|lines| column(lines, extent, drawn, &mut used))
            .collect();
        bands.push(Band { columns });
    }
    bands.retain(|band| !band.columns.is_empty());
    for picture in alone {
        place(&mut bands, picture);
    }
    let in_table = |bounds: Rect| used.iter().any(|table: &Rect| table.inflate(4.0, 4.0).contains(bounds.center()));
    let rules = page
        .rules
        .iter()
        .filter(|rule| !in_table(rule.bounds) && rule.bounds.width().max(rule.bounds.height()) > 4.0)
        .copied()
        .collect();
    let shown = |fill: &&Fill| fill.color != [255; 3] && !in_table(fill.bounds);
    let fills = page.fills.iter().filter(shown).copied().collect();
    Sheet {
        width: page.width,
        height: page.height,
        bands,
        behind,
        fills,
        rules,
        turned: page.turned,
        hidden: page.hidden,
        links: page.links,
    }
}

/// The blocks of a column.
fn column(lines: Vec<Line>, extent: Option<(f64, f64)>, drawn: Lines<'_>, used: &mut Vec<Rect>) -> Column {
    let mut rows = lines::rows(lines);
    lists::join_markers(&mut rows, drawn.rules);
    let left = rows.iter().map(Row::x0).fold(f64::INFINITY, f64::min);
    let right = rows.iter().map(Row::x1).fold(f64::NEG_INFINITY, f64::max);
    let (left, right) = extent.unwrap_or((left, right));
    let rows = mend(rows, right);
    let (mut blocks, mut at) = (Vec::new(), 0);
    let text = |from: usize, to: usize, blocks: &mut Vec<Block>| {
        let rows = rows.get(from..to).unwrap_or_default();
        blocks.extend(paragraphs::paragraphs(rows, (left, right)).into_iter().map(Block::Paragraph));
    };
    for (from, to, bounds) in tables::areas(&rows, drawn) {
        let Some(table) = rows.get(from..=to).and_then(|rows| tables::build(rows, bounds, drawn)) else { continue };
        text(at, from, &mut blocks);
        if let (Some(x0), Some(x1), Some(y0), Some(y1)) =
            (table.columns.first(), table.columns.last(), table.edges.first(), table.edges.last())
        {
            used.push(Rect::new(*x0, *y0, *x1, *y1));
        }
        blocks.push(Block::Table(table));
        at = to + 1;
    }
    text(at, rows.len(), &mut blocks);
    Column { left, right, blocks }
}

/// Joins the parts of lines of running text that were set to the full width with wide gaps.
fn mend(mut rows: Vec<Row>, right: f64) -> Vec<Row> {
    let alone = rows.iter().filter(|row| row.lines.len() == 1).count();
    if alone * 10 < rows.len() * 6 {
        return rows;
    }
    for row in &mut rows {
        let widest = row.lines.windows(2).filter_map(|pair| Some(pair.last()?.x0 - pair.first()?.x1)).fold(0.0, f64::max);
        let words: usize = row.lines.iter().map(|line| line.words.len()).sum();
        if row.lines.len() > 1 && widest < 2.2 * row.size && (row.x1() - right).abs() < 3.0 && words >= 2 * row.lines.len() {
            let words = row.lines.drain(..).flat_map(|line| line.words).collect();
            row.lines = vec![Line::new(words, row.y)];
        }
    }
    rows
}

/// Puts a picture with nothing beside it between what is above and what is below.
fn place(bands: &mut Vec<Band>, picture: Picture) {
    let bounds = picture.bounds;
    let top = |band: &Band| band.columns.iter().flat_map(|column| &column.blocks).map(Block::top).fold(f64::INFINITY, f64::min);
    let own = |picture: Picture| Band {
        columns: vec![Column { left: bounds.x0, right: bounds.x1, blocks: vec![Block::Picture(picture)] }],
    };
    // The last band that begins above it.
    let Some(index) = bands.iter().rposition(|band| top(band) < bounds.y0) else {
        match bands.first_mut() {
            Some(Band { columns }) if columns.len() == 1 => {
                columns.iter_mut().for_each(|column| column.blocks.insert(0, Block::Picture(picture.clone())));
            }
            _ => bands.insert(0, own(picture)),
        }
        return;
    };
    match bands.get_mut(index).map(|band| band.columns.as_mut_slice()) {
        Some([column]) => {
            let at = column.blocks.iter().position(|block| block.top() > bounds.y0).unwrap_or(column.blocks.len());
            column.blocks.insert(at, Block::Picture(picture));
        }
        _ => bands.insert(index + 1, own(picture)),
    }
}

/// Tells headings from text: short, alone, and larger or bolder than most of the document.
fn headings(sheets: &mut [Sheet], faces: &[Face]) {
    let mut sizes: Vec<(f64, usize)> = Vec::new();
    for paragraph in all(sheets) {
        sizes.push((paragraph.size, paragraph.content.len()));
    }
    sizes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: usize = sizes.iter().map(|(_, count)| count).sum();
    let mut so_far = 0;
    let body = sizes.iter().find(|(_, count)| {
        so_far += count;
        so_far * 2 >= total
    });
    let Some(body) = body.map(|(size, _)| *size) else { return };
    let is_heading = |paragraph: &Paragraph| {
        let length = paragraph.content.len();
        let larger = paragraph.size > 1.12 * body;
        let bolder = paragraph.size >= 0.98 * body
            && paragraph.is_bold(faces)
            && paragraph.lines <= 2
            && !paragraph.text().ends_with(['.', ':', ',']);
        (larger || bolder)
            && paragraph.lines <= 3
            && length < 160
            && length > 1
            && paragraph.tabs.is_empty()
            && !matches!(paragraph.marker, Some(Marker::Bullet(_)))
            && paragraph.content.iter().any(|char| char.what.is_alphabetic())
    };
    let mut levels: Vec<f64> = all(sheets).filter(|paragraph| is_heading(paragraph)).map(|paragraph| paragraph.size).collect();
    levels.sort_by(|a, b| b.total_cmp(a));
    levels.dedup_by(|a, b| (*a - *b).abs() < 0.05 * *b);
    for sheet in sheets.iter_mut() {
        for block in sheet.bands.iter_mut().flat_map(|band| &mut band.columns).flat_map(|column| &mut column.blocks) {
            if let Block::Paragraph(paragraph) = block
                && is_heading(paragraph)
            {
                let level = levels.iter().position(|level| paragraph.size > 0.94 * level).unwrap_or(0);
                paragraph.heading = Some((level + 1).min(4) as u8);
            }
        }
    }
}

fn all(sheets: &[Sheet]) -> impl Iterator<Item = &Paragraph> {
    let blocks = sheets.iter().flat_map(|sheet| &sheet.bands).flat_map(|band| &band.columns).flat_map(|column| &column.blocks);
    blocks.filter_map(|block| if let Block::Paragraph(paragraph) = block { Some(paragraph) } else { None })
}
