//! Pausing, resuming, cancelling and repeating jobs; suspending mirrors.

use std::sync::Arc;

use acervo::app::sync::{self, Progress};
use acervo::worker;
use acervo_core::{Caller, Role};
use acervo_store::db::jobs::State;
use acervo_store::db::mirrors;
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::RepoFixture;
use acervo_tests::processes::Installation;
use acervo_tests::test_hub::TestHub;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{ARRIVED, MODEL, SIZE, arrived, asked, pairs, path, stalling, steps};

/// Works whatever is due; returns whether anything was.
async fn work(hub: &TestHub) -> bool {
    let (progress, never) = (Arc::new(Progress::default()), CancellationToken::new());
    worker::run_once(hub.hub(), Uuid::now_v7(), None, &progress, &never).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_paused_in_mid_transfer_keeps_its_bytes_and_fetches_only_the_rest_when_resumed() {
    let (upstream, hub, fixture) = stalling().await;
    let mia = hub.token("mia", Role::Maintainer).await;
    let mirror = hub.mirror(MODEL, "acme/big").await;
    let id = sync::enqueue(hub.hub(), &Caller::System, &mirror).await.unwrap();
    let pause = async {
        arrived(&hub, &fixture).await;
        let (status, job) = asked(hub.post(&path(id, "pause")), &mia).await;
        assert_eq!((status, &job["state"], &job["pause_requested"]), (200, &"running".into(), &true.into()), "{job}");
    };

    let (job, ()) = tokio::join!(hub.attempt(&mirror), pause);

    assert_eq!((job.id, job.state, job.attempts), (id, State::Paused, 0), "the attempt does not count");
    assert_eq!((job.pause_requested, job.finished_at, job.error), (false, None, None));
    assert_eq!(hub.staged_files().len(), 1, "what has arrived is kept");
    assert_eq!(hub.get("/api/models/acme/big").send().await.unwrap().status(), 401, "nothing is published");
    assert!(!work(&hub).await, "nobody works on a paused job");
    let again = sync::enqueue(hub.hub(), &Caller::System, &mirror).await.unwrap();
    assert_eq!(again, id, "it is still the one sync of its repository");
    let (status, refused) = asked(hub.post(&path(id, "pause")), &mia).await;
    assert_eq!(status, 409);
    assert!(refused["error"].as_str().unwrap().contains("acervo jobs resume"), "{refused}");

    upstream.clear_faults();
    upstream.clear_log();
    let (status, job) = asked(hub.post(&path(id, "resume")), &mia).await;
    assert_eq!((status, &job["state"]), (200, &"queued".into()), "{job}");
    assert!(work(&hub).await, "it is due at once");

    let job = hub.job(id).await;
    assert_eq!((job.state, job.attempts), (State::Succeeded, 1), "{:?}", job.error);
    let rest = upstream.file_bytes();
    assert!((1..=SIZE - ARRIVED + 1000).contains(&rest), "{rest} bytes were fetched after the pause");
    let served = hub.get("/acme/big/resolve/main/m.bin").send().await.unwrap().bytes().await.unwrap();
    assert!(served == fixture.files_at("main")["m.bin"].bytes);
    assert!(hub.staged_files().is_empty());
    assert_eq!(steps(&hub, "job.").await, pairs(&[("job.paused", "mia"), ("job.resumed", "mia")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_sync_that_is_repeated_goes_on_from_what_it_had() {
    let (upstream, hub, fixture) = stalling().await;
    let mia = hub.token("mia", Role::Maintainer).await;
    let mirror = hub.mirror(MODEL, "acme/big").await;
    let id = sync::enqueue(hub.hub(), &Caller::System, &mirror).await.unwrap();
    let cancel = async {
        arrived(&hub, &fixture).await;
        let (status, job) = asked(hub.post(&path(id, "cancel")), &mia).await;
        assert_eq!((status, &job["cancel_requested"]), (200, &true.into()), "{job}");
    };
    let (job, ()) = tokio::join!(hub.attempt(&mirror), cancel);
    assert_eq!((job.state, hub.staged_files().len()), (State::Cancelled, 1));
    upstream.clear_faults();
    upstream.clear_log();

    let (status, new) = asked(hub.post(&path(id, "retry")), &mia).await;

    assert_eq!((status, &new["state"], &new["created_by"]), (200, &"queued".into(), &"mia".into()), "{new}");
    assert_ne!(new["id"], id.to_string(), "it is another job");
    assert!(work(&hub).await);
    let done = hub.job(new["id"].as_str().unwrap().parse().unwrap()).await;
    assert_eq!(done.state, State::Succeeded, "{:?}", done.error);
    let rest = upstream.file_bytes();
    assert!((1..=SIZE - ARRIVED + 1000).contains(&rest), "{rest} bytes were fetched by the second job");
    assert_eq!(hub.job(id).await.state, State::Cancelled, "the first one stays what it was");
    assert_eq!(steps(&hub, "job.").await, pairs(&[("job.cancelled", "mia")]));
    assert_eq!(steps(&hub, "sync.queued").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_is_steered_at_once_and_only_where_that_makes_sense() {
    let upstream = FakeUpstream::start(vec![RepoFixture::model("acme/tiny").file("a.txt", "a")]).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    let mia = hub.token("mia", Role::Maintainer).await;
    let mirror = hub.mirror(MODEL, "acme/tiny").await;
    let id = sync::enqueue(hub.hub(), &Caller::System, &mirror).await.unwrap();
    let act = async |id: Uuid, act: &str| {
        let (status, job) = asked(hub.post(&path(id, act)), &mia).await;
        (status, job["state"].as_str().unwrap_or_default().to_owned())
    };
    let refused = (409, String::new());

    assert_eq!(act(id, "resume").await, refused, "it is not paused");
    assert_eq!(act(id, "retry").await, refused, "it has not failed");
    assert_eq!(act(id, "pause").await, (200, "paused".to_owned()));
    assert_eq!(act(id, "retry").await, refused);
    assert_eq!(act(id, "resume").await, (200, "queued".to_owned()));
    assert_eq!(act(id, "pause").await, (200, "paused".to_owned()));
    assert_eq!(act(id, "cancel").await, (200, "cancelled".to_owned()), "one that is paused ends at once");
    for after in ["cancel", "pause", "resume"] {
        assert_eq!(act(id, after).await, refused, "{after}: it has ended");
    }
    assert_eq!(act(id, "retry").await, (200, "queued".to_owned()));
    assert_eq!(act(id, "retry").await, refused, "one is under way already");
    assert_eq!(act(Uuid::now_v7(), "cancel").await, (404, String::new()));
    let job = hub.job(id).await;
    assert!(job.state == State::Cancelled && job.finished_at.is_some() && job.started_at.is_none());
    let kinds: Vec<String> = steps(&hub, "job.").await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["job.paused", "job.resumed", "job.paused", "job.cancelled"], "what is refused is not told");
    assert!(upstream.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_of_a_mirror_is_suspended_and_goes_on() {
    let upstream = FakeUpstream::start(vec![RepoFixture::model("acme/tiny").file("a.txt", "a")]).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    let mia = hub.token("mia", Role::Maintainer).await;
    let mirror = hub.mirror(MODEL, "acme/tiny").await;
    let is_paused = async || mirrors::by_id(hub.hub().db().reader(), mirror.id).await.unwrap().unwrap().paused;

    for _ in 0..2 {
        let (status, now) = asked(hub.post("/api/mirrors/models/acme/tiny/pause"), &mia).await;
        assert_eq!((status, &now["paused"], is_paused().await), (200, &true.into(), true));
    }
    let (status, job) = asked(hub.post("/api/mirrors/models/acme/tiny/sync"), &mia).await;
    assert_eq!((status, &job["state"], &job["repo"]), (200, &"queued".into(), &"acme/tiny".into()), "by hand it may");
    let (status, now) = asked(hub.post("/api/mirrors/models/acme/tiny/resume"), &mia).await;
    assert_eq!((status, &now["paused"], is_paused().await), (200, &false.into(), false));
    let (status, _) = asked(hub.post("/api/mirrors/models/acme/absent/sync"), &mia).await;
    assert_eq!(status, 404);
    let reader = hub.token("reader", Role::Reader).await;
    for act in ["pause", "resume", "sync"] {
        let (status, _) = asked(hub.post(&format!("/api/mirrors/models/acme/tiny/{act}")), &reader).await;
        assert_eq!(status, 403, "{act}");
    }
    assert!(!is_paused().await);
    let wanted = pairs(&[("mirror.added", "system"), ("mirror.paused", "mia"), ("mirror.resumed", "mia")]);
    assert_eq!(steps(&hub, "mirror.").await, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_steer_jobs_and_mirrors_too() {
    let upstream = FakeUpstream::start(vec![RepoFixture::model("acme/tiny").file("a.txt", "a")]).await.unwrap();
    let home = Installation::new(&upstream.endpoint());
    std::fs::write(home.folder().join("mirrors.toml"), "[mirror.tiny]\nrepos = ['acme/tiny']\n").unwrap();
    assert!(home.run(&["mirror", "apply"]).await.success);
    let refused = home.run(&["mirror", "pause", "acme/tiny"]).await;
    assert!(!refused.success && refused.stderr.contains("belongs to the mirrors file"), "{refused:?}");
    assert!(home.run(&["sync", "acme/tiny"]).await.success);
    let hub = home.hub().await;
    let id = acervo_store::db::jobs::ids(hub.db().reader(), 10).await.unwrap()[0].to_string();

    let shown = home.run(&["jobs", "show", &id[24..]]).await;
    assert!(shown.success && shown.stdout.contains(&id) && shown.stdout.contains("published commit"), "{shown:?}");
    let watched = home.run(&["jobs", "watch", &id]).await;
    assert!(watched.success && watched.stderr.contains("acme/tiny: succeeded"), "{watched:?}");
    let idle = home.run(&["jobs", "watch"]).await;
    assert!(idle.success && idle.stdout.contains("no job is running"), "{idle:?}");
    let short = home.run(&["jobs", "show", "abc"]).await;
    assert!(!short.success && short.stderr.contains("4 or more digits"), "{short:?}");
    for act in ["cancel", "pause", "resume", "retry"] {
        let refused = home.run(&["jobs", act, &id]).await;
        assert!(!refused.success && refused.stderr.contains("succeeded"), "{act}: {refused:?}");
    }
    let listed = home.run(&["jobs", "list", "--state", "succeeded", "--repo", "acme/tiny", "--json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (1, &id.into()));
    let table = home.run(&["jobs", "list", "--state", "failed"]).await;
    assert!(table.stdout.contains("no such jobs"), "{table:?}");
}
