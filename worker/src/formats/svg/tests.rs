//! What is drawn, at which size, and what is refused.

use std::io::Write as _;

use base64::Engine as _;

use super::*;
use crate::formats::support::testing::{encode, picture, still};
use crate::formats::{Cancel, sniff};

fn svg(attributes: &str, body: &str) -> String {
    format!(r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {attributes}>{body}</svg>"#)
}

fn drawn(text: &str, size: Option<(u32, u32)>) -> Result<crate::pixels::Image, Failure> {
    let options = DecodeOptions { at_least: size, cancel: Cancel::new(), ..DecodeOptions::default() };
    decode(text.as_bytes(), &options).map(|mut decoded| decoded.frames.remove(0).image)
}

fn size_of(text: &str) -> Result<(u32, u32), Failure> {
    probe(text.as_bytes(), &Limits::default()).map(|header| (header.width, header.height))
}

/// Samples of the pixel at `x`, `y`, with alpha where there is one.
fn pixel(image: &crate::pixels::Image, x: u32, y: u32) -> Vec<u8> {
    let count = image.channels().count();
    let at = (y * image.width() + x) as usize * count;
    image.data()[at..at + count].to_vec()
}

#[test]
fn a_drawing_is_sharp_at_any_size() {
    let text = svg(r#"width="10" height="10""#, r##"<rect x="3" y="0" width="4" height="10" fill="#1020ff"/>"##);
    assert_eq!(size_of(&text), Ok((10, 10)), "as it states");
    for (width, height) in [(10, 10), (1000, 1000), (1000, 50)] {
        let image = drawn(&text, Some((width, height))).expect("it draws");
        assert_eq!((image.width(), image.height()), (width, height), "exactly the size that is wanted");
        let edge = width * 3 / 10;
        assert_eq!(pixel(&image, edge, height / 2), [0x10, 0x20, 0xff, 255], "{width}: the first column of the bar");
        assert_eq!(pixel(&image, edge - 1, height / 2)[3], 0, "{width}: nothing before it");
    }
}

#[test]
fn sizes_come_from_units_and_view_boxes() {
    for (attributes, size) in [
        (r#"width="1in" height="2.54cm""#, (96, 96)),
        (r#"width="72pt" height="25.4mm""#, (96, 96)),
        (r#"viewBox="0 0 300 120""#, (300, 120)),
        (r#"width="150" viewBox="0 0 300 120""#, (150, 60)),
        (r#"width="50%" height="50%" viewBox="0 0 300 120""#, (150, 60)),
        (r#"width="0.2" height="0.2""#, (1, 1)),
    ] {
        let found = size_of(&svg(attributes, r#"<path d="M0 0H9V9"/>"#));
        assert!(
            found.as_ref().is_ok_and(|&(w, h)| w.abs_diff(size.0) <= 1 && h.abs_diff(size.1) <= 1),
            "{attributes}: {found:?}, wanted {size:?}"
        );
    }
}

#[test]
fn text_is_drawn_in_every_family() {
    let mut seen = Vec::new();
    for family in ["Arial", "Times New Roman", "monospace", "No Such Font", "sans-serif"] {
        let text = svg(
            r#"width="90" height="30""#,
            &format!(r#"<text x="2" y="22" font-size="20" font-family="{family}">Hamburg</text>"#),
        );
        let image = drawn(&text, None).expect("it draws");
        let ink: u64 = image.data().chunks_exact(4).map(|pixel| u64::from(pixel[3])).sum();
        assert!(ink > 20_000, "{family}: {ink}");
        seen.push(image);
    }
    assert!(seen[0] != seen[1] && seen[1] != seen[2], "three families look different");
    assert_eq!(seen[3], seen[4], "an unknown one is sans-serif");
    let cyrillic = svg(r#"width="90" height="30""#, r#"<text x="2" y="22" font-size="20">שלום</text>"#);
    let ink = drawn(&cyrillic, None).expect("it draws").data().chunks_exact(4).filter(|pixel| pixel[3] > 128).count();
    assert!(ink > 50, "letters that Liberation lacks come from DejaVu: {ink}");
}

#[test]
fn only_data_in_the_file_is_drawn() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("secret.png");
    let png = encode("png", &still(picture(8, 8, Channels::Rgb)));
    std::fs::write(&path, &png).expect("written");
    let path = path.display();
    let data = base64::engine::general_purpose::STANDARD.encode(&png);
    for (href, is_drawn) in [
        (format!("data:image/png;base64,{data}"), true),
        (path.to_string(), false),
        (format!("file://{path}"), false),
        ("http://127.0.0.1:9/a.png".to_owned(), false),
        ("data:image/png;base64,AAAA".to_owned(), false),
    ] {
        for attribute in ["href", "xlink:href"] {
            let text = svg(r#"width="8" height="8""#, &format!(r#"<image {attribute}="{href}" width="8" height="8"/>"#));
            let image = drawn(&text, None).expect("the drawing itself is fine");
            let ink = image.channels() == Channels::Rgb || image.data().chunks_exact(4).any(|pixel| pixel[3] > 0);
            assert_eq!(ink, is_drawn, "{attribute} to {}", &href[..href.len().min(40)]);
        }
    }
    let external = format!(r#"<!DOCTYPE svg [<!ENTITY x SYSTEM "file://{path}">]>{}"#, svg("", "<text>&x;</text>"));
    assert!(matches!(drawn(&external, None), Err(Failure::Invalid { .. })), "an external entity");
}

#[test]
fn a_damaged_picture_keeps_its_place() {
    let mut png = encode("png", &still(picture(30, 20, Channels::Rgb)));
    let end = png.len() - 30;
    png[end] ^= 0xff;
    let data = base64::engine::general_purpose::STANDARD.encode(&png);
    // As large as what is in it, since it states no height.
    let text = svg(r#"width="30""#, &format!(r#"<image href="data:image/png;base64,{data}" width="30" height="20"/>"#));
    let image = drawn(&text, None).expect("the drawing itself is fine");
    assert_eq!(size_of(&text), Ok((image.width(), image.height())), "the header tells the size that is drawn");
}

#[test]
fn every_kind_of_picture_can_be_embedded() {
    for name in ["png", "jpg", "gif", "webp", "bmp", "tiff", "svg"] {
        let file = encode(name, &still(picture(8, 8, Channels::Rgb)));
        let data = base64::engine::general_purpose::STANDARD.encode(&file);
        let mime = crate::formats::by_name(name).expect("a format").mime;
        let text = svg(r#"width="8" height="8""#, &format!(r#"<image href="data:{mime};base64,{data}" width="8" height="8"/>"#));
        let image = drawn(&text, None).expect("it draws");
        assert_eq!(image.channels(), Channels::Rgb, "{name} covers everything");
    }
}

#[test]
fn bombs_are_refused() {
    let uses = |levels: u32| {
        let mut body = r#"<g id="a0"><rect width="1" height="1"/></g>"#.to_owned();
        for level in 1..=levels {
            let link = format!(r##"<use href="#a{}"/>"##, level - 1).repeat(10);
            body.push_str(&format!(r#"<g id="a{level}">{link}</g>"#));
        }
        body
    };
    let entities = {
        let mut text = String::from(r#"<!DOCTYPE svg [<!ENTITY a0 "lol">"#);
        for level in 1..12 {
            text.push_str(&format!(r#"<!ENTITY a{level} "{}">"#, format!("&a{};", level - 1).repeat(10)));
        }
        text + "]>" + &svg("", "<text>&a11;</text>")
    };
    let size = r#"width="100" height="100""#;
    let deep = |element: &str, depth: usize| format!("<{element}>").repeat(depth) + &format!("</{element}>").repeat(depth);
    let layers = format!("{}<rect width=\"16000\" height=\"6000\"/>{}", r#"<g opacity="0.5">"#.repeat(30), "</g>".repeat(30));
    let pattern = r##"<pattern id="p" width="90000" height="90000" patternUnits="userSpaceOnUse"><rect width="9" height="9"/></pattern>
        <rect width="100" height="100" fill="url(#p)"/>"##;
    for (name, text, refused) in [
        ("use in use", svg(size, &uses(8)), true),
        ("a use of itself", svg(size, r##"<g id="a"><use href="#a"/></g>"##), false),
        ("entities", entities, true),
        ("deep groups", svg(size, &deep("g", 20_000)), true),
        (
            "deep groups that are allowed",
            svg(size, &deep("g opacity=\".5\"", 1).replace("</g opacity=\".5\">", &(deep("g", 900) + "</g>"))),
            false,
        ),
        ("layers", svg(r#"width="16000" height="6000""#, &layers), true),
        ("a huge pattern", svg(size, pattern), true),
        ("a huge side", svg(r#"width="1e9" height="10""#, ""), true),
        ("an infinite side", svg(r#"width="1e39" height="10""#, ""), true),
        ("no size", svg(r#"width="0" height="10""#, ""), true),
    ] {
        let got = drawn(&text, None).map(|image| (image.width(), image.height()));
        match (&got, refused) {
            (Err(Failure::TooLarge { .. } | Failure::Invalid { .. }), true) | (Ok(_), false) => {}
            _ => panic!("{name} gave {got:?}"),
        }
    }
}

#[test]
fn deep_files_do_not_overflow_the_stack() {
    // The deepest that is read, with a layer at each level.
    let body =
        r#"<g opacity="0.9" clip-path="url(#c)">"#.repeat(1_000) + r#"<rect width="9" height="9"/>"# + &"</g>".repeat(1_000);
    let clip = r#"<clipPath id="c"><rect width="5" height="5"/></clipPath>"#;
    let image = drawn(&svg(r#"width="9" height="9""#, &(clip.to_owned() + &body)), None);
    assert!(image.is_ok(), "{image:?}");
}

#[test]
fn drawings_are_recognised_by_their_root() {
    let plain = svg("", "");
    let wide = |text: &str, big: bool| {
        let mut bytes = if big { vec![0xfe, 0xff] } else { vec![0xff, 0xfe] };
        bytes.extend(text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }));
        bytes
    };
    let gzip = |text: &[u8]| {
        let mut packed = ::flate2::write::GzEncoder::new(Vec::new(), ::flate2::Compression::fast());
        packed.write_all(text).expect("packed");
        packed.finish().expect("packed")
    };
    let long = svg("", &"<g/>".repeat(50_000));
    let doctype = r#"<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">"#;
    let subset = r#"<!DOCTYPE svg [ <!ENTITY ns "http://www.w3.org/2000/svg"> ]>"#;
    let real: Vec<Vec<u8>> = vec![
        plain.clone().into_bytes(),
        format!("\u{feff}{plain}").into_bytes(),
        format!("<?xml version='1.0'?>\n<!-- a <svg> comment -->\n{doctype}\n{plain}").into_bytes(),
        format!("{subset}{plain}").into_bytes(),
        br#"<s:svg xmlns:s="http://www.w3.org/2000/svg" width="9" height="9"/>"#.to_vec(),
        wide(&plain, false),
        wide(&plain, true),
        gzip(plain.as_bytes()),
        gzip(long.as_bytes()),
    ];
    for (index, data) in real.iter().enumerate() {
        let head = &data[..data.len().min(crate::formats::SNIFF_BYTES)];
        assert_eq!(sniff(head).map(|format| format.name), Some("svg"), "number {index}");
        assert!(decode(data, &DecodeOptions::default()).is_ok(), "number {index} is drawn");
    }
    let latin = svg(r#"width="90" height="9""#, "<text>caf\u{e9}</text>").chars().map(|c| c as u32 as u8).collect::<Vec<u8>>();
    assert!(decode(&latin, &DecodeOptions::default()).is_err(), "neither UTF-8 nor declared");
    let declared = [b"<?xml version='1.0' encoding='ISO-8859-1'?>".to_vec(), latin].concat();
    assert!(decode(&declared, &DecodeOptions::default()).is_ok(), "Latin-1 as declared");
    for other in ["<html><svg/></html>", "<!-- <svg> -->", "svg", "<?xml version='1.0'?><svgfoo/>", ""] {
        assert_ne!(sniff(other.as_bytes()).map(|format| format.name), Some("svg"), "{other}");
    }
    assert_eq!(sniff(&gzip(&gzip(plain.as_bytes()))).map(|format| format.name), None, "gzip in gzip");
    let bomb = gzip(&vec![b' '; 80 << 20]);
    assert!(matches!(decode(&bomb, &DecodeOptions::default()), Err(Failure::TooLarge { .. })), "a bomb of {} bytes", bomb.len());
}
