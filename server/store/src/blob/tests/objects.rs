//! Staging in front of an object store: parts go up behind the hash, and nobody sends again what has arrived.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acervo_core::{GitOid, Sha256Digest};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartId, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use sea_orm::{EntityTrait, PaginatorTrait};
use tempfile::TempDir;

use super::super::{
    BlobError, BlobKey, BlobStore, Expected, Finished, Staged, StagingConfig, StagingKey, StorageConfig,
};
use super::{content, database, lfs, promoted, staged_names};
use crate::db::entity::multipart_part;
use crate::db::{Database, uploads};

const PART: u64 = 1000;

/// Objects in memory that note what was sent, and forget uploads on order.
#[derive(Debug)]
struct Memory {
    objects: InMemory,
    sent: Mutex<Vec<usize>>,
    forgotten: Mutex<HashSet<MultipartId>>,
    begun: Mutex<Vec<MultipartId>>,
}

impl Memory {
    fn new() -> Arc<Memory> {
        let (sent, forgotten, begun) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Memory { objects: InMemory::new(), sent, forgotten, begun })
    }

    /// Indices of the parts that were sent since this was asked last, in order.
    fn sent(&self) -> Vec<usize> {
        let mut sent = std::mem::take(&mut *self.sent.lock().unwrap());
        sent.sort_unstable();
        sent
    }

    fn forget_uploads(&self) {
        self.forgotten.lock().unwrap().extend(self.begun.lock().unwrap().drain(..));
    }

    fn check(&self, path: &Path, id: &MultipartId) -> Result<()> {
        if self.forgotten.lock().unwrap().contains(id) {
            let (path, source) = (path.to_string(), "NoSuchUpload".into());
            return Err(object_store::Error::NotFound { path, source });
        }
        Ok(())
    }

    async fn object(&self, sha256: Sha256Digest) -> Vec<u8> {
        let found = self.objects.get(&BlobKey::Blob(sha256).path()).await.unwrap();
        found.bytes().await.unwrap().to_vec()
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("objects in memory")
    }
}

#[async_trait]
impl ObjectStore for Memory {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.objects.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(path, options).await
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
impl MultipartStore for Memory {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        let id = self.objects.create_multipart(path).await?;
        self.begun.lock().unwrap().push(id.clone());
        Ok(id)
    }

    async fn create_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<MultipartId> {
        self.objects.create_multipart_opts(path, options).await
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, index: usize, payload: PutPayload) -> Result<PartId> {
        self.check(path, id)?;
        let part = self.objects.put_part(path, id, index, payload).await?;
        self.sent.lock().unwrap().push(index);
        Ok(part)
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, parts: Vec<PartId>) -> Result<PutResult> {
        self.check(path, id)?;
        self.objects.complete_multipart(path, id, parts).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        self.check(path, id)?;
        self.objects.abort_multipart(path, id).await
    }
}

/// One host: a staging folder of its own before objects and a database that all share.
struct Host {
    dir: TempDir,
    store: BlobStore,
}

async fn host(memory: &Arc<Memory>, db: &Database) -> Host {
    let dir = TempDir::new().unwrap();
    let store = reopened(&dir, memory, db).await;
    Host { dir, store }
}

async fn reopened(dir: &TempDir, memory: &Arc<Memory>, db: &Database) -> BlobStore {
    let storage = StorageConfig { upload_part_bytes: PART, ..StorageConfig::default() };
    let staging = StagingConfig { dir: dir.path().join("staging"), bytes_max: u64::MAX };
    BlobStore::over(Arc::clone(memory) as _, &storage, &staging, db).await.unwrap()
}

async fn write(staged: &Staged, content: &[u8], range: Range<usize>) {
    let mut writer = staged.writer(range.start as u64);
    for piece in content[range].chunks(333) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    writer.flush().await.unwrap();
}

/// Waits until so many parts have arrived and are recorded.
async fn recorded_parts(db: &Database, count: u64) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let mut looks = tokio::time::interval(Duration::from_millis(2));
    loop {
        looks.tick().await;
        let found = multipart_part::Entity::find().count(db.reader()).await.unwrap();
        if found >= count {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{found} parts of {count} are recorded");
    }
}

