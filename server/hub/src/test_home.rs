//! Where the hubs of this crate's own tests keep everything: on the engine of the run, gone with the value.

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

    /// Runs a statement on the database behind the back of whoever uses it.
    pub(crate) fn execute(&self, statement: &str) {
        self.database.execute(statement);
    }

    /// Where blobs stand.
    pub(crate) fn storage(&self) -> &TestStorage {
        &self.storage
    }

    /// A configuration that keeps everything here.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::default();
        config.database.url = self.database.url();
        let settings = serde_json::to_value(self.storage.settings()).unwrap();
        config.storage = serde_json::from_value(settings).unwrap();
        config.staging.dir = self.folder.path().join("staging");
        config
    }
}
