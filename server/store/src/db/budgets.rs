//! Budgets of upstreams: how many requests all processes together may still make, and pauses that all of them keep.
//!
//! Requests are counted in windows that begin alike for everybody. Processes take a few at a time; what they do not use
//! of a window is lost with it, so that never more are made than were taken.

use acervo_core::Timestamp;
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult, Statement};

use super::entity::upstream_budget;
use crate::error::{Doing, StoreError};

/// Longest pause that is believed: a later end was written before the clock fell back.
const HOLD_SECONDS_MAX: i64 = 3600;

/// A request for requests.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Base URL of the hub, and whose token is sent to it.
    pub source: &'a str,
    /// Requests wanted.
    pub count: u32,
    /// Most requests of a window that the asker may take part in.
    pub limit: u64,
    /// When the window of now began.
    pub window_start: Timestamp,
    /// Whether nobody waits for the answers.
    pub background: bool,
    /// Now.
    pub at: Timestamp,
}

/// What is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// All that was wanted.
    Taken,
    /// Nothing: upstream has asked for a pause until then.
    HeldUntil(Timestamp),
    /// Nothing: the window's requests are used up.
    UsedUp,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    #[expect(dead_code, reason = "that there is a row says it all")]
    taken: i64,
}

/// Takes requests of the window, all or none.
pub async fn take(db: &impl ConnectionTrait, asked: Asked<'_>) -> Result<Given, StoreError> {
    if let Some(until) = held_until(db, asked.source, asked.background, asked.at).await? {
        return Ok(Given::HeldUntil(until));
    }
    let count = i64::from(asked.count);
    let limit = i64::try_from(asked.limit).unwrap_or(i64::MAX);
    if count > limit {
        return Ok(Given::UsedUp);
    }
    // One statement: another process may take the last of them meanwhile. Who is late by its clock takes from the window
    // that others have begun; one that begins far ahead was written before the clock fell back.
    let sql = "INSERT INTO upstream_budget (source, window_start, taken, held_until, background_held_until) \
               VALUES ($1, $2, $3, 0, 0) ON CONFLICT (source) DO UPDATE SET \
               taken = CASE WHEN upstream_budget.window_start BETWEEN excluded.window_start AND $5 \
               THEN upstream_budget.taken + excluded.taken ELSE excluded.taken END, \
               window_start = CASE WHEN upstream_budget.window_start BETWEEN excluded.window_start AND $5 \
               THEN upstream_budget.window_start ELSE excluded.window_start END \
               WHERE NOT upstream_budget.window_start BETWEEN excluded.window_start AND $5 \
               OR upstream_budget.taken + excluded.taken <= $4 RETURNING taken";
    let far_ahead = asked.window_start.plus_seconds(HOLD_SECONDS_MAX).as_millis();
    let window_start = asked.window_start.as_millis();
    let values = [asked.source.into(), window_start.into(), count.into(), limit.into(), far_ahead.into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let row = Row::find_by_statement(statement).one(db).await.doing("taking requests of a budget")?;
    Ok(if row.is_some() { Given::Taken } else { Given::UsedUp })
}

/// Until when upstream wants no requests, if that is still to come.
pub async fn held_until(
    db: &impl ConnectionTrait,
    source: &str,
    background: bool,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let row = upstream_budget::Entity::find_by_id(source.to_owned()).one(db).await.doing("reading a budget")?;
    let until =
        row.map_or(0, |row| if background { row.held_until.max(row.background_held_until) } else { row.held_until });
    let until = Timestamp::from_millis(until);
    Ok((until > now && until <= now.plus_seconds(HOLD_SECONDS_MAX)).then_some(until))
}

/// Lets nobody ask before a time; or nobody for whose work no one waits.
pub async fn hold(
    db: &impl ConnectionTrait,
    source: &str,
    background_only: bool,
    until: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let until = until.min(now.plus_seconds(HOLD_SECONDS_MAX)).as_millis();
    let everybody = if background_only { 0 } else { until };
    // What is beyond the longest pause was written before the clock fell back, and is replaced.
    let later = |column: &str, new: &str| {
        format!(
            "{column} = CASE WHEN upstream_budget.{column} > {new} AND upstream_budget.{column} <= $4 \
             THEN upstream_budget.{column} ELSE {new} END"
        )
    };
    let sql = format!(
        "INSERT INTO upstream_budget (source, window_start, taken, held_until, background_held_until) \
         VALUES ($1, 0, 0, $2, $3) ON CONFLICT (source) DO UPDATE SET {}, {}",
        later("held_until", "excluded.held_until"),
        later("background_held_until", "excluded.background_held_until"),
    );
    let last = now.plus_seconds(HOLD_SECONDS_MAX).as_millis();
    let values = [source.into(), everybody.into(), until.into(), last.into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.execute_raw(statement).await.doing("noting a pause of an upstream")?;
    Ok(())
}
