//! The confinement of this process: limits, no privileges, no files but those handed in, few system calls.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, PathBeneath, PathFd, RestrictSelfAttr, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::thread::{CapabilitySet, CapabilitySets};
use serde::{Deserialize, Serialize};

use super::{limits, seccomp};

/// What a child is allowed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Confinement {
    /// Bytes of address space, stacks and reserved arenas included; not applied with `gpu`, whose drivers map more than there is.
    pub address_space: Option<u64>,
    /// Bytes that a file may grow to.
    pub file_size: u64,
    /// Descriptors open at a time, the control socket and the standard three included.
    pub open_files: u64,
    /// The process holds a GPU device: its driver's threads and calls are not known beforehand, so system calls are refused by a list of
    /// dangerous ones instead of allowed by a list of needed ones.
    pub gpu: bool,
    /// Devices that stay within reach, to be read, written and told what to do; those that are not there are left out. They need `gpu`.
    #[serde(default)]
    pub devices: Vec<PathBuf>,
}

/// Whether a layer of the confinement is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Layer {
    /// All of it.
    Active,
    /// Less than was asked for.
    Partial {
        /// What is missing.
        missing: String,
    },
    /// None of it.
    Absent {
        /// Why.
        reason: String,
    },
}

impl Layer {
    fn of<E: std::fmt::Display>(result: Result<(), E>) -> Self {
        match result {
            Ok(()) => Self::Active,
            Err(error) => Self::Absent { reason: error.to_string() },
        }
    }
}

/// Which layers hold, as told to the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Address space, file size, descriptors, no core files.
    pub limits: Layer,
    /// Killed by the kernel when the node ends.
    pub parent_death: Layer,
    /// Chosen first when memory runs out.
    pub oom_score: Layer,
    /// No capability left, and none to be gained.
    pub privileges: Layer,
    /// No file, address or process outside can be reached (Landlock, or a jail).
    pub landlock: Layer,
    /// System calls are filtered, or those of a jail lead nowhere.
    pub seccomp: Layer,
    /// The child holds a GPU device.
    #[serde(default)]
    pub gpu: bool,
}

impl Report {
    /// The layers that are not fully in force, each as a sentence for the log.
    pub fn weaknesses(&self) -> Vec<String> {
        let layers = [
            ("limits", &self.limits),
            ("death with the node", &self.parent_death),
            ("OOM score", &self.oom_score),
            ("privileges", &self.privileges),
            ("Landlock", &self.landlock),
            ("seccomp", &self.seccomp),
        ];
        layers
            .into_iter()
            .filter_map(|(name, layer)| match layer {
                Layer::Active => None,
                Layer::Partial { missing } => Some(format!("{name} is partial: {missing}")),
                Layer::Absent { reason } => Some(format!("{name} is absent: {reason}")),
            })
            .collect()
    }
}

/// Nothing stands between a customer's file and the machine.
#[derive(Debug, thiserror::Error)]
#[error(
    "neither Landlock ({landlock}) nor seccomp ({seccomp}) works here; run on Linux 5.13 or newer with one of the two enabled, and allow it in the container's profile"
)]
pub struct LockdownError {
    landlock: String,
    seccomp: String,
}

/// Confines this process for good. Call it when everything that needs files is open (the GPU device) and before threads that touch
/// customers' bytes are started: they inherit all of it, while Landlock before Linux 7.0 leaves threads that run already alone.
///
/// A layer that this kernel does not offer is skipped and named in the report.
///
/// # Errors
/// [`LockdownError`] when neither Landlock nor seccomp holds.
pub fn lock_down(confinement: &Confinement) -> Result<Report, LockdownError> {
    let oom_score = Layer::of(limits::be_first_to_go());
    let limits = Layer::of(limits::apply(confinement));
    let privileges = Layer::of(drop_privileges());
    let parent_death = Layer::of(limits::die_with_parent());
    let landlock = deny_files(&confinement.devices).unwrap_or_else(|error| Layer::Absent { reason: error.to_string() });
    let seccomp = Layer::of(seccomp::install(confinement.gpu));
    if let (Layer::Absent { reason: landlock }, Layer::Absent { reason: seccomp }) = (&landlock, &seccomp) {
        return Err(LockdownError { landlock: landlock.clone(), seccomp: seccomp.clone() });
    }
    Ok(Report { limits, parent_death, oom_score, privileges, landlock, seccomp, gpu: confinement.gpu })
}

/// The limits alone, and no way to more privileges. The rest is the jail's, in which this process runs: it can reach no file, address or
/// process outside of it, and dies with it.
pub(super) fn in_jail(confinement: &Confinement) -> Report {
    Report {
        limits: Layer::of(limits::apply(confinement)),
        parent_death: Layer::Active,
        oom_score: Layer::of(limits::be_first_to_go()),
        privileges: Layer::of(drop_privileges()),
        landlock: Layer::Active,
        seccomp: Layer::Active,
        gpu: confinement.gpu,
    }
}

/// A node in a container often runs as root: the child keeps the number and loses the powers.
fn drop_privileges() -> rustix::io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}

/// A ruleset that handles every access and allows none but that to the devices.
fn deny_files(devices: &[PathBuf]) -> Result<Layer, RulesetError> {
    let threads = std::fs::read_dir("/proc/self/task").map(Iterator::count).unwrap_or(1);
    let wanted = ABI::V10;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(wanted))?
        .handle_access(AccessNet::from_all(wanted))?
        .scope(Scope::from_all(wanted))?
        .create()?
        .add_rules(devices.iter().filter_map(|device| PathFd::new(device).ok()).map(|device| {
            Ok::<_, RulesetError>(PathBeneath::new(device, AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev))
        }))?
        .all_threads(true)?
        .restrict_self()?;
    let LandlockStatus::Available { effective_abi, .. } = status.landlock else {
        return Ok(Layer::Absent { reason: format!("the kernel says {:?}", status.landlock) });
    };
    if status.ruleset == RulesetStatus::NotEnforced {
        return Ok(Layer::Absent { reason: "the kernel enforces nothing of it".to_owned() });
    }
    // What later versions add (UDP, path-based Unix sockets) needs a socket, which seccomp refuses, so their absence is no weakness.
    let mut missing = Vec::new();
    for (abi, what) in [(ABI::V3, "truncating files by path"), (ABI::V4, "TCP"), (ABI::V6, "signals and abstract Unix sockets")] {
        if effective_abi < abi {
            missing.push(what.to_owned());
        }
    }
    if !status.all_threads && threads > 1 {
        missing.push(format!("threads started before it: {}", threads - 1));
    }
    Ok(if missing.is_empty() { Layer::Active } else { Layer::Partial { missing: missing.join(", ") } })
}
