//! Every operation of the OpenAPI document, asked for by those who may not: no route is without an expectation here.

use std::collections::{BTreeMap, BTreeSet};

use acervo::app::collections::{self, Draft, Theme};
use acervo::app::events;
use acervo::app::repos;
use acervo::app::settings::{self, Change};
use acervo_core::gate::GateMode;
use acervo_core::{Caller, RepoKind, Role, Visibility};
use acervo_store::db::events as event_rows;
use acervo_store::db::generation;
use acervo_store::db::jobs::{self, NewJob};
use acervo_tests::test_hub::TestHub;
use reqwest::{Method, RequestBuilder};
use serde_json::json as value;
use uuid::Uuid;

use super::{FOREIGN, by, guarded};
use crate::serve::{Answer, commit, get};

/// Who an operation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// Everybody, whatever they send.
    All,
    /// Everybody but who sends a token of this hub that does not work.
    Anybody,
    /// Who is known here.
    Known,
    /// Who watches over the whole hub.
    Operators,
    /// Who manages the whole hub; what is sent here makes no sense.
    Administrators,
    /// Who manages all mirrors; what an administrator may change is tried elsewhere.
    Stewards,
    /// Who is known here; what is sent here is no request.
    Requesters,
    /// Who may see the repository.
    Readers,
    /// Who may have the contents of the repository.
    Admitted,
    /// Who may see the repository and is known here; this one has terms that the request does not name.
    Askers,
    /// Who manages the repository.
    Maintainers,
}

/// Every operation, and who it is for.
const OPERATIONS: &[(&str, &str, For)] = &[
    ("get head", "/", For::Anybody),
    ("get head", "/static/{name}", For::All),
    ("get head", "/docs/api", For::All),
    ("get head", "/docs/api/{name}", For::All),
    ("get head", "/healthz", For::All),
    ("get head", "/readyz", For::All),
    ("get head", "/metrics", For::Operators),
    ("get head", "/openapi.json", For::All),
    ("post", "/api/mirrors/plan", For::Administrators),
    ("post", "/api/mirrors/apply", For::Administrators),
    ("get head", "/api/events", For::Operators),
    ("get head", "/api/webhooks/deliveries", For::Operators),
    ("post", "/api/webhooks/deliveries/{id}/retry", For::Administrators),
    ("get head", "/api/mirrors/jobs", For::Operators),
    ("get head", "/api/mirrors/jobs/{id}", For::Operators),
    ("get head", "/api/mirrors/jobs/{id}/events", For::Operators),
    ("post", "/api/mirrors/jobs/{id}/cancel", For::Stewards),
    ("post", "/api/mirrors/jobs/{id}/pause", For::Stewards),
    ("post", "/api/mirrors/jobs/{id}/resume", For::Stewards),
    ("post", "/api/mirrors/jobs/{id}/retry", For::Stewards),
    ("get head", "/api/mirrors/requests", For::Known),
    ("post", "/api/mirrors/requests", For::Requesters),
    ("post", "/api/mirrors/requests/{id}/accept", For::Stewards),
    ("post", "/api/mirrors/requests/{id}/decline", For::Stewards),
    ("post", "/api/mirrors/{plural}/{repo}/sync", For::Maintainers),
    ("post", "/api/mirrors/{plural}/{repo}/pause", For::Maintainers),
    ("post", "/api/mirrors/{plural}/{repo}/resume", For::Maintainers),
    ("get head", "/{repo}/resolve/{rest}", For::Admitted),
    ("get head", "/datasets/{repo}/resolve/{rest}", For::Admitted),
    ("get head", "/spaces/{repo}/resolve/{rest}", For::Admitted),
    ("get head", "/{repo}/raw/{rest}", For::Admitted),
    ("get head", "/datasets/{repo}/raw/{rest}", For::Admitted),
    ("get head", "/spaces/{repo}/raw/{rest}", For::Admitted),
    ("get head", "/api/resolve-cache/{plural}/{repo}/{commit}/{rest}", For::Admitted),
    ("get head", "/{repo}/user-access-report", For::Maintainers),
    ("get head", "/datasets/{repo}/user-access-report", For::Maintainers),
    ("get head", "/spaces/{repo}/user-access-report", For::Maintainers),
    ("get head", "/api/whoami-v2", For::Known),
    ("get head", "/api/{plural}", For::Anybody),
    ("get head", "/api/models-tags-by-type", For::Anybody),
    ("get head", "/api/datasets-tags-by-type", For::Anybody),
    ("get head", "/api/quicksearch", For::Anybody),
    ("get head", "/api/spaces/semantic-search", For::Anybody),
    ("get head", "/api/{plural}/{repo}", For::Readers),
    ("get head", "/api/{plural}/{repo}/revision/{rest}", For::Readers),
    ("get head", "/api/{plural}/{repo}/tree/{rest}", For::Readers),
    ("post", "/api/{plural}/{repo}/paths-info/{rest}", For::Readers),
    ("get head", "/api/{plural}/{repo}/refs", For::Readers),
    ("get head", "/api/{plural}/{repo}/commits/{rest}", For::Readers),
    ("get head", "/api/{plural}/{repo}/compare/{rest}", For::Admitted),
    ("get head", "/api/{plural}/{repo}/safetensors-metadata/{rest}", For::Admitted),
    ("get head", "/api/{plural}/{repo}/likers", For::Readers),
    ("get head", "/api/{plural}/{repo}/auth-check", For::Admitted),
    ("get head", "/api/{plural}/{repo}/auth-check/write", For::Maintainers),
    ("get head", "/api/{plural}/{repo}/discussions", For::Readers),
    ("get head", "/api/{plural}/{repo}/ask-access", For::Readers),
    ("post", "/api/{plural}/{repo}/ask-access", For::Askers),
    ("post", "/api/{plural}/{repo}/user-access-request/handle", For::Maintainers),
    ("post", "/api/{plural}/{repo}/user-access-request/grant", For::Maintainers),
    ("get head", "/api/{plural}/{repo}/user-access-request/{status}", For::Maintainers),
    ("put", "/api/{plural}/{repo}/settings", For::Maintainers),
    ("get head", "/api/collections", For::Anybody),
    ("get head", "/api/collections/{rest}", For::Anybody),
    ("get head", "/api/users/{user}/overview", For::Known),
    ("get head", "/api/users/{user}/likes", For::Known),
    ("get head", "/api/users/{user}/followers", For::Known),
    ("get head", "/api/users/{user}/following", For::Known),
    ("get head", "/api/organizations/{organization}/overview", For::Anybody),
    ("get head", "/api/organizations/{organization}/members", For::Known),
    ("get head", "/api/organizations/{organization}/followers", For::Anybody),
    ("get head", "/api/agent-harnesses", For::All),
    ("head", "/api/telemetry/{rest}", For::All),
    ("post", "/api/validate-yaml", For::All),
];

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Nobody,
    Foreign,
    Wrong,
    Broken,
    Admin,
}

