//! A worker that was overtaken while it sent a file: what it has sent is worth nothing once the file is here.

use std::sync::Arc;

use acervo::app::sync::{self, Progress};
use acervo::context::Hub;
use acervo::worker;
use acervo_store::db::jobs::State;
use acervo_store::db::uploads;
use acervo_tests::fake_upstream::{FakeUpstream, Fault, Origin};
use acervo_tests::processes::eventually;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::{assert_nothing_is_left, assert_served_whole, assert_stored, large_and_small, queued};
use super::{LARGE, NAME, assert_nothing_is_left_on_the_server, on_s3};

const DAY_MILLISECONDS: i64 = 24 * 3600 * 1000;

/// Lets a worker look once; returns whether it had something to do.
async fn work(hub: &Hub) -> bool {
    let (progress, never) = (Arc::new(Progress::default()), CancellationToken::new());
    worker::run_once(hub, Uuid::now_v7(), None, &progress, &never).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_an_overtaken_worker_is_aborted_when_the_content_is_held() {
    let fixture = large_and_small(NAME, 7_000_000, 2);
    let upstream = FakeUpstream::start(vec![fixture.clone()]).await.unwrap();
    // After its first part, for good.
    upstream.fault(Fault::stall_after(6_500_000).on(LARGE).at(Origin::Cdn));
    let hub = on_s3(&upstream, |_| {}).await;
    let other = Hub::open(hub.hub().config().clone()).await.unwrap();
    other.clock().set_ahead(DAY_MILLISECONDS);
    let (_, job) = queued(hub.hub(), NAME).await;
    let overtaking = async {
        upstream.wait_fired(1).await;
        let has_sent = || hub.s3().uploads_under_way().iter().any(|name| name.contains(".part-1"));
        eventually("a part arrives", async || has_sent().then_some(())).await;
        assert_eq!(uploads::count(hub.hub().db().reader()).await.unwrap(), 1);
        assert!(work(&other).await, "by its clock the lease has ended");
    };

    let (worked, ()) = tokio::join!(work(hub.hub()), overtaking);

    assert!(worked);
    assert_eq!((hub.job(job).await.state, hub.job(job).await.attempts), (State::Succeeded, 2));
    // When it has let go of it, as its housekeeping does.
    eventually("the upload is aborted", async || {
        sync::sweep_leftovers(hub.hub()).await.unwrap();
        (uploads::count(hub.hub().db().reader()).await.unwrap() == 0).then_some(())
    })
    .await;
    assert_nothing_is_left_on_the_server(&hub, "overtaken");
    assert_served_whole(hub.url(), &fixture, "overtaken").await;
    assert_stored(hub.hub(), &[&fixture], "overtaken").await;
    assert_nothing_is_left(hub.hub(), "overtaken").await;
}
