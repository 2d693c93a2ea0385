//! One transfer fails while others are under way: they stop gently, and what they have is not paid for twice.

use std::os::unix::fs::MetadataExt;

use acervo_store::db::jobs::State;
use acervo_store::db::{blobs, uploads};
use acervo_tests::fake_upstream::{FakeUpstream, Fault, Origin};
use acervo_tests::fixture::{RepoFixture, random_bytes};
use acervo_tests::processes::eventually;
use acervo_tests::test_hub::TestHub;

use super::MODEL;

const SLOW_BYTES: usize = 8_000_000;
const STALLED_AT: u64 = 5_000_000;
const OTHER_BYTES: usize = 1_500_000;

/// Fetched two at a time, in the order of their names.
fn fixture() -> RepoFixture {
    RepoFixture::model("acme/four")
        .lfs("a-slow.bin", random_bytes(1, SLOW_BYTES))
        .lfs("b-quick.bin", random_bytes(2, OTHER_BYTES))
        .lfs("c-missing.bin", random_bytes(3, OTHER_BYTES))
        .lfs("d-later.bin", random_bytes(4, OTHER_BYTES))
}

/// Body bytes of a file that storage has sent, and from which byte on it was asked for.
fn fetched(upstream: &FakeUpstream, fixture: &RepoFixture, path: &str) -> (u64, Vec<Option<String>>) {
    let sha256 = fixture.sha256_of(path);
    let asked: Vec<_> = upstream
        .requests()
        .into_iter()
        .filter(|asked| asked.origin == Origin::Cdn && asked.path_and_query.contains(&*sha256))
        .collect();
    (asked.iter().map(|asked| asked.bytes_sent).sum(), asked.into_iter().map(|asked| asked.range).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_failure_is_told_and_what_the_others_have_is_kept_and_resumed() {
    let fixture = fixture();
    let upstream = FakeUpstream::start(vec![fixture.clone()]).await.unwrap();
    upstream.fault(Fault::stall_after(STALLED_AT).on("a-slow.bin").at(Origin::Cdn));
    upstream.fault(Fault::stall_after(1_000_000).on("b-quick.bin").at(Origin::Cdn));
    upstream.fault(Fault::missing().on("c-missing.bin").at(Origin::Hub).always());
    let hub = TestHub::with(&upstream.endpoint(), |config| {
        config.sync.files_at_once = 2;
        // A stall lasts until it is released.
        config.upstream.read_timeout_seconds = 120;
    })
    .await;
    let mirror = hub.mirror(MODEL, "acme/four").await;
    let staged = hub.staging().join(format!("sha256-{}", fixture.sha256_of("a-slow.bin")));
    let arrived = || staged.metadata().map_or(0, |file| file.size());
    // The third begins when the second is done, while the first has to wait.
    let fail = async {
        upstream.wait_fired(2).await;
        eventually("most of what was sent is on the disk", async || (arrived() >= 3_000_000).then_some(())).await;
        upstream.release_stalled_on("b-quick.bin");
    };

    let (job, ()) = tokio::join!(hub.attempt(&mirror), fail);

    let error = job.error.unwrap();
    assert_eq!(job.state, State::Failed, "{error}");
    assert!(error.contains("c-missing.bin") && !error.contains("stopped"), "the first failure is told: {error}");
    assert_eq!(hub.get("/api/models/acme/four").send().await.unwrap().status(), 401, "nothing is published");
    let kept = arrived();
    assert!((3_000_000..=STALLED_AT).contains(&kept), "{kept} bytes are kept");
    assert_eq!(blobs::totals(hub.hub().db().reader()).await.unwrap(), (1, OTHER_BYTES as u64), "one was done");
    assert_eq!(fetched(&upstream, &fixture, "d-later.bin").0, 0, "none begins after a failure");

    upstream.clear_faults();
    upstream.clear_log();
    hub.sync(&mirror).await;

    let (rest, ranges) = fetched(&upstream, &fixture, "a-slow.bin");
    assert_eq!(rest, SLOW_BYTES as u64 - kept, "what was kept is not sent again: {ranges:?}");
    assert_eq!(ranges, [Some(format!("bytes={kept}-"))]);
    assert_eq!(fetched(&upstream, &fixture, "b-quick.bin").0, 0, "what was done is done");
    assert_eq!(upstream.file_bytes(), rest + 2 * OTHER_BYTES as u64);
    for (path, file) in fixture.files_at("main") {
        let served = hub.get(&format!("/acme/four/resolve/main/{path}")).send().await.unwrap();
        assert!(served.bytes().await.unwrap() == file.bytes, "{path} differs");
    }
    assert!(hub.staged_files().is_empty());
    assert_eq!(uploads::count(hub.hub().db().reader()).await.unwrap(), 0);
}
