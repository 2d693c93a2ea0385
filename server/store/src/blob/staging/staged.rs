//! One content on its way in: filled by ranges in any order, hashed behind them, compared in the end.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use acervo_core::BlobDigests;
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::super::budget::Reservation;
use super::super::error::BlobError;
use super::super::objects::{Upload, Uploads};
use super::flow::{Flow, Order};
use super::hashing::{Hashing, Pass};
use super::partial::Partial;
use super::{Expected, blocking, joined};

/// Bytes collected before they go to disk in one piece.
const WRITE_BYTES: usize = 1024 * 1024;

/// A content on its way in: fill it, then [`Staged::finish`].
#[derive(Debug)]
pub struct Staged {
    partial: Arc<Partial>,
    flow: Arc<Flow>,
    hashing: Hashing,
    expected: Expected,
    uploads: Uploads,
    borrowed: u64,
    /// For bytes that come in order.
    appending: Option<RangeWriter>,
    reservation: Reservation,
}

impl Staged {
    /// Starts hashing, and uploading, what a partial file holds and will hold.
    pub(super) async fn start(
        partial: Partial,
        expected: Expected,
        uploads: &Uploads,
        reservation: Reservation,
    ) -> Result<Staged, BlobError> {
        let partial = Arc::new(partial);
        let pass = Pass::begin(&partial, expected, uploads).await?;
        let borrowed = pass.borrowed();
        if borrowed > 0 {
            let partial = Arc::clone(&partial);
            blocking(move || partial.borrow_prefix(borrowed)).await?;
        }
        let flow = Arc::new(Flow::new(partial.prefix(), partial.total(), pass.behind_bytes_max()));
        let hashing = Hashing::start(pass, Arc::clone(&flow));
        let uploads = uploads.clone();
        Ok(Staged { partial, flow, hashing, expected, uploads, borrowed, appending: None, reservation })
    }

    /// End of what is in staging without a gap from byte 0 on, earlier attempts included.
    pub fn offset(&self) -> u64 {
        self.partial.prefix()
    }

    /// Bytes that are here, or that a writer has taken, earlier attempts included.
    pub fn arrived(&self) -> u64 {
        self.flow.arrived()
    }

    /// What this content must turn out to be.
    pub fn expected(&self) -> Expected {
        self.expected
    }

    /// The first stretch at or after `from` that is not here.
    pub fn gap(&self, from: u64) -> Option<Range<u64>> {
        self.partial.gap(from)
    }

    /// Waits until more than `offset` bytes are here without a gap.
    pub async fn wait_beyond(&self, offset: u64) {
        self.flow.wait_beyond(offset).await;
    }

    /// A writer of the bytes from `at` on; several may write different ranges at once.
    pub fn writer(&self, at: u64) -> RangeWriter {
        RangeWriter {
            partial: Arc::clone(&self.partial),
            flow: Arc::clone(&self.flow),
            at,
            pending: Vec::new(),
            pending_bytes: 0,
            writing: None,
        }
    }

    /// Writes the bytes that follow on what is here without a gap.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        let mut writer = self.appending.take().unwrap_or_else(|| self.writer(self.offset()));
        let written = writer.write(bytes).await;
        self.appending = Some(writer);
        written
    }

    /// Drops everything staged and starts at byte 0.
    pub async fn restart(self) -> Result<Staged, BlobError> {
        let Staged { partial, hashing, flow, expected, uploads, reservation, .. } = self;
        flow.order(Order::Park);
        if let Some(upload) = hashing.end().await?.and_then(|hashed| hashed.upload) {
            upload.abort().await?;
        }
        let emptied = Arc::clone(&partial);
        blocking(move || emptied.empty()).await?;
        let partial = Arc::into_inner(partial).ok_or_else(|| {
            BlobError::Config("a staged content was started over while it was written; start it again".to_owned())
        })?;
        Staged::start(partial, expected, &uploads, reservation).await
    }

    /// Stops here and keeps what has arrived for a later attempt.
    pub async fn park(mut self) -> Result<(), BlobError> {
        let flushed = match self.appending.take() {
            Some(mut writer) => writer.flush().await,
            None => Ok(()),
        };
        self.flow.order(Order::Park);
        if let Some(upload) = self.hashing.end().await?.and_then(|hashed| hashed.upload) {
            upload.park().await?;
        }
        flushed
    }

    /// Compares the digests with what was expected; a mismatch moves the bytes to quarantine.
    pub async fn finish(mut self) -> Result<Finished, BlobError> {
        if let Some(mut writer) = self.appending.take() {
            writer.flush().await?;
        }
        self.flow.order(Order::End);
        let Some(hashed) = self.hashing.end().await? else { return Err(self.flow.failure().unwrap_or_else(failed)) };
        let found = hashed.found;
        if self.expected.matches(&found) {
            let verified = Verified {
                partial: self.partial,
                found,
                upload: hashed.upload.map(Box::new),
                borrowed: self.borrowed,
                is_named: self.expected.sha256.is_some(),
                reservation: self.reservation,
            };
            return Ok(Finished::Verified(verified));
        }
        if let Some(upload) = hashed.upload {
            upload.abort().await?;
        }
        let mismatch = Mismatch { expected: self.expected, found };
        let (partial, whole) = (self.partial, self.borrowed == 0);
        let path = blocking(move || quarantine(&partial, &found, whole)).await?;
        Ok(Finished::Quarantined(Quarantined { mismatch, path }))
    }
}

