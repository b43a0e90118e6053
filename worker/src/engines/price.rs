//! What a conversion costs: one price for every pair, by what the two formats are.

use crate::formats::{Category, by_name};

/// What kind of thing a price looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Office,
    Pdf,
    Other,
}

fn kind(name: &str) -> Kind {
    match name {
        "txt" | "html" | "md" | "rtf" | "csv" => Kind::Text,
        "pdf" => Kind::Pdf,
        _ => match by_name(name).map(|format| format.category) {
            Some(Category::Document | Category::Spreadsheet | Category::Presentation) => Kind::Office,
            _ => Kind::Other,
        },
    }
}

/// Credits for one input file of a conversion in which a document takes part.
pub(crate) fn of(from: &str, to: &str) -> u32 {
    match (kind(from), kind(to)) {
        // Rebuilding what can be edited from what is only drawn. RTF is text in a price to PDF, and a document here.
        (Kind::Pdf, Kind::Office) => 4,
        (Kind::Pdf, _) if to == "rtf" => 4,
        (Kind::Office, _) | (_, Kind::Office) => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r360_a63_every_price_of_the_reference() {
        for (from, to, credits) in [
            ("txt", "pdf", 1),
            ("html", "pdf", 1),
            ("md", "pdf", 1),
            ("rtf", "pdf", 1),
            ("csv", "pdf", 1),
            ("docx", "pdf", 2),
            ("pptx", "pdf", 2),
            ("xlsx", "pdf", 2),
            ("pdf", "docx", 4),
            ("pdf", "pptx", 4),
            ("pdf", "rtf", 4),
            ("pdf", "txt", 1),
            ("pdf", "html", 1),
            ("pdf", "pdf", 1),
            ("pdf", "png", 1),
            ("docx", "png", 2),
            ("docx", "odt", 2),
            ("docx", "txt", 2),
            ("txt", "docx", 2),
            ("html", "txt", 1),
            ("png", "pdf", 1),
        ] {
            assert_eq!(of(from, to), credits, "{from} -> {to}");
        }
    }
}
