//! Opening a SQLite file: one connection that writes, several that cannot.

use std::path::Path;
use std::time::{Duration, Instant};

use sea_orm::{DatabaseConnection, SqlxSqliteConnector};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::{DEFAULT_URL, is_transient_sqlx, not_opened};
use crate::db::connect::DatabaseConfig;
use crate::error::StoreError;

/// How long SQLite waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait before opening again a file that was locked.
const REOPEN_PAUSE: Duration = Duration::from_millis(20);

/// The options an address stands for: a file, without parameters.
pub(super) fn parse(url: &str) -> Result<SqliteConnectOptions, StoreError> {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    if path.is_empty() || path.starts_with(":memory:") || path.contains('?') {
        return Err(StoreError::Url(format!(
            "`database.url` must name a file, without parameters; `{url}` does not; write it like `{DEFAULT_URL}`"
        )));
    }
    url.parse().map_err(|error: sqlx::Error| {
        StoreError::Url(format!("`database.url` is not understood ({error}); write it like `{DEFAULT_URL}`"))
    })
}

/// Opens a file, waiting for others that open it at the same time.
///
/// SQLite's own busy timeout does not cover the change of a new file to WAL: of two processes that start at once, one
/// is refused on the spot.
pub(super) async fn connect(
    config: &DatabaseConfig,
    options: &SqliteConnectOptions,
) -> Result<(DatabaseConnection, DatabaseConnection), StoreError> {
    make_folder(options.get_filename())?;
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match open(config, options).await {
            Err(error) if is_transient_sqlx(&error) && Instant::now() < deadline => {
                tokio::time::sleep(REOPEN_PAUSE).await;
            }
            Err(error) => {
                let advice = "check `database.url`, and that this user may write the file and its folder".to_owned();
                return Err(not_opened(options.get_filename().display().to_string(), advice, error));
            }
            Ok(opened) => return Ok(opened),
        }
    }
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

async fn open(
    config: &DatabaseConfig,
    options: &SqliteConnectOptions,
) -> Result<(DatabaseConnection, DatabaseConnection), sqlx::Error> {
    let options = options.clone().busy_timeout(BUSY_TIMEOUT).foreign_keys(true);
    let write = options
        .clone()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // With NORMAL a power cut may take back the last commits. Bytes are removed after the commit that drops their
        // row: such a row, come back, would point at bytes that are gone.
        .synchronous(SqliteSynchronous::Full);
    let writer = pool(1, config.write_wait()).connect_with(write).await?;
    let read = options.pragma("query_only", "ON");
    let reader = pool(config.connections_max.max(1), config.read_wait()).connect_with(read).await?;
    Ok((SqlxSqliteConnector::from_sqlx_sqlite_pool(writer), SqlxSqliteConnector::from_sqlx_sqlite_pool(reader)))
}

/// Connections to a local file neither age nor break.
fn pool(connections_max: u32, wait: Duration) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(wait)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}
