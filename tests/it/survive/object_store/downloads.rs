//! Downloads while the S3 server behind them misbehaves: byte for byte right, visibly broken off, or refused with the
//! way on. Nothing else.

use acervo_test_engine::s3::faults::Fault;
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::test_hub::{TestHub, header};
use reqwest::{Method, Response};

use super::{CARD, LARGE, MODEL, NAME, assert_all_is_well, at, fixture, on_s3};

async fn synced() -> (FakeUpstream, TestHub) {
    let upstream = FakeUpstream::start(vec![fixture()]).await.unwrap();
    let hub = on_s3(&upstream, |config| config.storage.attempts_max = 2).await;
    hub.synced(MODEL, NAME).await;
    (upstream, hub)
}

fn address(path: &str) -> String {
    format!("/{NAME}/resolve/main/{path}")
}

/// What arrives of an answer, and whether it ended as it should.
pub(super) async fn read(mut answer: Response) -> (Vec<u8>, bool) {
    let mut arrived = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => arrived.extend_from_slice(&chunk),
            Ok(None) => return (arrived, true),
            Err(_) => return (arrived, false),
        }
    }
}

/// Asserts that what broke off after `arrived` can be gone on with, and is right as a whole.
pub(super) async fn assert_resumes(hub: &TestHub, path: &str, tag: &str, arrived: Vec<u8>) {
    let whole = fixture().entry(path).bytes.clone();
    assert!(arrived.len() < whole.len() && arrived == whole[..arrived.len()], "{} bytes arrived", arrived.len());
    let range = format!("bytes={}-", arrived.len());
    let rest = hub.get(&address(path)).header("range", range).header("if-range", tag).send().await.unwrap();
    assert_eq!(rest.status(), 206);
    let (rest, is_whole) = read(rest).await;
    assert!(is_whole && [arrived, rest].concat() == whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_s3_cuts_and_refuses_in_between_is_right_to_the_last_byte() {
    let (upstream, hub) = synced().await;
    // What strikes again and again before the first byte is a refusal: that comes later, in the middle.
    for (path, cuts) in [(LARGE, &[130_000, 0, 1_000_000, 1, 2_000_000][..]), (CARD, &[20])] {
        let before = hub.s3().faults().fired().len();
        let on = at(&fixture(), path, "");
        for bytes in cuts {
            hub.s3().faults().order(Fault::cut_download_after(*bytes).on(&on));
        }
        if path == LARGE {
            hub.s3().faults().order(Fault::slow_down().method(Method::GET).on(&on));
        }

        let answer = hub.get(&address(path)).send().await.unwrap();

        assert_eq!(answer.status(), 200, "{path}");
        let (arrived, is_whole) = read(answer).await;
        assert!(is_whole && arrived == fixture().entry(path).bytes, "{path}: {} bytes arrived", arrived.len());
        let ordered = cuts.len() + usize::from(path == LARGE);
        assert_eq!(hub.s3().faults().fired().len() - before, ordered, "{path}");
    }
    assert_all_is_well(&upstream, &hub, &fixture(), "after cuts").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_s3_cannot_complete_breaks_off_visibly_and_goes_on_by_range() {
    let (upstream, hub) = synced().await;
    let ends = [Fault::unavailable(), Fault::internal_error(), Fault::slow_down(), Fault::cut_download_after(0)];
    for end in ends {
        let on = at(&fixture(), LARGE, "");
        hub.s3().faults().order(Fault::cut_download_after(2_000_000).on(&on));
        hub.s3().faults().order(end.clone().method(Method::GET).on(&on).always());

        let answer = hub.get(&address(LARGE)).send().await.unwrap();

        assert_eq!((answer.status().as_u16(), header(&answer, "content-length")), (200, "5400000"), "{end:?}");
        let tag = header(&answer, "etag").to_owned();
        let (arrived, is_whole) = read(answer).await;
        assert!(!is_whole, "{end:?}: whoever reads must notice");
        assert!(arrived.len() > 1_000_000, "{end:?}: what was there was handed on, {} bytes", arrived.len());
        hub.s3().faults().clear();
        assert_resumes(&hub, LARGE, &tag, arrived).await;
    }
    assert!(hub.s3().faults().fired().len() >= 8);
    assert_all_is_well(&upstream, &hub, &fixture(), "after broken downloads").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_s3_does_not_begin_is_refused_with_the_time_to_come_again() {
    let (upstream, hub) = synced().await;
    let tired = [Fault::unavailable(), Fault::internal_error(), Fault::slow_down()];
    let asked = [(LARGE, "resolve", ""), (LARGE, "resolve", "bytes=5000000-5000010"), (CARD, "raw", "")];
    for (fault, (path, kind, range)) in tired.into_iter().zip(asked) {
        let before = hub.s3().faults().fired().len();
        hub.s3().faults().order(fault.method(Method::GET).on(&at(&fixture(), path, "")).always());

        let mut request = hub.get(&format!("/{NAME}/{kind}/main/{path}"));
        if !range.is_empty() {
            request = request.header("range", range);
        }
        assert_refused_for_now(request.send().await.unwrap()).await;
        assert!(hub.s3().faults().fired().len() >= before + 2, "it was asked again at once");

        // Nothing that needs no bytes notices.
        let described = hub.head(&address(path)).send().await.unwrap();
        let size = fixture().entry(path).bytes.len().to_string();
        assert_eq!((described.status().as_u16(), header(&described, "content-length")), (200, &*size));
        for listing in ["", "/tree/main", "/revision/main"] {
            let answer = hub.get(&format!("/api/models/{NAME}{listing}")).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{listing}");
        }
        hub.s3().faults().clear();
    }
    assert_all_is_well(&upstream, &hub, &fixture(), "after refusals").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_file_that_s3_breaks_off_is_refused_with_the_time_to_come_again() {
    let (upstream, hub) = synced().await;
    let on = at(&fixture(), CARD, "");
    for kind in ["resolve", "raw"] {
        hub.s3().faults().order(Fault::cut_download_after(20).on(&on));
        hub.s3().faults().order(Fault::unavailable().method(Method::GET).on(&on).always());
        let before = hub.s3().faults().fired().len();

        assert_refused_for_now(hub.get(&format!("/{NAME}/{kind}/main/{CARD}")).send().await.unwrap()).await;

        assert!(hub.s3().faults().fired().len() > before + 1, "{kind}: it was not broken off, or not asked for again");
        hub.s3().faults().clear();
    }
    let whole = hub.get(&address(CARD)).send().await.unwrap();
    assert_eq!(whole.status(), 200, "the refusal was remembered");
    assert_all_is_well(&upstream, &hub, &fixture(), "after breaks").await;
}

/// Asserts that an answer sends the client away for a while, and that nobody remembers it.
pub(super) async fn assert_refused_for_now(refused: Response) {
    assert_eq!(refused.status(), 503);
    assert!(header(&refused, "retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(header(&refused, "x-error-message"), "the storage does not answer");
    assert_eq!((header(&refused, "x-repo-commit"), header(&refused, "x-error-code")), ("", ""));
    assert_eq!(header(&refused, "cache-control"), "no-store");
    let text = refused.text().await.unwrap();
    assert!(!text.contains("127.0.0.1") && !text.contains("acervo/"), "{text}");
}
