//! Jobs and workers: claimed once, leased, fenced.
//!
//! A claim raises the job's fencing number; every later write of the holder names it and changes nothing once somebody
//! else has claimed the job after the lease ran out. How people steer jobs and look at them stands in the files below.

mod list;
mod log;
mod steer;

use acervo_core::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveEnum, ActiveValue, ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, PaginatorTrait,
    QueryFilter, QuerySelect, Statement,
};
use serde_json::Value;
use uuid::Uuid;

use super::dialect;
use super::entity::{job, worker};
use crate::error::{Doing, StoreError};

pub use super::entity::job::{Model as Job, State};
pub use super::entity::job_log::Level;
pub use list::{Asked, ids, listed, prune, with_repo};
pub use log::{LOG_LINES_MAX, LogLine, append, lines_after};
pub use steer::{cancel, pause, resume};

/// A job to be done.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Id; version 7, so that ids sort by time.
    pub id: Uuid,
    /// What sort of work.
    pub kind: &'static str,
    /// What exactly.
    pub payload: Value,
    /// At most one queued, running or paused job has this key.
    pub dedup_key: String,
    /// Database id of the repository it is about.
    pub repo_id: Option<i64>,
    /// Larger goes first.
    pub priority: i32,
    /// Not before.
    pub run_at: Timestamp,
    /// Tries before it fails for good.
    pub attempts_max: i32,
    /// Who asked for it.
    pub created_by: Option<i64>,
    /// Namespace that it works for, in lower case; of equally urgent jobs, that goes first which was last served longest
    /// ago.
    pub organization: Option<String>,
    /// Now.
    pub at: Timestamp,
}

/// How often a job is queued again because the one in its way ended before it could be found.
const ENQUEUE_ATTEMPTS: usize = 5;

/// Queues a job, or finds the unfinished one with the same key; returns its id and whether it is new.
pub async fn enqueue(db: &impl ConnectionTrait, new: NewJob) -> Result<(Uuid, bool), StoreError> {
    let (id, dedup_key) = (new.id, new.dedup_key.clone());
    let row = queued(new);
    for _ in 0..ENQUEUE_ATTEMPTS {
        if let Some(active) = active(db, &dedup_key).await? {
            return Ok((active, false));
        }
        // Another process may have queued the same since the look above.
        let ignore = OnConflict::new().do_nothing().to_owned();
        let insert = job::Entity::insert(row.clone()).on_conflict(ignore);
        if insert.exec_without_returning(db).await.doing("queueing a job")? > 0 {
            return Ok((id, true));
        }
    }
    Err(StoreError::Conflict { what: format!("the job `{id}`") })
}

fn queued(new: NewJob) -> job::ActiveModel {
    job::ActiveModel {
        id: ActiveValue::Set(new.id),
        kind: ActiveValue::Set(new.kind.to_owned()),
        payload: ActiveValue::Set(new.payload),
        state: ActiveValue::Set(State::Queued),
        dedup_key: ActiveValue::Set(Some(new.dedup_key)),
        priority: ActiveValue::Set(new.priority),
        run_at: ActiveValue::Set(new.run_at.into()),
        attempts: ActiveValue::Set(0),
        attempts_max: ActiveValue::Set(new.attempts_max),
        lease_until: ActiveValue::Set(None),
        fence: ActiveValue::Set(0),
        worker_id: ActiveValue::Set(None),
        heartbeat_at: ActiveValue::Set(None),
        progress: ActiveValue::Set(None),
        outcome: ActiveValue::Set(None),
        error: ActiveValue::Set(None),
        cancel_requested: ActiveValue::Set(false),
        created_by: ActiveValue::Set(new.created_by),
        created_at: ActiveValue::Set(new.at.into()),
        started_at: ActiveValue::Set(None),
        finished_at: ActiveValue::Set(None),
        organization: ActiveValue::Set(new.organization),
        pause_requested: ActiveValue::Set(false),
        repo_id: ActiveValue::Set(new.repo_id),
    }
}

