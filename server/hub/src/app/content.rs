//! Contents of entries: opening them for reading.

use std::sync::Arc;

use acervo_core::access::Readable;
use acervo_store::blob::BlobReader;
use acervo_store::db::repos::Repo;
use acervo_store::db::trees::StoredEntry;

use crate::context::Hub;
use crate::error::HubError;

/// Opens the verified bytes of a file.
pub fn open(hub: &Hub, _repo: &Readable<Arc<Repo>>, file: &StoredEntry) -> Result<BlobReader, HubError> {
    let Some(sha256) = file.blob else {
        return Err(HubError::NotYet { what: format!("`{}`", file.entry.path), retry_after_seconds: 10 });
    };
    let reader = hub.blobs().reader(sha256)?;
    if reader.size() != file.entry.size {
        return Err(HubError::Internal(format!(
            "the blob {sha256} has {} bytes where {} are recorded",
            reader.size(),
            file.entry.size
        )));
    }
    Ok(reader)
}
