//! PDF files that are made here, taken apart again.

use std::fs::File;
use std::io::{Read, Seek, Write};

use lopdf::{Dictionary, Document, Object, Stream, dictionary};

use serde_json::json;

use super::*;
use crate::engines::image::job::ImageJob;
use crate::engines::{Action, Made};
use crate::failure::Failure;
use crate::formats::{Cancel, Limits, by_name};
use crate::pixels::Processor;

/// A file of pages, `100 + n` points wide and 50 high; page n says `page n`.
pub(super) fn pages(count: u32) -> Document {
    let mut document = Document::with_version("1.4");
    let font = document.add_object(dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica" });
    let root = document.new_object_id();
    let kids: Vec<Object> = (1..=count)
        .map(|number| {
            let content = format!("BT /F 12 Tf 10 20 Td (page {number}) Tj ET");
            let content = document.add_object(Stream::new(Dictionary::new(), content.into_bytes()));
            let page = dictionary! {
                "Type" => "Page", "Parent" => root, "Contents" => content,
                "MediaBox" => Object::Array(vec![0.into(), 0.into(), i64::from(100 + number).into(), 50.into()]),
            };
            document.add_object(page).into()
        })
        .collect();
    let tree = dictionary! {
        "Type" => "Pages", "Count" => i64::from(count), "Kids" => kids,
        "Resources" => dictionary! { "Font" => dictionary! { "F" => font } },
    };
    document.objects.insert(root, tree.into());
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => root });
    document.trailer.set("Root", catalog);
    document
}

pub(super) fn bytes(mut document: Document) -> Vec<u8> {
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).expect("a file");
    bytes
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("its bytes");
    file
}

fn content(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("its bytes");
    bytes
}

/// Does a task with files and gives what it made, and the outputs.
pub(super) fn perform(
    task: PdfTask,
    to: &str,
    options: serde_json::Value,
    inputs: &[Vec<u8>],
    outputs: usize,
) -> Result<(Made, Vec<Vec<u8>>), Failure> {
    let job = ImageJob {
        action: Action::Convert,
        from: "pdf".to_owned(),
        to: to.to_owned(),
        beside: vec!["pdf".to_owned(); inputs.len() - 1],
        options: options.as_object().expect("an object").clone(),
        limits: Limits::default(),
        test: false,
        pdf: Some(task.clone()),
        share: None,
    };
    let outputs: Vec<File> = (0..outputs).map(|_| file(b"")).collect();
    let files = inputs.iter().map(|input| file(input)).chain(outputs.iter().map(|output| output.try_clone().expect("a handle")));
    let processor =
        Processor::new(crate::pixels::CpuLevel::detect(), crate::pixels::GpuPolicy::Off).expect("the CPU is always there");
    let made = run(&task, &job, files.collect(), &processor, &Cancel::new())?;
    Ok((made, outputs.into_iter().map(content).collect()))
}

/// The widths of the pages of a file, less 100, and what they say.
fn told(pdf: &[u8]) -> (Vec<i64>, String) {
    let document = Document::load_mem(pdf).expect("a file that opens");
    let widths = document.page_iter().map(|id| {
        let page = document.get_dictionary(id).expect("a page");
        let bounds = page.get(b"MediaBox").and_then(Object::as_array).expect("bounds of its own");
        bounds[2].as_i64().expect("a number") - 100
    });
    let texts: Vec<String> =
        document.page_iter().map(|id| String::from_utf8_lossy(&document.get_page_content(id)).into_owned()).collect();
    (widths.collect(), texts.join("\n"))
}

#[test]
fn pages_are_counted() {
    let (made, _) = perform(PdfTask::Count, "png", json!({}), &[bytes(pages(7))], 0).expect("counted");
    assert_eq!(made.metadata, Some(json!(7)), "seven pages");
}

