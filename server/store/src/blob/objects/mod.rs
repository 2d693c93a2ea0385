//! A store that is a bucket of an object store: S3, Google Cloud Storage or Azure.
//!
//! Correctness rests on nothing that some stores ignore: no conditional writes, no copies, no listing of uploads. Who
//! may write what stands in the database; an object without a row is never believed.

mod connect;
mod probe;
mod read;
mod upload;
mod uploads;

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use acervo_core::Sha256Digest;
use object_store::client::{HttpError, HttpErrorKind};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::config::{Bucket, StorageConfig};
use super::error::BlobError;
use super::key::BlobKey;

pub use probe::{Capabilities, Honoured};
pub(super) use read::read;
pub(super) use upload::Upload;
pub(super) use uploads::Uploads;

/// Longest wait for an answer to "does the store answer?": whoever asks that wants to know it now.
const CHECK_WAIT: Duration = Duration::from_secs(5);

/// How long an answer to "does the store answer?" is believed.
const CHECK_KEPT: Duration = Duration::from_secs(2);

/// Objects with uploads in parts, whoever keeps them.
pub trait RawStore: ObjectStore + MultipartStore {}

impl<T: ObjectStore + MultipartStore> RawStore for T {}

/// An open bucket; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Objects {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    raw: Arc<dyn RawStore>,
    prefix: Path,
    read_timeout: Duration,
    capabilities: Capabilities,
    /// When the store was last found to answer.
    answered: Mutex<Option<Instant>>,
}

impl Objects {
    /// Opens a bucket: waits until it answers, and finds out what it honours.
    pub(super) async fn open(storage: &StorageConfig, bucket: &Bucket) -> Result<Objects, BlobError> {
        let raw = connect::open(storage, bucket)?;
        let opened = Objects::new(raw, bucket.prefix.clone(), storage, Capabilities::unknown(bucket.kind.word()));
        let capabilities = probe::wait_and_probe(&opened, storage, bucket).await?;
        let (raw, prefix) = (Arc::clone(&opened.inner.raw), bucket.prefix.clone());
        Ok(Objects::new(raw, prefix, storage, capabilities))
    }

    /// Objects that the caller has opened.
    pub(super) fn over(raw: Arc<dyn RawStore>, storage: &StorageConfig) -> Objects {
        Objects::new(raw, Path::default(), storage, Capabilities::unknown("given"))
    }

    fn new(raw: Arc<dyn RawStore>, prefix: Path, storage: &StorageConfig, capabilities: Capabilities) -> Objects {
        let read_timeout = Duration::from_secs(storage.read_timeout_seconds);
        Objects { inner: Arc::new(Inner { raw, prefix, read_timeout, capabilities, answered: Mutex::new(None) }) }
    }

    pub(super) fn raw(&self) -> &Arc<dyn RawStore> {
        &self.inner.raw
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        self.inner.capabilities.clone()
    }

    /// Where an object stands in the bucket.
    fn path(&self, key: BlobKey) -> Path {
        self.below(key.path().as_ref())
    }

    /// A path below the configured prefix.
    pub(super) fn below(&self, path: &str) -> Path {
        self.inner.prefix.parts().chain(Path::from(path).parts()).collect()
    }

    /// Bytes of a stored blob, `None` if it is not there.
    pub(super) async fn size_of(&self, sha256: Sha256Digest) -> Result<Option<u64>, BlobError> {
        match self.raw().head(&self.path(BlobKey::Blob(sha256))).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(BlobError::store("looking up a blob")(error)),
        }
    }

    /// Whether the store answers now. Asked often, it asks the store no more than every few seconds.
    pub(super) async fn check(&self) -> Result<(), BlobError> {
        let mut answered = self.inner.answered.lock().await;
        if answered.is_some_and(|at| at.elapsed() < CHECK_KEPT) {
            return Ok(());
        }
        // An object that is not there: what counts is that the store says so.
        let path = self.path(BlobKey::Probe(Uuid::nil()));
        let limit = self.inner.read_timeout.min(CHECK_WAIT);
        match within(limit, "asking whether it is up", self.raw().head(&path)).await? {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {
                *answered = Some(Instant::now());
                Ok(())
            }
            Err(error) => Err(BlobError::store("asking whether it is up")(error)),
        }
    }

    /// Waits no longer than for a read, whatever is tried again within.
    async fn within<T>(&self, doing: &'static str, asked: impl Future<Output = T>) -> Result<T, BlobError> {
        within(self.inner.read_timeout, doing, asked).await
    }
}

/// Waits for an answer no longer than this.
async fn within<T>(limit: Duration, doing: &'static str, asked: impl Future<Output = T>) -> Result<T, BlobError> {
    tokio::time::timeout(limit, asked).await.map_err(|_| BlobError::Unreachable { doing, seconds: limit.as_secs() })
}

/// Whether the same request may succeed a little later: the store is busy, or could not be reached.
pub(super) fn is_transient(error: &object_store::Error) -> bool {
    use object_store::Error as Failed;
    match error {
        Failed::Generic { source, .. } => is_passing(source.as_ref()),
        // What the library knows by name is about the object or the credentials, and stays.
        _ => false,
    }
}

fn is_passing(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            return !matches!(http.kind(), HttpErrorKind::Decode);
        }
        next = error.source();
    }
    // The library's own error for an answer that is no success has no public type; its text names the status.
    let text = error.to_string();
    let passing = ["status code: 5", "status code: 408", "status code: 429"];
    passing.iter().any(|status| text.contains(status)) || text.contains("Server returned error response")
}

/// Whether the store says that an upload, or a part of it, is not there.
fn is_lost(error: &object_store::Error) -> bool {
    if matches!(error, object_store::Error::NotFound { .. }) {
        return true;
    }
    let text = error.to_string();
    let codes = [
        // S3 and Google.
        "NoSuchUpload",
        "InvalidPart",
        // Some S3 servers know no upload that they do not know to be the caller's; that the caller may upload at all was
        // seen at start-up, and is seen again when the next upload begins.
        "AccessDenied",
        // Azure.
        "InvalidBlockList",
        "InvalidBlobOrBlock",
        // Objects in memory.
        "MultipartUpload not found",
    ];
    codes.iter().any(|code| text.contains(code))
}

#[cfg(test)]
mod tests;
