//! Clusters come back as they were told to go.

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};

use crate::PostgresCluster;
use crate::database::TestDatabase;
use crate::postgres::Settings;

async fn connect(url: &str) -> Result<PgConnection, sqlx::Error> {
    url.parse::<PgConnectOptions>().unwrap().connect().await
}

async fn rows(url: &str) -> i64 {
    let mut connection = connect(url).await.unwrap();
    sqlx::query_scalar("SELECT count(*) FROM kept").fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn what_is_committed_survives_a_stop_and_a_crash_on_the_same_address() {
    let cluster = PostgresCluster::start();
    let url = cluster.create_database("one");
    let mut connection = connect(&url).await.unwrap();
    sqlx::raw_sql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)").execute(&mut connection).await.unwrap();

    cluster.stop_fast();
    assert!(!cluster.is_running());
    assert!(sqlx::raw_sql("SELECT 1").execute(&mut connection).await.is_err(), "its sessions have ended");
    assert!(connect(&url).await.is_err(), "nobody listens");
    cluster.start_again();
    assert_eq!(rows(&url).await, 1);

    let mut connection = connect(&url).await.unwrap();
    sqlx::raw_sql("INSERT INTO kept VALUES (2)").execute(&mut connection).await.unwrap();
    cluster.kill();
    cluster.start_again();
    assert_eq!(rows(&url).await, 2);
    cluster.restart();
    assert_eq!(rows(&url).await, 2);
}

#[tokio::test]
async fn databases_of_tests_are_copies_that_go_away() {
    let cluster = PostgresCluster::shared();
    let admin = cluster.url("postgres");
    let (one, two) = (TestDatabase::migrated(&admin), TestDatabase::migrated(&admin));
    let empty = TestDatabase::empty(&admin);
    let (first, gone) = (one.url(), two.url());

    let mut connection = connect(&first).await.unwrap();
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'repo'";
    let migrated: i64 = sqlx::query_scalar(tables).fetch_one(&mut connection).await.unwrap();
    let mut connection = connect(&empty.url()).await.unwrap();
    let bare: i64 = sqlx::query_scalar(tables).fetch_one(&mut connection).await.unwrap();
    assert_eq!((migrated, bare), (1, 0));

    let _open = connect(&gone).await.unwrap();
    drop(two);
    let error = connect(&gone).await.unwrap_err();
    assert!(error.to_string().contains("does not exist"), "{error}");
    connect(&first).await.unwrap();
}

#[tokio::test]
async fn settings_and_files_are_those_of_the_test() {
    let settings = Settings {
        server: vec![("work_mem".to_owned(), "7MB".to_owned())],
        access: vec!["host postgres all 127.0.0.1/32 trust".to_owned()],
        files: vec![("note.txt".to_owned(), b"seen".to_vec())],
    };
    let cluster = PostgresCluster::with(&settings);
    let mut connection = connect(&cluster.url("postgres")).await.unwrap();
    let work_mem: String = sqlx::query_scalar("SHOW work_mem").fetch_one(&mut connection).await.unwrap();
    let note: String = sqlx::query_scalar("SELECT pg_read_file('note.txt')").fetch_one(&mut connection).await.unwrap();
    assert_eq!((work_mem.as_str(), note.as_str()), ("7MB", "seen"));
    let refused = connect(&cluster.url("template1")).await.unwrap_err();
    assert!(refused.to_string().contains("pg_hba.conf"), "{refused}");
}
