//! Damaged pictures through the whole program: every task ends, what failed is not charged, and the node neither grows nor restarts,
//! nor do its executors.
//!
//! A test run takes a few hundred of them. `CONVERTFLY_MUTATED=10000 cargo test --release --test suite -- mutated` takes that many, and
//! `CONVERTFLY_MUTATED_SEED` (a number) others.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::support::pictures;
use crate::support::server::Server;

/// Pictures in an ordinary run.
const FEW: usize = 300;

/// Pictures in one job.
const BATCH: usize = 50;

/// How much more memory the node may take than for as many sound pictures, bytes.
const GROWTH: u64 = 64 << 20;

/// xorshift64* (Vigna, 2016): the same sequence everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 32) as usize % end.max(1)
    }
}

/// Changes a file in one to six places.
pub(crate) fn mutated(sound: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut data = sound.to_vec();
    for _ in 0..=random.below(6) {
        let length = data.len();
        // Half of the changes hit the first bytes, where the headers are.
        let at = if random.below(2) == 0 { random.below(length.min(128)) } else { random.below(length) };
        let end = length.min(at + 1 + random.below(48));
        match random.below(8) {
            0 | 1 if length > 0 => data[at] = random.next() as u8,
            2 | 3 if length > 0 => data[at] ^= 1 << random.below(8),
            4 => data.truncate(at.max(1)),
            5 => drop(data.splice(at..at, sound[at.min(sound.len())..sound.len().min(end)].to_vec())),
            6 if length > 64 => drop(data.drain(at..end)),
            _ => {
                let from = random.below(other.len());
                drop(data.splice(at..end, other[from..other.len().min(from + end - at)].to_vec()));
            }
        }
    }
    if random.below(2) == 0 {
        mend(&mut data);
    }
    data
}

/// Makes the checksums of a PNG's chunks right again, which otherwise stop all that is changed.
fn mend(data: &mut [u8]) {
    let mut at = 8;
    while let (Some(head), true) = (data.get(at..at + 8), data.starts_with(b"\x89PNG")) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let end = at.saturating_add(8).saturating_add(length);
        let Some(body) = data.get(at + 4..end) else { return };
        let mut sum = flate2::Crc::new();
        sum.update(body);
        let Some(place) = data.get_mut(end..end + 4) else { return };
        place.copy_from_slice(&sum.sum().to_be_bytes());
        at = end + 4;
    }
}

/// Sound files of every kind that is read and can be made here.
fn sound(server: &Server) -> Vec<(&'static str, Vec<u8>)> {
    let picture = pictures::png(90, 60, 4);
    let mut files = vec![
        ("png", picture.clone()),
        ("png", pictures::half_transparent_png(40, 30)),
        (
            "svg",
            br##"<svg xmlns="http://www.w3.org/2000/svg" width="60" height="40"><defs><linearGradient id="a"><stop stop-color="#f00"/>
            <stop offset="1" stop-color="#00f"/></linearGradient></defs><rect width="50" height="30" fill="url(#a)" rx="4"/>
            <path d="M5 5 L 30 20 q 5 5 9 -9 Z"/><text x="3" y="30" font-size="12">words</text></svg>"##
                .to_vec(),
        ),
    ];
    for format in ["jpg", "gif", "webp", "tiff", "bmp", "ico", "avif"] {
        let job = server.convert(&picture, "a.png", format, &json!({ "quality": 80 }));
        files.push((format, server.download(&job).bytes));
    }
    for format in ["gif", "webp", "png", "tiff"] {
        let import = |seed| import("a.png", &pictures::png(40, 30, seed));
        let job = server.run(&json!({ "tasks": {
            "a": import(1), "b": import(99), "c": import(200),
            "merge": { "operation": "merge", "input": ["a", "b", "c"], "output_format": format, "options": { "delay": 40 } },
            "export": { "operation": "export/url", "input": "merge" },
        }}));
        assert_eq!(job["status"], "FINISHED", "{job:#}");
        files.push((format, server.download(&job).bytes));
    }
    files
}

fn import(name: &str, bytes: &[u8]) -> Value {
    use base64::Engine;
    json!({ "operation": "import/base64", "file": base64::engine::general_purpose::STANDARD.encode(bytes), "filename": name })
}

/// One of the ways in which pictures are worked on.
fn operation(index: usize, input: &str) -> Value {
    match index % 7 {
        0 => json!({ "operation": "convert", "input": input, "output_format": "png" }),
        1 => {
            json!({ "operation": "convert", "input": input, "output_format": "webp", "options": { "width": 33, "strip": false } })
        }
        2 => json!({ "operation": "thumbnail", "input": input, "options": { "width": 20 } }),
        3 => json!({ "operation": "metadata", "input": input }),
        4 => json!({ "operation": "watermark", "input": input, "text": "x" }),
        5 => {
            json!({ "operation": "convert", "input": input, "output_format": "tiff", "options": { "strip": false, "trim": true } })
        }
        // Formats that are not optimised are refused, which is an end, too.
        _ => json!({ "operation": "optimize", "input": input, "options": { "profile": "max" } }),
    }
}

