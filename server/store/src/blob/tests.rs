//! What a caller of the store may rely on.

mod adopt;
mod disk;
mod objects;
mod ranges;

use acervo_core::{GitOid, Sha256Digest};
use bytes::Bytes;
use futures::TryStreamExt;
use tempfile::TempDir;

use super::{BlobError, BlobStore, Expected, Finished, Staged, StagingConfig, StagingKey, StorageConfig};
use crate::db::{Database, DatabaseConfig};

/// A database in this folder, with every table.
async fn database(dir: &TempDir) -> Database {
    let url = format!("sqlite://{}", dir.path().join("acervo.db").display());
    let db = Database::open(&DatabaseConfig { url, ..DatabaseConfig::default() }).await.unwrap();
    acervo_migrations::up(db.writer()).await.unwrap();
    db
}

fn folder_config(dir: &TempDir) -> StorageConfig {
    StorageConfig { url: format!("file://{}", dir.path().join("store").display()), ..StorageConfig::default() }
}

async fn opened(dir: &TempDir, storage: &StorageConfig, staging: &StagingConfig) -> Result<BlobStore, BlobError> {
    BlobStore::open(storage, staging, &database(dir).await).await
}

async fn store(dir: &TempDir, bytes_max: u64) -> BlobStore {
    store_beside(dir, bytes_max, &database(dir).await).await
}

/// A store in this folder whose database is elsewhere.
async fn store_beside(dir: &TempDir, bytes_max: u64, db: &Database) -> BlobStore {
    let staging = StagingConfig { dir: dir.path().join("staging"), bytes_max };
    BlobStore::open(&folder_config(dir), &staging, db).await.unwrap()
}

/// Ends a content, which must be what was declared, and makes it readable.
async fn promoted(store: &BlobStore, staged: Staged) -> Sha256Digest {
    let Finished::Verified(verified) = staged.finish().await.unwrap() else { panic!("must verify") };
    let sha256 = verified.digests().sha256;
    store.promote(verified).await.unwrap().settle().await.unwrap();
    sha256
}

/// Names of what is in staging, beside the quarantine.
fn staged_names(dir: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(dir.path().join("staging")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "quarantine");
    names.sort();
    names
}

fn lfs(content: &[u8]) -> (StagingKey, Expected) {
    let sha256 = Sha256Digest::of(content);
    (StagingKey::Sha256(sha256), Expected { size: content.len() as u64, sha256: Some(sha256), git_oid: None })
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect()
}

async fn read(store: &BlobStore, sha256: Sha256Digest, start: u64, end: u64) -> Vec<u8> {
    let size = store.size_of(sha256).await.unwrap().unwrap();
    let reader = store.reader(sha256, size).await.unwrap();
    let chunks: Vec<Bytes> = reader.stream(start, end.min(size)).await.unwrap().try_collect().await.unwrap();
    chunks.concat()
}

#[tokio::test]
async fn verified_bytes_are_readable_whole_and_by_range() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir, u64::MAX).await;
    let bytes = content(3_000_000);
    let (key, expected) = lfs(&bytes);

    let mut staged = store.stage(key, expected).await.unwrap();
    for piece in bytes.chunks(70_001) {
        staged.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    let Finished::Verified(verified) = staged.finish().await.unwrap() else { panic!("must verify") };
    let sha256 = verified.digests().sha256;
    assert!(store.reader(sha256, 3_000_000).await.is_err(), "nothing is readable before it is promoted");
    store.promote(verified).await.unwrap().settle().await.unwrap();

    assert_eq!(store.size_of(sha256).await.unwrap(), Some(3_000_000));
    assert_eq!(store.totals().await.unwrap(), (1, 3_000_000));
    assert!(read(&store, sha256, 0, u64::MAX).await == bytes);
    assert!(read(&store, sha256, 262_143, 262_146).await == bytes[262_143..262_146]);
    assert!(staged_names(&dir).is_empty());
}

