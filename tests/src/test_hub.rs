//! A real hub on a free port, with a database, a store and a staging folder of its own, on the engine of the run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use acervo::app::identity::{self, TokenRequest};
use acervo::app::mirrors::{self, MirrorRequest};
use acervo::app::sync::{self, Progress, SyncOutcome};
use acervo::config::Config;
use acervo::context::Hub;
pub use acervo::demo::order;
use acervo::{http, worker};
use acervo_core::{Caller, RepoKind, Role};
use acervo_store::blob::StorageConfig;
use acervo_store::db::jobs::{self, Job};
use acervo_store::db::mirrors::Mirror;
use acervo_test_engine::{Engine, S3Server, TestDatabase, TestStorage};
use reqwest::{Client, RequestBuilder, Response};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// A hub under test.
#[derive(Debug)]
pub struct TestHub {
    hub: Hub,
    url: String,
    client: Client,
    /// Stops the server when this hub is dropped.
    shutdown: DropGuard,
    server: JoinHandle<()>,
    home: Home,
}

/// What outlives a hub's process.
#[derive(Debug)]
struct Home {
    database: TestDatabase,
    storage: TestStorage,
    folder: TempDir,
}

impl TestHub {
    /// A hub that mirrors from `endpoint`.
    pub async fn start(endpoint: &str) -> TestHub {
        TestHub::with(endpoint, |_| {}).await
    }

    /// A hub with changes to its configuration.
    pub async fn with(endpoint: &str, change: impl FnOnce(&mut Config)) -> TestHub {
        let folder = TempDir::with_prefix("acervo-test-").expect("a temporary folder");
        let engine = Engine::from_env();
        let (database, storage) = (engine.database(folder.path()), engine.storage(folder.path()));
        TestHub::at_home(Home { database, storage, folder }, endpoint, change).await
    }

    /// A hub with an S3 server of its own, whatever the run is about: for tests whose subject that server is.
    pub async fn on_s3(endpoint: &str, change: impl FnOnce(&mut Config)) -> TestHub {
        let folder = TempDir::with_prefix("acervo-test-").expect("a temporary folder");
        let database = Engine::from_env().database(folder.path());
        let storage = TestStorage::on_s3(&folder.path().join("s3"));
        TestHub::at_home(Home { database, storage, folder }, endpoint, change).await
    }

    /// Its S3 server.
    pub fn s3(&self) -> &S3Server {
        self.home.storage.server().expect("a hub on S3")
    }

