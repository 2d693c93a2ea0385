//! Uploads of this process: beginning them, taking over those of others, sweeping those of nobody.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acervo_core::{HashState, Sha256Digest, Timestamp};
use bytes::Bytes;
use object_store::multipart::PartId;
use object_store::{ObjectStoreExt, PutPayload};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::upload::Upload;
use super::{Objects, is_lost};
use crate::blob::config::StorageConfig;
use crate::blob::error::BlobError;
use crate::blob::key::BlobKey;
use crate::db::{Database, uploads};

/// Most parts of one upload: stores take 10,000, and a few are left for what cannot be foreseen.
const PARTS_MAX: u64 = 9_000;

/// Parts are whole multiples of this.
const PART_STEP: u64 = 1024 * 1024;

/// Unit in which the memory of parts on their way is counted.
const MEMORY_UNIT: u64 = 64 * 1024;

/// How often the holder of an upload says that it is alive.
pub(super) const BEAT: Duration = Duration::from_secs(5);

/// Silence after which the holder of an upload is taken for dead.
const SILENCE_MILLIS: i64 = 20_000;

/// Uploads that one sweep looks at.
const SWEEP_MAX: u64 = 1_000;

/// How far an upload got in order, with the SHA-256 state after it: where another worker may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::blob) struct ResumePoint {
    /// Bytes that have arrived, from the first one on.
    pub(in crate::blob) end: u64,
    /// State of the SHA-256 after them.
    pub(in crate::blob) state: HashState,
}

/// The object-store side of the store; a folder store has none.
#[derive(Clone, Debug)]
pub(in crate::blob) struct Uploads {
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) objects: Objects,
    pub(super) db: Database,
    /// This store instance, as rows name it.
    holder: Uuid,
    part_bytes_min: u64,
    /// Memory for parts on their way.
    memory: Arc<Semaphore>,
    memory_units: u32,
    /// Uploads that somebody in this process works on, by their rows.
    live: Mutex<HashSet<i64>>,
}

impl Uploads {
    /// Those of a folder store: none.
    pub(in crate::blob) fn none() -> Uploads {
        Uploads { inner: None }
    }

    /// Uploads into `objects`, journalled in `database`.
    pub(in crate::blob) fn new(objects: &Objects, database: &Database, storage: &StorageConfig) -> Uploads {
        let part_bytes_min = storage.upload_part_bytes.max(1);
        let units = u64::from(storage.upload_parts_at_once.max(1)) * part_bytes_min.div_ceil(MEMORY_UNIT);
        // The semaphore's own limit is far beyond any memory.
        let memory_units = u32::try_from(units).unwrap_or(u32::MAX >> 3).min(u32::MAX >> 3);
        let inner = Inner {
            objects: objects.clone(),
            db: database.clone(),
            holder: Uuid::now_v7(),
            part_bytes_min,
            memory: Arc::new(Semaphore::new(memory_units as usize)),
            memory_units,
            live: Mutex::new(HashSet::new()),
        };
        Uploads { inner: Some(Arc::new(inner)) }
    }

