//! The address guard at every sink of the running program: whatever way an address of this machine is written, a canary that
//! listens there is not reached. The forms beside these, names and what they resolve to among them, are in the outbound
//! client's own tests, where name servers can be played.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::server::Server;

/// Ways to write the loopback address, or to lead there.
const HOSTS: &[&str] = &[
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "2130706433",
    "2130706433.",
    "0x7f000001",
    "0X7F000001",
    "0x7f.0x0.0x0.0x1",
    "0x7f.1",
    "0177.0.0.1",
    "0177.0.0.01",
    "00000177.0.0.1",
    "017700000001",
    "127.0x0.00.1",
    "127.65535",
    "0",
    "0.0.0.0",
    "0x0",
    "00",
    "%31%32%37.0.0.1",
    "127%2E0%2E0%2E1",
    "%30x7f000001",
    "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
    "\u{ff11}\u{ff12}\u{ff17}\u{ff0e}\u{ff10}\u{ff0e}\u{ff10}\u{ff0e}\u{ff11}",
    "127\u{3002}0\u{3002}0\u{3002}1",
    "127\u{ff0e}0\u{ff0e}0\u{ff0e}1",
    "127\u{ff61}0\u{ff61}0\u{ff61}1",
    "\u{2460}\u{2461}\u{2466}.\u{24ea}.\u{24ea}.\u{2460}",
    "\u{1d7cf}\u{1d7d0}\u{1d7d5}.\u{1d7ce}.\u{1d7ce}.\u{1d7cf}",
    "1\u{ad}27.0.0.1",
    "127\u{200b}.0.0.1",
    "127.0.0.1\u{2060}",
    "127.0.0.1%00.example.com",
    "127.0.0.1%09",
    "127.0.0.1%20",
    "user@127.0.0.1",
    "user:password@127.0.0.1",
    "example.com@127.0.0.1",
    "example.com:80@127.0.0.1",
    "example.com%40127.0.0.1",
    "foo@evil.example@127.0.0.1",
    "127.0.0.1\\@example.com",
    "\t127.0.0.1",
    "127.0.0\n.1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "foo.localhost",
    "loc%61lhost",
    "\u{24db}\u{24de}\u{24d2}\u{24d0}\u{24db}\u{24d7}\u{24de}\u{24e2}\u{24e3}",
    "\u{ff4c}\u{ff4f}\u{ff43}\u{ff41}\u{ff4c}\u{ff48}\u{ff4f}\u{ff53}\u{ff54}",
    "lo\u{ad}calhost",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7F00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::127.0.0.1]",
    "[2002:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "[fe80::1%25lo]",
    "[::1%25lo]",
];

/// Listens on both loopback addresses with one port; counts who comes.
fn canary() -> (u16, Arc<AtomicUsize>) {
    let hits = Arc::new(AtomicUsize::new(0));
    let first = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = first.local_addr().expect("an address").port();
    let mut listeners = vec![first];
    // A machine without IPv6 has nothing to reach there either.
    listeners.extend(TcpListener::bind(("::1", port)));
    for listener in listeners {
        let count = hits.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                drop(stream);
            }
        });
    }
    (port, hits)
}

/// Every form: a host under three spellings of scheme and path.
fn forms(port: u16) -> Vec<String> {
    let spell = |host: &&str| {
        [format!("http://{host}:{port}/"), format!("https://{host}:{port}/a?b=c"), format!("HTTP:\\\\{host}:{port}\\")]
    };
    HOSTS.iter().flat_map(spell).collect()
}

/// Submits a job and says whether its first task failed; a job that is refused at once has failed, too.
fn fails(server: &Server, tasks: Value) -> bool {
    let answer = server.call("POST", "/jobs", Some(&json!({ "tasks": tasks })));
    match answer.status {
        400 => true,
        201 => server.wait(answer.json()["data"]["id"].as_str().expect("an id"))["tasks"]["sink"]["status"] == "ERROR",
        other => panic!("{other}: {}", String::from_utf8_lossy(&answer.bytes)),
    }
}

#[test]
fn t1_no_form_of_a_private_address_is_reached_from_any_sink() {
    // No network is allowed here: the default of every installation.
    let server = Server::start_with(&[]);
    let (port, hits) = canary();
    let forms = forms(port);
    assert!(forms.len() >= 150, "{} forms", forms.len());
    for url in &forms {
        assert!(fails(&server, json!({"sink": {"operation": "import/url", "url": url}})), "import/url {url:?}");
        let options = json!({"bucket": "bucket", "endpoint": url, "access_key_id": "a", "secret_access_key": "b", "key": "k"});
        assert!(fails(&server, json!({"sink": {"operation": "import/s3", "options": options}})), "import/s3 {url:?}");
        let export = json!({
            "file": {"operation": "import/base64", "file": "aGVsbG8=", "filename": "a.bin"},
            "sink": {"operation": "export/s3", "input": "file", "options": options},
        });
        assert!(fails(&server, export), "export/s3 {url:?}");
        let hook = server.call("POST", "/webhooks", Some(&json!({"url": url, "events": ["job.finished"]})));
        assert_eq!(hook.status, 400, "webhook {url:?}: {}", String::from_utf8_lossy(&hook.bytes));
        let job = json!({"webhook_url": url, "tasks": {"file": {"operation": "import/base64", "file": "aGVsbG8=", "filename": "a.bin"}}});
        let job = server.call("POST", "/jobs", Some(&job));
        assert_eq!(job.status, 400, "webhook_url {url:?}: {}", String::from_utf8_lossy(&job.bytes));
        assert_eq!(hits.load(Ordering::SeqCst), 0, "{url:?} reached the canary");
    }
    // The canary works: where the operator allows it, it is reached.
    let open = Server::start();
    assert!(
        fails(&open, json!({"sink": {"operation": "import/url", "url": format!("http://127.0.0.1:{port}/")}})),
        "it answers nothing"
    );
    assert!(hits.load(Ordering::SeqCst) > 0, "the canary counts");
}
