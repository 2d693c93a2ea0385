//! Running a sync: plan, prepare, fetch, publish.

use std::collections::HashSet;
use std::sync::Arc;

use acervo_core::lock::Pin;
use acervo_core::{Caller, CommitOid, RepoPath, Timestamp, TreeEntry, card, text};
use acervo_store::db::commits::{self, Fetching, LogEntry, State};
use acervo_store::db::jobs::Lease;
use acervo_store::db::mirrors::Mirror;
use acervo_store::db::repos::Gated;
use acervo_store::db::{blobs, commit, holdings, mirrors, refs, trees};
use serde_json::Value;

use crate::app::catalog;
use crate::app::publish::{self, MovedRef, Publication};
use crate::app::sync::fetch::{Route, fetch_all};
use crate::app::sync::pinned::check_contents;
use crate::app::sync::plan::{MissingContent, Plan, PlannedFetch, PlannedRevision, compare, plan};
use crate::app::sync::progress::Progress;
use crate::app::sync::{Source, SyncOutcome, SyncedRevision, watch, windows};
use crate::context::Hub;
use crate::error::HubError;
use crate::upstream::SnapshotInfo;

/// Most commits of an upstream's log that one sync notes.
const LOG_COMMITS_MAX: usize = 1000;

/// Paths tied to held blobs in one transaction.
const TIE_BATCH: usize = 4000;

/// Makes the repository of a mirror like its upstream, under the lease of a job.
pub async fn run(
    hub: &Hub,
    source: &Source<'_>,
    lease: Lease,
    progress: &Arc<Progress>,
) -> Result<SyncOutcome, HubError> {
    let plan = match plan(hub, &source.subject(), progress).await {
        Ok(plan) => plan,
        Err(error) => {
            // Why the plan failed is what the job must tell, also where that cannot be noted.
            if let Err(lost) = watch::note_failure(hub, source, &error).await {
                tracing::warn!(repo.id = source.mirror.repo.id, error = %lost, "trouble of an upstream could not be noted");
            }
            return Err(error);
        }
    };
    progress.phase("looking for what else has changed");
    watch::observe(hub, source, &plan).await?;
    carry_out(hub, source, &plan, None, lease, progress).await
}

/// Fetches and publishes what is planned; with a pin, nothing of which the bytes are not what was locked.
pub(super) async fn carry_out(
    hub: &Hub,
    source: &Source<'_>,
    plan: &Plan,
    pin: Option<&Pin>,
    lease: Lease,
    progress: &Arc<Progress>,
) -> Result<SyncOutcome, HubError> {
    let mirror = source.mirror;
    let totals = plan.totals();
    progress.expect(totals.files_to_fetch, totals.bytes_to_fetch);
    progress.log().info(
        hub.now(),
        format!(
            "plan: {} files, {} bytes to fetch; {} files, {} bytes are here; {} commits to publish",
            totals.files_to_fetch,
            totals.bytes_to_fetch,
            totals.files_held,
            totals.bytes_held,
            plan.commits.iter().filter(|planned| planned.fetch.is_some()).count()
        ),
    );
    let mut outcome = SyncOutcome {
        files_fetched: totals.files_to_fetch,
        bytes_fetched: totals.bytes_to_fetch,
        files_held: totals.files_held,
        bytes_held: totals.bytes_held,
        ..SyncOutcome::default()
    };
    for planned in &plan.commits {
        let mut publication = Publication {
            repo: mirror.repo.clone(),
            oid: planned.oid,
            fetched: None,
            refs: Vec::new(),
            cause: "sync",
            lease: Some(lease),
        };
        let revisions: Vec<&PlannedRevision> =
            plan.revisions.iter().filter(|revision| revision.commit == planned.oid).collect();
        publication.refs = moved_refs(hub, mirror, &revisions).await?;
        if let Some(fetch) = &planned.fetch {
            if !fetch.missing.is_empty() {
                windows::check(hub, source)?;
            }
            let fetched = tokio::select! {
                fetched = fetch_commit(hub, source, planned.oid, fetch, lease, progress) => fetched?,
                closed = windows::closed(hub, source) => return Err(closed),
            };
            if let Some(pin) = pin {
                check_contents(hub, mirror, pin, planned.oid, fetched.served_listing_id).await?;
            }
            publication.fetched = Some(fetched);
        }
        let changed = publication.fetched.is_some() || !publication.refs.is_empty();
        if changed {
            progress.phase("publishing");
            let refs: Vec<String> = publication.refs.iter().map(|moved| moved.name.clone()).collect();
            publish::snapshot(hub, &Caller::System, publication).await?;
            progress.log().info(hub.now(), published(planned.oid, &refs));
        }
        outcome.revisions.extend(revisions.iter().map(|revision| SyncedRevision {
            revision: revision.revision.clone(),
            commit: planned.oid,
            changed,
        }));
    }
    mirrors::note_synced(hub.db().writer(), mirror.id, hub.now()).await?;
    progress.phase("up to date");
    Ok(outcome)
}

