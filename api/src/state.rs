//! What handlers share.

use std::sync::Arc;
use std::time::Instant;

use convertfly_scheduler::catalog::Catalog;
use convertfly_scheduler::guard::Gate;
use convertfly_scheduler::seal::Sealer;
use convertfly_scheduler::storage::Storage;
use convertfly_scheduler::storage::sign::LinkSecret;
use convertfly_scheduler::store::{Admission, ApiKey, KeyStamp, Store, StoreError};
use convertfly_scheduler::view::links::Linker;
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::middleware::admission::Bucket;
use crate::middleware::auth::Directory;
use crate::openapi::{About, Reference};
use crate::policy::Policy;
use crate::waits::Waits;

/// What an [`AppState`] is made of.
pub struct Parts {
    /// Jobs, keys and money.
    pub store: Store,
    /// Files.
    pub storage: Storage,
    /// Seals customers' secrets in the store; the same for every process of one store.
    pub sealer: Sealer,
    /// Judges the URLs of webhooks.
    pub gate: Gate,
    /// Signs links to the storage routes; the same for every process of one store.
    pub link_secret: LinkSecret,
    /// Where clients reach this server, without a slash at the end: `https://convertfly.example`.
    pub public_url: String,
    /// Formats, operations and prices.
    pub catalog: &'static Catalog,
    /// Limits.
    pub limits: Limits,
    /// Settings of the API.
    pub policy: Policy,
}

/// What handlers share; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    parts: Parts,
    linker: Linker,
    metrics: Arc<Metrics>,
    reference: Reference,
    drain: CancellationToken,
    /// KiB of large bodies that may still be taken into memory.
    body_memory: Semaphore,
    waits: Waits,
    /// When storage was last checked, and whether it was well.
    storage_check: Mutex<Option<(Instant, bool)>>,
}

impl AppState {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        let rows = crate::router::routes(&parts.limits);
        let metrics = Metrics::new(rows.iter().map(|row| (row.method.as_str(), row.path)));
        let about = About { catalog: parts.catalog, limits: &parts.limits, public_url: parts.public_url.trim_end_matches('/') };
        let reference = Reference::new(&rows, &about);
        let body_memory = Semaphore::new(parts.limits.body_memory.max(parts.limits.job_body) >> 10);
        let linker = Linker {
            storage: parts.storage.clone(),
            secret: parts.link_secret.clone(),
            public_url: parts.public_url.trim_end_matches('/').to_owned(),
            catalog: parts.catalog,
            max_upload: parts.limits.upload,
        };
        let waits = Waits::new(parts.policy.waits_per_key);
        let (drain, storage_check) = (CancellationToken::new(), Mutex::default());
        Self(Arc::new(Inner { parts, linker, metrics, reference, drain, body_memory, waits, storage_check }))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.parts.store
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.0.parts.storage
    }

    /// Seals and opens secrets in the store.
    pub fn sealer(&self) -> &Sealer {
        &self.0.parts.sealer
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.0.parts.gate
    }

    pub(crate) fn link_secret(&self) -> &LinkSecret {
        &self.0.parts.link_secret
    }

    pub(crate) fn linker(&self) -> &Linker {
        &self.0.linker
    }

    pub(crate) fn catalog(&self) -> &'static Catalog {
        self.0.parts.catalog
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.parts.limits
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.0.parts.policy
    }

    /// Whether links to this server are https.
    pub(crate) fn secure(&self) -> bool {
        self.linker().public_url.starts_with("https://")
    }

    /// Counts requests that wait; each holds its place until its answer is complete.
    pub(crate) fn waits(&self) -> &Waits {
        &self.0.waits
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// The OpenAPI document and its page.
    pub(crate) fn reference(&self) -> &Reference {
        &self.0.reference
    }

    /// Cancelled when the server shuts down: what waits should answer at once.
    pub(crate) fn drain(&self) -> &CancellationToken {
        &self.0.drain
    }

    pub(crate) fn storage_check(&self) -> &Mutex<Option<(Instant, bool)>> {
        &self.0.storage_check
    }

    pub(crate) fn body_memory(&self) -> &Semaphore {
        &self.0.body_memory
    }
}

impl Directory for AppState {
    async fn key_by_hash(&self, sha256_hex: &str) -> Result<Option<ApiKey>, StoreError> {
        self.store().key_by_hash(sha256_hex).await
    }

    fn key_stamp(&self, sha256_hex: &str) -> Option<KeyStamp> {
        self.store().key_watch().stamp(sha256_hex)
    }

    async fn key_used(&self, key: &ApiKey) {
        if let Err(error) = self.store().key_used(&key.account, &key.id).await {
            tracing::debug!(%error, key = key.id, "the use of a key was not noted");
        }
    }

    async fn balance(&self, account: &str) -> Result<i64, StoreError> {
        self.store().account(account).await.map(|account| account.balance)
    }

    async fn admit(&self, bucket: Bucket<'_>, requests: u32) -> Result<Admission, StoreError> {
        let window = self.policy().rate_window();
        match bucket {
            Bucket::Key(key) => self.store().admit_key(&key.account, &key.id, window, requests).await,
            Bucket::Network(network) => {
                self.store().admit_stranger(network, self.policy().stranger_requests, window, requests).await
            }
        }
    }

    fn state(&self) -> Option<&AppState> {
        Some(self)
    }
}
