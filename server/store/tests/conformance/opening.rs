//! What is promised by stores that are reached over a network.

use acervo_core::Secret;
use acervo_store::blob::{BlobStore, Honoured, StorageConfig};
use futures::{StreamExt, TryStreamExt};
use tokio::net::{TcpListener, TcpStream};

use crate::backend::{Backend, Kind};
use crate::contents::{self, assert_stored, content, lfs};
use crate::link::Link;

async fn refusal(backend: &Backend, storage: StorageConfig) -> String {
    BlobStore::open(&storage, &backend.staging("a"), &backend.db).await.unwrap_err().to_string()
}

pub(crate) async fn what_the_store_honours_is_found_out(backend: &Backend) {
    let store = backend.store("a").await;
    let found = store.capabilities();
    let (kind, conditional_put) = match backend.kind {
        // Garage takes the condition and writes all the same.
        Kind::Garage | Kind::Given => ("s3", Honoured::Ignored),
        Kind::S3Fs => ("s3", Honoured::Honoured),
        Kind::Azurite => ("az", Honoured::Honoured),
        Kind::Folder => unreachable!("a folder is no bucket"),
    };
    assert_eq!((found.kind, found.conditional_put), (kind, conditional_put));
    assert_eq!(
        (found.ranged_get, found.multipart, found.delete),
        (Honoured::Honoured, Honoured::Honoured, Honoured::Honoured)
    );
    let left: Vec<_> = backend.raw().list(None).try_collect().await.unwrap();
    assert!(left.is_empty(), "probes are left: {left:?}");
    store.check_storage().await.unwrap();
    store.check_staging().await.unwrap();
}

pub(crate) async fn a_bucket_that_is_not_there_is_refused_with_what_to_do(backend: &Backend) {
    let url = format!("{}://elsewhere", backend.storage.url.split(':').next().unwrap());
    let storage = StorageConfig { url, ..backend.storage.clone() };
    if backend.kind == Kind::S3Fs {
        // This one makes buckets as they are named.
        BlobStore::open(&storage, &backend.staging("a"), &backend.db).await.unwrap();
        return;
    }
    let text = refusal(backend, storage).await;
    assert!(text.contains("there is no bucket `elsewhere`") && text.contains("`storage.url`"), "{text}");
}

pub(crate) async fn wrong_credentials_are_refused_with_what_to_do(backend: &Backend) {
    let storage = match backend.kind {
        Kind::Azurite => {
            StorageConfig { account_key: Some(Secret::new("bm8gc3VjaCBrZXk=")), ..backend.storage.clone() }
        }
        _ => StorageConfig { secret_access_key: Some(Secret::new("no such key")), ..backend.storage.clone() },
    };
    let text = refusal(backend, storage).await;
    assert!(text.contains("refuses these credentials") && text.contains("check `storage.ac"), "{text}");
    assert!(!text.contains("no such key"), "{text}");

    let without = StorageConfig { access_key_id: None, account_key: None, ..backend.storage.clone() };
    let text = refusal(backend, without).await;
    assert!(text.contains("is not set; write the credential"), "{text}");
}

pub(crate) async fn a_store_that_is_not_up_yet_is_waited_for(backend: &Backend) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let storage = StorageConfig {
        endpoint: Some(behind(backend, &address.to_string())),
        attempts_max: 1,
        ..backend.storage.clone()
    };
    let (staging, db) = (backend.staging("a"), backend.db.clone());
    let impatient = StorageConfig { start_timeout_seconds: 0, ..storage.clone() };
    let opening = tokio::spawn(async move { BlobStore::open(&storage, &staging, &db).await });
    // Refused once; only then does somebody answer.
    drop(listener.accept().await.unwrap());
    let server = server_address(backend);
    let _serving = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let server = server.clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    }));
    let store = opening.await.unwrap().unwrap();
    store.check_storage().await.unwrap();

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let text =
        refusal(backend, StorageConfig { endpoint: Some(behind(backend, &nobody.to_string())), ..impatient }).await;
    assert!(text.contains("does not answer") && text.contains("`storage.endpoint`"), "{text}");
}

