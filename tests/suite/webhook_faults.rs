//! Webhooks under faults: dead endpoints beside living ones, and senders killed with -9 while the customer's sink fails at random.

use std::collections::{HashMap, HashSet};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use convertfly_scheduler::catalog::{Catalog, Lane};
use convertfly_scheduler::ids::new_id;
use convertfly_scheduler::seal::Sealer;
use convertfly_scheduler::storage::sign::LinkSecret;
use convertfly_scheduler::storage::{Storage, StorageConfig};
use convertfly_scheduler::store::{NewWebhook, keys, webhook_context};
use convertfly_scheduler::view::links::Linker;
use convertfly_scheduler::webhooks::sign::{self, SigningSecret};
use convertfly_scheduler::webhooks::{self, Courier, EVENTS, Letter, Receipt, WebhookConfig};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rustix::process::Signal;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::process::{Process, TEST_SECRET_KEY, program};
use crate::support::redis::{TTL, TestStore, chain, result};
use crate::support::sink::Sink;

fn sealer() -> Sealer {
    Sealer::from_text(TEST_SECRET_KEY).expect("a key")
}

/// Registers an endpoint for every event; returns its secret.
async fn register(t: &TestStore, account: &str, url: &str) -> SigningSecret {
    let (id, secret) = (new_id("wh"), SigningSecret::generate().expect("random"));
    let new = NewWebhook {
        account: account.into(),
        url: url.into(),
        events: EVENTS.map(str::to_owned).to_vec(),
        sealed_secret: sealer().seal(&webhook_context(&id), secret.expose().as_bytes()).expect("sealed"),
        hint: secret.hint(),
        id,
    };
    t.store.create_webhook(&new).await.expect("registered");
    secret
}

/// Runs jobs of three tasks to their ends: four events each.
async fn finish_jobs(t: &TestStore, account: &str, count: usize) -> Vec<String> {
    let mut jobs = Vec::new();
    for _ in 0..count {
        let job = chain(account);
        t.submit(&job).await;
        for _ in 0..3 {
            let shard = keys::shard_of(account, t.store.shards());
            let lanes = [(Lane::Io, 1), (Lane::Cpu, 1)];
            let lease = t.store.lease_from(shard, "w", &lanes, TTL).await.expect("lease").remove(0);
            t.store.finish("w", &lease, &result(&lease), &Value::Null, &[], TTL).await.expect("finish");
        }
        jobs.push(job.id);
    }
    jobs
}

/// The dead never answer; the living do at once.
#[derive(Default)]
struct Town {
    dead: AtomicUsize,
    living: AtomicUsize,
}

impl Courier for Town {
    fn post(&self, letter: Letter) -> BoxFuture<'_, Result<Receipt, String>> {
        async move {
            if letter.url.contains("dead") {
                self.dead.fetch_add(1, Ordering::SeqCst);
                std::future::pending::<()>().await;
            }
            self.living.fetch_add(1, Ordering::SeqCst);
            Ok(Receipt { status: 200, ..Receipt::default() })
        }
        .boxed()
    }
}

