//! Syncs under adverse conditions: what an upstream lies about, what an earlier attempt left, what changes meanwhile.

use acervo::app::mirrors;
use acervo::app::sync;
use acervo_core::{Caller, Selection};
use acervo_store::db::blobs;
use acervo_store::db::jobs::{self, State};
use acervo_tests::fake_upstream::{FakeUpstream, Fault, Origin};
use acervo_tests::fixture::{RepoFixture, random_bytes};
use acervo_tests::test_hub::{TestHub, header, order};
use uuid::Uuid;

use super::{MODEL, events_of_kind, started, tiny};

#[tokio::test(flavor = "multi_thread")]
async fn what_two_new_commits_share_is_fetched_once() {
    let weights = random_bytes(8, 200_000);
    let fixture = RepoFixture::model("acme/moving")
        .lfs("m.bin", &weights)
        .file("same.txt", "same")
        .tag("v1")
        .commit("second", |commit| commit.file("a.txt", "two").lfs("copy.bin", &weights));
    let (upstream, hub) = started(fixture).await;
    let mut request = order(MODEL, "acme/moving");
    request.revisions = vec!["main".into(), "v1".into()];
    let mirror = hub.mirror_with(request).await;

    let plan = sync::plan(hub.hub(), &(&mirror).into(), &sync::Progress::default()).await.unwrap();
    let outcome = hub.sync(&mirror).await;

    assert_eq!(plan.totals().files_to_fetch, 3, "the weights, and two texts");
    assert_eq!(outcome.files_fetched, 3);
    assert_eq!(upstream.cdn_bytes(), weights.len() as u64);
    for path in ["main/m.bin", "main/copy.bin", "v1/m.bin"] {
        let served = hub.get(&format!("/acme/moving/resolve/{path}")).send().await.unwrap();
        assert!(served.bytes().await.unwrap() == weights, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size_that_contradicts_what_is_held_publishes_nothing() {
    let weights = random_bytes(7, 200_000);
    let one = RepoFixture::model("acme/one").lfs("model.safetensors", &weights);
    let two = RepoFixture::model("acme/two").lfs("copy.safetensors", &weights).lfs("z.safetensors", &weights);
    let upstream = FakeUpstream::start(vec![one, two]).await.unwrap();
    upstream.fault(Fault::wrong_size(199_999).on("acme/two/z.safetensors").always());
    let hub = TestHub::start(&upstream.endpoint()).await;
    for held_before in [false, true] {
        if held_before {
            hub.synced(MODEL, "acme/one").await;
        }
        let mirror = hub.mirror(MODEL, "acme/two").await;
        let job = hub.attempt(&mirror).await;
        let error = job.error.unwrap_or_default();
        assert_eq!(job.state, State::Failed, "{error}");
        assert!(error.contains("`z.safetensors` is declared with 199999 bytes"), "{error}");
        assert_eq!(hub.get("/api/models/acme/two").send().await.unwrap().status(), 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_of_an_earlier_attempt_accuse_nobody_and_are_fetched_again() {
    let fixture = tiny();
    let (upstream, hub) = started(fixture.clone()).await;
    let left = hub.staging().join(format!("sha256-{}", fixture.sha256_of("model.safetensors")));
    std::fs::write(left, [0; 100_000]).unwrap();
    let mirror = hub.mirror(MODEL, "acme/tiny").await;

    hub.sync(&mirror).await;

    let ranges: Vec<String> = upstream.requests().into_iter().filter_map(|seen| seen.range).collect();
    assert!(ranges.iter().any(|range| range == "bytes=100000-"), "what was left was resumed at first: {ranges:?}");
    assert!(hub.quarantined_files().is_empty() && hub.staged_files().is_empty());
    events_of_kind(&hub, "content.mismatch", 0).await;
    let served = hub.get("/acme/tiny/resolve/main/model.safetensors").send().await.unwrap();
    assert!(served.bytes().await.unwrap() == fixture.entry("model.safetensors").bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_is_widened_while_it_is_synced_holds_what_it_was_widened_to() {
    let (upstream, hub) = started(tiny()).await;
    upstream.fault(Fault::stall_after(100_000).on("model.safetensors").at(Origin::Cdn).times(1));
    let mut request = order(MODEL, "acme/tiny");
    request.selection = Selection { include: vec!["model.safetensors".into()], ..Selection::default() };
    let mirror = hub.mirror_with(request.clone()).await;
    request.selection = Selection::default();
    let widen = async {
        upstream.wait_fired(1).await;
        let mirror = hub.mirror_with(request).await;
        let job = sync::enqueue(hub.hub(), &Caller::System, &mirror).await.unwrap();
        upstream.release_stalled();
        job
    };

    let (done, queued) = tokio::join!(hub.attempt(&mirror), widen);

    assert_eq!((done.id, done.state), (queued, State::Succeeded), "{:?}", done.error);
    assert_eq!(hub.get("/acme/tiny/resolve/main/config.json").send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_sync_failed_is_not_promised_for_ever() {
    let fixture = tiny();
    let (upstream, hub) = started(fixture.clone()).await;
    upstream.fault(Fault::flip_byte(1).on("model.safetensors").always());
    let mirror = hub.mirror(MODEL, "acme/tiny").await;
    assert_eq!(hub.attempt(&mirror).await.state, State::Failed);
    let path = format!("/acme/tiny/resolve/{}/config.json", fixture.head());

    let failed = hub.get(&path).send().await.unwrap();
    assert_eq!((failed.status().as_u16(), header(&failed, "x-error-code")), (404, "RevisionNotFound"));
    assert!(header(&failed, "x-error-message").contains("sync it again"), "{failed:?}");
    sync::enqueue(hub.hub(), &Caller::System, &mirror).await.unwrap();
    let queued = hub.get(&path).send().await.unwrap();
    assert_eq!(queued.status(), 503, "it is on its way again");
}

#[tokio::test(flavor = "multi_thread")]
async fn characters_that_a_database_refuses_stop_where_they_enter() {
    let readme = "---\nlicense: \"m\\0it\"\ntags: [\"a\\0b\"]\n---\n# Nul\n";
    let fixture = RepoFixture::model("acme/nul")
        .file("README.md", readme)
        .tags(["one\0two", "good"])
        .commit("a ti\0tle", |commit| commit.file("b.txt", "b"));
    let (_upstream, hub) = started(fixture).await;
    hub.synced(MODEL, "acme/nul").await;

    for path in ["/api/models/acme/nul", "/api/models/acme/nul/commits/main"] {
        let answer = hub.get(path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let text = answer.text().await.unwrap();
        assert!(!text.contains("\\u0000"), "{path}: {text}");
        assert!(text.contains("good") || text.contains("a title"), "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_too_long_for_its_event_is_refused_and_a_long_one_is_carried_out() {
    let (_upstream, hub) = started(tiny()).await;
    let mut request = order(MODEL, "acme/tiny");
    let patterns = |bytes: usize| (0..200).map(|n| format!("{n:0>bytes$}*")).collect();
    request.selection = Selection { include: patterns(500), ..Selection::default() };
    let refused = mirrors::add(hub.hub(), &Caller::System, &request).await.unwrap_err().to_string();
    assert!(refused.contains("at most 24576 bytes"), "{refused}");
    request.selection = Selection { exclude: patterns(100), ..Selection::default() };
    let mirror = hub.mirror_with(request).await;
    assert_eq!(hub.sync(&mirror).await.files_fetched, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_does_not_fit_beside_the_others_waits_for_its_turn() {
    let fixture =
        (0..6).fold(RepoFixture::model("acme/big"), |repo, n| repo.lfs(&format!("{n}.bin"), random_bytes(n, 400_000)));
    let upstream = FakeUpstream::start(vec![fixture]).await.unwrap();
    let hub = TestHub::with(&upstream.endpoint(), |config| config.staging.bytes_max = 1_000_000).await;
    hub.synced(MODEL, "acme/big").await;
    assert_eq!(blobs::totals(hub.hub().db().reader()).await.unwrap(), (6, 2_400_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_workers_keep_dying_is_given_up_and_says_so() {
    let (upstream, hub) = started(tiny()).await;
    let mirror = hub.mirror(MODEL, "acme/tiny").await;
    let id = sync::enqueue(hub.hub(), &Caller::System, &mirror).await.unwrap();
    let attempts_max = hub.job(id).await.attempts_max;
    for _ in 0..attempts_max {
        // Claimed with a lease that has run out already: its worker was never heard of again.
        let now = hub.hub().now();
        let claimed = jobs::claim(hub.hub().db().writer(), Uuid::now_v7(), Some(id), now.plus_seconds(-1), now).await;
        assert!(claimed.unwrap().is_some());
    }

    let job = hub.attempt(&mirror).await;

    assert_eq!((job.id, job.state), (id, State::Failed));
    assert!(job.error.as_ref().unwrap().contains("ended with its worker"), "{:?}", job.error);
    assert_eq!(upstream.requests().len(), 0, "nothing was tried once more");
    hub.sync(&mirror).await;
}
