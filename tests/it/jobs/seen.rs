//! What is left of jobs when they have ended, who may see it, and until when.

use acervo::app::jobs;
use acervo_core::{Caller, Role};
use acervo_store::db::jobs::{self as rows, State};
use acervo_tests::fake_upstream::{FakeUpstream, Fault, Origin};
use acervo_tests::fixture::RepoFixture;
use acervo_tests::test_hub::TestHub;
use serde_json::Value;

use super::{MODEL, asked, path};

fn tiny(name: &str) -> RepoFixture {
    RepoFixture::model(name).file("a.txt", "first").lfs("m.bin", name.as_bytes())
}

fn texts(job: &Value) -> Vec<String> {
    let lines = job["log"].as_array().unwrap();
    lines.iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_log_and_outcome_outlive_a_job() {
    let upstream = FakeUpstream::start(vec![tiny("acme/tiny"), tiny("acme/other")]).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    let mia = hub.token("mia", Role::Maintainer).await;
    let mirror = hub.mirror(MODEL, "acme/tiny").await;
    hub.sync(&mirror).await;
    upstream.fault(Fault::missing().on("m.bin").at(Origin::Hub).always());
    let other = hub.mirror(MODEL, "acme/other").await;
    let failed = hub.attempt(&other).await;

    let (status, all) = asked(hub.get("/api/mirrors/jobs"), &mia).await;

    assert_eq!(status, 200);
    let states: Vec<&str> = all.as_array().unwrap().iter().map(|job| job["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["failed", "succeeded"], "the newest first: {all}");
    let (_, done) = asked(hub.get(&format!("/api/mirrors/jobs/{}", all[1]["id"].as_str().unwrap())), &mia).await;
    assert_eq!((&done["progress"]["files_done"], &done["outcome"]["files_fetched"]), (&2.into(), &2.into()), "{done}");
    assert_eq!((&done["type"], &done["repo"], &done["attempts"]), (&"model".into(), &"acme/tiny".into(), &1.into()));
    let log = texts(&done);
    for text in ["attempt 1 of 3 begins on", "plan: 2 files, 14 bytes to fetch", "published commit", "for main", "done"]
    {
        assert!(log.iter().any(|line| line.contains(text)), "{text}: {log:?}");
    }
    let numbers: Vec<i64> = done["log"].as_array().unwrap().iter().map(|line| line["seq"].as_i64().unwrap()).collect();
    assert_eq!(numbers, (1..=log.len() as i64).collect::<Vec<_>>());
    let (_, broken) = asked(hub.get(&format!("/api/mirrors/jobs/{}", failed.id)), &mia).await;
    let last = broken["log"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&broken["state"], &last["level"]), (&"failed".into(), &"error".into()), "{broken}");
    let error = broken["error"].as_str().unwrap();
    assert!(error.contains("m.bin") && last["text"].as_str().unwrap().ends_with(error), "{broken}");

    for (query, count) in [("?state=failed", 1), ("?repo=acme/tiny", 1), ("?repo=acme/none", 0), ("?state=queued", 0)] {
        let (_, found) = asked(hub.get(&format!("/api/mirrors/jobs{query}")), &mia).await;
        assert_eq!(found.as_array().unwrap().len(), count, "{query}");
    }
    assert_eq!(asked(hub.get("/api/mirrors/jobs?state=lazy"), &mia).await.0, 400);
    let first = hub.get("/api/mirrors/jobs?limit=1").bearer_auth(&mia).send().await.unwrap();
    let link = first.headers()["link"].to_str().unwrap().to_owned();
    let next = link.trim_start_matches('<').split('>').next().unwrap().trim_start_matches(hub.url()).to_owned();
    let (_, second) = asked(hub.get(&next), &mia).await;
    assert_eq!((second.as_array().unwrap().len(), &second[0]["id"]), (1, &done["id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_manages_mirrors_steers_jobs_and_who_watches_over_the_hub_sees_them() {
    let upstream = FakeUpstream::start(vec![tiny("acme/tiny")]).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    let mirror = hub.mirror(MODEL, "acme/tiny").await;
    let id = acervo::app::sync::enqueue(hub.hub(), &Caller::System, &mirror).await.unwrap();
    let auditor = hub.token("auditor", Role::Auditor).await;
    let reader = hub.token("reader", Role::Reader).await;
    let looks = ["/api/mirrors/jobs".to_owned(), format!("/api/mirrors/jobs/{id}")];
    let nothing = format!("/api/mirrors/jobs/{}", uuid::Uuid::now_v7());

    for look in &looks {
        assert_eq!(asked(hub.get(look), &auditor).await.0, 200, "{look}");
        assert_eq!(asked(hub.get(look), &reader).await.0, 403, "{look}");
        assert_eq!(hub.get(look).send().await.unwrap().status(), 401, "{look}");
    }
    assert_eq!(asked(hub.get(&nothing), &reader).await.0, 403, "whether there is one is not told");
    assert_eq!(asked(hub.get(&nothing), &auditor).await.0, 404);
    assert_eq!(hub.get(&path(id, "events")).bearer_auth(&reader).send().await.unwrap().status(), 403);
    for act in ["cancel", "pause", "resume", "retry"] {
        for token in [&auditor, &reader] {
            assert_eq!(asked(hub.post(&path(id, act)), token).await.0, 403, "{act}");
        }
        assert_eq!(hub.post(&path(id, act)).send().await.unwrap().status(), 401, "{act}");
    }
    assert_eq!(hub.job(id).await.state, State::Queued);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_jobs_are_forgotten_with_their_logs_but_for_the_latest_of_each_mirror() {
    let upstream = FakeUpstream::start(vec![tiny("acme/tiny")]).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    let mirror = hub.mirror(MODEL, "acme/tiny").await;
    for _ in 0..3 {
        hub.sync(&mirror).await;
    }
    let db = hub.hub().db().reader();
    let before = rows::ids(db, 10).await.unwrap();
    assert_eq!((before.len(), jobs::prune(hub.hub()).await.unwrap()), (3, 0), "none is old");

    hub.hub().clock().set_ahead(91 * 24 * 3600 * 1000);
    let gone = jobs::prune(hub.hub()).await.unwrap();

    assert_eq!(gone, 2);
    assert_eq!(rows::ids(db, 10).await.unwrap(), [before[0]], "the latest stays");
    assert!(rows::lines_after(db, before[1], 0).await.unwrap().is_empty());
    assert!(!rows::lines_after(db, before[0], 0).await.unwrap().is_empty());
    assert_eq!(jobs::prune(hub.hub()).await.unwrap(), 0);
}