#[test]
fn r282_pages_are_drawn_at_their_density() {
    let pdf = bytes(pages(3));
    let (made, outputs) =
        perform(PdfTask::Draw(vec![3, 1]), "png", json!({ "density": 144 }), std::slice::from_ref(&pdf), 2).expect("drawn");
    assert_eq!(made.metadata, Some(json!([[206, 100], [202, 100]])), "twice as many pixels as points, page by page");
    for (png, width) in outputs.iter().zip([206, 202]) {
        let decoder = by_name("png").and_then(|format| format.decode).expect("a decoder");
        let decoded = (decoder.decode)(png, &crate::formats::DecodeOptions::default()).expect("a picture");
        let image = &decoded.frames[0].image;
        assert_eq!((image.width(), image.height()), (width, 100), "the size that was told");
        let dark = image.data().iter().filter(|sample| **sample < 128).count();
        assert!(dark > 100 && dark < image.data().len() / 4, "a line of text on white paper: {dark} dark samples");
    }
    let (made, _) = perform(PdfTask::Draw(vec![1]), "jpg", json!({}), std::slice::from_ref(&pdf), 1).expect("drawn");
    assert_eq!(made.metadata, Some(json!([[210, 104]])), "150 dpi where nothing is said");
    let (made, _) = perform(PdfTask::Draw(vec![1]), "jpg", json!({ "width": 33 }), &[pdf], 1).expect("drawn");
    assert_eq!(made.metadata, Some(json!([[33, 16]])), "as wide as asked");
}

#[test]
fn pages_become_one_tiff() {
    let (_, outputs) = perform(PdfTask::DrawAll(vec![2, 1]), "tiff", json!({}), &[bytes(pages(2))], 1).expect("drawn");
    let decoder = by_name("tiff").and_then(|format| format.decode).expect("a decoder");
    let header = (decoder.probe)(&outputs[0], &Limits::default()).expect("a header");
    assert_eq!((header.frames, header.width), (2, 213), "both, the second one first");
}

#[test]
fn floods_of_pixels_are_refused_before_they_are_drawn() {
    let mut document = pages(1);
    let id = document.page_iter().next().expect("a page");
    document
        .get_dictionary_mut(id)
        .expect("it")
        .set("MediaBox", Object::Array(vec![0.into(), 0.into(), 14_000.into(), 14_000.into()]));
    let drawn = perform(PdfTask::Draw(vec![1]), "png", json!({}), &[bytes(document)], 1).map(|_| ());
    assert!(matches!(&drawn, Err(Failure::TooLarge { message }) if message.contains("density")), "{drawn:?}");
}

#[test]
fn a53_chosen_pages_keep_their_order_and_what_they_inherit() {
    let (_, outputs) = perform(PdfTask::Select(vec![5, 2, 5]), "pdf", json!({}), &[bytes(pages(5))], 1).expect("chosen");
    let (widths, texts) = told(&outputs[0]);
    assert_eq!(widths, [5, 2, 5], "in that order, twice where asked twice");
    assert!(texts.contains("page 5") && !texts.contains("page 3"), "{texts}");
    let document = Document::load_mem(&outputs[0]).expect("a file");
    for id in document.page_iter() {
        assert!(document.get_dictionary(id).expect("a page").has(b"Resources"), "the fonts came along");
    }
}

#[test]
fn pages_that_are_left_out_are_gone_from_the_file() {
    let mut document = pages(2);
    let ids: Vec<_> = document.page_iter().collect();
    // A link on the first page to the second one must not keep it.
    let link = dictionary! { "Type" => "Annot", "Subtype" => "Link", "Dest" => Object::Array(vec![ids[1].into(), "Fit".into()]) };
    let link = document.add_object(link);
    document.get_dictionary_mut(ids[0]).expect("a page").set("Annots", Object::Array(vec![link.into()]));
    let (_, outputs) = perform(PdfTask::Select(vec![1]), "pdf", json!({}), &[bytes(document)], 1).expect("chosen");
    let document = Document::load_mem(&outputs[0]).expect("a file");
    let kept = document.objects.values().filter_map(|object| object.as_stream().ok()).any(|stream| {
        stream.decompressed_content().unwrap_or_else(|_| stream.content.clone()).windows(6).any(|window| window == b"page 2")
    });
    assert!(!kept, "its content is not in the file any more");
}

#[test]
fn there_is_no_page_beyond_the_last() {
    for task in [PdfTask::Select(vec![4]), PdfTask::Draw(vec![4])] {
        let done = perform(task.clone(), "pdf", json!({}), &[bytes(pages(3))], 1).map(|_| ());
        assert!(
            matches!(&done, Err(Failure::Invalid { message, field: Some(_) }) if message.contains("has 3")),
            "{task:?}: {done:?}"
        );
    }
}