/// The queued, running or paused job with this key.
pub async fn active(db: &impl ConnectionTrait, dedup_key: &str) -> Result<Option<Uuid>, StoreError> {
    let row = job::Entity::find()
        .filter(job::Column::DedupKey.eq(dedup_key))
        .filter(job::Column::State.is_in([State::Queued, State::Running, State::Paused]))
        .one(db)
        .await
        .doing("looking up a job")?;
    Ok(row.map(|row| row.id))
}

/// Whether a job with this key is queued or running, and so will come to something without anybody's help.
pub async fn is_under_way(db: &impl ConnectionTrait, dedup_key: &str) -> Result<bool, StoreError> {
    let found = job::Entity::find()
        .filter(job::Column::DedupKey.eq(dedup_key))
        .filter(job::Column::State.is_in([State::Queued, State::Running]))
        .count(db)
        .await
        .doing("looking for a job")?;
    Ok(found > 0)
}

/// The job with this id.
pub async fn by_id(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Job>, StoreError> {
    job::Entity::find_by_id(id).one(db).await.doing("looking up a job")
}

/// What a holder of a job must show with every write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job_id: Uuid,
    /// Its fencing number at the claim.
    pub fence: i64,
}

#[derive(Debug, FromQueryResult)]
struct Claimed {
    id: Uuid,
    fence: i64,
}

/// How far in the future a job's last sign of life may be before the clock must have fallen back since: beyond what the
/// clocks of two hosts may differ by.
const CLOCK_SLACK_SECONDS: i64 = 600;

/// Claims the most urgent job that is due, or whose holder's lease has run out; `only` restricts it to one job.
///
/// After a clock has fallen back, times written before it are of no use: they would leave a job alone for as long as the
/// clock fell. Such a job is due; should its holder be alive, the fence keeps it from harm.
///
/// ```sql
/// UPDATE job SET state = 'running', fence = fence + 1, attempts = attempts + 1, .. WHERE id = (
///   SELECT id FROM job WHERE (state = 'queued' AND run_at <= $now) OR (state = 'running' AND lease_until < $now)
///     OR (state IN ('queued', 'running') AND coalesce(heartbeat_at, created_at) > $now + slack)
///   ORDER BY priority DESC, (when its organization was last served), run_at LIMIT 1 FOR UPDATE SKIP LOCKED)
/// RETURNING id, fence
/// ```
/// `=` and not `IN`, which Postgres may plan again with another lock. SQLite has one writer, so needs no lock clause.
pub async fn claim(
    db: &impl ConnectionTrait,
    worker: Uuid,
    only: Option<Uuid>,
    lease_until: Timestamp,
    now: Timestamp,
) -> Result<Option<Job>, StoreError> {
    let backend = db.get_database_backend();
    let only_sql = if only.is_some() { " AND id = $5" } else { "" };
    let sql = format!(
        "UPDATE job SET state = 'running', fence = fence + 1, attempts = attempts + 1, worker_id = $1, \
         heartbeat_at = $2, lease_until = $3, started_at = coalesce(started_at, $2), error = NULL WHERE id = ( \
         SELECT id FROM job WHERE ((state = 'queued' AND run_at <= $2) OR (state = 'running' AND lease_until < $2) \
         OR (state IN ('queued', 'running') AND coalesce(heartbeat_at, created_at) > $4)){only_sql} \
         ORDER BY priority DESC, (SELECT coalesce(max(served.started_at), 0) FROM job served \
         WHERE served.organization = job.organization), run_at, id LIMIT 1{}) RETURNING id, fence",
        dialect::skip_locked(backend)
    );
    let fell_back = now.plus_seconds(CLOCK_SLACK_SECONDS).as_millis();
    let mut values = vec![worker.into(), now.as_millis().into(), lease_until.as_millis().into(), fell_back.into()];
    values.extend(only.map(sea_orm::Value::from));
    let statement = Statement::from_sql_and_values(backend, sql, values);
    let claimed = Claimed::find_by_statement(statement).one(db).await.doing("claiming a job")?;
    match claimed {
        // A process that slept between the two statements may find the job in other hands.
        Some(claimed) => Ok(by_id(db, claimed.id).await?.filter(|job| job.fence == claimed.fence)),
        None => Ok(None),
    }
}

