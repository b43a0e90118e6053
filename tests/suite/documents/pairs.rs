//! Every pair of the reference's three rows, from files that are made here; each result is opened by something else.

use serde_json::json;

use super::{convert_all, page_count, server, text};
use crate::support::papers::{WORDS, docx, html, odp, ods, odt, rtf, xlsx};

/// How each format begins.
fn is_of(format: &str, bytes: &[u8]) -> bool {
    match format {
        "pdf" => bytes.starts_with(b"%PDF-"),
        "rtf" => bytes.starts_with(b"{\\rtf"),
        "html" => String::from_utf8_lossy(bytes).to_ascii_lowercase().contains("<html"),
        "doc" | "xls" | "ppt" => bytes.starts_with(b"\xd0\xcf\x11\xe0"),
        "txt" | "csv" => std::str::from_utf8(bytes).is_ok(),
        _ => bytes.starts_with(b"PK\x03\x04"),
    }
}

/// Converts one source to all targets and looks for the words in each result.
fn check(source: &[u8], from: &str, targets: &[&str], credits: &[u32]) {
    let server = server();
    let (job, results) = convert_all(&server, source, &format!("a.{from}"), targets, &json!({}));
    for (index, (target, result)) in targets.iter().zip(&results).enumerate() {
        assert!(is_of(target, result), "{from} -> {target}: {:?}", &result[..result.len().min(20)]);
        let found = text(result, target);
        for word in WORDS {
            assert!(found.contains(word), "{from} -> {target}: {word} in {found:?}");
        }
        let name = &job["tasks"][format!("c{index}")]["result"]["files"][0]["filename"];
        assert_eq!(*name, json!(format!("a.{target}")), "{from} -> {target}");
    }
    assert_eq!(job["credits_used"], json!(credits.iter().sum::<u32>()), "{from}: {credits:?}");
}

/// A binary file of Office 97, made by LibreOffice itself: nothing of ours writes those.
pub(super) fn old(source: &[u8], from: &str, to: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(format!("a.{from}")), source).expect("a file");
    let profile = format!("-env:UserInstallation=file://{}/profile", folder.path().display());
    let output = std::process::Command::new("soffice")
        .args([&profile, "--headless", "--convert-to", to, "--outdir", "."])
        .arg(format!("a.{from}"))
        .current_dir(folder.path())
        .output()
        .expect("soffice runs");
    std::fs::read(folder.path().join(format!("a.{to}"))).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

const DOCUMENTS: [&str; 6] = ["pdf", "docx", "odt", "rtf", "txt", "html"];
const SHEETS: [&str; 4] = ["xlsx", "ods", "csv", "pdf"];
const SLIDES: [&str; 3] = ["pptx", "odp", "pdf"];

#[test]
fn r106_to_r111_docx_becomes_every_document() {
    check(&docx(&WORDS), "docx", &DOCUMENTS, &[2; 6]);
}

#[test]
fn r112_to_r117_doc_becomes_every_document() {
    check(&old(&rtf(&WORDS), "rtf", "doc"), "doc", &DOCUMENTS, &[2; 6]);
}

#[test]
fn r118_to_r123_odt_becomes_every_document() {
    check(&odt(&WORDS), "odt", &DOCUMENTS, &[2; 6]);
}

#[test]
fn r124_to_r129_rtf_becomes_every_document() {
    check(&rtf(&WORDS), "rtf", &DOCUMENTS, &[1, 2, 2, 1, 1, 1]);
}

#[test]
fn r130_to_r135_txt_becomes_every_document() {
    check(WORDS.join("\n").as_bytes(), "txt", &DOCUMENTS, &[1, 2, 2, 1, 1, 1]);
}

#[test]
fn r136_to_r141_html_becomes_every_document() {
    check(&html(&WORDS), "html", &DOCUMENTS, &[1, 2, 2, 1, 1, 1]);
}

#[cfg(feature = "documents")]
#[test]
fn a40_md_becomes_documents() {
    let source = format!("# {}\n\n| a | b |\n|---|---|\n| {} | {} |\n", WORDS[0], WORDS[1], WORDS[2]);
    check(source.as_bytes(), "md", &["html", "pdf", "docx", "txt"], &[1, 1, 2, 1]);
}

#[test]
fn r142_to_r145_xlsx_becomes_every_sheet() {
    check(&xlsx(&[&WORDS[..2], &WORDS[2..]]), "xlsx", &SHEETS, &[2; 4]);
}

#[test]
fn r146_to_r149_xls_becomes_every_sheet() {
    check(&old(&ods(&[&WORDS]), "ods", "xls"), "xls", &SHEETS, &[2; 4]);
}

#[test]
fn r150_to_r153_ods_becomes_every_sheet() {
    check(&ods(&[&WORDS[..1], &WORDS[1..]]), "ods", &SHEETS, &[2; 4]);
}

#[test]
fn r154_to_r157_csv_becomes_every_sheet() {
    check(WORDS.join(",").as_bytes(), "csv", &SHEETS, &[2, 2, 1, 1]);
}

#[test]
fn cells_of_csv_stay_text_and_no_formula_runs() {
    let server = server();
    let source = "code;value;long\n007;=1+1;12345678901234567890\n1,5;@SUM(1);2024-02-30\n";
    let (_, results) = convert_all(&server, source.as_bytes(), "a.csv", &["csv"], &json!({}));
    let expected = "code,value,long\n007,=1+1,12345678901234567890\n\"1,5\",@SUM(1),2024-02-30\n";
    assert_eq!(text(&results[0], "csv"), expected, "every cell as it was");
    let (_, results) =
        convert_all(&server, b"a,b\n007,1.50\n", "a.csv", &["csv"], &json!({ "detect_numbers": true, "delimiter": "comma" }));
    assert!(text(&results[0], "csv").contains("7,1.5"), "numbers where they are asked for");
}

#[test]
fn r158_to_r163_pptx_and_ppt_become_every_presentation() {
    let server = server();
    // LibreOffice writes what no few lines can: a presentation with its masters and layouts.
    let (_, results) = convert_all(&server, &odp(&WORDS), "a.odp", &["pptx"], &json!({}));
    check(&results[0], "pptx", &SLIDES, &[2; 3]);
    check(&old(&results[0], "pptx", "ppt"), "ppt", &SLIDES, &[2; 3]);
}

#[test]
fn r164_to_r166_odp_becomes_every_presentation() {
    check(&odp(&WORDS), "odp", &SLIDES, &[2; 3]);
    let (_, results) = convert_all(&server(), &odp(&WORDS), "a.odp", &["pdf"], &json!({}));
    assert_eq!(page_count(&results[0]), 3, "a page a slide");
}

#[test]
fn text_in_any_encoding_is_read() {
    let server = server();
    let latin = b"Stra\xdfe und gr\xfcne \xc4pfel f\xfcr alle, sch\xf6n und gut";
    let (_, results) = convert_all(&server, latin, "a.txt", &["txt", "docx"], &json!({}));
    for (result, format) in results.iter().zip(["txt", "docx"]) {
        assert!(text(result, format).contains("Straße und grüne Äpfel"), "{format}");
    }
}
