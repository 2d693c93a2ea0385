//! Several real processes on one installation: what one changes holds in the others within a second, and what the
//! database is asked tells nobody what is hidden.
//!
//! Processes log their statements, which is how often they look for changes of others, and what an answer cost. Nothing
//! here measures how fast this machine is: a change must hold once a process has looked for changes twice since, and it
//! looks twice a second.

use std::time::Duration;

use acervo::app::identity::{self, TokenRequest};
use acervo::app::local::{self, NewCommit, NewFile};
use acervo::context::Hub;
use acervo_core::{Caller, RepoKind, Role, Visibility};
use acervo_store::db::principals::PrincipalKind;
use acervo_tests::processes::{Installation, Process, eventually};
use bytes::Bytes;
use chrono::DateTime;
use reqwest::Client;
use serde_json::{Value, json as value};

use crate::serve::Answer;

/// Longest time until a change holds everywhere.
const PROMISE: Duration = Duration::from_secs(1);

/// An installation whose processes log what they ask the database.
fn logged() -> Installation {
    let mut home = Installation::new("http://127.0.0.1:9");
    home.set("log.filter", "sqlx::query=debug,acervo=info");
    home.set("log.format", "json");
    home
}

/// Commits one file to a model, which is made if it is not there; returns the commit's id.
async fn commit(hub: &Hub, name: &str, visibility: Visibility, text: &str) -> String {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    let files = vec![NewFile { path: "a.txt".parse().unwrap(), bytes, lfs: false }];
    let name = name.parse().unwrap();
    let new = NewCommit { kind: RepoKind::Model, name, visibility, files, title: "Add".to_owned(), at: hub.now() };
    local::commit_files(hub, &Caller::System, &new).await.unwrap().to_hex()
}

async fn token(hub: &Hub, name: &str, role: Role) -> String {
    let request = TokenRequest { name: name.to_owned(), role, user: None, expires_at: None };
    identity::create_token(hub, &Caller::System, &request).await.unwrap().text
}

/// Statements that a process has logged so far in lines that hold this text, with the time of each in milliseconds.
fn statements(process: &Process, marked: &str) -> Vec<(String, i64)> {
    let log = process.log();
    // The last line may be but half written.
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let lines = whole.lines().filter(|line| line.contains(marked) && line.contains("sqlx::query"));
    lines
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let field = |name: &str| line[name].as_str().unwrap_or_default();
            // Short ones are logged as their own summary.
            let text = [field("db.statement"), field("summary")].into_iter().find(|text| !text.trim().is_empty());
            let text = text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
            (text, DateTime::parse_from_rfc3339(field("timestamp")).unwrap().timestamp_millis())
        })
        .collect()
}

/// When a process has looked for changes of others.
fn looks(process: &Process) -> Vec<i64> {
    let all = statements(process, "generation").into_iter();
    all.filter(|(text, _)| text.starts_with("SELECT \"generation\"")).map(|(_, at)| at).collect()
}

/// Asks a process until the answer is another one, since a change that is committed by now.
///
/// A look that had begun before the change does not see it. The one after it does, and has been acted upon when a third
/// one is over.
async fn holds(process: &Process, what: &str, ask: impl AsyncFn() -> bool) {
    let before = looks(process).len();
    eventually(what, async || {
        let since = looks(process).len() - before;
        let holds = ask().await;
        assert!(holds || since < 3, "{what}: not after {since} looks for changes");
        holds.then_some(())
    })
    .await;
}

