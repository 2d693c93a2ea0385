//! Several workers on one installation, and one that dies in mid-delivery.

use std::collections::BTreeSet;

use acervo::app::webhooks::{self, Sent};
use acervo::context::Hub;
use acervo_store::db::webhooks::{self as rows, State};
use acervo_tests::processes::{Installation, eventually};
use acervo_tests::receiver::{Behaviour, Received, Receiver};

use super::{SECRET, delivered, deliveries, hook, hub_with, taken_over};
use crate::events::user;

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_deliver_each_event_once_when_nothing_fails() {
    let receiver = Receiver::start().await;
    let hooks = vec![hook("chat", &receiver.url("/"))];
    let first = hub_with(hooks.clone()).await;
    let mut config = first.config_of_another("http://127.0.0.1:9");
    config.webhooks = hooks;
    config.webhook_delivery = first.hub().config().webhook_delivery.clone();
    let second = Hub::open(config).await.unwrap();
    for number in 0..40 {
        user(first.hub(), &format!("user-{number}")).await;
    }

    let (one, two) = tokio::join!(taken_over(first.hub()), taken_over(&second));
    assert_eq!(one + two, 40);
    let (one, two) = tokio::join!(delivered(first.hub()), delivered(&second));
    assert_eq!((one.delivered + two.delivered, one.failed + two.failed), (40, 0));

    let received = receiver.received();
    let subjects: BTreeSet<String> = received.iter().map(|one| one.event()["subject"].to_string()).collect();
    let ids: BTreeSet<&str> = received.iter().map(Received::id).collect();
    assert_eq!((received.len(), subjects.len(), ids.len()), (40, 40, 40));
    assert!(deliveries(&second).await.iter().all(|row| row.state == State::Delivered && row.attempts == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_before_it_notes_the_answer_is_followed_by_one_that_sends_the_same_again() {
    let receiver = Receiver::start().await;
    receiver.otherwise(Behaviour::Silence);
    let mut home = Installation::new("http://127.0.0.1:9");
    let url = receiver.url("/");
    home.set_raw("webhooks", &format!("[{{ name = \"chat\", url = \"{url}\", secret = \"{SECRET}\" }}]"));
    home.set_raw("webhook_delivery.allowed_private_hosts", "[\"127.0.0.1\"]");
    home.set_raw("webhook_delivery.timeout_seconds", "60");
    let server = home.serve().await;
    let hub = home.hub().await;
    eventually("the webhook is seen", async || {
        Some(rows::cursors(hub.db().reader()).await.unwrap()).filter(|found| !found.is_empty())
    })
    .await;
    user(&hub, "ana").await;
    let first = receiver.has_received(1).await.remove(0);
    server.kill().await;

    receiver.otherwise(Behaviour::Take);
    assert_eq!(delivered(&hub).await, Sent::default(), "it may still be at it");
    hub.clock().set_ahead(120_000);
    assert_eq!(delivered(&hub).await, Sent { delivered: 1, failed: 0 });
    let again = receiver.received().remove(1);
    assert_eq!((again.id(), &again.body), (first.id(), &first.body));
    assert_eq!(again.event()["subject"], "ana");
    let row = deliveries(&hub).await.remove(0);
    assert_eq!((row.state, row.attempts), (State::Delivered, 2));
    assert_eq!(webhooks::deliver_due(&hub).await.unwrap(), Sent::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_overtaken_changes_nothing_any_more() {
    let receiver = Receiver::start().await;
    let hub = hub_with(vec![hook("chat", &receiver.url("/"))]).await;
    user(hub.hub(), "ana").await;
    assert_eq!(taken_over(hub.hub()).await, 1);
    receiver.next([Behaviour::Silence]);

    // The first attempt hangs, and its lease ends by the clock; the second is taken.
    let slow = async { delivered(hub.hub()).await };
    let fast = async {
        receiver.has_received(1).await;
        hub.hub().clock().set_ahead(60_000);
        delivered(hub.hub()).await
    };
    let (slow, fast) = tokio::join!(slow, fast);

    assert_eq!((fast.delivered, slow.delivered), (1, 0));
    let row = deliveries(hub.hub()).await.remove(0);
    assert_eq!(
        (row.state, row.attempts, row.last_error),
        (State::Delivered, 2, None),
        "the last word is the later one's"
    );
    assert_eq!(receiver.received().len(), 2);
}
