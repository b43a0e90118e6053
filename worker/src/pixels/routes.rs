//! From how many pixels on a GPU is worth the way there and back, as `convertfly bench calibrate` has measured it on this machine.
//!
//! A table counts on the machine alone that it was measured on, and with the version that measured it: elsewhere it is ignored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::gpu::batch::{IN_BATCH, IN_FLIGHT};
use super::image::Shape;
use super::level::CpuLevel;
use super::recording::{Recording, Step};
use crate::failure::Failure;

/// What kind of work a recording is: that of the step which touches most pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What moves pixels or changes each by itself, in a few instructions.
    Light,
    /// A resize that leaves at most a sixteenth of the pixels: much to bring there, little to bring back.
    Thumbnail,
    /// Any other resize.
    Resize,
    /// Curves, matrices and tables of colours.
    Color,
    /// Blur and sharpen.
    Blur,
}

impl Kind {
    /// Every kind, the cheapest for a pixel first.
    pub const ALL: [Self; 5] = [Self::Light, Self::Thumbnail, Self::Resize, Self::Color, Self::Blur];

    /// The name, as the table has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Thumbnail => "thumbnail",
            Self::Resize => "resize",
            Self::Color => "color",
            Self::Blur => "blur",
        }
    }

    /// The kind of one step, and the pixels that it touches.
    fn of_step(step: &Step, from: Shape, to: Shape) -> (Self, u64) {
        let kind = match step {
            Step::Blur { .. } | Step::Sharpen { .. } => Self::Blur,
            Step::Curve { .. } | Step::Lut { .. } | Step::Matrix { .. } => Self::Color,
            Step::Resize { .. } if to.pixels().saturating_mul(16) <= from.pixels() => Self::Thumbnail,
            Step::Resize { .. } => Self::Resize,
            Step::Orient { .. }
            | Step::Crop { .. }
            | Step::Pad { .. }
            | Step::Flatten { .. }
            | Step::Overlay { .. }
            | Step::Convert { .. } => Self::Light,
        };
        (kind, from.pixels().max(to.pixels()))
    }

    /// The kind of a recording for images like `shape`, and the pixels that count; `None` where no step changes anything.
    ///
    /// # Errors
    /// [`Failure::Internal`] when a step does not fit.
    pub fn of(recording: &Recording, mut shape: Shape) -> Result<Option<(Self, u64)>, Failure> {
        let mut most = None;
        for step in &recording.steps {
            let kernel = crate::kernels::of(step);
            let made = kernel.output(step, shape)?;
            if !kernel.is_identity(step, shape) {
                let (kind, pixels) = Self::of_step(step, shape, made);
                most = most.max(Some((pixels, kind)));
            }
            shape = made;
        }
        Ok(most.map(|(pixels, kind)| (kind, pixels)))
    }
}

/// The machine that a table is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Model of the processor.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// The [`CpuLevel`] that was measured.
    pub level: String,
    /// Name of the GPU; `None` where there was none to measure.
    pub adapter: Option<String>,
    /// Version of the program.
    pub version: String,
}

impl Machine {
    /// This one, at `level` and with the GPU of that name.
    pub fn here(level: CpuLevel, adapter: Option<String>) -> Self {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = text.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(": ")?.1));
        Self {
            cpu: model.unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            level: level.as_str().to_owned(),
            adapter,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// The first thing in which `self`, that of a table, is not `here`. The GPU is left out: which one there is shows once it is open.
    fn differs(&self, here: &Self) -> Option<String> {
        let differs = |what: &str, was: &str, is: &str| (was != is).then(|| format!("its {what} was {was}, and this is {is}"));
        differs("version", &self.version, &here.version)
            .or_else(|| differs("processor", &self.cpu, &here.cpu))
            .or_else(|| differs("number of cores", &self.cores.to_string(), &here.cores.to_string()))
            .or_else(|| differs("CPU level", &self.level, &here.level))
    }
}

/// One size that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// The larger of the source's pixels and the result's.
    pub pixels: u64,
    /// One thread of the CPU, milliseconds.
    pub cpu_ms: f64,
    /// Up, through the kernels and back, milliseconds.
    pub gpu_ms: Option<f64>,
}

