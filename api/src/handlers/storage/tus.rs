//! Resumable uploads: tus 1.0.0 (creation, creation-with-upload, creation-defer-length, expiration, checksum, termination) on
//! the very link that takes a `PUT`. A link is one file, so the upload that `POST` creates lives at the link itself.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use convertfly_scheduler::ids::{file_id, random_base62};
use convertfly_scheduler::storage::names::sanitise_filename;
use convertfly_scheduler::storage::sign::sign;
use convertfly_scheduler::storage::{Growing, MAX_OBJECT_BYTES, Progress};
use convertfly_scheduler::store::{LONGEST_UPLOAD_MS, PartialUpload, SlotState, StoreError};
use futures_util::StreamExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::checks::{Check, TUS_ALGORITHMS};
use super::upload::{about_upload, incoming};
use super::{Slot, arrived, insert};
use crate::error::{ApiError, Code};
use crate::handlers::{Names, announced, room};
use crate::links::now_ms;
use crate::middleware::too_large;
use crate::state::AppState;

/// The version of the protocol that we speak.
const VERSION: &str = "1.0.0";

/// What we offer of its extensions.
const EXTENSIONS: &str = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination";

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");

/// Media type of the bytes of a `PATCH`.
const OFFSET_STREAM: &str = "application/offset+octet-stream";

/// Longest `Upload-Metadata` that is kept.
const MAX_METADATA: usize = 8 << 10;

/// How often the slot is held on to while bytes come slowly.
const HOLD_ON: Duration = Duration::from_secs(8);

/// Says in `headers` what an OPTIONS request is told about tus.
pub(crate) fn describe(headers: &mut HeaderMap) {
    insert(headers, TUS_RESUMABLE, VERSION);
    insert(headers, HeaderName::from_static("tus-version"), VERSION);
    insert(headers, HeaderName::from_static("tus-extension"), EXTENSIONS);
    insert(headers, HeaderName::from_static("tus-max-size"), &MAX_OBJECT_BYTES.to_string());
    insert(headers, HeaderName::from_static("tus-checksum-algorithm"), TUS_ALGORITHMS);
}

/// `POST /storage/upload/:token`: begins the upload, or begins it again, perhaps with its first bytes.
pub(crate) async fn create(
    State(state): State<AppState>,
    Names(token): Names<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    expect_version(&headers)?;
    let place = Slot::open(&state, &token)?;
    let length = length(&headers)?;
    if length.is_none() && text(&headers, &UPLOAD_DEFER_LENGTH) != Some("1") {
        return Err(ApiError::field(Code::InvalidData, "Upload-Length", "must be the file's size in bytes"));
    }
    check_size(length, place.max_bytes)?;
    room::check(&state)?;
    let metadata = text(&headers, &UPLOAD_METADATA).filter(|text| text.len() <= MAX_METADATA).map(str::to_owned);
    let upload =
        PartialUpload { length, filename: metadata.as_deref().and_then(filename), metadata, progress: Progress::default() };
    let request = Request::take(state, place).await?;
    if let SlotState::Open(Some(old), _) = &request.found {
        let key = request.key();
        request.state.storage().stop_growing(&key, &old.progress).await?;
    }
    let with_bytes = text(&headers, &CONTENT_TYPE).is_some_and(|kind| kind.eq_ignore_ascii_case(OFFSET_STREAM));
    let (location, max_bytes) = (request.location(), request.place.max_bytes);
    let done = if with_bytes {
        expect_within(&upload, announced(&headers), max_bytes)?;
        request.run(upload, Some(body), Check::of_tus(&headers)?).await?
    } else {
        request.run(upload, None, None).await?
    };
    let mut response = answer(StatusCode::CREATED, &done);
    insert(response.headers_mut(), LOCATION, &location);
    Ok(response)
}

/// `HEAD /storage/upload/:token`: how much has arrived.
pub(crate) async fn status(State(state): State<AppState>, Names(token): Names<String>) -> Result<Response, ApiError> {
    let place = Slot::open(&state, &token)?;
    let found = state.store().upload_state(&place.account, &place.job, &place.slot).await.map_err(about_upload)?;
    let done = match found {
        // All bytes are there, but the process that took the last ones did not come to say so.
        SlotState::Open(Some(upload), _) if upload.length == Some(upload.progress.offset) => {
            let request = Request::take(state, place).await?;
            request.run(upload, None, None).await?
        }
        SlotState::Open(upload, expires_at) => Done { upload: upload.unwrap_or_default(), expires_at: Some(expires_at) },
        SlotState::Arrived(file) => Done::whole(file.size),
        SlotState::Ended => return Err(ended()),
    };
    Ok(answer(StatusCode::OK, &done))
}

