//! Many documents, sound and damaged, through the whole program: every task ends, and nothing grows or is left behind. A test run takes a few.
//!
//! `CONVERTFLY_SOAK=1000` and `CONVERTFLY_MUTATED_DOCUMENTS=2000` take that many, `CONVERTFLY_MUTATED_SEED` (a number) other ones, and
//! `CONVERTFLY_DOCUMENTS` (a folder) adds its files to those that are made here, and `CONVERTFLY_KEEP` (a folder) keeps those of which a process dies:
//!
//! ```sh
//! CONVERTFLY_SOAK=1000 cargo test --release --test suite -- endurance::a_soak --nocapture
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::{Map, Value, json};

use crate::mutated::{Random, mutated};
use crate::support::papers::{WORDS, docx, html, odp, ods, odt, pdf, rtf, xlsx};
use crate::support::server::Server;

/// Documents of an ordinary run.
const FEW: usize = 33;

/// Documents in one job.
const BATCH: usize = 11;

/// How much more memory the node may take than after the first documents, bytes.
const GROWTH: u64 = 64 << 20;

/// The same for all that it has started: LibreOffice and Chromium keep what they have once needed, until they are replaced.
const GROWTH_OF_ALL: u64 = 400 << 20;

/// So many documents show whether memory levels off: each process of LibreOffice is replaced once and more.
const LONG: usize = 1_000;

/// By how much the peak of a kind of process may be higher in the last two fifths of a long run than in the two before, MiB. LibreOffice's
/// goes up and down as its processes are replaced; executors take memory from the kernel in steps of 64 MiB, and keep it (`keep_freed_memory`);
/// Redis keeps every job and its tasks until they expire, which is counted apart.
const LEVEL: [(&str, u64); 5] =
    [("node", 8), ("executor", 64), ("chromium-headless-shell", 24), ("convertfly-office", 64), ("convertfly-media", 24)];

/// What Redis may take for a document, bytes: a job, two tasks, their events.
const KEPT: u64 = 12 << 10;

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// One document of every kind that can be made here, and those of the folder.
fn sound() -> Vec<(String, Vec<u8>)> {
    let cells: &[&[&str]] = &[&["Alphaword", "12"], &["Betaword", "3.5"]];
    let made = [
        ("docx", docx(&WORDS)),
        ("odt", odt(&WORDS)),
        ("rtf", rtf(&WORDS)),
        ("html", html(&WORDS)),
        ("md", b"# Alphaword\n\n| a | b |\n|---|---|\n| Betaword | `x` |\n\n* one\n* two\n".to_vec()),
        ("txt", WORDS.join("\n").into_bytes()),
        ("csv", b"a;b\nAlphaword;12\nBetaword;3,5\n".to_vec()),
        ("xlsx", xlsx(cells)),
        ("ods", ods(cells)),
        ("odp", odp(&WORDS)),
        ("pdf", pdf("Alphaword")),
    ];
    let mut files: Vec<_> = made.into_iter().map(|(kind, data)| (format!("a.{kind}"), data)).collect();
    let folder = std::env::var_os("CONVERTFLY_DOCUMENTS").map(|folder| std::fs::read_dir(folder).expect("the folder"));
    let mut more: Vec<_> = folder.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    more.sort();
    for path in more {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push((name, std::fs::read(path).expect("a file")));
    }
    files
}

/// What is done with document number `index`, whose name ends in `kind`.
fn operation(kind: &str, index: usize, input: &str) -> Value {
    let to = |targets: &[&str]| json!({ "operation": "convert", "input": input, "output_format": targets[index / 3 % targets.len()], "options": { "density": 40 } });
    match (kind, index % 7) {
        ("pdf", 0) => json!({ "operation": "optimize", "input": input }),
        ("pdf", 1) => json!({ "operation": "watermark", "input": input, "text": "x" }),
        ("pdf" | "docx" | "odt" | "xlsx" | "ods" | "odp" | "pptx", 2) => json!({ "operation": "metadata", "input": input }),
        ("pdf", _) => to(&["docx", "png", "txt", "html", "pdf", "odt"]),
        ("csv" | "xls" | "xlsx" | "ods", _) => to(&["pdf", "xlsx", "ods", "csv", "png"]),
        ("odp" | "ppt" | "pptx", _) => to(&["pdf", "pptx", "odp", "jpg"]),
        _ => to(&["pdf", "docx", "odt", "rtf", "txt", "html", "png"]),
    }
}

