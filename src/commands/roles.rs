//! `serve`, `api`, `scheduler`, `worker`: the roles, together or alone.

use std::os::unix::fs::DirBuilderExt;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use convertfly_api::{AppState, Parts};
use convertfly_scheduler::catalog::Catalog;
use convertfly_scheduler::embedded::EmbeddedRedis;
use convertfly_scheduler::guard::Gate;
use convertfly_scheduler::seal::{self, Sealer};
use convertfly_scheduler::storage::Storage;
use convertfly_scheduler::storage::sign::LinkSecret;
use convertfly_scheduler::store::{Store, StoreError};
use convertfly_scheduler::upkeep;
use convertfly_scheduler::view::links::Linker;
use convertfly_scheduler::webhooks;
use convertfly_worker::node::{self, Node};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::courier::GuardedCourier;
use crate::{first_start, logging};

/// How long a role waits for its Redis at its start: both may have been started together, or Redis is still reading its log.
const REDIS_PATIENCE: Duration = Duration::from_secs(30);

/// Everything on this machine.
pub(crate) fn serve(mut config: Config) -> anyhow::Result<ExitCode> {
    block_on(async move {
        make_data_folder(&config)?;
        let listener = listen(&config).await?;
        config.listen = listener.local_addr()?;
        let redis = match config.redis_url {
            Some(_) => None,
            None => Some(EmbeddedRedis::start(&config.data.join("redis")).await?),
        };
        if let Some(redis) = &redis {
            config.redis_url = Some(redis.url());
        }
        let store = open_store(&config).await?;
        let storage = Storage::open(&config.storage).await?;
        let sealer = open_sealer(&config, &store, true).await?;
        first_start::ensure(&store, &config).await?;
        store.set_refund_on_error(config.refund_on_error).await?;

        let stop = stop_signal()?;
        let roles = TaskTracker::new();
        let node = Node::new(
            store.clone(),
            node::Services::open(&config.worker, &config.scratch(), storage.clone(), sealer.clone()).await?,
            &config.worker,
        );
        roles.spawn(node.run(stop.clone()));
        roles.spawn(upkeep::run(store.clone(), storage.clone(), config.retention.upkeep(), stop.clone()));
        roles.spawn(webhooks::run(webhook_parts(&store, &storage, &sealer, &config).await?, stop.clone()));
        roles.spawn(sweep(storage.clone()));
        roles.spawn(front(listener, store, storage, sealer, config, stop).await?);
        roles.close();
        roles.wait().await;
        // Last: the others have committed by now.
        if let Some(redis) = redis {
            redis.stop().await;
        }
        tracing::info!("stopped");
        Ok(())
    })
}

/// The API alone.
pub(crate) fn api(mut config: Config) -> anyhow::Result<ExitCode> {
    block_on(async move {
        make_data_folder(&config)?;
        let listener = listen(&config).await?;
        config.listen = listener.local_addr()?;
        let store = open_store(&config).await?;
        let storage = Storage::open(&config.storage).await?;
        let sealer = open_sealer(&config, &store, false).await?;
        first_start::ensure(&store, &config).await?;
        let stop = stop_signal()?;
        front(listener, store, storage, sealer, config, stop).await?.await;
        Ok(())
    })
}

/// The scheduler alone.
pub(crate) fn scheduler(config: Config) -> anyhow::Result<ExitCode> {
    block_on(async move {
        let store = open_store(&config).await?;
        let storage = Storage::open(&config.storage).await?;
        store.set_refund_on_error(config.refund_on_error).await?;
        let sealer = open_sealer(&config, &store, false).await?;
        let sweeping = tokio::spawn(sweep(storage.clone()));
        let stop = stop_signal()?;
        let parts = webhook_parts(&store, &storage, &sealer, &config).await?;
        tokio::join!(webhooks::run(parts, stop.clone()), upkeep::run(store, storage, config.retention.upkeep(), stop));
        sweeping.abort();
        Ok(())
    })
}

/// A worker alone.
pub(crate) fn worker(config: Config) -> anyhow::Result<ExitCode> {
    block_on(async move {
        let stop = stop_signal()?;
        let store = open_store(&config).await?;
        let storage = Storage::open(&config.storage).await?;
        let sealer = open_sealer(&config, &store, false).await?;
        let services = node::Services::open(&config.worker, &config.scratch(), storage, sealer).await?;
        Node::new(store, services, &config.worker).run(stop).await;
        Ok(())
    })
}

