//! The way in: staging, promoting verified bytes, sweeping what was left behind.

use std::collections::HashSet;

use acervo_core::Sha256Digest;

use super::disk::Disk;
use super::error::BlobError;
use super::folder::Folder;
use super::key::BlobKey;
use super::promoted::{Promoted, Trail};
use super::staging::{Expected, Leftover, Quarantined, Staged, StagingKey, Verified, blocking, send_whole};
use super::store::{BlobStore, OpenPlace};

/// Most times that one content is sent to an object store that keeps losing it. On Azure, whoever completes an upload
/// takes all others of the same content with it: each loss there is somebody else's success.
const SENT_MAX: u32 = 10;

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Partial files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl BlobStore {
    /// Opens a staged content, with what an earlier attempt left of it; for an object store, uploads begin with it.
    pub async fn stage(&self, key: StagingKey, expected: Expected) -> Result<Staged, BlobError> {
        self.staging.stage(key, expected, &self.uploads).await
    }

    /// Makes verified bytes readable under their SHA-256. When this returns, they survive a loss of power; what leads back
    /// to them stays until the row is written that tells of them, and [`Promoted::settle`] is called.
    ///
    /// After [`BlobError::UploadLost`], staging has not all of the bytes; the content has to be staged once more.
    pub async fn promote(&self, verified: Verified) -> Result<Promoted, BlobError> {
        match &self.place {
            OpenPlace::Folder(folder) => {
                let (disk, folder) = (self.staging.disk.clone(), folder.clone());
                blocking(move || keep(&disk, &folder, &verified)).await
            }
            OpenPlace::Objects(_) => self.send(verified).await,
        }
    }

    /// Completes the upload of verified bytes, sending them again where the store has lost them.
    async fn send(&self, verified: Verified) -> Result<Promoted, BlobError> {
        let Verified { partial, found, mut upload, borrowed, reservation, .. } = verified;
        let expected = Expected { size: found.size, sha256: Some(found.sha256), git_oid: None };
        let mut sent = 1;
        loop {
            let done = match upload.take() {
                Some(upload) => upload.complete().await,
                None => send_whole(&partial, &found, &self.uploads).await,
            };
            match done {
                Ok(()) => break,
                // What the store says it has lost, it may have completed a moment ago without saying so.
                Err(BlobError::UploadLost(_)) if matches!(self.stored(found.sha256, &expected).await, Ok(Some(_))) => {
                    break;
                }
                Err(error @ (BlobError::UploadLost(_) | BlobError::Overtaken(_)))
                    if borrowed == 0 && sent < SENT_MAX =>
                {
                    tracing::warn!(blob.sha256 = %found.sha256, error = %error, "verified bytes are uploaded once more");
                    sent += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Promoted::new(found, Trail::Staged(partial, reservation)))
    }

    /// Removes quarantined bytes that accuse nobody.
    pub async fn discard(&self, quarantined: Quarantined) -> Result<(), BlobError> {
        let (disk, path) = (self.staging.disk.clone(), quarantined.path);
        blocking(move || disk.remove(&path).map_err(BlobError::io("removing from quarantine", &path))).await
    }

    /// Every partial content in staging, those that somebody works on included.
    pub async fn partials(&self) -> Result<Vec<Leftover>, BlobError> {
        let staging = self.staging.clone();
        blocking(move || staging.partials()).await
    }

    /// Removes a partial content that nobody will go on with, unless somebody works on it; returns whether it did.
    pub async fn remove_partial(&self, leftover: Leftover) -> Result<bool, BlobError> {
        let staging = self.staging.clone();
        blocking(move || staging.remove(&leftover)).await
    }

    /// Contents of which an upload to the object store lies about that nobody works on.
    pub async fn idle_uploads(&self) -> Result<Vec<Sha256Digest>, BlobError> {
        self.uploads.idle().await
    }

    /// Aborts the uploads of these contents that nobody works on; returns how many are gone.
    pub async fn abort_uploads(&self, contents: &HashSet<Sha256Digest>) -> Result<u64, BlobError> {
        self.uploads.abort_idle(contents).await
    }

    /// Removes partial files that nobody works on and that are older than `age_seconds`, and uploads likewise.
    pub async fn sweep_staging(&self, age_seconds: u64) -> Result<Swept, BlobError> {
        let staging = self.staging.clone();
        let (files, bytes) = blocking(move || staging.sweep(age_seconds)).await?;
        self.uploads.sweep(age_seconds).await?;
        Ok(Swept { files, bytes })
    }
}

/// Moves verified bytes into the folder store. In this order, no name stands for bytes that are not on disk.
fn keep(disk: &Disk, folder: &Folder, verified: &Verified) -> Result<Promoted, BlobError> {
    let (partial, sha256) = (&verified.partial, verified.found.sha256);
    let target = folder.path(BlobKey::Blob(sha256));
    partial.sync()?;
    partial.close_note()?;
    let place = target.parent().unwrap_or(&folder.root);
    disk.create_folders(&folder.root, place)?;
    let trail = if verified.is_named { Trail::None } else { Trail::File(disk.clone(), partial.leave_trail(sha256)?) };
    disk.rename(&partial.path, &target).map_err(BlobError::io("moving into the store", &target))?;
    disk.sync_folder(place)?;
    partial.remove_siblings();
    Ok(Promoted::new(verified.found, trail))
}
