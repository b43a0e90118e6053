//! What a PDF file only draws, in documents that can be edited: lists as lists, paragraphs over pages as one, and what has no form of its own as
//! it looks.

use std::process::Command;

use serde_json::json;

use super::{convert_all, page_count, server, text};
use crate::support::papers::{document_xml, pdf_of, pdf_page, pdf_stream};

const FONT: &str = "/Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>";

/// Lines of text, each at its place across, from the top of a page on.
fn lines(text: &[(&str, u32)], top: u32) -> String {
    let set = |(index, (line, x)): (usize, &(&str, u32))| {
        format!(
            "BT /F 11 Tf 1 0 0 1 {x} {} Tm ({}) Tj ET\n",
            top - 14 * index as u32,
            line.replace('(', "\\(").replace(')', "\\)")
        )
    };
    text.iter().enumerate().map(set).collect()
}

/// A part of a docx file.
fn part(docx: &[u8], name: &str) -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), docx).expect("its bytes");
    let output = Command::new("unzip").arg("-p").arg(file.path()).arg(name).output().expect("unzip runs");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The document, and it drawn again by LibreOffice.
fn edited(pdf: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let server = server();
    let (_, mut results) = convert_all(&server, pdf, "a.pdf", &["docx"], &json!({}));
    let docx = results.remove(0);
    let (_, mut back) = convert_all(&server, &docx, "a.docx", &["pdf"], &json!({}));
    (docx, back.remove(0))
}

/// The colour of a page at a place, in points from its upper left corner, by pdftoppm.
fn color_at(pdf: &[u8], places: &[(usize, usize)]) -> Vec<[u8; 3]> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), pdf).expect("its bytes");
    let drawn = Command::new("pdftoppm").args(["-r", "72", "-f", "1", "-l", "1"]).arg(file.path()).output();
    let drawn = drawn.expect("pdftoppm runs").stdout;
    let head: Vec<&[u8]> = drawn.split(|byte| byte.is_ascii_whitespace()).take(4).collect();
    let number = |index: usize| std::str::from_utf8(head[index]).expect("a number").parse::<usize>().expect("a number");
    let (width, start) = (number(1), head.iter().map(|word| word.len() + 1).sum::<usize>());
    let color = |(x, y): &(usize, usize)| drawn[start + (y * width + x) * 3..][..3].try_into().expect("a pixel");
    places.iter().map(color).collect()
}

/// Both pages have about those colours at those places.
fn look_alike(source: &[u8], back: &[u8], places: &[(usize, usize)]) {
    let near = |a: &[u8; 3], b: &[u8; 3]| a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) < 40);
    for ((before, after), place) in color_at(source, places).iter().zip(color_at(back, places)).zip(places) {
        assert!(near(before, &after), "{before:?} became {after:?} at {place:?}");
    }
}

#[test]
fn r101_lists_become_lists() {
    let text_of_list = [
        ("What has to be done before the winter:", 72),
        ("1. look after the roof", 72),
        ("a) the tiles on it", 90),
        ("b) the gutters below it", 90),
        ("2. sweep the chimney", 72),
        ("\u{2022} with a brush", 90),
        ("\u{2022} not with a goose", 90),
        ("3. rest", 72),
    ];
    // The code of a bullet in the encoding below.
    let drawn = lines(&text_of_list, 760).replace('\u{2022}', "\\225");
    let font = "/Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >> >>";
    let source = pdf_page(&drawn, font, &[]);
    let (docx, back) = edited(&source);
    let (xml, numbering) = (document_xml(&docx), part(&docx, "word/numbering.xml"));
    assert_eq!(xml.matches("<w:numPr>").count(), 7, "{xml}");
    assert_eq!(xml.matches("<w:ilvl w:val=\"1\"/>").count(), 4, "four of them are nested: {xml}");
    for kind in ["decimal", "lowerLetter", "bullet"] {
        assert!(numbering.contains(&format!("<w:numFmt w:val=\"{kind}\"/>")), "{kind}: {numbering}");
    }
    assert!(!xml.contains("look after the roof") || !xml.contains(">1. look"), "no number is text: {xml}");
    let drawn_again = text(&back, "pdf");
    let mut at = 0;
    for word in ["1.", "roof", "a)", "tiles", "b)", "gutters", "2.", "chimney", "\u{2022}", "brush", "goose", "3.", "rest"] {
        let found = drawn_again[at..].find(word).unwrap_or_else(|| panic!("{word} in its order: {drawn_again}"));
        at += found;
    }
    // The text of an item stands where it stood.
    let left = |pdf: &[u8]| left_of(pdf, "1", "gutters");
    assert!((left(&source) - left(&back)).abs() < 4.0, "{} became {}", left(&source), left(&back));
}

