//! The media engine: video and audio, in `convertfly-media`, the confined program that alone links FFmpeg.

mod actions;
mod children;
mod hardware;
mod load;
pub mod options;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use convertfly_scheduler::catalog::Lane;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use self::children::Children;
pub use self::children::Probed;
pub use self::hardware::Change;
use self::load::Load;
use self::options::MediaOptions;
use super::image::Runner;
use super::{Action, Availability, Beside, Edge, Engine, Made, Progress, Work};
use crate::failure::Failure;
use crate::glance::Glance;
use crate::options::Options;

/// The name of the engine.
pub(crate) const ID: &str = "media";

/// The program's file name.
const PROGRAM: &str = "convertfly-media";

/// Containers of moving pictures.
const VIDEO: [&str; 5] = ["mp4", "avi", "mov", "mkv", "webm"];

/// Containers of sound.
const AUDIO: [&str; 6] = ["mp3", "wav", "ogg", "flac", "aac", "m4a"];

/// What a moving GIF becomes, and a moving PNG.
const FROM_GIF: [&str; 2] = ["mp4", "webm"];

/// Images that move and become video by way of an animated PNG, which keeps their colours and times: FFmpeg cannot read them itself.
const MOVING: [&str; 1] = ["webp"];

/// Images that a frame becomes by way of a PNG, which the image engine makes into them.
const STILLS: [&str; 6] = ["jpg", "webp", "avif", "bmp", "tiff", "pdf"];

/// Where the program is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaConfig {
    /// The program; `None` is beside our own.
    pub program: Option<PathBuf>,
    /// Children at a time, each of which does one task at a time.
    pub children: usize,
    /// Threads that one codec may use while there is no other work.
    pub threads: usize,
    /// `auto`, `hardware`, `software` or a name, where a task says nothing.
    pub encoder: String,
}

/// See the module.
pub struct MediaEngine {
    program: Result<PathBuf, Availability>,
    children: Children,
    /// Draws what is laid over pictures.
    runner: Runner,
    load: Load,
    encoder: String,
}

impl MediaEngine {
    /// An engine that starts its children when there is work for them, and has drawings made by `runner`.
    pub fn new(config: MediaConfig, runner: Runner) -> Self {
        let program = find(config.program.as_deref());
        let most = config.children.max(1);
        let children = Children::new(program.as_ref().ok().cloned(), most);
        Self { program, children, runner, load: Load::new(config.threads, most), encoder: config.encoder }
    }

    /// Finds out which hardware encoders work here, so that the first task need not wait for it.
    pub async fn probed(&self) -> &[Probed] {
        self.children.probed().await
    }

    /// Encoders that begin to rest here or come back, from the start on; for the first who asks.
    pub fn changes(&self) -> Option<UnboundedReceiver<Change>> {
        self.children.changes()
    }

    /// Kills the children and waits until they are gone.
    pub async fn stop(&self) {
        self.children.stop().await;
    }
}

/// The program: where the operator says, or beside this one.
fn find(said: Option<&Path>) -> Result<PathBuf, Availability> {
    let path = match said {
        Some(path) => path.to_owned(),
        // The file may have been replaced by an upgrade; its folder is the same.
        None => std::env::current_exe().ok().and_then(|own| own.parent().map(|folder| folder.join(PROGRAM))).unwrap_or_default(),
    };
    if path.is_absolute() && path.is_file() {
        return Ok(path);
    }
    Err(Availability::Missing {
        what: format!("{PROGRAM}, which converts video and audio, is not at {}", path.display()),
        remedy: format!(
            "build it (deploy/install-deps.sh build, cargo build --release -p {PROGRAM}) or set CONVERTFLY_MEDIA to its absolute path"
        ),
    })
}

/// The program that a node would start, for `doctor`.
///
/// # Errors
/// What is missing and what mends it.
pub fn program(said: Option<&Path>) -> Result<PathBuf, Availability> {
    find(said)
}

/// Every pair, in the groups that its price goes by.
pub(crate) fn edges() -> Vec<Edge> {
    let mut edges = Vec::new();
    let mut add = |from: &[&'static str], to: &[&'static str], cost, credits, lane| {
        for &from in from {
            edges.extend(to.iter().map(|&to| Edge { from, to, cost, credits, lane }));
        }
    };
    add(&VIDEO, &VIDEO, 10, 2, Lane::Video);
    add(&VIDEO, &["gif"], 10, 2, Lane::Video);
    add(&VIDEO, &AUDIO, 10, 2, Lane::Cpu);
    // Images are made of the still. A GIF moves: going to it directly is no dearer than by way of the still, and the direct way wins.
    add(&VIDEO, &["png"], 9, 1, Lane::Cpu);
    add(&AUDIO, &AUDIO, 5, 1, Lane::Cpu);
    add(&["gif"], &FROM_GIF, 10, 2, Lane::Video);
    // A little less, so that other images that move come this way and not by that of a GIF's 256 colours.
    add(&["png"], &FROM_GIF, 9, 2, Lane::Video);
    // Where `animated` asks for it; see `Engine::leaves`.
    add(&VIDEO, &["webp"], 10, 1, Lane::Cpu);
    edges
}

