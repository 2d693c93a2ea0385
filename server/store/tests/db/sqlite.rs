//! What is about SQLite alone: the pragmas of its connections, and files that cannot be opened.

use acervo_store::StoreError;
use acervo_store::db::entity::principal;
use acervo_store::db::{Database, DatabaseConfig};
use acervo_test_engine::Engine;
use sea_orm::{ActiveModelTrait, ConnectionTrait, IntoActiveModel, Statement};

use crate::rows::a_principal;
use crate::support::{migrated_on, number};

fn file(path: &std::path::Path) -> DatabaseConfig {
    DatabaseConfig { url: format!("sqlite://{}", path.display()), ..DatabaseConfig::default() }
}

#[tokio::test]
async fn every_connection_is_set_up_for_safety() {
    let (_home, db) = migrated_on(&Engine::embedded()).await;

    assert_eq!(number(&db, "PRAGMA query_only").await, 1);
    assert_eq!(number(&db, "PRAGMA foreign_keys").await, 1);
    let on_writer = async |pragma: &str| {
        let statement = Statement::from_string(db.writer().get_database_backend(), pragma);
        db.writer().query_one_raw(statement).await.unwrap().unwrap()
    };
    assert_eq!(on_writer("PRAGMA journal_mode").await.try_get_by::<String, _>(0).unwrap(), "wal");
    assert_eq!(on_writer("PRAGMA synchronous").await.try_get_by::<i64, _>(0).unwrap(), 2);
    assert_eq!(on_writer("PRAGMA foreign_keys").await.try_get_by::<i64, _>(0).unwrap(), 1);
    assert_eq!(on_writer("PRAGMA busy_timeout").await.try_get_by::<i64, _>(0).unwrap(), 10_000);
    let refused = a_principal().into_active_model().insert(db.reader()).await.unwrap_err();
    assert!(refused.to_string().contains("readonly"), "{refused}");
    assert_eq!(
        number(&db, &format!("SELECT count(*) FROM {}", sea_orm::EntityName::table_name(&principal::Entity))).await,
        0
    );
}

#[tokio::test]
async fn a_place_that_cannot_hold_the_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    std::fs::write(&taken, "").unwrap();

    let error = Database::open(&file(&taken.join("acervo.db"))).await.unwrap_err();
    assert!(matches!(&error, StoreError::Folder { path, .. } if *path == taken), "{error}");
    let error = Database::open(&file(folder.path())).await.unwrap_err();
    assert!(error.to_string().contains(&folder.path().display().to_string()), "{error}");

    Database::open(&file(&folder.path().join("a/b/acervo.db"))).await.unwrap();
}
