//! Objects in a folder: written to a temporary name beside their place, fsynced, renamed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};

use super::digest::Digests;
use super::intake::{Intake, blocking};
use super::{Listed, Meta, Object, Page, StorageError, StorageKey, Stored};
use crate::space::Space;

/// Bytes read or written at a time. One hop to the blocking pool costs some 10 µs, hashing this much some 150 µs.
const BLOCK: usize = 256 * 1024;

/// What every temporary name starts with; no part of a key starts with a dot.
const TEMPORARY: &str = ".tmp-";

/// How often a put makes its folder again when a deletion of the emptied folder came between; each lasts microseconds.
const FOLDER_TRIES: u32 = 100;

/// A folder of objects.
#[derive(Clone, Debug)]
pub(super) struct LocalStorage {
    root: Arc<Path>,
}

impl LocalStorage {
    /// How full the file system is.
    pub(super) fn space(&self) -> io::Result<Space> {
        Space::of(&self.root)
    }

    /// Makes the folder if it is missing, for this user alone.
    pub(super) async fn open(root: PathBuf) -> Result<Self, StorageError> {
        blocking(move || {
            let root = std::path::absolute(&root).map_err(StorageError::io("find the storage folder"))?;
            DirBuilder::new().recursive(true).mode(0o700).create(&root).map_err(StorageError::io("make the storage folder"))?;
            Ok(Self { root: root.into() })
        })
        .await
    }

    /// Stores what `intake` brings: the next block is read while the last is hashed and written.
    pub(super) async fn put<S>(&self, key: &str, mut intake: Intake<S>) -> Result<Stored, StorageError>
    where
        S: Stream<Item = io::Result<Bytes>> + Unpin,
    {
        let (root, target) = (self.root.clone(), self.root.join(key));
        let temporary = blocking(move || Temporary::create(&root, target)).await?;
        let mut digests = Digests::default();
        let mut next = intake.block(BLOCK).await?;
        while let Some(block) = next {
            let file = temporary.file.clone();
            let write = blocking(move || {
                digests.update(&block);
                io::Write::write_all(&mut &*file, &block).map_err(StorageError::io("write an object"))?;
                Ok(digests)
            });
            (digests, next) = tokio::try_join!(write, intake.block(BLOCK))?;
        }
        blocking(move || temporary.commit()).await?;
        Ok(digests.finish())
    }

    /// Makes a file an object by a second name of it. Nobody may change the file any more. `None` where that cannot be done.
    pub(super) async fn adopt(&self, key: &str, path: &Path, limit: u64) -> Result<Option<Stored>, StorageError> {
        let (root, target, path) = (self.root.clone(), self.root.join(key), path.to_owned());
        blocking(move || {
            let file = File::open(&path).map_err(StorageError::Source)?;
            let meta = file.metadata().map_err(StorageError::Source)?;
            let folder = target.parent().unwrap_or(&root);
            if meta.len() > limit {
                return Err(StorageError::TooLarge { limit });
            }
            make_folder(&root, folder)?;
            if fs::metadata(folder).is_ok_and(|folder| folder.dev() != meta.dev()) {
                return Ok(None);
            }
            let (mut digests, mut at) = (Digests::default(), 0);
            let mut block = vec![0; BLOCK.min(usize::try_from(meta.len()).unwrap_or(BLOCK))];
            while at < meta.len() {
                let length = file.read_at(&mut block, at).map_err(StorageError::Source)?;
                if length == 0 {
                    return Err(StorageError::Source(io::ErrorKind::UnexpectedEof.into()));
                }
                digests.update(&block[..length]);
                at += length as u64;
            }
            file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(StorageError::io("take over a file"))?;
            file.sync_all().map_err(StorageError::io("flush an object to disk"))?;
            Ok(second_name(&root, &path, &target, || Ok(()))?.then(|| digests.finish()))
        })
        .await
    }

    pub(super) async fn get(&self, key: &str, range: Option<(u64, u64)>) -> Result<Object, StorageError> {
        let (path, key) = (self.root.join(key), key.to_owned());
        let (file, meta) = blocking(move || {
            let file = File::open(path).map_err(|error| not_found(error, &key, "open an object"))?;
            let meta = file.metadata().map_err(StorageError::io("read an object's size"))?;
            Ok((file, describe(&meta)))
        })
        .await?;
        let (offset, length) = match range {
            None => (0, meta.size),
            Some((first, last)) if first <= last && first < meta.size => (first, last.min(meta.size - 1) - first + 1),
            Some(_) => return Err(StorageError::RangeNotSatisfiable { size: meta.size }),
        };
        Ok(Object { meta, offset, length, stream: read_stream(file, offset, length) })
    }