/// Submits one job with a task for each file; returns what became of them, and the credits that it says it has used.
fn work(server: &Server, first: usize, files: &[(String, Vec<u8>)]) -> (Vec<Value>, u64) {
    let mut tasks = Map::new();
    for (index, (name, data)) in files.iter().enumerate() {
        tasks.insert(format!("i{index}"), import(name, data));
        tasks.insert(format!("t{index}"), operation(first + index, &format!("i{index}")));
    }
    let job = server.run(&json!({ "tasks": tasks }));
    let ends = (0..files.len()).map(|index| job["tasks"][format!("t{index}")].clone()).collect();
    (ends, job["credits_used"].as_u64().expect("a number"))
}

#[test]
fn t6_mutated_pictures_harm_nothing() {
    let number =
        |variable: &str, otherwise: usize| std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (count, seed) = (number("CONVERTFLY_MUTATED", FEW), number("CONVERTFLY_MUTATED_SEED", 1));
    let server = Server::start();
    let sound = sound(&server);
    // As many sound ones as it takes to see what the node keeps in any case.
    let file = |index: usize| {
        let (format, data) = &sound[index % sound.len()];
        (format!("a.{format}"), data.clone())
    };
    for batch in 0..4 {
        let files: Vec<_> = (0..BATCH).map(|index| file(batch * BATCH + index)).collect();
        let (ends, _) = work(&server, batch * BATCH, &files);
        for (index, end) in ends.iter().enumerate() {
            let refused = end["error"]["code"] == "UNSUPPORTED_FORMAT" && (batch * BATCH + index) % 7 == 6;
            assert!(end["status"] == "FINISHED" || refused, "{}: {end:#}", files[index].0);
        }
    }
    let balance = || server.call("GET", "/account", None).json()["data"]["credits_remaining"].as_u64().expect("a number");
    let (before, children, memory) = (balance(), crate::executor::children(&server), server.peak_memory());
    let mut random = Random(seed as u64 * 2 + 1);
    let mut codes: BTreeMap<String, usize> = BTreeMap::new();
    let mut charged = 0;
    for first in (0..count).step_by(BATCH) {
        let files: Vec<_> = (first..count.min(first + BATCH))
            .map(|_| {
                let (format, data) = &sound[random.below(sound.len())];
                let other = &sound[random.below(sound.len())].1;
                (format!("a.{format}"), mutated(data, other, &mut random))
            })
            .collect();
        let (ends, credits) = work(&server, first, &files);
        let mut finished = 0;
        for (end, (name, data)) in ends.iter().zip(&files) {
            let code = match (end["status"].as_str(), end["error"]["code"].as_str()) {
                (Some("FINISHED"), None) => {
                    finished += 1;
                    "FINISHED"
                }
                (Some("ERROR"), Some(code @ ("INVALID_DATA" | "UNSUPPORTED_FORMAT" | "PAYLOAD_TOO_LARGE"))) => code,
                _ => {
                    let path = std::env::temp_dir().join(format!("mutated-{}-{name}", std::process::id()));
                    std::fs::write(&path, data).expect("it is kept");
                    panic!("{}: {end:#}", path.display());
                }
            };
            *codes.entry(code.to_owned()).or_default() += 1;
        }
        assert_eq!(credits, finished, "what failed is not charged");
        charged += credits;
    }
    let growth = server.peak_memory().saturating_sub(memory);
    println!("{count} mutated pictures (seed {seed}): {codes:?}; the node's peak grew by {} KiB", growth >> 10);
    assert_eq!(balance(), before - charged, "nor in the end");
    assert!(codes.len() > 1 || count < 50, "some fail and some do not: {codes:?}");
    assert!(growth <= GROWTH, "the node took {} MiB more than for sound pictures", growth >> 20);
    let log = server.log();
    // One is replaced after so many tasks; that is not the fault of any of them, and waits for its work.
    let died: Vec<&str> = log.lines().filter(|line| line.contains("executor") && line.contains("ended")).collect();
    assert!(
        died.is_empty() && (count > FEW || crate::executor::children(&server) == children),
        "no executor died of one: {died:#?}"
    );
    let good = server.convert(&pictures::png(64, 64, 2), "a.png", "webp", &json!({}));
    assert_eq!(good["status"], "FINISHED", "and goes on: {good:#}");
}
