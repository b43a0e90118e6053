//! The catalogue, generated from the tables of formats, engines and operations.

use convertfly_scheduler::catalog::{Catalog, FormatEntry, PairEntry};

use crate::engines::{self, Edge};
use crate::formats::{FORMATS, Format};
use crate::operations::{OPERATIONS, metadata};

/// Builds the catalogue. `scheduler/catalog.json` is its text, checked in; a test compares the two.
pub fn generate() -> Catalog {
    let mut pairs: Vec<PairEntry> = cheapest()
        .into_iter()
        .map(|(engine, edge)| PairEntry {
            from: edge.from.to_owned(),
            to: edge.to.to_owned(),
            credits: edge.credits,
            lane: edge.lane,
            engine: engine.to_owned(),
        })
        .collect();
    let mut formats: Vec<FormatEntry> = FORMATS.iter().chain([&&metadata::JSON]).map(|format| entry(format)).collect();
    formats.sort_by(|a, b| a.name.cmp(&b.name));
    pairs.sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
    Catalog { version: 1, formats, pairs, operations: OPERATIONS.iter().map(|operation| operation.entry()).collect() }
}

/// Each pair once, by the engine of its cheapest edge.
fn cheapest() -> Vec<(&'static str, Edge)> {
    let mut found: Vec<(&'static str, Edge)> = Vec::new();
    for (engine, edge) in engines::edges().into_iter().chain(engines::chains()) {
        match found.iter_mut().find(|(_, known)| known.from == edge.from && known.to == edge.to) {
            Some(known) if known.1.cost > edge.cost && edge.cost > 0 => *known = (engine, edge),
            Some(_) => {}
            None => found.push((engine, edge)),
        }
    }
    found
}

fn entry(format: &Format) -> FormatEntry {
    let flags = &format.flags;
    let names = [
        ("alpha", flags.alpha),
        ("lossy", flags.lossy),
        ("pages", flags.pages),
        ("animated", flags.animated),
        ("deep", flags.deep),
        ("grey", flags.grey),
        ("vector", flags.vector),
    ];
    let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
    FormatEntry {
        name: format.name.to_owned(),
        mime: format.mime.to_owned(),
        extensions: texts(format.extensions),
        aliases: texts(format.aliases),
        category: format.category.as_str().to_owned(),
        flags: names.into_iter().filter(|(_, holds)| *holds).map(|(name, _)| name.to_owned()).collect(),
    }
}