/// Nothing is left of a content but its object.
async fn assert_tidy(host: &Host, db: &Database) {
    assert!(staged_names(&host.dir).is_empty(), "{:?}", staged_names(&host.dir));
    assert_eq!(uploads::count(db.reader()).await.unwrap(), 0);
}

async fn shared() -> (TempDir, Database, Arc<Memory>) {
    let dir = TempDir::new().unwrap();
    let db = database(&dir).await;
    (dir, db, Memory::new())
}

#[tokio::test]
async fn parts_go_up_while_bytes_still_arrive_and_each_once() {
    let (_dir, db, memory) = shared().await;
    let host = host(&memory, &db).await;
    let bytes = content(10_500);
    let (key, expected) = lfs(&bytes);
    let staged = host.store.stage(key, expected).await.unwrap();
    write(&staged, &bytes, 7000..9000).await;
    write(&staged, &bytes, 0..4500).await;
    recorded_parts(&db, 4).await;
    assert_eq!(memory.sent(), [0, 1, 2, 3]);
    write(&staged, &bytes, 4500..7000).await;
    write(&staged, &bytes, 9000..10_500).await;
    let Finished::Verified(verified) = staged.finish().await.unwrap() else { panic!("must verify") };
    assert_eq!(host.store.totals().await.unwrap(), (0, 0), "nothing is there before it is promoted");
    assert!(!staged_names(&host.dir).is_empty(), "and nothing is given up");
    host.store.promote(verified).await.unwrap().settle().await.unwrap();

    assert_eq!(memory.sent(), [4, 5, 6, 7, 8, 9, 10]);
    assert!(memory.object(Sha256Digest::of(&bytes)).await == bytes);
    assert_tidy(&host, &db).await;
}

#[tokio::test]
async fn after_a_death_the_same_host_sends_no_part_again() {
    let (_dir, db, memory) = shared().await;
    let host = host(&memory, &db).await;
    let bytes = content(10_500);
    let (key, expected) = lfs(&bytes);
    let staged = host.store.stage(key, expected).await.unwrap();
    write(&staged, &bytes, 0..5100).await;
    recorded_parts(&db, 5).await;
    drop(staged);
    // What hashes and sends for it ends at its next turn, as all would at once where a process dies.
    tokio::task::yield_now().await;
    assert_eq!(memory.sent(), [0, 1, 2, 3, 4]);

    let staged = host.store.stage(key, expected).await.unwrap();
    assert_eq!(staged.offset(), 5100);
    write(&staged, &bytes, 5100..10_500).await;
    let sha256 = promoted(&host.store, staged).await;

    assert_eq!(memory.sent(), [5, 6, 7, 8, 9, 10]);
    assert!(memory.object(sha256).await == bytes);
    assert_tidy(&host, &db).await;
}

#[tokio::test]
async fn another_host_goes_on_from_the_last_part_in_order() {
    let (_dir, db, memory) = shared().await;
    let (first, second) = (host(&memory, &db).await, host(&memory, &db).await);
    let bytes = content(10_500);
    let (key, expected) = lfs(&bytes);
    let staged = first.store.stage(key, expected).await.unwrap();
    write(&staged, &bytes, 0..6999).await;
    recorded_parts(&db, 6).await;
    staged.park().await.unwrap();

    let staged = second.store.stage(key, expected).await.unwrap();
    assert_eq!((staged.offset(), staged.gap(0)), (6000, Some(6000..10_500)));
    write(&staged, &bytes, 6000..10_500).await;
    let sha256 = promoted(&second.store, staged).await;

    assert_eq!(memory.sent(), (0..=10).collect::<Vec<_>>());
    assert!(memory.object(sha256).await == bytes);
    assert_tidy(&second, &db).await;
}

