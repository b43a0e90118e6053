//! The image executor: the confined child that decodes customers' images, and the node's line to it.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::Value;

use crate::cores::Cores;
use crate::engines::Made;
use crate::engines::image::Remote;
use crate::engines::image::admission::Memory;
use crate::engines::image::job::{self, ImageJob};
use crate::failure::Failure;
use crate::formats::Cancel;
use crate::node::WorkerConfig;
use crate::pixels::routes::Routes;
use crate::pixels::{self, Processor};
use crate::sandbox::{self, Confinement, Pool, PoolConfig};

/// Bytes of address space that the child may take: room for the largest image allowed, decoded and processed on every core.
const ADDRESS_SPACE: u64 = 24 << 30;

/// Bytes of the largest file that it may write.
const FILE_SIZE: u64 = 5 << 30;

/// Descriptors: four per task on a machine with many cores, and what the driver needs.
const OPEN_FILES: u64 = 1024;

/// The variable in which a node tells its executor how many tasks may have a core; the others that it holds wait for the GPU.
const CORES_VARIABLE: &str = "CONVERTFLY_EXECUTOR_CORES";

/// The child's life: warm up, lock down, work until the node goes away.
pub fn child() -> ExitCode {
    let processor = Processor::from_env();
    let processor = match processor {
        Ok(processor) => processor,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "the executor cannot start: {failure}");
            return ExitCode::FAILURE;
        }
    };
    // Reads /proc, which is out of reach once the doors are closed.
    let _ = Memory::of_process();
    let confinement = Confinement {
        address_space: Some(ADDRESS_SPACE),
        file_size: FILE_SIZE,
        open_files: OPEN_FILES,
        // The device is opened before the doors close; its driver still needs system calls of its own.
        gpu: processor.warm_up(),
        devices: Vec::new(),
    };
    let cores = std::env::var(CORES_VARIABLE).ok().and_then(|value| value.parse().ok());
    let cores = Cores::new(cores.unwrap_or_else(sandbox::threads_from_environment));
    let handler = move |job: Value, files: Vec<File>, cancel: &Cancel| {
        let job: ImageJob = serde_json::from_value(job).map_err(Failure::internal)?;
        let made = cores.run(cancel, || job::run(&job, files, &processor, cancel))?;
        serde_json::to_value(made).map_err(Failure::internal)
    };
    sandbox::serve(sandbox::threads_from_environment(), &confinement, Arc::new(handler))
}

/// Tasks that a node may have beside those on its cores, where it has a GPU: as many as wait for one that is never idle.
pub(crate) fn places(config: &WorkerConfig, routes: Option<&Routes>) -> usize {
    if config.gpu == "off" { 0 } else { pixels::routes::waiting(routes) }
}

/// Starts the children ahead: this program again, with nothing of our environment but the settings of pixel work. `routes` is a table
/// for this machine.
///
/// # Errors
/// [`Failure::Internal`] when the child does not become ready.
pub async fn start(config: &WorkerConfig, routes: Option<Routes>) -> Result<Pool, Failure> {
    let mut pool = PoolConfig::new(program()?);
    pool.args = vec!["image-executor".into()];
    pool.threads = config.threads() as usize;
    pool.waiting = places(config, routes.as_ref());
    let settings = [("CONVERTFLY_GPU", &config.gpu), ("CONVERTFLY_CPU", &config.cpu)];
    pool.envs =
        settings.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.into(), value.clone())).collect();
    pool.envs.push((CORES_VARIABLE.into(), pool.threads.to_string()));
    if let Some(routes) = routes {
        pool.envs.push(("CONVERTFLY_ROUTES".into(), routes.handed_on()?));
    }
    // Where the operator has pointed the Vulkan loader at a driver, the child has to look there too.
    for name in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "LD_LIBRARY_PATH"] {
        pool.envs.extend(std::env::var(name).ok().map(|value| (name.to_owned(), value)));
    }
    // Mesa complains on standard error where this is not set; it opens nothing there.
    let runtime = std::env::var("XDG_RUNTIME_DIR").ok().filter(|value| !value.is_empty());
    pool.envs.push(("XDG_RUNTIME_DIR".into(), runtime.unwrap_or_else(|| "/tmp".into())));
    Pool::start(pool).await
}

/// This program. The link in `/proc` still leads to it when the file was replaced by an upgrade meanwhile.
fn program() -> Result<PathBuf, Failure> {
    let path = PathBuf::from("/proc").join(std::process::id().to_string()).join("exe");
    if path.exists() { Ok(path) } else { std::env::current_exe().map_err(Failure::internal) }
}

/// The image engine's way into the pool.
pub fn remote(pool: Pool) -> Remote {
    Arc::new(move |job: ImageJob, files: Vec<File>, cancel: Cancel, deadline: Duration| {
        let pool = pool.clone();
        async move {
            let job = serde_json::to_value(job).map_err(Failure::internal)?;
            let made = pool.run(job, files.into_iter().map(Into::into).collect(), &cancel, deadline).await?;
            serde_json::from_value::<Made>(made).map_err(Failure::internal)
        }
        .boxed()
    })
}
