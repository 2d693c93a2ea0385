//! Syncs against an upstream that behaves, and one that does not. Each test looks at what is left behind, too.

mod adverse;
mod network;
mod stopping;

use acervo::app::jobs;
use acervo::app::sync::{self, Progress};
use acervo_core::{Caller, RepoKind, Selection};
use acervo_store::db::jobs::State;
use acervo_store::db::{blobs, events};
use acervo_tests::fake_upstream::{FakeUpstream, Fault, Origin};
use acervo_tests::fixture::{FixtureFile, RepoFixture, random_bytes};
use acervo_tests::test_hub::{TestHub, header, order};

const MODEL: RepoKind = RepoKind::Model;

fn tiny() -> RepoFixture {
    RepoFixture::model("acme/tiny")
        .file("README.md", "---\nlicense: mit\nlanguage: gn\n---\n# Tiny\n")
        .file("config.json", "{}")
        .file("sub/deep/notes.txt", "notes")
        .file("empty.txt", "")
        .lfs("model.safetensors", random_bytes(1, 300_000))
}

async fn started(repo: RepoFixture) -> (FakeUpstream, TestHub) {
    let upstream = FakeUpstream::start(vec![repo]).await.expect("an upstream");
    let hub = TestHub::start(&upstream.endpoint()).await;
    (upstream, hub)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synced_repository_is_served_byte_for_byte_under_its_upstream_commit() {
    let fixture = tiny();
    let (upstream, hub) = started(fixture.clone()).await;
    let mirror = hub.mirror(MODEL, "acme/tiny").await;
    let outcome = hub.sync(&mirror).await;

    assert_eq!((outcome.files_fetched, outcome.files_held), (5, 0));
    assert_eq!(outcome.revisions[0].commit.to_hex(), fixture.head());
    for (path, file) in fixture.files_at("main") {
        let response = hub.get(&format!("/acme/tiny/resolve/main/{path}")).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(header(&response, "x-repo-commit"), fixture.head());
        let tag = if file.is_lfs() { &file.sha256 } else { &file.oid };
        assert_eq!(header(&response, "etag"), format!("\"{tag}\""));
        assert!(response.bytes().await.unwrap() == file.bytes, "{path} differs");
    }
    assert!(hub.staged_files().is_empty(), "staging is empty after a sync");
    let (count, bytes) = blobs::totals(hub.hub().db().reader()).await.unwrap();
    let sizes: u64 = fixture.files_at("main").values().map(FixtureFile::size).sum();
    assert_eq!((count, bytes), (5, sizes));
    assert_eq!(upstream.leaked_tokens(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_repository_costs_a_handful_of_requests_and_no_bytes() {
    let (upstream, hub) = started(tiny()).await;
    let mirror = hub.synced(MODEL, "acme/tiny").await;
    upstream.clear_log();
    let bytes_before = upstream.cdn_bytes();

    let outcome = hub.sync(&mirror).await;

    assert!(!outcome.revisions[0].changed);
    assert_eq!(outcome.files_fetched, 0);
    let requests = upstream.requests();
    assert_eq!(requests.len(), 2, "its refs, and what the hub says of it: {requests:#?}");
    assert_eq!(upstream.cdn_bytes(), bytes_before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_commit_fetches_only_what_is_new_and_the_old_commit_stays() {
    let (upstream, hub) = started(tiny()).await;
    let mirror = hub.synced(MODEL, "acme/tiny").await;
    let old = upstream.repo("acme/tiny").head();
    let weights = random_bytes(1, 300_000);
    let new = upstream.push_commit("acme/tiny", "rename and edit", |commit| {
        commit.remove("model.safetensors").lfs("weights/model.safetensors", &weights).file("config.json", "{\"a\":1}")
    });

    let outcome = hub.sync(&mirror).await;

    assert_eq!((outcome.files_fetched, outcome.files_held), (1, 4), "moved weights are not fetched again");
    let moved = hub.get("/acme/tiny/resolve/main/weights/model.safetensors").send().await.unwrap();
    assert_eq!(header(&moved, "x-repo-commit"), new);
    assert!(moved.bytes().await.unwrap() == weights);
    let before = hub.get(&format!("/acme/tiny/resolve/{old}/model.safetensors")).send().await.unwrap();
    assert_eq!((before.status().as_u16(), header(&before, "x-repo-commit")), (200, old.as_str()));
    let gone = hub.get("/acme/tiny/resolve/main/model.safetensors").send().await.unwrap();
    assert_eq!((gone.status().as_u16(), header(&gone, "x-error-code")), (404, "EntryNotFound"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_weights_in_another_repository_are_fetched_once() {
    let weights = random_bytes(7, 200_000);
    let one = RepoFixture::model("acme/one").lfs("model.safetensors", &weights).file("a.txt", "same");
    let two = RepoFixture::model("acme/two").lfs("copy.safetensors", &weights).file("b.txt", "same");
    let upstream = FakeUpstream::start(vec![one, two]).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    hub.synced(MODEL, "acme/one").await;
    let before = upstream.cdn_bytes();
    let mirror = hub.mirror(MODEL, "acme/two").await;

    let outcome = hub.sync(&mirror).await;

    assert_eq!(upstream.cdn_bytes(), before, "SHA-256 proves that the weights are here");
    assert_eq!((outcome.files_fetched, outcome.files_held), (1, 1), "a git id proves nothing across repositories");
}

#[tokio::test(flavor = "multi_thread")]
async fn flipped_bytes_fail_the_sync_by_name_publish_nothing_and_keep_what_was_good() {
    for victim in ["model.safetensors", "config.json"] {
        let (upstream, hub) = started(tiny().file("config.json", "{\"some\": \"text\"}")).await;
        upstream.fault(Fault::flip_byte(1).on(victim).always());
        let mirror = hub.mirror(MODEL, "acme/tiny").await;

        let job = hub.attempt(&mirror).await;

        assert!(!upstream.fired().is_empty(), "the fault fired");
        assert_eq!(job.state, State::Failed);
        let error = job.error.unwrap();
        assert!(error.contains(victim) && error.contains("nothing was published"), "{error}");
        let listing = hub.get("/api/models/acme/tiny").send().await.unwrap();
        assert_eq!((listing.status().as_u16(), header(&listing, "x-error-code")), (401, "RepoNotFound"));
        assert_eq!(hub.quarantined_files().len(), 1, "the wrong bytes are kept aside");
        events_of_kind(&hub, "content.mismatch", 1).await;
        let (kept, _) = blobs::totals(hub.hub().db().reader()).await.unwrap();

        upstream.clear_faults();
        let outcome = hub.sync(&mirror).await;
        assert_eq!(outcome.files_held, kept, "what was verified is not fetched again");
        let served = hub.get(&format!("/acme/tiny/resolve/main/{victim}")).send().await.unwrap();
        assert_eq!(served.status(), 200);
    }
}

async fn events_of_kind(hub: &TestHub, kind: &str, count: usize) {
    acervo::app::events::number_waiting(hub.hub()).await.unwrap();
    let all = events::after(hub.hub().db().reader(), 0, 1000).await.unwrap();
    let numbers: Vec<i64> = all.iter().map(|event| event.seq).collect();
    let gap_free: Vec<i64> = (1..=i64::try_from(all.len()).unwrap()).collect();
    assert_eq!(numbers, gap_free);
    let kinds: Vec<&str> = all.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds.iter().filter(|found| **found == kind).count(), count, "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_resumed_where_it_broke() {
    let size = 3_000_000;
    let weights = random_bytes(3, size);
    let (upstream, hub) = started(RepoFixture::model("acme/big").lfs("model.safetensors", &weights)).await;
    upstream.fault(Fault::cut_after(2_000_000).on("model.safetensors").at(Origin::Cdn).times(1));
    let mirror = hub.mirror(MODEL, "acme/big").await;

    hub.sync(&mirror).await;

    assert_eq!(upstream.fired().len(), 1);
    let ranges: Vec<String> = upstream.requests().into_iter().filter_map(|seen| seen.range).collect();
    assert!(ranges.iter().any(|range| !range.starts_with("bytes=0-")), "{ranges:?}");
    assert!(upstream.cdn_bytes() <= size as u64 * 11 / 10, "{} bytes for {size}", upstream.cdn_bytes());
    let served = hub.get("/acme/big/resolve/main/model.safetensors").send().await.unwrap();
    assert!(served.bytes().await.unwrap() == weights);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_goes_on_after_a_restart_with_the_bytes_it_had() {
    let size = 5_000_000;
    let weights = random_bytes(4, size);
    let (upstream, hub) = started(RepoFixture::model("acme/big").lfs("model.safetensors", &weights)).await;
    upstream.fault(Fault::cut_after(3_000_000).on("model.safetensors").at(Origin::Cdn).times(1));
    upstream.fault(Fault::status(403).on("model.safetensors").at(Origin::Hub).after(1).always());
    let mirror = hub.mirror(MODEL, "acme/big").await;
    upstream.fault(Fault::status(500).on("model.safetensors").at(Origin::Cdn).after(1).always());
    let job = hub.attempt(&mirror).await;
    assert_ne!(job.state, State::Succeeded);
    assert_eq!(hub.staged_files().len(), 1, "the partial file is kept");
    upstream.clear_faults();
    let before = upstream.cdn_bytes();

    let hub = hub.restart(&upstream.endpoint()).await;
    let job = hub.job(job.id).await;
    if job.state == State::Queued {
        jobs::cancel(hub.hub(), &Caller::System, job.id).await.unwrap();
    }
    hub.sync(&mirror).await;

    let fetched = upstream.cdn_bytes() - before;
    assert!(fetched <= size as u64 - 2_000_000, "{fetched} bytes were fetched after the restart");
    let served = hub.get("/acme/big/resolve/main/model.safetensors").send().await.unwrap();
    assert!(served.bytes().await.unwrap() == weights);
    assert!(hub.staged_files().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_holds_a_part_and_says_so() {
    let (_upstream, hub) = started(tiny()).await;
    let mut request = order(MODEL, "acme/tiny");
    request.selection = Selection {
        include: vec!["*.json".into(), "sub/".into()],
        exclude: vec!["README*".into()],
        ..Selection::default()
    };
    let mirror = hub.mirror_with(request.clone()).await;
    let outcome = hub.sync(&mirror).await;
    assert_eq!(outcome.files_fetched, 2);

    let listed: serde_json::Value =
        hub.get("/api/models/acme/tiny/tree/main?recursive=true").send().await.unwrap().json().await.unwrap();
    let paths: Vec<&str> = listed.as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["config.json", "sub", "sub/deep", "sub/deep/notes.txt"]);
    let left_out = hub.get("/acme/tiny/resolve/main/README.md").send().await.unwrap();
    assert_eq!((left_out.status().as_u16(), header(&left_out, "x-error-code")), (404, "EntryNotFound"));
    assert_eq!(header(&left_out, "x-repo-commit"), "", "clients would remember that it does not exist");
    assert_eq!(header(&left_out, "cache-control"), "no-store");
    assert!(header(&left_out, "x-error-message").contains("`README*`"), "{}", header(&left_out, "x-error-message"));
    let info = hub.get("/api/models/acme/tiny").send().await.unwrap();
    assert_ne!(header(&info, "x-hf-warning"), "");

    request.selection = Selection::default();
    let mirror = hub.mirror_with(request).await;
    let outcome = hub.sync(&mirror).await;
    assert_eq!((outcome.files_fetched, outcome.files_held), (3, 2), "widening fetches the rest");
    assert_eq!(hub.get("/acme/tiny/resolve/main/README.md").send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_tags_and_pinned_commits_are_followed() {
    let fixture = RepoFixture::model("acme/moving")
        .file("a.txt", "one")
        .tag("v1")
        .commit("second", |commit| commit.file("a.txt", "two"))
        .commit_on("feature/x", "third", |commit| commit.file("a.txt", "three"));
    let pinned = fixture.commit_id("v1").unwrap();
    let (_upstream, hub) = started(fixture.clone()).await;
    let mut request = order(MODEL, "acme/moving");
    request.revisions = vec!["main".into(), "v1".into(), "feature/x".into(), pinned.clone()];
    let mirror = hub.mirror_with(request).await;
    hub.sync(&mirror).await;

    for (revision, text) in [
        ("main", "two"),
        ("v1", "one"),
        ("feature%2Fx", "three"),
        ("feature/x", "three"),
        (pinned.as_str(), "one"),
        (&pinned[..8], "one"),
    ] {
        let response = hub.get(&format!("/acme/moving/resolve/{revision}/a.txt")).send().await.unwrap();
        assert_eq!(response.status(), 200, "{revision}");
        assert_eq!(response.text().await.unwrap(), text, "{revision}");
    }
    let refs: serde_json::Value = hub.get("/api/models/acme/moving/refs").send().await.unwrap().json().await.unwrap();
    assert_eq!(refs["tags"][0]["targetCommit"], pinned);
    assert_eq!(refs["branches"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_it_would_fetch_and_changes_nothing() {
    let (upstream, hub) = started(tiny()).await;
    let mirror = hub.mirror(MODEL, "acme/tiny").await;

    let plan = sync::plan(hub.hub(), &(&mirror).into(), &Progress::default()).await.unwrap();

    assert_eq!(plan.totals().files_to_fetch, 5);
    assert_eq!(upstream.cdn_bytes(), 0);
    assert_eq!(blobs::totals(hub.hub().db().reader()).await.unwrap(), (0, 0));
    let info = hub.get("/api/models/acme/tiny").send().await.unwrap();
    assert_eq!(info.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_lies_publishes_nothing() {
    let faults: [(&str, Fault); 3] = [
        ("wrong sha256", Fault::wrong_sha256().on("model.safetensors").always()),
        ("wrong git id", Fault::wrong_oid().on("config.json").always()),
        ("wrong size", Fault::wrong_size(7).on("config.json").always()),
    ];
    for (name, fault) in faults {
        let (upstream, hub) = started(tiny()).await;
        upstream.fault(fault);
        let mirror = hub.mirror(MODEL, "acme/tiny").await;
        let job = hub.attempt(&mirror).await;
        assert!(!upstream.fired().is_empty(), "{name}: the fault fired");
        assert_ne!(job.state, State::Succeeded, "{name}");
        assert_eq!(hub.get("/api/models/acme/tiny").send().await.unwrap().status(), 401, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_upstream_refuses_is_told_with_the_next_step() {
    let gated = RepoFixture::model("acme/gated").file("a.txt", "x").gated_manual();
    let private = RepoFixture::model("acme/private").file("a.txt", "x").private(["hf_somebody"]);
    let upstream = FakeUpstream::start(vec![gated, private]).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    for (name, hint) in
        [("acme/gated", "accept its terms"), ("acme/private", "token_file"), ("acme/absent", "token_file")]
    {
        let mirror = hub.mirror(MODEL, name).await;
        let job = hub.attempt(&mirror).await;
        assert_eq!(job.state, State::Failed, "{name}: {:?}", job.error);
        let error = job.error.unwrap();
        assert!(error.contains(name) && error.contains(hint), "{name}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_upstream_shows_to_few_is_not_shown_to_all() {
    let private = RepoFixture::model("acme/private").file("a.txt", "x").private(["hf_ours"]);
    let upstream = FakeUpstream::start(vec![private]).await.unwrap();
    let hub = TestHub::with(&upstream.endpoint(), |config| {
        config.upstream.token = Some(acervo::upstream::Secret::new("hf_ours"));
    })
    .await;
    hub.synced(MODEL, "acme/private").await;

    let path = "/acme/private/resolve/main/a.txt";
    assert_eq!(hub.get(path).send().await.unwrap().status(), 401);
    let reader = hub.token("reader", acervo_core::Role::Reader).await;
    assert_eq!(hub.get(path).bearer_auth(reader).send().await.unwrap().status(), 200);
    let stranger = hub.stranger("eve").await;
    let hidden = hub.get(path).bearer_auth(&stranger).send().await.unwrap();
    assert_eq!((hidden.status().as_u16(), header(&hidden, "x-error-code")), (404, "RepoNotFound"));
    events_of_kind(&hub, "repo.visibility_changed", 1).await;
    assert_eq!(upstream.leaked_tokens(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_sync_keeps_what_has_arrived_and_publishes_nothing() {
    let (upstream, hub) = started(RepoFixture::model("acme/big").lfs("m.bin", random_bytes(5, 3_000_000))).await;
    upstream.fault(Fault::stall_after(2_000_000).on("m.bin").at(Origin::Cdn).always());
    let mirror = hub.mirror(MODEL, "acme/big").await;
    let id = sync::enqueue(hub.hub(), &Caller::System, &mirror).await.unwrap();
    let stop = async {
        upstream.wait_fired(1).await;
        jobs::cancel(hub.hub(), &Caller::System, id).await.unwrap();
    };
    let (job, ()) = tokio::join!(hub.attempt(&mirror), stop);

    assert_eq!((job.id, job.state), (id, State::Cancelled));
    assert_eq!(hub.staged_files().len(), 1);
    assert_eq!(hub.get("/api/models/acme/big").send().await.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acervo_can_be_mirrored_by_an_acervo() {
    let fixture = tiny();
    let (_upstream, first) = started(fixture.clone()).await;
    first.synced(MODEL, "acme/tiny").await;
    let second = TestHub::start(first.url()).await;
    let mirror = second.mirror(MODEL, "acme/tiny").await;
    let outcome = second.sync(&mirror).await;

    assert_eq!(outcome.revisions[0].commit.to_hex(), fixture.head());
    let (mine, theirs) = ("/api/models/acme/tiny/tree/main?recursive=true", "/api/models/acme/tiny?blobs=true");
    for path in [mine, theirs] {
        let mut answers = Vec::new();
        for hub in [&first, &second] {
            let mut answer: serde_json::Value = hub.get(path).send().await.unwrap().json().await.unwrap();
            if let Some(info) = answer.as_object_mut() {
                // An id of each hub's own.
                info.remove("_id");
            }
            answers.push(answer);
        }
        assert_eq!(answers[0], answers[1], "{path}");
    }
}
