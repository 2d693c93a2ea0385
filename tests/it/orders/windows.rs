//! Bandwidth windows: bytes of what a schedule wants move while one is open, and wait otherwise.

use std::sync::Arc;

use acervo::app::orders;
use acervo::app::schedule;
use acervo::app::sync::Progress;
use acervo::worker;
use acervo_core::Caller;
use acervo_store::db::jobs::{Job, State};
use acervo_store::db::mirrors::{self, Mirror};
use acervo_tests::fake_upstream::{FakeUpstream, Fault, Origin};
use acervo_tests::fixture::{RepoFixture, random_bytes};
use acervo_tests::test_hub::TestHub;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{set_clock, time};

const SIZE: usize = 4_000_000;

const NIGHTLY: &str = "[mirror.x]\nrepos = ['acme/x']\nschedule = '15 0 * * *'\nwindows = [{ from = '00:00', to = '01:00', bytes_per_second = '900 MB' }]\n";

async fn started() -> (FakeUpstream, TestHub, Mirror) {
    let repo = RepoFixture::model("acme/x").lfs("model.safetensors", random_bytes(1, SIZE));
    let upstream = FakeUpstream::start(vec![repo]).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    set_clock(hub.hub(), time("2027-03-01T00:00:00Z"));
    let orders = orders::read(&Caller::System, NIGHTLY).unwrap();
    orders::apply(hub.hub(), &Caller::System, &orders, &Progress::default()).await.unwrap();
    let mirror = mirrors::all(hub.hub().db().reader()).await.unwrap().remove(0);
    (upstream, hub, mirror)
}

/// Queues what is due and works one attempt.
async fn work(hub: &TestHub) -> bool {
    schedule::queue_due(hub.hub()).await.unwrap();
    let never = CancellationToken::new();
    worker::run_once(hub.hub(), Uuid::now_v7(), None, &Arc::new(Progress::default()), &never).await.unwrap()
}

async fn job(hub: &TestHub, mirror: &Mirror) -> Job {
    let mirror = mirrors::by_id(hub.hub().db().reader(), mirror.id).await.unwrap().unwrap();
    hub.job(mirror.last_job_id.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_stops_when_its_window_closes_and_goes_on_in_the_next_one() {
    let (upstream, hub, mirror) = started().await;
    upstream.fault(Fault::stall_after(1_500_000).at(Origin::Cdn));
    set_clock(hub.hub(), time("2027-03-01T00:30:00Z"));
    let close = async {
        upstream.wait_fired(1).await;
        set_clock(hub.hub(), time("2027-03-01T01:00:05Z"));
    };
    let (worked, ()) = tokio::join!(work(&hub), close);
    assert!(worked);
    let waits = job(&hub, &mirror).await;
    assert_eq!((waits.state, waits.attempts), (State::Queued, 0), "{waits:?}");
    assert_eq!(waits.run_at.0, time("2027-03-02T00:00:00Z").as_millis());
    assert!(waits.error.as_deref().unwrap().contains("windows of its order"), "{waits:?}");
    upstream.release_stalled();
    assert!(!hub.staged_files().is_empty(), "what has arrived is kept");
    assert!(!work(&hub).await, "nothing is due before the window opens");

    upstream.clear_log();
    set_clock(hub.hub(), time("2027-03-02T00:00:10Z"));
    assert!(work(&hub).await);
    let done = job(&hub, &mirror).await;
    assert_eq!((done.id, done.state), (waits.id, State::Succeeded), "{done:?}");
    assert!(upstream.cdn_bytes() <= SIZE as u64 - 1_000_000, "{} bytes were fetched again", upstream.cdn_bytes());
    let answer = hub.get("/acme/x/resolve/main/model.safetensors").send().await.unwrap();
    assert!(answer.bytes().await.unwrap() == random_bytes(1, SIZE));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_syncs_by_hand_does_not_wait_for_a_window_also_when_a_schedule_does() {
    let (upstream, hub, mirror) = started().await;
    set_clock(hub.hub(), time("2027-03-01T01:30:00Z"));
    assert!(work(&hub).await, "what was due while nobody looked is done once");
    let waits = job(&hub, &mirror).await;
    assert_eq!(waits.state, State::Queued);
    assert_eq!(upstream.file_bytes(), 0);

    let done = hub.attempt(&mirror).await;
    assert_eq!((done.id, done.state), (waits.id, State::Succeeded), "{done:?}");
    assert_eq!(upstream.file_bytes(), SIZE as u64);
}
