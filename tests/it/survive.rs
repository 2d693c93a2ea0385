//! What nothing may break: hostile upstreams, sudden death, full disks, lost leases, jumping clocks.
//!
//! Every test makes sure that its fault really struck, and looks at all that is left afterwards: what is served, what is
//! stored, and what should be gone.

mod clock;
mod database;
mod disk_full;
mod faults;
mod found;
mod object_store;
mod sudden_death;
mod two_workers;

use std::path::{Path, PathBuf};

use acervo::app::sync::{self, dedup_key};
use acervo::app::{events, mirrors};
use acervo::context::Hub;
use acervo_core::{Caller, RepoKind, Sha256Digest};
use acervo_store::db::jobs::{self, Job};
use acervo_store::db::mirrors::Mirror;
use acervo_store::db::{blobs, events as event_rows, uploads};
use acervo_tests::fixture::{FixtureFile, RepoFixture, random_bytes};
use acervo_tests::processes::eventually;
use acervo_tests::test_hub::order;
use futures::TryStreamExt;
use reqwest::Client;
use sha2::{Digest, Sha256};
use uuid::Uuid;

const MODEL: RepoKind = RepoKind::Model;

/// A repository with one larger file and many small ones, no two alike.
fn large_and_small(name: &str, large_bytes: usize, small: usize) -> RepoFixture {
    let repo = RepoFixture::model(name)
        .file("README.md", "---\nlicense: mit\n---\n# Survivor\n")
        .lfs("model.safetensors", random_bytes(11, large_bytes));
    (0..small).fold(repo, |repo, n| {
        let seed = u64::try_from(n).unwrap();
        repo.file(&format!("part-{n:03}.txt"), hex::encode(random_bytes(1000 + seed, 100 + n)))
    })
}

/// Bytes of all files of a fixture.
fn size_of(fixture: &RepoFixture) -> u64 {
    fixture.files_at("main").values().map(FixtureFile::size).sum()
}

/// A client that waits for nobody's proxy and follows nobody.
fn client() -> Client {
    Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// Adds a mirror and queues its sync.
async fn queued(hub: &Hub, name: &str) -> (Mirror, Uuid) {
    let mirror = mirrors::add(hub, &Caller::System, &order(MODEL, name)).await.unwrap();
    let job = sync::enqueue(hub, &Caller::System, &mirror).await.unwrap();
    (mirror, job)
}

/// Waits until a job has ended, in whatever process.
async fn finished(hub: &Hub, job: Uuid) -> Job {
    eventually("the job ends", async || {
        let job = jobs::by_id(hub.db().reader(), job).await.unwrap().unwrap();
        job.finished_at.is_some().then_some(job)
    })
    .await
}

/// Asserts that whatever is served of a fixture is right: its bytes, or a refusal that no client takes for an answer.
async fn assert_nothing_wrong_is_served(url: &str, fixture: &RepoFixture, when: &str) {
    let client = client();
    for revision in ["main", &fixture.head()] {
        for (path, file) in fixture.files_at("main") {
            let answer = client.get(format!("{url}/{}/resolve/{revision}/{path}", fixture.name)).send().await.unwrap();
            let status = answer.status().as_u16();
            let commit = answer.headers().get("x-repo-commit").cloned();
            if status == 200 {
                assert!(answer.bytes().await.unwrap() == file.bytes, "{when}: {revision}/{path} differs");
            } else {
                assert!(matches!(status, 401 | 404 | 503), "{when}: {revision}/{path} answers {status}");
                assert_eq!(commit, None, "{when}: clients would remember for ever that {path} does not exist");
            }
        }
    }
}

/// Asserts that a fixture is served whole and byte for byte, under its upstream commit.
async fn assert_served_whole(url: &str, fixture: &RepoFixture, when: &str) {
    let client = client();
    for (path, file) in fixture.files_at("main") {
        let answer = client.get(format!("{url}/{}/resolve/main/{path}", fixture.name)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{when}: {path}");
        assert_eq!(answer.headers()["x-repo-commit"], fixture.head(), "{when}: {path}");
        assert!(answer.bytes().await.unwrap() == file.bytes, "{when}: {path} differs");
    }
}

/// Asserts that rows and stored bytes agree, for exactly the contents of these fixtures.
async fn assert_stored(hub: &Hub, fixtures: &[&RepoFixture], when: &str) {
    let files = fixtures.iter().flat_map(|fixture| fixture.files_at("main").values());
    let mut digests: Vec<Sha256Digest> = files.map(|file| file.sha256.parse().unwrap()).collect();
    digests.sort_unstable_by_key(Sha256Digest::to_hex);
    digests.dedup();
    let held = blobs::held_by_sha256(hub.db().reader(), &digests).await.unwrap();
    assert_eq!(held.len(), digests.len(), "{when}: contents without a row");
    let rows = blobs::totals(hub.db().reader()).await.unwrap();
    assert_eq!(rows.0, digests.len() as u64, "{when}: rows of other contents");
    assert_eq!(hub.blobs().totals().await.unwrap(), rows, "{when}: the store holds what the rows say, no more");
    for (digest, row) in held {
        let reader = hub.blobs().reader(digest, row.size).await.unwrap();
        let read = reader.stream(0, row.size).await.unwrap();
        let hasher = read.try_fold(Sha256::new(), async |hasher, chunk| Ok(hasher.chain_update(&chunk))).await.unwrap();
        assert_eq!(hex::encode(hasher.finalize()), digest.to_hex(), "{when}: stored bytes differ");
    }
}

/// Asserts that nothing lies in staging; what was put aside as wrong does not count.
fn assert_nothing_is_staged(hub: &Hub, when: &str) {
    let staged = files_below(&hub.config().staging.dir);
    let staged: Vec<&PathBuf> = staged.iter().filter(|path| !path.to_string_lossy().contains("/quarantine/")).collect();
    assert!(staged.is_empty(), "{when}: left in staging: {staged:?}");
}

/// Asserts that nothing of a sync is under way or left lying about.
async fn assert_nothing_is_left(hub: &Hub, when: &str) {
    assert_nothing_is_staged(hub, when);
    assert_eq!(
        uploads::count(hub.db().reader()).await.unwrap(),
        0,
        "{when}: uploads to the object store are under way"
    );
    for mirror in mirrors::list(hub, &Caller::System).await.unwrap() {
        let active = jobs::active(hub.db().reader(), &dedup_key(mirror.repo.id)).await.unwrap();
        assert_eq!(active, None, "{when}: a job of {} is queued or running", mirror.repo.name);
    }
}

/// How many events of a kind there are, once all are numbered without a gap.
async fn events_of(hub: &Hub, kind: &str) -> usize {
    events::number_waiting(hub).await.unwrap();
    let all = event_rows::after(hub.db().reader(), 0, 1000).await.unwrap();
    let numbers: Vec<i64> = all.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=i64::try_from(all.len()).unwrap()).collect::<Vec<i64>>(), "events are numbered gap-free");
    all.iter().filter(|event| event.kind == kind).count()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { waiting.push(path) } else { found.push(path) }
        }
    }
    found
}
