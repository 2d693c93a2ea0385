//! Contents, and moving them through a store.

use acervo_core::{GitOid, Sha256Digest};
use acervo_store::blob::{BlobError, BlobStore, Expected, Finished, Staged, StagingKey};
use bytes::Bytes;
use futures::TryStreamExt;

/// Bytes of a part in these tests: the least that S3 takes.
pub(crate) const PART: usize = 5 * 1024 * 1024;

/// Bytes that do not repeat in step with anything.
pub(crate) fn content(length: usize) -> Bytes {
    let mut state = length as u64 | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// How a large file is declared.
pub(crate) fn lfs(content: &[u8]) -> (StagingKey, Expected) {
    let sha256 = Sha256Digest::of(content);
    (StagingKey::Sha256(sha256), Expected { size: content.len() as u64, sha256: Some(sha256), git_oid: None })
}

/// How a regular file is declared.
pub(crate) fn regular(content: &[u8]) -> (StagingKey, Expected) {
    let oid = GitOid::of_blob(content);
    (StagingKey::Git { repo_id: 1, oid }, Expected { size: content.len() as u64, sha256: None, git_oid: Some(oid) })
}

/// Appends bytes as they come from a network: in pieces.
pub(crate) async fn write(staged: &mut Staged, content: &Bytes) {
    for start in (0..content.len()).step_by(700_001) {
        staged.write(content.slice(start..(start + 700_001).min(content.len()))).await.unwrap();
    }
}

/// Stages a content as declared, and makes it readable.
pub(crate) async fn store(
    store: &BlobStore,
    declared: (StagingKey, Expected),
    content: &Bytes,
) -> Result<Sha256Digest, BlobError> {
    let mut staged = store.stage(declared.0, declared.1).await?;
    let offset = usize::try_from(staged.offset()).unwrap();
    write(&mut staged, &content.slice(offset..)).await;
    finish(store, staged).await
}

/// Makes a staged content readable, which must be what was declared.
pub(crate) async fn finish(store: &BlobStore, staged: Staged) -> Result<Sha256Digest, BlobError> {
    match staged.finish().await? {
        Finished::Verified(verified) => {
            let sha256 = verified.digests().sha256;
            store.promote(verified).await?.settle().await?;
            Ok(sha256)
        }
        Finished::Quarantined(quarantined) => panic!("{:?} must verify", quarantined.mismatch),
    }
}

/// Bytes of a blob of `size` from `start` up to, not including, `end`; each chunk is within its limits.
pub(crate) async fn read(
    store: &BlobStore,
    sha256: Sha256Digest,
    size: usize,
    start: usize,
    end: usize,
) -> Result<Vec<u8>, BlobError> {
    let reader = store.reader(sha256, size as u64).await?;
    let chunks: Vec<Bytes> = reader.stream(start as u64, end as u64).await?.try_collect().await.unwrap();
    for (index, chunk) in chunks.iter().enumerate() {
        assert!(chunk.len() <= 1024 * 1024 && !chunk.is_empty());
        assert!(chunk.len() >= 32 * 1024 || index + 1 == chunks.len(), "a chunk of {} bytes", chunk.len());
    }
    Ok(chunks.concat())
}

/// The whole of a blob is this content.
pub(crate) async fn assert_stored(store: &BlobStore, content: &Bytes) {
    let sha256 = Sha256Digest::of(content);
    assert_eq!(store.size_of(sha256).await.unwrap(), Some(content.len() as u64));
    assert!(read(store, sha256, content.len(), 0, content.len()).await.unwrap() == *content, "the bytes differ");
}
