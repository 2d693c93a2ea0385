//! Commits born here: true git object ids, so that listings, `git` and every client agree on them.

use sha1::{Digest, Sha1};

use crate::digest::GitOid;
use crate::listing::{Listing, TreeEntry, tree_oid};
use crate::revision::CommitOid;
use crate::time::Timestamp;

/// What a commit says beside its tree.
#[derive(Clone, Debug)]
pub struct CommitText<'a> {
    /// Commit before it.
    pub parent: Option<CommitOid>,
    /// Who wrote it.
    pub author: &'a str,
    /// Their address.
    pub email: &'a str,
    /// When; git keeps seconds.
    pub at: Timestamp,
    /// The message; its first line is the title.
    pub message: &'a str,
}

/// Git's id of the root tree of a listing.
pub fn root_oid(listing: &Listing) -> GitOid {
    let top: Vec<TreeEntry> = listing.entries().filter(|entry| entry.path.parent().is_empty()).cloned().collect();
    tree_oid(&top)
}

/// Git's id of a commit with this tree.
pub fn commit_oid(tree: GitOid, text: &CommitText<'_>) -> CommitOid {
    let seconds = text.at.as_millis().div_euclid(1000);
    let who = format!("{} <{}> {seconds} +0000", text.author, text.email);
    let parent = text.parent.map(|oid| format!("parent {oid}\n")).unwrap_or_default();
    let body = format!("tree {tree}\n{parent}author {who}\ncommitter {who}\n\n{}\n", text.message);
    let mut hasher = Sha1::new();
    hasher.update(format!("commit {}\0{body}", body.len()));
    CommitOid::from_bytes(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::{CommitText, commit_oid, root_oid};
    use crate::digest::GitOid;
    use crate::listing::{EntryKind, Listing, TreeEntry};
    use crate::time::Timestamp;

    #[test]
    fn ids_are_those_that_git_computes() {
        let oid = GitOid::of_blob(b"hello\n");
        let path = "sub/hello.txt".parse().unwrap();
        let listing = Listing::build(vec![TreeEntry { path, kind: EntryKind::File, size: 6, oid, lfs: None }]).unwrap();
        let tree = root_oid(&listing);
        // `git write-tree` over the same file, then `git commit-tree -m first` with the same author and time.
        assert_eq!(tree.to_hex(), "558846abd16c91bb2a976510d10d16b90d938c80");
        let text = CommitText {
            parent: None,
            author: "Acervo",
            email: "acervo@localhost",
            at: Timestamp::from_millis(1_700_000_000_999),
            message: "first",
        };
        assert_eq!(commit_oid(tree, &text).to_hex(), "1980c482d5d6499bd8296a0273b207866c0a22f8");
    }
}
