//! Bad documents, and LibreOffice that dies or hangs (F13): each ends in a clear error or in the right result, and the next one is fine.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{server, text};
use crate::support::papers::{WORDS, archive, docx, xlsx};
use crate::support::server::Server;

fn error(job: &Value) -> &Value {
    &job["tasks"]["convert"]["error"]
}

/// An encrypted document is a compound file with a stream of that name.
fn encrypted() -> Vec<u8> {
    let mut file = vec![0; 2048];
    file[..8].copy_from_slice(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
    (file[30], file[48]) = (9, 1);
    file[516..520].copy_from_slice(&0xffff_fffe_u32.to_le_bytes());
    for (index, name) in ["Root Entry", "EncryptedPackage"].iter().enumerate() {
        let entry = &mut file[1024 + 128 * index..][..128];
        for (at, unit) in name.encode_utf16().enumerate() {
            entry[2 * at..2 * at + 2].copy_from_slice(&unit.to_le_bytes());
        }
        entry[64] = (2 * name.len() + 2) as u8;
    }
    file
}

#[test]
fn bad_documents_end_in_clear_errors() {
    let server = server();
    let good = docx(&WORDS);
    let bomb = {
        let zeros = "0".repeat(60 << 20);
        archive(&[("[Content_Types].xml", "<Types/>"), ("word/document.xml", &zeros)])
    };
    let slip = archive(&[("[Content_Types].xml", "<Types/>"), ("word/document.xml", "<a/>"), ("../../evil", "x")]);
    let noise: Vec<u8> = (0..20_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (file, name, code, said) in [
        (&good[..good.len() / 2], "half.docx", "INVALID_DATA", "damaged"),
        (&noise[..], "noise.docx", "INVALID_DATA", "damaged"),
        (&noise[..], "noise.doc", "INVALID_DATA", "cannot be opened"),
        (&noise[..], "noise.xlsx", "INVALID_DATA", "damaged"),
        (&noise[..], "noise.pptx", "INVALID_DATA", "damaged"),
        (&noise[..], "noise.odt", "INVALID_DATA", "damaged"),
        (b"%PDF-1.7 and no more", "stub.pdf", "INVALID_DATA", "damaged"),
        (&encrypted()[..], "secret.docx", "INVALID_DATA", "options.password"),
        (&bomb[..], "bomb.docx", "PAYLOAD_TOO_LARGE", "unpacks to more"),
        (&slip[..], "slip.docx", "INVALID_DATA", "leads out"),
        (b"\0\0\0\0binary", "binary.txt", "INVALID_DATA", "no text"),
    ] {
        if name.ends_with("pdf") && !cfg!(feature = "documents") {
            continue;
        }
        let target = if name.ends_with("pdf") { "png" } else { "pdf" };
        let job = server.convert(file, name, target, &json!({}));
        assert_eq!((&job["status"], &error(&job)["code"]), (&json!("ERROR"), &json!(code)), "{name}: {job:#}");
        let message = error(&job)["message"].as_str().expect("a message");
        assert!(message.contains(said), "{name}: {message}");
        for ours in ["/tmp", "/work", "file:", "soffice", "lopdf"] {
            assert!(!message.contains(ours), "{name} tells of the inside: {message}");
        }
        assert_eq!(job["credits_used"], json!(0), "{name}: a failure costs nothing");
    }
}

#[test]
fn the_content_decides_what_a_document_is() {
    let server = server();
    // A workbook that is called a Word document is a workbook.
    let job = server.convert(&xlsx(&[&WORDS]), "a.docx", "pdf", &json!({}));
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    assert!(job.to_string().contains("is a xlsx"), "and that is said: {job:#}");
    assert!(text(&server.download(&job).bytes, "pdf").contains("Alphaword"), "its cells");
    // Where the customer insists, the reader says no rather than give an empty sheet.
    let mut body = json!({ "tasks": {
        "import": { "operation": "import/base64", "file": STANDARD.encode(docx(&WORDS)), "filename": "a.docx" },
        "convert": { "operation": "convert", "input": "import", "input_format": "xlsx", "output_format": "pdf" },
    } });
    let job = server.run(&body);
    assert_eq!((&job["status"], &error(&job)["code"]), (&json!("ERROR"), &json!("INVALID_DATA")), "{job:#}");
    body["tasks"]["convert"]["input_format"] = json!("docx");
    assert_eq!(server.run(&body)["status"], "FINISHED", "the right word is taken");
}

/// The parent of a process.
pub(super) fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
}

/// Processes of a server whose command line holds `mark`, in jails or around them.
pub(super) fn processes(server: &Server, mark: &str) -> Vec<Pid> {
    let root = server.process.0.id();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let mut at = Some(pid);
        let ours = std::iter::from_fn(|| {
            at = at.filter(|pid| *pid > 1).and_then(parent_of);
            at
        })
        .take(10)
        .any(|parent| parent == root);
        if ours && line.starts_with(mark) {
            found.extend(Pid::from_raw(pid.cast_signed()));
        }
    }
    found
}

