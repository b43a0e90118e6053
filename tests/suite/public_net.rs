//! A worker whose network has a public address, on a machine that needs none: a network namespace in which two of the Internet's
//! addresses are the loopback device's own. Redis is reached by its socket, storage by its folder.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::api::{Api, key_for};
use crate::support::pictures;
use crate::support::process::{Process, program};
use crate::support::redis::TestStore;

/// Allocated addresses of the Internet; nobody is asked here whose they are.
const PUBLIC: [&str; 2] = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"];

/// Sets the namespace up, serves the folder of the first argument on both addresses, and becomes the worker.
const INSIDE: &str = r#"
ip link set lo up
ip address add 93.184.215.14/32 dev lo
ip address add 2606:2800:21f:cb07:6820:80da:af6b:8b2c/128 dev lo nodad
for address in 93.184.215.14 2606:2800:21f:cb07:6820:80da:af6b:8b2c 127.0.0.1; do
  setpriv --pdeathsig KILL /usr/bin/python3 -m http.server --bind $address --directory "$1" 80 >/dev/null 2>&1 &
done
shift
exec "$@"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r072_any_public_address_is_imported_and_the_machines_own_are_not() {
    let t = TestStore::start().await;
    let account = t.account("public", 10, 10).await;
    let key = key_for(&t.store, &account, "key_public", &["*"]).await;
    let secret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let api = Api::start(&t, &[]);

    let site = t.folder.path().join("site");
    std::fs::create_dir(&site).expect("a folder");
    let picture = pictures::png(24, 16, 7);
    std::fs::write(site.join("a.png"), &picture).expect("a picture");
    let data = t.folder.path().join("worker");
    std::fs::create_dir(&data).expect("a folder");
    let worker = program(&data);
    let mut command = Command::new("unshare");
    // The user of the suite may not be root: then it is made root of a namespace.
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["--net", "sh", "-ec", INSIDE, "sh"]).arg(&site).arg(worker.get_program()).arg("worker");
    for (name, value) in worker.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("CONVERTFLY_REDIS_URL", t.redis.url()).env("CONVERTFLY_STORAGE", t.folder.path().join("storage"));
    command
        .env("CONVERTFLY_LOG", "error")
        .env("CONVERTFLY_SECRET_KEY", secret)
        .current_dir(&data)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let _worker = Process(command.spawn().expect("unshare"));

    let import = |url: String| {
        let body = json!({ "tasks": {
            "import": { "operation": "import/url", "url": url },
            "export": { "operation": "export/url", "input": "import" },
        }});
        let created = api.call(&key, "POST", "/jobs", Some(&body.to_string()), &[]);
        assert_eq!(created.status, 201, "{url}: {:#}", created.json());
        let id = created.json()["data"]["id"].as_str().expect("an id").to_owned();
        let ended: Value = api.call(&key, "GET", &format!("/jobs/{id}/wait?timeout=120"), None, &[]).json()["data"].clone();
        ended
    };
    for address in PUBLIC {
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let job = import(format!("http://{host}/a.png"));
        assert_eq!(job["status"], "FINISHED", "R072: {job:#}");
        let link = job["tasks"]["export"]["result"]["url"].as_str().expect("a link");
        let bytes = ureq::get(link).call().expect("the file").into_body().read_to_vec().expect("its bytes");
        assert_eq!(bytes, picture, "byte for byte from {address}");
    }
    let refused = import("http://127.0.0.1/a.png".to_owned());
    assert_eq!(refused["status"], "ERROR", "a server that answers, but not a public one: {refused:#}");
}
