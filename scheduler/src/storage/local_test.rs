//! What only a folder has: modes, temporary names, folders that come and go.

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::super::suite_test::{Home, chunks, limit, output, read, upload};
use super::super::{Storage, StorageConfig};
use super::*;

/// The temporary file of a put that never came back, `age` old.
fn crashed(home: &Home, age: Duration) -> PathBuf {
    let folder = home.folder.path().join("storage/jobs/acct_1/job_1/in");
    fs::create_dir_all(&folder).expect("a job's folder");
    let temporary = Temporary::create(&folder, folder.join("up_1")).expect("a temporary file");
    let path = temporary.path.clone();
    let file = temporary.file.clone();
    io::Write::write_all(&mut &*file, b"half of it").expect("some bytes");
    file.set_modified(SystemTime::now() - age).expect("an old date");
    // As a killed process would, this runs no destructor.
    std::mem::forget(temporary);
    path
}

#[tokio::test]
async fn only_this_user_reads_what_is_stored() {
    let home = Home::local().await;
    home.storage.put_stream(&upload("up_1"), chunks(b"secret"), limit(9)).await.expect("stored");
    let mode = |path: &str| fs::metadata(home.folder.path().join(path)).expect(path).permissions().mode() & 0o777;
    assert_eq!(mode("storage"), 0o700, "the root");
    assert_eq!(mode("storage/jobs/acct_1/job_1/in"), 0o700, "a folder");
    assert_eq!(mode("storage/jobs/acct_1/job_1/in/up_1"), 0o600, "an object");
}

#[tokio::test]
async fn a_crash_leaves_only_what_a_sweep_finds() {
    let home = Home::local().await;
    let hour = Duration::from_secs(3600);
    let (old, fresh) = (crashed(&home, 5 * hour), crashed(&home, hour));
    let missing = home.storage.head(&upload("up_1")).await;
    assert!(matches!(missing, Err(StorageError::NotFound(_))), "half an object cannot be seen: {missing:?}");
    assert_eq!(home.storage.list_prefix("jobs/", None, 9).await.expect("a page").objects, [], "nor listed");
    assert_eq!(home.storage.sweep(4 * hour).await.expect("swept"), 1, "the old one goes");
    assert!(!old.exists() && fresh.exists(), "the fresh one may be at work");
    assert_eq!(home.storage.delete_prefix("jobs/acct_1/job_1/").await.expect("deleted"), 0, "it was no object");
    assert_eq!(home.remains(), Vec::<String>::new(), "but it goes with its job");
}

#[tokio::test]
async fn puts_and_deletions_of_the_same_folder_do_not_fail_each_other() {
    let home = Home::local().await;
    let emptier = {
        let storage = home.storage.clone();
        tokio::spawn(async move {
            for _ in 0..200 {
                storage.delete_prefix("jobs/acct_1/job_2/").await.expect("a deletion never fails");
            }
        })
    };
    // Each of those deletions also removes the account's folder whenever it is empty.
    for _ in 0..50 {
        home.storage.put_stream(&upload("up_1"), chunks(b"x"), limit(9)).await.expect("a put finds or makes its folder");
        assert_eq!(read(&home.storage, &upload("up_1"), None).await.expect("reads"), b"x", "and stays");
        home.storage.delete_prefix("jobs/acct_1/job_1/").await.expect("a deletion never fails");
    }
    emptier.await.expect("the deletions went through");
}

#[tokio::test]
async fn a_folder_that_cannot_be_is_named() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, b"x").expect("a file");
    let error = Storage::open(&StorageConfig::local(file.join("storage"))).await.expect_err("below a file");
    assert!(matches!(error, StorageError::Io { .. }) && !error.is_retryable(), "got {error:?}");
    let error = Storage::open(&StorageConfig::local("")).await.expect_err("nowhere");
    assert!(error.to_string().contains("CONVERTFLY_STORAGE"), "the variable is named: {error}");
}

#[tokio::test]
async fn a_folder_lost_under_way_is_noticed() {
    let home = Home::local().await;
    fs::remove_dir_all(home.folder.path().join("storage")).expect("the folder goes");
    home.storage.check().await.expect_err("it cannot be written to");
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_read_is_an_error() {
    let home = Home::local().await;
    let key = output("job_1", "1", 0);
    home.storage.put_stream(&key, chunks(&vec![7; 3 * BLOCK]), limit(9_999_999)).await.expect("stored");
    let object = home.storage.get(&key, None).await.expect("it is there");
    let path = home.folder.path().join("storage").join(key.to_string());
    File::options().write(true).open(path).and_then(|file| file.set_len(5)).expect("cut");
    let chunks: Vec<_> = object.stream.collect().await;
    assert!(chunks.last().is_some_and(Result::is_err), "fewer bytes than announced do not pass for all of them");
}