/// Pairs that a route makes of an edge of ours and one of the image engine: data for the catalogue.
pub(crate) fn chained() -> Vec<Edge> {
    let stills = |from| STILLS.into_iter().map(move |to| Edge { from, to, cost: 10, credits: 1, lane: Lane::Cpu });
    let moving = |from| FROM_GIF.into_iter().map(move |to| Edge { from, to, cost: 10, credits: 2, lane: Lane::Video });
    VIDEO.into_iter().flat_map(stills).chain(MOVING.into_iter().flat_map(moving)).collect()
}

/// What is done beside converting.
fn offers() -> Vec<(Action, &'static str)> {
    let all = VIDEO.into_iter().chain(AUDIO);
    let all = all.flat_map(|format| [Action::Merge, Action::Metadata, Action::Optimize].map(|action| (action, format)));
    all.chain(VIDEO.map(|format| (Action::Watermark, format))).collect()
}

/// The options that the task gives and that are ours; those of the image engine are left to it.
fn said(options: &Map<String, Value>) -> Result<Map<String, Value>, Failure> {
    let known = MediaOptions::entries();
    let given = options.iter().filter(|(name, value)| !value.is_null() && known.iter().any(|entry| entry.name == **name));
    let given: Map<String, Value> = given.map(|(name, value)| (name.clone(), value.clone())).collect();
    let read = MediaOptions::read(&given)?;
    if let (Some(start), Some(end)) = (read.start, read.end)
        && end <= start
    {
        return Err(Failure::invalid_field("end", "end must be later than start"));
    }
    Ok(given)
}

/// Options of images that a frame taken as PNG does not have.
fn unheeded(options: &Map<String, Value>) -> Vec<String> {
    let known = MediaOptions::entries();
    let others = options.iter().filter(|(name, value)| !value.is_null() && known.iter().all(|entry| entry.name != **name));
    others.map(|(name, _)| format!("`{name}` has no effect on this conversion")).collect()
}

impl Engine for MediaEngine {
    fn id(&self) -> &'static str {
        ID
    }

    fn edges(&self) -> Vec<Edge> {
        edges()
    }

    fn offers(&self) -> Vec<(Action, &'static str)> {
        offers()
    }

    fn glances(&self) -> bool {
        true
    }

    fn source_options(&self) -> &'static [&'static str] {
        &["timestamp", "count"]
    }

    fn leaves(&self, options: &Map<String, Value>) -> Vec<(&'static str, &'static str)> {
        // A WebP of a video is one picture, as every other image, unless it is said to move.
        if options.get("animated") == Some(&Value::Bool(true)) { Vec::new() } else { VIDEO.map(|from| (from, "webp")).to_vec() }
    }

    fn probe(&self) -> Availability {
        match &self.program {
            Ok(path) => Availability::Ready(path.display().to_string()),
            Err(missing) => missing.clone(),
        }
    }

    fn convert(&self, work: Work) -> BoxFuture<'_, Result<Made, Failure>> {
        async move {
            match work.action {
                Action::Merge => actions::merge(self, work).await,
                Action::Optimize => actions::optimize(self, work).await,
                Action::Watermark => actions::watermark(self, work).await,
                Action::Metadata => {
                    let loudness = work.options.get("loudness") == Some(&Value::Bool(true));
                    self.run(work, json!({ "measures_loudness": loudness })).await
                }
                Action::Convert => {
                    let (more, warnings) = (actions::convert(&work.options)?, unheeded(&work.options));
                    let mut made = self.run(work, more).await?;
                    made.warnings.extend(warnings);
                    Ok(made)
                }
            }
        }
        .boxed()
    }
}

impl MediaEngine {
    /// Has a child do the work; `more` is what it is told beside what every job says.
    async fn run(&self, work: Work, more: Value) -> Result<Made, Failure> {
        let Work { action, from, to, input, glance, beside, output, progress, cancel, deadline, .. } = work;
        let (formats, between): (Vec<_>, Vec<_>) = beside.into_iter().map(|Beside { format, file }| (format, file)).unzip();
        // What only reads a header is done before it could take a core from others.
        let share = if action == Action::Metadata { None } else { Some(self.load.begin()) };
        let mut job = json!({
            "action": action,
            "from": from,
            "to": to,
            "beside": formats,
            "encoder": Some(&self.encoder).filter(|encoder| !encoder.is_empty()),
            "threads": share.as_ref().map_or(1, |share| share.threads),
        });
        if let (Value::Object(job), Value::Object(more)) = (&mut job, more) {
            job.extend(more);
        }
        let files = [input].into_iter().chain(between).chain([output]).map(Into::into);
        let mut files: Vec<OwnedFd> = files.collect();
        let parts = match &glance {
            Some(glance) => {
                let (ours, theirs) = Glance::socket()?;
                job["parts"] = true.into();
                files.insert(1, theirs);
                Some((glance, ours))
            }
            None => None,
        };
        let encodes = action != Action::Metadata && VIDEO.contains(&to.as_str());
        let work = async {
            if encodes {
                self.children.encode(job, files, &cancel, deadline, progress).await
            } else {
                self.children.run(job, files, &cancel, deadline, progress).await
            }
        };
        let made = match parts {
            Some((glance, socket)) => tokio::select! {
                made = work => made?,
                never = async { glance.serve(socket, &cancel).await; std::future::pending().await } => never,
            },
            None => work.await?,
        };
        let mut made: Made = serde_json::from_value(made).map_err(Failure::internal)?;
        made.explain.insert("engine".into(), ID.into());
        Ok(made)
    }

