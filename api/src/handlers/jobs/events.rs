//! `GET /jobs/:id/events`: server-sent events. An event's id is the job's version at the change, so a client that comes back
//! with the last one it saw gets what it lacks: the latest state of each task that has changed since, and no other.

use std::convert::Infallible;
use std::fmt::Write;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use convertfly_scheduler::job::JobRecord;
use convertfly_scheduler::store::{JobWatch, StoreError};
use futures_util::stream;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{about_job, show};
use crate::error::ApiError;
use crate::handlers::{Names, job_id};
use crate::links::links;
use crate::middleware::auth::Caller;
use crate::state::AppState;
use crate::view;
use crate::waits::Place;

/// Silence after which a comment is sent, so that nobody on the way takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Changes are collected this long, so that a busy job is not read for each of them.
const GATHER: Duration = Duration::from_millis(30);

/// How long a client should wait before it connects again.
const RECONNECT: &str = "retry: 2000\n\n";

/// Where a client that comes back goes on.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Whether the client asks for server-sent events.
pub(super) fn wanted(headers: &HeaderMap) -> bool {
    let listed = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    let mut media = listed.map(|entry| entry.split(';').next().unwrap_or_default().trim());
    media.any(|media| media.eq_ignore_ascii_case("text/event-stream"))
}

/// `GET /jobs/:id/events`.
pub(crate) async fn events(
    State(state): State<AppState>,
    caller: Caller,
    Names(job): Names<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let job = job_id(&job)?;
    let place = state.waits().enter(&caller.key)?;
    follow(state, caller, job, &headers, None, place).await
}

/// Follows a job until it has ended, or until `deadline`; `place` is held as long.
pub(super) async fn follow(
    state: AppState,
    caller: Caller,
    job: &str,
    headers: &HeaderMap,
    deadline: Option<Instant>,
    place: Place,
) -> Result<Response, ApiError> {
    let seen = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.trim().parse::<u64>().ok());
    // Looked for first: a subscription to what does not exist would be a waste.
    let record = state.store().job(&caller.account, job).await.map_err(about_job)?;
    if record.status.is_terminal() && seen.is_some_and(|seen| seen >= record.status_version) {
        // Nothing is left to be told; to this answer an EventSource does not come back.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let watch = state.store().watch(job).await.map_err(about_job)?;
    let session =
        Session { state, account: caller.account, job: job.to_owned(), watch, seen, deadline, next: Next::Greet, _place: place };
    let body = stream::unfold(session, |mut session| async move {
        let text = session.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), session))
    });
    let mut response = Body::from_stream(body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that collect answers before they pass them on are asked not to.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// What a session does next.
enum Next {
    Greet,
    Look,
    Wait,
    End,
}

/// One client that follows one job.
struct Session {
    state: AppState,
    account: String,
    job: String,
    watch: JobWatch,
    /// The version up to which the client knows all.
    seen: Option<u64>,
    deadline: Option<Instant>,
    next: Next,
    /// Among the waits of its key.
    _place: Place,
}

impl Session {
    /// The next text to send; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        if matches!(self.next, Next::Greet) {
            self.next = Next::Look;
            return Some(RECONNECT.to_owned());
        }
        let beat = Instant::now() + HEARTBEAT;
        loop {
            if matches!(self.next, Next::End) {
                return None;
            }
            // Listen first, then look: no change falls between.
            let changed = self.watch.changed();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if matches!(self.next, Next::Look) {
                self.next = Next::Wait;
                match self.state.store().job(&self.account, &self.job).await {
                    Ok(record) => {
                        let text = news(&self.state, &record, self.seen).await;
                        self.seen = Some(self.seen.unwrap_or(0).max(record.version));
                        if record.status.is_terminal() {
                            self.next = Next::End;
                        }
                        if !text.is_empty() {
                            return Some(text);
                        }
                        continue;
                    }
                    Err(StoreError::NotFound) => {
                        self.next = Next::End;
                        return Some(format!("event: deleted\ndata: {}\n\n", json!({ "id": self.job })));
                    }
                    Err(error) => {
                        tracing::debug!(%error, "a followed job could not be read");
                        self.next = Next::Look;
                        // The client hears from us all the same.
                        let _ = timeout(Duration::from_secs(1), changed).await;
                        if Instant::now() >= beat {
                            return Some(": the job cannot be read at the moment\n\n".to_owned());
                        }
                        continue;
                    }
                }
            }
            let over = async {
                match self.deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => {
                    sleep(GATHER).await;
                    self.next = Next::Look;
                }
                () = sleep_until(beat) => {
                    // A look, too, in case that the subscription was away.
                    self.next = Next::Look;
                    return Some(": still here\n\n".to_owned());
                }
                () = over => {
                    self.next = Next::End;
                    return Some(": the time is over; connect again to go on\n\n".to_owned());
                }
                () = self.state.drain().cancelled() => {
                    self.next = Next::End;
                    return Some(": this server restarts; connect again to go on\n\n".to_owned());
                }
            }
        }
    }
}

/// The events that bring a client from version `seen` to the record's; without one, a picture of the job as it stands.
///
/// The record's version was read before its tasks: a task that shows a later version has changed in between, and its event
/// comes with the next look, so that ids never go back and nothing is passed over.
async fn news(state: &AppState, record: &JobRecord, seen: Option<u64>) -> String {
    let mut text = String::new();
    let Some(seen) = seen else {
        event(&mut text, record.version, "job", &show(state, record).await);
        return text;
    };
    let due = |version: u64| version > seen && version <= record.version;
    let tasks: Vec<_> = record.tasks.iter().filter(|task| due(task.version)).cloned().collect();
    let links = links(state, &record.account, &record.id, &tasks).await;
    let mut changes: Vec<_> = tasks.iter().map(|task| (task.version, Some(task))).collect();
    changes.extend(due(record.status_version).then_some((record.status_version, None)));
    changes.sort_by_key(|(version, _)| *version);
    for (version, task) in changes {
        let Some(task) = task else {
            event(&mut text, version, "job", &show(state, record).await);
            continue;
        };
        let mut data = view::task(task, &links);
        if let Some(data) = data.as_object_mut() {
            data.insert("job_id".to_owned(), record.id.as_str().into());
        }
        event(&mut text, version, "task", &data);
    }
    text
}

fn event(text: &mut String, id: u64, name: &str, data: &Value) {
    // JSON has no line breaks outside of strings, and escapes those within.
    let _ = write!(text, "id: {id}\nevent: {name}\ndata: {data}\n\n");
}
