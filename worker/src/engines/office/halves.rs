//! A large document in two processes: LibreOffice writes PDF on one core, and a core that is idle can write every other stripe of pages.
//!
//! One process opens it and then divides (`twin.rs` of `convertfly-office`). Only where nothing else waits: for a queue of documents two at a time
//! are faster.

use std::fs::File;
use std::io;

use convertfly_office::{Done, Job, Text};
use convertfly_sandbox::Turn;
use serde_json::{Map, json};

use super::filters::Module;
use super::options::OfficeOptions;
use super::{OfficeEngine, files};
use crate::engines::pdf;
use crate::engines::route::reopen;
use crate::engines::{Action, Beside, Work};
use crate::failure::Failure;

/// Pages in a row of one share.
const STRIPE: u32 = 8;

/// Bytes of a spreadsheet below which putting the shares together costs more than is won.
const LEAST_SHEET: u64 = 128 << 10;

/// Bytes of a spreadsheet as text.
const LEAST_CELLS: u64 = 256 << 10;

/// Bytes of a text document; how much text it holds is only seen by the process, which looks while it opens it.
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

/// Converts in a process that has both turns and may divide, and puts the pages in order.
pub(super) async fn run(
    engine: &OfficeEngine,
    turns: [Turn<'_>; 2],
    work: &Work,
    job: &Job,
    output: File,
) -> Result<(Done, u64), Failure> {
    let file = || tempfile::tempfile_in(&work.scratch).map_err(Failure::internal);
    let (first, second) = (file()?, file()?);
    let job = Job { stripe: Some(STRIPE), ..job.clone() };
    // The other turn is that of the core on which the twin works.
    let [turn, other] = turns;
    let (mut done, waited) = engine.one(Some(turn), work, &job, files(&work.input, &[&first, &second])?).await?;
    drop(other);
    if !done.half {
        let (mut first, mut output) = (first, output);
        io::Seek::rewind(&mut first).and_then(|()| io::copy(&mut first, &mut output)).map_err(Failure::internal)?;
        return Ok((done, waited));
    }
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
        // The headings of the shares are not those of the document.
        if !matches!(failure, Failure::Unsupported { .. }) {
            return Err(failure);
        }
        output.set_len(0).map_err(Failure::internal)?;
        let whole = Job { stripe: None, ..job };
        let (done, more) = engine.one(None, work, &whole, files(&work.input, &[&output])?).await?;
        return Ok((done, waited + more));
    }
    done.bytes = output.metadata().map_err(Failure::internal)?.len();
    Ok((done, waited))
}
