//! Databases that go away in the middle: Postgres restarted and killed, its link cut, stalled and reset; the file of an
//! embedded database locked by another process.
//!
//! Each test stands on the database that it is about, whichever engine the run uses.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use acervo::context::Hub;
use acervo_store::db::jobs::State;
use acervo_store::db::{Database, DatabaseConfig};
use acervo_test_engine::PostgresCluster;
use acervo_tests::fake_upstream::{FakeUpstream, Fault, Origin};
use acervo_tests::fault_proxy::{Direction, FaultProxy, Mishap};
use acervo_tests::fixture::RepoFixture;
use acervo_tests::processes::{Installation, Process, eventually};
use reqwest::Response;
use serde_json::Value;

use super::{
    assert_nothing_is_left, assert_served_whole, assert_stored, client, events_of, finished, large_and_small, queued,
    size_of,
};

const NAME: &str = "acme/survivor";

fn fixture() -> RepoFixture {
    large_and_small(NAME, 4_000_000, 20)
}

/// An upstream whose large file stalls after a quarter of it, and an installation that waits for it.
async fn installed(database_url: &str) -> (FakeUpstream, Installation) {
    let upstream = FakeUpstream::start(vec![fixture()]).await.unwrap();
    upstream.fault(Fault::stall_after(1_000_000).on("model.safetensors").at(Origin::Cdn));
    let mut installation = Installation::new(&upstream.endpoint());
    installation.set("database.url", database_url);
    installation.set_raw("database.connect_timeout_seconds", "2");
    installation.set_raw("upstream.read_timeout_seconds", "120");
    (upstream, installation)
}

async fn get(server: &Process, path: &str) -> Response {
    client().get(format!("{}{path}", server.url())).send().await.unwrap()
}

/// Whether the server says that it is ready, and what it says of the database.
async fn readiness(server: &Process) -> (u16, String) {
    let answer = get(server, "/readyz").await;
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["database"].as_str().unwrap().to_owned())
}

async fn is_ready(server: &Process) {
    eventually("the server is ready again", async || (readiness(server).await.0 == 200).then_some(())).await;
}

/// A way for a cluster to go away.
type End = fn(&PostgresCluster);

