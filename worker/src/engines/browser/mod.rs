//! The browser engine: HTML to PDF as it is meant to look, by a headless Chromium in the jail.
//!
//! The document is all that it gets: scripts are off, and whatever the document asks for beside itself is refused, by interception, by a
//! content security policy, and by the jail, which has no network and no files.

mod assets;
mod cdp;
pub mod options;
mod page;
mod process;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use convertfly_sandbox::Growth;
use convertfly_scheduler::catalog::Lane;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, Semaphore};

use self::assets::Assets;
use self::options::PrintOptions;
use self::page::{Page, Printed};
use self::process::Browser;
pub use self::process::probe;
use super::{Action, Availability, Edge, Engine, Made, Work, price};
use crate::failure::Failure;
use crate::options::Options;

/// The name of the engine.
pub(crate) const ID: &str = "browser";

/// Relative cost, that of an image in memory being 1: less than LibreOffice takes for the same, and more than it would save where text is wanted,
/// so that HTML does not become text by way of its printed pages.
const COST: u32 = 95;

/// Bytes of a document.
const MAX_DOCUMENT: u64 = 64 << 20;

/// Documents of one process: what a leak may cost is bounded.
const DOCUMENTS: u32 = 100;

/// See the module.
pub struct BrowserEngine {
    idle: Mutex<Vec<Browser>>,
    turns: Semaphore,
    growth: Growth,
    /// Selects pages of a PDF file, and marks it.
    pdf: Arc<dyn Engine>,
}

impl BrowserEngine {
    /// An engine with up to `count` processes, the first of which is started by the first document, each replaced as `growth` says; `pdf` converts
    /// from PDF to PDF.
    pub fn new(count: usize, growth: Growth, pdf: Arc<dyn Engine>) -> Self {
        Self { idle: Mutex::default(), turns: Semaphore::new(count.max(1)), growth, pdf }
    }

    async fn run(&self, work: Work) -> Result<Made, Failure> {
        let options = PrintOptions::read(&work.options)?;
        let selects = options.pages.is_some() || work.test;
        let target = if selects { tempfile::tempfile_in(&work.scratch) } else { work.output.try_clone() };
        let mut target = target.map_err(Failure::internal)?;
        let document = read(work.input.try_clone().map_err(Failure::internal)?)?;
        let assets = Assets::read(&work.beside, MAX_DOCUMENT)?;
        let (printed, ms) = self.print(&Page { document: &document, assets: &assets }, &options, &work).await?;
        target
            .rewind()
            .and_then(|()| target.set_len(0))
            .and_then(|()| target.write_all(&printed.pdf))
            .map_err(Failure::internal)?;
        let mut made = Made { warnings: printed.warnings(), ..Made::default() };
        made.explain = Map::from_iter([
            ("engine".to_owned(), Value::from(ID)),
            ("bytes_in".to_owned(), document.len().into()),
            ("bytes_out".to_owned(), printed.pdf.len().into()),
            ("refused".to_owned(), printed.refused.into()),
            ("ms".to_owned(), ms),
        ]);
        if selects {
            let mut picked = self.pdf.convert(Work { from: "pdf".to_owned(), input: target, ..work }).await?;
            made.warnings.append(&mut picked.warnings);
            made.explain.insert("pages".to_owned(), picked.explain.into());
        }
        Ok(made)
    }

    /// Prints in a process that is free; once more in a fresh one when the first ends under it.
    async fn print(&self, page: &Page<'_>, options: &PrintOptions, work: &Work) -> Result<(Printed, Value), Failure> {
        let start = Instant::now();
        let _turn = tokio::select! {
            turn = self.turns.acquire() => turn.map_err(Failure::internal)?,
            () = work.cancel.cancelled() => return Err(Failure::Cancelled),
        };
        let queue = millis(start);
        let idle = self.idle.lock().await.pop();
        let mut cause = None;
        for known in [idle, None] {
            let begun = Instant::now();
            let mut browser = match known {
                Some(browser) => browser,
                None => Browser::start().await?,
            };
            let started = millis(begun);
            let printed = tokio::select! {
                printed = page::print(&mut browser, page, options) => printed,
                () = tokio::time::sleep(work.deadline.saturating_sub(start.elapsed())) => return Err(Failure::TimedOut),
                () = work.cancel.cancelled() => return Err(Failure::Cancelled),
            };
            // Whatever has gone wrong, the process is ended with it: only one that has printed is used again.
            match printed {
                Ok(printed) => {
                    let ms = json!({ "queue": queue, "start": started, "print": millis(begun) - started });
                    browser.documents += 1;
                    if browser.has_outgrown(&self.growth) {
                        self.growth.count();
                    } else if browser.documents < DOCUMENTS {
                        self.idle.lock().await.push(browser);
                    }
                    return Ok((printed, ms));
                }
                Err(Failure::Internal { cause: why }) => cause = Some(why),
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Crashed { cause: cause.unwrap_or_default() })
    }
}

fn millis(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn read(mut input: File) -> Result<Vec<u8>, Failure> {
    let mut document = Vec::new();
    input.rewind().map_err(Failure::internal)?;
    input.take(MAX_DOCUMENT + 1).read_to_end(&mut document).map_err(Failure::internal)?;
    match document.len() as u64 {
        0 => Err(Failure::invalid("The file is empty")),
        length if length > MAX_DOCUMENT => {
            Err(Failure::too_large(format!("The HTML file has more than {MAX_DOCUMENT} bytes, which is the limit")))
        }
        _ => Ok(document),
    }
}

/// HTML to PDF.
pub(crate) fn edges() -> Vec<Edge> {
    vec![Edge { from: "html", to: "pdf", cost: COST, credits: price::of("html", "pdf"), lane: Lane::Office }]
}

impl Engine for BrowserEngine {
    fn id(&self) -> &'static str {
        ID
    }

    fn edges(&self) -> Vec<Edge> {
        edges()
    }

    fn source_options(&self) -> &'static [&'static str] {
        &[
            "page_size",
            "landscape",
            "margin_top",
            "margin_bottom",
            "margin_left",
            "margin_right",
            "header",
            "footer",
            "print_background",
            "scale",
        ]
    }

    fn probe(&self) -> Availability {
        process::probe()
    }

    fn convert(&self, work: Work) -> BoxFuture<'_, Result<Made, Failure>> {
        match work.action {
            Action::Convert => self.run(work).boxed(),
            action => {
                let what = action.as_str();
                async move { Err(Failure::unsupported(format!("`{what}` does not take HTML files"))) }.boxed()
            }
        }
    }
}

/// How long a process may take to start.
const START: Duration = Duration::from_secs(30);
