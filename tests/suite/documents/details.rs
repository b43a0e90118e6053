//! What documents bring along and what is told of them: sheets, lines in the margins, fonts, properties.

use serde_json::json;

use super::pairs::old;
use super::{convert_all, page_count, server, text};
use crate::support::papers::{archive, docx_of, html, open_document};

/// Three sheets with a word each.
fn workbook() -> Vec<u8> {
    let sheet = |name: &str, word: &str| {
        format!(
            "<table:table table:name=\"{name}\"><table:table-row><table:table-cell office:value-type=\"string\"><text:p>{word}</text:p>\
             </table:table-cell></table:table-row></table:table>"
        )
    };
    open_document(
        "spreadsheet",
        &[("Jänner &amp; März", "Alphaword"), ("Two", "Betaword"), ("Three", "Gamma")]
            .map(|(name, word)| sheet(name, word))
            .concat(),
    )
}

#[test]
fn every_sheet_becomes_a_csv_file_of_its_own() {
    let server = server();
    let job = server.convert(&workbook(), "a.ods", "csv", &json!({}));
    let files = job["tasks"]["convert"]["result"]["files"].as_array().unwrap_or_else(|| panic!("files: {job:#}"));
    let names: Vec<_> = files.iter().map(|file| file["filename"].as_str().expect("a name")).collect();
    assert_eq!(names, ["a-Jänner & März.csv", "a-Two.csv", "a-Three.csv"], "in their order, by their names");
    assert_eq!(job["credits_used"], json!(2), "one conversion: {job:#}");
    let export = &job["tasks"]["export"]["result"]["files"];
    for (index, word) in ["Alphaword\n", "Betaword\n", "Gamma\n"].iter().enumerate() {
        let url = export[index]["url"].as_str().unwrap_or_else(|| panic!("a link: {export:#}"));
        let found = String::from_utf8(server.send("GET", url, None, None, &[]).bytes).expect("UTF-8");
        assert_eq!(found, *word, "sheet {index} alone");
    }
    let (_, results) = convert_all(&server, &workbook(), "a.ods", &["csv"], &json!({ "sheet": 2 }));
    assert_eq!(text(&results[0], "csv"), "Betaword\n", "the one that is asked for");
}

#[test]
fn html_has_lines_in_its_margins_where_they_are_asked_for() {
    let server = server();
    let source = html(&["Alphaword", "<div style='break-before: page'>Betaword</div>"]);
    let options = json!({ "header": "<i>Report & more</i>", "footer": "Page {page} of {pages}" });
    let (_, results) = convert_all(&server, &source, "a.html", &["pdf"], &options);
    let found = text(&results[0], "pdf");
    assert_eq!(page_count(&results[0]), 2, "{found}");
    for line in ["Page 1 of 2", "Page 2 of 2", "<i>Report & more</i>", "Betaword"] {
        assert!(found.contains(line), "{line} in {found}");
    }
    let (_, results) = convert_all(&server, &source, "a.html", &["pdf"], &json!({ "footer": "{page}" }));
    assert!(!text(&results[0], "pdf").contains("doc.invalid"), "a margin of which nothing is said is empty");
}

#[test]
fn html_comes_with_the_files_that_it_refers_to() {
    use base64::Engine;
    let server = server();
    let import = |name: &str, bytes: &[u8]| json!({ "operation": "import/base64", "file": base64::engine::general_purpose::STANDARD.encode(bytes), "filename": name });
    let page = "<!DOCTYPE html><link rel='stylesheet' href='css/my%20style.css'><p class='hidden'>Alphaword</p><p>Betaword</p>\
                <img src='pictures/a.png'><img src='../b.png'><img src='http://127.0.0.1:9/c.png'>";
    let job = |options: serde_json::Value| {
        server.run(&json!({ "tasks": {
            "page": import("page.html", page.as_bytes()),
            "style": import("my style.css", b".hidden { display: none } p::after { content: 'Gammaword'; background: url(a.png) }"),
            "picture": import("a.png", &crate::support::pictures::png(30, 20, 7)),
            "convert": { "operation": "convert", "input": ["style", "page", "picture"], "output_format": "pdf", "options": options },
            "export": { "operation": "export/url", "input": "convert" },
        } }))
    };
    let made = job(json!({ "assets": true }));
    assert_eq!((&made["status"], &made["credits_used"]), (&json!("FINISHED"), &json!(1)), "one document: {made:#}");
    let files = &made["tasks"]["convert"]["result"]["files"];
    assert_eq!((files.as_array().map(Vec::len), &files[0]["filename"]), (Some(1), &json!("page.pdf")), "{files}");
    let pdf = server.download(&made).bytes;
    let found = text(&pdf, "pdf");
    assert!(found.contains("Gammaword") && !found.contains("Alphaword"), "the style is heeded: {found}");
    let warnings = made["tasks"]["convert"]["result"]["warnings"].to_string();
    assert!(warnings.contains("2 other files"), "what did not come along is left out: {warnings}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.pdf");
    std::fs::write(&path, &pdf).expect("a file");
    let listed = std::process::Command::new("pdfimages").arg("-list").arg(&path).output().expect("pdfimages runs");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.lines().any(|line| line.split_whitespace().nth(3) == Some("30")), "the picture is in it: {listed}");
    // Without a word each input is a document of its own.
    assert_ne!(job(json!({}))["status"], "FINISHED", "a style is none");
}

