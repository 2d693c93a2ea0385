//! The store itself: opening it, reading from it, asking how it is.
//!
//! What goes in is `intake`'s business.

use std::sync::Arc;

use acervo_core::Sha256Digest;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};

use super::config::{Place, StorageConfig, refuse_tilde};
use super::error::BlobError;
use super::folder::{Folder, write_probe};
use super::key::BlobKey;
use super::objects::{Capabilities, Objects, RawStore, Uploads};
use super::read::BlobReader;
use super::staging::{Staging, StagingConfig, blocking};
use crate::db::Database;

/// Blobs at rest, and the way in.
#[derive(Clone, Debug)]
pub struct BlobStore {
    pub(super) place: OpenPlace,
    pub(super) staging: Staging,
    pub(super) uploads: Uploads,
}

/// Where blobs stand.
#[derive(Clone, Debug)]
pub(super) enum OpenPlace {
    /// In a local folder.
    Folder(Folder),
    /// In an object store.
    Objects(Objects),
}

impl BlobStore {
    /// Opens the store and its staging folder (both made if they are folders and missing), and checks that bytes can
    /// get from one into the other. An object store that is not up yet is waited for.
    ///
    /// The database keeps what is on its way into an object store; its schema must be up to date.
    pub async fn open(
        storage: &StorageConfig,
        staging: &StagingConfig,
        database: &Database,
    ) -> Result<BlobStore, BlobError> {
        refuse_tilde("staging.dir", &staging.dir)?;
        let place = storage.place()?;
        let staging = staging.clone();
        match place {
            Place::Folder(root) => {
                blocking(move || {
                    let staging = Staging::open(&staging)?;
                    let folder = Folder::open(&root, staging.dir())?;
                    Ok(BlobStore { place: OpenPlace::Folder(folder), staging, uploads: Uploads::none() })
                })
                .await
            }
            Place::Bucket(bucket) => {
                let staging = blocking(move || Staging::open(&staging)).await?;
                let objects = Objects::open(storage, &bucket).await?;
                let uploads = Uploads::new(&objects, database, storage);
                Ok(BlobStore { place: OpenPlace::Objects(objects), staging, uploads })
            }
        }
    }

    /// Opens a store over objects that the caller has opened, such as ones that fail on order.
    ///
    /// Of `storage`, only the limits count, and they are taken as they are.
    pub async fn over(
        raw: Arc<dyn RawStore>,
        storage: &StorageConfig,
        staging: &StagingConfig,
        database: &Database,
    ) -> Result<BlobStore, BlobError> {
        let staging = staging.clone();
        let staging = blocking(move || Staging::open(&staging)).await?;
        let objects = Objects::over(raw, storage);
        let uploads = Uploads::new(&objects, database, storage);
        Ok(BlobStore { place: OpenPlace::Objects(objects), staging, uploads })
    }

    /// Opens a blob for reading, of which `size` bytes are recorded.
    ///
    /// An object store is not asked before [`BlobReader::stream`].
    pub async fn reader(&self, sha256: Sha256Digest, size: u64) -> Result<BlobReader, BlobError> {
        match &self.place {
            OpenPlace::Folder(folder) => folder.open_blob(sha256, size),
            OpenPlace::Objects(objects) => Ok(BlobReader::object(objects, sha256, size)),
        }
    }

    /// Bytes of a stored blob, `None` if it is not there.
    pub async fn size_of(&self, sha256: Sha256Digest) -> Result<Option<u64>, BlobError> {
        match &self.place {
            OpenPlace::Folder(folder) => match folder.objects.head(&BlobKey::Blob(sha256).path()).await {
                Ok(meta) => Ok(Some(meta.size)),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(BlobError::store("looking up a blob")(error)),
            },
            OpenPlace::Objects(objects) => objects.size_of(sha256).await,
        }
    }

    /// Number of stored blobs and their bytes, by walking the store.
    pub async fn totals(&self) -> Result<(u64, u64), BlobError> {
        let (listed, prefix) = match &self.place {
            OpenPlace::Folder(folder) => {
                let prefix = object_store::path::Path::from(BlobKey::BLOBS);
                (folder.objects.list(Some(&prefix)), prefix)
            }
            OpenPlace::Objects(objects) => {
                let prefix = objects.below(BlobKey::BLOBS);
                (objects.raw().list(Some(&prefix)), prefix)
            }
        };
        tracing::debug!(storage.prefix = %prefix, "walking the store");
        listed
            .try_fold((0, 0), |(count, bytes), meta| async move { Ok((count + 1, bytes + meta.size)) })
            .await
            .map_err(BlobError::store("listing blobs"))
    }

    /// What the store was found to honour when it was opened.
    pub fn capabilities(&self) -> Capabilities {
        match &self.place {
            OpenPlace::Folder(_) => Capabilities::folder(),
            OpenPlace::Objects(objects) => objects.capabilities(),
        }
    }

    /// Writes and removes a probe in the staging folder, to tell whether it takes bytes now.
    pub async fn check_staging(&self) -> Result<(), BlobError> {
        let dir = self.staging.dir().to_owned();
        blocking(move || write_probe(&dir, "writing to the staging folder", "removing from the staging folder")).await
    }

    /// Whether the store answers now.
    pub async fn check_storage(&self) -> Result<(), BlobError> {
        match &self.place {
            OpenPlace::Folder(folder) => {
                let folder = folder.clone();
                blocking(move || folder.check()).await
            }
            OpenPlace::Objects(objects) => objects.check().await,
        }
    }
}
