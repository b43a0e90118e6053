//! LibreOffice's filters: which reads and writes each format, with which options.

use convertfly_office::{Side, Text};

use super::options::OfficeOptions;

/// The filter of csv.
pub(super) const CSV: &str = "Text - txt - csv (StarCalc)";

/// Which of LibreOffice's programs opens a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Module {
    Writer,
    Calc,
    Impress,
}

impl Module {
    /// How it writes PDF.
    pub(super) fn pdf(self, options: &OfficeOptions) -> Side {
        let filter = match self {
            Self::Writer => "writer_pdf_Export",
            Self::Calc => "calc_pdf_Export",
            Self::Impress => "impress_pdf_Export",
        };
        let single = self == Self::Calc && options.single_page_sheets;
        let options = if single { r#"{"SinglePageSheets":{"type":"boolean","value":"true"}}"# } else { "" };
        side("pdf", filter, options)
    }
}

/// A format that LibreOffice reads, and mostly writes.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) module: Module,
    /// Whether it is written.
    pub(super) writes: bool,
    /// Whether it is a zip archive.
    archive: bool,
    filter: &'static str,
}

/// How a file is read.
pub(super) struct Reading {
    pub(super) side: Side,
    pub(super) archive: bool,
    pub(super) text: Option<Text>,
}

const fn kind(name: &'static str, module: Module, writes: bool, archive: bool, filter: &'static str) -> Kind {
    Kind { name, module, writes, archive, filter }
}

use Module::{Calc, Impress, Writer};

/// Every format, those that are read only included.
pub(super) const KINDS: &[Kind] = &[
    kind("doc", Writer, false, false, "MS Word 97"),
    kind("docx", Writer, true, true, "MS Word 2007 XML"),
    kind("html", Writer, true, false, "HTML (StarWriter)"),
    kind("odt", Writer, true, true, "writer8"),
    kind("rtf", Writer, true, false, "Rich Text Format"),
    kind("txt", Writer, true, false, "Text (encoded)"),
    kind("csv", Calc, true, false, CSV),
    kind("ods", Calc, true, true, "calc8"),
    kind("xls", Calc, false, false, "MS Excel 97"),
    kind("xlsx", Calc, true, true, "Calc MS Excel 2007 XML"),
    kind("odp", Impress, true, true, "impress8"),
    kind("ppt", Impress, false, false, "MS PowerPoint 97"),
    kind("pptx", Impress, true, true, "Impress MS PowerPoint 2007 XML"),
];

fn side(extension: &str, filter: &str, options: &str) -> Side {
    Side { extension: extension.to_owned(), filter: filter.to_owned(), options: options.to_owned() }
}

impl Kind {
    /// A PDF file as slides, one a page.
    pub(super) fn pdf_import() -> Reading {
        Reading { side: side("pdf", "impress_pdf_import", ""), archive: false, text: None }
    }

    /// How it is read. Text is brought to UTF-8 before.
    pub(super) fn read(&self, options: &OfficeOptions) -> Reading {
        let (filter_options, text) = match self.name {
            "txt" => ("UTF8,LF", Some(Text::Plain)),
            // Filled in once the delimiter and the number of columns are known.
            "csv" => ("", Some(Text::Cells { delimiter: options.delimiter(), numbers: options.detect_numbers })),
            _ => ("", None),
        };
        Reading { side: side(self.name, self.filter, filter_options), archive: self.archive, text }
    }

    /// How it is written; `None` where it is not.
    pub(super) fn write(&self, options: &OfficeOptions) -> Option<Side> {
        let filter_options = match self.name {
            "html" => "EmbedImages".to_owned(),
            "txt" => "UTF8,LF".to_owned(),
            "csv" => csv(options),
            _ => String::new(),
        };
        self.writes.then(|| side(self.name, self.filter, &filter_options))
    }
}

/// Tokens of the CSV filter: delimiter, quote, UTF-8, first line, no column formats, no language, quote only where needed, numbers as
/// numbers, cells as shown, no formulas, spaces kept, and the sheet from 1, which is left open where each is written.
fn csv(options: &OfficeOptions) -> String {
    let delimiter = u32::from(options.delimiter().unwrap_or(','));
    let sheet = options.sheet.map(|sheet| sheet.to_string()).unwrap_or_default();
    format!("{delimiter},34,76,1,,0,false,true,true,false,false,{sheet}")
}
