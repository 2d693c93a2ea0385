//! Lists of repositories: counted, filtered, sorted, in pages; and the rows that make this fast.
//!
//! Owns `repo_search`, `repo_tag` and `repo_words`, which repeat what other rows say. Whoever changes those writes these
//! in the same transaction; what a repository is found by is decided in the domain.

mod questions;
mod ranked;

use acervo_core::catalog::Key;
use acervo_core::{RepoId, RepoKind, Timestamp, Visibility};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveEnum, ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter};

use super::dialect;
use super::dialect::words;
use super::entity::choice::{RepoKindColumn, VisibilityColumn};
use super::entity::{card, repo_search, repo_tag};
use super::number::to_bigint;
use super::sql::Sql;
use crate::error::{Doing, StoreError};

pub use questions::{Filter, GatedIs, Listed, Position, Sort, TagRow, Value, count, page, tags};
pub(super) use questions::{Namespace, visible};
pub use ranked::{Among, Ranked, Tier, by_name, by_words};

/// By which rules rows are made. Raised when they would come out otherwise; rows of other versions are made anew.
pub const VERSION: i32 = 1;

/// A repository as lists find it.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// Database id.
    pub repo_id: i64,
    /// Its random id.
    pub public_id: &'a str,
    /// Model, dataset or space.
    pub kind: RepoKind,
    /// Its name.
    pub name: &'a RepoId,
    /// Database id of its namespace.
    pub namespace_id: i64,
    /// Who may read it.
    pub visibility: Visibility,
    /// Database id of the commit that its default branch serves.
    pub commit_id: i64,
    /// When something was last published in it.
    pub published_at: Timestamp,
    /// When that commit was made.
    pub modified_at: Timestamp,
    /// When it was created.
    pub created_at: Timestamp,
    /// Downloads counted here.
    pub downloads: i64,
    /// Number of its parameters, if that is known.
    pub parameters: Option<u64>,
    /// Bytes of all files.
    pub bytes: u64,
    /// Its tags and what else it is filtered by.
    pub keys: &'a [Key],
    /// Words of its name and tags, with a space between them.
    pub labels: &'a str,
    /// Words of its card, likewise.
    pub card: &'a str,
}

/// Keeps what a repository is found by, in place of what was kept before.
pub async fn put(db: &impl ConnectionTrait, row: &Row<'_>) -> Result<(), StoreError> {
    const COLUMNS: usize = 6;
    let (kind, visibility) = (RepoKindColumn::from(row.kind), VisibilityColumn::from(row.visibility));
    let model = repo_search::ActiveModel {
        repo_id: ActiveValue::Set(row.repo_id),
        public_id: ActiveValue::Set(row.public_id.to_owned()),
        kind: ActiveValue::Set(kind),
        namespace_id: ActiveValue::Set(row.namespace_id),
        visibility: ActiveValue::Set(visibility),
        namespace: ActiveValue::Set(row.name.namespace().to_ascii_lowercase()),
        name: ActiveValue::Set(row.name.lower()),
        commit_id: ActiveValue::Set(row.commit_id),
        published_at: ActiveValue::Set(row.published_at.into()),
        modified_at: ActiveValue::Set(row.modified_at.into()),
        created_at: ActiveValue::Set(row.created_at.into()),
        downloads: ActiveValue::Set(row.downloads),
        // More parameters than a column holds are as good as unknown: they come from strangers.
        parameters: ActiveValue::Set(row.parameters.and_then(|number| i64::try_from(number).ok()).unwrap_or(0)),
        bytes: ActiveValue::Set(to_bigint(row.bytes)?),
        version: ActiveValue::Set(VERSION),
    };
    use repo_search::Column;
    let replace = OnConflict::column(Column::RepoId)
        .update_columns([
            Column::PublicId,
            Column::Kind,
            Column::NamespaceId,
            Column::Visibility,
            Column::Namespace,
            Column::Name,
            Column::CommitId,
            Column::PublishedAt,
            Column::ModifiedAt,
            Column::CreatedAt,
            Column::Downloads,
            Column::Parameters,
            Column::Bytes,
            Column::Version,
        ])
        .to_owned();
    repo_search::Entity::insert(model)
        .on_conflict(replace)
        .exec_without_returning(db)
        .await
        .doing("listing a repository")?;
    remove_tags(db, row.repo_id).await?;
    for chunk in row.keys.chunks(dialect::rows_per_statement(COLUMNS)) {
        let rows = chunk.iter().map(|key| repo_tag::ActiveModel {
            repo_id: ActiveValue::Set(row.repo_id),
            tag: ActiveValue::Set(key.key.clone()),
            kind: ActiveValue::Set(key.sort.clone()),
            spelling: ActiveValue::Set(key.spelling.clone()),
            repo_kind: ActiveValue::Set(kind),
            visibility: ActiveValue::Set(visibility),
        });
        repo_tag::Entity::insert_many(rows).exec_without_returning(db).await.doing("listing tags")?;
    }
    words::put(db, row.repo_id, row.labels, row.card).await
}

