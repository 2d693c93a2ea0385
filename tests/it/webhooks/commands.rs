//! Webhooks on the command line, with real processes; and that no output of any kind shows a secret.

use acervo::app::identity::{self, TokenRequest};
use acervo_core::{Caller, Role};
use acervo_store::db::webhooks::{self as rows, State};
use acervo_tests::processes::{Installation, eventually};
use acervo_tests::receiver::{Behaviour, Receiver};
use serde_json::Value;

use super::{PLAIN_SECRET, SECRET, deliveries};
use crate::events::user;

/// An installation with these webhooks, written as TOML.
fn installed(hooks: &str) -> Installation {
    let mut home = Installation::new("http://127.0.0.1:9");
    home.set_raw("webhooks", hooks);
    home.set_raw("webhook_delivery.allowed_private_hosts", "[\"127.0.0.1\"]");
    home
}

async fn said(home: &Installation, arguments: &[&str]) -> String {
    let ran = home.run(arguments).await;
    assert!(ran.success, "{arguments:?}: {ran:?}");
    ran.stdout
}

async fn json(home: &Installation, arguments: &[&str]) -> Value {
    serde_json::from_str(&said(home, &[arguments, &["--json"]].concat()).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_tested_listed_and_sent_to_again_by_commands() {
    let receiver = Receiver::start().await;
    let url = receiver.url("/hook");
    let home =
        installed(&format!("[{{ name = \"chat\", url = \"{url}\", secret = \"{SECRET}\", events = [\"mirror.*\"] }}]"));
    let listed = json(&home, &["webhook", "list"]).await;
    assert_eq!((&listed[0]["name"], &listed[0]["pending"]), (&"chat".into(), &0.into()));
    assert_eq!(listed[0]["origin"], receiver.url(""));
    let recorded = said(&home, &["webhook", "test", "chat"]).await;
    assert!(recorded.contains("as soon as `acervo serve` runs"), "{recorded}");
    let unknown = home.run(&["webhook", "test", "mail"]).await;
    assert!(!unknown.success && unknown.stderr.contains("the configuration has no webhook `mail`"), "{unknown:?}");

    receiver.next([Behaviour::Answer(410, String::new())]);
    let server = home.serve().await;
    let received = receiver.has_received(1).await;
    assert_eq!(
        (&received[0].event()["kind"], &received[0].event()["subject"]),
        (&"webhook.test".into(), &"chat".into())
    );
    let hub = home.hub().await;
    let is = async |state: State| {
        eventually(state.as_str(), async || {
            deliveries(&hub).await.first().is_some_and(|row| row.state == state).then_some(())
        })
        .await;
    };
    is(State::Dead).await;
    let dead = json(&home, &["webhook", "deliveries", "--dead"]).await;
    assert_eq!((&dead[0]["kind"], &dead[0]["last_status"]), (&"webhook.test".into(), &410.into()), "{dead}");
    let table = said(&home, &["webhook", "list"]).await;
    assert!(table.contains("wants no more events: 410"), "{table}");
    let sent = said(&home, &["webhook", "retry", dead[0]["id"].as_str().unwrap()]).await;
    assert!(sent.contains("`chat` is sent it again now"), "{sent}");
    is(State::Delivered).await;
    assert_eq!(receiver.received().len(), 2, "the other kinds are not for it");
    let nothing = said(&home, &["webhook", "retry", "--all-dead", "--hook", "chat"]).await;
    assert!(nothing.contains("nothing was given up"), "{nothing}");
    assert!(!home.run(&["webhook", "retry"]).await.success, "what?");
    let shown = json(&home, &["webhook", "list"]).await;
    assert!(shown[0]["last_delivered_at"].is_string() && shown[0]["last_error"].is_null(), "{shown}");
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_output_of_any_kind_shows_what_only_hub_and_receiver_know() {
    let path = "/T0/path-s3cret?key=query-s3cret";
    // Whatever they know, they say.
    let gossip = async |secret: &str| {
        let receiver = Receiver::start().await;
        receiver.otherwise(Behaviour::Answer(500, format!("bad signature, I know {secret} at {path}")));
        receiver
    };
    let (one, two) = (gossip(SECRET).await, gossip(PLAIN_SECRET).await);
    let (url_one, url_two) = (one.url(path), two.url(path));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{PLAIN_SECRET}\n")).unwrap();
    let file_two = file.path().display();
    let mut home = installed(&format!(
        "[{{ name = \"one\", url = \"{url_one}\", secret = \"{SECRET}\", events = [\"user.*\"] }}, \
         {{ name = \"two\", url = \"{url_two}\", secret_file = \"{file_two}\", events = [\"user.*\"] }}]"
    ));
    home.set("log.filter", "trace");
    home.set("log.format", "json");
    let server = home.serve().await;
    let hub = home.hub().await;
    eventually("both are seen", async || (rows::cursors(hub.db().reader()).await.unwrap().len() == 2).then_some(()))
        .await;
    user(&hub, "ana").await;
    one.has_received(1).await;
    two.has_received(1).await;
    eventually("both have failed", async || {
        let rows = deliveries(&hub).await;
        (rows.len() >= 2 && rows.iter().all(|row| row.last_error.is_some())).then_some(())
    })
    .await;
    let request = TokenRequest { name: "admin-token".to_owned(), role: Role::Admin, user: None, expires_at: None };
    let token = identity::create_token(&hub, &Caller::System, &request).await.unwrap().text;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut shown = Vec::new();
    for path in ["/api/webhooks/deliveries", "/api/events?limit=1000", "/metrics"] {
        let answer = client.get(format!("{}{path}", server.url())).bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        shown.push((path.to_owned(), answer.text().await.unwrap()));
    }
    let commands: [&[&str]; 6] = [
        &["webhook", "list"],
        &["webhook", "list", "--json"],
        &["webhook", "deliveries"],
        &["webhook", "deliveries", "--json"],
        &["events", "--json"],
        &["check-config"],
    ];
    for command in commands {
        let ran = home.run(&[command, &["--verbose"]].concat()).await;
        assert!(ran.success, "{ran:?}");
        shown.push((command.join(" "), ran.stdout + &ran.stderr));
    }
    let log = server.log();
    assert!(log.contains("an event could not be delivered yet") && log.contains("\"TRACE\""), "{log:.2000}");
    shown.push(("the log".to_owned(), log));
    assert!(server.stop().await.success());

    let said = &shown.iter().find(|(name, _)| name == "/api/webhooks/deliveries").unwrap().1;
    assert!(said.contains("bad signature, I know [hidden]"), "{said}");
    let config = &shown.iter().find(|(name, _)| name == "check-config").unwrap().1;
    assert!(config.contains("webhooks.1.secret_file") && config.contains("[hidden]"), "{config}");
    let mine = ["path-s3cret", "query-s3cret", PLAIN_SECRET, &SECRET[6..]];
    for (name, text) in &shown {
        for secret in mine {
            let line = text.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{name} shows `{secret}`: {:.1000}", line.unwrap_or_default());
        }
    }
}
