//! Contents that arrive as ranges in any order, and what is left of them when their process dies.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;
use tempfile::TempDir;

use super::super::{Finished, Staged};
use super::{content, lfs, promoted, read, staged_names, store};

const SIZE: u64 = 5_000_000;

fn bytes() -> Vec<u8> {
    content(usize::try_from(SIZE).unwrap())
}

async fn fill(staged: &Staged, content: &[u8], range: Range<u64>) {
    let mut writer = staged.writer(range.start);
    let (start, end) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
    for piece in content[start..end].chunks(100_003) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert_eq!(writer.position(), range.end);
    writer.flush().await.unwrap();
}

fn gaps(staged: &Staged) -> Vec<Range<u64>> {
    let mut found: Vec<Range<u64>> = Vec::new();
    while let Some(gap) = staged.gap(found.last().map_or(0, |gap| gap.end)) {
        found.push(gap);
    }
    found
}

async fn fill_gaps(staged: &Staged, content: &[u8]) {
    for gap in gaps(staged) {
        fill(staged, content, gap).await;
    }
}

fn staged_file(dir: &TempDir) -> PathBuf {
    let name = staged_names(dir).into_iter().find(|name| !name.contains(".ranges")).unwrap();
    dir.path().join("staging").join(name)
}

fn sidecar(dir: &TempDir) -> PathBuf {
    PathBuf::from(format!("{}.ranges", staged_file(dir).display()))
}

#[tokio::test]
async fn ranges_in_any_order_and_at_once_make_the_content() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir, u64::MAX).await;
    let bytes = bytes();
    let (key, expected) = lfs(&bytes);
    let staged = store.stage(key, expected).await.unwrap();
    fill(&staged, &bytes, 4_000_000..SIZE).await;
    assert_eq!((staged.offset(), staged.arrived()), (0, 1_000_000));
    tokio::join!(
        fill(&staged, &bytes, 1_000_000..2_500_000),
        fill(&staged, &bytes, 0..1_000_000),
        fill(&staged, &bytes, 3_999_999..4_000_000),
    );
    assert_eq!(staged.offset(), 2_500_000);
    assert_eq!(gaps(&staged), std::slice::from_ref(&(2_500_000..3_999_999)));
    fill_gaps(&staged, &bytes).await;
    assert_eq!((staged.offset(), staged.arrived(), staged.gap(0)), (SIZE, SIZE, None));

    let sha256 = promoted(&store, staged).await;

    assert!(read(&store, sha256, 0, SIZE).await == bytes);
    assert!(staged_names(&dir).is_empty());
}

#[tokio::test]
async fn every_byte_that_reached_the_file_is_kept_when_its_process_dies() {
    let bytes = bytes();
    let (key, expected) = lfs(&bytes);
    // In order, the length of the file tells; out of order, the sidecar does.
    let cases: [&[Range<u64>]; 3] =
        [&[0..600_000, 600_000..1_234_567], &[0..1_000_001, 3_000_003..3_000_004], &[4_999_999..SIZE, 17..1_800_000]];
    for written in cases {
        let dir = TempDir::new().unwrap();
        {
            let store = store(&dir, u64::MAX).await;
            let staged = store.stage(key, expected).await.unwrap();
            for range in written {
                fill(&staged, &bytes, range.clone()).await;
            }
            // Dropped as a process is that dies: neither parked nor finished.
        }
        let store = store(&dir, u64::MAX).await;
        let staged = store.stage(key, expected).await.unwrap();
        let there: u64 = written.iter().map(|range| range.end - range.start).sum();
        assert_eq!(staged.arrived(), there);
        let missing: u64 = gaps(&staged).iter().map(|gap| gap.end - gap.start).sum();
        assert_eq!(missing, SIZE - there, "{written:?}");
        for gap in gaps(&staged) {
            assert!(written.iter().all(|range| gap.end <= range.start || range.end <= gap.start), "{gap:?}");
        }
        fill_gaps(&staged, &bytes).await;
        promoted(&store, staged).await;
    }
}