/// Submits one job with a task for each file; returns what became of them, the credits that were paid, and the job.
fn work(server: &Server, first: usize, files: &[(String, Vec<u8>)]) -> (Vec<Value>, u64, String) {
    let mut tasks = Map::new();
    for (index, (name, data)) in files.iter().enumerate() {
        let kind = name.rsplit('.').next().unwrap_or_default();
        let import = json!({ "operation": "import/base64", "file": STANDARD.encode(data), "filename": name });
        tasks.insert(format!("i{index}"), import);
        tasks.insert(format!("t{index}"), operation(kind, first + index, &format!("i{index}")));
    }
    let created = server.call("POST", "/jobs", Some(&json!({ "tasks": tasks })));
    assert_eq!(created.status, 201, "{}", String::from_utf8_lossy(&created.bytes));
    let id = created.json()["data"]["id"].as_str().expect("an id").to_owned();
    let patience = Instant::now() + Duration::from_secs(1_800);
    let job = loop {
        let answer = server.call("GET", &format!("/jobs/{id}/wait?timeout=60"), None);
        match answer.status {
            200 => break answer.json()["data"].clone(),
            _ => assert!(Instant::now() < patience, "the job ends: {}", String::from_utf8_lossy(&answer.bytes)),
        }
    };
    let ends = (0..files.len()).map(|index| job["tasks"][format!("t{index}")].clone()).collect();
    (ends, job["credits_used"].as_u64().expect("a number"), id)
}

/// What a server has and uses.
#[derive(Debug)]
struct Household {
    /// Memory of each kind of process, the node among them, bytes; what processes share is counted in parts.
    memory: BTreeMap<String, u64>,
    /// Descriptors of the node.
    open: usize,
    /// The processes below it.
    processes: BTreeSet<u32>,
}

impl Household {
    fn of(server: &Server) -> Self {
        let root = server.process.0.id();
        let processes = descendants(root);
        let mut memory = BTreeMap::from([("node".to_owned(), proportional(root))]);
        for pid in &processes {
            *memory.entry(kind_of(*pid)).or_default() += proportional(*pid);
        }
        Self { memory, open: std::fs::read_dir(format!("/proc/{root}/fd")).map_or(0, Iterator::count), processes }
    }

    fn all(&self) -> u64 {
        self.memory.values().sum()
    }
}

impl std::fmt::Display for Household {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (kind, bytes) in &self.memory {
            write!(f, "{kind} {} MiB, ", bytes >> 20)?;
        }
        write!(f, "all {} MiB, {} descriptors, {} processes", self.all() >> 20, self.open, self.processes.len())
    }
}

/// Memory of a process; none where it is gone.
fn proportional(pid: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or("0 kB");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or_default() << 10
}

/// What a process is: its program. The executors are the program's own, by the link to it in `/proc`; Redis shows its socket.
fn kind_of(pid: u32) -> String {
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let program = line.split(['\0', ' ']).find(|word| !word.is_empty()).unwrap_or("none");
    match program.rsplit('/').next().unwrap_or_default() {
        "exe" => "executor".to_owned(),
        _ if line.contains("redis") => "redis".to_owned(),
        name => name.to_owned(),
    }
}

