//! Refs: movable names, the commit each serves, and the commit upstream had there when it was last asked.

use acervo_core::{CommitOid, RefKind, Timestamp};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use super::entity::choice::RefKindColumn;
use super::entity::value::OidColumn;
use super::entity::{ref_event, repo_commit, repo_ref};
use crate::error::{Doing, StoreError};

/// A ref, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ref {
    /// Branch, tag, convert or pull request.
    pub kind: RefKind,
    /// Short for branches and tags, `refs/..` otherwise.
    pub name: String,
    /// Database id and id of the commit it serves.
    pub served: Option<(i64, CommitOid)>,
    /// Commit upstream had there when it was last asked.
    pub upstream: Option<CommitOid>,
}

/// All refs of a repository that serve a commit, in name order.
pub async fn served(db: &impl ConnectionTrait, repo_id: i64) -> Result<Vec<Ref>, StoreError> {
    let rows = repo_ref::Entity::find()
        .filter(repo_ref::Column::RepoId.eq(repo_id))
        .filter(repo_ref::Column::ServedCommitId.is_not_null())
        .find_also_related(repo_commit::Entity)
        .order_by_asc(repo_ref::Column::Name)
        .all(db)
        .await
        .doing("reading refs")?;
    Ok(rows.into_iter().map(|(row, commit)| joined(row, commit)).collect())
}

/// All refs of a repository that upstream had when it was last asked, in name order.
pub async fn of_upstream(db: &impl ConnectionTrait, repo_id: i64) -> Result<Vec<Ref>, StoreError> {
    let rows = repo_ref::Entity::find()
        .filter(repo_ref::Column::RepoId.eq(repo_id))
        .filter(repo_ref::Column::UpstreamOid.is_not_null())
        .find_also_related(repo_commit::Entity)
        .order_by_asc(repo_ref::Column::Name)
        .all(db)
        .await
        .doing("reading an upstream's refs")?;
    Ok(rows.into_iter().map(|(row, commit)| joined(row, commit)).collect())
}

/// The ref of this kind and name.
pub async fn by_name(
    db: &impl ConnectionTrait,
    repo_id: i64,
    kind: RefKind,
    name: &str,
) -> Result<Option<Ref>, StoreError> {
    let row = repo_ref::Entity::find()
        .filter(repo_ref::Column::RepoId.eq(repo_id))
        .filter(repo_ref::Column::Kind.eq(RefKindColumn::from(kind)))
        .filter(repo_ref::Column::Name.eq(name))
        .find_also_related(repo_commit::Entity)
        .one(db)
        .await
        .doing("looking up a ref")?;
    Ok(row.map(|(row, commit)| joined(row, commit)))
}

/// Served commits of the named branches, by repository.
pub async fn heads(
    db: &impl ConnectionTrait,
    repos: &[(i64, &str)],
) -> Result<std::collections::HashMap<i64, i64>, StoreError> {
    let rows = repo_ref::Entity::find()
        .filter(repo_ref::Column::RepoId.is_in(repos.iter().map(|(id, _)| *id)))
        .filter(repo_ref::Column::Kind.eq(RefKindColumn::Branch))
        .filter(repo_ref::Column::ServedCommitId.is_not_null())
        .all(db)
        .await
        .doing("reading default branches")?;
    Ok(rows
        .into_iter()
        .filter(|row| repos.contains(&(row.repo_id, row.name.as_str())))
        .filter_map(|row| Some((row.repo_id, row.served_commit_id?)))
        .collect())
}

fn joined(row: repo_ref::Model, commit: Option<repo_commit::Model>) -> Ref {
    Ref {
        kind: row.kind.into(),
        name: row.name,
        served: commit.map(|commit| (commit.id, commit.oid.into())),
        upstream: row.upstream_oid.map(Into::into),
    }
}

