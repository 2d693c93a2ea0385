//! Digests of bytes: SHA-256, and git's blob id for regular files, in one pass.
//!
//! Owns the newtypes and the streaming [`Digester`]. What a digest is compared with, and what follows from a mismatch,
//! is decided elsewhere.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest, Sha256};

use crate::name::NameError;

/// Declares a fixed-size digest newtype with hex text form.
macro_rules! hex_newtype {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Wraps raw digest bytes.
            pub fn from_bytes(bytes: [u8; $bytes]) -> Self {
                $name(bytes)
            }

            /// Wraps raw digest bytes, or `None` if the length is wrong.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map($name)
            }

            /// The raw digest bytes.
            pub fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// Lower-case hex.
            pub fn to_hex(&self) -> String {
                hex::encode(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.to_hex())
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; $bytes];
                hex::decode_to_slice(text, &mut bytes)
                    .map_err(|_| NameError::Digest(text.to_owned(), $bytes * 2))?;
                Ok($name(bytes))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> String {
                digest.to_hex()
            }
        }
    };
}
pub(crate) use hex_newtype;

hex_newtype!(
    /// SHA-256 of a content; names a blob.
    Sha256Digest,
    32
);
hex_newtype!(
    /// Git object id (SHA-1) of a blob or tree.
    GitOid,
    20
);

impl Sha256Digest {
    /// Digest of bytes that are already in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Sha256Digest(Sha256::digest(bytes).into())
    }
}

impl GitOid {
    /// Git's id of a blob with this content.
    pub fn of_blob(bytes: &[u8]) -> Self {
        let mut hasher = git_blob_hasher(bytes.len() as u64);
        hasher.update(bytes);
        GitOid(hasher.finalize().into())
    }
}

/// A SHA-1 that has seen git's blob header for `size` bytes.
fn git_blob_hasher(size: u64) -> Sha1 {
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {size}\0"));
    hasher
}

/// What one pass over some bytes found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobDigests {
    /// SHA-256 of the bytes.
    pub sha256: Sha256Digest,
    /// Git's blob id, if it was asked for.
    pub git_oid: Option<GitOid>,
    /// Number of bytes seen.
    pub size: u64,
}

/// Leads every serialised state; another value once the hashing crate changes its form.
const STATE_FORM: u8 = 1;

/// Hashes bytes as they move: always SHA-256, and git's blob id when the size is declared beforehand.
#[derive(Clone)]
pub struct Digester {
    sha256: Sha256,
    git: Option<Sha1>,
    size: u64,
}

impl Digester {
    /// For content known by its SHA-256 (LFS entries).
    pub fn sha256_only() -> Self {
        Digester { sha256: Sha256::new(), git: None, size: 0 }
    }

    /// For content known by its git blob id (regular entries); git hashes the declared size first.
    pub fn with_git_oid(declared_size: u64) -> Self {
        Digester { sha256: Sha256::new(), git: Some(git_blob_hasher(declared_size)), size: 0 }
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(git) = &mut self.git {
            git.update(bytes);
        }
        self.size += bytes.len() as u64;
    }

    /// Bytes seen so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The SHA-256 as it is now, so that hashing can go on elsewhere.
    pub fn state(&self) -> HashState {
        let mut bytes = vec![STATE_FORM];
        bytes.extend_from_slice(&self.size.to_be_bytes());
        bytes.extend_from_slice(&self.sha256.serialize());
        HashState(bytes)
    }

    /// Goes on from a state, for content known by its SHA-256; `None` if this build cannot read it.
    pub fn from_state(state: &HashState) -> Option<Self> {
        let rest = state.0.strip_prefix(&[STATE_FORM])?;
        let (size, sha256) = rest.split_first_chunk()?;
        let sha256 = Sha256::deserialize(sha256.try_into().ok()?).ok()?;
        Some(Digester { sha256, git: None, size: u64::from_be_bytes(*size) })
    }

    /// The digests of everything seen.
    pub fn finish(self) -> BlobDigests {
        BlobDigests {
            sha256: Sha256Digest(self.sha256.finalize().into()),
            git_oid: self.git.map(|git| GitOid(git.finalize().into())),
            size: self.size,
        }
    }
}

/// A SHA-256 that has seen some bytes, serialised: where another process may go on hashing.
///
/// Equal states have seen equal bytes, as surely as equal digests have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashState(Vec<u8>);

impl HashState {
    /// Wraps a state that was kept.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        HashState(bytes.to_owned())
    }

    /// The state as it is kept.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Digester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digester").field("size", &self.size).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Digester, GitOid, HashState, Sha256Digest};

    #[test]
    fn one_pass_gives_the_digests_that_git_and_sha256sum_print() {
        let mut digester = Digester::with_git_oid(6);
        digester.update(b"hel");
        digester.update(b"lo\n");
        let found = digester.finish();
        assert_eq!(found.git_oid.unwrap().to_hex(), "ce013625030ba8dba906f756967f9e9ca394464a");
        assert_eq!(found.sha256.to_hex(), "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
        assert_eq!(found.sha256, Sha256Digest::of(b"hello\n"));
        assert_eq!(found.git_oid, Some(GitOid::of_blob(b"hello\n")));
        assert_eq!(found.size, 6);
    }

    #[test]
    fn hashing_that_goes_on_from_a_state_ends_like_hashing_in_one_go() {
        let content: Vec<u8> = (0..100_003_u32).map(|n| (n * 7 % 251) as u8).collect();
        // On block boundaries and off them, before the first byte and after the last.
        for cut in [0, 1, 55, 63, 64, 65, 128, 65_536, 99_999, content.len()] {
            let mut first = Digester::sha256_only();
            first.update(&content[..cut]);
            let kept = HashState::from_bytes(first.state().as_bytes());
            let mut second = Digester::from_state(&kept).unwrap();
            assert_eq!(second.size(), cut as u64);
            assert_eq!(second.state(), first.state());
            second.update(&content[cut..]);
            let found = second.finish();
            assert_eq!((found.sha256, found.size), (Sha256Digest::of(&content), content.len() as u64));
        }
    }

    #[test]
    fn states_tell_contents_apart_and_spoiled_ones_are_refused() {
        let state_after = |bytes: &[u8]| {
            let mut digester = Digester::sha256_only();
            digester.update(bytes);
            digester.state()
        };
        // Hashed in other pieces, it is the same state.
        let mut pieces = Digester::sha256_only();
        [b"ab".as_slice(), b"", b"c"].iter().for_each(|piece| pieces.update(piece));
        assert_eq!(pieces.state(), state_after(b"abc"));
        assert_ne!(state_after(&[0; 64]), state_after(&[0; 128]));
        assert_ne!(state_after(b"abc"), state_after(b"abd"));

        let good = state_after(b"abc");
        let good = good.as_bytes();
        let mut another_form = good.to_vec();
        another_form[0] = 0;
        for bytes in [&[][..], &good[1..], &good[..good.len() - 1], &another_form] {
            assert!(Digester::from_state(&HashState::from_bytes(bytes)).is_none());
        }
    }

    #[test]
    fn a_digest_of_the_wrong_length_is_refused() {
        assert!("abcd".parse::<Sha256Digest>().is_err());
        assert!("zz".repeat(20).parse::<GitOid>().is_err());
        assert!(GitOid::from_slice(&[0; 19]).is_none());
    }
}
