//! What is easily lost on PDF files: opacity, turned pages, streams that are equal only by their bytes, protection.

use lopdf::{EncryptionState, EncryptionVersion, Permissions, dictionary};

use super::tests::{bytes, furnished, pages, perform, seen};
use super::*;
use serde_json::json;

/// Pixels of the colour of the marks here, by how much of the paper shines through, and where they are. The page's own letters are grey.
fn red(pixels: &[u8]) -> Vec<(usize, u8)> {
    let (pixels, _) = pixels.as_chunks::<3>();
    let red =
        pixels.iter().enumerate().filter(|(_, [red, green, blue])| green.abs_diff(*blue) < 8 && red.saturating_sub(*green) > 30);
    red.map(|(index, [_, green, _])| (index, *green)).collect()
}

#[test]
fn a_watermark_is_as_clear_as_is_asked_and_covers_only_its_letters() {
    let plain = bytes(pages(1));
    let marked = |opacity: u32| {
        let options = json!({ "text": "III", "font_size": 30, "font_color": "#ff0000", "opacity": opacity });
        let (_, outputs) = perform(PdfTask::Watermark, "pdf", options, std::slice::from_ref(&plain), 1).expect("marked");
        red(&seen(&outputs[0], 1))
    };
    // Edges are fainter, and what is printed below shines through: most of a letter is neither.
    let usual = |red: &[(usize, u8)]| {
        let times = |level: u8| red.iter().filter(|(_, green)| *green == level).count();
        (0..=255).max_by_key(|level| times(*level)).expect("a mark")
    };
    let (faint, full) = (marked(20), marked(100));
    assert!(usual(&faint).abs_diff(204) < 4, "a fifth of the colour: {}", usual(&faint));
    assert!(usual(&full) < 4, "all of it: {}", usual(&full));
    assert!(full.len() < 101 * 50 / 3, "around the letters is nothing: {} pixels", full.len());
}

#[test]
fn a_watermark_stands_upright_on_a_turned_page() {
    let mut document = pages(1);
    let page = document.page_iter().next().expect("a page");
    document.get_dictionary_mut(page).expect("it").set("Rotate", 90);
    let options = json!({
        "text": "X", "font_size": 10, "font_color": "#ff0000", "margin_vertical": 1, "margin_horizontal": 1, "opacity": 100,
        "position_horizontal": "right", "position_vertical": "top",
    });
    let (_, outputs) = perform(PdfTask::Watermark, "pdf", options, &[bytes(document)], 1).expect("marked");
    // As it is seen the page is 50 points wide and 101 high.
    let places: Vec<_> = red(&seen(&outputs[0], 1)).iter().map(|(index, _)| (index % 50, index / 50)).collect();
    assert!(!places.is_empty() && places.iter().all(|(x, y)| *x > 30 && *y < 25), "the upper right: {places:?}");
}

#[test]
fn pictures_of_equal_bytes_and_other_sizes_are_two() {
    let mut document = pages(1);
    let picture = |width: i64, height: i64| {
        let dictionary = dictionary! {
            "Type" => "XObject", "Subtype" => "Image", "Width" => width, "Height" => height, "ColorSpace" => "DeviceGray",
            "BitsPerComponent" => 8,
        };
        lopdf::Stream::new(dictionary, (0..64).map(|index| if index % 7 < 3 { 0 } else { 255 }).collect())
    };
    let (wide, high, again) =
        (document.add_object(picture(16, 4)), document.add_object(picture(4, 16)), document.add_object(picture(4, 16)));
    let drawn = b"q 30 0 0 40 5 5 cm /A Do Q q 30 0 0 40 36 5 cm /B Do Q q 30 0 0 40 68 5 cm /C Do Q".to_vec();
    let content = document.add_object(lopdf::Stream::new(lopdf::Dictionary::new(), drawn));
    let page = document.page_iter().next().expect("a page");
    let page = document.get_dictionary_mut(page).expect("it");
    page.set("Contents", content);
    page.set("Resources", dictionary! { "XObject" => dictionary! { "A" => wide, "B" => high, "C" => again } });
    let plain = bytes(document);
    let (made, outputs) = perform(PdfTask::Optimize, "pdf", json!({}), std::slice::from_ref(&plain), 1).expect("optimised");
    assert_eq!(made.explain["doubles"], json!(1), "one of three is there twice: {made:?}");
    assert_eq!(seen(&outputs[0], 1), seen(&plain, 1), "and the page shows the same");
}

/// Two pages that a password protects.
fn protected() -> Vec<u8> {
    let mut document = pages(2);
    let id = lopdf::Object::string_literal("0123456789abcdef");
    document.trailer.set("ID", lopdf::Object::Array(vec![id.clone(), id]));
    let state = EncryptionState::try_from(EncryptionVersion::V2 {
        document: &document,
        owner_password: "owner",
        user_password: "open sesame",
        key_length: 128,
        permissions: Permissions::all(),
    });
    document.encrypt(&state.expect("a state")).expect("it is encrypted");
    bytes(document)
}

#[test]
fn protected_files_are_opened_by_their_password_for_every_task() {
    let file = protected();
    let tasks = [
        (PdfTask::Metadata, "json"),
        (PdfTask::Optimize, "pdf"),
        (PdfTask::Watermark, "pdf"),
        (PdfTask::Select(vec![2]), "pdf"),
        (PdfTask::Rebuild(vec![1]), "docx"),
        (PdfTask::Draw(vec![1]), "png"),
    ];
    for (task, to) in tasks {
        let done = |password: &str| {
            perform(task.clone(), to, json!({ "password": password, "text": "x" }), std::slice::from_ref(&file), 1)
        };
        for password in ["", "wrong"] {
            let failed = done(password).map(|_| ());
            let names =
                matches!(&failed, Err(crate::failure::Failure::Invalid { field: Some(field), .. }) if field == "password");
            assert!(names, "{task:?} with {password:?}: {failed:?}");
        }
        let (made, outputs) = done("open sesame").unwrap_or_else(|failure| panic!("{task:?}: {failure}"));
        assert!(!outputs[0].is_empty(), "{task:?} makes something");
        match task {
            PdfTask::Metadata => {
                assert_eq!(made.metadata.expect("facts")["encrypted"], json!(true), "that it is protected is told")
            }
            PdfTask::Optimize | PdfTask::Watermark => {
                let (made, _) = perform(PdfTask::Metadata, "json", json!({}), &outputs, 1).expect("the result is open");
                assert_eq!(made.metadata.expect("facts")["pages"], json!(2), "{task:?} keeps the pages");
            }
            _ => {}
        }
    }
}

#[test]
fn metadata_tell_what_a_file_has() {
    let mut document = furnished();
    let page = document.page_iter().next().expect("a page");
    document.get_dictionary_mut(page).expect("it").set("Rotate", 270);
    let (made, _) = perform(PdfTask::Metadata, "json", json!({}), &[bytes(document)], 1).expect("told");
    let found = made.metadata.expect("facts");
    for (name, value) in [
        ("bookmarks", json!(true)),
        ("form", json!(true)),
        ("tagged", json!(false)),
        ("page_width", json!(50.0)),
        ("page_height", json!(101.0)),
    ] {
        assert_eq!(found[name], value, "{name}: {found:#}");
    }
}
