//! What operations share that make one file of each input file.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use convertfly_scheduler::catalog::Catalog;
use convertfly_scheduler::ids;
use convertfly_scheduler::task::{FileRef, TaskResult};
use serde_json::{Map, Value};

use super::{Context, bundle, files, remote};
use crate::engines::image::decodes::Share;
use crate::engines::{Action, Beside, Made, Piece, Work};
use crate::failure::Failure;
use crate::formats::{Category, Format};
use crate::glance::Glance;
use crate::node::LocalFile;
use crate::scratch::TaskDir;

/// Decides the result's format from the input's.
pub(super) type Target<'a> = &'a (dyn Fn(&'static Format) -> Result<&'static Format, Failure> + Send + Sync);

/// What is done with each file.
pub(super) struct Each<'a> {
    pub(super) action: Action,
    pub(super) target: Target<'a>,
    /// Those of the engines.
    pub(super) options: &'a Map<String, Value>,
    /// What is read beside each file and is the file of no task.
    pub(super) more: Option<&'a Downloaded>,
}

/// A file that the task has fetched for itself.
pub(super) struct Downloaded {
    pub(super) format: &'static Format,
    pub(super) path: PathBuf,
    /// Keeps it there.
    pub(super) _folder: Arc<TaskDir>,
}

/// An input at hand, recognised.
pub(super) struct Fetched {
    pub(super) local: LocalFile,
    pub(super) format: &'static Format,
    /// What is odd about it.
    pub(super) warning: Option<String>,
    pub(super) fetch_ms: u64,
    /// What came with it in one archive, by name.
    pub(super) beside: Vec<(String, PathBuf)>,
}

