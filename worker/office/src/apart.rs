//! Whether pages can be written apart from one another: what leads from one page to another would be lost where its end is in the other share.

use std::fs::File;

use crate::archive::lacks;
use crate::job::{Job, Text};

/// Bytes of the text of a document, unpacked, below which putting shares together costs more than is won: some 60 pages of plain text.
const LEAST_TEXT: u64 = 768 << 10;

/// What links within a spreadsheet look like.
const SHEET_LINKS: &[&str] = &["hyperlink", "xlink:href=\"#"];

/// What a text document has that leads to other pages (links to marks, fields, notes), that belongs to the file as a whole (controls to fill in,
/// comments), or that counts pages otherwise (blank ones before a section).
const TEXT_LINKS: &[&str] = &[
    "w:anchor=",
    "instrtext",
    "fldsimple",
    "hlink",
    "footnotereference",
    "endnotereference",
    "commentreference",
    "w:sdt",
    "w:ffdata",
    "w:control",
    "oddpage",
    "evenpage",
    "target=\"#",
];

/// The same in headers and footers, where numbers of pages are common, which are fields and lead nowhere.
const HEADER_LINKS: &[&str] = &["w:anchor=", "hlink", "ref ", "hyperlink", "w:sdt", "w:control", "target=\"#"];

/// Whether two processes can write a share of the pages each.
pub(crate) fn can_be(job: &Job, input: &File) -> bool {
    match (&*job.from.extension, job.text) {
        (_, Some(Text::Cells { .. })) => true,
        ("docx", _) => {
            lacks(input, &["word/document", "word/_rels/"], TEXT_LINKS).is_some_and(|bytes| bytes >= LEAST_TEXT)
                && lacks(input, &["word/header", "word/footer"], HEADER_LINKS).is_some()
        }
        _ => job.archive && lacks(input, &["xl/worksheets/", "content.xml"], SHEET_LINKS).is_some(),
    }
}
