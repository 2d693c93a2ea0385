//! Repositories and their names: the aggregate every other one hangs on.

use acervo_core::access::{Guarded, RepoAccess};
use acervo_core::gate::Gate;
use acervo_core::{RepoId, RepoKind, Sha256Digest, Timestamp, Visibility};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue, ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect,
    QueryTrait,
};

use super::entity::choice::{RepoKindColumn, VisibilityColumn};
use super::entity::{repo, repo_alias, repo_commit};
use super::{dialect, search};
use crate::error::{Doing, StoreError};

pub use super::entity::repo::{Gated, Origin};
pub use super::entity::repo_alias::Cause;

/// A repository, as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Repo {
    /// Database id.
    pub id: i64,
    /// Random id of 24 hex digits that clients see.
    pub public_id: String,
    /// Model, dataset or space.
    pub kind: RepoKind,
    /// Name, in the spelling it is served under.
    pub name: RepoId,
    /// Database id of its namespace.
    pub namespace_id: i64,
    /// Who may read it.
    pub visibility: Visibility,
    /// Whether its contents wait for consent here.
    pub gated: Gated,
    /// The terms that must be accepted then.
    pub gate_terms: Option<Sha256Digest>,
    /// Whether upstream gates it.
    pub upstream_gated: Gated,
    /// Written here, or a mirror.
    pub origin: Origin,
    /// Base URL of the hub it is mirrored from.
    pub upstream_endpoint: Option<String>,
    /// Its name there.
    pub upstream_name: Option<String>,
    /// When it was created, upstream if it comes from there.
    pub born_at: Timestamp,
    /// Branch that stands for no revision.
    pub default_branch: String,
    /// Downloads counted here.
    pub downloads: i64,
    /// Last publication.
    pub updated_at: Timestamp,
}

impl Repo {
    /// What stands before its contents.
    pub fn gate(&self) -> Gate {
        Gate { mode: self.gated.into(), terms: self.gate_terms }
    }
}

impl Guarded for Repo {
    fn access(&self) -> RepoAccess {
        RepoAccess { repo_id: self.id, namespace_id: self.namespace_id, visibility: self.visibility, gate: self.gate() }
    }
}

impl TryFrom<repo::Model> for Repo {
    type Error = StoreError;

    fn try_from(row: repo::Model) -> Result<Self, StoreError> {
        let name = row
            .full_name
            .parse()
            .map_err(|_| StoreError::Corrupt { what: format!("the name of repository {}", row.id) })?;
        Ok(Repo {
            id: row.id,
            public_id: row.public_id,
            kind: row.kind.into(),
            name,
            namespace_id: row.namespace_id,
            visibility: row.visibility.into(),
            gated: row.gated,
            gate_terms: row.gate_terms.map(Into::into),
            upstream_gated: row.upstream_gated,
            origin: row.origin,
            upstream_endpoint: row.upstream_endpoint,
            upstream_name: row.upstream_name,
            born_at: row.upstream_created_at.unwrap_or(row.created_at).into(),
            default_branch: row.default_branch,
            downloads: row.downloads,
            updated_at: row.updated_at.into(),
        })
    }
}

/// What a new repository is made of.
#[derive(Clone, Debug)]
pub struct NewRepo {
    /// Random id of 24 hex digits.
    pub public_id: String,
    /// Model, dataset or space.
    pub kind: RepoKind,
    /// Name.
    pub name: RepoId,
    /// Database id of its namespace.
    pub namespace_id: i64,
    /// Who may read it.
    pub visibility: Visibility,
    /// The upstream it mirrors: base URL, and its name there.
    pub upstream: Option<(String, String)>,
    /// Now.
    pub at: Timestamp,
}

/// The repository stored under exactly this name, whatever its case.
pub async fn by_name(db: &impl ConnectionTrait, kind: RepoKind, lower: &str) -> Result<Option<Repo>, StoreError> {
    let row = repo::Entity::find()
        .filter(repo::Column::Kind.eq(RepoKindColumn::from(kind)))
        .filter(repo::Column::FullNameLower.eq(lower))
        .one(db)
        .await
        .doing("looking up a repository")?;
    row.map(Repo::try_from).transpose()
}