fn millis(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Brings a file here and finds out what it is.
///
/// # Errors
/// [`Failure::Unsupported`] where its format is not known.
pub(super) async fn fetch(context: &Context<'_>, input: &FileRef, folder: &Arc<TaskDir>) -> Result<Fetched, Failure> {
    let start = Instant::now();
    let local = files::fetch(context, input, folder).await?;
    recognised(context, input, local, start)
}

/// What a file at hand is.
fn recognised(context: &Context<'_>, input: &FileRef, local: LocalFile, start: Instant) -> Result<Fetched, Failure> {
    let fetch_ms = millis(start);
    let said = context.field("input_format").or(input.format.as_deref());
    let (format, warning) = files::recognise(files::sniff(local.path())?, said, &input.filename);
    let format = format.ok_or_else(|| {
        Failure::unsupported(format!("The format of `{}` was not recognised. Set input_format if you know it", input.filename))
    })?;
    Ok(Fetched { local, format, warning, fetch_ms, beside: Vec::new() })
}

/// The files that are read beside the inputs.
pub(super) async fn beside(context: &Context<'_>, folder: &Arc<TaskDir>) -> Result<Vec<Beside>, Failure> {
    let mut found = Vec::with_capacity(context.lease.beside.len());
    for file in &context.lease.beside {
        let fetched = fetch(context, file, folder).await?;
        let opened = File::open(fetched.local.path()).map_err(Failure::internal)?;
        found.push(Beside { format: fetched.format.name.to_owned(), file: opened });
    }
    Ok(found)
}

impl Each<'_> {
    /// Does it with every input file of the task.
    pub(super) async fn run(&self, context: &Context<'_>, explain: &mut Map<String, Value>) -> Result<TaskResult, Failure> {
        let mut result = TaskResult::default();
        let mut prices = Vec::new();
        let (mut steps, mut metadata) = (Vec::new(), Vec::new());
        let inputs: Vec<&FileRef> = context.lease.inputs.iter().collect();
        let is_bundle = matches!(inputs.as_slice(), [only] if bundle::is_one(only));
        let (inputs, assets) = if self.takes_assets() && !is_bundle { with_assets(inputs)? } else { (inputs, Vec::new()) };
        let count = inputs.len();
        for (index, input) in inputs.into_iter().enumerate() {
            let (files, made, price) = self.one(context, input, (index, &assets), &mut result.warnings).await?;
            prices.push(price);
            result.files.extend(files);
            metadata.extend(made.metadata);
            steps.push(Value::Object(made.explain));
            context.progress.report((index + 1) as f64 / count as f64);
        }
        // One file is the common case: its facts stand at the top.
        match steps.pop() {
            Some(Value::Object(step)) if steps.is_empty() => explain.extend(step),
            Some(last) => {
                steps.push(last);
                explain.insert("files".into(), Value::Array(steps));
            }
            None => return Err(Failure::invalid_field("input", "The inputs of this task have no files")),
        }
        if matches!(self.action, Action::Convert) {
            result.credits = worth(&prices, context.lease.spec.input.len());
        }
        result.metadata = match metadata.len() {
            0 => None,
            1 => metadata.pop(),
            _ => Some(Value::Array(metadata)),
        };
        Ok(result)
    }

    /// Whether all inputs but one are what that one refers to.
    fn takes_assets(&self) -> bool {
        matches!(self.action, Action::Convert) && self.options.get("assets").is_some_and(|value| *value == true)
    }

    /// The files that are read beside an input.
    async fn beside(
        &self,
        context: &Context<'_>,
        fetched: &Fetched,
        assets: &[&FileRef],
        folder: &Arc<TaskDir>,
    ) -> Result<Vec<Beside>, Failure> {
        let mut found = beside(context, folder).await?;
        for (name, path) in &fetched.beside {
            found.push(Beside { format: name.clone(), file: File::open(path).map_err(Failure::internal)? });
        }
        for asset in assets {
            let local = files::fetch(context, asset, folder).await?;
            found.push(Beside { format: asset.filename.clone(), file: File::open(local.path()).map_err(Failure::internal)? });
        }
        if let Some(more) = self.more {
            found.push(Beside { format: more.format.name.to_owned(), file: File::open(&more.path).map_err(Failure::internal)? });
        }
        Ok(found)
    }

    /// One file: fetch, recognise, hand to an engine, store.
    async fn one(
        &self,
        context: &Context<'_>,
        input: &FileRef,
        place: (usize, &[&FileRef]),
        warnings: &mut Vec<String>,
    ) -> Result<(Vec<FileRef>, Made, Option<u32>), Failure> {
        let folder = files::folder(context)?;
        let start = Instant::now();
        let is_bundle = self.takes_assets() && bundle::is_one(input);
        let (mut fetched, glance) = match remote::glance(context, input, &folder).await? {
            _ if is_bundle => (bundle::fetch(context, input, &folder).await?, None),
            Some((local, glance)) => (recognised(context, input, local, start)?, Some(glance)),
            None => (fetch(context, input, &folder).await?, None),
        };
        let mut ended = self.make(context, &fetched, glance.clone(), place, &folder).await;
        let given_up = glance.as_ref().is_some_and(|glance| glance.is_over());
        if given_up && !matches!(ended, Err(Failure::Cancelled | Failure::TimedOut)) {
            fetched = fetch(context, input, &folder).await?;
            ended = self.make(context, &fetched, None, place, &folder).await;
        }
        let Fetched { format, warning, fetch_ms, .. } = fetched;
        warnings.extend(warning.clone());
        // Where the customer's word and the content disagree, a failure has most likely come from that.
        let (mut made, path, target) = ended.map_err(|failure| failure.explained(warning.as_deref()))?;
        if let Some(glance) = &glance {
            made.explain.insert("remote".into(), glance.explain().await);
        }
        let price = Catalog::builtin().pair(format.name, target.name).map(|pair| pair.credits);
        let (index, inputs) = (place.0, context.lease.inputs.len() - place.1.len());
        warnings.append(&mut made.warnings);
        if index + 1 == inputs {
            (context.made)();
        }
        let start = Instant::now();
        let first = Piece { path, width: made.width, height: made.height, page: made.page, name: made.name.take() };
        let pieces: Vec<_> = std::iter::once(first).chain(std::mem::take(&mut made.more)).collect();
        let names = names(context, (index, inputs), input, format, target, &pieces);
        let mut stored = Vec::with_capacity(pieces.len());
        for (piece, filename) in pieces.into_iter().zip(names) {
            let mut file = files::store(context, piece.path, &Arc::clone(&folder), filename, Some(target)).await?;
            (file.width, file.height, file.page) = (piece.width, piece.height, piece.page);
            stored.push(file);
        }
        made.explain.insert("fetch_ms".into(), fetch_ms.into());
        made.explain.insert("store_ms".into(), millis(start).into());
        Ok((stored, made, price))
    }

    /// Has an engine make the result of a file at hand, or of the parts of one that a look brings here; tells where it is, and its format.
    async fn make(
        &self,
        context: &Context<'_>,
        fetched: &Fetched,
        glance: Option<Arc<Glance>>,
        (index, assets): (usize, &[&FileRef]),
        folder: &Arc<TaskDir>,
    ) -> Result<(Made, PathBuf, &'static Format), Failure> {
        let inputs = (context.lease.inputs.len() - assets.len()) as f64;
        let target = (self.target)(fetched.format)?;
        let path = folder.path().join(ids::new_id("out"));
        let output = File::options().read(true).write(true).create_new(true).open(&path).map_err(Failure::internal)?;
        let work = Work {
            action: self.action,
            from: fetched.format.name.to_owned(),
            to: target.name.to_owned(),
            input: File::open(fetched.local.path()).map_err(Failure::internal)?,
            glance,
            beside: self.beside(context, fetched, assets, folder).await?,
            output,
            options: self.options.clone(),
            test: context.lease.spec.test,
            share: share(context),
            scratch: folder.path().to_owned(),
            progress: context.progress.part(index as f64 / inputs, (index + 1) as f64 / inputs),
            cancel: context.cancel.clone(),
            deadline: context.deadline,
        };
        let router = &context.services.router;
        let made = match self.action {
            Action::Convert => router.convert(work).await?,
            _ => router.perform(work).await?,
        };
        Ok((made, path, target))
    }
}

