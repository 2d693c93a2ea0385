//! Where the hubs of this crate's own tests keep everything: on the engine of the run, gone with the value.

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
        let (database, storage) = (engine.database(folder.path()), test_storage(&engine, folder.path()));
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

/// The store of a test.
fn test_storage(_engine: &Engine, folder: &std::path::Path) -> TestStorage {
    // The one line to change when the store can be on a server: `engine.storage(folder)`.
    Engine::embedded().storage(folder)
}

/// What a configuration says of a store.
fn storage_config(storage: &TestStorage) -> StorageConfig {
    // The one line to change when the store can be on a server: endpoint, keys and region.
    StorageConfig { url: storage.url.clone() }
}
