//! Where the table of routes lies, and what of it is a setting.

use std::path::{Path, PathBuf};

use convertfly_worker::pixels::CpuLevel;
use convertfly_worker::pixels::routes::Routes;

use crate::config::Config;

/// The name in the data folder.
const FILE: &str = "routes.json";

/// Where `bench calibrate` writes it, and where it is looked for.
pub(crate) fn default_path(data: &Path) -> PathBuf {
    data.join(FILE)
}

/// Takes the table of the data folder where no other is named, and the number of conversions at once where that is not set. What is
/// wrong with a table is told where it is used.
pub(crate) fn apply(config: &mut Config) {
    if config.worker.routes.is_none() {
        config.worker.routes = Some(default_path(&config.data)).filter(|path| path.exists());
    }
    let measured = config.worker.routes.as_deref().and_then(|path| Routes::read(path).ok());
    if config.worker.cpu_slots == 0
        && let Some(routes) = measured
        && let Ok(level) = level(&config.worker.cpu)
        && routes.foreign(level).is_none()
    {
        config.worker.cpu_slots = routes.cpu_slots;
    }
}

/// The level of instructions that a node would use; `wanted` is the value of `CONVERTFLY_CPU`, empty where it is not set.
pub(crate) fn level(wanted: &str) -> anyhow::Result<CpuLevel> {
    if wanted.is_empty() {
        return Ok(CpuLevel::detect());
    }
    Ok(CpuLevel::parse(wanted).map_err(|failure| anyhow::anyhow!("{failure}"))?.usable())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use convertfly_worker::pixels::routes::{Kind, Machine, Route};

    use super::*;

    fn table(version: Option<&str>) -> String {
        let mut machine = Machine::here(CpuLevel::detect(), None);
        if let Some(version) = version {
            version.clone_into(&mut machine.version);
        }
        let row = Route { gpu_from_pixels: None, measured: Vec::new() };
        let recordings: BTreeMap<_, _> = Kind::ALL.into_iter().map(|kind| (kind, row.clone())).collect();
        let coefficients = Default::default();
        let routes = Routes { machine, date: String::new(), recordings, coefficients, gpu_at_once: 1, cpu_slots: 77 };
        serde_json::to_string(&routes).expect("JSON")
    }

    fn slots(text: &str, wanted: u32) -> (u32, bool) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(default_path(folder.path()), text).expect("written");
        let mut config = Config { data: folder.path().to_owned(), ..Config::default() };
        config.worker.cpu_slots = wanted;
        apply(&mut config);
        (config.worker.cpu_slots, config.worker.routes.is_some())
    }

    #[test]
    fn the_table_of_the_data_folder_sets_what_is_not_set() {
        assert_eq!(slots(&table(None), 0), (77, true), "measured");
        assert_eq!(slots(&table(None), 5), (5, true), "a setting goes before it");
        assert_eq!(slots(&table(Some("0.0.1")), 0), (0, true), "of another version");
        assert_eq!(slots("{", 0), (0, true), "broken: told where it is used");
    }
}
