//! Mirrors: standing orders to keep repositories like their upstream.

use acervo_core::order::Cron;
use acervo_core::{Rules, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

use super::dialect;
use super::entity::value::{Names, RulesColumn};
use super::entity::{mirror, repo};
use super::repos::Repo;
use crate::error::{Doing, StoreError};

pub use super::entity::mirror::ManagedBy;

/// A mirror, as stored, with its repository.
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    /// Database id.
    pub id: i64,
    /// The repository it fills.
    pub repo: Repo,
    /// Base URL of the upstream.
    pub endpoint: String,
    /// Name of the repository there.
    pub upstream_name: String,
    /// What it follows and holds, and when.
    pub rules: Rules,
    /// Who may change it.
    pub managed_by: ManagedBy,
    /// Database id of the standing order it belongs to.
    pub order_id: Option<i64>,
    /// Whether it is paused.
    pub paused: bool,
    /// When its schedule wants it next.
    pub next_run_at: Option<Timestamp>,
    /// Its latest job.
    pub last_job_id: Option<Uuid>,
    /// When it last succeeded.
    pub last_synced_at: Option<Timestamp>,
    /// What upstream said of the repository when it was last asked.
    pub seen: Option<Value>,
}

/// What a mirror is made of.
#[derive(Clone, Debug)]
pub struct NewMirror {
    /// Database id of the repository it fills.
    pub repo_id: i64,
    /// Base URL of the upstream.
    pub endpoint: String,
    /// Name of the repository there.
    pub upstream_name: String,
    /// What it is to be.
    pub order: Standing,
    /// Who made it.
    pub created_by: Option<i64>,
    /// Now.
    pub at: Timestamp,
}

/// What may be changed of a mirror.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// What it follows and holds, and when.
    pub rules: Rules,
    /// Who may change it.
    pub managed_by: ManagedBy,
    /// Database id of the standing order it belongs to.
    pub order_id: Option<i64>,
    /// Whether it is paused.
    pub paused: bool,
    /// When its schedule wants it next.
    pub next_run_at: Option<Timestamp>,
}

/// The columns that rules are kept in: some have had one of their own from the beginning.
struct Columns {
    revisions: Names,
    include: Names,
    exclude: Names,
    schedule: Option<String>,
    further: RulesColumn,
    priority: i32,
}

impl From<Rules> for Columns {
    fn from(mut rules: Rules) -> Columns {
        let revisions = std::mem::take(&mut rules.follow.revisions).into_iter().map(String::from).collect();
        Columns {
            revisions: Names(revisions),
            include: Names(std::mem::take(&mut rules.selection.include)),
            exclude: Names(std::mem::take(&mut rules.selection.exclude)),
            schedule: rules.timing.schedule.take().map(String::from),
            priority: rules.timing.priority,
            further: RulesColumn(rules),
        }
    }
}

/// Rules of the columns they are kept in.
fn rules(row: &mirror::Model) -> Result<Rules, StoreError> {
    let corrupt = |why: String| StoreError::Corrupt { what: format!("the rules of mirror {}: {why}", row.id) };
    let mut rules = row.further_rules.0.clone();
    rules.follow.revisions =
        row.revisions.0.iter().map(|text| text.parse()).collect::<Result<_, _>>().map_err(corrupt)?;
    rules.selection.include.clone_from(&row.include.0);
    rules.selection.exclude.clone_from(&row.exclude.0);
    rules.timing.schedule = row.schedule.as_deref().map(str::parse::<Cron>).transpose().map_err(corrupt)?;
    Ok(rules)
}

fn joined(row: mirror::Model, repo: Option<repo::Model>) -> Result<Mirror, StoreError> {
    let repo =
        repo.ok_or_else(|| StoreError::Corrupt { what: format!("mirror {}, whose repository is gone", row.id) })?;
    Ok(Mirror {
        id: row.id,
        repo: repo.try_into()?,
        rules: rules(&row)?,
        endpoint: row.upstream_endpoint,
        upstream_name: row.upstream_name,
        managed_by: row.managed_by,
        order_id: row.order_id,
        paused: row.paused,
        next_run_at: row.next_run_at.map(Into::into),
        last_job_id: row.last_job_id,
        last_synced_at: row.last_synced_at.map(Into::into),
        seen: row.seen,
    })
}

