//! T4: documents that refer to what lies outside of them. Nobody is asked, and nothing of this machine is in a result.

use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{server, text};
use crate::support::papers::{docx_of, html, open_document, rtf};
use crate::support::pictures;

/// What a result must not hold.
const SECRET: &str = "Canaryword";

/// Something on this machine that counts who connects.
struct Canary {
    url: String,
    hits: Arc<AtomicUsize>,
}

impl Canary {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let hits = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&hits);
        std::thread::spawn(move || {
            for _ in listener.incoming() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { url, hits }
    }
}

/// An external relation of a Word document.
fn relation(kind: &str, target: &str) -> String {
    let space = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    format!("<Relationship Id=\"x1\" Type=\"{space}/{kind}\" Target=\"{target}\" TargetMode=\"External\"/>")
}

fn field(instruction: &str) -> String {
    format!("<w:p><w:fldSimple w:instr=\"{instruction}\"><w:r><w:t>Plainword</w:t></w:r></w:fldSimple></w:p>")
}

const PICTURE: &str = "<w:p><w:r><w:drawing><wp:inline><wp:extent cx=\"900000\" cy=\"900000\"/><wp:docPr id=\"1\" name=\"p\"/><a:graphic>\
    <a:graphicData uri=\"http://schemas.openxmlformats.org/drawingml/2006/picture\"><pic:pic><pic:nvPicPr><pic:cNvPr id=\"1\" name=\"p\"/>\
    <pic:cNvPicPr/></pic:nvPicPr><pic:blipFill><a:blip r:link=\"x1\"/><a:stretch><a:fillRect/></a:stretch></pic:blipFill><pic:spPr>\
    <a:xfrm><a:off x=\"0\" y=\"0\"/><a:ext cx=\"900000\" cy=\"900000\"/></a:xfrm><a:prstGeom prst=\"rect\"><a:avLst/></a:prstGeom>\
    </pic:spPr></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>";

/// Documents that refer to a picture at `picture` and to a text at `page`.
fn documents(picture: &str, page: &str) -> Vec<(&'static str, Vec<u8>)> {
    let html_of = |body: String| ("html", html(&[&body, "Plainword"]));
    let frame = |inner: String| format!("<draw:frame svg:width=\"5cm\" svg:height=\"5cm\">{inner}</draw:frame>");
    let linked =
        |place: &str| format!("xlink:href=\"{place}\" xlink:type=\"simple\" xlink:show=\"embed\" xlink:actuate=\"onLoad\"");
    let odt = |body: String| ("odt", open_document("text", &format!("{body}<text:p>Plainword</text:p>")));
    let cell = |formula: String| {
        format!(
            "<table:table-cell table:formula=\"{formula}\" office:value-type=\"string\"><text:p>x</text:p></table:table-cell>"
        )
    };
    let sheet = |inner: String| format!("<table:table table:name=\"One\">{inner}</table:table>");
    vec![
        html_of(format!("<img src='{picture}'>")),
        html_of(format!("<link rel=stylesheet href='{page}'>")),
        html_of(format!("<style>@import url({page}); body {{ background: url({picture}) }}</style>")),
        html_of(format!("<iframe src='{page}'></iframe>")),
        html_of(format!("<object data='{page}'></object><embed src='{picture}'>")),
        html_of(format!("<script>document.write('{SECRET}'); new Image().src='{picture}'</script>")),
        html_of(format!("<meta http-equiv=refresh content='0;url={page}'>")),
        html_of(format!("<base href='{page}/'><img src=a.png><video src='{picture}' poster='{picture}'></video>")),
        html_of(format!("<style>@font-face {{ font-family: f; src: url({picture}) }} p {{ font-family: f }}</style>")),
        html_of(format!(
            "<svg xmlns='http://www.w3.org/2000/svg'><image href='{picture}' width=9 height=9 /><use href='{page}#a'/></svg>"
        )),
        ("md", format!("Plainword ![]({picture})\n\n<iframe src='{page}'></iframe>\n").into_bytes()),
        ("docx", docx_of(PICTURE, &relation("image", picture))),
        ("docx", docx_of(&field(&format!("INCLUDEPICTURE &quot;{picture}&quot; \\d")), "")),
        ("docx", docx_of(&field(&format!("INCLUDETEXT &quot;{page}&quot;")), "")),
        ("docx", docx_of("<w:altChunk r:id=\"x1\"/><w:p/>", &relation("aFChunk", page))),
        ("docx", docx_of("<w:subDoc r:id=\"x1\"/><w:p/>", &relation("subDocument", page))),
        ("docx", docx_of("<w:p/>", &relation("attachedTemplate", page))),
        odt(format!("<text:p>{}</text:p>", frame(format!("<draw:image {}/>", linked(picture))))),
        odt(format!("<text:p>{}</text:p>", frame(format!("<draw:floating-frame {}/>", linked(page))))),
        odt(format!("<text:p>{}</text:p>", frame(format!("<draw:object {}/>", linked(page))))),
        odt(format!("<text:p>{}</text:p>", frame(format!("<draw:plugin {}/>", linked(picture))))),
        odt(format!("<text:section text:name=\"s\"><text:section-source {}/><text:p/></text:section>", linked(page))),
        ("rtf", rtf(&[&format!("{{\\field{{\\*\\fldinst INCLUDEPICTURE \"{picture}\" \\\\d}}{{\\fldrslt}}}}"), "Plainword"])),
        ("rtf", rtf(&[&format!("{{\\field{{\\*\\fldinst INCLUDETEXT \"{page}\"}}{{\\fldrslt}}}}"), "Plainword"])),
        ("rtf", rtf(&[&format!("{{\\*\\template {page}}}"), "Plainword"])),
        (
            "ods",
            open_document(
                "spreadsheet",
                &sheet(format!("<table:table-row>{}</table:table-row>", cell(format!("of:=WEBSERVICE(&quot;{page}&quot;)")))),
            ),
        ),
        (
            "ods",
            open_document(
                "spreadsheet",
                &sheet(format!("<table:table-row>{}</table:table-row>", cell(format!("of:=['{page}'#$One.A1]")))),
            ),
        ),
        (
            "ods",
            open_document("spreadsheet", &sheet(format!("<table:table-source {} table:filter-name=\"calc8\"/>", linked(page)))),
        ),
        ("csv", format!("\"=WEBSERVICE(\"\"{page}\"\")\",=HYPERLINK(\"{page}\"),Plainword\n").into_bytes()),
        (
            "odp",
            open_document(
                "presentation",
                &format!("<draw:page>{}</draw:page>", frame(format!("<draw:image {}/>", linked(picture)))),
            ),
        ),
        (
            "odp",
            open_document(
                "presentation",
                &format!("<draw:page>{}</draw:page>", frame(format!("<draw:plugin {}/>", linked(picture)))),
            ),
        ),
    ]
}

