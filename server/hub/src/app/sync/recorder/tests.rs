//! What is recorded, and who is told what, when something fails among many.

use std::sync::Arc;
use std::time::{Duration, Instant};

use acervo_core::listing::{EntryKind, Listing};
use acervo_core::{Caller, CommitOid, GitOid, RepoKind, RepoPath, Sha256Digest, TreeEntry};
use acervo_store::blob::{Expected, Finished, StagingKey};
use acervo_store::db::{blobs, commit, holdings, trees};
use acervo_test_engine::PostgresCluster;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::join_all;
use uuid::Uuid;

use super::{Arrived, BATCH_MAX, Recorder};
use crate::app::mirrors;
use crate::app::sync::fetch::Route;
use crate::app::sync::plan::MissingContent;
use crate::context::Hub;
use crate::demo::order;
use crate::error::HubError;
use crate::test_home::TestHome;

/// Enough for more than one batch.
const MANY: usize = BATCH_MAX + 6;

/// A hub with the listing of a commit whose contents are to be recorded.
struct Scene {
    hub: Hub,
    route: Arc<Route>,
    contents: Vec<MissingContent>,
    home: TestHome,
}

fn bytes_of(n: usize) -> Bytes {
    Bytes::from(format!("content number {n}"))
}

fn sha256_of(n: usize) -> Sha256Digest {
    Sha256Digest::of(&bytes_of(n))
}

fn path_of(n: usize) -> RepoPath {
    format!("file-{n:03}.txt").parse().unwrap()
}

fn entry(path: RepoPath, bytes: &[u8]) -> TreeEntry {
    TreeEntry { path, kind: EntryKind::File, size: bytes.len() as u64, oid: GitOid::of_blob(bytes), lfs: None }
}

impl Scene {
    /// Contents `0..count`, of which the first stands at a second path.
    async fn with(count: usize) -> Scene {
        let home = TestHome::new();
        let hub = Hub::open(home.config()).await.unwrap();
        Scene::at(home, hub, count).await
    }

    async fn at(home: TestHome, hub: Hub, count: usize) -> Scene {
        let mirror = mirrors::add(&hub, &Caller::System, &order(RepoKind::Model, "acme/many")).await.unwrap();
        let copy: RepoPath = "copy.txt".parse().unwrap();
        let mut entries: Vec<TreeEntry> = (0..count).map(|n| entry(path_of(n), &bytes_of(n))).collect();
        let mut contents: Vec<MissingContent> = entries
            .iter()
            .map(|entry| MissingContent { entry: entry.clone(), paths: vec![entry.path.clone()] })
            .collect();
        contents[0].paths.push(copy.clone());
        entries.push(entry(copy, &bytes_of(0)));
        let tx = hub.db().begin().await.unwrap();
        let listing = Listing::build(entries).unwrap();
        let listing_id = trees::insert_listing(&tx, mirror.repo.id, &listing, hub.now()).await.unwrap();
        commit(tx).await.unwrap();
        let route = Arc::new(Route {
            clients: vec![hub.upstream().clone()],
            kind: RepoKind::Model,
            upstream_name: "acme/many".to_owned(),
            repo_id: mirror.repo.id,
            repo_name: "acme/many".to_owned(),
            commit: CommitOid::from_bytes([7; 20]),
            listing_id,
            job_id: Uuid::now_v7(),
            goes_on: false,
        });
        Scene { hub, route, contents, home }
    }

    /// A content whose bytes have arrived.
    async fn verified(&self, n: usize) -> Arrived {
        let entry = &self.contents[n].entry;
        let key = StagingKey::Git { repo_id: self.route.repo_id, oid: entry.oid };
        let expected = Expected { size: entry.size, sha256: None, git_oid: Some(entry.oid) };
        let mut staged = self.hub.blobs().stage(key, expected).await.unwrap();
        staged.write(bytes_of(n)).await.unwrap();
        let Finished::Verified(verified) = staged.finish().await.unwrap() else { panic!("it is what was declared") };
        Arrived::Fetched(verified, self.hub.upstream().endpoint().to_owned())
    }

    /// Hands these contents over in one moment, and waits until each is told what became of it.
    async fn record(&self, numbers: &[usize]) -> Vec<Result<(), HubError>> {
        let mut handed_over = Vec::new();
        for n in numbers {
            handed_over.push((self.contents[*n].clone(), self.verified(*n).await));
        }
        let recorder = Recorder::start(&self.hub, &self.route);
        let queue = recorder.queue();
        let told = join_all(handed_over.into_iter().map(|(content, verified)| queue.record(content, verified))).await;
        drop(queue);
        recorder.end().await.unwrap();
        told
    }

    async fn missing(&self) -> Vec<String> {
        holdings::missing_paths(self.hub.db().reader(), self.route.listing_id).await.unwrap()
    }

