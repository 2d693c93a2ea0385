//! Publishing: the one way in which a commit becomes visible.
//!
//! Sync, commit, pull-through and bundle import fill staging and rows that nobody sees; this function makes them seen,
//! in one transaction that writes only commit state, decision, ref moves, events, and what lists find. A reader never sees
//! part of a commit.

use acervo_core::{Caller, CommitOid, RefKind, Selection, Timestamp, Visibility};
use acervo_store::db::commits::{self, Outcome, State};
use acervo_store::db::jobs::{self, Lease};
use acervo_store::db::repos::{self, Gated, Repo};
use acervo_store::db::{Transaction, commit, generation, holdings, refs};
use serde_json::json;

use crate::app::catalog;
use crate::app::events::{self, Told};
use crate::app::gates;
use crate::context::Hub;
use crate::error::HubError;

/// What becomes visible.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The repository.
    pub repo: Repo,
    /// The commit.
    pub oid: CommitOid,
    /// What was brought here for it; `None` if the commit is visible already and only refs move.
    pub fetched: Option<Fetched>,
    /// Refs that serve it from now on.
    pub refs: Vec<MovedRef>,
    /// Why, in a word.
    pub cause: &'static str,
    /// The job that publishes; one that has lost its lease publishes nothing.
    pub lease: Option<Lease>,
}

/// A commit whose rows and bytes are complete.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Database id of the commit.
    pub commit_id: i64,
    /// What of it is served.
    pub served_listing_id: i64,
    /// Patterns that chose it.
    pub selection: Selection,
    /// Whether upstream gates the repository.
    pub upstream_gated: Gated,
    /// Whether the repository is private at upstream.
    pub private_upstream: bool,
    /// When the repository was made at upstream.
    pub upstream_created_at: Option<Timestamp>,
}

/// A ref to move.
#[derive(Clone, Debug)]
pub struct MovedRef {
    /// Branch, tag, convert or pull request.
    pub kind: RefKind,
    /// Name as it is stored.
    pub name: String,
}

/// A commit on which somebody has decided is not made visible by a machine.
async fn refuse_decided(tx: &Transaction, commit_id: i64, repo: &Repo) -> Result<(), HubError> {
    match commits::by_id(tx, commit_id).await?.map(|commit| (commit.state, commit.oid)) {
        Some((State::Held | State::Recalled, oid)) => Err(HubError::Conflict(format!(
            "commit {oid} of `{}` is held or was recalled; a reviewer must decide before it is published again",
            repo.name
        ))),
        _ => Ok(()),
    }
}

/// Makes a complete commit visible and lets refs serve it, or changes nothing.
pub async fn snapshot(hub: &Hub, caller: &Caller, new: Publication) -> Result<(), HubError> {
    let at = hub.now();
    let repo = &new.repo;
    let tx = hub.db().begin().await?;
    if let Some(lease) = new.lease
        && !jobs::is_held(&tx, lease).await?
    {
        return Err(HubError::JobEnded("taken over by another worker"));
    }
    let commit_id = match &new.fetched {
        Some(fetched) => {
            let missing = holdings::missing_files(&tx, fetched.served_listing_id).await?;
            if missing > 0 {
                return Err(HubError::Internal(format!(
                    "commit {} lacks {missing} files and was to be published",
                    new.oid
                )));
            }
            refuse_decided(&tx, fetched.commit_id, repo).await?;
            commits::publish(&tx, fetched.commit_id, fetched.served_listing_id, &fetched.selection, at).await?;
            let reason = "no policy is configured";
            commits::decide(&tx, fetched.commit_id, Outcome::Approved, caller.principal_id(), reason, at).await?;
            repos::note_published(&tx, repo.id, fetched.upstream_gated, fetched.upstream_created_at, at).await?;
            // What upstream asks consent for is not handed out here without, until somebody says so.
            if fetched.upstream_gated != Gated::None {
                gates::follow_upstream(hub, &tx, caller, repo).await?;
            }
            // What upstream shows to few is not shown to all here until somebody says so.
            if fetched.private_upstream && repo.visibility == Visibility::Public {
                repos::set_visibility(&tx, repo.id, Visibility::Private).await?;
                let details =
                    json!({ "before": repo.visibility, "now": Visibility::Private, "why": "private at upstream" });
                let told = Told {
                    kind: "repo.visibility_changed",
                    repo_id: Some(repo.id),
                    subject: repo.name.as_str(),
                    details,
                };
                events::record(hub, &tx, caller, told).await?;
            }
            fetched.commit_id
        }
        None => {
            let found = commits::by_oid(&tx, repo.id, new.oid).await?;
            found.ok_or_else(|| HubError::Internal(format!("commit {} was to be published and is gone", new.oid)))?.id
        }
    };
    let mut moves = Vec::new();
    for moved in &new.refs {
        let before = refs::move_to(&tx, repo.id, moved.kind, &moved.name, (commit_id, new.oid), new.cause, at).await?;
        moves.push(json!({ "kind": moved.kind, "name": moved.name, "before": before, "now": new.oid }));
    }
    catalog::refresh(&tx, repo.id).await?;
    let details = json!({
        "type": repo.kind, "commit": new.oid, "refs": moves, "cause": new.cause,
        "selection": new.fetched.as_ref().map(|fetched| &fetched.selection),
        "job": new.lease.map(|lease| lease.job_id),
    });
    let told = Told { kind: "commit.published", repo_id: Some(repo.id), subject: repo.name.as_str(), details };
    events::record(hub, &tx, caller, told).await?;
    generation::bump(&tx).await?;
    commit(tx).await?;
    hub.caches().clear();
    hub.metrics().published.inc();
    tracing::info!(repo.id = repo.id, commit.oid = %new.oid, "`{}` serves {} now", repo.name, new.oid);
    Ok(())
}