#[test]
fn html_comes_as_a_zip_archive_with_its_files() {
    use base64::Engine;
    let server = server();
    let page = "<!DOCTYPE html><link rel='stylesheet' href='css/a.css'><p class='hidden'>Alphaword</p><p>Betaword</p>\
                <img src='pictures/a.svg'><img src='http://127.0.0.1:9/c.png'>";
    let picture = "<svg xmlns='http://www.w3.org/2000/svg' width='99' height='99'><text y='50'>Deltaword</text></svg>";
    let style = ".hidden { display: none } p::after { content: 'Gammaword' }";
    let convert = |parts: &[(&str, &str)], to: &str| {
        let file = base64::engine::general_purpose::STANDARD.encode(archive(parts));
        server.run(&json!({ "tasks": {
            "site": { "operation": "import/base64", "file": file, "filename": "site.zip" },
            "convert": { "operation": "convert", "input": "site", "output_format": to, "options": { "assets": true } },
            "export": { "operation": "export/url", "input": "convert" },
        } }))
    };
    let site = [
        ("site/css/a.css", style),
        ("site/index.html", page),
        ("site/old/a.css", "p { display: none }"),
        ("site/pictures/a.svg", picture),
        ("site/other.html", "Epsilonword"),
    ];
    let made = convert(&site, "pdf");
    assert_eq!((&made["status"], &made["credits_used"]), (&json!("FINISHED"), &json!(1)), "one document: {made:#}");
    assert_eq!(made["tasks"]["convert"]["result"]["files"][0]["filename"], json!("site.pdf"), "{made:#}");
    let found = text(&server.download(&made).bytes, "pdf");
    assert!(found.contains("Gammaword") && found.contains("Deltaword") && !found.contains("Alphaword"), "{found}");
    assert!(!found.contains("Epsilonword"), "no other document: {found}");
    let zeros = "0".repeat(20 << 20);
    type Parts<'p> = &'p [(&'p str, &'p str)];
    let refused: [(Parts<'_>, &str, &str); 4] = [
        (&[("a.html", page), ("b.html", page)], "INVALID_DATA", "index.html"),
        (&[("index.html", page), ("../../a.css", style)], "INVALID_DATA", "leads out"),
        (&[("index.html", page), ("a.css", &zeros)], "PAYLOAD_TOO_LARGE", "unpacks to more"),
        (&[("a.css", style)], "INVALID_DATA", "0 html"),
    ];
    for (parts, code, reason) in refused {
        let job = convert(parts, "pdf");
        let error = &job["tasks"]["convert"]["error"];
        assert_eq!(error["code"], json!(code), "{reason}: {job:#}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(reason)), "{reason}: {error}");
    }
}

#[test]
fn fonts_that_are_not_here_are_named() {
    let server = server();
    let run = |font: &str| {
        format!("<w:p><w:r><w:rPr><w:rFonts w:ascii=\"{font}\" w:hAnsi=\"{font}\"/></w:rPr><w:t>Alphaword</w:t></w:r></w:p>")
    };
    let source = docx_of(&[run("Nowhere Grotesk"), run("Arial"), run("Liberation Serif")].concat(), "");
    let job = server.convert(&source, "a.docx", "pdf", &json!({}));
    let warnings = job["tasks"]["convert"]["result"]["warnings"].to_string();
    assert!(warnings.contains("Nowhere Grotesk"), "{job:#}");
    assert!(!warnings.contains("Arial") && !warnings.contains("Liberation"), "a twin, and one that is here: {warnings}");
    let job = server.convert(&source, "a.docx", "odt", &json!({}));
    assert!(!job.to_string().contains("Nowhere"), "where nothing is drawn nothing is replaced: {job:#}");
}

#[cfg(feature = "documents")]
#[test]
fn properties_of_old_documents_are_told() {
    use base64::Engine;
    let source = old(br"{\rtf1\ansi{\info{\title Gr\u252\'fc\u223\'dfe}{\author Ann}} Alphaword\par }", "rtf", "doc");
    let job = server().run(&json!({ "tasks": {
        "in": { "operation": "import/base64", "file": base64::engine::general_purpose::STANDARD.encode(source), "filename": "a.doc" },
        "facts": { "operation": "metadata", "input": "in" },
    } }));
    let told = &job["tasks"]["facts"]["result"]["metadata"];
    assert_eq!((&told["format"], &told["title"], &told["author"]), (&json!("doc"), &json!("Grüße"), &json!("Ann")), "{job:#}");
}
