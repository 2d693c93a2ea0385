//! A sync that is held to a lockfile: the same commits, listings and bytes, or nothing.

use std::sync::Arc;

use acervo_core::lock::{Contents, Pin, PinnedCommit};
use acervo_core::{CommitOid, Sha256Digest, TreeEntry};
use acervo_store::db::commits;
use acervo_store::db::jobs::Lease;
use acervo_store::db::mirrors::Mirror;
use acervo_store::db::trees::{self, Within};

use crate::app::sync::plan::{Plan, PlannedFetch, PlannedRevision, bring_once, plan_commit};
use crate::app::sync::progress::Progress;
use crate::app::sync::run::carry_out;
use crate::app::sync::{Source, SyncOutcome};
use crate::context::Hub;
use crate::error::HubError;

/// Brings what a lockfile names, under the lease of a job. Where upstream's refs stand now does not matter.
pub async fn run_pinned(
    hub: &Hub,
    source: &Source<'_>,
    pin: &Pin,
    lease: Lease,
    progress: &Arc<Progress>,
) -> Result<SyncOutcome, HubError> {
    let (mirror, client) = (source.mirror, &source.client);
    let subject = source.subject();
    let mut commits = Vec::with_capacity(pin.commits.len());
    for pinned in &pin.commits {
        let planned = plan_commit(hub, client, &subject, pinned.id, None, progress).await?;
        match &planned.fetch {
            Some(fetch) => check_listing(mirror, pinned, fetch)?,
            None => check_held(hub, mirror, pin, pinned).await?,
        }
        commits.push(planned);
    }
    bring_once(&mut commits);
    let mut revisions: Vec<PlannedRevision> = pin
        .revisions
        .iter()
        .map(|locked| PlannedRevision {
            revision: locked.name.clone(),
            ref_kind: Some(locked.kind),
            ref_name: locked.name.clone(),
            commit: locked.commit,
        })
        .collect();
    if let Some(lost) = revisions.iter().find(|revision| pin.commits.iter().all(|commit| commit.id != revision.commit))
    {
        return Err(HubError::Invalid(format!(
            "the lockfile lets `{}` of `{}` stand for commit {}, which it does not hold; make it again with `acervo mirror lock`",
            lost.revision, mirror.repo.name, lost.commit
        )));
    }
    for pinned in &pin.commits {
        if revisions.iter().all(|revision| revision.commit != pinned.id) {
            revisions.push(PlannedRevision::of_commit(pinned.id));
        }
    }
    let plan = Plan { commits, revisions, upstream_refs: Vec::new(), requests_to_ask: 0 };
    carry_out(hub, source, &plan, Some(pin), lease, progress).await
}

/// Refuses a commit that upstream lists otherwise than it did, or of which another part is selected.
fn check_listing(mirror: &Mirror, pinned: &PinnedCommit, fetch: &PlannedFetch) -> Result<(), HubError> {
    let name = &mirror.repo.name;
    if fetch.upstream.digest != pinned.listing {
        return Err(HubError::Sync(format!(
            "upstream lists commit {} of `{name}` with digest {} and the lockfile with {}; nothing was fetched, ask the \
             upstream's operator why the commit has changed",
            pinned.id, fetch.upstream.digest, pinned.listing
        )));
    }
    if fetch.selected.digest != pinned.held {
        return Err(HubError::Sync(format!(
            "`{name}` selects another part of commit {} than the lockfile; let its patterns and presets be those of the lock",
            pinned.id
        )));
    }
    Ok(())
}

/// The same for a commit that is served already.
async fn check_held(hub: &Hub, mirror: &Mirror, pin: &Pin, pinned: &PinnedCommit) -> Result<(), HubError> {
    let db = hub.db().reader();
    let commit = commits::by_oid(db, mirror.repo.id, pinned.id).await?;
    let Some((listing, served)) =
        commit.and_then(|commit| Some((commit.upstream_listing_id?, commit.served_listing_id?)))
    else {
        return Err(HubError::Internal(format!("commit {} is served and has no listing", pinned.id)));
    };
    let (listing, held) = (trees::digest(db, listing).await?, trees::digest(db, served).await?);
    if (listing, held) != (pinned.listing, pinned.held) {
        return Err(HubError::Sync(format!(
            "commit {} of `{}` is here with other listings than in the lockfile; compare both with `acervo mirror lock` and \
             `acervo mirror diff`",
            pinned.id, mirror.repo.name
        )));
    }
    check_contents(hub, mirror, pin, pinned.id, served).await
}

/// Refuses bytes that are not those that were locked, although they are what was declared.
pub(super) async fn check_contents(
    hub: &Hub,
    mirror: &Mirror,
    pin: &Pin,
    oid: CommitOid,
    listing_id: i64,
) -> Result<(), HubError> {
    let Some(pinned) = pin.commits.iter().find(|pinned| pinned.id == oid) else { return Ok(()) };
    let mut contents = Contents::default();
    for (entry, sha256) in held_files(hub, listing_id).await? {
        contents.add(&entry.path, sha256);
    }
    if contents.finish() == pinned.contents {
        return Ok(());
    }
    Err(HubError::Sync(format!(
        "the files of commit {oid} of `{}` have other SHA-256 digests than in the lockfile, although upstream declares them \
         as then; nothing was published, ask the upstream's operator",
        mirror.repo.name
    )))
}

/// Every file of a listing in path order, with the SHA-256 of its bytes, all of which must be here.
pub async fn held_files(hub: &Hub, listing_id: i64) -> Result<Vec<(TreeEntry, Sha256Digest)>, HubError> {
    let db = hub.db().reader();
    let mut files = Vec::new();
    for segment in trees::segments(db, listing_id).await? {
        for stored in trees::segment_entries(db, segment.segment_id, Within::Everything).await? {
            if !stored.entry.is_file() {
                continue;
            }
            let missing = || HubError::Internal(format!("the bytes of `{}` are not here", stored.entry.path));
            let sha256 = stored.blob.ok_or_else(missing)?;
            files.push((stored.entry, sha256));
        }
    }
    Ok(files)
}