    /// Begins, or goes on with, the upload of a content whose SHA-256 is declared. `None` for a folder store, and for
    /// contents that are small enough to be [`Uploads::put`] in one piece.
    ///
    /// An upload that somebody else works on is left alone: this one begins beside it.
    pub(in crate::blob) async fn begin(&self, sha256: Sha256Digest, size: u64) -> Result<Option<Upload>, BlobError> {
        let Some(inner) = &self.inner else { return Ok(None) };
        if size <= self.part_bytes(size) {
            return Ok(None);
        }
        let now = uploads::now(inner.db.reader()).await?;
        for found in uploads::idle(inner.db.reader(), sha256, size, inner.holder, silent_since(now)).await? {
            // Claimed here first: between two statements, nobody in this process may take it for forgotten.
            let Some(claim) = Claim::new(inner, found.id) else { continue };
            let Some(row) = uploads::take_over(inner.db.writer(), &found, inner.holder, now).await? else { continue };
            let parts = uploads::parts(inner.db.reader(), row.id).await?;
            tracing::info!(blob.sha256 = %sha256, upload.parts = parts.len(), "going on with an upload");
            return Ok(Some(Upload::new(inner, row, parts, claim)));
        }
        let (path, part_bytes) = (inner.objects.path(BlobKey::Blob(sha256)), self.part_bytes(size));
        let upload_id =
            inner.objects.raw().create_multipart(&path).await.map_err(BlobError::store("beginning an upload"))?;
        let row = uploads::insert(inner.db.writer(), sha256, size, part_bytes, &upload_id, inner.holder, now).await;
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                // Nobody would find it to sweep it.
                if let Err(error) = inner.objects.raw().abort_multipart(&path, &upload_id).await {
                    tracing::warn!(blob.sha256 = %sha256, error = %error, "an upload that could not be recorded stays in the object store");
                }
                return Err(error.into());
            }
        };
        // A row that was just made is nobody else's.
        let claim = Claim::new(inner, row.id).ok_or_else(|| BlobError::Overtaken(sha256.to_hex()))?;
        Ok(Some(Upload::new(inner, row, Vec::new(), claim)))
    }

    /// Puts a whole content of at most one part.
    pub(in crate::blob) async fn put(&self, sha256: Sha256Digest, bytes: Bytes) -> Result<(), BlobError> {
        let Some(inner) = &self.inner else {
            return Err(BlobError::Config("a folder takes no uploads".to_owned()));
        };
        let _memory = inner.memory_for(bytes.len()).await?;
        let path = inner.objects.path(BlobKey::Blob(sha256));
        inner
            .objects
            .raw()
            .put(&path, PutPayload::from_bytes(bytes))
            .await
            .map_err(BlobError::store("putting a blob"))?;
        Ok(())
    }

    /// Equal part size for a content of this size.
    pub(in crate::blob) fn part_bytes(&self, size: u64) -> u64 {
        let least = self.inner.as_ref().map_or(PART_STEP, |inner| inner.part_bytes_min);
        let needed = size.div_ceil(PARTS_MAX);
        if needed <= least { least } else { needed.next_multiple_of(PART_STEP) }
    }

    /// Aborts uploads that nobody has touched for so long, and those that could not be aborted before; returns how
    /// many are gone.
    pub(in crate::blob) async fn sweep(&self, age_seconds: u64) -> Result<u64, BlobError> {
        let Some(inner) = &self.inner else { return Ok(0) };
        let now = uploads::now(inner.db.reader()).await?;
        let age = i64::try_from(age_seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
        let before = Timestamp::from_millis(now.as_millis().saturating_sub(age));
        let found = uploads::stale(inner.db.reader(), before, inner.holder, silent_since(now), SWEEP_MAX).await?;
        inner.give_up(found, now).await
    }

    /// Contents of which an upload lies about that nobody works on, however young.
    pub(in crate::blob) async fn idle(&self) -> Result<Vec<Sha256Digest>, BlobError> {
        let Some(inner) = &self.inner else { return Ok(Vec::new()) };
        let now = uploads::now(inner.db.reader()).await?;
        let found = uploads::stale(inner.db.reader(), now, inner.holder, silent_since(now), SWEEP_MAX).await?;
        Ok(found.into_iter().filter(|row| !inner.is_live(row.id)).map(|row| row.sha256).collect())
    }

    /// Aborts the uploads of these contents that nobody works on; returns how many are gone.
    pub(in crate::blob) async fn abort_idle(&self, contents: &HashSet<Sha256Digest>) -> Result<u64, BlobError> {
        let Some(inner) = &self.inner else { return Ok(0) };
        let now = uploads::now(inner.db.reader()).await?;
        let mut found = uploads::stale(inner.db.reader(), now, inner.holder, silent_since(now), SWEEP_MAX).await?;
        found.retain(|row| contents.contains(&row.sha256));
        inner.give_up(found, now).await
    }
}

impl Inner {
    /// Waits until so many bytes may be on their way; what is larger than all the memory goes alone.
    pub(super) async fn memory_for(&self, bytes: usize) -> Result<OwnedSemaphorePermit, BlobError> {
        let units = u32::try_from((bytes as u64).div_ceil(MEMORY_UNIT)).unwrap_or(u32::MAX);
        let memory = Arc::clone(&self.memory).acquire_many_owned(units.clamp(1, self.memory_units)).await;
        memory.map_err(|_| BlobError::Config("the object store is closed".to_owned()))
    }

