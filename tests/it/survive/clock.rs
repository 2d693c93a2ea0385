//! Clocks that jump, in mid-sync and between syncs: no job is lost, none is done twice, and nothing panics.

use std::sync::Arc;

use acervo::app::sync::{self, Progress};
use acervo::context::Hub;
use acervo::worker;
use acervo_core::Caller;
use acervo_store::db::jobs::{self, State};
use acervo_tests::fake_upstream::{FakeUpstream, Fault, Origin};
use acervo_tests::fixture::RepoFixture;
use acervo_tests::test_hub::TestHub;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    MODEL, assert_nothing_is_left, assert_served_whole, assert_stored, events_of, large_and_small, queued, size_of,
};

const NAME: &str = "acme/survivor";
const DAY: i64 = 24 * 3600 * 1000;

fn fixture() -> RepoFixture {
    large_and_small(NAME, 2_000_000, 5)
}

async fn started() -> (FakeUpstream, TestHub) {
    let upstream = FakeUpstream::start(vec![fixture()]).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    (upstream, hub)
}

/// Lets a worker look once; returns whether it had something to do.
async fn work(hub: &Hub) -> bool {
    let (progress, never) = (Arc::new(Progress::default()), CancellationToken::new());
    worker::run_once(hub, Uuid::now_v7(), None, &progress, &never).await.unwrap()
}

async fn assert_done_once(upstream: &FakeUpstream, hub: &TestHub, job: Uuid, when: &str) {
    let job = hub.job(job).await;
    assert_eq!(job.state, State::Succeeded, "{when}: {:?}", job.error);
    assert_served_whole(hub.url(), &fixture(), when).await;
    assert_stored(hub.hub(), &[&fixture()], when).await;
    assert_nothing_is_left(hub.hub(), when).await;
    assert_eq!(events_of(hub.hub(), "commit.published").await, 1, "{when}");
    assert!(upstream.file_bytes() <= 2 * size_of(&fixture()), "{when}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_either_way_in_mid_sync_changes_nothing() {
    for days in [1000, -1000] {
        let (upstream, hub) = started().await;
        upstream.fault(Fault::stall_after(1_000_000).on("model.safetensors").at(Origin::Cdn));
        let (mirror, job) = queued(hub.hub(), NAME).await;
        let jump = async {
            upstream.wait_fired(1).await;
            hub.hub().clock().set_ahead(days * DAY);
            // A heartbeat by the new time, before the sync goes on.
            let jumped = hub.hub().now().plus_seconds(-60).as_millis();
            acervo_tests::processes::eventually("a heartbeat after the jump", async || {
                let heartbeat = hub.job(job).await.heartbeat_at?;
                ((heartbeat.0 - jumped).abs() < 120_000).then_some(())
            })
            .await;
            upstream.release_stalled();
        };
        let (worked, ()) = tokio::join!(work(hub.hub()), jump);

        assert!(worked);
        assert_eq!(upstream.fired().len(), 1);
        assert_eq!(hub.job(job).await.attempts, 1);
        assert_done_once(&upstream, &hub, job, &format!("{days} days")).await;
        let again = hub.sync(&mirror).await;
        assert!(!again.revisions[0].changed, "{days} days: nothing new is found by a later sync");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_clock_is_ahead_takes_a_job_over_and_it_is_still_published_once() {
    let (upstream, hub) = started().await;
    upstream.fault(Fault::stall_after(1_000_000).on("model.safetensors").at(Origin::Cdn));
    let other = Hub::open(hub.hub().config().clone()).await.unwrap();
    other.clock().set_ahead(DAY);
    let (_, job) = queued(hub.hub(), NAME).await;
    let ahead = async {
        upstream.wait_fired(1).await;
        assert!(work(&other).await, "by its clock the lease has ended");
        upstream.release_stalled();
    };

    let (worked, ()) = tokio::join!(work(hub.hub()), ahead);

    assert!(worked);
    assert_eq!(hub.job(job).await.attempts, 2);
    assert_done_once(&upstream, &hub, job, "taken over").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_queued_before_the_clock_fell_back_is_done_all_the_same() {
    let (upstream, hub) = started().await;
    let (_, job) = queued(hub.hub(), NAME).await;
    hub.hub().clock().set_ahead(-DAY);
    assert!(work(hub.hub()).await, "a job made tomorrow is due");
    assert_done_once(&upstream, &hub, job, "queued tomorrow").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_put_back_before_the_clock_fell_back_is_tried_again_all_the_same() {
    let (upstream, hub) = started().await;
    upstream.fault(Fault::status(500).on("/refs").always());
    let mirror = hub.mirror(MODEL, NAME).await;
    hub.hub().clock().set_ahead(DAY);
    let job = hub.attempt(&mirror).await;
    assert_eq!(job.state, State::Queued, "{:?}", job.error);
    assert!(!upstream.fired().is_empty());
    upstream.clear_faults();
    assert!(!work(hub.hub()).await, "its time has not come");
    hub.hub().clock().set_ahead(0);
    assert!(work(hub.hub()).await, "by this clock it was put back tomorrow");
    assert_done_once(&upstream, &hub, job.id, "put back tomorrow").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_worker_that_died_before_the_clock_fell_back_is_taken_over_all_the_same() {
    let (upstream, hub) = started().await;
    let (_, job) = queued(hub.hub(), NAME).await;
    let tomorrow = hub.hub().now().plus_seconds(24 * 3600);
    let (writer, dead) = (hub.hub().db().writer(), Uuid::now_v7());
    let claimed = jobs::claim(writer, dead, Some(job), tomorrow.plus_seconds(30), tomorrow).await.unwrap();
    assert!(claimed.is_some());
    jobs::worker_alive(writer, dead, "gone", 1, tomorrow).await.unwrap();
    assert!(!worker::is_alive(hub.hub()).await.unwrap(), "a sign of life from tomorrow is none");
    assert!(work(hub.hub()).await, "a lease from tomorrow is none");
    assert_done_once(&upstream, &hub, job, "died tomorrow").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_differ_by_seconds_leave_a_running_job_alone() {
    let (upstream, hub) = started().await;
    upstream.fault(Fault::stall_after(1_000_000).on("model.safetensors").at(Origin::Cdn));
    let other = Hub::open(hub.hub().config().clone()).await.unwrap();
    let (_, job) = queued(hub.hub(), NAME).await;
    let beside = async {
        upstream.wait_fired(1).await;
        for milliseconds in [-10_000, 10_000] {
            other.clock().set_ahead(milliseconds);
            assert!(!work(&other).await, "{milliseconds} ms ahead");
            let mirrors = acervo::app::mirrors::list(&other, &Caller::System).await.unwrap();
            let found = sync::enqueue(&other, &Caller::System, &mirrors[0]).await.unwrap();
            assert_eq!(found, job, "it is the one under way");
        }
        upstream.release_stalled();
    };
    let (worked, ()) = tokio::join!(work(hub.hub()), beside);
    assert!(worked);
    assert_eq!(hub.job(job).await.attempts, 1);
    assert_done_once(&upstream, &hub, job, "clocks that differ").await;
}
