//! Webhooks: what is sent to whom, signed and at least once; and what people see and do about it.

mod commands;
mod failing;
mod replicas;

use std::path::Path;
use std::process::Stdio;

use acervo::app::webhooks::{self, Sent};
use acervo::app::{events, people};
use acervo::context::Hub;
use acervo::hooks::{HookConfig, HookUrl};
use acervo_core::event::KindPattern;
use acervo_core::{Caller, Secret};
use acervo_store::db::webhooks::{self as rows, Delivery, Filter};
use acervo_tests::receiver::{Received, Receiver};
use acervo_tests::test_hub::TestHub;
use serde_json::{Value, json as value};
use tokio::io::AsyncWriteExt as _;

use crate::events::user;

/// A secret as the specification writes them.
pub(crate) const SECRET: &str = "whsec_c29tZSBieXRlcyB0aGF0IG5vYm9keSBrbm93cyB5ZXQ=";

/// A secret as people write them.
const PLAIN_SECRET: &str = "correct horse battery staple";

/// A webhook for every event.
fn hook(name: &str, url: &str) -> HookConfig {
    HookConfig {
        name: name.to_owned(),
        url: HookUrl::try_from(url.to_owned()).unwrap(),
        secret: Some(Secret::new(SECRET)),
        secret_file: None,
        events: vec![KindPattern::every()],
    }
}

/// A hub whose webhooks are known here, without a worker: each step is the test's.
async fn hub_with(hooks: Vec<HookConfig>) -> TestHub {
    let hub = TestHub::with("http://127.0.0.1:9", |config| {
        config.webhooks = hooks;
        config.webhook_delivery.allowed_private_hosts = vec!["127.0.0.1".to_owned()];
        config.webhook_delivery.timeout_seconds = 3;
    })
    .await;
    assert_eq!(webhooks::take_over(hub.hub()).await.unwrap(), 0, "the past is for nobody");
    hub
}

/// Numbers events and takes them over; returns how many deliveries there are of them.
async fn taken_over(hub: &Hub) -> u64 {
    events::number_waiting(hub).await.unwrap();
    webhooks::take_over(hub).await.unwrap()
}

async fn delivered(hub: &Hub) -> Sent {
    webhooks::deliver_due(hub).await.unwrap()
}

/// Every delivery, oldest first.
async fn deliveries(hub: &Hub) -> Vec<Delivery> {
    let all = Filter { limit: 1000, ..Filter::default() };
    let mut found: Vec<Delivery> =
        rows::listed(hub.db().reader(), &all).await.unwrap().into_iter().map(|listed| listed.delivery).collect();
    found.reverse();
    found
}

