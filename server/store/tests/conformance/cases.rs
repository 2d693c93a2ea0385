//! What every store promises.

use acervo_core::Sha256Digest;
use acervo_store::blob::{BlobError, BlobKey, Finished};
use bytes::Bytes;
use object_store::{ObjectStoreExt, PutPayload};

use crate::backend::Backend;
use crate::contents::{self, PART, assert_stored, content, finish, lfs, read, regular, write};

pub(crate) async fn what_went_in_comes_out_whole_and_by_range(backend: &Backend) {
    let store = backend.store("a").await;
    let bytes = content(3_000_000);
    let sha256 = Sha256Digest::of(&bytes);
    let (key, expected) = lfs(&bytes);
    let mut staged = store.stage(key, expected).await.unwrap();
    write(&mut staged, &bytes).await;
    let Finished::Verified(verified) = staged.finish().await.unwrap() else { panic!("must verify") };
    assert_eq!(store.size_of(sha256).await.unwrap(), None, "nothing is readable before it is promoted");
    store.promote(verified).await.unwrap().settle().await.unwrap();

    assert_stored(&store, &bytes).await;
    for (start, end) in [(0, 1), (262_143, 262_146), (1_048_575, 2_500_001), (2_999_999, 3_000_000), (5, 5)] {
        assert!(read(&store, sha256, 3_000_000, start, end).await.unwrap() == bytes[start..end], "{start}..{end}");
    }
    assert!(read(&store, sha256, 3_000_000, 2_999_990, usize::MAX).await.unwrap() == bytes[2_999_990..]);
    backend.assert_nothing_left("a").await;
}

pub(crate) async fn contents_of_any_length_around_a_part_come_out_as_they_went_in(backend: &Backend) {
    let store = backend.store("a").await;
    for length in [0, 1, PART - 1, PART, PART + 1, 2 * PART] {
        let bytes = content(length);
        contents::store(&store, lfs(&bytes), &bytes).await.unwrap();
        assert_stored(&store, &bytes).await;
    }
    backend.assert_nothing_left("a").await;
}

pub(crate) async fn a_content_of_several_parts_leaves_nothing_but_the_blob(backend: &Backend) {
    let store = backend.store("a").await;
    let bytes = content(3 * PART + 12_345);
    let sha256 = contents::store(&store, lfs(&bytes), &bytes).await.unwrap();
    assert_stored(&store, &bytes).await;
    let around = PART - 1000..2 * PART + 1000;
    let found = read(&store, sha256, bytes.len(), around.start, around.end).await.unwrap();
    assert!(found == bytes[around], "a range over the borders of parts");
    assert_eq!(store.totals().await.unwrap(), (1, bytes.len() as u64));
    backend.assert_nothing_left("a").await;
}

pub(crate) async fn a_content_known_by_its_git_id_is_stored_under_its_sha256(backend: &Backend) {
    let store = backend.store("a").await;
    for length in [0, 100, 2 * PART + 1] {
        let bytes = content(length);
        let sha256 = contents::store(&store, regular(&bytes), &bytes).await.unwrap();
        assert_eq!(sha256, Sha256Digest::of(&bytes));
        assert_stored(&store, &bytes).await;
    }
    backend.assert_nothing_left("a").await;
}

pub(crate) async fn what_is_missing_or_of_another_size_is_told_before_a_byte_is_read(backend: &Backend) {
    let store = backend.store("a").await;
    let bytes = content(1000);
    let sha256 = Sha256Digest::of(&bytes);
    assert_eq!(store.size_of(sha256).await.unwrap(), None);
    let missing = read(&store, sha256, 1000, 0, 10).await.unwrap_err();
    assert!(matches!(missing, BlobError::Missing(_)) && !missing.is_transient(), "{missing}");

    contents::store(&store, lfs(&bytes), &bytes).await.unwrap();
    for (recorded, start, end) in [(1001, 0, 1001), (999, 0, 999), (5000, 2000, 3000), (1001, 1000, 1001)] {
        let damaged = read(&store, sha256, recorded, start, end).await.unwrap_err();
        let expected = format!("has 1000 bytes in storage where {recorded} are recorded");
        assert!(damaged.to_string().contains(&expected) && !damaged.is_transient(), "{damaged}");
    }
}

pub(crate) async fn blobs_are_counted_with_their_bytes(backend: &Backend) {
    let store = backend.store("a").await;
    assert_eq!(store.totals().await.unwrap(), (0, 0));
    for length in [1, 20, 300] {
        let bytes = content(length);
        contents::store(&store, lfs(&bytes), &bytes).await.unwrap();
    }
    assert_eq!(store.totals().await.unwrap(), (3, 321));
    assert_eq!(backend.store("b").await.totals().await.unwrap(), (3, 321));
}

