//! What is about Postgres alone, on clusters of the test's own: addresses, TLS, waiting, refusals, restarts.

mod starting;
mod tls;

use acervo_store::db::{Database, DatabaseConfig};
use acervo_test_engine::PostgresCluster;
use futures::future::join_all;
use sea_orm::{ConnectionTrait, Statement};

use crate::support::{config, number};

/// Tells this process, started by a test, to open the database at this address.
const OPEN: &str = "ACERVO_TEST_OPEN";

async fn text(connection: &impl ConnectionTrait, question: &str) -> String {
    let statement = Statement::from_string(connection.get_database_backend(), question);
    connection.query_one_raw(statement).await.unwrap().unwrap().try_get_by(0).unwrap()
}

#[tokio::test]
async fn every_connection_is_set_up_for_safety() {
    let cluster = PostgresCluster::start();
    let url = cluster.create_database("acervo");
    let db = Database::open(&DatabaseConfig { statement_timeout_seconds: 7, ..config(&url) }).await.unwrap();
    for connection in [db.writer(), db.reader()] {
        assert_eq!(text(connection, "SHOW statement_timeout").await, "7s");
        assert_eq!(text(connection, "SHOW lock_timeout").await, "30s");
        assert_eq!(text(connection, "SHOW idle_in_transaction_session_timeout").await, "1min");
        assert_eq!(text(connection, "SHOW application_name").await, "acervo");
    }
    assert_eq!(text(db.writer(), "SHOW default_transaction_read_only").await, "off");
    let refused = db.reader().execute_unprepared("CREATE TABLE t (n int)").await.unwrap_err();
    assert!(refused.to_string().contains("read-only"), "{refused}");
    let slow = "SELECT count(*) FROM generate_series(1, 100000000000) a";
    let given_up = db.writer().execute_unprepared(slow).await.unwrap_err();
    assert!(given_up.to_string().contains("statement timeout"), "{given_up}");
}

#[tokio::test]
async fn a_process_opens_no_more_connections_than_it_may() {
    let cluster = PostgresCluster::start();
    let url = cluster.create_database("acervo");
    let db = Database::open(&DatabaseConfig { connections_max: 5, ..config(&url) }).await.unwrap();
    let questions = (0..40).map(|n| {
        let connection = if n % 2 == 0 { db.writer().clone() } else { db.reader().clone() };
        async move {
            text(&connection, "SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'acervo'").await
        }
    });
    let seen: Vec<u32> = join_all(questions).await.iter().map(|count| count.parse().unwrap()).collect();
    assert!(seen.iter().all(|count| *count <= 5), "{seen:?}");
    let open = number(&db, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'acervo'").await;
    assert_eq!(open, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_migrate_a_new_database_at_once_do_it_once() {
    let cluster = PostgresCluster::start();
    let url = cluster.create_database("acervo");
    let migrations = (0..4).map(|_| {
        let config = config(&url);
        tokio::spawn(async move {
            let db = Database::open(&config).await.unwrap();
            acervo_migrations::up(db.writer()).await.unwrap();
        })
    });
    for migrated in join_all(migrations).await {
        migrated.unwrap();
    }
    let db = Database::open(&config(&url)).await.unwrap();
    let known = <acervo_migrations::Migrator as acervo_migrations::MigratorTrait>::migrations().len();
    let applied = number(&db, "SELECT count(*) FROM seaql_migrations").await;
    assert_eq!(applied, i64::try_from(known).unwrap());
    assert_eq!(number(&db, "SELECT count(*) FROM generation").await, 1);
}

#[tokio::test]
async fn a_restart_of_the_server_is_survived_and_its_absence_passes() {
    let cluster = PostgresCluster::start();
    let url = cluster.create_database("acervo");
    let db = Database::open(&DatabaseConfig { connect_timeout_seconds: 1, ..config(&url) }).await.unwrap();
    let transaction = db.begin().await.unwrap();
    db.ping().await.unwrap();

    for stop in [PostgresCluster::stop_fast, PostgresCluster::kill] {
        stop(&cluster);
        let away = db.ping().await.unwrap_err();
        assert!(away.is_transient(), "{away:?}");
        let away = db.begin().await.unwrap_err();
        assert!(away.is_transient(), "{away:?}");
        cluster.start_again();
        db.ping().await.unwrap();
        assert_eq!(text(db.writer(), "SHOW lock_timeout").await, "30s", "new connections are set up too");
    }
    let lost = acervo_store::db::commit(transaction).await.unwrap_err();
    assert!(lost.is_transient(), "{lost:?}");
}

#[tokio::test]
async fn a_session_that_is_cut_off_within_a_statement_may_be_tried_again() {
    let cluster = PostgresCluster::start();
    let db = Database::open(&config(&cluster.create_database("acervo"))).await.unwrap();
    let waiting = db.writer().execute_unprepared("SELECT pg_sleep_for('10 minutes')");
    let asleep = "FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep_for%' AND state = 'active'";
    let cut = async {
        while number(&db, &format!("SELECT count(*) {asleep}")).await == 0 {
            tokio::task::yield_now().await;
        }
        number(&db, &format!("SELECT pg_terminate_backend(pid)::int::bigint {asleep}")).await
    };
    let (ended, cut) = futures::join!(waiting, cut);
    assert_eq!(cut, 1);
    let ended = acervo_store::Doing::doing(ended, "waiting").unwrap_err();
    assert!(ended.is_transient(), "{ended:?}");
}

#[tokio::test]
async fn variables_of_the_environment_decide_nothing() {
    if let Ok(url) = std::env::var(OPEN) {
        return open_and_say(&url).await;
    }
    let cluster = PostgresCluster::start();
    let url = cluster.create_database("acervo");
    let this = "postgres::variables_of_the_environment_decide_nothing";
    let open = async |variables: &[(&str, &str)]| {
        let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", this, "--nocapture"]).env(OPEN, &url).envs(variables.iter().copied());
        String::from_utf8(command.kill_on_drop(true).output().await.unwrap().stdout).unwrap()
    };
    let misleading = [
        ("PGHOST", "nowhere.invalid"),
        ("PGHOSTADDR", "192.0.2.1"),
        ("PGPORT", "1"),
        ("PGUSER", "nobody"),
        ("PGPASSWORD", "wrong"),
        ("PGDATABASE", "other"),
        ("PGSSLMODE", "verify-full"),
        ("PGAPPNAME", "else"),
    ];
    let said = open(&misleading).await;
    assert!(said.contains("opened acervo as acervo"), "{said}");
    for name in ["PGOPTIONS", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"] {
        let said = open(&[(name, "-c")]).await;
        assert!(said.contains(&format!("refused: the variable `{name}` is set")), "{said}");
    }
}

async fn open_and_say(url: &str) {
    match Database::open(&DatabaseConfig { start_timeout_seconds: 0, ..config(url) }).await {
        Ok(db) => println!("opened {}", text(db.reader(), "SELECT current_database() || ' as ' || current_user").await),
        Err(error) => println!("refused: {error}"),
    }
}
