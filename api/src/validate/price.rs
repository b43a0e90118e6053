//! What each task costs and where it runs, from the formats that are known before any byte has been read.

use std::collections::{BTreeMap, HashMap};

use convertfly_scheduler::catalog::{Catalog, Lane, OperationEntry, OperationKind, OptionKind, PairEntry};
use convertfly_scheduler::task::TaskSpec;
use serde_json::Value;

use super::problem::{Place, Problems};
use super::task::Facts;
use crate::error::Code;

/// Field that names what a task makes.
const OUTPUT: &str = "output_format";

/// Field that names what a task reads, where the customer knows better.
const INPUT: &str = "input_format";

/// Sets `credits` and `lane` of every sound task, and adds a problem for each pair that nothing converts.
///
/// The price is that of the pair, or of the operation, times the number of direct inputs. Where a source's format is not
/// known before it is read, the highest price of a pair to that target is reserved.
///
/// Returns the way of each input file of each conversion, by task.
pub(super) fn price(
    catalog: &Catalog,
    order: &[usize],
    specs: &mut [TaskSpec],
    facts: &[Facts],
    problems: &mut Problems,
) -> HashMap<String, Vec<Hop>> {
    let index: HashMap<String, usize> = specs.iter().enumerate().map(|(i, spec)| (spec.name.clone(), i)).collect();
    let mut pricer = Pricer { catalog, made: vec![None; specs.len()], quotes: HashMap::new(), routes: HashMap::new() };
    for &i in order {
        let Some(operation) = catalog.operation(&specs[i].operation) else { continue };
        let inputs: Vec<usize> = specs[i].input.iter().filter_map(|name| index.get(name).copied()).collect();
        pricer.made[i] = pricer.makes(operation, &specs[i]).or_else(|| pricer.keeps(operation, &specs[i], &inputs));
        if !facts[i].sound {
            continue;
        }
        let needs = specs[i].needs().filter_map(|name| index.get(name).copied());
        for input in needs.collect::<Vec<_>>() {
            if catalog.operation(&specs[input].operation).is_some_and(|operation| operation.kind == OperationKind::Export) {
                let place = Place::task(&specs[i].name).key("input");
                problems.invalid(&place, format!("`{}` hands files out and passes none on", specs[input].name));
            }
        }
        let (lane, credits) = pricer.quote(operation, &specs[i], &inputs, problems);
        (specs[i].lane, specs[i].credits) = (lane, credits);
    }
    pricer.routes
}

/// The way of one input file through a conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    /// Its format, where that is known before it has been read.
    pub(crate) from: Option<String>,
    /// The format that it is converted to.
    pub(crate) to: String,
    /// Where it runs.
    pub(crate) lane: Lane,
    /// The engine, where the format is known.
    pub(crate) engine: Option<String>,
    /// Its price.
    pub(crate) credits: u32,
}

/// Lane and price of one input.
type Quote = (Lane, u32);

struct Pricer<'a> {
    catalog: &'a Catalog,
    /// The format that each task makes, as far as it is known.
    made: Vec<Option<String>>,
    /// Pairs looked up before: a hostile job may have 100,000 edges.
    quotes: HashMap<(Option<String>, String), Option<Quote>>,
    /// The way of each input file, by task.
    routes: HashMap<String, Vec<Hop>>,
}

