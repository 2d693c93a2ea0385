//! Plans: which commits a mirror's revisions stand for now, and which files of them are not here. Asks, writes nothing.

mod commit;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use acervo_core::listing::Listing;
use acervo_core::order::Followed;
use acervo_core::{CommitOid, RefKind, RepoKind, RevisionSpec, Rules, TreeEntry};
use acervo_store::db::mirrors::Mirror;
use serde::Serialize;

use crate::app::sync::DEFAULT_REVISION;
use crate::app::sync::progress::Progress;
use crate::context::Hub;
use crate::error::HubError;
use crate::upstream::{Client, SnapshotInfo, UpstreamRef, Urgency};

pub(super) use commit::{compare, plan_commit};

/// Entries of a listing that upstreams send on one page.
const ENTRIES_PER_PAGE: usize = 1000;

/// What a plan is for: a mirror, or one that there may be.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Database id of the repository here, if it is here.
    pub repo_id: Option<i64>,
    /// Model, dataset or space.
    pub kind: RepoKind,
    /// Base URL of the upstream.
    pub endpoint: &'a str,
    /// Name of the repository there.
    pub upstream_name: &'a str,
    /// Namespace here that it is for.
    pub organization: &'a str,
    /// Whether somebody waits for it.
    pub urgency: Urgency,
    /// What is followed and held.
    pub rules: &'a Rules,
}

impl<'a> From<&'a Mirror> for Subject<'a> {
    fn from(mirror: &'a Mirror) -> Self {
        Subject {
            repo_id: Some(mirror.repo.id),
            kind: mirror.repo.kind,
            endpoint: &mirror.endpoint,
            upstream_name: &mirror.upstream_name,
            organization: mirror.repo.name.namespace(),
            urgency: Urgency::Interactive,
            rules: &mirror.rules,
        }
    }
}

/// Everything a sync would do.
#[derive(Debug)]
pub struct Plan {
    /// Commits to publish, each once.
    pub commits: Vec<PlannedCommit>,
    /// Revisions in the order the mirror names them, with the commit each stands for.
    pub revisions: Vec<PlannedRevision>,
    /// Every ref upstream has.
    pub upstream_refs: Vec<UpstreamRef>,
    /// Requests that finding this out takes each time.
    pub requests_to_ask: u64,
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

impl PlanTotals {
    /// Adds those of another plan.
    pub fn add(&mut self, other: &PlanTotals) {
        self.files_to_fetch += other.files_to_fetch;
        self.bytes_to_fetch += other.bytes_to_fetch;
        self.files_held += other.files_held;
        self.bytes_held += other.bytes_held;
    }
}

impl PlannedRevision {
    /// A commit that is followed by its id.
    pub(super) fn of_commit(commit: CommitOid) -> PlannedRevision {
        PlannedRevision { revision: commit.to_hex(), ref_kind: None, ref_name: String::new(), commit }
    }
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
    /// Requests to the hub that a sync of this takes, if none has to be made twice: what is asked each time; for each
    /// commit its description, its listing and its log; one for each file. Branches whose history was rewritten take more.
    pub fn requests(&self) -> u64 {
        let of_commit = |fetch: &PlannedFetch| {
            let pages = fetch.upstream.entries().count().div_ceil(ENTRIES_PER_PAGE).max(1);
            2 + pages as u64 + fetch.missing.len() as u64
        };
        let commits: u64 = self.commits.iter().filter_map(|planned| planned.fetch.as_ref()).map(of_commit).sum();
        // What the hub says of the repository now comes with the first commit, or is asked for by itself.
        let first = self.revisions.first().map(|revision| revision.commit);
        let comes_along = self.commits.iter().any(|planned| Some(planned.oid) == first && planned.fetch.is_some());
        self.requests_to_ask + commits + u64::from(first.is_some() && !comes_along)
    }

