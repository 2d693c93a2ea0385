//! What differs between two lockfiles.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Lock, LockedCommit, LockedFile, LockedRepo};
use crate::digest::Sha256Digest;
use crate::name::{RepoId, RepoKind};
use crate::path::RepoPath;
use crate::revision::{CommitOid, RefKind};
use crate::selection::Selection;

/// Every difference; equal locks have none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LockDiff {
    /// Repositories of which something differs, in the order of types and names.
    pub repos: Vec<RepoDiff>,
}

/// What differs of one repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepoDiff {
    /// Model, dataset or space.
    #[serde(rename = "type")]
    pub kind: RepoKind,
    /// Name here.
    pub name: RepoId,
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
    /// Where it is mirrored from, before and after, if that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<[String; 2]>,
    /// What of it is held, before and after, if that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection: Option<[Selection; 2]>,
    /// Refs that moved, came or went.
    pub revisions: Vec<RevisionChange>,
    /// Files that differ at a ref that moved, or in a commit that both have.
    pub files: Vec<FileChange>,
}

/// A ref that moved, came or went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RevisionChange {
    /// Branch, tag, convert or pull request.
    pub kind: RefKind,
    /// Name as it is stored.
    pub name: String,
    /// The commit it served before.
    pub before: Option<CommitOid>,
    /// The commit it serves after.
    pub after: Option<CommitOid>,
}

/// A file that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// The ref at which it does, or a commit id.
    pub revision: String,
    /// Where it stands.
    pub path: RepoPath,
    /// What it was before.
    pub before: Option<FileState>,
    /// What it is after.
    pub after: Option<FileState>,
}

/// The bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FileState {
    /// How many.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: Sha256Digest,
}

impl LockDiff {
    /// Whether the locks are equal.
    pub fn is_empty(&self) -> bool {
        self.repos.is_empty()
    }
}

/// What differs between `before` and `after`.
pub fn diff(before: &Lock, after: &Lock) -> LockDiff {
    let mut pairs: BTreeMap<(RepoKind, String), [Option<&LockedRepo>; 2]> = BTreeMap::new();
    for (side, lock) in [before, after].into_iter().enumerate() {
        for repo in &lock.repos {
            pairs.entry((repo.kind, repo.name.lower())).or_default()[side] = Some(repo);
        }
    }
    LockDiff { repos: pairs.into_values().filter_map(repo_diff).collect() }
}

fn repo_diff([before, after]: [Option<&LockedRepo>; 2]) -> Option<RepoDiff> {
    let any = after.or(before)?;
    let change = match (before, after) {
        (None, _) => "added",
        (_, None) => "removed",
        _ => "changed",
    };
    let revisions = revision_changes(before, after);
    let mut files = Vec::new();
    for moved in &revisions {
        let (old, new) = (files_of(before, moved.before), files_of(after, moved.after));
        files.extend(file_changes(&moved.name, &old, &new));
    }
    if let (Some(before), Some(after)) = (before, after) {
        for commit in &before.commits {
            let (old, new) = (files_of(Some(before), Some(commit.id)), files_of(Some(after), Some(commit.id)));
            if commit_of(after, commit.id).is_some_and(|other| other != commit) {
                files.extend(file_changes(&commit.id.to_hex(), &old, &new));
            }
        }
    }
    let both = before.zip(after);
    let address = |repo: &LockedRepo| format!("{}/{}", repo.upstream, repo.upstream_name);
    let upstream = both.map(|(a, b)| [address(a), address(b)]).filter(|[a, b]| a != b);
    let selection = both.map(|(a, b)| [a.selection.clone(), b.selection.clone()]).filter(|[a, b]| a != b);
    let is_same = both.is_some_and(|(a, b)| a == b);
    (!is_same).then(|| RepoDiff {
        kind: any.kind,
        name: any.name.clone(),
        change,
        upstream,
        selection,
        revisions,
        files,
    })
}

