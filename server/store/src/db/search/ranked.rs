//! Searching by words, best first, by a rule of our own: both databases find the same in the same order.
//!
//! What is within a name comes before what is among the tags, and that before what only the card says. Within a tier the
//! repository that was made here last comes first: no measure of relevance, which each database has its own of.

use acervo_core::RepoKind;
use acervo_core::words::Question;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::questions::{Namespace, has_one_of, visible};
use crate::db::dialect;
use crate::db::dialect::words::{self, Where};
use crate::db::repos::ReadScope;
use crate::db::sql::Sql;
use crate::error::StoreError;

/// How well a repository fits, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// The question is its name, with or without the namespace.
    Name = 0,
    /// Its name begins so, with or without the namespace.
    Beginning = 1,
    /// All parts of the question are within its name.
    Within = 2,
    /// All words are among those of its name and tags.
    Tags = 3,
    /// All words are among those, or in its card.
    Card = 4,
}

impl Tier {
    /// The tier of this number.
    pub fn from_number(number: i64) -> Option<Tier> {
        [Tier::Name, Tier::Beginning, Tier::Within, Tier::Tags, Tier::Card]
            .into_iter()
            .find(|tier| *tier as i64 == number)
    }
}

/// A repository that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranked {
    /// How well.
    pub tier: Tier,
    /// Database id.
    pub repo_id: i64,
    /// Database id of the commit that its default branch serves.
    pub commit_id: i64,
    /// Its random id.
    pub public_id: String,
}

/// Among which repositories is searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Among {
    /// Only those the caller may see.
    pub scope: ReadScope,
    /// Only this kind; all kinds otherwise.
    pub kind: Option<RepoKind>,
    /// Keys: of each of these lists, one at least.
    pub keys: Vec<Vec<String>>,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    tier: i64,
    repo_id: i64,
    commit_id: i64,
    public_id: String,
}

impl Row {
    fn ranked(self) -> Result<Ranked, StoreError> {
        let tier = Tier::from_number(self.tier);
        let tier = tier.ok_or_else(|| StoreError::Corrupt { what: format!("the tier {} of a search", self.tier) })?;
        Ok(Ranked { tier, repo_id: self.repo_id, commit_id: self.commit_id, public_id: self.public_id })
    }
}

/// Adds the condition that all parts of the question are within the name.
fn within(sql: &mut Sql, question: &Question) {
    sql.push("(1 = 1");
    for piece in &question.pieces {
        sql.push(" AND s.name LIKE ").bind(dialect::containing(piece)).push(" ESCAPE '!'");
    }
    sql.push(")");
}

fn among(sql: &mut Sql, among: &Among) {
    if let Some(kind) = among.kind {
        sql.push(&format!(" AND {} = ", dialect::filter_only(sql.backend, "s.kind"))).bind(kind.as_str());
    }
    for keys in &among.keys {
        has_one_of(sql, "s.repo_id", keys);
    }
    let visibility = dialect::filter_only(sql.backend, "s.visibility");
    visible(sql, &among.scope, &visibility, "s.repo_id", Namespace::Column("s.namespace_id"));
}

/// Repositories whose name has the question in it: the first three tiers, after a place among them.
///
/// Names are few and short: SQLite reads them all, Postgres asks its index of trigrams if it has one.
pub async fn by_name(
    db: &impl ConnectionTrait,
    from: &Among,
    question: &Question,
    after: Option<(Tier, i64)>,
    limit: u64,
) -> Result<Vec<Ranked>, StoreError> {
    let mut sql = Sql::new(db);
    sql.push("SELECT tier, repo_id, commit_id, public_id FROM (SELECT s.repo_id, s.commit_id, s.public_id, CAST(CASE WHEN s.name = ");
    sql.bind(question.text.as_str()).push(" OR s.name LIKE ").bind(dialect::pattern("%/", &question.text, ""));
    sql.push(" ESCAPE '!' THEN 0 WHEN s.name LIKE ").bind(dialect::pattern("", &question.text, "%"));
    sql.push(" ESCAPE '!' OR s.name LIKE ").bind(dialect::pattern("%/", &question.text, "%"));
    sql.push(" ESCAPE '!' THEN 1 ELSE 2 END AS bigint) AS tier FROM repo_search s WHERE ");
    within(&mut sql, question);
    among(&mut sql, from);
    sql.push(") found");
    if let Some((tier, repo_id)) = after {
        let tier = i64::from(tier as i32);
        sql.push(" WHERE tier > ").bind(tier).push(" OR (tier = ").bind(tier);
        sql.push(" AND repo_id < ").bind(repo_id).push(")");
    }
    sql.push(" ORDER BY tier, repo_id DESC LIMIT ").bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows: Vec<Row> = sql.rows(db, "searching names").await?;
    rows.into_iter().map(Row::ranked).collect()
}

/// Repositories of one of the last two tiers, after one of them: those of the tiers before are left out.
///
/// Both databases can give rows by their id, so a page of a frequent word ends as soon as it is full; those of a rare word
/// are found and sorted.
pub async fn by_words(
    db: &impl ConnectionTrait,
    from: &Among,
    question: &Question,
    tier: Tier,
    after: Option<i64>,
    limit: u64,
) -> Result<Vec<Ranked>, StoreError> {
    let place = if tier == Tier::Card { Where::Anywhere } else { Where::Labels };
    let have = |sql: &mut Sql| {
        words::have(sql, place, &question.terms);
        if tier == Tier::Card {
            sql.push(" AND ");
            words::lack_in_labels(sql, &question.terms);
        }
    };
    let mut sql = Sql::new(db);
    let key = words::key(sql.backend);
    let selected = format!("SELECT CAST({} AS bigint) AS tier, s.repo_id, s.commit_id, s.public_id", tier as i32);
    if words::are_few(db, place, &question.terms).await? {
        // One look for each that was found, and no other plan.
        sql.push(&format!("WITH few AS MATERIALIZED (SELECT {key} FROM repo_words WHERE "));
        have(&mut sql);
        sql.push(&format!(
            ") {selected} FROM few repo_words CROSS JOIN LATERAL (SELECT * FROM repo_search s WHERE s.repo_id = repo_words.{key} OFFSET 0) s \
             WHERE 1 = 1"
        ));
    } else {
        sql.push(&format!(
            "{selected} FROM repo_words CROSS JOIN repo_search s WHERE s.repo_id = repo_words.{key} AND "
        ));
        have(&mut sql);
    }
    sql.push(" AND NOT ");
    within(&mut sql, question);
    among(&mut sql, from);
    if let Some(repo_id) = after {
        sql.push(&format!(" AND repo_words.{key} < ")).bind(repo_id);
    }
    sql.push(&format!(" ORDER BY repo_words.{key} DESC LIMIT ")).bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows: Vec<Row> = sql.rows(db, "searching words").await?;
    rows.into_iter().map(Row::ranked).collect()
}
