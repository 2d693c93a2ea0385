//! The one pass over a staged content: hashed in order behind the writers, read back while it is still in memory.
//!
//! For an object store, what is hashed is what is uploaded: each part is read once, hashed, and handed over in the same
//! buffer. Parts that an earlier attempt has uploaded are compared by the state of the hash after them, not sent again.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use acervo_core::{BlobDigests, Digester};
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::super::buffer::Buffer;
use super::super::error::BlobError;
use super::super::objects::{Upload, Uploads};
use super::flow::{Flow, Order};
use super::partial::Partial;
use super::{Expected, blocking, joined};

/// Bytes hashed at a time where nothing is uploaded.
const PIECE_BYTES: u64 = 1024 * 1024;

/// How far hashing may fall behind before writers wait: what is hashed should still be in memory.
const BEHIND_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Most times that an upload is begun anew within one pass.
const UPLOADS_MAX: u32 = 3;

/// What came of a pass.
#[derive(Debug)]
pub(super) struct Hashed {
    /// Digests of what was there without a gap.
    pub(super) found: BlobDigests,
    /// The upload that got every part, if there is one.
    pub(super) upload: Option<Upload>,
}

/// A pass under way, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Hashing(JoinHandle<Option<Hashed>>);

impl Hashing {
    /// Starts a pass.
    pub(super) fn start(pass: Pass, flow: Arc<Flow>) -> Hashing {
        Hashing(tokio::spawn(async move {
            // Told to whoever asks first: a writer at its next piece, or else the holder at the end.
            pass.run(&flow).await.map_err(|error| flow.fail(error)).ok()
        }))
    }

