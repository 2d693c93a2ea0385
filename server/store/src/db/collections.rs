//! Collections and what is in them.
//!
//! Who may see a collection is part of every question, and so is who may see what is in it: a repository that the
//! caller does not see is in no collection for them.

use acervo_core::{Timestamp, Visibility};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveEnum, ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter};

use super::dialect;
use super::entity::choice::VisibilityColumn;
use super::entity::{collection, collection_item};
use super::repos::ReadScope;
use super::search::{Namespace, visible};
use super::sql::Sql;
use crate::error::{Doing, StoreError};

pub use super::entity::collection::Theme;

/// A collection, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Database id.
    pub id: i64,
    /// Random id of 24 hex digits, the end of its slug.
    pub public_id: String,
    /// Database id of its namespace.
    pub namespace_id: i64,
    /// Title.
    pub title: String,
    /// What it is about.
    pub description: Option<String>,
    /// Colour.
    pub theme: Theme,
    /// Who may know of it.
    pub visibility: Visibility,
    /// Place among those of its namespace.
    pub position: i64,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl From<collection::Model> for Collection {
    fn from(row: collection::Model) -> Self {
        Collection {
            id: row.id,
            public_id: row.public_id,
            namespace_id: row.namespace_id,
            title: row.title,
            description: row.description,
            theme: row.theme,
            visibility: row.visibility.into(),
            position: row.position,
            updated_at: row.updated_at.into(),
        }
    }
}

/// Which collections somebody may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Repositories they may see, and with them the collections of the same namespaces.
    pub scope: ReadScope,
    /// Database id of the principal, whose own namespace is theirs to see.
    pub principal: Option<i64>,
}

/// What a new collection is made of.
#[derive(Clone, Debug)]
pub struct NewCollection<'a> {
    /// Random id of 24 hex digits.
    pub public_id: &'a str,
    /// Database id of its namespace.
    pub namespace_id: i64,
    /// Title.
    pub title: &'a str,
    /// What it is about.
    pub description: Option<&'a str>,
    /// Title and description, folded.
    pub folded: &'a str,
    /// Colour.
    pub theme: Theme,
    /// Who may know of it.
    pub visibility: Visibility,
    /// Who makes it.
    pub created_by: Option<i64>,
    /// Now.
    pub at: Timestamp,
}

#[derive(Debug, FromQueryResult)]
struct Number {
    number: i64,
}

/// Makes a collection, the last of its namespace.
pub async fn insert(db: &impl ConnectionTrait, new: NewCollection<'_>) -> Result<Collection, StoreError> {
    let mut sql = Sql::new(db);
    sql.push("SELECT COALESCE(max(position), -1) + 1 AS number FROM collection WHERE namespace_id = ");
    sql.bind(new.namespace_id);
    let next: Vec<Number> = sql.rows(db, "making a collection").await?;
    let row = collection::ActiveModel {
        id: ActiveValue::NotSet,
        public_id: ActiveValue::Set(new.public_id.to_owned()),
        namespace_id: ActiveValue::Set(new.namespace_id),
        title: ActiveValue::Set(new.title.to_owned()),
        description: ActiveValue::Set(new.description.map(str::to_owned)),
        folded: ActiveValue::Set(new.folded.to_owned()),
        theme: ActiveValue::Set(new.theme),
        visibility: ActiveValue::Set(new.visibility.into()),
        position: ActiveValue::Set(next.first().map_or(0, |row| row.number)),
        created_by: ActiveValue::Set(new.created_by),
        created_at: ActiveValue::Set(new.at.into()),
        updated_at: ActiveValue::Set(new.at.into()),
    };
    let row = collection::Entity::insert(row).exec_with_returning(db).await.doing("making a collection")?;
    Ok(row.into())
}

/// Deletes a collection with everything in it.
pub async fn delete(db: &impl ConnectionTrait, id: i64) -> Result<(), StoreError> {
    collection_item::Entity::delete_many()
        .filter(collection_item::Column::CollectionId.eq(id))
        .exec(db)
        .await
        .doing("emptying a collection")?;
    collection::Entity::delete_by_id(id).exec(db).await.doing("deleting a collection")?;
    Ok(())
}

