//! What can be asked of a conversion of documents.

use convertfly_scheduler::catalog::OptionKind;

crate::options! {
    /// Options of `convert` that office documents understand.
    pub struct OfficeOptions {
        "Which pages of a document are converted: 1-5, 1,3,5, 2- or all; their order is kept." pages: Option<String> = None =>
            OptionKind::Pages,
        "What opens a protected document." password: Option<String> = None => OptionKind::Secret { max_length: 1024 },
        "Which sheet of a spreadsheet becomes csv, from 1; absent: every one, a file each." sheet: Option<u32> = None =>
            OptionKind::Integer { min: 1, max: 10_000 },
        "What stands between the cells of csv: comma, semicolon, tab, pipe or space; absent: found out of a source, a comma in a result."
            delimiter: Option<String> = None =>
            OptionKind::OneOf { values: DELIMITERS.iter().map(|(name, _)| (*name).to_owned()).collect() },
        "Whether cells of csv that look like numbers or dates become such; otherwise every cell stays the text that it is, so that 007 and \
         long numbers keep their digits." detect_numbers: bool = false => OptionKind::Boolean,
        "Whether each sheet of a spreadsheet becomes one page of pdf, however large." single_page_sheets: bool = false =>
            OptionKind::Boolean,
    }
}

/// Delimiters by name.
const DELIMITERS: [(&str, char); 5] = [("comma", ','), ("semicolon", ';'), ("tab", '\t'), ("pipe", '|'), ("space", ' ')];

impl OfficeOptions {
    /// The delimiter asked for.
    pub(super) fn delimiter(&self) -> Option<char> {
        let wanted = self.delimiter.as_deref()?;
        DELIMITERS.iter().find(|(name, _)| *name == wanted).map(|(_, delimiter)| *delimiter)
    }
}