#[tokio::test]
async fn bytes_of_another_host_that_do_not_fit_are_dropped_and_all_is_fetched_once_more() {
    let (_dir, db, memory) = shared().await;
    let (first, second) = (host(&memory, &db).await, host(&memory, &db).await);
    let bytes = content(10_500);
    let mut wrong = bytes.clone();
    wrong[1500] ^= 1;
    let (key, expected) = lfs(&bytes);
    let staged = first.store.stage(key, expected).await.unwrap();
    write(&staged, &wrong, 0..6999).await;
    recorded_parts(&db, 6).await;
    staged.park().await.unwrap();

    let staged = second.store.stage(key, expected).await.unwrap();
    assert_eq!(staged.arrived(), 6000, "which tells that this attempt alone accuses nobody");
    write(&staged, &bytes, 6000..10_500).await;
    let Finished::Quarantined(quarantined) = staged.finish().await.unwrap() else { panic!("must not verify") };
    second.store.discard(quarantined).await.unwrap();
    let staged = second.store.stage(key, expected).await.unwrap();
    assert_eq!((staged.arrived(), staged.gap(0)), (0, Some(0..10_500)));
    write(&staged, &bytes, 0..10_500).await;
    let sha256 = promoted(&second.store, staged).await;

    assert!(memory.object(sha256).await == bytes);
    assert_tidy(&second, &db).await;
}

#[tokio::test]
async fn parts_that_hold_other_bytes_than_are_staged_are_not_gone_on_with() {
    let (_dir, db, memory) = shared().await;
    let host = host(&memory, &db).await;
    let bytes = content(4500);
    let mut wrong = bytes.clone();
    wrong[1500] ^= 1;
    let (key, expected) = lfs(&bytes);
    let staged = host.store.stage(key, expected).await.unwrap();
    write(&staged, &wrong, 0..3500).await;
    recorded_parts(&db, 3).await;
    staged.park().await.unwrap();
    let file = host.dir.path().join("staging").join(&staged_names(&host.dir)[0]);
    fs::write(file, &bytes[..3500]).unwrap();
    memory.sent();

    let staged = host.store.stage(key, expected).await.unwrap();
    write(&staged, &bytes, 3500..4500).await;
    let sha256 = promoted(&host.store, staged).await;

    assert_eq!(memory.sent(), [0, 1, 2, 3, 4]);
    assert!(memory.object(sha256).await == bytes);
    assert_tidy(&host, &db).await;
}

#[tokio::test]
async fn a_lost_upload_is_sent_again_from_staging() {
    let (_dir, db, memory) = shared().await;
    let host = host(&memory, &db).await;
    let bytes = content(4500);
    let (key, expected) = lfs(&bytes);
    // Lost while parts go up, and lost when all of them have.
    for (lost_at, parts) in [(2500, 2), (4500, 5)] {
        let staged = host.store.stage(key, expected).await.unwrap();
        write(&staged, &bytes, 0..lost_at).await;
        recorded_parts(&db, parts).await;
        memory.forget_uploads();
        write(&staged, &bytes, lost_at..4500).await;
        memory.sent();

        let sha256 = promoted(&host.store, staged).await;

        assert!(memory.object(sha256).await == bytes);
        assert_tidy(&host, &db).await;
    }
}

#[tokio::test]
async fn what_was_uploaded_before_a_death_is_here_until_its_row_is() {
    let (_dir, db, memory) = shared().await;
    let host = host(&memory, &db).await;
    for size in [500, 4500] {
        let bytes = content(size);
        let oid = GitOid::of_blob(&bytes);
        let regular = Expected { size: size as u64, sha256: None, git_oid: Some(oid) };
        for (key, expected) in [(StagingKey::Git { repo_id: 1, oid }, regular), lfs(&bytes)] {
            let staged = host.store.stage(key, expected).await.unwrap();
            write(&staged, &bytes, 0..size).await;
            let Finished::Verified(verified) = staged.finish().await.unwrap() else { panic!("must verify") };
            drop(host.store.promote(verified).await.unwrap());

            let staged = host.store.stage(key, expected).await.unwrap();
            assert_eq!(staged.gap(0), None, "nothing has to be fetched");
            assert_eq!(promoted(&host.store, staged).await, Sha256Digest::of(&bytes));
            assert_tidy(&host, &db).await;
        }
        let (key, expected) = lfs(&bytes);
        let elsewhere = self::host(&memory, &db).await;
        assert!(elsewhere.store.adopt(key, expected).await.unwrap().is_some(), "nor on another host");
    }
}

