//! Pages: counted, chosen, drawn, merged.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::faults::{CHILD, parent_of, processes};
use super::{convert_all, page_count, server, text};
use crate::support::papers::{WORDS, docx, docx_of, html, xlsx};
use crate::support::pictures;
use crate::support::server::Server;

/// A PDF file of three pages that say a word each.
fn three_pages() -> Vec<u8> {
    let (_, mut results) = convert_all(&server(), &docx(&WORDS), "a.docx", &["pdf"], &json!({}));
    assert_eq!(page_count(&results[0]), 3, "three pages");
    results.remove(0)
}

fn files(job: &Value) -> Vec<Value> {
    job["tasks"]["c0"]["result"]["files"].as_array().expect("files").clone()
}

#[test]
fn r282_a22_a42_every_page_becomes_a_picture() {
    let server = server();
    let (job, results) = convert_all(&server, &three_pages(), "a.pdf", &["png"], &json!({ "density": 72 }));
    let files = files(&job);
    assert_eq!(job["credits_used"], json!(1), "one credit for one file, however many pages");
    let names: Vec<_> = files.iter().map(|file| file["filename"].as_str().expect("a name")).collect();
    assert_eq!(names, ["a-1.png", "a-2.png", "a-3.png"], "{job:#}");
    for (number, file) in (1..).zip(&files) {
        assert_eq!(file["page"], json!(number), "{file}");
        // US Letter is 612 points wide, A4 595.
        assert!([612, 595].contains(&file["width"].as_i64().expect("a width")), "a pixel a point: {file}");
    }
    assert!(results[0].starts_with(b"PK"), "several files come as one zip");
}

#[test]
fn r285_a53_pages_are_chosen() {
    let server = server();
    let pdf = three_pages();
    let (job, _) = convert_all(&server, &pdf, "a.pdf", &["jpg"], &json!({ "pages": "3,1", "density": 40 }));
    let pages: Vec<_> = files(&job).iter().map(|file| file["page"].clone()).collect();
    assert_eq!(pages, [json!(3), json!(1)], "in that order");
    let (_, results) = convert_all(&server, &pdf, "a.pdf", &["pdf", "txt"], &json!({ "pages": "2-" }));
    assert_eq!(page_count(&results[0]), 2, "the last two");
    for (result, format) in results.iter().zip(["pdf", "txt"]) {
        let text = text(result, format);
        assert!(!text.contains(WORDS[0]) && text.contains(WORDS[1]) && text.contains(WORDS[2]), "{format}: {text}");
    }
    let (_, results) = convert_all(&server, &docx(&WORDS), "a.docx", &["pdf"], &json!({ "pages": "2" }));
    assert_eq!((page_count(&results[0]), text(&results[0], "pdf").contains(WORDS[1])), (1, true), "of a Word document");
    let job = server.convert(&pdf, "a.pdf", "png", &json!({ "pages": "2-9" }));
    assert_eq!((&job["status"], &job["tasks"]["convert"]["error"]["code"]), (&json!("ERROR"), &json!("INVALID_DATA")), "{job:#}");
    assert!(job.to_string().contains("the document has 3"), "{job:#}");
    let body = json!({ "tasks": {
        "in": { "operation": "import/upload", "filename": "a.pdf" },
        "c": { "operation": "convert", "input": "in", "output_format": "png", "options": { "pages": "3-1" } },
    } });
    let answer = server.call("POST", "/jobs", Some(&body));
    assert_eq!((answer.status, &answer.json()["details"]["field"]), (400, &json!("pages")), "{}", answer.json());
}

