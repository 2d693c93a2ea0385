//! What can go wrong with bytes at rest.

use std::io;
use std::path::{Path, PathBuf};

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
    /// The configured place cannot be used.
    #[error("{0}")]
    Config(String),
    /// A blob the database knows is not in storage.
    #[error("the blob `{0}` is recorded but missing from storage; restore the store's folder from a backup")]
    Missing(String),
}

impl BlobError {
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
