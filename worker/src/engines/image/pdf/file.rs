//! A PDF file as its objects (lopdf): opened, and written again in the compact form of PDF 1.5.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};

use lopdf::{Dictionary, Document, LoadOptions, Object, ObjectId, SaveOptions, Stream};

use super::work::{damaged, protected};
use crate::failure::Failure;

/// Bytes that one stream may unpack to while the file is read.
const MAX_STREAM: usize = 256 << 20;

/// Attributes that a page may have from the nodes above it (ISO 32000-1, 7.7.3.4).
const INHERITED: [&[u8]; 4] = [b"Resources", b"MediaBox", b"CropBox", b"Rotate"];

/// How deep the tree of pages may be.
const MAX_DEPTH: usize = 100;

/// Opens a file; one that is encrypted is decrypted.
pub(super) fn open(data: &[u8], password: &str) -> Result<Document, Failure> {
    let options =
        LoadOptions { password: Some(password.to_owned()), max_decompressed_size: Some(MAX_STREAM), ..LoadOptions::default() };
    let document = Document::load_mem_with_options(data, options).map_err(|error| match error {
        lopdf::Error::InvalidPassword | lopdf::Error::Decryption(_) => protected(password),
        error => damaged(&error),
    })?;
    if document.is_encrypted() {
        return Err(protected(password));
    }
    if document.page_iter().next().is_none() { Err(damaged(&"it has no page")) } else { Ok(document) }
}

/// Writes a file with object streams, which are smaller, and returns its length.
pub(super) fn write(document: &mut Document, output: File) -> Result<u64, Failure> {
    let mut output = output;
    output.rewind().and_then(|()| output.set_len(0)).map_err(Failure::internal)?;
    let mut buffered = BufWriter::new(&output);
    let options = SaveOptions::builder().use_object_streams(true).use_xref_streams(true).build();
    document.save_with_options(&mut buffered, options).map_err(|error| Failure::internal(format!("writing PDF: {error}")))?;
    buffered.flush().map_err(Failure::internal)?;
    drop(buffered);
    Ok(output.metadata().map_err(Failure::internal)?.len())
}

/// Gives a page what it has from the nodes above it, so that it can stand anywhere.
pub(super) fn push_down(document: &Document, page: &Dictionary) -> Dictionary {
    let mut whole = page.clone();
    let mut at = page.get(b"Parent").and_then(Object::as_reference).ok();
    for _ in 0..MAX_DEPTH {
        let Some(node) = at.and_then(|id| document.get_dictionary(id).ok()) else { break };
        for name in INHERITED {
            if !whole.has(name)
                && let Ok(value) = node.get(name)
            {
                whole.set(name, value.clone());
            }
        }
        at = node.get(b"Parent").and_then(Object::as_reference).ok();
    }
    whole
}

/// Makes `pages` the pages of the document, in that order, in one flat tree.
pub(super) fn set_pages(document: &mut Document, pages: &[ObjectId]) -> Result<(), Failure> {
    let kids = pages.iter().map(|id| Object::Reference(*id)).collect();
    let count = i64::try_from(pages.len()).map_err(Failure::internal)?;
    let node = Dictionary::from_iter([("Type", "Pages".into()), ("Kids", Object::Array(kids)), ("Count", count.into())]);
    let node = document.add_object(node);
    for id in pages {
        let page = document.get_dictionary_mut(*id).map_err(|error| damaged(&error))?;
        page.set("Parent", node);
    }
    document.catalog_mut().map_err(|error| damaged(&error))?.set("Pages", node);
    Ok(())
}

/// Writes TEST across a page, in grey and half transparent, over what is there.
pub(super) fn mark(document: &mut Document, id: ObjectId) -> Result<(), Failure> {
    const NAME: &str = "ConvertFlyTest";
    let page = document.get_dictionary(id).map_err(|error| damaged(&error))?.clone();
    let number = |side: &Object| document.dereference(side).ok().and_then(|(_, side)| side.as_float().ok());
    let bounds = page.get(b"MediaBox").and_then(|bounds| document.dereference(bounds)).and_then(|(_, bounds)| bounds.as_array());
    let sides: Vec<f32> = bounds.map(|bounds| bounds.iter().filter_map(number).collect()).unwrap_or_default();
    let [left, bottom, right, top] = <[f32; 4]>::try_from(sides).unwrap_or([0.0, 0.0, 612.0, 792.0]);
    let size = (right - left).min(top - bottom).abs() / 4.0;
    let (x, y) = ((left + right) / 2.0 - size * 1.2, (bottom + top) / 2.0 - size / 3.0);
    let font =
        Dictionary::from_iter([("Type", "Font".into()), ("Subtype", "Type1".into()), ("BaseFont", "Helvetica-Bold".into())]);
    let state = Dictionary::from_iter([("ca", Object::Real(0.5))]);
    let text = format!("q /{NAME} gs 0.6 g BT /{NAME} {size:.2} Tf {x:.2} {y:.2} Td (TEST) Tj ET Q");
    draw(document, id, page, &[("Font", NAME, font.into()), ("ExtGState", NAME, state.into())], (&text, false))
}

/// Draws on a page with what that needs of resources (their kind, name and value): over what is there, or below it.
pub(super) fn draw(
    document: &mut Document,
    id: ObjectId,
    mut page: Dictionary,
    needed: &[(&str, &str, Object)],
    (drawing, is_below): (&str, bool),
) -> Result<(), Failure> {
    let resolved = |object: &Object| document.dereference(object).ok().map(|(_, object)| object.clone());
    let dictionary = |object: Option<Object>| object.and_then(|object| object.as_dict().ok().cloned()).unwrap_or_default();
    let mut resources = dictionary(page.get(b"Resources").ok().and_then(resolved));
    for (kind, name, value) in needed {
        let mut named = dictionary(resources.get(kind.as_bytes()).ok().and_then(resolved));
        named.set(*name, value.clone());
        resources.set(*kind, named);
    }
    let before = page.get(b"Contents").ok().and_then(|contents| match contents {
        Object::Array(parts) => Some(parts.clone()),
        Object::Reference(_) => match resolved(contents) {
            Some(Object::Array(parts)) => Some(parts),
            _ => Some(vec![contents.clone()]),
        },
        _ => None,
    });
    let before = before.unwrap_or_default();
    let stream = |text: String| Stream::new(Dictionary::new(), text.into_bytes());
    // What the page has set for itself must not move what is drawn.
    let open = document.add_object(stream(if is_below { format!("{drawing} q ") } else { "q ".to_owned() }));
    let close = document.add_object(stream(if is_below { " Q ".to_owned() } else { format!(" Q {drawing}") }));
    let parts = std::iter::once(open.into()).chain(before).chain([close.into()]).collect();
    page.set("Resources", resources);
    page.set("Contents", Object::Array(parts));
    document.objects.insert(id, page.into());
    Ok(())
}
