//! From PDF to documents that can be edited: text, tables, pages, order.

use std::collections::HashMap;

use serde_json::json;

use super::{convert_all, page_count, server, text};
use crate::support::papers::{WORDS, document_xml, docx, docx_of};

fn paragraph(dress: &str, text: &str) -> String {
    format!("<w:p><w:r><w:rPr>{dress}</w:rPr><w:t xml:space=\"preserve\">{text}</w:t></w:r></w:p>")
}

/// A report: heading, running text, a ruled table, a second page.
fn report() -> Vec<u8> {
    let cell = |text: &str| format!("<w:tc><w:tcPr><w:tcW w:w=\"2400\" w:type=\"dxa\"/></w:tcPr>{}</w:tc>", paragraph("", text));
    let row = |cells: [&str; 3]| format!("<w:tr>{}</w:tr>", cells.map(cell).concat());
    let side = |name: &str| format!("<w:{name} w:val=\"single\" w:sz=\"4\" w:color=\"000000\"/>");
    let borders = ["top", "left", "bottom", "right", "insideH", "insideV"].map(side).concat();
    let rows =
        [["Town", "Year", "Count"], ["Ulm", "1890", "12"], ["Rome", "1911", "345"], ["Nice", "1924", "6"]].map(row).concat();
    let prose = "The quick brown fox jumps over the lazy dog while it rains. ".repeat(12);
    docx_of(
        &[
            paragraph("<w:b/><w:sz w:val=\"40\"/>", "Annual Report"),
            paragraph("", &prose),
            format!("<w:tbl><w:tblPr><w:tblBorders>{borders}</w:tblBorders></w:tblPr>{rows}</w:tbl>"),
            "<w:p><w:r><w:br w:type=\"page\"/></w:r></w:p>".to_owned(),
            paragraph("<w:i/><w:color w:val=\"C00000\"/>", "A second page in red."),
        ]
        .concat(),
        "",
    )
}

fn pdf(source: &[u8]) -> Vec<u8> {
    let (_, mut results) = convert_all(&server(), source, "a.docx", &["pdf"], &json!({}));
    results.remove(0)
}

#[test]
fn r101_r102_r103_pdf_becomes_documents_that_can_be_edited() {
    let server = server();
    let source = pdf(&report());
    let targets = ["docx", "odt", "rtf"];
    let (job, results) = convert_all(&server, &source, "a.pdf", &targets, &json!({}));
    assert_eq!(job["credits_used"], json!(12), "the dearest conversions: four credits each");
    let route = &job["tasks"]["c1"]["explain"]["attempts"][0]["route"];
    assert_eq!(*route, json!(["pdf: pdf -> docx", "office: docx -> odt"]), "the layout is kept on the way: {job:#}");
    for (index, (target, result)) in targets.iter().zip(&results).enumerate() {
        let found = text(result, target);
        // RTF writes formatting between words; a word is one all the same.
        for word in ["Annual", "brown", "Ulm", "1911", "345", "second"] {
            assert!(found.contains(word), "{target}: {word} in {found:.2000}");
        }
        let name = &job["tasks"][format!("c{index}")]["result"]["files"][0]["filename"];
        assert_eq!(*name, json!(format!("a.{target}")));
    }
    let xml = document_xml(&results[0]);
    assert_eq!(
        (xml.matches("<w:tbl>").count(), xml.matches("<w:tr>").count(), xml.matches("<w:tc>").count()),
        (1, 4, 12),
        "{xml}"
    );
    assert!(xml.contains("w:val=\"Heading1\""), "the largest line is a heading: {xml}");
    assert!(xml.contains("<w:i/>") && xml.contains("C00000"), "italic and red");
    // Twelve sentences are one paragraph, not a paragraph a line.
    assert!(xml.split("</w:p>").any(|paragraph| paragraph.matches("brown").count() == 12), "{xml}");
    let (_, back) = convert_all(&server, &results[0], "a.docx", &["pdf"], &json!({}));
    assert_eq!(page_count(&back[0]), page_count(&source), "as many pages as the source");
}

#[test]
fn r101_pages_are_chosen_and_their_order_is_kept() {
    let source = pdf(&docx(&WORDS));
    let (_, results) = convert_all(&server(), &source, "a.pdf", &["docx", "odt"], &json!({ "pages": "3,1" }));
    for (result, format) in results.iter().zip(["docx", "odt"]) {
        let found = text(result, format);
        let place = |word: &str| found.find(word);
        assert!(place(WORDS[2]).is_some() && place(WORDS[2]) < place(WORDS[0]), "{format}: {found}");
        assert_eq!(place(WORDS[1]), None, "{format}");
    }
    let job = server().convert(&source, "a.pdf", "docx", &json!({ "pages": "2-9" }));
    assert!(job.to_string().contains("the document has 3"), "{job:#}");
}

/// Words, and how often each is there.
fn words(text: &str) -> HashMap<String, usize> {
    let mut words = HashMap::new();
    for word in text.split(|what: char| !what.is_alphanumeric()).filter(|word| !word.is_empty()) {
        *words.entry(word.to_owned()).or_default() += 1;
    }
    words
}

/// The share of the words of one text that are in the other as well.
fn recall(of: &str, within: &str) -> f64 {
    let (of, within) = (words(of), words(within));
    let found: usize = of.iter().map(|(word, count)| (*count).min(within.get(word).copied().unwrap_or(0))).sum();
    found as f64 / of.values().sum::<usize>().max(1) as f64
}

/// The long form: `CONVERTFLY_DOCUMENTS` names a folder, every PDF file of which is rebuilt, drawn again and compared. Without it: the report.
#[test]
fn r101_every_word_and_about_every_page_is_kept() {
    let server = server();
    let mut sources = vec![("report".to_owned(), pdf(&report()))];
    if let Ok(folder) = std::env::var("CONVERTFLY_DOCUMENTS") {
        for entry in std::fs::read_dir(folder).expect("the folder").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".pdf") {
                sources.push((name, std::fs::read(entry.path()).expect("a file")));
            }
        }
    }
    for (name, source) in sources {
        let (_, results) = convert_all(&server, &source, "a.pdf", &["docx"], &json!({}));
        let found = recall(&text(&source, "pdf"), &text(&results[0], "docx"));
        let (_, back) = convert_all(&server, &results[0], "a.docx", &["pdf"], &json!({}));
        let (before, after) = (page_count(&source) as f64, page_count(&back[0]) as f64);
        let tables = document_xml(&results[0]).matches("<w:tbl>").count();
        println!("{name}: recall {found:.4}, {before} pages, {after} drawn again, {tables} tables");
        assert!(found >= 0.97, "{name}: {found}");
        assert!((after - before).abs() <= 0.25 * before, "{name}: {before} pages became {after}");
        assert!(tables > 0 || !(name.starts_with("table") || name.starts_with("senate")), "{name} is a table");
    }
}
