//! A fleet that has not changed: what a night costs its upstream.

use acervo::app::sync::Progress;
use acervo::app::{orders, schedule};
use acervo_core::Caller;
use acervo_store::db::jobs::State;
use acervo_store::db::mirrors;
use acervo_tests::fake_upstream::{FakeUpstream, Origin};
use acervo_tests::fixture::{RepoFixture, random_bytes};
use acervo_tests::test_hub::TestHub;

use super::drain;

/// Repositories of the fleet.
const FLEET: u64 = 200;

const NIGHTLY: &str =
    "[mirror.fleet]\nrepos = [\"acme/*\"]\nrevisions = [\"main\", \"v*\"]\nschedule = \"0 3 * * *\"\n";

/// Works what is due by three workers at once; returns how many jobs there were.
async fn night(hub: &TestHub) -> u64 {
    hub.hub().clock().set_ahead(hub.hub().clock().ahead() + 24 * 3600 * 1000);
    let queued = schedule::queue_due(hub.hub()).await.unwrap();
    tokio::join!(drain(hub.hub()), drain(hub.hub()), drain(hub.hub()));
    queued.syncs
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_fleet_costs_two_requests_a_repository_and_no_bytes() {
    let repo = |n: u64| {
        let repo = RepoFixture::model(&format!("acme/m{n}")).file("config.json", format!("{n}")).tag("v1");
        repo.commit("second", |c| c.lfs("model.safetensors", random_bytes(n, 500))).tag("v2")
    };
    let upstream = FakeUpstream::start((0..FLEET).map(repo).collect()).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    let orders = orders::read(&Caller::System, NIGHTLY).unwrap();
    orders::apply(hub.hub(), &Caller::System, &orders, &Progress::default()).await.unwrap();
    assert_eq!(night(&hub).await, FLEET);

    upstream.clear_log();
    let began = std::time::Instant::now();
    assert_eq!(night(&hub).await, FLEET);
    let took = began.elapsed();
    let requests = upstream.requests();
    let of = |text: &str| requests.iter().filter(|request| request.path_and_query.contains(text)).count();
    for n in 0..FLEET {
        let count = of(&format!("/acme/m{n}/"));
        assert!(count <= 2, "{count} requests about acme/m{n}");
    }
    // One list of what there is, and nothing of files.
    assert!(requests.len() as u64 <= 2 * FLEET + 1, "{}", requests.len());
    assert!(
        requests.iter().all(|request| request.origin == Origin::Hub && !request.path_and_query.contains("/resolve/"))
    );
    assert_eq!(upstream.file_bytes(), 0);
    println!("{} requests for {FLEET} unchanged repositories in {} ms", requests.len(), took.as_millis());
    for mirror in mirrors::all(hub.hub().db().reader()).await.unwrap() {
        let job = hub.job(mirror.last_job_id.unwrap()).await;
        assert_eq!(job.state, State::Succeeded, "{:?}", job.error);
        assert!(mirror.next_run_at.unwrap() > hub.hub().now());
    }
}