    /// The size of the pictures of a video, as they are shown.
    async fn measure(&self, work: &Work) -> Result<Made, Failure> {
        let job = json!({ "action": "measure", "from": work.from, "to": work.to });
        let nothing = tempfile::tempfile_in(&work.scratch).map_err(Failure::internal)?;
        let files = vec![work.input.try_clone().map_err(Failure::internal)?.into(), nothing.into()];
        let made = self.children.run(job, files, &work.cancel, work.deadline, Progress::default()).await?;
        serde_json::from_value(made).map_err(Failure::internal)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engines::image::ImageEngine;
    use crate::engines::route::Router;
    use crate::formats::Limits;

    #[test]
    fn the_rows_of_the_reference_are_there_with_their_prices() {
        let edges = edges();
        let price = |from, to| edges.iter().find(|edge| edge.from == from && edge.to == to).map(|edge| (edge.credits, edge.lane));
        for from in VIDEO {
            for to in ["mp4", "avi", "mov", "mkv", "webm", "gif"] {
                assert_eq!(price(from, to), Some((2, Lane::Video)), "{from} -> {to}");
            }
            assert_eq!(price(from, "png"), Some((1, Lane::Cpu)), "a frame of {from}");
        }
        for from in AUDIO {
            for to in ["mp3", "wav", "ogg", "flac", "aac"] {
                assert_eq!(price(from, to), Some((1, Lane::Cpu)), "{from} -> {to}");
            }
        }
        assert_eq!(price("mp4", "mp3"), Some((2, Lane::Cpu)), "the sound of a video");
        assert_eq!(price("mp3", "mp4"), None, "sound has no pictures");
    }

    #[test]
    fn routes_go_directly_and_to_images_by_way_of_a_still() {
        let remote = Arc::new(|_, _, _, _| futures_util::future::ready(Err(Failure::internal("not run"))).boxed());
        let runner = Runner::Remote(remote);
        let image = ImageEngine::new(runner.clone(), Limits::default());
        let media = MediaEngine::new(MediaConfig { program: std::env::current_exe().ok(), ..MediaConfig::default() }, runner);
        let router = Router::new([Arc::new(image) as Arc<dyn Engine>, Arc::new(media)]);
        let moves = json!({ "animated": true });
        let moves = moves.as_object().expect("an object");
        for Edge { from, to, .. } in edges() {
            let route = router.plan_for(from, to, moves).expect("a route");
            assert_eq!(route.hops.len(), 1, "{from} -> {to}: {route:?}");
        }
        for Edge { from, to, .. } in chained() {
            let route = router.plan(from, to).expect("a route");
            let ways: Vec<_> = route.hops.iter().map(|hop| hop.edge.to).collect();
            assert_eq!(ways, ["png", to], "{from} -> {to}");
        }
    }

    #[test]
    fn options_of_images_are_left_to_their_engine() {
        let given = json!({ "width": 320, "blur": 2.0, "quality": null, "timestamp": "10%" });
        let own = said(given.as_object().expect("an object")).expect("options");
        assert_eq!(Value::Object(own), json!({ "width": 320, "timestamp": "10%" }), "ours, as far as given");
        assert_eq!(
            unheeded(given.as_object().expect("an object")),
            ["`blur` has no effect on this conversion"],
            "and it is said"
        );
    }

    #[test]
    fn an_end_before_the_start_names_its_field() {
        let given = json!({ "start": 5, "end": 2 });
        let failure = said(given.as_object().expect("an object")).expect_err("nothing is left");
        assert!(matches!(failure, Failure::Invalid { field: Some(field), .. } if field == "end"), "named");
    }

    #[test]
    fn without_the_program_the_engine_says_what_mends_it() {
        let remote = Arc::new(|_, _, _, _| futures_util::future::ready(Err(Failure::internal("not run"))).boxed());
        let config = MediaConfig { program: Some("/nonexistent/convertfly-media".into()), ..MediaConfig::default() };
        let engine = MediaEngine::new(config, Runner::Remote(remote));
        let Availability::Missing { what, remedy } = engine.probe() else { panic!("it cannot be there") };
        assert!(what.contains("/nonexistent") && remedy.contains("CONVERTFLY_MEDIA"), "{what}: {remedy}");
    }
}