/// The repository that this other name leads to (a former name, or a canonical bare one).
pub async fn by_alias(db: &impl ConnectionTrait, kind: RepoKind, lower: &str) -> Result<Option<Repo>, StoreError> {
    // One question, whether there is such a name or not: the time it takes tells nothing.
    let led_to = repo_alias::Entity::find()
        .select_only()
        .column(repo_alias::Column::RepoId)
        .filter(repo_alias::Column::Kind.eq(RepoKindColumn::from(kind)))
        .filter(repo_alias::Column::AliasLower.eq(lower))
        .into_query();
    let row =
        repo::Entity::find().filter(repo::Column::Id.in_subquery(led_to)).one(db).await.doing("looking up an alias")?;
    row.map(Repo::try_from).transpose()
}

/// The repository with this database id.
pub async fn by_id(db: &impl ConnectionTrait, id: i64) -> Result<Option<Repo>, StoreError> {
    let row = repo::Entity::find_by_id(id).one(db).await.doing("looking up a repository")?;
    row.map(Repo::try_from).transpose()
}

/// The repository with this database id; others who change it wait until this transaction ends.
pub async fn lock_by_id(db: &impl ConnectionTrait, id: i64) -> Result<Option<Repo>, StoreError> {
    let row = repo::Entity::find_by_id(id).lock_exclusive().one(db).await.doing("looking up a repository")?;
    row.map(Repo::try_from).transpose()
}

