//! Lists of jobs: pages, filters, links and cursors, and what they cost.

use std::collections::HashMap;

use convertfly_scheduler::job::JobStatus;
use convertfly_scheduler::store::StoreError;
use serde_json::{Value, json};

use crate::support::redis::{TTL, TestStore, job, redis_client, result, task};
use crate::support::server::{Answer, Server};

fn ids(answer: &Answer) -> Vec<String> {
    let list = answer.json();
    assert_eq!(answer.status, 200, "{list:#}");
    list["data"].as_array().expect("an array").iter().map(|job| job["id"].as_str().expect("an id").to_owned()).collect()
}

/// The targets of a `Link` header by their relation.
fn links(answer: &Answer) -> HashMap<String, String> {
    let header = answer.header("link").expect("a Link header");
    let pair = |part: &str| {
        let (url, rel) = part.split_once("; rel=").expect("a relation");
        (rel.trim_matches('"').to_owned(), url.trim().trim_matches(['<', '>']).to_owned())
    };
    header.split(", ").map(pair).collect()
}

/// Creates a job that waits for bytes; returns its identifier.
fn create(server: &Server, tag: Option<&str>) -> String {
    let body = json!({"tag": tag, "tasks": {"up": {"operation": "import/upload"}}});
    let created = server.call("POST", "/jobs", Some(&body));
    assert_eq!(created.status, 201, "{}", String::from_utf8_lossy(&created.bytes));
    created.json()["data"]["id"].as_str().expect("an id").to_owned()
}

#[test]
fn r038_r039_pages_filters_links_and_cursors() {
    let server = Server::start();
    let mut made: Vec<String> = (0..7).map(|i| create(&server, Some(if i % 2 == 0 { "even" } else { "odd & more" }))).collect();
    made.reverse();
    let all = server.call("GET", "/jobs?limit=100", None);
    let newest_first = ids(&all);
    assert_eq!(newest_first.len(), 7, "all of them");
    let times: Vec<Value> =
        all.json()["data"].as_array().expect("an array").iter().map(|job| job["created_at"].clone()).collect();
    assert!(times.windows(2).all(|pair| pair[0].as_str() >= pair[1].as_str()), "newest first: {times:?}");
    assert_eq!(all.json()["meta"], json!({"page": 1, "limit": 100, "total": 7, "next_cursor": null}), "R039");
    assert_eq!(server.call("GET", "/jobs", None).json()["meta"]["limit"], 20, "the default limit");

    // By page, along the links.
    let mut walked = Vec::new();
    let mut page = server.call("GET", "/jobs?limit=3", None);
    assert!(!links(&page).contains_key("prev"), "nothing before the first page");
    loop {
        walked.extend(ids(&page));
        let Some(next) = links(&page).remove("next") else { break };
        page = server.send("GET", &next, Some(&server.key), None, &[]);
    }
    assert_eq!(walked, newest_first, "the pages are the list");
    let last = links(&page);
    assert!(last["last"].contains("page=3") && last["first"].contains("page=1") && last["prev"].contains("page=2"), "{last:?}");

    // By cursor, while the list changes: nothing is seen twice, nothing is missed.
    let first = server.call("GET", "/jobs?limit=3", None);
    let mut walked = ids(&first);
    let newcomer = create(&server, None);
    let anchor = walked[2].clone();
    assert_eq!(server.call("DELETE", &format!("/jobs/{anchor}"), None).status, 204, "the very job that the cursor stands on");
    let mut cursor = first.json()["meta"]["next_cursor"].as_str().map(str::to_owned);
    while let Some(at) = cursor {
        let page = server.call("GET", &format!("/jobs?limit=3&cursor={at}"), None);
        walked.extend(ids(&page));
        cursor = page.json()["meta"]["next_cursor"].as_str().map(str::to_owned);
        assert_eq!(links(&page).contains_key("next"), cursor.is_some(), "the link says the same");
    }
    assert_eq!(walked, newest_first, "as the list was");
    assert!(!walked.contains(&newcomer), "what is newer lies before the start");

    // Filters.
    let even = server.call("GET", "/jobs?tag=even", None);
    assert_eq!(even.json()["meta"]["total"], 3, "by tag: one was deleted");
    assert_eq!(server.call("GET", "/jobs?tag=odd+%26+more&status=WAITING", None).json()["meta"]["total"], 3, "both");
    for status in ["PROCESSING", "FINISHED", "ERROR"] {
        assert_eq!(server.call("GET", &format!("/jobs?status={status}"), None).json()["meta"]["total"], 0, "{status}");
    }
    let cancelled = &ids(&even)[0];
    assert_eq!(server.call("POST", &format!("/jobs/{cancelled}/tasks/up/cancel"), None).status, 200, "cancelled");
    let errors = server.call("GET", "/jobs?status=ERROR&tag=even", None);
    assert_eq!(ids(&errors), std::slice::from_ref(cancelled), "A89: cancelled jobs are listed under ERROR");
    assert_eq!(errors.json()["data"][0]["error"]["code"], "CANCELLED", "A89: and say so");
    assert_eq!(server.call("GET", "/jobs?status=WAITING", None).json()["meta"]["total"], 6, "and under nothing else");

    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=99999999999999999999", "page"),
        ("page=9007199254740993", "page"),
        ("status=DONE", "status"),
        ("cursor=x", "cursor"),
        ("cursor=1.job_1&page=2", "cursor"),
    ] {
        let refused = server.call("GET", &format!("/jobs?{query}"), None);
        assert_eq!((refused.status, refused.json()["details"]["field"].as_str()), (400, Some(field)), "{query}");
    }
    assert_eq!(ids(&server.call("GET", "/jobs?page=1000000", None)), Vec::<String>::new(), "behind the end is empty, not wrong");
}

