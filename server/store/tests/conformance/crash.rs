//! Death at every moment of an upload: whatever the database says is there, is there.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use acervo_core::{Sha256Digest, Timestamp};
use acervo_store::blob::{BlobError, BlobStore, RawStore, StorageConfig};
use acervo_store::db::blobs;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartId, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::Notify;

use crate::backend::{Backend, Kind};
use crate::contents::{self, PART, assert_stored, content, lfs, regular};

/// Objects whose user dies at one of its changes, before or after it takes effect.
#[derive(Debug)]
struct Mortal {
    objects: Arc<dyn RawStore>,
    /// The change that kills, from 1.
    deadly: u64,
    takes_effect: bool,
    changes: AtomicU64,
    died: Notify,
}

impl Mortal {
    /// Passes a change on; nothing returns to the dead.
    async fn change<T>(&self, change: impl Future<Output = Result<T>>) -> Result<T> {
        let number = self.changes.fetch_add(1, Ordering::SeqCst) + 1;
        if number < self.deadly {
            return change.await;
        }
        if number == self.deadly {
            if self.takes_effect {
                let _ = change.await;
            }
            self.died.notify_one();
        }
        std::future::pending().await
    }
}

impl fmt::Display for Mortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mortal {}", self.objects)
    }
}

#[async_trait]
impl ObjectStore for Mortal {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.change(self.objects.put_opts(path, payload, options)).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        panic!("uploads that nobody could go on with are not used")
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.objects.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.objects.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        panic!("objects are never copied")
    }
}

#[async_trait]
impl MultipartStore for Mortal {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        self.change(self.objects.create_multipart(path)).await
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, index: usize, payload: PutPayload) -> Result<PartId> {
        self.change(self.objects.put_part(path, id, index, payload)).await
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, parts: Vec<PartId>) -> Result<PutResult> {
        self.change(self.objects.complete_multipart(path, id, parts)).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        self.change(self.objects.abort_multipart(path, id)).await
    }
}

/// Stores contents and records them, as a sync does.
async fn ingest(backend: &Backend, store: &BlobStore, files: &[Bytes]) -> std::result::Result<(), BlobError> {
    for (index, bytes) in files.iter().enumerate() {
        // The large ones both ways: known by SHA-256 beforehand, and not.
        let declared = if index % 2 == 0 { lfs(bytes) } else { regular(bytes) };
        let sha256 = contents::store(store, declared, bytes).await?;
        let at = Timestamp::from_millis(1);
        blobs::insert(backend.db.writer(), sha256, bytes.len() as u64, at).await.unwrap();
    }
    Ok(())
}

/// Every row points at its bytes; how many rows there are.
async fn rows_are_true(backend: &Backend, store: &BlobStore, files: &[Bytes]) -> usize {
    let digests: Vec<Sha256Digest> = files.iter().map(|bytes| Sha256Digest::of(bytes)).collect();
    let held = blobs::held_by_sha256(backend.db.reader(), &digests).await.unwrap();
    for bytes in files.iter().filter(|bytes| held.contains_key(&Sha256Digest::of(bytes))) {
        assert_stored(store, bytes).await;
    }
    held.len()
}

pub(crate) async fn a_row_never_points_at_bytes_that_are_not_there(backend: &Backend) {
    let (mut deaths, mut round) = (0, 0);
    for takes_effect in [false, true] {
        for deadly in 1.. {
            round += 1;
            // Only the folder that is served as S3 insists on parts as large as S3 does.
            let part = if backend.kind == Kind::S3Fs { PART } else { 64 * 1024 };
            let files =
                [content(1000 + round), content(2000 + round), content(part + 5 + round), content(part + 300 + round)];
            let limits = StorageConfig { upload_part_bytes: part as u64, ..StorageConfig::default() };
            let mortal = Arc::new(Mortal {
                objects: backend.parts(),
                deadly,
                takes_effect,
                changes: AtomicU64::new(0),
                died: Notify::new(),
            });
            let has_died = {
                let raw: Arc<dyn RawStore> = mortal.clone();
                let store = BlobStore::over(raw, &limits, &backend.staging("a"), &backend.db).await.unwrap();
                tokio::select! {
                    done = ingest(backend, &store, &files) => { done.unwrap(); false }
                    () = mortal.died.notified() => true,
                }
            };
            backend.silence().await;
            let fresh = BlobStore::over(backend.parts(), &limits, &backend.staging("a"), &backend.db).await.unwrap();
            let rows = rows_are_true(backend, &fresh, &files).await;
            if !has_died {
                assert_eq!(rows, files.len(), "all of it was promised");
                assert!(deadly > 8, "only {deadly} changes were seen");
                break;
            }
            deaths += 1;
            assert!(rows < files.len());
            if deadly % 2 == 0 {
                // Nobody goes on: a sweep leaves nothing, and takes nothing that was promised.
                fresh.sweep_staging(0).await.unwrap();
                assert_eq!(backend.uploads_under_way().await, 0);
                assert_eq!(rows_are_true(backend, &fresh, &files).await, rows);
            }
            ingest(backend, &fresh, &files).await.unwrap();
            assert_eq!(rows_are_true(backend, &fresh, &files).await, files.len());
            fresh.sweep_staging(0).await.unwrap();
            assert_eq!(backend.uploads_under_way().await, 0);
        }
    }
    assert!(deaths >= 16, "only {deaths} deaths");
}
