//! The store itself: opening, promoting verified bytes, reading, sweeping.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use acervo_core::Sha256Digest;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};

use super::error::BlobError;
use super::key::BlobKey;
use super::read::BlobReader;
use super::staging::{Expected, Leftover, Quarantined, Staged, Staging, StagingConfig, StagingKey, Verified, blocking};

/// Where blobs are kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// `file://` and a folder, absolute or relative to the working directory.
    pub url: String,
}

impl Default for StorageConfig {
    fn default() -> Self {
        StorageConfig { url: "file://data/store".to_owned() }
    }
}

/// Blobs at rest, and the way in.
#[derive(Clone, Debug)]
pub struct BlobStore {
    root: PathBuf,
    objects: Arc<LocalFileSystem>,
    staging: Staging,
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Partial files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl BlobStore {
    /// Opens (and creates) the store and its staging folder, and checks that one can be renamed into the other.
    pub async fn open(storage: &StorageConfig, staging: &StagingConfig) -> Result<BlobStore, BlobError> {
        let Some(folder) = storage.url.strip_prefix("file://") else {
            return Err(BlobError::Config(format!(
                "`storage.url` is `{}`, which this build cannot open; use `file://` and a folder",
                storage.url
            )));
        };
        if folder.is_empty() {
            return Err(BlobError::Config(
                "`storage.url` names no folder; write it like `file:///srv/acervo`".to_owned(),
            ));
        }
        let root = PathBuf::from(folder);
        for (key, path) in [("storage.url", root.as_path()), ("staging.dir", staging.dir.as_path())] {
            if path.starts_with("~") {
                return Err(BlobError::Config(format!(
                    "`{key}` begins with `~`, which only shells expand; write the whole path, as in `/srv/acervo`"
                )));
            }
        }
        let staging = staging.clone();
        blocking(move || {
            fs::create_dir_all(&root).map_err(BlobError::io("creating the store folder", &root))?;
            let root = root.canonicalize().map_err(BlobError::io("opening the store folder", &root))?;
            let staging = Staging::open(&staging)?;
            check_same_filesystem(&root, staging.dir())?;
            let objects =
                LocalFileSystem::new_with_prefix(&root).map_err(BlobError::store("opening the store folder"))?;
            Ok(BlobStore { root, objects: Arc::new(objects), staging })
        })
        .await
    }

    /// Opens a staged content, with what an earlier attempt left of it.
    pub async fn stage(&self, key: StagingKey, expected: Expected) -> Result<Staged, BlobError> {
        self.staging.stage(key, expected).await
    }

    /// Makes verified bytes readable under their SHA-256. When this returns, they survive a loss of power.
    pub async fn promote(&self, verified: Verified) -> Result<(), BlobError> {
        let target = self.local_path(BlobKey::Blob(verified.digests().sha256));
        let root = self.root.clone();
        blocking(move || {
            verified.file.sync_all().map_err(BlobError::io("flushing", &verified.path))?;
            let folder = target.parent().unwrap_or(&root);
            create_folders(&root, folder)?;
            fs::rename(&verified.path, &target).map_err(BlobError::io("moving into the store", &target))?;
            sync_folder(folder)
        })
        .await
    }

    /// Removes quarantined bytes that accuse nobody.
    pub async fn discard(&self, quarantined: Quarantined) -> Result<(), BlobError> {
        let path = quarantined.path;
        blocking(move || fs::remove_file(&path).map_err(BlobError::io("removing from quarantine", &path))).await
    }

    /// Opens a blob for reading.
    pub fn reader(&self, sha256: Sha256Digest) -> Result<BlobReader, BlobError> {
        let path = self.local_path(BlobKey::Blob(sha256));
        let opened = File::open(&path).and_then(|file| file.metadata().map(|metadata| (file, metadata.len())));
        match opened {
            Ok((file, size)) => Ok(BlobReader::new(file, size)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(BlobError::Missing(sha256.to_hex())),
            Err(error) => Err(BlobError::io("opening the blob", &path)(error)),
        }
    }

    /// Bytes of a stored blob, `None` if it is not there.
    pub async fn size_of(&self, sha256: Sha256Digest) -> Result<Option<u64>, BlobError> {
        match self.objects.head(&BlobKey::Blob(sha256).path()).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(BlobError::store("looking up a blob")(error)),
        }
    }

    /// Number of stored blobs and their bytes, by walking the store.
    pub async fn totals(&self) -> Result<(u64, u64), BlobError> {
        let prefix = object_store::path::Path::from(BlobKey::BLOBS);
        self.objects
            .list(Some(&prefix))
            .try_fold((0, 0), |(count, bytes), meta| async move { Ok((count + 1, bytes + meta.size)) })
            .await
            .map_err(BlobError::store("listing blobs"))
    }

    /// Removes partial files that nobody works on and that are older than `age_seconds`.
    pub async fn sweep_staging(&self, age_seconds: u64) -> Result<Swept, BlobError> {
        let staging = self.staging.clone();
        let (files, bytes) = blocking(move || staging.sweep(age_seconds)).await?;
        Ok(Swept { files, bytes })
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

    /// Writes and removes a probe, to tell whether the store takes bytes now.
    pub async fn probe(&self) -> Result<(), BlobError> {
        let path = self.staging.dir().join(format!("probe-{}", std::process::id()));
        blocking(move || {
            fs::write(&path, b"probe").map_err(BlobError::io("writing to the staging folder", &path))?;
            fs::remove_file(&path).map_err(BlobError::io("removing from the staging folder", &path))
        })
        .await
    }

    fn local_path(&self, key: BlobKey) -> PathBuf {
        self.root.join(key.path().as_ref())
    }
}

/// Refuses a staging folder from which nothing can be renamed into the store.
fn check_same_filesystem(root: &Path, staging: &Path) -> Result<(), BlobError> {
    let name = format!("probe-{}", std::process::id());
    let (from, to) = (staging.join(&name), root.join(&name));
    fs::write(&from, b"probe").map_err(BlobError::io("writing to the staging folder", &from))?;
    match fs::rename(&from, &to) {
        Ok(()) => fs::remove_file(&to).map_err(BlobError::io("writing to the store folder", &to)),
        Err(error) => {
            let _ = fs::remove_file(&from);
            if error.kind() == std::io::ErrorKind::CrossesDevices {
                return Err(BlobError::Config(format!(
                    "the staging folder `{}` and the store `{}` are on different filesystems; set `staging.dir` to a \
                     folder beside the store",
                    staging.display(),
                    root.display()
                )));
            }
            Err(BlobError::io("moving from staging into the store", &to)(error))
        }
    }
}

/// Creates the folders below `root` and flushes each parent that got a new entry.
fn create_folders(root: &Path, folder: &Path) -> Result<(), BlobError> {
    if folder.is_dir() || folder == root {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(root);
    create_folders(root, parent)?;
    match fs::create_dir(folder) {
        Ok(()) => sync_folder(parent),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(BlobError::io("creating the folder", folder)(error)),
    }
}

/// Flushes a folder's entries to disk.
fn sync_folder(folder: &Path) -> Result<(), BlobError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(BlobError::io("flushing the folder", folder))
}
