//! The description of a piece of work, as it crosses the process boundary.

use serde::{Deserialize, Serialize};

/// One end of a conversion, in LibreOffice's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// Extension of the file, which some filters look at.
    pub extension: String,
    /// Name of the filter: always given, because LibreOffice takes what it does not recognise for text.
    pub filter: String,
    /// The filter's options; empty for its defaults.
    pub options: String,
}

/// A document to convert: the input file, then the output file come beside it, and another one where two write it ([`Job::stripe`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// How to read.
    pub from: Side,
    /// How to write.
    pub to: Side,
    /// Whether the input is a zip archive, to be looked through before LibreOffice sees it.
    pub archive: bool,
    /// How to read the input as text, where it is such; then LibreOffice gets UTF-8.
    pub text: Option<Text>,
    /// What opens a protected document; empty where none was given.
    pub password: String,
    /// What people call the input's format, for messages.
    pub title: String,
    /// Whether every sheet becomes a file, one after the other in the output; the number of each goes behind the options of [`Job::to`].
    pub sheets: bool,
    /// Pages in a row that one of two processes writes, where two may share the pages of a spreadsheet or a text document: neighbours cost about
    /// the same, so that both shares do. Then a third file comes, for the other share.
    pub stripe: Option<u32>,
}

/// What text holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Text {
    /// Lines.
    Plain,
    /// Rows of cells (csv).
    Cells {
        /// What stands between cells; found out where it is not given.
        delimiter: Option<char>,
        /// Whether what looks like a number becomes one.
        numbers: bool,
    },
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Milliseconds until the document was open.
    pub load_ms: u64,
    /// Milliseconds until the result was written.
    pub store_ms: u64,
    /// Bytes of the result.
    pub bytes: u64,
    /// The sheets that it consists of, where each was to be a file: names and bytes.
    pub sheets: Vec<(String, u64)>,
    /// Whether two processes have written a share each. A document that is short, or whose pages know of one another, is written whole.
    pub half: bool,
    /// The outline levels of the headings of a text document of which these are shares, one hexadecimal digit each: a share alone does not show
    /// which heading belongs under which.
    pub levels: String,
    /// Fonts of a document that was drawn which are not here.
    pub replaced_fonts: Vec<String>,
}