/// Where one kind of work goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// From so many pixels on to the GPU; `None`: never.
    pub gpu_from_pixels: Option<u64>,
    /// What that was found from, smallest first.
    #[serde(default)]
    pub measured: Vec<Point>,
}

/// Where pictures go that are made of coefficients, as coefficients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoefficientRoute {
    /// From so many pixels on, the source's or the result's, to the GPU; `None`: never.
    pub gpu_from_pixels: Option<u64>,
    /// Pictures that are best made in one batch.
    pub in_batch: usize,
    /// What the first was found from, smallest first.
    #[serde(default)]
    pub measured: Vec<Point>,
}

impl Default for CoefficientRoute {
    /// Nothing was measured.
    fn default() -> Self {
        Self { gpu_from_pixels: None, in_batch: 8, measured: Vec::new() }
    }
}

/// Tasks that wait for a GPU at once where it is never idle: all batches in flight. None where nothing goes there.
pub(crate) fn waiting(routes: Option<&Routes>) -> usize {
    let in_batch = match routes {
        None => IN_BATCH,
        Some(routes) if routes.coefficients.gpu_from_pixels.is_some() => routes.coefficients.in_batch,
        Some(_) => 0,
    };
    in_batch * IN_FLIGHT
}

/// The table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Routes {
    /// Whose.
    pub machine: Machine,
    /// When it was measured, RFC 3339.
    pub date: String,
    /// A row for each kind.
    pub recordings: BTreeMap<Kind, Route>,
    /// Where pictures go that need not become pixels. Tables of versions that knew nothing of it are read, too: they are told apart behind that.
    #[serde(default)]
    pub coefficients: CoefficientRoute,
    /// Recordings that the GPU does best at once; one more goes to the CPU.
    pub gpu_at_once: usize,
    /// Conversions at once that the processor does best: `CONVERTFLY_CPU_SLOTS` where that is not set.
    pub cpu_slots: u32,
}

