//! Bytes in the store of which no row tells yet: where they were just promoted, and where an attempt that died before it
//! had written the row has left them.
//!
//! What leads back to such bytes stays in staging until their row is written: the staged file itself where the store is
//! elsewhere, its SHA-256 where the file was moved and its declared identity does not name it.

use std::path::PathBuf;
use std::sync::Arc;

use acervo_core::{BlobDigests, Sha256Digest};
use bytes::Bytes;
use futures::TryStreamExt;

use super::budget::Reservation;
use super::disk::Disk;
use super::error::BlobError;
use super::folder::Folder;
use super::key::BlobKey;
use super::staging::{Expected, Partial, StagingKey, blocking, digester, trail_end};
use super::store::{BlobStore, OpenPlace};

/// Bytes that are hashed at a time.
const HASHED_AT_ONCE: usize = 4 * 1024 * 1024;

/// Bytes in the store for good, of which no row tells yet.
#[derive(Debug)]
#[must_use = "what leads back to the bytes stays in staging until this is settled"]
pub struct Promoted {
    found: BlobDigests,
    trail: Trail,
}

/// What leads back to promoted bytes.
#[derive(Debug)]
pub(super) enum Trail {
    /// Nothing has to: the declared identity names them.
    None,
    /// A file beside where they were staged, which holds their SHA-256.
    File(Disk, PathBuf),
    /// The staged file.
    Staged(Arc<Partial>, Reservation),
}

impl Promoted {
    pub(super) fn new(found: BlobDigests, trail: Trail) -> Promoted {
        Promoted { found, trail }
    }

    /// What the bytes are.
    pub fn digests(&self) -> BlobDigests {
        self.found
    }

    /// Gives up what leads back to the bytes: to be called when their row is written, or when nobody needs one.
    pub async fn settle(self) -> Result<(), BlobError> {
        match self.trail {
            Trail::None => Ok(()),
            Trail::File(disk, path) => {
                blocking(move || disk.remove(&path).map_err(BlobError::io("removing the trail", &path))).await
            }
            Trail::Staged(partial, reservation) => {
                blocking(move || {
                    partial.remove()?;
                    partial.remove_siblings();
                    Ok(())
                })
                .await?;
                drop(reservation);
                Ok(())
            }
        }
    }
}

impl BlobStore {
    /// Takes bytes that are in the store without a row, left there by an attempt that died, if they are what is expected;
    /// they are read and hashed, whatever they are called.
    ///
    /// Wrong ones stay where they are: nobody believes them, and whatever is promoted under their name replaces them. To
    /// remove them would be to remove what another process may have put there a moment ago.
    pub async fn adopt(&self, key: StagingKey, expected: Expected) -> Result<Option<Promoted>, BlobError> {
        let (sha256, trail) = match key {
            StagingKey::Sha256(sha256) => (Some(sha256), Trail::None),
            StagingKey::Git { .. } => {
                let (disk, path) = (self.staging.disk.clone(), self.staging.trail(key));
                let told = path.clone();
                (blocking(move || trail_end(&told)).await?, Trail::File(disk, path))
            }
        };
        let Some(sha256) = sha256 else { return Ok(None) };
        let Some(found) = self.stored(sha256, &expected).await? else { return Ok(None) };
        if let OpenPlace::Folder(folder) = &self.place {
            // Whoever died may not have come to this.
            let (disk, folder) = (self.staging.disk.clone(), folder.clone());
            blocking(move || flush(&disk, &folder, sha256)).await?;
        }
        Ok(Some(Promoted::new(found, trail)))
    }

    /// Digests of the bytes that stand under this name, if they are both what the name says and what is expected.
    pub(super) async fn stored(
        &self,
        sha256: Sha256Digest,
        expected: &Expected,
    ) -> Result<Option<BlobDigests>, BlobError> {
        match self.size_of(sha256).await? {
            None => return Ok(None),
            Some(size) if size == expected.size => {}
            Some(size) => {
                tracing::warn!(blob.sha256 = %sha256, size_bytes = size, "an object without a row has another size than is declared");
                return Ok(None);
            }
        }
        let mut chunks = Box::pin(self.reader(sha256, expected.size).await?.stream(0, expected.size).await?);
        let read = |source| BlobError::Io {
            doing: "reading the blob",
            path: BlobKey::Blob(sha256).path().as_ref().into(),
            source,
        };
        let mut hashed = digester(expected);
        loop {
            let (mut waiting, mut bytes): (Vec<Bytes>, usize) = (Vec::new(), 0);
            while bytes < HASHED_AT_ONCE
                && let Some(chunk) = chunks.try_next().await.map_err(read)?
            {
                bytes += chunk.len();
                waiting.push(chunk);
            }
            if waiting.is_empty() {
                break;
            }
            hashed = blocking(move || {
                waiting.iter().for_each(|chunk| hashed.update(chunk));
                Ok(hashed)
            })
            .await?;
        }
        let found = hashed.finish();
        if found.sha256 == sha256 && expected.matches(&found) {
            return Ok(Some(found));
        }
        tracing::warn!(blob.sha256 = %sha256, found.sha256 = %found.sha256, "an object without a row is not what it is called");
        Ok(None)
    }
}

/// Makes sure that a blob and its name survive a loss of power.
fn flush(disk: &Disk, folder: &Folder, sha256: Sha256Digest) -> Result<(), BlobError> {
    let path = folder.path(BlobKey::Blob(sha256));
    let place = path.parent().unwrap_or(&folder.root);
    let file = std::fs::File::open(&path).map_err(BlobError::io("opening the blob", &path))?;
    disk.sync_file(&file, &path).map_err(BlobError::io("flushing", &path))?;
    disk.create_folders(&folder.root, place)?;
    disk.sync_folder(place)
}
