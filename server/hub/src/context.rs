//! The `Hub`: everything a use case needs, built once and passed along. There are no globals.

use std::sync::Arc;

use acervo_core::{Caller, Timestamp};
use acervo_store::blob::BlobStore;
use acervo_store::db::Database;

use crate::app::budgets::SharedBudgets;
use crate::app::cache::Caches;
use crate::app::catalog;
use crate::app::jobs::Watches;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::HubError;
use crate::hooks::Hooks;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::upstream::{self, Upstreams};

/// One installation, as a process sees it; clones share everything.
#[derive(Clone, Debug)]
pub struct Hub {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    db: Database,
    blobs: BlobStore,
    upstreams: Upstreams,
    hooks: Hooks,
    caches: Caches,
    metrics: Metrics,
    limits: Limits,
    watches: Watches,
    clock: Arc<Clock>,
}

impl Hub {
    /// Opens the database (bringing its schema and its lists up to date) and the storage.
    pub async fn open(config: Config) -> Result<Hub, HubError> {
        let db = Database::open(&config.database).await?;
        acervo_migrations::up(db.writer()).await.map_err(|source| HubError::Migration(source.to_string()))?;
        let blobs = BlobStore::open(&config.storage, &config.staging, &db).await?;
        let clock = Arc::new(Clock::default());
        let ledger = Arc::new(SharedBudgets::new(&db, &clock));
        let upstreams = Upstreams::new(&config.upstream, config.sync.transfers_at_once, Some(ledger))?;
        let hooks = Hooks::new(&config.webhooks, &config.webhook_delivery)?;
        let metrics = Metrics::new();
        let caches = Caches::new(&metrics);
        let limits = Limits::new(&config.server.rate_limits);
        let watches = Watches::default();
        let inner = Inner { config, db, blobs, upstreams, hooks, caches, metrics, limits, watches, clock };
        let hub = Hub { inner: Arc::new(inner) };
        catalog::catch_up(&hub).await?;
        Ok(hub)
    }

    /// The effective configuration.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The database.
    pub fn db(&self) -> &Database {
        &self.inner.db
    }

    /// The blobs.
    pub fn blobs(&self) -> &BlobStore {
        &self.inner.blobs
    }

    /// The configured upstream.
    pub fn upstream(&self) -> &upstream::Client {
        self.inner.upstreams.configured()
    }

    /// A client of the hub at `endpoint` for work on what `organization` has here: with its token for that hub, else with
    /// the one for all, else without any.
    pub fn upstream_at(&self, endpoint: &str, organization: &str) -> Result<upstream::Client, HubError> {
        Ok(self.inner.upstreams.at(endpoint, organization)?)
    }

    /// Every upstream.
    pub fn upstreams(&self) -> &Upstreams {
        &self.inner.upstreams
    }

    /// Who is sent events.
    pub fn hooks(&self) -> &Hooks {
        &self.inner.hooks
    }

    /// What is remembered between requests.
    pub fn caches(&self) -> &Caches {
        &self.inner.caches
    }

    /// Counters.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// How many requests callers have made.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Jobs that somebody follows.
    pub fn watches(&self) -> &Watches {
        &self.inner.watches
    }

    /// Where the time comes from.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Address under which clients reach this hub where no request tells a better one, without a trailing slash.
    pub fn public_url(&self) -> String {
        let server = &self.inner.config.server;
        match server.public_url.trim_end_matches('/') {
            "" => format!("http://{}", server.bind),
            url => url.to_owned(),
        }
    }

    /// What stands before every path of ours in a browser's or client's address, without a trailing slash: the path of
    /// `server.public_url`. A proxy that serves this hub below a path takes it away before it passes a request on.
    pub fn public_path(&self) -> &str {
        let url = self.inner.config.server.public_url.trim_end_matches('/');
        let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
        after_scheme.find('/').map_or("", |at| &after_scheme[at..])
    }

    /// Fresh random bytes.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], HubError> {
        let mut bytes = [0; N];
        getrandom::fill(&mut bytes).map_err(|error| HubError::Internal(format!("no random numbers: {error}")))?;
        Ok(bytes)
    }
}

/// A short text that tells who a caller is, for logs and events.
pub fn caller_name(caller: &Caller) -> &str {
    match caller {
        Caller::Anonymous => "anonymous",
        Caller::Known(identity) => &identity.name,
        Caller::System => "system",
    }
}
