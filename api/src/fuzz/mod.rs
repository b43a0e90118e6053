//! Mutated requests to every route of the document, in process: front, guard, handlers, a real store on a real Redis, files in
//! a folder. None may be answered by a 5xx, none may panic, and what is answered is what the document says.
//!
//! `CONVERTFLY_FUZZ_CASES` asks for more cases, `CONVERTFLY_FUZZ_SEED` for others.

mod mutate;
mod requests;
mod sample;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use http::{Method, Response};
use http_body_util::BodyExt;
use serde_json::Value;

use crate::openapi::check::Checker;
use requests::{Case, Target, case};
use world::World;

/// Cases of an ordinary run.
const CASES: u64 = 100_000;

/// Every how many answers one is held against its schema.
const CHECKED: u64 = 8;

/// How long a request may take that does not wait for anything.
const HANG: Duration = Duration::from_secs(120);

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[derive(Default)]
struct Tally {
    statuses: BTreeMap<u16, u64>,
    /// JSON bodies, and those of them that parsed.
    bodies: (u64, u64),
    checked: u64,
    held: u64,
    /// The first case of each kind of failure.
    failures: BTreeMap<String, String>,
}

impl Tally {
    /// Notes a failure; a run shows one case of each kind.
    fn fails(&mut self, kind: String, case: &Case, answer: &[u8]) {
        if self.failures.len() < 50 {
            let answer = String::from_utf8_lossy(&answer[..answer.len().min(2_000)]).into_owned();
            self.failures.entry(kind).or_insert_with(|| format!("{}\n-> {answer}", told(case)));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mutated_requests_get_answers_that_the_document_describes() {
    let (cases, seed) = (setting("CONVERTFLY_FUZZ_CASES", CASES), setting("CONVERTFLY_FUZZ_SEED", 7));
    let world = Arc::new(World::start().await);
    let lanes = 4;
    let mut running = Vec::new();
    for lane in 0..lanes {
        let world = world.clone();
        running
            .push(tokio::spawn(async move { drive(&world, seed.wrapping_mul(1_000).wrapping_add(lane), cases / lanes).await }));
    }
    let mut sum = Tally::default();
    for lane in running {
        let tally = lane.await.expect("a lane ends without a panic");
        tally.statuses.into_iter().for_each(|(status, count)| *sum.statuses.entry(status).or_default() += count);
        sum.bodies = (sum.bodies.0 + tally.bodies.0, sum.bodies.1 + tally.bodies.1);
        sum.checked += tally.checked;
        sum.held += tally.held;
        sum.failures.extend(tally.failures);
    }
    let all: u64 = sum.statuses.values().sum::<u64>().max(1);
    let share = |count: u64| format!("{:.1} %", count as f64 * 100.0 / all as f64);
    let shares: Vec<String> = sum.statuses.iter().map(|(status, &count)| format!("{status}: {}", share(count))).collect();
    println!(
        "{all} requests (seed {seed}), {} checked against the document, {} left waiting; {}; of {} JSON bodies {:.1} % parsed",
        sum.checked,
        sum.held,
        shares.join(", "),
        sum.bodies.0,
        sum.bodies.1 as f64 * 100.0 / sum.bodies.0.max(1) as f64,
    );
    let failures: Vec<String> = sum.failures.iter().map(|(kind, case)| format!("== {kind}\n{case}")).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(world.state.metrics().render().contains("convertfly_http_panics_total 0"), "no handler panicked");
    assert!(sum.bodies.1 * 10 > sum.bodies.0 * 8, "most bodies get past the parser");
    assert!(sum.statuses.get(&201).copied().unwrap_or(0) * 100 > all, "some are accepted");
    assert!(sum.statuses.get(&400).copied().unwrap_or(0) * 10 > all, "many are refused");
}

async fn drive(world: &World, seed: u64, cases: u64) -> Tally {
    let (mut rng, mut tally) = (Rng::with_seed(seed), Tally::default());
    let targets: Vec<Target<'_>> = targets(&world.document);
    let words = words(&world.document);
    let checker = Checker::strict(&world.document);
    for number in 0..cases {
        if number % 256 == 0 {
            world.tidy(&mut rng).await;
        }
        // Half of all requests make jobs: there is most to be got wrong.
        let target = match rng.bool() {
            true => targets.iter().find(|target| target.operation["operationId"] == "createJob").expect("POST /jobs"),
            false => &targets[rng.usize(..targets.len())],
        };
        let account = rng.usize(..world.keys.len());
        let case = case(target, &world.document, &words, &world.known(), &world.keys[account].0, &mut rng);
        let Some(request) = case.build() else { continue };
        let peer = std::net::SocketAddr::from((rng.u32(0x0100_0000..).to_be_bytes(), 1));
        let waits = case.uri.contains("/wait")
            || case.uri.contains("/events")
            || case.headers.iter().any(|(name, _)| name == "prefer" || name == "accept");
        let answered = async {
            let (head, body) = world.front.handle(request, peer).await.into_parts();
            let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            (head, bytes)
        };
        let Ok((head, bytes)) = tokio::time::timeout(if waits { Duration::from_millis(300) } else { HANG }, answered).await
        else {
            assert!(waits, "no answer within {HANG:?}: {}", told(&case));
            tally.held += 1;
            continue;
        };
        let status = head.status.as_u16();
        *tally.statuses.entry(status).or_default() += 1;
        if status >= 500 {
            tally.fails(format!("{status} of {}", target.path), &case, &bytes);
        } else if !head.headers.contains_key("x-request-id") {
            tally.fails("no X-Request-Id".to_owned(), &case, &bytes);
        }
        if !case.body.is_empty() && target.operation["requestBody"]["content"].get("application/json").is_some() {
            tally.bodies.0 += 1;
            tally.bodies.1 += u64::from(serde_json::from_slice::<serde::de::IgnoredAny>(&case.body).is_ok());
        }
        if status == 401 && case.authorised {
            world.renew(account).await;
        }
        let answer = Response::from_parts(head, bytes.to_vec());
        world.learn(account, &answer);
        if number % CHECKED == 0 && case.method == target.method {
            tally.checked += 1;
            for fault in faults(&checker, target, &answer, &case) {
                let kind =
                    format!("{status} of {} {}: {}", target.method, target.path, fault.replace(|c: char| c.is_ascii_digit(), ""));
                tally.fails(kind, &case, answer.body());
            }
        }
    }
    tally
}

fn targets(document: &Value) -> Vec<Target<'_>> {
    let mut targets = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).expect("a method");
            targets.push(Target { method, path, operation });
        }
    }
    targets
}

