//! The two hubs of the demonstration, each in a temporary folder that goes away with it.

use std::path::Path;

use acervo_core::{Caller, RepoId, Role, Timestamp, Visibility};
use acervo_store::blob::StagingConfig;
use bytes::Bytes;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::identity::{self, TokenRequest};
use crate::app::local::{self, NewCommit, NewFile};
use crate::config::Config;
use crate::context::Hub;
use crate::demo::content::{self, DemoRepo};
use crate::error::HubError;
use crate::http;

/// When the generated commits say they were written: a fixed time, so that their ids are the same everywhere.
const WRITTEN_AT_MILLIS: i64 = 1_767_225_600_000;

/// A hub that runs in this process.
#[derive(Debug)]
struct Running {
    hub: Hub,
    url: String,
    shutdown: CancellationToken,
    server: JoinHandle<Result<(), HubError>>,
    // Last, so that the folder outlives what is in it.
    _folder: TempDir,
}

impl Running {
    async fn start(bind: &str, upstream: Option<&str>) -> Result<Running, HubError> {
        let folder = TempDir::with_prefix("acervo-demo-")
            .map_err(|error| HubError::Config(format!("a temporary folder cannot be made: {error}; set TMPDIR")))?;
        let listener = http::listen(bind)?;
        let address = listener
            .local_addr()
            .map_err(|error| HubError::Internal(format!("a listener without an address: {error}")))?;
        let url = format!("http://{address}");
        let mut config = config_in(folder.path());
        config.server.bind = address.to_string();
        config.server.public_url.clone_from(&url);
        if let Some(endpoint) = upstream {
            config.upstream.endpoint = endpoint.to_owned();
        }
        let hub = Hub::open(config).await?;
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(http::serve(hub.clone(), listener, shutdown.clone()));
        Ok(Running { hub, url, shutdown, server, _folder: folder })
    }

    async fn stop(self) {
        self.shutdown.cancel();
        if let Ok(Err(error)) = self.server.await {
            tracing::warn!(error = %error, "a demonstration server ended badly");
        }
    }
}

/// A configuration that keeps everything in one folder.
fn config_in(folder: &Path) -> Config {
    let mut config = Config::default();
    config.database.url = format!("sqlite://{}", folder.join("acervo.db").display());
    config.storage.url = format!("file://{}", folder.join("store").display());
    config.staging = StagingConfig { dir: folder.join("staging"), ..StagingConfig::default() };
    config
}

/// The hub that is mirrored from.
#[derive(Debug)]
pub struct DemoUpstream {
    running: Running,
    repos: Vec<DemoRepo>,
}

impl DemoUpstream {
    /// Generates the repositories and serves them.
    pub async fn start() -> Result<DemoUpstream, HubError> {
        let running = Running::start("127.0.0.1:0", None).await?;
        let repos = content::repos();
        for repo in &repos {
            let files = repo.files.iter().map(|file| {
                let path = file.path.parse()?;
                Ok(NewFile { path, bytes: Bytes::from(file.bytes.clone()), lfs: file.lfs })
            });
            let new = NewCommit {
                kind: repo.kind,
                name: RepoId::new(repo.namespace, repo.name)?,
                visibility: Visibility::Public,
                files: files.collect::<Result<Vec<NewFile>, HubError>>()?,
                title: "Generate the demonstration".to_owned(),
                at: Timestamp::from_millis(WRITTEN_AT_MILLIS),
            };
            local::commit_files(&running.hub, &Caller::System, &new).await?;
        }
        Ok(DemoUpstream { running, repos })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.running.url
    }

    /// What it serves.
    pub fn repos(&self) -> &[DemoRepo] {
        &self.repos
    }

    /// Stops serving and removes everything.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

/// The hub that mirrors.
#[derive(Debug)]
pub struct DemoMirror {
    running: Running,
    token: String,
}

impl DemoMirror {
    /// An empty mirror of the hub at `endpoint`, with a token for its reader.
    pub async fn start(endpoint: &str, bind: &str) -> Result<DemoMirror, HubError> {
        let running = Running::start(bind, Some(endpoint)).await?;
        let request = TokenRequest { name: "demo".to_owned(), role: Role::Reader, user: None, expires_at: None };
        let token = identity::create_token(&running.hub, &Caller::System, &request).await?.text;
        Ok(DemoMirror { running, token })
    }

    /// The hub itself.
    pub fn hub(&self) -> &Hub {
        &self.running.hub
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.running.url
    }

    /// A token that may read.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Bytes it has fetched.
    pub fn bytes(&self) -> u64 {
        self.running.hub.metrics().fetched_bytes.get()
    }

    /// Stops serving and removes everything.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}
