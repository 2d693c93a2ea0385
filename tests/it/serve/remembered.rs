//! What is remembered: warm answers ask neither the database nor the store, and a change is seen at once.

use acervo::app::{cache, identity};
use acervo_core::{Caller, RepoKind, Role, Visibility};
use acervo_tests::test_hub::TestHub;
use serde_json::Value;

use super::{Answer, alone, commit, get, json};

/// A question of each sort that clients ask again and again.
const QUESTIONS: [&str; 6] = [
    "/acme/warm/resolve/main/config.json",
    "/acme/warm/raw/main/config.json",
    "/api/models/acme/warm",
    "/api/models/acme/warm?blobs=true&expand[]=siblings",
    "/api/models/acme/warm/revision/main",
    "/api/models/acme/warm/tree/main?recursive=true",
];

const WARM: (RepoKind, &str, Visibility) = (RepoKind::Model, "acme/warm", Visibility::Public);

async fn warm_hub() -> TestHub {
    let hub = alone().await;
    let notes = "notes ".repeat(500);
    commit(&hub, WARM, &[("config.json", b"{}"), ("sub/notes.txt", notes.as_bytes()), ("model.bin", &[7; 100])]).await;
    hub
}

/// What the hub counts for one outcome of its caches.
async fn counted(hub: &TestHub, outcome: &str) -> u64 {
    let metrics = get(hub, "/metrics").await;
    let wanted = format!("outcome=\"{outcome}\"");
    let lines = metrics.text().lines().filter(|line| line.starts_with("acervo_cache_questions_total{"));
    lines
        .filter(|line| line.contains(&wanted))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn warm_answers_need_neither_the_database_nor_the_store() {
    let hub = warm_hub().await;
    let token = hub.token("robot", Role::Reader).await;
    // What was changed until now is dropped here, and not a moment later.
    cache::follow_generation(hub.hub()).await.unwrap();
    let mut cold = Vec::new();
    for question in QUESTIONS {
        assert_eq!(Answer::to(hub.head(question)).await.status, 200, "{question}");
        cold.push(get(&hub, question).await);
        assert_eq!(Answer::to(hub.get(question).bearer_auth(&token)).await.status, 200, "{question}");
    }
    let (found, missed) = (counted(&hub, "found").await, counted(&hub, "missed").await);
    assert!(missed > 0);

    hub.hub().db().close().await.unwrap();
    for key in hub.storage().keys() {
        std::fs::remove_file(hub.storage().object_path(&key)).unwrap();
    }

    for (question, cold) in QUESTIONS.into_iter().zip(cold) {
        let warm = get(&hub, question).await;
        assert_eq!(warm.status, 200, "{question}: {}", warm.text());
        assert_eq!((warm.lasting(), warm.body), (cold.lasting(), cold.body), "{question}");
        assert_eq!(Answer::to(hub.head(question)).await.status, 200, "{question}");
        assert_eq!(Answer::to(hub.get(question).bearer_auth(&token)).await.status, 200, "{question}");
    }
    assert_eq!(counted(&hub, "missed").await, missed, "nothing had to be looked up");
    assert!(counted(&hub, "found").await > found);
    let unknown = get(&hub, "/api/models/acme/never-asked-for").await;
    assert_eq!(unknown.status, 503, "the database is really gone: {}", unknown.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_answer_is_gone_with_what_it_was_made_of() {
    let hub = warm_hub().await;
    let token = hub.token("robot", Role::Reader).await;
    let sha = |info: &Value| info["sha"].as_str().unwrap().to_owned();
    let before = sha(&json(&hub, "/api/models/acme/warm").await);
    assert_eq!(get(&hub, "/acme/warm/resolve/main/config.json").await.text(), "{}");
    let asked = || hub.get("/api/whoami-v2").bearer_auth(&token);
    assert_eq!(Answer::to(asked()).await.status, 200);

    let after = commit(&hub, WARM, &[("config.json", b"{\"new\": 1}")]).await;

    assert_ne!(after, before);
    assert_eq!(sha(&json(&hub, "/api/models/acme/warm").await), after);
    assert_eq!(get(&hub, "/acme/warm/resolve/main/config.json").await.text(), "{\"new\": 1}");
    assert_eq!(get(&hub, &format!("/acme/warm/resolve/{before}/config.json")).await.text(), "{}");

    identity::revoke_token(hub.hub(), &Caller::System, "robot").await.unwrap();

    assert_eq!(Answer::to(asked()).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn finished_answers_are_compressed_for_whoever_takes_that_and_for_nobody_else() {
    let hub = warm_hub().await;
    for question in ["/api/models/acme/warm", "/api/models/acme/warm/tree/main?recursive=true"] {
        let plain = get(&hub, question).await;
        assert_eq!(plain.header("content-encoding"), "", "{question}");
        for (accepted, encoding) in [("gzip", "gzip"), ("gzip, deflate", "gzip"), ("gzip;q=0", ""), ("br;q=0.1", "")] {
            let answer = Answer::to(hub.get(question).header("accept-encoding", accepted)).await;
            assert_eq!(answer.header("content-encoding"), encoding, "{question} for {accepted}");
            assert!(answer.header("vary").contains("Accept-Encoding"), "{question} for {accepted}");
            let body = if encoding == "gzip" { unzipped(&answer.body) } else { answer.body.to_vec() };
            assert!(body == plain.body, "{question} for {accepted}");
        }
    }
}

fn unzipped(bytes: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut found = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut found).unwrap();
    found
}
