//! Sections: stretches of the body with the same paper, margins and columns.

use super::package::Package;
use super::{Element, twips};
use crate::layout::{Block, Column, Layout, Sheet};

/// White edges of pages, points.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Margins {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) header: f64,
    pub(super) footer: f64,
}

impl Default for Margins {
    fn default() -> Self {
        Self { left: 36.0, right: 36.0, top: 36.0, bottom: 36.0, header: 18.0, footer: 18.0 }
    }
}

/// The size of a page, whole points.
pub(super) fn size(sheet: &Sheet) -> (i64, i64) {
    (sheet.width.round() as i64, sheet.height.round() as i64)
}

impl Margins {
    /// By size of page: what all pages of that size keep free.
    pub(super) fn of_all(layout: &Layout) -> Vec<((i64, i64), Self)> {
        let mut found: Vec<((i64, i64), Self)> = Vec::new();
        for sheet in &layout.sheets {
            let margins = Self::of(sheet, layout);
            match found.iter_mut().find(|(known, _)| *known == size(sheet)) {
                Some((_, known)) => {
                    known.left = known.left.min(margins.left);
                    known.right = known.right.min(margins.right);
                    known.top = known.top.min(margins.top);
                    known.bottom = known.bottom.min(margins.bottom);
                }
                None => found.push((size(sheet), margins)),
            }
        }
        found
    }

    fn of(sheet: &Sheet, layout: &Layout) -> Self {
        let (mut left, mut right, mut top, mut bottom) = (sheet.width, 0.0_f64, sheet.height, 0.0_f64);
        for column in sheet.bands.iter().flat_map(|band| &band.columns) {
            (left, right) = (left.min(column.left), right.max(column.right));
            for block in &column.blocks {
                (top, bottom) = (top.min(block.top()), bottom.max(block.bottom()));
                let (from, to) = match block {
                    Block::Table(table) => (table.columns.first().copied(), table.columns.last().copied()),
                    Block::Picture(picture) => (Some(picture.bounds.x0), Some(picture.bounds.x1)),
                    Block::Paragraph(_) => (None, None),
                };
                left = left.min(from.unwrap_or(left));
                right = right.max(to.unwrap_or(right));
            }
        }
        if right <= left {
            return Self::default();
        }
        let size = |strip: &crate::layout::furniture::Strip| strip.row.size;
        let header = layout.furniture.header.as_ref().map_or(18.0, |strip| (strip.row.y - size(strip)).max(4.0));
        let footer =
            layout.furniture.footer.as_ref().map_or(18.0, |strip| (sheet.height - strip.row.y - 0.3 * size(strip)).max(4.0));
        let footer_top = layout.furniture.footer.as_ref().map_or(0.0, |strip| footer + 1.3 * size(strip));
        // What is free below is room for lines that come out longer than they were.
        let below = ((sheet.height - bottom) * 0.35).max(footer_top + 2.0).clamp(6.0, sheet.height / 2.0);
        // A page that is full to its edge has no more room than it has.
        let below = below.min((sheet.height - bottom - 1.0).max(4.0));
        Self {
            left: left.clamp(0.0, sheet.width - 20.0),
            right: (sheet.width - right - 3.0).max(0.0),
            top: (top - 1.5).clamp(2.0, sheet.height / 2.0),
            bottom: below,
            header,
            footer,
        }
    }
}

/// What makes a section.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Geometry {
    width: i64,
    height: i64,
    margins: Margins,
    /// Left and right edges of the columns.
    columns: Vec<(i64, i64)>,
    edges: (f64, f64),
}

impl Geometry {
    pub(super) fn new(sheet: &Sheet, margins: &Margins, columns: &[Column]) -> Self {
        let edges = (margins.left, sheet.width - margins.right);
        let mut found: Vec<(i64, i64)> = Vec::new();
        if columns.len() > 1 {
            for (index, column) in columns.iter().enumerate() {
                let left = if index == 0 { column.left.min(edges.0) } else { column.left };
                // Up to half of what is free before the next one.
                let right = columns
                    .get(index + 1)
                    .map_or(edges.1, |next| column.right + ((next.left - column.right) / 2.0).clamp(0.0, 4.0));
                found.push((left.round() as i64, right.round() as i64));
            }
        }
        Self { width: twips(sheet.width), height: twips(sheet.height), margins: margins.clone(), columns: found, edges }
    }

