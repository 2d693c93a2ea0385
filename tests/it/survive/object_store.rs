//! Every way in which an S3 server misbehaves, against one sync each: afterwards the repository is complete, and neither
//! here nor on the server is anything left.
//!
//! Each test stands on an S3 server of its own, whichever store the run is about.

mod away;
mod downloads;
mod link;

use acervo_store::db::jobs::{Job, State};
use acervo_test_engine::s3::faults::Fault;
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::{RepoFixture, random_bytes};
use acervo_tests::test_hub::TestHub;
use futures::StreamExt;
use reqwest::Method;

use super::{
    MODEL, assert_nothing_is_left, assert_nothing_wrong_is_served, assert_served_whole, assert_stored, events_of,
    large_and_small, size_of,
};

const NAME: &str = "acme/survivor";
const LARGE: &str = "model.safetensors";
const CARD: &str = "README.md";
const VOCABULARY: &str = "vocabulary.txt";

/// Cases that are worked at the same time; most of them wait.
const AT_ONCE: usize = 4;

/// Of parts of 5 MiB, one file known by its SHA-256 has three, one known by its git id two, and the rest none.
fn fixture() -> RepoFixture {
    large_and_small(NAME, 12_000_000, 8).file(VOCABULARY, hex::encode(random_bytes(12, 3_000_000)))
}

/// Where the requests for the content of a file go, ending in `rest`.
fn at(path: &str, rest: &str) -> String {
    format!("{}{rest}", fixture().sha256_of(path))
}

/// How a sync under a fault ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// In its first attempt, as if nothing had been.
    Well,
    /// By being put back, to be tried again soon.
    PutBack,
}

struct Case {
    name: String,
    ends: Ends,
    faults: Vec<Fault>,
}

fn case(name: impl Into<String>, ends: Ends, faults: impl IntoIterator<Item = Fault>) -> Case {
    Case { name: name.into(), ends, faults: faults.into_iter().collect() }
}

/// What a sync asks of a server, and whom it asks it of.
fn requests() -> Vec<(&'static str, Method, String)> {
    vec![
        ("putting", Method::PUT, at(CARD, "")),
        ("beginning an upload", Method::POST, at(LARGE, "?uploads")),
        ("sending a part", Method::PUT, at(LARGE, "?partNumber=2")),
        ("sending the last part", Method::PUT, at(LARGE, "?partNumber=3")),
        ("sending a part of a regular file", Method::PUT, at(VOCABULARY, "?partNumber=1")),
        ("completing an upload", Method::POST, at(LARGE, "?uploadId=")),
        ("looking at what was completed", Method::HEAD, at(LARGE, "")),
        ("reading the card", Method::GET, at(CARD, "")),
    ]
}

fn tired_servers() -> Vec<Case> {
    let faults = [("500", Fault::internal_error()), ("503", Fault::unavailable()), ("SlowDown", Fault::slow_down())];
    let mut cases = Vec::new();
    for (word, fault) in &faults {
        let everywhere = requests().into_iter().map(|(_, method, on)| fault.clone().method(method).on(&on).times(2));
        cases.push(case(format!("{word} to everything, twice"), Ends::Well, everywhere));
    }
    for ((doing, method, on), (word, fault)) in requests().into_iter().zip(faults.iter().cycle()) {
        let for_ever = fault.clone().method(method).on(&on).always();
        cases.push(case(format!("{word} for ever when {doing}"), Ends::PutBack, [for_ever]));
    }
    cases
}

fn forgetful_servers() -> Vec<Case> {
    let done = |path, rest, method| Fault::done_but_internal_error().on(&at(path, rest)).method(method);
    let lost = |path, rest| Fault::lose_multipart().on(&at(path, rest));
    vec![
        case("a put that was done fails", Ends::Well, [done(CARD, "", Method::PUT)]),
        case("a part that has arrived fails", Ends::Well, [done(LARGE, "?partNumber=2", Method::PUT)]),
        case("an upload that is complete fails", Ends::Well, [done(LARGE, "?uploadId=", Method::POST)]),
        case(
            "an upload of a regular file that is complete fails",
            Ends::Well,
            [done(VOCABULARY, "?uploadId=", Method::POST)],
        ),
        case(
            "every upload that is complete fails",
            Ends::Well,
            [done(LARGE, "?uploadId=", Method::POST).always(), done(VOCABULARY, "?uploadId=", Method::POST).always()],
        ),
        case("an upload lost at its first part", Ends::Well, [lost(LARGE, "?partNumber=1")]),
        case("an upload lost in the middle", Ends::Well, [lost(LARGE, "?partNumber=2")]),
        case("an upload lost twice", Ends::Well, [lost(LARGE, "?partNumber=2").times(2)]),
        case("an upload lost at completion", Ends::Well, [lost(LARGE, "?uploadId=").method(Method::POST)]),
        case("an upload of a regular file lost in the middle", Ends::Well, [lost(VOCABULARY, "?partNumber=2")]),
        case(
            "an upload of a regular file lost at completion",
            Ends::Well,
            [lost(VOCABULARY, "?uploadId=").method(Method::POST)],
        ),
        case("every upload lost", Ends::PutBack, [lost(LARGE, "?partNumber=1").always()]),
    ]
}