/// Extends a lease and notes progress; returns whether the lease still holds and whether the job is to be cancelled.
pub async fn heartbeat(
    db: &impl ConnectionTrait,
    lease: Lease,
    progress: Option<Value>,
    lease_until: Timestamp,
    now: Timestamp,
) -> Result<Heartbeat, StoreError> {
    let mut update = job::Entity::update_many()
        .col_expr(job::Column::HeartbeatAt, Expr::value(now.as_millis()))
        .col_expr(job::Column::LeaseUntil, Expr::value(lease_until.as_millis()));
    if let Some(progress) = progress {
        update = update.col_expr(job::Column::Progress, Expr::value(progress));
    }
    let done = update.filter(held(lease)).exec(db).await.doing("extending a lease")?;
    if done.rows_affected == 0 {
        return Ok(Heartbeat::Lost);
    }
    Ok(match by_id(db, lease.job_id).await? {
        Some(job) if job.cancel_requested => Heartbeat::Cancelled,
        Some(job) if job.pause_requested => Heartbeat::Paused,
        _ => Heartbeat::Held,
    })
}

/// What a heartbeat learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// Go on.
    Held,
    /// Somebody else has the job: stop, and write nothing.
    Lost,
    /// Somebody asked to stop.
    Cancelled,
    /// Somebody asked to put it aside.
    Paused,
}

/// Whether the lease still holds; a publication asks in its own transaction, and until that ends nobody else can claim
/// the job.
pub async fn is_held(db: &impl ConnectionTrait, lease: Lease) -> Result<bool, StoreError> {
    let row = job::Entity::find().filter(held(lease)).lock_exclusive().one(db).await.doing("checking a lease")?;
    Ok(row.is_some())
}

