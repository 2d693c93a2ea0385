//! Commits: what is known of them, what is held, what is visible, and the card each carries.

use std::collections::HashMap;

use acervo_core::card::Card;
use acervo_core::{CommitOid, Selection, Timestamp};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveEnum, ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Statement,
};
use serde_json::Value;

use super::dialect;
use super::entity::value::{Names, OidColumn, SelectionColumn};
use super::entity::{card, commit_tag, decision, repo_commit};
use crate::error::{Doing, StoreError};

pub use super::entity::decision::Outcome;
pub use super::entity::repo_commit::State;

/// A commit, as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// Database id.
    pub id: i64,
    /// Its id in the repository.
    pub oid: CommitOid,
    /// How far it has come.
    pub state: State,
    /// First line of its message.
    pub title: String,
    /// The rest of its message.
    pub message: String,
    /// Who wrote it, by upstream's names.
    pub authors: Vec<String>,
    /// When it was written.
    pub committed_at: Option<Timestamp>,
    /// The next older commit in upstream's log.
    pub predecessor: Option<CommitOid>,
    /// Complete listing upstream declared.
    pub upstream_listing_id: Option<i64>,
    /// What of it is held and served.
    pub served_listing_id: Option<i64>,
    /// Patterns that lead from the one to the other.
    pub selection: Selection,
    /// What upstream said of the repository at this commit.
    pub upstream_info: Option<Value>,
}

impl From<repo_commit::Model> for Commit {
    fn from(row: repo_commit::Model) -> Self {
        Commit {
            id: row.id,
            oid: row.oid.into(),
            state: row.state,
            title: row.title,
            message: row.message,
            authors: row.authors.0,
            committed_at: row.committed_at.map(Into::into),
            predecessor: row.predecessor.map(Into::into),
            upstream_listing_id: row.upstream_listing_id,
            served_listing_id: row.served_listing_id,
            selection: row.selection.map(|selection| selection.0).unwrap_or_default(),
            upstream_info: row.upstream_info,
        }
    }
}

/// What an upstream's log says of a commit.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// Its id.
    pub oid: CommitOid,
    /// First line of its message.
    pub title: String,
    /// The rest of its message.
    pub message: String,
    /// Who wrote it.
    pub authors: Vec<String>,
    /// When it was written.
    pub committed_at: Option<Timestamp>,
    /// The next older commit in the log.
    pub predecessor: Option<CommitOid>,
}

/// The commit with this id in a repository.
pub async fn by_oid(db: &impl ConnectionTrait, repo_id: i64, oid: CommitOid) -> Result<Option<Commit>, StoreError> {
    let row = repo_commit::Entity::find()
        .filter(repo_commit::Column::RepoId.eq(repo_id))
        .filter(repo_commit::Column::Oid.eq(OidColumn::from(oid)))
        .one(db)
        .await
        .doing("looking up a commit")?;
    Ok(row.map(Into::into))
}

/// The commit with this database id.
pub async fn by_id(db: &impl ConnectionTrait, id: i64) -> Result<Option<Commit>, StoreError> {
    let row = repo_commit::Entity::find_by_id(id).one(db).await.doing("looking up a commit")?;
    Ok(row.map(Into::into))
}

