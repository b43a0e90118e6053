//! What the cases run against: an API on a store and a storage of its own, some accounts, and what has been learned so far.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use convertfly_scheduler::catalog::{Catalog, Lane};
use convertfly_scheduler::embedded::EmbeddedRedis;
use convertfly_scheduler::guard::{AllowNets, Gate};
use convertfly_scheduler::seal::Sealer;
use convertfly_scheduler::storage::sign::LinkSecret;
use convertfly_scheduler::storage::{PutLimit, Storage, StorageConfig, StorageKey};
use convertfly_scheduler::store::{ApiKey, NewAccount, Revoker, Store, StoreError};
use convertfly_scheduler::task::{ErrorCode, FileRef, TaskError, TaskResult};
use fastrand::Rng;
use futures_util::stream;
use http::{Request, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::requests::Known;
use crate::front::Front;
use crate::keys::{Mode, generate, sha256_hex};
use crate::limits::Limits;
use crate::policy::Policy;
use crate::state::{AppState, Parts};

/// Jobs that are kept alive at once.
const JOBS: usize = 200;

/// Identifiers of a kind that are remembered.
const REMEMBERED: usize = 64;

/// The placeholder of a path, and what its values begin with.
const KINDS: [(&str, &str); 5] = [("job", "job_"), ("file", "file_"), ("webhook", "wh_"), ("key", "key_"), ("delivery", "dlv_")];

/// An API with everything that it needs.
pub(super) struct World {
    pub(super) state: AppState,
    pub(super) front: Front,
    /// Key and account.
    pub(super) keys: Vec<(String, String)>,
    pub(super) document: Value,
    known: Mutex<Known>,
    jobs: Mutex<VecDeque<(usize, String)>>,
    _redis: EmbeddedRedis,
    _folder: TempDir,
}

impl World {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let redis = EmbeddedRedis::start(&folder.path().join("redis")).await.expect("redis-server starts");
        let store = Store::open(&redis.url(), 4).await.expect("the store opens");
        // What is asked here is not whether a crash loses anything.
        let client = redis::Client::open(redis.url()).expect("a client");
        let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
        let set = redis::cmd("CONFIG").arg("SET").arg("appendfsync").arg("no").exec_async(&mut connection).await;
        set.expect("appendfsync no");
        let storage = Storage::open(&StorageConfig::local(folder.path().join("files"))).await.expect("the folder opens");
        let parts = Parts {
            gate: Gate { allow: AllowNets::default(), high_ports: true },
            sealer: Sealer::from_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").expect("a key"),
            store,
            storage,
            link_secret: LinkSecret::new(vec![7; 32]).expect("32 bytes"),
            public_url: "https://convertfly.test".to_owned(),
            catalog: Catalog::builtin(),
            limits: Limits { upload: 1_000, ..Limits::default() },
            // What is asked here is not whether there is a limit.
            policy: Policy { stranger_requests: 1_000_000_000, ..Policy::default() },
        };
        let state = AppState::new(parts);
        let front = Front::of(&state);
        let document = serde_json::from_slice(&state.reference().document.bytes).expect("the document");
        let mut world = Self {
            state,
            front,
            keys: Vec::new(),
            document,
            known: Mutex::default(),
            jobs: Mutex::default(),
            _redis: redis,
            _folder: folder,
        };
        for (name, credits) in [("a", 1_000_000_000), ("b", 1_000_000_000), ("poor", 3)] {
            let account = NewAccount {
                id: format!("acct_{name}"),
                name: name.into(),
                plan: "test".into(),
                weight: 1,
                max_concurrent_jobs: 20,
                max_waiting_jobs: 1_000,
                requests_per_minute: 1_000_000_000,
                credits,
            };
            assert!(world.state.store().create_account(&account).await.expect("create"), "a new account");
            world.keys.push((generate(Mode::Live).expose().clone(), account.id));
            world.renew(world.keys.len() - 1).await;
        }
        let names = ["in0", "in1", "t0", "t1", "t2", "import-file", "to-png", "export", "nobody"];
        world.known.lock().expect("lock").insert("task", names.iter().map(|&name| name.to_owned()).collect());
        world
    }

    /// Makes an account's key good again: a case may have revoked it.
    pub(super) async fn renew(&self, account: usize) {
        let (key, account) = &self.keys[account];
        let record = ApiKey {
            id: account.replace("acct", "key"),
            account: account.clone(),
            scopes: vec!["*".into()],
            ..ApiKey::default()
        };
        while let Err(error) = self.state.store().put_key(&sha256_hex(key), &record).await {
            // Cases make keys, too, up to as many as an account may have.
            assert!(matches!(error, StoreError::Conflict(_)), "a key: {error}");
            self.revoke_made_keys(account).await;
        }
    }

    /// Revokes the keys that cases have made.
    async fn revoke_made_keys(&self, account: &str) {
        let store = self.state.store();
        for key in store.api_keys(account).await.expect("the keys") {
            if key.id != account.replace("acct", "key") {
                // Another lane may have been faster.
                let _ = store.revoke_key(account, &key.id, Revoker::Operator).await;
            }
        }
    }

    /// What has been learned so far.
    pub(super) fn known(&self) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers the identifiers and links of an answer.
    pub(super) fn learn(&self, account: usize, answer: &Response<Vec<u8>>) {
        if !answer.status().is_success() || !answer.body().starts_with(b"{\"data\"") {
            return;
        }
        let Ok(body) = serde_json::from_slice::<Value>(answer.body()) else { return };
        if answer.status() == 201
            && let Some(job) = body["data"]["id"].as_str().filter(|id| id.starts_with("job_"))
        {
            self.jobs.lock().unwrap_or_else(PoisonError::into_inner).push_back((account, job.to_owned()));
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        gather(&body, &mut |text| {
            let link = |part: &str| text.split_once(part).map(|(_, token)| token.to_owned());
            let kind = KINDS.iter().find(|(_, prefix)| text.starts_with(prefix)).map(|(kind, _)| (*kind, text.to_owned()));
            let found =
                kind.or_else(|| Some(("token", link("/storage/upload/")?))).or_else(|| Some(("dl", link("/storage/dl/")?)));
            if let Some((kind, id)) = found {
                let ids = known.entry(kind).or_default();
                if ids.len() >= REMEMBERED {
                    ids.remove(0);
                }
                ids.push(id);
            }
        });
    }

    /// Plays the worker for some tasks, and deletes the oldest jobs.
    pub(super) async fn tidy(&self, rng: &mut Rng) {
        let lanes: Vec<(Lane, u32)> = Lane::ALL.into_iter().map(|lane| (lane, 2)).collect();
        let store = self.state.store();
        for shard in 0..store.shards() {
            for lease in store.lease_from(shard, "fuzz", &lanes, 600_000).await.expect("lease") {
                if rng.u8(..4) == 0 {
                    let error = TaskError::new(ErrorCode::InvalidData, "not a picture");
                    store.fail(&lease, &error, &Value::Null, false).await.expect("fail");
                    continue;
                }
                let key = StorageKey::Output {
                    account: lease.account.clone(),
                    job: lease.job.clone(),
                    fence: lease.fence.clone(),
                    index: 0,
                };
                let limit = PutLimit { max_bytes: 9, exact: None };
                let bytes = stream::iter([Ok(b"nine byte"[..].to_vec().into())]);
                // A case that deletes the job meanwhile takes its folder with it.
                let Ok(stored) = self.state.storage().put_stream(&key, bytes, limit).await else { continue };
                let file = FileRef {
                    file_id: convertfly_scheduler::ids::new_id("file"),
                    key: key.to_string(),
                    filename: "a.png".into(),
                    size: stored.size,
                    format: Some("png".into()),
                    sha256: Some(stored.sha256),
                    crc32: None,
                    width: Some(1),
                    height: Some(1),
                    page: None,
                    remote: None,
                };
                let expires_at = lease.spec.operation.starts_with("export/").then(|| crate::links::now_ms() + 600_000);
                let result = TaskResult { files: vec![file], expires_at, ..TaskResult::default() };
                store.finish("fuzz", &lease, &result, &json!({ "engine": "none" }), &[], 600_000).await.expect("finish");
            }
        }
        if rng.u8(..32) == 0 {
            let (_, account) = &self.keys[rng.usize(..self.keys.len())];
            self.revoke_made_keys(account).await;
        }
        loop {
            let oldest = {
                let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
                if jobs.len() > JOBS { jobs.pop_front() } else { None }
            };
            let Some((account, job)) = oldest else { return };
            let request = Request::delete(format!("/api/v1/jobs/{job}"))
                .header("authorization", format!("Bearer {}", self.keys[account].0));
            let answer =
                self.front.handle(request.body(Body::empty()).expect("a request"), SocketAddr::from(([127, 0, 0, 1], 1))).await;
            if answer.status() == 401 {
                self.renew(account).await;
            }
        }
    }
}

/// Every string of a value.
fn gather(value: &Value, visit: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(list) => list.iter().for_each(|value| gather(value, visit)),
        Value::Object(map) => map.values().for_each(|value| gather(value, visit)),
        _ => {}
    }
}