fn revision_changes(before: Option<&LockedRepo>, after: Option<&LockedRepo>) -> Vec<RevisionChange> {
    // By the word for the kind, whose order is that of lockfiles.
    let mut changes: BTreeMap<(&str, &str), RevisionChange> = BTreeMap::new();
    for (is_after, repo) in [(false, before), (true, after)] {
        for revision in repo.iter().flat_map(|repo| &repo.revisions) {
            let (kind, name) = (revision.kind, revision.name.as_str());
            let none = || RevisionChange { kind, name: name.to_owned(), before: None, after: None };
            let change = changes.entry((kind.as_str(), name)).or_insert_with(none);
            *(if is_after { &mut change.after } else { &mut change.before }) = Some(revision.commit);
        }
    }
    changes.into_values().filter(|change| change.before != change.after).collect()
}

fn commit_of(repo: &LockedRepo, id: CommitOid) -> Option<&LockedCommit> {
    repo.commits.iter().find(|commit| commit.id == id)
}

fn files_of(repo: Option<&LockedRepo>, id: Option<CommitOid>) -> BTreeMap<&RepoPath, &LockedFile> {
    let commit = repo.zip(id).and_then(|(repo, id)| commit_of(repo, id));
    commit.into_iter().flat_map(|commit| &commit.files).map(|file| (&file.path, file)).collect()
}

fn file_changes(
    revision: &str,
    before: &BTreeMap<&RepoPath, &LockedFile>,
    after: &BTreeMap<&RepoPath, &LockedFile>,
) -> Vec<FileChange> {
    let state = |file: Option<&&LockedFile>| file.map(|file| FileState { size: file.size, sha256: file.sha256 });
    let mut paths: Vec<&RepoPath> = before.keys().chain(after.keys()).copied().collect();
    paths.sort_unstable();
    paths.dedup();
    paths
        .into_iter()
        .map(|path| (path, state(before.get(path)), state(after.get(path))))
        .filter(|(_, before, after)| before != after)
        .map(|(path, before, after)| FileChange { revision: revision.to_owned(), path: path.clone(), before, after })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::repo;
    use super::{Lock, diff};

    #[test]
    fn equal_locks_differ_in_nothing() {
        let lock = Lock { repos: vec![repo("acme/x", 1, &[("a", "x")])] };
        assert!(diff(&lock, &lock.clone()).is_empty());
    }

    #[test]
    fn moved_refs_are_told_with_the_files_that_differ() {
        let before =
            Lock { repos: vec![repo("acme/gone", 1, &[("a", "x")]), repo("acme/x", 1, &[("a", "x"), ("b", "y")])] };
        let after = Lock { repos: vec![repo("acme/new", 1, &[]), repo("acme/X", 2, &[("a", "xx"), ("c", "y")])] };
        let found = diff(&before, &after);
        let told: Vec<(&str, &str)> = found.repos.iter().map(|repo| (repo.name.as_str(), repo.change)).collect();
        assert_eq!(told, [("acme/gone", "removed"), ("acme/new", "added"), ("acme/X", "changed")]);
        let changed = &found.repos[2];
        assert_eq!((changed.revisions.len(), changed.revisions[0].name.as_str()), (1, "main"));
        let files: Vec<(&str, bool, bool)> =
            changed.files.iter().map(|f| (f.path.as_str(), f.before.is_some(), f.after.is_some())).collect();
        assert_eq!(files, [("a", true, true), ("b", true, false), ("c", false, true)]);
    }

    #[test]
    fn a_commit_whose_bytes_are_others_under_the_same_id_is_told() {
        let before = Lock { repos: vec![repo("acme/x", 1, &[("a", "x")])] };
        let after = Lock { repos: vec![repo("acme/x", 1, &[("a", "z")])] };
        let found = diff(&before, &after);
        assert!(found.repos[0].revisions.is_empty());
        assert_eq!(found.repos[0].files[0].revision, "01".repeat(20));
    }
}
