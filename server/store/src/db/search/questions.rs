//! Lists in an order of their own: how many repositories match, and one page of them.
//!
//! Counting comes first and decides how a page is found. Where few match, they are found by the index of what is asked
//! for and sorted; where many do, the index of the order is walked until the page is full. Both databases then touch a
//! few thousand rows at most, wherever in the list the page lies, instead of choosing by guesses.

use acervo_core::{RepoKind, Visibility};
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::db::dialect;
use crate::db::number::from_bigint;
use crate::db::repos::ReadScope;
use crate::db::sql::Sql;
use crate::error::StoreError;

/// As many matches are found and sorted rather than met on a walk along the order.
const FEW: u64 = 2_000;

/// As far as keys are counted to find the rarest: reading so much of an index costs less than probing the rows of a key that
/// is twice as frequent as another.
const COUNTED: u64 = 50_000;

/// Order of a list; ties are broken by the random public id, in the same direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sort {
    /// When something was last published here.
    Published,
    /// When the served commit was made.
    Modified,
    /// When it was created.
    Created,
    /// Downloads counted here.
    Downloads,
    /// Number of parameters.
    Parameters,
    /// Bytes of all files.
    Bytes,
    /// Name.
    Name,
}

impl Sort {
    fn column(self) -> &'static str {
        match self {
            Sort::Published => "s.published_at",
            Sort::Modified => "s.modified_at",
            Sort::Created => "s.created_at",
            Sort::Downloads => "s.downloads",
            Sort::Parameters => "s.parameters",
            Sort::Bytes => "s.bytes",
            Sort::Name => "s.name",
        }
    }
}

/// What a list may ask of gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GatedIs {
    /// Not gated.
    Open,
    /// Gated, in either way.
    Any,
    /// Access is given to those who accept the terms.
    Auto,
    /// Somebody looks at each request.
    Manual,
}

/// Which repositories are listed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Only those the caller may see.
    pub scope: ReadScope,
    /// Only this kind; all kinds otherwise.
    pub kind: Option<RepoKind>,
    /// Texts that must all be within the name; folded.
    pub names: Vec<String>,
    /// Namespace, in lower case.
    pub namespace: Option<String>,
    /// Keys that must all be there.
    pub keys: Vec<String>,
    /// What is asked of gates.
    pub gated: Option<GatedIs>,
    /// Least and most parameters; those of unknown number are left out.
    pub parameters: Option<(u64, u64)>,
}

impl Filter {
    /// Everything that the caller may see.
    pub fn all(scope: ReadScope) -> Filter {
        Filter {
            scope,
            kind: None,
            names: Vec::new(),
            namespace: None,
            keys: Vec::new(),
            gated: None,
            parameters: None,
        }
    }

    /// Whether something but keys, kind and rights decides.
    fn looks_beyond_keys(&self) -> bool {
        !self.names.is_empty() || self.namespace.is_some() || self.gated.is_some() || self.parameters.is_some()
    }

    /// Conditions on `repo_search s`, without keys. On a walk, no other index than that of the order shall be chosen.
    fn conditions(&self, sql: &mut Sql, is_walk: bool) {
        let backend = sql.backend;
        let column = |name: &str| if is_walk { dialect::filter_only(backend, name) } else { name.to_owned() };
        sql.push("1 = 1");
        if let Some(kind) = self.kind {
            sql.push(" AND s.kind = ").bind(kind.as_str());
        }
        if let Some(namespace) = &self.namespace {
            sql.push(&format!(" AND {} = ", column("s.namespace"))).bind(namespace.as_str());
        }
        if let Some((least, most)) = self.parameters {
            let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            let column = column("s.parameters");
            sql.push(&format!(" AND {column} >= ")).bind(bound(least.max(1)));
            sql.push(&format!(" AND {column} <= ")).bind(bound(most));
        }
        for text in &self.names {
            sql.push(" AND s.name LIKE ").bind(dialect::containing(text)).push(" ESCAPE '!'");
        }
        match self.gated {
            None => {}
            Some(GatedIs::Open) => gated(sql, "NOT IN", "<> 'none'"),
            Some(GatedIs::Any) => gated(sql, "IN", "<> 'none'"),
            Some(GatedIs::Auto) => gated(sql, "IN", "= 'auto'"),
            Some(GatedIs::Manual) => gated(sql, "IN", "= 'manual'"),
        }
        let namespace = Namespace::Column("s.namespace_id");
        visible(sql, &self.scope, &column("s.visibility"), &column("s.repo_id"), namespace);
    }

