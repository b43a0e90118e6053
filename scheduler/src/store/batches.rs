//! Calls that were asked for while others of their kind are under way go together in the next one.
//!
//! Under load this saves Redis most of what a call costs beside its own records: reading it, its share of the account's pots, of
//! the indexes and of the disk's `fsync`. A call that comes alone goes alone and at once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use redis::aio::ConnectionManager;
use redis::{ToRedisArgs, Value};
use tokio::sync::oneshot;

use super::StoreError;
use super::scripts::{Call, Function};

/// Calls of Redis under way at once: one runs there while the reply to the other is read here.
const IN_FLIGHT: usize = 2;

/// Calls and arguments after which a batch is full, so that nobody else waits long for Redis.
const MOST_CALLS: usize = 32;
const MOST_ARGUMENTS: usize = 4_000;

/// The arguments of one call.
#[derive(Default)]
pub(super) struct Arguments(Vec<Vec<u8>>);

impl Arguments {
    pub(super) fn arg<T: ToRedisArgs>(&mut self, arg: T) -> &mut Self {
        arg.write_redis_args(&mut self.0);
        self
    }
}

/// A call, and where its reply goes.
type Asked = (Arguments, oneshot::Sender<Result<Value, StoreError>>);

struct Waiting {
    calls: VecDeque<Asked>,
    running: usize,
}

/// The calls of one function on one shard.
#[derive(Clone)]
pub(super) struct Batches {
    function: &'static Function,
    shard: u16,
    connection: ConnectionManager,
    waiting: Arc<Mutex<Waiting>>,
}

impl Batches {
    /// `function` is one that takes several calls at once (`register_many`).
    pub(super) fn new(function: &'static Function, shard: u16, connection: ConnectionManager) -> Self {
        let waiting = Arc::new(Mutex::new(Waiting { calls: VecDeque::new(), running: 0 }));
        Self { function, shard, connection, waiting }
    }

    /// The function's reply. Whoever drops this no longer hears it; the call is made all the same.
    pub(super) async fn call(&self, arguments: Arguments) -> Result<Value, StoreError> {
        let (sender, reply) = oneshot::channel();
        let starts = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.calls.push_back((arguments, sender));
            let starts = waiting.running < IN_FLIGHT;
            waiting.running += usize::from(starts);
            starts
        };
        if starts {
            tokio::spawn(self.clone().run());
        }
        reply.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the call was given up".into())))
    }

    /// Works off what waits.
    async fn run(mut self) {
        while let Some(batch) = self.next() {
            let mut call = Call::new(self.function, self.shard);
            for (arguments, _) in &batch {
                call.arg(arguments.0.len()).arg(&arguments.0);
            }
            let replies = call.invoke_async::<Vec<Value>>(&mut self.connection).await;
            let mut replies = replies.map(Vec::into_iter);
            for (_, sender) in batch {
                let reply = match &mut replies {
                    Ok(replies) => match replies.next() {
                        Some(reply) => failure(&reply).map_or(Ok(reply), Err),
                        None => Err(StoreError::Broken("a batch with too few replies".into())),
                    },
                    Err(error) => Err(StoreError::from(&*error)),
                };
                // Nobody may be listening any more.
                let _ = sender.send(reply);
            }
        }
    }

    /// What goes together next; with none left, this worker has ended.
    fn next(&self) -> Option<Vec<Asked>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut batch, mut words) = (Vec::new(), 0);
        while batch.len() < MOST_CALLS && words < MOST_ARGUMENTS {
            let Some(call) = waiting.calls.pop_front() else { break };
            words += call.0.0.len();
            batch.push(call);
        }
        if batch.is_empty() {
            waiting.running -= 1;
            return None;
        }
        Some(batch)
    }
}

/// Why a call failed that others went with.
fn failure(reply: &Value) -> Option<StoreError> {
    let Value::Array(parts) = reply else { return None };
    match parts.as_slice() {
        [Value::BulkString(word), Value::BulkString(why)] if word == b"failed" => {
            Some(StoreError::Unavailable(String::from_utf8_lossy(why).into_owned()))
        }
        _ => None,
    }
}
