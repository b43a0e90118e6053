//! A DOCX file of a layout (ECMA-376): sections by page size, margins and columns, paragraphs at the heights that they had.

mod drawings;
mod lists;
mod package;
mod runs;
mod sections;
mod tables;

use hayro::kurbo::Point;

use self::package::Package;
use self::sections::{Geometry, Margins, Section};
use crate::layout::furniture::Strip;
use crate::layout::lines::lines;
use crate::layout::paragraphs::{Align, Paragraph, is_wide, paragraphs};
use crate::layout::{Block, Column, Layout, Sheet};
use crate::model::{Face, Page};

/// Shapes of one page, at most: a drawing of more is no frame or underline, and would make a document that nobody can open.
const MAX_SHAPES: usize = 300;

/// Room that a line has beside that of the source, points: widths are rounded.
const SLACK: f64 = 2.0;

/// The DOCX file, how many tables and how many pictures it has.
pub(crate) fn write(layout: &Layout, faces: &[Face]) -> (Vec<u8>, usize, usize) {
    let package = Package::new(lists::numbering(&layout.lists));
    let mut writer = Writer { faces, package, sections: Vec::new(), links: Vec::new(), tables: 0 };
    let margins = Margins::of_all(layout);
    for (index, sheet) in layout.sheets.iter().enumerate() {
        let margins = margins
            .iter()
            .find(|(size, _)| *size == sections::size(sheet))
            .map_or_else(Margins::default, |(_, margins)| margins.clone());
        writer.sheet(sheet, &margins, index == 0);
    }
    if let Some(strip) = &layout.furniture.header {
        let xml = writer.strip(strip, layout);
        writer.package.header = Some(xml);
        writer.package.on_first.0 = strip.on_first;
    }
    if let Some(strip) = &layout.furniture.footer {
        let xml = writer.strip(strip, layout);
        writer.package.footer = Some(xml);
        writer.package.on_first.1 = strip.on_first;
    }
    let first_number = [&layout.furniture.header, &layout.furniture.footer].iter().find_map(|strip| strip.as_ref()?.first_number);
    let body = sections::join(&writer.sections, &writer.package, first_number);
    let (tables, pictures) = (writer.tables, writer.package.pictures());
    (writer.package.finish(&body), tables, pictures)
}

/// A part of the body.
#[derive(Debug)]
pub(super) enum Element {
    /// Properties in the order of the schema, and runs.
    Paragraph {
        properties: String,
        runs: String,
    },
    Other(String),
}

struct Writer<'l> {
    faces: &'l [Face],
    package: Package,
    sections: Vec<Section>,
    /// Relations of the links of the page at hand.
    links: Vec<String>,
    tables: usize,
}

/// Twentieths of a point.
fn twips(points: f64) -> i64 {
    (points * 20.0).round().clamp(-31_680.0, 31_680.0) as i64
}

fn hex(color: crate::model::Color) -> String {
    let [red, green, blue] = color;
    format!("{red:02X}{green:02X}{blue:02X}")
}

