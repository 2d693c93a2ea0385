//! Watching upstreams: what changed there besides new commits, told as events with before and after.
//!
//! What is held stays as it is and is served, whatever is found here: an upstream may rewrite its history, a mirror does
//! not. Each sync asks for the repository's refs, and once for what the hub says of it at the commit that leads.

mod refs;
mod seen;

use acervo_core::Caller;
use acervo_store::db::trees::{self, Within};
use acervo_store::db::{Transaction, commit, commits, mirrors};
use serde_json::{Value, json};

use self::seen::{Change, Facts, Seen, Trouble, TroubleKind};
use crate::app::events::{self, Told};
use crate::app::sync::Source;
use crate::app::sync::plan::Plan;
use crate::context::Hub;
use crate::error::HubError;
use crate::upstream::{SiblingFile, SnapshotInfo, UpstreamError};

/// Most files that one event names.
const FILES_TOLD_MAX: usize = 50;

/// Notes what the answers to a plan tell beside new commits, and asks what they do not tell.
pub(super) async fn observe(hub: &Hub, source: &Source<'_>, plan: &Plan) -> Result<(), HubError> {
    refs::observe(hub, source, plan).await?;
    let Some(head) = plan.revisions.first().map(|revision| revision.commit) else { return Ok(()) };
    let planned = plan.commits.iter().find(|planned| planned.oid == head).and_then(|planned| planned.fetch.as_ref());
    match planned {
        Some(fetch) => compare(hub, source, &fetch.info).await,
        None => {
            let mirror = source.mirror;
            let asked = source.client.snapshot_info(mirror.repo.kind, &mirror.upstream_name, &head.to_hex()).await?;
            compare(hub, source, &asked).await
        }
    }
}

/// Notes that a plan could not be made. Each sort of trouble is told once, when it begins.
pub(super) async fn note_failure(hub: &Hub, source: &Source<'_>, error: &HubError) -> Result<(), HubError> {
    let kind = match error {
        HubError::Upstream(UpstreamError::RepoNotFound { .. }) => TroubleKind::Missing,
        HubError::Upstream(UpstreamError::Forbidden { .. } | UpstreamError::Gated { .. }) => TroubleKind::Forbidden,
        HubError::Upstream(UpstreamError::RateLimited { .. } | UpstreamError::Store(_)) => return Ok(()),
        HubError::Upstream(
            UpstreamError::Unreachable { .. }
            | UpstreamError::Timeout { .. }
            | UpstreamError::Http { .. }
            | UpstreamError::NotAHub { .. }
            | UpstreamError::Untrusted { .. }
            | UpstreamError::ProxyRefused { .. },
        ) => TroubleKind::Unreachable,
        _ => return Ok(()),
    };
    let mut seen = known(hub, source).await?;
    if seen.trouble.as_ref().is_some_and(|trouble| trouble.kind == kind) {
        return Ok(());
    }
    let at = hub.now();
    let before = seen.trouble.replace(Trouble { kind, since: at });
    let tx = hub.db().begin().await?;
    let after = json!({ "state": kind, "error": error.to_string() });
    let before = json!({ "state": before.map(|trouble| json!(trouble.kind)).unwrap_or(json!("reachable")) });
    tell(hub, &tx, source, Change { kind: kind.event(), before, after }).await?;
    mirrors::note_seen(&tx, source.mirror.id, written(&seen)?).await?;
    Ok(commit(tx).await?)
}

/// What is known of the repository so far; a sync before this one may have noted it since the mirror was read.
async fn known(hub: &Hub, source: &Source<'_>) -> Result<Seen, HubError> {
    let mirror = mirrors::by_id(hub.db().reader(), source.mirror.id).await?;
    // What another version has written otherwise is found out anew.
    Ok(mirror.and_then(|mirror| serde_json::from_value(mirror.seen?).ok()).unwrap_or_default())
}

fn written(seen: &Seen) -> Result<Value, HubError> {
    serde_json::to_value(seen).map_err(|error| HubError::Internal(format!("a note that cannot be written: {error}")))
}

