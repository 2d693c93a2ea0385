//! Every way in which the fake upstream misbehaves, against one sync each: afterwards the repository is complete, or
//! refused as a whole with words that help.

use acervo_store::db::jobs::{Job, State};
use acervo_tests::fake_upstream::{FakeUpstream, Fault, Origin};
use acervo_tests::fixture::{RepoFixture, random_bytes};
use acervo_tests::test_hub::TestHub;
use futures::StreamExt;

use super::{
    MODEL, assert_nothing_is_left, assert_nothing_is_staged, assert_nothing_wrong_is_served, assert_served_whole,
    assert_stored, events_of, size_of,
};

const LARGE: &str = "model.safetensors";
const SMALL: &str = "sub/deep/notes.txt";
const LARGE_BYTES: usize = 1_500_000;

/// Cases that are worked at the same time; most of them wait.
const AT_ONCE: usize = 6;

fn fixture() -> RepoFixture {
    RepoFixture::model("acme/tiny")
        .file("README.md", "---\nlicense: mit\n---\n# Tiny\n")
        .file("config.json", "{\"some\": \"text\"}")
        .file(SMALL, "notes that are long enough to be cut in two")
        .file("empty.txt", "")
        .lfs(LARGE, random_bytes(1, LARGE_BYTES))
}

/// How a sync under a fault ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// In its first attempt, as if nothing had been.
    Well,
    /// By being put back, to be tried again soon.
    PutBack,
    /// Failed for good, with this text in its error.
    Failed(&'static str),
}

struct Case {
    name: &'static str,
    faults: Vec<Fault>,
    ends: Ends,
    /// Whether bytes may have to be fetched again beyond a tenth: they were wrong, or refused before they were taken.
    refetches: bool,
}

fn case(name: &'static str, ends: Ends, faults: impl IntoIterator<Item = Fault>) -> Case {
    Case { name, faults: faults.into_iter().collect(), ends, refetches: false }
}

fn refetching(name: &'static str, ends: Ends, faults: impl IntoIterator<Item = Fault>) -> Case {
    Case { refetches: true, ..case(name, ends, faults) }
}

fn broken_transfers() -> Vec<Case> {
    let cdn = |fault: Fault| fault.on(LARGE).at(Origin::Cdn);
    let small = |fault: Fault| fault.on(SMALL).at(Origin::Hub).method("GET");
    vec![
        case("cut in the middle", Ends::Well, [cdn(Fault::cut_after(700_000))]),
        case("cut at the first byte", Ends::Well, [cdn(Fault::cut_after(1))]),
        case("cut at the last byte", Ends::Well, [cdn(Fault::cut_after(LARGE_BYTES as u64 - 1))]),
        case("cut again and again", Ends::Well, [cdn(Fault::cut_after(200_000).times(6))]),
        case("a small file cut", Ends::Well, [small(Fault::cut_after(10))]),
        case("cut for ever at the same byte", Ends::PutBack, [cdn(Fault::cut_after(0).always())]),
        case("stalled", Ends::Well, [cdn(Fault::stall_after(300_000))]),
        case("a small file stalled", Ends::Well, [small(Fault::stall_after(5))]),
        case("dripping", Ends::Well, [cdn(Fault::drip(1000))]),
        case("a small file dripping", Ends::Well, [small(Fault::drip(1))]),
        case("dropped by the hub", Ends::Well, [Fault::drop_connection().on("/refs"), small(Fault::drop_connection())]),
        case("dropped by storage", Ends::Well, [cdn(Fault::drop_connection()).times(2)]),
        case("dropped for ever", Ends::PutBack, [cdn(Fault::drop_connection()).always()]),
        case("expired address", Ends::Well, [Fault::expired_signature().on(LARGE).times(2)]),
        case(
            "address that wears out between two cuts",
            Ends::Well,
            [Fault::signatures_last(1), cdn(Fault::cut_after(400_000)).times(3)],
        ),
        case("every address refused", Ends::Failed("answered 403"), [Fault::signatures_last(0)]),
    ]
}

fn wrong_contents() -> Vec<Case> {
    let cdn = |fault: Fault| fault.on(LARGE).at(Origin::Cdn);
    let quarantined = Ends::Failed("nothing was published");
    vec![
        refetching("flipped byte", quarantined, [cdn(Fault::flip_byte(1_000_000))]),
        refetching("first byte flipped, always", quarantined, [cdn(Fault::flip_byte(0)).always()]),
        refetching("flipped byte of a small file", quarantined, [Fault::flip_byte(3).on(SMALL)]),
        refetching(
            "flipped after a cut",
            quarantined,
            [cdn(Fault::cut_after(500_000)), cdn(Fault::flip_byte(600_000)).times(2)],
        ),
        refetching("too short", Ends::Failed("is listed with"), [cdn(Fault::truncate_to(1_000_000))]),
        refetching("too long", Ends::Failed("is listed with"), [cdn(Fault::extend_by(7))]),
        case("a small file too short", Ends::Failed("is listed with"), [Fault::truncate_to(5).on(SMALL)]),
        case("another tag", Ends::Failed("but answered as"), [Fault::wrong_etag().on(LARGE)]),
        case("another commit", Ends::Failed("sync again"), [Fault::wrong_commit().on(SMALL)]),
        case("a file that is listed and missing", Ends::Failed("although it was listed"), [Fault::missing().on(SMALL)]),
        case("a page of HTML for a large file", Ends::Failed("is listed with"), [cdn(Fault::html())]),
        case("a page of HTML for a small file", Ends::Failed("does not answer like a hub"), [Fault::html().on(SMALL)]),
    ]
}

