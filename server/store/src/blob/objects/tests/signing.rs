//! What protects the bytes of an upload on their way to an S3 server, read off the wire.

use acervo_core::{Secret, Sha256Digest};
use acervo_test_engine::{Authority, Relay, S3Server};
use bytes::Bytes;
use futures::TryStreamExt;

use super::Bench;
use crate::blob::{BlobStore, Expected, Finished, StagingConfig, StagingKey, StorageConfig};

/// Digests of the payloads that were announced, of every request with one; `host` is a name the relay goes by.
async fn announced(relay: &Relay, host: &str, authority: Option<&Authority>, server: &S3Server) -> Vec<String> {
    let (folder, bench) = (tempfile::tempdir().unwrap(), Bench::new().await);
    let storage = StorageConfig {
        url: format!("s3://{}", server.bucket()),
        endpoint: Some(relay.url(host)),
        access_key_id: Some(Secret::new(server.access_key())),
        secret_access_key: Some(Secret::new(server.secret_key())),
        ca_file: authority.map(Authority::file),
        upload_part_bytes: 5 << 20,
        ..StorageConfig::default()
    };
    let staging = StagingConfig { dir: folder.path().join("staging"), bytes_max: 1 << 30 };
    let store = BlobStore::open(&storage, &staging, &bench.db).await.unwrap();
    for length in [1000, (5 << 20) + 1] {
        let content = Bytes::from(vec![u8::from(authority.is_some()); length]);
        let sha256 = Sha256Digest::of(&content);
        let expected = Expected { size: length as u64, sha256: Some(sha256), git_oid: None };
        let mut staged = store.stage(StagingKey::Sha256(sha256), expected).await.unwrap();
        staged.write(content.clone()).await.unwrap();
        let Finished::Verified(verified) = staged.finish().await.unwrap() else { panic!("it is what was declared") };
        store.promote(verified).await.unwrap().settle().await.unwrap();
        let read = store.reader(sha256, length as u64).await.unwrap().stream(0, length as u64).await.unwrap();
        let read: Vec<Bytes> = read.try_collect().await.unwrap();
        assert!(read.concat() == content);
    }
    let said = relay.said();
    let text = String::from_utf8_lossy(&said);
    let is_upload = |head: &&str| head.starts_with("PUT ") && head.contains("/blobs/sha256/");
    // A head may stand right behind the bytes of another request.
    let heads = text.split("\r\n\r\n").filter_map(|head| head.find("PUT /").map(|at| &head[at..])).filter(is_upload);
    heads
        .map(|head| {
            let line = head.lines().find_map(|line| line.strip_prefix("x-amz-content-sha256: "));
            line.unwrap_or("nothing").to_owned()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_are_signed_on_links_without_tls_and_not_hashed_again_where_tls_protects_them() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let server = S3Server::start(folder.path());

    let plain = announced(&Relay::plain(server.address()), "127.0.0.1", None, &server).await;
    let relay = Relay::encrypted(server.address(), &authority);
    let encrypted = announced(&relay, "localhost", Some(&authority), &server).await;

    let of = |length: usize| Sha256Digest::of(&vec![0; length]).to_hex();
    let mut signed = vec![of(1000), of(5 << 20), of(1)];
    signed.sort();
    let mut found = plain;
    found.sort();
    assert_eq!(found, signed, "one small file, and two parts of a large one");
    assert_eq!(encrypted, ["UNSIGNED-PAYLOAD"; 3]);
}