/// The commits with these database ids, in no order.
pub async fn by_ids(db: &impl ConnectionTrait, ids: &[i64]) -> Result<Vec<Commit>, StoreError> {
    let rows = repo_commit::Entity::find()
        .filter(repo_commit::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await
        .doing("looking up commits")?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// At most two visible commits whose ids lie between two ids, inclusive: how an abbreviated id is resolved.
pub async fn visible_between(
    db: &impl ConnectionTrait,
    repo_id: i64,
    first: CommitOid,
    last: CommitOid,
) -> Result<Vec<Commit>, StoreError> {
    let rows = repo_commit::Entity::find()
        .filter(repo_commit::Column::RepoId.eq(repo_id))
        .filter(repo_commit::Column::State.eq(State::Visible))
        .filter(repo_commit::Column::Oid.between(OidColumn::from(first), OidColumn::from(last)))
        .limit(2)
        .all(db)
        .await
        .doing("looking up a commit")?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Notes commits of an upstream's log; what is known of a commit already stays.
pub async fn insert_log(
    db: &impl ConnectionTrait,
    repo_id: i64,
    log: &[LogEntry],
    at: Timestamp,
) -> Result<(), StoreError> {
    const COLUMNS: usize = 15;
    for chunk in log.chunks(dialect::rows_per_statement(COLUMNS)) {
        let rows = chunk.iter().map(|entry| repo_commit::ActiveModel {
            id: ActiveValue::NotSet,
            repo_id: ActiveValue::Set(repo_id),
            oid: ActiveValue::Set(entry.oid.into()),
            state: ActiveValue::Set(State::Known),
            title: ActiveValue::Set(entry.title.clone()),
            message: ActiveValue::Set(entry.message.clone()),
            authors: ActiveValue::Set(Names(entry.authors.clone())),
            committed_at: ActiveValue::Set(entry.committed_at.map(Into::into)),
            predecessor: ActiveValue::Set(entry.predecessor.map(Into::into)),
            upstream_listing_id: ActiveValue::Set(None),
            served_listing_id: ActiveValue::Set(None),
            selection: ActiveValue::Set(None),
            upstream_info: ActiveValue::Set(None),
            created_at: ActiveValue::Set(at.into()),
            published_at: ActiveValue::Set(None),
        });
        let ignore =
            OnConflict::columns([repo_commit::Column::RepoId, repo_commit::Column::Oid]).do_nothing().to_owned();
        repo_commit::Entity::insert_many(rows)
            .on_conflict(ignore)
            .exec_without_returning(db)
            .await
            .doing("noting commits")?;
    }
    Ok(())
}

/// A commit of a log; only what the log shows.
#[derive(Debug, FromQueryResult)]
struct LogRow {
    id: i64,
}

/// A commit and its predecessors as far as they are known, newest first.
///
/// ```sql
/// WITH RECURSIVE log(id, predecessor, depth) AS (
///   SELECT id, predecessor, 0 FROM repo_commit WHERE repo_id = $1 AND oid = $2
///   UNION ALL
///   SELECT c.id, c.predecessor, log.depth + 1 FROM log
///   JOIN repo_commit c ON c.repo_id = $1 AND c.oid = log.predecessor WHERE log.depth < $3)
/// SELECT id FROM log ORDER BY depth
/// ```
/// Both planners probe the unique index on `(repo_id, oid)` once a step. The depth bound also ends a cycle that a
/// hostile upstream could declare.
pub async fn log(
    db: &impl ConnectionTrait,
    repo_id: i64,
    from: CommitOid,
    limit: u64,
) -> Result<Vec<Commit>, StoreError> {
    const SQL: &str = "WITH RECURSIVE log(id, predecessor, depth) AS ( \
         SELECT id, predecessor, 0 FROM repo_commit WHERE repo_id = $1 AND oid = $2 \
         UNION ALL \
         SELECT c.id, c.predecessor, log.depth + 1 FROM log \
         JOIN repo_commit c ON c.repo_id = $1 AND c.oid = log.predecessor WHERE log.depth < $3) \
         SELECT id FROM log ORDER BY depth";
    let last_depth = i64::try_from(limit.saturating_sub(1)).unwrap_or(i64::MAX);
    let values = [repo_id.into(), OidColumn::from(from).into(), last_depth.into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), SQL, values);
    let order = LogRow::find_by_statement(statement).all(db).await.doing("reading a log")?;
    let ids: Vec<i64> = order.iter().map(|row| row.id).collect();
    let places: HashMap<i64, usize> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    let mut commits = by_ids(db, &ids).await?;
    commits.sort_by_key(|commit| places.get(&commit.id).copied());
    Ok(commits)
}

/// A commit of a chain, without what only descriptions need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its id.
    pub oid: CommitOid,
    /// First line of its message.
    pub title: String,
    /// When it was written.
    pub committed_at: Option<Timestamp>,
    /// The next older commit in upstream's log.
    pub predecessor: Option<CommitOid>,
    /// Everything it consists of, if that is known here.
    pub whole_listing_id: Option<i64>,
}

impl Link {
    /// Whether nothing was before it, as far as its log tells. Of a commit without a title no log was read.
    pub fn is_first(&self) -> bool {
        self.predecessor.is_none() && !self.title.is_empty()
    }
}

impl Commit {
    /// Everything it consists of, served or not, if that is known here.
    pub fn whole_listing_id(&self) -> Option<i64> {
        self.upstream_listing_id.or(self.served_listing_id.filter(|_| self.selection.is_everything()))
    }
}

#[derive(Debug, FromQueryResult)]
struct LinkRow {
    oid: OidColumn,
    title: String,
    committed_at: Option<i64>,
    predecessor: Option<OidColumn>,
    whole_listing_id: Option<i64>,
}

/// A commit and its predecessors as far as they are known, newest first, found as by [`log`].
pub async fn chain(
    db: &impl ConnectionTrait,
    repo_id: i64,
    from: CommitOid,
    limit: u64,
) -> Result<Vec<Link>, StoreError> {
    const SQL: &str = "WITH RECURSIVE log(id, predecessor, depth) AS ( \
         SELECT id, predecessor, 0 FROM repo_commit WHERE repo_id = $1 AND oid = $2 \
         UNION ALL \
         SELECT c.id, c.predecessor, log.depth + 1 FROM log \
         JOIN repo_commit c ON c.repo_id = $1 AND c.oid = log.predecessor WHERE log.depth < $3) \
         SELECT c.oid, c.title, c.committed_at, c.predecessor, \
         COALESCE(c.upstream_listing_id, CASE WHEN c.selection IS NULL THEN c.served_listing_id END) \
         AS whole_listing_id \
         FROM log JOIN repo_commit c ON c.id = log.id ORDER BY log.depth";
    let last_depth = i64::try_from(limit.saturating_sub(1)).unwrap_or(i64::MAX);
    let values = [repo_id.into(), OidColumn::from(from).into(), last_depth.into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), SQL, values);
    let rows = LinkRow::find_by_statement(statement).all(db).await.doing("reading a log")?;
    Ok(rows
        .into_iter()
        .map(|row| Link {
            oid: row.oid.into(),
            title: row.title,
            committed_at: row.committed_at.map(Timestamp::from_millis),
            predecessor: row.predecessor.map(Into::into),
            whole_listing_id: row.whole_listing_id,
        })
        .collect())
}

