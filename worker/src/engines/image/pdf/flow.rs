//! A document that can be edited, of the pages of a PDF file.

use std::fs::File;
use std::io::{Seek, Write};

use hayro::hayro_syntax::Pdf;
use serde_json::{Map, Value, json};

use super::super::job::{Clock, ImageJob};
use super::work::only;
use crate::engines::Made;
use crate::failure::Failure;
use crate::formats::Cancel;

/// Writes a DOCX file of those pages.
pub(super) fn run(job: &ImageJob, pdf: &Pdf, pages: &[u32], outputs: Vec<File>, cancel: &Cancel) -> Result<Made, Failure> {
    let mut output = only(outputs)?;
    let mut clock = Clock::default();
    let mut written = clock.time("rebuild", || convertfly_flow::docx(pdf, pages, cancel))?;
    clock.time("store", || {
        output.rewind().and_then(|()| output.set_len(0)).and_then(|()| output.write_all(&written.docx)).map_err(Failure::internal)
    })?;
    if job.test {
        written.warnings.push("Made with a test key".to_owned());
    }
    let explain = json!({
        "engine": super::super::super::pdf::ID,
        "pages": pages.len(),
        "tables": written.tables,
        "pictures": written.pictures,
        "bytes_out": written.docx.len(),
        "ms": clock.stages,
    });
    let explain = if let Value::Object(explain) = explain { explain } else { Map::new() };
    Ok(Made { warnings: written.warnings, explain, ..Made::default() })
}