fn cut_links() -> Vec<Case> {
    let cut = |path, rest, bytes| Fault::cut_upload_after(bytes).on(&at(path, rest));
    let read = |bytes| Fault::cut_download_after(bytes).on(&at(CARD, ""));
    vec![
        case("a put cut at its first byte", Ends::Well, [cut(CARD, "", 1)]),
        case("a part cut at its first byte", Ends::Well, [cut(LARGE, "?partNumber=1", 1)]),
        case("a part cut in the middle, twice", Ends::Well, [cut(LARGE, "?partNumber=2", 2_000_000).times(2)]),
        case("the last part cut", Ends::Well, [cut(LARGE, "?partNumber=3", 1_000_000)]),
        case("a part of a regular file cut", Ends::Well, [cut(VOCABULARY, "?partNumber=1", 3_000_000)]),
        case("a part cut for ever", Ends::PutBack, [cut(LARGE, "?partNumber=2", 2_000_000).always()]),
        case("every put cut", Ends::PutBack, [cut(CARD, "", 10).always()]),
        case("the card cut as it is read", Ends::Well, [read(0), read(1), read(20)]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_s3_server_that_is_tired_is_asked_again_at_once_or_later() {
    work_off(tired_servers()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_s3_server_that_forgets_what_it_was_sent_is_sent_it_again() {
    work_off(forgetful_servers()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_upload_to_s3_that_is_cut_is_sent_again() {
    work_off(cut_links()).await;
}

async fn work_off(cases: Vec<Case>) {
    futures::stream::iter(cases).for_each_concurrent(AT_ONCE, |case| async move { survive(case).await }).await;
}

async fn survive(case: Case) {
    let Case { name, ends, faults } = case;
    let fixture = fixture();
    let upstream = FakeUpstream::start(vec![fixture.clone()]).await.unwrap();
    let hub = TestHub::on_s3(&upstream.endpoint(), |_| {}).await;
    let ordered = faults.len();
    for fault in faults {
        hub.s3().faults().order(fault);
    }
    let mirror = hub.mirror(MODEL, NAME).await;

    let first = hub.attempt(&mirror).await;

    let fired = hub.s3().faults().fired();
    assert!(fired.len() >= ordered, "{name}: {ordered} faults were ordered, these fired: {fired:?}");
    assert_end(&name, ends, &first);
    assert_nothing_wrong_is_served(hub.url(), &fixture, &name).await;
    if ends == Ends::PutBack {
        let listing = hub.get(&format!("/api/models/{NAME}")).send().await.unwrap();
        assert_eq!(listing.status(), 503, "{name}: it is on its way");
        assert_eq!(events_of(hub.hub(), "commit.published").await, 0, "{name}");
        hub.s3().faults().clear();
        // What was put back is due later; nobody waits for that here.
        hub.hub().clock().set_ahead(3_600_000);
        hub.sync(&mirror).await;
    }
    assert_all_is_well(&upstream, &hub, &name).await;
}

fn assert_end(name: &str, ends: Ends, job: &Job) {
    let error = job.error.clone().unwrap_or_default();
    match ends {
        Ends::Well => assert_eq!((job.state, error.as_str()), (State::Succeeded, ""), "{name}"),
        Ends::PutBack => assert_eq!((job.state, error.is_empty()), (State::Queued, false), "{name}: {error}"),
    }
}

/// Asserts that all is served and stored, once, and that nothing is left here or on the server.
async fn assert_all_is_well(upstream: &FakeUpstream, hub: &TestHub, when: &str) {
    hub.s3().faults().clear();
    assert_served_whole(hub.url(), &fixture(), when).await;
    assert_stored(hub.hub(), &[&fixture()], when).await;
    assert_nothing_is_left(hub.hub(), when).await;
    let left = hub.s3().uploads_under_way();
    assert!(left.is_empty(), "{when}: left on the server: {left:?}");
    assert_eq!(events_of(hub.hub(), "commit.published").await, 1, "{when}");
    let (fetched, most) = (upstream.file_bytes(), size_of(&fixture()) * 11 / 10);
    assert!(fetched <= most, "{when}: {fetched} bytes were fetched, {most} would have been fair");
}
