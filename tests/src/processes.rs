//! The `acervo` binary as the servers, workers and commands of one installation, which tests start, pause and kill.
//!
//! What an installation consists of (database, store, staging) outlives its processes. The test looks at it through
//! [`Installation::hub`], as one more process would.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use acervo::config::{self, Config};
use acervo::context::Hub;
use acervo_test_engine::{Engine, TestDatabase, TestStorage};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::binary::{self, Ran};

/// Longest wait for anything that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Time between two looks at something that tells nobody when it changes.
const LOOK_PERIOD: Duration = Duration::from_millis(20);

/// Looks again and again until there is something to see; panics with `what` if there never is.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut looks = tokio::time::interval(LOOK_PERIOD);
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            looks.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    });
    let Ok(found) = found.await else { panic!("waited in vain for {PATIENCE:?}: {what}") };
    found
}

/// One installation: a folder, a database, a store, a configuration file.
#[derive(Debug)]
pub struct Installation {
    settings: BTreeMap<String, String>,
    started: AtomicU64,
    database: TestDatabase,
    storage: TestStorage,
    folder: TempDir,
}

impl Installation {
    /// An installation on the engine of this run that mirrors from `endpoint`.
    pub fn new(endpoint: &str) -> Installation {
        Installation::with_storage(endpoint, |folder| Engine::from_env().storage(folder))
    }

    /// An installation with an S3 server of its own, whatever the run is about.
    pub fn on_s3(endpoint: &str) -> Installation {
        Installation::with_storage(endpoint, |folder| TestStorage::on_s3(&folder.join("s3")))
    }

    fn with_storage(endpoint: &str, storage: impl FnOnce(&Path) -> TestStorage) -> Installation {
        let folder = TempDir::with_prefix("acervo-test-").expect("a temporary folder");
        let database = Engine::from_env().database(folder.path());
        let storage = storage(folder.path());
        let mut new = Installation { settings: BTreeMap::new(), started: AtomicU64::new(0), database, storage, folder };
        new.set("server.bind", "127.0.0.1:0");
        new.set("database.url", &new.database.url());
        for (key, value) in new.storage.settings() {
            new.set(&format!("storage.{key}"), &value);
        }
        new.set("staging.dir", &new.staging().display().to_string());
        new.set("upstream.endpoint", endpoint);
        // The fake upstream's storage goes by this name, as a real hub's goes by another than the hub.
        new.set_raw("upstream.allowed_private_hosts", "[\"localhost\"]");
        new.set_raw("upstream.retry_base_milliseconds", "1");
        new.set_raw("upstream.read_timeout_seconds", "5");
        new.set_raw("worker.lease_seconds", "10");
        // Tests share their machine with many others.
        new.set_raw("database.read_wait_seconds", "30");
        new
    }

    /// Takes a setting out of the configuration file.
    pub fn unset(&mut self, key: &str) {
        self.settings.remove(key);
        self.write();
    }

    /// Sets a key to a text, for processes started from now on.
    pub fn set(&mut self, key: &str, text: &str) {
        self.set_raw(key, &serde_json::Value::from(text).to_string());
    }

    /// Sets a key to a value written as TOML.
    pub fn set_raw(&mut self, key: &str, toml: &str) {
        self.settings.insert(key.to_owned(), toml.to_owned());
        self.write();
    }

    fn write(&self) {
        let lines = self.settings.iter().map(|(key, value)| format!("{key} = {value}\n"));
        std::fs::write(self.file(), lines.collect::<String>()).expect("the configuration is written");
    }

    /// Where it keeps everything that is not on a server.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its staging folder.
    pub fn staging(&self) -> PathBuf {
        self.folder.path().join("staging")
    }

    /// Its database.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// Its store.
    pub fn storage(&self) -> &TestStorage {
        &self.storage
    }

    /// What its processes read.
    pub fn config(&self) -> Config {
        config::load(Some(&self.file()), &[]).expect("a configuration that can be used").config
    }

    /// The installation as one more process would see it.
    pub async fn hub(&self) -> Hub {
        Hub::open(self.config()).await.expect("the hub opens")
    }

    /// A command of this installation, to be started.
    pub fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = binary::command(self.folder.path());
        command.arg("--config").arg(self.file()).args(arguments);
        command
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::from(self.command(arguments));
        Ran::from(command.kill_on_drop(true).output().await.expect("the binary runs"))
    }

    /// Starts a command and lets it run.
    pub fn start(&self, arguments: &[&str]) -> Process {
        self.start_command(self.command(arguments))
    }

    /// Starts what a command is, prefixed or changed by the test, and lets it run.
    pub fn start_command(&self, command: std::process::Command) -> Process {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let log = self.folder.path().join(format!("process-{number}.log"));
        let errors = std::fs::File::create(&log).expect("a file for the log");
        let mut child = Command::from(command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Process { child, lines, log, url: String::new() }
    }

    /// Starts a server with a worker inside and waits until it serves.
    pub async fn serve(&self) -> Process {
        self.start(&["serve"]).serving().await
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("acervo.toml")
    }
}

/// A running process of an installation; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
    url: String,
}

impl Process {
    /// Waits until it says where it serves.
    pub async fn serving(mut self) -> Process {
        let found = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = self.lines.next_line().await.expect("its output") {
                if let Some(rest) = line.strip_prefix("serving ") {
                    return rest.split(' ').next().map(str::to_owned);
                }
            }
            None
        });
        let Ok(Some(url)) = found.await else { panic!("the server does not serve: {}", self.log()) };
        self.url = url;
        self
    }

    /// Base URL of a server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it has written to standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("its log")
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Kills it on the spot, as a loss of power would, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it is killed");
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let Ok(status) = ended else { panic!("the process does not end: {}", self.log()) };
        status.expect("its status")
    }

    /// Stops it where it is, every thread of it, and waits until it stands.
    pub async fn pause(&self) {
        self.signal("STOP");
        eventually("the process stands", async || self.states().iter().all(|state| *state == 'T').then_some(())).await;
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Scheduler states of its threads.
    fn states(&self) -> Vec<char> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.id())).expect("its threads");
        let state = |path: PathBuf| {
            let text = std::fs::read_to_string(path.join("stat")).ok()?;
            // After the name in parentheses, which may hold anything.
            text.rsplit_once(") ")?.1.chars().next()
        };
        threads.filter_map(|thread| state(thread.expect("a thread").path())).collect()
    }

    fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill").args([format!("-{name}"), self.id().to_string()]).status();
        assert!(sent.expect("`kill` runs").success(), "the process is gone: {}", self.log());
    }
}
