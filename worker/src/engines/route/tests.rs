//! Routing over engines that do what a test tells them.

use std::io::{Read, Write};
use std::time::Duration;

use convertfly_scheduler::catalog::Lane;
use futures_util::future::BoxFuture;
use serde_json::Map;

use super::*;
use crate::engines::Progress;
use crate::formats::Cancel;

/// Appends its name and target to what it reads, or fails.
struct Fake {
    id: &'static str,
    edges: Vec<(&'static str, &'static str, u32)>,
    failure: Option<Failure>,
    ready: bool,
}

impl Fake {
    fn new(id: &'static str, edges: &[(&'static str, &'static str, u32)]) -> Self {
        Self { id, edges: edges.to_vec(), failure: None, ready: true }
    }

    fn failing(self, failure: Failure) -> Self {
        Self { failure: Some(failure), ..self }
    }
}

impl Engine for Fake {
    fn id(&self) -> &'static str {
        self.id
    }

    fn edges(&self) -> Vec<Edge> {
        self.edges.iter().map(|&(from, to, cost)| Edge { from, to, cost, credits: 1, lane: Lane::Cpu }).collect()
    }

    fn probe(&self) -> Availability {
        if self.ready {
            Availability::Ready(String::new())
        } else {
            Availability::Missing { what: "everything".to_owned(), remedy: "none".to_owned() }
        }
    }

    fn convert(&self, mut work: Work) -> BoxFuture<'_, Result<Made, Failure>> {
        Box::pin(async move {
            let mut text = String::new();
            work.input.read_to_string(&mut text).map_err(Failure::internal)?;
            write!(work.output, "{text} {}:{}", self.id, work.to).map_err(Failure::internal)?;
            match &self.failure {
                Some(failure) => Err(failure.clone()),
                None => Ok(Made { warnings: vec![format!("by {}", self.id)], explain: work.options, ..Made::default() }),
            }
        })
    }
}

fn router(engines: Vec<Fake>) -> Router {
    Router::new(engines.into_iter().map(|engine| Arc::new(engine) as Arc<dyn Engine>))
}

fn path(router: &Router, from: &str, to: &str) -> Option<(Vec<String>, u32)> {
    router.plan(from, to).map(|route| (router.describe(&route), route.cost))
}

async fn convert(router: &Router, from: &str, to: &str) -> (Result<Made, Failure>, String) {
    let mut input = tempfile::tempfile().expect("a temporary file");
    write!(input, "source").expect("it is written");
    let mut output = tempfile::tempfile().expect("a temporary file");
    let work = Work {
        action: Action::Convert,
        beside: Vec::new(),
        from: from.to_owned(),
        to: to.to_owned(),
        glance: None,
        input,
        output: output.try_clone().expect("a second handle"),
        options: Map::from_iter([("width".to_owned(), json!(5))]),
        test: false,
        share: None,
        scratch: std::env::temp_dir(),
        progress: Progress::default(),
        cancel: Cancel::new(),
        deadline: Duration::from_secs(60),
    };
    let made = router.convert(work).await;
    let mut text = String::new();
    output.rewind().expect("it can be read again");
    output.read_to_string(&mut text).expect("it is text");
    (made, text)
}

#[test]
fn the_cheapest_path_wins_direct_or_not() {
    let router = router(vec![
        Fake::new("slow", &[("a", "d", 9), ("a", "a", 4)]),
        Fake::new("quick", &[("a", "b", 1), ("b", "c", 2), ("c", "d", 3), ("b", "a", 1)]),
        Fake { ready: false, ..Fake::new("absent", &[("a", "d", 1)]) },
    ]);
    let steps = |list: &[&str]| list.iter().map(|step| (*step).to_owned()).collect::<Vec<_>>();
    let chain = steps(&["quick: a -> b", "quick: b -> c", "quick: c -> d"]);
    assert_eq!(path(&router, "a", "d"), Some((chain, 6)), "three cheap steps beat one dear one");
    assert_eq!(path(&router, "b", "d").map(|found| found.1), Some(5), "from the middle");
    let round = steps(&["quick: a -> b", "quick: b -> a"]);
    assert_eq!(path(&router, "a", "a"), Some((round, 2)), "to itself takes at least one step");
    assert_eq!(path(&router, "d", "a"), None, "no way back");
    assert_eq!(path(&router, "x", "a"), None, "an unknown format");
}

#[tokio::test]
async fn a_chain_passes_files_on_and_options_to_the_last() {
    let router = router(vec![Fake::new("one", &[("a", "b", 1)]), Fake::new("two", &[("b", "c", 1)])]);
    let (made, text) = convert(&router, "a", "c").await;
    let made = made.expect("it converts");
    assert_eq!(text, "source one:b two:c", "each read what the one before wrote");
    assert_eq!(made.warnings, ["by one", "by two"], "all warnings arrive");
    assert_eq!(made.explain["width"], json!(5), "the last step has the options");
    assert_eq!(made.explain["attempts"], json!([{ "route": ["one: a -> b", "two: b -> c"] }]), "and the route is told");
}

#[tokio::test]
async fn the_next_route_is_tried_and_every_attempt_told() {
    let router = router(vec![
        Fake::new("best", &[("a", "c", 1)]).failing(Failure::unsupported("not this one")),
        Fake::new("second", &[("a", "c", 2)]).failing(Failure::Crashed { cause: "signal 11".to_owned() }),
        Fake::new("third", &[("a", "b", 2), ("b", "c", 2)]),
    ]);
    let (made, text) = convert(&router, "a", "c").await;
    assert_eq!(text, "source third:b third:c", "nothing of the failed attempts is left");
    let attempts = made.expect("it converts").explain["attempts"].clone();
    let expected = json!([
        { "route": ["best: a -> c"], "failed": "best", "error": "not this one" },
        { "route": ["second: a -> c"], "failed": "second", "error": "the engine crashed: signal 11" },
        { "route": ["third: a -> b", "third: b -> c"] },
    ]);
    assert_eq!(attempts, expected, "in order");
}

#[tokio::test]
async fn only_giving_up_leads_to_another_engine() {
    let invalid = Failure::invalid("the file is damaged");
    let stubborn =
        router(vec![Fake::new("best", &[("a", "c", 1)]).failing(invalid.clone()), Fake::new("second", &[("a", "c", 2)])]);
    assert_eq!(convert(&stubborn, "a", "c").await.0, Err(invalid), "a damaged file stays damaged");
    let first = Failure::unsupported("the first reason");
    let hopeless = router(vec![
        Fake::new("best", &[("a", "c", 1)]).failing(first.clone()),
        Fake::new("second", &[("a", "c", 2)]).failing(Failure::unsupported("another one")),
    ]);
    assert_eq!(convert(&hopeless, "a", "c").await.0, Err(first), "the cheapest engine's reason is told");
    let nothing = convert(&hopeless, "c", "a").await.0;
    assert_eq!(nothing, Err(Failure::unsupported("There is no conversion from c to a")), "no route at all");
}