/// What a fetch learned of a commit before its bytes arrive.
#[derive(Clone, Debug)]
pub struct Fetching<'a> {
    /// Complete listing upstream declared.
    pub upstream_listing_id: i64,
    /// What upstream said of the repository.
    pub upstream_info: &'a Value,
}

/// Marks a commit as being fetched; a visible one stays visible.
pub async fn note_fetching(
    db: &impl ConnectionTrait,
    commit_id: i64,
    fetching: &Fetching<'_>,
) -> Result<(), StoreError> {
    repo_commit::Entity::update_many()
        .col_expr(repo_commit::Column::UpstreamListingId, Expr::value(fetching.upstream_listing_id))
        .col_expr(repo_commit::Column::UpstreamInfo, Expr::value(fetching.upstream_info.clone()))
        .filter(repo_commit::Column::Id.eq(commit_id))
        .exec(db)
        .await
        .doing("noting a fetch")?;
    repo_commit::Entity::update_many()
        .col_expr(repo_commit::Column::State, Expr::value(State::Fetching.to_value()))
        .filter(repo_commit::Column::Id.eq(commit_id))
        .filter(repo_commit::Column::State.eq(State::Known))
        .exec(db)
        .await
        .doing("noting a fetch")?;
    Ok(())
}

/// Makes a commit visible with what of it is served.
pub async fn publish(
    db: &impl ConnectionTrait,
    commit_id: i64,
    served_listing_id: i64,
    selection: &Selection,
    at: Timestamp,
) -> Result<(), StoreError> {
    let selection = (!selection.is_everything()).then(|| SelectionColumn(selection.clone()));
    let row = repo_commit::ActiveModel {
        id: ActiveValue::Unchanged(commit_id),
        state: ActiveValue::Set(State::Visible),
        served_listing_id: ActiveValue::Set(Some(served_listing_id)),
        selection: ActiveValue::Set(selection),
        published_at: ActiveValue::Set(Some(at.into())),
        ..Default::default()
    };
    repo_commit::Entity::update(row).exec(db).await.doing("publishing a commit")?;
    Ok(())
}

