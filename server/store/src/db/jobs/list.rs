//! Jobs as people look through them, and the end of those that nobody looks for any more.

use acervo_core::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{Job, State};
use crate::db::entity::{job, job_log, mirror, repo};
use crate::db::repos::Repo;
use crate::error::{Doing, StoreError};

/// Which jobs are asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Where they stand.
    pub state: Option<State>,
    /// Database ids of repositories, one of which they must be about.
    pub repos: Option<Vec<i64>>,
    /// Older than this one.
    pub before: Option<Uuid>,
    /// Most jobs.
    pub limit: u64,
}

/// Jobs with the repositories they are about, the newest first.
pub async fn listed(db: &impl ConnectionTrait, asked: &Asked) -> Result<Vec<(Job, Option<Repo>)>, StoreError> {
    let mut find = job::Entity::find().find_also_related(repo::Entity);
    if let Some(state) = asked.state {
        find = find.filter(job::Column::State.eq(state));
    }
    if let Some(repos) = &asked.repos {
        find = find.filter(job::Column::RepoId.is_in(repos.iter().copied()));
    }
    if let Some(before) = asked.before {
        find = find.filter(job::Column::Id.lt(before));
    }
    let rows = find.order_by_desc(job::Column::Id).limit(asked.limit).all(db).await.doing("reading jobs")?;
    rows.into_iter().map(|(job, repo)| Ok((job, repo.map(Repo::try_from).transpose()?))).collect()
}

/// A job with the repository it is about.
pub async fn with_repo(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<(Job, Option<Repo>)>, StoreError> {
    let row = job::Entity::find_by_id(id).find_also_related(repo::Entity).one(db).await.doing("looking up a job")?;
    row.map(|(job, repo)| Ok((job, repo.map(Repo::try_from).transpose()?))).transpose()
}

/// Ids of the newest jobs, the newest first.
pub async fn ids(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<Uuid>, StoreError> {
    job::Entity::find()
        .select_only()
        .column(job::Column::Id)
        .order_by_desc(job::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
        .doing("reading the ids of jobs")
}

/// Forgets some of the jobs that ended before a time, and their logs; returns how many. The latest job of a mirror stays.
pub async fn prune(db: &impl ConnectionTrait, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
    let latest = Query::select()
        .column(mirror::Column::LastJobId)
        .from(mirror::Entity)
        .and_where(Expr::col(mirror::Column::LastJobId).is_not_null())
        .to_owned();
    let old: Vec<Uuid> = job::Entity::find()
        .select_only()
        .column(job::Column::Id)
        .filter(Expr::col(job::Column::FinishedAt).lt(before.as_millis()))
        .filter(job::Column::Id.not_in_subquery(latest))
        .order_by_asc(job::Column::FinishedAt)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
        .doing("looking for old jobs")?;
    if old.is_empty() {
        return Ok(0);
    }
    job_log::Entity::delete_many()
        .filter(job_log::Column::JobId.is_in(old.iter().copied()))
        .exec(db)
        .await
        .doing("forgetting the logs of old jobs")?;
    let gone = job::Entity::delete_many().filter(job::Column::Id.is_in(old)).exec(db).await;
    Ok(gone.doing("forgetting old jobs")?.rows_affected)
}
