//! Bytes: identity before the first one, resuming, and never one too many.

use std::sync::atomic::{AtomicU64, Ordering};

use acervo_core::{EntryKind, GitOid, LfsIdentity, RepoKind, Sha256Digest, TreeEntry};
use acervo_store::blob::{BlobStore, Expected, Finished, Staged, StagingConfig, StagingKey, StorageConfig};
use acervo_store::db::{Database, DatabaseConfig};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::super::{Client, Config, Transferred, UpstreamError};
use super::server::{Asked, Reply, Server};
use super::{TOKEN, client, commit, config};

pub(super) const SIZE: usize = 300_000;

pub(super) fn content() -> Vec<u8> {
    (0..SIZE).map(|n| (n * 7 % 251) as u8).collect()
}

pub(super) fn lfs_entry() -> TreeEntry {
    let sha256 = Sha256Digest::of(&content());
    let lfs = Some(LfsIdentity { sha256, pointer_size: 130 });
    let path = "sub dir/weights.bin".parse().unwrap();
    TreeEntry { path, kind: EntryKind::File, size: SIZE as u64, oid: GitOid::of_blob(b"pointer"), lfs }
}

fn regular_entry() -> TreeEntry {
    let path = "vocab.txt".parse().unwrap();
    TreeEntry { path, kind: EntryKind::File, size: SIZE as u64, oid: GitOid::of_blob(&content()), lfs: None }
}

/// The hub's headers on a true answer for `entry`.
pub(super) fn identified(reply: Reply, entry: &TreeEntry) -> Reply {
    reply.header("X-Repo-Commit", commit()).header("ETag", format!("\"{}\"", entry.etag()))
}

/// The hub's answer that sends the client to `location`; its own `ETag` is of no use, as with S3.
pub(super) fn redirect(entry: &TreeEntry, location: &str) -> Reply {
    Reply::new(302)
        .header("Location", location)
        .header("X-Repo-Commit", commit())
        .header("ETag", "\"d41d8cd98f00b204e9800998ecf8427e-2\"")
        .header("X-Linked-Etag", format!("\"{}\"", entry.etag()))
        .header("X-Linked-Size", entry.size)
}

/// First byte and byte after the last of a `Range` header, within a content of `total` bytes.
pub(super) fn asked_for(asked: &Asked, total: usize) -> Option<(usize, usize)> {
    let (first, last) = asked.header("range")?.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let end = if last.is_empty() { total } else { last.parse::<usize>().unwrap() + 1 };
    Some((first.parse().unwrap(), end.min(total)))
}

/// A true answer to a request for `content`, whole or in part.
pub(super) fn served(asked: &Asked, content: &[u8]) -> Reply {
    cut(asked, content, usize::MAX)
}

/// The same answer, broken off after `bytes` of its body.
pub(super) fn cut(asked: &Asked, content: &[u8], bytes: usize) -> Reply {
    let total = content.len();
    let Some((first, end)) = asked_for(asked, total) else {
        return Reply::new(200).header("Content-Length", total).body(&content[..bytes.min(total)]);
    };
    Reply::new(206)
        .header("Content-Range", format!("bytes {first}-{}/{total}", end - 1))
        .header("Content-Length", end - first)
        .body(&content[first..end.min(first.saturating_add(bytes))])
}

pub(super) struct Bench {
    _dir: TempDir,
    store: BlobStore,
}

impl Bench {
    pub(super) async fn new() -> Bench {
        let dir = TempDir::new().unwrap();
        let url = format!("file://{}", dir.path().join("store").display());
        let storage = StorageConfig { url, ..StorageConfig::default() };
        let staging = StagingConfig { dir: dir.path().join("staging"), bytes_max: u64::MAX };
        let url = format!("sqlite://{}", dir.path().join("acervo.db").display());
        let db = Database::open(&DatabaseConfig { url, ..DatabaseConfig::default() }).await.unwrap();
        let store = BlobStore::open(&storage, &staging, &db).await.unwrap();
        Bench { _dir: dir, store }
    }

