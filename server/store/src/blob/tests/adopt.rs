//! Death between the store and the row: what was promoted is found again, and only if it is what it is called.

use acervo_core::{GitOid, Sha256Digest};
use bytes::Bytes;
use tempfile::TempDir;

use super::super::{BlobKey, BlobStore, Expected, Finished, Promoted, StagingKey};
use super::{content, lfs, staged_names, store};

fn regular(content: &[u8]) -> (StagingKey, Expected) {
    let oid = GitOid::of_blob(content);
    (StagingKey::Git { repo_id: 1, oid }, Expected { size: content.len() as u64, sha256: None, git_oid: Some(oid) })
}

/// Brings a content into the store, and no further.
async fn brought(store: &BlobStore, (key, expected): (StagingKey, Expected), bytes: &[u8]) -> Promoted {
    let mut staged = store.stage(key, expected).await.unwrap();
    staged.write(Bytes::copy_from_slice(bytes)).await.unwrap();
    let Finished::Verified(verified) = staged.finish().await.unwrap() else { panic!("must verify") };
    store.promote(verified).await.unwrap()
}

#[tokio::test]
async fn what_was_promoted_before_a_death_is_adopted_by_its_declared_identity() {
    for size in [0, 1, 5_000_001] {
        let bytes = content(size);
        for (declared, left) in [(lfs(&bytes), false), (regular(&bytes), true)] {
            let dir = TempDir::new().unwrap();
            drop(brought(&store(&dir, u64::MAX).await, declared, &bytes).await);
            assert_eq!(staged_names(&dir).len(), usize::from(left), "what leads to it, where its name does not");

            let store = store(&dir, u64::MAX).await;
            let found = store.adopt(declared.0, declared.1).await.unwrap().expect("it is there");

            assert_eq!((found.digests().sha256, found.digests().size), (Sha256Digest::of(&bytes), size as u64));
            found.settle().await.unwrap();
            assert_eq!(staged_names(&dir), Vec::<String>::new());
            assert_eq!(store.adopt(declared.0, declared.1).await.unwrap().is_some(), !left);
        }
    }
}

#[tokio::test]
async fn bytes_that_are_not_what_they_are_called_are_not_adopted_and_the_right_ones_replace_them() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir, u64::MAX).await;
    let bytes = content(5_000_001);
    let mut flipped = bytes.clone();
    flipped[4_500_000] ^= 1;
    for (declared, wrong) in [(lfs(&bytes), &flipped[..]), (regular(&bytes), &flipped[..]), (lfs(&bytes), &bytes[1..])]
    {
        // Of a content that is declared by its git id, the trail is what a death leaves.
        drop(brought(&store, declared, &bytes).await);
        let path = dir.path().join("store").join(BlobKey::Blob(Sha256Digest::of(&bytes)).path().as_ref());
        std::fs::write(&path, wrong).unwrap();

        assert!(store.adopt(declared.0, declared.1).await.unwrap().is_none());

        assert!(std::fs::read(&path).unwrap() == wrong, "it might be another process's by now");
        brought(&store, declared, &bytes).await.settle().await.unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes);
        assert_eq!(staged_names(&dir), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_trail_that_leads_to_other_bytes_is_not_followed() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir, u64::MAX).await;
    let (first, second) = (content(1000), content(1001));
    drop(brought(&store, regular(&first), &first).await);
    let name = staged_names(&dir).remove(0);
    let (key, expected) = regular(&second);
    let StagingKey::Git { oid, .. } = key else { panic!("it is known by its git id") };
    let staging = dir.path().join("staging");
    std::fs::rename(staging.join(name), staging.join(format!("git-1-{oid}.stored"))).unwrap();
    assert!(store.adopt(key, expected).await.unwrap().is_none(), "another size");
    let same_size = Expected { size: 1000, ..expected };
    assert!(store.adopt(key, same_size).await.unwrap().is_none(), "another git id");
}