/// What the guide's example says to these requests.
async fn found_genuine(asked: &[(&str, &Received)]) -> Vec<bool> {
    let guide = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md")).unwrap();
    let block = guide.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let lines: Vec<&str> = block.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
    assert!(lines.iter().filter(|line| !line.trim().is_empty()).count() <= 10, "the example is short");
    let program = format!(
        "{}\nimport json, sys\nasked = json.load(sys.stdin)\n\
         print(json.dumps([is_genuine(a['secret'], a['headers'], a['body'].encode()) for a in asked]))\n",
        lines.join("\n")
    );
    let asked: Vec<Value> = asked
        .iter()
        .map(|(secret, one)| {
            let body = String::from_utf8(one.body.clone()).unwrap();
            value!({ "secret": secret, "headers": one.headers, "body": body })
        })
        .collect();
    let python = std::env::var_os("ACERVO_TEST_PYTHON");
    let python = python.expect("ACERVO_TEST_PYTHON is not set; run the tests with `tests/run`");
    let mut command = tokio::process::Command::new(python);
    command.args(["-c", &program]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(Value::Array(asked).to_string().as_bytes()).await.unwrap();
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_sent_signed_to_those_who_want_it() {
    let (chat, audit) = (Receiver::start().await, Receiver::start().await);
    let mut plain = hook("audit", &audit.url("/x?y=1"));
    plain.secret = Some(Secret::new(PLAIN_SECRET));
    plain.events = vec!["token.*".parse().unwrap(), "user.disabled".parse().unwrap()];
    let hub = hub_with(vec![hook("chat", &chat.url("/hook")), plain]).await;
    user(hub.hub(), "ana").await;
    let token = hub.token("admin", acervo_core::Role::Admin).await;
    acervo::app::identity::disable_user(hub.hub(), &Caller::System, "ana").await.unwrap();

    // ana, the robot of the token, the token, and ana's end.
    assert_eq!(taken_over(hub.hub()).await, 4 + 2);
    assert_eq!(delivered(hub.hub()).await, Sent { delivered: 6, failed: 0 });
    assert_eq!(delivered(hub.hub()).await, Sent::default(), "once is enough");

    let received = chat.received();
    let answer = hub.get("/api/events").bearer_auth(&token).send().await.unwrap().json::<Value>().await.unwrap();
    let sent: Vec<Value> = received.iter().map(Received::event).collect();
    assert_eq!(Value::Array(sent), answer["events"], "what is sent is what the API tells, oldest first");
    assert_eq!(received[0].target, "/hook");
    assert_eq!(received[0].headers["content-type"], "application/json");
    let wanted: Vec<Value> = audit.received().iter().map(|one| one.event()["kind"].clone()).collect();
    assert_eq!(wanted, ["token.created", "user.disabled"]);
    assert_eq!(audit.received()[0].target, "/x?y=1");

    let mut tampered = received[0].clone();
    tampered.body.push(b' ');
    let mut old = received[0].clone();
    old.headers.insert("webhook-timestamp".to_owned(), "1600000000".to_owned());
    let mut other = received[0].clone();
    other.headers.insert("webhook-id".to_owned(), received[1].id().to_owned());
    let genuine = found_genuine(&[
        (SECRET, &received[0]),
        (PLAIN_SECRET, &audit.received()[0]),
        (PLAIN_SECRET, &received[0]),
        (SECRET, &tampered),
        (SECRET, &old),
        (SECRET, &other),
    ])
    .await;
    assert_eq!(genuine, [true, true, false, false, false, false]);

    let rows = deliveries(hub.hub()).await;
    assert!(rows.iter().all(|row| row.state == rows::State::Delivered && row.last_status == Some(204)), "{rows:?}");
    let ids: Vec<String> = rows.iter().filter(|row| row.hook == "chat").map(|row| row.id.to_string()).collect();
    assert_eq!(received.iter().map(Received::id).collect::<Vec<_>>(), ids);
    assert!(people::user(hub.hub(), &Caller::System, "ana").await.is_err(), "the events are true");
    let metrics = hub.hub().metrics().encode();
    assert!(metrics.contains("acervo_webhook_deliveries_total{hook=\"chat\",outcome=\"delivered\"} 4"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_leaves_the_configuration_is_sent_nothing_and_what_waited_stays() {
    let receiver = Receiver::start().await;
    let hub = hub_with(vec![hook("chat", &receiver.url("/"))]).await;
    user(hub.hub(), "ana").await;
    assert_eq!(taken_over(hub.hub()).await, 1);
    let without = Hub::open(hub.config_of_another("http://127.0.0.1:9")).await.unwrap();
    user(&without, "eva").await;
    assert_eq!(taken_over(&without).await, 0);
    assert_eq!(delivered(&without).await, Sent::default());
    let shown = webhooks::list(&without, &Caller::System).await.unwrap();
    assert_eq!((shown[0].name.as_str(), &shown[0].origin, shown[0].pending), ("chat", &None, 1));
    let id = deliveries(&without).await[0].id.to_string();
    let refused = webhooks::retry(&without, &Caller::System, &id).await.unwrap_err().to_string();
    assert!(refused.contains("the configuration has no webhook `chat`"), "{refused}");
    assert_eq!(receiver.received(), []);

    // Back again, it goes on where it was.
    assert_eq!(taken_over(hub.hub()).await, 1);
    assert_eq!(delivered(hub.hub()).await.delivered, 2);
    let subjects: Vec<Value> = receiver.received().iter().map(|one| one.event()["subject"].clone()).collect();
    assert_eq!(subjects, ["ana", "eva"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_never_go_where_only_this_host_or_its_network_reach() {
    let receiver = Receiver::start().await;
    let port = receiver.port();
    let hooks = ["http://127.0.0.1", "http://localhost", "http://[::ffff:127.0.0.1]", "http://2130706433"];
    let hooks: Vec<HookConfig> =
        hooks.iter().enumerate().map(|(n, url)| hook(&format!("hook-{n}"), &format!("{url}:{port}/"))).collect();
    let hub = TestHub::with("http://127.0.0.1:9", |config| config.webhooks.clone_from(&hooks)).await;
    webhooks::take_over(hub.hub()).await.unwrap();
    user(hub.hub(), "ana").await;
    assert_eq!(taken_over(hub.hub()).await, 4);
    assert_eq!(delivered(hub.hub()).await, Sent { delivered: 0, failed: 4 });
    assert_eq!(receiver.received(), []);
    for row in deliveries(hub.hub()).await {
        let why = row.last_error.unwrap();
        assert!(why.contains("on a loopback, link-local or private address"), "{}: {why}", row.hook);
        assert!(why.contains("`webhook_delivery.allowed_private_hosts`"), "{}: {why}", row.hook);
    }

    let mut config = hub.config_of_another("http://127.0.0.1:9");
    config.webhooks = hooks;
    config.webhook_delivery.allowed_private_hosts = vec!["LOCALHOST".to_owned()];
    let other = Hub::open(config).await.unwrap();
    other.clock().set_ahead(60_000);
    assert_eq!(delivered(&other).await, Sent { delivered: 1, failed: 3 }, "the name alone is listed");
    assert_eq!(receiver.received().len(), 1);
}
