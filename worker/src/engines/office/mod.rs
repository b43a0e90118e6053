//! The office engine: LibreOffice, warm, in jailed processes, one a slot.

mod filters;
mod halves;
pub mod options;
mod pool;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;

use convertfly_office::{Done, Job};
use convertfly_sandbox::Turn;
use convertfly_scheduler::catalog::Lane;
use convertfly_scheduler::ids;
use convertfly_scheduler::pages::Pages;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;

use self::filters::{CSV, KINDS, Kind, Module};
use self::options::OfficeOptions;
pub use self::pool::Offices;
use super::route::reopen;
use super::{Action, Availability, Edge, Engine, Made, Piece, Work, price};
use crate::failure::Failure;
use crate::formats::{by_name, sniff_file};
use crate::options::Options;

/// The name of the engine.
pub(crate) const ID: &str = "office";

/// Relative cost of a conversion, that of an image in memory being 1.
const COST: u32 = 100;

/// See the module.
pub struct OfficeEngine {
    offices: Offices,
    /// What selects pages of a PDF file.
    pdf: std::sync::Arc<dyn Engine>,
}

impl OfficeEngine {
    /// An engine on those processes; `pdf` converts from PDF to PDF, by the option `pages`.
    pub fn new(offices: Offices, pdf: std::sync::Arc<dyn Engine>) -> Self {
        Self { offices, pdf }
    }

    async fn run(&self, work: Work) -> Result<Made, Failure> {
        let options = OfficeOptions::read(&work.options)?;
        let pages = options.pages.as_deref().filter(|_| work.to == "pdf").map(str::parse::<Pages>).transpose();
        let pages = pages.map_err(|error| Failure::invalid_field("pages", format!("pages {error}")))?;
        let some = pages.is_some_and(|pages| !pages.is_all()) || (work.to == "pdf" && work.test);
        if !some {
            return self.whole(&work, &options, work.output.try_clone().map_err(Failure::internal)?).await;
        }
        // LibreOffice clamps a range without a word and keeps no order: pages are taken from the whole document.
        let whole = tempfile::tempfile_in(&work.scratch).map_err(Failure::internal)?;
        let mut made = self.whole(&work, &options, whole.try_clone().map_err(Failure::internal)?).await?;
        let mut picked = self.pdf.convert(Work { from: "pdf".to_owned(), input: whole, ..work }).await?;
        made.warnings.append(&mut picked.warnings);
        made.explain.insert("pages".to_owned(), picked.explain.into());
        Ok(made)
    }

    /// A document, and the milliseconds that were waited for a process.
    async fn one(&self, turn: Option<Turn<'_>>, work: &Work, job: &Job, files: Vec<OwnedFd>) -> Result<(Done, u64), Failure> {
        let job = serde_json::to_value(job).map_err(Failure::internal)?;
        let (done, waited) = self.offices.run(turn, job, files, &work.cancel, work.deadline).await?;
        Ok((serde_json::from_value(done).map_err(Failure::internal)?, waited))
    }

    async fn whole(&self, work: &Work, options: &OfficeOptions, output: std::fs::File) -> Result<Made, Failure> {
        if !work.beside.is_empty() && work.from == "html" {
            let reason =
                "files beside html are used where it is printed: to pdf and pictures. Leave `assets` and those files out";
            return Err(Failure::invalid_field("assets", reason));
        }
        let job = job(&work.from, &work.to, options)?;
        // A filter that is forced on another format gives an empty document rather than an error.
        let seen = if job.text.is_some() { None } else { sniff_file(&work.input).map_err(Failure::internal)? };
        if let Some(seen) = seen.filter(|seen| seen.name != work.from) {
            return Err(Failure::invalid(format!("The file is a {}, not a {}", seen.title, job.title)));
        }
        let bytes_in = work.input.metadata().map_err(Failure::internal)?.len();
        let turns = if halves::pays(&job, bytes_in) { self.offices.two() } else { None };
        let (done, waited) = match turns {
            Some(turns) => halves::run(self, turns, work, &job, output).await?,
            None => self.one(None, work, &job, files(&work.input, &[&output])?).await?,
        };
        let mut made = if done.sheets.is_empty() { Made::default() } else { split(work, &done.sheets)? };
        if !done.replaced_fonts.is_empty() {
            let names = done.replaced_fonts.join(", ");
            made.warnings.push(format!(
                "The document names fonts that this server does not have; others are shown in their place: {names}"
            ));
        }
        if work.test && work.to != "pdf" {
            made.warnings.push("Made with a test key".to_owned());
        }
        if done.half {
            made.explain.insert("halves".to_owned(), true.into());
        }
        made.explain.extend([
            ("engine".to_owned(), ID.into()),
            ("bytes_in".to_owned(), bytes_in.into()),
            ("bytes_out".to_owned(), done.bytes.into()),
            ("ms".to_owned(), json!({ "queue": waited, "load": done.load_ms, "store": done.store_ms })),
        ]);
        Ok(made)
    }
}