    pub(super) async fn stage(&self, entry: &TreeEntry) -> Staged {
        let (key, sha256, git_oid) = match entry.lfs {
            Some(lfs) => (StagingKey::Sha256(lfs.sha256), Some(lfs.sha256), None),
            None => (StagingKey::Git { repo_id: 1, oid: entry.oid }, None, Some(entry.oid)),
        };
        self.store.stage(key, Expected { size: entry.size, sha256, git_oid }).await.unwrap()
    }
}

pub(super) async fn fetch(client: &Client, entry: &TreeEntry, sink: &Staged) -> Result<Transferred, UpstreamError> {
    client.transfer(RepoKind::Model, "acme/tiny", commit(), entry, sink, &|_| {}, &CancellationToken::new()).await
}

pub(super) async fn verified(sink: Staged) -> bool {
    matches!(sink.finish().await.unwrap(), Finished::Verified(_))
}

#[tokio::test]
async fn the_token_goes_to_the_hub_and_never_to_where_the_bytes_are() {
    let cdn = Server::start(|asked, _| served(asked, &content())).await;
    let location = format!("{}/signed?sig=s3cret", cdn.url);
    let hub = Server::start(move |_, _| redirect(&lfs_entry(), &location)).await;
    let (bench, entry) = (Bench::new().await, lfs_entry());
    let sink = bench.stage(&entry).await;
    let seen = AtomicU64::new(0);
    let progress = |bytes| {
        seen.fetch_max(bytes, Ordering::Relaxed);
    };
    client(&hub.url)
        .transfer(RepoKind::Dataset, "acme/tiny", commit(), &entry, &sink, &progress, &CancellationToken::new())
        .await
        .unwrap();

    assert_eq!(hub.targets(), [format!("/datasets/acme/tiny/resolve/{}/sub%20dir/weights.bin", commit())]);
    assert_eq!(hub.asked()[0].header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(cdn.targets(), ["/signed?sig=s3cret"]);
    for asked in hub.asked().iter().chain(&cdn.asked()) {
        assert_eq!(asked.header("accept-encoding"), Some("identity"));
    }
    let told = format!("{:?}", cdn.asked());
    assert!(!told.contains(TOKEN) && !told.contains("authorization") && !told.contains("referer"), "{told}");
    assert_eq!(seen.load(Ordering::Relaxed), entry.size);
    assert!(verified(sink).await);
}

#[tokio::test]
async fn a_broken_transfer_goes_on_at_the_same_address_where_it_stopped() {
    // More breaks than attempts: each brings something, so each starts the count anew.
    let cdn = Server::start(|asked, nth| match nth {
        0..7 => cut(asked, &content(), 40_000),
        _ => served(asked, &content()),
    })
    .await;
    let location = format!("{}/signed", cdn.url);
    let hub = Server::start(move |_, _| redirect(&lfs_entry(), &location)).await;
    let (bench, entry) = (Bench::new().await, lfs_entry());
    let sink = bench.stage(&entry).await;
    fetch(&client(&hub.url), &entry, &sink).await.unwrap();

    assert_eq!(hub.asked().len(), 1);
    let ranges: Vec<Option<String>> = (0..8).map(|n| (n > 0).then(|| format!("bytes={}-", n * 40_000))).collect();
    assert_eq!(cdn.ranges(), ranges);
    assert!(verified(sink).await);
}

#[tokio::test]
async fn a_later_call_goes_on_from_what_is_staged() {
    let hub = Server::start(|asked, nth| {
        let reply = if nth == 0 { cut(asked, &content(), 1000) } else { served(asked, &content()) };
        identified(reply, &regular_entry())
    })
    .await;
    let (bench, entry) = (Bench::new().await, regular_entry());
    let sink = bench.stage(&entry).await;
    let once = Client::new(&Config { attempts_max: 1, ..config(&hub.url) }).unwrap();
    let error = fetch(&once, &entry, &sink).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    sink.park().await.unwrap();

    let sink = bench.stage(&entry).await;
    assert_eq!(sink.offset(), 1000);
    fetch(&once, &entry, &sink).await.unwrap();
    assert_eq!(hub.ranges(), [None, Some("bytes=1000-".to_owned())]);
    assert!(hub.asked().iter().all(|asked| asked.header("authorization").is_some()));
    assert!(verified(sink).await);
}

#[tokio::test]
async fn the_whole_file_in_answer_to_a_range_starts_over() {
    let hub = Server::start(|asked, nth| {
        let reply = if nth == 0 { cut(asked, &content(), 1000) } else { Reply::new(200).body(content()) };
        identified(reply, &regular_entry())
    })
    .await;
    let (bench, entry) = (Bench::new().await, regular_entry());
    let sink = bench.stage(&entry).await;
    fetch(&client(&hub.url), &entry, &sink).await.unwrap();
    assert_eq!(hub.ranges(), [None, Some("bytes=1000-".to_owned())]);
    assert!(verified(sink).await);
}

#[tokio::test]
async fn a_server_that_starts_over_and_breaks_off_again_is_given_up() {
    let hub = Server::start(|_, _| {
        let reply = Reply::new(200).header("Content-Length", SIZE).body(&content()[..1000]);
        identified(reply, &regular_entry())
    })
    .await;
    let (bench, entry) = (Bench::new().await, regular_entry());
    let error = fetch(&client(&hub.url), &entry, &bench.stage(&entry).await).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(hub.asked().len(), 3);
}

#[tokio::test]
async fn an_answer_that_ends_early_without_a_length_is_gone_on_with() {
    let hub = Server::start(|asked, nth| {
        let reply = match nth {
            0 => Reply::new(200).header("Transfer-Encoding", "chunked").body("3\r\nabc\r\n0\r\n\r\n"),
            _ => served(asked, b"abcdef"),
        };
        let mut entry = regular_entry();
        entry.oid = GitOid::of_blob(b"abcdef");
        identified(reply, &entry)
    })
    .await;
    let bench = Bench::new().await;
    let entry = TreeEntry { size: 6, oid: GitOid::of_blob(b"abcdef"), ..regular_entry() };
    let sink = bench.stage(&entry).await;
    fetch(&client(&hub.url), &entry, &sink).await.unwrap();
    assert_eq!(hub.ranges(), [None, Some("bytes=3-".to_owned())]);
    assert!(verified(sink).await);
}

#[tokio::test]
async fn an_expired_address_is_replaced_by_a_fresh_one() {
    let cdn = Server::start(|asked, nth| match nth {
        0 => cut(asked, &content(), 1000),
        1 => Reply::new(403).body("<Error><Code>AccessDenied</Code></Error>"),
        _ => served(asked, &content()),
    })
    .await;
    let base = cdn.url.clone();
    let hub = Server::start(move |_, nth| redirect(&lfs_entry(), &format!("{base}/signed/{nth}"))).await;
    let (bench, entry) = (Bench::new().await, lfs_entry());
    let sink = bench.stage(&entry).await;
    fetch(&client(&hub.url), &entry, &sink).await.unwrap();
    assert_eq!(cdn.targets(), ["/signed/0", "/signed/0", "/signed/1"]);
    assert_eq!(hub.ranges(), [None, Some("bytes=1000-".to_owned())]);
    assert!(verified(sink).await);

    let cdn = Server::start(|_, _| Reply::new(403)).await;
    let location = format!("{}/signed?sig=s3cret", cdn.url);
    let hub = Server::start(move |_, _| redirect(&lfs_entry(), &location)).await;
    let bench = Bench::new().await;
    let error = fetch(&client(&hub.url), &entry, &bench.stage(&entry).await).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Http { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    assert_eq!((hub.asked().len(), cdn.asked().len()), (3, 3));
}

#[tokio::test]
async fn nothing_is_taken_from_an_answer_about_another_commit_or_content() {
    let cdn = Server::start(|asked, _| served(asked, &content())).await;
    let location = format!("{}/signed", cdn.url);
    let entry = lfs_entry();
    let etag = format!("\"{}\"", entry.etag());
    let reply = || Reply::new(302).header("Location", &location);
    let moved = reply().header("X-Repo-Commit", "11".repeat(20)).header("X-Linked-Etag", &etag);
    let other = reply().header("X-Repo-Commit", commit()).header("ETag", &etag).header("X-Linked-Etag", "\"abc\"");
    let longer = reply().header("X-Repo-Commit", commit()).header("X-Linked-Etag", &etag).header("X-Linked-Size", 1);
    let unknown = reply().header("X-Linked-Etag", &etag);
    let untagged = reply().header("X-Repo-Commit", commit());
    let direct = Reply::new(200).header("X-Repo-Commit", commit()).header("ETag", "\"abc\"").body(content());

    let refused = async |answer: Reply| {
        let hub = Server::start(move |_, _| answer.clone()).await;
        let bench = Bench::new().await;
        let sink = bench.stage(&lfs_entry()).await;
        let error = fetch(&client(&hub.url), &lfs_entry(), &sink).await.unwrap_err();
        assert_eq!(sink.offset(), 0, "{error}");
        assert!(!error.is_transient() && hub.asked().len() == 1, "{error}");
        error
    };
    assert!(matches!(refused(moved).await, UpstreamError::CommitMoved { .. }));
    assert!(matches!(refused(other).await, UpstreamError::IdentityDisagrees { .. }));
    assert!(matches!(refused(direct).await, UpstreamError::IdentityDisagrees { .. }));
    assert!(matches!(refused(longer).await, UpstreamError::WrongLength { answered: 1, .. }));
    assert!(matches!(refused(unknown).await, UpstreamError::NotAHub { .. }));
    assert!(matches!(refused(untagged).await, UpstreamError::Protocol { .. }));
    let missing = Reply::new(404).header("X-Error-Code", "EntryNotFound");
    assert!(matches!(refused(missing).await, UpstreamError::EntryNotFound { .. }));
    let gated = Reply::new(403).header("X-Error-Code", "GatedRepo");
    assert!(matches!(refused(gated).await, UpstreamError::Gated { .. }));
    assert!(cdn.asked().is_empty());
}

#[tokio::test]
async fn bytes_beyond_the_declared_size_are_never_taken() {
    let entry = TreeEntry { size: 5, oid: GitOid::of_blob(b"abcde"), ..regular_entry() };
    let refused = async |answer: Reply| {
        let declared = entry.clone();
        let hub = Server::start(move |_, _| identified(answer.clone(), &declared)).await;
        let bench = Bench::new().await;
        let sink = bench.stage(&entry).await;
        let result = fetch(&client(&hub.url), &entry, &sink).await;
        assert!(sink.offset() <= entry.size);
        result.map(|_| sink.offset())
    };
    let longer = Reply::new(200).body("abcdefgh");
    assert!(matches!(refused(longer).await, Err(UpstreamError::WrongLength { answered: 8, .. })));
    let unannounced = Reply::new(200).header("Transfer-Encoding", "chunked").body("8\r\nabcdefgh\r\n0\r\n\r\n");
    assert!(matches!(refused(unannounced).await, Err(UpstreamError::TooLong { .. })));
    let encoded = Reply::new(200).header("Content-Encoding", "gzip").body("abcde");
    assert!(matches!(refused(encoded).await, Err(UpstreamError::Protocol { .. })));
    let part = |range: &str| Reply::new(206).header("Content-Range", range).body("abcde");
    assert!(matches!(refused(part("bytes 0-4/9")).await, Err(UpstreamError::WrongLength { answered: 9, .. })));
    assert!(matches!(refused(part("bytes 2-6/*")).await, Err(UpstreamError::Protocol { .. })));
    assert!(matches!(refused(part("bytes 0-9/*")).await, Err(UpstreamError::Protocol { .. })));
    assert!(matches!(refused(part("bytes 0-4/5")).await, Ok(5)));
}

#[tokio::test]
async fn a_file_that_shrank_is_told_when_the_rest_is_asked_for() {
    let hub = Server::start(|asked, nth| {
        let gone = Reply::new(416).header("Content-Range", "bytes */900");
        identified(if nth == 0 { cut(asked, &content(), 1000) } else { gone }, &regular_entry())
    })
    .await;
    let (bench, entry) = (Bench::new().await, regular_entry());
    let error = fetch(&client(&hub.url), &entry, &bench.stage(&entry).await).await.unwrap_err();
    assert!(matches!(error, UpstreamError::WrongLength { answered: 900, .. }), "{error}");
}

#[tokio::test]
async fn files_are_not_fetched_from_private_addresses_that_the_hub_is_not_on() {
    let targets = ["http://10.1.2.3/x", "http://169.254.169.254/latest", "http://[fd00::1]/x", "file:///etc/passwd"];
    for target in targets {
        let hub = Server::start(move |_, _| redirect(&lfs_entry(), target)).await;
        let (bench, entry) = (Bench::new().await, lfs_entry());
        let error = fetch(&client(&hub.url), &entry, &bench.stage(&entry).await).await.unwrap_err();
        assert!(matches!(error, UpstreamError::ForbiddenRedirect { .. }), "{target}: {error}");
    }
    // A storage host may redirect in turn, and is held to the same.
    let cdn = Server::start(|_, _| Reply::new(302).header("Location", "http://192.168.3.4/x")).await;
    let hub = Server::start(move |_, _| redirect(&lfs_entry(), &cdn.url)).await;
    let (bench, entry) = (Bench::new().await, lfs_entry());
    let error = fetch(&client(&hub.url), &entry, &bench.stage(&entry).await).await.unwrap_err();
    assert!(matches!(&error, UpstreamError::ForbiddenRedirect { host, .. } if host == "192.168.3.4"), "{error}");
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_never_connected_to() {
    let cdn = Server::start(|_, _| Reply::new(200)).await;
    let named = cdn.url.replace("127.0.0.1", "localhost");
    let public = client("http://198.51.100.7");
    let error = public.broken(public.inner.storage.get(&named).send().await.unwrap_err());
    assert!(matches!(&error, UpstreamError::ForbiddenRedirect { host, .. } if host == "localhost"), "{error}");
    assert!(cdn.asked().is_empty());

    let local = client("http://127.0.0.1:1");
    local.inner.storage.get(&named).send().await.unwrap();
    let listed = Config { allowed_private_hosts: vec!["LOCALHOST".to_owned()], ..config("http://198.51.100.7") };
    Client::new(&listed).unwrap().inner.storage.get(&named).send().await.unwrap();
    assert_eq!(cdn.asked().len(), 2);
}

#[tokio::test]
async fn an_empty_file_needs_no_request() {
    let bench = Bench::new().await;
    let entry = TreeEntry { size: 0, oid: GitOid::of_blob(b""), ..regular_entry() };
    let sink = bench.stage(&entry).await;
    fetch(&client("http://127.0.0.1:1"), &entry, &sink).await.unwrap();
    assert!(verified(sink).await);
}

#[tokio::test]
async fn every_call_can_be_spawned() {
    fn spawnable<T: Send>(_: &T) {}
    let (bench, entry, client) = (Bench::new().await, regular_entry(), client("http://127.0.0.1:1"));
    let sink = bench.stage(&entry).await;
    spawnable(&client.snapshot_info(RepoKind::Model, "a/b", "main"));
    spawnable(&client.listing(RepoKind::Model, "a/b", commit()));
    spawnable(&client.refs(RepoKind::Model, "a/b"));
    spawnable(&client.commits(RepoKind::Model, "a/b", commit(), 1, |at| at == commit()));
    spawnable(&fetch(&client, &entry, &sink));
}
