//! Which engine the run is about.

use std::path::Path;

use crate::database::TestDatabase;
use crate::storage::TestStorage;

/// Names the engine of a run: `embedded` (the default) or `production`.
pub const VARIABLE: &str = "ACERVO_TEST_ENGINE";

/// Address of the shared Postgres cluster of a run on the production engine.
pub const POSTGRES_VARIABLE: &str = "ACERVO_TEST_POSTGRES";

/// The two first-class deployments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SQLite and a folder.
    Embedded,
    /// Postgres and S3.
    Production,
}

/// Makes databases and storage of one kind.
#[derive(Clone, Debug)]
pub struct Engine {
    postgres: Option<String>,
}

impl Engine {
    /// The engine this run is about.
    pub fn from_env() -> Engine {
        match std::env::var(VARIABLE).as_deref() {
            Err(_) | Ok("" | "embedded") => Engine::embedded(),
            Ok("production") => {
                let address = std::env::var(POSTGRES_VARIABLE);
                Engine { postgres: Some(address.expect("the production engine needs its servers: use `tests/run`")) }
            }
            Ok(other) => panic!("{VARIABLE} is `{other}`; it must be `embedded` or `production`"),
        }
    }

    /// SQLite and a folder, whatever the run is about: for tests whose subject is one of them.
    pub fn embedded() -> Engine {
        Engine { postgres: None }
    }

    /// Which one it is.
    pub fn kind(&self) -> Kind {
        if self.postgres.is_some() { Kind::Production } else { Kind::Embedded }
    }

    /// A database for one test. On Postgres it is migrated already, and dropped with the value.
    pub fn database(&self, folder: &Path) -> TestDatabase {
        match &self.postgres {
            None => TestDatabase::in_folder(folder),
            Some(cluster) => TestDatabase::migrated(cluster),
        }
    }

    /// A database without a schema.
    pub fn empty_database(&self, folder: &Path) -> TestDatabase {
        match &self.postgres {
            None => TestDatabase::in_folder(folder),
            Some(cluster) => TestDatabase::empty(cluster),
        }
    }

    /// An empty store: a folder below this one, or a bucket on an S3 server of its own, which ends with the value.
    pub fn storage(&self, folder: &Path) -> TestStorage {
        match self.kind() {
            Kind::Embedded => TestStorage::in_folder(&folder.join("store")),
            Kind::Production => TestStorage::on_s3(&folder.join("s3")),
        }
    }
}