/// Where a word of a page begins, in points from its left edge.
fn left_of(pdf: &[u8], page: &str, word: &str) -> f64 {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), pdf).expect("its bytes");
    let output = Command::new("pdftotext")
        .args(["-f", page, "-l", page, "-bbox"])
        .arg(file.path())
        .arg("-")
        .output()
        .expect("pdftotext runs");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let line =
        said.lines().find(|line| line.contains(&format!(">{word}<"))).unwrap_or_else(|| panic!("{word}: {said}")).to_owned();
    line.split('"').nth(1).and_then(|x| x.parse::<f64>().ok()).expect("a place")
}

#[test]
fn r101_a_paragraph_over_two_pages_is_one() {
    let full = "The quick brown fox jumps over the lazy dog while it rains in the valley of the river and of ";
    let line = |rest: &str| format!("{}{rest}", &full[..full.len() - rest.len()]);
    // With and without an indent of its first line.
    for indent in [0, 18] {
        let above = ("A line above.".to_owned(), 60);
        let begin = (full[..full.len() - 8].trim_end().to_owned(), 60 + indent);
        let middle = (0..46).map(|_| (line(""), 60));
        let first: Vec<(String, u32)> = [above, begin].into_iter().chain(middle).chain([(line(" exam-"), 60)]).collect();
        let rest = [line("").replace("The quick", "ple quick"), "that is the end of it.".to_owned(), "Another one.".to_owned()];
        let second: Vec<(String, u32)> = rest.into_iter().map(|line| (line, 60)).collect();
        let page = |set: &[(String, u32)]| {
            let text: Vec<(&str, u32)> = set.iter().map(|(line, x)| (line.trim_end(), *x)).collect();
            pdf_stream("", &lines(&text, 770))
        };
        let head = |number: u32| {
            format!("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {number} 0 R /Resources << {FONT} >> >>")
        };
        let objects = [
            "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
            "<< /Type /Pages /Kids [3 0 R 4 0 R] /Count 2 >>".to_owned(),
            head(5),
            head(6),
            page(&first),
            page(&second),
        ];
        let source = pdf_of(&objects.iter().map(String::as_str).collect::<Vec<_>>());
        let (docx, back) = edited(&source);
        let xml = document_xml(&docx);
        let joined =
            xml.split("</w:p>").find(|paragraph| paragraph.contains("w:type=\"page\"")).unwrap_or_else(|| panic!("{xml}"));
        assert!(joined.matches("lazy").count() >= 48, "both parts are in one paragraph: {joined}");
        assert!(xml.contains("example quick") && !xml.contains("exam-"), "and the divided word is one: {joined}");
        assert_eq!(page_count(&back), 2, "on as many pages");
        assert!(text(&back, "pdf").contains("that is the end of it"), "all of it is there");
        let place = |pdf: &[u8], word: &str, page: &str| left_of(pdf, page, word);
        assert!((place(&back, "example", "2") - 60.0).abs() < 2.0, "without an indent there: {}", place(&back, "example", "2"));
        let begins = (place(&source, "The", "1"), place(&back, "The", "1"));
        assert!((begins.0 - begins.1).abs() < 2.0, "and with its own where it begins: {begins:?}");
    }
}

