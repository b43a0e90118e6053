//! LibreOffice's processes: started when the first document comes, one document at a time each, replaced after a number of them, or
//! once it has grown.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use convertfly_office::{LIBRARY, PROGRAM};
use convertfly_sandbox::{Growth, PoolConfig, Progress, Singles, Turn};
use serde_json::Value;

use crate::engines::Availability;
use crate::failure::Failure;
use crate::formats::Cancel;
use crate::jail::{self, Jail};

/// The program that runs inside the jail.
const CHILD: &str = "convertfly-office";

/// Its name there.
const CHILD_INSIDE: &str = "/convertfly-office";

/// What says where it is, when it lies elsewhere than beside this program.
const CHILD_VARIABLE: &str = "CONVERTFLY_OFFICE";

/// Documents of one process: what a leak may cost is bounded.
const DOCUMENTS: u64 = 200;

/// How long a process may take to start, the first time from a cold disk.
const START: Duration = Duration::from_secs(60);

/// LibreOffice does not stop when told to: it is killed at once.
const GRACE: Duration = Duration::from_millis(10);

/// Bytes of memory that the files of one document take: profile, source and result.
const FILES: u64 = 3 << 30;

/// jemalloc. LibreOffice allocates small objects by the million: with it, a long document takes a quarter less time than with glibc's
/// allocator. In one arena, on large pages; memory that was freed is kept for the next document, unless none comes within half a minute.
const ALLOCATOR: (&str, &str) = ("libjemalloc.so.2", "narenas:1,thp:always,metadata_thp:auto,dirty_decay_ms:30000");

/// Where Debian and its derivatives keep libraries, before and behind the name of the processor.
const LIBRARIES: (&str, &str) = ("/usr/lib", "linux-gnu");

/// A part of LibreOffice that the packages `libreoffice-*-nogui` leave out, without which spreadsheets and comments end in a crash.
const DIALOGUE: &str = "../share/config/soffice.cfg/modules/scalc/ui/inputbar.ui";

/// The processes. Cheap to clone.
#[derive(Clone)]
pub struct Offices {
    children: Arc<Singles>,
    growth: Growth,
}

impl Offices {
    /// Room for so many processes, each of which is replaced as `growth` says; none is started yet.
    pub fn new(count: usize, growth: Growth) -> Self {
        Self { children: Arc::new(Singles::new(count)), growth }
    }

    /// Whether documents can be converted here.
    pub fn probe() -> Availability {
        let missing = |what: String| Availability::Missing { what, remedy: jail::REMEDY.to_owned() };
        let program = Path::new(PROGRAM);
        if !program.join(LIBRARY).exists() {
            return missing("LibreOffice is not installed".to_owned());
        }
        if !program.join(DIALOGUE).exists() {
            return missing(
                "LibreOffice is there without libreoffice-writer, -calc, -impress and -draw (not those with -nogui)".to_owned(),
            );
        }
        if child().is_none() {
            let what = format!("the program {CHILD} does not lie beside this one");
            return Availability::Missing {
                what,
                remedy: format!("cargo build --workspace, or set {CHILD_VARIABLE}=/path/to/{CHILD}"),
            };
        }
        match Jail::find() {
            Ok(_) => Availability::Ready("LibreOffice in bubblewrap".to_owned()),
            Err(why) => missing(why.to_owned()),
        }
    }

    /// Does a piece of work in a process that is free, and tells how many milliseconds it has waited for one, unless it has its `turn`.
    ///
    /// # Errors
    /// As [`Pool::run`].
    pub(super) async fn run(
        &self,
        turn: Option<Turn<'_>>,
        job: Value,
        files: Vec<OwnedFd>,
        cancel: &Cancel,
        deadline: Duration,
    ) -> Result<(Value, u64), Failure> {
        let start = || config(self.growth.clone());
        let (done, waited) = match turn {
            Some(turn) => turn.run(start, job, files, cancel, deadline, Progress::default()).await?,
            None => self.children.run(start, job, files, cancel, deadline, Progress::default()).await?,
        };
        Ok((done, u64::try_from(waited.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Room for two documents at once, if there is that now.
    pub(super) fn two(&self) -> Option<[Turn<'_>; 2]> {
        self.children.two()
    }

    /// Ends the processes.
    pub async fn stop(&self) {
        self.children.stop().await;
    }
}

/// Where the program lies: as told, or beside this one, where cargo and the packages put it.
fn child() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(CHILD_VARIABLE).map(PathBuf::from) {
        return Some(path).filter(|path| path.is_file());
    }
    let own = std::env::current_exe().ok()?;
    // Tests lie in a folder of their own beside the programs.
    own.ancestors().skip(1).take(2).map(|folder| folder.join(CHILD)).find(|path| path.is_file())
}

/// Where the allocator lies, if it is installed: without it everything works, more slowly.
fn allocator() -> Option<PathBuf> {
    let (before, behind) = LIBRARIES;
    let path = Path::new(before).join(format!("{}-{behind}", std::env::consts::ARCH)).join(ALLOCATOR.0);
    Some(path).filter(|path| path.exists())
}

fn config(growth: Growth) -> Result<PoolConfig, Failure> {
    let jail = Jail::find().map_err(Failure::internal)?;
    let child = child().ok_or_else(|| Failure::internal(format!("{CHILD} is gone")))?;
    let allocator = allocator();
    let preload = allocator.as_deref().and_then(Path::to_str).map(|path| [("LD_PRELOAD", path), ("MALLOC_CONF", ALLOCATOR.1)]);
    let variables = preload.as_ref().map_or(&[][..], |variables| variables);
    Ok(PoolConfig {
        args: jail.arguments(FILES, variables, &[(&child, CHILD_INSIDE)], Path::new(CHILD_INSIDE), &[] as &[&OsStr]),
        restart_after: DOCUMENTS,
        growth: Some(growth),
        start_timeout: START,
        grace: GRACE,
        ..PoolConfig::new(jail.program().to_owned())
    })
}