    async fn is_stored(&self, n: usize) -> bool {
        self.hub.blobs().size_of(sha256_of(n)).await.unwrap().is_some()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_written_fails_its_own_content_and_no_other_of_its_batch() {
    let scene = Scene::with(MANY).await;
    let all: Vec<usize> = (0..MANY).collect();
    let (bad, db) = (37, scene.hub.db());
    blobs::insert(db.writer(), sha256_of(bad), bytes_of(bad).len() as u64, scene.hub.now()).await.unwrap();
    scene.home.execute("UPDATE blob SET quarantined_at = 1");

    let told = scene.record(&all).await;

    for (n, told) in told.iter().enumerate() {
        assert_eq!(told.is_err(), n == bad, "{n}: {told:?}");
        assert!(scene.is_stored(n).await, "{n}: bytes come before the row");
    }
    let error = told[bad].as_ref().unwrap_err().to_string();
    assert!(error.contains(&sha256_of(bad).to_hex()) && error.contains("quarantined"), "{error}");
    assert_eq!(scene.missing().await, [path_of(bad).to_string()], "all others are tied, at every path");
    let digests: Vec<Sha256Digest> = all.iter().map(|n| sha256_of(*n)).collect();
    assert_eq!(blobs::held_by_sha256(db.reader(), &digests).await.unwrap().len(), MANY - 1);
    scene.home.execute("UPDATE blob SET quarantined_at = NULL");
    assert!(scene.record(&[bad]).await[0].is_ok(), "once it is mended, the same content is recorded");
    assert!(scene.missing().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_whose_bytes_cannot_be_stored_have_no_row_and_the_others_have_theirs() {
    let scene = Scene::with(20).await;
    let folder_of = |n: usize| sha256_of(n).to_hex()[..2].to_owned();
    let bad = (1..20).find(|n| (0..20).all(|other| other == *n || folder_of(other) != folder_of(*n))).unwrap();
    // Objects are files on both engines: one stands where a folder would have to be.
    let place = scene.home.storage().object_path(&format!("blobs/sha256/{}", folder_of(bad)));
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::write(&place, "in the way").unwrap();

    let told = scene.record(&(0..20).collect::<Vec<_>>()).await;

    let failed: Vec<usize> = (0..20).filter(|n| told[*n].is_err()).collect();
    assert_eq!(failed, [bad], "{told:?}");
    assert!(matches!(told[bad], Err(HubError::Blob(_))), "{told:?}");
    assert_eq!(scene.missing().await, [path_of(bad).to_string()]);
    assert_eq!(blobs::totals(scene.hub.db().reader()).await.unwrap().0, 19, "no row points at what is not there");
    std::fs::remove_file(&place).unwrap();
    assert!(scene.record(&[bad]).await[0].is_ok());
    assert!(scene.is_stored(bad).await && scene.missing().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_handed_over_is_recorded_although_nobody_waits_for_it() {
    let scene = Scene::with(3).await;
    let recorder = Recorder::start(&scene.hub, &scene.route);
    let queue = recorder.queue();
    for n in 0..3 {
        let recording = queue.record(scene.contents[n].clone(), scene.verified(n).await);
        assert!(recording.now_or_never().is_none(), "it is handed over, and given up");
    }
    drop(queue);

    recorder.end().await.unwrap();

    assert!(scene.missing().await.is_empty());
    assert_eq!(blobs::totals(scene.hub.db().reader()).await.unwrap().0, 3);
    Recorder::start(&scene.hub, &scene.route).end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_waits_for_a_database_that_is_away_twice_and_not_once_for_each_content() {
    let cluster = PostgresCluster::start();
    let home = TestHome::new();
    let mut config = home.config();
    config.database.url = cluster.create_database("acervo");
    config.database.connect_timeout_seconds = 1;
    let hub = Hub::open(config).await.unwrap();
    let scene = Scene::at(home, hub, 20).await;
    let mut verified = Vec::new();
    for n in 0..20 {
        verified.push(scene.verified(n).await);
    }
    let recorder = Recorder::start(&scene.hub, &scene.route);
    let queue = recorder.queue();
    cluster.stop_fast();
    let began = Instant::now();

    let told = join_all(
        verified.into_iter().enumerate().map(|(n, verified)| queue.record(scene.contents[n].clone(), verified)),
    )
    .await;

    assert!(told.iter().all(|told| told.as_ref().is_err_and(HubError::is_transient)), "{told:?}");
    // At most two batches, each tried together and then with its first content, a second each time.
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    drop(queue);
    recorder.end().await.unwrap();
    cluster.start_again();
    assert!(scene.record(&(0..20).collect::<Vec<_>>()).await.iter().all(Result::is_ok));
    assert!(scene.missing().await.is_empty());
}
