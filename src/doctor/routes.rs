//! The table that says from how many pixels on the GPU is worth it.

use std::path::Path;

use convertfly_worker::pixels::routes::Routes;
use convertfly_worker::pixels::{GpuPolicy, Processor};

use super::{Check, Settings};
use crate::routes;

const NAME: &str = "routes";
const REMEDY: &str = "convertfly bench calibrate, while nothing else runs";

/// Whether there is one, and whether it is for this machine.
pub(super) fn routes(settings: &Settings<'_>) -> Check {
    // A setting that does not read has a row of its own.
    let policy = if settings.gpu.is_empty() { GpuPolicy::Auto } else { GpuPolicy::parse(settings.gpu).unwrap_or_default() };
    let adapter = Processor::adapters(policy).into_iter().find(|adapter| adapter.chosen).map(|adapter| adapter.name);
    match settings.routes {
        Some(path) => there(path, settings.cpu, adapter.as_deref()),
        None => absent(adapter.as_deref()),
    }
}

fn absent(adapter: Option<&str>) -> Check {
    match adapter {
        None => Check::ok(NAME, "nothing was measured, and without a GPU there is nothing to choose"),
        Some(name) => Check::warning(NAME, format!("what goes to {name} is guessed: nothing was measured"), REMEDY),
    }
}

fn there(path: &Path, cpu: &str, adapter: Option<&str>) -> Check {
    let table = match Routes::read(path) {
        Ok(table) => table,
        Err(error) => return Check::missing(NAME, error.to_string(), REMEDY),
    };
    let gpu = |name: Option<&str>| name.unwrap_or("no GPU").to_owned();
    let was = table.machine.adapter.as_deref();
    let foreign = routes::level(cpu)
        .ok()
        .and_then(|level| table.foreign(level))
        .or_else(|| (was != adapter).then(|| format!("it is for {}, and here is {}", gpu(was), gpu(adapter))));
    if let Some(why) = foreign {
        return Check::warning(NAME, format!("{} is ignored: {why}", path.display()), REMEDY);
    }
    let rows = table.recordings.iter().map(|(kind, route)| (kind.as_str(), route.gpu_from_pixels));
    let rows: Vec<String> = rows
        .chain([("coefficients", table.coefficients.gpu_from_pixels)])
        .filter_map(|(name, from)| Some(format!("{name} from {} pixels", from?)))
        .collect();
    let rows =
        if rows.is_empty() { "everything stays on the CPU".to_owned() } else { format!("to the GPU go {}", rows.join(", ")) };
    let (date, slots) = (&table.date, table.cpu_slots);
    Check::ok(NAME, format!("measured {date}: {rows}; {slots} conversions at once"))
}

#[cfg(test)]
mod tests {
    use convertfly_worker::pixels::CpuLevel;
    use convertfly_worker::pixels::routes::{CoefficientRoute, Kind, Machine, Route};

    use super::super::State;
    use super::*;

    fn table(adapter: Option<&str>) -> Routes {
        let row = |kind| Route { gpu_from_pixels: adapter.filter(|_| kind == Kind::Blur).map(|_| 12), measured: Vec::new() };
        Routes {
            machine: Machine::here(CpuLevel::detect(), adapter.map(str::to_owned)),
            date: "2026-11-28".to_owned(),
            recordings: Kind::ALL.into_iter().map(|kind| (kind, row(kind))).collect(),
            coefficients: CoefficientRoute { gpu_from_pixels: adapter.map(|_| 34), ..CoefficientRoute::default() },
            gpu_at_once: 1,
            cpu_slots: 2,
        }
    }

    fn check(text: &str, adapter: Option<&str>) -> Check {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        there(file.path(), "", adapter)
    }

    #[test]
    fn a_table_is_shown_and_what_is_wrong_with_it_too() {
        let text = |table: &Routes| serde_json::to_string(table).expect("JSON");
        let good = check(&text(&table(Some("Example 9000"))), Some("Example 9000"));
        assert_eq!(good.state, State::Ok, "{good:?}");
        assert!(good.detail.ends_with("blur from 12 pixels, coefficients from 34 pixels; 2 conversions at once"), "{good:?}");
        assert!(check(&text(&table(None)), None).detail.contains("everything stays on the CPU"), "without a GPU");
        let other = check(&text(&table(Some("Example 9000"))), None);
        assert_eq!(other.state, State::Warning, "the GPU is gone: {other:?}");
        assert!(other.detail.contains("for Example 9000, and here is no GPU"), "{other:?}");
        assert_eq!(check("{", None).state, State::Missing, "broken: a worker does not start with it");
        assert_eq!((absent(None).state, absent(Some("a GPU")).state), (State::Ok, State::Warning), "none");
    }
}