pub(crate) async fn one_content_from_two_processes_is_stored_once(backend: &Backend) {
    let stores = [backend.store("a").await, backend.store("b").await];
    let bytes = content(2 * PART + 7);
    let mut verified = Vec::new();
    for store in stores.iter().chain(&stores) {
        let (key, expected) = lfs(&bytes);
        let mut staged = store.stage(key, expected).await.unwrap();
        write(&mut staged, &bytes).await;
        let Finished::Verified(found) = staged.finish().await.unwrap() else { panic!("must verify") };
        verified.push((store, found));
    }
    let promoted = futures::future::join_all(
        verified.into_iter().map(|(store, found)| async move { store.promote(found).await?.settle().await }),
    )
    .await;
    assert!(promoted.iter().all(Result::is_ok), "{promoted:?}");
    assert_stored(&stores[0], &bytes).await;
    assert_eq!(stores[1].totals().await.unwrap(), (1, bytes.len() as u64));
    backend.assert_nothing_left("a").await;
    backend.assert_nothing_left("b").await;
}

pub(crate) async fn half_a_blob_is_written_over(backend: &Backend) {
    let store = backend.store("a").await;
    for length in [2000, PART + 2000] {
        let bytes = content(length);
        let half = PutPayload::from(bytes.slice(..length / 2));
        backend.raw().put(&BlobKey::Blob(Sha256Digest::of(&bytes)).path(), half).await.unwrap();
        contents::store(&store, lfs(&bytes), &bytes).await.unwrap();
        assert_stored(&store, &bytes).await;
    }
}

pub(crate) async fn a_transfer_goes_on_in_another_process(backend: &Backend) {
    let bytes = content(3 * PART + 99);
    let (key, expected) = lfs(&bytes);
    let first = backend.store("a").await;
    let mut staged = first.stage(key, expected).await.unwrap();
    // Beyond the second part by more than what waits to be written in one piece.
    write(&mut staged, &bytes.slice(..2 * PART + 3_000_000)).await;
    if backend.is_bucket() {
        backend.wait_for_parts(2).await;
    }
    staged.park().await.unwrap();

    let second = backend.store("b").await;
    let mut staged = second.stage(key, expected).await.unwrap();
    // Only an object store has what another host sent; a folder has it in the staging folder of that host.
    let arrived = if backend.is_bucket() { 2 * PART } else { 0 };
    assert_eq!(staged.offset(), arrived as u64);
    write(&mut staged, &bytes.slice(arrived..)).await;
    finish(&second, staged).await.unwrap();
    assert_stored(&second, &bytes).await;
    assert_eq!(backend.uploads_under_way().await, 0);
    backend.assert_nothing_left("b").await;
}

pub(crate) async fn a_transfer_that_nobody_goes_on_with_is_swept(backend: &Backend) {
    let bytes = content(2 * PART);
    let (key, expected) = lfs(&bytes);
    let store = backend.store("a").await;
    let mut staged = store.stage(key, expected).await.unwrap();
    write(&mut staged, &bytes.slice(..PART + 1)).await;
    staged.park().await.unwrap();
    assert_eq!(store.sweep_staging(3600).await.unwrap().files, 0, "it is young");
    assert_eq!(backend.uploads_under_way().await, u64::from(backend.is_bucket()));

    let swept = store.sweep_staging(0).await.unwrap();
    assert!(swept.files >= 1 && swept.bytes > PART as u64, "{swept:?}");
    backend.assert_nothing_left("a").await;
    assert_eq!(store.totals().await.unwrap(), (0, 0));
    contents::store(&store, lfs(&bytes), &bytes).await.unwrap();
    assert_stored(&store, &bytes).await;
}

pub(crate) async fn an_upload_that_the_store_lost_is_sent_again(backend: &Backend) {
    let bytes = content(3 * PART);
    let (key, expected) = lfs(&bytes);
    let store = backend.store("a").await;
    for lost_at in [PART + 10, 3 * PART] {
        let mut staged = store.stage(key, expected).await.unwrap();
        staged = staged.restart().await.unwrap();
        write(&mut staged, &bytes.slice(..lost_at)).await;
        backend.lose_uploads(Sha256Digest::of(&bytes)).await;
        write(&mut staged, &bytes.slice(lost_at..)).await;
        finish(&store, staged).await.unwrap();
        assert_stored(&store, &bytes).await;
        backend.assert_nothing_left("a").await;
    }
}

pub(crate) async fn wrong_bytes_are_never_readable(backend: &Backend) {
    let store = backend.store("a").await;
    for length in [1000, 2 * PART + 3] {
        let right = content(length);
        let mut wrong = right.to_vec();
        wrong[length - 2] ^= 1;
        let wrong = Bytes::from(wrong);
        for (key, expected) in [lfs(&right), regular(&right)] {
            let mut staged = store.stage(key, expected).await.unwrap();
            write(&mut staged, &wrong).await;
            assert!(matches!(staged.finish().await.unwrap(), Finished::Quarantined(_)));
        }
        for content in [&right, &wrong] {
            assert_eq!(store.size_of(Sha256Digest::of(content)).await.unwrap(), None);
        }
    }
    assert_eq!(store.totals().await.unwrap(), (0, 0));
    assert_eq!(backend.uploads_under_way().await, 0);
    // What was refused stands in nobody's way.
    let bytes = content(2 * PART + 3);
    contents::store(&store, lfs(&bytes), &bytes).await.unwrap();
    assert_stored(&store, &bytes).await;
    let listed: Vec<_> = futures::TryStreamExt::try_collect(backend.raw().list(None)).await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
}