#[tokio::test]
async fn an_interrupted_transfer_goes_on_where_it_stopped() {
    let dir = TempDir::new().unwrap();
    let bytes = content(2_500_000);
    let (key, expected) = lfs(&bytes);
    {
        let store = store(&dir, u64::MAX).await;
        let mut staged = store.stage(key, expected).await.unwrap();
        staged.write(Bytes::copy_from_slice(&bytes[..1_500_000])).await.unwrap();
        staged.park().await.unwrap();
    }
    let store = store(&dir, u64::MAX).await;
    let mut staged = store.stage(key, expected).await.unwrap();
    assert_eq!(staged.offset(), 1_500_000);
    staged.write(Bytes::copy_from_slice(&bytes[1_500_000..])).await.unwrap();
    assert!(matches!(staged.finish().await.unwrap(), Finished::Verified(_)));
}

#[tokio::test]
async fn two_transfers_of_one_content_do_not_mix() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir, u64::MAX).await;
    let bytes = content(100_000);
    let (key, expected) = lfs(&bytes);
    let mut first = store.stage(key, expected).await.unwrap();
    let mut second = store.stage(key, expected).await.unwrap();
    for piece in bytes.chunks(10_000) {
        first.write(Bytes::copy_from_slice(piece)).await.unwrap();
        second.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    for staged in [first, second] {
        let Finished::Verified(verified) = staged.finish().await.unwrap() else { panic!("must verify") };
        store.promote(verified).await.unwrap().settle().await.unwrap();
    }
    assert_eq!(store.totals().await.unwrap(), (1, 100_000));
}

#[tokio::test]
async fn what_other_attempts_at_a_content_left_goes_when_it_is_here() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir, u64::MAX).await;
    let bytes = content(100_000);
    let (key, expected) = lfs(&bytes);
    let mut attempts = Vec::new();
    for _ in 0..4 {
        let mut staged = store.stage(key, expected).await.unwrap();
        staged.write(Bytes::copy_from_slice(&bytes[..500])).await.unwrap();
        attempts.push(staged);
    }
    let (busy, mut last) = (attempts.pop().unwrap(), attempts.pop().unwrap());
    for staged in attempts {
        staged.park().await.unwrap();
    }
    last.write(Bytes::copy_from_slice(&bytes[500..])).await.unwrap();
    promoted(&store, last).await;
    let left = staged_names(&dir);
    assert!(left.len() == 1 && left[0].ends_with(".3"), "{left:?}");
    drop(busy);
}

#[tokio::test]
async fn wrong_bytes_go_to_quarantine_and_are_never_readable() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir, u64::MAX).await;
    let right = content(1000);
    let mut wrong = right.clone();
    wrong[500] ^= 1;
    let oid = GitOid::of_blob(&right);
    let regular = Expected { size: 1000, sha256: None, git_oid: Some(oid) };
    for (key, expected) in [lfs(&right), (StagingKey::Git { repo_id: 1, oid }, regular)] {
        let mut staged = store.stage(key, expected).await.unwrap();
        staged.write(Bytes::copy_from_slice(&wrong)).await.unwrap();
        let Finished::Quarantined(quarantined) = staged.finish().await.unwrap() else { panic!("must not verify") };
        assert_eq!(std::fs::read(&quarantined.path).unwrap(), wrong);
        assert_eq!(quarantined.mismatch.found.sha256, Sha256Digest::of(&wrong));
    }
    assert_eq!(store.totals().await.unwrap(), (0, 0));
}

#[tokio::test]
async fn a_short_content_and_one_without_any_digest_do_not_verify() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir, u64::MAX).await;
    let bytes = content(1000);
    let (key, expected) = lfs(&bytes);
    let undeclared = Expected { sha256: None, ..expected };
    for (expected, sent) in [(expected, &bytes[..999]), (undeclared, &bytes[..])] {
        let mut staged = store.stage(key, expected).await.unwrap();
        staged.write(Bytes::copy_from_slice(sent)).await.unwrap();
        assert!(matches!(staged.finish().await.unwrap(), Finished::Quarantined(_)));
    }
}

