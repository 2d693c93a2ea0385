//! Repositories that people asked for.

use acervo_core::{RepoKind, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveEnum, ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use uuid::Uuid;

use super::entity::choice::RepoKindColumn;
use super::entity::mirror_request;
use super::entity::value::Names;
use crate::error::{Doing, StoreError};

pub use super::entity::mirror_request::State;

/// A request, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Database id.
    pub id: i64,
    /// Random id by which it is decided.
    pub public_id: String,
    /// Who asks; absent if it was asked on the machine itself.
    pub asked_by: Option<i64>,
    /// Model, dataset or space.
    pub kind: RepoKind,
    /// Name at the upstream, as it was asked for.
    pub name: String,
    /// Revisions; none means the default branch.
    pub revisions: Vec<String>,
    /// What it is wanted for.
    pub reason: String,
    /// Where it stands.
    pub state: State,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// Who decided.
    pub decided_by: Option<i64>,
    /// Why it was declined.
    pub answer: Option<String>,
    /// Database id of the repository that serves it.
    pub repo_id: Option<i64>,
    /// Job that fetches it first.
    pub job_id: Option<Uuid>,
}

impl From<mirror_request::Model> for Request {
    fn from(row: mirror_request::Model) -> Self {
        Request {
            id: row.id,
            public_id: row.public_id,
            asked_by: row.asked_by,
            kind: row.kind.into(),
            name: row.name,
            revisions: row.revisions.0,
            reason: row.reason,
            state: row.state,
            asked_at: row.asked_at.into(),
            decided_at: row.decided_at.map(Into::into),
            decided_by: row.decided_by,
            answer: row.answer,
            repo_id: row.repo_id,
            job_id: row.job_id,
        }
    }
}

/// Records a request that was not there.
pub async fn insert(db: &impl ConnectionTrait, new: &Request) -> Result<(), StoreError> {
    let row = mirror_request::ActiveModel {
        id: ActiveValue::NotSet,
        public_id: ActiveValue::Set(new.public_id.clone()),
        asked_by: ActiveValue::Set(new.asked_by),
        kind: ActiveValue::Set(new.kind.into()),
        name: ActiveValue::Set(new.name.clone()),
        name_lower: ActiveValue::Set(new.name.to_ascii_lowercase()),
        revisions: ActiveValue::Set(Names(new.revisions.clone())),
        reason: ActiveValue::Set(new.reason.clone()),
        state: ActiveValue::Set(new.state),
        asked_at: ActiveValue::Set(new.asked_at.into()),
        decided_at: ActiveValue::Set(new.decided_at.map(Into::into)),
        decided_by: ActiveValue::Set(new.decided_by),
        answer: ActiveValue::Set(new.answer.clone()),
        repo_id: ActiveValue::Set(new.repo_id),
        job_id: ActiveValue::Set(new.job_id),
    };
    mirror_request::Entity::insert(row).exec_without_returning(db).await.doing("recording a request")?;
    Ok(())
}

/// Notes what was decided on a request; returns whether it was open until now.
pub async fn decide(db: &impl ConnectionTrait, decided: &Request) -> Result<bool, StoreError> {
    let done = mirror_request::Entity::update_many()
        .col_expr(mirror_request::Column::State, Expr::value(decided.state.to_value()))
        .col_expr(mirror_request::Column::DecidedAt, Expr::value(decided.decided_at.map(Timestamp::as_millis)))
        .col_expr(mirror_request::Column::DecidedBy, Expr::value(decided.decided_by))
        .col_expr(mirror_request::Column::Answer, Expr::value(decided.answer.clone()))
        .col_expr(mirror_request::Column::RepoId, Expr::value(decided.repo_id))
        .col_expr(mirror_request::Column::JobId, Expr::value(decided.job_id))
        .filter(mirror_request::Column::Id.eq(decided.id))
        .filter(mirror_request::Column::State.eq(State::Open))
        .exec(db)
        .await
        .doing("deciding on a request")?;
    Ok(done.rows_affected > 0)
}

/// The request with this public id.
pub async fn by_public_id(db: &impl ConnectionTrait, public_id: &str) -> Result<Option<Request>, StoreError> {
    let row = mirror_request::Entity::find()
        .filter(mirror_request::Column::PublicId.eq(public_id))
        .one(db)
        .await
        .doing("looking up a request")?;
    Ok(row.map(Into::into))
}

/// Open requests of one principal, or of the machine itself, for a repository.
pub async fn open_for(
    db: &impl ConnectionTrait,
    asked_by: Option<i64>,
    kind: RepoKind,
    name: &str,
) -> Result<Vec<Request>, StoreError> {
    let kind = RepoKindColumn::from(kind);
    let find = mirror_request::Entity::find()
        .filter(mirror_request::Column::State.eq(State::Open))
        .filter(mirror_request::Column::Kind.eq(kind))
        .filter(mirror_request::Column::NameLower.eq(name.to_ascii_lowercase()));
    let rows = of(find, asked_by).all(db).await.doing("looking for open requests")?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// How many requests of one principal, or of the machine itself, are open.
pub async fn open_count(db: &impl ConnectionTrait, asked_by: Option<i64>) -> Result<u64, StoreError> {
    let find = mirror_request::Entity::find().filter(mirror_request::Column::State.eq(State::Open));
    of(find, asked_by).count(db).await.doing("counting open requests")
}

fn of(find: Select<mirror_request::Entity>, asked_by: Option<i64>) -> Select<mirror_request::Entity> {
    match asked_by {
        Some(id) => find.filter(mirror_request::Column::AskedBy.eq(id)),
        None => find.filter(mirror_request::Column::AskedBy.is_null()),
    }
}

/// Which requests are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// Where they stand.
    pub state: Option<State>,
    /// The principal whose they are; anybody's without.
    pub asked_by: Option<i64>,
    /// Older than this one, by database id.
    pub before: Option<i64>,
    /// Most requests.
    pub limit: u64,
}

/// Requests, the newest first.
pub async fn listed(db: &impl ConnectionTrait, asked: &Asked) -> Result<Vec<Request>, StoreError> {
    let mut find = mirror_request::Entity::find().order_by_desc(mirror_request::Column::Id).limit(asked.limit);
    if let Some(state) = asked.state {
        find = find.filter(mirror_request::Column::State.eq(state));
    }
    if let Some(id) = asked.asked_by {
        find = find.filter(mirror_request::Column::AskedBy.eq(id));
    }
    if let Some(before) = asked.before {
        find = find.filter(mirror_request::Column::Id.lt(before));
    }
    let rows = find.all(db).await.doing("reading requests")?;
    Ok(rows.into_iter().map(Into::into).collect())
}
