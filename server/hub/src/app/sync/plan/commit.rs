//! What publishing one commit takes: its listing, what of it is selected, and what of that is not here.

use std::collections::{HashMap, HashSet};

use acervo_core::listing::{EntryKind, Listing};
use acervo_core::order::Limits;
use acervo_core::selection::Selector;
use acervo_core::{CommitOid, GitOid, Selection, Sha256Digest, TreeEntry};
use acervo_store::db::commits::{self, Commit, State};
use acervo_store::db::{blobs, holdings, trees};

use super::{MissingContent, PlannedCommit, PlannedFetch, Subject};
use crate::app::sync::progress::Progress;
use crate::context::Hub;
use crate::error::HubError;
use crate::upstream::{Client, SnapshotInfo, cross_check};

/// What publishing this commit takes.
pub(in crate::app::sync) async fn plan_commit(
    hub: &Hub,
    client: &Client,
    subject: &Subject<'_>,
    oid: CommitOid,
    info: Option<SnapshotInfo>,
    progress: &Progress,
) -> Result<PlannedCommit, HubError> {
    let selection = &subject.rules.selection;
    let here = match subject.repo_id {
        Some(repo_id) => commits::by_oid(hub.db().reader(), repo_id, oid).await?,
        None => None,
    };
    if let Some(here) = &here
        && here.state != State::Known
        && here.state != State::Fetching
        && here.served_listing_id.is_some()
        && here.selection == *selection
    {
        return Ok(PlannedCommit { oid, fetch: None });
    }
    progress.phase(format!("reading the listing of {}", short(oid)));
    let (kind, name) = (subject.kind, subject.upstream_name);
    let info = match info {
        Some(info) => info,
        None => client.snapshot_info(kind, name, &oid.to_hex()).await?,
    };
    let entries = client.listing(kind, name, oid).await?;
    cross_check(&info, &entries)?;
    let upstream = Listing::build(entries).map_err(|error| {
        HubError::Sync(format!("the listing of `{name}` at {oid} cannot be used: {error}; nothing was changed"))
    })?;
    if let Some(here) = &here {
        check_same(hub, name, here, &upstream).await?;
    }
    let selected = select(&upstream, selection)?;
    check_limits(name, &selected, subject.rules.limits)?;
    let (missing, held) = compare(hub, subject.repo_id, &selected).await?;
    Ok(PlannedCommit { oid, fetch: Some(PlannedFetch { info, upstream, selected, missing, held }) })
}

/// Refuses another listing under the id of a commit that was published here: the one that is held stays.
async fn check_same(hub: &Hub, name: &str, here: &Commit, upstream: &Listing) -> Result<(), HubError> {
    let Some(listing_id) = here.upstream_listing_id.filter(|_| here.served_listing_id.is_some()) else { return Ok(()) };
    let held = trees::digest(hub.db().reader(), listing_id).await?;
    if held == upstream.digest {
        return Ok(());
    }
    Err(HubError::Sync(format!(
        "upstream lists other files for commit {} of `{name}` than when it was published here; what is held stays and is \
         served, ask the upstream's operator why the commit has changed",
        here.oid
    )))
}

/// Refuses what is larger than its order allows.
fn check_limits(name: &str, selected: &Listing, limits: Limits) -> Result<(), HubError> {
    let most = limits.file_bytes_max.unwrap_or(u64::MAX);
    if let Some(entry) = selected.files().find(|entry| entry.size > most) {
        return Err(HubError::TooMuch(format!(
            "`{}` of `{name}` has {} bytes and its order allows {most} for a file; raise `file_bytes_max`, or leave it out",
            entry.path, entry.size
        )));
    }
    let (bytes, most) =
        (selected.files().map(|entry| entry.size).sum::<u64>(), limits.repo_bytes_max.unwrap_or(u64::MAX));
    if bytes > most {
        return Err(HubError::TooMuch(format!(
            "what is selected of `{name}` has {bytes} bytes and its order allows {most}; raise `repo_bytes_max`, or select less"
        )));
    }
    Ok(())
}

/// The selected files of a listing, with the folders above them.
fn select(upstream: &Listing, selection: &Selection) -> Result<Listing, HubError> {
    if selection.is_everything() {
        return Ok(upstream.clone());
    }
    let selector: Selector = selection.compile()?.on(upstream.files().map(|entry| entry.path.as_str()));
    let files: Vec<TreeEntry> = upstream.files().filter(|entry| selector.selects(&entry.path)).cloned().collect();
    let above: HashSet<&str> = files.iter().flat_map(|entry| entry.path.ancestors()).collect();
    let folders = upstream
        .entries()
        .filter(|entry| entry.kind == EntryKind::Directory && above.contains(entry.path.as_str()))
        .cloned();
    let entries: Vec<TreeEntry> = folders.chain(files.iter().cloned()).collect();
    Listing::build(entries).map_err(|error| HubError::Internal(format!("a part of a good listing is not: {error}")))
}

/// Splits the files of a listing into contents to fetch and files whose bytes are here.
///
/// Bytes are reused across repositories by SHA-256 only, and by git blob id within this one.
pub(in crate::app::sync) async fn compare(
    hub: &Hub,
    repo_id: Option<i64>,
    listing: &Listing,
) -> Result<(Vec<MissingContent>, Vec<(TreeEntry, i64)>), HubError> {
    let db = hub.db().reader();
    let digests: Vec<Sha256Digest> = listing.files().filter_map(|entry| Some(entry.lfs?.sha256)).collect();
    let oids: Vec<GitOid> = listing.files().filter(|entry| entry.lfs.is_none()).map(|entry| entry.oid).collect();
    let by_sha256 = blobs::held_by_sha256(db, &digests).await?;
    let by_oid = match repo_id {
        Some(repo_id) => holdings::held_by_oid(db, repo_id, &oids).await?,
        None => HashMap::new(),
    };
    let mut held = Vec::new();
    let mut missing: Vec<MissingContent> = Vec::new();
    // By what identifies the content: two pointers may differ and stand for the same.
    let mut index: HashMap<String, usize> = HashMap::new();
    for entry in listing.files() {
        let blob = match entry.lfs {
            Some(lfs) => by_sha256.get(&lfs.sha256),
            None => by_oid.get(&entry.oid),
        };
        if let Some(blob) = blob {
            check_size(entry, blob.size)?;
            held.push((entry.clone(), blob.id));
            continue;
        }
        match index.get(&entry.etag()) {
            Some(&at) => {
                check_size(entry, missing[at].entry.size)?;
                missing[at].paths.push(entry.path.clone());
            }
            None => {
                index.insert(entry.etag(), missing.len());
                missing.push(MissingContent { entry: entry.clone(), paths: vec![entry.path.clone()] });
            }
        }
    }
    Ok((missing, held))
}

/// Refuses an entry whose content is known by its digest to have another size than it is declared with.
fn check_size(entry: &TreeEntry, size: u64) -> Result<(), HubError> {
    if entry.size == size {
        return Ok(());
    }
    Err(HubError::Sync(format!(
        "`{}` is declared with {} bytes, but the content with its digest {} has {size}; nothing was published, ask the \
         upstream's operator about this file",
        entry.path,
        entry.size,
        entry.etag()
    )))
}

/// First digits of a commit id, for people.
fn short(oid: CommitOid) -> String {
    oid.to_hex()[..8].to_owned()
}