/// Compares what the hub says now with what it said before, and with the commit that is held.
async fn compare(hub: &Hub, source: &Source<'_>, info: &SnapshotInfo) -> Result<(), HubError> {
    let before = known(hub, source).await?;
    let facts = Facts::of(info);
    let mut changes = Vec::new();
    if let Some(trouble) = &before.trouble {
        changes.push(Change {
            kind: "upstream.reachable",
            before: json!({ "state": trouble.kind, "since": trouble.since }),
            after: json!({ "state": "reachable" }),
        });
    }
    if let Some(known) = &before.facts {
        changes.extend(facts.changes_since(known));
    }
    // The digest spares the look into what is held as long as the hub says the same.
    let is_known = |known: &Facts| (known.commit, known.declared) == (facts.commit, facts.declared);
    if !before.facts.as_ref().is_some_and(is_known) {
        changes.extend(files_changed(hub, source, info).await?);
    }
    let after = Seen { facts: Some(facts), trouble: None };
    if after == before {
        return Ok(());
    }
    let tx = hub.db().begin().await?;
    for change in changes {
        tell(hub, &tx, source, change).await?;
    }
    mirrors::note_seen(&tx, source.mirror.id, written(&after)?).await?;
    Ok(commit(tx).await?)
}

/// What the hub declares otherwise than it did when the commit was noted here.
async fn files_changed(hub: &Hub, source: &Source<'_>, info: &SnapshotInfo) -> Result<Option<Change>, HubError> {
    let db = hub.db().reader();
    let held = commits::by_oid(db, source.mirror.repo.id, info.commit).await?;
    let Some(listing) = held.and_then(|held| held.upstream_listing_id) else { return Ok(None) };
    let mut now: std::collections::HashMap<&str, &SiblingFile> =
        info.files.iter().map(|file| (file.path.as_str(), file)).collect();
    let (mut before, mut after, mut count) = (Vec::new(), Vec::new(), 0_usize);
    let mut differs = |was: Option<Value>, is: Option<Value>| {
        count += 1;
        if count <= FILES_TOLD_MAX {
            before.push(was.unwrap_or(Value::Null));
            after.push(is.unwrap_or(Value::Null));
        }
    };
    for segment in trees::segments(db, listing).await? {
        for stored in trees::segment_entries(db, segment.segment_id, Within::Everything).await? {
            let entry = stored.entry;
            if !entry.is_file() {
                continue;
            }
            let sha256 = entry.lfs.map(|lfs| lfs.sha256);
            let was = json!({ "path": entry.path, "size": entry.size, "oid": entry.oid, "sha256": sha256 });
            let Some(file) = now.remove(entry.path.as_str()) else {
                differs(Some(was), None);
                continue;
            };
            // A hub need not say everything; what it says must be what it said.
            let same = file.size.is_none_or(|size| size == entry.size)
                && file.oid.is_none_or(|oid| oid == entry.oid)
                && file.lfs_sha256.is_none_or(|digest| Some(digest) == sha256);
            if !same {
                differs(Some(was), Some(told(file)));
            }
        }
    }
    let mut added: Vec<&SiblingFile> = now.into_values().collect();
    added.sort_by(|a, b| a.path.cmp(&b.path));
    for file in added {
        differs(None, Some(told(file)));
    }
    if count == 0 {
        return Ok(None);
    }
    let files = |files: Vec<Value>| json!({ "commit": info.commit, "files_changed": count, "files": files });
    Ok(Some(Change { kind: "upstream.content_changed", before: files(before), after: files(after) }))
}

fn told(file: &SiblingFile) -> Value {
    json!({ "path": file.path, "size": file.size, "oid": file.oid, "sha256": file.lfs_sha256 })
}

/// Writes the event of a change.
async fn tell(hub: &Hub, tx: &Transaction, source: &Source<'_>, change: Change) -> Result<(), HubError> {
    let mirror = source.mirror;
    let details = json!({
        "type": mirror.repo.kind, "endpoint": mirror.endpoint, "upstream": mirror.upstream_name,
        "before": change.before, "after": change.after,
    });
    tracing::warn!(
        repo.id = mirror.repo.id,
        event.kind = change.kind,
        "the upstream of `{}` has changed",
        mirror.repo.name
    );
    let told = Told { kind: change.kind, repo_id: Some(mirror.repo.id), subject: mirror.repo.name.as_str(), details };
    events::record(hub, tx, &Caller::System, told).await
}