#[test]
fn r101_gradients_look_as_they_did() {
    let axial = "/Shading << /A << /ShadingType 2 /ColorSpace /DeviceRGB /Coords [100 0 400 0] /Extend [true true] \
                 /Function << /FunctionType 2 /Domain [0 1] /C0 [1 0 0] /C1 [0 0 1] /N 1 >> >> \
                 /R << /ShadingType 3 /ColorSpace /DeviceRGB /Coords [250 400 0 250 400 100] \
                 /Function << /FunctionType 2 /Domain [0 1] /C0 [1 1 0] /C1 [0 0.4 0] /N 1 >> >> >>";
    let drawn = format!(
        "q 100 600 300 100 re W n /A sh Q q 150 300 200 200 re W n /R sh Q\n{}",
        lines(&[("A page of what has colours", 72)], 780)
    );
    let source = pdf_page(&drawn, &format!("{FONT} {axial}"), &[]);
    let (docx, back) = edited(&source);
    assert!(document_xml(&docx).matches("<a:blip").count() >= 2, "each is a picture: {}", document_xml(&docx));
    let axial = [(110, 190), (250, 190), (390, 190), (95, 190), (250, 250)];
    let radial = [(250, 442), (250, 480), (250, 530), (160, 350)];
    look_alike(&source, &back, &[axial.as_slice(), &radial].concat());
}

#[test]
fn r101_patterns_look_as_they_did() {
    let patterns = "/Pattern << /T 5 0 R /U 6 0 R >> /ColorSpace << /C [/Pattern /DeviceRGB] >>";
    // Tiles of 40 points, a red square in the upper left of each; and of 20 points with a square in the colour that is set.
    let tile = |kind: u32, step: u32, drawn: &str| {
        pdf_stream(
            &format!(
                "/Type /Pattern /PatternType 1 /PaintType {kind} /TilingType 1 /BBox [0 0 {step} {step}] /XStep {step} /YStep {step} \
                 /Resources << >>"
            ),
            drawn,
        )
    };
    let (squares, dots) = (tile(1, 40, "1 0 0 rg 0 20 20 20 re f 0 0 1 rg 20 0 20 20 re f"), tile(2, 20, "0 0 10 10 re f"));
    let drawn = format!(
        "/Pattern cs /T scn 80 120 240 120 re f /C cs 0 0.6 0 /U scn 400 120 100 100 re f\n{}",
        lines(&[("A page of what has patterns", 72)], 780)
    );
    let source = pdf_page(&drawn, &format!("{FONT} {patterns}"), &[&squares, &dots]);
    let (docx, back) = edited(&source);
    assert!(document_xml(&docx).matches("<a:blip").count() >= 2, "each is a picture: {}", document_xml(&docx));
    let tiles =
        [(90, 612), (110, 612), (90, 632), (110, 632), (250, 612), (290, 692), (405, 717), (415, 717), (485, 637), (485, 627)];
    look_alike(&source, &back, &tiles);
    let [red, blue, free, green] = color_at(&back, &[(90, 612), (110, 632), (110, 612), (405, 717)])[..] else {
        panic!("four colours")
    };
    assert_eq!((red, blue, free), ([255, 0, 0], [0, 0, 255], [255; 3]), "tiles as they were made");
    assert!(green[1] > 130 && green[0] < 40, "in the colour that is set: {green:?}");
}

