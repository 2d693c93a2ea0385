//! Words of repositories: kept by FTS5 in SQLite and as text vectors in Postgres, found alike.
//!
//! Words come cut and folded, made of letters and digits only, so neither database's own idea of words comes into play
//! and none needs quoting for its content. Both databases only say who has which words; the order of what is found is
//! not left to them.

use acervo_core::words::Term;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult};

use crate::db::sql::Sql;
use crate::error::StoreError;

/// As many rows are found and sorted rather than met on a walk along their ids.
const FEW: i64 = 2_000;

/// Which words of a repository are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::db) enum Where {
    /// Those of its name and tags.
    Labels,
    /// All of them, those of its card too.
    Anywhere,
}

/// Keeps the words of a repository in place of those it had; both texts have a space between words.
pub(in crate::db) async fn put(
    db: &impl ConnectionTrait,
    repo_id: i64,
    labels: &str,
    card: &str,
) -> Result<(), StoreError> {
    remove(db, repo_id).await?;
    let mut sql = Sql::new(db);
    match sql.backend {
        DbBackend::Sqlite => {
            sql.push("INSERT INTO repo_words (rowid, labels, card) VALUES (").bind(repo_id);
            sql.push(", ").bind(labels).push(", ").bind(card).push(")");
        }
        _ => {
            let all = [labels, card].join(" ");
            sql.push("INSERT INTO repo_words (repo_id, labels, words) VALUES (").bind(repo_id);
            sql.push(", array_to_tsvector(string_to_array(").bind(labels.trim());
            sql.push(", ' ')), array_to_tsvector(string_to_array(").bind(all.trim()).push(", ' ')))");
        }
    }
    sql.run(db, "keeping words").await
}

/// Forgets the words of a repository.
pub(in crate::db) async fn remove(db: &impl ConnectionTrait, repo_id: i64) -> Result<(), StoreError> {
    let mut sql = Sql::new(db);
    let key = key(sql.backend);
    sql.push(&format!("DELETE FROM repo_words WHERE {key} = ")).bind(repo_id);
    sql.run(db, "forgetting words").await
}

/// Column of `repo_words` that holds a repository's database id.
pub(in crate::db) fn key(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => "rowid",
        _ => "repo_id",
    }
}

/// Adds the condition that rows of `repo_words` have every one of these words.
pub(in crate::db) fn have(sql: &mut Sql, place: Where, terms: &[Term]) {
    match (sql.backend, place) {
        (DbBackend::Sqlite, _) => sql.push("repo_words MATCH ").bind(fts5(place, terms)),
        (_, Where::Labels) => sql.push("repo_words.labels @@ ").bind(tsquery(terms)).push("::tsquery"),
        (_, Where::Anywhere) => sql.push("repo_words.words @@ ").bind(tsquery(terms)).push("::tsquery"),
    };
}

/// Whether so few have every one of these words that they are better found and then sorted.
///
/// SQLite gives rows by id in any case. Postgres does not know how frequent the beginning of a word is, and would walk
/// through all rows for one that next to nobody has; a list of a rare word in its index is short.
pub(in crate::db) async fn are_few(
    db: &impl ConnectionTrait,
    place: Where,
    terms: &[Term],
) -> Result<bool, StoreError> {
    let mut sql = Sql::new(db);
    if sql.backend == DbBackend::Sqlite {
        return Ok(false);
    }
    sql.push("SELECT count(*) AS number FROM (SELECT 1 FROM repo_words WHERE ");
    have(&mut sql, place, terms);
    sql.push(&format!(" LIMIT {FEW}) few"));
    let rows: Vec<Number> = sql.rows(db, "counting words").await?;
    Ok(rows.first().is_some_and(|row| row.number < FEW))
}

#[derive(Debug, FromQueryResult)]
struct Number {
    number: i64,
}

/// Adds the condition that rows of `repo_words` lack one of these words in names and tags.
pub(in crate::db) fn lack_in_labels(sql: &mut Sql, terms: &[Term]) {
    match sql.backend {
        DbBackend::Sqlite => {
            sql.push("repo_words.rowid NOT IN (SELECT rowid FROM repo_words WHERE repo_words MATCH ");
            sql.bind(fts5(Where::Labels, terms)).push(")");
        }
        _ => {
            sql.push("NOT repo_words.labels @@ ").bind(tsquery(terms)).push("::tsquery");
        }
    }
}

fn fts5(place: Where, terms: &[Term]) -> String {
    let term = |term: &Term| format!("\"{}\"{}", term.word, if term.is_prefix { "*" } else { "" });
    let all = terms.iter().map(term).collect::<Vec<_>>().join(" AND ");
    match place {
        Where::Labels => format!("labels : ({all})"),
        Where::Anywhere => all,
    }
}

fn tsquery(terms: &[Term]) -> String {
    let term = |term: &Term| format!("'{}'{}", term.word, if term.is_prefix { ":*" } else { "" });
    terms.iter().map(term).collect::<Vec<_>>().join(" & ")
}