/// That a commit is served from now on, and where.
fn published(oid: CommitOid, refs: &[String]) -> String {
    match refs {
        [] => format!("published commit {oid}"),
        refs => format!("published commit {oid} for {}", refs.join(", ")),
    }
}

/// Refs of these revisions that do not serve their commit yet.
async fn moved_refs(hub: &Hub, mirror: &Mirror, revisions: &[&PlannedRevision]) -> Result<Vec<MovedRef>, HubError> {
    let mut moved = Vec::new();
    for revision in revisions {
        let Some(kind) = revision.ref_kind else { continue };
        let here = refs::by_name(hub.db().reader(), mirror.repo.id, kind, &revision.ref_name).await?;
        let serves = here.and_then(|found| found.served).map(|(_, oid)| oid);
        if serves != Some(revision.commit) {
            moved.push(MovedRef { kind, name: revision.ref_name.clone() });
        }
    }
    Ok(moved)
}

/// Brings a commit's rows and bytes here; afterwards it only needs to be published.
async fn fetch_commit(
    hub: &Hub,
    source: &Source<'_>,
    oid: CommitOid,
    fetch: &PlannedFetch,
    lease: Lease,
    progress: &Arc<Progress>,
) -> Result<publish::Fetched, HubError> {
    let mirror = source.mirror;
    let prepared = prepare(hub, source, oid, fetch, progress).await?;
    progress.phase("fetching");
    let route = Route {
        clients: std::iter::once(&source.client).chain(&source.others).cloned().collect(),
        kind: mirror.repo.kind,
        upstream_name: mirror.upstream_name.clone(),
        repo_id: mirror.repo.id,
        repo_name: mirror.repo.name.to_string(),
        commit: oid,
        listing_id: prepared.served_listing_id,
        job_id: lease.job_id,
        // Nobody asks the store for what no attempt can have left there.
        goes_on: prepared.was_begun || lease.fence > 1,
    };
    fetch_all(hub, &route, prepared.missing, progress).await?;
    keep_card(hub, mirror, prepared.commit_id, prepared.served_listing_id, &fetch.info).await?;
    Ok(publish::Fetched {
        commit_id: prepared.commit_id,
        served_listing_id: prepared.served_listing_id,
        selection: mirror.rules.selection.clone(),
        upstream_gated: gated(&fetch.info),
        private_upstream: fetch.info.private,
        upstream_created_at: created_at(&fetch.info),
    })
}

/// A commit whose rows are here, and whose bytes are yet to come.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Database id of the commit.
    pub(super) commit_id: i64,
    /// What of it is to be served.
    pub(super) served_listing_id: i64,
    /// Contents that are not here.
    pub(super) missing: Vec<MissingContent>,
    /// Whether an attempt before this one may have left something.
    pub(super) was_begun: bool,
}

/// Brings a commit's rows here, and ties what is here of its bytes.
pub(super) async fn prepare(
    hub: &Hub,
    source: &Source<'_>,
    oid: CommitOid,
    fetch: &PlannedFetch,
    progress: &Progress,
) -> Result<Prepared, HubError> {
    let mirror = source.mirror;
    note_log(hub, source, oid, progress).await?;
    let at = hub.now();
    let tx = hub.db().begin().await?;
    let upstream_listing_id = trees::insert_listing(&tx, mirror.repo.id, &fetch.upstream, at).await?;
    let served_listing_id = trees::insert_listing(&tx, mirror.repo.id, &fetch.selected, at).await?;
    let row = commits::by_oid(&tx, mirror.repo.id, oid)
        .await?
        .ok_or_else(|| HubError::Internal(format!("commit {oid} was noted and is gone")))?;
    let info = Value::Object(text::storable_map(fetch.info.info.clone()));
    commits::note_fetching(&tx, row.id, &Fetching { upstream_listing_id, upstream_info: &info }).await?;
    commit(tx).await?;
    // Compared once more: a commit before this one in the plan has brought what they share.
    let (missing, held) = compare(hub, Some(mirror.repo.id), &fetch.selected).await?;
    tie_held(hub, served_listing_id, held).await?;
    Ok(Prepared { commit_id: row.id, served_listing_id, missing, was_begun: row.state == State::Fetching })
}

