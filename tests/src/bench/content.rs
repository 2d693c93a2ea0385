//! Contents of which every byte is known without keeping them, so that checking them costs next to nothing.
//!
//! A content is a row of blocks. Each begins with a number of its own and goes on with a slice of one small random
//! table, which stays in the processor's cache: a comparison runs at the speed of memory, and a byte of another place,
//! of another content or of nowhere is noticed.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// Bytes of a block.
const BLOCK_BYTES: usize = 4096;

/// Bytes of the number that a block begins with.
const NUMBER_BYTES: usize = 8;

/// Bytes of the random table; small enough for a second-level cache.
const TABLE_BYTES: usize = 64 * 1024;

/// Bytes written to disk at a time.
const WRITE_BYTES: usize = 1024 * 1024;

/// A content that any part of can be made again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content {
    seed: u64,
    /// Bytes.
    pub(crate) size: u64,
}

/// What a written content is known by.
#[derive(Clone, Debug)]
pub(crate) struct Digests {
    /// SHA-256 in hex.
    pub(crate) sha256: String,
    /// Git's blob id in hex.
    pub(crate) git_oid: String,
}

impl Content {
    /// A content of this size; another seed gives another one.
    pub(crate) fn new(seed: u64, size: u64) -> Self {
        Content { seed, size }
    }

    /// Whether these are its bytes from `offset` on.
    pub(crate) fn matches(&self, offset: u64, bytes: &[u8]) -> bool {
        let mut at = 0;
        offset + bytes.len() as u64 <= self.size
            && self.pieces(offset, bytes.len(), |piece| {
                let equal = bytes[at..at + piece.len()] == *piece;
                at += piece.len();
                equal
            })
    }

    /// Writes the whole content to a new file.
    pub(crate) fn write(&self, path: &Path) -> Result<Digests> {
        let mut file = File::create_new(path).with_context(|| format!("creating `{}`", path.display()))?;
        let mut sha256 = Sha256::new();
        let mut git = Sha1::new();
        git.update(format!("blob {}\0", self.size));
        let mut buffer = Vec::with_capacity(WRITE_BYTES);
        let mut offset = 0;
        while offset < self.size {
            let length = WRITE_BYTES.min(usize::try_from(self.size - offset).unwrap_or(WRITE_BYTES));
            buffer.clear();
            self.pieces(offset, length, |piece| {
                buffer.extend_from_slice(piece);
                true
            });
            sha256.update(&buffer);
            git.update(&buffer);
            file.write_all(&buffer).with_context(|| format!("writing `{}`", path.display()))?;
            offset += length as u64;
        }
        Ok(Digests { sha256: hex::encode(sha256.finalize()), git_oid: hex::encode(git.finalize()) })
    }

    /// Hands out the bytes from `offset` on in pieces until one is refused; returns whether none was.
    fn pieces(&self, offset: u64, length: usize, mut each: impl FnMut(&[u8]) -> bool) -> bool {
        let mut block = offset / BLOCK_BYTES as u64;
        let mut skip = usize::try_from(offset % BLOCK_BYTES as u64).unwrap_or_default();
        let mut left = length;
        while left > 0 {
            let random = mixed(self.seed ^ mixed(block));
            if skip < NUMBER_BYTES {
                let number = random.to_le_bytes();
                let end = NUMBER_BYTES.min(skip + left);
                if !each(&number[skip..end]) {
                    return false;
                }
                left -= end - skip;
                skip = end;
            }
            // The upper half of the number chooses the slice; any remainder is as good as another.
            let start = usize::try_from(random >> 32).unwrap_or_default() % (TABLE_BYTES - BLOCK_BYTES);
            let end = BLOCK_BYTES.min(skip + left);
            if !each(&TABLE[start + skip..start + end]) {
                return false;
            }
            left -= end - skip;
            skip = 0;
            block += 1;
        }
        true
    }
}

/// Random bytes that all contents share.
static TABLE: [u8; TABLE_BYTES] = table();

const fn table() -> [u8; TABLE_BYTES] {
    let mut bytes = [0; TABLE_BYTES];
    let mut at = 0;
    while at < TABLE_BYTES {
        let word = mixed(at as u64).to_le_bytes();
        let mut byte = 0;
        while byte < word.len() {
            bytes[at + byte] = word[byte];
            byte += 1;
        }
        at += word.len();
    }
    bytes
}

/// The finishing step of splitmix64: neighbours in, strangers out.
pub(crate) const fn mixed(number: u64) -> u64 {
    let mut word = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::Content;

    #[test]
    fn any_part_of_a_written_content_matches_there_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("content");
        let content = Content::new(7, 3 * 1024 * 1024 + 11);
        content.write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len() as u64, content.size);
        for (start, end) in
            [(0, bytes.len()), (5, 6), (3, 9), (4090, 4100), (8191, 70_000), (bytes.len() - 1, bytes.len())]
        {
            assert!(content.matches(start as u64, &bytes[start..end]), "{start}..{end}");
        }
        assert!(!content.matches(4096, &bytes[..4096]), "another block");
        assert!(!Content::new(8, content.size).matches(0, &bytes[..4096]), "another content");
        assert!(!content.matches(content.size, b"x"), "past the end");
        let mut flipped = bytes[..100_000].to_vec();
        flipped[77_777] ^= 1;
        assert!(!content.matches(0, &flipped), "one bit");
    }

    #[test]
    fn digests_are_those_that_git_and_sha256sum_print() {
        let folder = tempfile::tempdir().unwrap();
        let digests = Content::new(1, 0).write(&folder.path().join("empty")).unwrap();
        assert_eq!(digests.sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(digests.git_oid, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    }
}