fn client() -> Client {
    Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_changes_holds_there_at_once_and_in_another_within_a_second() {
    let home = logged();
    let hub = home.hub().await;
    let first = commit(&hub, "acme/x", Visibility::Public, "one").await;
    let (admin, reader) = (token(&hub, "admin", Role::Admin).await, token(&hub, "reader", Role::Reader).await);
    let (one, two) = (home.serve().await, home.serve().await);
    let client = client();
    let read = async |process: &Process, token: Option<&str>| {
        let request = client.get(format!("{}/acme/x/resolve/main/a.txt", process.url()));
        Answer::to(super::by(token, request)).await
    };
    let set = async |body: Value| {
        let request = client.put(format!("{}/api/models/acme/x/settings", one.url())).bearer_auth(&admin);
        let answer = Answer::to(request.json(&body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    for process in [&one, &two] {
        for caller in [None, Some(reader.as_str())] {
            let answer = read(process, caller).await;
            assert_eq!((answer.text(), answer.header("x-repo-commit")), ("one", first.as_str()), "and is remembered");
        }
    }

    for (body, refusal) in [
        (value!({ "gated": "manual" }), (401, "GatedRepo")),
        (value!({ "gated": false }), (200, "")),
        (value!({ "visibility": "private" }), (401, "RepoNotFound")),
        (value!({ "visibility": "public" }), (200, "")),
    ] {
        set(body.clone()).await;
        assert_eq!(read(&one, None).await.refusal(), refusal, "{body}: at once");
        holds(&two, &format!("{body} in the other"), async || read(&two, None).await.refusal() == refusal).await;
    }

    let second = commit(&hub, "acme/x", Visibility::Public, "two").await;
    for process in [&one, &two] {
        holds(process, "a moved ref", async || {
            let answer = read(process, None).await;
            let (text, id) = (answer.text(), answer.header("x-repo-commit"));
            assert!([("one", first.as_str()), ("two", second.as_str())].contains(&(text, id)), "{text} of {id}");
            text == "two"
        })
        .await;
    }

    let revoked = home.run(&["token", "revoke", "reader"]).await;
    assert!(revoked.success, "{revoked:?}");
    for process in [&one, &two] {
        let refused = async || read(process, Some(&reader)).await.refusal() == (401, "");
        holds(process, "a revoked token", refused).await;
        assert_eq!(read(process, None).await.text(), "two", "others go on");
    }

    let closed = home.run(&["gate", "set", "acme/x", "auto"]).await;
    assert!(closed.success, "{closed:?}");
    let gated = async || read(&two, None).await.refusal() == (401, "GatedRepo");
    holds(&two, "a gate set by a command", gated).await;

    let looks = eventually("looks for changes", async || Some(looks(&two)).filter(|looks| looks.len() > 5)).await;
    let shortest = looks.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap();
    let promise = i64::try_from(PROMISE.as_millis()).unwrap();
    assert!(shortest * 2 <= promise + promise / 10, "two looks, one of them under way, take {shortest} ms each");
    for process in [one, two] {
        assert!(process.stop().await.success());
    }
}

/// What a process has asked the database for a request so far, by the id that the request was given.
fn asked_for(process: &Process, id: &str) -> Vec<String> {
    let mut asked: Vec<String> = statements(process, id).into_iter().map(|(text, _)| text).collect();
    asked.sort_unstable();
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_repository_costs_the_database_what_a_missing_one_costs() {
    let home = logged();
    let hub = home.hub().await;
    commit(&hub, "acme/secret", Visibility::Private, "secret").await;
    commit(&hub, "acme/open", Visibility::Public, "open").await;
    let secret = acervo_store::db::repos::by_name(hub.db().reader(), RepoKind::Model, "acme/secret").await.unwrap();
    let tx = hub.db().begin().await.unwrap();
    let cause = acervo_store::db::repos::Cause::Canonical;
    acervo_store::db::repos::add_alias(&tx, &secret.unwrap(), "secret", cause, hub.now()).await.unwrap();
    acervo_store::db::commit(tx).await.unwrap();
    let admin = token(&hub, "admin", Role::Admin).await;
    identity::create_user(&hub, &Caller::System, "eve", PrincipalKind::Person, None).await.unwrap();
    let request =
        TokenRequest { name: "eve".to_owned(), role: Role::Admin, user: Some("eve".to_owned()), expires_at: None };
    let eve = identity::create_token(&hub, &Caller::System, &request).await.unwrap().text;
    let server = home.serve().await;
    let client = client();
    // A change makes a process forget everything it has looked up.
    let forget = async || {
        let settings = format!("{}/api/models/acme/open/settings", server.url());
        assert_eq!(
            Answer::to(client.put(settings).bearer_auth(&admin).json(&value!({ "gated": false }))).await.status,
            200
        );
    };
    let routes = [
        "{}/resolve/main/a.txt",
        "{}/raw/main/a.txt",
        "api/models/{}",
        "api/models/{}/revision/main",
        "api/models/{}/tree/main",
        "api/models/{}/refs",
        "api/models/{}/commits/main",
        "api/models/{}/auth-check",
        "api/models/{}/ask-access",
        "api/models/{}/user-access-request/pending",
        "api/models/{}/discussions",
    ];
    let mut cold = 0;
    for token in [None, Some(eve.as_str())] {
        for (hidden, missing) in [("acme/secret", "acme/absent"), ("secret", "absent"), ("ACME/secret", "ACME/absent")]
        {
            for route in routes {
                let ask = async |name: &str| {
                    forget().await;
                    let id = uuid::Uuid::now_v7().to_string();
                    let url = format!("{}/{}", server.url(), route.replace("{}", name));
                    let request = client.get(url).header("x-request-id", &id);
                    (Answer::to(super::by(token, request)).await.status, id)
                };
                let ((status, of_hidden), (same, of_missing)) = (ask(hidden).await, ask(missing).await);
                assert_eq!(status, same, "{route} of {hidden}");
                // Drivers log a statement when they are done with it, which may be after the answer.
                let what = format!("{route} of {hidden} asks what it does of {missing}");
                cold += eventually(&what, async || {
                    let asked = [asked_for(&server, &of_hidden), asked_for(&server, &of_missing)];
                    (!asked[0].is_empty() && asked[0] == asked[1]).then(|| asked[0].len())
                })
                .await;
            }
        }
    }
    assert!(cold >= 100, "only {cold} statements were compared");
    let answer = Answer::to(client.get(format!("{}/api/models/secret", server.url())).bearer_auth(&admin)).await;
    assert_eq!(answer.status, 307, "the alias is there");
}
