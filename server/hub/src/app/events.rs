//! Events: every change of state tells what happened, who did it, and to what, in its own transaction; and reading them.

use acervo_core::event::KindPattern;
use acervo_core::{Caller, RepoId, Role, Timestamp};
use acervo_store::db::events::{self, Event as Stored, Filter, NewEvent};
use acervo_store::db::{Transaction, commit};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::identity::demand;
use crate::context::{Hub, caller_name};
use crate::error::HubError;

/// Most events of one page.
pub const PAGE_MAX: u64 = 1000;

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

/// An event, as people and machines read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Place in the order of all events: gap-free, from 1 on.
    #[serde(default)]
    pub sequence: i64,
    /// When it happened.
    pub at: Timestamp,
    /// Kind, as in `mirror.added`.
    pub kind: String,
    /// Who did it.
    pub actor: String,
    /// What it is about: a name people know.
    pub subject: String,
    /// The facts.
    pub details: Value,
}

impl TryFrom<Stored> for Event {
    type Error = HubError;

    fn try_from(stored: Stored) -> Result<Event, HubError> {
        let event: Event = serde_json::from_slice(&stored.body)
            .map_err(|error| HubError::Internal(format!("event {} cannot be read: {error}", stored.seq)))?;
        Ok(Event { sequence: stored.seq, ..event })
    }
}

/// Which events to read.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Only those after this number.
    pub since: i64,
    /// Only these kinds.
    pub kind: KindPattern,
    /// Only those about repositories of this name.
    pub repo: Option<&'a str>,
    /// Most of them; at least 1 and at most [`PAGE_MAX`].
    pub limit: u64,
}

/// Events, a page of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Oldest first.
    pub events: Vec<Event>,
    /// The number to go on after: that of the last event, or of the last one that was looked at.
    pub next: i64,
    /// Whether there may be more by now.
    pub more: bool,
}

/// Numbered events, for those who watch over the hub.
pub async fn read(hub: &Hub, caller: &Caller, wanted: &Wanted<'_>) -> Result<Page, HubError> {
    demand(caller, Role::Auditor)?;
    let db = hub.db().reader();
    // Before the page: all up to this number are there to be found.
    let newest = events::newest(db).await?.max(wanted.since);
    let repo = match wanted.repo.map(str::parse::<RepoId>) {
        None => None,
        Some(Ok(name)) => Some(name.lower()),
        // Nothing is called that, and nothing ever was.
        Some(Err(_)) => return Ok(Page { events: Vec::new(), next: newest, more: false }),
    };
    let limit = wanted.limit.clamp(1, PAGE_MAX);
    let filter = Filter { after: wanted.since, kinds: wanted.kind.kinds(), repo: repo.as_deref(), limit };
    let found = events::found(db, &filter).await?;
    let more = found.len() as u64 == limit;
    let last = found.last().map_or(wanted.since, |event| event.seq);
    let next = if more { last } else { newest.max(last) };
    let events = found.into_iter().map(Event::try_from).collect::<Result<_, _>>()?;
    Ok(Page { events, next, more })
}

/// The number of the newest event; 0 if there is none.
pub async fn newest(hub: &Hub, caller: &Caller) -> Result<i64, HubError> {
    demand(caller, Role::Auditor)?;
    Ok(events::newest(hub.db().reader()).await?)
}
