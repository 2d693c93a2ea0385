//! Keeping a job: the lease is extended and progress flushed while the work goes on beside it.

use std::sync::Arc;
use std::time::Duration;

use acervo_core::Timestamp;
use acervo_store::db::jobs::{self, Heartbeat, Lease};

use crate::app::jobs::flush;
use crate::app::sync::{Progress, ProgressView};
use crate::context::Hub;
use crate::error::HubError;

/// Seconds between two heartbeats of a job.
const HEARTBEAT_SECONDS: u64 = 2;

/// How a job ended that somebody cancelled.
pub(super) const CANCELLED: &str = "cancelled";

/// Until when a lease taken now holds.
pub(super) fn until(hub: &Hub, now: Timestamp) -> Timestamp {
    now.plus_seconds(i64::try_from(hub.config().worker.lease_seconds).unwrap_or(i64::MAX))
}

/// How an attempt ended at a job that somebody paused.
pub(super) const PAUSED: &str = "paused";

/// Extends the lease until it is lost or the job is cancelled or paused; then tells which.
///
/// A database that does not answer is survived for as long as the lease holds by its last extension.
pub(super) async fn keep(hub: &Hub, lease: Lease, progress: &Arc<Progress>) -> HubError {
    let mut ticks = tokio::time::interval(Duration::from_secs(HEARTBEAT_SECONDS));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut holds_until = until(hub, hub.now());
    let mut flushed: Option<ProgressView> = None;
    loop {
        ticks.tick().await;
        let now = hub.now();
        let view = progress.view();
        let changed = flushed.as_ref() != Some(&view);
        let payload = changed.then(|| serde_json::to_value(&view).ok()).flatten();
        match jobs::heartbeat(hub.db().writer(), lease, payload, until(hub, now), now).await {
            Ok(Heartbeat::Held) => {
                holds_until = until(hub, now);
                flushed = Some(view);
                if let Err(error) = flush(hub, lease, progress).await {
                    tracing::warn!(job.id = %lease.job_id, error = %error, "a log could not be written and will be tried again");
                }
            }
            Ok(Heartbeat::Paused) => return HubError::JobEnded(PAUSED),
            Ok(Heartbeat::Cancelled) => return HubError::JobEnded(CANCELLED),
            Ok(Heartbeat::Lost) => return HubError::JobEnded("taken over by another worker"),
            Err(error) if now < holds_until => {
                tracing::warn!(job.id = %lease.job_id, error = %error, "a lease could not be extended and will be tried again");
            }
            Err(error) => return error.into(),
        }
    }
}
