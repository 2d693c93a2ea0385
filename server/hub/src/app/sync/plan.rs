//! Plans: which commits a mirror's revisions stand for now, and which files of them are not here. Asks, writes nothing.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use acervo_core::listing::{EntryKind, Listing};
use acervo_core::selection::Selector;
use acervo_core::{CommitOid, GitOid, RefKind, RevisionSpec, Selection, Sha256Digest, TreeEntry};
use acervo_store::db::commits::{self, State};
use acervo_store::db::mirrors::Mirror;
use acervo_store::db::{blobs, holdings};
use serde::Serialize;

use crate::app::sync::DEFAULT_REVISION;
use crate::app::sync::progress::Progress;
use crate::context::Hub;
use crate::error::HubError;
use crate::upstream::{Client, SnapshotInfo, UpstreamRef, cross_check};

/// Everything a sync would do.
#[derive(Debug)]
pub struct Plan {
    /// Commits to publish, each once.
    pub commits: Vec<PlannedCommit>,
    /// Revisions in the order the mirror names them, with the commit each stands for.
    pub revisions: Vec<PlannedRevision>,
    /// Every ref upstream has.
    pub upstream_refs: Vec<UpstreamRef>,
}

/// A revision of the mirror.
#[derive(Clone, Debug)]
pub struct PlannedRevision {
    /// As the mirror names it.
    pub revision: String,
    /// What sort of ref to move, `None` for a commit id.
    pub ref_kind: Option<RefKind>,
    /// Name of that ref as it is stored.
    pub ref_name: String,
    /// The commit it stands for.
    pub commit: CommitOid,
}

/// A commit to publish.
#[derive(Debug)]
pub struct PlannedCommit {
    /// Its id.
    pub oid: CommitOid,
    /// What upstream says of the repository at it; `None` if all of it is visible here already.
    pub fetch: Option<PlannedFetch>,
}

/// What publishing a commit takes.
#[derive(Debug)]
pub struct PlannedFetch {
    /// What upstream says of the repository.
    pub info: SnapshotInfo,
    /// All it declares.
    pub upstream: Listing,
    /// What of it is selected.
    pub selected: Listing,
    /// Selected contents that are not here and that no commit before this one in the plan brings, each once with the
    /// paths it stands at.
    pub missing: Vec<MissingContent>,
    /// Selected files whose bytes are here, with the blob that holds them.
    pub held: Vec<(TreeEntry, i64)>,
}

/// A content to fetch.
#[derive(Clone, Debug)]
pub struct MissingContent {
    /// One of the entries that have it.
    pub entry: TreeEntry,
    /// All paths it stands at.
    pub paths: Vec<acervo_core::RepoPath>,
}

/// A plan in numbers, for people and machines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlanTotals {
    /// Files to fetch.
    pub files_to_fetch: u64,
    /// Their bytes.
    pub bytes_to_fetch: u64,
    /// Files that are here.
    pub files_held: u64,
    /// Their bytes.
    pub bytes_held: u64,
}

impl PlannedFetch {
    /// This commit in numbers.
    pub fn totals(&self) -> PlanTotals {
        PlanTotals {
            files_to_fetch: self.missing.len() as u64,
            bytes_to_fetch: self.missing.iter().map(|content| content.entry.size).sum(),
            files_held: self.held.len() as u64,
            bytes_held: self.held.iter().map(|(entry, _)| entry.size).sum(),
        }
    }
}

impl Plan {
    /// The plan in numbers.
    pub fn totals(&self) -> PlanTotals {
        let mut sum = PlanTotals::default();
        for totals in self.commits.iter().filter_map(|planned| planned.fetch.as_ref()).map(PlannedFetch::totals) {
            sum.files_to_fetch += totals.files_to_fetch;
            sum.bytes_to_fetch += totals.bytes_to_fetch;
            sum.files_held += totals.files_held;
            sum.bytes_held += totals.bytes_held;
        }
        sum
    }
}

