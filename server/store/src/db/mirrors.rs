//! Mirrors: standing orders to keep repositories like their upstream.

use acervo_core::{Selection, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use super::dialect;
use super::entity::mirror::{self, ManagedBy};
use super::entity::repo;
use super::entity::value::Names;
use super::repos::Repo;
use crate::error::{Doing, StoreError};

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
    /// Revisions it follows; empty means the default branch.
    pub revisions: Vec<String>,
    /// What of each commit it holds.
    pub selection: Selection,
    /// Whether it is paused.
    pub paused: bool,
    /// Its latest job.
    pub last_job_id: Option<Uuid>,
    /// When it last succeeded.
    pub last_synced_at: Option<Timestamp>,
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
    /// Revisions it follows.
    pub revisions: Vec<String>,
    /// What of each commit it holds.
    pub selection: Selection,
    /// Who made it.
    pub created_by: Option<i64>,
    /// Now.
    pub at: Timestamp,
}

fn joined(row: mirror::Model, repo: Option<repo::Model>) -> Result<Mirror, StoreError> {
    let repo =
        repo.ok_or_else(|| StoreError::Corrupt { what: format!("mirror {}, whose repository is gone", row.id) })?;
    Ok(Mirror {
        id: row.id,
        repo: repo.try_into()?,
        endpoint: row.upstream_endpoint,
        upstream_name: row.upstream_name,
        revisions: row.revisions.0,
        selection: Selection { include: row.include.0, exclude: row.exclude.0 },
        paused: row.paused,
        last_job_id: row.last_job_id,
        last_synced_at: row.last_synced_at.map(Into::into),
    })
}

/// Makes a mirror; a repository has at most one.
pub async fn insert(db: &impl ConnectionTrait, new: NewMirror) -> Result<i64, StoreError> {
    let row = mirror::ActiveModel {
        id: ActiveValue::NotSet,
        repo_id: ActiveValue::Set(new.repo_id),
        upstream_endpoint: ActiveValue::Set(new.endpoint),
        upstream_name: ActiveValue::Set(new.upstream_name.clone()),
        revisions: ActiveValue::Set(Names(new.revisions)),
        include: ActiveValue::Set(Names(new.selection.include)),
        exclude: ActiveValue::Set(Names(new.selection.exclude)),
        managed_by: ActiveValue::Set(ManagedBy::Api),
        paused: ActiveValue::Set(false),
        schedule: ActiveValue::Set(None),
        created_at: ActiveValue::Set(new.at.into()),
        updated_at: ActiveValue::Set(new.at.into()),
        created_by: ActiveValue::Set(new.created_by),
        last_job_id: ActiveValue::Set(None),
        last_synced_at: ActiveValue::Set(None),
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

/// Replaces what a mirror follows and holds.
pub async fn update_order(
    db: &impl ConnectionTrait,
    id: i64,
    revisions: &[String],
    selection: &Selection,
    at: Timestamp,
) -> Result<(), StoreError> {
    let row = mirror::ActiveModel {
        id: ActiveValue::Unchanged(id),
        revisions: ActiveValue::Set(Names(revisions.to_vec())),
        include: ActiveValue::Set(Names(selection.include.clone())),
        exclude: ActiveValue::Set(Names(selection.exclude.clone())),
        updated_at: ActiveValue::Set(at.into()),
        ..Default::default()
    };
    mirror::Entity::update(row).exec(db).await.doing("changing a mirror")?;
    Ok(())
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