/// 100 endpoints hang for ever, one on the same account included. Everything for the living is delivered although not one
/// attempt at the dead ever ends, and although there are more dead than permits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_dead_endpoints_delay_the_living_by_nothing() {
    let t = TestStore::start().await;
    let storage = Storage::open(&StorageConfig::local(t.folder.path().join("files"))).await.expect("storage");
    let mut accounts = Vec::new();
    for i in 0..10 {
        let account = t.account(&format!("a{i}"), 1000, 1000).await;
        for dead in 0..10 {
            register(&t, &account, &format!("https://dead.example/{dead}")).await;
        }
        accounts.push(account);
    }
    register(&t, &accounts[0], "https://living.example/").await;
    let town = Arc::new(Town::default());
    let parts = webhooks::Parts {
        store: t.store.clone(),
        sealer: sealer(),
        linker: Linker {
            storage,
            secret: LinkSecret::new(vec![7; 32]).expect("32 bytes"),
            public_url: "https://convertfly.test".into(),
            catalog: Catalog::builtin(),
            max_upload: 1,
        },
        courier: town.clone(),
        // Far fewer permits than dead, and not one attempt at them ends while this runs.
        config: WebhookConfig {
            timeout: Duration::from_hours(1),
            attempts_at_once: 16,
            patience: Duration::from_millis(20),
            ..WebhookConfig::default()
        },
    };
    let stop = CancellationToken::new();
    let running = tokio::spawn(webhooks::run(parts, stop.clone()));
    for account in &accounts {
        finish_jobs(&t, account, 2).await;
    }
    let until = |what: &'static str, holds: Box<dyn Fn() -> bool + Send>| async move {
        let deadline = Instant::now() + Duration::from_secs(120);
        while !holds() {
            assert!(Instant::now() < deadline, "never {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (a, b) = (Arc::clone(&town), Arc::clone(&town));
    until("all the dead were tried", Box::new(move || a.dead.load(Ordering::SeqCst) >= 200)).await;
    finish_jobs(&t, &accounts[0], 25).await;
    until("the living got everything", Box::new(move || b.living.load(Ordering::SeqCst) == 108)).await;
    stop.cancel();
    running.await.expect("it ends");
}

/// Every event arrives, signed, under one identifier, and no job's end before its tasks, however often the senders die.
/// `CONVERTFLY_TEST_WEBHOOK_EVENTS=100000` is the long form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_f16_no_event_is_lost_though_senders_are_killed_and_the_sink_fails() {
    let events: usize = std::env::var("CONVERTFLY_TEST_WEBHOOK_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000);
    let t = TestStore::start().await;
    let root = t.folder.path().join("files");
    Storage::open(&StorageConfig::local(&root)).await.expect("storage");
    let account = t.account("a", 1_000_000, 1000).await;
    // Three in ten fail and three in a hundred hang, by a generator that is the same in every run. What hangs is under way when
    // its sender is killed.
    let dice = AtomicUsize::new(1);
    let sink = Sink::start_with(move |_| {
        let roll = dice.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        let status = match roll % 100 {
            0..30 => 500,
            30..33 => 0,
            _ => 200,
        };
        (status, String::new())
    });
    let secret = register(&t, &account, &format!("{}/hook", sink.url)).await;
    let (redis, folder) = (t.redis.url(), t.folder.path().to_owned());
    let senders = AtomicUsize::new(0);
    let spawn = || {
        let data = folder.join(format!("sender-{}", senders.fetch_add(1, Ordering::SeqCst)));
        std::fs::create_dir_all(&data).expect("a folder");
        let mut command = program(&data);
        command.arg("scheduler").env("CONVERTFLY_REDIS_URL", &redis).env("CONVERTFLY_STORAGE", &root);
        command.env("CONVERTFLY_ALLOW_NETS", "127.0.0.0/8").env("CONVERTFLY_WEBHOOK_TIMEOUT", "3");
        // Twenty attempts: a third of failures to the power of twenty loses nothing in a hundred thousand.
        command.env("CONVERTFLY_WEBHOOK_PAUSES", vec!["0.05"; 19].join(","));
        // Leases of the killed expire soon, and order holds however often an event fails.
        command.env("CONVERTFLY_WEBHOOK_LEASE_MARGIN", "1").env("CONVERTFLY_WEBHOOK_HOLD", "20");
        Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a scheduler"))
    };
    let mut running = [spawn(), spawn()];
    let producing = async { finish_jobs(&t, &account, events / 4).await };
    let counting = {
        let received = &sink;
        async move {
            let deadline = Instant::now() + Duration::from_secs(60 + events as u64 / 4);
            let (mut kills, mut looked_at, mut done) = (0, 0, HashSet::new());
            let mut last_kill = Instant::now();
            let mut next_kill = events / 20;
            loop {
                let news = received.since(looked_at);
                looked_at += news.len();
                done.extend(news.iter().filter(|r| r.status == 200).map(|r| r.header("webhook-id").to_owned()));
                if done.len() >= events {
                    return kills;
                }
                assert!(Instant::now() < deadline, "{} of {events} events arrived, {kills} kills", done.len());
                // Both by time and by progress, so that a fast machine kills in the middle, too.
                if last_kill.elapsed() > Duration::from_secs(2) || done.len() >= next_kill {
                    next_kill = done.len() + events / 5;
                    let victim = &mut running[kills % 2];
                    victim.signal(Signal::KILL);
                    victim.wait();
                    *victim = spawn();
                    (kills, last_kill) = (kills + 1, Instant::now());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    let (jobs, kills) = tokio::join!(producing, counting);
    let received = sink.received();
    let (mut by_id, mut seen) = (HashMap::new(), HashMap::<String, HashSet<String>>::new());
    let mut unsigned = 0;
    for delivery in &received {
        let (id, body) = (delivery.header("webhook-id"), std::str::from_utf8(&delivery.body).expect("UTF-8"));
        let seconds = delivery.header("x-webhook-timestamp").parse().unwrap_or(0);
        let expected = sign::headers(std::slice::from_ref(&secret), id, seconds, body);
        unsigned += usize::from(expected.iter().any(|(name, value)| delivery.header(name) != value));
        let payload = delivery.json();
        let data = &payload["data"];
        let job = data.get("job_id").unwrap_or(&data["id"]).as_str().expect("a job").to_owned();
        let what = format!("{} {job} {}", payload["event"], data.get("job_id").map_or(&Value::Null, |_| &data["name"]));
        // F16: an identifier names one event, and an event has one identifier.
        assert_eq!(by_id.entry(id.to_owned()).or_insert_with(|| what.clone()), &what, "{id}");
        if delivery.status == 200 {
            let taken = seen.entry(job.clone()).or_default();
            if payload["event"] == "job.finished" && !taken.contains(&what) {
                assert_eq!(taken.len(), 3, "the job's end came before its tasks': {job} after {taken:?}");
            }
            taken.insert(what);
        }
    }
    assert_eq!((by_id.len(), seen.len(), unsigned), (events, jobs.len(), 0), "every event, one identifier each, none unsigned");
    assert!(seen.values().all(|taken| taken.len() == 4), "every event of every job was taken");
    assert!(kills >= 4, "{kills} senders were killed");
    let refused = received.iter().filter(|r| r.status != 200).count();
    println!(
        "webhooks: {events} events, {} deliveries ({refused} refused, {} repeated), {kills} senders killed: 0 lost, 0 unsigned, 0 out of order",
        received.len(),
        received.len() - refused - events,
    );
}
