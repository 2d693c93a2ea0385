//! Two workers on one installation, of which one is paused past its lease: the other takes over, and the one that wakes
//! up has nothing to say any more.

use std::time::Duration;

use acervo::app::sync::ProgressView;
use acervo::context::Hub;
use acervo_store::db::jobs::{self, State};
use acervo_tests::fake_upstream::{FakeUpstream, Fault, Origin};
use acervo_tests::fixture::RepoFixture;
use acervo_tests::processes::{Installation, Process, eventually};
use uuid::Uuid;

use super::{
    assert_nothing_is_left, assert_served_whole, assert_stored, events_of, finished, large_and_small, queued, size_of,
};

const NAME: &str = "acme/survivor";

fn fixture() -> RepoFixture {
    large_and_small(NAME, 3_000_000, 10)
}

/// Log line of a worker that has found out that its job is another's.
const FENCED: &str = "a job was taken over by another worker";

async fn says(process: &Process, text: &str) {
    eventually(text, async || process.log().contains(text).then_some(())).await;
}

/// Pauses a worker that has nothing but the large file left to fetch, and not while it holds the database.
async fn pause(worker: &Process, hub: &Hub, job: Uuid) {
    let small = fixture().files_at("main").len() as u64 - 1;
    eventually("the small files are here", async || {
        let job = jobs::by_id(hub.db().reader(), job).await.unwrap()?;
        let progress: ProgressView = serde_json::from_value(job.progress?).unwrap();
        (progress.files_done == small).then_some(())
    })
    .await;
    eventually("a moment without a transaction", async || {
        worker.pause().await;
        let free = tokio::time::timeout(Duration::from_secs(2), hub.db().begin()).await;
        if free.is_err() {
            worker.resume();
        }
        free.ok().map(drop)
    })
    .await;
}

/// One installation with two workers: the first is paused in the middle of a job that the second has not begun yet.
struct Relief {
    upstream: FakeUpstream,
    _installation: Installation,
    hub: Hub,
    job: Uuid,
    first: Process,
    second: Process,
}

impl Relief {
    /// The large file stalls for so many workers.
    async fn with_stalls(count: u32) -> Relief {
        let upstream = FakeUpstream::start(vec![fixture()]).await.unwrap();
        upstream.fault(Fault::stall_after(1_000_000).on("model.safetensors").at(Origin::Cdn).times(count));
        let mut installation = Installation::new(&upstream.endpoint());
        // A stall lasts until it is released.
        installation.set_raw("upstream.read_timeout_seconds", "120");
        let hub = installation.hub().await;
        let first = installation.serve().await;
        let (_, job) = queued(&hub, NAME).await;
        upstream.wait_fired(1).await;
        pause(&first, &hub, job).await;
        let second = installation.serve().await;
        Relief { upstream, _installation: installation, hub, job, first, second }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_paused_in_mid_transfer_is_relieved_and_publishes_nothing_when_it_wakes() {
    let Relief { upstream, _installation, hub, job, first, second } = Relief::with_stalls(1).await;

    let ended = finished(&hub, job).await;

    assert_eq!((ended.state, ended.attempts), (State::Succeeded, 2), "{:?}", ended.error);
    let (outcome, fence) = (ended.outcome.clone(), ended.fence);
    upstream.release_stalled();
    first.resume();
    says(&first, FENCED).await;
    for server in [&first, &second] {
        assert_served_whole(server.url(), &fixture(), "after waking up").await;
    }
    assert!(first.stop().await.success() && second.stop().await.success());
    let after = jobs::by_id(hub.db().reader(), job).await.unwrap().unwrap();
    assert_eq!((after.state, after.fence, after.outcome), (State::Succeeded, fence, outcome), "the job is not touched");
    assert_stored(&hub, &[&fixture()], "after waking up").await;
    assert_eq!(events_of(&hub, "commit.published").await, 1);
    assert!(upstream.file_bytes() <= 2 * size_of(&fixture()), "each worker fetched it once at most");
    assert_nothing_is_left(&hub, "after waking up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_wakes_while_the_other_is_at_work_leaves_it_alone() {
    let Relief { upstream, _installation, hub, job, first, second } = Relief::with_stalls(2).await;
    upstream.wait_fired(2).await;
    first.resume();
    says(&first, FENCED).await;

    upstream.release_stalled();
    let ended = finished(&hub, job).await;

    assert_eq!((ended.state, ended.attempts), (State::Succeeded, 2), "{:?}", ended.error);
    assert_served_whole(second.url(), &fixture(), "taken over").await;
    assert!(first.stop().await.success() && second.stop().await.success());
    assert_stored(&hub, &[&fixture()], "taken over").await;
    assert_eq!(events_of(&hub, "commit.published").await, 1);
    assert_nothing_is_left(&hub, "taken over").await;
}
