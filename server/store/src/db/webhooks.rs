//! Webhooks: how far each has taken over the events, and the deliveries of events to them.
//!
//! A delivery is claimed as a job is: by one statement, with a lease and a fencing number. Whoever lost its lease changes
//! nothing any more; the next one sends the same again under the same id.

use acervo_core::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveEnum, ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Statement,
};
use uuid::Uuid;

use super::dialect;
use super::entity::{webhook, webhook_delivery as delivery};
use super::sql::Sql;
use crate::error::{Doing, StoreError};

pub use super::entity::webhook::Model as Cursor;
pub use super::entity::webhook_delivery::{Model as Delivery, State};

/// How far beyond the longest wait a time may be before the clock must have fallen back since it was written.
const CLOCK_SLACK_SECONDS: i64 = 600;

/// Every webhook that was ever seen, by name.
pub async fn cursors(db: &impl ConnectionTrait) -> Result<Vec<Cursor>, StoreError> {
    webhook::Entity::find().order_by_asc(webhook::Column::Name).all(db).await.doing("reading webhooks")
}

/// Notes that a webhook is there, beginning after event `seq`; one that is known stays where it is.
pub async fn begin(db: &impl ConnectionTrait, name: &str, seq: i64, at: Timestamp) -> Result<(), StoreError> {
    let row = webhook::ActiveModel {
        name: ActiveValue::Set(name.to_owned()),
        taken_seq: ActiveValue::Set(seq),
        created_at: ActiveValue::Set(at.into()),
    };
    let ignore = OnConflict::new().do_nothing().to_owned();
    webhook::Entity::insert(row).on_conflict(ignore).exec_without_returning(db).await.doing("noting a webhook")?;
    Ok(())
}

/// Where a webhook stands, locked until the transaction ends.
pub async fn lock(db: &impl ConnectionTrait, name: &str) -> Result<Option<Cursor>, StoreError> {
    webhook::Entity::find_by_id(name.to_owned()).lock_exclusive().one(db).await.doing("locking a webhook")
}

/// Notes that everything up to event `seq` was looked at for a webhook.
pub async fn advance(db: &impl ConnectionTrait, name: &str, seq: i64) -> Result<(), StoreError> {
    webhook::Entity::update_many()
        .col_expr(webhook::Column::TakenSeq, Expr::value(seq))
        .filter(webhook::Column::Name.eq(name))
        .exec(db)
        .await
        .doing("advancing a webhook")?;
    Ok(())
}

/// Makes deliveries of these events, due at once.
pub async fn insert(db: &impl ConnectionTrait, hook: &str, seqs: &[i64], at: Timestamp) -> Result<(), StoreError> {
    let row = |seq: &i64| delivery::ActiveModel {
        id: ActiveValue::Set(Uuid::now_v7()),
        hook: ActiveValue::Set(hook.to_owned()),
        event_seq: ActiveValue::Set(*seq),
        state: ActiveValue::Set(State::Pending),
        attempts: ActiveValue::Set(0),
        next_attempt_at: ActiveValue::Set(at.into()),
        lease_until: ActiveValue::Set(None),
        fence: ActiveValue::Set(0),
        attempted_at: ActiveValue::Set(None),
        last_status: ActiveValue::Set(None),
        last_error: ActiveValue::Set(None),
        created_at: ActiveValue::Set(at.into()),
        ended_at: ActiveValue::Set(None),
    };
    for some in seqs.chunks(dialect::rows_per_statement(13)) {
        let insert = delivery::Entity::insert_many(some.iter().map(row));
        insert.exec_without_returning(db).await.doing("taking over events for a webhook")?;
    }
    Ok(())
}

#[derive(Debug, FromQueryResult)]
struct Claimed {
    id: Uuid,
    fence: i64,
}