pub(crate) async fn a_store_that_went_away_is_told_as_such(backend: &Backend) {
    let bytes = content(1000);
    let link = Link::to(server_address(backend)).await;
    let storage = StorageConfig {
        endpoint: Some(behind(backend, link.endpoint().trim_start_matches("http://"))),
        attempts_max: 2,
        ..backend.storage.clone()
    };
    let store = BlobStore::open(&storage, &backend.staging("a"), &backend.db).await.unwrap();
    let sha256 = contents::store(&store, lfs(&bytes), &bytes).await.unwrap();
    drop(link);
    let reader = store.reader(sha256, 1000).await.unwrap();
    let Err(gone) = reader.stream(0, 1000).await else { panic!("nobody is there to read from") };
    assert!(gone.is_transient(), "{gone}");
    let unwell = store.check_storage().await;
    // What was found a moment ago is still believed; a look of its own tells.
    assert!(unwell.is_ok() || unwell.unwrap_err().is_transient());
    let (key, expected) = lfs(&content(2000));
    let mut staged = store.stage(key, expected).await.unwrap();
    staged.write(content(2000)).await.unwrap();
    let refused = contents::finish(&store, staged).await.unwrap_err();
    assert!(refused.is_transient(), "{refused}");
    let kept = std::fs::read_dir(backend.staging("a").dir).unwrap().count();
    assert!(kept > 1, "the bytes are kept for the next attempt");
}

pub(crate) async fn a_read_that_breaks_goes_on_with_the_next_byte(backend: &Backend) {
    let bytes = content(3_000_000);
    let link = Link::to(server_address(backend)).await;
    let endpoint = behind(backend, link.endpoint().trim_start_matches("http://"));
    let storage = StorageConfig { endpoint: Some(endpoint), ..backend.storage.clone() };
    let store = BlobStore::open(&storage, &backend.staging("a"), &backend.db).await.unwrap();
    let sha256 = contents::store(&store, lfs(&bytes), &bytes).await.unwrap();

    link.cut_after(700_001);
    let found = contents::read(&store, sha256, bytes.len(), 5, bytes.len()).await.unwrap();
    assert!(found == bytes[5..], "bytes are missing, wrong or repeated");
    assert!(link.cuts() >= 4, "it broke {} times", link.cuts());

    // Where no byte gets through any more, the stream ends early, with right bytes up to there.
    let reader = store.reader(sha256, bytes.len() as u64).await.unwrap();
    let mut stream = Box::pin(reader.stream(0, bytes.len() as u64).await.unwrap());
    let mut got = stream.next().await.unwrap().unwrap().to_vec();
    link.cut_after(1);
    let broke = loop {
        match stream.next().await {
            Some(Ok(chunk)) => got.extend_from_slice(&chunk),
            Some(Err(error)) => break error,
            None => panic!("the stream ended as if all were there"),
        }
    };
    assert!(broke.to_string().contains("broke off at byte"), "{broke}");
    assert!(got.len() < bytes.len() && got == bytes[..got.len()]);
    link.cut_after(0);
    assert_stored(&store, &bytes).await;
}

pub(crate) async fn a_prefix_keeps_two_stores_in_one_bucket_apart(backend: &Backend) {
    let bytes = content(2 * contents::PART);
    let prefixed =
        |prefix: &str| StorageConfig { url: format!("{}/{prefix}", backend.storage.url), ..backend.storage.clone() };
    let one = BlobStore::open(&prefixed("one/deep"), &backend.staging("a"), &backend.db).await.unwrap();
    let two = BlobStore::open(&prefixed("two"), &backend.staging("b"), &backend.db).await.unwrap();
    contents::store(&one, lfs(&bytes), &bytes).await.unwrap();
    assert_stored(&one, &bytes).await;
    assert_eq!((one.totals().await.unwrap().0, two.totals().await.unwrap().0), (1, 0));
    let keys: Vec<_> = backend.raw().list(None).try_collect().await.unwrap();
    assert!(keys.len() == 1 && keys[0].location.as_ref().starts_with("one/deep/blobs/sha256/"), "{keys:?}");
}

/// Host and port of the backend's server.
fn server_address(backend: &Backend) -> String {
    let endpoint = backend.storage.endpoint.clone().unwrap();
    endpoint.trim_start_matches("http://").split('/').next().unwrap().to_owned()
}

/// The backend's endpoint, at another address.
fn behind(backend: &Backend, address: &str) -> String {
    backend.storage.endpoint.clone().unwrap().replace(&server_address(backend), address)
}
