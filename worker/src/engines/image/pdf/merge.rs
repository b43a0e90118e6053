//! Several files into one: pages in order, with their links, bookmarks and form fields.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;

use lopdf::{Dictionary, Document, Object, ObjectId};
use serde_json::{Map, Value, json};

use super::super::job::Clock;
use super::work::{damaged, only};
use super::{file, outline};
use crate::engines::Made;
use crate::failure::Failure;
use crate::formats::Cancel;

/// How deep a tree of names may be.
const MAX_DEPTH: usize = 64;

/// Merges `inputs` in their order, or so many pages of each in turn, with the levels of the headings of both.
pub(super) fn run(
    inputs: Vec<Vec<u8>>,
    password: &str,
    stripe: Option<(usize, &str)>,
    outputs: Vec<File>,
    cancel: &Cancel,
) -> Result<Made, Failure> {
    let output = only(outputs)?;
    let mut clock = Clock::default();
    let (count, bytes_in) = (inputs.len(), inputs.iter().map(Vec::len).sum::<usize>());
    let (mut whole, mut lengths) = (Whole::default(), Vec::with_capacity(count));
    for (index, data) in inputs.into_iter().enumerate() {
        cancel.check()?;
        let part = clock.time("load", || file::open(&data, password)).map_err(|failure| numbered(failure, index))?;
        let before = whole.pages.len();
        whole.add(part).map_err(|failure| numbered(failure, index))?;
        lengths.push(whole.pages.len() - before);
    }
    let mut levels = "";
    if let Some((stripe, told)) = stripe {
        whole.pages = in_turn(&whole.pages, &lengths, stripe);
        levels = told;
    }
    let pages = whole.pages.len();
    let mut document = whole.finish(levels)?;
    document.prune_objects();
    cancel.check()?;
    let bytes = clock.time("store", || file::write(&mut document, output))?;
    let explain = json!({
        "engine": super::super::super::pdf::ID, "files": count, "pages": pages, "bytes_in": bytes_in, "bytes_out": bytes, "ms": clock.stages,
    });
    let explain = if let Value::Object(explain) = explain { explain } else { Map::new() };
    Ok(Made { explain, ..Made::default() })
}

/// Says which of the inputs is at fault.
fn numbered(failure: Failure, index: usize) -> Failure {
    let number = index + 1;
    match failure {
        Failure::Invalid { message, field } => Failure::Invalid { message: format!("Input {number}: {message}"), field },
        other => other,
    }
}

/// The pages of files of those lengths, `stripe` of each in turn.
fn in_turn(pages: &[ObjectId], lengths: &[usize], stripe: usize) -> Vec<ObjectId> {
    let mut rest = pages;
    let mut parts: Vec<_> = lengths
        .iter()
        .map(|length| {
            let (part, others) = rest.split_at_checked(*length).unwrap_or((rest, &[]));
            rest = others;
            part.chunks(stripe.max(1))
        })
        .collect();
    let mut turns = Vec::with_capacity(pages.len());
    while turns.len() < pages.len() {
        turns.extend(parts.iter_mut().filter_map(Iterator::next).flatten());
    }
    turns
}

/// What has been put together so far.
#[derive(Default)]
struct Whole {
    document: Option<Document>,
    pages: Vec<ObjectId>,
    /// First and last bookmark of each part, and how many there are on the top level.
    bookmarks: Vec<(ObjectId, ObjectId, i64)>,
    /// Named places, each once.
    names: BTreeMap<Vec<u8>, Object>,
    fields: Vec<Object>,
    field_names: HashSet<Vec<u8>>,
    /// Resources and appearance of the fields of the first form.
    form: Option<Dictionary>,
}

impl Whole {
    fn add(&mut self, mut part: Document) -> Result<(), Failure> {
        let start = self.document.as_ref().map_or(0, |document| document.max_id);
        part.renumber_objects_with(start.saturating_add(1));
        let pages: Vec<ObjectId> = part.page_iter().collect();
        for id in &pages {
            let page = file::push_down(&part, part.get_dictionary(*id).map_err(|error| damaged(&error))?);
            part.objects.insert(*id, page.into());
        }
        self.add_names(&mut part);
        self.add_bookmarks(&part);
        self.add_form(&mut part);
        self.pages.extend(pages);
        match &mut self.document {
            Some(document) => {
                document.max_id = document.max_id.max(part.max_id);
                if part.version > document.version {
                    document.version.clone_from(&part.version);
                }
                document.objects.append(&mut part.objects);
            }
            none => *none = Some(part),
        }
        Ok(())
    }

