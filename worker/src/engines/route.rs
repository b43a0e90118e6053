//! Which engines to use: the cheapest path over what they offer, and the next one when an engine gives up on a file.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::{Action, Availability, Beside, Edge, Engine, Made, Work};
use crate::failure::Failure;
use crate::formats::by_name;
use crate::glance::Glance;

/// One step of a route.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hop {
    /// Which of the router's engines.
    pub engine: usize,
    /// What it converts.
    pub edge: Edge,
}

/// A path from one format to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The steps, at least one.
    pub hops: Vec<Hop>,
    /// Sum of their costs.
    pub cost: u32,
}

/// The engines that are available, and the paths over them.
pub struct Router {
    engines: Vec<Arc<dyn Engine>>,
    edges: HashMap<&'static str, Vec<Hop>>,
    offers: HashMap<(Action, &'static str), Vec<usize>>,
}

impl Router {
    /// Takes those of `engines` that can run here.
    pub fn new(engines: impl IntoIterator<Item = Arc<dyn Engine>>) -> Self {
        let ready = |engine: &Arc<dyn Engine>| matches!(engine.probe(), Availability::Ready(_));
        let engines: Vec<_> = engines.into_iter().filter(ready).collect();
        let mut edges: HashMap<_, Vec<Hop>> = HashMap::new();
        let mut offers: HashMap<_, Vec<usize>> = HashMap::new();
        for (engine, offered) in engines.iter().enumerate() {
            for edge in offered.edges() {
                edges.entry(edge.from).or_default().push(Hop { engine, edge });
            }
            for offer in offered.offers() {
                offers.entry(offer).or_default().push(engine);
            }
        }
        Self { engines, edges, offers }
    }

    /// The cheapest route where nothing is asked for; `None` where there is none.
    pub fn plan(&self, from: &str, to: &str) -> Option<Route> {
        self.plan_for(from, to, &Map::new())
    }

    /// The cheapest route for a task with those options; `None` where there is none.
    pub fn plan_for(&self, from: &str, to: &str, options: &Map<String, Value>) -> Option<Route> {
        self.plan_without(from, to, &self.left(options))
    }

    /// What engines leave to others in a task with those options.
    fn left(&self, options: &Map<String, Value>) -> HashSet<(usize, &'static str, &'static str)> {
        let pairs = |(index, engine): (usize, &Arc<dyn Engine>)| {
            engine.leaves(options).into_iter().map(move |(from, to)| (index, from, to)).collect::<Vec<_>>()
        };
        self.engines.iter().enumerate().flat_map(pairs).collect()
    }

    /// The name of the engine of a hop.
    pub fn engine_id(&self, hop: &Hop) -> &'static str {
        self.engines.get(hop.engine).map_or("", |engine| engine.id())
    }

    /// Dijkstra's shortest path, `banned` (engine, from, to) left out. At least one hop, also from a format to itself.
    fn plan_without(&self, from: &str, to: &str, banned: &HashSet<(usize, &str, &str)>) -> Option<Route> {
        let mut best: HashMap<&str, (u32, Hop)> = HashMap::new();
        let mut heap = BinaryHeap::from([Reverse((0, from))]);
        let mut done = HashSet::new();
        while let Some(Reverse((cost, at))) = heap.pop() {
            if at == to && cost > 0 {
                return self.walk_back(from, to, cost, &best);
            }
            // The start is left once for its hops and may be reached again, as the target of a round trip.
            if !done.insert((at, cost == 0)) {
                continue;
            }
            for hop in self.edges.get(at).into_iter().flatten() {
                let Edge { from, to, cost: step, .. } = hop.edge;
                let next = cost.saturating_add(step.max(1));
                if !banned.contains(&(hop.engine, from, to)) && best.get(to).is_none_or(|(known, _)| next < *known) {
                    best.insert(to, (next, *hop));
                    heap.push(Reverse((next, to)));
                }
            }
        }
        None
    }

    fn walk_back(&self, from: &str, to: &str, cost: u32, best: &HashMap<&str, (u32, Hop)>) -> Option<Route> {
        let mut hops = Vec::new();
        let mut at = to;
        loop {
            let (_, hop) = best.get(at)?;
            hops.push(*hop);
            at = hop.edge.from;
            if at == from {
                break;
            }
        }
        hops.reverse();
        Some(Route { hops, cost })
    }

    /// Converts by the cheapest route. When an engine gives up on the file ([`Failure::Unsupported`], [`Failure::Crashed`]), by
    /// the cheapest one without that step, until none is left. Every attempt is listed in the result's `explain`.
    ///
    /// # Errors
    /// [`Failure::Unsupported`] where there is no route at all; otherwise what the first attempt failed with, or the failure
    /// that is not one to try another engine after.
    pub async fn convert(&self, work: Work) -> Result<Made, Failure> {
        let start = Instant::now();
        let mut banned = self.left(&work.options);
        let mut attempts: Vec<Value> = Vec::new();
        let mut first: Option<Failure> = None;
        while let Some(route) = self.plan_without(&work.from, &work.to, &banned) {
            let (failure, hop) = match self.follow(&route, &work, start).await {
                Ok(mut made) => {
                    attempts.push(json!({ "route": self.describe(&route) }));
                    made.explain.insert("attempts".to_owned(), Value::Array(attempts));
                    return Ok(made);
                }
                Err(failed) => failed,
            };
            if !matches!(failure, Failure::Unsupported { .. } | Failure::Crashed { .. }) {
                return Err(failure);
            }
            attempts.push(json!({
                "route": self.describe(&route),
                "failed": self.engine_id(&hop),
                "error": failure.to_string(),
            }));
            banned.insert((hop.engine, hop.edge.from, hop.edge.to));
            first.get_or_insert(failure);
        }
        Err(first.unwrap_or_else(|| {
            let title = |name: &str| by_name(name).map_or_else(|| name.to_owned(), |format| format.title.to_owned());
            Failure::unsupported(format!("There is no conversion from {} to {}", title(&work.from), title(&work.to)))
        }))
    }