#[test]
fn r093_files_are_merged_in_order() {
    let inputs = [bytes(pages(2)), bytes(pages(1)), bytes(pages(3))];
    let (_, outputs) = perform(PdfTask::Merge, "pdf", json!({}), &inputs, 1).expect("merged");
    assert_eq!(told(&outputs[0]).0, [1, 2, 1, 1, 2, 3], "every page of each");
}

#[test]
fn two_halves_come_in_turn() {
    let both = |inputs: [u32; 2], stripe| {
        let inputs = inputs.map(|count| bytes(pages(count)));
        let (_, outputs) = perform(PdfTask::Interleave(stripe, String::new()), "pdf", json!({}), &inputs, 1).expect("joined");
        told(&outputs[0]).0
    };
    assert_eq!(both([3, 4], 2), [1, 2, 1, 2, 3, 3, 4], "two of each in turn, then what is left");
    assert_eq!(both([1, 5], 1), [1, 1, 2, 3, 4, 5], "one has no more");
    assert_eq!(both([2, 1], 100), [1, 2, 1], "all of the first in one turn");
}

/// Gives each of those pages of a file, from 0, a bookmark on the top level.
fn with_bookmarks(mut document: Document, marked: &[(usize, &str)]) -> Vec<u8> {
    let pages: Vec<_> = document.page_iter().collect();
    let root = document.new_object_id();
    let items: Vec<_> = marked.iter().map(|_| document.new_object_id()).collect();
    for (index, (page, title)) in marked.iter().enumerate() {
        let place = Object::Array(vec![pages[*page].into(), "Fit".into()]);
        let mut item = dictionary! { "Title" => Object::string_literal(*title), "Parent" => root, "Dest" => place };
        if let Some(next) = items.get(index + 1) {
            item.set("Next", *next);
        }
        document.objects.insert(items[index], item.into());
    }
    let (first, last) = (items[0], items[items.len() - 1]);
    document.objects.insert(root, dictionary! { "Type" => "Outlines", "First" => first, "Last" => last, "Count" => 1 }.into());
    document.catalog_mut().expect("a catalogue").set("Outlines", root);
    bytes(document)
}

/// The bookmarks under this one: title, number of those below it, and how deep it is.
fn told_bookmarks(document: &Document, above: &Dictionary, depth: usize, told: &mut Vec<(String, i64, usize)>) {
    let mut at = above.get(b"First").and_then(Object::as_reference).ok();
    let mut last = None;
    while let Some(id) = at {
        let item = document.get_dictionary(id).expect("a bookmark");
        assert_eq!(item.get(b"Prev").and_then(Object::as_reference).ok(), last, "back to the one before");
        let title = item.get(b"Title").and_then(Object::as_str).expect("a title");
        let count = item.get(b"Count").and_then(Object::as_i64).unwrap_or_default();
        told.push((String::from_utf8_lossy(title).into_owned(), count, depth));
        told_bookmarks(document, item, depth + 1, told);
        last = Some(id);
        at = item.get(b"Next").and_then(Object::as_reference).ok();
    }
    assert_eq!(above.get(b"Last").and_then(Object::as_reference).ok(), last, "the last one is told");
}

#[test]
fn bookmarks_of_two_halves_become_one_tree() {
    let halves = || {
        let first = with_bookmarks(pages(3), &[(0, "1"), (1, "1.1.1"), (2, "3")]);
        [first, with_bookmarks(pages(3), &[(0, "1.1.2"), (0, "1.2"), (1, "2"), (2, "4")])]
    };
    let join = |levels: &str| perform(PdfTask::Interleave(2, levels.to_owned()), "pdf", json!({}), &halves(), 1);
    let (_, outputs) = join("1332131").expect("joined");
    let document = Document::load_mem(&outputs[0]).expect("a file");
    let root = document.catalog().and_then(|catalog| catalog.get(b"Outlines")).and_then(Object::as_reference).expect("one");
    let root = document.get_dictionary(root).expect("its root");
    assert_eq!(root.get(b"Count").and_then(Object::as_i64).ok(), Some(7), "all are open");
    let mut told = Vec::new();
    told_bookmarks(&document, root, 0, &mut told);
    let expected = [("1", 3, 0), ("1.1.1", 0, 1), ("1.1.2", 0, 1), ("1.2", 0, 1), ("2", 1, 0), ("3", 0, 1), ("4", 0, 0)];
    assert_eq!(told, expected.map(|(title, count, depth)| (title.to_owned(), count, depth)), "as the levels say");
    for levels in ["133213", "13321311", "13321x1"] {
        assert!(matches!(join(levels), Err(Failure::Unsupported { .. })), "{levels}: not those of these files");
    }
}