    /// Waits for the end; `None` if it ended with an error, which the flow tells.
    pub(super) async fn end(mut self) -> Result<Option<Hashed>, BlobError> {
        (&mut self.0).await.map_err(|error| joined(&error))
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A pass: what it reads, what it has seen, where it sends it.
#[derive(Debug)]
pub(super) struct Pass {
    file: Arc<File>,
    path: PathBuf,
    expected: Expected,
    digester: Digester,
    uploads: Uploads,
    upload: Option<Upload>,
    uploads_begun: u32,
    /// Bytes that this pass takes over from another worker's instead of reading them.
    borrowed: u64,
    buffer: Buffer,
}

impl Pass {
    /// A pass over a partial file, for a store that takes `uploads`.
    ///
    /// Where another worker has uploaded more than is here, and only then, it goes on from there.
    pub(super) async fn begin(partial: &Partial, expected: Expected, uploads: &Uploads) -> Result<Pass, BlobError> {
        let mut digester = digester(&expected);
        let upload = match expected.sha256 {
            Some(sha256) => uploads.begin(sha256, expected.size).await?,
            None => None,
        };
        let ahead = upload.as_ref().and_then(|upload| upload.resume_points().last());
        if let Some(point) = ahead
            && point.end > partial.prefix()
            && expected.git_oid.is_none()
            && let Some(there) = Digester::from_state(&point.state)
            && there.size() == point.end
        {
            digester = there;
        }
        let borrowed = digester.size();
        Ok(Pass {
            file: Arc::new(partial.reading_handle()?),
            path: partial.path.clone(),
            expected,
            digester,
            uploads: uploads.clone(),
            upload,
            uploads_begun: 1,
            borrowed,
            buffer: Buffer::new(0),
        })
    }

    /// Bytes that need not be here, since another worker has uploaded them.
    pub(super) fn borrowed(&self) -> u64 {
        self.borrowed
    }

    /// How far writers may be ahead of this pass: it needs whole parts to go on.
    pub(super) fn behind_bytes_max(&self) -> u64 {
        self.upload.as_ref().map_or(0, |upload| upload.part_bytes().saturating_mul(2)).max(BEHIND_BYTES_MAX)
    }

    /// Hashes, and uploads, what the writers write, until the content or the order ends.
    pub(super) async fn run(mut self, flow: &Flow) -> Result<Hashed, BlobError> {
        let mut goals = flow.goals();
        loop {
            let at = self.digester.size();
            flow.hashed_up_to(at);
            let left = self.expected.size - at;
            if left == 0 {
                break;
            }
            // A part goes as a whole; without an upload, whatever is there does.
            let (piece, enough) = match &self.upload {
                Some(upload) => (upload.part_bytes().min(left), upload.part_bytes().min(left)),
                None => (PIECE_BYTES.min(left), 1),
            };
            let ready = goals.wait_for(|goal| goal.prefix >= at + enough || goal.order != Order::Follow).await;
            // The sender is gone only after `flow`.
            let Ok(goal) = ready.map(|goal| *goal) else { break };
            if goal.order == Order::Park {
                break;
            }
            let length = goal.prefix.saturating_sub(at).min(piece);
            if length == 0 {
                break;
            }
            let bytes = self.hash(at, length).await?;
            if length == piece {
                self.send(at, bytes).await?;
            }
        }
        Ok(Hashed { found: self.digester.finish(), upload: self.upload })
    }

    /// Reads and hashes the next bytes; gives them back where they are to be uploaded.
    async fn hash(&mut self, at: u64, length: u64) -> Result<Option<Bytes>, BlobError> {
        let (file, path, upload) = (Arc::clone(&self.file), self.path.clone(), self.upload.is_some());
        let (mut digester, mut buffer) = (self.digester.clone(), std::mem::replace(&mut self.buffer, Buffer::new(0)));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (digester, buffer) = blocking(move || {
            buffer.resize(length);
            file.read_exact_at(buffer.bytes_mut(), at).map_err(BlobError::io("reading the staging file", &path))?;
            digester.update(buffer.bytes());
            Ok((digester, buffer))
        })
        .await?;
        self.digester = digester;
        if upload {
            return Ok(Some(Bytes::from_owner(buffer)));
        }
        self.buffer = buffer;
        Ok(None)
    }

    /// Hands a part to the upload, unless the upload has it.
    async fn send(&mut self, at: u64, bytes: Option<Bytes>) -> Result<(), BlobError> {
        let (Some(upload), Some(bytes)) = (&mut self.upload, bytes) else { return Ok(()) };
        let state = self.digester.state();
        let index = at / upload.part_bytes();
        let known = usize::try_from(index).ok().and_then(|index| upload.resume_points().get(index));
        match known {
            Some(point) if point.state == state => Ok(()),
            Some(_) => {
                tracing::info!(staging.path = %self.path.display(), "an upload holds other bytes than are staged and is begun anew");
                if let Some(upload) = self.upload.take() {
                    upload.abort().await?;
                }
                self.begin_anew().await
            }
            None => {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                match upload.part(index, bytes, state).await {
                    Err(BlobError::UploadLost(_)) if self.borrowed == 0 && self.uploads_begun < UPLOADS_MAX => {
                        self.begin_anew().await
                    }
                    Err(BlobError::Overtaken(_)) if self.borrowed == 0 => {
                        // Whoever comes to the end first is the one whose object it is; this one sends its own then.
                        self.upload = None;
                        Ok(())
                    }
                    sent => sent,
                }
            }
        }
    }

    /// Starts the pass over, with another upload.
    async fn begin_anew(&mut self) -> Result<(), BlobError> {
        self.uploads_begun += 1;
        self.upload = None;
        self.digester = digester(&self.expected);
        if let Some(sha256) = self.expected.sha256 {
            self.upload = self.uploads.begin(sha256, self.expected.size).await?;
        }
        Ok(())
    }
}

/// A digester that has seen nothing, for what is expected.
pub(in crate::blob) fn digester(expected: &Expected) -> Digester {
    if expected.git_oid.is_some() { Digester::with_git_oid(expected.size) } else { Digester::sha256_only() }
}

/// Sends a whole content from its staging file, hashing what is sent.
pub(in crate::blob) async fn send_whole(
    partial: &Partial,
    found: &BlobDigests,
    uploads: &Uploads,
) -> Result<(), BlobError> {
    let expected = Expected { size: found.size, sha256: Some(found.sha256), git_oid: None };
    let mut pass = Pass::begin(partial, expected, uploads).await?;
    if pass.upload.is_some() {
        let flow = Flow::new(found.size, found.size, u64::MAX);
        flow.order(Order::End);
        let sent = pass.run(&flow).await?;
        return match sent.upload {
            Some(upload) if sent.found.sha256 == found.sha256 => upload.complete().await,
            Some(upload) => upload.abort().await.and(Err(changed(partial))),
            None => Err(changed(partial)),
        };
    }
    if found.size > 0 {
        pass.hash(0, found.size).await?;
    }
    if pass.digester.finish().sha256 != found.sha256 {
        return Err(changed(partial));
    }
    uploads.put(found.sha256, Bytes::from_owner(pass.buffer)).await
}

/// The error of bytes that are not those that were verified a moment ago.
fn changed(partial: &Partial) -> BlobError {
    BlobError::Config(format!(
        "`{}` changed after it was verified; check the disk of the staging folder, then start again",
        partial.path.display()
    ))
}
