//! Disk, file handles and fonts.

use std::path::{Path, PathBuf};

use convertfly_scheduler::space::Space;

use super::Check;

/// Less free space than this is worth a remark: twice the largest upload, in bytes.
const FREE_SPACE: u64 = 10 << 30;

/// Fewer open files than this is worth a remark: each connection, and each file of a task, holds one.
const OPEN_FILES: u64 = 4096;

/// Free space where the data directory is, or will be.
pub(super) fn disk(data: &Path) -> Check {
    // The first start makes the directory: until then its nearest parent says on which file system it will be.
    let absolute = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let Some(existing) = absolute.ancestors().find(|path| path.exists()) else {
        return disk_from(&absolute, Err("no such path".to_owned()));
    };
    disk_from(&absolute, Space::of(existing).map_err(|error| error.to_string()))
}

/// By the rule of the nodes and the API: below it no work is taken.
fn disk_from(data: &Path, space: Result<Space, String>) -> Check {
    const NAME: &str = "disk";
    const REMEDY: &str = "free some space, or choose another place with CONVERTFLY_DATA=/a/larger/disk";
    let place = data.display();
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    match space {
        Ok(space) if space.is_low() => {
            let detail = format!("only {:.1} of {:.1} GiB free for {place}: no job is taken", gib(space.free), gib(space.total));
            Check::missing(NAME, detail, REMEDY)
        }
        Ok(space) if space.free >= FREE_SPACE => Check::ok(NAME, format!("{} GiB free for {place}", space.free >> 30)),
        Ok(space) => Check::warning(NAME, format!("only {:.1} GiB free for {place}", gib(space.free)), REMEDY),
        Err(error) => Check::warning(NAME, format!("{place}: {error}"), REMEDY),
    }
}

/// How many files a process may hold open.
pub(super) fn open_files() -> Check {
    open_files_from(&std::fs::read_to_string("/proc/self/limits").unwrap_or_default())
}

/// `limits` is the text of `/proc/self/limits`.
fn open_files_from(limits: &str) -> Check {
    const NAME: &str = "open files";
    const REMEDY: &str = "ulimit -n 65536 in the shell that starts it, or LimitNOFILE=65536 in the systemd unit";
    let soft =
        limits.lines().find_map(|line| line.strip_prefix("Max open files")).and_then(|rest| rest.split_whitespace().next());
    match soft.map(|word| (word, word.parse::<u64>())) {
        Some(("unlimited", _)) => Check::ok(NAME, "as many as wanted"),
        Some((_, Ok(count))) if count >= OPEN_FILES => Check::ok(NAME, format!("up to {count}")),
        Some((_, Ok(count))) => Check::warning(NAME, format!("up to {count}; a busy server needs {OPEN_FILES} or more"), REMEDY),
        _ => Check::warning(NAME, "the limit could not be read from /proc/self/limits", REMEDY),
    }
}

/// Fonts, to draw the text of documents with.
pub(super) fn fonts() -> Check {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share/fonts"));
    let folders = ["/usr/share/fonts", "/usr/local/share/fonts"].into_iter().map(PathBuf::from).chain(home);
    fonts_from(folders.map(|folder| count_fonts(&folder, 8)).sum())
}

fn fonts_from(count: usize) -> Check {
    const NAME: &str = "fonts";
    if count > 0 {
        return Check::ok(NAME, format!("{count} files, for documents"));
    }
    Check::warning(
        NAME,
        "none installed: text of documents is drawn in whatever comes along",
        "sudo deploy/install-deps.sh documents",
    )
}

/// Font files in `folder` and, `depth` levels down, in the folders in it. A link to a folder is not followed.
fn count_fonts(folder: &Path, depth: usize) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let count = |entry: std::fs::DirEntry| {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            return if depth > 0 { count_fonts(&path, depth - 1) } else { 0 };
        }
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
        usize::from(["ttf", "otf", "ttc", "pfb"].contains(&extension.as_str()))
    };
    entries.flatten().map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn little_free_space_is_a_remark() {
        let data = Path::new("/data");
        let of = |free, total| disk_from(data, Ok(Space { free, total }));
        assert_eq!(of(FREE_SPACE, 2 * FREE_SPACE).state, State::Ok, "enough");
        let little = of(3 << 29, 4 << 30);
        assert_eq!((little.state, little.detail.as_str()), (State::Warning, "only 1.5 GiB free for /data"), "too little");
        let low = of(7 << 30, 200 << 30);
        assert_eq!(low.state, State::Missing, "F8: too little for the largest upload and what becomes of it");
        assert_eq!(low.detail, "only 7.0 of 200.0 GiB free for /data: no job is taken");
        assert_eq!(disk_from(data, Err("gone".to_owned())).state, State::Warning, "unknown");
    }

    #[test]
    fn a_data_directory_that_is_not_there_yet_is_measured_at_its_parent() {
        let folder = tempfile::tempdir().expect("a folder");
        let there = disk(folder.path());
        let later = disk(&folder.path().join("not/there/yet"));
        assert_eq!(there.state, later.state, "the same file system: {there:?} and {later:?}");
        assert!(later.detail.contains("GiB free"), "measured: {later:?}");
    }

    #[test]
    fn the_limit_of_open_files_is_the_soft_one() {
        let limits = |soft| {
            format!(
                "Limit                     Soft Limit  Hard Limit  Units\nMax processes  7  7  processes\nMax open files            {soft}  524288  files\n"
            )
        };
        for (soft, expected) in [("65536", State::Ok), ("4096", State::Ok), ("unlimited", State::Ok), ("1024", State::Warning)] {
            assert_eq!(open_files_from(&limits(soft)).state, expected, "{soft}");
        }
        assert_eq!(open_files_from("").state, State::Warning, "unreadable");
    }

    #[test]
    fn fonts_are_counted_in_folders_within_folders() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("truetype/x")).expect("folders");
        for file in ["a.ttf", "truetype/b.OTF", "truetype/x/c.ttc", "truetype/x/readme.txt"] {
            std::fs::write(folder.path().join(file), "").expect("a file");
        }
        assert_eq!(count_fonts(folder.path(), 8), 3, "three of the four are fonts");
        assert_eq!(count_fonts(folder.path(), 1), 2, "not deeper than asked");
        assert_eq!(count_fonts(&folder.path().join("none"), 8), 0, "no folder, no fonts");
        assert_eq!((fonts_from(0).state, fonts_from(1).state), (State::Warning, State::Ok), "none, and one");
    }
}
