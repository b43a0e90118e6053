//! Tables with the widths, heights, borders and shades that they had.

use super::{Lead, Writer, hex, indents, justification, lists, twips};
use crate::layout::paragraphs::{Align, Paragraph};
use crate::layout::tables::{Cell, Merge, Table};

impl Writer<'_> {
    /// A table in a column that begins at `left`.
    pub(super) fn table(&mut self, table: &Table, left: f64) -> String {
        let (x0, x1) = (table.columns.first().copied().unwrap_or_default(), table.columns.last().copied().unwrap_or_default());
        let widths: Vec<i64> =
            table.columns.windows(2).filter_map(|pair| Some(twips(pair.last()? - pair.first()?).max(1))).collect();
        let grid: String = widths.iter().map(|width| format!("<w:gridCol w:w=\"{width}\"/>")).collect();
        let mut xml = format!(
            "<w:tbl><w:tblPr><w:tblW w:w=\"{}\" w:type=\"dxa\"/><w:tblInd w:w=\"{}\" w:type=\"dxa\"/><w:tblLayout w:type=\"fixed\"/>\
             <w:tblCellMar><w:left w:w=\"0\" w:type=\"dxa\"/><w:right w:w=\"0\" w:type=\"dxa\"/></w:tblCellMar></w:tblPr><w:tblGrid>{grid}</w:tblGrid>",
            twips(x1 - x0),
            twips(x0 - left)
        );
        for (row, edges) in table.rows.iter().zip(table.edges.windows(2)) {
            let height = edges.last().copied().unwrap_or_default() - edges.first().copied().unwrap_or_default();
            // A row that is merged with the next has text that is higher than it.
            let rule = if row.iter().any(|cell| cell.merge == Merge::First) { "atLeast" } else { "exact" };
            xml += &format!(
                "<w:tr><w:trPr><w:cantSplit/><w:trHeight w:val=\"{}\" w:hRule=\"{rule}\"/></w:trPr>",
                twips(height).max(1)
            );
            for cell in row {
                xml += &self.cell(cell, height);
            }
            xml += "</w:tr>";
        }
        xml + "</w:tbl>"
    }

    fn cell(&mut self, cell: &Cell, height: f64) -> String {
        let mut properties = format!("<w:tcW w:w=\"{}\" w:type=\"dxa\"/>", twips(cell.bounds.width()).max(1));
        if cell.span > 1 {
            properties += &format!("<w:gridSpan w:val=\"{}\"/>", cell.span);
        }
        properties += match cell.merge {
            Merge::Not => "",
            Merge::First => "<w:vMerge w:val=\"restart\"/>",
            Merge::Next => "<w:vMerge/>",
        };
        let sides = ["top", "right", "bottom", "left"].into_iter().zip(cell.borders);
        let mut sides: Vec<(&str, String)> = sides
            .filter_map(|(side, color)| {
                Some((side, format!("<w:{side} w:val=\"single\" w:sz=\"4\" w:space=\"0\" w:color=\"{}\"/>", hex(color?))))
            })
            .collect();
        // The order of the schema: top, left, bottom, right.
        sides.sort_by_key(|(side, _)| ["top", "left", "bottom", "right"].iter().position(|name| name == side));
        if !sides.is_empty() {
            properties += &format!("<w:tcBorders>{}</w:tcBorders>", sides.into_iter().map(|(_, xml)| xml).collect::<String>());
        }
        if let Some(color) = cell.shade {
            properties += &format!("<w:shd w:val=\"clear\" w:color=\"auto\" w:fill=\"{}\"/>", hex(color));
        }
        let mut xml = format!("<w:tc><w:tcPr>{properties}</w:tcPr>");
        let lines: usize = cell.paragraphs.iter().map(|paragraph| paragraph.lines).sum();
        let mut at = cell.bounds.y0;
        for paragraph in &cell.paragraphs {
            // Lines get no more height than the row has for them.
            let pitch = match cell.merge {
                Merge::Not => paragraph.pitch.min((height / lines.max(1) as f64).max(0.8 * paragraph.size)),
                Merge::First | Merge::Next => paragraph.pitch,
            };
            let gap = (paragraph.baselines.0 - Paragraph::ABOVE * pitch - at).max(0.0);
            let gap = if cell.merge == Merge::Not { gap.min((height - pitch * lines as f64).max(0.0)) } else { gap };
            xml += &self.cell_paragraph(paragraph, cell, (pitch, gap));
            at += gap + pitch * paragraph.lines as f64;
        }
        if cell.paragraphs.is_empty() {
            xml += "<w:p><w:pPr><w:spacing w:before=\"0\" w:after=\"0\" w:line=\"20\" w:lineRule=\"exact\"/><w:rPr><w:sz w:val=\"2\"/></w:rPr></w:pPr></w:p>";
        }
        xml + "</w:tc>"
    }

    fn cell_paragraph(&mut self, paragraph: &Paragraph, cell: &Cell, (pitch, gap): (f64, f64)) -> String {
        let tabs: String = paragraph
            .tabs
            .iter()
            .map(|x| format!("<w:tab w:val=\"left\" w:pos=\"{}\"/>", twips((x - cell.bounds.x0).max(1.0))))
            .collect();
        let tabs = if tabs.is_empty() { tabs } else { format!("<w:tabs>{tabs}</w:tabs>") };
        let edges = (cell.bounds.x0, cell.bounds.x1);
        let indents = match paragraph.align {
            // A line alone may stand out a little rather than break.
            Align::Left if paragraph.lines == 1 && paragraph.item.is_none() => {
                format!("<w:ind w:left=\"{}\" w:right=\"-80\"/>", twips((paragraph.first - edges.0).max(0.0)))
            }
            Align::Center => "<w:ind w:left=\"-40\" w:right=\"-40\"/>".to_owned(),
            Align::Right => format!("<w:ind w:left=\"-80\" w:right=\"{}\"/>", twips((edges.1 - paragraph.right).max(0.0))),
            _ => indents(paragraph, edges),
        };
        format!(
            "<w:p><w:pPr>{}{tabs}{}<w:spacing w:before=\"{}\" w:after=\"0\" w:line=\"{}\" w:lineRule=\"exact\"/>{indents}{}</w:pPr>{}{}</w:p>",
            lists::number(paragraph.item.as_ref()),
            if paragraph.is_rtl { "<w:bidi/>" } else { "" },
            twips(gap),
            twips(pitch).max(1),
            justification(paragraph),
            Lead::default().runs(),
            self.runs(&paragraph.content)
        )
    }
}
