//! One database for one test.

use std::path::Path;

use sea_orm::{ConnectionTrait, Database};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use uuid::Uuid;

use crate::blocking::block_on;

/// The migrated database that others are copied from.
const TEMPLATE: &str = "acervo_template";

/// A database that nobody else uses, dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    /// Where it was made, and under which name, if it has to be dropped.
    made: Option<(String, String)>,
}

impl TestDatabase {
    /// Its address, as `database.url` wants it.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Runs a statement, as whoever repairs or breaks a database by hand does.
    pub fn execute(&self, statement: &str) {
        let (url, statement) = (self.url.clone(), statement.to_owned());
        block_on(async move {
            let database = Database::connect(url).await.expect("the database opens");
            database.execute_unprepared(&statement).await.expect("the statement is run");
            database.close().await.expect("the database closes");
        });
    }

    /// A file in a folder, which goes away with the folder.
    pub(crate) fn in_folder(folder: &Path) -> TestDatabase {
        TestDatabase { url: format!("sqlite://{}", folder.join("acervo.db").display()), made: None }
    }

    /// A copy of the migrated template of a cluster.
    pub(crate) fn migrated(cluster: &str) -> TestDatabase {
        TestDatabase::make(cluster, &format!(" TEMPLATE {TEMPLATE}"))
    }

    /// A database of a cluster with nothing in it.
    pub(crate) fn empty(cluster: &str) -> TestDatabase {
        TestDatabase::make(cluster, "")
    }

    fn make(cluster: &str, ending: &str) -> TestDatabase {
        let name = format!("test_{}", Uuid::now_v7().simple());
        block_on(execute(cluster.to_owned(), format!("CREATE DATABASE {name}{ending}")));
        TestDatabase { url: in_cluster(cluster, &name), made: Some((cluster.to_owned(), name)) }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Some((cluster, name)) = self.made.take() {
            block_on(execute(cluster, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")));
        }
    }
}

/// The address of a database beside the one that `cluster` leads to.
pub(crate) fn in_cluster(cluster: &str, name: &str) -> String {
    let (server, _) = cluster.rsplit_once('/').expect("the address of a database");
    format!("{server}/{name}")
}

/// Makes the template that the databases of tests are copied from.
pub(crate) fn make_template(cluster: &str) {
    let cluster = cluster.to_owned();
    block_on(async move {
        execute(cluster.clone(), format!("CREATE DATABASE {TEMPLATE}")).await;
        let template = Database::connect(in_cluster(&cluster, TEMPLATE)).await.expect("the template opens");
        acervo_migrations::up(&template).await.expect("the template is migrated");
        template.close().await.expect("the template closes");
    });
}

/// Runs one statement outside of any transaction.
pub(crate) async fn execute(cluster: String, statement: String) {
    let options: PgConnectOptions = cluster.parse().expect("an address of Postgres");
    let mut connection = options.connect().await.expect("the test's Postgres answers");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.expect("the statement is run");
    connection.close().await.expect("the connection closes");
}
