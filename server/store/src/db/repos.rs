//! Repositories and their names: the aggregate every other one hangs on.

use acervo_core::access::{Guarded, RepoAccess};
use acervo_core::gate::Gate;
use acervo_core::{RepoId, RepoKind, Sha256Digest, Timestamp, Visibility};
use sea_orm::sea_query::{Expr, ExprTrait, Func, Order, Query};
use sea_orm::{
    ActiveValue, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};

use super::dialect;
use super::entity::choice::{RefKindColumn, RepoKindColumn, VisibilityColumn};
use super::entity::{commit_tag, repo, repo_alias, repo_commit, repo_ref};
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
    Ok(())
}

/// Which repositories a caller may see.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Order of a list; ties are broken by id in the same direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Last published first.
    LastModified,
    /// Youngest here first.
    CreatedAt,
    /// Most downloaded here first.
    Downloads,
}

/// What a list of repositories asks for.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// Only these the caller may see.
    pub scope: ReadScope,
    /// Only this kind; all kinds otherwise.
    pub kind: Option<RepoKind>,
    /// Substring of the name, any case.
    pub search: Option<String>,
    /// Namespace, any case.
    pub author: Option<String>,
    /// Tags that the default revision must all have.
    pub tags: Vec<String>,
    /// Order.
    pub sort: Sort,
    /// Most rows.
    pub limit: u64,
    /// Position after which to go on: value of the sort key, and id.
    pub after: Option<(i64, i64)>,
}

/// A repository with the position that a next page starts after.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The repository.
    pub repo: Repo,
    /// Value of the sort key, and id.
    pub position: (i64, i64),
}

/// Repositories that have a served default revision and match the query, in its order.
///
/// ```sql
/// SELECT repo.* FROM repo WHERE <scope> AND ..
///   AND EXISTS (SELECT 1 FROM repo_ref WHERE repo_id = repo.id AND kind = 'branch' AND name = repo.default_branch
///               AND served_commit_id IS NOT NULL)
///   AND EXISTS (SELECT 1 FROM repo_ref JOIN commit_tag ON commit_id = served_commit_id WHERE .. AND tag = $tag)
///   AND (key, id) < ($key, $id) ORDER BY key DESC, id DESC LIMIT $n
/// ```
/// Both planners walk `repo` and probe the two indexes; fine to some 10,000 repositories.
pub async fn list(db: &impl ConnectionTrait, query: &ListQuery) -> Result<Vec<Listed>, StoreError> {
    let key = match query.sort {
        Sort::LastModified => repo::Column::UpdatedAt,
        Sort::CreatedAt => repo::Column::CreatedAt,
        Sort::Downloads => repo::Column::Downloads,
    };
    let mut find = repo::Entity::find().filter(query.scope.condition()).filter(Expr::exists(served_head()));
    if let Some(kind) = query.kind {
        find = find.filter(repo::Column::Kind.eq(RepoKindColumn::from(kind)));
    }
    if let Some(search) = &query.search {
        find = find.filter(repo::Column::FullNameLower.like(dialect::like_containing(&search.to_ascii_lowercase())));
    }
    if let Some(author) = &query.author {
        let prefix = format!("{}/", author.to_ascii_lowercase());
        find = find.filter(repo::Column::FullNameLower.like(dialect::like_prefix(&prefix)));
    }
    for tag in &query.tags {
        let mut tagged = served_head();
        tagged
            .inner_join(
                commit_tag::Entity,
                Expr::col((commit_tag::Entity, commit_tag::Column::CommitId))
                    .equals((repo_ref::Entity, repo_ref::Column::ServedCommitId)),
            )
            .and_where(
                Expr::expr(Func::lower(Expr::col((commit_tag::Entity, commit_tag::Column::Tag))))
                    .eq(tag.to_lowercase()),
            );
        find = find.filter(Expr::exists(tagged));
    }
    if let Some((value, id)) = query.after {
        find = find.filter(
            Condition::any().add(key.lt(value)).add(Condition::all().add(key.eq(value)).add(repo::Column::Id.lt(id))),
        );
    }
    let rows = find
        .order_by(key, Order::Desc)
        .order_by(repo::Column::Id, Order::Desc)
        .limit(query.limit)
        .all(db)
        .await
        .doing("listing repositories")?;
    rows.into_iter()
        .map(|row| {
            let value = match query.sort {
                Sort::LastModified => row.updated_at.0,
                Sort::CreatedAt => row.created_at.0,
                Sort::Downloads => row.downloads,
            };
            Ok(Listed { position: (value, row.id), repo: row.try_into()? })
        })
        .collect()
}

/// Subquery: the default branch of the outer `repo` row, if it serves a commit.
fn served_head() -> sea_orm::sea_query::SelectStatement {
    Query::select()
        .expr(Expr::value(1))
        .from(repo_ref::Entity)
        .and_where(Expr::col((repo_ref::Entity, repo_ref::Column::RepoId)).equals((repo::Entity, repo::Column::Id)))
        .and_where(Expr::col((repo_ref::Entity, repo_ref::Column::Kind)).eq(RefKindColumn::Branch))
        .and_where(
            Expr::col((repo_ref::Entity, repo_ref::Column::Name)).equals((repo::Entity, repo::Column::DefaultBranch)),
        )
        .and_where(Expr::col((repo_ref::Entity, repo_ref::Column::ServedCommitId)).is_not_null())
        .to_owned()
}

/// Number of repositories within the scope that serve something, and of their visible commits.
pub async fn totals(db: &impl ConnectionTrait, scope: &ReadScope) -> Result<(u64, u64), StoreError> {
    use sea_orm::PaginatorTrait;
    let repos = repo::Entity::find()
        .filter(scope.condition())
        .filter(Expr::exists(served_head()))
        .count(db)
        .await
        .doing("counting repositories")?;
    let commits = repo_commit::Entity::find()
        .inner_join(repo::Entity)
        .filter(scope.condition())
        .filter(repo_commit::Column::State.eq(repo_commit::State::Visible))
        .count(db)
        .await
        .doing("counting commits")?;
    Ok((repos, commits))
}
