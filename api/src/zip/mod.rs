//! A zip archive that is never stored: its layout follows from what is known of the files, so that its size, its tag and any
//! range of it are known before a byte is read. Entries are stored uncompressed (what people convert is compressed already)
//! and carry their CRC and size in front, so that every reader can stream them; zip64 where sizes or counts need it.

mod layout;
mod serve;

pub(crate) use layout::{Entry, Layout};
pub(crate) use serve::stream;
