//! A bad link to the S3 server: cut, reset and silent in the middle of uploads and downloads.

use std::time::Duration;

use acervo::config::Config;
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fault_proxy::{Direction, FaultProxy, Mishap};
use acervo_tests::processes::eventually;
use acervo_tests::test_hub::{TestHub, header};

use super::downloads::{assert_resumes, read};
use super::{Ends, LARGE, MODEL, NAME, assert_all_is_well, assert_end, fixture, on_s3};

/// A hub whose S3 server is reached through a proxy.
async fn through_proxy(change: impl FnOnce(&mut Config)) -> (FakeUpstream, TestHub, FaultProxy) {
    let upstream = FakeUpstream::start(vec![fixture()]).await.unwrap();
    let mut proxy = None;
    let hub = on_s3(&upstream, |config| {
        let endpoint = config.storage.endpoint.take().unwrap();
        let server = endpoint.trim_start_matches("http://").parse().unwrap();
        let between = FaultProxy::start(server).unwrap();
        config.storage.endpoint = Some(format!("http://{}", between.address()));
        proxy = Some(between);
        change(config);
    })
    .await;
    (upstream, hub, proxy.unwrap())
}

fn has_happened(proxy: &FaultProxy, mishap: Mishap) -> bool {
    proxy.fired().iter().any(|fired| fired.mishap == mishap)
}

/// Waits until so many more bytes have gone this way.
async fn passed(proxy: &FaultProxy, direction: Direction, bytes: u64) {
    let goal = proxy.bytes(direction) + bytes;
    eventually("bytes pass", async || (proxy.bytes(direction) >= goal).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_s3_cut_in_mid_upload_and_in_mid_download_is_made_anew() {
    let (upstream, hub, proxy) = through_proxy(|_| {}).await;
    let mirror = hub.mirror(MODEL, NAME).await;
    proxy.cut_after(Direction::ToServer, 3_000_000);

    assert_end("cut uploading", Ends::Well, &hub.attempt(&mirror).await);

    assert!(has_happened(&proxy, Mishap::Cut(Direction::ToServer)));
    proxy.cut_after(Direction::ToClient, 3_000_000);
    let (arrived, is_whole) = read(hub.get(&format!("/{NAME}/resolve/main/{LARGE}")).send().await.unwrap()).await;
    assert!(has_happened(&proxy, Mishap::Cut(Direction::ToClient)));
    assert!(is_whole && arrived == fixture().entry(LARGE).bytes);
    assert_all_is_well(&upstream, &hub, &fixture(), "after cuts").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_s3_reset_in_mid_upload_and_in_mid_download_is_made_anew() {
    let (upstream, hub, proxy) = through_proxy(|_| {}).await;
    let mirror = hub.mirror(MODEL, NAME).await;
    // Slow enough to be met in the middle.
    proxy.latency(Direction::ToServer, Duration::from_millis(5));
    let reset = async {
        for _ in 0..2 {
            passed(&proxy, Direction::ToServer, 1_000_000).await;
            proxy.reset();
        }
    };
    let (job, ()) = tokio::join!(hub.attempt(&mirror), reset);

    assert_end("reset uploading", Ends::Well, &job);
    let resets = || proxy.fired().iter().filter(|fired| fired.mishap == Mishap::Reset).count();
    let before = resets();
    assert!(before >= 2, "{:?}", proxy.fired());
    proxy.latency(Direction::ToClient, Duration::from_millis(5));
    let reset = async {
        passed(&proxy, Direction::ToClient, 1_000_000).await;
        proxy.reset();
    };
    let download = async { read(hub.get(&format!("/{NAME}/resolve/main/{LARGE}")).send().await.unwrap()).await };
    let ((arrived, is_whole), ()) = tokio::join!(download, reset);
    assert!(resets() > before);
    assert!(is_whole && arrived == fixture().entry(LARGE).bytes);
    proxy.heal();
    assert_all_is_well(&upstream, &hub, &fixture(), "after resets").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_s3_that_falls_silent_puts_a_sync_back_and_breaks_a_download_off() {
    let (upstream, hub, proxy) = through_proxy(|config| {
        config.storage.upload_timeout_seconds = 1;
        config.storage.read_timeout_seconds = 1;
        config.storage.attempts_max = 2;
    })
    .await;
    let mirror = hub.mirror(MODEL, NAME).await;
    // Slow enough to be met in the middle.
    proxy.latency(Direction::ToServer, Duration::from_millis(5));
    let silence = async {
        passed(&proxy, Direction::ToServer, 1_000_000).await;
        proxy.stall();
    };

    let (job, ()) = tokio::join!(hub.attempt(&mirror), silence);

    assert_end("silent uploading", Ends::PutBack, &job);
    assert!(has_happened(&proxy, Mishap::Stalled(Direction::ToServer)), "{:?}", proxy.fired());
    assert_eq!(hub.get("/readyz").send().await.unwrap().status(), 503);
    proxy.heal();
    assert_eq!(hub.get("/readyz").send().await.unwrap().status(), 200);
    hub.hub().clock().set_ahead(3_600_000);
    hub.sync(&mirror).await;

    proxy.latency(Direction::ToClient, Duration::from_millis(5));
    let silence = async {
        passed(&proxy, Direction::ToClient, 1_000_000).await;
        proxy.stall();
    };
    let download = async {
        let answer = hub.get(&format!("/{NAME}/resolve/main/{LARGE}")).send().await.unwrap();
        let tag = header(&answer, "etag").to_owned();
        (tag, read(answer).await)
    };
    let ((tag, (arrived, is_whole)), ()) = tokio::join!(download, silence);
    assert!(!is_whole, "whoever reads must notice");
    assert!(has_happened(&proxy, Mishap::Stalled(Direction::ToClient)));
    proxy.heal();
    assert_resumes(&hub, LARGE, &tag, arrived).await;
    assert_all_is_well(&upstream, &hub, &fixture(), "after silence").await;
}