/// The document among the inputs, and what it refers to.
fn with_assets(inputs: Vec<&FileRef>) -> Result<(Vec<&FileRef>, Vec<&FileRef>), Failure> {
    let is_document = |file: &&FileRef| {
        let extension = file.filename.rsplit_once('.').map_or("", |(_, extension)| extension);
        crate::formats::by_name(extension).is_some_and(|format| matches!(format.name, "html" | "md"))
    };
    let (documents, assets): (Vec<_>, Vec<_>) = inputs.into_iter().partition(is_document);
    if documents.len() != 1 {
        let reason = format!(
            "one of the input files has to be html or md, and the others what it refers to; {} are. Or all of it is one zip archive",
            documents.len()
        );
        return Err(Failure::invalid_field("assets", reason));
    }
    Ok((documents, assets))
}

/// Who else reads the files of the task, where the node lets tasks share what they have in common.
fn share(context: &Context<'_>) -> Option<Share> {
    let spec = &context.lease.spec;
    let account = context.lease.account.clone();
    context.services.share_decodes.then_some(Share { account, readers: spec.siblings, followers: spec.readers })
}

/// What a conversion is worth by the pairs that ran: the prices of its files, but for an input of several files (the pages of a
/// document, say) the price of one (A62).
fn worth(prices: &[Option<u32>], inputs: usize) -> Option<u32> {
    let prices: Vec<u32> = prices.iter().copied().collect::<Option<_>>()?;
    let dearest = prices.iter().copied().max()?;
    Some(prices.iter().sum::<u32>().min(dearest.saturating_mul(u32::try_from(inputs).unwrap_or(u32::MAX))))
}

/// What the results of input `index` of so many are called: by the customer's pattern, or after the input. Where an input has several, they say what sets
/// them apart (`a-Sheet1.csv`) or are numbered (`a-1.png`, A22).
fn names(
    context: &Context<'_>,
    (index, inputs): (usize, usize),
    input: &FileRef,
    format: &Format,
    target: &Format,
    pieces: &[Piece],
) -> Vec<String> {
    let count = pieces.len();
    let own = match context.field("filename") {
        Some(pattern) if inputs == 1 && count > 1 => return (0..count).map(|at| files::numbered(pattern, at, count)).collect(),
        Some(pattern) => files::numbered(pattern, index, inputs),
        None if target.name == format.name => input.filename.clone(),
        None => files::output_name(&input.filename, target),
    };
    let name = |(at, piece): (usize, &Piece)| match &piece.name {
        Some(name) => files::suffixed(&own, name),
        None if count > 1 => files::suffixed(&own, &(at + 1).to_string()),
        None => own.clone(),
    };
    pieces.iter().enumerate().map(name).collect()
}

/// The format in which a changed file is given back: its own, or one that holds the same where we cannot write its own.
pub(super) fn same_or_writable(format: &'static Format) -> Result<&'static Format, Failure> {
    // Video is written by an engine of its own.
    if format.encode.is_some() || format.category == Category::Video {
        return Ok(format);
    }
    let fallback = if format.flags.alpha { "png" } else { "jpg" };
    crate::formats::by_name(fallback).ok_or_else(|| Failure::internal(format!("{fallback} is not a format")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a62_an_input_is_paid_once_however_many_files_it_has() {
        assert_eq!(worth(&[Some(1), Some(2)], 2), Some(3), "a file each");
        assert_eq!(worth(&[Some(1), Some(1), Some(1)], 1), Some(1), "three pages of one document");
        assert_eq!(worth(&[Some(1), None], 2), None, "what has no price is worth what was reserved");
    }
}
