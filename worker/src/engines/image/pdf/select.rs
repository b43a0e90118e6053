//! A file of some of the pages of another.

use std::collections::HashSet;
use std::fs::File;

use serde_json::{Map, Value, json};

use super::super::job::Clock;
use super::file;
use super::work::{damaged, only};
use crate::engines::Made;
use crate::failure::Failure;
use crate::formats::Cancel;

/// Entries of the catalogue that speak of all pages, and so may tell of those that are left out.
const OF_ALL: [&str; 6] = ["Outlines", "StructTreeRoot", "MarkInfo", "PageLabels", "Threads", "OpenAction"];

/// Writes the pages, counted from 1, in that order. One that is named twice is there twice.
pub(super) fn run(
    data: &[u8],
    password: &str,
    (pages, test): (&[u32], bool),
    outputs: Vec<File>,
    cancel: &Cancel,
) -> Result<Made, Failure> {
    let output = only(outputs)?;
    let mut clock = Clock::default();
    let mut document = clock.time("load", || file::open(data, password))?;
    cancel.check()?;
    let there = document.get_pages();
    let (mut kept, mut chosen) = (HashSet::new(), Vec::with_capacity(pages.len()));
    for number in pages {
        let id = *there.get(number).ok_or_else(|| {
            Failure::invalid_field("pages", format!("there is no page {number}: the document has {}", there.len()))
        })?;
        let page = file::push_down(&document, document.get_dictionary(id).map_err(|error| damaged(&error))?);
        // The first time a page keeps its number, so that links to it still lead there.
        chosen.push(if kept.insert(id) {
            document.objects.insert(id, page.into());
            id
        } else {
            document.add_object(page)
        });
    }
    let mut warnings = Vec::new();
    if kept.len() < there.len() {
        let catalog = document.catalog_mut().map_err(|error| damaged(&error))?;
        let gone: Vec<_> = OF_ALL.into_iter().filter(|name| catalog.remove(name.as_bytes()).is_some()).collect();
        if gone.contains(&"Outlines") {
            warnings.push("The bookmarks were left out: they speak of pages that are left out".to_owned());
        }
        // Gone, not only out of the tree: a link to one must not keep it in the file.
        for id in there.values().filter(|id| !kept.contains(id)) {
            document.objects.remove(id);
        }
    }
    file::set_pages(&mut document, &chosen)?;
    if test {
        chosen.iter().try_for_each(|id| file::mark(&mut document, *id))?;
        warnings.push("Made with a test key: the result is marked TEST".to_owned());
    }
    document.prune_objects();
    cancel.check()?;
    let bytes = clock.time("store", || file::write(&mut document, output))?;
    let explain = json!({
        "engine": super::super::super::pdf::ID, "pages": pages.len(), "bytes_in": data.len(), "bytes_out": bytes, "ms": clock.stages,
    });
    let explain = if let Value::Object(explain) = explain { explain } else { Map::new() };
    Ok(Made { warnings, explain, ..Made::default() })
}
