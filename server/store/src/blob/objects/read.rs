//! Reading an object by ranges, as one stream that survives broken connections.
//!
//! Whatever breaks, the bytes handed out are those of the object, in order, each once: the rest is asked for anew from
//! the first byte that has not arrived, or the stream ends with an error.

use std::io;

use acervo_core::Sha256Digest;
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use object_store::{GetOptions, GetRange, ObjectStore};

use super::Objects;
use crate::blob::error::BlobError;
use crate::blob::key::BlobKey;

/// Bytes that are collected before they are handed out: pieces of a connection are often far smaller.
const CHUNK_BYTES_MIN: usize = 128 * 1024;

/// Most bytes handed out at a time.
const CHUNK_BYTES_MAX: usize = 1024 * 1024;

/// How often a range is asked for anew without a single byte in between.
const BARREN_ATTEMPTS_MAX: u32 = 3;

type Body = BoxStream<'static, object_store::Result<Bytes>>;

/// Opens the bytes of a blob from `start` up to, not including, `end`.
///
/// When this returns, the object is there and has `size` bytes.
pub(in crate::blob) async fn read(
    objects: Objects,
    sha256: Sha256Digest,
    size: u64,
    start: u64,
    end: u64,
) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static, BlobError> {
    // There is no range of no bytes.
    let body = if start < end { Some(open(&objects, sha256, size, start, end).await?) } else { None };
    let rest = Rest { objects, sha256, size, at: start, end, body, barren: 0, collected: BytesMut::new() };
    Ok(futures::stream::try_unfold(rest, |mut rest| async move {
        let chunk = rest.next().await?;
        Ok(chunk.map(|chunk| (chunk, rest)))
    }))
}

/// Asks for a range; the size comes with the answer.
async fn open(objects: &Objects, sha256: Sha256Digest, size: u64, start: u64, end: u64) -> Result<Body, BlobError> {
    let path = objects.path(BlobKey::Blob(sha256));
    let options = GetOptions { range: Some(GetRange::Bounded(start..end)), ..GetOptions::default() };
    match objects.within("opening a blob", objects.raw().get_opts(&path, options)).await? {
        Ok(found) if found.meta.size == size => Ok(found.into_stream()),
        Ok(found) => Err(BlobError::Damaged { sha256: sha256.to_hex(), recorded: size, found: found.meta.size }),
        Err(object_store::Error::NotFound { .. }) => Err(BlobError::Missing(sha256.to_hex())),
        Err(error) if super::is_transient(&error) => Err(BlobError::store("opening a blob")(error)),
        // A range that the store refuses, or answers with another one, mostly means that the object is shorter.
        Err(error) => match objects.size_of(sha256).await? {
            Some(found) if found != size => Err(BlobError::Damaged { sha256: sha256.to_hex(), recorded: size, found }),
            _ => Err(BlobError::store("opening a blob")(error)),
        },
    }
}

/// What is still to be handed out.
struct Rest {
    objects: Objects,
    sha256: Sha256Digest,
    size: u64,
    /// First byte that has not arrived.
    at: u64,
    end: u64,
    body: Option<Body>,
    /// Attempts since a byte arrived.
    barren: u32,
    collected: BytesMut,
}

impl Rest {
    /// The next chunk; `None` when all of them were handed out.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while self.at < self.end && self.collected.len() < CHUNK_BYTES_MIN {
            match self.piece().await? {
                // Nothing waits before it, and it is large enough: no need to copy it.
                Some(piece)
                    if self.collected.is_empty() && (CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(&piece.len()) =>
                {
                    return Ok(Some(piece));
                }
                Some(piece) => self.collected.extend_from_slice(&piece),
                None => {}
            }
        }
        let length = self.collected.len().min(CHUNK_BYTES_MAX);
        Ok((length > 0).then(|| self.collected.split_to(length).freeze()))
    }

    /// The next piece that arrives, never beyond the end; `None` if the connection broke and was made anew.
    async fn piece(&mut self) -> io::Result<Option<Bytes>> {
        let broke = match &mut self.body {
            Some(body) => match body.next().await {
                Some(Ok(mut piece)) if !piece.is_empty() => {
                    let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
                    piece.truncate(left);
                    self.at += piece.len() as u64;
                    self.barren = 0;
                    return Ok(Some(piece));
                }
                Some(Ok(_)) => return Ok(None),
                Some(Err(error)) => error.to_string(),
                None => "the answer ended early".to_owned(),
            },
            None => "the object store did not answer".to_owned(),
        };
        self.body = None;
        self.barren += 1;
        if self.barren > BARREN_ATTEMPTS_MAX {
            let (sha256, at) = (self.sha256.to_string(), self.at);
            return Err(io::Error::other(BlobError::BrokeOff { sha256, at, why: broke }));
        }
        tracing::info!(blob.sha256 = %self.sha256, blob.at = self.at, error = broke, "a read from the object store broke and goes on");
        match open(&self.objects, self.sha256, self.size, self.at, self.end).await {
            Ok(body) => self.body = Some(body),
            Err(error) if error.is_transient() => {}
            Err(error) => return Err(io::Error::other(error)),
        }
        Ok(None)
    }
}
