//! Starting beside a server that is not there yet, or that will never do.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use acervo_store::StoreError;
use acervo_store::db::{Database, DatabaseConfig};
use acervo_test_engine::{PostgresCluster, Settings};
use tracing::subscriber::DefaultGuard;

use crate::support::config;

/// What is logged on this thread, line by line.
struct Log {
    lines: mpsc::Receiver<String>,
    _guard: DefaultGuard,
}

impl Log {
    fn keep() -> Log {
        let (tell, lines) = mpsc::channel();
        let logger = tracing_subscriber::fmt().with_ansi(false).with_writer(move || Line(tell.clone())).finish();
        Log { lines, _guard: tracing::subscriber::set_default(logger) }
    }

    /// Everything so far.
    fn so_far(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// Gives way to other tasks until a line with this text is there.
    async fn wait_for(&self, text: &str) -> String {
        loop {
            if let Some(line) = self.lines.try_iter().find(|line| line.contains(text)) {
                return line;
            }
            tokio::task::yield_now().await;
        }
    }
}

struct Line(mpsc::Sender<String>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An error that came without waiting: the configuration would allow hours.
async fn refused_at_once(config: DatabaseConfig) -> StoreError {
    let log = Log::keep();
    let opened = Database::open(&DatabaseConfig { start_timeout_seconds: 36_000, ..config }).await;
    let error = opened.unwrap_err();
    let waited: Vec<String> = log.so_far().into_iter().filter(|line| line.contains("does not answer yet")).collect();
    assert!(waited.is_empty(), "{waited:?}");
    error
}

#[tokio::test]
async fn a_start_waits_for_a_server_that_is_not_there_yet_and_says_so() {
    let cluster = PostgresCluster::start();
    let url = cluster.create_database("acervo").replace("acervo@", "acervo:secret@");
    cluster.stop_fast();
    let log = Log::keep();
    let opening = tokio::spawn(async move { Database::open(&config(&url)).await });
    let line = log.wait_for("does not answer yet").await;
    assert!(line.contains(&format!("postgres://acervo@127.0.0.1:{}/acervo", cluster.port())), "{line}");
    assert!(line.contains("refused") && line.contains(" s more") && !line.contains("secret"), "{line}");
    cluster.start_again();
    let db = tokio::time::timeout(Duration::from_secs(60), opening).await.unwrap().unwrap().unwrap();
    db.ping().await.unwrap();
}

#[tokio::test]
async fn a_start_gives_up_in_the_end_and_says_where_it_looked() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let log = Log::keep();
    let url = format!("postgres://acervo:secret@{nobody}/acervo");
    let error = Database::open(&DatabaseConfig { start_timeout_seconds: 1, ..config(&url) }).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot open the database `postgres://acervo@{nobody}/acervo`; check `database.url` and that the database is up"
        )
    );
    assert!(error.is_transient(), "whoever started it may do so again");
    assert!(log.so_far().iter().any(|line| line.contains("does not answer yet")));
}

#[tokio::test]
async fn what_waiting_cannot_mend_is_refused_at_once_with_advice() {
    let settings = Settings {
        access: vec![
            "host postgres all 127.0.0.1/32 trust".to_owned(),
            "host acervo,missing all 127.0.0.1/32 scram-sha-256".to_owned(),
            "host ascii all 127.0.0.1/32 trust".to_owned(),
        ],
        ..Settings::default()
    };
    let cluster = PostgresCluster::with(&settings);
    cluster.execute("CREATE ROLE hub LOGIN PASSWORD 'right'");
    cluster.execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
    cluster.create_database("acervo");
    let at = |credentials: &str, database: &str| {
        config(&format!("postgres://{credentials}@127.0.0.1:{}/{database}", cluster.port()))
    };

    for credentials in ["hub", "hub:wrong"] {
        let error = refused_at_once(at(credentials, "acervo")).await.to_string();
        assert!(error.contains("check user and password") && !error.contains("wrong"), "{error}");
    }
    let error = refused_at_once(at("hub:right", "missing")).await.to_string();
    assert!(error.contains("`createdb --owner=hub missing`") && !error.contains("right"), "{error}");
    let error = refused_at_once(at("hub:right", "template1")).await.to_string();
    assert!(error.contains("`pg_hba.conf`"), "{error}");
    let error = refused_at_once(at("acervo", "ascii")).await.to_string();
    assert!(error.contains("its encoding is SQL_ASCII") && error.contains("createdb --encoding=UTF8"), "{error}");
    let missing = DatabaseConfig { password_file: Some("/nowhere/password".into()), ..at("hub", "acervo") };
    let error = refused_at_once(missing).await.to_string();
    assert!(error.contains("`database.password_file` names `/nowhere/password`"), "{error}");

    Database::open(&at("hub:right", "acervo")).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "right\n").unwrap();
    Database::open(&DatabaseConfig { password_file: Some(file), ..at("hub", "acervo") }).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || greet_as(&listener, "14.9 (Debian 14.9-1)"));
    let url = format!("postgres://acervo@{address}/acervo");
    let error = refused_at_once(config(&url)).await;
    assert!(matches!(&error, StoreError::Unfit { .. }), "{error:?}");
    let error = error.to_string();
    assert!(error.contains("its server is Postgres 14, and 15 is the oldest that is used"), "{error}");
    server.join().unwrap();
}

/// Lets one client in as a Postgres server of another version does, and waits until it leaves.
fn greet_as(listener: &TcpListener, version: &str) {
    let (mut stream, _) = listener.accept().unwrap();
    let packet = |stream: &mut std::net::TcpStream| {
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
        stream.read_exact(&mut rest).unwrap();
    };
    // The question for TLS, then the start-up packet.
    packet(&mut stream);
    stream.write_all(b"N").unwrap();
    packet(&mut stream);
    let status = format!("server_version\0{version}\0");
    let mut answer = b"R\0\0\0\x08\0\0\0\0S".to_vec();
    answer.extend(u32::try_from(status.len() + 4).unwrap().to_be_bytes());
    answer.extend(status.as_bytes());
    answer.extend(b"Z\0\0\0\x05I");
    stream.write_all(&answer).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}