/// `PATCH /storage/upload/:token`: the next bytes.
pub(crate) async fn patch(
    State(state): State<AppState>,
    Names(token): Names<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    expect_version(&headers)?;
    let place = Slot::open(&state, &token)?;
    if !text(&headers, &CONTENT_TYPE).is_some_and(|kind| kind.eq_ignore_ascii_case(OFFSET_STREAM)) {
        return Err(ApiError::new(Code::UnsupportedMediaType, format!("The bytes of an upload are sent as {OFFSET_STREAM}")));
    }
    let offset = number(&headers, &UPLOAD_OFFSET)?;
    let offset =
        offset.ok_or_else(|| ApiError::field(Code::InvalidData, "Upload-Offset", "must be the bytes that have arrived"))?;
    let check = Check::of_tus(&headers)?;
    let (late_length, max_bytes) = (length(&headers)?, place.max_bytes);
    check_size(late_length, max_bytes)?;
    let request = Request::take(state, place).await?;
    let mut upload = match &request.found {
        SlotState::Open(Some(upload), _) => upload.clone(),
        SlotState::Open(None, _) => {
            request.give_back(None).await;
            return Err(ApiError::new(Code::NotFound, "No upload has been created at this link: begin with POST"));
        }
        SlotState::Arrived(_) => {
            return Err(ApiError::new(Code::Conflict, "The file of this upload has arrived already"));
        }
        SlotState::Ended => return Err(ended()),
    };
    let fault = match late_length {
        Some(late) if upload.length.is_some_and(|known| known != late) || late < upload.progress.offset => {
            Some(ApiError::field(Code::InvalidData, "Upload-Length", "cannot be changed"))
        }
        _ if offset != upload.progress.offset => Some(ApiError::new(
            Code::Conflict,
            format!("{} bytes have arrived: go on from there, not from {offset}", upload.progress.offset),
        )),
        _ => {
            upload.length = upload.length.or(late_length);
            expect_within(&upload, announced(&headers), max_bytes).err()
        }
    };
    if let Some(fault) = fault {
        request.give_back(Some(&upload)).await;
        return Err(fault);
    }
    let done = request.run(upload, Some(body), check).await?;
    Ok(answer(StatusCode::NO_CONTENT, &done))
}

