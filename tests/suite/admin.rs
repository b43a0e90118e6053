//! `convertfly admin`: beside a running server, alone, and against a Redis that is named.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::pictures;
use crate::support::process::program;
use crate::support::redis::TestStore;
use crate::support::server::Server;

fn json_of(server: &Server, arguments: &[&str]) -> Value {
    let text = server.admin_says(&[arguments, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {text}"))
}

fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "it should have failed: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn operators_manage_a_running_server() {
    let server = Server::start();
    accounts_are_made_listed_and_moved(&server);
    a_suspended_account_is_refused_at_once(&server);
    credits_are_added_and_taken(&server);
    keys_are_made_listed_and_revoked(&server);
    jobs_are_shown_cancelled_and_deleted(&server);
    a_suspended_account_can_be_deleted(&server);
}

fn accounts_are_made_listed_and_moved(server: &Server) {
    let made = json_of(server, &["account", "create", "shop", "--plan", "free"]);
    assert_eq!(
        (&made["name"], &made["plan"], &made["credits_remaining"]),
        (&json!("shop"), &json!("free"), &json!(50)),
        "{made:#}"
    );
    assert_eq!((&made["limits"]["requests_per_minute"], &made["limits"]["concurrent_jobs"]), (&json!(10), &json!(2)), "{made:#}");
    assert!(refused(&server.admin(&["account", "create", "shop", "--plan", "pro"])).contains("already"), "names are unique");
    assert!(refused(&server.admin(&["account", "create", "x", "--plan", "gold"])).contains("business"), "the plans are named");
    for bad in ["", "a b", "acct_1"] {
        assert!(refused(&server.admin(&["account", "create", bad, "--plan", "free"])).contains("name"), "{bad:?}");
    }
    let moved = json_of(server, &["account", "set-plan", "shop", "business"]);
    assert_eq!((&moved["plan"], &moved["limits"]["concurrent_jobs"]), (&json!("business"), &json!(50)), "{moved:#}");
    let names: Vec<String> = json_of(server, &["account", "list"])
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|account| account["name"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(names, ["default", "shop"], "sorted by name");
    let shown = server.admin_says(&["account", "show", made["id"].as_str().expect("an id")]);
    assert!(shown.contains("shop") && shown.contains("business"), "by its identifier, for people: {shown}");
    let missing = refused(&server.admin(&["account", "show", "nobody"]));
    assert!(missing.contains("account list"), "it says where to look: {missing}");
    let plans = json_of(server, &["plan", "list"]);
    assert_eq!(plans.as_array().map(Vec::len), Some(4), "{plans:#}");
}

fn a_suspended_account_is_refused_at_once(server: &Server) {
    let beside = server.beside();
    let key = server.admin_says(&["key", "create", "shop"]);
    for process in [server, &beside] {
        assert_eq!(process.call_as(&key, "GET", "/jobs", None).status, 200, "it works, and is remembered");
    }
    for round in 0..3 {
        server.admin_says(&["account", "suspend", "shop"]);
        for process in [server, &beside] {
            let answer = process.call_as(&key, "GET", "/jobs", None);
            let error = answer.json();
            assert_eq!((answer.status, error["code"].as_str()), (403, Some("FORBIDDEN")), "round {round}: {error:#}");
            assert!(error["message"].as_str().is_some_and(|text| text.contains("suspended")), "{error:#}");
        }
        server.admin_says(&["account", "resume", "shop"]);
        for process in [server, &beside] {
            assert_eq!(process.call_as(&key, "GET", "/jobs", None).status, 200, "round {round}: and works again");
        }
    }
}

fn credits_are_added_and_taken(server: &Server) {
    let added = json_of(server, &["credits", "add", "shop", "100", "--note", "paid"]);
    assert_eq!(added["credits_remaining"], 150, "{added:#}");
    assert_eq!(json_of(server, &["credits", "add", "shop", "-30"])["credits_remaining"], 120, "a correction");
    let too_much = refused(&server.admin(&["credits", "add", "shop", "-121"]));
    assert!(too_much.contains("120"), "never below zero: {too_much}");
    refused(&server.admin(&["credits", "add", "shop", "0"]));
    let entries = json_of(server, &["credits", "ledger", "shop"]);
    let changes: Vec<i64> =
        entries.as_array().expect("a list").iter().filter_map(|entry| entry["balance_change"].as_i64()).collect();
    assert_eq!(changes, [-30, 100, 50], "the newest first");
    assert_eq!(entries[1]["note"], "paid", "{entries:#}");
}

fn keys_are_made_listed_and_revoked(server: &Server) {
    let plain = server.admin_says(&["key", "create", "shop", "--scopes", "jobs:read", "--label", "reports"]);
    assert!(plain.starts_with("cvfly_sk_live_") && plain.lines().count() == 1, "the key alone: {plain}");
    assert_eq!(server.call_as(&plain, "GET", "/jobs", None).status, 200, "it reads");
    assert_eq!(server.call_as(&plain, "POST", "/jobs", Some(&json!({}))).status, 403, "and does not write");
    let test = json_of(server, &["key", "create", "shop", "--test"]);
    assert!(test["key"].as_str().is_some_and(|key| key.starts_with("cvfly_sk_test_")), "{test:#}");
    assert!(
        refused(&server.admin(&["key", "create", "shop", "--scopes", "jobs:all"])).contains("jobs:read"),
        "the scopes are named"
    );
    let listed = json_of(server, &["key", "list", "shop"]);
    let found = listed.as_array().expect("a list").iter().find(|key| key["name"] == "reports").cloned().expect("listed");
    assert_eq!(found["last4"].as_str(), plain.get(plain.len() - 4..), "{found:#}");
    assert!(!listed.to_string().contains(&plain), "no list shows a key");
    server.admin_says(&["key", "revoke", "shop", found["id"].as_str().expect("an id")]);
    assert_eq!(server.call_as(&plain, "GET", "/jobs", None).status, 401, "revoked at once");
    assert!(refused(&server.admin(&["key", "revoke", "shop", "key_none"])).contains("key list"), "it says where to look");
}

fn jobs_are_shown_cancelled_and_deleted(server: &Server) {
    let done = server.convert(&pictures::png(8, 8, 1), "a.png", "png", &json!({}));
    let done_id = done["id"].as_str().expect("an id");
    let waiting = server.call(
        "POST",
        "/jobs",
        Some(&json!({ "tag": "later", "tasks": {
            "up": { "operation": "import/upload" },
            "convert": { "operation": "convert", "input": ["up"], "output_format": "png" },
        }})),
    );
    let waiting_id = waiting.json()["data"]["id"].as_str().expect("an id").to_owned();
    let listed = json_of(server, &["job", "list", "default", "--status", "waiting"]);
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["tag"]), (Some(1), &json!("later")), "{listed:#}");
    let shown = json_of(server, &["job", "show", done_id]);
    assert_eq!((&shown["status"], &shown["tasks"][1]["name"]), (&json!("FINISHED"), &json!("convert")), "{shown:#}");
    let cancelled = json_of(server, &["job", "cancel", &waiting_id]);
    assert_eq!(cancelled["status"], "ERROR", "{cancelled:#}");
    assert_eq!(server.call("GET", "/account", None).json()["data"]["credits_reserved"], 0, "its credit came back");
    server.admin_says(&["job", "delete", done_id]);
    assert_eq!(server.call("GET", &format!("/jobs/{done_id}"), None).status, 404, "gone");
    let link = done["tasks"]["export"]["result"]["url"].as_str().expect("a link");
    assert_eq!(server.send("GET", link, None, None, &[]).status, 404, "with its files");
    assert!(refused(&server.admin(&["job", "show", done_id])).contains("job list"), "it says where to look");
}