fn block_on(role: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<ExitCode> {
    logging::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(role);
    // Blocking file work that outlived its request must not hold the exit up.
    runtime.shutdown_timeout(Duration::from_secs(2));
    outcome.map(|()| ExitCode::SUCCESS)
}

fn make_data_folder(config: &Config) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.data)
        .with_context(|| format!("cannot make the data folder {}; choose another one with --data", config.data.display()))
}

async fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another address with --listen", config.listen))
}

async fn open_store(config: &Config) -> anyhow::Result<Store> {
    let Some(url) = &config.redis_url else {
        bail!(
            "CONVERTFLY_REDIS_URL is not set. Roles in separate processes meet in a Redis: set it, for example to \
             redis://127.0.0.1:6379/0, or run `convertfly serve`, which brings its own"
        );
    };
    let deadline = Instant::now() + REDIS_PATIENCE;
    let mut told = false;
    loop {
        match Store::open(url, config.shards).await {
            Err(StoreError::Unavailable(why)) if Instant::now() < deadline => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(%why, "Redis does not answer yet: trying for {} s", REDIS_PATIENCE.as_secs());
                }
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            Err(StoreError::Unavailable(why)) => bail!(
                "the Redis of CONVERTFLY_REDIS_URL has not answered for {} s ({why}). See that it runs and can be reached from here",
                REDIS_PATIENCE.as_secs()
            ),
            other => return Ok(other?),
        }
    }
}

/// The key that seals customers' secrets: the variable's, or that of the data folder, which `serve` makes at its first start.
async fn open_sealer(config: &Config, store: &Store, make: bool) -> anyhow::Result<Sealer> {
    let file = config.data.join("secret-key");
    let sealer = match &config.secret_key {
        Some(text) => Some(Sealer::from_text(text.expose())?),
        None if make => Some(Sealer::from_file_or_new(&file).with_context(|| format!("cannot use {}", file.display()))?),
        None => Sealer::from_file(&file).with_context(|| format!("cannot use {}", file.display()))?,
    };
    let Some(sealer) = sealer else {
        bail!(
            "{} is not set. It seals customers' secrets in the store: set it to 32 random bytes in base64 (`openssl rand -base64 32`), \
             the same for every process of this store",
            seal::VARIABLE
        );
    };
    store.check_sealer(&sealer).await?;
    Ok(sealer)
}

/// Secret that signs links, the same for every process of a store.
async fn link_secret(store: &Store) -> anyhow::Result<LinkSecret> {
    LinkSecret::new(store.url_secret().await?).context("the secret in the store is too short to sign links with")
}

/// What webhooks are delivered with.
async fn webhook_parts(store: &Store, storage: &Storage, sealer: &Sealer, config: &Config) -> anyhow::Result<webhooks::Parts> {
    let linker = Linker {
        storage: storage.clone(),
        secret: link_secret(store).await?,
        public_url: config.public_url().trim_end_matches('/').to_owned(),
        catalog: Catalog::builtin(),
        max_upload: convertfly_api::Limits::default().upload,
    };
    Ok(webhooks::Parts {
        store: store.clone(),
        sealer: sealer.clone(),
        linker,
        courier: Arc::new(GuardedCourier::new(config)?),
        config: config.webhooks.to_config(),
    })
}

/// The HTTP front, as a future that ends after the drain.
async fn front(
    listener: TcpListener,
    store: Store,
    storage: Storage,
    sealer: Sealer,
    config: Config,
    stop: CancellationToken,
) -> anyhow::Result<impl Future<Output = ()>> {
    let state = AppState::new(Parts {
        link_secret: link_secret(&store).await?,
        gate: Gate { allow: config.worker.allow_nets.parse()?, high_ports: true },
        store,
        storage,
        sealer,
        public_url: config.public_url(),
        catalog: Catalog::builtin(),
        limits: convertfly_api::Limits {
            upload_lifetime: config.retention.upload_lifetime(),
            ..convertfly_api::Limits::default()
        },
        policy: config.api.clone(),
    });
    // The address that is listened on: the public one may be a proxy's.
    tracing::info!("listening on http://{}", config.listen);
    Ok(async move { convertfly_api::serve(listener, state, stop.cancelled_owned()).await })
}

/// Removes what crashed writers left in storage, once.
async fn sweep(storage: Storage) {
    match storage.sweep(Duration::from_hours(6)).await {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "leftovers of crashed writers removed from storage"),
        Err(error) => tracing::warn!(%error, "storage could not be swept"),
    }
}

/// Cancelled at the first SIGINT or SIGTERM; a second one ends the process at once.
fn stop_signal() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = token.clone();
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            if !first {
                std::process::exit(130);
            }
            tracing::info!("stopping: running work is finished first; once more to stop at once");
            stop.cancel();
        }
    });
    Ok(token)
}
