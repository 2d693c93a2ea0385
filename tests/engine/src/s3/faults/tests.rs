//! The S3 server's misbehaviour, seen by the client that Acervo uses.

use futures::StreamExt;
use hyper::Method;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload, RetryConfig};
use tempfile::TempDir;

use super::Fault;
use crate::S3Server;

const MIB: usize = 1 << 20;

/// A client that tries once.
fn client(server: &S3Server) -> AmazonS3 {
    AmazonS3Builder::new()
        .with_endpoint(server.endpoint())
        .with_allow_http(true)
        .with_bucket_name(server.bucket())
        .with_region(server.region())
        .with_access_key_id(server.access_key())
        .with_secret_access_key(server.secret_key())
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
        .build()
        .unwrap()
}

fn started() -> (TempDir, S3Server, AmazonS3) {
    let folder = TempDir::new().unwrap();
    let server = S3Server::start(folder.path());
    let client = client(&server);
    (folder, server, client)
}

#[tokio::test]
async fn errors_are_worded_as_s3_does_and_nothing_is_done() {
    let (_folder, server, client) = started();
    let key = Path::from("a/key");
    let cases = [
        (Fault::internal_error(), "500", "InternalError"),
        (Fault::unavailable(), "503", "ServiceUnavailable"),
        (Fault::slow_down(), "503", "SlowDown"),
    ];
    for (fault, status, code) in cases {
        server.faults().order(fault.on("a/key").method(Method::PUT));
        let error = client.put(&key, PutPayload::from_static(b"bytes")).await.unwrap_err();
        let text = format!("{error:?}");
        assert!(text.contains(status) && text.contains(code), "{text}");
        assert!(client.head(&key).await.is_err(), "nothing was stored");
    }
    assert_eq!(server.faults().fired().len(), 3);
    client.put(&key, PutPayload::from_static(b"bytes")).await.unwrap();
    let bytes = client.get(&key).await.unwrap().bytes().await.unwrap();
    assert_eq!(&bytes[..], b"bytes");
}

#[tokio::test]
async fn what_was_done_may_be_answered_with_an_error() {
    let (_folder, server, client) = started();
    let key = Path::from("key");
    server.faults().order(Fault::done_but_internal_error().method(Method::PUT).after(1).times(1));
    client.put(&Path::from("first"), PutPayload::from_static(b"1")).await.unwrap();
    assert!(client.put(&key, PutPayload::from_static(b"bytes")).await.is_err());
    assert_eq!(client.head(&key).await.unwrap().size, 5);
    server.faults().wait_fired(1).await;
}

#[tokio::test]
async fn a_lost_multipart_upload_stays_lost_and_leaves_nothing() {
    let (_folder, server, client) = started();
    let key = Path::from("large");
    let part = || PutPayload::from(vec![7; 5 * MIB]);
    server.faults().order(Fault::lose_multipart().on("partNumber=2"));
    let mut upload = client.put_multipart(&key).await.unwrap();
    upload.put_part(part()).await.unwrap();
    for _ in 0..2 {
        let text = format!("{:?}", upload.put_part(part()).await.unwrap_err());
        assert!(text.contains("NoSuchUpload") || text.contains("NotFound"), "{text}");
    }
    assert!(upload.complete().await.is_err());
    assert_eq!(server.faults().fired().len(), 1);
    assert_eq!(server.uploads_under_way(), Vec::<String>::new());

    let mut again = client.put_multipart(&key).await.unwrap();
    again.put_part(part()).await.unwrap();
    again.complete().await.unwrap();
    assert_eq!(client.head(&key).await.unwrap().size, 5 * MIB as u64);
}

#[tokio::test]
async fn uploads_and_downloads_are_cut_where_ordered() {
    let (_folder, server, client) = started();
    let key = Path::from("key");
    let bytes: Vec<u8> = (0..3 * MIB).map(|n| (n % 251) as u8).collect();
    server.faults().order(Fault::cut_upload_after(MIB as u64));
    assert!(client.put(&key, PutPayload::from(bytes.clone())).await.is_err());
    assert!(client.head(&key).await.is_err(), "half an upload stores nothing");
    client.put(&key, PutPayload::from(bytes.clone())).await.unwrap();

    server.faults().order(Fault::cut_download_after(1_000_001).on("key"));
    let mut chunks = client.get(&key).await.unwrap().into_stream();
    let mut read = Vec::new();
    let mut failures = 0;
    while let Some(chunk) = chunks.next().await {
        match chunk {
            Ok(chunk) => read.extend_from_slice(&chunk),
            Err(_) => {
                failures += 1;
                break;
            }
        }
    }
    assert_eq!(failures, 1);
    assert!(read == bytes[..read.len()] && read.len() <= 1_000_001);
    assert!(client.get(&key).await.unwrap().bytes().await.unwrap() == bytes);
    let fired: Vec<String> = server.faults().fired().into_iter().map(|fired| fired.fault).collect();
    assert_eq!(fired, ["CutUpload(1048576)", "CutDownload(1000001)"]);
}