impl Writer<'_> {
    fn sheet(&mut self, sheet: &Sheet, margins: &Margins, is_first: bool) {
        self.links = sheet.links.iter().map(|link| self.package.link(link)).collect();
        let columns = sheet.bands.first().map_or(&[][..], |band| &band.columns);
        let (left, _) = Geometry::new(sheet, margins, columns).column(0);
        let floats = self.floats(sheet, Point::new(left, margins.top));
        let mut at = margins.top;
        let mut new_page = !is_first;
        let mut floats = Some(floats).filter(|floats| !floats.is_empty());
        if sheet.bands.is_empty() {
            let geometry = Geometry::new(sheet, margins, &[]);
            let page_break = self.open(geometry, new_page);
            self.push(anchor(page_break, floats.take().unwrap_or_default()));
        }
        for band in &sheet.bands {
            let geometry = Geometry::new(sheet, margins, &band.columns);
            let mut page_break = self.open(geometry.clone(), new_page);
            new_page = false;
            if let Some(floats) = floats.take() {
                self.push(anchor(page_break, floats));
                page_break = false;
                at += 1.0;
            }
            let mut lowest = at;
            for (index, column) in band.columns.iter().enumerate() {
                let edges = geometry.column(index);
                let lead = Lead { page_break, column_break: index > 0 };
                lowest = lowest.max(self.column(column, edges, at, lead));
                page_break = false;
            }
            at = lowest;
        }
    }

    /// Begins a section where the geometry is another one; otherwise tells whether a page break is needed.
    fn open(&mut self, geometry: Geometry, new_page: bool) -> bool {
        match self.sections.last() {
            Some(last) if last.geometry == geometry => new_page,
            last => {
                let new_page = new_page || last.is_none();
                self.sections.push(Section { geometry, new_page, elements: Vec::new() });
                false
            }
        }
    }

    fn push(&mut self, element: Element) {
        if let Some(section) = self.sections.last_mut() {
            section.elements.push(element);
        }
    }

    /// Writes what is in a column whose room begins at the height `at`; where it ends.
    fn column(&mut self, column: &Column, (left, right): (f64, f64), at: f64, mut lead: Lead) -> f64 {
        let mut at = at;
        for block in &column.blocks {
            let gap = (block.top() - at).max(0.0);
            match block {
                Block::Paragraph(paragraph) if paragraph.goes_on && gap < paragraph.pitch && self.extend(paragraph, &lead) => {
                    lead = Lead::default();
                    at += gap + paragraph.pitch * paragraph.lines as f64;
                }
                Block::Paragraph(paragraph) => {
                    let element = self.paragraph(paragraph, (left, right), gap, &std::mem::take(&mut lead));
                    self.push(element);
                    at += gap + paragraph.pitch * paragraph.lines as f64;
                }
                Block::Picture(picture) => {
                    let drawing = self.package.inline(picture);
                    let indent = twips((picture.bounds.x0 - left).max(0.0));
                    let properties = format!(
                        "{}<w:spacing w:before=\"{}\" w:after=\"0\" w:line=\"240\" w:lineRule=\"auto\"/><w:ind w:left=\"{indent}\"/>",
                        lead.properties(),
                        twips(gap)
                    );
                    let runs = format!("{}<w:r><w:rPr><w:sz w:val=\"2\"/></w:rPr>{drawing}</w:r>", lead.runs());
                    lead = Lead::default();
                    self.push(Element::Paragraph { properties, runs });
                    at += gap + picture.bounds.height();
                }
                Block::Table(table) => {
                    // Two tables without a paragraph between them would be one.
                    let before = gap.max(1.0);
                    let element = spacer(before, &std::mem::take(&mut lead));
                    self.push(element);
                    let xml = self.table(table, left);
                    self.push(Element::Other(xml));
                    self.tables += 1;
                    at += before + block.bottom() - block.top();
                }
            }
        }
        at
    }

    /// Goes on with the paragraph before, on the next page or in the next column; not where that is another section.
    ///
    /// In Word it is one paragraph then. LibreOffice makes two of it, both with the space before them and the indent of the first line: the space
    /// goes to what stands above instead, and the indent becomes a tab.
    fn extend(&mut self, paragraph: &Paragraph, lead: &Lead) -> bool {
        let kind = if lead.page_break { "page" } else { "column" };
        if !lead.page_break && !lead.column_break {
            return false;
        }
        let rest = self.runs(&paragraph.content);
        let elements = self.sections.last_mut().map(|section| section.elements.as_mut_slice()).unwrap_or_default();
        let (above, Element::Paragraph { properties, runs }) = (match elements {
            [.., Element::Paragraph { properties: above, .. }, last] => (Some(above), last),
            [.., last] => (None, last),
            [] => return false,
        }) else {
            return false;
        };
        let value = |name: &str| properties.split(name).nth(1)?.split('"').next()?.parse::<i64>().ok();
        let (before, left, first) = (value("w:before=\"").unwrap_or(0), value("w:left=\""), value("w:firstLine=\""));
        // Two points are not seen.
        let is_close = before <= 40;
        let hangs = properties.contains("w:hanging=");
        let is_topmost = properties.contains("pageBreakBefore");
        if hangs || (!is_close && (above.is_none() || is_topmost)) {
            return false;
        }
        if let Some(above) = above.filter(|_| !is_close) {
            *above = above.replacen("w:after=\"0\"", &format!("w:after=\"{before}\""), 1);
            *properties = properties.replacen(&format!("w:before=\"{before}\""), "w:before=\"0\"", 1);
        }
        if let Some(first) = first {
            let tab = format!("<w:tabs><w:tab w:val=\"left\" w:pos=\"{}\"/></w:tabs><w:spacing", left.unwrap_or(0) + first);
            *properties = properties.replacen(&format!(" w:firstLine=\"{first}\""), "", 1).replacen("<w:spacing", &tab, 1);
            let lead = if runs.starts_with(COLUMN_BREAK) { COLUMN_BREAK.len() } else { 0 };
            runs.insert_str(lead, "<w:r><w:tab/></w:r>");
        }
        let is_wide = paragraph.content.first().is_some_and(|char| is_wide(char.what));
        let space = if is_wide { "" } else { "<w:t xml:space=\"preserve\"> </w:t>" };
        runs.push_str(&format!("<w:r>{space}<w:br w:type=\"{kind}\"/></w:r>{rest}"));
        true
    }

    fn paragraph(&mut self, paragraph: &Paragraph, (left, right): (f64, f64), gap: f64, lead: &Lead) -> Element {
        let mut properties = String::new();
        if let Some(level) = paragraph.heading {
            properties += &format!("<w:pStyle w:val=\"Heading{level}\"/>");
        }
        properties += lead.properties();
        properties += &lists::number(paragraph.item.as_ref());
        if !paragraph.tabs.is_empty() {
            let stops: String = paragraph
                .tabs
                .iter()
                .map(|x| format!("<w:tab w:val=\"left\" w:pos=\"{}\"/>", twips((x - left).max(1.0))))
                .collect();
            properties += &format!("<w:tabs>{stops}</w:tabs>");
        }
        if paragraph.is_rtl {
            properties += "<w:bidi/>";
        }
        let (before, line) = (twips(gap), twips(paragraph.pitch).max(1));
        properties += &format!("<w:spacing w:before=\"{before}\" w:after=\"0\" w:line=\"{line}\" w:lineRule=\"exact\"/>");
        properties += &indents(paragraph, (left, right));
        properties += justification(paragraph);
        if let Some(item) = &paragraph.item {
            properties += &format!("<w:rPr>{}</w:rPr>", self.dress(std::slice::from_ref(&item.mark)));
        }
        let runs = format!("{}{}", lead.runs(), self.runs(&paragraph.content));
        Element::Paragraph { properties, runs }
    }

    /// What stands at fixed places of a page, as runs of one paragraph.
    fn floats(&mut self, sheet: &Sheet, origin: Point) -> String {
        let mut runs = String::new();
        for fill in sheet.fills.iter().take(MAX_SHAPES) {
            runs += &self.package.shape(fill.bounds, fill.color);
        }
        for picture in &sheet.behind {
            runs += &self.package.behind(picture, origin);
        }
        if sheet.rules.len() <= MAX_SHAPES {
            for rule in &sheet.rules {
                runs += &self.package.shape(rule.bounds, rule.color);
            }
        }
        for turned in &sheet.turned {
            let text = self.runs(&turned.chars);
            runs += &self.package.turned(turned, &text);
        }
        if !sheet.hidden.is_empty() {
            let mut page = Page { chars: sheet.hidden.clone(), ..Page::default() };
            let text: Vec<String> = lines(&mut page).iter().map(|line| line.text()).collect();
            runs +=
                &format!("<w:r><w:rPr><w:vanish/><w:sz w:val=\"2\"/></w:rPr><w:t>{}</w:t></w:r>", runs::escape(&text.join(" ")));
        }
        runs
    }

    /// A header or footer.
    fn strip(&mut self, strip: &Strip, layout: &Layout) -> String {
        self.links.clear();
        let first = layout.sheets.first();
        let margins = Margins::of_all(layout).first().map_or_else(Margins::default, |(_, margins)| margins.clone());
        let width = first.map_or(612.0, |sheet| sheet.width);
        let edges = (margins.left, width - margins.right);
        let mut xml = String::new();
        for paragraph in paragraphs(std::slice::from_ref(&strip.row), edges) {
            let before = if strip.first_number.is_some() { runs::number_at(&paragraph.content) } else { None };
            let Element::Paragraph { properties, .. } = self.paragraph(&paragraph, edges, 0.0, &Lead::default()) else {
                continue;
            };
            let runs = match before.and_then(|(from, to)| {
                Some((paragraph.content.get(..from)?, paragraph.content.get(from..to)?, paragraph.content.get(to..)?))
            }) {
                Some((before, number, after)) => {
                    let (before, number, after) = (self.runs(before), self.runs(number), self.runs(after));
                    format!("{before}<w:fldSimple w:instr=\" PAGE \">{number}</w:fldSimple>{after}")
                }
                None => self.runs(&paragraph.content),
            };
            xml += &format!("<w:p><w:pPr>{properties}</w:pPr>{runs}</w:p>");
        }
        xml
    }
}