#[tokio::test]
async fn a_spoiled_sidecar_makes_bytes_absent_and_never_present() {
    let bytes = bytes();
    let (key, expected) = lfs(&bytes);
    let spoil: [fn(Vec<u8>) -> Vec<u8>; 4] = [
        |_| Vec::new(),
        |_| vec![0; 4096],
        |mut whole| {
            whole.truncate(whole.len() - 5);
            whole
        },
        |mut whole| {
            whole.extend_from_slice(b"torn");
            whole
        },
    ];
    for (nth, spoil) in spoil.into_iter().enumerate() {
        let dir = TempDir::new().unwrap();
        let store = store(&dir, u64::MAX).await;
        let staged = store.stage(key, expected).await.unwrap();
        fill(&staged, &bytes, 0..1_000_000).await;
        fill(&staged, &bytes, 2_000_000..2_500_000).await;
        staged.park().await.unwrap();
        let whole = fs::read(sidecar(&dir)).unwrap();
        fs::write(sidecar(&dir), spoil(whole)).unwrap();

        let staged = store.stage(key, expected).await.unwrap();

        let there = [0, 0, 1_000_000, 1_500_000][nth];
        assert_eq!(staged.arrived(), there, "case {nth}");
        fill_gaps(&staged, &bytes).await;
        let sha256 = promoted(&store, staged).await;
        assert!(read(&store, sha256, 0, SIZE).await == bytes);
        assert!(staged_names(&dir).is_empty());
    }
}

#[tokio::test]
async fn a_file_that_was_cut_has_no_bytes_beyond_its_end_whatever_its_sidecar_tells() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir, u64::MAX).await;
    let bytes = bytes();
    let (key, expected) = lfs(&bytes);
    let staged = store.stage(key, expected).await.unwrap();
    fill(&staged, &bytes, 0..1_000_000).await;
    fill(&staged, &bytes, 2_000_000..3_000_000).await;
    staged.park().await.unwrap();
    let file = fs::OpenOptions::new().write(true).open(staged_file(&dir)).unwrap();
    file.set_len(2_200_000).unwrap();

    let staged = store.stage(key, expected).await.unwrap();
    assert_eq!(gaps(&staged), [1_000_000..2_000_000, 2_200_000..SIZE]);
    staged.park().await.unwrap();
    // The file is gone, its sidecar is not.
    fs::remove_file(staged_file(&dir)).unwrap();
    let staged = store.stage(key, expected).await.unwrap();
    assert_eq!(staged.arrived(), 0);
    fill_gaps(&staged, &bytes).await;
    promoted(&store, staged).await;
}

#[tokio::test]
async fn starting_over_forgets_ranges_too() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir, u64::MAX).await;
    let bytes = bytes();
    let (key, expected) = lfs(&bytes);
    let staged = store.stage(key, expected).await.unwrap();
    fill(&staged, &[7; 5_000_000], 0..1_000_000).await;
    fill(&staged, &[7; 5_000_000], 2_000_000..3_000_000).await;
    let staged = staged.restart().await.unwrap();
    assert_eq!((staged.arrived(), staged.gap(0)), (0, Some(0..SIZE)));
    assert_eq!(staged_names(&dir).len(), 1, "the sidecar is gone");
    fill_gaps(&staged, &bytes).await;
    promoted(&store, staged).await;
}

#[tokio::test]
async fn a_content_with_a_hole_does_not_verify() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir, u64::MAX).await;
    // Zeros, so that the hole reads as the content would.
    let bytes = vec![0; 5_000_000];
    let (key, expected) = lfs(&bytes);
    let staged = store.stage(key, expected).await.unwrap();
    fill(&staged, &bytes, 0..1_000_000).await;
    fill(&staged, &bytes, 1_000_001..SIZE).await;
    let Finished::Quarantined(quarantined) = staged.finish().await.unwrap() else { panic!("must not verify") };
    assert_eq!(quarantined.mismatch.found.size, 1_000_000);
    assert_eq!(store.totals().await.unwrap(), (0, 0));
    assert!(staged_names(&dir).is_empty());
}

#[tokio::test]
async fn the_sweep_takes_sidecars_with_their_files_and_those_without_any() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir, u64::MAX).await;
    let bytes = bytes();
    let (key, expected) = lfs(&bytes);
    let busy = store.stage(key, expected).await.unwrap();
    fill(&busy, &bytes, 100..200).await;
    let idle = store.stage(key, expected).await.unwrap();
    fill(&idle, &bytes, 500..700).await;
    idle.park().await.unwrap();
    fs::write(dir.path().join("staging/sha256-gone.ranges"), "whatever").unwrap();
    fs::write(dir.path().join("staging/sha256-also-gone.ranges-draft"), "whatever").unwrap();

    let swept = store.sweep_staging(3600).await.unwrap();
    assert_eq!((swept.files, swept.bytes), (2, 0), "young files stay");
    let swept = store.sweep_staging(0).await.unwrap();

    assert_eq!((swept.files, swept.bytes), (1, 700));
    assert_eq!(staged_names(&dir).len(), 2, "the busy one and its sidecar: {:?}", staged_names(&dir));
    fill(&busy, &bytes, 0..100).await;
    drop(busy);
    let again = store.stage(key, expected).await.unwrap();
    assert_eq!(again.offset(), 200);
}
