//! Opening the database: its configuration, the connections for reading and for writing, and write transactions.
//!
//! Owns how many connections there are and what they are used for. Whatever depends on which database it is stands in
//! `dialect`; migrating is the hub's business, with [`Database::writer`].

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, Statement, TransactionTrait};
use serde::{Deserialize, Serialize, Serializer};

use crate::db::dialect;
use crate::error::{Doing, StoreError};

/// Where the database is, and how much of it may be used.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// Address of the database; its file is made if it is missing. That of a server must name user, host and database:
    /// variables such as `PGHOST` and `PGPASSWORD` are not read, nor is `~/.pgpass`.
    #[serde(serialize_with = "without_credentials")]
    pub url: String,
    /// File that holds the password; instead of one in the address.
    pub password_file: Option<PathBuf>,
    /// Most connections this process opens, at least one to write and one to read: two of five write, the others read.
    /// For a database file, most connections that read; one more writes.
    pub connections_max: u32,
    /// How long a change waits for a free connection, or for a new one to be made.
    pub connect_timeout_seconds: u64,
    /// How long a question waits for one, and never longer than `connect_timeout_seconds`: a client is better told soon
    /// to come again than kept waiting.
    pub read_wait_seconds: u64,
    /// How long a start waits for a server that does not answer yet.
    pub start_timeout_seconds: u64,
    /// How long a server works on one statement before it gives up; 0 for as long as it takes.
    pub statement_timeout_seconds: u64,
    /// Whether connections to a server are encrypted, and what is verified.
    pub tls: Tls,
    /// Certificates, in PEM, of authorities that are believed beside the public ones.
    pub ca_file: Option<PathBuf>,
}

/// How a connection to a database server is protected; the words mean what they mean to other clients of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// Never encrypted.
    Disable,
    /// Encrypted if the server offers it; nothing is verified.
    Prefer,
    /// Encrypted, or refused; nothing is verified.
    Require,
    /// Encrypted, and the server's certificate is of an authority that is believed.
    VerifyCa,
    /// As [`Tls::VerifyCa`], and the certificate is made out to the host of the address.
    VerifyFull,
}

/// Writes where a URL leads; whoever prints a configuration shows no password.
fn without_credentials<S: Serializer>(url: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&dialect::place(url))
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        DatabaseConfig {
            url: dialect::DEFAULT_URL.to_owned(),
            password_file: None,
            connections_max: 10,
            connect_timeout_seconds: 30,
            read_wait_seconds: 5,
            start_timeout_seconds: 60,
            statement_timeout_seconds: 120,
            tls: Tls::Prefer,
            ca_file: None,
        }
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
            .field("password_file", &self.password_file)
            .field("connections_max", &self.connections_max)
            .field("connect_timeout_seconds", &self.connect_timeout_seconds)
            .field("read_wait_seconds", &self.read_wait_seconds)
            .field("start_timeout_seconds", &self.start_timeout_seconds)
            .field("statement_timeout_seconds", &self.statement_timeout_seconds)
            .field("tls", &self.tls)
            .field("ca_file", &self.ca_file)
            .finish()
    }
}

impl DatabaseConfig {
    /// Where the database is, without credentials: what messages and reports may show.
    pub fn place(&self) -> String {
        dialect::place(&self.url)
    }

    /// How long a change waits for a connection.
    pub(super) fn write_wait(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_seconds)
    }

    /// How long a question waits for a connection.
    pub(super) fn read_wait(&self) -> Duration {
        Duration::from_secs(self.read_wait_seconds).min(self.write_wait())
    }
}

/// Connections to one database; clones share them.
#[derive(Clone, Debug)]
pub struct Database {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
}

impl Database {
    /// Opens the database, making its file and folder if they are missing, or waiting for its server. The schema is left
    /// as it is found.
    pub async fn open(config: &DatabaseConfig) -> Result<Database, StoreError> {
        let (writer, reader) = dialect::connect(config).await?;
        Ok(Database { writer, reader })
    }

    /// Connections for questions. They refuse to write, and to lock rows.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// For single statements that write, and for migrating. May be one connection only: never use it while this task
    /// holds a transaction (questions may be asked then, with [`Database::reader`]), and never begin one here, since
    /// only [`Database::begin`] asks for the write lock first.
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
