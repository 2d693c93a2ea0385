//! Throw-away Postgres clusters, made with Debian's binaries, stopped and killed at will.

mod binaries;
mod server;
#[cfg(test)]
mod tests;

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::process::Signal;
use tempfile::TempDir;
use uuid::Uuid;

use self::binaries::Binaries;
use self::server::{Ended, Server};
use crate::blocking::block_on;
use crate::database::{execute, make_template};

/// How often a port is chosen before giving up: another process may be faster.
const PORTS_TRIED: u32 = 20;

/// Ports to choose from: below those that the kernel gives to outgoing connections, so that a port is still free when a
/// server that was stopped starts again.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// How a cluster is set up.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Settings of the server by name, as in `ssl` and `on`.
    pub server: Vec<(String, String)>,
    /// Lines of `pg_hba.conf`; without any, everybody on this host is let in.
    pub access: Vec<String>,
    /// Files to stand in the data folder, readable by the server only: name and content.
    pub files: Vec<(String, Vec<u8>)>,
}

/// A cluster of its own on a free port of this host. Stopped and removed when dropped.
#[derive(Debug)]
pub struct PostgresCluster {
    folder: TempDir,
    binaries: Binaries,
    port: u16,
    settings: Vec<(String, String)>,
    server: Mutex<Option<Server>>,
}

impl PostgresCluster {
    /// A running cluster for one test. What it has committed survives [`PostgresCluster::kill`].
    pub fn start() -> PostgresCluster {
        PostgresCluster::with(&Settings::default())
    }

    /// A running cluster with settings of the test's own.
    pub fn with(settings: &Settings) -> PostgresCluster {
        let binaries = Binaries::find();
        let folder = searchable_folder();
        binaries.give_away(folder.path());
        binaries.make_cluster(folder.path(), &folder.path().join("data"));
        let mut server = vec![
            // The tests' host may lose power; nobody misses a cluster of a test.
            ("fsync".to_owned(), "off".to_owned()),
            ("full_page_writes".to_owned(), "off".to_owned()),
            ("max_connections".to_owned(), "300".to_owned()),
        ];
        server.extend(settings.server.iter().cloned());
        let mut cluster = PostgresCluster { folder, binaries, port: 0, settings: server, server: Mutex::new(None) };
        for (name, content) in &settings.files {
            cluster.write(name, content);
        }
        if !settings.access.is_empty() {
            cluster.write("pg_hba.conf", (settings.access.join("\n") + "\n").as_bytes());
        }
        cluster.start_on_a_free_port();
        cluster
    }

    /// The cluster that all tests of a run share, with the template their databases are copied from.
    pub fn shared() -> PostgresCluster {
        let server = [("synchronous_commit", "off"), ("max_wal_size", "256MB"), ("checkpoint_timeout", "1h")];
        let server = server.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let cluster = PostgresCluster::with(&Settings { server, ..Settings::default() });
        make_template(&cluster.url("postgres"));
        cluster
    }

    /// Address of a database, which must have been made.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{}@127.0.0.1:{}/{database}", binaries::SUPERUSER, self.port)
    }

    /// Makes an empty database, and returns its address.
    pub fn create_database(&self, name: &str) -> String {
        self.execute(&format!("CREATE DATABASE {name}"));
        self.url(name)
    }

    /// Runs one statement as the superuser.
    pub fn execute(&self, statement: &str) {
        block_on(execute(self.url("postgres"), statement.to_owned()));
    }

    /// Runs one statement in a database as the superuser.
    pub fn execute_in(&self, database: &str, statement: &str) {
        block_on(execute(self.url(database), statement.to_owned()));
    }

    /// Its port on 127.0.0.1, the same after each start.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the server runs.
    pub fn is_running(&self) -> bool {
        self.lock().is_some()
    }

    /// Stops the server as an administrator does: sessions are ended, everything is written. Returns when it is gone.
    pub fn stop_fast(&self) {
        self.end(Signal::INT);
    }

    /// Ends the server on the spot, as a crash does: it will recover when it starts again. Returns when it is gone.
    pub fn kill(&self) {
        self.end(Signal::QUIT);
    }

    /// Starts the server that was stopped or killed, on the same port. Returns when it answers.
    pub fn start_again(&self) {
        let mut server = self.lock();
        assert!(server.is_none(), "the server runs already");
        match self.launch(self.port) {
            Ok(started) => *server = Some(started),
            Err(Ended { log }) => panic!("postgres did not start again:\n{log}"),
        }
    }

    /// Stops the server and starts it again.
    pub fn restart(&self) {
        self.stop_fast();
        self.start_again();
    }

    /// Writes a file into the data folder, for the server's eyes only; some are read when it starts again.
    pub fn write(&self, name: &str, content: &[u8]) {
        let path = self.data().join(name);
        std::fs::write(&path, content).expect("a file in the data folder");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("the file's mode");
        self.binaries.give_away(&path);
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, signal: Signal) {
        self.lock().take().expect("a running server").end(signal);
    }

    fn start_on_a_free_port(&mut self) {
        let mut last = String::new();
        for _ in 0..PORTS_TRIED {
            let port = free_port();
            match self.launch(port) {
                Ok(server) => {
                    self.port = port;
                    *self.lock() = Some(server);
                    return;
                }
                Err(Ended { log }) => {
                    assert!(log.contains("could not bind"), "postgres did not start:\n{log}");
                    last = log;
                }
            }
        }
        panic!("postgres found no free port:\n{last}");
    }

    fn launch(&self, port: u16) -> Result<Server, Ended> {
        let mut command = self.binaries.command("postgres", self.folder.path());
        command.arg("-D").arg(self.data()).arg("-p").arg(port.to_string());
        let fixed = [("listen_addresses", "127.0.0.1"), ("unix_socket_directories", ""), ("log_destination", "stderr")];
        let fixed = fixed.iter().map(|(name, value)| (*name, *value));
        for (name, value) in fixed.chain(self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()))) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        Server::start(command)
    }
}

impl Drop for PostgresCluster {
    fn drop(&mut self) {
        if let Some(server) = self.lock().take() {
            server.end(Signal::QUIT);
        }
    }
}

/// A temporary folder that other users can reach, whatever `TMPDIR` says: the server may have to run as one of them.
fn searchable_folder() -> TempDir {
    let reachable = |folder: &Path| {
        folder
            .canonicalize()
            .is_ok_and(|path| path.ancestors().all(|parent| parent.metadata().is_ok_and(|m| m.mode() & 0o001 != 0)))
    };
    let temp = std::env::temp_dir();
    let parent = [temp.as_path(), Path::new("/tmp"), Path::new("/var/tmp")].into_iter().find(|path| reachable(path));
    let parent = parent.expect("a temporary folder that every user can search");
    TempDir::with_prefix_in("acervo-postgres-", parent).expect("a temporary folder")
}

fn free_port() -> u16 {
    let span = u128::from(PORTS.end - PORTS.start);
    loop {
        let offset = u16::try_from(Uuid::now_v7().as_u128() % span).expect("an offset below the span");
        if TcpListener::bind(("127.0.0.1", PORTS.start + offset)).is_ok() {
            return PORTS.start + offset;
        }
    }
}