    /// `FROM .. WHERE ..` that finds what matches by the index of the rarest key, or of what else is asked for.
    fn by_what_is_asked(&self, sql: &mut Sql, rarest: Option<&str>) {
        let Some(rarest) = rarest else {
            sql.push(" FROM repo_search s WHERE ");
            return self.conditions(sql, false);
        };
        let is_joined = self.looks_beyond_keys();
        sql.push(" FROM repo_tag t");
        if is_joined {
            // In SQLite, this order and no other.
            sql.push(" CROSS JOIN repo_search s");
        }
        sql.push(" WHERE t.tag = ").bind(rarest);
        if let Some(kind) = self.kind {
            sql.push(" AND t.repo_kind = ").bind(kind.as_str());
        }
        for key in self.keys.iter().filter(|key| *key != rarest) {
            if dialect::joins_ranges(sql.backend) {
                sql.push(" AND t.repo_id IN (SELECT k.repo_id FROM repo_tag k WHERE k.tag = ").bind(key.as_str());
                if let Some(kind) = self.kind {
                    sql.push(" AND k.repo_kind = ").bind(kind.as_str());
                }
                sql.push(")");
            } else {
                has_one_of(sql, "t.repo_id", std::slice::from_ref(key));
            }
        }
        if is_joined {
            sql.push(" AND s.repo_id = t.repo_id AND ");
            self.conditions(sql, false);
        } else {
            visible(sql, &self.scope, "t.visibility", "t.repo_id", Namespace::OfRepo("t.repo_id"));
        }
    }
}

fn gated(sql: &mut Sql, relation: &str, which: &str) {
    // The second condition is what the partial index is for.
    sql.push(&format!(" AND s.repo_id {relation} (SELECT id FROM repo WHERE gated {which} AND gated <> 'none')"));
}

/// A probe of one row's keys, written so that neither database turns it into a join.
pub(super) fn has_one_of(sql: &mut Sql, repo_id: &str, keys: &[String]) {
    sql.push(&format!(" AND (SELECT count(*) FROM repo_tag k WHERE k.repo_id = {repo_id} AND k.tag IN ("));
    for (index, key) in keys.iter().enumerate() {
        sql.push(if index == 0 { "" } else { ", " }).bind(key.as_str());
    }
    sql.push(")) > 0");
}