    /// Links may lead to a place by its name, and two files may use the same name: those of the later one get another.
    fn add_names(&mut self, part: &mut Document) {
        let mut found = Vec::new();
        if let Ok(catalog) = part.catalog() {
            if let Ok(old) =
                catalog.get(b"Dests").and_then(|dests| part.dereference(dests)).and_then(|(_, dests)| dests.as_dict())
            {
                found.extend(old.iter().map(|(name, place)| (name.clone(), place.clone())));
            }
            let names = catalog.get(b"Names").and_then(|names| part.dereference(names)).and_then(|(_, names)| names.as_dict());
            if let Ok(tree) = names.and_then(|names| names.get(b"Dests")) {
                leaves(part, tree, 0, &mut found);
            }
        }
        let mut renamed: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
        for (name, place) in found {
            let mut unique = name.clone();
            while self.names.contains_key(&unique) {
                unique.extend_from_slice(b"-2");
            }
            if unique != name {
                renamed.insert(name, unique.clone());
            }
            self.names.insert(unique, place);
        }
        if !renamed.is_empty() {
            for object in part.objects.values_mut() {
                rename(object, &renamed, 0);
            }
        }
    }

    fn add_bookmarks(&mut self, part: &Document) {
        let Ok(root) =
            part.catalog().and_then(|catalog| catalog.get(b"Outlines")).and_then(|outlines| part.dereference(outlines))
        else {
            return;
        };
        let Ok(root) = root.1.as_dict() else { return };
        let reference = |name: &[u8]| root.get(name).and_then(Object::as_reference).ok();
        let (Some(first), Some(last)) = (reference(b"First"), reference(b"Last")) else { return };
        let (mut at, mut count, mut seen) = (Some(first), 0, HashSet::new());
        while let Some(id) = at.filter(|id| seen.insert(*id)) {
            count += 1;
            at = part.get_dictionary(id).and_then(|item| item.get(b"Next")).and_then(Object::as_reference).ok();
        }
        // A chain that does not end where it says would take the others with it.
        if seen.contains(&last) {
            self.bookmarks.push((first, last, count));
        }
    }

    fn add_form(&mut self, part: &mut Document) {
        let Ok(form) = part.catalog().and_then(|catalog| catalog.get(b"AcroForm")).and_then(|form| part.dereference(form)) else {
            return;
        };
        let Ok(form) = form.1.as_dict().cloned() else { return };
        let fields = form.get(b"Fields").and_then(|fields| part.dereference(fields)).and_then(|(_, fields)| fields.as_array());
        let fields: Vec<Object> = fields.cloned().unwrap_or_default();
        for field in &fields {
            let Ok(id) = field.as_reference() else { continue };
            let Ok(dictionary) = part.get_dictionary_mut(id) else { continue };
            let Ok(Object::String(name, kind)) = dictionary.get(b"T").cloned() else { continue };
            let mut unique = name.clone();
            while !self.field_names.insert(unique.clone()) {
                unique.extend_from_slice(b"-2");
            }
            if unique != name {
                dictionary.set("T", Object::String(unique, kind));
            }
        }
        self.fields.extend(fields);
        self.form.get_or_insert(form);
    }

    /// The document; with `levels`, the bookmarks of all parts become one tree in the order of the pages.
    fn finish(self, levels: &str) -> Result<Document, Failure> {
        let mut document = self.document.ok_or_else(|| Failure::internal("nothing to merge"))?;
        file::set_pages(&mut document, &self.pages)?;
        let bookmarks = if levels.is_empty() {
            join(&mut document, &self.bookmarks)
        } else {
            let firsts: Vec<_> = self.bookmarks.iter().map(|(first, ..)| *first).collect();
            let headings = outline::weave(&mut document, &firsts, &self.pages, levels);
            Some(headings.ok_or_else(|| Failure::unsupported("the headings of the files are not those that were told"))?)
        };
        let names = names(&mut document, self.names);
        let form = self.form.map(|mut form| {
            form.set("Fields", self.fields);
            document.add_object(form)
        });
        let catalog = document.catalog_mut().map_err(|error| damaged(&error))?;
        // These speak of the first file alone.
        for name in
            ["Dests", "Outlines", "StructTreeRoot", "MarkInfo", "PageLabels", "Threads", "OpenAction", "AcroForm", "Names"]
        {
            catalog.remove(name.as_bytes());
        }
        for (name, id) in [("Outlines", bookmarks), ("AcroForm", form), ("Names", names)] {
            if let Some(id) = id {
                catalog.set(name, id);
            }
        }
        Ok(document)
    }
}