fn lying_listings() -> Vec<Case> {
    let disagree = Ends::Failed("two answers disagree");
    let html = Ends::Failed("does not answer like a hub");
    vec![
        case("two digests", disagree, [Fault::wrong_sha256().on(LARGE)]),
        case("two git ids", disagree, [Fault::wrong_oid().on("config.json")]),
        case("two sizes", disagree, [Fault::wrong_size(7).on(SMALL)]),
        case("listed once", disagree, [Fault::unlisted().on(SMALL)]),
        case("wrong digest", Ends::Failed("is listed as"), [Fault::wrong_sha256().on(LARGE).always()]),
        case("wrong git id", Ends::Failed("is listed as"), [Fault::wrong_oid().on("config.json").always()]),
        case("wrong size", Ends::Failed("is listed with"), [Fault::wrong_size(7).on(SMALL).always()]),
        case("HTML for the refs", html, [Fault::html().on("/refs")]),
        case("HTML for the revision", html, [Fault::html().on("/revision/")]),
        case("HTML for the tree", html, [Fault::html().on("/tree/")]),
        case("half a listing", Ends::Well, [Fault::cut_after(40).on("/tree/"), Fault::cut_after(40).on("/revision/")]),
    ]
}

fn tired_servers() -> Vec<Case> {
    let cdn = |fault: Fault| fault.on(LARGE).at(Origin::Cdn);
    let mut cases = vec![
        case("429 with Retry-After", Ends::Well, [Fault::too_many_requests().retry_after(1).on("/refs")]),
        case("429 with RateLimit", Ends::Well, [Fault::too_many_requests().rate_limit("resolvers", 0).on(SMALL)]),
        case("429 of storage", Ends::Well, [cdn(Fault::too_many_requests().retry_after(1))]),
        case("503 with Retry-After", Ends::Well, [Fault::status(503).retry_after(1).on(SMALL)]),
    ];
    for status in [500, 502, 503, 504] {
        let everywhere = ["/refs", "/revision/", "/tree/", "/commits/", SMALL];
        let faults = everywhere.map(|on| Fault::status(status).on(on).at(Origin::Hub).times(2));
        cases.push(case("5xx everywhere, twice", Ends::Well, faults.into_iter().chain([cdn(Fault::status(status))])));
        cases.push(case("5xx of storage, for ever", Ends::PutBack, [cdn(Fault::status(status)).always()]));
    }
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_transfer_ends_complete_or_is_put_back() {
    work_off(broken_transfers()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_content_fails_by_name_and_the_next_sync_is_complete() {
    work_off(wrong_contents()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_lying_listing_publishes_nothing_and_the_next_sync_is_complete() {
    work_off(lying_listings()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tired_server_is_waited_for_or_asked_again_later() {
    work_off(tired_servers()).await;
}

async fn work_off(cases: Vec<Case>) {
    futures::stream::iter(cases).for_each_concurrent(AT_ONCE, |case| async move { survive(case).await }).await;
}

async fn survive(case: Case) {
    let Case { name, faults, ends, refetches } = case;
    let fixture = fixture();
    let upstream = FakeUpstream::start(vec![fixture.clone()]).await.unwrap();
    let hub = TestHub::with(&upstream.endpoint(), |config| {
        config.upstream.read_timeout_seconds = 1;
        config.upstream.attempts_max = 4;
    })
    .await;
    let ordered = faults.len();
    for fault in faults {
        upstream.fault(fault);
    }
    let mirror = hub.mirror(MODEL, "acme/tiny").await;

    let first = hub.attempt(&mirror).await;

    let fired = upstream.fired();
    assert!(fired.len() >= ordered, "{name}: {ordered} faults were ordered, these fired: {fired:?}");
    assert_end(name, ends, &first);
    assert_nothing_wrong_is_served(hub.url(), &fixture, name).await;
    if ends != Ends::Well {
        let listing = hub.get("/api/models/acme/tiny").send().await.unwrap();
        let status = listing.status().as_u16();
        // It is not here, or still on its way.
        assert_eq!(status, if ends == Ends::PutBack { 503 } else { 401 }, "{name}: nothing of it is visible");
        assert_eq!(events_of(hub.hub(), "commit.published").await, 0, "{name}");
        upstream.clear_faults();
        // What was put back is due later; nobody waits for that here.
        hub.hub().clock().set_ahead(3_600_000);
        hub.sync(&mirror).await;
    }
    assert_served_whole(hub.url(), &fixture, name).await;
    assert_stored(hub.hub(), &[&fixture], name).await;
    assert_nothing_is_left(hub.hub(), name).await;
    assert_eq!(events_of(hub.hub(), "commit.published").await, 1, "{name}");
    let (fetched, most) = (upstream.file_bytes(), size_of(&fixture) * 11 / 10);
    // A file that fails for good stops the others, whose bytes may be in flight already.
    let refetches = refetches || matches!(ends, Ends::Failed(_));
    assert!(refetches || fetched <= most, "{name}: {fetched} bytes were fetched, {most} would have been fair");
    assert_eq!(upstream.leaked_tokens(), 0, "{name}");
}

fn assert_end(name: &str, ends: Ends, job: &Job) {
    let error = job.error.clone().unwrap_or_default();
    match ends {
        Ends::Well => assert_eq!((job.state, error.as_str()), (State::Succeeded, ""), "{name}"),
        Ends::PutBack => assert_eq!((job.state, error.is_empty()), (State::Queued, false), "{name}: {error}"),
        Ends::Failed(text) => {
            assert_eq!(job.state, State::Failed, "{name}: {error}");
            assert!(error.contains(text), "{name}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_wants_peace_for_hours_is_left_in_peace() {
    let fixture = fixture();
    let upstream = FakeUpstream::start(vec![fixture.clone()]).await.unwrap();
    upstream.fault(Fault::too_many_requests().retry_after(7200).on("/refs"));
    let hub = TestHub::start(&upstream.endpoint()).await;
    let mirror = hub.mirror(MODEL, "acme/tiny").await;
    assert_end("hours", Ends::PutBack, &hub.attempt(&mirror).await);
    assert_eq!((upstream.fired().len(), upstream.requests().len()), (1, 1));
    hub.hub().clock().set_ahead(60_000);

    let again = hub.attempt(&mirror).await;

    assert_end("a minute later", Ends::PutBack, &again);
    assert_eq!(upstream.requests().len(), 1, "nothing is asked before its time");
    assert_nothing_wrong_is_served(hub.url(), &fixture, "hours").await;
    assert_nothing_is_staged(hub.hub(), "hours");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_moves_in_mid_sync_is_published_as_it_was_pinned_and_followed_next_time() {
    let before = fixture();
    let after = before.clone().commit("second", |commit| commit.file(SMALL, "other notes").lfs("b.bin", [5; 5000]));
    let upstream = FakeUpstream::start(vec![before.clone()]).await.unwrap();
    upstream.fault(Fault::repo_becomes(after.clone()).on(LARGE).at(Origin::Hub).method("GET"));
    let hub = TestHub::start(&upstream.endpoint()).await;
    let mirror = hub.mirror(MODEL, "acme/tiny").await;

    hub.sync(&mirror).await;

    assert_eq!(upstream.fired().len(), 1);
    assert_served_whole(hub.url(), &before, "as pinned").await;
    assert_stored(hub.hub(), &[&before], "as pinned").await;
    hub.sync(&mirror).await;
    assert_served_whole(hub.url(), &after, "followed").await;
    assert_nothing_is_left(hub.hub(), "followed").await;
    assert_eq!(events_of(hub.hub(), "commit.published").await, 2);
    assert!(upstream.file_bytes() <= size_of(&before) + 5011 + 100, "what both share was fetched once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_gated_in_mid_sync_is_refused_with_the_way_in() {
    let open = fixture();
    let gated = open.clone().gated_manual();
    let upstream = FakeUpstream::start(vec![open.clone()]).await.unwrap();
    upstream.fault(Fault::repo_becomes(gated).on(LARGE).at(Origin::Hub).method("GET"));
    let hub = TestHub::start(&upstream.endpoint()).await;
    let mirror = hub.mirror(MODEL, "acme/tiny").await;

    let job = hub.attempt(&mirror).await;

    assert_eq!(upstream.fired().len(), 1);
    assert_end("gated", Ends::Failed("accept its terms"), &job);
    assert_nothing_wrong_is_served(hub.url(), &open, "gated").await;
    upstream.with_repo("acme/tiny", |repo| *repo = open.clone());
    hub.sync(&mirror).await;
    assert_served_whole(hub.url(), &open, "open again").await;
    assert_stored(hub.hub(), &[&open], "open again").await;
    assert_nothing_is_left(hub.hub(), "open again").await;
    assert!(upstream.file_bytes() <= size_of(&open) * 11 / 10);
}