/// A run after which a column begins.
const COLUMN_BREAK: &str = "<w:r><w:br w:type=\"column\"/></w:r>";

/// What the first paragraph of a column does before it begins.
#[derive(Debug, Default)]
struct Lead {
    page_break: bool,
    column_break: bool,
}

impl Lead {
    fn properties(&self) -> &'static str {
        if self.page_break { "<w:pageBreakBefore/>" } else { "" }
    }

    fn runs(&self) -> &'static str {
        if self.column_break { COLUMN_BREAK } else { "" }
    }
}

/// A paragraph of one point that holds what stands at fixed places.
fn anchor(page_break: bool, runs: String) -> Element {
    let lead = Lead { page_break, column_break: false };
    let properties = format!("{}<w:spacing w:before=\"0\" w:after=\"0\" w:line=\"20\" w:lineRule=\"exact\"/>", lead.properties());
    Element::Paragraph { properties, runs }
}

/// An empty paragraph of that height.
fn spacer(height: f64, lead: &Lead) -> Element {
    let line = twips(height).max(1);
    let properties = format!(
        "{}<w:spacing w:before=\"0\" w:after=\"0\" w:line=\"{line}\" w:lineRule=\"exact\"/><w:rPr><w:sz w:val=\"2\"/></w:rPr>",
        lead.properties()
    );
    Element::Paragraph { properties, runs: lead.runs().to_owned() }
}

