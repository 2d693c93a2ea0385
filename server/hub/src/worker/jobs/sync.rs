//! Jobs that sync a mirror.

use std::sync::Arc;

use acervo_core::Caller;
use acervo_store::db::Transaction;
use acervo_store::db::jobs::{Job, Lease};
use acervo_store::db::mirrors::{self, Mirror};
use serde_json::{Value, json};

use crate::app::events::{self, Told};
use crate::app::sync::{self, Progress, Source, SyncOutcome, SyncPayload};
use crate::context::Hub;
use crate::error::HubError;

/// Syncs the mirror; one that was removed meanwhile needs nothing.
pub(super) async fn perform(hub: &Hub, job: &Job, lease: Lease, progress: &Arc<Progress>) -> Result<Value, HubError> {
    let payload = payload(job)?;
    let mut outcome = SyncOutcome::default();
    if let Some(pin) = &payload.pin {
        if let Some(mirror) = mirrors::by_id(hub.db().reader(), payload.mirror_id).await? {
            outcome =
                sync::run_pinned(hub, &Source::of(hub, &mirror, payload.urgency())?, pin, lease, progress).await?;
        }
        return told(&outcome);
    }
    let mut order = mirrors::by_id(hub.db().reader(), payload.mirror_id).await?;
    while let Some(mirror) = order {
        let source = Source::of(hub, &mirror, payload.urgency())?;
        outcome.add(sync::run(hub, &source, lease, progress).await?);
        // An order that was changed meanwhile found this job under way and queued none of its own.
        let now = mirrors::by_id(hub.db().reader(), payload.mirror_id).await?;
        let differs = |now: &Mirror| {
            let (before, after) = (&mirror.rules, &now.rules);
            (&before.follow, &before.selection, &before.limits) != (&after.follow, &after.selection, &after.limits)
        };
        order = now.filter(differs);
    }
    told(&outcome)
}

/// Tells that a sync was given up.
pub(super) async fn tell_failure(hub: &Hub, tx: &Transaction, job: &Job, error: &str) -> Result<(), HubError> {
    let Ok(payload) = payload(job) else { return Ok(()) };
    let Some(mirror) = mirrors::by_id(tx, payload.mirror_id).await? else { return Ok(()) };
    let details = json!({
        "type": mirror.repo.kind, "job": job.id, "attempts": job.attempts, "error": error,
        "endpoint": mirror.endpoint, "upstream": mirror.upstream_name,
    });
    let told = Told { kind: "sync.failed", repo_id: Some(mirror.repo.id), subject: mirror.repo.name.as_str(), details };
    events::record(hub, tx, &Caller::System, told).await
}

fn payload(job: &Job) -> Result<SyncPayload, HubError> {
    serde_json::from_value(job.payload.clone())
        .map_err(|error| HubError::Internal(format!("the payload of job {} cannot be read: {error}", job.id)))
}

fn told(outcome: &SyncOutcome) -> Result<Value, HubError> {
    serde_json::to_value(outcome)
        .map_err(|error| HubError::Internal(format!("an outcome that cannot be written: {error}")))
}
