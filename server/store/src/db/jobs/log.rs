//! The log of a job: a bounded number of lines, numbered from 1 on.

use acervo_core::Timestamp;
use sea_orm::{ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::Level;
use crate::db::entity::job_log;
use crate::error::{Doing, StoreError};

/// Most lines of one job; one more says that others were left out.
pub const LOG_LINES_MAX: i32 = 1000;

/// The line that takes the place of all that were left out.
const LEFT_OUT: &str = "further lines are left out";

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its number; 0 as long as it has none.
    pub seq: i32,
    /// When it happened.
    pub at: Timestamp,
    /// How much it matters.
    pub level: Level,
    /// What happened.
    pub text: String,
}

/// Adds lines at the end of a job's log, as far as there is room. Belongs into a transaction that has locked the job's
/// row, or two writers would give one number.
pub async fn append(db: &impl ConnectionTrait, job_id: Uuid, lines: &[LogLine]) -> Result<(), StoreError> {
    let last: Option<Option<i32>> = job_log::Entity::find()
        .select_only()
        .column_as(job_log::Column::Seq.max(), "last")
        .filter(job_log::Column::JobId.eq(job_id))
        .into_tuple()
        .one(db)
        .await
        .doing("reading the length of a log")?;
    let last = last.flatten().unwrap_or(0);
    let mut rows = Vec::new();
    for (line, seq) in lines.iter().zip(last + 1..=LOG_LINES_MAX + 1) {
        let is_room = seq <= LOG_LINES_MAX;
        rows.push(job_log::ActiveModel {
            job_id: ActiveValue::Set(job_id),
            seq: ActiveValue::Set(seq),
            at: ActiveValue::Set(line.at.into()),
            level: ActiveValue::Set(if is_room { line.level } else { Level::Warn }),
            text: ActiveValue::Set(if is_room { line.text.clone() } else { LEFT_OUT.to_owned() }),
        });
    }
    if rows.is_empty() {
        return Ok(());
    }
    job_log::Entity::insert_many(rows).exec_without_returning(db).await.doing("writing to a log")?;
    Ok(())
}

/// Lines of a job after the one with this number, in order.
pub async fn lines_after(db: &impl ConnectionTrait, job_id: Uuid, seq: i32) -> Result<Vec<LogLine>, StoreError> {
    let rows = job_log::Entity::find()
        .filter(job_log::Column::JobId.eq(job_id))
        .filter(job_log::Column::Seq.gt(seq))
        .order_by_asc(job_log::Column::Seq)
        .all(db)
        .await
        .doing("reading a log")?;
    Ok(rows
        .into_iter()
        .map(|row| LogLine { seq: row.seq, at: row.at.into(), level: row.level, text: row.text })
        .collect())
}