/// Makes a mirror; a repository has at most one.
pub async fn insert(db: &impl ConnectionTrait, new: NewMirror) -> Result<i64, StoreError> {
    let Standing { rules, managed_by, order_id, paused, next_run_at } = new.order;
    let columns = Columns::from(rules);
    let row = mirror::ActiveModel {
        id: ActiveValue::NotSet,
        repo_id: ActiveValue::Set(new.repo_id),
        upstream_endpoint: ActiveValue::Set(new.endpoint),
        upstream_name: ActiveValue::Set(new.upstream_name.clone()),
        revisions: ActiveValue::Set(columns.revisions),
        include: ActiveValue::Set(columns.include),
        exclude: ActiveValue::Set(columns.exclude),
        managed_by: ActiveValue::Set(managed_by),
        paused: ActiveValue::Set(paused),
        schedule: ActiveValue::Set(columns.schedule),
        created_at: ActiveValue::Set(new.at.into()),
        updated_at: ActiveValue::Set(new.at.into()),
        created_by: ActiveValue::Set(new.created_by),
        last_job_id: ActiveValue::Set(None),
        last_synced_at: ActiveValue::Set(None),
        order_id: ActiveValue::Set(order_id),
        further_rules: ActiveValue::Set(columns.further),
        priority: ActiveValue::Set(columns.priority),
        next_run_at: ActiveValue::Set(next_run_at.map(Into::into)),
        seen: ActiveValue::Set(None),
    };
    match mirror::Entity::insert(row).exec(db).await {
        Ok(done) => Ok(done.last_insert_id),
        Err(error) if dialect::is_unique_violation(&error) => {
            Err(StoreError::Conflict { what: format!("the mirror of `{}`", new.upstream_name) })
        }
        Err(source) => Err(source).doing("making a mirror"),
    }
}

/// Every mirror, in the order of its repository's name.
pub async fn all(db: &impl ConnectionTrait) -> Result<Vec<Mirror>, StoreError> {
    let rows = mirror::Entity::find()
        .find_also_related(repo::Entity)
        .order_by_asc(repo::Column::FullNameLower)
        .order_by_asc(repo::Column::Kind)
        .all(db)
        .await
        .doing("reading mirrors")?;
    rows.into_iter().map(|(row, repo)| joined(row, repo)).collect()
}

/// The mirror that fills a repository.
pub async fn of_repo(db: &impl ConnectionTrait, repo_id: i64) -> Result<Option<Mirror>, StoreError> {
    one(db, mirror::Column::RepoId.eq(repo_id)).await
}

/// The mirror with this database id.
pub async fn by_id(db: &impl ConnectionTrait, id: i64) -> Result<Option<Mirror>, StoreError> {
    one(db, mirror::Column::Id.eq(id)).await
}

async fn one(db: &impl ConnectionTrait, filter: Expr) -> Result<Option<Mirror>, StoreError> {
    let row = mirror::Entity::find()
        .filter(filter)
        .find_also_related(repo::Entity)
        .one(db)
        .await
        .doing("looking up a mirror")?;
    row.map(|(row, repo)| joined(row, repo)).transpose()
}

/// Removes a mirror; what it fetched stays.
pub async fn remove(db: &impl ConnectionTrait, id: i64) -> Result<(), StoreError> {
    mirror::Entity::delete_by_id(id).exec(db).await.doing("removing a mirror")?;
    Ok(())
}

