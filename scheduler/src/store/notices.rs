//! Notices: what Redis tells at once, so that nobody has to poll.
//!
//! A notice may be lost while the subscription is away. The hub notices that, by asking the connection now and then whether it
//! still lives, and wakes everyone who waits for one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{Notify, broadcast};

use super::key_watch::KeyWatch;
use super::keys::{CHANNEL_DONE, CHANNEL_KEYS, CHANNEL_READY, CHANNEL_STOP};
use crate::catalog::Lane;

/// Something that Redis told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A lane of a shard has new tasks.
    Ready {
        /// The shard.
        shard: u16,
        /// The lane.
        lane: Lane,
    },
    /// A lease was taken away: stop its work.
    Stop {
        /// The lease's fence.
        fence: String,
    },
    /// The subscription was interrupted; notices may have been missed.
    Reconnected,
}

/// Notices kept for a reader that is behind; a reader that falls further behind is told so and looks for itself.
const BACKLOG: usize = 4096;

/// How often the subscription has to prove that it lives, and how long it may take for that.
const PROOF: Duration = Duration::from_secs(5);

type Waiters = Arc<Mutex<HashMap<String, Weak<Notify>>>>;

/// One subscription per process, and everybody who listens to it.
pub(super) struct Hub {
    sender: broadcast::Sender<Notice>,
    waiters: Waiters,
    key_watch: KeyWatch,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Hub {
    pub(super) fn start(client: redis::Client) -> Self {
        let (sender, _) = broadcast::channel(BACKLOG);
        let waiters = Waiters::default();
        let key_watch = KeyWatch::default();
        let task = tokio::spawn(listen(client, sender.clone(), Arc::clone(&waiters), key_watch.clone()));
        Self { sender, waiters, key_watch, task }
    }

    pub(super) fn key_watch(&self) -> &KeyWatch {
        &self.key_watch
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.sender.subscribe()
    }

    /// Wakes when the job ends; one entry per job however many wait for it, gone with the last of them.
    pub(super) fn job_ended(&self, job: &str) -> Arc<Notify> {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notify) = waiters.get(job).and_then(Weak::upgrade) {
            return notify;
        }
        // Dead entries go when the map has doubled since it was last swept, so that the sweep costs nothing on average.
        if waiters.len() == waiters.capacity() {
            waiters.retain(|_, notify| notify.strong_count() > 0);
        }
        let notify = Arc::new(Notify::new());
        waiters.insert(job.to_owned(), Arc::downgrade(&notify));
        notify
    }
}

async fn listen(client: redis::Client, sender: broadcast::Sender<Notice>, waiters: Waiters, key_watch: KeyWatch) {
    loop {
        let outcome = listen_once(&client, &sender, &waiters, &key_watch).await;
        key_watch.interrupted();
        if let Err(error) = outcome {
            tracing::debug!(%error, "subscription to notices interrupted");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn listen_once(
    client: &redis::Client,
    sender: &broadcast::Sender<Notice>,
    waiters: &Waiters,
    key_watch: &KeyWatch,
) -> redis::RedisResult<()> {
    let (mut subscription, mut messages) = client.get_async_pubsub().await?.split();
    subscription.subscribe(&[CHANNEL_READY, CHANNEL_DONE, CHANNEL_STOP, CHANNEL_KEYS][..]).await?;
    key_watch.subscribed();
    let _ = sender.send(Notice::Reconnected);
    wake_all(waiters);
    let mut proof = tokio::time::interval(PROOF);
    proof.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            message = messages.next() => match message {
                Some(message) => message,
                None => break,
            },
            _ = proof.tick() => {
                // A connection that is gone without a word would otherwise look like one on which nothing happens.
                match tokio::time::timeout(PROOF, subscription.ping::<redis::Value>()).await {
                    Ok(answer) => drop(answer?),
                    Err(_) => break,
                }
                continue;
            }
        };
        let payload: String = message.get_payload()?;
        match message.get_channel_name() {
            CHANNEL_READY => {
                let ready = payload.split_once(':').and_then(|(shard, lane)| Some((shard.parse().ok()?, Lane::parse(lane)?)));
                if let Some((shard, lane)) = ready {
                    let _ = sender.send(Notice::Ready { shard, lane });
                }
            }
            CHANNEL_STOP => {
                let _ = sender.send(Notice::Stop { fence: payload });
            }
            CHANNEL_KEYS => key_watch.changed(&payload),
            _ => {
                let waiter = waiters.lock().unwrap_or_else(PoisonError::into_inner).remove(&payload);
                if let Some(notify) = waiter.and_then(|notify| notify.upgrade()) {
                    notify.notify_waiters();
                }
            }
        }
    }
    wake_all(waiters);
    Ok(())
}

/// After an interruption everybody who waits looks for itself.
fn wake_all(waiters: &Waiters) {
    for notify in waiters.lock().unwrap_or_else(PoisonError::into_inner).values() {
        if let Some(notify) = notify.upgrade() {
            notify.notify_waiters();
        }
    }
}
