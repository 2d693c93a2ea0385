//! Whether two answers about one commit tell the same.

use std::collections::BTreeMap;

use acervo_core::{RepoPath, TreeEntry};

use super::discovery::{SiblingFile, SnapshotInfo};
use super::error::UpstreamError;

/// Compares the files of the revision's answer with the tree listing: the same paths, and the same size, git id and
/// SHA-256 wherever both declare one. The error names the first path that differs.
pub fn cross_check(info: &SnapshotInfo, listing: &[TreeEntry]) -> Result<(), UpstreamError> {
    let mut pairs: BTreeMap<&RepoPath, (Option<&SiblingFile>, Option<&TreeEntry>)> = BTreeMap::new();
    for file in &info.files {
        if pairs.entry(&file.path).or_default().0.replace(file).is_some() {
            return Err(disagree(&file.path, "number of entries", "2", "1"));
        }
    }
    for entry in listing.iter().filter(|entry| entry.is_file()) {
        if pairs.entry(&entry.path).or_default().1.replace(entry).is_some() {
            return Err(disagree(&entry.path, "number of entries", "1", "2"));
        }
    }
    for (path, pair) in pairs {
        match pair {
            (Some(file), Some(entry)) => compare(file, entry)?,
            (file, _) => {
                let (info, tree) = if file.is_some() { ("present", "absent") } else { ("absent", "present") };
                return Err(disagree(path, "presence", info, tree));
            }
        }
    }
    Ok(())
}

fn compare(file: &SiblingFile, entry: &TreeEntry) -> Result<(), UpstreamError> {
    let path = &file.path;
    if let Some(size) = file.size
        && size != entry.size
    {
        return Err(disagree(path, "size", &size.to_string(), &entry.size.to_string()));
    }
    if let Some(oid) = file.oid
        && oid != entry.oid
    {
        return Err(disagree(path, "git id", &oid.to_hex(), &entry.oid.to_hex()));
    }
    if let (Some(sha256), Some(lfs)) = (file.lfs_sha256, entry.lfs)
        && sha256 != lfs.sha256
    {
        return Err(disagree(path, "SHA-256", &sha256.to_hex(), &lfs.sha256.to_hex()));
    }
    Ok(())
}

fn disagree(path: &RepoPath, what: &'static str, info: &str, tree: &str) -> UpstreamError {
    UpstreamError::Disagree { path: path.to_string(), what, info: info.to_owned(), tree: tree.to_owned() }
}

#[cfg(test)]
mod tests {
    use acervo_core::{CommitOid, EntryKind, GitOid, LfsIdentity, Sha256Digest, TreeEntry};

    use super::super::{SiblingFile, SnapshotInfo, UpstreamError};
    use super::cross_check;

    fn pair() -> (SnapshotInfo, Vec<TreeEntry>) {
        let sha256 = Sha256Digest::of(b"weights");
        let oid = GitOid::of_blob(b"x");
        let entry = |path: &str, kind, lfs| TreeEntry { path: path.parse().unwrap(), kind, size: 7, oid, lfs };
        let listing = vec![
            entry("sub", EntryKind::Directory, None),
            entry("sub/w.bin", EntryKind::File, Some(LfsIdentity { sha256, pointer_size: 126 })),
            entry("a.txt", EntryKind::File, None),
        ];
        let file = |path: &str, lfs_sha256| SiblingFile {
            path: path.parse().unwrap(),
            size: Some(7),
            oid: Some(oid),
            lfs_sha256,
        };
        let info = SnapshotInfo {
            commit: CommitOid::from_bytes([1; 20]),
            name: "acme/x".to_owned(),
            private: false,
            gated: false,
            files: vec![file("a.txt", None), file("sub/w.bin", Some(sha256))],
            info: serde_json::Map::new(),
        };
        (info, listing)
    }

    fn disagreement(info: &SnapshotInfo, listing: &[TreeEntry]) -> (String, &'static str) {
        match cross_check(info, listing) {
            Err(UpstreamError::Disagree { path, what, .. }) => (path, what),
            other => panic!("not a disagreement: {other:?}"),
        }
    }

    #[test]
    fn equal_answers_agree_and_what_one_leaves_out_is_no_difference() {
        let (mut info, listing) = pair();
        cross_check(&info, &listing).unwrap();
        for file in &mut info.files {
            (file.size, file.oid, file.lfs_sha256) = (None, None, None);
        }
        cross_check(&info, &listing).unwrap();
    }

    #[test]
    fn every_difference_is_told_with_its_path() {
        let (mut info, listing) = pair();
        info.files[1].size = Some(8);
        assert_eq!(disagreement(&info, &listing), ("sub/w.bin".to_owned(), "size"));

        let (mut info, listing) = pair();
        info.files[0].oid = Some(GitOid::of_blob(b"y"));
        assert_eq!(disagreement(&info, &listing), ("a.txt".to_owned(), "git id"));

        let (mut info, listing) = pair();
        info.files[1].lfs_sha256 = Some(Sha256Digest::of(b"other"));
        assert_eq!(disagreement(&info, &listing), ("sub/w.bin".to_owned(), "SHA-256"));

        let (mut info, mut listing) = pair();
        info.files.remove(1);
        assert_eq!(disagreement(&info, &listing), ("sub/w.bin".to_owned(), "presence"));
        listing.pop();
        assert_eq!(disagreement(&info, &listing), ("a.txt".to_owned(), "presence"));

        let (info, mut listing) = pair();
        listing.push(listing[2].clone());
        assert_eq!(disagreement(&info, &listing), ("a.txt".to_owned(), "number of entries"));
    }
}