    async fn at_home(home: Home, endpoint: &str, change: impl FnOnce(&mut Config)) -> TestHub {
        let listener = http::listen("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let url = format!("http://{address}");
        let mut config = config_at(&home, endpoint);
        config.server.bind = address.to_string();
        config.server.public_url.clone_from(&url);
        change(&mut config);
        let hub = Hub::open(config).await.expect("the hub opens");
        let shutdown = CancellationToken::new();
        let serving = http::serve(hub.clone(), listener, shutdown.clone());
        let server = tokio::spawn(async move { serving.await.expect("the server ends well") });
        let client =
            Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        TestHub { hub, url, client, shutdown: shutdown.drop_guard(), server, home }
    }

    /// Stops this hub and starts another in its place, as after the end of the process.
    pub async fn restart(self, endpoint: &str) -> TestHub {
        let TestHub { hub, shutdown, server, home, .. } = self;
        drop(shutdown);
        server.await.expect("the server ends");
        hub.db().close().await.expect("the database closes");
        TestHub::at_home(home, endpoint, |_| {}).await
    }

    /// The hub itself, for use cases that have no route yet.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A configuration that shares everything with this hub: what another process of its installation reads.
    pub fn config_of_another(&self, endpoint: &str) -> Config {
        config_at(&self.home, endpoint)
    }

    /// Its store.
    pub fn storage(&self) -> &TestStorage {
        &self.home.storage
    }

    /// Its staging folder.
    pub fn staging(&self) -> PathBuf {
        self.home.folder.path().join("staging")
    }

    /// Files under its staging folder, quarantine left out.
    pub fn staged_files(&self) -> Vec<PathBuf> {
        files_in(&self.staging())
    }

    /// Files in quarantine.
    pub fn quarantined_files(&self) -> Vec<PathBuf> {
        files_in(&self.staging().join("quarantine"))
    }

    /// A GET to be sent.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    /// A HEAD to be sent.
    pub fn head(&self, path: &str) -> RequestBuilder {
        self.client.head(format!("{}{path}", self.url))
    }

    /// A POST to be sent.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    /// A PUT to be sent.
    pub fn put(&self, path: &str) -> RequestBuilder {
        self.client.put(format!("{}{path}", self.url))
    }

    /// A new token with this role on the whole hub.
    pub async fn token(&self, name: &str, role: Role) -> String {
        let request = TokenRequest { name: name.to_owned(), role, user: None, expires_at: None };
        identity::create_token(&self.hub, &Caller::System, &request).await.expect("a token").text
    }

    /// A new token of a user who has no role at all.
    pub async fn stranger(&self, name: &str) -> String {
        let kind = acervo_store::db::principals::PrincipalKind::Person;
        identity::create_user(&self.hub, &Caller::System, name, kind, None).await.expect("a user");
        let request = TokenRequest {
            name: format!("{name}-token"),
            role: Role::Admin,
            user: Some(name.to_owned()),
            expires_at: None,
        };
        identity::create_token(&self.hub, &Caller::System, &request).await.expect("a token").text
    }

    /// Adds a mirror of everything on the default branch.
    pub async fn mirror(&self, kind: RepoKind, name: &str) -> Mirror {
        self.mirror_with(order(kind, name)).await
    }

    /// Adds a mirror.
    pub async fn mirror_with(&self, request: MirrorRequest) -> Mirror {
        mirrors::add(&self.hub, &Caller::System, &request).await.expect("a mirror")
    }

    /// Works one sync of a mirror to the end of an attempt, and returns the job as it is then.
    pub async fn attempt(&self, mirror: &Mirror) -> Job {
        let id = sync::enqueue(&self.hub, &Caller::System, mirror).await.expect("a job");
        let (worker, progress, never) = (Uuid::now_v7(), Arc::new(Progress::default()), CancellationToken::new());
        let worked = worker::run_once(&self.hub, worker, Some(id), &progress, &never).await.expect("a worker");
        assert!(worked, "the job was not due");
        self.job(id).await
    }

    /// A job as it is now.
    pub async fn job(&self, id: Uuid) -> Job {
        jobs::by_id(self.hub.db().reader(), id).await.expect("the database").expect("the job")
    }

    /// Syncs a mirror, which must succeed.
    pub async fn sync(&self, mirror: &Mirror) -> SyncOutcome {
        let job = self.attempt(mirror).await;
        assert_eq!(job.state, jobs::State::Succeeded, "{:?}", job.error);
        serde_json::from_value(job.outcome.expect("an outcome")).expect("an outcome of a sync")
    }

    /// Adds a mirror of everything on the default branch and syncs it.
    pub async fn synced(&self, kind: RepoKind, name: &str) -> Mirror {
        let mirror = self.mirror(kind, name).await;
        self.sync(&mirror).await;
        mirror
    }
}

/// What a configuration says of a store.
pub fn storage_config(storage: &TestStorage) -> StorageConfig {
    let settings = serde_json::to_value(storage.settings()).expect("texts by key");
    // The least that servers take, so that files of a few megabytes come in several parts.
    StorageConfig { upload_part_bytes: 5 << 20, ..serde_json::from_value(settings).expect("settings of a store") }
}

/// A configuration that keeps everything in one place and gives up fast.
fn config_at(home: &Home, endpoint: &str) -> Config {
    let mut config = Config::default();
    config.database.url = home.database.url();
    // Tests share their machine with many others.
    config.database.read_wait_seconds = 30;
    config.storage = storage_config(&home.storage);
    config.staging.dir = home.folder.path().join("staging");
    config.upstream.endpoint = endpoint.to_owned();
    // The fake upstream's storage goes by this name, as a real hub's goes by another than the hub.
    config.upstream.allowed_private_hosts = vec!["localhost".to_owned()];
    config.upstream.retry_base_milliseconds = 1;
    config.upstream.read_timeout_seconds = 5;
    config
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).collect()
}

/// A header of an answer as text; absent ones are empty.
pub fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().expect("a header of ASCII"))
}