/// Records who decided what of a commit, and why.
pub async fn decide(
    db: &impl ConnectionTrait,
    commit_id: i64,
    outcome: Outcome,
    decided_by: Option<i64>,
    reason: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let row = decision::ActiveModel {
        id: ActiveValue::NotSet,
        commit_id: ActiveValue::Set(commit_id),
        outcome: ActiveValue::Set(outcome),
        decided_by: ActiveValue::Set(decided_by),
        policy_digest: ActiveValue::Set(None),
        reason: ActiveValue::Set(reason.to_owned()),
        expires_at: ActiveValue::Set(None),
        at: ActiveValue::Set(at.into()),
    };
    decision::Entity::insert(row).exec_without_returning(db).await.doing("recording a decision")?;
    Ok(())
}

/// Keeps the card of a commit and the tags it is listed under; writing it again replaces both.
pub async fn set_card(
    db: &impl ConnectionTrait,
    commit_id: i64,
    card: Option<(i64, &Card)>,
    tags: &[String],
    at: Timestamp,
) -> Result<(), StoreError> {
    card::Entity::delete_by_id(commit_id).exec(db).await.doing("replacing a card")?;
    commit_tag::Entity::delete_many()
        .filter(commit_tag::Column::CommitId.eq(commit_id))
        .exec(db)
        .await
        .doing("replacing tags")?;
    if let Some((blob_id, card)) = card {
        let row = card::ActiveModel {
            commit_id: ActiveValue::Set(commit_id),
            blob_id: ActiveValue::Set(blob_id),
            front_matter: ActiveValue::Set(card.front_matter.clone()),
            data: ActiveValue::Set(card.data.clone().map(Value::Object)),
            parse_error: ActiveValue::Set(card.parse_error.clone()),
            created_at: ActiveValue::Set(at.into()),
            words: ActiveValue::Set(Some(card.words.to_stored())),
        };
        card::Entity::insert(row).exec_without_returning(db).await.doing("keeping a card")?;
    }
    for chunk in tags.chunks(dialect::rows_per_statement(2)) {
        let rows = chunk.iter().map(|tag| commit_tag::ActiveModel {
            commit_id: ActiveValue::Set(commit_id),
            tag: ActiveValue::Set(tag.clone()),
        });
        commit_tag::Entity::insert_many(rows).exec_without_returning(db).await.doing("keeping tags")?;
    }
    Ok(())
}

/// Card fields and tags of a commit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CardFacts {
    /// Parsed fields of the card.
    pub data: Option<Value>,
    /// Tags, in the order they are listed.
    pub tags: Vec<String>,
}

/// Card fields and tags of commits, by database id.
pub async fn cards(db: &impl ConnectionTrait, commit_ids: &[i64]) -> Result<HashMap<i64, CardFacts>, StoreError> {
    let mut facts: HashMap<i64, CardFacts> = HashMap::new();
    let cards = card::Entity::find()
        .filter(card::Column::CommitId.is_in(commit_ids.iter().copied()))
        .all(db)
        .await
        .doing("reading cards")?;
    for row in cards {
        facts.entry(row.commit_id).or_default().data = row.data;
    }
    let tags = commit_tag::Entity::find()
        .filter(commit_tag::Column::CommitId.is_in(commit_ids.iter().copied()))
        .order_by_asc(commit_tag::Column::Tag)
        .all(db)
        .await
        .doing("reading tags")?;
    for row in tags {
        facts.entry(row.commit_id).or_default().tags.push(row.tag);
    }
    Ok(facts)
}
