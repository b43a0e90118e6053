//! Large objects into a bucket, part by part, leaving no orphan parts behind.

use std::io;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::digest::Digests;
use super::intake::Intake;
use super::s3::{PART, S3Storage, failed, system_time};
use super::{StorageError, Stored};

/// Time for the request that joins the parts, one try: some servers copy all bytes before they answer.
const JOIN: Duration = Duration::from_secs(300);

/// An upload in the bucket that is aborted unless it is completed: by [`Upload::abort`] after an error, and by a task that
/// `drop` starts when the put's future is dropped. Either way the request under way is let go to its end first, because a
/// part that arrives after the abort would stay. A process that is killed, or a runtime that stops before that task ran,
/// leaves the parts; `Storage::sweep` aborts them later, as a lifecycle rule of the bucket can.
struct Upload {
    storage: S3Storage,
    key: String,
    /// `None` once the upload is completed or being aborted.
    id: Option<String>,
    /// The request under way, if any.
    working: Option<JoinHandle<()>>,
}

impl Upload {
    /// Begins an upload. Should the caller go away meanwhile, the upload is aborted as soon as its identifier is known.
    async fn begin(storage: &S3Storage, full: &str, content_type: &str) -> Result<Self, StorageError> {
        let create = storage.client.create_multipart_upload().bucket(&*storage.bucket).key(full).content_type(content_type);
        let (storage, key) = (storage.clone(), full.to_owned());
        let (answer, _) = detached(async move {
            let created = create.send().await.map_err(|error| failed(&error, &key))?;
            let id = created.upload_id.ok_or_else(|| StorageError::Protocol("an upload without an identifier".to_owned()))?;
            Ok(Self { storage, key, id: Some(id), working: None })
        });
        answer.await
    }

    /// Runs a request on, even when the returned future is dropped: then [`Upload::start_abort`] waits for it.
    async fn run<T: Send + 'static>(
        &mut self,
        request: impl Future<Output = Result<T, StorageError>> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (answer, task) = detached(request);
        self.working = Some(task);
        answer.await
    }

    fn start_abort(&mut self) -> Option<JoinHandle<()>> {
        let (id, working) = (self.id.take()?, self.working.take());
        let (storage, key) = (self.storage.clone(), std::mem::take(&mut self.key));
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        Some(runtime.spawn(async move {
            if let Some(working) = working {
                let _ = working.await;
            }
            if let Err(error) = storage.abort(&key, &id).await {
                tracing::warn!(key, %error, "an unfinished upload stays in the bucket until the next sweep");
            }
        }))
    }

    /// Aborts, and waits for it; the request goes on even if this is dropped.
    async fn abort(mut self) {
        if let Some(abort) = self.start_abort() {
            let _ = abort.await;
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.start_abort();
    }
}

/// Starts `work` as a task of its own and returns its answer to come. An answer that nobody takes is dropped by the task.
fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, StorageError>> + Send + 'static,
) -> (impl Future<Output = Result<T, StorageError>>, JoinHandle<()>) {
    let (give, take) = oneshot::channel();
    let task = tokio::spawn(async move {
        let _ = give.send(work.await);
    });
    let answer = async { take.await.unwrap_or_else(|_| Err(StorageError::Unavailable("the program is stopping".to_owned()))) };
    (answer, task)
}

impl Upload {
    /// Sends all parts and joins them; returns what they come to.
    async fn send<S>(&mut self, intake: &mut Intake<S>, [first, second]: [Bytes; 2]) -> Result<Stored, StorageError>
    where
        S: Stream<Item = io::Result<Bytes>> + Unpin,
    {
        let (storage, key, id) = (self.storage.clone(), self.key.clone(), self.id.clone().unwrap_or_default());
        let part = |number: usize, block: &Bytes| {
            let (storage, key, id, block) = (storage.clone(), key.clone(), id.clone(), block.clone());
            let number = i32::try_from(number).unwrap_or(i32::MAX);
            async move { storage.send_part(&key, &id, number, block).await }
        };
        let (sent, mut digests) = tokio::try_join!(self.run(part(1, &first)), Digests::default().take(first.clone()))?;
        // From here on at most three parts are held: one is sent and hashed, one is read.
        drop(first);
        let (mut parts, mut next) = (vec![sent], Some(second));
        while let Some(block) = next {
            let number = parts.len() + 1;
            let (sent, hashed, after) =
                tokio::try_join!(self.run(part(number, &block)), digests.take(block.clone()), intake.block(PART))?;
            parts.push(sent);
            (digests, next) = (hashed, after);
        }
        let size = intake.received();
        self.run(async move { storage.join_parts(&key, &id, parts, size).await }).await?;
        Ok(digests.finish())
    }
}