/// The names of a tree of names and what they stand for.
fn leaves(document: &Document, node: &Object, depth: usize, found: &mut Vec<(Vec<u8>, Object)>) {
    let Ok(node) = document.dereference(node).and_then(|(_, node)| node.as_dict()) else { return };
    if depth > MAX_DEPTH {
        return;
    }
    if let Ok(pairs) = node.get(b"Names").and_then(|pairs| document.dereference(pairs)).and_then(|(_, pairs)| pairs.as_array()) {
        for pair in pairs.chunks_exact(2) {
            if let [Object::String(name, _), place] = pair {
                found.push((name.clone(), place.clone()));
            }
        }
    }
    if let Ok(kids) = node.get(b"Kids").and_then(|kids| document.dereference(kids)).and_then(|(_, kids)| kids.as_array()) {
        for kid in kids {
            leaves(document, kid, depth + 1, found);
        }
    }
}

/// Gives links and actions the new names of the places that they lead to.
fn rename(object: &mut Object, renamed: &HashMap<Vec<u8>, Vec<u8>>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    let dictionary = match object {
        Object::Dictionary(dictionary) => dictionary,
        Object::Stream(stream) => &mut stream.dict,
        Object::Array(items) => return items.iter_mut().for_each(|item| rename(item, renamed, depth + 1)),
        _ => return,
    };
    let goes = dictionary.get(b"S").and_then(Object::as_name).is_ok_and(|kind| kind == b"GoTo");
    for (key, value) in dictionary.iter_mut() {
        let leads = key == b"Dest" || (goes && key == b"D");
        match value {
            Object::String(name, _) | Object::Name(name) if leads => {
                if let Some(new) = renamed.get(name) {
                    name.clone_from(new);
                }
            }
            other => rename(other, renamed, depth + 1),
        }
    }
}

/// One list of the bookmarks of all parts.
fn join(document: &mut Document, parts: &[(ObjectId, ObjectId, i64)]) -> Option<ObjectId> {
    let ((first, ..), (_, last, _)) = (parts.first()?, parts.last()?);
    let count: i64 = parts.iter().map(|(_, _, count)| count).sum();
    let root = Dictionary::from_iter([
        ("Type", Object::Name(b"Outlines".to_vec())),
        ("First", Object::Reference(*first)),
        ("Last", Object::Reference(*last)),
        ("Count", count.into()),
    ]);
    let root = document.add_object(root);
    for pair in parts.windows(2) {
        if let [(_, before, _), (after, ..)] = pair {
            if let Ok(item) = document.get_dictionary_mut(*before) {
                item.set("Next", *after);
            }
            if let Ok(item) = document.get_dictionary_mut(*after) {
                item.set("Prev", *before);
            }
        }
    }
    let (mut at, mut seen) = (Some(*first), HashSet::new());
    while let Some(id) = at.filter(|id| seen.insert(*id)) {
        let Ok(item) = document.get_dictionary_mut(id) else { break };
        item.set("Parent", root);
        at = item.get(b"Next").and_then(Object::as_reference).ok();
    }
    Some(root)
}

/// A tree of names with one node, sorted as it has to be.
fn names(document: &mut Document, names: BTreeMap<Vec<u8>, Object>) -> Option<ObjectId> {
    if names.is_empty() {
        return None;
    }
    let pairs = names.into_iter().flat_map(|(name, place)| [Object::string_literal(name), place]).collect();
    let tree = document.add_object(Dictionary::from_iter([("Names", Object::Array(pairs))]));
    Some(document.add_object(Dictionary::from_iter([("Dests", Object::Reference(tree))])))
}
