//! Thumbnails and facts of videos that stay at their source: how much of them is fetched, and when all of it is.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::clips::Clips;
use crate::imports::{Source, send};
use crate::support::bucket::{ACCESS_KEY, BUCKET, Bucket, SECRET_KEY};
use crate::support::server::Server;

/// What a source does with the ranges that it is asked for.
#[derive(Clone, Copy, PartialEq)]
enum Ranges {
    Heeded,
    Ignored,
    /// From the n-th request on there is another file.
    UntilChanged(usize),
}

/// A source of files, and the bytes that it was asked for.
struct Counted {
    source: Source,
    bytes: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

fn range(head: &str, size: usize) -> Option<(usize, usize)> {
    let head = head.to_ascii_lowercase();
    let (first, last) = head.lines().find_map(|line| line.strip_prefix("range: bytes="))?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().map_or(size - 1, |last: usize| last.min(size - 1))))
}

impl Counted {
    fn start(files: [Vec<u8>; 2], ranges: Ranges) -> Self {
        let (bytes, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (served, asked) = (Arc::clone(&bytes), Arc::clone(&requests));
        let source = Source::start(move |number, head, stream: &mut TcpStream| {
            let changed = matches!(ranges, Ranges::UntilChanged(from) if number >= from);
            let file = &files[usize::from(changed)];
            let tag = if changed { "b" } else { "a" };
            asked.fetch_add(1, Ordering::SeqCst);
            let part = range(head, file.len()).filter(|_| ranges != Ranges::Ignored);
            // Who names a tag that the file does not have any more gets all of it.
            let part = part.filter(|_| !head.to_ascii_lowercase().contains("if-range") || head.contains(&format!("\"{tag}\"")));
            let (status, body) = match part {
                Some((first, last)) => {
                    let all = file.len();
                    (format!("206 Partial Content\nContent-Range: bytes {first}-{last}/{all}"), &file[first..=last])
                }
                None => ("200 OK".to_owned(), &file[..]),
            };
            send(stream, &format!("{status}\nETag: \"{tag}\"\nContent-Length: {}", body.len()), b"");
            // A client that wants no more of it closes.
            for block in body.chunks(64 << 10) {
                if stream.write_all(block).is_err() {
                    return;
                }
                served.fetch_add(block.len(), Ordering::SeqCst);
            }
        });
        Self { source, bytes, requests }
    }

    /// Bytes and requests since the last call.
    fn taken(&self) -> (usize, usize) {
        (self.bytes.swap(0, Ordering::SeqCst), self.requests.swap(0, Ordering::SeqCst))
    }
}

/// A job that looks at a file in two ways.
fn looks(url: &str, keep: bool) -> Value {
    json!({ "tasks": {
        "in": { "operation": "import/url", "url": url, "keep": keep },
        "thumbnail": { "operation": "thumbnail", "input": "in", "options": { "width": 64 } },
        "facts": { "operation": "metadata", "input": "in" },
        "export": { "operation": "export/url", "input": "thumbnail" },
    }})
}

/// A clip of some 30 MB: 2 s of noise, played `times` over.
fn large(folder: &Clips, name: &str, times: u32, codec: &str) -> Vec<u8> {
    let noise = "-f lavfi -i testsrc2=duration=2:rate=25:size=640x360,noise=alls=60:allf=t";
    let once = folder.make(&format!("once-{name}"), &format!("{noise} -pix_fmt yuv420p {codec}"));
    let path = folder.make(name, &format!("-stream_loop {} -i {} -c copy", times - 1, once.display()));
    std::fs::read(path).expect("the clip")
}

const H264: &str = "-c:v libx264 -preset ultrafast -g 25 -qp 22";
const VP8: &str = "-c:v libvpx -deadline realtime -cpu-used 16 -g 25 -b:v 20M -minrate 20M -maxrate 20M";

#[test]
fn a_look_into_a_remote_video_fetches_a_part_of_it() {
    let server = Server::start();
    let folder = Clips::new();
    // The index of an MP4 is at its end here, that of the others too.
    for (name, times, codec) in [("film.mp4", 8, H264), ("film.mkv", 8, H264), ("film.webm", 6, VP8)] {
        let file = large(&folder, name, times, codec);
        assert!(file.len() > 20 << 20, "{name}: {} bytes are worth a look", file.len());
        let source = Counted::start([file.clone(), Vec::new()], Ranges::Heeded);
        let url = source.source.url(&format!("/{name}"));
        let kept = server.run(&looks(&url, true));
        assert_eq!(kept["status"], "FINISHED", "{name}: {kept:#}");
        assert_eq!(source.taken(), (file.len(), 1), "{name}: all of it is kept unless it need not be");

        let job = server.run(&looks(&url, false));
        assert_eq!(job["status"], "FINISHED", "{name}: {job:#}");
        let (bytes, requests) = source.taken();
        eprintln!("{name}: {bytes} of {} bytes in {requests} requests, for a picture and the facts", file.len());
        assert!(bytes < file.len() / 2 && requests > 2, "{name}: {bytes} of {} bytes in {requests} requests", file.len());
        let task = |name: &str| &job["tasks"][name];
        let imported = &task("in")["result"]["files"][0];
        let was = &kept["tasks"]["in"]["result"]["files"][0];
        for field in ["size", "format", "filename"] {
            assert_eq!(imported[field], was[field], "{name}: what the import says is true all the same: {imported:#}");
        }
        assert!(server.download(&job).bytes == server.download(&kept).bytes, "{name}: the same picture");
        assert_eq!(task("facts")["result"]["metadata"], kept["tasks"]["facts"]["result"]["metadata"], "{name}: the same facts");
        assert_eq!(job["credits_used"], kept["credits_used"], "{name}: at the same price");
        let told = &task("thumbnail")["explain"]["remote"];
        assert_eq!(told["of"], file.len(), "{name}: how much was read is told: {told}");
        assert!(told["bytes"].as_u64().is_some_and(|bytes| bytes > 0 && bytes < file.len() as u64 / 2), "{name}: {told}");

        // The file was not stored, and the answer says why it is not there.
        let id = imported["file_id"].as_str().expect("an identifier");
        let content = server.send("GET", &format!("{}/api/v1/files/{id}/content", server.url), Some(&server.key), None, &[]);
        assert!(content.status == 404 && content.json().to_string().contains("keep"), "{name}: {}", content.json());
    }
}

#[test]
fn what_needs_the_whole_file_or_cannot_have_parts_gets_all_of_it() {
    let server = Server::start();
    let folder = Clips::new();
    let file = large(&folder, "film.mp4", 4, H264);
    let other = large(&folder, "other.mp4", 3, &format!("-vf negate {H264}"));
    let pictures = |file: &[u8]| {
        let source = Counted::start([file.to_vec(), Vec::new()], Ranges::Heeded);
        let job = server.run(&looks(&source.source.url("/film.mp4"), true));
        server.download(&job).bytes
    };
    let (first, second) = (pictures(&file), pictures(&other));
    assert!(first != second, "the files can be told apart");

    // A source that knows no ranges.
    let source = Counted::start([file.clone(), Vec::new()], Ranges::Ignored);
    let job = server.run(&looks(&source.source.url("/film.mp4"), false));
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    assert!(server.download(&job).bytes == first, "the picture of the file");
    assert_eq!(job["tasks"]["in"]["explain"]["bytes"], file.len(), "imported: {job:#}");

    // Another task that takes the file.
    let source = Counted::start([file.clone(), Vec::new()], Ranges::Heeded);
    let mut more = looks(&source.source.url("/film.mp4"), false);
    more["tasks"]["sound"] = json!({ "operation": "export/url", "input": "in" });
    let job = server.run(&more);
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    assert_eq!(source.taken(), (file.len(), 1), "once, as a whole");

    // A file that changes: after the import, and while the pictures are looked for. What is shown is of one file alone.
    for change in [1, 3] {
        let source = Counted::start([file.clone(), other.clone()], Ranges::UntilChanged(change));
        let mut job = looks(&source.source.url("/film.mp4"), false);
        job["tasks"].as_object_mut().expect("an object").remove("facts");
        let job = server.run(&job);
        assert_eq!(job["status"], "FINISHED", "{change}: {job:#}");
        assert!(server.download(&job).bytes == second, "{change}: the file as it is now");
        assert!(source.taken().0 >= other.len(), "{change}: all of it");
    }
}

#[test]
fn a_look_into_an_object_of_a_bucket_fetches_a_part_of_it() {
    let (server, bucket, folder) = (Server::start(), Bucket::start(), Clips::new());
    let file = large(&folder, "film.mp4", 8, H264);
    let source = Counted::start([file.clone(), Vec::new()], Ranges::Heeded);
    let options = |key: &str| json!({ "bucket": BUCKET, "endpoint": bucket.endpoint(), "access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY, "key": key });
    let mut kept = looks(&source.source.url("/film.mp4"), true);
    kept["tasks"]["out"] = json!({ "operation": "export/s3", "input": "in", "options": options("a/film.mp4") });
    let kept = server.run(&kept);
    assert_eq!(kept["status"], "FINISHED", "{kept:#}");

    let mut look = looks("", false);
    look["tasks"]["in"] = json!({ "operation": "import/s3", "options": options("a/film.mp4"), "keep": false });
    let job = server.run(&look);
    assert_eq!(job["status"], "FINISHED", "{job:#}");
    assert!(server.download(&job).bytes == server.download(&kept).bytes, "the same picture");
    for task in ["in", "thumbnail", "facts"] {
        let told = &job["tasks"][task]["explain"]["remote"];
        assert_eq!(told["of"], file.len(), "{task}: {told}");
        assert!(told["bytes"].as_u64().is_some_and(|bytes| bytes < file.len() as u64 / 2), "{task}: {told}");
    }
}
