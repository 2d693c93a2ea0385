//! Refs of an upstream that moved otherwise than by new commits: rewritten, moved, deleted.

use std::collections::HashMap;

use acervo_core::{CommitOid, RefKind};
use acervo_store::db::commit;
use acervo_store::db::refs::{self, Ref};
use serde_json::json;

use super::seen::Change;
use super::tell;
use crate::app::sync::Source;
use crate::app::sync::plan::Plan;
use crate::context::Hub;
use crate::error::HubError;

/// Most commits of a branch that are looked through for the one it had before.
const LOG_COMMITS_MAX: usize = 1000;

/// Notes where upstream has its refs, without moving ours, and tells what would surprise those who rely on them.
pub(super) async fn observe(hub: &Hub, source: &Source<'_>, plan: &Plan) -> Result<(), HubError> {
    let repo_id = source.mirror.repo.id;
    let known = refs::of_upstream(hub.db().reader(), repo_id).await?;
    let now: HashMap<(RefKind, &str), CommitOid> =
        plan.upstream_refs.iter().map(|found| ((found.kind, found.name.as_str()), found.target)).collect();
    let mut changes = Vec::new();
    for before in &known {
        let Some(was) = before.upstream else { continue };
        match now.get(&(before.kind, before.name.as_str())) {
            Some(is) if *is != was => changes.extend(moved(source, plan, before, was, *is).await?),
            Some(_) => {}
            None => changes.extend(deleted(before, was)),
        }
    }
    let at = hub.now();
    let tx = hub.db().begin().await?;
    for change in changes {
        tell(hub, &tx, source, change).await?;
    }
    refs::note_seen(&tx, repo_id, at).await?;
    let stood: HashMap<(RefKind, &str), CommitOid> =
        known.iter().filter_map(|known| Some(((known.kind, known.name.as_str()), known.upstream?))).collect();
    for found in
        plan.upstream_refs.iter().filter(|found| stood.get(&(found.kind, found.name.as_str())) != Some(&found.target))
    {
        refs::note_upstream(&tx, repo_id, found.kind, &found.name, Some(found.target), at).await?;
    }
    // Pull requests are not all listed: that one is not says nothing.
    for gone in known.iter().filter(|known| known.kind != RefKind::PullRequest && known.upstream.is_some()) {
        if !now.contains_key(&(gone.kind, gone.name.as_str())) {
            refs::note_upstream(&tx, repo_id, gone.kind, &gone.name, None, at).await?;
        }
    }
    Ok(commit(tx).await?)
}

fn deleted(before: &Ref, was: CommitOid) -> Option<Change> {
    let kind = match before.kind {
        RefKind::Tag => "upstream.tag_deleted",
        RefKind::Branch => "upstream.branch_deleted",
        RefKind::Convert | RefKind::PullRequest => return None,
    };
    Some(Change { kind, before: json!({ "name": before.name, "commit": was }), after: json!(null) })
}

/// What there is to tell of a ref that names another commit than before.
async fn moved(
    source: &Source<'_>,
    plan: &Plan,
    before: &Ref,
    was: CommitOid,
    is: CommitOid,
) -> Result<Option<Change>, HubError> {
    let at = |commit: CommitOid| json!({ "name": before.name, "commit": commit });
    match before.kind {
        RefKind::Tag => Ok(Some(Change { kind: "upstream.tag_moved", before: at(was), after: at(is) })),
        // The log is asked for only where it matters here; a converted view is made anew each time.
        RefKind::Branch if is_followed(plan, before) => {
            let mirror = source.mirror;
            let (kind, name) = (mirror.repo.kind, &mirror.upstream_name);
            let log = source.client.commits(kind, name, is, LOG_COMMITS_MAX, |seen| seen == was).await?;
            if log.iter().any(|seen| seen.oid == was) {
                return Ok(None);
            }
            let mut after = at(is);
            after["commits_read"] = json!(log.len());
            after["whole_log_read"] = json!(log.len() < LOG_COMMITS_MAX);
            Ok(Some(Change { kind: "upstream.history_rewritten", before: at(was), after }))
        }
        RefKind::Branch | RefKind::Convert | RefKind::PullRequest => Ok(None),
    }
}

fn is_followed(plan: &Plan, known: &Ref) -> bool {
    plan.revisions.iter().any(|revision| revision.ref_kind == Some(known.kind) && revision.ref_name == known.name)
}