async fn assert_all_is_well(upstream: &FakeUpstream, hub: &Hub, server: &Process, when: &str) {
    assert_served_whole(server.url(), &fixture(), when).await;
    assert_stored(hub, &[&fixture()], when).await;
    assert_nothing_is_left(hub, when).await;
    assert_eq!(events_of(hub, "commit.published").await, 1, "{when}");
    // What was stalled is fetched again at most once.
    assert!(upstream.file_bytes() <= 2 * size_of(&fixture()), "{when}: {} bytes", upstream.file_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_outlives_postgres_stopped_or_killed_in_the_middle() {
    let ends: [(&str, End); 2] = [("stopped", PostgresCluster::stop_fast), ("killed", PostgresCluster::kill)];
    for (when, end) in ends {
        let cluster = PostgresCluster::start();
        let (upstream, installation) = installed(&cluster.create_database("acervo")).await;
        let server = installation.serve().await;
        let hub = installation.hub().await;
        let (_, job) = queued(&hub, NAME).await;
        upstream.wait_fired(1).await;

        end(&cluster);
        // Bytes arrive and heartbeats fail while it is away.
        upstream.release_stalled();
        assert_eq!(readiness(&server).await, (503, "failed".to_owned()), "{when}");
        cluster.start_again();

        is_ready(&server).await;
        let ended = finished(&hub, job).await;
        assert_eq!(ended.state, State::Succeeded, "{when}: {:?}", ended.error);
        assert_all_is_well(&upstream, &hub, &server, when).await;
        assert!(!server.log().contains("panicked"), "{when}: {}", server.log());
        assert!(server.stop().await.success(), "{when}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_under_way_finish_while_postgres_is_away_and_new_ones_are_asked_to_wait() {
    let cluster = PostgresCluster::start();
    let (upstream, mut installation) = installed(&cluster.create_database("acervo")).await;
    upstream.clear_faults();
    // Changes may wait for long; whoever only asks is told soon, by default.
    installation.set_raw("database.connect_timeout_seconds", "90");
    installation.unset("database.read_wait_seconds");
    let server = installation.serve().await;
    let hub = installation.hub().await;
    let (_, job) = queued(&hub, NAME).await;
    assert_eq!(finished(&hub, job).await.state, State::Succeeded);
    let large = format!("/{NAME}/resolve/main/model.safetensors");
    let mut download = get(&server, &large).await;
    let mut read = download.chunk().await.unwrap().unwrap().to_vec();

    cluster.stop_fast();

    let asked = Instant::now();
    let refused = get(&server, "/api/models/acme/unheard-of").await;
    assert_eq!(refused.status(), 503);
    assert!(asked.elapsed() < Duration::from_secs(45), "{:?}", asked.elapsed());
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    let text = refused.text().await.unwrap();
    assert!(!text.contains("127.0.0.1") && !text.contains("sqlx"), "{text}");
    assert_eq!(readiness(&server).await, (503, "failed".to_owned()));
    assert_eq!(get(&server, "/healthz").await.status(), 200, "the process is alive");
    while let Some(chunk) = download.chunk().await.unwrap() {
        read.extend_from_slice(&chunk);
    }
    assert!(read == fixture().entry("model.safetensors").bytes);

    cluster.start_again();
    is_ready(&server).await;
    assert_eq!(get(&server, "/api/models/acme/unheard-of").await.status(), 401);
    assert_all_is_well(&upstream, &hub, &server, "afterwards").await;
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_outlives_a_link_to_postgres_that_is_late_cut_silent_and_reset() {
    let cluster = PostgresCluster::start();
    let direct = cluster.create_database("acervo");
    let proxy = FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], cluster.port()))).unwrap();
    let through = direct.replace(&format!(":{}/", cluster.port()), &format!(":{}/", proxy.address().port()));
    assert_ne!(through, direct);
    let (upstream, mut installation) = installed(&through).await;
    let server = installation.serve().await;
    installation.set("database.url", &direct);
    let hub = installation.hub().await;
    let (_, job) = queued(&hub, NAME).await;
    upstream.wait_fired(1).await;

    for direction in [Direction::ToServer, Direction::ToClient] {
        proxy.latency(direction, Duration::from_millis(20));
        proxy.cut_after(direction, 100);
        let cuts = |proxy: &FaultProxy| proxy.fired().iter().any(|fired| fired.mishap == Mishap::Cut(direction));
        eventually("a connection is cut", async || cuts(&proxy).then_some(())).await;
    }
    proxy.stall();
    eventually("a connection stalls", async || {
        let stalled = |fired: &acervo_tests::fault_proxy::Fired| matches!(fired.mishap, Mishap::Stalled(_));
        proxy.fired().iter().any(stalled).then_some(())
    })
    .await;
    proxy.reset();
    proxy.refuse();
    eventually("a connection is refused", async || {
        proxy.fired().iter().any(|fired| fired.mishap == Mishap::Refused).then_some(())
    })
    .await;
    upstream.release_stalled();
    proxy.heal();

    let ended = finished(&hub, job).await;
    assert_eq!(ended.state, State::Succeeded, "{:?}", ended.error);
    is_ready(&server).await;
    assert_all_is_well(&upstream, &hub, &server, "through a bad link").await;
    assert!(!server.log().contains("panicked"), "{}", server.log());
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_outlives_a_database_file_that_another_process_has_locked() {
    let (upstream, mut installation) = installed("sqlite://unused").await;
    let url = format!("sqlite://{}", installation.folder().join("locked.db").display());
    installation.set("database.url", &url);
    // Longer than the lock lasts.
    installation.set_raw("database.connect_timeout_seconds", "30");
    let server = installation.serve().await;
    let hub = installation.hub().await;
    let (_, job) = queued(&hub, NAME).await;
    upstream.wait_fired(1).await;

    // This process is another one than the server.
    let locker = Database::open(&DatabaseConfig { url, ..DatabaseConfig::default() }).await.unwrap();
    let lock = locker.begin().await.unwrap();
    upstream.release_stalled();
    let locked = tokio::time::Instant::now();
    assert_eq!(readiness(&server).await, (200, "ok".to_owned()), "who only reads need not wait");
    assert_eq!(get(&server, "/api/models/acme/unheard-of").await.status(), 401);
    eventually("a heartbeat has had to wait", async || (locked.elapsed() > Duration::from_secs(3)).then_some(())).await;
    drop(lock);
    locker.close().await.unwrap();

    let ended = finished(&hub, job).await;
    assert_eq!((ended.state, ended.attempts), (State::Succeeded, 1), "{:?}", ended.error);
    assert_all_is_well(&upstream, &hub, &server, "once it was free").await;
    assert!(server.stop().await.success());
}
