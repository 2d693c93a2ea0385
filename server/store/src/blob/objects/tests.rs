//! What uploads promise to whoever sends them, over objects in memory.

mod signing;

use std::collections::HashSet;
use std::sync::Arc;

use acervo_core::{HashState, Sha256Digest};
use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::multipart::MultipartStore;
use sea_orm::ConnectionTrait;
use tempfile::TempDir;

use super::{Objects, Upload, Uploads};
use crate::blob::{BlobError, StorageConfig};
use crate::db::{Database, DatabaseConfig, uploads};

/// Small, so that a content of a few bytes has several parts.
const PART: usize = 10;

struct Bench {
    raw: Arc<InMemory>,
    db: Database,
    _folder: TempDir,
}

impl Bench {
    async fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("acervo.db").display());
        let db = Database::open(&DatabaseConfig { url, ..DatabaseConfig::default() }).await.unwrap();
        acervo_migrations::up(db.writer()).await.unwrap();
        Bench { raw: Arc::new(InMemory::new()), db, _folder: folder }
    }

    /// The uploads of another process on the same bucket and database.
    fn process(&self) -> Uploads {
        let storage = StorageConfig { upload_part_bytes: PART as u64, ..StorageConfig::default() };
        Uploads::new(&Objects::over(self.raw.clone(), &storage), &self.db, &storage)
    }

    async fn rows(&self) -> u64 {
        uploads::count(self.db.reader()).await.unwrap()
    }

    async fn stored(&self, content: &[u8]) -> Option<Vec<u8>> {
        let objects = Objects::over(self.raw.clone(), &StorageConfig::default());
        let path = objects.path(crate::blob::BlobKey::Blob(Sha256Digest::of(content)));
        let found = self.raw.get(&path).await.ok()?;
        Some(found.bytes().await.unwrap().to_vec())
    }

    /// As if every holder had said nothing for an hour.
    async fn silence(&self) {
        let sql = "UPDATE multipart_upload SET touched_at = touched_at - 3600000";
        self.db.writer().execute_unprepared(sql).await.unwrap();
    }

    /// The store forgets all uploads; rows stay.
    async fn lose_uploads(&self, content: &[u8]) {
        let objects = Objects::over(self.raw.clone(), &StorageConfig::default());
        let path = objects.path(crate::blob::BlobKey::Blob(Sha256Digest::of(content)));
        let now = uploads::now(self.db.reader()).await.unwrap();
        let all =
            uploads::idle(self.db.reader(), Sha256Digest::of(content), content.len() as u64, uuid::Uuid::nil(), {
                acervo_core::Timestamp::from_millis(now.as_millis() + 1000)
            });
        for row in all.await.unwrap() {
            self.raw.abort_multipart(&path, &row.upload_id).await.unwrap();
        }
    }
}

fn content() -> Vec<u8> {
    (0..35).collect()
}

fn state(index: usize) -> HashState {
    HashState::from_bytes(format!("after {index}").as_bytes())
}

async fn begin(uploads: &Uploads, content: &[u8]) -> Upload {
    uploads.begin(Sha256Digest::of(content), content.len() as u64).await.unwrap().unwrap()
}

async fn send(upload: &mut Upload, content: &[u8], index: usize) -> Result<(), BlobError> {
    let part = Bytes::copy_from_slice(content.chunks(PART).nth(index).unwrap());
    upload.part(u32::try_from(index).unwrap(), part, state(index)).await
}

#[tokio::test]
async fn parts_in_any_order_make_the_content_and_leave_no_row() {
    let (bench, content) = (Bench::new().await, content());
    let mut upload = begin(&bench.process(), &content).await;
    assert!(upload.resume_points().is_empty());
    for index in [2, 0, 3, 1] {
        send(&mut upload, &content, index).await.unwrap();
    }
    assert_eq!(bench.stored(&content).await, None, "nothing is readable before it is complete");
    upload.complete().await.unwrap();
    assert_eq!(bench.stored(&content).await.unwrap(), content);
    assert_eq!(bench.rows().await, 0);
}

#[tokio::test]
async fn a_content_of_one_part_is_put_in_one_piece() {
    let bench = Bench::new().await;
    let uploads = bench.process();
    for length in [0, 1, PART] {
        let content = vec![7; length];
        let sha256 = Sha256Digest::of(&content);
        assert!(uploads.begin(sha256, length as u64).await.unwrap().is_none());
        uploads.put(sha256, Bytes::from(content.clone())).await.unwrap();
        assert_eq!(bench.stored(&content).await.unwrap(), content);
    }
    assert!(uploads.begin(Sha256Digest::of(b"x"), PART as u64 + 1).await.unwrap().is_some());
}

