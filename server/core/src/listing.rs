//! Listings: the entries of a commit, their canonical form, and the segments they are stored in.
//!
//! A listing is kept in byte order of its paths and cut into segments of about 1,250 entries at content-defined
//! boundaries, so that commits of a large repository share what did not change. Segments are keyed by the SHA-256 of
//! the canonical form below, which belongs to Acervo alone.

use std::collections::{BTreeMap, BTreeSet};

use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::digest::{GitOid, Sha256Digest};
use crate::path::RepoPath;

/// Fewest entries of a segment, the last one excepted: clients that read only the first page get at least this many.
pub const SEGMENT_ENTRIES_MIN: usize = 1000;

/// Most entries of a segment.
pub const SEGMENT_ENTRIES_MAX: usize = 4000;

/// One path in this many ends a segment once the minimum is reached.
const BOUNDARY_ONE_IN: u8 = 0xff;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A regular or LFS file.
    File,
    /// A folder.
    Directory,
}

/// Declared identity of a file kept outside git.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LfsIdentity {
    /// SHA-256 of the content.
    pub sha256: Sha256Digest,
    /// Length of the pointer text in bytes.
    pub pointer_size: u64,
}

/// A path of a commit with the identity its origin declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Where it stands.
    pub path: RepoPath,
    /// File or folder.
    pub kind: EntryKind,
    /// Bytes of the content; 0 for folders.
    pub size: u64,
    /// Git object id; for LFS files the pointer's.
    pub oid: GitOid,
    /// Present for LFS files.
    pub lfs: Option<LfsIdentity>,
}

impl TreeEntry {
    /// Whether this is a file of either sort.
    pub fn is_file(&self) -> bool {
        self.kind == EntryKind::File
    }

    /// Strong entity tag without quotes: SHA-256 for LFS files, git's blob id otherwise (what stock clients verify by).
    pub fn etag(&self) -> String {
        self.lfs.map_or_else(|| self.oid.to_hex(), |lfs| lfs.sha256.to_hex())
    }

    /// Adds the canonical form to a digest.
    fn feed(&self, digest: &mut Sha256) {
        let kind = match self.kind {
            EntryKind::File => 'f',
            EntryKind::Directory => 'd',
        };
        let (sha256, pointer_size) =
            self.lfs.map_or(("-".to_owned(), 0), |lfs| (lfs.sha256.to_hex(), lfs.pointer_size));
        digest.update(format!("{kind} {} {} {sha256} {pointer_size} {}\0", self.size, self.oid, self.path));
    }
}

/// A run of entries in path order, with the digest of its canonical form.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Key: SHA-256 of the canonical form.
    pub digest: Sha256Digest,
    /// The entries, in byte order of their paths.
    pub entries: Vec<TreeEntry>,
}

/// A whole listing, cut into segments.
#[derive(Clone, Debug)]
pub struct Listing {
    /// SHA-256 over the segments' digests, in order.
    pub digest: Sha256Digest,
    /// The segments, in path order; one empty listing has none.
    pub segments: Vec<Segment>,
}

/// Why a list of entries is not a listing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// The same path twice.
    #[error("the path `{0}` is listed twice")]
    Duplicate(RepoPath),
    /// A file where another entry needs a folder.
    #[error("the path `{0}` is listed as a file and as a folder")]
    FileAsFolder(String),
    /// Sizes that cannot be.
    #[error("its sizes, from `{0}` on, add up to more than any storage holds")]
    TooLarge(RepoPath),
}

impl Listing {
    /// Sorts, completes the folders, and cuts into segments.
    pub fn build(entries: Vec<TreeEntry>) -> Result<Listing, ListingError> {
        let entries = with_directories(entries)?;
        check_sizes(&entries)?;
        let mut segments = Vec::new();
        let mut run: Vec<TreeEntry> = Vec::new();
        for entry in entries {
            let boundary = ends_segment(&entry.path);
            run.push(entry);
            if run.len() >= SEGMENT_ENTRIES_MAX || (boundary && run.len() >= SEGMENT_ENTRIES_MIN) {
                segments.push(segment(std::mem::take(&mut run)));
            }
        }
        if !run.is_empty() {
            segments.push(segment(run));
        }
        let mut digest = Sha256::new();
        for segment in &segments {
            digest.update(segment.digest.as_bytes());
        }
        Ok(Listing { digest: Sha256Digest::from_bytes(digest.finalize().into()), segments })
    }

    /// Every entry in path order.
    pub fn entries(&self) -> impl Iterator<Item = &TreeEntry> + Clone {
        self.segments.iter().flat_map(|segment| &segment.entries)
    }

    /// Every file in path order.
    pub fn files(&self) -> impl Iterator<Item = &TreeEntry> + Clone {
        self.entries().filter(|entry| entry.is_file())
    }
}

/// Refuses sizes whose sum a signed 64-bit column could not hold, so that nobody needs to check a sum of them.
fn check_sizes(entries: &[TreeEntry]) -> Result<(), ListingError> {
    let mut total: u64 = 0;
    for entry in entries {
        total = total.saturating_add(entry.size);
        if total > i64::MAX.cast_unsigned() {
            return Err(ListingError::TooLarge(entry.path.clone()));
        }
    }
    Ok(())
}

/// Whether a segment may end after this path.
fn ends_segment(path: &RepoPath) -> bool {
    Sha256::digest(path.as_str())[0] == BOUNDARY_ONE_IN
}

/// Digests a run of entries.
fn segment(entries: Vec<TreeEntry>) -> Segment {
    let mut digest = Sha256::new();
    for entry in &entries {
        entry.feed(&mut digest);
    }
    Segment { digest: Sha256Digest::from_bytes(digest.finalize().into()), entries }
}