/// Lets a ref serve a commit, noting the move; returns the commit it served before.
pub async fn move_to(
    db: &impl ConnectionTrait,
    repo_id: i64,
    kind: RefKind,
    name: &str,
    commit: (i64, CommitOid),
    cause: &str,
    at: Timestamp,
) -> Result<Option<CommitOid>, StoreError> {
    let before = by_name(db, repo_id, kind, name).await?.and_then(|found| found.served).map(|(_, oid)| oid);
    let row = repo_ref::ActiveModel {
        id: ActiveValue::NotSet,
        repo_id: ActiveValue::Set(repo_id),
        kind: ActiveValue::Set(kind.into()),
        name: ActiveValue::Set(name.to_owned()),
        served_commit_id: ActiveValue::Set(Some(commit.0)),
        upstream_oid: ActiveValue::Set(Some(commit.1.into())),
        upstream_seen_at: ActiveValue::Set(Some(at.into())),
        updated_at: ActiveValue::Set(at.into()),
    };
    let conflict = OnConflict::columns([repo_ref::Column::RepoId, repo_ref::Column::Kind, repo_ref::Column::Name])
        .update_columns([
            repo_ref::Column::ServedCommitId,
            repo_ref::Column::UpstreamOid,
            repo_ref::Column::UpstreamSeenAt,
            repo_ref::Column::UpdatedAt,
        ])
        .to_owned();
    repo_ref::Entity::insert(row).on_conflict(conflict).exec_without_returning(db).await.doing("moving a ref")?;
    if before != Some(commit.1) {
        let event = ref_event::ActiveModel {
            id: ActiveValue::NotSet,
            repo_id: ActiveValue::Set(repo_id),
            kind: ActiveValue::Set(kind.into()),
            name: ActiveValue::Set(name.to_owned()),
            old_oid: ActiveValue::Set(before.map(OidColumn::from)),
            new_oid: ActiveValue::Set(Some(commit.1.into())),
            cause: ActiveValue::Set(cause.to_owned()),
            at: ActiveValue::Set(at.into()),
        };
        ref_event::Entity::insert(event).exec_without_returning(db).await.doing("noting a ref's move")?;
    }
    Ok(before)
}

/// Notes that upstream was asked where it has its refs.
pub async fn note_seen(db: &impl ConnectionTrait, repo_id: i64, at: Timestamp) -> Result<(), StoreError> {
    repo_ref::Entity::update_many()
        .col_expr(repo_ref::Column::UpstreamSeenAt, Expr::value(at.as_millis()))
        .filter(repo_ref::Column::RepoId.eq(repo_id))
        .filter(repo_ref::Column::UpstreamOid.is_not_null())
        .exec(db)
        .await
        .doing("noting that upstream was asked")?;
    Ok(())
}

/// Notes where upstream has a ref now, or that it has it no more, without moving what is served.
pub async fn note_upstream(
    db: &impl ConnectionTrait,
    repo_id: i64,
    kind: RefKind,
    name: &str,
    target: Option<CommitOid>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let row = repo_ref::ActiveModel {
        id: ActiveValue::NotSet,
        repo_id: ActiveValue::Set(repo_id),
        kind: ActiveValue::Set(kind.into()),
        name: ActiveValue::Set(name.to_owned()),
        served_commit_id: ActiveValue::Set(None),
        upstream_oid: ActiveValue::Set(target.map(Into::into)),
        upstream_seen_at: ActiveValue::Set(Some(at.into())),
        updated_at: ActiveValue::Set(at.into()),
    };
    let conflict = OnConflict::columns([repo_ref::Column::RepoId, repo_ref::Column::Kind, repo_ref::Column::Name])
        .update_columns([repo_ref::Column::UpstreamOid, repo_ref::Column::UpstreamSeenAt])
        .to_owned();
    repo_ref::Entity::insert(row)
        .on_conflict(conflict)
        .exec_without_returning(db)
        .await
        .doing("noting an upstream ref")?;
    Ok(())
}
