//! Where objects stand: the only place that spells object paths.

use acervo_core::Sha256Digest;
use object_store::path::Path;
use uuid::Uuid;

/// Name of an object in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlobKey {
    /// The whole content with this SHA-256.
    Blob(Sha256Digest),
    /// An object that is written, read and removed to see what the store honours.
    Probe(Uuid),
}

impl BlobKey {
    /// Folder of all blobs.
    pub(super) const BLOBS: &str = "blobs/sha256";

    /// Path relative to the store's root, readable by `sha256sum`.
    pub fn path(&self) -> Path {
        match self {
            BlobKey::Blob(sha256) => {
                let hex = sha256.to_hex();
                Path::from(format!("{}/{}/{}/{hex}", Self::BLOBS, &hex[..2], &hex[2..4]))
            }
            BlobKey::Probe(id) => Path::from(format!("probe/{}", id.simple())),
        }
    }
}

#[cfg(test)]
mod tests {
    use acervo_core::Sha256Digest;

    use super::BlobKey;

    #[test]
    fn a_blob_stands_under_the_first_bytes_of_its_digest() {
        let key = BlobKey::Blob(Sha256Digest::of(b"hello\n"));
        assert_eq!(
            key.path().as_ref(),
            "blobs/sha256/58/91/5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
        );
    }
}
