//! Resumable uploads: tus 1.0.0 on the link of an `import/upload`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::server::{Answer, Server};

const VARIABLES: &[(&str, &str)] = &[("CONVERTFLY_ALLOW_NETS", "127.0.0.0/8")];

/// A job that waits for a file.
struct Upload {
    job: String,
    path: String,
}

impl Upload {
    fn new(server: &Server) -> Self {
        let job = json!({"tasks": {
            "upload": {"operation": "import/upload"},
            "export": {"operation": "export/url", "input": "upload"},
        }});
        let created = server.call("POST", "/jobs", Some(&job)).json();
        let url = created["data"]["tasks"]["upload"]["result"]["tus_url"].as_str().expect("a link").to_owned();
        let path = url.strip_prefix(&server.url).expect("a link to this server").to_owned();
        Self { job: created["data"]["id"].as_str().expect("an id").to_owned(), path }
    }

    fn send(&self, server: &Server, method: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        let mut all = vec![("tus-resumable", "1.0.0")];
        all.extend(headers);
        server.send(method, &format!("{}{}", server.url, self.path), None, body, &all)
    }

    fn create(&mut self, server: &Server, length: usize) -> Answer {
        let answer =
            self.send(server, "POST", &[("upload-length", &length.to_string()), ("upload-metadata", "filename YS5iaW4=")], None);
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.bytes));
        let location = answer.header("location").expect("where it goes on");
        self.path = location.strip_prefix(&server.url).expect("a link to this server").to_owned();
        answer
    }

    fn patch(&self, server: &Server, offset: usize, bytes: &[u8], more: &[(&str, &str)]) -> Answer {
        let offset = offset.to_string();
        let mut headers = vec![("upload-offset", offset.as_str()), ("content-type", "application/offset+octet-stream")];
        headers.extend(more);
        self.send(server, "PATCH", &headers, Some(bytes))
    }

    fn offset(&self, server: &Server) -> usize {
        let head = self.send(server, "HEAD", &[], None);
        assert_eq!((head.status, head.header("cache-control")), (200, Some("no-store")), "HEAD");
        head.header("upload-offset").expect("an offset").parse().expect("a number")
    }
}

