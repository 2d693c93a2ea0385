//! Lockfiles: the commits that mirrors stood for at one time, and the digest of every file of them.
//!
//! A text that is the same for the same contents, so that version control shows what changed. It holds all that another
//! installation needs to mirror the same bytes. What is read from a hub to make one, and how it is reproduced, is the
//! hub's business.

mod diff;
mod text;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::access::Visibility;
use crate::digest::{GitOid, Sha256Digest};
use crate::name::{RepoId, RepoKind};
use crate::path::RepoPath;
use crate::revision::{CommitOid, RefKind};
use crate::selection::Selection;

pub use diff::{FileChange, FileState, LockDiff, RepoDiff, RevisionChange, diff};

/// Everything that is locked, in the order of types and names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// Repositories.
    pub repos: Vec<LockedRepo>,
}

/// A repository in a lockfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedRepo {
    /// Model, dataset or space.
    pub kind: RepoKind,
    /// Name here.
    pub name: RepoId,
    /// Base URL of the hub it is mirrored from.
    pub upstream: String,
    /// Name there.
    pub upstream_name: String,
    /// Who may read it.
    pub visibility: Visibility,
    /// What of each commit is held.
    pub selection: Selection,
    /// Refs, and the commit each serves; in the order of kinds and names.
    pub revisions: Vec<LockedRevision>,
    /// Commits, in the order of their ids.
    pub commits: Vec<LockedCommit>,
}

/// A ref in a lockfile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedRevision {
    /// Branch, tag, convert or pull request.
    pub kind: RefKind,
    /// Name as it is stored.
    pub name: String,
    /// The commit it serves.
    pub commit: CommitOid,
}

/// A commit in a lockfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedCommit {
    /// Its id.
    pub id: CommitOid,
    /// Digest of the complete listing that upstream declared.
    pub listing: Sha256Digest,
    /// Digest of the listing that is held.
    pub held: Sha256Digest,
    /// Files that are held, in path order.
    pub files: Vec<LockedFile>,
}

/// A file in a lockfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedFile {
    /// Where it stands.
    pub path: RepoPath,
    /// Its bytes.
    pub size: u64,
    /// Git object id that upstream declared; for LFS files the pointer's.
    pub oid: GitOid,
    /// SHA-256 of the bytes that are held.
    pub sha256: Sha256Digest,
}

/// What a sync that is held to a lockfile has to bring, for one repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Refs, and the commit each shall serve.
    pub revisions: Vec<LockedRevision>,
    /// Commits to have.
    pub commits: Vec<PinnedCommit>,
}

/// A commit that must turn out to be what was locked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedCommit {
    /// Its id.
    pub id: CommitOid,
    /// Digest of the complete listing that upstream must declare.
    pub listing: Sha256Digest,
    /// Digest of the listing that must be held.
    pub held: Sha256Digest,
    /// Digest over the bytes of every file; see [`Contents`].
    pub contents: Sha256Digest,
}

impl LockedRepo {
    /// What reproduces this repository.
    pub fn pin(&self) -> Pin {
        let commits = self.commits.iter().map(|commit| PinnedCommit {
            id: commit.id,
            listing: commit.listing,
            held: commit.held,
            contents: commit.contents(),
        });
        Pin { revisions: self.revisions.clone(), commits: commits.collect() }
    }
}

impl LockedCommit {
    /// Digest over the bytes of every file.
    pub fn contents(&self) -> Sha256Digest {
        let mut contents = Contents::default();
        self.files.iter().for_each(|file| contents.add(&file.path, file.sha256));
        contents.finish()
    }
}

/// A digest over the paths of a commit's files and the SHA-256 of each one's bytes, in path order.
#[derive(Clone, Debug, Default)]
pub struct Contents(Sha256);

impl Contents {
    /// Adds the next file.
    pub fn add(&mut self, path: &RepoPath, sha256: Sha256Digest) {
        self.0.update(format!("{sha256} {path}\0"));
    }

    /// The digest.
    pub fn finish(self) -> Sha256Digest {
        Sha256Digest::from_bytes(self.0.finalize().into())
    }
}
