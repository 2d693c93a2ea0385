//! Opening the database: its configuration, the connections for reading and for writing, and write transactions.
//!
//! Owns how many connections there are and what they are used for. Whatever depends on which database it is stands in
//! `dialect`; migrating is the hub's business, with [`Database::writer`].

use std::fmt;

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, Statement, TransactionTrait};
use serde::{Deserialize, Serialize, Serializer};

use crate::db::dialect;
use crate::error::{Doing, StoreError};

/// Where the database is, and how much of it may be used.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// Address of the database; its file is made if it is missing.
    #[serde(serialize_with = "without_credentials")]
    pub url: String,
    /// Most connections this process opens; for a database file, most connections that read.
    pub connections_max: u32,
    /// How long a request waits for a free connection, or for a new one to be made.
    pub connect_timeout_seconds: u64,
}

/// Writes where a URL leads; whoever prints a configuration shows no password.
fn without_credentials<S: Serializer>(url: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&dialect::place(url))
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        DatabaseConfig { url: dialect::DEFAULT_URL.to_owned(), connections_max: 10, connect_timeout_seconds: 30 }
    }
}

/// Changes that become visible together, or not at all; dropped without [`commit`], it leaves nothing behind.
pub type Transaction = DatabaseTransaction;

/// Makes the changes of a transaction visible.
pub async fn commit(tx: Transaction) -> Result<(), StoreError> {
    tx.commit().await.doing("committing a transaction")
}

/// The URL may hold a password: only the place is shown.
impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseConfig")
            .field("url", &self.place())
            .field("connections_max", &self.connections_max)
            .field("connect_timeout_seconds", &self.connect_timeout_seconds)
            .finish()
    }
}

impl DatabaseConfig {
    /// Where the database is, without credentials: what messages and reports may show.
    pub fn place(&self) -> String {
        dialect::place(&self.url)
    }
}

/// Connections to one database; clones share them.
#[derive(Clone, Debug)]
pub struct Database {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
}

impl Database {
    /// Opens the database, making its file and folder if they are missing. The schema is left as it is found.
    pub async fn open(config: &DatabaseConfig) -> Result<Database, StoreError> {
        let (writer, reader) = dialect::connect(config).await?;
        Ok(Database { writer, reader })
    }

    /// Connections for questions. They may refuse to write.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// For single statements that write, and for migrating. May be one connection only: never use it while this task
    /// holds a transaction, and never begin one here, since only [`Database::begin`] asks for the write lock first.
    pub fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Begins a transaction that may write. Until it ends, other writers may have to wait: no network or object I/O
    /// while it is open.
    ///
    /// What it reads may be changed by others before it commits, unless the rows are read with `lock_exclusive`: read
    /// so whatever decides what is written, or decide in the writing statement itself.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        self.writer.begin_with_options(dialect::write_transaction()).await.doing("beginning a transaction")
    }

    /// Whether the database answers now. Asks for no lock.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let backend = self.reader.get_database_backend();
        let question = Statement::from_string(backend, dialect::ping_sql(backend));
        self.reader.query_one_raw(question).await.doing("asking whether the database is up")?;
        Ok(())
    }

    /// Closes all connections, waiting for those in use.
    pub async fn close(&self) -> Result<(), StoreError> {
        // Readers first, so that the last to leave is the one that may tidy up the database's files.
        self.reader.close_by_ref().await.doing("closing the database")?;
        self.writer.close_by_ref().await.doing("closing the database")
    }
}
