//! Where the two databases differ: addresses, connections, limits, error codes, and the few words of SQL.
//!
//! With the two files below it, which open one database each, the only place of this crate that names a database. Queries
//! elsewhere are written once for both.

mod postgres;
mod sqlite;
pub(super) mod words;

use sea_orm::sea_query::LikeExpr;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, RuntimeErr, SqlErr, SqliteTransactionMode, Statement,
    TransactionOptions,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use crate::db::connect::DatabaseConfig;
use crate::error::{Doing, StoreError};

/// Database used when none is configured: a file beside the blobs.
pub const DEFAULT_URL: &str = "sqlite://./data/acervo.db";

/// Most values bound to one statement. SQLite takes 32,766 and Postgres 65,535, but inserts become no faster beyond
/// this, while each holds the write lock longer.
pub const BIND_MAX: usize = 8_000;

/// Errors after which the same call may succeed.
const TRANSIENT_CODES: [&str; 21] = [
    // SQLITE_BUSY and its kinds.
    "5", "261", "517", "773", // The connection was lost or refused.
    "08000", "08001", "08003", "08004", "08006",
    // The server was demoted to a replica: the next connection leads to its successor.
    "25006", // The session waited too long within a transaction.
    "25P03", // Serialisation failure, deadlock.
    "40001", "40P01", // Too many connections.
    "53300", // A lock was held, a statement took, for too long.
    "55P03", "57014", // The server shuts down, crashed, starts; its database is gone; the session idled.
    "57P01", "57P02", "57P03", "57P04", "57P05",
];

/// Character that makes the next one literal in a `LIKE` pattern. Not `\`, which the databases quote differently.
const LIKE_ESCAPE: char = '!';

/// A database with the options its address stands for.
enum Target {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
}

impl Target {
    fn parse(url: &str) -> Result<Target, StoreError> {
        if url.starts_with("sqlite:") {
            return sqlite::parse(url).map(Target::Sqlite);
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return postgres::parse(url).map(Target::Postgres);
        }
        Err(StoreError::Url("`database.url` must begin with `sqlite://` or `postgres://`".to_owned()))
    }

    fn place(&self) -> String {
        match self {
            Target::Sqlite(options) => options.get_filename().display().to_string(),
            Target::Postgres(options) => postgres::place(options),
        }
    }
}

/// Where a URL leads, without credentials.
pub(super) fn place(url: &str) -> String {
    Target::parse(url).map_or_else(|_| "an address that is not understood".to_owned(), |target| target.place())
}

/// The connection pools for writing and for reading.
pub(super) async fn connect(config: &DatabaseConfig) -> Result<(DatabaseConnection, DatabaseConnection), StoreError> {
    match Target::parse(&config.url)? {
        Target::Sqlite(options) => sqlite::connect(config, &options).await,
        Target::Postgres(options) => postgres::connect(config, options).await,
    }
}

/// A database that could not be opened, and what to do about it.
fn not_opened(place: String, advice: String, error: sqlx::Error) -> StoreError {
    StoreError::Open { place, advice, source: DbErr::Conn(RuntimeErr::SqlxError(error.into())) }
}

/// How a transaction that may write begins.
///
/// SQLite takes the write lock at once: a transaction that reads first and writes later fails, without waiting, when
/// another process wrote in between. Postgres has no such mode and ignores it.
pub(super) fn write_transaction() -> TransactionOptions {
    TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    }
}

/// A question that makes the database look at its files but locks nothing.
pub(super) fn ping_sql(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => "SELECT count(*) FROM sqlite_schema",
        _ => "SELECT 1",
    }
}

/// The database's own clock, as milliseconds since the epoch in a `bigint`.
pub(super) fn now_sql(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => "CAST(round(unixepoch('subsec') * 1000) AS integer)",
        _ => "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)",
    }
}

/// How many rows of `columns` values one insert statement may carry.
pub fn rows_per_statement(columns: usize) -> usize {
    BIND_MAX / columns.max(1)
}

/// Ending of a raw `SELECT` that claims rows, so that two claimers never wait for each other nor take the same row.
///
/// SQLite needs none: its claimers hold the only write lock.
pub fn skip_locked(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => " FOR UPDATE SKIP LOCKED",
        _ => "",
    }
}

/// Number of the lock that makes sequencers of events wait for each other.
const SEQUENCER_LOCK: i64 = 0x6163_6572_7670;

/// Waits until no other transaction numbers events; holds until the caller's transaction ends.
///
/// SQLite needs none: a transaction that may write holds the only write lock.
pub(super) async fn lock_sequencer(db: &impl ConnectionTrait) -> Result<(), StoreError> {
    let backend = db.get_database_backend();
    if backend == DbBackend::Postgres {
        let lock = Statement::from_string(backend, format!("SELECT pg_advisory_xact_lock({SEQUENCER_LOCK})"));
        db.execute_raw(lock).await.doing("waiting for another sequencer of events")?;
    }
    Ok(())
}

/// Whether a statement failed because something unique exists already.
pub fn is_unique_violation(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

/// Whether the same call may succeed a little later.
pub(crate) fn is_transient(error: &DbErr) -> bool {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => is_transient_sqlx(error),
        DbErr::ConnectionAcquire(_) => true,
        _ => false,
    }
}

fn is_transient_sqlx(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| TRANSIENT_CODES.contains(&code.as_ref())),
        _ => false,
    }
}

/// A `LIKE` pattern for values that begin with `text`, taken literally.
///
/// SQLite ignores ASCII case in `LIKE`, Postgres does not: compare lower-case columns with lower-case text.
pub fn like_prefix(text: &str) -> LikeExpr {
    LikeExpr::new(format!("{}%", escape_like(text))).escape(LIKE_ESCAPE)
}

/// A `LIKE` pattern for values that contain `text`, taken literally; see [`like_prefix`] about case.
pub fn like_containing(text: &str) -> LikeExpr {
    LikeExpr::new(format!("%{}%", escape_like(text))).escape(LIKE_ESCAPE)
}

/// The pattern of [`like_containing`] as text, for statements written by hand: `column LIKE $1 ESCAPE '!'`.
pub(super) fn containing(text: &str) -> String {
    pattern("%", text, "%")
}

/// A pattern of `text`, taken literally, between two parts that are patterns already.
pub(super) fn pattern(before: &str, text: &str, after: &str) -> String {
    format!("{before}{}{after}", escape_like(text))
}

/// A column as a filter that no index shall be chosen for: the statement walks the index of its order instead.
///
/// Postgres knows how many rows a filter leaves, and is not to be misled.
pub(super) fn filter_only(backend: DbBackend, column: &str) -> String {
    match backend {
        DbBackend::Sqlite => format!("+{column}"),
        _ => column.to_owned(),
    }
}

/// Whether two ranges of an index are better joined as wholes than by probing one for each row of the other: Postgres
/// hashes or merges them, SQLite knows nested loops only.
pub(super) fn joins_ranges(backend: DbBackend) -> bool {
    backend != DbBackend::Sqlite
}

/// A column as an order that no index shall be chosen for: the statement finds its few rows and sorts them.
pub(super) fn sort_only(backend: DbBackend, column: &str, is_text: bool) -> String {
    match backend {
        DbBackend::Sqlite => format!("+{column}"),
        _ if is_text => format!("({column} || '')"),
        _ => format!("({column} + 0)"),
    }
}

/// `text` with everything that `LIKE` gives a meaning made literal.
fn escape_like(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | LIKE_ESCAPE) {
            escaped.push(LIKE_ESCAPE);
        }
        escaped.push(c);
    }
    escaped
}