    /// The edges of a column.
    pub(super) fn column(&self, index: usize) -> (f64, f64) {
        self.columns.get(index).map_or(self.edges, |(left, right)| (*left as f64, *right as f64))
    }

    fn xml(&self, new_page: bool, references: &str, (first_number, title_page): (Option<i64>, bool)) -> String {
        let margins = &self.margins;
        let kind = if new_page { "nextPage" } else { "continuous" };
        let orient = if self.width > self.height { " w:orient=\"landscape\"" } else { "" };
        let number = first_number.map(|number| format!("<w:pgNumType w:start=\"{}\"/>", number.max(0))).unwrap_or_default();
        let title = if title_page { "<w:titlePg/>" } else { "" };
        let columns = if self.columns.is_empty() {
            String::new()
        } else {
            let column = |(index, (left, right)): (usize, &(i64, i64))| {
                let space = self.columns.get(index + 1).map_or(0, |(next, _)| (next - right).max(0) * 20);
                format!("<w:col w:w=\"{}\" w:space=\"{space}\"/>", (right - left).max(1) * 20)
            };
            let list: String = self.columns.iter().enumerate().map(column).collect();
            format!("<w:cols w:num=\"{}\" w:equalWidth=\"0\">{list}</w:cols>", self.columns.len())
        };
        format!(
            "<w:sectPr>{references}<w:type w:val=\"{kind}\"/><w:pgSz w:w=\"{}\" w:h=\"{}\"{orient}/>\
             <w:pgMar w:top=\"{}\" w:right=\"{}\" w:bottom=\"{}\" w:left=\"{}\" w:header=\"{}\" w:footer=\"{}\" w:gutter=\"0\"/>{number}{columns}{title}</w:sectPr>",
            self.width,
            self.height,
            twips(margins.top),
            twips(margins.right),
            twips(margins.bottom),
            twips(margins.left),
            twips(margins.header),
            twips(margins.footer),
        )
    }
}

/// A section.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) geometry: Geometry,
    /// Whether it begins on a page of its own.
    pub(super) new_page: bool,
    pub(super) elements: Vec<Element>,
}

/// The body: each section ends with a paragraph that says what it is, the last one with that alone.
pub(super) fn join(sections: &[Section], package: &Package, first_number: Option<i64>) -> String {
    let mut body = String::new();
    for (index, section) in sections.iter().enumerate() {
        let (references, number) = if index == 0 {
            (package.references(), (first_number, package.is_first_other()))
        } else {
            (String::new(), (None, false))
        };
        let properties = section.geometry.xml(section.new_page, &references, number);
        let is_last = index + 1 == sections.len();
        let last = section.elements.len().saturating_sub(1);
        for (index, element) in section.elements.iter().enumerate() {
            match element {
                Element::Paragraph { properties: own, runs } => {
                    let end = if index == last && !is_last { properties.as_str() } else { "" };
                    body += &format!("<w:p><w:pPr>{own}{end}</w:pPr>{runs}</w:p>");
                }
                Element::Other(xml) => body += xml,
            }
        }
        let ends_open = !matches!(section.elements.last(), Some(Element::Paragraph { .. }));
        if is_last {
            // A document ends with a paragraph, also after a table.
            if ends_open {
                body += &tiny("");
            }
            body += &properties;
        } else if ends_open {
            body += &tiny(&properties);
        }
    }
    body
}

/// A paragraph of one point.
fn tiny(section: &str) -> String {
    format!(
        "<w:p><w:pPr><w:spacing w:before=\"0\" w:after=\"0\" w:line=\"20\" w:lineRule=\"exact\"/><w:rPr><w:sz w:val=\"2\"/></w:rPr>{section}</w:pPr></w:p>"
    )
}