impl Pricer<'_> {
    /// The format of what the task makes, where that is known by now.
    fn makes(&self, operation: &OperationEntry, spec: &TaskSpec) -> Option<String> {
        let text = |key: &str| spec.fields.get(key).and_then(Value::as_str);
        if operation.kind == OperationKind::Import {
            if let Some(stated) = text(INPUT) {
                return Some(stated.to_owned());
            }
            let name = text("filename").map(str::to_owned).or_else(|| text("url").and_then(file_of_url));
            let (_, extension) = name.as_deref()?.rsplit_once('.')?;
            return self.catalog.format(extension).map(|format| format.name.clone());
        }
        let output = operation.fields.iter().chain(&operation.options).find(|entry| entry.name == OUTPUT)?;
        if output.kind != OptionKind::Format {
            return None;
        }
        let option = spec.fields.get("options").and_then(|options| options.get(OUTPUT)).and_then(Value::as_str);
        text(OUTPUT).or(option).or_else(|| output.default.as_str()).map(str::to_owned)
    }

    /// The format of an input of a task, as far as it is known.
    fn source(&self, spec: &TaskSpec, input: usize) -> Option<String> {
        let stated = spec.fields.get(INPUT).and_then(Value::as_str);
        stated.map(str::to_owned).or_else(|| self.made[input].clone())
    }

    /// The format of the result of an operation that changes none of those that it has lanes for.
    fn keeps(&self, operation: &OperationEntry, spec: &TaskSpec, inputs: &[usize]) -> Option<String> {
        inputs.first().and_then(|&input| self.source(spec, input)).filter(|source| operation.lanes.contains_key(source))
    }

    /// Lane and price of a sound task.
    fn quote(&mut self, operation: &OperationEntry, spec: &TaskSpec, inputs: &[usize], problems: &mut Problems) -> (Lane, u32) {
        let copies = if operation.flat { 1 } else { u32::try_from(inputs.len().max(1)).unwrap_or(u32::MAX) };
        if let (Some(credits), Some(lane)) = (operation.credits, operation.lane) {
            let own = inputs.iter().filter_map(|&input| operation.lanes.get(&self.source(spec, input)?).copied()).max();
            return (own.unwrap_or(lane), credits.saturating_mul(copies));
        }
        let Some(target) = spec.fields.get(OUTPUT).and_then(Value::as_str).map(str::to_owned) else {
            return (operation.lane.unwrap_or(Lane::Cpu), operation.credits.unwrap_or(0).saturating_mul(copies));
        };
        let mut lane: Option<Lane> = None;
        let mut credits = 0u32;
        let mut refused = Vec::new();
        for &input in inputs {
            let source = self.source(spec, input);
            match self.pair(source.clone(), &target) {
                Some((pair_lane, price)) => {
                    let engine =
                        source.as_deref().and_then(|from| self.catalog.pair(from, &target)).map(|pair| pair.engine.clone());
                    let hop = Hop { from: source.clone(), to: target.clone(), lane: pair_lane, engine, credits: price };
                    self.routes.entry(spec.name.clone()).or_default().push(hop);
                    lane = lane.max(Some(pair_lane));
                    credits = credits.saturating_add(price);
                }
                None if !refused.contains(&source) => refused.push(source),
                None => {}
            }
        }
        for source in refused {
            self.unsupported(spec, source.as_deref(), &target, problems);
        }
        (operation.lane.or(lane).unwrap_or(Lane::Cpu), operation.credits.map_or(credits, |c| c.saturating_mul(copies)))
    }

    /// Lane and price of one input; from an unknown source the dearest and the most frequent lane of those that there are.
    fn pair(&mut self, source: Option<String>, target: &str) -> Option<Quote> {
        let key = (source, target.to_owned());
        if let Some(&quote) = self.quotes.get(&key) {
            return quote;
        }
        let quote = match &key.0 {
            Some(source) => self.catalog.pair(source, target).map(|pair| (pair.lane, pair.credits)),
            None => any(self.catalog.pairs.iter().filter(|pair| pair.to == target)),
        };
        self.quotes.insert(key, quote);
        quote
    }

    fn unsupported(&self, spec: &TaskSpec, source: Option<&str>, target: &str, problems: &mut Problems) {
        let stated = spec.fields.contains_key(INPUT);
        let reason = match source {
            Some(source) => {
                let targets: Vec<&str> = self.catalog.pairs.iter().filter(|p| p.from == source).map(|p| p.to.as_str()).collect();
                let from = if stated { "" } else { " (known from its file name; `input_format` overrides it)" };
                match targets.as_slice() {
                    [] => format!("nothing converts {source}{from}"),
                    _ => format!("{source}{from} does not convert to {target}, but to {}", targets.join(", ")),
                }
            }
            None => format!("nothing converts to {target}"),
        };
        problems.refused(Code::UnsupportedFormat, &Place::task(&spec.name).key(OUTPUT), reason);
    }
}

/// The dearest price and the most frequent lane, the more demanding one of two equally frequent.
fn any<'a>(pairs: impl Iterator<Item = &'a PairEntry>) -> Option<Quote> {
    let mut price = 0;
    let mut lanes: BTreeMap<Lane, usize> = BTreeMap::new();
    for pair in pairs {
        price = price.max(pair.credits);
        *lanes.entry(pair.lane).or_default() += 1;
    }
    lanes.into_iter().max_by_key(|&(lane, count)| (count, lane)).map(|(lane, _)| (lane, price))
}

/// The last step of a URL's path: the file's name, if it has one.
fn file_of_url(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    url.path_segments()?.next_back().filter(|name| !name.is_empty()).map(str::to_owned)
}
