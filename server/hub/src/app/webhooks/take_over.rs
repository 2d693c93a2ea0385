//! Taking over events: each becomes a delivery for every webhook that wants it.
//!
//! A webhook's cursor says up to which event that is done. It moves in the transaction that makes the deliveries, under its
//! lock, so that of several workers one does it.

use acervo_store::db::{commit, events, webhooks as rows};

use crate::app::events::number_waiting;
use crate::context::Hub;
use crate::error::HubError;
use crate::hooks::Hook;

/// Most events looked at in one transaction.
const BATCH: u64 = 500;

/// Makes deliveries of the events that were numbered since the last time; returns how many. A webhook that is new begins
/// after the newest event.
pub async fn take_over(hub: &Hub) -> Result<u64, HubError> {
    if hub.hooks().all().is_empty() {
        return Ok(0);
    }
    let newest = events::newest(hub.db().reader()).await?;
    let cursors = rows::cursors(hub.db().reader()).await?;
    let mut made = 0;
    for hook in hub.hooks().all() {
        match cursors.iter().find(|cursor| cursor.name == hook.name()) {
            None => begin(hub, hook).await?,
            Some(cursor) if cursor.taken_seq >= newest => {}
            Some(_) => made += catch_up(hub, hook).await?,
        }
    }
    Ok(made)
}

/// Notes a webhook that was never seen before: the past is not for it.
pub(super) async fn begin(hub: &Hub, hook: &Hook) -> Result<(), HubError> {
    number_waiting(hub).await?;
    let newest = events::newest(hub.db().reader()).await?;
    Ok(rows::begin(hub.db().writer(), hook.name(), newest, hub.now()).await?)
}

async fn catch_up(hub: &Hub, hook: &Hook) -> Result<u64, HubError> {
    let mut made = 0;
    loop {
        let tx = hub.db().begin().await?;
        let Some(cursor) = rows::lock(&tx, hook.name()).await? else { return Ok(made) };
        let batch = events::after(&tx, cursor.taken_seq, BATCH).await?;
        let Some(last) = batch.last() else { return Ok(made) };
        let wanted = batch.iter().filter(|event| hook.wants(&event.kind, &event.subject));
        let wanted: Vec<i64> = wanted.map(|event| event.seq).collect();
        rows::insert(&tx, hook.name(), &wanted, hub.now()).await?;
        rows::advance(&tx, hook.name(), last.seq).await?;
        commit(tx).await?;
        made += wanted.len() as u64;
        if (batch.len() as u64) < BATCH {
            return Ok(made);
        }
    }
}