/// The repositories with these database ids, in no order.
pub async fn by_ids(db: &impl ConnectionTrait, ids: &[i64]) -> Result<Vec<Repo>, StoreError> {
    let rows = repo::Entity::find()
        .filter(repo::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await
        .doing("looking up repositories")?;
    rows.into_iter().map(Repo::try_from).collect()
}

/// The repository with this random id, which clients see.
pub async fn by_public_id(db: &impl ConnectionTrait, public_id: &str) -> Result<Option<Repo>, StoreError> {
    let row = repo::Entity::find().filter(repo::Column::PublicId.eq(public_id)).one(db).await;
    row.doing("looking up a repository")?.map(Repo::try_from).transpose()
}

/// Makes a repository; the name must be free among repositories and aliases (checked in the same transaction).
pub async fn insert(db: &impl ConnectionTrait, new: NewRepo) -> Result<Repo, StoreError> {
    if by_alias(db, new.kind, &new.name.lower()).await?.is_some() {
        return Err(StoreError::Conflict {
            what: format!("another {} that the name `{}` leads to", new.kind, new.name),
        });
    }
    let (origin, endpoint, upstream_name) = match new.upstream {
        Some((endpoint, name)) => (Origin::Mirror, Some(endpoint), Some(name)),
        None => (Origin::Local, None, None),
    };
    let row = repo::ActiveModel {
        id: ActiveValue::NotSet,
        public_id: ActiveValue::Set(new.public_id),
        kind: ActiveValue::Set(new.kind.into()),
        namespace_id: ActiveValue::Set(new.namespace_id),
        name: ActiveValue::Set(new.name.name().to_owned()),
        full_name: ActiveValue::Set(new.name.as_str().to_owned()),
        full_name_lower: ActiveValue::Set(new.name.lower()),
        visibility: ActiveValue::Set(new.visibility.into()),
        gated: ActiveValue::Set(Gated::None),
        origin: ActiveValue::Set(origin),
        upstream_endpoint: ActiveValue::Set(endpoint),
        upstream_name: ActiveValue::Set(upstream_name),
        upstream_created_at: ActiveValue::Set(None),
        default_branch: ActiveValue::Set("main".to_owned()),
        downloads: ActiveValue::Set(0),
        created_at: ActiveValue::Set(new.at.into()),
        updated_at: ActiveValue::Set(new.at.into()),
        upstream_gated: ActiveValue::Set(Gated::None),
        gate_terms: ActiveValue::Set(None),
        gate_chosen: ActiveValue::Set(false),
    };
    match repo::Entity::insert(row).exec_with_returning(db).await {
        Ok(row) => row.try_into(),
        Err(error) if dialect::is_unique_violation(&error) => {
            Err(StoreError::Conflict { what: format!("the {} `{}`", new.kind, new.name) })
        }
        Err(source) => Err(source).doing("making a repository"),
    }
}

/// Lets another name lead to a repository; repeating it changes nothing.
pub async fn add_alias(
    db: &impl ConnectionTrait,
    repo: &Repo,
    alias: &str,
    cause: Cause,
    at: Timestamp,
) -> Result<(), StoreError> {
    let lower = alias.to_ascii_lowercase();
    if lower == repo.name.lower() || by_alias(db, repo.kind, &lower).await?.is_some_and(|other| other.id == repo.id) {
        return Ok(());
    }
    let row = repo_alias::ActiveModel {
        id: ActiveValue::NotSet,
        kind: ActiveValue::Set(repo.kind.into()),
        alias_lower: ActiveValue::Set(lower),
        alias: ActiveValue::Set(alias.to_owned()),
        repo_id: ActiveValue::Set(repo.id),
        cause: ActiveValue::Set(cause),
        created_at: ActiveValue::Set(at.into()),
    };
    match repo_alias::Entity::insert(row).exec_without_returning(db).await {
        Ok(_) => Ok(()),
        Err(error) if dialect::is_unique_violation(&error) => {
            Err(StoreError::Conflict { what: format!("another {} that the name `{alias}` leads to", repo.kind) })
        }
        Err(source) => Err(source).doing("adding an alias"),
    }
}

/// Notes what upstream says of the repository, and that something was published.
pub async fn note_published(
    db: &impl ConnectionTrait,
    repo_id: i64,
    upstream_gated: Gated,
    upstream_created_at: Option<Timestamp>,
    at: Timestamp,
) -> Result<(), StoreError> {
    repo::Entity::update_many()
        .col_expr(repo::Column::UpstreamGated, Expr::value(sea_orm::ActiveEnum::to_value(&upstream_gated)))
        .col_expr(repo::Column::UpstreamCreatedAt, Expr::value(upstream_created_at.map(Timestamp::as_millis)))
        .col_expr(repo::Column::UpdatedAt, Expr::value(at.as_millis()))
        .filter(repo::Column::Id.eq(repo_id))
        .exec(db)
        .await
        .doing("noting a publication")?;
    Ok(())
}

/// Changes who may read a repository.
pub async fn set_visibility(db: &impl ConnectionTrait, repo_id: i64, visibility: Visibility) -> Result<(), StoreError> {
    repo::Entity::update_many()
        .col_expr(
            repo::Column::Visibility,
            Expr::value(sea_orm::ActiveEnum::to_value(&VisibilityColumn::from(visibility))),
        )
        .filter(repo::Column::Id.eq(repo_id))
        .exec(db)
        .await
        .doing("changing a repository's visibility")?;
    search::set_visibility(db, repo_id, visibility).await
}

/// Which repositories a caller may see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReadScope {
    /// Everything, private ones too.
    pub everything: bool,
    /// Internal ones.
    pub internal: bool,
    /// Every one of these namespaces.
    pub namespaces: Vec<i64>,
    /// These.
    pub repos: Vec<i64>,
}

impl ReadScope {
    fn condition(&self) -> Condition {
        if self.everything {
            return Condition::all();
        }
        let mut visible = Condition::any().add(repo::Column::Visibility.eq(VisibilityColumn::Public));
        if self.internal {
            visible = visible.add(repo::Column::Visibility.eq(VisibilityColumn::Internal));
        }
        if !self.namespaces.is_empty() {
            visible = visible.add(repo::Column::NamespaceId.is_in(self.namespaces.iter().copied()));
        }
        if !self.repos.is_empty() {
            visible = visible.add(repo::Column::Id.is_in(self.repos.iter().copied()));
        }
        visible
    }
}

/// Number of visible commits of the repositories within the scope.
pub async fn commit_count(db: &impl ConnectionTrait, scope: &ReadScope) -> Result<u64, StoreError> {
    repo_commit::Entity::find()
        .inner_join(repo::Entity)
        .filter(scope.condition())
        .filter(repo_commit::Column::State.eq(repo_commit::State::Visible))
        .count(db)
        .await
        .doing("counting commits")
}