/// What is put into a collection.
#[derive(Clone, Debug)]
pub struct NewItem<'a> {
    /// Random id of 24 hex digits.
    pub public_id: &'a str,
    /// Database id of the collection.
    pub collection_id: i64,
    /// Database id of the repository.
    pub repo_id: i64,
    /// What is said of it.
    pub note: Option<&'a str>,
    /// Who puts it there.
    pub added_by: Option<i64>,
    /// Now.
    pub at: Timestamp,
}

/// Puts a repository at the end of a collection, which must not have it.
pub async fn add(db: &impl ConnectionTrait, new: NewItem<'_>) -> Result<(), StoreError> {
    let mut sql = Sql::new(db);
    sql.push("SELECT COALESCE(max(position), -1) + 1 AS number FROM collection_item WHERE collection_id = ");
    sql.bind(new.collection_id);
    let next: Vec<Number> = sql.rows(db, "adding to a collection").await?;
    let row = collection_item::ActiveModel {
        id: ActiveValue::NotSet,
        public_id: ActiveValue::Set(new.public_id.to_owned()),
        collection_id: ActiveValue::Set(new.collection_id),
        repo_id: ActiveValue::Set(new.repo_id),
        position: ActiveValue::Set(next.first().map_or(0, |row| row.number)),
        note: ActiveValue::Set(new.note.map(str::to_owned)),
        added_by: ActiveValue::Set(new.added_by),
        added_at: ActiveValue::Set(new.at.into()),
    };
    match collection_item::Entity::insert(row).exec_without_returning(db).await {
        Ok(_) => touch(db, new.collection_id, new.at).await,
        Err(error) if dialect::is_unique_violation(&error) => {
            Err(StoreError::Conflict { what: "this repository in this collection".to_owned() })
        }
        Err(source) => Err(source).doing("adding to a collection"),
    }
}

/// Takes a repository out of a collection; returns whether it was in it.
pub async fn remove(
    db: &impl ConnectionTrait,
    collection_id: i64,
    repo_id: i64,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let done = collection_item::Entity::delete_many()
        .filter(collection_item::Column::CollectionId.eq(collection_id))
        .filter(collection_item::Column::RepoId.eq(repo_id))
        .exec(db)
        .await
        .doing("taking from a collection")?;
    if done.rows_affected > 0 {
        touch(db, collection_id, at).await?;
    }
    Ok(done.rows_affected > 0)
}

async fn touch(db: &impl ConnectionTrait, id: i64, at: Timestamp) -> Result<(), StoreError> {
    collection::Entity::update_many()
        .col_expr(collection::Column::UpdatedAt, Expr::value(at.as_millis()))
        .filter(collection::Column::Id.eq(id))
        .exec(db)
        .await
        .doing("changing a collection")?;
    Ok(())
}

/// What a list of collections asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Namespaces, in lower case, one of which it must belong to; any if there are none.
    pub owners: Vec<String>,
    /// Database ids of repositories, one of which must be in it; any if this is absent.
    pub repos: Option<Vec<i64>>,
    /// Folded texts that must all be within title and description.
    pub texts: Vec<String>,
    /// Where to go on: time and random id of the last one seen.
    pub after: Option<(Timestamp, String)>,
    /// Most collections.
    pub limit: u64,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    id: i64,
    public_id: String,
    namespace_id: i64,
    title: String,
    description: Option<String>,
    theme: Theme,
    visibility: VisibilityColumn,
    position: i64,
    updated_at: i64,
}

impl From<Row> for Collection {
    fn from(row: Row) -> Self {
        Collection {
            id: row.id,
            public_id: row.public_id,
            namespace_id: row.namespace_id,
            title: row.title,
            description: row.description,
            theme: row.theme,
            visibility: row.visibility.into(),
            position: row.position,
            updated_at: Timestamp::from_millis(row.updated_at),
        }
    }
}

const COLUMNS: &str = "SELECT c.id, c.public_id, c.namespace_id, c.title, c.description, c.theme, c.visibility, \
                       c.position, c.updated_at FROM collection c WHERE 1 = 1";

