//! A place where blobs can stand, started for one test.

use std::sync::Arc;
use std::time::{Duration, Instant};

use acervo_core::{Secret, Sha256Digest};
use acervo_store::blob::{BlobKey, BlobStore, RawStore, StagingConfig, StorageConfig};
use acervo_store::db::entity::{multipart_part, multipart_upload};
use acervo_store::db::{Database, DatabaseConfig, uploads};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::contents::PART;
use crate::{s3_server, servers};

/// The one bucket of each server.
pub(crate) const BUCKET: &str = "blobs";

const S3_KEY: &str = "AKIATEST";
const S3_SECRET: &str = "secret-of-a-test";

/// Kinds of backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    S3Fs,
    Azurite,
    Garage,
    /// A server that whoever started the tests has started.
    Given,
}

impl Kind {
    /// Those that can be started here.
    pub(crate) fn available() -> Vec<Kind> {
        let mut kinds = vec![Kind::Folder, Kind::S3Fs];
        kinds.extend(servers::installed("ACERVO_TEST_AZURITE").map(|_| Kind::Azurite));
        kinds.extend(servers::installed("ACERVO_TEST_GARAGE").map(|_| Kind::Garage));
        kinds.extend(servers::installed("ACERVO_TEST_S3").map(|_| Kind::Given));
        kinds
    }

    /// Name in front of each case.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Folder => "folder",
            Kind::S3Fs => "s3s_fs",
            Kind::Azurite => "azurite",
            Kind::Garage => "garage",
            Kind::Given => "s3_given",
        }
    }
}

/// A running backend with an empty store, and a database beside it.
pub(crate) struct Backend {
    pub(crate) kind: Kind,
    pub(crate) db: Database,
    /// As a configuration names it.
    pub(crate) storage: StorageConfig,
    raw: Arc<dyn ObjectStore>,
    parts: Option<Arc<dyn RawStore>>,
    folder: TempDir,
    _server: Server,
}

enum Server {
    None,
    Task { _handle: AbortOnDropHandle<()> },
    Process { _process: servers::Process },
}

impl Backend {
    pub(crate) async fn start(kind: Kind) -> Backend {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("acervo.db").display());
        let db = Database::open(&DatabaseConfig { url, ..DatabaseConfig::default() }).await.unwrap();
        acervo_migrations::up(db.writer()).await.unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let base = StorageConfig {
            upload_part_bytes: PART as u64,
            read_timeout_seconds: 10,
            start_timeout_seconds: 30,
            ..StorageConfig::default()
        };
        let (storage, server) = match kind {
            Kind::Folder => (StorageConfig { url: format!("file://{}", data.display()), ..base }, Server::None),
            Kind::S3Fs => {
                std::fs::create_dir(data.join(BUCKET)).unwrap();
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let endpoint = format!("http://{}", listener.local_addr().unwrap());
                let handle = s3_server::serve(listener, &data, S3_KEY, S3_SECRET);
                (s3(base, endpoint, S3_KEY, S3_SECRET), Server::Task { _handle: handle })
            }
            Kind::Azurite => {
                let package = servers::installed("ACERVO_TEST_AZURITE").unwrap();
                let (process, endpoint) = servers::azurite(&package, &data, BUCKET);
                let storage = StorageConfig {
                    url: format!("az://{BUCKET}"),
                    endpoint: Some(endpoint),
                    account: Some(servers::ACCOUNT.to_owned()),
                    account_key: Some(Secret::new(servers::ACCOUNT_KEY)),
                    ..base
                };
                (storage, Server::Process { _process: process })
            }
            Kind::Garage => {
                let binary = servers::installed("ACERVO_TEST_GARAGE").unwrap();
                let (process, address) = servers::garage(&binary, &data, BUCKET);
                wait_until_garage_answers(&address).await;
                let storage = s3(base, format!("http://{address}"), servers::GARAGE_KEY, servers::GARAGE_SECRET);
                (storage, Server::Process { _process: process })
            }
            Kind::Given => {
                let endpoint = std::env::var("ACERVO_TEST_S3").unwrap();
                let storage = s3(base, endpoint, servers::GARAGE_KEY, servers::GARAGE_SECRET);
                let bucket = format!("blobs-{}", uuid::Uuid::now_v7().simple());
                make_bucket(&storage, &bucket).await;
                (StorageConfig { url: format!("s3://{bucket}"), ..storage }, Server::None)
            }
        };
        let parts = raw(kind, &storage);
        let raw: Arc<dyn ObjectStore> = match &parts {
            Some(parts) => Arc::new(Arc::clone(parts) as Arc<dyn ObjectStore>),
            None => Arc::new(LocalFileSystem::new_with_prefix(&data).unwrap()),
        };
        Backend { kind, db, storage, raw, parts, folder, _server: server }
    }

    /// A store on this backend, as another process on the given host opens it.
    pub(crate) async fn store(&self, host: &str) -> BlobStore {
        BlobStore::open(&self.storage, &self.staging(host), &self.db).await.unwrap()
    }

    /// The staging folder of a host.
    pub(crate) fn staging(&self, host: &str) -> StagingConfig {
        StagingConfig { dir: self.folder.path().join(format!("staging-{host}")), ..StagingConfig::default() }
    }

    /// The objects, without anything of ours in between.
    pub(crate) fn raw(&self) -> &dyn ObjectStore {
        &self.raw
    }

    /// The objects and their uploads.
    pub(crate) fn parts(&self) -> Arc<dyn RawStore> {
        Arc::clone(self.parts.as_ref().expect("a bucket"))
    }

    pub(crate) fn is_bucket(&self) -> bool {
        self.parts.is_some()
    }

    pub(crate) async fn uploads_under_way(&self) -> u64 {
        uploads::count(self.db.reader()).await.unwrap()
    }

    /// Waits until so many parts have arrived and are recorded.
    pub(crate) async fn wait_for_parts(&self, parts: u64) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        while multipart_part::Entity::find().count(self.db.reader()).await.unwrap() < parts {
            assert!(Instant::now() < deadline, "{parts} parts do not arrive");
            looks.tick().await;
        }
    }

    /// As if every process that works on an upload had said nothing for an hour.
    pub(crate) async fn silence(&self) {
        let sql = "UPDATE multipart_upload SET touched_at = touched_at - 3600000";
        self.db.writer().execute_unprepared(sql).await.unwrap();
    }

    /// Makes the store forget the uploads of a content, where a store can be made to.
    pub(crate) async fn lose_uploads(&self, sha256: Sha256Digest) {
        let Some(parts) = &self.parts else { return };
        for row in multipart_upload::Entity::find().all(self.db.reader()).await.unwrap() {
            parts.abort_multipart(&BlobKey::Blob(sha256).path(), &row.upload_id).await.unwrap();
        }
    }

    /// Neither partial files nor uploads are left behind.
    pub(crate) async fn assert_nothing_left(&self, host: &str) {
        let dir = self.staging(host).dir;
        let mut names: Vec<String> = std::fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.retain(|name| name != "quarantine");
        assert!(names.is_empty(), "{names:?} are left in staging");
        assert_eq!(self.uploads_under_way().await, 0, "an upload is left");
    }
}

