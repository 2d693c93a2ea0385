//! Events: what changed, written in the transaction of the change, numbered afterwards.
//!
//! One sequencer at a time gives gap-free numbers in the order of insertion, so that no change waits for a global lock.

use acervo_core::Timestamp;
use acervo_core::event::Kinds;
use sea_orm::sea_query::{Expr, ExprTrait, Func, Query};
use sea_orm::{
    ActiveValue, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::dialect;
use super::entity::{event, repo};
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
    let mut next = newest(db).await? + 1;
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

impl Event {
    /// A row, if it is numbered.
    fn numbered(row: event::Model) -> Option<Event> {
        Some(Event { seq: row.seq?, kind: row.kind, subject: row.subject, body: row.body, at: row.at.into() })
    }
}

/// Which events to read.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a> {
    /// Only those after this number.
    pub after: i64,
    /// Only these kinds.
    pub kinds: Kinds<'a>,
    /// Only those about the repositories of this name, in small letters.
    pub repo: Option<&'a str>,
    /// Most of them.
    pub limit: u64,
}

/// Numbered events, oldest first.
pub async fn found(db: &impl ConnectionTrait, filter: &Filter<'_>) -> Result<Vec<Event>, StoreError> {
    let mut wanted = Condition::all().add(event::Column::Seq.gt(filter.after));
    wanted = match filter.kinds {
        Kinds::Every => wanted,
        Kinds::Only(kind) => wanted.add(event::Column::Kind.eq(kind)),
        Kinds::Beginning(beginning) => wanted.add(Expr::col(event::Column::Kind).like(dialect::like_prefix(beginning))),
    };
    if let Some(name) = filter.repo {
        let named = Query::select()
            .column(repo::Column::Id)
            .from(repo::Entity)
            .and_where(repo::Column::FullNameLower.eq(name))
            .to_owned();
        // Of a repository that is gone, the name is left.
        let gone = Condition::all()
            .add(event::Column::RepoId.is_null())
            .add(Expr::expr(Func::lower(Expr::col(event::Column::Subject))).eq(name));
        wanted = wanted.add(Condition::any().add(event::Column::RepoId.in_subquery(named)).add(gone));
    }
    let rows = event::Entity::find()
        .filter(wanted)
        .order_by_asc(event::Column::Seq)
        .limit(filter.limit)
        .all(db)
        .await
        .doing("reading events")?;
    Ok(rows.into_iter().filter_map(Event::numbered).collect())
}

/// Numbered events after a number, oldest first.
pub async fn after(db: &impl ConnectionTrait, seq: i64, limit: u64) -> Result<Vec<Event>, StoreError> {
    found(db, &Filter { after: seq, kinds: Kinds::Every, repo: None, limit }).await
}

/// The event with this number.
pub async fn by_seq(db: &impl ConnectionTrait, seq: i64) -> Result<Option<Event>, StoreError> {
    let row = event::Entity::find().filter(event::Column::Seq.eq(seq)).one(db).await.doing("reading an event")?;
    Ok(row.and_then(Event::numbered))
}

/// The number of the newest event; 0 if there is none.
pub async fn newest(db: &impl ConnectionTrait) -> Result<i64, StoreError> {
    let last: Option<Option<i64>> = event::Entity::find()
        .select_only()
        .column_as(event::Column::Seq.max(), "last")
        .into_tuple()
        .one(db)
        .await
        .doing("reading the last event number")?;
    Ok(last.flatten().unwrap_or(0))
}
