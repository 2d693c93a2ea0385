//! Events: every change of state tells what happened, who did it, and to what, in its own transaction.

use acervo_core::Caller;
use acervo_store::db::events::{self, NewEvent};
use acervo_store::db::{Transaction, commit};
use serde_json::{Value, json};

use crate::context::{Hub, caller_name};
use crate::error::HubError;

/// Most events numbered in one transaction.
const NUMBER_BATCH: u64 = 500;

/// What an event tells beside who and when.
#[derive(Clone, Debug)]
pub struct Told<'a> {
    /// Kind, as in `mirror.added`.
    pub kind: &'a str,
    /// Database id of the repository it concerns.
    pub repo_id: Option<i64>,
    /// What it is about: a name people know.
    pub subject: &'a str,
    /// The facts.
    pub details: Value,
}

/// Records an event in the transaction of its change.
pub async fn record(hub: &Hub, tx: &Transaction, caller: &Caller, told: Told<'_>) -> Result<(), HubError> {
    let at = hub.now();
    let body = json!({
        "at": at,
        "kind": told.kind,
        "actor": caller_name(caller),
        "subject": told.subject,
        "details": told.details,
    });
    let new = NewEvent {
        kind: told.kind,
        actor_id: caller.principal_id(),
        repo_id: told.repo_id,
        subject: told.subject,
        body: body.to_string().into_bytes(),
        at,
    };
    Ok(events::record(tx, new).await?)
}

/// Gives waiting events their numbers; returns how many.
pub async fn number_waiting(hub: &Hub) -> Result<u64, HubError> {
    let mut numbered = 0;
    loop {
        let tx = hub.db().begin().await?;
        let batch = events::number(&tx, NUMBER_BATCH).await?;
        commit(tx).await?;
        numbered += batch;
        if batch < NUMBER_BATCH {
            return Ok(numbered);
        }
    }
}