    /// Puts an object at a path for reading: by a second name of it, or else by a copy within the kernel. What is there is replaced.
    pub(super) async fn bring_to(&self, key: &str, path: &Path, limit: u64) -> Result<u64, StorageError> {
        let (source, target, key) = (self.root.join(key), path.to_owned(), key.to_owned());
        blocking(move || {
            let mut file = File::open(&source).map_err(|error| not_found(error, &key, "open an object"))?;
            let size = file.metadata().map_err(StorageError::io("read an object's size"))?.len();
            if size > limit {
                return Err(StorageError::TooLarge { limit });
            }
            // What is there may be an object's second name: written over, it would change the object.
            match fs::remove_file(&target) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StorageError::io("replace the file to download to")(error));
                }
                _ => {}
            }
            // Not to another file system, nor where the object has been deleted since: then the open file serves.
            if fs::hard_link(&source, &target).is_ok() {
                return Ok(size);
            }
            let mut made = File::create(&target).map_err(StorageError::io("create the file to download to"))?;
            let guard = RemoveOnDrop::new(target);
            let copied = io::copy(&mut file, &mut made).map_err(StorageError::io("write the downloaded file"))?;
            if copied != size {
                return Err(StorageError::Unavailable(format!("{copied} of {size} bytes could be read")));
            }
            guard.keep();
            Ok(size)
        })
        .await
    }

    /// Gives an object a second name; no object is ever changed in its place, so it is as good as a copy.
    pub(super) async fn link(&self, from: &str, to: &str) -> Result<bool, StorageError> {
        let (root, source, target, key) = (self.root.clone(), self.root.join(from), self.root.join(to), from.to_owned());
        blocking(move || {
            let is_there = || fs::metadata(&source).map(drop).map_err(|error| not_found(error, &key, "open an object"));
            second_name(&root, &source, &target, is_there)
        })
        .await
    }

    pub(super) async fn head(&self, key: &str) -> Result<Meta, StorageError> {
        let (path, key) = (self.root.join(key), key.to_owned());
        blocking(move || match fs::metadata(path) {
            Ok(meta) => Ok(describe(&meta)),
            Err(error) => Err(not_found(error, &key, "read an object's size")),
        })
        .await
    }

    pub(super) async fn delete(&self, key: &str) -> Result<bool, StorageError> {
        let path = self.root.join(key);
        blocking(move || match fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StorageError::io("delete an object")(error)),
        })
        .await
    }

    pub(super) async fn delete_prefix(&self, prefix: &str) -> Result<u64, StorageError> {
        let (root, folder) = (self.root.clone(), self.root.join(prefix));
        blocking(move || {
            let mut objects = 0;
            walk(&folder, &mut |path, _| {
                objects += u64::from(key_of(&root, path).is_some());
                Ok(())
            })?;
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StorageError::io("delete a job's folder")(error));
                }
                _ => {}
            }
            // The account's folder goes with its last job; a folder in use is not empty and stays.
            let mut parent = folder.parent();
            while let Some(folder) = parent.filter(|folder| **folder != *root && fs::remove_dir(folder).is_ok()) {
                parent = folder.parent();
            }
            Ok(objects)
        })
        .await
    }

    pub(super) async fn list_prefix(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, StorageError> {
        let (root, prefix, after) = (self.root.clone(), prefix.to_owned(), after.unwrap_or_default().to_owned());
        blocking(move || {
            let mut page = Page::default();
            if !list_folder(&root, &prefix, &after, limit, &mut page)? {
                page.next = None;
            }
            Ok(page)
        })
        .await
    }

    /// Removes temporary files last written to before `older_than` ago: a writer at work touches its own all the time.
    pub(super) async fn sweep(&self, older_than: Duration) -> Result<u64, StorageError> {
        let root = self.root.clone();
        blocking(move || {
            let now = SystemTime::now();
            let mut removed = 0;
            walk(&root, &mut |path, meta| {
                let old = meta.modified().is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age >= older_than));
                if is_temporary(path) && old && fs::remove_file(path).is_ok() {
                    removed += 1;
                }
                Ok(())
            })?;
            Ok(removed)
        })
        .await
    }

    pub(super) async fn check(&self) -> Result<(), StorageError> {
        let root = self.root.clone();
        blocking(move || {
            let temporary = Temporary::create(&root, root.join("check"))?;
            io::Write::write_all(&mut &*temporary.file, b"ok").map_err(StorageError::io("write to the storage folder"))?;
            temporary.file.sync_all().map_err(StorageError::io("write to the storage folder"))
        })
        .await
    }
}

/// A file that is being appended to, under a temporary name.
pub(super) struct GrowingFile {
    file: Arc<File>,
    at: u64,
}

