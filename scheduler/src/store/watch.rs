//! Watching single jobs: whoever follows a job hears of its every change, and nobody pays for jobs that are not followed.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::futures::Notified;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot};

use super::StoreError;
use super::connection::Store;
use super::keys::CHANNEL_JOB;

/// How long Redis may take to confirm a subscription.
const PATIENCE: Duration = Duration::from_secs(2);

enum Order {
    Watch(String, oneshot::Sender<Arc<Notify>>),
    Leave(String),
}

/// The process' subscription to single jobs; it is opened by the first who watches one.
pub(super) struct Watchers {
    client: redis::Client,
    orders: OnceLock<UnboundedSender<Order>>,
}

impl Watchers {
    pub(super) fn new(client: redis::Client) -> Self {
        Self { client, orders: OnceLock::new() }
    }

    fn orders(&self) -> &UnboundedSender<Order> {
        self.orders.get_or_init(|| {
            let (sender, receiver) = unbounded_channel();
            tokio::spawn(serve(self.client.clone(), receiver));
            sender
        })
    }
}

/// A job that is watched until this is dropped.
pub struct JobWatch {
    job: String,
    notify: Arc<Notify>,
    orders: UnboundedSender<Order>,
}

impl JobWatch {
    /// Resolves when the job has changed, or may have. Enable it before the job is read, so that no change falls between.
    pub fn changed(&self) -> Notified<'_> {
        self.notify.notified()
    }
}

impl Drop for JobWatch {
    fn drop(&mut self) {
        // The receiver lives as long as the process.
        let _ = self.orders.send(Order::Leave(std::mem::take(&mut self.job)));
    }
}

impl Store {
    /// Watches a job, whether or not it exists. Once this returns every change is heard of.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn watch(&self, job: &str) -> Result<JobWatch, StoreError> {
        let orders = self.inner.watchers.orders().clone();
        let (reply, confirmed) = oneshot::channel();
        let away = || StoreError::Unavailable("the subscription is not confirmed".into());
        orders.send(Order::Watch(job.to_owned(), reply)).map_err(|_| away())?;
        // From here on a drop takes the order back.
        let mut watch = JobWatch { job: job.to_owned(), notify: Arc::default(), orders };
        match tokio::time::timeout(PATIENCE, confirmed).await {
            Ok(Ok(notify)) => {
                watch.notify = notify;
                Ok(watch)
            }
            _ => Err(away()),
        }
    }
}

/// Who is watched, by how many.
type Watched = HashMap<String, (usize, Arc<Notify>)>;

async fn serve(client: redis::Client, mut orders: UnboundedReceiver<Order>) {
    let mut watched = Watched::new();
    while let Err(error) = serve_once(&client, &mut orders, &mut watched).await {
        tracing::debug!(%error, "subscription to jobs interrupted");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// One connection's life; ends well when there can be no more orders.
async fn serve_once(
    client: &redis::Client,
    orders: &mut UnboundedReceiver<Order>,
    watched: &mut Watched,
) -> redis::RedisResult<()> {
    let (mut sink, mut messages) = client.get_async_pubsub().await?.split();
    if !watched.is_empty() {
        let channels: Vec<String> = watched.keys().map(|job| channel(job)).collect();
        sink.subscribe(channels).await?;
        // Changes may have been missed: everybody looks.
        watched.values().for_each(|(_, notify)| notify.notify_waiters());
    }
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                None => return Ok(()),
                Some(Order::Watch(job, reply)) => {
                    let (count, notify) = watched.entry(job.clone()).or_insert((0, Arc::default()));
                    *count += 1;
                    let (first, notify) = (*count == 1, Arc::clone(notify));
                    if first {
                        // Where this fails the next connection subscribes, and who asked is told by the missing reply.
                        sink.subscribe(channel(&job)).await?;
                    }
                    let _ = reply.send(notify);
                }
                Some(Order::Leave(job)) => {
                    let Some((count, _)) = watched.get_mut(&job) else { continue };
                    *count -= 1;
                    if *count == 0 {
                        watched.remove(&job);
                        sink.unsubscribe(channel(&job)).await?;
                    }
                }
            },
            message = messages.next() => match message {
                None => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
                Some(message) => {
                    let job = message.get_channel_name().strip_prefix(CHANNEL_JOB);
                    if let Some((_, notify)) = job.and_then(|job| watched.get(job)) {
                        notify.notify_waiters();
                    }
                }
            },
        }
    }
}

fn channel(job: &str) -> String {
    format!("{CHANNEL_JOB}{job}")
}