/// Calls of a command so far.
async fn calls(t: &TestStore, command: &str) -> u64 {
    let client = redis_client(&t.redis.url());
    let mut connection = client.get_multiplexed_async_connection().await.expect("connect");
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await.expect("info");
    let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn r038_a_page_costs_what_it_shows() {
    let t = TestStore::start().await;
    let account = t.account("a", 10_000, 10_000).await;
    for i in 0..300 {
        let mut new = job(&account, vec![task("a", &[])]);
        new.tag = (i % 3 == 0).then(|| "third".to_owned());
        t.submit(&new).await;
    }
    let before = calls(&t, "hgetall").await;
    let page = t.store.jobs(&account, 2, 10, Some(JobStatus::Processing), Some("third")).await.expect("a page");
    assert_eq!((page.jobs.len(), page.total), (10, 100), "ten of a hundred");
    let cursor = page.next.expect("it goes on");
    let next = t.store.jobs_after(&account, &cursor, 10, Some(JobStatus::Processing), Some("third")).await.expect("a page");
    assert_eq!(next.jobs.len(), 10, "ten more");
    assert!(page.jobs.iter().all(|seen| next.jobs.iter().all(|job| job.id != seen.id)), "none twice");
    let cost = calls(&t, "hgetall").await - before;
    assert_eq!(cost, 40, "twenty jobs and their twenty tasks, of 300");
}

#[tokio::test]
async fn r040_the_lists_are_empty_when_the_jobs_are_gone() {
    let t = TestStore::start().await;
    let account = t.account("a", 100, 1).await;
    let mut made = Vec::new();
    for _ in 0..3 {
        let mut new = job(&account, vec![task("a", &[])]);
        new.tag = Some("t".into());
        t.submit(&new).await;
        made.push(new.id);
    }
    // One ends, one runs, one waits.
    let lease = t.lease(TTL).await;
    t.store.finish("w", &lease, &result(&lease), &Value::Null, &[], TTL).await.expect("finish");
    for (status, expected) in
        [(JobStatus::Finished, 1), (JobStatus::Processing, 1), (JobStatus::Waiting, 1), (JobStatus::Error, 0)]
    {
        for tag in [None, Some("t")] {
            let page = t.store.jobs(&account, 1, 10, Some(status), tag).await.expect("a page");
            assert_eq!((page.total, page.jobs.len()), (expected, expected as usize), "{status:?} {tag:?}");
            assert!(page.jobs.iter().all(|job| job.status == status), "the list tells the truth");
        }
    }
    for id in &made {
        t.store.delete_job(&account, id).await.expect("delete");
    }
    assert!(matches!(t.store.job(&account, &made[0]).await, Err(StoreError::NotFound)), "gone");
    let client = redis_client(&t.redis.url());
    let mut connection = client.get_multiplexed_async_connection().await.expect("connect");
    let left: Vec<String> = redis::cmd("KEYS").arg("*jobs:*").query_async(&mut connection).await.expect("keys");
    let tagged: Vec<String> = redis::cmd("KEYS").arg("*tagged*").query_async(&mut connection).await.expect("keys");
    assert!(left.is_empty() && tagged.is_empty(), "no list is left: {left:?} {tagged:?}");
}