/// Ties what is here to the paths that have it. Segments that the commit shares with older ones are tied already.
async fn tie_held(hub: &Hub, listing_id: i64, held: Vec<(TreeEntry, i64)>) -> Result<(), HubError> {
    let missing: HashSet<String> = holdings::missing_paths(hub.db().reader(), listing_id).await?.into_iter().collect();
    let ties: Vec<(RepoPath, i64)> = held
        .into_iter()
        .filter(|(entry, _)| missing.contains(entry.path.as_str()))
        .map(|(entry, blob_id)| (entry.path, blob_id))
        .collect();
    for batch in ties.chunks(TIE_BATCH) {
        let tx = hub.db().begin().await?;
        holdings::tie(&tx, listing_id, batch).await?;
        commit(tx).await?;
    }
    Ok(())
}

/// Notes the commit and its log as far as it is new; a commit that is in no log is noted alone.
async fn note_log(hub: &Hub, source: &Source<'_>, oid: CommitOid, progress: &Progress) -> Result<(), HubError> {
    let mirror = source.mirror;
    let known = commits::by_oid(hub.db().reader(), mirror.repo.id, oid).await?;
    if known.is_some_and(|commit| !commit.title.is_empty()) {
        return Ok(());
    }
    progress.phase("reading the log");
    let head =
        refs::by_name(hub.db().reader(), mirror.repo.id, acervo_core::RefKind::Branch, &mirror.repo.default_branch)
            .await?
            .and_then(|found| found.served)
            .map(|(_, oid)| oid);
    // One more than is kept: the oldest that is kept then knows that something was before it.
    let found = source
        .client
        .commits(mirror.repo.kind, &mirror.upstream_name, oid, LOG_COMMITS_MAX + 1, |seen| Some(seen) == head)
        .await?;
    let mut log: Vec<LogEntry> = Vec::with_capacity(found.len());
    for (index, seen) in found.iter().enumerate().take(LOG_COMMITS_MAX) {
        log.push(LogEntry {
            oid: seen.oid,
            title: text::storable(seen.title.clone()),
            message: text::storable(seen.message.clone()),
            authors: seen.authors.iter().cloned().map(text::storable).collect(),
            committed_at: seen.date,
            predecessor: found.get(index + 1).map(|older| older.oid),
        });
    }
    if log.first().map(|entry| entry.oid) != Some(oid) {
        let alone = LogEntry {
            oid,
            title: String::new(),
            message: String::new(),
            authors: Vec::new(),
            committed_at: None,
            predecessor: None,
        };
        log.insert(0, alone);
    }
    let tx = hub.db().begin().await?;
    commits::insert_log(&tx, mirror.repo.id, &log, hub.now()).await?;
    Ok(commit(tx).await?)
}

/// Reads the card, if it is held, and keeps it with the tags it is listed under.
async fn keep_card(
    hub: &Hub,
    mirror: &Mirror,
    commit_id: i64,
    listing_id: i64,
    info: &SnapshotInfo,
) -> Result<(), HubError> {
    let path: RepoPath = "README.md".parse()?;
    let found = trees::entry_at(hub.db().reader(), listing_id, &path).await?;
    let readme = match found.and_then(|found| Some((found.blob?, found.entry.size))) {
        Some((sha256, size)) if size <= catalog::CARD_BYTES_MAX => {
            let text = catalog::read_card(hub, sha256, size).await?;
            Some((sha256, card::parse(&text)))
        }
        _ => None,
    };
    let mut tags = upstream_tags(info);
    if let Some(data) = readme.as_ref().and_then(|(_, card)| card.data.as_ref()) {
        card::tags(mirror.repo.kind, data).iter().for_each(|tag| tags.add(tag));
    }
    let tags = tags.into_list();
    let tx = hub.db().begin().await?;
    let row = match &readme {
        Some((sha256, card)) => blobs::held_by_sha256(&tx, &[*sha256]).await?.get(sha256).map(|blob| (blob.id, card)),
        None => None,
    };
    commits::set_card(&tx, commit_id, row, &tags, hub.now()).await?;
    Ok(commit(tx).await?)
}

/// Tags that upstream lists the repository under.
fn upstream_tags(info: &SnapshotInfo) -> card::Tags {
    let mut tags = card::Tags::default();
    for tag in info.info.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        tags.add(tag);
    }
    tags
}

fn gated(info: &SnapshotInfo) -> Gated {
    match info.info.get("gated") {
        Some(Value::String(text)) if text == "manual" => Gated::Manual,
        Some(Value::String(_) | Value::Bool(true)) => Gated::Auto,
        _ => Gated::None,
    }
}

fn created_at(info: &SnapshotInfo) -> Option<Timestamp> {
    info.info.get("createdAt").and_then(Value::as_str).and_then(Timestamp::parse)
}
