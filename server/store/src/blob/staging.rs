//! Staging: partial contents in a local folder, hashed as they arrive, resumable after the process has died.
//!
//! One file per content, held by a lock, so that two processes never write to the same one. The lock also tells the
//! sweep which files nobody works on.

mod flow;
mod hashing;
mod partial;
mod ranges;
mod sidecar;
mod staged;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use acervo_core::{BlobDigests, GitOid, Sha256Digest};
use serde::{Deserialize, Serialize};

use self::sidecar::Sidecar;
use super::budget::Budget;
use super::disk::Disk;
use super::error::BlobError;
use super::objects::Uploads;

pub(super) use self::hashing::{digester, send_whole};
pub(super) use self::partial::{Partial, trail, trail_end};
pub use self::staged::{Finished, Mismatch, Quarantined, RangeWriter, Staged, Verified};

/// Where transfers are staged, and how much they may take.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StagingConfig {
    /// A local folder; for a local store on the same filesystem as the store.
    pub dir: PathBuf,
    /// Most bytes that the transfers of this process may take in staging at once; a further one waits for its turn.
    pub bytes_max: u64,
}

impl Default for StagingConfig {
    fn default() -> Self {
        StagingConfig { dir: PathBuf::from("data/staging"), bytes_max: 1 << 40 }
    }
}

/// Declared identity under which a content is staged, so that a later attempt finds its bytes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StagingKey {
    /// Known by SHA-256: the same in every repository.
    Sha256(Sha256Digest),
    /// Known by git blob id: only within one repository, since SHA-1 collisions must not cross.
    Git {
        /// Database id of the repository.
        repo_id: i64,
        /// The declared blob id.
        oid: GitOid,
    },
}

impl StagingKey {
    fn file_name(&self) -> String {
        match self {
            StagingKey::Sha256(sha256) => format!("sha256-{sha256}"),
            StagingKey::Git { repo_id, oid } => format!("git-{repo_id}-{oid}"),
        }
    }

    /// Reads a file name, with or without the number of a second file of the same content.
    fn of_file_name(name: &str) -> Option<StagingKey> {
        let name = name.split('.').next()?;
        if let Some(sha256) = name.strip_prefix("sha256-") {
            return sha256.parse().ok().map(StagingKey::Sha256);
        }
        let (repo_id, oid) = name.strip_prefix("git-")?.split_once('-')?;
        Some(StagingKey::Git { repo_id: repo_id.parse().ok()?, oid: oid.parse().ok()? })
    }
}

/// A partial content that some attempt has left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// What it was to become.
    pub key: StagingKey,
    /// Bytes that have arrived.
    pub bytes: u64,
    path: PathBuf,
}

/// What a content must turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Size in bytes.
    pub size: u64,
    /// SHA-256, for LFS entries.
    pub sha256: Option<Sha256Digest>,
    /// Git blob id of the content, for regular entries.
    pub git_oid: Option<GitOid>,
}

impl Expected {
    /// Whether these digests are what was expected; at least one digest must have been compared.
    pub(super) fn matches(&self, found: &BlobDigests) -> bool {
        let sha256 = self.sha256.is_none_or(|sha256| sha256 == found.sha256);
        let git_oid = self.git_oid.is_none_or(|oid| Some(oid) == found.git_oid);
        found.size == self.size && sha256 && git_oid && (self.sha256.is_some() || self.git_oid.is_some())
    }
}

/// The staging area of this process.
#[derive(Clone, Debug)]
pub(super) struct Staging {
    dir: PathBuf,
    budget: Arc<Budget>,
    pub(super) disk: Disk,
}

impl Staging {
    /// Opens (and creates) the folder.
    pub(super) fn open(config: &StagingConfig) -> Result<Staging, BlobError> {
        let dir = config.dir.clone();
        for folder in [dir.clone(), dir.join("quarantine")] {
            fs::create_dir_all(&folder).map_err(BlobError::io("creating the staging folder", &folder))?;
        }
        Ok(Staging { dir, budget: Budget::new(config.bytes_max), disk: Disk::default() })
    }

    /// The folder.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Opens the staged content of `key`, with what an earlier attempt left of it; waits while running transfers leave
    /// too little room.
    pub(super) async fn stage(
        &self,
        key: StagingKey,
        expected: Expected,
        uploads: &Uploads,
    ) -> Result<Staged, BlobError> {
        let refused = |max| BlobError::Budget { path: self.dir.clone(), needed: expected.size, max };
        let reservation = self.budget.reserve(expected.size).await.map_err(refused)?;
        let (dir, disk) = (self.dir.clone(), self.disk.clone());
        let partial = blocking(move || Partial::open(&disk, &dir, &key.file_name(), expected.size)).await?;
        Staged::start(partial, expected, uploads, reservation).await
    }

    /// Where it stands what a content that was moved into the store is called there.
    pub(super) fn trail(&self, key: StagingKey) -> PathBuf {
        trail(&self.dir.join(key.file_name()))
    }

    /// Every partial content, those that somebody works on included.
    pub(super) fn partials(&self) -> Result<Vec<Leftover>, BlobError> {
        let failed = || BlobError::io("reading the staging folder", &self.dir);
        let mut paths = BTreeSet::new();
        for entry in fs::read_dir(&self.dir).map_err(failed())? {
            let path = entry.map_err(failed())?.path();
            paths.insert(Sidecar::owner(&path).unwrap_or(path));
        }
        let leftover = |path: PathBuf| {
            let key = path.file_name().and_then(|name| name.to_str()).and_then(StagingKey::of_file_name)?;
            // Without its file, a sidecar tells of nothing; the file may also have been promoted meanwhile.
            let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            Some(Leftover { key, bytes, path })
        };
        Ok(paths.into_iter().filter_map(leftover).collect())
    }

    /// Removes a partial content unless somebody works on it; returns whether it did.
    pub(super) fn remove(&self, leftover: &Leftover) -> Result<bool, BlobError> {
        Ok(partial::sweep(&self.disk, &leftover.path, 0)?.is_some())
    }

    /// Removes partial files that nobody holds and that are older than `age_seconds`; returns how many and their bytes.
    pub(super) fn sweep(&self, age_seconds: u64) -> Result<(u64, u64), BlobError> {
        let mut swept = (0, 0);
        for folder in [self.dir.clone(), self.dir.join("quarantine")] {
            let mut partials = BTreeSet::new();
            let entries = fs::read_dir(&folder).map_err(BlobError::io("reading the staging folder", &folder))?;
            for entry in entries {
                let path = entry.map_err(BlobError::io("reading the staging folder", &folder))?.path();
                partials.insert(Sidecar::owner(&path).unwrap_or(path));
            }
            for path in partials {
                if let Some(bytes) = partial::sweep(&self.disk, &path, age_seconds)? {
                    swept.0 += 1;
                    swept.1 += bytes;
                }
            }
        }
        Ok(swept)
    }
}

/// Runs file work on the blocking pool.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(joined(&error)),
    }
}

/// A blocking task that was cancelled or panicked.
fn joined(error: &tokio::task::JoinError) -> BlobError {
    BlobError::Config(format!("a storage task ended unexpectedly: {error}"))
}
