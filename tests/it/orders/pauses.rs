//! Pauses that an upstream asks for: kept by whoever comes later, too.

use acervo::app::sync::Progress;
use acervo::app::{orders, schedule};
use acervo_core::Caller;
use acervo_store::db::jobs::State;
use acervo_store::db::mirrors;
use acervo_tests::fake_upstream::{FakeUpstream, Fault, Origin};
use acervo_tests::fixture::RepoFixture;
use acervo_tests::test_hub::TestHub;

use super::{set_clock, time};

/// Works what is due; returns how many jobs that were.
async fn drain(hub: &TestHub) -> usize {
    schedule::queue_due(hub.hub()).await.unwrap();
    super::drain(hub.hub()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_starts_within_a_pause_keeps_it_and_nothing_fails() {
    let repos = (1..=6).map(|n| RepoFixture::model(&format!("acme/m{n}")).file("a.txt", format!("{n}"))).collect();
    let upstream = FakeUpstream::start(repos).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    set_clock(hub.hub(), time("2027-03-01T00:00:00Z"));
    let ids = (1..=6).map(|n| format!("'acme/m{n}'")).collect::<Vec<_>>().join(", ");
    let orders = format!("[mirror.x]\nrepos = [{ids}]\nschedule = '0 3 * * *'\n");
    let orders = orders::read(&Caller::System, &orders).unwrap();
    orders::apply(hub.hub(), &Caller::System, &orders, &Progress::default()).await.unwrap();

    set_clock(hub.hub(), time("2027-03-01T03:00:10Z"));
    upstream.fault(Fault::too_many_requests().retry_after(600).at(Origin::Hub));
    assert_eq!(drain(&hub).await, 6);
    let asked = upstream.requests();
    assert_eq!(asked.len(), 1, "the first refusal is for all: {asked:?}");

    let hub = hub.restart(&upstream.endpoint()).await;
    upstream.clear_log();
    set_clock(hub.hub(), time("2027-03-01T03:04:00Z"));
    assert_eq!(drain(&hub).await, 0, "what waits is not tried meanwhile");
    assert_eq!(upstream.requests().len(), 0);
    for mirror in mirrors::all(hub.hub().db().reader()).await.unwrap() {
        let job = hub.job(mirror.last_job_id.unwrap()).await;
        assert_eq!((job.state, job.attempts), (State::Queued, 0), "{job:?}");
        assert!(job.error.as_deref().unwrap().contains("limits the rate of requests"), "{job:?}");
    }
    // A job that is new within the pause waits like the others.
    let mirror = mirrors::all(hub.hub().db().reader()).await.unwrap().remove(0);
    let urged = hub.attempt(&mirror).await;
    assert_eq!((urged.state, upstream.requests().len()), (State::Queued, 0), "{urged:?}");

    set_clock(hub.hub(), time("2027-03-01T03:11:00Z"));
    assert_eq!(drain(&hub).await, 6);
    for mirror in mirrors::all(hub.hub().db().reader()).await.unwrap() {
        let job = hub.job(mirror.last_job_id.unwrap()).await;
        assert_eq!(job.state, State::Succeeded, "{:?}", job.error);
    }
}
