//! The rows of text documents, spreadsheets and presentations. Their engines read and write them; here they are recognised.

pub(super) mod container;
mod markup;

use super::{Category, Flags, Format};

/// A row of a format that has pages.
const fn row(
    (name, title): (&'static str, &'static str),
    mime: &'static str,
    extensions: &'static [&'static str],
    aliases: &'static [&'static str],
    category: Category,
    magic: fn(&[u8]) -> bool,
) -> Format {
    Format {
        name,
        title,
        mime,
        extensions,
        aliases,
        category,
        flags: Flags { pages: true, ..Flags::NONE },
        magic,
        decode: None,
        encode: None,
    }
}

/// Files that the first bytes do not tell apart: [`container`] looks into them, and plain text goes by its name.
fn unknown(_: &[u8]) -> bool {
    false
}

use Category::{Document, Presentation, Spreadsheet};

const WORD: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const EXCEL: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const POWERPOINT: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";
const ODT: &str = "application/vnd.oasis.opendocument.text";
const ODS: &str = "application/vnd.oasis.opendocument.spreadsheet";
const ODP: &str = "application/vnd.oasis.opendocument.presentation";

pub(super) static CSV: Format = row(("csv", "CSV"), "text/csv", &["csv"], &[], Spreadsheet, unknown);
pub(super) static DOC: Format = row(("doc", "Word 97 (doc)"), "application/msword", &["doc"], &["dot"], Document, unknown);
pub(super) static DOCX: Format = row(("docx", "Word (docx)"), WORD, &["docx"], &["docm", "dotx"], Document, unknown);
pub(super) static HTML: Format =
    row(("html", "HTML"), "text/html; charset=utf-8", &["html", "htm"], &["htm", "xhtml"], Document, markup::is_html);
pub(super) static MD: Format = row(("md", "Markdown"), "text/markdown; charset=utf-8", &["md"], &["markdown"], Document, unknown);
pub(super) static ODP_ROW: Format = row(("odp", "OpenDocument presentation"), ODP, &["odp"], &["otp"], Presentation, unknown);
pub(super) static ODS_ROW: Format = row(("ods", "OpenDocument spreadsheet"), ODS, &["ods"], &["ots"], Spreadsheet, unknown);
pub(super) static ODT_ROW: Format = row(("odt", "OpenDocument text"), ODT, &["odt"], &["ott"], Document, unknown);
pub(super) static PPT: Format =
    row(("ppt", "PowerPoint 97 (ppt)"), "application/vnd.ms-powerpoint", &["ppt"], &["pps"], Presentation, unknown);
pub(super) static PPTX: Format =
    row(("pptx", "PowerPoint (pptx)"), POWERPOINT, &["pptx"], &["pptm", "ppsx"], Presentation, unknown);
pub(super) static RTF: Format = row(("rtf", "RTF"), "application/rtf", &["rtf"], &[], Document, markup::is_rtf);
pub(super) static TXT: Format = row(("txt", "Text"), "text/plain; charset=utf-8", &["txt"], &["text"], Document, unknown);
pub(super) static XLS: Format =
    row(("xls", "Excel 97 (xls)"), "application/vnd.ms-excel", &["xls"], &["xlt"], Spreadsheet, unknown);
pub(super) static XLSX: Format = row(("xlsx", "Excel (xlsx)"), EXCEL, &["xlsx"], &["xlsm", "xltx"], Spreadsheet, unknown);

#[cfg(test)]
mod tests;
