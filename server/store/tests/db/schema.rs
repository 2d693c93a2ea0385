//! The schema and the connections: what the migrations make, the entities must read; and writers must never fail each
//! other, whether they share a process or only the database.

use acervo_migrations::{Migrator, MigratorTrait};
use acervo_store::db::dialect;
use acervo_store::db::entity::choice::RoleColumn;
use acervo_store::db::entity::value::{Sha256Column, Ts};
use acervo_store::db::entity::{access_grant, generation, job, principal};
use acervo_store::db::{Database, DatabaseConfig};
use acervo_store::{Doing, StoreError};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter,
    QuerySelect, Statement, TransactionTrait,
};
use serde_json::json;
use uuid::Uuid;

use crate::rows::{a_job, a_principal, every_table_round_trips};
use crate::support::{config, empty, migrated, number};

/// Names the database that this process, started by a test, shall count in.
const COUNT_IN: &str = "ACERVO_TEST_COUNT_IN";

/// How often each writer counts.
const COUNTS: i64 = 150;

#[tokio::test]
async fn what_the_migrations_make_the_entities_read() {
    let (_home, db) = migrated().await;

    every_table_round_trips(&db).await;

    let only = generation::Entity::find().all(db.reader()).await.unwrap();
    assert_eq!(only, [generation::Model { id: 1, value: 0 }]);
}

#[tokio::test]
async fn every_migration_can_be_undone_and_done_again() {
    let home = empty();
    let db = Database::open(&config(&home.url())).await.unwrap();

    for _ in Migrator::migrations() {
        Migrator::up(db.writer(), Some(1)).await.unwrap();
        Migrator::down(db.writer(), Some(1)).await.unwrap();
        Migrator::up(db.writer(), Some(1)).await.unwrap();
    }
    assert!(Migrator::get_pending_migrations_read_only(db.reader()).await.unwrap().is_empty());
    Migrator::down(db.writer(), None).await.unwrap();

    let left = match db.reader().get_database_backend() {
        DbBackend::Sqlite => {
            "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' AND tbl_name <> 'seaql_migrations'"
        }
        _ => {
            "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace \
             WHERE nspname = 'public' AND relname NOT LIKE 'seaql_migrations%'"
        }
    };
    assert_eq!(number(&db, left).await, 0);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_with_advice() {
    let (_home, db) = migrated().await;
    let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20990101_000001_later', 0)";
    db.writer().execute_unprepared(newer).await.unwrap();

    let error = acervo_migrations::up(db.writer()).await.unwrap_err();

    assert!(error.to_string().contains("newer version of acervo"), "{error}");
}

#[tokio::test]
async fn what_must_be_unique_is_and_the_refusal_is_recognised() {
    let (_home, db) = migrated().await;
    every_table_round_trips(&db).await;

    let twin = job::Model { id: Uuid::now_v7(), state: job::State::Queued, ..a_job() };
    let refused = twin.clone().into_active_model().insert(db.writer()).await.unwrap_err();
    assert!(dialect::is_unique_violation(&refused), "{refused}");

    let done = job::Model { state: job::State::Failed, ..twin };
    done.into_active_model().insert(db.writer()).await.unwrap();

    let grant = access_grant::Model {
        id: 60,
        principal_id: 1,
        scope: access_grant::Scope::Hub,
        namespace_id: None,
        repo_id: None,
        role: RoleColumn::Admin,
        created_at: Ts(1),
        created_by: None,
        order_id: None,
    };
    grant.clone().into_active_model().insert(db.writer()).await.unwrap();
    let again = access_grant::Model { id: 61, ..grant.clone() };
    let refused = again.into_active_model().insert(db.writer()).await.unwrap_err();
    assert!(dialect::is_unique_violation(&refused), "{refused}");

    let torn = access_grant::Model { id: 62, scope: access_grant::Scope::Namespace, ..grant };
    let refused = torn.into_active_model().insert(db.writer()).await.unwrap_err();
    assert!(!dialect::is_unique_violation(&refused), "{refused}");
}

#[tokio::test]
async fn a_key_is_never_given_twice() {
    let (_home, db) = migrated().await;
    let mut first = a_principal().into_active_model();
    first.id = sea_orm::ActiveValue::NotSet;
    let given = first.clone().insert(db.writer()).await.unwrap().id;
    principal::Entity::delete_by_id(given).exec(db.writer()).await.unwrap();

    let next = first.insert(db.writer()).await.unwrap().id;

    assert!(next > given);
}

#[tokio::test]
async fn a_row_that_does_not_convert_is_reported_as_corrupt() {
    let (_home, db) = migrated().await;
    a_principal().into_active_model().insert(db.writer()).await.unwrap();
    db.writer().execute_unprepared("UPDATE principal SET kind = 'ghost'").await.unwrap();

    let error = principal::Entity::find().one(db.reader()).await.doing("reading a principal").unwrap_err();

    assert!(matches!(&error, StoreError::Corrupt { what } if what.contains("ghost")), "{error}");
    let backend = db.reader().get_database_backend();
    let two_bytes = if backend == DbBackend::Sqlite { "x'00ff'" } else { "'\\x00ff'::bytea" };
    let short = Statement::from_string(backend, format!("SELECT {two_bytes} AS digest"));
    let row = db.reader().query_one_raw(short).await.unwrap().unwrap();
    let error = row.try_get::<Sha256Column>("", "digest").doing("reading a digest").unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { what } if what.contains("2 bytes")), "{error}");
}

