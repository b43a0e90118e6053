//! The bookmarks of two halves of a document as one tree.
//!
//! A half has the headings of its own pages alone, so that what stands under a heading of the other half has come to the top in it. The levels
//! of all headings, told by what wrote the halves, put each where it belongs.

use std::collections::{HashMap, HashSet};

use lopdf::{Dictionary, Document, Object, ObjectId};

/// How deep bookmarks may be in one another.
const MAX_DEPTH: usize = 64;

/// Joins the bookmarks of parts, whose first ones are `firsts`, in the order of `pages`; `levels` has a hexadecimal digit for each. `None` where
/// they are not as many, or do not lead from page to page.
pub(super) fn weave(document: &mut Document, firsts: &[ObjectId], pages: &[ObjectId], levels: &str) -> Option<ObjectId> {
    let numbers: HashMap<ObjectId, usize> = pages.iter().enumerate().map(|(number, page)| (*page, number)).collect();
    let mut items = Vec::new();
    for first in firsts {
        let mut part = Vec::new();
        collect(document, *first, 0, &mut HashSet::new(), &mut part)?;
        let part: Vec<_> = part.into_iter().map(|item| Some((page(document, item, &numbers)?, item))).collect::<Option<_>>()?;
        if !part.is_sorted_by_key(|(number, _)| *number) {
            return None;
        }
        items.extend(part);
    }
    // Stable: what is on one page is of one part, and in its order.
    items.sort_by_key(|(number, _)| *number);
    let levels: Vec<u32> = levels.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    if levels.len() != items.len() {
        return None;
    }
    let items: Vec<ObjectId> = items.into_iter().map(|(_, item)| item).collect();
    tree(document, &items, &levels)
}

/// All bookmarks from this one on, each before those under it.
fn collect(
    document: &Document,
    first: ObjectId,
    depth: usize,
    seen: &mut HashSet<ObjectId>,
    found: &mut Vec<ObjectId>,
) -> Option<()> {
    let mut at = Some(first);
    while let Some(id) = at {
        let item = document.get_dictionary(id).ok().filter(|_| depth < MAX_DEPTH && seen.insert(id))?;
        found.push(id);
        let reference = |name: &[u8]| item.get(name).and_then(Object::as_reference).ok();
        if let Some(child) = reference(b"First") {
            collect(document, child, depth + 1, seen, found)?;
        }
        at = reference(b"Next");
    }
    Some(())
}

/// The number of the page that a bookmark leads to.
fn page(document: &Document, item: ObjectId, numbers: &HashMap<ObjectId, usize>) -> Option<usize> {
    let place = document.get_dictionary(item).and_then(|item| item.get(b"Dest")).and_then(Object::as_array).ok()?;
    numbers.get(&place.first()?.as_reference().ok()?).copied()
}

/// Links the bookmarks anew: each is under the last one before it that has a smaller level.
fn tree(document: &mut Document, items: &[ObjectId], levels: &[u32]) -> Option<ObjectId> {
    let root = document.add_object(Dictionary::from_iter([("Type", Object::Name(b"Outlines".to_vec()))]));
    let mut open = vec![(root, None)];
    let mut last: HashMap<ObjectId, ObjectId> = HashMap::new();
    for (item, level) in items.iter().zip(levels) {
        open.retain(|(_, above)| above.is_none_or(|above| above < *level));
        let (parent, _) = *open.last()?;
        let before = last.insert(parent, *item);
        let own = document.get_dictionary_mut(*item).ok()?;
        for name in ["First", "Last", "Next", "Prev", "Count"] {
            own.remove(name.as_bytes());
        }
        own.set("Parent", parent);
        if let Some(before) = before {
            own.set("Prev", before);
            document.get_dictionary_mut(before).ok()?.set("Next", *item);
        } else {
            document.get_dictionary_mut(parent).ok()?.set("First", *item);
        }
        for (above, _) in &open {
            let above = document.get_dictionary_mut(*above).ok()?;
            let count = above.get(b"Count").and_then(Object::as_i64).unwrap_or_default();
            above.set("Count", count + 1);
        }
        document.get_dictionary_mut(parent).ok()?.set("Last", *item);
        open.push((*item, Some(*level)));
    }
    Some(root)
}
