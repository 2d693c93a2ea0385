//! Every way in which an S3 server misbehaves, against one sync each: afterwards the repository is complete, and neither
//! here nor on the server is anything left.
//!
//! Each test stands on an S3 server of its own, whichever store the run is about.

mod away;
mod downloads;
mod link;
mod overtaken;

use acervo::config::Config;
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
const AT_ONCE: usize = 3;

/// Of parts of 5 MiB, the file known by its SHA-256 has two and the others one.
fn fixture() -> RepoFixture {
    large_and_small(NAME, 5_400_000, 8)
}

/// The same of a file that is known by its git id.
fn regular() -> RepoFixture {
    large_and_small(NAME, 1000, 2).file(VOCABULARY, hex::encode(random_bytes(12, 2_700_000)))
}

/// Where the requests for the content of a file go, ending in `rest`.
fn at(fixture: &RepoFixture, path: &str, rest: &str) -> String {
    format!("{}{rest}", fixture.sha256_of(path))
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
fn requests(fixture: &RepoFixture, large: &str) -> Vec<(&'static str, Method, String)> {
    vec![
        ("putting", Method::PUT, at(fixture, CARD, "")),
        ("beginning an upload", Method::POST, at(fixture, large, "?uploads")),
        ("sending a part", Method::PUT, at(fixture, large, "?partNumber=1")),
        ("sending the last part", Method::PUT, at(fixture, large, "?partNumber=2")),
        ("completing an upload", Method::POST, at(fixture, large, "?uploadId=")),
        ("looking at what was completed", Method::HEAD, at(fixture, large, "")),
        ("reading the card", Method::GET, at(fixture, CARD, "")),
    ]
}

fn tired_servers(fixture: &RepoFixture, large: &str) -> Vec<Case> {
    let faults = [("500", Fault::internal_error()), ("503", Fault::unavailable()), ("SlowDown", Fault::slow_down())];
    let asked = requests(fixture, large);
    let mut cases = Vec::new();
    for (word, fault) in &faults {
        let everywhere = asked.iter().map(|(_, method, on)| fault.clone().method(method.clone()).on(on).times(2));
        cases.push(case(format!("{word} to everything, twice"), Ends::Well, everywhere));
    }
    for ((doing, method, on), (word, fault)) in asked.into_iter().zip(faults.iter().cycle()) {
        let for_ever = fault.clone().method(method).on(&on).always();
        cases.push(case(format!("{word} for ever when {doing}"), Ends::PutBack, [for_ever]));
    }
    cases
}

fn forgetful_servers(fixture: &RepoFixture, large: &str) -> Vec<Case> {
    let (part, last) = (at(fixture, large, "?partNumber=1"), at(fixture, large, "?partNumber=2"));
    let (card, complete) = (at(fixture, CARD, ""), at(fixture, large, "?uploadId="));
    let done = |on: &str, method| Fault::done_but_internal_error().on(on).method(method);
    let lost = |on: &str| Fault::lose_multipart().on(on);
    vec![
        case("a put that was done fails", Ends::Well, [done(&card, Method::PUT)]),
        case("a part that has arrived fails", Ends::Well, [done(&part, Method::PUT)]),
        case("an upload that is complete fails", Ends::Well, [done(&complete, Method::POST)]),
        case("for ever, an upload that is complete fails", Ends::PutBack, [done(&complete, Method::POST).always()]),
        case("an upload lost at its first part", Ends::Well, [lost(&part)]),
        case("an upload lost in the middle", Ends::Well, [lost(&last)]),
        case("an upload lost twice", Ends::Well, [lost(&last).times(2)]),
        case("an upload lost at completion", Ends::Well, [lost(&complete).method(Method::POST)]),
        case("every upload lost", Ends::PutBack, [lost(&part).always()]),
    ]
}

fn cut_links(fixture: &RepoFixture, large: &str) -> Vec<Case> {
    let (part, last) = (at(fixture, large, "?partNumber=1"), at(fixture, large, "?partNumber=2"));
    let card = at(fixture, CARD, "");
    let cut = |on: &str, bytes| Fault::cut_upload_after(bytes).on(on);
    let read = Fault::cut_download_after;
    vec![
        case("a put cut at its first byte", Ends::Well, [cut(&card, 1)]),
        case("a part cut at its first byte", Ends::Well, [cut(&part, 1)]),
        case("a part cut in the middle, twice", Ends::Well, [cut(&part, 2_000_000).times(2)]),
        case("the last part cut", Ends::Well, [cut(&last, 100_000)]),
        case("a part cut for ever", Ends::PutBack, [cut(&part, 2_000_000).always()]),
        case("every put cut", Ends::PutBack, [cut(&card, 10).always()]),
        case("the card cut as it is read", Ends::Well, [0, 1, 20].map(|bytes| read(bytes).on(&card))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_s3_server_that_is_tired_is_asked_again_at_once_or_later() {
    work_off(fixture(), tired_servers(&fixture(), LARGE)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_s3_server_that_forgets_what_it_was_sent_is_sent_it_again() {
    work_off(fixture(), forgetful_servers(&fixture(), LARGE)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_upload_to_s3_that_is_cut_is_sent_again() {
    work_off(fixture(), cut_links(&fixture(), LARGE)).await;
}

/// Those begin when all bytes are here.
#[tokio::test(flavor = "multi_thread")]
async fn every_fault_in_an_upload_of_a_file_known_by_its_git_id_is_survived_too() {
    let fixture = regular();
    let mut cases = forgetful_servers(&fixture, VOCABULARY);
    cases.extend(cut_links(&fixture, VOCABULARY));
    cases.extend(tired_servers(&fixture, VOCABULARY));
    cases.retain(|case| case.faults.iter().all(|fault| format!("{fault:?}").contains(&fixture.sha256_of(VOCABULARY))));
    assert!(cases.len() >= 15);
    work_off(fixture, cases).await;
}

async fn work_off(fixture: RepoFixture, cases: Vec<Case>) {
    let survived = cases.into_iter().map(|case| survive(&fixture, case));
    futures::stream::iter(survived).buffer_unordered(AT_ONCE).collect::<()>().await;
}

async fn survive(fixture: &RepoFixture, case: Case) {
    let Case { name, ends, faults } = case;
    let upstream = FakeUpstream::start(vec![fixture.clone()]).await.unwrap();
    let hub = on_s3(&upstream, |_| {}).await;
    let ordered = faults.len();
    for fault in faults {
        hub.s3().faults().order(fault);
    }
    let mirror = hub.mirror(MODEL, NAME).await;

    let first = hub.attempt(&mirror).await;

    let fired = hub.s3().faults().fired();
    assert!(fired.len() >= ordered, "{name}: {ordered} faults were ordered, these fired: {fired:?}");
    assert_end(&name, ends, &first);
    if ends == Ends::PutBack {
        assert_nothing_wrong_is_served(hub.url(), fixture, &name).await;
        let listing = hub.get(&format!("/api/models/{NAME}")).send().await.unwrap();
        assert_eq!(listing.status(), 503, "{name}: it is on its way");
        assert_eq!(events_of(hub.hub(), "commit.published").await, 0, "{name}");
        hub.s3().faults().clear();
        // What was put back is due later; nobody waits for that here.
        hub.hub().clock().set_ahead(3_600_000);
        hub.sync(&mirror).await;
    }
    assert_all_is_well(&upstream, &hub, fixture, &name).await;
    assert_nothing_is_left_on_the_server(&hub, &name);
}

/// A hub that is patient with its upstream, which is not the subject here.
async fn on_s3(upstream: &FakeUpstream, change: impl FnOnce(&mut Config)) -> TestHub {
    TestHub::on_s3(&upstream.endpoint(), |config| {
        config.upstream.read_timeout_seconds = 120;
        change(config);
    })
    .await
}

fn assert_end(name: &str, ends: Ends, job: &Job) {
    let error = job.error.clone().unwrap_or_default();
    match ends {
        Ends::Well => assert_eq!((job.state, error.as_str()), (State::Succeeded, ""), "{name}"),
        Ends::PutBack => assert_eq!((job.state, error.is_empty()), (State::Queued, false), "{name}: {error}"),
    }
}

/// Asserts that all is served and stored, once, and that nothing is left here.
async fn assert_all_is_well(upstream: &FakeUpstream, hub: &TestHub, fixture: &RepoFixture, when: &str) {
    hub.s3().faults().clear();
    assert_served_whole(hub.url(), fixture, when).await;
    assert_stored(hub.hub(), &[fixture], when).await;
    assert_nothing_is_left(hub.hub(), when).await;
    assert_eq!(events_of(hub.hub(), "commit.published").await, 1, "{when}");
    // Each of two attempts asks for no byte twice. How much the second one asks for again is measured where one transfer
    // is alone: what upstream has sent may lie in the buffers of a connection that ends.
    let (fetched, most) = (upstream.file_bytes(), size_of(fixture) * 2);
    assert!(fetched <= most, "{when}: {fetched} bytes were fetched, {most} would have been fair");
}

/// Asserts that the server keeps nothing for uploads that nobody will go on with.
fn assert_nothing_is_left_on_the_server(hub: &TestHub, when: &str) {
    let left = hub.s3().uploads_under_way();
    assert!(left.is_empty(), "{when}: left on the server: {left:?}");
}