fn content(size: usize) -> Vec<u8> {
    (0..size as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

fn outcome(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn tus_an_upload_survives_breaks_and_a_killed_server() {
    let mut server = Server::start();
    let file = content(3_000_000);
    let mut upload = Upload::new(&server);
    let created = upload.create(&server, file.len());
    assert!(created.header("upload-expires").is_some_and(|at| at.ends_with(" GMT")), "{:?}", created.headers);
    assert_eq!(upload.offset(&server), 0, "nothing yet");
    let first = upload.patch(&server, 0, &file[..1_000_000], &[]);
    assert_eq!(
        (first.status, first.header("upload-offset")),
        (204, Some("1000000")),
        "{}",
        String::from_utf8_lossy(&first.bytes)
    );

    // The connection breaks in the middle of a request: what has arrived counts.
    let address = server.url.strip_prefix("http://").expect("a plain address");
    let mut socket = TcpStream::connect(address).expect("connected");
    let head = format!(
        "PATCH {} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 1000000\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: 2000000\r\n\r\n",
        upload.path
    );
    socket.write_all(head.as_bytes()).expect("sent");
    socket.write_all(&file[1_000_000..1_700_000]).expect("sent");
    let deadline = Instant::now() + Duration::from_secs(60);
    while server.files("storage").iter().filter_map(|path| std::fs::metadata(path).ok()).all(|file| file.len() < 1_500_000) {
        assert!(Instant::now() < deadline, "the bytes arrive: {:?}", server.files("storage"));
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(socket);
    // The broken request lets go of the upload by itself; until then another one is told to wait.
    let mut at = upload.offset(&server);
    while at == 1_000_000 {
        assert!(Instant::now() < deadline, "the bytes of a broken request are kept");
        std::thread::sleep(Duration::from_millis(50));
        at = upload.offset(&server);
    }
    assert!((1_500_000..=1_700_000).contains(&at), "what had arrived: {at}");

    server.kill_and_restart(VARIABLES);
    assert_eq!(upload.offset(&server), at, "another process knows it");
    let last = upload.patch(&server, at, &file[at..], &[]);
    assert_eq!(last.header("upload-offset").map(str::to_owned), Some(file.len().to_string()), "all of it");
    let job = server.wait(&upload.job);
    assert!(server.download(&job).bytes == file, "every byte, in order");
    assert_eq!(job["tasks"]["upload"]["result"]["files"][0]["filename"], "a.bin", "the name from its metadata: {job:#}");
    let sha = job["tasks"]["upload"]["result"]["files"][0]["sha256"].as_str().expect("a digest");
    let expected: String = <sha2::Sha256 as sha2::Digest>::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(sha, expected, "the digest went on across requests and processes");
    assert_eq!(upload.offset(&server), file.len(), "HEAD still answers");
    assert_eq!(outcome(&upload.patch(&server, file.len(), b"more", &[])).0, 409, "it is closed");
    assert_eq!(server.files("storage").len(), 1, "one file, nothing beside it: {:?}", server.files("storage"));
}

#[test]
fn tus_each_rule_of_the_protocol() {
    let server = Server::start();
    let mut upload = Upload::new(&server);
    let options = server.send("OPTIONS", &format!("{}{}", server.url, upload.path), None, None, &[]);
    assert_eq!((options.status, options.header("tus-version")), (204, Some("1.0.0")), "{:?}", options.headers);
    for extension in ["creation", "creation-with-upload", "expiration", "checksum", "termination"] {
        assert!(options.header("tus-extension").is_some_and(|all| all.split(',').any(|one| one == extension)), "{extension}");
    }
    assert!(options.header("tus-checksum-algorithm").is_some_and(|all| all.contains("sha1")), "{:?}", options.headers);
    assert!(options.header("access-control-allow-headers").is_some_and(|all| all.contains("Upload-Offset")), "for browsers");

    let old = server.send(
        "POST",
        &format!("{}{}", server.url, upload.path),
        None,
        None,
        &[("tus-resumable", "0.2.2"), ("upload-length", "5")],
    );
    assert_eq!(outcome(&old), (412, "PRECONDITION_FAILED".into()), "another version");
    assert_eq!(outcome(&upload.send(&server, "POST", &[], None)), (400, "INVALID_DATA".into()), "no length");
    assert_eq!(outcome(&upload.send(&server, "POST", &[("upload-length", "5368709121")], None)).0, 413, "5 GiB and one");
    assert_eq!(outcome(&upload.patch(&server, 0, b"x", &[])).0, 404, "nothing was created");
    upload.create(&server, 10);
    let wrong_type = upload.send(&server, "PATCH", &[("upload-offset", "0"), ("content-type", "text/plain")], Some(b"x"));
    assert_eq!(outcome(&wrong_type), (415, "UNSUPPORTED_MEDIA_TYPE".into()), "another media type");
    assert_eq!(
        upload.patch(&server, 0, b"hello", &[("upload-checksum", "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=")]).status,
        204,
        "SHA-1"
    );
    let wrong = upload.patch(&server, 5, b"w0rld", &[("upload-checksum", "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=")]);
    assert_eq!(outcome(&wrong), (460, "CHECKSUM_MISMATCH".into()), "other bytes");
    assert_eq!(upload.offset(&server), 5, "they do not count");
    assert_eq!(outcome(&upload.patch(&server, 5, b"w", &[("upload-checksum", "sha3 AAAA")])).0, 400, "an unknown algorithm");
    assert_eq!(outcome(&upload.patch(&server, 4, b"w", &[])).0, 409, "another offset");
    assert_eq!(outcome(&upload.patch(&server, 5, b"worldly", &[])).0, 413, "more than announced");
    assert_eq!(upload.offset(&server), 5, "still");

    // Given up and begun again, with bytes at once.
    assert_eq!(upload.send(&server, "DELETE", &[], None).status, 204, "terminated");
    assert_eq!(server.files("storage"), Vec::<String>::new(), "nothing is left");
    let again = upload.send(
        &server,
        "POST",
        &[("upload-length", "6"), ("content-type", "application/offset+octet-stream")],
        Some(b"abc"),
    );
    assert_eq!((again.status, again.header("upload-offset")), (201, Some("3")), "creation with upload");
    assert_eq!(upload.patch(&server, 3, b"def", &[]).status, 204, "the rest");
    let job = server.wait(&upload.job);
    assert_eq!(server.download(&job).bytes, b"abcdef", "what was sent");
    assert_eq!(outcome(&upload.send(&server, "DELETE", &[], None)).0, 409, "a finished upload stays");

    // The length is told with the last bytes.
    let mut late = Upload::new(&server);
    let created = late.send(&server, "POST", &[("upload-defer-length", "1")], None);
    late.path = created.header("location").expect("a link").strip_prefix(&server.url).expect("to here").to_owned();
    assert_eq!(late.patch(&server, 0, b"first ", &[]).status, 204, "no length yet");
    assert_eq!(late.send(&server, "HEAD", &[], None).header("upload-defer-length"), Some("1"), "HEAD says so");
    assert_eq!(late.patch(&server, 6, b"last", &[("upload-length", "10")]).status, 204, "now");
    assert_eq!(server.download(&server.wait(&late.job)).bytes, b"first last", "whole");

    // PUT on the same link, while a resumable upload is begun: the first whole file counts.
    let mut both = Upload::new(&server);
    both.create(&server, 4);
    both.patch(&server, 0, b"ab", &[]);
    assert_eq!(server.send("PUT", &format!("{}{}", server.url, both.path), None, Some(b"put"), &[]).status, 200, "PUT is faster");
    assert_eq!(outcome(&both.patch(&server, 2, b"cd", &[])).0, 409, "too late");
    assert_eq!(server.download(&server.wait(&both.job)).bytes, b"put", "the first one");
    // With its job, the rest of it goes.
    assert_eq!(server.call("DELETE", &format!("/jobs/{}", both.job), None).status, 204, "deleted");
    assert!(!server.files("storage").iter().any(|path| path.contains(&both.job)), "nothing is left");
    assert_eq!(outcome(&both.send(&server, "POST", &[("upload-length", "4")], None)).0, 404, "the link is dead");
}

#[test]
fn tus_two_requests_at_once_do_not_mix() {
    let server = Server::start();
    let mut upload = Upload::new(&server);
    upload.create(&server, 2_000_000);
    let address = server.url.strip_prefix("http://").expect("a plain address");
    let head = format!(
        "PATCH {} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: 2000000\r\n\r\nfirst",
        upload.path
    );
    let begin = || {
        let mut socket = TcpStream::connect(address).expect("connected");
        socket.write_all(head.as_bytes()).expect("sent");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a limit");
        socket
    };
    let mut socket = begin();
    let deadline = Instant::now() + Duration::from_secs(60);
    // An offset that is never right: refused as such while nobody is at the upload, and otherwise told to wait.
    loop {
        let second = upload.patch(&server, 99, b"x", &[]);
        if second.status == 423 {
            assert_eq!(outcome(&second).1, "LOCKED", "{}", second.json());
            assert_eq!(second.header("retry-after"), Some("1"), "{:?}", second.headers);
            break;
        }
        assert_eq!(second.status, 409, "{}", String::from_utf8_lossy(&second.bytes));
        assert!(Instant::now() < deadline, "the first request takes the upload");
        // It is answered only where it came while the second one was at the upload.
        if socket.read(&mut [0; 1024]).is_ok() {
            socket = begin();
        }
    }
    drop(socket);
}

/// The clients that people use, where they are installed: PyPI `tuspy`.
#[test]
fn tus_a_real_client_uploads_in_pieces() {
    if !Command::new("python3").args(["-c", "import tusclient"]).output().is_ok_and(|output| output.status.success()) {
        eprintln!("tuspy is not installed: the protocol tests beside this one stand alone");
        return;
    }
    let server = Server::start();
    let upload = Upload::new(&server);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file.bin");
    let file = content(1_000_001);
    std::fs::write(&path, &file).expect("written");
    let script = "import sys\nfrom tusclient import client\n\
                  u=client.TusClient(sys.argv[1]).uploader(sys.argv[2],chunk_size=300000,metadata={'filename':'file.bin'},upload_checksum=True)\nu.upload()";
    let url = format!("{}{}", server.url, upload.path);
    let output = Command::new("python3").arg("-c").arg(script).arg(&url).arg(&path).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(server.download(&server.wait(&upload.job)).bytes == file, "every byte");
}
