//! Schedules: what is due becomes a job, once, however many processes look.
//!
//! Each mirror says when it is due next; whoever moves that on queues the job, in one transaction. What was due several
//! times while nobody looked is done once.

use acervo_core::Caller;
use acervo_store::db::jobs::{self, NewJob};
use acervo_store::db::mirrors::{self, Mirror};
use acervo_store::db::{commit, orders};
use serde_json::json;
use uuid::Uuid;

use crate::app::mirrors::next_run;
use crate::app::sync::{self, SyncPayload};
use crate::context::Hub;
use crate::error::HubError;

/// Kind of the jobs that ask upstreams what the patterns of orders find.
pub const SEARCH_KIND: &str = "search";

/// Attempts at such a search before it waits for the next night.
const SEARCH_ATTEMPTS_MAX: i32 = 3;

/// Such searches go before what they may find.
const SEARCH_PRIORITY: i32 = i32::MAX / 2;

/// Mirrors looked at in one question.
const MIRRORS_AT_ONCE: u64 = 200;

/// What was queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// Searches for repositories, one at most.
    pub searches: u64,
    /// Syncs that were not under way already.
    pub syncs: u64,
}

/// Queues what is due.
pub async fn queue_due(hub: &Hub) -> Result<Queued, HubError> {
    let mut queued = Queued { searches: u64::from(queue_search(hub).await?), syncs: 0 };
    loop {
        let due = mirrors::due(hub.db().reader(), hub.now(), MIRRORS_AT_ONCE).await?;
        let count = due.len() as u64;
        for mirror in due {
            queued.syncs += u64::from(queue_sync(hub, &mirror).await?);
        }
        if count < MIRRORS_AT_ONCE {
            return Ok(queued);
        }
    }
}

/// Queues the sync of a mirror that is due; returns whether this call did.
async fn queue_sync(hub: &Hub, mirror: &Mirror) -> Result<bool, HubError> {
    let next = next_run(&mirror.rules, &mirror.repo, hub.now());
    let tx = hub.db().begin().await?;
    if !mirrors::reschedule(&tx, mirror.id, mirror.next_run_at, next).await? {
        return Ok(false);
    }
    let payload = SyncPayload { mirror_id: mirror.id, pin: None, scheduled: true };
    let (_, is_new) = sync::queue(hub, &tx, &Caller::System, mirror, payload).await?;
    commit(tx).await?;
    Ok(is_new)
}

/// Queues one search for all orders if one of them is due.
async fn queue_search(hub: &Hub) -> Result<bool, HubError> {
    let now = hub.now();
    let due = orders::due(hub.db().reader(), now).await?;
    if due.is_empty() {
        return Ok(false);
    }
    let tx = hub.db().begin().await?;
    let mut moved = false;
    for stored in &due {
        let Some(seen) = stored.next_run_at else { continue };
        moved |= orders::reschedule(&tx, stored.id, seen, stored.order.next_search(now)).await?;
    }
    if !moved {
        return Ok(false);
    }
    let new = NewJob {
        id: Uuid::now_v7(),
        kind: SEARCH_KIND,
        payload: json!({}),
        dedup_key: SEARCH_KIND.to_owned(),
        priority: SEARCH_PRIORITY,
        run_at: now,
        attempts_max: SEARCH_ATTEMPTS_MAX,
        created_by: None,
        organization: None,
        repo_id: None,
        at: now,
    };
    let (_, is_new) = jobs::enqueue(&tx, new).await?;
    commit(tx).await?;
    Ok(is_new)
}