/// A file with a bookmark, a named place, a link to it, and a form field.
pub(super) fn furnished() -> Document {
    let mut document = pages(1);
    let page = document.page_iter().next().expect("a page");
    let place = Object::Array(vec![page.into(), "Fit".into()]);
    let (root, item) = (document.new_object_id(), document.new_object_id());
    let bookmark = dictionary! { "Title" => Object::string_literal("Chapter"), "Parent" => root, "Dest" => place.clone() };
    document.objects.insert(item, bookmark.into());
    document.objects.insert(root, dictionary! { "Type" => "Outlines", "First" => item, "Last" => item, "Count" => 1 }.into());
    let link = dictionary! { "Type" => "Annot", "Subtype" => "Link", "Dest" => Object::string_literal("place") };
    let link = document.add_object(link);
    let field = dictionary! { "Type" => "Annot", "Subtype" => "Widget", "FT" => "Tx", "T" => Object::string_literal("name"), "P" => page };
    let field = document.add_object(field);
    document.get_dictionary_mut(page).expect("it").set("Annots", Object::Array(vec![link.into(), field.into()]));
    let names = vec![Object::string_literal("place"), place];
    let catalog = document.catalog_mut().expect("a catalogue");
    catalog.set("Outlines", root);
    catalog.set("Names", dictionary! { "Dests" => dictionary! { "Names" => names } });
    catalog.set("AcroForm", dictionary! { "Fields" => Object::Array(vec![field.into()]) });
    document
}

#[test]
fn merging_keeps_bookmarks_links_and_fields_of_every_file() {
    let inputs = [bytes(furnished()), bytes(furnished())];
    let (_, outputs) = perform(PdfTask::Merge, "pdf", json!({}), &inputs, 1).expect("merged");
    let document = Document::load_mem(&outputs[0]).expect("a file");
    let catalog = document.catalog().expect("a catalogue");
    let at = |dictionary: &Dictionary, name: &[u8]| -> Dictionary {
        let value = dictionary.get(name).expect("there");
        document.dereference(value).and_then(|(_, value)| value.as_dict()).expect("a dictionary").clone()
    };
    let outlines = at(catalog, b"Outlines");
    assert_eq!(outlines.get(b"Count").and_then(Object::as_i64).ok(), Some(2), "two bookmarks");
    let second = at(&at(&outlines, b"First"), b"Next");
    assert!(second.get(b"Title").is_ok() && second.get(b"Next").is_err(), "one after the other");
    let fields = at(catalog, b"AcroForm").get(b"Fields").and_then(Object::as_array).cloned().expect("fields");
    let names: Vec<Vec<u8>> = fields
        .iter()
        .map(|field| document.dereference(field).and_then(|(_, field)| field.as_dict()).expect("a field").clone())
        .map(|field| field.get(b"T").and_then(Object::as_str).expect("a name").to_vec())
        .collect();
    assert_eq!(names, [b"name".to_vec(), b"name-2".to_vec()], "fields of one name would share their value");
    let places = at(&at(catalog, b"Names"), b"Dests").get(b"Names").and_then(Object::as_array).cloned().expect("places");
    assert_eq!(places.len(), 4, "two places");
    let links: Vec<Vec<u8>> = document
        .page_iter()
        .flat_map(|id| document.get_page_annotations(id).expect("annotations"))
        .filter_map(|annotation| annotation.get(b"Dest").and_then(Object::as_str).ok().map(<[u8]>::to_vec))
        .collect();
    assert_eq!(links, [b"place".to_vec(), b"place-2".to_vec()], "each link leads to the place of its own file");
}