/// The processes below one, at whatever depth.
fn descendants(root: u32) -> BTreeSet<u32> {
    let numbers = std::fs::read_dir("/proc").expect("/proc").flatten();
    let parents: BTreeMap<u32, u32> = numbers
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            Some((pid, stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    let is_below =
        |pid: u32| std::iter::successors(Some(pid), |pid| parents.get(pid).copied()).skip(1).take(50).any(|at| at == root);
    parents.keys().copied().filter(|pid| is_below(*pid)).collect()
}

/// A server whose temporary files lie in a folder of their own.
fn server(temporary: &std::path::Path) -> Server {
    Server::start_with(&[("CONVERTFLY_OFFICE_SLOTS", "2"), ("TMPDIR", &temporary.display().to_string())])
}

/// Ends the server and looks for what it leaves.
fn ends_clean(server: Server, temporary: &std::path::Path) {
    let processes = Household::of(&server).processes;
    let mut server = server;
    server.process.signal(Signal::INT);
    assert!(server.process.wait().success(), "it ends as told: {}", server.log());
    let deadline = Instant::now() + Duration::from_secs(30);
    let left = || processes.iter().filter(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists()).collect::<Vec<_>>();
    while !left().is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(left(), Vec::<&u32>::new(), "every process is gone");
    let scratch = server.folder.path().join("scratch");
    let files =
        [temporary, scratch.as_path()].into_iter().flat_map(|folder| std::fs::read_dir(folder).expect("the folder").flatten());
    let files: Vec<_> = files.filter(|entry| entry.file_name() != ".lock").map(|entry| entry.path()).collect();
    assert_eq!(files, Vec::<std::path::PathBuf>::new(), "no file of a task is left");
}

#[test]
fn a_soak_of_mixed_documents_does_not_grow() {
    let count = number("CONVERTFLY_SOAK", FEW);
    let temporary = tempfile::tempdir().expect("a folder");
    let server = server(temporary.path());
    let sound = sound();
    // All kinds once and more, after which every program is warm: what they keep in any case is not growth.
    let warm = if count > FEW { (count / 5).div_ceil(BATCH) * BATCH } else { BATCH };
    let (mut before, mut codes): (Option<Household>, BTreeMap<String, usize>) = (None, BTreeMap::new());
    let mut samples = Vec::new();
    for first in (0..count).step_by(BATCH) {
        if first == warm {
            before = Some(Household::of(&server));
        }
        let files: Vec<_> = (first..count.min(first + BATCH)).map(|index| sound[index % sound.len()].clone()).collect();
        for (end, (name, _)) in work(&server, first, &files).0.iter().zip(&files) {
            let code = end["error"]["code"].as_str().unwrap_or("FINISHED").to_owned();
            // Files of the folder may be protected, or of a kind that is not read.
            assert!(code == "FINISHED" || !name.starts_with("a."), "{name}: {end:#}");
            *codes.entry(code).or_default() += 1;
        }
        let household = Household::of(&server);
        if (first / BATCH).is_multiple_of(20) {
            println!("{:5}: {household}", first + files.len());
        }
        samples.push((first + files.len(), household.memory));
    }
    let (before, after) = (before.expect("more than one batch"), Household::of(&server));
    println!("{count} documents: {codes:?}; after {warm}: {before}; in the end: {after}");
    assert!(after.memory["node"] <= before.memory["node"] + GROWTH, "the node grew: {before:?} {after:?}");
    assert!(after.all() <= before.all() + GROWTH_OF_ALL, "what it has started grew: {before:?} {after:?}");
    // One of each kind may just be being replaced.
    assert!(after.processes.len() <= before.processes.len() + 12, "processes are left behind: {before:?} {after:?}");
    assert!(after.open <= before.open + 12, "descriptors are left open: {before:?} {after:?}");
    if count >= LONG {
        levels_off(&samples, count);
    }
    ends_clean(server, temporary.path());
}

/// Memory of every kind of process does not go on growing.
fn levels_off(samples: &[(usize, BTreeMap<String, u64>)], count: usize) {
    let peak = |kind: &str, from: usize, to: usize| {
        let within = samples.iter().filter(|(at, _)| (from..=to).contains(at));
        within.map(|(_, memory)| memory.get(kind).copied().unwrap_or_default()).max().unwrap_or_default()
    };
    let (start, middle) = (count / 5, count / 5 * 3);
    let redis = ("redis", KEPT * (count - middle) as u64);
    for (kind, most) in LEVEL.into_iter().map(|(kind, most)| (kind, most << 20)).chain([redis]) {
        let (earlier, later) = (peak(kind, start, middle), peak(kind, middle + 1, count));
        println!("{kind}: at most {} MiB up to {middle} documents, {} MiB after", earlier >> 20, later >> 20);
        assert!(later <= earlier + most, "{kind} goes on growing: {earlier} bytes, then {later}");
    }
}

/// The parts of an archive, in their order; nothing where it is none.
fn parts(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let number = |at: usize, length: usize| -> Option<usize> {
        Some(archive.get(at..at + length)?.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    let read = |at: usize| -> Option<(usize, String, Vec<u8>)> {
        let entry = archive.get(at..).filter(|entry| entry.starts_with(b"PK\x01\x02"))?;
        let (method, packed, header) = (number(at + 10, 2)?, number(at + 20, 4)?, number(at + 42, 4)?);
        let (name, extra, comment) = (number(at + 28, 2)?, number(at + 30, 2)?, number(at + 32, 2)?);
        let start = header + 30 + number(header + 26, 2)? + number(header + 28, 2)?;
        let data = archive.get(start..start + packed)?;
        let mut content = data.to_vec();
        if method == 8 {
            content.clear();
            flate2::read::DeflateDecoder::new(data).read_to_end(&mut content).ok()?;
        }
        let text = String::from_utf8_lossy(entry.get(46..46 + name)?).into_owned();
        Some((at + 46 + name + extra + comment, text, content))
    };
    let end = archive.windows(4).rposition(|bytes| bytes == b"PK\x05\x06");
    let mut at = end.and_then(|end| number(end + 16, 4)).unwrap_or(usize::MAX);
    while let Some((next, name, content)) = read(at) {
        found.push((name, content));
        at = next;
    }
    found
}

/// Damages a document: the file as it is or, mostly, what an archive holds, which is packed again so that its checksums hold.
fn damaged(data: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut parts = parts(data);
    if parts.is_empty() || random.below(4) == 0 {
        return mutated(data, other, random);
    }
    for _ in 0..=random.below(3) {
        let index = random.below(parts.len());
        let part = &mut parts[index];
        if !part.1.is_empty() {
            part.1 = mutated(&part.1, other, random);
        }
    }
    if random.below(10) == 0 {
        parts.remove(random.below(parts.len()));
    }
    convertfly_flow::archive(&parts.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect::<Vec<_>>())
}

/// What the node says of a process that dies under a document.
const DIED: &str = "executor ended under it";

/// Keeps a document in the folder that `CONVERTFLY_KEEP` names, if it does; says where it is, or its name.
fn kept(name: &str, data: &[u8]) -> String {
    let Some(folder) = std::env::var_os("CONVERTFLY_KEEP") else { return name.to_owned() };
    let path = std::path::Path::new(&folder).join(name);
    std::fs::write(&path, data).expect("it is kept");
    path.display().to_string()
}

#[test]
fn mutated_documents_harm_nothing() {
    let (count, seed) = (number("CONVERTFLY_MUTATED_DOCUMENTS", FEW), number("CONVERTFLY_MUTATED_SEED", 1));
    let temporary = tempfile::tempdir().expect("a folder");
    let server = server(temporary.path());
    let sound = sound();
    let mut random = Random(seed as u64 * 2 + 1);
    let (mut codes, mut charged): (BTreeMap<String, usize>, u64) = (BTreeMap::new(), 0);
    let balance = || server.call("GET", "/account", None).json()["data"]["credits_remaining"].as_u64().expect("a number");
    let start = balance();
    for first in (0..count).step_by(BATCH) {
        let files: Vec<_> = (first..count.min(first + BATCH))
            .map(|index| {
                let (name, data) = &sound[index % sound.len()];
                let other = &sound[random.below(sound.len())].1;
                (name.clone(), damaged(data, other, &mut random))
            })
            .collect();
        let (ends, credits, id) = work(&server, first, &files);
        charged += credits;
        let log = server.log();
        for (index, (name, data)) in files.iter().enumerate() {
            let (job, task) = (format!("\"job\":\"{id}\""), format!("\"task\":\"t{index}\""));
            let is_its = |line: &&str| line.contains(DIED) && line.contains(&job) && line.contains(&task);
            for line in log.lines().filter(is_its) {
                println!("{}: {line}", kept(&format!("{first}-{index}-{name}"), data));
            }
        }
        let mut finished = false;
        for (end, (name, data)) in ends.iter().zip(&files) {
            let code = match (end["status"].as_str(), end["error"]["code"].as_str()) {
                (Some("FINISHED"), None) => "FINISHED",
                (Some("ERROR"), Some(code @ ("INVALID_DATA" | "UNSUPPORTED_FORMAT" | "PAYLOAD_TOO_LARGE" | "TIMEOUT"))) => code,
                _ => {
                    let path = std::env::temp_dir().join(format!("mutated-{}-{name}", std::process::id()));
                    std::fs::write(&path, data).expect("it is kept");
                    panic!("{}: {end:#}", path.display());
                }
            };
            *codes.entry(code.to_owned()).or_default() += 1;
            finished |= code == "FINISHED";
        }
        assert!(finished || credits == 0, "what failed is not charged");
    }
    let (log, household) = (server.log(), Household::of(&server));
    let died = log.lines().filter(|line| line.contains(DIED)).count();
    println!(
        "{count} mutated documents (seed {seed}): {codes:?}; {died} engine processes died of one, {} processes, node {} MiB",
        household.processes.len(),
        household.memory["node"] >> 20
    );
    assert!(codes.len() > 1, "some fail and some do not: {codes:?}");
    assert_eq!(balance(), start - charged, "nor in the end");
    assert!(!log.contains("panicked"), "the node is whole: {log}");
    let job = server.convert(&docx(&WORDS), "a.docx", "odt", &json!({}));
    assert_eq!(job["status"], "FINISHED", "and goes on: {job:#}");
    ends_clean(server, temporary.path());
}