/// Where a row's namespace is found.
#[derive(Clone, Copy, Debug)]
pub(in crate::db) enum Namespace {
    /// In a column of its own.
    Column(&'static str),
    /// By the repository in this column.
    OfRepo(&'static str),
}

/// Adds the condition that the caller may see a row; visibility is part of every question, so that nothing hidden is
/// counted either.
pub(in crate::db) fn visible(sql: &mut Sql, scope: &ReadScope, visibility: &str, repo_id: &str, namespace: Namespace) {
    if scope.everything {
        return;
    }
    let (public, internal) = (Visibility::Public.as_str(), Visibility::Internal.as_str());
    sql.push(&format!(" AND ({visibility} IN ('{public}'"));
    if scope.internal {
        sql.push(&format!(", '{internal}'"));
    }
    sql.push(")");
    if !scope.namespaces.is_empty() {
        match namespace {
            Namespace::Column(column) => sql.push(&format!(" OR {column} IN (")).numbers(&scope.namespaces).push(")"),
            Namespace::OfRepo(column) => sql
                .push(&format!(" OR {column} IN (SELECT repo_id FROM repo_search WHERE namespace_id IN ("))
                .numbers(&scope.namespaces)
                .push("))"),
        };
    }
    if !scope.repos.is_empty() {
        sql.push(&format!(" OR {repo_id} IN (")).numbers(&scope.repos).push(")");
    }
    sql.push(")");
}

#[derive(Debug, FromQueryResult)]
struct Number {
    number: i64,
}

/// How many repositories match.
pub async fn count(db: &impl ConnectionTrait, filter: &Filter) -> Result<u64, StoreError> {
    let rarest = rarest(db, filter).await?;
    let mut sql = Sql::new(db);
    sql.push("SELECT count(*) AS number");
    filter.by_what_is_asked(&mut sql, rarest);
    let rows: Vec<Number> = sql.rows(db, "counting repositories").await?;
    from_bigint(rows.first().map_or(0, |row| row.number))
}

/// The key that fewest repositories have, as far as it is worth counting.
async fn rarest<'a>(db: &impl ConnectionTrait, filter: &'a Filter) -> Result<Option<&'a str>, StoreError> {
    let (Some(first), true) = (filter.keys.first(), filter.keys.len() > 1) else {
        return Ok(filter.keys.first().map(String::as_str));
    };
    let mut sql = Sql::new(db);
    // Where ranges are joined, the rarest need not be known exactly.
    let counted = if dialect::joins_ranges(sql.backend) { FEW } else { COUNTED };
    for (index, key) in filter.keys.iter().enumerate() {
        sql.push(if index == 0 { "" } else { " UNION ALL " });
        sql.push("SELECT (SELECT count(*) FROM (SELECT 1 FROM repo_tag t WHERE t.tag = ").bind(key.as_str());
        if let Some(kind) = filter.kind {
            sql.push(" AND t.repo_kind = ").bind(kind.as_str());
        }
        sql.push(&format!(" LIMIT {counted}) few) AS number"));
    }
    let counts: Vec<Number> = sql.rows(db, "counting tags").await?;
    let rarest = filter.keys.iter().zip(counts).min_by_key(|(_, count)| count.number);
    Ok(Some(rarest.map_or(first, |(key, _)| key)))
}

/// What a list is ordered by, of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A time or a number.
    Number(i64),
    /// A name in lower case.
    Text(String),
}

/// Where in a list a repository stands, whether it is still there or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// What the list is ordered by.
    pub value: Value,
    /// The repository's random id.
    pub public_id: String,
}

/// A repository of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Database id.
    pub repo_id: i64,
    /// Database id of the commit that its default branch serves.
    pub commit_id: i64,
    /// Where it stands.
    pub position: Position,
}

#[derive(Debug, FromQueryResult)]
struct NumberedRow {
    repo_id: i64,
    commit_id: i64,
    public_id: String,
    value: i64,
}

#[derive(Debug, FromQueryResult)]
struct NamedRow {
    repo_id: i64,
    commit_id: i64,
    public_id: String,
    value: String,
}