#[tokio::test]
async fn text_in_a_pattern_means_itself() {
    let (_home, db) = migrated().await;
    for (id, name) in [(1, "50%_off!"), (2, "50 off!"), (3, "x50%_off!")] {
        let row = principal::Model { id, name_lower: name.to_owned(), ..a_principal() };
        row.into_active_model().insert(db.writer()).await.unwrap();
    }
    let found = async |pattern| {
        let column = Expr::col(principal::Column::NameLower);
        let rows = principal::Entity::find().filter(column.like(pattern)).all(db.reader()).await.unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };

    assert_eq!(found(dialect::like_prefix("50%_off!")).await, [1]);
    assert_eq!(found(dialect::like_containing("%_off!")).await, [1, 3]);
}

#[tokio::test]
async fn readers_write_nothing_and_a_closed_database_answers_nothing() {
    let (_home, db) = migrated().await;
    let refused = a_principal().into_active_model().insert(db.reader()).await.unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("readonly") || text.contains("read-only"), "{text}");
    assert_eq!(principal::Entity::find().one(db.reader()).await.unwrap(), None);
    db.ping().await.unwrap();
    db.close().await.unwrap();
    assert!(db.ping().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_pools_write_to_one_database_without_failing_each_other() {
    let home = empty();

    let writers: Vec<_> = (0..4).map(|_| tokio::spawn(start_and_count(home.url()))).collect();
    for writer in writers {
        writer.await.unwrap();
    }

    let db = Database::open(&config(&home.url())).await.unwrap();
    assert_eq!(number(&db, "SELECT value FROM generation").await, 4 * COUNTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_write_to_one_database_without_failing_each_other() {
    if let Ok(url) = std::env::var(COUNT_IN) {
        return start_and_count(url).await;
    }
    let home = empty();

    let this = "schema::several_processes_write_to_one_database_without_failing_each_other";
    let processes: Vec<_> = (0..3)
        .map(|_| {
            tokio::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", this, "--nocapture"])
                .env(COUNT_IN, home.url())
                .kill_on_drop(true)
                .spawn()
                .unwrap()
        })
        .collect();
    for mut process in processes {
        assert!(process.wait().await.unwrap().success());
    }

    let db = Database::open(&config(&home.url())).await.unwrap();
    assert_eq!(number(&db, "SELECT value FROM generation").await, 3 * COUNTS);
}

/// Starts as a process would, then reads and raises the counter in transactions that would fail, or lose counts,
/// unless they held a lock before they read.
async fn start_and_count(url: String) {
    let db = Database::open(&config(&url)).await.unwrap();
    acervo_migrations::up(db.writer()).await.unwrap();
    for _ in 0..COUNTS {
        let transaction = db.begin().await.unwrap();
        let row = generation::Entity::find_by_id(1).lock_exclusive().one(&transaction).await.unwrap().unwrap();
        generation::Entity::update_many()
            .col_expr(generation::Column::Value, Expr::value(row.value + 1))
            .filter(generation::Column::Id.eq(1))
            .exec(&transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }
    db.close().await.unwrap();
}

#[tokio::test]
async fn an_abandoned_transaction_leaves_nothing_and_blocks_nobody() {
    let (_home, db) = migrated().await;
    let transaction = db.begin().await.unwrap();
    a_principal().into_active_model().insert(&transaction).await.unwrap();
    let inner = transaction.begin().await.unwrap();
    drop(inner);
    drop(transaction);

    let transaction = db.begin().await.unwrap();
    assert_eq!(principal::Entity::find().one(&transaction).await.unwrap(), None);
    a_principal().into_active_model().insert(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(principal::Entity::find().one(db.reader()).await.unwrap().is_some());
}

#[test]
fn an_address_that_cannot_work_is_refused_before_it_is_tried() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for url in ["sqlite::memory:", "sqlite://x.db?mode=memory", "sqlite://", "mysql://root@localhost/x", "acervo.db"] {
        let config = DatabaseConfig { url: url.to_owned(), ..DatabaseConfig::default() };
        let error = runtime.block_on(Database::open(&config)).unwrap_err();
        assert!(matches!(error, StoreError::Url(_)), "{url}: {error}");
    }
}

#[test]
fn the_configuration_is_strict_and_never_shows_a_password() {
    let config: DatabaseConfig =
        serde_json::from_value(json!({"url": "postgres://acervo:secret@db.example.org/hub", "connections_max": 3}))
            .unwrap();

    assert_eq!(config.connections_max, 3);
    assert_eq!(config.place(), "postgres://acervo@db.example.org:5432/hub");
    assert!(!format!("{config:?}").contains("secret"));
    assert!(serde_json::from_value::<DatabaseConfig>(json!({"uri": ""})).is_err());
}