/// Adds the condition that somebody may see a collection.
fn seen(sql: &mut Sql, sight: &Sight) {
    if sight.scope.everything {
        return;
    }
    sql.push(" AND (c.visibility = ").bind(VisibilityColumn::Public.to_value());
    if sight.scope.internal {
        sql.push(" OR c.visibility = ").bind(VisibilityColumn::Internal.to_value());
    }
    if !sight.scope.namespaces.is_empty() {
        sql.push(" OR c.namespace_id IN (").numbers(&sight.scope.namespaces).push(")");
    }
    if let Some(principal) = sight.principal {
        sql.push(" OR c.namespace_id IN (SELECT id FROM namespace WHERE owner_id = ").bind(principal).push(")");
    }
    sql.push(")");
}

/// Collections that somebody may see, the last changed first.
pub async fn page(db: &impl ConnectionTrait, sight: &Sight, asked: &Asked) -> Result<Vec<Collection>, StoreError> {
    if asked.repos.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(db);
    sql.push(COLUMNS);
    seen(&mut sql, sight);
    if !asked.owners.is_empty() {
        sql.push(" AND c.namespace_id IN (SELECT id FROM namespace WHERE name_lower IN (");
        for (index, owner) in asked.owners.iter().enumerate() {
            sql.push(if index == 0 { "" } else { ", " }).bind(owner.as_str());
        }
        sql.push("))");
    }
    if let Some(repos) = &asked.repos {
        sql.push(" AND c.id IN (SELECT collection_id FROM collection_item WHERE repo_id IN (").numbers(repos);
        sql.push("))");
    }
    for text in &asked.texts {
        sql.push(" AND c.folded LIKE ").bind(dialect::containing(text)).push(" ESCAPE '!'");
    }
    if let Some((at, public_id)) = &asked.after {
        sql.push(" AND (c.updated_at < ").bind(at.as_millis()).push(" OR (c.updated_at = ").bind(at.as_millis());
        sql.push(" AND c.public_id < ").bind(public_id.as_str()).push("))");
    }
    sql.push(" ORDER BY c.updated_at DESC, c.public_id DESC LIMIT ");
    sql.bind(i64::try_from(asked.limit).unwrap_or(i64::MAX));
    let rows: Vec<Row> = sql.rows(db, "listing collections").await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// The collection with this random id, if somebody may see it.
pub async fn by_public_id(
    db: &impl ConnectionTrait,
    sight: &Sight,
    public_id: &str,
) -> Result<Option<Collection>, StoreError> {
    let mut sql = Sql::new(db);
    sql.push(COLUMNS).push(" AND c.public_id = ").bind(public_id);
    seen(&mut sql, sight);
    let rows: Vec<Row> = sql.rows(db, "looking up a collection").await?;
    Ok(rows.into_iter().next().map(Into::into))
}

/// A repository in a collection.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Item {
    /// Database id of the collection.
    pub collection_id: i64,
    /// Random id of 24 hex digits.
    pub public_id: String,
    /// Database id of the repository.
    pub repo_id: i64,
    /// Database id of the commit that its default branch serves.
    pub commit_id: i64,
    /// Place in the collection.
    pub position: i64,
    /// What is said of it.
    pub note: Option<String>,
}

/// What is in some collections as far as somebody may see it, in order; at most `each` of every one.
///
/// Repositories that serve nothing are left out with those that are hidden: `repo_search` has neither.
pub async fn items(
    db: &impl ConnectionTrait,
    scope: &ReadScope,
    collections: &[i64],
    each: u64,
) -> Result<Vec<Item>, StoreError> {
    if collections.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(db);
    sql.push(
        "SELECT collection_id, public_id, repo_id, commit_id, position, note FROM ( \
         SELECT i.collection_id, i.public_id, i.repo_id, s.commit_id, i.position, i.note, \
         row_number() OVER (PARTITION BY i.collection_id ORDER BY i.position, i.id) AS place \
         FROM collection_item i JOIN repo_search s ON s.repo_id = i.repo_id WHERE i.collection_id IN (",
    );
    sql.numbers(collections).push(")");
    visible(&mut sql, scope, "s.visibility", "s.repo_id", Namespace::Column("s.namespace_id"));
    sql.push(") numbered WHERE place <= ").bind(i64::try_from(each).unwrap_or(i64::MAX));
    sql.push(" ORDER BY collection_id, place");
    sql.rows(db, "reading collections").await
}