fn a_suspended_account_can_be_deleted(server: &Server) {
    let key = server.admin_says(&["key", "create", "shop"]);
    let job = json!({ "tasks": { "up": { "operation": "import/upload" } } });
    assert_eq!(server.call_as(&key, "POST", "/jobs", Some(&job)).status, 201, "it has a job");
    assert!(refused(&server.admin(&["account", "delete", "shop", "--yes"])).contains("suspend"), "not while it works");
    server.admin_says(&["account", "suspend", "shop"]);
    assert!(refused(&server.admin(&["account", "delete", "shop"])).contains("--yes"), "not by mistake");
    server.admin_says(&["account", "delete", "shop", "--yes"]);
    assert_eq!(server.call_as(&key, "GET", "/jobs", None).status, 401, "its keys are gone");
    assert!(refused(&server.admin(&["account", "show", "shop"])).contains("no account"), "and its name");
    assert_eq!(json_of(server, &["account", "create", "shop", "--plan", "pro"])["credits_remaining"], 50, "which is free again");
}

fn admin(folder: &Path, arguments: &[&str]) -> Output {
    program(folder).arg("admin").args(arguments).output().expect("the program runs")
}

#[test]
fn a_server_that_is_down_can_be_managed_and_keeps_what_was_done() {
    let server = Server::start();
    let folder = server.folder.path().to_owned();
    let kept = tempfile::tempdir().expect("a temporary directory");
    let moved = kept.path().join("data");
    {
        let mut server = server;
        server.process.signal(rustix::process::Signal::INT);
        assert!(server.process.wait().success(), "stopped");
        std::fs::rename(&folder, &moved).expect("moved");
    }
    let made = admin(&moved, &["account", "create", "night", "--plan", "pro"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let listed = admin(&moved, &["account", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "the account is there: {listed:#}");
    assert!(!moved.join("redis/redis.sock").exists(), "no Redis is left behind");
}

#[test]
fn a_folder_without_data_is_refused_with_the_way_out() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let error = refused(&admin(folder.path(), &["account", "list"]));
    for way in ["convertfly serve", "--data", "CONVERTFLY_REDIS_URL"] {
        assert!(error.contains(way), "{way} is missing: {error}");
    }
    assert!(!folder.path().join("redis").exists(), "nothing was made");
    assert!(admin(folder.path(), &["plan", "list"]).status.success(), "the plans are known without data");
}

#[tokio::test]
async fn a_redis_that_is_named_is_used() {
    let t = TestStore::start().await;
    let folder = tempfile::tempdir().expect("a temporary directory");
    let run = |arguments: &[&str]| {
        program(folder.path()).arg("admin").args(arguments).env("CONVERTFLY_REDIS_URL", t.redis.url()).output().expect("it runs")
    };
    let made = run(&["account", "create", "fleet", "--plan", "business", "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let account = t.store.account(made["id"].as_str().expect("an id")).await.expect("it is in that Redis");
    assert_eq!((account.name.as_str(), account.balance), ("fleet", 50), "{account:?}");
    assert!(!folder.path().join("redis").exists(), "and nowhere else");
}
