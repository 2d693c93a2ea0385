//! Contents of entries: opening them for reading.

use std::sync::Arc;

use acervo_core::access::Openable;
use acervo_store::blob::BlobReader;
use acervo_store::db::repos::Repo;
use acervo_store::db::trees::StoredEntry;

use crate::context::Hub;
use crate::error::HubError;

/// The verified bytes of a file, to be opened.
pub async fn reader(hub: &Hub, _repo: &Openable<Arc<Repo>>, file: &StoredEntry) -> Result<BlobReader, HubError> {
    let Some(sha256) = file.blob else {
        return Err(HubError::NotYet { what: format!("`{}`", file.entry.path), retry_after_seconds: 10 });
    };
    Ok(hub.blobs().reader(sha256, file.entry.size).await?)
}