/// Asks upstream what the mirror's revisions stand for, and compares with what is here.
///
/// An unchanged repository costs one request: its refs.
pub async fn plan(hub: &Hub, mirror: &Mirror, progress: &Progress) -> Result<Plan, HubError> {
    let client = hub.upstream_at(&mirror.endpoint)?;
    progress.phase("asking upstream for its revisions");
    let upstream_refs = client.refs(mirror.repo.kind, &mirror.upstream_name).await?;
    let mut infos: HashMap<CommitOid, SnapshotInfo> = HashMap::new();
    let mut revisions = Vec::new();
    let default = [DEFAULT_REVISION.to_owned()];
    let names = if mirror.revisions.is_empty() { &default[..] } else { &mirror.revisions[..] };
    for revision in names {
        revisions.push(pin(&client, mirror, revision, &upstream_refs, &mut infos).await?);
    }
    let mut planned: BTreeMap<CommitOid, PlannedCommit> = BTreeMap::new();
    for revision in &revisions {
        if let Entry::Vacant(place) = planned.entry(revision.commit) {
            let info = infos.remove(&revision.commit);
            place.insert(plan_commit(hub, &client, mirror, revision.commit, info, progress).await?);
        }
    }
    let mut wanted = HashSet::new();
    for fetch in planned.values_mut().filter_map(|commit| commit.fetch.as_mut()) {
        fetch.missing.retain(|content| wanted.insert(content.entry.etag()));
    }
    Ok(Plan { commits: planned.into_values().collect(), revisions, upstream_refs })
}

/// The commit a revision stands for at upstream, and the ref it is.
async fn pin(
    client: &Client,
    mirror: &Mirror,
    revision: &str,
    refs: &[UpstreamRef],
    infos: &mut HashMap<CommitOid, SnapshotInfo>,
) -> Result<PlannedRevision, HubError> {
    let planned = |ref_kind, ref_name: &str, commit| PlannedRevision {
        revision: revision.to_owned(),
        ref_kind,
        ref_name: ref_name.to_owned(),
        commit,
    };
    let name = match revision.parse::<RevisionSpec>()? {
        RevisionSpec::Commit(oid) => return Ok(planned(None, "", oid)),
        RevisionSpec::Head => DEFAULT_REVISION.parse()?,
        RevisionSpec::Name(name) => name,
    };
    let known = |kind: RefKind| refs.iter().find(|found| found.kind == kind && found.name == name.stored());
    let found = match name.explicit_kind() {
        Some(kind) => known(kind),
        None => known(RefKind::Branch).or_else(|| known(RefKind::Tag)),
    };
    if let Some(found) = found {
        return Ok(planned(Some(found.kind), &found.name, found.target));
    }
    // Pull requests are not listed, and an abbreviated commit id is no ref.
    let info = client.snapshot_info(mirror.repo.kind, &mirror.upstream_name, revision).await?;
    let commit = info.commit;
    infos.insert(commit, info);
    Ok(planned(name.explicit_kind(), name.stored(), commit))
}

/// What publishing this commit takes.
async fn plan_commit(
    hub: &Hub,
    client: &Client,
    mirror: &Mirror,
    oid: CommitOid,
    info: Option<SnapshotInfo>,
    progress: &Progress,
) -> Result<PlannedCommit, HubError> {
    let here = commits::by_oid(hub.db().reader(), mirror.repo.id, oid).await?;
    if let Some(here) = here
        && here.state != State::Known
        && here.state != State::Fetching
        && here.served_listing_id.is_some()
        && here.selection == mirror.selection
    {
        return Ok(PlannedCommit { oid, fetch: None });
    }
    progress.phase(format!("reading the listing of {}", short(oid)));
    let (kind, name) = (mirror.repo.kind, mirror.upstream_name.as_str());
    let info = match info {
        Some(info) => info,
        None => client.snapshot_info(kind, name, &oid.to_hex()).await?,
    };
    let entries = client.listing(kind, name, oid).await?;
    cross_check(&info, &entries)?;
    let upstream = Listing::build(entries).map_err(|error| {
        HubError::Sync(format!("the listing of `{name}` at {oid} cannot be used: {error}; nothing was changed"))
    })?;
    let selected = select(&upstream, &mirror.selection)?;
    let (missing, held) = compare(hub, mirror.repo.id, &selected).await?;
    Ok(PlannedCommit { oid, fetch: Some(PlannedFetch { info, upstream, selected, missing, held }) })
}

/// The selected files of a listing, with the folders above them.
fn select(upstream: &Listing, selection: &Selection) -> Result<Listing, HubError> {
    if selection.is_everything() {
        return Ok(upstream.clone());
    }
    let selector: Selector = selection.compile()?;
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
pub(super) async fn compare(
    hub: &Hub,
    repo_id: i64,
    listing: &Listing,
) -> Result<(Vec<MissingContent>, Vec<(TreeEntry, i64)>), HubError> {
    let db = hub.db().reader();
    let digests: Vec<Sha256Digest> = listing.files().filter_map(|entry| Some(entry.lfs?.sha256)).collect();
    let oids: Vec<GitOid> = listing.files().filter(|entry| entry.lfs.is_none()).map(|entry| entry.oid).collect();
    let by_sha256 = blobs::held_by_sha256(db, &digests).await?;
    let by_oid = holdings::held_by_oid(db, repo_id, &oids).await?;
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
