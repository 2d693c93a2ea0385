//! What the hub says of a repository: commits, refs, history.

use std::ops::ControlFlow;

use acervo_core::{
    CommitOid, GitOid, RefKind, RepoKind, RepoPath, RevisionName, RevisionSpec, Sha256Digest, Timestamp,
};
use hf_hub::RepoTypeAny;
use hf_hub::repository::GitRefInfo;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::answer::Subject;
use super::client::Client;
use super::error::UpstreamError;
use super::limits::ENTRIES_MAX;
use super::locator::Repo;

/// Commits asked for at a time.
const COMMITS_PER_PAGE: &str = "100";

/// What a revision stands for now.
#[derive(Clone, Debug)]
pub struct SnapshotInfo {
    /// The full commit id; whatever is asked next is asked of it.
    pub commit: CommitOid,
    /// The repository's id as upstream spells it; differs from the one asked for after a rename.
    pub name: String,
    /// Whether only some callers can see it.
    pub private: bool,
    /// Whether its terms must be accepted first.
    pub gated: bool,
    /// Its files.
    pub files: Vec<SiblingFile>,
    /// The whole answer without the files, kept for provenance.
    pub info: Map<String, Value>,
}

/// A file as the answer on a revision declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiblingFile {
    /// Where it stands.
    pub path: RepoPath,
    /// Bytes of its content.
    pub size: Option<u64>,
    /// Git blob id; for LFS files the pointer's.
    pub oid: Option<GitOid>,
    /// SHA-256 of the content, for LFS files.
    pub lfs_sha256: Option<Sha256Digest>,
}

/// A name that moves, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamRef {
    /// What kind of name.
    pub kind: RefKind,
    /// Short for branches and tags, the full `refs/..` otherwise.
    pub name: String,
    /// The commit it names.
    pub target: CommitOid,
}

/// A commit of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamCommit {
    /// Its id.
    pub oid: CommitOid,
    /// First line of the message.
    pub title: String,
    /// The rest of the message.
    pub message: String,
    /// Names of its authors, never their mail addresses.
    pub authors: Vec<String>,
    /// When it was made, if that can be read.
    pub date: Option<Timestamp>,
}

#[derive(Deserialize)]
struct WireSibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob_id: Option<GitOid>,
    lfs: Option<WireSiblingLfs>,
}

#[derive(Deserialize)]
struct WireSiblingLfs {
    sha256: Sha256Digest,
    size: Option<u64>,
}

#[derive(Deserialize)]
struct WireCommit {
    id: CommitOid,
    #[serde(default)]
    title: String,
    #[serde(default)]
    message: String,
    date: Option<String>,
    #[serde(default)]
    authors: Vec<WireAuthor>,
}

#[derive(Deserialize)]
struct WireAuthor {
    user: Option<String>,
    name: Option<String>,
}

impl Client {
    /// The commit a revision stands for now, and all the hub says of it.
    pub async fn snapshot_info(
        &self,
        kind: RepoKind,
        name: &str,
        revision: &str,
    ) -> Result<SnapshotInfo, UpstreamError> {
        let repo = Repo::new(kind, name)?;
        let spec: RevisionSpec = revision.parse()?;
        let revision = spec.text();
        let subject = Subject { repo, revision: Some(&revision), path: None };
        let mut url = repo.api(&self.inner.endpoint, &["revision", &revision]);
        url.set_query(Some("blobs=true"));
        let (mut info, _): (Map<String, Value>, _) = self.json(&subject, &url).await?;

        let Some(Ok(commit)) = info.get("sha").and_then(Value::as_str).map(str::parse::<CommitOid>) else {
            let what = "the answer on a revision has no full commit id `sha`".to_owned();
            return Err(UpstreamError::NotAHub { endpoint: self.endpoint().to_owned(), what });
        };
        if let RevisionSpec::Commit(pinned) = spec {
            self.check_commit(&repo, pinned, commit)?;
        }
        let name = info.get("id").and_then(Value::as_str).unwrap_or(name).to_owned();
        Repo::new(kind, &name)?;
        let private = info.get("private").and_then(Value::as_bool).unwrap_or(false);
        // `false`, or how access is granted: `auto`, `manual`.
        let gated = !matches!(info.get("gated"), None | Some(Value::Null | Value::Bool(false)));
        let Some(siblings) = info.shift_remove("siblings") else {
            return Err(self.breach("the answer on a revision has no `siblings`"));
        };
        // Ways into a storage protocol that only the upstream speaks.
        info.retain(|key, _| !key.starts_with("xet"));
        let siblings: Vec<WireSibling> = serde_json::from_value(siblings).map_err(|error| self.unreadable(&error))?;
        let files = siblings.into_iter().map(|file| self.sibling(file)).collect::<Result<_, _>>()?;
        Ok(SnapshotInfo { commit, name, private, gated, files, info })
    }

