//! What a node works with: storage, the outbound client, scratch space, engines.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::seal::Sealer;
use convertfly_scheduler::storage::Storage;
use serde::{Deserialize, Serialize};

use super::cache::{Cache, LocalFile};
use crate::engines::image::Runner;
use crate::engines::media::{MediaConfig, MediaEngine};
use crate::engines::office::Offices;
use crate::engines::route::Router;
use crate::engines::{self, Availability, Growth};
use crate::executor;
use crate::fetch::{AllowNets, FetchConfig, Fetcher};
use crate::pixels::CpuLevel;
use crate::pixels::routes::Routes;
use crate::sandbox::Pool;
use crate::scratch::Scratch;

/// Settings of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// `CONVERTFLY_SCRATCH`: folder for tasks' temporary files; default `<data>/scratch`.
    pub scratch: Option<PathBuf>,
    /// `CONVERTFLY_CPU_SLOTS`: conversions at once; 0 is one per core.
    pub cpu_slots: u32,
    /// `CONVERTFLY_VIDEO_SLOTS`: videos encoded at once; 0 is one for every four cores, and at least two.
    pub video_slots: u32,
    /// `CONVERTFLY_OFFICE_SLOTS`: office documents at once, a process of LibreOffice each; 0 is one per core, up to 4.
    pub office_slots: u32,
    /// `CONVERTFLY_OFFICE_MEMORY`: MiB that a process of LibreOffice or of Chromium may keep between documents before it is replaced; 0 is any
    /// number.
    pub office_memory: u32,
    /// `CONVERTFLY_IO_SLOTS`: imports and exports at once.
    pub io_slots: u32,
    /// `CONVERTFLY_LEASE_MS`: how long a task stays with a worker that is silent; at least 100.
    pub lease_ms: u64,
    /// `CONVERTFLY_TASK_TIMEOUT`: seconds that one task may take.
    pub task_timeout: u64,
    /// Seconds that a download link is valid: as long as files are kept, see `CONVERTFLY_KEEP_FILES`.
    pub link_lifetime: u64,
    /// `CONVERTFLY_ALLOW_NETS`: networks that imports may reach though they are not public, CIDR, separated by commas.
    pub allow_nets: String,
    /// `CONVERTFLY_GPU`: `auto`, `off`, `software` or `require`.
    pub gpu: String,
    /// `CONVERTFLY_CPU`: `scalar`, `avx2` or `avx512`; can only lower what the processor offers.
    pub cpu: String,
    /// `CONVERTFLY_ROUTES`: the table that `convertfly bench calibrate` has written; default: `<data>/routes.json` where there is one.
    pub routes: Option<PathBuf>,
    /// `CONVERTFLY_MEDIA`: absolute path of `convertfly-media`; default: beside this program.
    pub media: Option<PathBuf>,
    /// `CONVERTFLY_ENCODER`: `auto`, `hardware`, `software` or the name of a video encoder, where a task says nothing.
    pub encoder: String,
    /// `CONVERTFLY_SHARE_DECODES`: whether tasks on one image share what has been decoded of it; results are the same either way.
    pub share_decodes: bool,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            scratch: None,
            cpu_slots: 0,
            video_slots: 0,
            office_slots: 0,
            office_memory: 1_024,
            io_slots: 32,
            lease_ms: 10_000,
            task_timeout: 600,
            link_lifetime: 24 * 3_600,
            allow_nets: String::new(),
            gpu: "auto".into(),
            cpu: String::new(),
            routes: None,
            media: None,
            encoder: String::new(),
            share_decodes: true,
        }
    }
}

impl WorkerConfig {
    /// Conversions at once.
    pub fn threads(&self) -> u32 {
        if self.cpu_slots > 0 {
            return self.cpu_slots;
        }
        std::thread::available_parallelism().map_or(1, NonZeroUsize::get).try_into().unwrap_or(1)
    }

    /// Videos encoded at once. Encoders use several threads but not all the time, so that two together are done sooner than one after the other.
    pub fn videos(&self) -> u32 {
        if self.video_slots > 0 { self.video_slots } else { (self.threads() / 4).max(2) }
    }

    /// Processes of LibreOffice.
    fn office_processes(&self) -> usize {
        let count = if self.office_slots > 0 { self.office_slots } else { self.threads().min(4) };
        count as usize
    }

    /// The lanes that this node serves, with slots. Conversions get two for each thread: while one is at it, the file of the next is fetched,
    /// or the result of the last one reaches the disk, which takes about as long as making a thumbnail.
    pub fn lanes(&self) -> Vec<(Lane, u32)> {
        let office = u32::try_from(self.office_processes()).unwrap_or(1);
        let cpu = (Lane::Cpu, self.threads() * 2);
        vec![(Lane::Io, self.io_slots), cpu, (Lane::Office, office + 1), (Lane::Video, self.videos())]
    }

    /// Every problem, each naming the variable, the form of its value and an example.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.io_slots == 0 {
            problems.push("CONVERTFLY_IO_SLOTS must be a number from 1 up, for example 32".to_owned());
        }
        if self.lease_ms < 100 {
            problems.push("CONVERTFLY_LEASE_MS must be at least 100 milliseconds, for example 10000".to_owned());
        }
        if self.task_timeout == 0 {
            problems.push("CONVERTFLY_TASK_TIMEOUT must be at least 1 second, for example 600".to_owned());
        }
        problems
    }
}

