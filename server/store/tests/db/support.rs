//! Databases to test on, and rows that most tests need.

use acervo_core::{RepoKind, Timestamp, Visibility};
use acervo_store::db::principals::{self, NamespaceKind, NamespaceOrigin};
use acervo_store::db::repos::{self, NewRepo, Repo};
use acervo_store::db::{Database, DatabaseConfig};
use acervo_test_engine::{Engine, TestDatabase};
use sea_orm::{ConnectionTrait, Statement};
use tempfile::TempDir;
use uuid::Uuid;

/// Where a test's database is; gone with this value.
pub(crate) struct Home {
    database: TestDatabase,
    _folder: TempDir,
}

impl Home {
    /// Its address.
    pub(crate) fn url(&self) -> String {
        self.database.url()
    }
}

/// A configuration for this address.
pub(crate) fn config(url: &str) -> DatabaseConfig {
    DatabaseConfig { url: url.to_owned(), ..DatabaseConfig::default() }
}

/// A database of this engine without a schema, not opened yet.
pub(crate) fn empty_on(engine: &Engine) -> Home {
    let folder = tempfile::tempdir().unwrap();
    Home { database: engine.empty_database(folder.path()), _folder: folder }
}

/// A database of the run's engine without a schema, not opened yet.
pub(crate) fn empty() -> Home {
    empty_on(&Engine::from_env())
}

/// An open database with the whole schema.
pub(crate) async fn migrated() -> (Home, Database) {
    migrated_on(&Engine::from_env()).await
}

/// An open database of this engine with the whole schema.
pub(crate) async fn migrated_on(engine: &Engine) -> (Home, Database) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home { database: engine.database(folder.path()), _folder: folder };
    let db = Database::open(&config(&home.url())).await.unwrap();
    acervo_migrations::up(db.writer()).await.unwrap();
    (home, db)
}

/// The one number that a question asks for.
pub(crate) async fn number(db: &Database, question: &str) -> i64 {
    let statement = Statement::from_string(db.reader().get_database_backend(), question);
    db.reader().query_one_raw(statement).await.unwrap().unwrap().try_get_by(0).unwrap()
}

/// A moment.
pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A repository of this name, in a namespace that is made if it is not there.
pub(crate) async fn repo(db: &Database, name: &str) -> Repo {
    let id: acervo_core::RepoId = name.parse().unwrap();
    let namespace = match principals::namespace(db.reader(), id.namespace()).await.unwrap() {
        Some(found) => found,
        None => {
            let (kind, origin) = (NamespaceKind::Organization, NamespaceOrigin::Mirrored);
            principals::insert_namespace(db.writer(), id.namespace(), kind, origin, None, at(1)).await.unwrap()
        }
    };
    let new = NewRepo {
        public_id: format!("{:024x}", Uuid::now_v7().as_u128() & 0xffff_ffff_ffff),
        kind: RepoKind::Model,
        name: id,
        namespace_id: namespace.id,
        visibility: Visibility::Public,
        upstream: None,
        at: at(1),
    };
    repos::insert(db.writer(), new).await.unwrap()
}