/// Claims the delivery of the oldest event that is due for a webhook and that nobody is at.
///
/// ```sql
/// UPDATE webhook_delivery SET attempts = attempts + 1, fence = fence + 1, .. WHERE id = (
///   SELECT id FROM webhook_delivery WHERE hook = $hook AND state = 'pending' AND next_attempt_at <= $now
///     AND (lease_until IS NULL OR lease_until < $now)
///   ORDER BY event_seq LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, fence
/// ```
/// Both databases walk the index of the webhook's pending deliveries in the order of events. A time that is further ahead
/// than any wait (`wait_max_seconds`) was written before the clock fell back, and counts as past.
pub async fn claim(
    db: &impl ConnectionTrait,
    hook: &str,
    lease_until: Timestamp,
    wait_max_seconds: i64,
    now: Timestamp,
) -> Result<Option<Delivery>, StoreError> {
    let backend = db.get_database_backend();
    let sql = format!(
        "UPDATE webhook_delivery SET attempts = attempts + 1, fence = fence + 1, attempted_at = $2, lease_until = $3 \
         WHERE id = (SELECT id FROM webhook_delivery WHERE hook = $1 AND state = 'pending' \
         AND (next_attempt_at <= $2 OR next_attempt_at > $4) \
         AND (lease_until IS NULL OR lease_until < $2 OR lease_until > $4) \
         ORDER BY event_seq LIMIT 1{}) RETURNING id, fence",
        dialect::skip_locked(backend)
    );
    let far = now.plus_seconds(wait_max_seconds + CLOCK_SLACK_SECONDS);
    let values =
        [hook.into(), now.as_millis().into(), lease_until.as_millis().into(), sea_orm::Value::from(far.as_millis())];
    let statement = Statement::from_sql_and_values(backend, sql, values);
    match Claimed::find_by_statement(statement).one(db).await.doing("claiming a delivery")? {
        // A process that slept between the two statements may find the delivery in other hands.
        Some(claimed) => Ok(by_id(db, claimed.id).await?.filter(|found| found.fence == claimed.fence)),
        None => Ok(None),
    }
}

/// The delivery with this id.
pub async fn by_id(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Delivery>, StoreError> {
    delivery::Entity::find_by_id(id).one(db).await.doing("looking up a delivery")
}

/// How an attempt at a delivery ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Where the delivery stands now.
    pub state: State,
    /// When to try again, if it is pending.
    pub next_attempt_at: Timestamp,
    /// HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
    /// Now.
    pub at: Timestamp,
}

/// Ends an attempt; returns whether the lease still held, otherwise nothing was written.
pub async fn finish(db: &impl ConnectionTrait, claimed: &Delivery, ending: Ending) -> Result<bool, StoreError> {
    let ended_at = (ending.state != State::Pending).then(|| ending.at.as_millis());
    let done = delivery::Entity::update_many()
        .col_expr(delivery::Column::State, Expr::value(ending.state.to_value()))
        .col_expr(delivery::Column::NextAttemptAt, Expr::value(ending.next_attempt_at.as_millis()))
        .col_expr(delivery::Column::LeaseUntil, Expr::value(Option::<i64>::None))
        .col_expr(delivery::Column::LastStatus, Expr::value(ending.status.map(i32::from)))
        .col_expr(delivery::Column::LastError, Expr::value(ending.error))
        .col_expr(delivery::Column::EndedAt, Expr::value(ended_at))
        .filter(delivery::Column::Id.eq(claimed.id))
        .filter(delivery::Column::Fence.eq(claimed.fence))
        .filter(delivery::Column::State.eq(State::Pending))
        .exec(db)
        .await
        .doing("ending a delivery")?;
    Ok(done.rows_affected == 1)
}

/// Makes a delivery due at once that is not delivered; one that was given up begins anew. Returns whether there was one.
pub async fn retry(db: &impl ConnectionTrait, id: Uuid, now: Timestamp) -> Result<bool, StoreError> {
    let hurried = delivery::Entity::update_many()
        .col_expr(delivery::Column::NextAttemptAt, Expr::value(now.as_millis()))
        .filter(delivery::Column::Id.eq(id))
        .filter(delivery::Column::State.eq(State::Pending))
        .exec(db)
        .await
        .doing("hurrying a delivery")?;
    if hurried.rows_affected > 0 {
        return Ok(true);
    }
    let done = revived(now).filter(delivery::Column::Id.eq(id)).exec(db).await.doing("reviving a delivery")?;
    Ok(done.rows_affected > 0)
}

/// Makes all deliveries of a webhook due at once that were given up; returns how many.
pub async fn retry_dead(db: &impl ConnectionTrait, hook: &str, now: Timestamp) -> Result<u64, StoreError> {
    let done = revived(now).filter(delivery::Column::Hook.eq(hook)).exec(db).await.doing("reviving deliveries")?;
    Ok(done.rows_affected)
}