pub(super) const CHILD: &str = "/convertfly-office";

/// One process of LibreOffice.
fn with_one_office() -> Server {
    Server::start_with(&[("CONVERTFLY_OFFICE_SLOTS", "1"), ("CONVERTFLY_CPU_SLOTS", "1")])
}

#[test]
fn f13_killing_libreoffice_costs_no_result() {
    let server = with_one_office();
    let pages: Vec<String> = (0..60).map(|number| format!("Page {number} of a document that takes a moment")).collect();
    let file = STANDARD.encode(docx(&pages.iter().map(String::as_str).collect::<Vec<_>>()));
    let submit = || {
        let body = json!({ "tasks": {
            "import": { "operation": "import/base64", "file": file, "filename": "a.docx" },
            "convert": { "operation": "convert", "input": "import", "output_format": "odt" },
        } });
        server.call("POST", "/jobs", Some(&body)).json()["data"]["id"].as_str().expect("an id").to_owned()
    };
    let ids: Vec<_> = (0..8).map(|_| submit()).collect();
    let (mut killed, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(60));
    while killed.len() < 2 && Instant::now() < deadline {
        for pid in processes(&server, CHILD) {
            // One that runs a task alone, after the death of the first, is taken for the culprit if it dies as well.
            if !killed.contains(&pid) && killed.len() < 2 && kill_process(pid, Signal::KILL).is_ok() {
                killed.push(pid);
                std::thread::sleep(Duration::from_secs(3));
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(killed.len(), 2, "it was killed");
    for id in ids {
        let job = server.wait(&id);
        assert_eq!(job["status"], "FINISHED", "{job:#}");
    }
}

#[test]
fn f13_libreoffice_that_hangs_is_killed_at_the_deadline() {
    let server = with_one_office();
    assert_eq!(server.convert(&docx(&WORDS), "a.docx", "odt", &json!({}))["status"], "FINISHED", "it is warm");
    let hung = processes(&server, CHILD);
    assert!(!hung.is_empty(), "there is a process");
    hung.iter().for_each(|pid| kill_process(*pid, Signal::STOP).expect("it is stopped"));
    let job = server.run(&json!({ "tasks": {
        "import": { "operation": "import/base64", "file": STANDARD.encode(docx(&WORDS)), "filename": "a.docx" },
        "convert": { "operation": "convert", "input": "import", "output_format": "odt", "timeout": 2 },
    } }));
    assert_eq!((&job["status"], &error(&job)["code"]), (&json!("ERROR"), &json!("TIMEOUT")), "{job:#}");
    assert_eq!(server.convert(&docx(&WORDS), "a.docx", "odt", &json!({}))["status"], "FINISHED", "the next one is fine");
    let left = processes(&server, CHILD);
    assert!(hung.iter().all(|pid| !left.contains(pid)), "{hung:?} are gone: {left:?}");
}

/// Waits until `/metrics` has that line.
fn counted(server: &Server, line: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let metrics = server.send("GET", &format!("{}/metrics", server.url), None, None, &[]);
        let text = String::from_utf8_lossy(&metrics.bytes).into_owned();
        if text.lines().any(|found| found == line) {
            return;
        }
        assert!(Instant::now() < deadline, "no {line:?} in {text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn programs_that_keep_too_much_memory_are_replaced_and_counted() {
    let limits = [("CONVERTFLY_OFFICE_SLOTS", "1"), ("CONVERTFLY_CPU_SLOTS", "1"), ("CONVERTFLY_OFFICE_MEMORY", "8")];
    let small = Server::start_with(&limits);
    let large = Server::start_with(&[("CONVERTFLY_OFFICE_SLOTS", "1"), ("CONVERTFLY_CPU_SLOTS", "1")]);
    for (server, count) in [(&small, 1), (&large, 0)] {
        assert_eq!(server.convert(&docx(&WORDS), "a.docx", "odt", &json!({}))["status"], "FINISHED", "a document");
        let first = processes(server, CHILD);
        counted(server, &format!("convertfly_libreoffice_outgrown_total {count}"));
        assert_eq!(server.convert(&docx(&WORDS), "a.docx", "odt", &json!({}))["status"], "FINISHED", "and the next");
        let kept = || processes(server, CHILD).iter().any(|pid| first.contains(pid));
        let deadline = Instant::now() + Duration::from_secs(30);
        while count > 0 && kept() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(kept(), count == 0, "{first:?} is replaced where it keeps too much");
        if server.convert(b"<p>words</p>", "a.html", "pdf", &json!({}))["status"] == "FINISHED" {
            counted(server, &format!("convertfly_chromium_outgrown_total {count}"));
        }
    }
}
