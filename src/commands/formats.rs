//! `formats` and `catalog`: what can be converted.

use std::process::ExitCode;

use convertfly_scheduler::catalog::Catalog;

/// Prints the table of pairs.
pub(crate) fn run(json: bool) -> anyhow::Result<ExitCode> {
    let catalog = Catalog::builtin();
    if json {
        println!("{}", serde_json::to_string_pretty(&catalog.pairs)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("{:<8} {:<8} {:>7}  {:<7} engine", "from", "to", "credits", "lane");
    for pair in &catalog.pairs {
        println!("{:<8} {:<8} {:>7}  {:<7} {}", pair.from, pair.to, pair.credits, pair.lane.as_str(), pair.engine);
    }
    println!("\n{} conversions between {} formats", catalog.pairs.len(), catalog.formats.len());
    Ok(ExitCode::SUCCESS)
}

/// Prints the catalogue generated from the worker's tables: the text of `scheduler/catalog.json`.
pub(crate) fn catalog() -> anyhow::Result<ExitCode> {
    println!("{}", serde_json::to_string_pretty(&convertfly_worker::catalog::generate())?);
    Ok(ExitCode::SUCCESS)
}
