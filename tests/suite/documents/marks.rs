//! Watermarks on PDF files, smaller PDF files, and what is known about office documents.

use serde_json::{Value, json};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{convert_all, page_count, server, text};
use crate::mutated::Random;
use crate::support::papers::{WORDS, archive, docx, open_document, pdf_page, pdf_stream};
use crate::support::pictures;

fn import(file: &[u8], name: &str) -> Value {
    json!({ "operation": "import/base64", "file": STANDARD.encode(file), "filename": name })
}

/// Runs one operation on a file; the job, and the bytes of the result.
fn perform(file: &[u8], name: &str, operation: &Value, more: &Value) -> (Value, Vec<u8>) {
    let server = server();
    let mut operation = operation.clone();
    operation["input"] = json!("in");
    let mut tasks = json!({ "in": import(file, name), "do": operation, "out": { "operation": "export/url", "input": "do" } });
    if let (Some(tasks), Some(more)) = (tasks.as_object_mut(), more.as_object()) {
        tasks.extend(more.clone());
    }
    let job = server.run(&json!({ "tasks": tasks }));
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    let url = job["tasks"]["out"]["result"]["url"].as_str().expect("a link").to_owned();
    let bytes = server.send("GET", &url, None, None, &[]).bytes;
    (job, bytes)
}

fn pdf() -> Vec<u8> {
    let (_, mut results) = convert_all(&server(), &docx(&WORDS), "a.docx", &["pdf"], &json!({}));
    results.remove(0)
}

#[test]
fn a_watermark_is_put_on_the_pages_of_a_pdf_file() {
    let source = pdf();
    let mark = json!({ "operation": "watermark", "text": "DRAFT 草", "pages": "1-2", "opacity": 40, "rotation": -30 });
    let (job, marked) = perform(&source, "a.pdf", &mark, &json!({}));
    assert_eq!(job["tasks"]["do"]["explain"]["marked"], json!(2), "{job:#}");
    assert_eq!(page_count(&marked), 3);
    assert!(WORDS.iter().all(|word| text(&marked, "pdf").contains(word)), "the text is still text");
    let mark = json!({ "operation": "watermark", "image": "logo", "scale": 20, "layer": "below" });
    let (job, marked) = perform(&source, "a.pdf", &mark, &json!({ "logo": import(&pictures::png(30, 20, 8), "logo.png") }));
    assert_eq!(
        (job["tasks"]["do"]["explain"]["marked"].clone(), page_count(&marked)),
        (json!(3), 3),
        "a picture on each: {job:#}"
    );
}

/// How many pixels of the first page are dark, and how many the smallest frame around them has, by pdftoppm.
fn dark(pdf: &[u8]) -> (usize, usize) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), pdf).expect("its bytes");
    let drawn = std::process::Command::new("pdftoppm").args(["-gray", "-r", "36", "-l", "1"]).arg(file.path()).output();
    let drawn = drawn.expect("pdftoppm runs").stdout;
    // P5, width and height, 255: a line each.
    let mut lines = drawn.splitn(4, |byte| *byte == b'\n').skip(1);
    let size = String::from_utf8_lossy(lines.next().expect("a size")).into_owned();
    let width: usize = size.split(' ').next().and_then(|width| width.parse().ok()).expect("a width");
    let pixels = lines.nth(1).expect("pixels");
    let places: Vec<_> = (0..pixels.len()).filter(|at| pixels[*at] < 128).map(|at| (at % width, at / width)).collect();
    let extent = |of: fn(&(usize, usize)) -> usize| {
        let (from, to) = (places.iter().map(of).min().unwrap_or(0), places.iter().map(of).max().unwrap_or(0));
        to + 1 - from
    };
    (places.len(), extent(|place| place.0) * extent(|place| place.1))
}

#[test]
fn a_watermark_leaves_the_page_around_its_letters() {
    let mark = json!({ "operation": "watermark", "text": "DRAFT", "font_size": 80, "font_color": "#000000", "opacity": 100, "rotation": 0 });
    let (_, marked) = perform(&pdf_page("", "", &[]), "a.pdf", &mark, &json!({}));
    let (dark, frame) = dark(&marked);
    assert!(dark > 200 && dark * 3 < frame * 2, "letters, and no box: {dark} of {frame}");
}

#[test]
fn what_nothing_refers_to_leaves_a_pdf_file_that_is_made_smaller() {
    let mut random = Random(7);
    let waste: String = (0..40_000).map(|_| char::from(b'a' + random.below(16) as u8)).collect();
    let source = pdf_page("0 0 100 100 re f", "", &[&pdf_stream("", &waste)]);
    let (_, smaller) = perform(&source, "a.pdf", &json!({ "operation": "optimize" }), &json!({}));
    assert_eq!(page_count(&smaller), 1, "the page is there");
    assert!(smaller.len() < 10_000, "and nothing else: {}", smaller.len());
}

#[test]
fn office_documents_say_what_is_known_of_them() {
    let core = "<cp:coreProperties xmlns:cp=\"c\" xmlns:dc=\"d\"><dc:title>A title</dc:title><dc:creator>Ann</dc:creator></cp:coreProperties>";
    let document = "<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body/></w:document>";
    let types = "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Override PartName=\"/word/document.xml\" \
         ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>";
    let file = archive(&[("[Content_Types].xml", types), ("word/document.xml", document), ("docProps/core.xml", core)]);
    let (job, told) = perform(&file, "a.docx", &json!({ "operation": "metadata" }), &json!({}));
    let facts: Value = serde_json::from_slice(&told).expect("JSON");
    for (name, value) in
        [("format", json!("docx")), ("title", json!("A title")), ("author", json!("Ann")), ("macros", json!(false))]
    {
        assert_eq!(facts[name], value, "{name}: {facts:#}");
    }
    assert_eq!(job["tasks"]["do"]["result"]["metadata"]["title"], json!("A title"), "{job:#}");
    let (_, told) =
        perform(&open_document("text", "<text:p>a</text:p>"), "a.odt", &json!({ "operation": "metadata" }), &json!({}));
    assert_eq!(serde_json::from_slice::<Value>(&told).expect("JSON")["format"], json!("odt"));
}