    /// The plan in numbers.
    pub fn totals(&self) -> PlanTotals {
        let mut sum = PlanTotals::default();
        for totals in self.commits.iter().filter_map(|planned| planned.fetch.as_ref()).map(PlannedFetch::totals) {
            sum.add(&totals);
        }
        sum
    }
}

/// Asks upstream what the revisions stand for, and compares with what is here.
///
/// An unchanged repository costs one request: its refs; and one for each branch of which more than the head is followed. A
/// sync adds one, for what else the hub says of the repository.
pub async fn plan(hub: &Hub, subject: &Subject<'_>, progress: &Progress) -> Result<Plan, HubError> {
    let client = hub.upstream_at(subject.endpoint, subject.organization)?.with_urgency(subject.urgency);
    progress.phase("asking upstream for its revisions");
    let upstream_refs = client.refs(subject.kind, subject.upstream_name).await?;
    let mut requests_to_ask = 1;
    let mut infos: HashMap<CommitOid, SnapshotInfo> = HashMap::new();
    let mut revisions: Vec<PlannedRevision> = Vec::new();
    let names: Vec<(RefKind, &str)> = upstream_refs.iter().map(|found| (found.kind, found.name.as_str())).collect();
    for followed in subject.rules.follow.among(&names, DEFAULT_REVISION) {
        let pinned = match followed {
            Followed::Named(revision) => pin(&client, subject, &revision, &upstream_refs, &mut infos).await?,
            Followed::Found(kind, name) => found(&upstream_refs, kind, &name)?,
        };
        // A name and a pattern may lead to the same ref.
        let is_new = |known: &PlannedRevision| {
            pinned.ref_kind.is_none() || (known.ref_kind, &known.ref_name) != (pinned.ref_kind, &pinned.ref_name)
        };
        if revisions.iter().all(is_new) {
            revisions.push(pinned);
        }
    }
    if let Some(count) = subject.rules.follow.newest_commits {
        let heads: Vec<CommitOid> = revisions
            .iter()
            .filter(|revision| revision.ref_kind == Some(RefKind::Branch))
            .map(|revision| revision.commit)
            .collect();
        for head in heads {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            requests_to_ask += 1;
            for older in client.commits(subject.kind, subject.upstream_name, head, count, |_| false).await? {
                if revisions.iter().all(|known| known.commit != older.oid) {
                    revisions.push(PlannedRevision::of_commit(older.oid));
                }
            }
        }
    }
    let mut planned: BTreeMap<CommitOid, PlannedCommit> = BTreeMap::new();
    for revision in &revisions {
        if let Entry::Vacant(place) = planned.entry(revision.commit) {
            let info = infos.remove(&revision.commit);
            place.insert(plan_commit(hub, &client, subject, revision.commit, info, progress).await?);
        }
    }
    let mut commits: Vec<PlannedCommit> = planned.into_values().collect();
    bring_once(&mut commits);
    Ok(Plan { commits, revisions, upstream_refs, requests_to_ask })
}

/// Lets the first commit that lacks a content bring it, and no other.
pub(super) fn bring_once(commits: &mut [PlannedCommit]) {
    let mut wanted = HashSet::new();
    for fetch in commits.iter_mut().filter_map(|commit| commit.fetch.as_mut()) {
        fetch.missing.retain(|content| wanted.insert(content.entry.etag()));
    }
}

/// A ref that a pattern has found.
fn found(refs: &[UpstreamRef], kind: RefKind, name: &str) -> Result<PlannedRevision, HubError> {
    let target = refs.iter().find(|known| known.kind == kind && known.name == name).map(|known| known.target);
    let commit = target.ok_or_else(|| HubError::Internal(format!("the ref `{name}` was found and is gone")))?;
    Ok(PlannedRevision { revision: name.to_owned(), ref_kind: Some(kind), ref_name: name.to_owned(), commit })
}

/// The commit a revision stands for at upstream, and the ref it is.
async fn pin(
    client: &Client,
    subject: &Subject<'_>,
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
        RevisionSpec::Commit(oid) => {
            return Ok(PlannedRevision { revision: revision.to_owned(), ..PlannedRevision::of_commit(oid) });
        }
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
    let info = client.snapshot_info(subject.kind, subject.upstream_name, revision).await?;
    let commit = info.commit;
    infos.insert(commit, info);
    Ok(planned(name.explicit_kind(), name.stored(), commit))
}