/// A sheet of many pages, more than one beside the other, with a link where one is wanted.
fn long_sheet(link: bool) -> Vec<u8> {
    // Numbers without a pattern, so that the file is not too small to be shared.
    let number = |row: usize, column: usize| (row * 12 + column + 1) as u64 * 2_654_435_761 % 9_999_991;
    let cells = |row: usize| (0..12).map(|column| format!("Cell{}", number(row, column))).collect::<Vec<_>>();
    let mut rows: Vec<Vec<String>> = (0..4_000).map(cells).collect();
    if link {
        rows[3_999][0] = "HYPERLINK(elsewhere)".to_owned();
    }
    let rows: Vec<Vec<&str>> = rows.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
    xlsx(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

#[test]
fn a_long_sheet_is_written_by_two_processes_as_by_one() {
    let explained = |job: &Value| job["tasks"]["c0"]["explain"].to_string();
    let [shared, alone] = ["2", "1"].map(|slots| Server::start_with(&[("CONVERTFLY_OFFICE_SLOTS", slots)]));
    let told = |server: &Server, file: &[u8], options: &Value| {
        let (job, results) = convert_all(server, file, "a.xlsx", &["pdf"], options);
        let path = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(path.path(), &results[0]).expect("its bytes");
        let said =
            std::process::Command::new("pdftotext").args(["-layout"]).arg(path.path()).arg("-").output().expect("pdftotext");
        (explained(&job).contains("halves"), page_count(&results[0]), String::from_utf8_lossy(&said.stdout).into_owned())
    };
    let (plain, linked) = (long_sheet(false), long_sheet(true));
    assert!(plain.len() > 128 << 10, "it is large: {}", plain.len());
    let (two, one) = (told(&shared, &plain, &json!({})), told(&alone, &plain, &json!({})));
    assert!(two.0 && !one.0, "two processes where two are free");
    assert!(one.1 > 64, "it is long: {}", one.1);
    assert_eq!(two.1, one.1, "as many pages");
    assert!(two.2 == one.2, "page by page the same text");
    assert!(!told(&shared, &linked, &json!({})).0, "links between pages would be lost");
    let some = told(&shared, &plain, &json!({ "pages": "9,2" }));
    let page = |number: usize| one.2.split('\u{c}').nth(number - 1).unwrap_or_default();
    assert_eq!((some.1, some.2), (2, format!("{}\u{c}{}\u{c}", page(9), page(2))), "pages are chosen from the whole");
}

/// A text of many pages with headings on several levels, and a link to one of them where it is wanted.
fn long_text(link: bool) -> Vec<u8> {
    let word = |number: u64| format!("word{}", number.wrapping_mul(2_654_435_761) % 9_999_991);
    let prose = |from: u64| (from..from + 80).map(word).collect::<Vec<_>>().join(" ");
    let chapter = |number: u64| {
        let level = [0, 1, 2, 2, 1, 0, 3][(number % 7) as usize];
        let paragraphs = (0..12).map(|part| format!("<w:p><w:r><w:t>{}</w:t></w:r></w:p>", prose(number * 1_000 + part * 80)));
        let heading = format!("<w:p><w:pPr><w:outlineLvl w:val=\"{level}\"/></w:pPr><w:r><w:t>Part {number}</w:t></w:r></w:p>");
        heading + &paragraphs.collect::<String>()
    };
    let mut body: String = (0..80).map(chapter).collect();
    if link {
        body.push_str("<w:p><w:hyperlink w:anchor=\"there\"><w:r><w:t>there</w:t></w:r></w:hyperlink></w:p>");
    }
    docx_of(&body, "")
}

#[test]
fn a_long_text_is_written_by_two_processes_as_by_one() {
    let [shared, alone] = ["2", "1"].map(|slots| Server::start_with(&[("CONVERTFLY_OFFICE_SLOTS", slots)]));
    let told = |server: &Server, file: &[u8]| {
        let (job, results) = convert_all(server, file, "a.docx", &["pdf"], &json!({}));
        let path = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(path.path(), &results[0]).expect("its bytes");
        let name = path.path().to_str().expect("a name");
        let said = |program: &str, arguments: &[&str]| {
            let said = std::process::Command::new(program).args(arguments).output().expect("it runs");
            String::from_utf8_lossy(&said.stdout).into_owned()
        };
        let (text, all) = (said("pdftotext", &["-layout", name, "-"]), said("pdftohtml", &["-xml", "-i", "-stdout", name]));
        let bookmarks = all.lines().filter(|line| line.contains("outline>") || line.contains("<item")).map(str::to_owned);
        let halves = job["tasks"]["c0"]["explain"].to_string().contains("halves");
        (halves, page_count(&results[0]), text, bookmarks.collect::<Vec<_>>())
    };
    let (plain, linked) = (long_text(false), long_text(true));
    let (two, one) = (told(&shared, &plain), told(&alone, &plain));
    assert!(two.0 && !one.0, "two processes where two are free");
    assert!(one.1 > 64, "it is long: {}", one.1);
    assert_eq!(two.1, one.1, "as many pages");
    assert!(two.2 == one.2, "page by page the same text");
    assert_eq!(one.3.iter().filter(|line| line.contains("<item")).count(), 80, "every heading: {:?}", one.3);
    assert_eq!(two.3, one.3, "the same tree of bookmarks, with their pages");
    assert!(!told(&shared, &linked).0, "links between pages would be lost");
}

/// Converts, and sends `signal` to the second process of LibreOffice as soon as it is there.
fn convert_without_twin(server: &Server, file: &[u8], signal: Signal) -> (Value, Vec<Vec<u8>>) {
    let number = |pid: &Pid| pid.as_raw_pid().cast_unsigned();
    std::thread::scope(|scope| {
        let converted = scope.spawn(|| convert_all(server, file, "a.docx", &["pdf"], &json!({})));
        while !converted.is_finished() {
            let offices = processes(server, CHILD);
            let is_twin = |pid: &&Pid| offices.iter().any(|other| Some(number(other)) == parent_of(number(pid)));
            if let Some(twin) = offices.iter().find(is_twin) {
                // It may have ended meanwhile.
                let _ = kill_process(*twin, signal);
            }
        }
        converted.join().expect("it is converted")
    })
}

#[test]
fn a_share_that_is_not_written_costs_no_page() {
    let server = Server::start_with(&[("CONVERTFLY_OFFICE_SLOTS", "2")]);
    let file = long_text(false);
    let by_two = |job: &Value| job["tasks"]["c0"]["explain"].to_string().contains("halves");
    for signal in [Signal::KILL, Signal::STOP] {
        // On a busy machine the twin may be done before it is met.
        let met = (0..20).any(|_| {
            let (job, results) = convert_without_twin(&server, &file, signal);
            assert!(page_count(&results[0]) > 64, "{signal:?}: all pages");
            !by_two(&job)
        });
        assert!(met, "{signal:?}: one wrote all");
        // One that was killed takes a moment to give its memory back.
        let deadline = Instant::now() + Duration::from_secs(30);
        while processes(&server, CHILD).len() > 1 {
            assert!(Instant::now() < deadline, "{signal:?}: one process stays");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let (job, _) = convert_all(&server, &file, "a.docx", &["pdf"], &json!({}));
    assert!(by_two(&job), "and the next is written by two: {job:#}");
}

#[test]
fn r100_r104_r105_pdf_becomes_pdf_text_and_html() {
    let (job, results) = convert_all(&server(), &three_pages(), "a.pdf", &["pdf", "txt", "html"], &json!({}));
    for (result, format) in results.iter().zip(["pdf", "txt", "html"]) {
        let found = text(result, format);
        assert!(WORDS.iter().all(|word| found.contains(word)), "{format}: {found}");
    }
    assert_eq!(job["credits_used"], json!(3), "one each");
}

#[test]
fn a41_pdf_becomes_slides() {
    let (job, results) = convert_all(&server(), &three_pages(), "a.pdf", &["pptx", "odp"], &json!({}));
    for (result, format) in results.iter().zip(["pptx", "odp"]) {
        let found = text(result, format);
        assert!(WORDS.iter().all(|word| found.contains(word)), "{format}: {found}");
    }
    assert_eq!(job["credits_used"], json!(8), "four each");
}

#[test]
fn documents_become_pictures_by_way_of_pdf() {
    let server = server();
    for (source, name) in
        [(docx(&WORDS[..1]), "a.docx"), (xlsx(&[&WORDS]), "a.xlsx"), (html(&WORDS), "a.html"), (b"# A".to_vec(), "a.md")]
    {
        let (job, results) = convert_all(&server, &source, name, &["png"], &json!({ "width": 200 }));
        assert!(results[0].starts_with(b"\x89PNG"), "{name}: one page, one file");
        assert_eq!(files(&job)[0]["width"], json!(200), "{name}: {job:#}");
    }
}

#[test]
fn a_document_has_its_thumbnail() {
    let server = server();
    let job = server.run(&json!({"tasks": {
        "in": { "operation": "import/base64", "file": STANDARD.encode(three_pages()), "filename": "a.pdf" },
        "c0": { "operation": "thumbnail", "input": "in" },
    }}));
    let files = files(&job);
    assert_eq!((files.len(), &files[0]["height"]), (1, &json!(320)), "of the first page alone: {job:#}");
}

#[test]
fn a54_what_is_merged_becomes_pdf_first() {
    let server = server();
    let import =
        |file: &[u8], name: &str| json!({ "operation": "import/base64", "file": STANDARD.encode(file), "filename": name });
    let job = server.run(&json!({"tasks": {
        "a": import(&three_pages(), "a.pdf"),
        "b": import(&pictures::png(40, 30, 1), "b.png"),
        "c": import(&docx(&["Deltaword"]), "c.docx"),
        "merge": { "operation": "merge", "input": ["a", "b", "c"] },
        "export": { "operation": "export/url", "input": "merge" },
    }}));
    assert_eq!((&job["status"], &job["credits_used"]), (&json!("FINISHED"), &json!(1)), "{job:#}");
    let merged = server.download(&job).bytes;
    assert_eq!((page_count(&merged), text(&merged, "pdf").contains("Deltaword")), (5, true), "3 + 1 + 1 pages");
}

#[test]
fn a27_metadata_of_a_pdf_file() {
    let server = server();
    let job = server.run(&json!({"tasks": {
        "in": { "operation": "import/base64", "file": STANDARD.encode(three_pages()), "filename": "a.pdf" },
        "m": { "operation": "metadata", "input": "in" },
    }}));
    assert_eq!(job["tasks"]["m"]["result"]["metadata"]["pages"], json!(3), "{job:#}");
}
