//! A customer's webhook endpoint: takes POSTs, answers as it is told, and remembers everything.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What came in one POST.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    /// By lowercase name.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// What it was answered with; 0 for a connection that is left hanging.
    pub(crate) status: u16,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// How a POST is answered: status and further header lines (each with its line end); status 0 hangs.
pub(crate) type Reply = (u16, String);

/// A running sink.
pub(crate) struct Sink {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Sink {
    /// Answers everything with 200.
    pub(crate) fn start() -> Self {
        Self::start_with(|_| (200, String::new()))
    }

    /// Answers as `answer` says of the path.
    pub(crate) fn start_with(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let received = Arc::new(Mutex::new(Vec::new()));
        let (all, answer) = (Arc::clone(&received), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (all, answer) = (Arc::clone(&all), Arc::clone(&answer));
                // A sender that is killed in the middle ends its connection; that is no fault here.
                std::thread::spawn(move || take(stream, &all, &*answer));
            }
        });
        Self { url, received }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().expect("not poisoned").clone()
    }

    /// What came after the first `count`.
    pub(crate) fn since(&self, count: usize) -> Vec<Received> {
        self.received.lock().expect("not poisoned").get(count..).unwrap_or_default().to_vec()
    }

    /// What came to a path.
    pub(crate) fn at(&self, path: &str) -> Vec<Received> {
        self.received().into_iter().filter(|received| received.path == path).collect()
    }

    /// Waits until `count` POSTs have come to a path.
    pub(crate) fn wait(&self, path: &str, count: usize) -> Vec<Received> {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let found = self.at(path);
            if found.len() >= count {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "{} of {count} deliveries came to {path}: {:?}",
                found.len(),
                self.received().len()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn take(stream: TcpStream, all: &Mutex<Vec<Received>>, answer: &dyn Fn(&Received) -> Reply) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let mut received = Received { path, headers, body, status: 0 };
    let (status, fields) = answer(&received);
    received.status = status;
    all.lock().expect("not poisoned").push(received);
    let mut stream = stream;
    if status == 0 {
        // Until the other side gives up.
        let _ = stream.read(&mut [0]);
        return None;
    }
    let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 2\r\nConnection: close\r\n{fields}\r\nok");
    Some(())
}