/// How far a paragraph stands in from the edges of its column.
fn indents(paragraph: &Paragraph, (left, right): (f64, f64)) -> String {
    let from_right = (right - paragraph.right - SLACK).max(0.0);
    let (start, end, first) = match paragraph.align {
        // A line alone does not break before the edge.
        Align::Left if paragraph.lines == 1 && paragraph.marker.is_none() => {
            let end = paragraph.content.iter().map(|char| char.x1).fold(0.0, f64::max);
            (paragraph.first - left, (right - end - 4.0).min(0.0), 0.0)
        }
        Align::Left | Align::Both => (paragraph.left - left, from_right, paragraph.first - paragraph.left),
        Align::Center => (paragraph.room - left, from_right, 0.0),
        Align::Right => (0.0, (right - paragraph.right).max(0.0), 0.0),
    };
    if paragraph.is_rtl {
        return String::new();
    }
    let first = match twips(first) {
        0 => String::new(),
        hanging if hanging < 0 => format!(" w:hanging=\"{}\"", -hanging),
        first => format!(" w:firstLine=\"{first}\""),
    };
    format!("<w:ind w:left=\"{}\" w:right=\"{}\"{first}/>", twips(start), twips(end))
}

fn justification(paragraph: &Paragraph) -> &'static str {
    match paragraph.align {
        // In a paragraph from right to left, "left" is where lines begin.
        Align::Left | Align::Right if paragraph.is_rtl => "",
        Align::Left => "",
        Align::Center => "<w:jc w:val=\"center\"/>",
        Align::Right => "<w:jc w:val=\"right\"/>",
        Align::Both => "<w:jc w:val=\"both\"/>",
    }
}
