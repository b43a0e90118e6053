//! Which files, and what is done with each.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

/// A conversion.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Work {
    /// Its name in reports.
    pub name: &'static str,
    /// Target.
    pub format: &'static str,
    /// Widths of the results, one each; none keeps the size, in one result.
    pub widths: &'static [u32],
    /// Of those formats that have one.
    pub quality: u32,
    /// How many of ten jobs do it.
    pub share: usize,
}

/// What a site with pictures of its users does: mostly thumbnails.
pub const MIX: &[Work] = &[
    Work { name: "thumbnail", format: "jpg", widths: &[320], quality: 85, share: 4 },
    Work { name: "page", format: "webp", widths: &[800], quality: 80, share: 2 },
    Work { name: "large", format: "jpg", widths: &[1600], quality: 85, share: 2 },
    Work { name: "requality", format: "jpg", widths: &[], quality: 85, share: 1 },
    Work { name: "lossless", format: "png", widths: &[1200], quality: 85, share: 1 },
];

/// Five sizes of each picture, in one job.
pub const RENDITIONS: &[Work] =
    &[Work { name: "renditions", format: "jpg", widths: &[320, 640, 800, 1200, 1600], quality: 85, share: 1 }];

/// Formats that both sides know.
const FORMATS: [&str; 6] = ["jpg", "jpeg", "png", "webp", "gif", "tiff"];

/// The pictures below a folder, by path: the same every time.
pub(super) fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("no folder {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().and_then(|e| e.to_str()).is_some_and(|e| FORMATS.contains(&e.to_lowercase().as_str())) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The work of each job: files in turn, and with each ten jobs the shares of the mix, spread.
pub(super) fn jobs(mix: &'static [Work], count: usize, files: usize) -> Vec<(usize, &'static Work)> {
    let mut ten: Vec<&'static Work> = Vec::new();
    let rounds = mix.iter().map(|work| work.share).max().unwrap_or(0);
    for round in 0..rounds {
        ten.extend(mix.iter().filter(|work| work.share > round));
    }
    // Every file meets every kind of work, whatever their numbers have in common.
    (0..count).map(|i| (i % files, ten[(i + i / files) % ten.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_kept_and_every_file_meets_every_work() {
        let jobs = jobs(MIX, 1000, 10);
        for work in MIX {
            let share = jobs.iter().filter(|(_, other)| other.name == work.name).count();
            assert_eq!(share, work.share * 100, "{}", work.name);
            let files: std::collections::BTreeSet<usize> =
                jobs.iter().filter(|(_, other)| other.name == work.name).map(|(file, _)| *file).collect();
            assert_eq!(files.len(), 10, "{} on every file", work.name);
        }
    }
}
