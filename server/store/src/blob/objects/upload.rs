//! One upload in parts, on the key where the blob will stand.

use std::collections::BTreeMap;
use std::sync::Arc;

use acervo_core::HashState;
use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::multipart::PartId;
use tokio::task::{JoinError, JoinSet};
use tokio_util::task::AbortOnDropHandle;

use super::is_lost;
use super::uploads::{BEAT, Claim, Inner, ResumePoint, in_order};
use crate::blob::error::BlobError;
use crate::db::uploads;

/// A content on its way into the object store, in equal parts of which the last may be smaller.
///
/// Dropped without [`Upload::park`], it leaves its parts and rows, too; only a part that was on its way is lost.
#[derive(Debug)]
pub(in crate::blob) struct Upload {
    inner: Arc<Inner>,
    row: uploads::Upload,
    points: Vec<ResumePoint>,
    arrived: BTreeMap<u32, PartId>,
    on_their_way: JoinSet<Result<(u32, PartId), BlobError>>,
    /// What ended it; told once to whoever asks next.
    failed: Option<BlobError>,
    /// Says that it is alive, for as long as it is.
    _beat: AbortOnDropHandle<()>,
    _claim: Claim,
}

impl Upload {
    pub(super) fn new(inner: &Arc<Inner>, row: uploads::Upload, parts: Vec<uploads::Part>, claim: Claim) -> Upload {
        let (arrived, points) = in_order(&row, parts);
        let beat = tokio::spawn(beat(Arc::clone(inner), row.clone()));
        Upload {
            inner: Arc::clone(inner),
            row,
            points,
            arrived,
            on_their_way: JoinSet::new(),
            failed: None,
            _beat: AbortOnDropHandle::new(beat),
            _claim: claim,
        }
    }

    /// Bytes of each part but the last.
    pub(in crate::blob) fn part_bytes(&self) -> u64 {
        self.row.part_bytes
    }

    /// Finished parts in order, from part 0, without a gap.
    pub(in crate::blob) fn resume_points(&self) -> &[ResumePoint] {
        &self.points
    }

    /// Whether a part has not arrived yet, or has not been recorded.
    #[cfg(test)]
    pub(super) fn part_is_on_its_way(&mut self) -> bool {
        while let Some(ended) = self.on_their_way.try_join_next() {
            self.note(ended);
        }
        !self.on_their_way.is_empty()
    }

    /// Sends part `index` (from 0) of these bytes, after which the SHA-256 is in `state`.
    ///
    /// Waits while the parts on their way take all the memory they may; returns when the part is handed over, not when
    /// it has arrived. What went wrong with parts before is told here.
    pub(in crate::blob) async fn part(&mut self, index: u32, bytes: Bytes, state: HashState) -> Result<(), BlobError> {
        self.check_length(index, bytes.len() as u64)?;
        let memory = self.inner.memory_for(bytes.len()).await?;
        while let Some(ended) = self.on_their_way.try_join_next() {
            self.note(ended);
        }
        self.tell_failure().await?;
        let (inner, row) = (Arc::clone(&self.inner), self.row.clone());
        self.on_their_way.spawn(async move {
            let part_id = inner.send_part(&row, index, bytes).await?;
            drop(memory);
            let part = uploads::Part { number: index, part_id: part_id.content_id.clone(), state };
            inner.record_part(&row, &part).await?;
            Ok((index, part_id))
        });
        Ok(())
    }

