//! An S3 server that is not there: at start, in the middle, and for good until somebody starts it again. No restart of
//! Acervo is needed for anything.

use acervo_store::db::jobs::State;
use acervo_test_engine::S3Server;
use acervo_tests::fake_upstream::{FakeUpstream, Fault, Origin};
use acervo_tests::processes::{Installation, Process, eventually};
use acervo_tests::test_hub::header;
use reqwest::Response;
use serde_json::{Value, json};

use super::super::{assert_served_whole, client, finished, queued};
use super::downloads::{assert_refused_for_now, assert_resumes, read};
use super::{Ends, LARGE, MODEL, NAME, assert_all_is_well, assert_end, fixture, on_s3};

async fn get(server: &Process, path: &str) -> Response {
    client().get(format!("{}{path}", server.url())).send().await.unwrap()
}

fn s3(installation: &Installation) -> &S3Server {
    installation.storage().server().unwrap()
}

/// What a server says of itself.
async fn readiness(server: &Process) -> (u16, Value) {
    let answer = get(server, "/readyz").await;
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn is_ready(server: &Process) {
    eventually("the server is ready", async || (readiness(server).await.0 == 200).then_some(())).await;
}

fn said(is_ready: bool, storage: &str) -> (u16, Value) {
    let status = if is_ready { 200 } else { 503 };
    (status, json!({ "ready": is_ready, "database": "ok", "staging": "ok", "storage": storage }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_started_before_s3_waits_for_it_and_outlives_its_deaths() {
    let upstream = FakeUpstream::start(vec![fixture()]).await.unwrap();
    let installation = Installation::on_s3(&upstream.endpoint());
    s3(&installation).stop();
    let server = installation.start(&["serve"]);
    eventually("it waits", async || server.log().contains("the object store does not answer yet").then_some(())).await;
    s3(&installation).start_again();
    let server = server.serving().await;
    assert_eq!(readiness(&server).await, said(true, "ok"));
    let hub = installation.hub().await;
    let (_, job) = queued(&hub, NAME).await;
    assert_eq!(finished(&hub, job).await.state, State::Succeeded);

    for death in 1..=2 {
        s3(&installation).stop();
        // What it said a moment ago is believed for a moment.
        eventually("it notices", async || (readiness(&server).await.0 == 503).then_some(())).await;
        assert_eq!(readiness(&server).await, said(false, "failed"));
        assert_eq!(get(&server, "/healthz").await.status(), 200, "the process is alive");
        let address = format!("/{NAME}/resolve/main/{LARGE}");
        assert_refused_for_now(get(&server, &address).await).await;
        let small = get(&server, &format!("/{NAME}/resolve/main/README.md")).await;
        if death == 1 {
            assert_refused_for_now(small).await;
        } else {
            // It was asked for after the first death, and is remembered.
            assert_eq!(small.status(), 200);
            assert!(small.bytes().await.unwrap() == fixture().entry("README.md").bytes);
        }
        let described = client().head(format!("{}{address}", server.url())).send().await.unwrap();
        assert_eq!(described.status(), 200);
        for metadata in [format!("/api/models/{NAME}"), format!("/api/models/{NAME}/tree/main"), "/".to_owned()] {
            assert_eq!(get(&server, &metadata).await.status(), 200, "{metadata}");
        }

        s3(&installation).start_again();

        is_ready(&server).await;
        assert_eq!(readiness(&server).await, said(true, "ok"));
        assert_served_whole(server.url(), &fixture(), "back again").await;
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_started_without_s3_ends_with_the_way_out_when_it_has_waited_long_enough() {
    let upstream = FakeUpstream::start(vec![]).await.unwrap();
    let mut installation = Installation::on_s3(&upstream.endpoint());
    installation.set_raw("storage.start_timeout_seconds", "2");
    s3(&installation).stop();

    let ended = installation.run(&["serve"]).await;

    assert!(!ended.success);
    assert!(ended.stderr.contains("check `storage.endpoint`, and that it is up"), "{}", ended.stderr);
    assert!(!ended.stderr.contains(s3(&installation).secret_key()), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_server_that_dies_in_mid_sync_and_in_mid_download_costs_no_byte_of_upstream() {
    let upstream = FakeUpstream::start(vec![fixture()]).await.unwrap();
    upstream.fault(Fault::stall_after(4_000_000).on(LARGE).at(Origin::Cdn));
    let hub = on_s3(&upstream, |_| {}).await;
    let mirror = hub.mirror(MODEL, NAME).await;
    let death = async {
        upstream.wait_fired(1).await;
        hub.s3().stop();
        upstream.release_stalled();
    };

    let (job, ()) = tokio::join!(hub.attempt(&mirror), death);

    assert_end("died in mid-sync", Ends::PutBack, &job);
    hub.s3().start_again();
    hub.hub().clock().set_ahead(3_600_000);
    hub.sync(&mirror).await;

    let mut answer = hub.get(&format!("/{NAME}/resolve/main/{LARGE}")).send().await.unwrap();
    let tag = header(&answer, "etag").to_owned();
    let mut arrived = answer.chunk().await.unwrap().unwrap().to_vec();
    hub.s3().stop();
    let (rest, is_whole) = read(answer).await;
    assert!(!is_whole, "whoever reads must notice");
    arrived.extend(rest);
    hub.s3().start_again();
    assert_resumes(&hub, LARGE, &tag, arrived).await;
    assert_all_is_well(&upstream, &hub, &fixture(), "after deaths").await;
}