/// Replaces what a mirror is to be.
pub async fn update(db: &impl ConnectionTrait, id: i64, order: Standing, at: Timestamp) -> Result<(), StoreError> {
    let Standing { rules, managed_by, order_id, paused, next_run_at } = order;
    let columns = Columns::from(rules);
    let row = mirror::ActiveModel {
        id: ActiveValue::Unchanged(id),
        revisions: ActiveValue::Set(columns.revisions),
        include: ActiveValue::Set(columns.include),
        exclude: ActiveValue::Set(columns.exclude),
        managed_by: ActiveValue::Set(managed_by),
        paused: ActiveValue::Set(paused),
        schedule: ActiveValue::Set(columns.schedule),
        updated_at: ActiveValue::Set(at.into()),
        order_id: ActiveValue::Set(order_id),
        further_rules: ActiveValue::Set(columns.further),
        priority: ActiveValue::Set(columns.priority),
        next_run_at: ActiveValue::Set(next_run_at.map(Into::into)),
        ..Default::default()
    };
    mirror::Entity::update(row).exec(db).await.doing("changing a mirror")?;
    Ok(())
}

/// Suspends the schedule of a mirror, or lets it go on; returns whether that changed anything.
pub async fn set_paused(
    db: &impl ConnectionTrait,
    id: i64,
    is_paused: bool,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let done = mirror::Entity::update_many()
        .col_expr(mirror::Column::Paused, Expr::value(is_paused))
        .col_expr(mirror::Column::UpdatedAt, Expr::value(at.as_millis()))
        .filter(mirror::Column::Id.eq(id))
        .filter(mirror::Column::Paused.eq(!is_paused))
        .exec(db)
        .await
        .doing("pausing a mirror")?;
    Ok(done.rows_affected > 0)
}

/// Notes a mirror's latest job.
pub async fn note_job(db: &impl ConnectionTrait, id: i64, job: Uuid) -> Result<(), StoreError> {
    mirror::Entity::update_many()
        .col_expr(mirror::Column::LastJobId, Expr::value(job))
        .filter(mirror::Column::Id.eq(id))
        .exec(db)
        .await
        .doing("noting a mirror's job")?;
    Ok(())
}

/// Notes that a mirror is up to date.
pub async fn note_synced(db: &impl ConnectionTrait, id: i64, at: Timestamp) -> Result<(), StoreError> {
    mirror::Entity::update_many()
        .col_expr(mirror::Column::LastSyncedAt, Expr::value(at.as_millis()))
        .filter(mirror::Column::Id.eq(id))
        .exec(db)
        .await
        .doing("noting a sync")?;
    Ok(())
}

/// Mirrors whose schedule wants them by now, the longest overdue first; paused ones wait.
pub async fn due(db: &impl ConnectionTrait, now: Timestamp, limit: u64) -> Result<Vec<Mirror>, StoreError> {
    let rows = mirror::Entity::find()
        .filter(Expr::col((mirror::Entity, mirror::Column::NextRunAt)).lte(now.as_millis()))
        .filter(mirror::Column::Paused.eq(false))
        .find_also_related(repo::Entity)
        .order_by_asc(mirror::Column::NextRunAt)
        .limit(limit)
        .all(db)
        .await
        .doing("looking for mirrors that are due")?;
    rows.into_iter().map(|(row, repo)| joined(row, repo)).collect()
}

/// Sets when a mirror is due next, if that is still what the caller has seen; returns whether it was.
pub async fn reschedule(
    db: &impl ConnectionTrait,
    id: i64,
    seen: Option<Timestamp>,
    next: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let column = || Expr::col(mirror::Column::NextRunAt);
    let is_seen = seen.map_or_else(|| column().is_null(), |seen| column().eq(seen.as_millis()));
    let done = mirror::Entity::update_many()
        .col_expr(mirror::Column::NextRunAt, Expr::value(next.map(Timestamp::as_millis)))
        .filter(mirror::Column::Id.eq(id))
        .filter(is_seen)
        .exec(db)
        .await
        .doing("scheduling a mirror")?;
    Ok(done.rows_affected == 1)
}

/// Notes what upstream said of a mirror's repository.
pub async fn note_seen(db: &impl ConnectionTrait, id: i64, seen: Value) -> Result<(), StoreError> {
    mirror::Entity::update_many()
        .col_expr(mirror::Column::Seen, Expr::value(seen))
        .filter(mirror::Column::Id.eq(id))
        .exec(db)
        .await
        .doing("noting what upstream said")?;
    Ok(())
}
