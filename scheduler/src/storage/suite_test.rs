//! One suite for every back end: what storage promises, in a folder and in a bucket alike.

use std::io;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::digest::hex;
use super::s3::{PART, Tuning};
use super::s3_server_test::{ACCESS_KEY, BUCKET, SECRET_KEY, TestServer, walk};
use super::{PutLimit, Storage, StorageConfig, StorageError, StorageKey, Stored};
use crate::secret::Secret;

const MIB: u64 = 1024 * 1024;

/// Settings for the bucket of a test's server.
pub(super) fn config(server: &TestServer) -> StorageConfig {
    StorageConfig {
        location: format!("s3://{BUCKET}/some/prefix"),
        s3_endpoint: Some(format!("http://{}", server.address)),
        s3_access_key_id: Some(ACCESS_KEY.to_owned()),
        s3_secret_access_key: Some(Secret::new(SECRET_KEY.to_owned())),
        ..StorageConfig::default()
    }
}

/// A storage of one kind, alone in its folder.
pub(super) struct Home {
    pub(super) storage: Storage,
    pub(super) folder: TempDir,
    pub(super) server: Option<TestServer>,
}

impl Home {
    pub(super) async fn local() -> Self {
        let folder = TempDir::new().expect("a folder");
        let storage = Storage::open(&StorageConfig::local(folder.path().join("storage"))).await.expect("it opens");
        Self { storage, folder, server: None }
    }

    pub(super) async fn s3() -> Self {
        let (folder, server) = (TempDir::new().expect("a folder"), TestServer::start().await);
        let storage = Storage::open_tuned(&config(&server), quick()).await.expect("it opens");
        Self { storage, folder, server: Some(server) }
    }

    /// Every file that storage has, finished or not.
    pub(super) fn remains(&self) -> Vec<String> {
        let mut found = Vec::new();
        match &self.server {
            Some(server) => found = server.remains(),
            None => walk(&self.folder.path().join("storage"), &mut found),
        }
        found
    }

    /// Waits for the abort that a dropped put starts in the background; a folder is clean at once.
    async fn settled(&self) {
        if let Some(server) = &self.server {
            server.until(|| server.remains().is_empty()).await;
        }
    }

    /// Bytes of a put that have reached storage.
    fn arrived(&self) -> u64 {
        match &self.server {
            Some(server) => server.traffic().0,
            None => self.remains().iter().filter_map(|path| std::fs::metadata(path).ok()).map(|meta| meta.len()).sum(),
        }
    }
}

/// As in production, but impatient.
pub(super) fn quick() -> Tuning {
    Tuning { first_backoff: Duration::from_millis(1), ..Tuning::default() }
}

pub(super) fn output(job: &str, fence: &str, index: u32) -> StorageKey {
    StorageKey::Output { account: "acct_1".into(), job: job.into(), fence: fence.into(), index }
}

pub(super) fn upload(slot: &str) -> StorageKey {
    StorageKey::Upload { account: "acct_1".into(), job: "job_1".into(), slot: slot.into() }
}

