//! A thousand clients wait for a thousand jobs: nothing is read while they do, and all of them wake.

use std::time::Duration;

use convertfly_scheduler::store::Store;
use redis::aio::MultiplexedConnection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::redis::{job, redis_client, task};
use crate::support::server::Server;

const WAITERS: usize = 1_000;

/// Reads of hashes so far: all that jobs and tasks are read by.
async fn reads(connection: &mut MultiplexedConnection) -> u64 {
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(connection).await.expect("info");
    let calls = |command: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")))?;
        line.split(',').next()?.parse::<u64>().ok()
    };
    ["hgetall", "hmget"].into_iter().filter_map(calls).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r041_a_thousand_waiters_cost_no_reads_and_all_wake() {
    // Both ends of a thousand connections, and the server inherits the limit.
    let (soft, hard) = (rustix::process::getrlimit(rustix::process::Resource::Nofile), 8_192);
    if soft.current.is_some_and(|current| current < hard) {
        let wanted =
            rustix::process::Rlimit { current: Some(soft.maximum.map_or(hard, |most| most.min(hard))), maximum: soft.maximum };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, wanted).expect("file descriptors");
    }
    let server = Server::start();
    let socket = format!("redis+unix://{}", server.folder.path().join("redis/redis.sock").display());
    let store = Store::open(&socket, 16).await.expect("the server's own store");
    let mut connection = redis_client(&socket).get_multiplexed_async_connection().await.expect("connect");

    // Tasks of a lane that no worker serves: they wait for us.
    let account = "acct_default";
    let mut ids = Vec::new();
    for _ in 0..WAITERS {
        let mut waiting = task("only", &[]);
        waiting.lane = convertfly_scheduler::catalog::Lane::Gpu;
        let new = job(account, vec![waiting]);
        store.submit(&new, &std::collections::HashMap::new()).await.expect("submitted");
        ids.push(new.id);
    }
    let host = server.url.strip_prefix("http://").expect("http").to_owned();
    let before = reads(&mut connection).await;
    let mut waiters = Vec::new();
    for id in &ids {
        let request = format!(
            "GET /api/v1/jobs/{id}/wait?timeout=300 HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            server.key
        );
        let mut stream = TcpStream::connect(&host).await.expect("connect");
        stream.write_all(request.as_bytes()).await.expect("a request");
        waiters.push(tokio::spawn(async move {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("an answer");
            answer
        }));
    }
    // Each waiter has looked at its job once, and then listens: the count comes to rest.
    let resting = async {
        let mut last = 0;
        loop {
            let now = reads(&mut connection).await;
            if now >= before + WAITERS as u64 && now == last {
                return now;
            }
            last = now;
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    };
    let resting = tokio::time::timeout(Duration::from_secs(120), resting).await.expect("all of them wait, and nobody reads");
    // Long enough for anything that looks now and then; nothing here depends on how fast the machine is.
    tokio::time::sleep(Duration::from_secs(17)).await;
    let rested = reads(&mut connection).await;
    assert!(rested - resting < 20, "{} reads while a thousand waited", rested - resting);
    assert!(waiters.iter().all(|waiter| !waiter.is_finished()), "nobody was answered early");

    for id in &ids {
        store.cancel_task(account, id, "only").await.expect("cancelled");
    }
    let answered = async {
        for waiter in waiters {
            let answer = waiter.await.expect("no panic");
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert!(answer.contains("\"status\":\"ERROR\""), "{answer}");
        }
    };
    tokio::time::timeout(Duration::from_secs(120), answered)
        .await
        .expect("all wake by the notice, long before their time is over");
}
