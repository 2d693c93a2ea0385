//! Where the two databases differ: addresses, connections, limits, error codes, and the few words of SQL.
//!
//! The only file of this crate that names a database. Queries elsewhere are written once for both.

use std::path::Path;
use std::time::{Duration, Instant};

use sea_orm::sea_query::LikeExpr;
use sea_orm::{
    DatabaseConnection, DbBackend, DbErr, RuntimeErr, SqlErr, SqliteTransactionMode, SqlxPostgresConnector,
    SqlxSqliteConnector, TransactionOptions,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::db::connect::DatabaseConfig;
use crate::error::StoreError;

/// Database used when none is configured: a file beside the blobs.
pub const DEFAULT_URL: &str = "sqlite://./data/acervo.db";

/// Most values bound to one statement. SQLite takes 32,766 and Postgres 65,535, but inserts become no faster beyond
/// this, while each holds the write lock longer.
pub const BIND_MAX: usize = 8_000;

/// How long SQLite waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait before opening again a SQLite file that was locked.
const REOPEN_PAUSE: Duration = Duration::from_millis(20);

/// Character that makes the next one literal in a `LIKE` pattern. Not `\`, which the databases quote differently.
const LIKE_ESCAPE: char = '!';

/// A database with the options its address stands for.
enum Target {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
}

impl Target {
    fn parse(url: &str) -> Result<Target, StoreError> {
        if let Some(rest) = url.strip_prefix("sqlite:") {
            let path = rest.trim_start_matches("//");
            if path.is_empty() || path.starts_with(":memory:") || path.contains('?') {
                return Err(StoreError::Url(format!(
                    "`database.url` must name a file, without parameters; `{url}` does not; write it like `{DEFAULT_URL}`"
                )));
            }
            return url.parse().map(Target::Sqlite).map_err(|error: sqlx::Error| {
                StoreError::Url(format!("`database.url` is not understood ({error}); write it like `{DEFAULT_URL}`"))
            });
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            // The URL itself may hold a password: never repeated in a message.
            return url.parse().map(Target::Postgres).map_err(|error: sqlx::Error| {
                StoreError::Url(format!(
                    "`database.url` is not understood ({error}); write it like `postgres://user@host/acervo`"
                ))
            });
        }
        Err(StoreError::Url("`database.url` must begin with `sqlite://` or `postgres://`".to_owned()))
    }

    fn place(&self) -> String {
        match self {
            Target::Sqlite(options) => options.get_filename().display().to_string(),
            Target::Postgres(options) => format!(
                "postgres://{}@{}:{}/{}",
                options.get_username(),
                options.get_host(),
                options.get_port(),
                options.get_database().unwrap_or_default()
            ),
        }
    }
}

/// Where a URL leads, without credentials.
pub(super) fn place(url: &str) -> String {
    Target::parse(url).map_or_else(|_| "an address that is not understood".to_owned(), |target| target.place())
}

/// The connection pools for writing and for reading.
pub(super) async fn connect(config: &DatabaseConfig) -> Result<(DatabaseConnection, DatabaseConnection), StoreError> {
    let target = Target::parse(&config.url)?;
    let place = target.place();
    let opened = match target {
        Target::Sqlite(options) => {
            make_folder(options.get_filename())?;
            open_sqlite(config, &options).await
        }
        Target::Postgres(options) => connect_postgres(config, options).await,
    };
    opened.map_err(|error| StoreError::Open { place, source: DbErr::Conn(RuntimeErr::SqlxError(error.into())) })
}

/// Makes the folder a database file will stand in.
fn make_folder(file: &Path) -> Result<(), StoreError> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => {
            std::fs::create_dir_all(folder).map_err(|source| StoreError::Folder { path: folder.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Opens a file, waiting for others that open it at the same time.
///
/// SQLite's own busy timeout does not cover the change of a new file to WAL: of two processes that start at once, one
/// is refused on the spot.
async fn open_sqlite(
    config: &DatabaseConfig,
    options: &SqliteConnectOptions,
) -> Result<(DatabaseConnection, DatabaseConnection), sqlx::Error> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match connect_sqlite(config, options).await {
            Err(error) if is_transient_sqlx(&error) && Instant::now() < deadline => {
                tokio::time::sleep(REOPEN_PAUSE).await;
            }
            opened => return opened,
        }
    }
}

/// One connection that writes, and several that cannot.
async fn connect_sqlite(
    config: &DatabaseConfig,
    options: &SqliteConnectOptions,
) -> Result<(DatabaseConnection, DatabaseConnection), sqlx::Error> {
    let options = options.clone().busy_timeout(BUSY_TIMEOUT).foreign_keys(true);
    let timeout = Duration::from_secs(config.connect_timeout_seconds);
    let write = options
        .clone()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // With NORMAL a power cut may take back the last commits. Bytes are removed after the commit that drops their
        // row: such a row, come back, would point at bytes that are gone.
        .synchronous(SqliteSynchronous::Full);
    let writer = sqlite_pool(1, timeout).connect_with(write).await?;
    let read = options.pragma("query_only", "ON");
    let reader = sqlite_pool(config.connections_max.max(1), timeout).connect_with(read).await?;
    Ok((SqlxSqliteConnector::from_sqlx_sqlite_pool(writer), SqlxSqliteConnector::from_sqlx_sqlite_pool(reader)))
}

/// Connections to a local file neither age nor break.
fn sqlite_pool(connections_max: u32, timeout: Duration) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// One pool for both: Postgres locks rows, not files.
async fn connect_postgres(
    config: &DatabaseConfig,
    options: PgConnectOptions,
) -> Result<(DatabaseConnection, DatabaseConnection), sqlx::Error> {
    let pool = PgPoolOptions::new()
        .max_connections(config.connections_max.max(1))
        .acquire_timeout(Duration::from_secs(config.connect_timeout_seconds))
        .connect_with(options.application_name("acervo"))
        .await?;
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    Ok((connection.clone(), connection))
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
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // SQLITE_BUSY and its kinds; serialization failure, deadlock, too many connections, server shutting down.
            matches!(code.as_ref(), "5" | "261" | "517" | "773" | "40001" | "40P01" | "53300" | "57P01" | "57P03")
        }),
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
