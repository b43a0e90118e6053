//! From PDF to a document that can be edited: pages become a model of what is on them, the model becomes paragraphs, tables and columns, and those
//! a DOCX file.

mod archive;
mod layout;
mod model;
mod read;
mod text;
mod write;

pub use archive::archive;

use convertfly_sandbox::{Cancel, Failure};
use hayro::hayro_syntax::Pdf;

/// Characters of one file, at most.
const MAX_CHARS: usize = 3_000_000;

/// Characters of one page, at most.
const MAX_PAGE_CHARS: usize = 200_000;

/// Bytes of the pictures of one file, at most.
const MAX_PICTURES: usize = 256 << 20;

/// A document that was written.
#[derive(Debug)]
pub struct Written {
    /// The DOCX file.
    pub docx: Vec<u8>,
    /// Things the customer should know.
    pub warnings: Vec<String>,
    /// How many tables it has.
    pub tables: usize,
    /// How many pictures it has.
    pub pictures: usize,
}

/// Makes a DOCX file of those pages, counted from 1, in that order.
///
/// # Errors
/// [`Failure::Invalid`] for a page that is not there, [`Failure::TooLarge`] for more text than a document can hold, [`Failure::Cancelled`] once
/// `cancel` is set.
pub fn docx(pdf: &Pdf, pages: &[u32], cancel: &Cancel) -> Result<Written, Failure> {
    let all = pdf.pages();
    let mut reader = read::Pages::new(pdf, MAX_PICTURES);
    let (mut read, mut count) = (Vec::with_capacity(pages.len()), 0);
    for number in pages {
        cancel.check()?;
        let source = (*number as usize).checked_sub(1).and_then(|index| all.get(index)).ok_or_else(|| {
            Failure::invalid_field("pages", format!("there is no page {number}: the document has {}", all.len()))
        })?;
        let page = reader.read(source, MAX_PAGE_CHARS);
        count += page.chars.len() + page.hidden.len();
        if count > MAX_CHARS {
            return Err(Failure::too_large(format!(
                "The pages have more than {MAX_CHARS} characters together. Name fewer pages"
            )));
        }
        read.push(page);
    }
    let mut warnings = Vec::new();
    let scanned = read.iter().filter(|page| page.chars.is_empty() && !page.pictures.is_empty()).count();
    if scanned > 0 {
        warnings.push(format!(
            "{scanned} of {} pages are pictures without text, and stay pictures: text in pictures is not recognised",
            read.len()
        ));
    }
    if reader.unknown > 0 {
        warnings.push(format!("{} characters were left out: their font does not say which ones they are", reader.unknown));
    }
    if reader.room < MAX_PICTURES / 50 {
        warnings.push("Some pictures were left out: there are too many for one document".to_owned());
    }
    cancel.check()?;
    let layout = layout::layout(read, &reader.faces.faces);
    cancel.check()?;
    let (docx, tables, pictures) = write::write(&layout, &reader.faces.faces);
    Ok(Written { docx, warnings, tables, pictures })
}
