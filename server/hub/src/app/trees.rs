//! Entries of a commit: one, a page of a folder, some by path, or all.

use std::sync::Arc;

use acervo_core::RepoPath;
use acervo_core::access::{Caller, Readable, readable};
use acervo_core::listing::EntryKind;
use acervo_store::db::commits::Commit;
use acervo_store::db::repos::Repo;
use acervo_store::db::trees::{self, ListingTotals, SegmentRef, StoredEntry, Within};

use crate::app::repos::Summary;
use crate::context::Hub;
use crate::error::{HubError, denied};

/// Entries of one page unless the client asks for fewer; clients that read only the first page get this many.
pub const PAGE_ENTRIES: usize = 1000;

/// Most paths of one question.
pub const PATHS_MAX: usize = 1000;

/// The listing a visible commit serves.
fn served_listing(commit: &Commit) -> Result<i64, HubError> {
    commit
        .served_listing_id
        .ok_or_else(|| HubError::Internal(format!("commit {} is visible without a listing", commit.oid)))
}

/// The entry at a path, file or folder.
pub async fn entry(
    hub: &Hub,
    repo: &Readable<Arc<Repo>>,
    commit: &Commit,
    path: &RepoPath,
) -> Result<Arc<StoredEntry>, HubError> {
    let listing = served_listing(commit)?;
    let caches = hub.caches();
    let look_up = async || Ok::<_, HubError>(trees::entry_at(hub.db().reader(), listing, path).await?.map(Arc::new));
    let found = caches.entries.get_or(caches.epoch(), (listing, path.as_str().to_owned()), look_up).await?;
    match found {
        Some(entry) => Ok(entry),
        None => Err(missing(hub, repo, commit, path).await?),
    }
}

/// Why a path is not there: upstream does not have it either, or this mirror does not hold it.
async fn missing(
    hub: &Hub,
    repo: &Readable<Arc<Repo>>,
    commit: &Commit,
    path: &RepoPath,
) -> Result<HubError, HubError> {
    if let Some(why) = commit.selection.compile()?.why_not(path)
        && let Some(listing) = commit.upstream_listing_id
        && trees::entry_at(hub.db().reader(), listing, path).await?.is_some_and(|found| found.entry.is_file())
    {
        return Ok(HubError::EntryUnselected { path: path.clone(), why });
    }
    Ok(HubError::EntryNotFound { name: repo.name.to_string(), path: path.to_string(), commit: commit.oid })
}

/// A page of a folder.
#[derive(Clone, Debug)]
pub struct TreePage {
    /// Entries in byte order of their paths.
    pub entries: Vec<StoredEntry>,
    /// Path after which the next page starts, if there is one.
    pub next: Option<String>,
}

/// What a page asks for.
#[derive(Clone, Debug, Default)]
pub struct TreeRequest {
    /// The folder; the root otherwise.
    pub folder: Option<RepoPath>,
    /// Everything below it, or only what stands directly in it.
    pub recursive: bool,
    /// Path after which to start.
    pub after: Option<String>,
    /// Most entries; [`PAGE_ENTRIES`] at most.
    pub limit: Option<usize>,
}

/// A page of a folder's entries.
pub async fn page(
    hub: &Hub,
    repo: &Readable<Arc<Repo>>,
    commit: &Commit,
    request: &TreeRequest,
) -> Result<TreePage, HubError> {
    let listing = served_listing(commit)?;
    if let Some(folder) = &request.folder
        && entry(hub, repo, commit, folder).await?.entry.kind != EntryKind::Directory
    {
        return Err(HubError::EntryNotFound {
            name: repo.name.to_string(),
            path: folder.to_string(),
            commit: commit.oid,
        });
    }
    let folder = request.folder.as_ref().map_or("", RepoPath::as_str);
    let within = match (request.recursive, folder) {
        (true, "") => Within::Everything,
        (true, folder) => Within::Below(folder),
        (false, folder) => Within::Directly(folder),
    };
    let limit = request.limit.unwrap_or(PAGE_ENTRIES).clamp(1, PAGE_ENTRIES);
    let db = hub.db().reader();
    let mut entries: Vec<StoredEntry> = Vec::new();
    for segment in relevant(trees::segments(db, listing).await?, folder, request.after.as_deref()) {
        let found = trees::segment_entries(db, segment.segment_id, within).await?;
        entries.extend(
            found
                .into_iter()
                .filter(|found| request.after.as_deref().is_none_or(|after| found.entry.path.as_str() > after)),
        );
        if entries.len() > limit {
            break;
        }
    }
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(|last| last.entry.path.to_string());
    Ok(TreePage { entries, next })
}

/// The segments that can hold entries below `folder` and after `after`.
fn relevant(segments: Vec<SegmentRef>, folder: &str, after: Option<&str>) -> Vec<SegmentRef> {
    // `0` follows `/` in byte order: no path below the folder comes after it.
    let end = (!folder.is_empty()).then(|| format!("{folder}0"));
    let start = after.map_or_else(|| folder.to_owned(), |after| after.max(folder).to_owned());
    let firsts: Vec<String> = segments.iter().skip(1).map(|segment| segment.first_path.clone()).collect();
    segments
        .into_iter()
        .enumerate()
        .filter(|(index, segment)| {
            let begins_in_time = end.as_ref().is_none_or(|end| segment.first_path.as_str() < end.as_str());
            let ends_late_enough = firsts.get(*index).is_none_or(|next| next.as_str() > start.as_str());
            begins_in_time && ends_late_enough
        })
        .map(|(_, segment)| segment)
        .collect()
}

/// Those of `paths` that exist, in the order asked; a missing path is left out.
pub async fn at_paths(
    hub: &Hub,
    repo: &Readable<Arc<Repo>>,
    commit: &Commit,
    paths: &[RepoPath],
) -> Result<Vec<Arc<StoredEntry>>, HubError> {
    if paths.len() > PATHS_MAX {
        return Err(HubError::TooMuch(format!("at most {PATHS_MAX} paths can be asked for at once")));
    }
    let mut found = Vec::new();
    for path in paths {
        match entry(hub, repo, commit, path).await {
            Ok(entry) => found.push(entry),
            Err(HubError::EntryNotFound { .. } | HubError::EntryUnselected { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Every file of a commit, in path order.
pub async fn all_files(hub: &Hub, _repo: &Readable<Arc<Repo>>, commit: &Commit) -> Result<Vec<StoredEntry>, HubError> {
    let db = hub.db().reader();
    let mut files = Vec::new();
    for segment in trees::segments(db, served_listing(commit)?).await? {
        let entries = trees::segment_entries(db, segment.segment_id, Within::Everything).await?;
        files.extend(entries.into_iter().filter(|found| found.entry.is_file()));
    }
    Ok(files)
}

/// Every file at the default revision of a repository of a list, in path order.
pub async fn summary_files(hub: &Hub, caller: &Caller, summary: &Summary) -> Result<Vec<StoredEntry>, HubError> {
    let Summary { repo, head, .. } = summary;
    let repo = readable(caller, Arc::new(repo.clone())).map_err(|why| denied(why, repo.kind, repo.name.as_str()))?;
    all_files(hub, &repo, head).await
}

/// Files and bytes of a commit.
pub async fn totals(hub: &Hub, _repo: &Readable<Arc<Repo>>, commit: &Commit) -> Result<ListingTotals, HubError> {
    Ok(trees::totals(hub.db().reader(), served_listing(commit)?).await?)
}
