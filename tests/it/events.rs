//! Events as people and machines read them: by the API, and by the command line.

use acervo::app::events::{self, Told};
use acervo::app::identity;
use acervo::context::Hub;
use acervo_core::{Caller, RepoKind, Role, Visibility};
use acervo_store::db::commit as commit_transaction;
use acervo_store::db::principals::PrincipalKind;
use acervo_tests::processes::Installation;
use acervo_tests::test_hub::TestHub;
use serde_json::{Value, json as value};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::serve::{Answer, alone, commit, get};

/// Something that happens: a user is made.
pub(crate) async fn user(hub: &Hub, name: &str) {
    identity::create_user(hub, &Caller::System, name, PrincipalKind::Person, None).await.unwrap();
}

/// An event of any kind.
async fn told(hub: &Hub, kind: &str, subject: &str) {
    let tx = hub.db().begin().await.unwrap();
    let details = value!({ "before": 1, "after": 2 });
    events::record(hub, &tx, &Caller::System, Told { kind, repo_id: None, subject, details }).await.unwrap();
    commit_transaction(tx).await.unwrap();
}

/// Kinds of the events of an answer.
fn kinds(page: &Value) -> Vec<&str> {
    page["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

async fn asked(hub: &TestHub, token: &str, query: &str) -> Value {
    let answer = Answer::to(hub.get(&format!("/api/events{query}")).bearer_auth(token)).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn auditors_read_events_by_number_kind_and_repository() {
    let hub = alone().await;
    let (auditor, admin) = (hub.token("auditor", Role::Auditor).await, hub.token("admin", Role::Admin).await);
    let reader = hub.token("reader", Role::Reader).await;
    for name in ["acme/one", "acme/two"] {
        commit(&hub, (RepoKind::Model, name, Visibility::Public), &[("a.txt", b"text")]).await;
    }
    told(hub.hub(), "upstream.tag_moved", "Acme/Gone").await;
    told(hub.hub(), "upstreams.other", "acme/other").await;
    assert_eq!(asked(&hub, &auditor, "").await, value!({ "events": [], "next": 0 }), "nothing is numbered yet");
    events::number_waiting(hub.hub()).await.unwrap();

    let all = asked(&hub, &auditor, "?limit=1000").await;
    let numbers: Vec<i64> = all["events"].as_array().unwrap().iter().map(|e| e["sequence"].as_i64().unwrap()).collect();
    let count = i64::try_from(numbers.len()).unwrap();
    assert_eq!(numbers, (1..=count).collect::<Vec<_>>());
    assert_eq!(all["next"], count);
    let moved = asked(&hub, &admin, "?kind=upstream.tag_moved").await;
    let event = &moved["events"][0];
    assert_eq!(event["subject"], "Acme/Gone");
    assert_eq!((&event["actor"], &event["details"]["after"]), (&"system".into(), &2.into()));
    assert!(event["at"].as_str().unwrap().ends_with('Z'), "{event}");
    assert_eq!(moved["next"], count, "all was looked at");
    assert_eq!(kinds(&asked(&hub, &auditor, "?kind=upstream.*").await), ["upstream.tag_moved"]);
    assert_eq!(kinds(&asked(&hub, &auditor, "?kind=upstream").await), [""; 0]);
    for (name, expected) in [
        ("acme/one", vec!["commit.published"]),
        ("ACME/One", vec!["commit.published"]),
        ("acme/gone", vec!["upstream.tag_moved"]),
        ("acme/on_", vec![]),
        ("no%20name", vec![]),
        ("%00", vec![]),
    ] {
        let found = asked(&hub, &auditor, &format!("?repo={name}&limit=1000")).await;
        assert_eq!(kinds(&found), expected, "{name}");
    }

    let (mut since, mut gathered) = (0, Vec::new());
    loop {
        let page = asked(&hub, &auditor, &format!("?limit=2&since={since}")).await;
        if page["events"].as_array().unwrap().is_empty() {
            assert_eq!(page["next"], count);
            break;
        }
        gathered.extend(page["events"].as_array().unwrap().clone());
        since = page["next"].as_i64().unwrap();
    }
    assert_eq!(Value::Array(gathered), all["events"], "pages make the whole");
    assert_eq!(asked(&hub, &auditor, &format!("?since={}", u64::MAX)).await["events"], value!([]));

    assert_eq!(get(&hub, "/api/events").await.status, 401);
    assert_eq!(Answer::to(hub.get("/api/events").bearer_auth(&reader)).await.status, 403);
    let wrong = Answer::to(hub.get("/api/events?kind=Upstream*").bearer_auth(&admin)).await;
    assert_eq!(wrong.refusal(), (400, ""));
    assert!(wrong.text().contains("a family as in `mirror.*`"), "{}", wrong.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_print_events_and_follow_them() {
    let home = Installation::new("http://127.0.0.1:9");
    for name in ["ana", "eva"] {
        assert!(home.run(&["user", "create", name]).await.success);
    }
    let lines = async |arguments: &[&str]| -> Vec<Value> {
        let ran = home.run(&[&["events", "--json"], arguments].concat()).await;
        assert!(ran.success, "{ran:?}");
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = lines(&[]).await;
    assert_eq!(all.len(), 2, "no server numbers them: the command does");
    assert_eq!((&all[1]["sequence"], &all[1]["subject"]), (&2.into(), &"eva".into()));
    assert_eq!(lines(&["--since", "1"]).await, all[1..]);
    assert_eq!(lines(&["--limit", "1"]).await, all[..1]);
    assert_eq!(lines(&["--kind", "mirror.*"]).await, [Value::Null; 0]);
    assert_eq!(lines(&["--repo", "acme/none"]).await, [Value::Null; 0]);
    let table = home.run(&["events", "--kind", "user.*"]).await.stdout;
    assert!(table.contains("user.created  ana  by system"), "{table}");
    let wrong = home.run(&["events", "--kind", "x y"]).await;
    assert!(!wrong.success && wrong.stderr.contains("`x y` is no kind of event"), "{wrong:?}");

    let mut command = tokio::process::Command::from(home.command(&["events", "--follow", "--json", "--since", "1"]));
    let mut child = command.stdout(std::process::Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut followed = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = async || serde_json::from_str::<Value>(&followed.next_line().await.unwrap().unwrap()).unwrap();
    assert_eq!(next().await, all[1]);
    user(&home.hub().await, "zoe").await;
    let later = next().await;
    assert_eq!((&later["sequence"], &later["subject"]), (&3.into(), &"zoe".into()));
}
