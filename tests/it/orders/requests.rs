//! What plans say of requests, and plans and changes by the API.

use acervo::app::orders;
use acervo::app::sync::Progress;
use acervo_core::{Caller, Role};
use acervo_tests::fake_upstream::{FakeUpstream, Origin};
use acervo_tests::test_hub::TestHub;
use serde_json::Value;

use super::{ORDERS, fixtures, installed, json, ok, steps};

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_foretells_the_requests_of_a_sync() {
    let (upstream, home) = installed(ORDERS).await;
    let (plan, _) = json(&home, &["mirror", "plan"]).await;
    ok(&home, &["mirror", "apply"]).await;
    upstream.clear_log();

    ok(&home, &["sync", "--all"]).await;

    let asked = upstream.requests().iter().filter(|request| request.origin == Origin::Hub).count() as u64;
    let foretold = plan["totals"]["requests"].as_u64().unwrap();
    // Whether the log of one commit tells of the other depends on their order.
    assert!((asked..=asked + 1).contains(&foretold), "{asked} requests were made: {plan}");
    upstream.clear_log();
    ok(&home, &["sync", "--all"]).await;
    assert_eq!(upstream.requests().len(), 6, "two for each repository that has not changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_how_long_the_budget_of_requests_makes_it() {
    let upstream = FakeUpstream::start(fixtures()).await.unwrap();
    let hub = TestHub::with(&upstream.endpoint(), |config| {
        config.upstream.requests_per_window = 8;
        config.upstream.resolves_per_window = 100;
        config.upstream.window_seconds = 60;
    })
    .await;
    let orders = orders::read(&Caller::System, ORDERS).unwrap();
    // Planning takes from the same budget: time passes for it, as it does for a clock that runs.
    let plan = async { orders::plan(hub.hub(), &Caller::System, &orders, &Progress::default()).await.unwrap() };
    tokio::pin!(plan);
    let plan = loop {
        tokio::select! {
            plan = &mut plan => break plan,
            () = upstream.wait_steps(upstream.steps() + 1) => hub.hub().clock().set_ahead(hub.hub().clock().ahead() + 61_000),
        }
    };
    let totals = &plan.totals;
    let metadata = totals.requests - totals.files.files_to_fetch;
    assert!(metadata > 8, "{totals:?}");
    assert_eq!(totals.seconds_at_least, Some((metadata.div_ceil(8) - 1) * 60), "{totals:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_plan_and_apply_through_the_api() {
    let upstream = FakeUpstream::start(fixtures()).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    let (admin, maintainer) = (hub.token("admin", Role::Admin).await, hub.token("mia", Role::Maintainer).await);
    let post = async |path: &str, token: &str, body: &str| -> (u16, Value) {
        let answer = hub.post(path).bearer_auth(token).body(body.to_owned()).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    };
    let refused = post("/api/mirrors/apply", &maintainer, ORDERS).await;
    assert_eq!(refused.0, 403, "{refused:?}");
    let wrong = post("/api/mirrors/plan", &admin, "[mirror.x]\nrepo = ['a/b']\n").await;
    assert_eq!(wrong.0, 400);
    assert!(
        wrong.1["error"].as_str().unwrap().contains("line 2, column 1: unknown key `repo`; did you mean `repos`?"),
        "{wrong:?}"
    );
    let long = post("/api/mirrors/plan", &admin, &"#".repeat((1 << 20) + 1)).await;
    assert_eq!(long.0, 413);

    let (status, plan) = post("/api/mirrors/plan", &admin, ORDERS).await;
    assert_eq!((status, &plan["totals"]["files_to_fetch"]), (200, &6.into()), "{plan}");
    let (status, applied) = post("/api/mirrors/apply", &admin, ORDERS).await;
    assert_eq!((status, steps(&applied)), (200, steps(&plan)));
    assert!(steps(&applied).iter().all(|step| step.starts_with("add ")), "{applied}");
    let (_, again) = post("/api/mirrors/apply", &admin, ORDERS).await;
    assert!(steps(&again).iter().all(|step| step.starts_with("keep ")), "{again}");
}
