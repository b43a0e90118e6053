//! A bucket on a real protocol server in this process, on a runtime of its own.

#[path = "../../../scheduler/src/storage/s3_server_test.rs"]
#[expect(dead_code, reason = "shared with the tests of storage, which use the rest")]
mod server;

use std::collections::BTreeSet;

use tokio::runtime::Runtime;

use self::server::TestServer;
pub(crate) use self::server::{ACCESS_KEY, BUCKET, SECRET_KEY};

/// A running server.
pub(crate) struct Bucket {
    server: TestServer,
    _runtime: Runtime,
}

impl Bucket {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let server = runtime.block_on(TestServer::start());
        Self { server, _runtime: runtime }
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// An object's bytes.
    pub(crate) fn read(&self, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.server.object_path("").parent()?.parent()?.join(key)).ok()
    }

    /// Requests that bring files of a type are never answered.
    pub(crate) fn hang_on(&self, kind: &str) {
        self.server.plan(kind, server::Fault::Hang, 1_000);
    }

    /// Paths of the requests so far that brought files of a type.
    pub(crate) fn asked_to_keep(&self, kind: &str) -> BTreeSet<String> {
        let is_kind = |seen: &server::Seen| seen.headers.get("content-type").is_some_and(|value| value == kind);
        self.server.seen("PUT object").into_iter().filter(is_kind).map(|seen| seen.line).collect()
    }

    /// The Authorization of every request so far.
    pub(crate) fn credentials(&self) -> Vec<String> {
        let text = |seen: &server::Seen| seen.headers.get("authorization")?.to_str().ok().map(str::to_owned);
        self.server.seen("").iter().filter_map(text).collect()
    }
}