#[test]
fn parts_are_equal_and_never_too_many() {
    let storage = StorageConfig::default();
    let mib = 1024 * 1024;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::new());
    let uploads = Uploads::new(&Objects::over(bench.raw.clone(), &storage), &bench.db, &storage);
    for (size, part_bytes) in [
        (0, 16 * mib),
        (1 << 37, 16 * mib),
        (9_000 * 16 * mib, 16 * mib),
        (9_000 * 16 * mib + 1, 17 * mib),
        (5 << 40, 583 * mib),
    ] {
        assert_eq!(uploads.part_bytes(size), part_bytes, "{size}");
        assert!(size.div_ceil(part_bytes) <= 9_000);
    }
}

#[tokio::test]
async fn another_process_goes_on_from_the_last_part_in_order() {
    let (bench, content) = (Bench::new().await, content());
    let mut first = begin(&bench.process(), &content).await;
    for index in [0, 1, 3] {
        send(&mut first, &content, index).await.unwrap();
    }
    first.park().await.unwrap();
    assert_eq!(bench.rows().await, 1);

    let mut second = begin(&bench.process(), &content).await;
    let points: Vec<(u64, HashState)> =
        second.resume_points().iter().map(|point| (point.end, point.state.clone())).collect();
    assert_eq!(points, [(10, state(0)), (20, state(1))], "part 3 stands beyond a gap");
    for index in [2, 3] {
        send(&mut second, &content, index).await.unwrap();
    }
    second.complete().await.unwrap();
    assert_eq!(bench.stored(&content).await.unwrap(), content);
    assert_eq!(bench.rows().await, 0);
}

#[tokio::test]
async fn an_upload_that_somebody_works_on_is_left_alone() {
    let (bench, content) = (Bench::new().await, content());
    let processes = [bench.process(), bench.process()];
    let mut first = begin(&processes[0], &content).await;
    send(&mut first, &content, 0).await.unwrap();
    for uploads in &processes {
        let mut beside = begin(uploads, &content).await;
        assert!(beside.resume_points().is_empty(), "it is another one");
        for index in 0..4 {
            send(&mut beside, &content, index).await.unwrap();
        }
        beside.complete().await.unwrap();
    }
    for index in 1..4 {
        send(&mut first, &content, index).await.unwrap();
    }
    first.complete().await.unwrap();
    assert_eq!(bench.stored(&content).await.unwrap(), content);
    assert_eq!(bench.rows().await, 0);
}

#[tokio::test]
async fn a_holder_that_fell_silent_is_overtaken_and_changes_nothing_more() {
    let (bench, content) = (Bench::new().await, content());
    let mut first = begin(&bench.process(), &content).await;
    send(&mut first, &content, 0).await.unwrap();
    while first.part_is_on_its_way() {
        tokio::task::yield_now().await;
    }
    bench.silence().await;

    let mut second = begin(&bench.process(), &content).await;
    assert_eq!(second.resume_points().len(), 1);
    let wrong = vec![0xff; content.len()];
    send(&mut first, &wrong, 1).await.unwrap();
    let refused = first.complete().await.unwrap_err();
    assert!(matches!(refused, BlobError::Overtaken(_)), "{refused}");
    for index in 1..4 {
        send(&mut second, &content, index).await.unwrap();
    }
    second.complete().await.unwrap();
    assert_eq!(bench.stored(&content).await.unwrap(), content);
    assert_eq!(bench.rows().await, 0);
}

#[tokio::test]
async fn what_is_dropped_in_this_process_is_gone_on_with_at_once() {
    let (bench, content) = (Bench::new().await, content());
    let uploads = bench.process();
    let mut dropped = begin(&uploads, &content).await;
    send(&mut dropped, &content, 0).await.unwrap();
    while dropped.part_is_on_its_way() {
        tokio::task::yield_now().await;
    }
    drop(dropped);
    assert_eq!(begin(&uploads, &content).await.resume_points().len(), 1);
    assert_eq!(bench.rows().await, 1);
}

