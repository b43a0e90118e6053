//! A large document in two processes at once: LibreOffice writes PDF on one core, and a core that is idle can write every other stripe of pages.
//!
//! Each process opens the whole document. Of a spreadsheet that takes a tenth of the time, and only the pages that are written are laid out; of
//! a text document it is a little more than half. Only where nothing else waits: for a queue of documents two at a time are faster.

use std::fs::File;
use std::io;

use convertfly_office::{Done, Half, Job, Text};
use convertfly_sandbox::Turn;
use serde_json::{Map, json};

use super::OfficeEngine;
use super::filters::Module;
use super::options::OfficeOptions;
use crate::engines::pdf;
use crate::engines::route::reopen;
use crate::engines::{Action, Beside, Work};
use crate::failure::Failure;

/// Pages in a row of one half.
const STRIPE: u32 = 8;

/// Bytes of a spreadsheet below which opening it twice costs more than is won.
const LEAST_SHEET: u64 = 128 << 10;

/// Bytes of a spreadsheet as text.
const LEAST_CELLS: u64 = 256 << 10;

/// Bytes of a text document; how much text it holds is only seen by the processes, which look before they open it.
const LEAST_TEXT: u64 = 32 << 10;

/// Whether two processes may be faster than one.
pub(super) fn pays(job: &Job, bytes: u64) -> bool {
    let to = |module: Module| job.to == module.pdf(&OfficeOptions::default());
    let least = match job.text {
        Some(Text::Cells { .. }) => LEAST_CELLS,
        _ if job.from.extension == "docx" => LEAST_TEXT,
        _ => LEAST_SHEET,
    };
    // With options the filter has to do something else than print every page.
    let whole = to(Module::Calc) || (job.from.extension == "docx" && to(Module::Writer));
    whole && job.password.is_empty() && bytes >= least
}

/// Converts in two processes, which have their turns, and puts the pages in order.
pub(super) async fn run(
    engine: &OfficeEngine,
    turns: [Turn<'_>; 2],
    work: &Work,
    job: &Job,
    output: File,
) -> Result<(Done, u64), Failure> {
    let file = || tempfile::tempfile_in(&work.scratch).map_err(Failure::internal);
    let (first, second) = (file()?, file()?);
    let half = |index| Job { half: Some(Half { index, stripe: STRIPE }), ..job.clone() };
    let (jobs, copies) = ([half(0), half(1)], [first.try_clone(), second.try_clone()]);
    let [one, two] = copies.map(|copy| copy.map_err(Failure::internal));
    // Each with a place of its own in the source, which both read.
    let inputs = [reopen(&work.input), reopen(&work.input)].map(|input| input.map_err(Failure::internal));
    let [source, again] = inputs;
    let [turn, other_turn] = turns.map(Some);
    let (done, other) =
        tokio::try_join!(engine.one(turn, work, &jobs[0], source?, one?), engine.one(other_turn, work, &jobs[1], again?, two?))?;
    let (mut done, waited) = (done.0, done.1.max(other.1));
    if !done.half {
        let (mut first, mut output) = (first, output);
        io::Seek::rewind(&mut first).and_then(|()| io::copy(&mut first, &mut output)).map_err(Failure::internal)?;
        return Ok((done, waited));
    }
    if !other.0.half {
        return Err(Failure::internal("one half of a document was written, and not the other one"));
    }
    (done.load_ms, done.store_ms) = (done.load_ms.max(other.0.load_ms), done.store_ms.max(other.0.store_ms));
    let joined = Work {
        action: Action::Merge,
        from: "pdf".to_owned(),
        to: "pdf".to_owned(),
        // Read-only, or the executor would take them for what it is to write.
        glance: None,
        input: reopen(&first).map_err(Failure::internal)?,
        beside: vec![Beside { format: "pdf".to_owned(), file: reopen(&second).map_err(Failure::internal)? }],
        output: output.try_clone().map_err(Failure::internal)?,
        options: Map::from_iter([(pdf::STRIPE.to_owned(), json!(STRIPE)), (pdf::LEVELS.to_owned(), json!(done.levels))]),
        test: false,
        share: None,
        scratch: work.scratch.clone(),
        progress: crate::engines::Progress::default(),
        cancel: work.cancel.clone(),
        deadline: work.deadline,
    };
    if let Err(failure) = engine.pdf.convert(joined).await {
        // The headings of the halves are not those of the document.
        if !matches!(failure, Failure::Unsupported { .. }) {
            return Err(failure);
        }
        output.set_len(0).map_err(Failure::internal)?;
        let (done, more) = engine.one(None, work, job, reopen(&work.input).map_err(Failure::internal)?, output).await?;
        return Ok((done, waited + more));
    }
    done.bytes = output.metadata().map_err(Failure::internal)?.len();
    Ok((done, waited))
}