/// Why a table cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum RoutesError {
    /// It is not there, or not to be read.
    #[error("CONVERTFLY_ROUTES: {path} cannot be read: {error}. {REMEDY}")]
    Unreadable {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// It is not a table.
    #[error("CONVERTFLY_ROUTES: {path} is not a table of routes: {cause}. {REMEDY}")]
    Broken {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
}

const REMEDY: &str = "Make it anew with `convertfly bench calibrate`, or remove it";

impl Routes {
    /// Reads a table, whichever machine it is of.
    ///
    /// # Errors
    /// When the file cannot be read or is not a whole table.
    pub fn read(path: &Path) -> Result<Self, RoutesError> {
        let text = std::fs::read_to_string(path).map_err(|error| RoutesError::Unreadable { path: path.to_owned(), error })?;
        Self::parse(&text).map_err(|cause| RoutesError::Broken { path: path.to_owned(), cause })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let table: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let missing = Kind::ALL.into_iter().find(|kind| !table.recordings.contains_key(kind));
        if let Some(kind) = missing {
            return Err(format!("`recordings` has no row `{}`", kind.as_str()));
        }
        let goes = Kind::ALL.into_iter().find(|kind| table.recordings[kind].gpu_from_pixels.is_some());
        if let (Some(kind), None) = (goes, &table.machine.adapter) {
            return Err(format!("`recordings.{}` goes to a GPU, and `machine.adapter` names none", kind.as_str()));
        }
        if table.coefficients.gpu_from_pixels.is_some() && table.machine.adapter.is_none() {
            return Err("`coefficients` goes to a GPU, and `machine.adapter` names none".to_owned());
        }
        if !(1..=256).contains(&table.coefficients.in_batch) {
            return Err("`coefficients.in_batch` is a number from 1 to 256".to_owned());
        }
        if table.gpu_at_once == 0 || !(1..=4096).contains(&table.cpu_slots) {
            return Err("`gpu_at_once` and `cpu_slots` are numbers from 1 up".to_owned());
        }
        Ok(table)
    }

    /// Why this table is not for this machine, as far as that can be said before a GPU is open.
    pub fn foreign(&self, level: CpuLevel) -> Option<String> {
        self.machine.differs(&Machine::here(level, None))
    }

    /// The table of a file where it is for this machine; one of another machine or version is told of in the log and ignored.
    ///
    /// # Errors
    /// As [`Routes::read`].
    pub fn usable(path: &Path, level: CpuLevel) -> Result<Option<Self>, RoutesError> {
        let table = Self::read(path)?;
        match table.foreign(level) {
            None => Ok(Some(table)),
            Some(why) => {
                tracing::warn!(path = %path.display(), "the table of routes is ignored: {why}. Make it anew with `convertfly bench calibrate`");
                Ok(None)
            }
        }
    }

    /// What `CONVERTFLY_ROUTES` says: a path, or the table itself, as [`Routes::handed_on`] gives it.
    ///
    /// # Errors
    /// As [`Routes::read`].
    pub(super) fn of_setting(value: &str, level: CpuLevel) -> Result<Option<Self>, RoutesError> {
        if !value.starts_with('{') {
            return Self::usable(Path::new(value), level);
        }
        let table = Self::parse(value).map_err(|cause| RoutesError::Broken { path: "what was handed on".into(), cause })?;
        Ok(table.foreign(level).is_none().then_some(table))
    }

    /// The table in short, for the environment of a child: that starts again whatever has become of the file meanwhile.
    pub(crate) fn handed_on(mut self) -> Result<String, Failure> {
        self.recordings.values_mut().for_each(|route| route.measured.clear());
        self.coefficients.measured.clear();
        serde_json::to_string(&self).map_err(Failure::internal)
    }

    /// Whether work of that kind and size goes to the GPU, and why.
    pub(super) fn route(&self, kind: Kind, pixels: u64) -> (bool, String) {
        Self::found(kind.as_str(), self.recordings.get(&kind).and_then(|route| route.gpu_from_pixels), pixels)
    }

    /// The same of coefficients.
    pub(super) fn route_coefficients(&self, pixels: u64) -> (bool, String) {
        Self::found("coefficients", self.coefficients.gpu_from_pixels, pixels)
    }

    fn found(name: &str, from: Option<u64>, pixels: u64) -> (bool, String) {
        match from {
            Some(from) => {
                (pixels >= from, format!("measured on this machine: {name} of {pixels} pixels, to the GPU from {from}"))
            }
            None => (false, format!("measured on this machine: {name} of {pixels} pixels, never to the GPU")),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::pixels::{Channels, Depth, Filter};

    /// A table of this machine that sends resizes to `adapter` from `pixels` on.
    pub(in crate::pixels) fn table(adapter: &str, pixels: u64) -> Routes {
        let route = |kind| Route { gpu_from_pixels: (kind == Kind::Resize).then_some(pixels), measured: Vec::new() };
        Routes {
            machine: Machine::here(CpuLevel::detect(), Some(adapter.to_owned())),
            date: "2026-11-28T12:00:00Z".to_owned(),
            recordings: Kind::ALL.into_iter().map(|kind| (kind, route(kind))).collect(),
            coefficients: CoefficientRoute { gpu_from_pixels: Some(2 * pixels), in_batch: 4, measured: Vec::new() },
            gpu_at_once: 2,
            cpu_slots: 3,
        }
    }

    fn json(change: impl FnOnce(&mut serde_json::Value)) -> String {
        let mut value = serde_json::to_value(table("a GPU", 5)).expect("JSON");
        change(&mut value);
        value.to_string()
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        assert_eq!(Routes::parse(&json(|_| ())), Ok(table("a GPU", 5)));
    }

    #[test]
    fn a_table_without_coefficients_is_one_that_has_not_measured_them() {
        let old = json(|value| {
            value.as_object_mut().map(|table| table.remove("coefficients"));
        });
        let read = Routes::parse(&old).expect("it is read");
        assert_eq!(read, Routes { coefficients: CoefficientRoute::default(), ..table("a GPU", 5) });
        assert!(!read.route_coefficients(u64::MAX).0, "they stay on the CPU");
    }

    #[test]
    fn a_child_is_handed_the_table_itself() {
        let text = table("a GPU", 5).handed_on().expect("JSON");
        let found = Routes::of_setting(&text, CpuLevel::detect()).expect("a table");
        assert_eq!(found, Some(table("a GPU", 5)));
        let message = Routes::of_setting("{}", CpuLevel::detect()).expect_err("not a table").to_string();
        assert!(message.contains("missing field"), "{message}");
    }

    #[test]
    fn a_broken_table_is_refused_with_what_is_wrong() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("routes.json");
        for (text, part) in [
            ("{".to_owned(), "EOF"),
            (json(|value| drop(value["recordings"].as_object_mut().map(|rows| rows.remove("blur")))), "no row `blur`"),
            (json(|value| value["recordings"]["glow"] = serde_json::json!({ "gpu_from_pixels": 1 })), "glow"),
            (json(|value| value["recordings"]["resize"]["gpu_from_pixels"] = serde_json::json!("many")), "many"),
            (json(|value| value["machine"]["adapter"] = serde_json::Value::Null), "recordings.resize"),
            (
                json(|value| {
                    value["machine"]["adapter"] = serde_json::Value::Null;
                    value["recordings"]["resize"]["gpu_from_pixels"] = serde_json::Value::Null;
                }),
                "`coefficients`",
            ),
            (json(|value| value["coefficients"]["in_batch"] = serde_json::json!(0)), "in_batch"),
            (json(|value| value["gpu_at_once"] = serde_json::json!(0)), "gpu_at_once"),
            (json(|value| value["cpu_slots"] = serde_json::json!(0)), "cpu_slots"),
        ] {
            std::fs::write(&path, text).expect("written");
            let message = Routes::read(&path).expect_err("it is broken").to_string();
            for part in [part, "routes.json", "bench calibrate"] {
                assert!(message.contains(part), "the message names {part}: {message}");
            }
        }
        let message = Routes::read(&folder.path().join("none")).expect_err("there is none").to_string();
        assert!(message.contains("cannot be read"), "{message}");
    }

    #[test]
    fn a_table_of_another_machine_or_version_is_foreign() {
        let level = CpuLevel::detect();
        assert_eq!(table("any", 1).foreign(level), None, "this machine");
        let machine = table("any", 1).machine;
        for (what, machine) in [
            ("version", Machine { version: "0.0.1".to_owned(), ..machine.clone() }),
            ("processor", Machine { cpu: "Z80".to_owned(), ..machine.clone() }),
            ("cores", Machine { cores: machine.cores + 1, ..machine.clone() }),
            ("level", Machine { level: "mmx".to_owned(), ..machine }),
        ] {
            let other = Routes { machine, ..table("any", 1) };
            let why = other.foreign(level).unwrap_or_default();
            assert!(why.contains(what), "{what} is named: {why}");
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), serde_json::to_string(&other).expect("JSON")).expect("written");
            assert!(matches!(Routes::usable(file.path(), level), Ok(None)), "{what}: ignored");
        }
    }

    #[test]
    fn the_step_that_touches_most_pixels_gives_the_kind() {
        let shape = Shape { width: 400, height: 300, channels: Channels::Rgb, depth: Depth::U8 };
        let resize = |width, height| Step::Resize { width, height, filter: Filter::Lanczos3 };
        let of = |steps: Vec<Step>| Kind::of(&Recording { steps, ..Recording::default() }, shape).expect("it fits");
        assert_eq!(of(vec![]), None, "nothing");
        assert_eq!(of(vec![resize(400, 300)]), None, "nothing that changes anything");
        assert_eq!(of(vec![resize(100, 75)]), Some((Kind::Thumbnail, 120_000)), "a sixteenth is left");
        assert_eq!(of(vec![resize(101, 75)]), Some((Kind::Resize, 120_000)), "more is left");
        assert_eq!(of(vec![resize(800, 600)]), Some((Kind::Resize, 480_000)), "what is made counts where it is more");
        assert_eq!(
            of(vec![resize(100, 75), Step::Blur { sigma: 2.0 }]),
            Some((Kind::Thumbnail, 120_000)),
            "a small blur after it"
        );
        assert_eq!(of(vec![resize(200, 150), Step::Blur { sigma: 2.0 }]), Some((Kind::Resize, 120_000)), "and a larger one");
        let color = Step::Flatten { color: [0; 3] };
        assert_eq!(of(vec![Step::Blur { sigma: 2.0 }, color]), Some((Kind::Blur, 120_000)), "of equals the dearer one");
    }
}
