//! Contents of entries: opening them for reading, remembering small ones.

use std::sync::Arc;

use acervo_core::Sha256Digest;
use acervo_core::access::Openable;
use acervo_store::blob::{BlobError, BlobReader};
use acervo_store::db::repos::Repo;
use acervo_store::db::trees::StoredEntry;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;

use crate::context::Hub;
use crate::error::HubError;

/// Largest contents that are remembered whole, in bytes: what every client asks for before the weights.
pub const SMALL_BYTES_MAX: u64 = 64 * 1024;

/// The verified bytes of a file, to be opened.
pub async fn reader(hub: &Hub, _repo: &Openable<Arc<Repo>>, file: &StoredEntry) -> Result<BlobReader, HubError> {
    Ok(hub.blobs().reader(blob_of(file)?, file.entry.size).await?)
}

/// The verified bytes of a small file, as a whole; `None` if it is not small.
pub async fn small(hub: &Hub, repo: &Openable<Arc<Repo>>, file: &StoredEntry) -> Result<Option<Bytes>, HubError> {
    if file.entry.size > SMALL_BYTES_MAX {
        return Ok(None);
    }
    let read = async || part(hub, repo, file, 0, file.entry.size).await;
    Ok(Some(hub.caches().contents.get_or(ALWAYS, blob_of(file)?, read).await?))
}

/// A part of a file, as a whole; callers bound its length.
pub(super) async fn part(
    hub: &Hub,
    repo: &Openable<Arc<Repo>>,
    file: &StoredEntry,
    start: u64,
    end: u64,
) -> Result<Bytes, HubError> {
    let chunks = reader(hub, repo, file).await?.stream(start, end).await?;
    let whole = chunks.try_fold(BytesMut::new(), async |mut whole, chunk| {
        whole.extend_from_slice(&chunk);
        Ok(whole)
    });
    // Nothing was sent yet, so whoever asked can be told to come again.
    Ok(whole.await.map_err(BlobError::reading)?.freeze())
}

/// Contents never change, hence they are remembered beyond every change.
const ALWAYS: u64 = 0;

fn blob_of(file: &StoredEntry) -> Result<Sha256Digest, HubError> {
    file.blob.ok_or_else(|| HubError::NotYet { what: format!("`{}`", file.entry.path), retry_after_seconds: 10 })
}