#[test]
fn a55_optimising_never_makes_a_file_larger() {
    let mut document = pages(20);
    // What nothing refers to, and what is there twice.
    document.add_object(Stream::new(Dictionary::new(), vec![7; 50_000]));
    let plain = bytes(document);
    let (made, outputs) = perform(PdfTask::Optimize, "pdf", json!({}), std::slice::from_ref(&plain), 1).expect("optimised");
    assert!(outputs[0].len() < plain.len() / 4, "{} of {}", outputs[0].len(), plain.len());
    assert_eq!((made.explain["kept_original"].clone(), told(&outputs[0]).0.len()), (json!(false), 20), "all pages are there");
    let (made, again) = perform(PdfTask::Optimize, "pdf", json!({}), &outputs, 1).expect("optimised");
    assert!(again[0].len() <= outputs[0].len(), "never larger");
    if again[0].len() == outputs[0].len() {
        assert_eq!(made.explain["kept_original"], json!(true), "and says so: {made:?}");
    }
}

#[test]
fn r095_metadata_are_told() {
    let mut document = pages(2);
    let info = dictionary! {
        "Title" => Object::string_literal("A title"), "CreationDate" => Object::string_literal("D:20240102030405Z"),
    };
    let info = document.add_object(info);
    document.trailer.set("Info", info);
    let (made, outputs) = perform(PdfTask::Metadata, "json", json!({}), &[bytes(document)], 1).expect("told");
    let found = made.metadata.expect("facts");
    for (name, value) in [
        ("pages", json!(2)),
        ("title", json!("A title")),
        ("created", json!("2024-01-02T03:04:05Z")),
        ("page_width", json!(101.0)),
        ("page_height", json!(50.0)),
        ("encrypted", json!(false)),
    ] {
        assert_eq!(found[name], value, "{name}: {found:#}");
    }
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&outputs[0]).expect("JSON"), found, "the same in the file");
}

#[test]
fn what_is_no_pdf_file_is_refused() {
    for bytes in [&b"%PDF-1.4\nnothing"[..], b"PK\x03\x04", &[0; 2000]] {
        for task in [PdfTask::Count, PdfTask::Select(vec![1]), PdfTask::Metadata, PdfTask::Optimize] {
            let done = perform(task.clone(), "pdf", json!({}), &[bytes.to_vec()], 1).map(|_| ());
            assert!(matches!(done, Err(Failure::Invalid { .. })), "{task:?} of {bytes:?}: {done:?}");
        }
    }
}

/// The pixels of a page at a pixel a point.
pub(super) fn seen(pdf: &[u8], page: u32) -> Vec<u8> {
    let (_, outputs) = perform(PdfTask::Draw(vec![page]), "png", json!({ "density": 72 }), &[pdf.to_vec()], 1).expect("drawn");
    let decoder = by_name("png").and_then(|format| format.decode).expect("a decoder");
    let decoded = (decoder.decode)(&outputs[0], &crate::formats::DecodeOptions::default()).expect("a picture");
    decoded.frames[0].image.data().to_vec()
}

#[test]
fn a_watermark_lies_on_the_pages_that_are_meant() {
    let plain = bytes(pages(3));
    let options = json!({
        "text": "שלום Ωmega", "font_size": 14, "font_color": "#ff0000", "pages": "2", "margin_vertical": 2, "margin_horizontal": 2,
        "position_horizontal": "right", "position_vertical": "top",
    });
    let (made, marked) = perform(PdfTask::Watermark, "pdf", options, std::slice::from_ref(&plain), 1).expect("marked");
    assert_eq!(made.explain["marked"], json!(1), "one page of three: {made:?}");
    let reddish = |pixels: &[u8]| {
        let red = pixels.chunks_exact(3).map(|pixel| pixel[0] > 200 && pixel[1] < 120 && pixel[2] < 120);
        red.enumerate().filter(|(_, red)| *red).map(|(index, _)| index).collect::<Vec<_>>()
    };
    for page in [1, 3] {
        assert_eq!(seen(&marked[0], page), seen(&plain, page), "page {page} is as it was");
    }
    let red = reddish(&seen(&marked[0], 2));
    assert!(red.len() > 20, "letters of any script: {red:?}");
    // 102 points wide, 50 high: all of it in the upper half, at the right.
    assert!(red.iter().all(|index| index / 102 < 25 && index % 102 > 10), "{red:?}");
    assert_eq!(told(&marked[0]).0, [1, 2, 3], "the pages are the same");
}

