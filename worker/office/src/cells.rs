//! csv in one certain form: a comma between cells, quotes as RFC 4180 has them, so that nothing is left for LibreOffice to guess.

use convertfly_sandbox::Failure;

/// Rows of a sheet, at most: LibreOffice would drop the others without a word.
const MAX_ROWS: usize = 1_048_576;

/// Columns of a sheet, at most.
const MAX_COLUMNS: usize = 16_384;

/// Rows that the delimiter is found out from.
const SAMPLE: usize = 50;

/// What may stand between cells; earlier ones win where they do equally well.
const CANDIDATES: [char; 4] = [',', ';', '\t', '|'];

/// Cells for LibreOffice.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cells {
    pub(crate) text: String,
    /// Options of its filter that read them as they are meant.
    pub(crate) options: String,
}

/// Brings cells into that form. Without `numbers` each is quoted, which makes it text: digits stay as they are and no formula runs.
///
/// # Errors
/// [`Failure::TooLarge`] for more rows or columns than a sheet has.
pub(crate) fn normal(text: &str, delimiter: Option<char>, numbers: bool) -> Result<Cells, Failure> {
    let delimiter = delimiter.unwrap_or_else(|| guess(text));
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    let (mut rows, mut wide) = (0, 0);
    for row in Rows::new(text, delimiter) {
        rows += 1;
        wide = wide.max(row.len());
        for (index, cell) in row.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            // An empty cell is nothing, not an empty text.
            let plain = cell.is_empty() || (numbers && !cell.starts_with('=') && !cell.contains(['"', ',', '\n', '\r']));
            if plain {
                out.push_str(cell);
            } else {
                out.push('"');
                out.push_str(&cell.replace('"', "\"\""));
                out.push('"');
            }
        }
        out.push('\n');
    }
    if rows > MAX_ROWS || wide > MAX_COLUMNS {
        return Err(Failure::too_large(format!(
            "The CSV file has {rows} rows and {wide} columns; a sheet has {MAX_ROWS} rows and {MAX_COLUMNS} columns. Split the file"
        )));
    }
    // Delimiter, quote, UTF-8, first line, no column formats, no language, quoted cells are text, whether numbers are looked for.
    Ok(Cells { text: out, options: format!("44,34,76,1,,0,true,{numbers}") })
}

/// The delimiter that splits the first rows into the most cells and does so in the same way in each.
fn guess(text: &str) -> char {
    let score = |delimiter: char| {
        let widths: Vec<usize> = Rows::new(text, delimiter).take(SAMPLE).map(|row| row.len()).collect();
        let usual = widths.iter().copied().max_by_key(|width| widths.iter().filter(|other| *other == width).count()).unwrap_or(1);
        let alike = widths.iter().filter(|width| **width == usual).count();
        if usual < 2 { 0 } else { alike * 1_000 / widths.len().max(1) * 1_000 + usual.min(999) }
    };
    // The last of equals would be taken.
    CANDIDATES.into_iter().rev().max_by_key(|delimiter| score(*delimiter)).unwrap_or(',')
}

/// The rows of a text.
struct Rows<'a> {
    rest: &'a str,
    delimiter: char,
}

impl<'a> Rows<'a> {
    fn new(text: &'a str, delimiter: char) -> Self {
        Self { rest: text, delimiter }
    }
}

impl Iterator for Rows<'_> {
    type Item = Vec<String>;

    fn next(&mut self) -> Option<Vec<String>> {
        if self.rest.is_empty() {
            return None;
        }
        let (mut row, mut cell, mut quoted) = (Vec::new(), String::new(), false);
        let mut characters = self.rest.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            let next_is = |wanted: char| self.rest.get(at + character.len_utf8()..).is_some_and(|rest| rest.starts_with(wanted));
            match character {
                '"' if quoted && next_is('"') => {
                    cell.push('"');
                    characters.next();
                }
                '"' if quoted => quoted = false,
                '"' if cell.is_empty() => quoted = true,
                '\r' if !quoted && next_is('\n') => {}
                '\n' | '\r' if !quoted => {
                    row.push(cell);
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Some(row);
                }
                other if other == self.delimiter && !quoted => row.push(std::mem::take(&mut cell)),
                other => cell.push(other),
            }
        }
        row.push(cell);
        self.rest = "";
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, delimiter: char) -> Vec<Vec<String>> {
        Rows::new(text, delimiter).collect()
    }

    #[test]
    fn rows_are_read_as_rfc_4180_has_them() {
        let read = rows("a,\"b \"\"c\"\", d\"\r\n,\"e\nf\"\r\n\r\ng", ',');
        assert_eq!(read, [vec!["a", "b \"c\", d"], vec!["", "e\nf"], vec![""], vec!["g"]], "quotes, breaks, an empty row");
        assert_eq!(rows("a\rb", ','), [["a"], ["b"]], "the line ends of old Macs");
        assert!(rows("", ',').is_empty(), "nothing");
    }

    #[test]
    fn delimiters_are_found_out() {
        for (text, expected) in [
            ("a,b\n1,2\n", ','),
            ("a;b\n1,5;2,5\n3,5;4,5\n", ';'),
            ("a\tb\n1\t2, and more\n", '\t'),
            ("a|b|c\n", '|'),
            ("one column\n", ','),
            ("", ','),
        ] {
            assert_eq!(guess(text), expected, "{text:?}");
        }
    }

    #[test]
    fn without_numbers_every_cell_is_text() {
        let cells = normal("007;=1+1;\n\"a,b\";x\"y;3", None, false).expect("cells");
        assert_eq!(cells.text, "\"007\",\"=1+1\",\n\"a,b\",\"x\"\"y\",\"3\"\n", "quoted");
        let cells = normal("007,=1+1,x", None, true).expect("cells");
        assert_eq!(cells.text, "007,\"=1+1\",x\n", "numbers are left to LibreOffice, formulas are not");
    }

    #[test]
    fn more_than_a_sheet_holds_is_refused() {
        let wide = ",".repeat(MAX_COLUMNS);
        assert!(matches!(normal(&wide, Some(','), false), Err(Failure::TooLarge { .. })), "one column too many");
        let long = "\n".repeat(MAX_ROWS + 1);
        assert!(matches!(normal(&long, Some(','), false), Err(Failure::TooLarge { .. })), "one row too many");
        assert!(normal(&"\n".repeat(100), Some(','), false).is_ok(), "few rows");
    }
}
