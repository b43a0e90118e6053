//! The packets between a node and its child: one JSON message each, descriptors beside it.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lockdown::Report;
use crate::Failure;

/// Bytes of JSON in a packet, at most. A Unix socket takes 208 KiB at once by default (net.core.wmem_default).
pub const MAX_PACKET_BYTES: usize = 128 << 10;

/// Descriptors beside a packet, at most; the kernel's own bound is 253 (SCM_MAX_FD).
pub const MAX_FILES: usize = 250;

/// From the node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToChild {
    /// Work, with that many descriptors beside it.
    Run { id: u64, files: usize, job: Value },
    /// The work is no longer wanted.
    Cancel { id: u64 },
}

/// From the child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToNode {
    /// Confined and waiting for work.
    Ready(Report),
    /// How far a piece of work is, 0 to 1.
    Progress { id: u64, share: f64 },
    /// The end of a piece of work.
    Done { id: u64, result: Result<Value, Failure> },
}

/// Both ends of a control socket, closed on exec.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// The bytes of a message, or its length when that exceeds [`MAX_PACKET_BYTES`].
pub(super) fn encode(message: &impl Serialize) -> Result<Vec<u8>, usize> {
    let bytes = serde_json::to_vec(message).map_err(|_| 0_usize)?;
    if bytes.len() > MAX_PACKET_BYTES { Err(bytes.len()) } else { Ok(bytes) }
}

/// Sends one packet, whole or not at all.
pub(super) fn send(socket: impl AsFd, bytes: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} files, at most {MAX_FILES} are taken", files.len())));
    }
    rustix::io::retry_on_intr(|| rustix::net::sendmsg(&socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// A packet as it came.
pub(super) struct Packet<T> {
    pub(super) message: T,
    pub(super) files: Vec<File>,
}

/// Receives one packet with its descriptors; `None` when the other end is closed.
pub(super) fn receive_with_files<T: DeserializeOwned>(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Option<Packet<T>>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = receive_into(socket, buffer, &mut control)?;
    let mut files = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = part {
            files.extend(received.map(File::from));
        }
    }
    Ok(message.map(|message| Packet { message, files }))
}

/// Receives one packet without room for descriptors, so that none is installed in this process whatever the other end sends; `None`
/// when it is closed.
pub(super) fn receive<T: DeserializeOwned>(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Option<T>> {
    receive_into(socket, buffer, &mut RecvAncillaryBuffer::default())
}

fn receive_into<T: DeserializeOwned>(
    socket: impl AsFd,
    buffer: &mut [u8],
    control: &mut RecvAncillaryBuffer<'_>,
) -> io::Result<Option<T>> {
    let received = rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(&socket, &mut [IoSliceMut::new(buffer)], control, RecvFlags::CMSG_CLOEXEC)
    })?;
    if received.bytes == 0 {
        return Ok(None);
    }
    if received.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a packet of more than {MAX_PACKET_BYTES} bytes")));
    }
    let bytes = buffer.get(..received.bytes).unwrap_or_default();
    Ok(Some(serde_json::from_slice(bytes)?))
}