fn held(lease: Lease) -> Condition {
    Condition::all()
        .add(job::Column::Id.eq(lease.job_id))
        .add(job::Column::Fence.eq(lease.fence))
        .add(job::Column::State.eq(State::Running))
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub enum Ending {
    /// Done, with what came of it.
    Succeeded(Value),
    /// Try again at this time.
    Retry {
        /// Why it did not work.
        error: String,
        /// When to try again.
        run_at: Timestamp,
    },
    /// Given back by a worker that ends, or because somebody asked to put it aside: not an attempt.
    HandedBack,
    /// Put off, since it cannot go on before this time; not an attempt.
    Deferred {
        /// What it waits for.
        reason: String,
        /// When to go on.
        run_at: Timestamp,
    },
    /// Given up.
    Failed {
        /// Why it did not work.
        error: String,
        /// What is known of how far it came.
        outcome: Option<Value>,
    },
    /// Stopped on demand.
    Cancelled,
}

/// Ends an attempt; returns whether the lease still held, otherwise nothing was written.
///
/// What somebody asked for in the meantime counts: a job that would be due again is put aside or ends instead.
pub async fn finish(
    db: &impl ConnectionTrait,
    lease: Lease,
    ending: Ending,
    progress: Option<Value>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let attempts_taken_back = i32::from(matches!(ending, Ending::HandedBack | Ending::Deferred { .. }));
    let (state, error, outcome, run_at) = match ending {
        Ending::Succeeded(outcome) => (State::Succeeded, None, Some(outcome), None),
        Ending::Retry { error, run_at } => (State::Queued, Some(error), None, Some(run_at)),
        Ending::HandedBack => (State::Queued, None, None, Some(now)),
        Ending::Deferred { reason, run_at } => (State::Queued, Some(reason), None, Some(run_at)),
        Ending::Failed { error, outcome } => (State::Failed, Some(error), outcome, None),
        Ending::Cancelled => (State::Cancelled, None, None, None),
    };
    let (state, finished_at) = if run_at.is_some() {
        steer::asked_for(state, now)
    } else {
        (Expr::value(state.to_value()), Expr::value(Some(now.as_millis())))
    };
    let mut update = job::Entity::update_many()
        .col_expr(job::Column::State, state)
        .col_expr(job::Column::PauseRequested, Expr::value(false))
        .col_expr(job::Column::Attempts, Expr::col(job::Column::Attempts).sub(attempts_taken_back))
        .col_expr(job::Column::Error, Expr::value(error))
        .col_expr(job::Column::Outcome, Expr::value(outcome))
        .col_expr(job::Column::FinishedAt, finished_at)
        .col_expr(job::Column::LeaseUntil, Expr::value(Option::<i64>::None))
        .col_expr(job::Column::WorkerId, Expr::value(Option::<Uuid>::None));
    if let Some(run_at) = run_at {
        update = update.col_expr(job::Column::RunAt, Expr::value(run_at.as_millis()));
    }
    if let Some(progress) = progress {
        update = update.col_expr(job::Column::Progress, Expr::value(progress));
    }
    let done = update.filter(held(lease)).exec(db).await.doing("ending a job")?;
    Ok(done.rows_affected == 1)
}

/// Makes a queued job due now, and what it is to do that of `payload`; one that runs is left alone.
pub async fn hurry(db: &impl ConnectionTrait, id: Uuid, payload: Value, now: Timestamp) -> Result<(), StoreError> {
    job::Entity::update_many()
        .col_expr(job::Column::RunAt, Expr::value(now.as_millis()))
        .col_expr(job::Column::Payload, Expr::value(payload))
        .filter(job::Column::Id.eq(id))
        .filter(job::Column::State.eq(State::Queued))
        .exec(db)
        .await
        .doing("making a job due")?;
    Ok(())
}

/// Announces a worker, or that it is still there.
pub async fn worker_alive(
    db: &impl ConnectionTrait,
    id: Uuid,
    host: &str,
    pid: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = worker::ActiveModel {
        id: ActiveValue::Set(id),
        host: ActiveValue::Set(host.to_owned()),
        pid: ActiveValue::Set(i32::try_from(pid).unwrap_or(0)),
        started_at: ActiveValue::Set(now.into()),
        heartbeat_at: ActiveValue::Set(now.into()),
    };
    let conflict = OnConflict::column(worker::Column::Id).update_column(worker::Column::HeartbeatAt).to_owned();
    worker::Entity::insert(row).on_conflict(conflict).exec_without_returning(db).await.doing("announcing a worker")?;
    Ok(())
}

/// Takes a worker off the list.
pub async fn worker_gone(db: &impl ConnectionTrait, id: Uuid) -> Result<(), StoreError> {
    worker::Entity::delete_by_id(id).exec(db).await.doing("removing a worker")?;
    Ok(())
}

/// Number of workers that were heard of since a time. A sign of life from the future was given before the clock fell
/// back, and is none.
pub async fn workers_since(db: &impl ConnectionTrait, since: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
    let future = now.plus_seconds(CLOCK_SLACK_SECONDS);
    worker::Entity::find()
        .filter(Expr::col(worker::Column::HeartbeatAt).between(since.as_millis(), future.as_millis()))
        .count(db)
        .await
        .doing("counting workers")
}

/// Forgets workers that were last heard of before a time.
pub async fn forget_workers(db: &impl ConnectionTrait, before: Timestamp) -> Result<(), StoreError> {
    worker::Entity::delete_many()
        .filter(Expr::col(worker::Column::HeartbeatAt).lt(before.as_millis()))
        .exec(db)
        .await
        .doing("forgetting dead workers")?;
    Ok(())
}
