//! The bytes of an archive, read from storage as the client takes them.

use std::io;

use bytes::Bytes;
use convertfly_scheduler::storage::{Storage, StorageKey};
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::Layout;
use super::layout::Piece;

/// The bytes `first..=last` of an archive whose files have these keys. One block of one file is in memory at a time; a file
/// that is not what it was ends the stream with an error, which the client sees as a broken download.
pub(crate) fn stream(
    storage: Storage,
    layout: &Layout,
    keys: Vec<StorageKey>,
    (first, last): (u64, u64),
) -> BoxStream<'static, io::Result<Bytes>> {
    let pieces = layout.slice(first, last);
    stream::iter(pieces)
        .then(move |piece| {
            let (storage, key) = match &piece {
                Piece::File(index, _) => (storage.clone(), keys.get(*index).cloned()),
                Piece::Bytes(_) => (storage.clone(), None),
            };
            async move {
                let range = match piece {
                    Piece::Bytes(bytes) => return Ok(stream::iter([Ok(bytes)]).boxed()),
                    Piece::File(_, range) => range,
                };
                let key = key.ok_or_else(|| io::Error::other("a file of the archive has no key"))?;
                let object = storage.get(&key, Some((range.start, range.end - 1))).await.map_err(io::Error::other)?;
                if object.length != range.end - range.start {
                    return Err(io::Error::other("a file of the archive has another size than when it was stored"));
                }
                Ok(object.stream)
            }
        })
        .try_flatten()
        .boxed()
}
