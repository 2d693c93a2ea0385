//! How people steer jobs: cancel, pause, resume.
//!
//! Each is one statement. Between two, a worker may claim the job or hand it back, and neither would meet it.

use acervo_core::Timestamp;
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait};
use sea_orm::{ActiveEnum, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::State;
use crate::db::entity::job;
use crate::error::{Doing, StoreError};

fn is(state: State) -> Expr {
    Expr::col(job::Column::State).eq(state.to_value())
}

/// One value for a job in this state, and what the column has for others.
fn only(state: Expr, column: job::Column, value: impl Into<Expr>) -> Expr {
    CaseStatement::new().case(state, value).finally(Expr::col(column)).into()
}

/// State and end of a job that would wait again, unless somebody asked for something else.
pub(super) fn asked_for(state: State, now: Timestamp) -> (Expr, Expr) {
    let cancelled = || Expr::col(job::Column::CancelRequested).eq(true);
    let paused = Expr::col(job::Column::PauseRequested).eq(true);
    let state = CaseStatement::new()
        .case(cancelled(), State::Cancelled.to_value())
        .case(paused, State::Paused.to_value())
        .finally(state.to_value());
    (state.into(), only(cancelled(), job::Column::FinishedAt, now.as_millis()))
}

/// Asks a job to stop: one that waits or is paused ends at once, a running one at its next heartbeat. Returns whether it
/// was unfinished.
pub async fn cancel(db: &impl ConnectionTrait, id: Uuid, now: Timestamp) -> Result<bool, StoreError> {
    let rests = || is(State::Queued).or(is(State::Paused));
    let done = job::Entity::update_many()
        .col_expr(job::Column::State, only(rests(), job::Column::State, State::Cancelled.to_value()))
        .col_expr(job::Column::FinishedAt, only(rests(), job::Column::FinishedAt, now.as_millis()))
        .col_expr(job::Column::CancelRequested, only(is(State::Running), job::Column::CancelRequested, true))
        .filter(job::Column::Id.eq(id))
        .filter(job::Column::State.is_in([State::Queued, State::Running, State::Paused]))
        .exec(db)
        .await
        .doing("cancelling a job")?;
    Ok(done.rows_affected > 0)
}

/// Puts a job aside: one that waits at once, a running one at its next heartbeat. Returns whether it was waiting or
/// running, and nobody had asked for this or for its end already.
pub async fn pause(db: &impl ConnectionTrait, id: Uuid) -> Result<bool, StoreError> {
    let done = job::Entity::update_many()
        .col_expr(job::Column::State, only(is(State::Queued), job::Column::State, State::Paused.to_value()))
        .col_expr(job::Column::PauseRequested, only(is(State::Running), job::Column::PauseRequested, true))
        .filter(job::Column::Id.eq(id))
        .filter(job::Column::State.is_in([State::Queued, State::Running]))
        .filter(job::Column::PauseRequested.eq(false))
        .filter(job::Column::CancelRequested.eq(false))
        .exec(db)
        .await
        .doing("pausing a job")?;
    Ok(done.rows_affected > 0)
}

/// Lets a paused job go on: it is due now. One whose worker has not let go of it yet is left to it. Returns whether it
/// was paused, or to be.
pub async fn resume(db: &impl ConnectionTrait, id: Uuid, now: Timestamp) -> Result<bool, StoreError> {
    let is_paused = || is(State::Paused);
    let is_to_be = Condition::all().add(is(State::Running)).add(job::Column::PauseRequested.eq(true));
    let done = job::Entity::update_many()
        .col_expr(job::Column::State, only(is_paused(), job::Column::State, State::Queued.to_value()))
        .col_expr(job::Column::RunAt, only(is_paused(), job::Column::RunAt, now.as_millis()))
        .col_expr(job::Column::PauseRequested, Expr::value(false))
        .filter(job::Column::Id.eq(id))
        .filter(Condition::any().add(is_paused()).add(is_to_be))
        .exec(db)
        .await
        .doing("resuming a job")?;
    Ok(done.rows_affected > 0)
}