/// What to expect of an operation on a repository that only few see, or that all see and few may open.
fn expected(who: Who, operation: For, is_secret: bool) -> (u16, &'static str) {
    let is_nobody = matches!(who, Who::Nobody | Who::Foreign);
    let on_a_repo = matches!(operation, For::Readers | For::Admitted | For::Askers | For::Maintainers);
    match (operation, who) {
        (For::All, _) => (200, ""),
        (_, Who::Broken) => (401, ""),
        // It names no terms, no orders, no delivery, and no repository.
        (For::Askers | For::Administrators | For::Requesters, Who::Admin) => (400, ""),
        (_, Who::Admin) => (200, ""),
        (For::Anybody, _) | (For::Known, Who::Wrong) => (200, ""),
        (For::Requesters, Who::Wrong) => (400, ""),
        (For::Known | For::Requesters, _) => (401, ""),
        (For::Operators | For::Stewards | For::Administrators, Who::Wrong) => (403, ""),
        (For::Operators | For::Stewards | For::Administrators, _) => (401, ""),
        _ if on_a_repo && is_secret => (if is_nobody { 401 } else { 404 }, "RepoNotFound"),
        (For::Admitted, _) => (if is_nobody { 401 } else { 403 }, "GatedRepo"),
        (For::Askers, Who::Wrong) => (400, ""),
        (For::Askers | For::Maintainers, _) if is_nobody => (401, ""),
        (For::Maintainers, _) => (403, ""),
        _ => (200, ""),
    }
}

/// The addresses that an operation's path stands for.
fn addresses(path: &str, repo: &str, commit: &BTreeMap<&str, String>, (slug, job): (&str, Uuid)) -> Vec<String> {
    let rest = if path.contains("/resolve") || path.contains("/raw") { "main/a.txt" } else { "main" };
    let rest = if path.contains("{commit}") { "a.txt" } else { rest };
    let rest = if path.contains("/safetensors-metadata") { "none.index.json" } else { rest };
    let rest = if path.contains("/collections") { slug } else { rest };
    let plurals: &[&str] = if path.contains("{plural}") { &["models", "datasets", "spaces"] } else { &["models"] };
    plurals
        .iter()
        .map(|plural| {
            path.replace("{plural}", plural)
                .replace("{repo}", repo)
                .replace("{commit}", &commit[plural])
                .replace("{rest}", rest)
                .replace("/deliveries/{id}", "/deliveries/none")
                .replace("{id}", &job.to_string())
                .replace("{status}", "pending")
                .replace("{user}", "eve")
                .replace("{organization}", "acme")
                .replace("/docs/api/{name}", "/docs/api/swagger-ui.css")
                .replace("{name}", "acervo.css")
        })
        .collect()
}