#[tokio::test]
async fn an_upload_that_the_store_lost_is_told_and_begins_anew() {
    let (bench, content) = (Bench::new().await, content());
    let uploads = bench.process();
    for sent_before in [1, 4] {
        let mut upload = begin(&uploads, &content).await;
        for index in 0..sent_before {
            send(&mut upload, &content, index).await.unwrap();
        }
        while upload.part_is_on_its_way() {
            tokio::task::yield_now().await;
        }
        bench.lose_uploads(&content).await;
        for index in sent_before..4 {
            // Told with this part or with one of the next.
            let _ = send(&mut upload, &content, index).await;
        }
        let lost = upload.complete().await.unwrap_err();
        assert!(matches!(lost, BlobError::UploadLost(_)), "{lost}");
        assert_eq!(bench.rows().await, 0, "nothing is left to go on with");
    }
    let mut upload = begin(&uploads, &content).await;
    assert!(upload.resume_points().is_empty());
    for index in 0..4 {
        send(&mut upload, &content, index).await.unwrap();
    }
    upload.complete().await.unwrap();
    assert_eq!(bench.stored(&content).await.unwrap(), content);
}

#[tokio::test]
async fn an_aborted_upload_leaves_neither_rows_nor_parts() {
    let (bench, content) = (Bench::new().await, content());
    let uploads = bench.process();
    let mut upload = begin(&uploads, &content).await;
    send(&mut upload, &content, 0).await.unwrap();
    upload.abort().await.unwrap();
    assert_eq!(bench.rows().await, 0);
    assert!(begin(&uploads, &content).await.resume_points().is_empty());
}

#[tokio::test]
async fn an_upload_is_never_completed_short_of_a_part_nor_with_one_of_another_length() {
    let (bench, content) = (Bench::new().await, content());
    let uploads = bench.process();
    let mut upload = begin(&uploads, &content).await;
    for (index, length) in [(0, 9), (0, 11), (3, 10), (4, 1), (0, 0)] {
        let refused = upload.part(index, Bytes::from(vec![0; length]), state(0)).await.unwrap_err().to_string();
        assert!(refused.contains("bytes instead of"), "{refused}");
    }
    for index in [0, 1, 3] {
        send(&mut upload, &content, index).await.unwrap();
    }
    let refused = upload.complete().await.unwrap_err().to_string();
    assert!(refused.contains("4 parts was to be completed after 3"), "{refused}");
    assert_eq!(bench.stored(&content).await, None);
}

#[tokio::test]
async fn a_sweep_removes_what_nobody_works_on() {
    let (bench, content) = (Bench::new().await, content());
    let uploads = bench.process();
    let mut parked = begin(&uploads, &content).await;
    send(&mut parked, &content, 0).await.unwrap();
    parked.park().await.unwrap();
    let other: Vec<u8> = content.iter().rev().copied().collect();
    let mut busy = begin(&uploads, &other).await;
    let of_another = begin(&bench.process(), &other).await;

    assert_eq!(uploads.sweep(3600).await.unwrap(), 0, "young ones stay");
    assert_eq!(uploads.sweep(0).await.unwrap(), 1);
    assert_eq!(bench.rows().await, 2, "those that somebody works on stay");
    assert!(begin(&uploads, &content).await.resume_points().is_empty());
    bench.silence().await;
    assert_eq!(uploads.sweep(0).await.unwrap(), 2, "what was dropped above, and the silent one of the other process");
    let refused = of_another.complete().await.unwrap_err();
    assert!(matches!(refused, BlobError::Config(_) | BlobError::Overtaken(_)), "{refused}");
    for index in 0..4 {
        send(&mut busy, &other, index).await.unwrap();
    }
    busy.complete().await.unwrap();
    assert_eq!(bench.stored(&other).await.unwrap(), other);
}

#[tokio::test]
async fn uploads_of_contents_that_are_held_by_now_are_aborted_however_young() {
    let (bench, content) = (Bench::new().await, content());
    let uploads = bench.process();
    let sha256 = Sha256Digest::of(&content);
    let mut parked = begin(&uploads, &content).await;
    send(&mut parked, &content, 0).await.unwrap();
    assert!(uploads.idle().await.unwrap().is_empty(), "somebody works on it");
    assert_eq!(uploads.abort_idle(&HashSet::from([sha256])).await.unwrap(), 0);
    parked.park().await.unwrap();
    assert_eq!(uploads.idle().await.unwrap(), [sha256]);

    assert_eq!(uploads.abort_idle(&HashSet::from([Sha256Digest::of(b"another")])).await.unwrap(), 0);
    assert_eq!(bench.rows().await, 1);
    assert_eq!(uploads.abort_idle(&HashSet::from([sha256])).await.unwrap(), 1);

    assert_eq!(bench.rows().await, 0);
    let of_another = begin(&bench.process(), &content).await;
    assert!(of_another.resume_points().is_empty());
    assert_eq!(uploads.abort_idle(&HashSet::from([sha256])).await.unwrap(), 0, "another process works on it");
    bench.silence().await;
    assert_eq!(uploads.abort_idle(&HashSet::from([sha256])).await.unwrap(), 1);
}