fn s3(base: StorageConfig, endpoint: String, key: &str, secret: &str) -> StorageConfig {
    StorageConfig {
        url: format!("s3://{BUCKET}"),
        endpoint: Some(endpoint),
        access_key_id: Some(Secret::new(key)),
        secret_access_key: Some(Secret::new(secret)),
        ..base
    }
}

/// The objects of a bucket, as another client sees them.
fn raw(kind: Kind, storage: &StorageConfig) -> Option<Arc<dyn RawStore>> {
    let text = |secret: &Option<Secret>| secret.as_ref().unwrap().expose().to_owned();
    let endpoint = storage.endpoint.clone();
    Some(match kind {
        Kind::Folder => return None,
        Kind::S3Fs | Kind::Garage | Kind::Given => Arc::new(
            AmazonS3Builder::new()
                .with_bucket_name(storage.url.trim_start_matches("s3://"))
                .with_endpoint(endpoint.unwrap())
                .with_allow_http(true)
                .with_access_key_id(text(&storage.access_key_id))
                .with_secret_access_key(text(&storage.secret_access_key))
                .build()
                .unwrap(),
        ),
        Kind::Azurite => Arc::new(
            MicrosoftAzureBuilder::new()
                .with_container_name(BUCKET)
                .with_endpoint(endpoint.unwrap())
                .with_allow_http(true)
                .with_account(storage.account.clone().unwrap())
                .with_access_key(text(&storage.account_key))
                .build()
                .unwrap(),
        ),
    })
}

/// Makes a bucket: an object without a name is one.
async fn make_bucket(storage: &StorageConfig, bucket: &str) {
    let storage = StorageConfig { url: format!("s3://{bucket}"), ..storage.clone() };
    let objects = raw(Kind::Given, &storage).unwrap();
    let made = objects.put(&object_store::path::Path::default(), PutPayload::new()).await;
    // There is nothing to say about a bucket, which the client does not expect.
    let error = made.map_or_else(|error| error.to_string(), |_| String::new());
    assert!(objects.list_with_delimiter(None).await.is_ok(), "the bucket could not be made: {error}");
}

/// Garage listens before its default bucket is made: until then, it refuses what comes.
async fn wait_until_garage_answers(address: &str) {
    let storage =
        s3(StorageConfig::default(), format!("http://{address}"), servers::GARAGE_KEY, servers::GARAGE_SECRET);
    let objects = raw(Kind::Garage, &storage).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut looks = tokio::time::interval(Duration::from_millis(50));
    loop {
        looks.tick().await;
        let listed = objects.list_with_delimiter(None).await;
        match listed {
            Ok(_) => return,
            Err(error) => assert!(Instant::now() < deadline, "garage does not answer: {error}"),
        }
    }
}
