//! Converts a PDF file by hand: `docx SOURCE TARGET [PASSWORD]`.

use std::sync::Arc;

use convertfly_sandbox::Cancel;
use hayro::hayro_syntax::Pdf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, target, password @ ..] = arguments.as_slice() else { return Err("docx SOURCE TARGET [PASSWORD]".into()) };
    let data = std::fs::read(source)?;
    let pdf = Pdf::new_with_password(Arc::new(data), password.first().map_or("", String::as_str))
        .map_err(|error| format!("{error:?}"))?;
    let pages: Vec<u32> = (1..=u32::try_from(pdf.pages().len())?).collect();
    let start = std::time::Instant::now();
    let written = convertfly_flow::docx(&pdf, &pages, &Cancel::new())?;
    std::fs::write(target, &written.docx)?;
    let pages = pages.len();
    println!(
        "{source}: {pages} pages, {} tables, {} pictures, {:?}: {:?}",
        written.tables,
        written.pictures,
        start.elapsed(),
        written.warnings
    );
    Ok(())
}
