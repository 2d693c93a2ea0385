//! Receivers that fail: tried again by the schedule, given up in the end, sent again by hand; and nobody else waits.

use acervo::app::webhooks::{self, ATTEMPTS_MAX, Sent};
use acervo::worker;
use acervo_core::{Caller, Role};
use acervo_store::db::webhooks::State;
use acervo_tests::processes::eventually;
use acervo_tests::receiver::{Behaviour, Receiver};
use acervo_tests::test_hub::TestHub;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{delivered, deliveries, hook, hub_with, taken_over};
use crate::events::user;
use crate::serve::Answer;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Seconds before each further attempt.
const WAITS: [i64; 9] = [5, 300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, DAY];

/// Sets the clock of a hub to a moment, in milliseconds since the epoch.
fn set_clock(hub: &TestHub, millis: i64) {
    let clock = hub.hub().clock();
    clock.set_ahead(0);
    clock.set_ahead(millis - hub.hub().now().as_millis());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_is_sent_again_on_schedule_then_given_up_then_sent_by_hand() {
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let hub = hub_with(vec![hook("chat", &receiver.url("/hook"))]).await;
    let admin = hub.token("admin", Role::Admin).await;
    let reader = hub.token("reader", Role::Reader).await;
    acervo::app::events::number_waiting(hub.hub()).await.unwrap();
    webhooks::take_over(hub.hub()).await.unwrap();
    assert_eq!(delivered(hub.hub()).await.failed, 0);
    let before = receiver.received().len();
    user(hub.hub(), "ana").await;
    assert_eq!(taken_over(hub.hub()).await, 1);
    receiver.next([
        Behaviour::Answer(500, "no\n disk".to_owned()),
        Behaviour::BreakOff,
        Behaviour::Redirect(elsewhere.url("/")),
        Behaviour::Silence,
        Behaviour::Answer(404, "<html>".repeat(5000)),
    ]);
    receiver.otherwise(Behaviour::Answer(503, String::new()));
    let told = [
        "did not take it: 500, no disk",
        "cannot be reached",
        "redirects are not followed: 307",
        "no answer within 3 seconds",
        "did not take it: 404, <html><html>",
    ];

    for (number, wait) in WAITS.into_iter().enumerate() {
        assert_eq!(delivered(hub.hub()).await, Sent { delivered: 0, failed: 1 }, "attempt {number}");
        let row = deliveries(hub.hub()).await.pop().unwrap();
        assert_eq!((row.state, row.attempts), (State::Pending, i32::try_from(number + 1).unwrap()));
        let why = row.last_error.unwrap();
        assert!(why.contains(told.get(number).unwrap_or(&"503")) && why.len() < 500, "attempt {number}: {why}");
        let waits = (row.next_attempt_at.0 - row.attempted_at.unwrap().0) / 1000;
        assert!((wait..wait + 60).contains(&waits), "attempt {number} waits {waits} s");
        if wait > 60 {
            set_clock(&hub, row.next_attempt_at.0 - 60_000);
            assert_eq!(delivered(hub.hub()).await, Sent::default(), "attempt {number} came early");
        }
        set_clock(&hub, row.next_attempt_at.0);
    }
    assert_eq!(delivered(hub.hub()).await, Sent { delivered: 0, failed: 1 });
    let row = deliveries(hub.hub()).await.pop().unwrap();
    assert_eq!(
        (row.state, row.attempts, row.last_status),
        (State::Dead, i32::try_from(ATTEMPTS_MAX).unwrap(), Some(503))
    );
    set_clock(&hub, row.ended_at.unwrap().0 + 30 * DAY * 1000);
    assert_eq!(delivered(hub.hub()).await, Sent::default(), "given up is given up");
    let sent: Vec<_> = receiver.received().split_off(before);
    assert_eq!(sent.len(), ATTEMPTS_MAX);
    assert!(sent.iter().all(|one| one.id() == row.id.to_string() && one.body == sent[0].body), "always the same");
    let mut times: Vec<&String> = sent.iter().map(|one| &one.headers["webhook-timestamp"]).collect();
    times.dedup();
    assert_eq!(times.len(), ATTEMPTS_MAX, "each attempt is signed as of its own time");
    assert_eq!(elsewhere.received(), []);

    let get = async |query: &str, token: &str| {
        Answer::to(hub.get(&format!("/api/webhooks/deliveries{query}")).bearer_auth(token)).await
    };
    let retry = async |id: &str, token: &str| {
        Answer::to(hub.post(&format!("/api/webhooks/deliveries/{id}/retry")).bearer_auth(token)).await
    };
    let id = row.id.to_string();
    assert_eq!(get("", &reader).await.status, 403);
    assert_eq!(retry(&id, &reader).await.status, 403);
    assert_eq!(get("?state=lost", &admin).await.status, 400);
    for (query, count) in
        [("?state=dead", 1), ("?state=dead&hook=chat", 1), ("?hook=other", 0), ("?hook=%00", 0), ("?state=pending", 0)]
    {
        let listed = get(query, &admin).await.json();
        assert_eq!(listed["deliveries"].as_array().unwrap().len(), count, "{query}: {listed}");
    }
    let listed = get("?state=dead", &admin).await.json();
    let item = &listed["deliveries"][0];
    assert_eq!(
        (&item["id"], &item["kind"], &item["subject"]),
        (&id.as_str().into(), &"user.created".into(), &"ana".into())
    );
    assert_eq!(
        (&item["attempts"], &item["last_status"], &item["next_attempt_at"]),
        (&10.into(), &503.into(), &Value::Null)
    );

    receiver.otherwise(Behaviour::Take);
    assert_eq!(retry("none", &admin).await.status, 400);
    assert_eq!(retry("0193a3f0-6c1e-7b3c-8a52-3f1d2c4b5a69", &admin).await.status, 404);
    let retried = retry(&id, &admin).await;
    assert_eq!((retried.status.as_u16(), &retried.json()["hook"]), (200, &"chat".into()));
    assert_eq!(delivered(hub.hub()).await, Sent { delivered: 1, failed: 0 });
    assert_eq!(receiver.received().last().unwrap().id(), id);
    assert_eq!(retry(&id, &admin).await.status, 409, "it has the event");
    let row = deliveries(hub.hub()).await.into_iter().find(|row| row.id.to_string() == id).unwrap();
    assert_eq!((row.state, row.attempts, row.last_error), (State::Delivered, 1, None));
    assert_eq!(taken_over(hub.hub()).await, 1);
    assert_eq!(delivered(hub.hub()).await.delivered, 1);
    let told = receiver.received().last().unwrap().event();
    assert_eq!((&told["kind"], &told["actor"]), (&"webhook.retried".into(), &"admin".into()));
    let metrics = hub.hub().metrics().encode();
    for (outcome, count) in [("failed", 9), ("dead", 1)] {
        let line = format!("acervo_webhook_deliveries_total{{hook=\"chat\",outcome=\"{outcome}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_no_more_is_sent_no_more_and_old_deliveries_are_forgotten() {
    let receiver = Receiver::start().await;
    let hub = hub_with(vec![hook("chat", &receiver.url("/"))]).await;
    receiver.next([Behaviour::Answer(410, String::new()), Behaviour::Answer(410, String::new()), Behaviour::Take]);
    for name in ["ana", "eva", "zoe"] {
        user(hub.hub(), name).await;
    }
    assert_eq!(taken_over(hub.hub()).await, 3);
    assert_eq!(delivered(hub.hub()).await, Sent { delivered: 1, failed: 2 });
    let states = async || deliveries(hub.hub()).await.iter().map(|row| row.state).collect::<Vec<_>>();
    assert_eq!(states().await, [State::Dead, State::Dead, State::Delivered]);

    let start = hub.hub().now().as_millis();
    let forget_after = async |days: i64| {
        set_clock(&hub, start + days * DAY * 1000);
        webhooks::forget(hub.hub()).await.unwrap()
    };
    assert_eq!(forget_after(29).await, 0);
    assert_eq!(forget_after(31).await, 1);
    assert_eq!(states().await, [State::Dead, State::Dead]);
    assert_eq!(forget_after(179).await, 0);
    // One of them is wanted after all.
    let first = deliveries(hub.hub()).await[0].id.to_string();
    webhooks::retry(hub.hub(), &Caller::System, &first).await.unwrap();
    assert_eq!(forget_after(181).await, 1);
    assert_eq!(states().await, [State::Pending], "what is to be sent is never forgotten");
    assert_eq!(webhooks::retry_dead(hub.hub(), &Caller::System, "chat").await.unwrap(), 0);
    assert_eq!(delivered(hub.hub()).await.delivered, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_falls_back_leaves_no_event_behind() {
    let receiver = Receiver::start().await;
    let hub = hub_with(vec![hook("chat", &receiver.url("/"))]).await;
    receiver.next([Behaviour::Answer(500, String::new())]);
    hub.hub().clock().set_ahead(1000 * DAY * 1000);
    user(hub.hub(), "ana").await;
    assert_eq!(taken_over(hub.hub()).await, 1);
    assert_eq!(delivered(hub.hub()).await.failed, 1);
    hub.hub().clock().set_ahead(0);
    assert_eq!(delivered(hub.hub()).await.delivered, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_keeps_no_other_waiting() {
    let (silent, good) = (Receiver::start().await, Receiver::start().await);
    silent.otherwise(Behaviour::Silence);
    let hooks = vec![hook("a-silent", &silent.url("/")), hook("good", &good.url("/"))];
    let hub = TestHub::with("http://127.0.0.1:9", |config| {
        config.webhooks = hooks;
        config.webhook_delivery.allowed_private_hosts = vec!["127.0.0.1".to_owned()];
        config.webhook_delivery.timeout_seconds = 100_000;
    })
    .await;
    webhooks::take_over(hub.hub()).await.unwrap();
    let worker = tokio::spawn(worker::run(hub.hub().clone(), CancellationToken::new()));
    for name in ["ana", "eva", "zoe"] {
        user(hub.hub(), name).await;
    }
    silent.has_received(1).await;
    good.has_received(3).await;
    user(hub.hub(), "later").await;
    let received = good.has_received(4).await;
    assert_eq!(received[3].event()["subject"], "later");
    eventually("the rows say so", async || {
        let rows = deliveries(hub.hub()).await;
        let good = rows.iter().filter(|row| row.hook == "good");
        good.clone().all(|row| row.state == State::Delivered).then_some(())
    })
    .await;
    assert_eq!(silent.received().len(), 1, "one after the other");
    worker.abort();
    assert!(worker.await.unwrap_err().is_cancelled());
}
