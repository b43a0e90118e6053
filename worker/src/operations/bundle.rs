//! A document in one zip archive with what it refers to.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use convertfly_scheduler::ids;
use convertfly_scheduler::task::FileRef;

use super::each::Fetched;
use super::{Context, files};
use crate::engines::image::bundle::unpack;
use crate::failure::Failure;
use crate::formats::{Format, by_name};
use crate::node::LocalFile;
use crate::scratch::TaskDir;

/// Whether that is such an archive, by its name.
pub(super) fn is_one(file: &FileRef) -> bool {
    extension(&file.filename).eq_ignore_ascii_case("zip")
}

/// Brings an archive here and has it taken apart: the document, and beside it the files that it may refer to.
pub(super) async fn fetch(context: &Context<'_>, input: &FileRef, folder: &Arc<TaskDir>) -> Result<Fetched, Failure> {
    let start = Instant::now();
    let local = files::fetch(context, input, folder).await?;
    let fetch_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let archive = File::open(local.path()).map_err(Failure::internal)?;
    let whole = folder.path().join(ids::new_id("parts"));
    let output = File::create_new(&whole).map_err(Failure::internal)?;
    let (runner, cancel) = (context.services.runner(), context.cancel.clone());
    let parts = unpack(runner, archive, output, cancel, context.deadline).await?;
    let kept = Arc::clone(folder);
    let divide = move || {
        let whole = File::open(whole).map_err(Failure::internal)?;
        let parts: Vec<_> = parts.into_iter().filter(|(name, _)| !name.ends_with('/')).collect();
        let (at, format) = document(parts.iter().map(|(name, _)| name.as_str()))?;
        let folder = parts.get(at).and_then(|(name, _)| name.rfind('/')).map_or(0, |slash| slash + 1);
        let prefix = parts.get(at).and_then(|(name, _)| name.get(..folder)).unwrap_or_default().to_owned();
        let (mut found, mut beside) = (None, Vec::with_capacity(parts.len()));
        for (index, (name, bytes)) in parts.into_iter().enumerate() {
            let path = kept.path().join(ids::new_id("part"));
            let mut file = File::create_new(&path).map_err(Failure::internal)?;
            let copied = io::copy(&mut (&whole).take(bytes), &mut file).map_err(Failure::internal)?;
            if copied != bytes {
                return Err(Failure::internal("an archive has fewer bytes than its parts"));
            }
            if index == at {
                found = Some(LocalFile::new(path, bytes, Arc::clone(&kept)));
            } else {
                beside.push((name.strip_prefix(&prefix).unwrap_or(&name).to_owned(), path));
            }
        }
        let local = found.ok_or_else(|| Failure::internal("the document is gone"))?;
        Ok(Fetched { local, format, warning: None, fetch_ms, beside })
    };
    tokio::task::spawn_blocking(divide).await.map_err(Failure::internal)?
}

fn extension(name: &str) -> &str {
    Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

/// Which file of an archive is the document: html or md that is called `index`, or else the only one, nearest to the top.
fn document<'n>(names: impl Iterator<Item = &'n str>) -> Result<(usize, &'static Format), Failure> {
    let format =
        |name: &str| by_name(&extension(name).to_ascii_lowercase()).filter(|format| ["html", "md"].contains(&format.name));
    let all: Vec<(usize, &str, &'static Format)> = names
        .enumerate()
        // What macOS puts beside each file has its name.
        .filter(|(_, name)| !name.starts_with("__MACOSX/"))
        .filter_map(|(index, name)| Some((index, name, format(name)?)))
        .collect();
    let depth = |name: &str| name.matches('/').count();
    let is_index = |name: &str| PathBuf::from(name).file_stem().is_some_and(|stem| stem.eq_ignore_ascii_case("index"));
    for chosen in [all.iter().filter(|(_, name, _)| is_index(name)).collect::<Vec<_>>(), all.iter().collect()] {
        let Some(least) = chosen.iter().map(|(_, name, _)| depth(name)).min() else { continue };
        let mut nearest = chosen.into_iter().filter(|(_, name, _)| depth(name) == least);
        if let (Some((index, _, format)), None) = (nearest.next(), nearest.next()) {
            return Ok((*index, *format));
        }
    }
    let reason = match all.len() {
        0 => "the zip archive holds 0 html or md files. Put the document into it, called index.html or index.md".to_owned(),
        count => format!(
            "the zip archive holds {count} html or md files, and it is not plain which is meant. Call that one index.html or index.md"
        ),
    };
    Err(Failure::invalid_field("assets", reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_found() {
        let found = |names: &[&str]| document(names.iter().copied()).ok().map(|(index, format)| (index, format.name));
        assert_eq!(found(&["a.css", "page.html"]), Some((1, "html")), "the only one");
        assert_eq!(found(&["site/other.html", "site/Index.HTM", "site/in/index.html"]), Some((1, "html")), "the upper index");
        assert_eq!(found(&["__MACOSX/index.html", "notes/text.md"]), Some((1, "md")), "no shadow of another one");
        assert_eq!(found(&["a.html", "b.html"]), None, "either");
        assert_eq!(found(&["a.css"]), None, "none");
    }
}
