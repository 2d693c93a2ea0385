//! The complete listing of a commit, page by page.

use std::ops::ControlFlow;

use acervo_core::lfs::pointer_text;
use acervo_core::{CommitOid, EntryKind, GitOid, LfsIdentity, RepoKind, RepoPath, Sha256Digest, TreeEntry};
use serde::Deserialize;

use super::answer::Subject;
use super::client::Client;
use super::error::UpstreamError;
use super::limits::ENTRIES_MAX;
use super::locator::Repo;

/// An entry as the hub sends it; what is not named here, such as `xetHash`, is dropped.
#[derive(Deserialize)]
struct WireEntry {
    #[serde(rename = "type")]
    kind: WireKind,
    path: String,
    #[serde(default)]
    size: u64,
    oid: GitOid,
    lfs: Option<WireLfs>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireKind {
    File,
    Directory,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLfs {
    oid: String,
    size: u64,
    pointer_size: Option<u64>,
}

impl Client {
    /// Every entry of a commit, folders included, in the hub's order.
    pub async fn listing(
        &self,
        kind: RepoKind,
        name: &str,
        commit: CommitOid,
    ) -> Result<Vec<TreeEntry>, UpstreamError> {
        let repo = Repo::new(kind, name)?;
        let revision = commit.to_hex();
        let subject = Subject { repo, revision: Some(&revision), path: None };
        let mut url = repo.api(&self.inner.endpoint, &["tree", &revision]);
        url.set_query(Some("recursive=true"));
        let mut entries = Vec::new();
        let each = |entry: WireEntry| {
            if entries.len() >= ENTRIES_MAX {
                return Err(self.breach(format!("a listing has more than {ENTRIES_MAX} entries")));
            }
            entries.push(self.entry(entry)?);
            Ok(ControlFlow::Continue(()))
        };
        self.pages(&subject, url, each).await?;
        Ok(entries)
    }

    fn entry(&self, entry: WireEntry) -> Result<TreeEntry, UpstreamError> {
        let path: RepoPath = entry.path.parse()?;
        let (kind, size, lfs) = match (entry.kind, entry.lfs) {
            (WireKind::Directory, _) => (EntryKind::Directory, 0, None),
            (WireKind::File, None) => (EntryKind::File, entry.size, None),
            (WireKind::File, Some(lfs)) => {
                if lfs.size != entry.size {
                    let (outer, inner) = (entry.size, lfs.size);
                    return Err(self.breach(format!("`{path}` is listed with {outer} and with {inner} bytes")));
                }
                let sha256: Sha256Digest = lfs.oid.strip_prefix("sha256:").unwrap_or(&lfs.oid).parse()?;
                let pointer_size = lfs.pointer_size.unwrap_or_else(|| pointer_text(sha256, lfs.size).len() as u64);
                (EntryKind::File, entry.size, Some(LfsIdentity { sha256, pointer_size }))
            }
        };
        Ok(TreeEntry { path, kind, size, oid: entry.oid, lfs })
    }
}