/// Sorts by path and adds folders that the origin left out, with their git tree ids.
fn with_directories(entries: Vec<TreeEntry>) -> Result<Vec<TreeEntry>, ListingError> {
    let mut by_path: BTreeMap<RepoPath, TreeEntry> = BTreeMap::new();
    let mut folders: BTreeSet<String> = BTreeSet::new();
    for entry in entries {
        folders.extend(entry.path.ancestors().map(str::to_owned));
        if let Some(twice) = by_path.insert(entry.path.clone(), entry) {
            return Err(ListingError::Duplicate(twice.path));
        }
    }
    // Innermost first, so that a folder's id can be made from its children's.
    let mut missing = Vec::new();
    for folder in folders.into_iter().rev() {
        let Ok(path) = folder.parse::<RepoPath>() else { continue };
        match by_path.get(&path) {
            Some(entry) if entry.is_file() => return Err(ListingError::FileAsFolder(folder)),
            Some(_) => {}
            None => missing.push(path),
        }
    }
    if missing.is_empty() {
        return Ok(by_path.into_values().collect());
    }
    missing.sort_by_key(|path| std::cmp::Reverse(path.as_str().matches('/').count()));
    let mut children: BTreeMap<String, Vec<TreeEntry>> = BTreeMap::new();
    for entry in by_path.values() {
        children.entry(entry.path.parent().to_owned()).or_default().push(entry.clone());
    }
    for path in missing {
        let oid = tree_oid(children.get(path.as_str()).map_or(&[][..], Vec::as_slice));
        let entry = TreeEntry { path: path.clone(), kind: EntryKind::Directory, size: 0, oid, lfs: None };
        children.entry(path.parent().to_owned()).or_default().push(entry.clone());
        by_path.insert(path, entry);
    }
    Ok(by_path.into_values().collect())
}

/// Git's id of the tree with these children; every file counts as mode 100644, since hubs do not tell modes.
pub fn tree_oid(children: &[TreeEntry]) -> GitOid {
    let mut rows: Vec<(Vec<u8>, Vec<u8>)> = children
        .iter()
        .map(|child| {
            let name = child.path.file_name();
            let (mode, sort_key) = match child.kind {
                EntryKind::File => ("100644", name.as_bytes().to_vec()),
                // Git sorts a tree as if its name ended with a slash.
                EntryKind::Directory => ("40000", format!("{name}/").into_bytes()),
            };
            let mut row = format!("{mode} {name}\0").into_bytes();
            row.extend_from_slice(child.oid.as_bytes());
            (sort_key, row)
        })
        .collect();
    rows.sort();
    let length: usize = rows.iter().map(|(_, row)| row.len()).sum();
    let mut hasher = Sha1::new();
    hasher.update(format!("tree {length}\0"));
    for (_, row) in rows {
        hasher.update(row);
    }
    GitOid::from_bytes(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::{EntryKind, Listing, ListingError, SEGMENT_ENTRIES_MAX, SEGMENT_ENTRIES_MIN, TreeEntry};
    use crate::digest::GitOid;

    fn file(path: &str) -> TreeEntry {
        let oid = GitOid::of_blob(path.as_bytes());
        TreeEntry { path: path.parse().unwrap(), kind: EntryKind::File, size: path.len() as u64, oid, lfs: None }
    }

    #[test]
    fn a_change_in_one_place_leaves_the_other_segments_alone() {
        let paths: Vec<String> = (0..20_000).map(|n| format!("data/{n:06}.json")).collect();
        let before = Listing::build(paths.iter().map(|path| file(path)).collect()).unwrap();
        let mut entries: Vec<TreeEntry> = paths.iter().map(|path| file(path)).collect();
        entries.push(file("data/000500b.json"));
        let after = Listing::build(entries).unwrap();

        assert!(before.segments.len() > 5);
        for part in &before.segments[..before.segments.len() - 1] {
            assert!((SEGMENT_ENTRIES_MIN..=SEGMENT_ENTRIES_MAX).contains(&part.entries.len()));
        }
        let shared = after.segments.iter().filter(|s| before.segments.iter().any(|b| b.digest == s.digest)).count();
        assert!(shared >= after.segments.len() - 2, "{shared} of {} segments are shared", after.segments.len());
        assert_ne!(before.digest, after.digest);
    }

    #[test]
    fn folders_that_were_not_listed_get_their_git_tree_id() {
        let mut hello = file("sub/hello.txt");
        hello.oid = GitOid::of_blob(b"hello\n");
        let listing = Listing::build(vec![hello]).unwrap();
        let folder = listing.entries().find(|entry| entry.kind == EntryKind::Directory).unwrap();
        assert_eq!(folder.path.as_str(), "sub");
        // `git mktree` of `100644 blob ce013625030ba8dba906f756967f9e9ca394464a hello.txt`
        assert_eq!(folder.oid.to_hex(), "aaa96ced2d9a1c8e72c56b253a0e2fe78393feb7");
    }

    #[test]
    fn a_listing_with_contradictions_is_refused() {
        assert!(matches!(Listing::build(vec![file("a"), file("a")]), Err(ListingError::Duplicate(_))));
        assert!(matches!(Listing::build(vec![file("a"), file("a/b")]), Err(ListingError::FileAsFolder(_))));
        let huge = ["a", "b", "c"].map(|path| TreeEntry { size: u64::MAX / 3 + 1, ..file(path) });
        assert!(matches!(Listing::build(huge.to_vec()), Err(ListingError::TooLarge(_))));
    }

    #[test]
    fn an_empty_listing_is_a_listing() {
        assert!(Listing::build(Vec::new()).unwrap().segments.is_empty());
    }
}