/// Bytes that do not repeat at any power of two, so that a misplaced block is seen.
pub(super) fn sample(size: usize) -> Vec<u8> {
    (0..size as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

/// `bytes` in chunks of odd sizes, empty ones too.
pub(super) fn chunks(bytes: &[u8]) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + use<> {
    let sizes = [1, 0, 65_537, 8_191, 300_007];
    let (mut rest, mut cut) = (Bytes::copy_from_slice(bytes), Vec::new());
    while !rest.is_empty() {
        cut.push(Ok(rest.split_to(sizes[cut.len() % sizes.len()].min(rest.len()))));
    }
    stream::iter(cut)
}

pub(super) fn limit(max_bytes: u64) -> PutLimit {
    PutLimit { max_bytes, exact: None }
}

pub(super) async fn read(storage: &Storage, key: &StorageKey, range: Option<(u64, u64)>) -> Result<Vec<u8>, StorageError> {
    let object = storage.get(key, range).await?;
    let bytes: Vec<Bytes> = object.stream.try_collect().await.map_err(StorageError::Source)?;
    let bytes = bytes.concat();
    assert_eq!(bytes.len() as u64, object.length, "the stream is as long as announced");
    Ok(bytes)
}

fn stored(bytes: &[u8]) -> Stored {
    Stored { size: bytes.len() as u64, sha256: hex(&Sha256::digest(bytes)), crc32: crc32fast::hash(bytes) }
}

async fn every_size_comes_back(home: &Home) {
    for size in [0, 1, 255, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 7] {
        let (bytes, key) = (sample(size), output("job_1", "1", u32::try_from(size).expect("small")));
        let put = home.storage.put_stream(&key, chunks(&bytes), limit(size as u64)).await;
        assert_eq!(put.expect("it is stored"), stored(&bytes), "{size} bytes");
        let meta = home.storage.head(&key).await.expect("it is there");
        assert!(meta.size == size as u64 && meta.etag.is_some() && meta.modified.is_some(), "{size} bytes: {meta:?}");
        assert!(read(&home.storage, &key, None).await.expect("it reads") == bytes, "{size} bytes come back changed");
    }
}

async fn ranges_are_cut_exactly(home: &Home) {
    let (bytes, key, empty) = (sample(600_000), upload("up_1"), upload("up_2"));
    home.storage.put_stream(&key, chunks(&bytes), limit(MIB)).await.expect("stored");
    home.storage.put_stream(&empty, chunks(&[]), limit(MIB)).await.expect("stored");
    let end = bytes.len() as u64;
    for (first, last) in
        [(0, 0), (0, end - 1), (1, 1), (262_143, 262_144), (end - 1, end - 1), (end - 9, end + 99), (0, u64::MAX / 2)]
    {
        let object = home.storage.get(&key, Some((first, last))).await.expect("a range within");
        assert_eq!((object.meta.size, object.offset), (end, first), "facts of {first}-{last}");
        let wanted = &bytes[usize::try_from(first).expect("small")..=usize::try_from(last.min(end - 1)).expect("small")];
        assert!(read(&home.storage, &key, Some((first, last))).await.expect("reads") == wanted, "range {first}-{last}");
    }
    for (key, range, size) in
        [(&key, (end, end), end), (&key, (end + 5, u64::MAX / 2), end), (&key, (5, 4), end), (&empty, (0, 0), 0)]
    {
        let error = home.storage.get(key, Some(range)).await.map(drop).expect_err("no such bytes");
        assert!(matches!(error, StorageError::RangeNotSatisfiable { size: s } if s == size), "{range:?}: {error:?}");
    }
}

async fn unknown_keys_are_not_found(home: &Home) {
    let (key, target) = (upload("up_none"), home.folder.path().join("target"));
    let missing = |error: StorageError| matches!(error, StorageError::NotFound(_));
    assert!(missing(home.storage.head(&key).await.expect_err("head")), "head");
    assert!(missing(home.storage.get(&key, None).await.map(drop).expect_err("get")), "get");
    assert!(missing(home.storage.get(&key, Some((0, 1))).await.map(drop).expect_err("range")), "range");
    assert!(missing(home.storage.download_to(&key, &target, MIB).await.expect_err("download")), "download");
    assert!(!target.exists(), "a failed download leaves no file");
    home.storage.delete(&key).await.expect("deleting nothing is no error");
    assert_eq!(home.storage.delete_prefix("jobs/acct_1/job_none/").await.expect("nor is a folder"), 0, "nothing was there");
    let evil = StorageKey::Upload { account: "..".into(), job: "..".into(), slot: "x".into() };
    assert!(matches!(home.storage.head(&evil).await, Err(StorageError::InvalidKey(_))), "a key made by hand");
    assert!(matches!(home.storage.delete_prefix("jobs/").await, Err(StorageError::InvalidKey(_))), "everything at once");
}

async fn limits_hold_to_the_byte(home: &Home) {
    for size in [1000, PART, 2 * PART + 1000] {
        let (bytes, key) = (sample(size), upload("up_1"));
        let size = size as u64;
        let put = |limit| home.storage.put_stream(&key, chunks(&bytes), limit);
        let error = put(limit(size - 1)).await.expect_err("one byte too many");
        assert!(matches!(error, StorageError::TooLarge { limit } if limit == size - 1), "{size}: {error:?}");
        for exact in [size - 1, size + 1] {
            let error = put(PutLimit { max_bytes: 2 * size, exact: Some(exact) }).await.expect_err("another length");
            assert!(matches!(error, StorageError::LengthMismatch { expected, .. } if expected == exact), "{size}: {error:?}");
        }
        assert_eq!(home.remains(), Vec::<String>::new(), "nothing stays of what was refused, at {size}");
        assert!(matches!(home.storage.head(&key).await, Err(StorageError::NotFound(_))), "nor can it be seen");
        put(PutLimit { max_bytes: size, exact: Some(size) }).await.expect("exactly as allowed");
        home.storage.delete_prefix("jobs/acct_1/job_1/").await.expect("cleared");
    }
    let unread = stream::poll_fn(|_| -> Poll<Option<io::Result<Bytes>>> { panic!("nothing is read") });
    let announced = PutLimit { max_bytes: 5, exact: Some(6) };
    let error = home.storage.put_stream(&upload("up_2"), unread, announced).await.expect_err("announced too large");
    assert!(matches!(error, StorageError::TooLarge { limit: 5 }), "got {error:?}");
}

async fn a_broken_stream_leaves_nothing(home: &Home) {
    for size in [0, 1000, PART - 1, PART + 1, 2 * PART + 1000] {
        let broken = chunks(&sample(size)).chain(stream::iter([Err(io::ErrorKind::ConnectionReset.into())]));
        let error = home.storage.put_stream(&upload("up_1"), broken, limit(100 * MIB)).await.expect_err("it broke");
        assert!(matches!(&error, StorageError::Source(e) if e.kind() == io::ErrorKind::ConnectionReset), "got {error:?}");
        assert_eq!(home.remains(), Vec::<String>::new(), "nothing stays after {size} bytes");
    }
}

async fn a_dropped_put_leaves_nothing(home: &Home) {
    for size in [1000, 2 * PART + 1000] {
        let (stalled, mut waiting) = (tokio::sync::Notify::new(), chunks(&sample(size)));
        // Once the bytes are through, the sender falls silent for ever.
        let silent = stream::poll_fn(|cx| match waiting.poll_next_unpin(cx) {
            Poll::Ready(None) => {
                stalled.notify_one();
                Poll::Pending
            }
            ready => ready,
        });
        let key = upload("up_1");
        let mut put = Box::pin(home.storage.put_stream(&key, silent, limit(100 * MIB)));
        tokio::select! {
            result = &mut put => panic!("the stream never ended, yet: {result:?}"),
            () = stalled.notified() => {}
        }
        drop(put);
        home.settled().await;
        assert_eq!(home.remains(), Vec::<String>::new(), "nothing stays after {size} bytes");
    }
}

async fn files_go_in_and_out(home: &Home) {
    let (source, target) = (home.folder.path().join("source"), home.folder.path().join("target"));
    for size in [0, 300_000, PART + 5] {
        let (bytes, key) = (sample(size), output("job_1", "1", 0));
        std::fs::write(&source, &bytes).expect("a source");
        assert_eq!(home.storage.put_file(&key, &source, "image/png").await.expect("stored"), stored(&bytes), "{size} bytes");
        assert_eq!(home.storage.download_to(&key, &target, size as u64).await.expect("read"), size as u64, "{size} bytes");
        assert!(std::fs::read(&target).expect("the target") == bytes, "{size} bytes come back changed");
    }
    for size in [0, 300_000, PART + 5] {
        let (bytes, key) = (sample(size), output("job_1", "2", u32::try_from(size).expect("small")));
        std::fs::write(&source, &bytes).expect("a source");
        // The second time its key is taken.
        for _ in 0..2 {
            assert_eq!(
                home.storage.put_settled_file(&key, &source, "image/png").await.expect("stored"),
                stored(&bytes),
                "{size}"
            );
        }
        std::fs::remove_file(&source).expect("the source");
        home.storage.download_to(&key, &target, size as u64).await.expect("it does not need its source");
        assert!(std::fs::read(&target).expect("the target") == bytes, "{size} settled bytes come back changed");
    }
    // What was downloaded may be the object itself under a second name.
    let (first, other) = (output("job_1", "1", 0), output("job_1", "1", 1));
    let before = std::fs::read(&target).expect("the target");
    std::fs::write(&source, b"other").expect("a source");
    home.storage.put_file(&other, &source, "image/png").await.expect("stored");
    home.storage.download_to(&other, &target, 9).await.expect("read");
    assert!(std::fs::read(&target).expect("the target") == b"other", "what is there is replaced");
    assert_eq!(home.storage.download_to(&first, &source, u64::MAX).await.expect("read"), before.len() as u64, "the first one");
    assert!(std::fs::read(&source).expect("the source") == before, "and the object that was there before is as it was");
    std::fs::remove_file(&target).expect("the target");
    let error = home.storage.download_to(&output("job_1", "1", 0), &target, 9).await.expect_err("over the limit");
    assert!(matches!(error, StorageError::TooLarge { limit: 9 }) && !target.exists(), "got {error:?}");
    let missing = home.folder.path().join("missing");
    let error = home.storage.put_file(&upload("up_1"), &missing, "image/png").await.expect_err("no such file");
    assert!(matches!(error, StorageError::Source(_)), "got {error:?}");
}

async fn a_linked_object_outlives_the_first(home: &Home) {
    let (first, second) = (output("job_a", "f", 0), output("job_b", "f", 0));
    let bytes = sample(5000);
    home.storage.put_stream(&first, chunks(&bytes), limit(9000)).await.expect("stored");
    if !home.storage.link(&first, &second).await.expect("asked") {
        return;
    }
    home.storage.delete(&first).await.expect("deleted");
    assert_eq!(read(&home.storage, &second, None).await.expect("there"), bytes, "the second one stays");
    let gone = home.storage.link(&first, &output("job_c", "f", 0)).await;
    assert!(matches!(gone, Err(StorageError::NotFound(_))), "what is not there has no second name: {gone:?}");
    assert!(!home.storage.link(&second, &second).await.expect("asked"), "a name that is taken is left alone");
}

async fn a_second_fence_is_another_object(home: &Home) {
    let (first, second) = (output("job_1", "1-1-a", 0), output("job_1", "1-2-b", 0));
    home.storage.put_stream(&first, chunks(b"committed"), limit(99)).await.expect("stored");
    home.storage.put_stream(&second, chunks(b"from a zombie"), limit(99)).await.expect("stored");
    assert_eq!(read(&home.storage, &first, None).await.expect("reads"), b"committed", "the other fence changed nothing");
    let broken = stream::iter([Ok(Bytes::from_static(b"half")), Err(io::ErrorKind::TimedOut.into())]);
    home.storage.put_stream(&first, broken, limit(99)).await.expect_err("it broke");
    assert_eq!(read(&home.storage, &first, None).await.expect("reads"), b"committed", "nor did a broken second put");
    home.storage.put_stream(&first, chunks(b"again"), limit(99)).await.expect("the same holder tries again");
    assert_eq!(read(&home.storage, &first, None).await.expect("reads"), b"again", "the same key is replaced whole");
}

async fn deletions_take_what_they_name(home: &Home) {
    let keep = output("job_11", "1", 0);
    for index in 0..5 {
        home.storage.put_stream(&output("job_1", "1", index), chunks(b"x"), limit(9)).await.expect("stored");
    }
    home.storage.put_stream(&upload("up_1"), chunks(b"x"), limit(9)).await.expect("stored");
    home.storage.put_stream(&keep, chunks(b"keep"), limit(9)).await.expect("stored");
    assert!(home.storage.delete(&upload("up_1")).await.expect("deleted"), "one object");
    assert!(matches!(home.storage.head(&upload("up_1")).await, Err(StorageError::NotFound(_))), "it is gone");
    assert_eq!(home.storage.delete_prefix("jobs/acct_1/job_1/").await.expect("deleted"), 5, "the job's folder");
    assert_eq!(read(&home.storage, &keep, None).await.expect("reads"), b"keep", "job_11 starts alike and stays");
    assert_eq!(home.storage.delete_prefix("jobs/acct_1/").await.expect("deleted"), 1, "the account's folder");
    assert_eq!(home.remains(), Vec::<String>::new(), "nothing stays");
}

async fn listings_are_complete_and_ordered(home: &Home) {
    let mut keys: Vec<String> = Vec::new();
    for job in ["job_1", "job_1-b", "job_10", "job_2"] {
        for index in 0..3 {
            let key = output(job, "7", index);
            home.storage.put_stream(&key, chunks(&sample(index as usize)), limit(9)).await.expect("stored");
            keys.push(key.to_string());
        }
    }
    keys.sort();
    for limit in [1, 2, 5, 12, 1000] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = home.storage.list_prefix("jobs/", after.as_deref(), limit).await.expect("a page");
            assert!(page.objects.len() <= limit, "{} objects on a page of {limit}", page.objects.len());
            for object in &page.objects {
                assert!(object.key.to_string().ends_with(&format!(".{}", object.size)), "sizes are right: {object:?}");
            }
            found.extend(page.objects.into_iter().map(|object| object.key.to_string()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, keys, "all of them once, in order, by {limit}");
    }
    let page = home.storage.list_prefix("jobs/acct_1/job_1/", None, 99).await.expect("a page");
    assert_eq!((page.objects.len(), page.next), (3, None), "one job's, without those that start alike");
}

async fn large_objects_use_little_memory(home: &Home) {
    let size = 40 * MIB;
    // For a bucket: one part is read while another is sent. A folder: two blocks of 256 KiB.
    let bound = if home.server.is_some() { 2 * PART as u64 + MIB } else { MIB };
    let mut pulled = 0;
    let (before, mut hasher, mut crc32) = (home.arrived(), Sha256::new(), crc32fast::Hasher::new());
    let stream = stream::iter(0..size / MIB).map(|number| {
        let held = pulled - (home.arrived() - before).min(pulled);
        assert!(held <= bound, "{held} bytes are held after {pulled}");
        pulled += MIB;
        let chunk = Bytes::from(vec![number as u8; MIB as usize]);
        hasher.update(&chunk);
        crc32.update(&chunk);
        Ok(chunk)
    });
    let key = output("job_1", "1", 0);
    let put = home.storage.put_stream(&key, stream, PutLimit { max_bytes: size, exact: Some(size) }).await.expect("stored");
    assert_eq!(put, Stored { size, sha256: hex(&hasher.finalize()), crc32: crc32.finalize() }, "what was sent was stored");
    let sent_before = home.server.as_ref().map(|server| server.traffic().1);
    let mut object = home.storage.get(&key, None).await.expect("it is there");
    let mut read = 0u64;
    while let Some(chunk) = object.stream.next().await {
        let chunk = chunk.expect("whole");
        assert!(chunk.iter().enumerate().all(|(at, byte)| u64::from(*byte) == (read + at as u64) / MIB), "changed at {read}");
        read += chunk.len() as u64;
        if let (Some(server), Some(before)) = (&home.server, sent_before) {
            // What the kernel buffers on both sides is part of it.
            let held = (server.traffic().1 - before).saturating_sub(read);
            assert!(held <= 24 * MIB, "{held} bytes are held after {read}");
        }
    }
    assert_eq!(read, size, "all of it");
}

async fn many_at_once_stay_apart(home: &Home) {
    let tasks: Vec<_> = (0..24u32)
        .map(|index| {
            let storage = home.storage.clone();
            tokio::spawn(async move {
                let (key, bytes) = (output("job_1", "1", index), sample(100_000 + index as usize));
                storage.put_stream(&key, chunks(&bytes), limit(MIB)).await.expect("stored");
                assert!(read(&storage, &key, None).await.expect("reads") == bytes, "object {index} is mixed up");
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no task failed");
    }
}

async fn readiness_is_proven_by_writing(home: &Home) {
    home.storage.check().await.expect("it can be written to");
    assert_eq!(home.storage.list_prefix("jobs/", None, 9).await.expect("a page").objects, [], "the proof is no object");
    home.storage.put_stream(&upload("up_1"), chunks(b"x"), limit(9)).await.expect("stored");
    assert_eq!(home.storage.sweep(Duration::ZERO).await.expect("swept"), 0, "nothing unfinished");
    assert_eq!(read(&home.storage, &upload("up_1"), None).await.expect("reads"), b"x", "a sweep takes no object");
}

/// Makes each case a test over each back end, every one on a fresh storage.
macro_rules! suite {
    ($($case:ident,)+) => {
        mod local {
            $(#[tokio::test]
            async fn $case() {
                super::$case(&super::Home::local().await).await;
            })+
        }
        mod s3 {
            $(#[tokio::test]
            async fn $case() {
                super::$case(&super::Home::s3().await).await;
            })+
        }
    };
}

suite!(
    every_size_comes_back,
    ranges_are_cut_exactly,
    unknown_keys_are_not_found,
    limits_hold_to_the_byte,
    a_broken_stream_leaves_nothing,
    a_dropped_put_leaves_nothing,
    files_go_in_and_out,
    a_second_fence_is_another_object,
    a_linked_object_outlives_the_first,
    deletions_take_what_they_name,
    listings_are_complete_and_ordered,
    large_objects_use_little_memory,
    many_at_once_stay_apart,
    readiness_is_proven_by_writing,
);