/// A page of those that match, `total` of which there are, after a position.
///
/// ```sql
/// -- few
/// SELECT .. FROM repo_search s WHERE s.repo_id IN (SELECT t.repo_id FROM repo_tag t WHERE t.tag = $1 AND ..)
///   AND (s.modified_at, s.public_id) < ($2, $3) ORDER BY +s.modified_at DESC, s.public_id DESC LIMIT $4
/// -- many
/// SELECT .. FROM repo_search s WHERE s.kind = $1 AND (SELECT count(*) FROM repo_tag k ..) > 0 AND ..
///   AND (s.modified_at, s.public_id) < ($2, $3) ORDER BY s.modified_at DESC, s.public_id DESC LIMIT $4
/// ```
/// Positions are values and not places, so rows that come, go or move between two pages shift nothing.
pub async fn page(
    db: &impl ConnectionTrait,
    filter: &Filter,
    (sort, ascends): (Sort, bool),
    after: Option<&Position>,
    total: u64,
    limit: u64,
) -> Result<Vec<Listed>, StoreError> {
    let is_walk = total > FEW;
    let rarest = if is_walk { None } else { rarest(db, filter).await? };
    let mut sql = Sql::new(db);
    let column = sort.column();
    sql.push(&format!("SELECT s.repo_id, s.commit_id, s.public_id, {column} AS value FROM repo_search s WHERE "));
    let ordered = if is_walk {
        filter.conditions(&mut sql, true);
        for key in &filter.keys {
            has_one_of(&mut sql, "s.repo_id", std::slice::from_ref(key));
        }
        column.to_owned()
    } else {
        sql.push(&format!("s.repo_id IN (SELECT {}.repo_id", if rarest.is_some() { "t" } else { "s" }));
        filter.by_what_is_asked(&mut sql, rarest);
        sql.push(")");
        dialect::sort_only(sql.backend, column, sort == Sort::Name)
    };
    let (relation, direction) = if ascends { (">", "ASC") } else { ("<", "DESC") };
    if let Some(position) = after {
        sql.push(&format!(" AND ({ordered}, s.public_id) {relation} ("));
        match &position.value {
            Value::Number(number) => sql.bind(*number),
            Value::Text(text) => sql.bind(text.as_str()),
        };
        sql.push(", ").bind(position.public_id.as_str()).push(")");
    }
    sql.push(&format!(" ORDER BY {ordered} {direction}, s.public_id {direction} LIMIT "));
    sql.bind(i64::try_from(limit).unwrap_or(i64::MAX));
    const DOING: &str = "listing repositories";
    if sort == Sort::Name {
        let rows: Vec<NamedRow> = sql.rows(db, DOING).await?;
        let listed = |row: NamedRow| {
            let position = Position { value: Value::Text(row.value), public_id: row.public_id };
            Listed { repo_id: row.repo_id, commit_id: row.commit_id, position }
        };
        return Ok(rows.into_iter().map(listed).collect());
    }
    let rows: Vec<NumberedRow> = sql.rows(db, DOING).await?;
    let listed = |row: NumberedRow| {
        let position = Position { value: Value::Number(row.value), public_id: row.public_id };
        Listed { repo_id: row.repo_id, commit_id: row.commit_id, position }
    };
    Ok(rows.into_iter().map(listed).collect())
}

/// A tag that some repository has.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct TagRow {
    /// Sort of the tag, as in `license`.
    pub sort: String,
    /// The tag, as the first of those who have it writes it.
    pub tag: String,
}

/// Tags of repositories of a kind, as far as the caller may see one that has them, by sort and tag.
///
/// Both databases read one index from end to end. Where repositories differ in what a tag is, the more telling sort wins.
pub async fn tags(db: &impl ConnectionTrait, scope: &ReadScope, kind: RepoKind) -> Result<Vec<TagRow>, StoreError> {
    let mut sql = Sql::new(db);
    sql.push(
        "SELECT COALESCE(NULLIF(max(CASE t.kind WHEN 'other' THEN '' ELSE t.kind END), ''), 'other') AS sort, \
         min(COALESCE(t.spelling, t.tag)) AS tag FROM repo_tag t WHERE t.kind <> '' AND t.repo_kind = ",
    );
    sql.bind(kind.as_str());
    let visibility = dialect::filter_only(sql.backend, "t.visibility");
    visible(&mut sql, scope, &visibility, "t.repo_id", Namespace::OfRepo("t.repo_id"));
    sql.push(" GROUP BY t.tag ORDER BY 1, t.tag");
    sql.rows(db, "listing tags").await
}