impl S3Storage {
    /// Stores `head` and the rest of `intake` in parts. One part is sent while the next is read, so that at most three are
    /// in memory.
    pub(super) async fn put_parts<S>(
        &self,
        full: &str,
        mut intake: Intake<S>,
        head: [Bytes; 2],
        content_type: &str,
    ) -> Result<Stored, StorageError>
    where
        S: Stream<Item = io::Result<Bytes>> + Unpin,
    {
        let mut upload = Upload::begin(self, full, content_type).await?;
        match upload.send(&mut intake, head).await {
            Ok(stored) => {
                upload.id = None;
                Ok(stored)
            }
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }

    pub(super) async fn send_part(&self, full: &str, id: &str, number: i32, body: Bytes) -> Result<CompletedPart, StorageError> {
        let part = self.client.upload_part().bucket(&*self.bucket).key(full).upload_id(id).part_number(number);
        let sent = part.body(ByteStream::from(body)).send().await.map_err(|error| failed(&error, full))?;
        Ok(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build())
    }

    /// Joins the parts into the object. When the answer to a try that worked was lost, the next try finds no such upload:
    /// then the object's size decides, for its key is ours alone.
    pub(super) async fn join_parts(
        &self,
        full: &str,
        id: &str,
        parts: Vec<CompletedPart>,
        size: u64,
    ) -> Result<(), StorageError> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let join = self.client.complete_multipart_upload().bucket(&*self.bucket).key(full).upload_id(id).multipart_upload(parts);
        let slow = aws_sdk_s3::Config::builder().timeout_config(self.tuning.timeouts(JOIN.max(self.tuning.attempt)));
        let Err(error) = join.customize().config_override(slow).send().await else { return Ok(()) };
        let error = failed(&error, full);
        let head = self.client.head_object().bucket(&*self.bucket).key(full).send().await;
        let there = head.is_ok_and(|head| head.content_length().is_some_and(|length| u64::try_from(length) == Ok(size)));
        if there { Ok(()) } else { Err(error) }
    }

    pub(super) async fn abort(&self, full: &str, id: &str) -> Result<(), StorageError> {
        let abort = self.client.abort_multipart_upload().bucket(&*self.bucket).key(full).upload_id(id);
        match abort.send().await.map_err(|error| failed(&error, full)) {
            Ok(_) | Err(StorageError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Aborts the unfinished uploads under `prefix`, all or those begun at least `older_than` ago, and returns how many. A
    /// server that cannot list them has its own way of expiring them.
    pub(super) async fn abort_uploads(&self, prefix: &str, older_than: Option<Duration>) -> Result<u64, StorageError> {
        let (now, folder) = (SystemTime::now(), self.full(prefix));
        let (mut aborted, mut key_marker, mut id_marker) = (0, None, None);
        loop {
            let list = self.client.list_multipart_uploads().bucket(&*self.bucket).prefix(&folder);
            let page = match list.set_key_marker(key_marker).set_upload_id_marker(id_marker).send().await {
                Ok(page) => page,
                Err(error) if error.raw_response().is_some_and(|r| matches!(r.status().as_u16(), 405 | 501)) => {
                    tracing::debug!("the bucket's server does not list unfinished uploads");
                    return Ok(aborted);
                }
                Err(error) => return Err(failed(&error, prefix)),
            };
            for upload in page.uploads() {
                let begun = upload.initiated().and_then(system_time);
                let due = older_than
                    .is_none_or(|age| begun.is_some_and(|begun| now.duration_since(begun).is_ok_and(|elapsed| elapsed >= age)));
                // A server that ignores the prefix must not cost other jobs their uploads.
                let key = upload.key().filter(|key| key.starts_with(&folder));
                if let (true, Some(key), Some(id)) = (due, key, upload.upload_id()) {
                    self.abort(key, id).await?;
                    aborted += 1;
                }
            }
            if !page.is_truncated().unwrap_or_default() || page.next_key_marker.is_none() {
                return Ok(aborted);
            }
            (key_marker, id_marker) = (page.next_key_marker, page.next_upload_id_marker);
        }
    }
}