    /// Where the object of an upload stands.
    pub(super) fn path(&self, row: &uploads::Upload) -> object_store::path::Path {
        self.objects.path(BlobKey::Blob(row.sha256))
    }

    /// Aborts an upload that was given up; its row stays until the store has said so.
    pub(super) async fn abort(&self, row: &uploads::Upload) -> Result<(), BlobError> {
        match self.objects.raw().abort_multipart(&self.path(row), &row.upload_id).await {
            Err(error) if !is_lost(&error) => return Err(BlobError::store("aborting an upload")(error)),
            _ => {}
        }
        uploads::remove(self.db.writer(), row).await?;
        Ok(())
    }

    /// Aborts uploads, but for those that this process works on; returns how many are gone.
    async fn give_up(self: &Arc<Self>, found: Vec<uploads::Upload>, now: Timestamp) -> Result<u64, BlobError> {
        let mut gone = 0;
        for found in found {
            let Some(_claim) = Claim::new(self, found.id) else { continue };
            if !uploads::give_up(self.db.writer(), &found, now).await? {
                continue;
            }
            match self.abort(&found).await {
                Ok(()) => gone += 1,
                Err(error) => {
                    tracing::warn!(blob.sha256 = %found.sha256, error = %error, "an upload could not be aborted and is tried again");
                }
            }
        }
        Ok(gone)
    }

    /// Whether somebody in this process works on an upload.
    fn is_live(&self, id: i64) -> bool {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    /// Sends one part; the part's name at the store.
    pub(super) async fn send_part(&self, row: &uploads::Upload, index: u32, bytes: Bytes) -> Result<PartId, BlobError> {
        let payload = PutPayload::from_bytes(bytes);
        let sent = self.objects.raw().put_part(&self.path(row), &row.upload_id, index as usize, payload).await;
        sent.map_err(|error| {
            if is_lost(&error) {
                BlobError::UploadLost(row.sha256.to_hex())
            } else {
                BlobError::store("sending a part")(error)
            }
        })
    }

    /// Records a part that has arrived.
    pub(super) async fn record_part(&self, row: &uploads::Upload, part: &uploads::Part) -> Result<(), BlobError> {
        let now = uploads::now(self.db.reader()).await?;
        let tx = self.db.begin().await?;
        if !uploads::touch(&tx, row, now).await? {
            return Err(BlobError::Overtaken(row.sha256.to_hex()));
        }
        uploads::record_part(&tx, row, part).await?;
        Ok(crate::db::commit(tx).await?)
    }

    /// Says that an upload is alive.
    pub(super) async fn touch(&self, row: &uploads::Upload) -> Result<bool, BlobError> {
        let now = uploads::now(self.db.reader()).await?;
        Ok(uploads::touch(self.db.writer(), row, now).await?)
    }
}

/// An upload that somebody in this process works on; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    inner: Arc<Inner>,
    id: i64,
}

impl Claim {
    /// Claims an upload, unless it is claimed already.
    fn new(inner: &Arc<Inner>, id: i64) -> Option<Claim> {
        let is_new = inner.live.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        is_new.then(|| Claim { inner: Arc::clone(inner), id })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.inner.live.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// A holder that said nothing since then is taken for dead.
fn silent_since(now: Timestamp) -> Timestamp {
    Timestamp::from_millis(now.as_millis() - SILENCE_MILLIS)
}

/// The parts that have arrived in order, from the first one on, without a gap.
pub(super) fn in_order(row: &uploads::Upload, parts: Vec<uploads::Part>) -> (BTreeMap<u32, PartId>, Vec<ResumePoint>) {
    let (mut ids, mut points) = (BTreeMap::new(), Vec::new());
    for (expected, part) in (0..).zip(parts) {
        if part.number != expected {
            break;
        }
        let end = (u64::from(part.number) + 1).saturating_mul(row.part_bytes).min(row.size);
        ids.insert(part.number, PartId { content_id: part.part_id });
        points.push(ResumePoint { end, state: part.state });
    }
    (ids, points)
}