/// The error of a content that failed before and was told of then.
fn failed() -> BlobError {
    BlobError::Config("the transfer goes on after a failure; start it again".to_owned())
}

/// Moves a partial file to quarantine; returns where it is then.
fn quarantine(partial: &Partial, found: &BlobDigests, whole: bool) -> Result<PathBuf, BlobError> {
    let path = &partial.path;
    let folder = path.parent().unwrap_or(Path::new(".")).join("quarantine");
    let kept = folder.join(if whole { found.sha256.to_hex() } else { format!("{}-end", found.sha256) });
    partial.disk.rename(path, &kept).map_err(BlobError::io("moving to quarantine", path))?;
    partial.close_note()?;
    Ok(kept)
}

/// Writes one range of a staged content, in order.
#[derive(Debug)]
pub struct RangeWriter {
    partial: Arc<Partial>,
    flow: Arc<Flow>,
    at: u64,
    pending: Vec<Bytes>,
    pending_bytes: usize,
    writing: Option<JoinHandle<Result<(), BlobError>>>,
}

impl RangeWriter {
    /// Offset of the next byte.
    pub fn position(&self) -> u64 {
        self.at + self.pending_bytes as u64
    }

    /// Takes the next bytes; they are written while the caller fetches more. Waits where hashing falls far behind.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.flow.add_arrived(bytes.len() as u64);
        self.pending_bytes += bytes.len();
        self.pending.push(bytes);
        if self.pending_bytes < WRITE_BYTES {
            return Ok(());
        }
        self.start_writing().await?;
        self.flow.wait_for_hashing().await;
        Ok(())
    }

    /// Waits until everything taken is in the file.
    pub async fn flush(&mut self) -> Result<(), BlobError> {
        self.start_writing().await?;
        self.settle().await
    }

    /// Waits for the piece before, then hands the pending bytes to a blocking thread.
    async fn start_writing(&mut self) -> Result<(), BlobError> {
        self.settle().await?;
        if let Some(error) = self.flow.failure() {
            return Err(error);
        }
        if self.flow.has_failed() {
            return Err(failed());
        }
        if self.pending.is_empty() {
            return Ok(());
        }
        let pieces = std::mem::take(&mut self.pending);
        let at = self.at;
        self.at += self.pending_bytes as u64;
        self.pending_bytes = 0;
        let (partial, flow) = (Arc::clone(&self.partial), Arc::clone(&self.flow));
        self.writing = Some(tokio::task::spawn_blocking(move || {
            let written = partial.write(at, &pieces);
            flow.written_up_to(partial.prefix());
            written
        }));
        Ok(())
    }

    /// Waits until nothing is being written.
    async fn settle(&mut self) -> Result<(), BlobError> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        let written = writing.await;
        self.writing = None;
        written.map_err(|error| joined(&error))?
    }
}

/// Bytes whose digest matched: what [`super::super::BlobStore::promote`] demands.
#[derive(Debug)]
pub struct Verified {
    pub(in crate::blob) partial: Arc<Partial>,
    pub(in crate::blob) found: BlobDigests,
    /// The upload that got every part, if there is one.
    pub(in crate::blob) upload: Option<Box<Upload>>,
    /// Bytes at the start that are not in staging, since another worker has uploaded them.
    pub(in crate::blob) borrowed: u64,
    /// Whether the declared identity names the blob.
    pub(in crate::blob) is_named: bool,
    pub(in crate::blob) reservation: Reservation,
}

impl Verified {
    /// What the bytes are.
    pub fn digests(&self) -> BlobDigests {
        self.found
    }
}

/// How a staged content ended.
#[derive(Debug)]
pub enum Finished {
    /// It is what was declared.
    Verified(Verified),
    /// It is not; the bytes were put aside.
    Quarantined(Quarantined),
}

/// What was declared and what arrived.
#[derive(Clone, Copy, Debug)]
pub struct Mismatch {
    /// Declared.
    pub expected: Expected,
    /// Arrived.
    pub found: BlobDigests,
}

/// Bytes that are not what was declared, put aside.
#[derive(Clone, Debug)]
pub struct Quarantined {
    /// How they differ.
    pub mismatch: Mismatch,
    /// Where they were put for inspection.
    pub path: PathBuf,
}