#[test]
fn a_watermark_under_the_page_is_covered_by_it_and_tiles_fill_it() {
    let options = |layer: &str| json!({ "text": "XX", "font_size": 20, "tile": true, "layer": layer, "margin_vertical": 0, "margin_horizontal": 0 });
    let plain = bytes(pages(1));
    let marked = |layer: &str| {
        let (_, mut outputs) =
            perform(PdfTask::Watermark, "pdf", options(layer), std::slice::from_ref(&plain), 1).expect("marked");
        seen(&outputs.remove(0), 1)
    };
    let (above, below, before) = (marked("above"), marked("below"), seen(&plain, 1));
    assert_ne!(above, below, "the letters of the page lie over the mark, or under it");
    let black = |pixels: &[u8]| pixels.chunks_exact(3).filter(|pixel| pixel.iter().all(|part| *part < 40)).count();
    assert!(black(&below) >= black(&before), "nothing of the page is covered by what is under it");
    let corners = [0..20, 80..101]
        .map(|columns| columns.clone().any(|x| (0..50).any(|y| below[(y * 101 + x) * 3] != before[(y * 101 + x) * 3])));
    assert_eq!(corners, [true, true], "tiles at the left and at the right");
}

#[test]
fn pictures_of_a_document_are_packed_again() {
    // A photograph-like picture, far finer than its page.
    let (width, height) = (1200_u32, 900_u32);
    let noise = |x: u32, y: u32| ((x * 7 + y * 13 + (x * y) % 31) % 256) as u8;
    let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| [noise(x, y), (x / 5) as u8, (y / 4) as u8])).collect();
    let image =
        crate::pixels::Image::new(width, height, crate::pixels::Channels::Rgb, crate::pixels::Depth::U8, rgb).expect("pixels");
    let mut jpeg = std::io::Cursor::new(Vec::new());
    let encode = by_name("jpg").and_then(|format| format.encode).expect("an encoder");
    let how = crate::formats::EncodeOptions { quality: 95, ..Default::default() };
    encode(&crate::formats::Decoded::still(image), &how, &mut jpeg).expect("a JPEG");
    let mut document = pages(1);
    let picture = Stream::new(
        dictionary! {
            "Type" => "XObject", "Subtype" => "Image", "Width" => i64::from(width), "Height" => i64::from(height),
            "ColorSpace" => "DeviceRGB", "BitsPerComponent" => 8, "Filter" => "DCTDecode",
        },
        jpeg.into_inner(),
    );
    let picture = document.add_object(picture);
    let content = document.add_object(Stream::new(Dictionary::new(), b"q 100 0 0 50 0 0 cm /P Do Q".to_vec()));
    let page = document.page_iter().next().expect("a page");
    let page = document.get_dictionary_mut(page).expect("a page");
    page.set("Contents", content);
    page.set("Resources", dictionary! { "XObject" => dictionary! { "P" => picture } });
    let plain = bytes(document);
    let optimised = |options: serde_json::Value| {
        perform(PdfTask::Optimize, "pdf", options, std::slice::from_ref(&plain), 1).expect("optimised")
    };
    let (made, outputs) = optimised(json!({}));
    assert_eq!(made.explain["pictures"], json!(1), "{made:?}");
    assert!(outputs[0].len() < plain.len() / 4, "{} of {}", outputs[0].len(), plain.len());
    let (before, after) = (seen(&plain, 1), seen(&outputs[0], 1));
    let apart: u64 = before.iter().zip(&after).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    assert!(apart < 12 * before.len() as u64, "it shows the same: {} levels a sample", apart / before.len() as u64);
    let document = Document::load_mem(&outputs[0]).expect("a file");
    let is_picture = |stream: &&Stream| stream.dict.get(b"Subtype").and_then(Object::as_name).is_ok_and(|kind| kind == b"Image");
    let picture = document.objects.values().filter_map(|object| object.as_stream().ok()).find(is_picture).expect("a picture");
    let side = |name: &[u8]| picture.dict.get(name).and_then(Object::as_i64).expect("a number");
    let (width, height) = (side(b"Width"), side(b"Height"));
    assert!(
        width < 1200 && height < 900 && (width * 3 - height * 4).abs() < 8,
        "readers are told its new size: {width} x {height}"
    );
    let (made, kept) = optimised(json!({ "profile": "archive" }));
    assert_eq!(made.explain["pictures"], json!(0), "nothing is lost in an archive");
    assert!(kept[0].len() > outputs[0].len());
}