/// What every operation can use.
pub struct Services {
    /// Where files live.
    pub storage: Storage,
    /// The only way out.
    pub fetcher: Fetcher,
    /// Opens secrets that the store holds sealed.
    pub sealer: Sealer,
    /// Temporary files.
    pub scratch: Scratch,
    /// Who converts what.
    pub router: Router,
    /// How long one task may take.
    pub task_timeout: Duration,
    /// Whether tasks on one image share what has been decoded of it.
    pub share_decodes: bool,
    /// How long a download link is valid.
    pub link_lifetime: Duration,
    /// The confined children behind the image engine.
    pool: Pool,
    /// The way to them.
    runner: Runner,
    /// Tasks beside those on the cores, which wait for the GPU.
    beside: usize,
    media: Arc<MediaEngine>,
    /// LibreOffice's processes.
    offices: Offices,
    /// Counts LibreOffice's processes, then Chromium's, that had grown.
    growth: [Growth; 2],
    cache: Cache,
}

impl Services {
    /// Opens scratch space and starts the children.
    ///
    /// # Errors
    /// A setting that does not read, a folder that cannot be made, or a child that does not become ready; each in words for
    /// the operator.
    pub async fn open(config: &WorkerConfig, scratch: &Path, storage: Storage, sealer: Sealer) -> Result<Self, StartError> {
        let allow = config.allow_nets.parse::<AllowNets>().map_err(|error| StartError(error.to_string()))?;
        let fetcher =
            Fetcher::new(FetchConfig { allow, ..FetchConfig::default() }).map_err(|error| StartError(error.to_string()))?;
        let scratch =
            Scratch::open(scratch).map_err(|error| StartError(format!("scratch folder {}: {error}", scratch.display())))?;
        let routes = routes(config)?;
        let places = executor::places(config, routes.as_ref());
        let pool = executor::start(config, routes).await.map_err(|failure| StartError(failure.to_string()))?;
        let beside = if pool.report().is_some_and(|report| report.gpu) { places } else { 0 };
        let runner = Runner::Remote(executor::remote(pool.clone()));
        let growth = [(); 2].map(|()| Growth::new(u64::from(config.office_memory) << 20));
        let [libreoffice, chromium] = &growth;
        let offices = Offices::new(config.office_processes(), libreoffice.clone());
        let media = MediaConfig {
            program: config.media.clone(),
            children: (config.threads() + config.videos()) as usize,
            threads: config.threads() as usize,
            encoder: config.encoder.clone(),
        };
        let media = Arc::new(MediaEngine::new(media, runner.clone()));
        let engines = engines::all(&runner, &offices, chromium.clone(), Arc::clone(&media), config.threads() as usize);
        for engine in &engines {
            if let Availability::Missing { what, remedy } = engine.probe() {
                tracing::warn!(engine = engine.id(), remedy, "{what}: what needs it is refused");
            }
        }
        Ok(Self {
            storage,
            sealer,
            fetcher,
            scratch,
            router: Router::new(engines),
            task_timeout: Duration::from_secs(config.task_timeout),
            share_decodes: config.share_decodes,
            link_lifetime: Duration::from_secs(config.link_lifetime),
            pool,
            runner,
            beside,
            media,
            offices,
            growth,
            cache: Cache::default(),
        })
    }

    /// A file that this node has at hand.
    pub fn cached(&self, key: &str) -> Option<LocalFile> {
        self.cache.get(key)
    }

    /// The lock under which a file is brought here: whoever has to wait for it finds the file at hand.
    pub fn turn(&self, key: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.cache.turn(key)
    }

    /// Keeps a file at hand.
    pub fn keep(&self, key: String, file: LocalFile) {
        self.cache.put(key, file);
    }

    /// How many slots the lane of the processor has beside those of its cores: a task that waits for the GPU leaves its core to another one.
    pub(super) fn beside(&self) -> usize {
        self.beside
    }

    /// Where customers' files are taken apart: in confined children.
    pub(crate) fn runner(&self) -> &Runner {
        &self.runner
    }

    /// The engine of video and audio.
    pub fn media(&self) -> &Arc<MediaEngine> {
        &self.media
    }

    /// Programs that are replaced when they have grown, by the names under which that is counted.
    pub(super) fn growth(&self) -> [(&'static str, &Growth); 2] {
        let [libreoffice, chromium] = &self.growth;
        [("libreoffice_outgrown", libreoffice), ("chromium_outgrown", chromium)]
    }

    /// Stops the children.
    pub async fn stop(&self) {
        self.pool.stop().await;
        self.media.stop().await;
        self.offices.stop().await;
    }
}

/// The table of routes, where it can be used here.
fn routes(config: &WorkerConfig) -> Result<Option<Routes>, StartError> {
    let Some(path) = config.routes.as_deref() else { return Ok(None) };
    let level = if config.cpu.is_empty() { Ok(CpuLevel::detect()) } else { CpuLevel::parse(&config.cpu).map(CpuLevel::usable) };
    let level = level.map_err(|failure| StartError(failure.to_string()))?;
    Routes::usable(path, level).map_err(|error| StartError(error.to_string()))
}

/// Why a worker does not start, in words for the operator.
#[derive(Debug, thiserror::Error)]
#[error("the worker cannot start: {0}")]
pub struct StartError(String);