#[test]
fn r101_what_is_seen_through_masks_looks_as_it_did() {
    let states = "/ExtGState << /M << /SMask << /Type /Mask /S /Luminosity /G 5 0 R >> >> \
                  /A << /SMask << /Type /Mask /S /Alpha /G 8 0 R >> >> /H << /ca 0.5 >> >>";
    let form = |group: &str, drawn: &str| {
        let states = "/Resources << /ExtGState << /H << /ca 0.5 >> >> >>";
        pdf_stream(
            &format!("/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Group << /S /Transparency {group} >> {states}"),
            drawn,
        )
    };
    // Black on the left, white on the right: the left half is not seen.
    let mask = form("/CS /DeviceGray", "0 g 0 0 250 842 re f 1 g 250 0 345 842 re f");
    // Black all over: nothing on the left, half of it in the middle, all on the right.
    let alpha = form("/CS /DeviceGray", "0 g 300 0 295 842 re f /H gs 200 0 100 842 re f");
    let picture = pdf_stream(
        "/Type /XObject /Subtype /Image /Width 2 /Height 2 /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /ASCIIHexDecode",
        "008000 008000 008000 008000>",
    );
    let group = form("", "0.8 0 0.8 rg 100 80 300 40 re f");
    let seen = form("", "0 0 1 rg 100 300 300 80 re f");
    let drawn = format!(
        "q /M gs 300 0 0 80 100 180 cm /P Do Q q /M gs /G Do Q q /A gs /S Do Q\n{}",
        lines(&[("A page of what is seen in part", 72)], 780)
    );
    let objects = format!("{FONT} {states} /XObject << /P 6 0 R /G 7 0 R /S 9 0 R >>");
    let source = pdf_page(&drawn, &objects, &[&mask, &picture, &group, &alpha, &seen]);
    let (docx, back) = edited(&source);
    assert!(document_xml(&docx).matches("<a:blip").count() >= 2, "each is a picture: {}", document_xml(&docx));
    let luminous = [(150, 620), (350, 620), (150, 740), (350, 740)];
    look_alike(&source, &back, &[luminous.as_slice(), &[(150, 500), (250, 500), (350, 500)]].concat());
    let [hidden, seen] = color_at(&back, &[(150, 620), (350, 620)])[..] else { panic!("two colours") };
    assert_eq!((hidden, seen[1] > 100 && seen[0] < 40), ([255; 3], true), "one half is seen, in green: {seen:?}");
    let [none, half, all] = color_at(&back, &[(150, 500), (250, 500), (350, 500)])[..] else { panic!("three colours") };
    assert!(none == [255; 3] && all[0] < 5 && all[2] > 250, "nothing and all: {none:?}, {all:?}");
    assert!((100..156).contains(&half[0]) && half[2] > 250, "and half of it: {half:?}");
}

#[test]
fn r101_glyphs_that_are_drawings_are_text_where_they_mean_it() {
    let square = pdf_stream("", "800 0 0 0 700 700 d1 0 0 700 700 re f");
    let font = |more: &str| {
        format!(
            "<< /Type /Font /Subtype /Type3 /FontBBox [0 0 800 800] /FontMatrix [0.001 0 0 0.001 0 0] /FirstChar 1 /LastChar 3 \
             /Widths [800 800 800] /Encoding << /Differences [1 /x1 /x2 /x3] >> /CharProcs << /x1 6 0 R /x2 6 0 R /x3 6 0 R >> {more} >>"
        )
    };
    let map = pdf_stream(
        "",
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /A def /CMapType 2 def 1 begincodespacerange <00> <FF> \
         endcodespacerange 3 beginbfchar <01> <0043> <02> <0061> <03> <0074> endbfchar endcmap end end",
    );
    let drawn = format!("BT /S 40 Tf 100 700 Td <010203> Tj ET {}", lines(&[("Some words", 72)], 780));
    let resources = format!("{} /S 5 0 R >>", FONT.trim_end_matches(">>"));
    for (more, is_text) in [("/ToUnicode 7 0 R", true), ("", false)] {
        let source = pdf_page(&drawn, &resources, &[&font(more), &square, &map]);
        let (docx, back) = edited(&source);
        let xml = document_xml(&docx);
        assert_eq!((text(&docx, "docx").contains("Cat"), xml.contains("<a:blip")), (is_text, !is_text), "{more}: {xml}");
        if !is_text {
            look_alike(&source, &back, &[(110, 125), (128, 125), (142, 125), (300, 125)]);
        }
    }
}
