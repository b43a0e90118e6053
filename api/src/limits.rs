//! Limits of the HTTP front, with the defaults that hold on the open internet.

use std::time::Duration;

/// Limits of connections, requests and bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the connection to its first byte, and from the first byte of a request to the end of its headers.
    pub header_timeout: Duration,
    /// From the end of the headers to the first byte of the body.
    pub body_first_byte: Duration,
    /// Longest time that 1 KiB of a body may take to arrive, counted only while we wait for it.
    pub body_stall: Duration,
    /// Longest time that a JSON body may take in all.
    pub body_total: Duration,
    /// Longest time that a client may leave a response unread.
    pub write_stall: Duration,
    /// Longest pause between two requests of one connection.
    pub idle_timeout: Duration,
    /// How long requests in flight may go on after the shutdown has begun.
    pub drain: Duration,
    /// How long connections are still let in, and idle ones kept, at a shutdown: what is on its way by then is answered.
    pub linger: Duration,
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one IPv4 address or one IPv6 /64. The loopback address is exempt unless
    /// [`Limits::count_loopback`]: a reverse proxy connects from there.
    pub connections_per_ip: usize,
    /// Whether `connections_per_ip` holds for the loopback address, too.
    pub count_loopback: bool,
    /// Bytes of a request's line and headers.
    pub header_bytes: usize,
    /// Bytes of the body of `POST /jobs`: a base64 file of 10 MiB and room for tasks.
    pub job_body: usize,
    /// Bytes of the body of `POST /convert`: a file of 32 MiB, and room for a form around it.
    pub convert_body: usize,
    /// How long `POST /convert` waits for its job before it answers 202.
    pub convert_wait: Duration,
    /// How long an upload may be awaited.
    pub upload_lifetime: Duration,
    /// Bytes of any other JSON body.
    pub small_body: usize,
    /// Bytes of all bodies over `small_body` that are held in memory at once; further requests wait their turn.
    pub body_memory: usize,
    /// Bytes of an uploaded file: 5 GiB.
    pub upload: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            body_first_byte: Duration::from_secs(10),
            body_stall: Duration::from_secs(10),
            body_total: Duration::from_secs(120),
            write_stall: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            drain: Duration::from_secs(30),
            linger: Duration::from_millis(250),
            connections: 16_384,
            connections_per_ip: 1_024,
            count_loopback: false,
            header_bytes: 32 << 10,
            job_body: 16 << 20,
            convert_body: (32 << 20) + (64 << 10),
            convert_wait: Duration::from_secs(60),
            upload_lifetime: Duration::from_hours(1),
            small_body: 64 << 10,
            body_memory: 256 << 20,
            upload: 5 << 30,
        }
    }
}