/// Pictures in a PDF file, by pdfimages.
fn pictures_in(pdf: &[u8]) -> usize {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file.pdf");
    std::fs::write(&path, pdf).expect("a file");
    let output = Command::new("pdfimages").arg("-list").arg(&path).output().expect("pdfimages runs");
    // Two lines of headings. A placeholder is drawn for what is missing, but it is small.
    let rows = String::from_utf8_lossy(&output.stdout).lines().skip(2).map(str::to_owned).collect::<Vec<_>>();
    rows.iter().filter(|row| row.split_whitespace().nth(3) == Some("211")).count()
}

#[test]
fn nothing_outside_of_a_document_is_reached() {
    let server = server();
    let canary = Canary::start();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let secret = folder.path().join("secret.txt");
    std::fs::write(&secret, SECRET).expect("a file");
    let picture = folder.path().join("secret.png");
    // A width that no other picture has.
    std::fs::write(&picture, pictures::png(211, 97, 3)).expect("a picture");
    let local = |path: &std::path::Path| format!("file://{}", path.display());
    let mut all = documents(&format!("{}/a.png", canary.url), &format!("{}/a.html", canary.url));
    all.extend(documents(&local(&picture), &local(&secret)));
    // Without that feature nothing reads Markdown.
    all.retain(|(format, _)| cfg!(feature = "documents") || *format != "md");
    assert!(all.len() >= 60, "thirty documents, each with what is remote and what is local: {}", all.len());
    for batch in all.chunks(20) {
        let mut tasks = json!({});
        for (index, (format, file)) in batch.iter().enumerate() {
            tasks[format!("i{index}")] =
                json!({ "operation": "import/base64", "file": STANDARD.encode(file), "filename": format!("a.{format}") });
            tasks[format!("c{index}")] = json!({ "operation": "convert", "input": format!("i{index}"), "output_format": "pdf" });
            tasks[format!("e{index}")] = json!({ "operation": "export/url", "input": format!("c{index}") });
        }
        let job = server.run(&json!({ "tasks": tasks }));
        for (index, (format, file)) in batch.iter().enumerate() {
            let url = job["tasks"][format!("e{index}")]["result"]["url"].as_str();
            let url = url.unwrap_or_else(|| {
                panic!("{format}: {}: {:#}", String::from_utf8_lossy(file), job["tasks"][format!("c{index}")])
            });
            let pdf = server.send("GET", url, None, None, &[]).bytes;
            let (found, shown) = (text(&pdf, "pdf"), pictures_in(&pdf));
            assert!(
                !found.contains(SECRET) && shown == 0,
                "{format}: {found:?}, {shown} pictures of {}",
                String::from_utf8_lossy(file)
            );
        }
    }
    // What would come late.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(canary.hits.load(Ordering::SeqCst), 0, "nobody called");
    let address = canary.url.trim_start_matches("http://").to_owned();
    TcpStream::connect(address).expect("it listens");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(canary.hits.load(Ordering::SeqCst), 1, "and it would have noticed");
}

#[test]
fn the_canary_picture_would_be_seen() {
    let server = server();
    let embedded = format!("<img src='data:image/png;base64,{}'>", STANDARD.encode(pictures::png(211, 97, 3)));
    let job = server.convert(&html(&[&embedded]), "a.html", "pdf", &json!({}));
    assert_eq!(pictures_in(&server.download(&job).bytes), 1, "a picture of that width is found where there is one: {job:#}");
}