#[tokio::test]
async fn an_upload_whose_completion_was_not_told_is_not_sent_again() {
    let (_dir, db, memory) = shared().await;
    let host = host(&memory, &db).await;
    let bytes = content(4500);
    let (key, expected) = lfs(&bytes);
    let staged = host.store.stage(key, expected).await.unwrap();
    write(&staged, &bytes, 0..4500).await;
    recorded_parts(&db, 5).await;
    memory.objects.put(&BlobKey::Blob(Sha256Digest::of(&bytes)).path(), PutPayload::from(bytes.clone())).await.unwrap();
    memory.forget_uploads();
    memory.sent();
    promoted(&host.store, staged).await;
    assert!(memory.sent().is_empty());
    assert_tidy(&host, &db).await;
}

#[tokio::test]
async fn an_upload_that_is_lost_with_the_bytes_of_another_host_is_said_to_be() {
    let (_dir, db, memory) = shared().await;
    let (first, second) = (host(&memory, &db).await, host(&memory, &db).await);
    let bytes = content(4500);
    let (key, expected) = lfs(&bytes);
    let staged = first.store.stage(key, expected).await.unwrap();
    write(&staged, &bytes, 0..2500).await;
    recorded_parts(&db, 2).await;
    staged.park().await.unwrap();
    let staged = second.store.stage(key, expected).await.unwrap();
    write(&staged, &bytes, 2000..4500).await;
    recorded_parts(&db, 5).await;
    memory.forget_uploads();
    let Finished::Verified(verified) = staged.finish().await.unwrap() else { panic!("must verify") };
    let lost = second.store.promote(verified).await.unwrap_err();
    assert!(matches!(lost, BlobError::UploadLost(_)), "{lost}");

    let staged = second.store.stage(key, expected).await.unwrap();
    assert_eq!(staged.gap(0), Some(0..2000), "what this host has fetched is kept");
    write(&staged, &bytes, 0..2000).await;
    let sha256 = promoted(&second.store, staged).await;

    assert!(memory.object(sha256).await == bytes);
    assert_tidy(&second, &db).await;
}

#[tokio::test]
async fn contents_known_by_git_id_and_small_ones_go_up_when_they_are_verified() {
    let (_dir, db, memory) = shared().await;
    let host = host(&memory, &db).await;
    for size in [0, 1, 999, 1000, 1001, 4500] {
        let bytes = content(size);
        let oid = GitOid::of_blob(&bytes);
        let regular = Expected { size: size as u64, sha256: None, git_oid: Some(oid) };
        let staged = host.store.stage(StagingKey::Git { repo_id: 1, oid }, regular).await.unwrap();
        write(&staged, &bytes, 0..size).await;
        let sha256 = promoted(&host.store, staged).await;
        assert!(memory.object(sha256).await == bytes, "{size}");

        let (key, expected) = lfs(&bytes);
        let staged = host.store.stage(key, expected).await.unwrap();
        write(&staged, &bytes, 0..size).await;
        assert_eq!(promoted(&host.store, staged).await, sha256);
        assert!(memory.object(sha256).await == bytes, "{size}");
        assert_tidy(&host, &db).await;
    }
}

#[tokio::test]
async fn two_transfers_of_one_content_on_one_host_both_come_to_an_end() {
    let (_dir, db, memory) = shared().await;
    let host = host(&memory, &db).await;
    let bytes = content(4500);
    let (key, expected) = lfs(&bytes);
    let (first, second) =
        (host.store.stage(key, expected).await.unwrap(), host.store.stage(key, expected).await.unwrap());
    tokio::join!(write(&first, &bytes, 0..4500), write(&second, &bytes, 0..4500));
    let (one, other) = tokio::join!(promoted(&host.store, first), promoted(&host.store, second));
    assert_eq!(one, other);
    assert!(memory.object(one).await == bytes);
    assert_tidy(&host, &db).await;
}
