//! Commits born here: files that somebody hands over become a repository of this hub.
//!
//! Another way to fill staging; what becomes visible still goes through [`publish`].

use acervo_core::commit::{CommitText, commit_oid, root_oid};
use acervo_core::listing::{EntryKind, LfsIdentity, Listing};
use acervo_core::{
    Caller, CommitOid, GitOid, RefKind, RepoId, RepoKind, RepoPath, Role, Selection, Sha256Digest, Timestamp,
    TreeEntry, Visibility, card, lfs,
};
use acervo_store::blob::{Expected, Finished, StagingKey};
use acervo_store::db::commits::LogEntry;
use acervo_store::db::principals::{NamespaceKind, NamespaceOrigin};
use acervo_store::db::repos::{Gated, NewRepo, Repo};
use acervo_store::db::{blobs, commit, commits, generation, holdings, principals, refs, repos, trees};
use bytes::Bytes;

use crate::app::identity::demand;
use crate::app::publish::{self, Fetched, MovedRef, Publication};
use crate::context::Hub;
use crate::error::HubError;

/// A file to commit, small enough to be handed over in memory.
#[derive(Clone, Debug)]
pub struct NewFile {
    /// Where it goes.
    pub path: RepoPath,
    /// What it holds.
    pub bytes: Bytes,
    /// Whether git sees a pointer in its place.
    pub lfs: bool,
}

/// A commit to make.
#[derive(Clone, Debug)]
pub struct NewCommit {
    /// Model, dataset or space.
    pub kind: RepoKind,
    /// The repository; made if it is not there.
    pub name: RepoId,
    /// Who may read a repository that is made.
    pub visibility: Visibility,
    /// Everything the commit holds.
    pub files: Vec<NewFile>,
    /// First line of its message.
    pub title: String,
    /// When it was written; part of its id.
    pub at: Timestamp,
}

/// Commits these files as the whole content of the default branch.
pub async fn commit_files(hub: &Hub, caller: &Caller, new: &NewCommit) -> Result<CommitOid, HubError> {
    demand(caller, Role::Writer)?;
    let repo = local_repo(hub, new).await?;
    let mut entries = Vec::with_capacity(new.files.len());
    let mut stored: Vec<(RepoPath, i64)> = Vec::with_capacity(new.files.len());
    for file in &new.files {
        let blob_id = store(hub, file).await?;
        stored.push((file.path.clone(), blob_id));
        entries.push(entry(file));
    }
    let listing =
        Listing::build(entries).map_err(|error| HubError::Invalid(format!("{error}; name each file once")))?;
    let at = hub.now();
    let head = refs::by_name(hub.db().reader(), repo.id, RefKind::Branch, &repo.default_branch).await?;
    let parent = head.and_then(|found| found.served).map(|(_, oid)| oid);
    let (author, email) = (crate::context::caller_name(caller), "acervo@localhost");
    let text = CommitText { parent, author, email, at: new.at, message: &new.title };
    let oid = commit_oid(root_oid(&listing), &text);

    let tx = hub.db().begin().await?;
    let listing_id = trees::insert_listing(&tx, repo.id, &listing, at).await?;
    holdings::tie(&tx, listing_id, &stored).await?;
    let log = LogEntry {
        oid,
        title: new.title.clone(),
        message: String::new(),
        authors: vec![author.to_owned()],
        committed_at: Some(new.at),
        predecessor: parent,
    };
    commits::insert_log(&tx, repo.id, &[log], at).await?;
    let row = commits::by_oid(&tx, repo.id, oid)
        .await?
        .ok_or_else(|| HubError::Internal(format!("commit {oid} was noted and is gone")))?;
    let readme = new.files.iter().zip(&stored).find(|(file, _)| file.path.as_str() == "README.md");
    let parsed = readme.map(|(file, (_, blob_id))| (*blob_id, card::parse(&file.bytes)));
    let data = parsed.as_ref().and_then(|(_, card)| card.data.as_ref());
    let tags = data.map(|data| card::tags(new.kind, data)).unwrap_or_default();
    commits::set_card(&tx, row.id, parsed.as_ref().map(|(id, card)| (*id, card)), &tags, at).await?;
    commit(tx).await?;

    let publication = Publication {
        oid,
        fetched: Some(Fetched {
            commit_id: row.id,
            served_listing_id: listing_id,
            selection: Selection::default(),
            upstream_gated: Gated::None,
            private_upstream: false,
            upstream_created_at: None,
        }),
        refs: vec![MovedRef { kind: RefKind::Branch, name: repo.default_branch.clone() }],
        cause: "commit",
        lease: None,
        repo,
    };
    publish::snapshot(hub, caller, publication).await?;
    Ok(oid)
}

/// The repository to commit to; a mirror takes no local commits.
async fn local_repo(hub: &Hub, new: &NewCommit) -> Result<Repo, HubError> {
    let at = hub.now();
    let tx = hub.db().begin().await?;
    // Two commits at once may need the same namespace, or the same repository.
    generation::lock(&tx).await?;
    if let Some(repo) = repos::by_name(&tx, new.kind, &new.name.lower()).await? {
        if repo.origin == repos::Origin::Mirror {
            return Err(HubError::Conflict(format!(
                "`{}` is a mirror and takes no local commits; commit to a repository of your own",
                repo.name
            )));
        }
        return Ok(repo);
    }
    let namespace = match principals::namespace(&tx, new.name.namespace()).await? {
        Some(namespace) => namespace,
        None => {
            let (kind, origin) = (NamespaceKind::Organization, NamespaceOrigin::Local);
            principals::insert_namespace(&tx, new.name.namespace(), kind, origin, None, at).await?
        }
    };
    let repo = repos::insert(
        &tx,
        NewRepo {
            public_id: hex::encode(hub.random::<12>()?),
            kind: new.kind,
            name: new.name.clone(),
            namespace_id: namespace.id,
            visibility: new.visibility,
            upstream: None,
            at,
        },
    )
    .await?;
    commit(tx).await?;
    Ok(repo)
}

/// Declared identity of a file.
fn entry(file: &NewFile) -> TreeEntry {
    let size = file.bytes.len() as u64;
    let sha256 = Sha256Digest::of(&file.bytes);
    let (oid, lfs) = if file.lfs {
        let pointer_size = lfs::pointer_text(sha256, size).len() as u64;
        (lfs::pointer_oid(sha256, size), Some(LfsIdentity { sha256, pointer_size }))
    } else {
        (GitOid::of_blob(&file.bytes), None)
    };
    TreeEntry { path: file.path.clone(), kind: EntryKind::File, size, oid, lfs }
}

/// Brings a file's bytes through staging into the store; returns the blob's database id.
async fn store(hub: &Hub, file: &NewFile) -> Result<i64, HubError> {
    let sha256 = Sha256Digest::of(&file.bytes);
    if let Some(held) = blobs::held_by_sha256(hub.db().reader(), &[sha256]).await?.get(&sha256) {
        return Ok(held.id);
    }
    let expected = Expected { size: file.bytes.len() as u64, sha256: Some(sha256), git_oid: None };
    let mut staged = hub.blobs().stage(StagingKey::Sha256(sha256), expected).await?.restart().await?;
    staged.write(file.bytes.clone()).await?;
    match staged.finish().await? {
        Finished::Verified(verified) => {
            let promoted = hub.blobs().promote(verified).await?;
            let id = blobs::insert(hub.db().writer(), sha256, expected.size, hub.now()).await?;
            promoted.settle().await?;
            Ok(id)
        }
        Finished::Quarantined(_) => Err(HubError::Internal(format!("`{}` changed while it was written", file.path))),
    }
}