/// A job that has ended, so that nobody follows it for long.
async fn ended_job(hub: &TestHub) -> Uuid {
    let db = hub.hub().db();
    let at = hub.hub().now();
    let new = NewJob {
        id: Uuid::now_v7(),
        kind: "sync",
        payload: value!({}),
        dedup_key: "sync:0".to_owned(),
        repo_id: None,
        priority: 0,
        run_at: at,
        organization: None,
        attempts_max: 1,
        created_by: None,
        at,
    };
    let (id, _) = jobs::enqueue(db.writer(), new).await.unwrap();
    assert!(jobs::cancel(db.writer(), id, at).await.unwrap());
    id
}

fn request(hub: &TestHub, method: &str, path: &str) -> RequestBuilder {
    // Something for every body; whoever may not is refused before it is read.
    let body = value!({
        "user": "eve", "status": "accepted", "paths": ["a.txt"], "content": "---\nlicense: mit\n---\n", "gated": false,
    });
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
    let request = match method {
        Method::GET => hub.get(path),
        Method::HEAD => hub.head(path),
        Method::POST => hub.post(path).json(&body),
        Method::PUT => hub.put(path).json(&body),
        other => panic!("nobody knows how to send a {other}"),
    };
    // Or every caller would count as the machine itself.
    request.header("x-forwarded-for", "192.0.2.1")
}

/// Everything that a refused request could have changed.
async fn state(hub: &TestHub) -> String {
    let db = hub.hub().db().reader();
    events::number_waiting(hub.hub()).await.unwrap();
    let told = event_rows::after(db, 0, 10_000).await.unwrap().len();
    let mut state = format!("{told} events, generation {}", generation::current(db).await.unwrap());
    for kind in RepoKind::ALL {
        for name in ["acme/secret", "acme/asks"] {
            let repo = acervo_store::db::repos::by_name(db, kind, name).await.unwrap();
            state.push_str(&format!("\n{repo:?}"));
        }
    }
    state
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_refuses_those_it_is_not_for_and_changes_nothing() {
    let hub = guarded().await;
    for kind in RepoKind::ALL {
        let files: &[(&str, &[u8])] = &[("a.txt", b"text"), ("none.index.json", b"{\"weight_map\": {}}")];
        commit(&hub, (kind, "acme/asks", Visibility::Public), files).await;
        commit(&hub, (kind, "acme/secret", Visibility::Private), files).await;
        for name in ["acme/asks", "acme/secret"] {
            let repo = repos::find(hub.hub(), &Caller::System, kind, name).await.unwrap().into_repo();
            let terms = settings::Terms::Put("For research alone.".to_owned());
            let change = Change { gate: Some(GateMode::Automatic), terms, ..Change::default() };
            settings::change(hub.hub(), &Caller::System, &repo, &change).await.unwrap();
        }
    }
    let draft = Draft {
        owner: "acme".to_owned(),
        title: "Approved".to_owned(),
        description: None,
        theme: Theme::Blue,
        visibility: Visibility::Public,
    };
    let slug = collections::create(hub.hub(), &Caller::System, &draft).await.unwrap().slug();
    let job = ended_job(&hub).await;
    let admin = hub.token("admin", Role::Admin).await;
    let good = hub.token("good", Role::Admin).await;
    let broken = format!("{}{}", &good[..good.len() - 1], if good.ends_with('a') { 'b' } else { 'a' });
    let eve = hub.stranger("eve").await;
    let callers = [
        (Who::Nobody, None),
        (Who::Foreign, Some(FOREIGN.to_owned())),
        (Who::Wrong, Some(eve)),
        (Who::Broken, Some(broken)),
        (Who::Admin, Some(admin.clone())),
    ];

    let document = get(&hub, "/openapi.json").await.json();
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())))
        .collect();
    let known: BTreeSet<(String, String)> = OPERATIONS
        .iter()
        .flat_map(|(methods, path, _)| methods.split(' ').map(|method| (method.to_owned(), (*path).to_owned())))
        .collect();
    assert_eq!(described, known, "an operation has no expectation here, or the other way round");

    for (repo, is_secret) in [("acme/secret", true), ("acme/asks", false)] {
        let mut commits = BTreeMap::new();
        for plural in ["models", "datasets", "spaces"] {
            let info = Answer::to(hub.get(&format!("/api/{plural}/{repo}")).bearer_auth(&admin)).await;
            commits.insert(plural, info.json()["sha"].as_str().unwrap().to_owned());
        }
        let before = state(&hub).await;
        for (who, token) in &callers {
            for &(methods, path, operation) in OPERATIONS {
                for address in addresses(path, repo, &commits, (&slug, job)) {
                    for method in methods.split(' ') {
                        // What an administrator may change is tried elsewhere.
                        let changes = matches!(operation, For::Maintainers | For::Stewards);
                        if *who == Who::Admin && changes && !matches!(method, "get" | "head") {
                            continue;
                        }
                        let answer = Answer::to(by(token.as_deref(), request(&hub, method, &address))).await;
                        let wanted = expected(*who, operation, is_secret);
                        assert_eq!(answer.refusal(), wanted, "{who:?}: {method} {address}: {}", answer.text());
                    }
                }
            }
            assert_eq!(state(&hub).await, before, "{who:?} has changed something");
        }
    }
}
