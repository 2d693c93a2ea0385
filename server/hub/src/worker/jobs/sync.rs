//! Jobs that sync a mirror.

use std::sync::Arc;

use acervo_store::db::jobs::{Job, Lease};
use acervo_store::db::mirrors::{self, Mirror};
use serde_json::Value;

use crate::app::sync::{self, Progress, Source, SyncOutcome, SyncPayload};
use crate::context::Hub;
use crate::error::HubError;

/// Syncs the mirror; one that was removed meanwhile needs nothing.
pub(super) async fn perform(hub: &Hub, job: &Job, lease: Lease, progress: &Arc<Progress>) -> Result<Value, HubError> {
    let payload: SyncPayload = serde_json::from_value(job.payload.clone())
        .map_err(|error| HubError::Internal(format!("the payload of job {} cannot be read: {error}", job.id)))?;
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

fn told(outcome: &SyncOutcome) -> Result<Value, HubError> {
    serde_json::to_value(outcome)
        .map_err(|error| HubError::Internal(format!("an outcome that cannot be written: {error}")))
}
