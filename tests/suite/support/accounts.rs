//! Further accounts on a running server, made in its own store.

use convertfly_api::keys::{Mode, generate, sha256_hex};
use convertfly_scheduler::ids;
use convertfly_scheduler::store::{ApiKey, NewAccount, Store, keys};

use super::server::Server;

/// An account with a key of its own.
pub(crate) struct Another {
    pub(crate) account: String,
    pub(crate) key: String,
}

/// Makes an account with these credits and a key with these scopes.
pub(crate) fn another(server: &Server, credits: u64, scopes: &[&str]) -> Another {
    with_store(server, |store| async move {
        // In the shard of the server's own account: elsewhere a missing check of the owner would not be noticed.
        let own = keys::shard_of("acct_default", store.shards());
        let mut ids = std::iter::repeat_with(|| ids::new_id("acct"));
        let id = ids.find(|id| keys::shard_of(id, store.shards()) == own).expect("one in 16");
        let account = NewAccount {
            id: id.clone(),
            name: id.clone(),
            plan: "enterprise".into(),
            weight: 1,
            max_concurrent_jobs: 100,
            max_waiting_jobs: 1_000,
            requests_per_minute: 100_000,
            credits,
        };
        assert!(store.create_account(&account).await.expect("create"), "a new account");
        let key = put_key(&store, &id, scopes).await;
        Another { account: id, key }
    })
}

/// Makes a further key of an account.
pub(crate) fn key_of(server: &Server, account: &str, scopes: &[&str]) -> String {
    with_store(server, |store| async move { put_key(&store, account, scopes).await })
}

async fn put_key(store: &Store, account: &str, scopes: &[&str]) -> String {
    let key = generate(Mode::Live).expose().clone();
    let record = ApiKey {
        id: ids::new_id("key"),
        account: account.to_owned(),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        ..ApiKey::default()
    };
    store.put_key(&sha256_hex(&key), &record).await.expect("a key");
    key
}

/// Does something with the store of a running server.
pub(crate) fn with_store<T, F: Future<Output = T>>(server: &Server, act: impl FnOnce(Store) -> F) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let socket = server.folder.path().join("redis/redis.sock");
    runtime.block_on(async {
        let store = Store::open(&format!("redis+unix://{}", socket.display()), 16).await.expect("the server's store");
        act(store).await
    })
}