/// The source, and what is written, as a process gets them.
fn files(input: &File, outputs: &[&File]) -> Result<Vec<OwnedFd>, Failure> {
    let all = std::iter::once(input).chain(outputs.iter().copied());
    all.map(|file| Ok(file.try_clone().map_err(Failure::internal)?.into())).collect()
}

fn job(from: &str, to: &str, options: &OfficeOptions) -> Result<Job, Failure> {
    let kind = |name: &str| KINDS.iter().find(|kind| kind.name == name);
    let none = || Failure::unsupported(format!("LibreOffice does not convert {from} to {to}"));
    let title = by_name(from).map_or(from, |format| format.title).to_owned();
    let (from, module) = match kind(from) {
        Some(kind) => (kind.read(options), kind.module),
        None if from == "pdf" => (Kind::pdf_import(), Module::Impress),
        None => return Err(none()),
    };
    let to = if to == "pdf" {
        module.pdf(options)
    } else {
        kind(to).filter(|kind| kind.module == module).and_then(|kind| kind.write(options)).ok_or_else(none)?
    };
    // Every sheet is a file of its own, unless one is asked for; csv is of one sheet.
    let every = to.filter == CSV && from.side.filter != CSV && options.sheet.is_none();
    Ok(Job {
        from: from.side,
        to,
        archive: from.archive,
        text: from.text,
        password: options.password.clone().unwrap_or_default(),
        title,
        sheets: every,
        stripe: None,
    })
}

/// Gives each sheet a file of its own; the first one stays where it is, and the others follow it there.
fn split(work: &Work, sheets: &[(String, u64)]) -> Result<Made, Failure> {
    let mut made = Made::default();
    let Some(((name, first), others)) = sheets.split_first() else { return Ok(made) };
    // A workbook of one sheet becomes one file, with the name of the workbook.
    if others.is_empty() {
        return Ok(made);
    }
    let output = reopen(&work.output).map_err(Failure::internal)?;
    let mut at = *first;
    for (name, bytes) in others {
        let path = work.scratch.join(ids::new_id("sheet"));
        let mut file = File::create_new(&path).map_err(Failure::internal)?;
        let mut sheet = &output;
        sheet.seek(SeekFrom::Start(at)).map_err(Failure::internal)?;
        io::copy(&mut sheet.take(*bytes), &mut file).map_err(Failure::internal)?;
        at += bytes;
        made.more.push(Piece { path, name: Some(name.clone()), ..Piece::default() });
    }
    work.output.set_len(*first).map_err(Failure::internal)?;
    made.name = Some(name.clone());
    Ok(made)
}

/// Within each of the three kinds of documents from every format to each that is written, and to PDF; from PDF to slides.
pub(crate) fn edges() -> Vec<Edge> {
    let mut edges = Vec::new();
    let mut add = |from, to, cost| {
        edges.push(Edge { from, to, cost, credits: price::of(from, to), lane: Lane::Office });
    };
    for from in KINDS {
        for to in KINDS.iter().filter(|to| to.module == from.module && to.writes) {
            add(from.name, to.name, COST);
        }
        // The browser draws HTML as it is meant, where there is one.
        add(from.name, "pdf", if from.name == "html" { 10 * COST } else { COST });
    }
    for to in ["odp", "pptx"] {
        add("pdf", to, 2 * COST);
    }
    edges
}

impl Engine for OfficeEngine {
    fn id(&self) -> &'static str {
        ID
    }

    fn edges(&self) -> Vec<Edge> {
        edges()
    }

    fn source_options(&self) -> &'static [&'static str] {
        &["password", "delimiter", "detect_numbers", "single_page_sheets"]
    }

    fn probe(&self) -> Availability {
        Offices::probe()
    }

    fn convert(&self, work: Work) -> BoxFuture<'_, Result<Made, Failure>> {
        match work.action {
            Action::Convert => self.run(work).boxed(),
            action => {
                let what = action.as_str();
                async move { Err(Failure::unsupported(format!("`{what}` does not take office documents"))) }.boxed()
            }
        }
    }
}

#[cfg(test)]
mod tests;