/// Those that were given up, as if they had just been made.
fn revived(now: Timestamp) -> sea_orm::UpdateMany<delivery::Entity> {
    delivery::Entity::update_many()
        .col_expr(delivery::Column::State, Expr::value(State::Pending.to_value()))
        .col_expr(delivery::Column::Attempts, Expr::value(0))
        .col_expr(delivery::Column::NextAttemptAt, Expr::value(now.as_millis()))
        .col_expr(delivery::Column::EndedAt, Expr::value(Option::<i64>::None))
        .filter(delivery::Column::State.eq(State::Dead))
}

/// Which deliveries to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter<'a> {
    /// Only these.
    pub state: Option<State>,
    /// Only those of this webhook.
    pub hook: Option<&'a str>,
    /// Most of them.
    pub limit: u64,
}

/// A delivery with what its event is about.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Listed {
    /// The delivery.
    #[sea_orm(nested)]
    pub delivery: Delivery,
    /// Kind of the event.
    pub kind: String,
    /// What the event is about.
    pub subject: String,
}

/// Deliveries, latest first.
pub async fn listed(db: &impl ConnectionTrait, filter: &Filter<'_>) -> Result<Vec<Listed>, StoreError> {
    let mut sql = Sql::new(db);
    sql.push("SELECT d.*, e.kind, e.subject FROM webhook_delivery d JOIN event e ON e.seq = d.event_seq WHERE 1 = 1");
    if let Some(state) = filter.state {
        sql.push(" AND d.state = ").bind(state.as_str());
    }
    if let Some(hook) = filter.hook {
        sql.push(" AND d.hook = ").bind(hook);
    }
    sql.push(" ORDER BY d.id DESC LIMIT ").bind(i64::try_from(filter.limit).unwrap_or(i64::MAX));
    sql.rows(db, "listing deliveries").await
}

/// How the deliveries of a webhook stand.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Standing {
    /// Its name.
    pub hook: String,
    /// How many are to be sent.
    pub pending: i64,
    /// How many were given up.
    pub dead: i64,
    /// When one was last delivered, in milliseconds since the epoch.
    pub delivered_at: Option<i64>,
}

/// How the deliveries of every webhook stand that has any, by name.
pub async fn standings(db: &impl ConnectionTrait) -> Result<Vec<Standing>, StoreError> {
    let mut sql = Sql::new(db);
    sql.push(
        "SELECT hook, sum(CASE WHEN state = 'pending' THEN 1 ELSE 0 END) AS pending, \
         sum(CASE WHEN state = 'dead' THEN 1 ELSE 0 END) AS dead, \
         max(CASE WHEN state = 'delivered' THEN ended_at END) AS delivered_at \
         FROM webhook_delivery GROUP BY hook ORDER BY hook",
    );
    sql.rows(db, "counting deliveries").await
}

/// Why the latest attempt failed of those of a webhook's that are not delivered.
pub async fn last_error(db: &impl ConnectionTrait, hook: &str) -> Result<Option<String>, StoreError> {
    let row = delivery::Entity::find()
        .filter(delivery::Column::Hook.eq(hook))
        .filter(delivery::Column::LastError.is_not_null())
        .order_by_desc(delivery::Column::AttemptedAt)
        .one(db)
        .await
        .doing("reading why a delivery failed")?;
    Ok(row.and_then(|row| row.last_error))
}

/// Forgets deliveries that were made before one time, or given up before another; returns how many.
pub async fn forget(
    db: &impl ConnectionTrait,
    delivered_before: Timestamp,
    dead_before: Timestamp,
) -> Result<u64, StoreError> {
    let mut forgotten = 0;
    for (state, before) in [(State::Delivered, delivered_before), (State::Dead, dead_before)] {
        let done = delivery::Entity::delete_many()
            .filter(delivery::Column::State.eq(state))
            .filter(Expr::col(delivery::Column::EndedAt).lt(before.as_millis()))
            .exec(db)
            .await
            .doing("forgetting deliveries")?;
        forgotten += done.rows_affected;
    }
    Ok(forgotten)
}
