//! `import/s3` and `export/s3` through the whole program, against a real protocol server.

use std::io::Read;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::bucket::{ACCESS_KEY, BUCKET, Bucket, SECRET_KEY};
use crate::support::pictures;
use crate::support::server::Server;

fn connection(bucket: &Bucket, more: &Value) -> Value {
    let mut options = json!({
        "bucket": BUCKET, "endpoint": bucket.endpoint(), "access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY,
    });
    options.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    options
}

/// Listens, answers nobody, counts.
fn canary() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (address, hits) = (listener.local_addr().expect("an address").to_string(), Arc::new(AtomicUsize::new(0)));
    let count = hits.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = (&stream).read(&mut [0; 1024]);
        }
    });
    (address, hits)
}

/// R097, T21: out to a bucket and back in again, with the customer's credentials and no others, which are nowhere to be read.
#[test]
fn r097_files_go_to_a_bucket_and_come_back() {
    let bucket = Bucket::start();
    let (address, hits) = canary();
    let trap = format!("http://{address}");
    let server = Server::start_with(&[
        ("CONVERTFLY_ALLOW_NETS", "127.0.0.0/8"),
        ("CONVERTFLY_LOG", "debug"),
        // What the default chain of an SDK would pick up.
        ("AWS_ACCESS_KEY_ID", "AKIAWRONGWRONG"),
        ("AWS_SECRET_ACCESS_KEY", "wrong"),
        ("AWS_SESSION_TOKEN", "wrong"),
        ("AWS_PROFILE", "wrong"),
        ("AWS_ENDPOINT_URL", &trap),
        ("AWS_ENDPOINT_URL_S3", &trap),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &trap),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &trap),
        ("HTTP_PROXY", &trap),
        ("http_proxy", &trap),
        ("ALL_PROXY", &trap),
    ]);
    let photo = pictures::png(40, 30, 7);
    let file = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &photo);
    let out = server.run(&json!({"tasks": {
        "one": {"operation": "import/base64", "file": file, "filename": "photo.png"},
        "two": {"operation": "import/base64", "file": file, "filename": "photo.png"},
        "large": {"operation": "import/url", "url": crate::support::source::serve(vec![9; 20 << 20]), "filename": "large.bin",
                  "headers": {"Authorization": "Bearer HEADERMARKER"}},
        "export": {"operation": "export/s3", "input": ["one", "two", "large"], "options": connection(&bucket, &json!({
            "key_prefix": "out/", "metadata": {"origin": "suite"}, "cache_control": "max-age=5", "session_token": "",
        }))},
        // A20: the same names are understood beside `options`.
        "renamed": {"operation": "export/s3", "input": "one", "bucket": BUCKET, "endpoint": bucket.endpoint(), "key": "own/name.png",
                    "access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY},
    }}));
    assert_eq!(out["status"], "FINISHED", "{out:#}");
    let result = &out["tasks"]["export"]["result"];
    assert_eq!((&result["bucket"], &result["key"]), (&json!(BUCKET), &json!("out/photo.png")), "{result}");
    let keys: Vec<&str> =
        result["objects"].as_array().expect("objects").iter().filter_map(|object| object["key"].as_str()).collect();
    assert_eq!(keys, ["out/photo.png", "out/photo-2.png", "out/large.bin"], "a key each");
    assert_eq!(bucket.read("out/photo.png").as_deref(), Some(&photo[..]), "the first");
    assert_eq!(bucket.read("out/photo-2.png").as_deref(), Some(&photo[..]), "the second");
    assert_eq!(bucket.read("out/large.bin").map(|bytes| bytes.len()), Some(20 << 20), "in parts");
    assert_eq!(bucket.read("own/name.png").as_deref(), Some(&photo[..]), "under its own key");

    let back = server.run(&json!({"tasks": {
        "import": {"operation": "import/s3", "options": connection(&bucket, &json!({"key": "out/photo.png"}))},
        "all": {"operation": "import/s3", "options": connection(&bucket, &json!({"key_prefix": "out/photo"}))},
        "convert": {"operation": "convert", "input": "import", "output_format": "jpg"},
        "export": {"operation": "export/url", "input": "convert"},
    }}));
    assert_eq!(back["status"], "FINISHED", "{back:#}");
    let names = |task: &str| -> Vec<String> {
        let files = back["tasks"][task]["result"]["files"].as_array().expect("files").clone();
        files.iter().map(|file| file["filename"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names("import"), ["photo.png"], "one key");
    assert_eq!(names("all"), ["photo-2.png", "photo.png"], "several by prefix");
    assert!(server.download(&back).bytes.starts_with(b"\xff\xd8"), "and it converts");

    // T21: no credentials of this machine, no metadata service, no proxy.
    assert_eq!(hits.load(Ordering::SeqCst), 0, "the canary was asked");
    assert!(
        bucket.credentials().iter().all(|header| header.contains(&format!("Credential={ACCESS_KEY}/"))),
        "{:?}",
        bucket.credentials()
    );

    // A wrong secret: the reason, and nothing of the secret.
    let refused = server.run(&json!({"tasks": {
        "one": {"operation": "import/base64", "file": file, "filename": "photo.png"},
        "export": {"operation": "export/s3", "input": "one", "options": connection(&bucket, &json!({"secret_access_key": "WRONGMARKER"}))},
    }}));
    let error = &refused["tasks"]["export"]["error"];
    assert_eq!(error["code"], "EXPORT_FAILED", "{refused:#}");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("secret_access_key")), "{error}");

    // Nobody gets to read what was given in confidence.
    let ids = [&out, &back, &refused].map(|job| job["id"].as_str().expect("an id").to_owned());
    let mut bodies = Vec::new();
    for id in &ids {
        bodies.extend(server.call("GET", &format!("/jobs/{id}"), None).bytes);
        bodies.extend(server.call("GET", &format!("/jobs/{id}/tasks"), None).bytes);
    }
    bodies.extend(server.call("GET", "/jobs", None).bytes);
    let mut places = vec![("answers".to_owned(), bodies), ("log".to_owned(), server.log().into_bytes())];
    for path in server.files("redis") {
        places.push((path.clone(), std::fs::read(&path).unwrap_or_default()));
    }
    assert!(places.len() > 2, "Redis' files are among them");
    assert!(places.iter().any(|(_, bytes)| contains(bytes, ids[0].as_bytes())), "they are the right ones");
    for (place, bytes) in &places {
        for secret in [SECRET_KEY, ACCESS_KEY, "WRONGMARKER", "HEADERMARKER"] {
            assert!(!contains(bytes, secret.as_bytes()), "{secret} stands in {place}");
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The options of the catalogue: missing and misspelt ones are told at once.
#[test]
fn a20_options_of_buckets_are_checked() {
    let server = Server::start();
    let job = |options: Value| {
        json!({"tasks": {
            "one": {"operation": "import/base64", "file": "aGVsbG8=", "filename": "a.bin"},
            "export": {"operation": "export/s3", "input": "one", "options": options},
        }})
    };
    for (options, field) in [
        (json!({"bucket": "b", "access_key_id": "a"}), "secret_access_key"),
        (json!({"bucket": "b", "secret_access_key": "a"}), "access_key_id"),
        (json!({"access_key_id": "a", "secret_access_key": "a"}), "bucket"),
        (json!({"bucket": "b", "access_key_id": "a", "secret_access_key": "a", "acl": "everybody"}), "acl"),
        (json!({"bucket": "b", "access_key_id": "a", "secret_access_key": "a", "endpont": "https://x.example"}), "endpont"),
        (json!({"bucket": "b", "access_key_id": "a", "secret_access_key": 5}), "secret_access_key"),
    ] {
        let answer = server.call("POST", "/jobs", Some(&job(options.clone())));
        assert_eq!((answer.status, &answer.json()["details"]["field"]), (400, &json!(field)), "{options}: {}", answer.json());
    }
}
