//! Where the hubs of this crate's own tests keep everything: on the engine of the run, gone with the value.

use acervo_core::Secret;
use acervo_store::blob::StorageConfig;
use acervo_test_engine::{Engine, TestDatabase, TestStorage};
use tempfile::TempDir;

use crate::config::Config;

/// A database, a store and a staging folder of a test's own.
pub(crate) struct TestHome {
    database: TestDatabase,
    storage: TestStorage,
    folder: TempDir,
}

impl TestHome {
    pub(crate) fn new() -> TestHome {
        let (engine, folder) = (Engine::from_env(), TempDir::with_prefix("acervo-test-").unwrap());
        let (database, storage) = (engine.database(folder.path()), engine.storage(folder.path()));
        TestHome { database, storage, folder }
    }

    /// A configuration that keeps everything here.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::default();
        config.database.url = self.database.url();
        config.storage = storage_config(&self.storage);
        config.staging.dir = self.folder.path().join("staging");
        config
    }
}

/// What a configuration says of a store.
fn storage_config(storage: &TestStorage) -> StorageConfig {
    let defaults = StorageConfig::default();
    StorageConfig {
        url: storage.url.clone(),
        endpoint: storage.endpoint.clone(),
        region: storage.region.clone().unwrap_or(defaults.region.clone()),
        access_key_id: storage.access_key.as_ref().map(Secret::new),
        secret_access_key: storage.secret_key.as_ref().map(Secret::new),
        ..defaults
    }
}