    /// Waits for all parts and completes the object; to be called only after the digest matched.
    ///
    /// [`BlobError::UploadLost`] if the store has forgotten the upload or refuses its parts: nothing of it is left, the
    /// caller begins again and sends everything from staging.
    pub(in crate::blob) async fn complete(mut self) -> Result<(), BlobError> {
        self.settle().await?;
        let expected = self.row.size.div_ceil(self.row.part_bytes);
        if self.arrived.len() as u64 != expected {
            return Err(BlobError::Config(format!(
                "an upload of {expected} parts was to be completed after {}; start the transfer again",
                self.arrived.len()
            )));
        }
        // Overtaken just now: the parts may be another's by this moment, and are its to complete.
        if !self.inner.touch(&self.row).await? {
            return Err(BlobError::Overtaken(self.row.sha256.to_hex()));
        }
        let path = self.inner.path(&self.row);
        let parts = std::mem::take(&mut self.arrived).into_values().collect();
        match self.inner.objects.raw().complete_multipart(&path, &self.row.upload_id, parts).await {
            Ok(_) => {}
            Err(error) if is_lost(&error) => {
                tracing::warn!(blob.sha256 = %self.row.sha256, error = %error, "the object store does not complete an upload");
                self.discard().await?;
                return Err(BlobError::UploadLost(self.row.sha256.to_hex()));
            }
            Err(error) => return Err(BlobError::store("completing an upload")(error)),
        }
        let stored = self.inner.objects.raw().head(&path).await.map_err(BlobError::store("checking an upload"))?;
        uploads::remove(self.inner.db.writer(), &self.row).await?;
        if stored.size != self.row.size {
            let (recorded, found) = (self.row.size, stored.size);
            return Err(BlobError::Damaged { sha256: self.row.sha256.to_hex(), recorded, found });
        }
        Ok(())
    }

    /// Leaves parts and rows for a later attempt, after waiting for the parts on their way.
    pub(in crate::blob) async fn park(mut self) -> Result<(), BlobError> {
        let settled = self.settle().await;
        if !matches!(settled, Err(BlobError::UploadLost(_) | BlobError::Overtaken(_))) {
            let now = uploads::now(self.inner.db.reader()).await?;
            uploads::park(self.inner.db.writer(), &self.row, now).await?;
        }
        settled
    }

    /// Removes the upload and its rows. Where the store cannot be told now, a sweep does it later.
    pub(in crate::blob) async fn abort(mut self) -> Result<(), BlobError> {
        self.on_their_way.shutdown().await;
        self.discard().await
    }

    async fn discard(&self) -> Result<(), BlobError> {
        let now = uploads::now(self.inner.db.reader()).await?;
        if uploads::give_up(self.inner.db.writer(), &self.row, now).await?
            && let Err(error) = self.inner.abort(&self.row).await
        {
            tracing::warn!(blob.sha256 = %self.row.sha256, error = %error, "an upload could not be aborted and is swept later");
        }
        Ok(())
    }

    /// Waits for the parts on their way.
    async fn settle(&mut self) -> Result<(), BlobError> {
        while let Some(ended) = self.on_their_way.join_next().await {
            self.note(ended);
        }
        self.tell_failure().await
    }

    fn note(&mut self, ended: Result<Result<(u32, PartId), BlobError>, JoinError>) {
        match ended {
            Ok(Ok((index, part_id))) => {
                self.arrived.insert(index, part_id);
            }
            // The first one tells most, but that the upload is gone or another's matters more than any other.
            Ok(Err(error)) => {
                let decides = matches!(error, BlobError::UploadLost(_) | BlobError::Overtaken(_));
                if self.failed.is_none() || decides {
                    self.failed = Some(error);
                }
            }
            Err(error) => {
                self.failed.get_or_insert(BlobError::Config(format!("sending a part ended unexpectedly: {error}")));
            }
        }
    }

    /// Tells what went wrong; an upload that is lost leaves no row.
    async fn tell_failure(&mut self) -> Result<(), BlobError> {
        let Some(error) = self.failed.take() else { return Ok(()) };
        if matches!(error, BlobError::UploadLost(_)) {
            self.on_their_way.shutdown().await;
            self.discard().await?;
        }
        Err(error)
    }

    /// A part of any other length would shift all that follow.
    fn check_length(&self, index: u32, length: u64) -> Result<(), BlobError> {
        let start = u64::from(index).saturating_mul(self.row.part_bytes);
        let expected = self.row.size.saturating_sub(start).min(self.row.part_bytes);
        if length == expected && length > 0 {
            return Ok(());
        }
        Err(BlobError::Config(format!("part {index} of an upload has {length} bytes instead of {expected}")))
    }
}

/// Says again and again that an upload is alive, until somebody else has it.
async fn beat(inner: Arc<Inner>, row: uploads::Upload) {
    loop {
        tokio::time::sleep(BEAT).await;
        match inner.touch(&row).await {
            Ok(true) => {}
            // Whoever sends the next part is told.
            Ok(false) => return,
            Err(error) => tracing::debug!(blob.sha256 = %row.sha256, error = %error, "an upload could not be kept"),
        }
    }
}
