//! What can go wrong with bytes at rest.

use std::io;
use std::path::{Path, PathBuf};

use super::objects;
use crate::error::StoreError;

/// A failure of staging or storage; the text names the place and the next step.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// No room left.
    #[error(
        "no space left at `{path}` while {doing}; free some space or move the folder, then start again: nothing is lost"
    )]
    Full {
        /// What was being done.
        doing: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// A content is larger than the whole staging budget.
    #[error(
        "a file of {needed} bytes does not fit into staging `{path}`, which may hold {max}; raise `staging.bytes_max`"
    )]
    Budget {
        /// The staging folder.
        path: PathBuf,
        /// Bytes of the content.
        needed: u64,
        /// The configured limit.
        max: u64,
    },
    /// Any other failure of the local file system.
    #[error("{doing} `{path}` failed: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A failure of the object store.
    #[error("{doing} in the object store failed: {source}")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// Why.
        source: object_store::Error,
    },
    /// The object store does not answer in time.
    #[error("the object store did not answer within {seconds} seconds while {doing}")]
    Unreachable {
        /// What was being done.
        doing: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The configured place cannot be used.
    #[error("{0}")]
    Config(String),
    /// The rows that keep uploads could not be read or written.
    #[error(transparent)]
    Rows(#[from] StoreError),
    /// The object store has forgotten an upload, or refuses its parts: it has to begin anew.
    #[error("the object store has lost the upload of `{0}`; it is sent again from staging")]
    UploadLost(String),
    /// Another transfer of the same content has taken over the upload.
    #[error("the upload of `{0}` was taken over by another worker; try again later")]
    Overtaken(String),
    /// A blob has another size than the database knows.
    #[error(
        "the blob `{sha256}` has {found} bytes in storage where {recorded} are recorded; restore it from a backup, or sync again"
    )]
    Damaged {
        /// The blob.
        sha256: String,
        /// Bytes that the database knows.
        recorded: u64,
        /// Bytes in storage.
        found: u64,
    },
    /// The object store broke off while a blob was read, again and again.
    #[error("the blob `{sha256}` broke off at byte {at}: {why}")]
    BrokeOff {
        /// The blob.
        sha256: String,
        /// Where.
        at: u64,
        /// What the object store did.
        why: String,
    },
    /// A blob that was there could not be read to its end.
    #[error("reading a stored blob failed: {0}")]
    Unreadable(io::Error),
    /// A blob the database knows is not in storage.
    #[error("the blob `{0}` is recorded but missing from storage; restore it from a backup")]
    Missing(String),
}

impl BlobError {
    /// Whether the same call may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            BlobError::Store { source, .. } => objects::is_transient(source),
            BlobError::Rows(error) => error.is_transient(),
            BlobError::Unreachable { .. }
            | BlobError::BrokeOff { .. }
            | BlobError::UploadLost(_)
            | BlobError::Overtaken(_) => true,
            BlobError::Full { .. }
            | BlobError::Budget { .. }
            | BlobError::Io { .. }
            | BlobError::Config(_)
            | BlobError::Unreadable(_)
            | BlobError::Damaged { .. }
            | BlobError::Missing(_) => false,
        }
    }

    /// What a stream of a blob ended with, for a reader who has handed out nothing of it.
    pub fn reading(error: io::Error) -> BlobError {
        error.downcast::<BlobError>().unwrap_or_else(BlobError::Unreadable)
    }

    /// Wraps an I/O error with what was being done, where.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BlobError {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BlobError::Full { doing, path },
            _ => BlobError::Io { doing, path, source },
        }
    }

    /// Wraps an object store error with what was being done.
    pub(super) fn store(doing: &'static str) -> impl FnOnce(object_store::Error) -> BlobError {
        move |source| BlobError::Store { doing, source }
    }
}
