//! What can be asked of a print.

use convertfly_scheduler::catalog::OptionKind;
use serde_json::{Value, json};

crate::options! {
    /// Options of `convert` from html and md to pdf.
    pub struct PrintOptions {
        "Which pages of a document are converted: 1-5, 1,3,5, 2- or all; their order is kept." pages: Option<String> = None =>
            OptionKind::Pages,
        "Size of the paper on which html and md are printed; a size in the document's own style (@page) comes first."
            page_size: String = "A4".to_owned() =>
            OptionKind::OneOf { values: SIZES.iter().map(|(name, _, _)| (*name).to_owned()).collect() },
        "Whether html and md are printed across the paper." landscape: bool = false => OptionKind::Boolean,
        "Millimetres between the top edge of the paper and html or md." margin_top: f64 = MARGIN => OptionKind::Number { min: 0.0, max: 200.0 },
        "Millimetres between the bottom edge of the paper and html or md." margin_bottom: f64 = MARGIN =>
            OptionKind::Number { min: 0.0, max: 200.0 },
        "Millimetres between the left edge of the paper and html or md." margin_left: f64 = MARGIN =>
            OptionKind::Number { min: 0.0, max: 200.0 },
        "Millimetres between the right edge of the paper and html or md." margin_right: f64 = MARGIN =>
            OptionKind::Number { min: 0.0, max: 200.0 },
        "Whether the grounds of html are printed: colours and pictures behind the text." print_background: bool = true =>
            OptionKind::Boolean,
        "A line in the upper margin of each page of html and md; {page}, {pages}, {title} and {date} are filled in." header: Option<String> = None =>
            OptionKind::String { max_length: 500 },
        "A line in the lower margin of each page of html and md; {page}, {pages}, {title} and {date} are filled in." footer: Option<String> = None =>
            OptionKind::String { max_length: 500 },
        "Whether one input is html or md and the others are what it refers to by their names: pictures, styles, fonts; or the input is a zip \
         archive of all of them." assets: bool = false =>
            OptionKind::Boolean,
        "How large html and md are printed; 1 is their own size." scale: f64 = 1.0 => OptionKind::Number { min: 0.1, max: 2.0 },
    }
}

/// Millimetres of margin where nothing is said.
const MARGIN: f64 = 10.0;

/// Paper by name: width and height in millimetres.
const SIZES: [(&str, f64, f64); 7] = [
    ("A3", 297.0, 420.0),
    ("A4", 210.0, 297.0),
    ("A5", 148.0, 210.0),
    ("A6", 105.0, 148.0),
    ("Letter", 215.9, 279.4),
    ("Legal", 215.9, 355.6),
    ("Tabloid", 279.4, 431.8),
];

impl PrintOptions {
    /// As `Page.printToPDF` takes them, which reckons in inches.
    pub(super) fn parameters(&self) -> Value {
        let inches = |millimetres: f64| millimetres / 25.4;
        let (_, width, height) = SIZES.into_iter().find(|(name, ..)| *name == self.page_size).unwrap_or(SIZES[1]);
        let [header, footer] = [&self.header, &self.footer].map(|text| line(text.as_deref().unwrap_or_default()));
        json!({
            "displayHeaderFooter": self.header.is_some() || self.footer.is_some(),
            "headerTemplate": header,
            "footerTemplate": footer,
            "printBackground": self.print_background,
            "preferCSSPageSize": true,
            "landscape": self.landscape,
            "scale": self.scale,
            "paperWidth": inches(width),
            "paperHeight": inches(height),
            "marginTop": inches(self.margin_top),
            "marginBottom": inches(self.margin_bottom),
            "marginLeft": inches(self.margin_left),
            "marginRight": inches(self.margin_right),
            "transferMode": "ReturnAsStream",
            "generateTaggedPDF": true,
            "generateDocumentOutline": true,
        })
    }
}

/// A line of text as Chromium's template for the margins, in which elements of certain classes are filled in. Without one it would show its own.
fn line(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let fields = [("{page}", "pageNumber"), ("{pages}", "totalPages"), ("{title}", "title"), ("{date}", "date")];
    let filled =
        fields.iter().fold(escaped, |text, (name, class)| text.replace(name, &format!("<span class=\"{class}\"></span>")));
    format!(
        "<div style=\"font: 9px sans-serif; width: 100%; margin: 0 10mm; text-align: center; white-space: pre-wrap\">{filled}</div>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_text_and_its_fields_are_filled_in() {
        let line = line("<b>Q&A</b> {page}/{pages} {other}");
        assert!(line.contains("&lt;b&gt;Q&amp;A&lt;/b&gt; "), "nothing in it is markup: {line}");
        assert!(line.contains("<span class=\"pageNumber\"></span>/<span class=\"totalPages\"></span> {other}"), "{line}");
    }

    #[test]
    fn margins_are_empty_where_nothing_is_asked() {
        let shown = |options: PrintOptions| options.parameters()["displayHeaderFooter"].clone();
        assert_eq!(shown(PrintOptions::default()), json!(false), "nothing");
        let footer = PrintOptions { footer: Some("{page}".to_owned()), ..PrintOptions::default() };
        assert_eq!(shown(footer), json!(true), "a footer");
    }
}