    /// Does what is not a conversion, by the first engine that offers it for files of that format.
    ///
    /// # Errors
    /// [`Failure::Unsupported`] where none does; otherwise what the engine fails with.
    pub async fn perform(&self, work: Work) -> Result<Made, Failure> {
        let offered = self.offers.iter().find(|((action, from), _)| *action == work.action && *from == work.from);
        let Some(engine) = offered.and_then(|(_, engines)| self.engines.get(*engines.first()?)) else {
            let mut known: Vec<_> =
                self.offers.keys().filter(|(action, _)| *action == work.action).map(|(_, from)| *from).collect();
            known.sort_unstable();
            let title = by_name(&work.from).map_or(work.from.as_str(), |format| format.title);
            let action = work.action.as_str();
            return Err(Failure::unsupported(match known.as_slice() {
                [] => format!("`{action}` is not available on this server"),
                _ => format!("`{action}` does not take {title} files, but {}. Convert the file first", known.join(", ")),
            }));
        };
        all_is_here(engine, work.glance.as_deref())?;
        engine.convert(work).await
    }

    fn describe(&self, route: &Route) -> Vec<String> {
        route.hops.iter().map(|hop| format!("{}: {} -> {}", self.engine_id(hop), hop.edge.from, hop.edge.to)).collect()
    }

    /// Runs the hops of a route one after the other.
    async fn follow(&self, route: &Route, work: &Work, start: Instant) -> Result<Made, (Failure, Hop)> {
        let mut input = None;
        let mut warnings = Vec::new();
        let mut last = Made::default();
        let count = route.hops.len() as f64;
        for (index, hop) in route.hops.iter().enumerate() {
            let fault = |error: io::Error| (Failure::internal(error), *hop);
            let is_last = index + 1 == route.hops.len();
            let source = match input.take() {
                Some(between) => between,
                None => work.input.try_clone().map_err(fault)?,
            };
            let output = if is_last { work.output.try_clone() } else { tempfile::tempfile_in(&work.scratch) }.map_err(fault)?;
            for file in [&source, &output] {
                let mut file = file;
                file.rewind().map_err(fault)?;
            }
            // What an attempt before left there.
            output.set_len(0).map_err(fault)?;
            // What the next engine reads it cannot write to, and a pool does not take it for a result that it has to empty.
            let between = if is_last { None } else { Some(reopen(&output).map_err(fault)?) };
            // What html refers to is for whichever step prints it.
            let beside: io::Result<Vec<Beside>> = work
                .beside
                .iter()
                .map(|Beside { format, file }| Ok(Beside { format: format.clone(), file: reopen(file)? }))
                .collect();
            let engine = self.engines.get(hop.engine).ok_or_else(|| (Failure::internal("no such engine"), *hop))?;
            let glance = work.glance.clone().filter(|_| index == 0);
            all_is_here(engine, glance.as_deref()).map_err(|failure| (failure, *hop))?;
            let deadline = work.deadline.saturating_sub(start.elapsed());
            if deadline.is_zero() {
                return Err((Failure::TimedOut, *hop));
            }
            last = engine
                .convert(Work {
                    action: Action::Convert,
                    beside: beside.map_err(fault)?,
                    from: hop.edge.from.to_owned(),
                    to: hop.edge.to.to_owned(),
                    input: source,
                    glance,
                    output,
                    // Options speak of the result; a step on the way takes the source as it is, or the part of it that is asked for.
                    options: if is_last { work.options.clone() } else { only(&work.options, engine.source_options()) },
                    test: is_last && work.test,
                    share: work.share.as_ref().map(|share| share.of_step(index == 0, is_last)),
                    scratch: work.scratch.clone(),
                    progress: work.progress.part(index as f64 / count, (index + 1) as f64 / count),
                    cancel: work.cancel.clone(),
                    deadline,
                })
                .await
                .map_err(|failure| (failure, *hop))?;
            warnings.append(&mut last.warnings);
            input = between;
        }
        Ok(Made { warnings, ..last })
    }
}

/// Refuses a source that is not here to an engine that reads files alone, and says that it is needed as a whole.
fn all_is_here(engine: &Arc<dyn Engine>, glance: Option<&Glance>) -> Result<(), Failure> {
    match glance {
        Some(glance) if !engine.glances() => {
            glance.give_up();
            Err(Failure::internal(format!("{} reads whole files", engine.id())))
        }
        _ => Ok(()),
    }
}

/// The same file, opened anew for reading alone; it may have no name.
pub(crate) fn reopen(file: &File) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Those of the options that have one of the names.
fn only(options: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    let named = options.iter().filter(|(name, _)| names.contains(&name.as_str()));
    named.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests;
