//! Events: what changed, written in the transaction of the change, numbered afterwards.
//!
//! One sequencer at a time gives gap-free numbers in the order of insertion, so that no change waits for a global lock.

use acervo_core::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::dialect;
use super::entity::event;
use crate::error::{Doing, StoreError};

/// Longest body of an event, in bytes: the log's leaves hold no more.
pub const BODY_BYTES_MAX: usize = 65_535;

/// A change, as its event tells it.
#[derive(Clone, Debug)]
pub struct NewEvent<'a> {
    /// Kind, as in `mirror.added`.
    pub kind: &'a str,
    /// Database id of who did it; `None` for this installation itself.
    pub actor_id: Option<i64>,
    /// Database id of the repository it concerns.
    pub repo_id: Option<i64>,
    /// What it is about, in words.
    pub subject: &'a str,
    /// Exact bytes of the JSON that tells everything.
    pub body: Vec<u8>,
    /// When.
    pub at: Timestamp,
}

/// Records an event; belongs into the transaction of the change it tells.
pub async fn record(db: &impl ConnectionTrait, new: NewEvent<'_>) -> Result<(), StoreError> {
    if new.body.len() > BODY_BYTES_MAX {
        return Err(StoreError::Corrupt { what: format!("an event `{}` of {} bytes", new.kind, new.body.len()) });
    }
    let row = event::ActiveModel {
        id: ActiveValue::NotSet,
        seq: ActiveValue::Set(None),
        at: ActiveValue::Set(new.at.into()),
        kind: ActiveValue::Set(new.kind.to_owned()),
        actor_id: ActiveValue::Set(new.actor_id),
        repo_id: ActiveValue::Set(new.repo_id),
        subject: ActiveValue::Set(new.subject.to_owned()),
        body: ActiveValue::Set(new.body),
    };
    event::Entity::insert(row).exec_without_returning(db).await.doing("recording an event")?;
    Ok(())
}

/// Numbers at most `limit` events that have no number yet; returns how many. Runs in a transaction of its own, in which
/// it waits for other sequencers.
pub async fn number(db: &impl ConnectionTrait, limit: u64) -> Result<u64, StoreError> {
    // Before anything is read: what the sequencer before this one numbered must be seen.
    dialect::lock_sequencer(db).await?;
    let last: Option<Option<i64>> = event::Entity::find()
        .select_only()
        .column_as(event::Column::Seq.max(), "last")
        .into_tuple()
        .one(db)
        .await
        .doing("reading the last event number")?;
    let mut next = last.flatten().unwrap_or(0) + 1;
    let waiting: Vec<i64> = event::Entity::find()
        .select_only()
        .column(event::Column::Id)
        .filter(event::Column::Seq.is_null())
        .order_by_asc(event::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
        .doing("reading events without a number")?;
    for id in &waiting {
        event::Entity::update_many()
            .col_expr(event::Column::Seq, Expr::value(next))
            .filter(event::Column::Id.eq(*id))
            .exec(db)
            .await
            .doing("numbering an event")?;
        next += 1;
    }
    Ok(waiting.len() as u64)
}

/// An event, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Gap-free number.
    pub seq: i64,
    /// Kind.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// Exact bytes of its JSON.
    pub body: Vec<u8>,
    /// When.
    pub at: Timestamp,
}

/// Numbered events after a number, oldest first.
pub async fn after(db: &impl ConnectionTrait, seq: i64, limit: u64) -> Result<Vec<Event>, StoreError> {
    let rows = event::Entity::find()
        .filter(event::Column::Seq.gt(seq))
        .order_by_asc(event::Column::Seq)
        .limit(limit)
        .all(db)
        .await
        .doing("reading events")?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(Event { seq: row.seq?, kind: row.kind, subject: row.subject, body: row.body, at: row.at.into() })
        })
        .collect())
}
