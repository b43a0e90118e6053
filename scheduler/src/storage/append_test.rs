//! Objects that grow, in a folder and in a bucket alike.

use bytes::Bytes;
use futures_util::TryStreamExt;

use super::digest::hex;
use super::suite_test::Home;
use super::{Progress, StorageError, StorageKey};

fn key(slot: &str) -> StorageKey {
    StorageKey::Upload { account: "acct_1".into(), job: "job_1".into(), slot: slot.into() }
}

fn content(size: usize) -> Bytes {
    (0..size).map(|i| (i * 31 + i / 256) as u8).collect::<Vec<u8>>().into()
}

async fn read(home: &Home, key: &StorageKey) -> Vec<u8> {
    let object = home.storage.get(key, None).await.expect("it is there");
    object.stream.try_collect::<Vec<Bytes>>().await.expect("whole").concat()
}

/// Appends `cuts` one after the other, each in a `Growing` of its own as a process of its own would.
async fn grows_from(home: &Home, slot: &str, size: usize, cuts: &[usize]) {
    let (key, whole) = (key(slot), content(size));
    let (mut progress, mut at) = (Progress::default(), 0);
    for &cut in cuts {
        let text = serde_json::to_string(&progress).expect("JSON");
        let restored: Progress = serde_json::from_str(&text).expect("what it wrote");
        let mut growing = home.storage.grow(&key, &restored).await.expect("it goes on");
        for chunk in whole[at..at + cut].chunks(100_000) {
            growing.push(&whole.slice_ref(chunk)).await.expect("taken");
        }
        assert_eq!(growing.offset(), (at + cut) as u64, "all of it was taken in");
        progress = growing.save().await.expect("saved");
        at += cut;
        assert_eq!(progress.offset, at as u64, "durable");
        assert!(matches!(home.storage.get(&key, None).await, Err(StorageError::NotFound(_))), "nothing can be read yet");
        // What is pushed and never saved is as if it had not been sent.
        let mut lost = home.storage.grow(&key, &progress).await.expect("it goes on");
        lost.push(&content(300_000)).await.expect("taken");
        if cuts.len().is_multiple_of(2) {
            lost.save().await.expect("stored, but never noted");
        }
        drop(lost);
    }
    let stored = home.storage.finish_growing(&key, &progress).await.expect("finished");
    assert_eq!((stored.size, &stored.sha256), (size as u64, &hex(&<sha2::Sha256 as sha2::Digest>::digest(&whole))), "{cuts:?}");
    assert_eq!(stored.crc32, crc32fast::hash(&whole), "{cuts:?}");
    assert!(read(home, &key).await == whole, "{cuts:?}: every byte is there");
    assert_eq!(home.storage.finish_growing(&key, &progress).await.expect("again"), stored, "it is done once");
    assert_eq!(home.remains().len(), 1, "nothing else is left: {:?}", home.remains());
    home.storage.delete(&key).await.expect("deleted");
}

async fn suite(home: Home) {
    const MIB: usize = 1 << 20;
    grows_from(&home, "up_a", 1, &[1]).await;
    grows_from(&home, "up_b", 700_001, &[1, 0, 255, 256, 699_489]).await;
    grows_from(&home, "up_c", 8 * MIB, &[8 * MIB]).await;
    grows_from(&home, "up_d", 20 * MIB + 5, &[3 * MIB, 6 * MIB, 5, 11 * MIB]).await;
    grows_from(&home, "up_e", 17 * MIB, &[8 * MIB, 9 * MIB - 1, 1]).await;
    let key = key("up_f");
    let mut growing = home.storage.grow(&key, &Progress::default()).await.expect("begun");
    growing.push(&content(20 * MIB)).await.expect("taken");
    let progress = growing.save().await.expect("saved");
    assert!(!home.remains().is_empty(), "something is stored");
    home.storage.stop_growing(&key, &progress).await.expect("given up");
    assert_eq!(home.remains(), Vec::<String>::new(), "nothing is left");
    assert!(
        matches!(home.storage.finish_growing(&key, &progress).await, Err(StorageError::NotFound(_) | StorageError::Protocol(_))),
        "what was given up does not come back"
    );
}

#[tokio::test]
async fn objects_grow_in_a_folder() {
    suite(Home::local().await).await;
}

#[tokio::test]
async fn objects_grow_in_a_bucket() {
    suite(Home::s3().await).await;
}

#[tokio::test]
async fn a_long_append_is_noted_on_the_way() {
    for home in [Home::local().await, Home::s3().await] {
        let key = key("up_g");
        let mut growing = home.storage.grow(&key, &Progress::default()).await.expect("begun");
        let mut noted = Vec::new();
        for _ in 0..40 {
            growing.push(&content(1 << 20)).await.expect("taken");
            noted.extend(growing.checkpoint().await.expect("noted"));
        }
        drop(growing);
        let last = noted.last().expect("something was noted").clone();
        assert!(last.offset >= 32 << 20, "at least 32 of 40 MiB survive a crash: {}", last.offset);
        let mut growing = home.storage.grow(&key, &last).await.expect("it goes on from there");
        assert_eq!(growing.offset(), last.offset, "exactly there");
        growing.push(&content(1 << 20)).await.expect("taken");
        let progress = growing.save().await.expect("saved");
        let stored = home.storage.finish_growing(&key, &progress).await.expect("finished");
        assert_eq!(stored.size, last.offset + (1 << 20), "all of it");
    }
}