/// `DELETE /storage/upload/:token`: gives up what has arrived. The link can be used anew.
pub(crate) async fn terminate(
    State(state): State<AppState>,
    Names(token): Names<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    expect_version(&headers)?;
    let place = Slot::open(&state, &token)?;
    let request = Request::take(state, place).await?;
    match &request.found {
        SlotState::Open(upload, _) => {
            if let Some(upload) = upload {
                request.state.storage().stop_growing(&request.key(), &upload.progress).await?;
            }
            request.give_back(None).await;
        }
        SlotState::Arrived(_) => return Err(ApiError::new(Code::Conflict, "The file of this upload has arrived already")),
        SlotState::Ended => return Err(ended()),
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    insert(response.headers_mut(), TUS_RESUMABLE, VERSION);
    Ok(response)
}

/// What a request came to.
struct Done {
    upload: PartialUpload,
    expires_at: Option<u64>,
}

impl Done {
    fn whole(size: u64) -> Self {
        let mut upload = PartialUpload { length: Some(size), ..PartialUpload::default() };
        upload.progress.offset = size;
        Self { upload, expires_at: None }
    }
}

/// A request that has the slot to itself.
struct Request {
    state: AppState,
    place: Slot,
    holder: String,
    found: SlotState,
}

impl Request {
    async fn take(state: AppState, place: Slot) -> Result<Self, ApiError> {
        let holder = random_base62(16);
        let found = state.store().take_upload(&place.account, &place.job, &place.slot, &holder).await;
        match found {
            Ok(found) => Ok(Self { state, place, holder, found }),
            Err(StoreError::Conflict(text)) => {
                let mut error = ApiError::new(Code::Locked, text + ": try again in a moment");
                error.retry_after = Some(1);
                Err(error)
            }
            Err(error) => Err(about_upload(error)),
        }
    }

    fn key(&self) -> convertfly_scheduler::storage::StorageKey {
        self.place.key("tus")
    }

    /// The link under which the upload goes on for as long as it may: the first one ends after an hour.
    fn location(&self) -> String {
        let mut grant = self.place.grant.clone();
        grant.expires_at_ms = grant.expires_at_ms.max(now_ms() + LONGEST_UPLOAD_MS);
        format!("{}/storage/upload/{}", self.state.linker().public_url, sign(self.state.link_secret(), &grant))
    }

    async fn note(&self, upload: Option<&PartialUpload>, done: bool) -> Result<SlotState, StoreError> {
        let Slot { account, job, slot, .. } = &self.place;
        self.state.store().note_upload(account, job, slot, &self.holder, upload, done).await
    }

    async fn give_back(&self, upload: Option<&PartialUpload>) {
        if let Err(error) = self.note(upload, true).await {
            tracing::debug!(%error, "an upload stays held until the hold ends");
        }
    }

    /// Takes in the bytes of `body`, notes how far the upload has come, and ends it when it is whole. Goes on by itself when
    /// the client goes away: what has arrived is kept.
    async fn run(self, upload: PartialUpload, body: Option<Body>, check: Option<Check>) -> Result<Done, ApiError> {
        match &self.found {
            SlotState::Arrived(_) => return Err(ApiError::new(Code::Conflict, "The file of this upload has arrived already")),
            SlotState::Ended => return Err(ended()),
            SlotState::Open(..) => {}
        }
        tokio::spawn(self.work(upload, body, check)).await.map_err(|_| ApiError::server())?
    }

    async fn work(self, mut upload: PartialUpload, body: Option<Body>, check: Option<Check>) -> Result<Done, ApiError> {
        let received = match body {
            Some(body) => self.receive(&mut upload, body, check).await,
            None => Ok(()),
        };
        if let Err(error) = received {
            self.give_back(Some(&upload)).await;
            return Err(error);
        }
        if upload.length == Some(upload.progress.offset) {
            return self.finish(upload).await;
        }
        let expires_at = match self.note(Some(&upload), true).await.map_err(about_upload)? {
            SlotState::Open(_, expires_at) => Some(expires_at),
            SlotState::Arrived(_) | SlotState::Ended => None,
        };
        Ok(Done { upload, expires_at })
    }

    async fn receive(&self, upload: &mut PartialUpload, body: Body, mut check: Option<Check>) -> Result<(), ApiError> {
        let mut growing = self.state.storage().grow(&self.key(), &upload.progress).await?;
        let most = upload.length.unwrap_or(self.place.max_bytes);
        let mut body = incoming(body);
        let mut noted = Instant::now();
        let broken = loop {
            let chunk = match body.next().await {
                None => break None,
                Some(Err(error)) => break Some(error),
                Some(Ok(chunk)) => chunk,
            };
            if growing.offset() + chunk.len() as u64 > most {
                return Err(too_large(most));
            }
            if let Some(check) = &mut check {
                check.update(&chunk);
            }
            growing.push(&chunk).await?;
            // Bytes under a checksum count when all of them are there.
            let checkpoint = if check.is_none() { growing.checkpoint().await? } else { None };
            if checkpoint.is_some() || noted.elapsed() > HOLD_ON {
                noted = Instant::now();
                upload.progress = checkpoint.unwrap_or_else(|| upload.progress.clone());
                if !matches!(self.note(Some(upload), false).await.map_err(about_upload)?, SlotState::Open(..)) {
                    return Err(ended());
                }
            }
        };
        if let Some(check) = check
            && (broken.is_some() || check.holds().is_err())
        {
            return Err(broken.map_or_else(
                || ApiError::new(Code::ChecksumMismatch, "The bytes do not match Upload-Checksum: send them again"),
                cut_short,
            ));
        }
        keep(&mut growing, upload).await?;
        broken.map_or(Ok(()), |error| Err(cut_short(error)))
    }

    /// The upload is whole: it becomes the file of its task.
    async fn finish(&self, upload: PartialUpload) -> Result<Done, ApiError> {
        // Noted first: should this process end here, the next HEAD goes on from it.
        self.note(Some(&upload), false).await.map_err(about_upload)?;
        let Slot { account, job, slot, grant, .. } = &self.place;
        let key = self.key();
        if upload.progress.offset == 0 {
            // An empty file has had no request that would have begun it.
            self.state.storage().grow(&key, &upload.progress).await?.save().await?;
        }
        let stored = self.state.storage().finish_growing(&key, &upload.progress).await?;
        let size = stored.size;
        let name = grant.filename.as_deref().or(upload.filename.as_deref()).unwrap_or_default();
        let file = arrived(file_id(job), &key, sanitise_filename(name), stored);
        match self.state.store().upload_arrived(account, job, slot, &file).await {
            Ok(()) => Ok(Done::whole(size)),
            Err(error) => {
                // A PUT was faster, or the task has ended: these bytes belong to nobody.
                if !matches!(error, StoreError::Unavailable(_))
                    && let Err(error) = self.state.storage().delete(&key).await
                {
                    tracing::error!(%key, %error, "an upload that came too late could not be removed");
                }
                Err(about_upload(error))
            }
        }
    }
}

/// Makes durable what has arrived.
async fn keep(growing: &mut Growing, upload: &mut PartialUpload) -> Result<(), ApiError> {
    upload.progress = growing.save().await?;
    Ok(())
}

fn cut_short(error: std::io::Error) -> ApiError {
    ApiError::from(convertfly_scheduler::storage::StorageError::Source(error))
}

fn ended() -> ApiError {
    ApiError::new(Code::Gone, "This upload is no longer open: its task has ended. Create a new job")
}

/// An answer about an upload.
fn answer(status: StatusCode, done: &Done) -> Response {
    let mut response = status.into_response();
    let headers = response.headers_mut();
    insert(headers, TUS_RESUMABLE, VERSION);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(UPLOAD_OFFSET, HeaderValue::from(done.upload.progress.offset));
    match done.upload.length {
        Some(length) => headers.insert(UPLOAD_LENGTH, HeaderValue::from(length)),
        None => headers.insert(UPLOAD_DEFER_LENGTH, HeaderValue::from_static("1")),
    };
    if let Some(metadata) = &done.upload.metadata {
        insert(headers, UPLOAD_METADATA, metadata);
    }
    if let Some(at) = done.expires_at {
        let at = std::time::UNIX_EPOCH + Duration::from_millis(at);
        insert(headers, UPLOAD_EXPIRES, &http_date(at));
    }
    response
}

/// A moment as HTTP writes it.
fn http_date(at: std::time::SystemTime) -> String {
    let format =
        time::macros::format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    time::OffsetDateTime::from(at).format(format).unwrap_or_default()
}

/// The file name in `Upload-Metadata`: pairs of a key and a base64 value, separated by commas.
fn filename(metadata: &str) -> Option<String> {
    let pairs = metadata.split(',').filter_map(|pair| pair.trim().split_once(' '));
    let (_, value) = pairs.into_iter().find(|(key, _)| matches!(*key, "filename" | "name"))?;
    String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()
}

fn expect_version(headers: &HeaderMap) -> Result<(), ApiError> {
    if text(headers, &TUS_RESUMABLE) == Some(VERSION) {
        return Ok(());
    }
    Err(ApiError::new(Code::PreconditionFailed, format!("Resumable uploads speak tus {VERSION}: send Tus-Resumable: {VERSION}")))
}

fn check_size(length: Option<u64>, max_bytes: u64) -> Result<(), ApiError> {
    if length.is_some_and(|length| length > max_bytes) { Err(too_large(max_bytes)) } else { Ok(()) }
}

/// Refuses a body that is announced as longer than what is missing, before a byte of it is read.
fn expect_within(upload: &PartialUpload, announced: Option<u64>, max_bytes: u64) -> Result<(), ApiError> {
    let most = upload.length.unwrap_or(max_bytes);
    if announced.is_some_and(|bytes| bytes > most.saturating_sub(upload.progress.offset)) { Err(too_large(most)) } else { Ok(()) }
}

fn length(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    number(headers, &UPLOAD_LENGTH)
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let digits = value.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| ApiError::field(Code::InvalidData, name.as_str(), "must be a whole number of bytes"))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}
