//! Rights that change while the hub runs: at once where they are changed, and within the poll everywhere else.

use std::time::Duration;

use acervo::app::identity;
use acervo::context::Hub;
use acervo_core::{Caller, RepoKind, Role, Visibility};
use acervo_store::db::{generation, repos};
use acervo_tests::test_hub::TestHub;

use super::{guarded, token_of};
use crate::serve::{Answer, commit, get};

/// Other processes are looked at twice a second; the rest is for a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(15);

const SECRET: &str = "/acme/secret/resolve/main/a.txt";
const OPEN: &str = "/acme/open/resolve/main/a.txt";

/// Another process on the same database and store.
async fn another_process(hub: &TestHub) -> Hub {
    Hub::open(hub.config_of_another("http://127.0.0.1:9")).await.unwrap()
}

/// Asks again and again until the answer has this status; fails when it takes too long.
async fn until(hub: &TestHub, path: &str, token: Option<&str>, status: u16) {
    let asking = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while Answer::to(super::by(token, hub.get(path))).await.status != status {
            ticks.tick().await;
        }
    };
    let turned = tokio::time::timeout(PATIENCE, asking).await;
    assert!(turned.is_ok(), "{path} never answered {status}");
}

async fn set_visibility(hub: &Hub, name: &str, visibility: Visibility) {
    let tx = hub.db().begin().await.unwrap();
    let repo = repos::by_name(&tx, RepoKind::Model, name).await.unwrap().unwrap();
    repos::set_visibility(&tx, repo.id, visibility).await.unwrap();
    generation::bump(&tx).await.unwrap();
    acervo_store::db::commit(tx).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_revoked_here_stops_working_with_the_next_request() {
    let hub = guarded().await;
    for by_text in [false, true] {
        let token = hub.token("ci", Role::Reader).await;
        for _ in 0..2 {
            assert_eq!(Answer::to(hub.get(SECRET).bearer_auth(&token)).await.status, 200);
        }
        let given = if by_text { token.as_str() } else { "ci" };
        assert_eq!(identity::revoke_token(hub.hub(), &Caller::System, given).await.unwrap(), 1);
        for path in [SECRET, OPEN, "/api/models"] {
            let answer = Answer::to(hub.get(path).bearer_auth(&token)).await;
            assert_eq!(answer.refusal(), (401, ""), "{path}");
        }
    }
    let token = token_of(&hub, "ana", Role::Reader, None).await;
    assert_eq!(Answer::to(hub.get(OPEN).bearer_auth(&token)).await.status, 200);
    identity::disable_user(hub.hub(), &Caller::System, "ana").await.unwrap();
    assert_eq!(Answer::to(hub.get(OPEN).bearer_auth(&token)).await.refusal(), (401, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_revoked_by_another_process_stops_working_within_the_poll() {
    let hub = guarded().await;
    let other = another_process(&hub).await;
    let (revoked, kept) = (hub.token("revoked", Role::Reader).await, hub.token("kept", Role::Reader).await);
    let disabled = token_of(&hub, "ana", Role::Reader, None).await;
    for token in [&revoked, &kept, &disabled] {
        assert_eq!(Answer::to(hub.get(OPEN).bearer_auth(token)).await.status, 200, "and is remembered");
    }

    identity::revoke_token(&other, &Caller::System, "revoked").await.unwrap();
    until(&hub, OPEN, Some(&revoked), 401).await;
    identity::disable_user(&other, &Caller::System, "ana").await.unwrap();
    until(&hub, OPEN, Some(&disabled), 401).await;

    assert_eq!(Answer::to(hub.get(SECRET).bearer_auth(&kept)).await.status, 200, "others go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visibility_changed_by_another_process_holds_within_the_poll() {
    let hub = guarded().await;
    let other = another_process(&hub).await;
    let stranger = hub.stranger("eve").await;
    assert_eq!((get(&hub, OPEN).await.status.as_u16(), get(&hub, SECRET).await.status.as_u16()), (200, 401));

    set_visibility(&other, "acme/open", Visibility::Internal).await;
    until(&hub, OPEN, None, 401).await;
    assert_eq!(Answer::to(hub.get(OPEN).bearer_auth(&stranger)).await.status, 200);
    set_visibility(&other, "acme/open", Visibility::Private).await;
    until(&hub, OPEN, Some(&stranger), 404).await;
    for path in ["/api/models/acme/open", "/api/models/acme/open/tree/main", "/api/models/acme/open/refs"] {
        assert_eq!(get(&hub, path).await.refusal(), (401, "RepoNotFound"), "{path}");
    }
    assert_eq!(get(&hub, "/api/models").await.json(), serde_json::json!([]));
    set_visibility(&other, "acme/secret", Visibility::Public).await;
    until(&hub, SECRET, None, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_publishes_is_served_within_the_poll() {
    let hub = guarded().await;
    let other = TestHub::with("http://127.0.0.1:9", |config| {
        let shared = hub.config_of_another("http://127.0.0.1:9");
        (config.database, config.storage, config.staging) = (shared.database, shared.storage, shared.staging);
    })
    .await;
    let (new, old) = ("/acme/new/resolve/main/a.txt", "/acme/open/resolve/main/new.txt");
    assert_eq!((get(&hub, new).await.status.as_u16(), get(&hub, old).await.status.as_u16()), (401, 404));

    let public = Visibility::Public;
    commit(&other, (RepoKind::Model, "acme/new", public), &[("a.txt", b"new")]).await;
    let id = commit(&other, (RepoKind::Model, "acme/open", public), &[("new.txt", b"newer")]).await;

    until(&hub, new, None, 200).await;
    until(&hub, old, None, 200).await;
    let answer = get(&hub, old).await;
    assert_eq!((answer.text(), answer.header("x-repo-commit")), ("newer", id.as_str()));
    assert_eq!(get(&hub, OPEN).await.refusal(), (404, "EntryNotFound"), "the branch moved as a whole");
}