/// Keys, operations, formats and words of enumerations.
fn words(document: &Value) -> Vec<String> {
    fn gather(value: &Value, words: &mut Vec<String>) {
        if let Some(map) = value.as_object() {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("properties", Value::Object(properties)) => words.extend(properties.keys().cloned()),
                    ("enum", Value::Array(values)) => words.extend(values.iter().filter_map(Value::as_str).map(str::to_owned)),
                    ("const", Value::String(word)) => words.push(word.clone()),
                    _ => {}
                }
                gather(value, words);
            }
        } else if let Some(list) = value.as_array() {
            list.iter().for_each(|value| gather(value, words));
        }
    }
    let mut words = Vec::new();
    gather(&document["components"]["schemas"], &mut words);
    words.sort_unstable();
    words.dedup();
    words
}

/// What in an answer the document does not say.
fn faults(checker: &Checker<'_>, target: &Target<'_>, answer: &Response<Vec<u8>>, case: &Case) -> Vec<String> {
    // A mangled path may well be another route's, or none.
    let pattern: Vec<&str> = target.path.split('/').collect();
    let path: Vec<&str> = case.uri.split('?').next().unwrap_or_default().trim_end_matches('/').split('/').collect();
    let same = pattern.len() == path.len() && pattern.iter().zip(&path).all(|(want, have)| want.starts_with('{') || want == have);
    if !same {
        return Vec::new();
    }
    let response = &target.operation["responses"][answer.status().as_str()];
    let Some(response) = checker.resolved(response) else { return vec!["the status is not described".to_owned()] };
    if target.method == Method::HEAD {
        return Vec::new();
    }
    let Some(content) = response.get("content").and_then(Value::as_object) else {
        return if answer.body().is_empty() { Vec::new() } else { vec!["the body is not described".to_owned()] };
    };
    let media = answer.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default();
    let Some(described) = content.get(media).or(content.get("*/*")) else {
        return vec![format!("the media type `{media}` is not described")];
    };
    // The answer to HEAD has the headers of a body and none.
    match (media.ends_with("json") && case.method != Method::HEAD, described.get("schema")) {
        (true, Some(schema)) => match serde_json::from_slice(answer.body()) {
            Ok(value) => checker.faults(schema, &value),
            Err(error) => vec![format!("no JSON: {error}")],
        },
        _ => Vec::new(),
    }
}

/// A case, for whoever has to mend it.
fn told(case: &Case) -> String {
    let body = String::from_utf8_lossy(&case.body[..case.body.len().min(2_000)]).into_owned();
    format!("{} {}\n{:?}\n{body}", case.method, &case.uri[..case.uri.len().min(500)], case.headers)
}