impl GrowingFile {
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        let (file, at, length) = (self.file.clone(), self.at, bytes.len() as u64);
        blocking(move || file.write_all_at(&bytes, at).map_err(StorageError::io("write an object"))).await?;
        self.at += length;
        Ok(())
    }

    pub(super) async fn sync(&self) -> Result<(), StorageError> {
        let file = self.file.clone();
        blocking(move || file.sync_data().map_err(StorageError::io("flush an object to disk"))).await
    }
}

/// The temporary name of an object that grows, the same in every process.
fn growing_path(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!("{TEMPORARY}{name}"))
}

impl LocalStorage {
    /// Opens the file of an object that has `offset` bytes; what it holds beyond them is cut off.
    pub(super) async fn grow(&self, key: &str, offset: u64) -> Result<GrowingFile, StorageError> {
        let (root, target) = (self.root.clone(), self.root.join(key));
        blocking(move || {
            let path = growing_path(&target);
            make_folder(&root, target.parent().unwrap_or(&root))?;
            let opened = OpenOptions::new().write(true).create(offset == 0).truncate(false).mode(0o600).open(&path);
            let file = opened.map_err(|error| not_found(error, "of a resumable upload", "open an object"))?;
            let length = file.metadata().map_err(StorageError::io("read an object's size"))?.len();
            if length < offset {
                return Err(StorageError::NotFound("of a resumable upload".to_owned()));
            }
            file.set_len(offset).map_err(StorageError::io("cut an object"))?;
            if offset == 0 {
                target.parent().map_or(Ok(()), sync_folder)?;
            }
            Ok(GrowingFile { file: Arc::new(file), at: offset })
        })
        .await
    }

    /// Gives the file its name.
    pub(super) async fn finish_growing(&self, key: &str, size: u64) -> Result<(), StorageError> {
        let target = self.root.join(key);
        blocking(move || {
            if fs::metadata(&target).is_ok_and(|meta| meta.len() == size) {
                return Ok(());
            }
            let path = growing_path(&target);
            let failed = |error| not_found(error, "of a resumable upload", "name an object");
            let file = OpenOptions::new().write(true).open(&path).map_err(failed)?;
            file.set_len(size).and_then(|()| file.sync_all()).map_err(StorageError::io("flush an object to disk"))?;
            fs::rename(&path, &target).map_err(failed)?;
            target.parent().map_or(Ok(()), sync_folder)
        })
        .await
    }

    pub(super) async fn stop_growing(&self, key: &str) -> Result<(), StorageError> {
        let path = growing_path(&self.root.join(key));
        blocking(move || match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StorageError::io("delete an object")(error)),
            _ => Ok(()),
        })
        .await
    }
}

/// A file that goes away unless it is kept.
pub(super) struct RemoveOnDrop(Option<PathBuf>);

impl RemoveOnDrop {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(Some(path))
    }

    pub(super) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// An object that cannot be seen yet.
struct Temporary {
    file: Arc<File>,
    path: PathBuf,
    target: PathBuf,
    guard: RemoveOnDrop,
}

impl Temporary {
    fn create(root: &Path, target: PathBuf) -> Result<Self, StorageError> {
        let failed = StorageError::io("create an object");
        let folder = target.parent().unwrap_or(root);
        let path = folder.join(format!("{TEMPORARY}{}", crate::ids::random_base62(16)));
        let mut tries = 0;
        let file = loop {
            make_folder(root, folder)?;
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => break file,
                // The folder was empty and a deletion took it between the two calls.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < FOLDER_TRIES => tries += 1,
                Err(error) => return Err(failed(error)),
            }
        };
        Ok(Self { file: Arc::new(file), guard: RemoveOnDrop::new(path.clone()), path, target })
    }

    /// Makes the object visible, for good: its bytes reach the disk before its name does, and the name before this returns.
    fn commit(self) -> Result<(), StorageError> {
        self.file.sync_all().map_err(StorageError::io("flush an object to disk"))?;
        fs::rename(&self.path, &self.target).map_err(StorageError::io("name an object"))?;
        self.guard.keep();
        self.target.parent().map_or(Ok(()), sync_folder)
    }
}

/// Gives a file a second name, durably; not where that cannot be done, so that bytes have to be copied: on another file system, with too many
/// names, or for a name that is taken. `is_there` says so where the file itself is missing.
fn second_name(
    root: &Path,
    source: &Path,
    target: &Path,
    is_there: impl Fn() -> Result<(), StorageError>,
) -> Result<bool, StorageError> {
    let folder = target.parent().unwrap_or(root);
    for _ in 0..FOLDER_TRIES {
        make_folder(root, folder)?;
        match fs::hard_link(source, target) {
            Ok(()) => return sync_folder(folder).map(|()| true),
            // The folder was empty and a deletion took it between the two calls, or it is the source that is missing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => is_there()?,
            Err(_) => return Ok(false),
        }
    }
    Ok(false)
}