    /// Branches, tags and converted views; pull requests can be thousands and are asked for by name.
    pub async fn refs(&self, kind: RepoKind, name: &str) -> Result<Vec<UpstreamRef>, UpstreamError> {
        let repo = Repo::new(kind, name)?;
        let subject = Subject { repo, revision: None, path: None };
        let hub_kind = match kind {
            RepoKind::Model => RepoTypeAny::Model,
            RepoKind::Dataset => RepoTypeAny::Dataset,
            RepoKind::Space => RepoTypeAny::Space,
        };
        let (owner, bare) = hf_hub::split_id(name);
        let handle = self.inner.discovery.repository(hub_kind, owner, bare);
        let refs = self
            .retrying(|| async { handle.list_refs().send().await.map_err(|error| self.discovered(error, &subject)) })
            .await?;

        let groups = [
            (RefKind::Branch, refs.branches),
            (RefKind::Tag, refs.tags),
            (RefKind::Convert, refs.converts),
            (RefKind::PullRequest, refs.pull_requests),
        ];
        let mut found = Vec::new();
        for (kind, group) in groups {
            for info in group {
                found.push(self.reference(kind, info)?);
            }
        }
        Ok(found)
    }

    /// The history from a commit on, newest first: at most `max` commits, the first for which `stop` holds being the
    /// last.
    pub async fn commits(
        &self,
        kind: RepoKind,
        name: &str,
        from: CommitOid,
        max: usize,
        stop: impl Fn(CommitOid) -> bool,
    ) -> Result<Vec<UpstreamCommit>, UpstreamError> {
        let repo = Repo::new(kind, name)?;
        let revision = from.to_hex();
        let subject = Subject { repo, revision: Some(&revision), path: None };
        let mut url = repo.api(&self.inner.endpoint, &["commits", &revision]);
        url.query_pairs_mut().append_pair("limit", COMMITS_PER_PAGE);
        let max = max.min(ENTRIES_MAX);
        let mut history = Vec::new();
        if max == 0 {
            return Ok(history);
        }
        let each = |commit: WireCommit| {
            if history.is_empty() {
                self.check_commit(&repo, from, commit.id)?;
            }
            let last = stop(commit.id);
            history.push(UpstreamCommit::from(commit));
            Ok(if last || history.len() >= max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        self.pages(&subject, url, each).await?;
        Ok(history)
    }

    /// Holds an answer to the commit that was asked for.
    fn check_commit(&self, repo: &Repo<'_>, pinned: CommitOid, answered: CommitOid) -> Result<(), UpstreamError> {
        if answered == pinned {
            return Ok(());
        }
        Err(UpstreamError::CommitMoved { name: repo.name.to_owned(), pinned, answered: answered.to_hex() })
    }

    fn sibling(&self, file: WireSibling) -> Result<SiblingFile, UpstreamError> {
        let path: RepoPath = file.rfilename.parse()?;
        let lfs_size = file.lfs.as_ref().and_then(|lfs| lfs.size);
        if let (Some(size), Some(lfs_size)) = (file.size, lfs_size)
            && size != lfs_size
        {
            return Err(self.breach(format!("`{path}` is declared with {size} and with {lfs_size} bytes")));
        }
        let lfs_sha256 = file.lfs.map(|lfs| lfs.sha256);
        Ok(SiblingFile { path, size: file.size.or(lfs_size), oid: file.blob_id, lfs_sha256 })
    }

    fn reference(&self, kind: RefKind, info: GitRefInfo) -> Result<UpstreamRef, UpstreamError> {
        let target = info.target_commit.parse()?;
        let full: RevisionName = info.git_ref.parse()?;
        let name = match kind {
            RefKind::Branch | RefKind::Tag => full.stored().to_owned(),
            RefKind::Convert | RefKind::PullRequest if full.explicit_kind() == Some(kind) => info.git_ref,
            RefKind::Convert | RefKind::PullRequest => {
                return Err(self.breach(format!("`{full}` is listed among refs of another kind")));
            }
        };
        Ok(UpstreamRef { kind, name, target })
    }
}

impl From<WireCommit> for UpstreamCommit {
    fn from(commit: WireCommit) -> Self {
        UpstreamCommit {
            oid: commit.id,
            title: commit.title,
            message: commit.message,
            authors: commit.authors.into_iter().filter_map(|author| author.user.or(author.name)).collect(),
            date: commit.date.as_deref().and_then(Timestamp::parse),
        }
    }
}