/// Takes a repository off all lists.
pub async fn remove(db: &impl ConnectionTrait, repo_id: i64) -> Result<(), StoreError> {
    words::remove(db, repo_id).await?;
    remove_tags(db, repo_id).await?;
    repo_search::Entity::delete_by_id(repo_id).exec(db).await.doing("taking a repository off the lists")?;
    Ok(())
}

async fn remove_tags(db: &impl ConnectionTrait, repo_id: i64) -> Result<(), StoreError> {
    repo_tag::Entity::delete_many()
        .filter(repo_tag::Column::RepoId.eq(repo_id))
        .exec(db)
        .await
        .doing("taking tags off the lists")?;
    Ok(())
}

/// Shows a repository on lists to others than before.
pub(super) async fn set_visibility(
    db: &impl ConnectionTrait,
    repo_id: i64,
    visibility: Visibility,
) -> Result<(), StoreError> {
    let value = VisibilityColumn::from(visibility).to_value();
    repo_search::Entity::update_many()
        .col_expr(repo_search::Column::Visibility, Expr::value(value.clone()))
        .filter(repo_search::Column::RepoId.eq(repo_id))
        .exec(db)
        .await
        .doing("changing who sees a repository on lists")?;
    repo_tag::Entity::update_many()
        .col_expr(repo_tag::Column::Visibility, Expr::value(value))
        .filter(repo_tag::Column::RepoId.eq(repo_id))
        .exec(db)
        .await
        .doing("changing who sees a repository on lists")?;
    Ok(())
}

#[derive(Debug, FromQueryResult)]
struct Id {
    id: i64,
}

/// Repositories that serve something and are on no list, or with another commit, or by other rules: what was published
/// by a version that did not know lists yet. In the order of their ids, after this one.
pub async fn unlisted(db: &impl ConnectionTrait, after: i64, limit: u64) -> Result<Vec<i64>, StoreError> {
    let mut sql = Sql::new(db);
    sql.push(
        "SELECT r.id AS id FROM repo r \
         JOIN repo_ref f ON f.repo_id = r.id AND f.kind = 'branch' AND f.name = r.default_branch \
         LEFT JOIN repo_search s ON s.repo_id = r.id \
         WHERE f.served_commit_id IS NOT NULL \
         AND (s.repo_id IS NULL OR s.commit_id <> f.served_commit_id OR s.version <> ",
    );
    sql.bind(VERSION).push(") AND r.id > ").bind(after).push(" ORDER BY r.id LIMIT ");
    sql.bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows: Vec<Id> = sql.rows(db, "looking for repositories that are on no list").await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// A card whose words were never read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct UnreadCard {
    /// The repository.
    pub repo_id: i64,
    /// The commit it belongs to.
    pub commit_id: i64,
    /// The README's bytes.
    pub blob_id: i64,
}

/// Cards of listed commits whose words were never read, after this repository.
pub async fn unread_cards(db: &impl ConnectionTrait, after: i64, limit: u64) -> Result<Vec<UnreadCard>, StoreError> {
    let mut sql = Sql::new(db);
    sql.push(
        "SELECT s.repo_id, c.commit_id, c.blob_id FROM repo_search s JOIN card c ON c.commit_id = s.commit_id \
         WHERE c.words IS NULL AND s.repo_id > ",
    );
    sql.bind(after).push(" ORDER BY s.repo_id LIMIT ").bind(i64::try_from(limit).unwrap_or(i64::MAX));
    sql.rows(db, "looking for cards that were not read").await
}

/// The words of a commit's card, with a space between them; empty if it has none, or none were read yet.
pub async fn card_words(db: &impl ConnectionTrait, commit_id: i64) -> Result<String, StoreError> {
    let row = card::Entity::find_by_id(commit_id).one(db).await.doing("reading a card's words")?;
    Ok(row.and_then(|card| card.words).unwrap_or_default())
}

/// Keeps the words of a commit's card; without any, the card counts as not read yet.
pub async fn set_card_words(db: &impl ConnectionTrait, commit_id: i64, words: Option<&str>) -> Result<(), StoreError> {
    card::Entity::update_many()
        .col_expr(card::Column::Words, Expr::value(words.map(str::to_owned)))
        .filter(card::Column::CommitId.eq(commit_id))
        .exec(db)
        .await
        .doing("keeping a card's words")?;
    Ok(())
}
