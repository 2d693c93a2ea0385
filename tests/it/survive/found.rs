//! Contents that an attempt has brought into the store before it died without a row for them: the next one reads and
//! hashes them there, and fetches only what is not what it should be.

use acervo_core::Sha256Digest;
use acervo_store::db::blobs::{self, Way};
use acervo_store::db::jobs::State;
use acervo_store::db::mirrors::Mirror;
use acervo_tests::fake_upstream::{FakeUpstream, Fault, Origin};
use acervo_tests::fixture::RepoFixture;
use acervo_tests::test_hub::TestHub;

use super::{MODEL, assert_nothing_is_left, assert_served_whole, assert_stored, events_of, large_and_small, size_of};

const NAME: &str = "acme/survivor";
const LARGE: &str = "model.safetensors";
const SMALL: &str = "part-001.txt";

fn fixture() -> RepoFixture {
    large_and_small(NAME, 3_000_000, 3)
}

/// A hub whose first attempt has ended before the files that are named had arrived.
async fn attempted(lacking: &[&str]) -> (FakeUpstream, TestHub, Mirror) {
    let upstream = FakeUpstream::start(vec![fixture()]).await.unwrap();
    for path in lacking {
        let origin = if *path == LARGE { Origin::Cdn } else { Origin::Hub };
        upstream.fault(Fault::drop_connection().on(path).at(origin).method("GET").always());
    }
    let hub = TestHub::with(&upstream.endpoint(), |config| config.upstream.attempts_max = 2).await;
    let mirror = hub.mirror(MODEL, NAME).await;
    let job = hub.attempt(&mirror).await;
    assert_eq!((job.state, job.attempts), (State::Queued, 1), "{:?}", job.error);
    upstream.clear_faults();
    upstream.clear_log();
    hub.hub().clock().set_ahead(3_600_000);
    (upstream, hub, mirror)
}

fn digest(path: &str) -> Sha256Digest {
    fixture().sha256_of(path).parse().unwrap()
}

/// Puts bytes where the blob of a file stands, without a row.
fn put_into_store(hub: &TestHub, path: &str, bytes: &[u8]) {
    let hex = fixture().sha256_of(path);
    let object = hub.storage().object_path(&format!("blobs/sha256/{}/{}/{hex}", &hex[..2], &hex[2..4]));
    std::fs::create_dir_all(object.parent().unwrap()).unwrap();
    std::fs::write(object, bytes).unwrap();
}

/// Leaves in staging what a dying attempt leaves of a file that is known by its git id.
fn leave_trail(hub: &TestHub, mirror: &Mirror, path: &str, text: &str) {
    let name = format!("git-{}-{}.stored", mirror.repo.id, fixture().oid_of(path));
    std::fs::write(hub.staging().join(name), text).unwrap();
}

/// How the bytes of a file came to be held.
async fn ways(hub: &TestHub, path: &str) -> Vec<Way> {
    let db = hub.hub().db().reader();
    let held = blobs::held_by_sha256(db, &[digest(path)]).await.unwrap();
    blobs::ways(db, held[&digest(path)].id).await.unwrap()
}

async fn assert_all_is_well(hub: &TestHub, when: &str) {
    assert_served_whole(hub.url(), &fixture(), when).await;
    assert_stored(hub.hub(), &[&fixture()], when).await;
    assert_nothing_is_left(hub.hub(), when).await;
    assert_eq!(events_of(hub.hub(), "commit.published").await, 1, "{when}");
}

fn asked_for(upstream: &FakeUpstream, path: &str) -> bool {
    upstream.requests().iter().any(|request| request.path_and_query.contains(path))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_attempt_left_in_the_store_is_hashed_there_and_not_fetched() {
    let (upstream, hub, mirror) = attempted(&[LARGE, SMALL]).await;
    for path in [LARGE, SMALL] {
        put_into_store(&hub, path, &fixture().entry(path).bytes);
    }
    leave_trail(&hub, &mirror, SMALL, &fixture().sha256_of(SMALL));

    hub.sync(&mirror).await;

    for path in [LARGE, SMALL] {
        assert!(!asked_for(&upstream, path), "{path}: {:?}", upstream.requests());
        assert_eq!(ways(&hub, path).await, [Way::Found], "{path}");
    }
    assert_eq!(ways(&hub, "part-000.txt").await, [Way::Fetched]);
    assert_all_is_well(&hub, "found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_store_under_a_name_that_is_not_its_own_is_fetched_and_replaced() {
    let right = fixture();
    let large = right.entry(LARGE).bytes.clone();
    let mut flipped = large.to_vec();
    flipped[2_000_000] ^= 1;
    for (when, wrong) in [("flipped", &flipped[..]), ("cut", &large[..2_999_999]), ("empty", &[][..])] {
        let (upstream, hub, mirror) = attempted(&[LARGE, SMALL]).await;
        put_into_store(&hub, LARGE, wrong);
        // Leads to bytes of another file, which are what they are called.
        put_into_store(&hub, "part-002.txt", &right.entry("part-002.txt").bytes);
        leave_trail(&hub, &mirror, SMALL, &right.sha256_of("part-002.txt"));

        hub.sync(&mirror).await;

        for path in [LARGE, SMALL] {
            assert!(asked_for(&upstream, path), "{when}: {path}");
            assert_eq!(ways(&hub, path).await, [Way::Fetched], "{when}: {path}");
        }
        assert_all_is_well(&hub, when).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_that_was_torn_or_leads_nowhere_is_fetched_past() {
    let hex = fixture().sha256_of(SMALL);
    for trail in ["", &hex[..40], "no digest at all", &hex] {
        let (upstream, hub, mirror) = attempted(&[SMALL]).await;
        leave_trail(&hub, &mirror, SMALL, trail);
        hub.sync(&mirror).await;
        assert!(asked_for(&upstream, SMALL), "{trail:?}");
        assert_eq!(ways(&hub, SMALL).await, [Way::Fetched], "{trail:?}");
        assert_all_is_well(&hub, trail).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_not_asked_for_contents_of_a_commit_that_nobody_has_begun_to_fetch() {
    let upstream = FakeUpstream::start(vec![fixture()]).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    put_into_store(&hub, LARGE, &fixture().entry(LARGE).bytes);

    hub.synced(MODEL, NAME).await;

    assert_eq!(upstream.file_bytes(), size_of(&fixture()));
    assert_eq!(ways(&hub, LARGE).await, [Way::Fetched]);
    assert_all_is_well(&hub, "fetched").await;
}
