//! Characters as runs of one dress each.

use super::{Writer, hex};
use crate::model::{Char, is_rtl};

impl Writer<'_> {
    /// Runs of characters.
    pub(super) fn runs(&self, content: &[Char]) -> String {
        let mut xml = String::new();
        let mut open: Option<usize> = None;
        for run in content.chunk_by(is_same) {
            let Some(first) = run.first() else { continue };
            if open != first.link {
                if open.is_some() {
                    xml += "</w:hyperlink>";
                }
                open = first.link.filter(|link| self.links.get(*link).is_some());
                if let Some(id) = open.and_then(|link| self.links.get(link)) {
                    xml += &format!("<w:hyperlink r:id=\"{id}\">");
                }
            }
            xml += &self.run(run);
        }
        if open.is_some() {
            xml += "</w:hyperlink>";
        }
        xml
    }

    /// How characters are dressed that are so alike.
    pub(super) fn dress(&self, run: &[Char]) -> String {
        let mut dress = String::new();
        let Some(first) = run.first() else { return dress };
        if let Some(face) = self.faces.get(first.face) {
            let family = face.family;
            dress += &format!("<w:rFonts w:ascii=\"{family}\" w:hAnsi=\"{family}\" w:cs=\"{family}\"/>");
            if face.bold {
                dress += "<w:b/><w:bCs/>";
            }
            if face.italic {
                dress += "<w:i/><w:iCs/>";
            }
        }
        if first.struck {
            dress += "<w:strike/>";
        }
        if first.color != [0; 3] {
            dress += &format!("<w:color w:val=\"{}\"/>", hex(first.color));
        }
        let stretch = self.faces.get(first.face).map_or(100, |face| (face.stretch * 100.0).round() as i64);
        if stretch != 100 {
            dress += &format!("<w:w w:val=\"{stretch}\"/>");
        }
        // Raised letters are small already; the attribute would make them smaller still.
        let grown = if first.shift == 0 { 1.0 } else { 1.45 };
        let half_points = (first.size * grown * 2.0).round().clamp(2.0, 3_276.0) as i64;
        dress += &format!("<w:sz w:val=\"{half_points}\"/><w:szCs w:val=\"{half_points}\"/>");
        if first.underlined {
            dress += "<w:u w:val=\"single\"/>";
        }
        dress += match first.shift {
            1 => "<w:vertAlign w:val=\"superscript\"/>",
            -1 => "<w:vertAlign w:val=\"subscript\"/>",
            _ => "",
        };
        if run.iter().any(|char| is_rtl(char.what)) {
            dress += "<w:rtl/>";
        }
        dress
    }

    fn run(&self, run: &[Char]) -> String {
        let dress = self.dress(run);
        let mut xml = format!("<w:r><w:rPr>{dress}</w:rPr>");
        for part in run.split_inclusive(|char| matches!(char.what, '\t' | '\n')) {
            let (text, end) = match part.last().map(|char| char.what) {
                Some('\t') => (part.split_last().map_or(part, |(_, text)| text), "<w:tab/>"),
                Some('\n') => (part.split_last().map_or(part, |(_, text)| text), "<w:br/>"),
                _ => (part, ""),
            };
            if !text.is_empty() {
                let text: String = text.iter().map(|char| char.what).collect();
                xml += &format!("<w:t xml:space=\"preserve\">{}</w:t>", escape(&text));
            }
            xml += end;
        }
        xml + "</w:r>"
    }
}

/// Whether two characters are dressed alike.
fn is_same(a: &Char, b: &Char) -> bool {
    (a.face, a.color, a.link, a.shift, a.underlined, a.struck) == (b.face, b.color, b.link, b.shift, b.underlined, b.struck)
        && (a.size - b.size).abs() < 0.26
        && (is_rtl(a.what) == is_rtl(b.what) || !a.what.is_alphanumeric() || !b.what.is_alphanumeric())
}

/// Text as it stands in XML, without what XML cannot hold.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for what in text.chars() {
        match what {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            control if control < ' ' => {}
            '\u{fffe}' | '\u{ffff}' => {}
            other => escaped.push(other),
        }
    }
    escaped
}

/// Where the first number of a text is.
pub(super) fn number_at(content: &[Char]) -> Option<(usize, usize)> {
    let from = content.iter().position(|char| char.what.is_ascii_digit())?;
    let length = content.iter().skip(from).take_while(|char| char.what.is_ascii_digit()).count();
    Some((from, from + length))
}
