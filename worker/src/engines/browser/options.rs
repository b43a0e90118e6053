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
        json!({
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