/// Makes `folder` under `root`, and each new folder's name durable.
fn make_folder(root: &Path, folder: &Path) -> Result<(), StorageError> {
    if folder.is_dir() || folder == root {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folder(root, parent)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => folder.parent().map_or(Ok(()), sync_folder),
        // Another writer made it, or a deletion took its parent: then creating the file fails and all is tried again.
        Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => Ok(()),
        Err(error) => Err(StorageError::io("make a job's folder")(error)),
    }
}

fn sync_folder(folder: &Path) -> Result<(), StorageError> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // The job was deleted at this very moment, its objects with it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(StorageError::io("flush a folder to disk")),
    }
}

/// A file as a stream, with its size.
pub(super) async fn file_stream(path: &Path) -> io::Result<(BoxStream<'static, io::Result<Bytes>>, u64)> {
    let path = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok::<_, io::Error>((file, size))
    });
    let (file, size) = opened.await.map_err(io::Error::other)??;
    Ok((read_stream(file, 0, size), size))
}

/// Reads `length` bytes from `offset`, a block ahead of nobody: each is read when it is asked for.
fn read_stream(file: File, offset: u64, length: u64) -> BoxStream<'static, io::Result<Bytes>> {
    let file = Arc::new(file);
    stream::try_unfold((offset, length), move |(at, left)| {
        let file = file.clone();
        async move {
            if left == 0 {
                return Ok(None);
            }
            let read = tokio::task::spawn_blocking(move || {
                let mut block = vec![0; usize::try_from(left).unwrap_or(BLOCK).min(BLOCK)];
                file.read_exact_at(&mut block, at)?;
                Ok::<_, io::Error>(Bytes::from(block))
            });
            let block = read.await.map_err(io::Error::other)??;
            let length = block.len() as u64;
            Ok(Some((block, (at + length, left - length))))
        }
    })
    .boxed()
}

fn describe(meta: &fs::Metadata) -> Meta {
    let etag = format!("{:x}-{:x}-{:x}{:08x}", meta.len(), meta.ino(), meta.mtime(), meta.mtime_nsec());
    Meta { size: meta.len(), etag: Some(etag), modified: meta.modified().ok() }
}

fn not_found(error: io::Error, key: &str, action: &'static str) -> StorageError {
    match error.kind() {
        io::ErrorKind::NotFound => StorageError::NotFound(key.to_owned()),
        _ => StorageError::io(action)(error),
    }
}

fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes()))
}

fn key_of(root: &Path, path: &Path) -> Option<StorageKey> {
    StorageKey::parse(path.strip_prefix(root).ok()?.to_str()?)
}

/// Calls `visit` for every file below `folder`; files and folders that vanish meanwhile are passed over.
fn walk(folder: &Path, visit: &mut impl FnMut(&Path, &fs::Metadata) -> Result<(), StorageError>) -> Result<(), StorageError> {
    for (path, meta) in entries(folder)? {
        if meta.is_dir() { walk(&path, visit)? } else { visit(&path, &meta)? }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<(PathBuf, fs::Metadata)>, StorageError> {
    let failed = StorageError::io("read a storage folder");
    let mut found = Vec::new();
    match fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                let entry = entry.map_err(failed)?;
                // Links are not followed: this is the entry's own metadata.
                match entry.metadata() {
                    Ok(meta) => found.push((entry.path(), meta)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(failed(error)),
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    Ok(found)
}

/// Adds the objects of `folder` (a key prefix) after `after` to `page`; true once the page is full and more may follow.
fn list_folder(root: &Path, folder: &str, after: &str, limit: usize, page: &mut Page) -> Result<bool, StorageError> {
    // A folder sorts with its slash, so that the order is that of whole keys: `a-b/x` comes before `a/x`.
    let mut names: Vec<(String, fs::Metadata)> = entries(&root.join(folder))?
        .into_iter()
        .filter_map(|(path, meta)| {
            let slash = if meta.is_dir() { "/" } else { "" };
            Some((format!("{folder}{}{slash}", path.file_name()?.to_str()?), meta))
        })
        .collect();
    names.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, meta) in names {
        if meta.is_dir() {
            let passed = name.as_str() < after && !after.starts_with(&name);
            if !passed && list_folder(root, &name, after, limit, page)? {
                return Ok(true);
            }
        } else if name.as_str() > after
            && let Some(key) = StorageKey::parse(&name)
        {
            if page.objects.len() == limit {
                return Ok(true);
            }
            page.objects.push(Listed { key, size: meta.len(), modified: meta.modified().ok() });
            page.next = Some(name);
        }
    }
    Ok(false)
}

#[cfg(test)]
#[path = "local_test.rs"]
mod tests;