#[tokio::test]
async fn the_staging_budget_is_kept_by_waiting_and_what_never_fits_is_refused() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir, 1500).await;
    let (key, expected) = lfs(&content(1000));
    let first = store.stage(key, expected).await.unwrap();
    let mut second = tokio::spawn({
        let store = store.clone();
        async move { store.stage(key, expected).await }
    });
    assert!(futures::poll!(&mut second).is_pending());
    drop(first);
    second.await.unwrap().unwrap();
    let (key, expected) = lfs(&content(1501));
    let refused = store.stage(key, expected).await.unwrap_err().to_string();
    assert!(refused.contains("staging.bytes_max"), "{refused}");
}

#[tokio::test]
async fn an_empty_content_verifies_without_a_single_write() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir, u64::MAX).await;
    let oid = GitOid::of_blob(b"");
    let regular = Expected { size: 0, sha256: None, git_oid: Some(oid) };
    for (key, expected) in [lfs(b""), (StagingKey::Git { repo_id: 1, oid }, regular)] {
        let staged = store.stage(key, expected).await.unwrap();
        let Finished::Verified(verified) = staged.finish().await.unwrap() else { panic!("must verify") };
        store.promote(verified).await.unwrap().settle().await.unwrap();
        assert_eq!(read(&store, Sha256Digest::of(b""), 0, u64::MAX).await, b"");
    }
}

#[tokio::test]
async fn a_place_that_is_no_folder_is_refused_with_what_to_write() {
    let dir = TempDir::new().unwrap();
    let staging = StagingConfig { dir: dir.path().join("staging"), ..StagingConfig::default() };
    for url in ["file://", "file://~/acervo"] {
        let storage = StorageConfig { url: url.to_owned(), ..StorageConfig::default() };
        let refused = opened(&dir, &storage, &staging).await.unwrap_err().to_string();
        assert!(refused.contains("storage.url"), "{url}: {refused}");
    }
    let staging = StagingConfig { dir: "~/staging".into(), ..StagingConfig::default() };
    let refused = opened(&dir, &folder_config(&dir), &staging).await.unwrap_err().to_string();
    assert!(refused.contains("staging.dir"), "{refused}");
}

#[tokio::test]
async fn the_sweep_spares_what_somebody_works_on() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir, u64::MAX).await;
    let (busy_key, busy_expected) = lfs(&content(1000));
    let mut busy = store.stage(busy_key, busy_expected).await.unwrap();
    busy.write(Bytes::from_static(b"x")).await.unwrap();
    let (idle_key, idle_expected) = lfs(&content(900));
    let mut idle = store.stage(idle_key, idle_expected).await.unwrap();
    idle.write(Bytes::from_static(b"xyz")).await.unwrap();
    idle.park().await.unwrap();

    assert_eq!(store.sweep_staging(3600).await.unwrap().files, 0, "young files stay");
    let swept = store.sweep_staging(0).await.unwrap();
    assert_eq!((swept.files, swept.bytes), (1, 3));
    busy.write(Bytes::from_static(b"y")).await.unwrap();
}

#[tokio::test]
async fn a_staging_folder_on_another_filesystem_is_refused_with_the_key_to_change() {
    use std::os::unix::fs::MetadataExt;
    let dir = TempDir::new().unwrap();
    // Memory-backed on every Linux; were it the same filesystem, nothing would be proved.
    let elsewhere = TempDir::new_in("/dev/shm").unwrap();
    let device = |path: &std::path::Path| std::fs::metadata(path).unwrap().dev();
    assert_ne!(device(dir.path()), device(elsewhere.path()));
    let staging = StagingConfig { dir: elsewhere.path().join("staging"), bytes_max: u64::MAX };
    let error = opened(&dir, &folder_config(&dir), &staging).await.unwrap_err().to_string();
    assert!(error.contains("different filesystems") && error.contains("`staging.dir`"), "{error}");
}

#[test]
fn a_full_disk_is_told_as_such() {
    for code in [rustix::io::Errno::NOSPC, rustix::io::Errno::DQUOT] {
        let error = super::BlobError::io("writing the staging file", std::path::Path::new("/srv/staging"))(code.into());
        let text = error.to_string();
        assert!(text.contains("no space left at `/srv/staging`") && text.contains("nothing is lost"), "{text}");
    }
}
