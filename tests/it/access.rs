//! Who may see and do what, over the wire; that nobody learns of what they may not see; and that no token is told on.

mod changes;
mod gates;
mod hidden;
mod operations;
mod processes;
mod secrets;

use acervo::app::identity::{self, TokenRequest};
use acervo_core::access::{Grant, Scope};
use acervo_core::{Caller, RepoKind, Role, Visibility};
use acervo_store::db::principals::{self, PrincipalKind};
use acervo_store::db::{generation, repos};
use acervo_tests::test_hub::TestHub;
use reqwest::{Method, RequestBuilder};
use serde_json::json as value;

use crate::serve::{Answer, alone, commit};

/// A token of another hub, as clients send it by themselves.
const FOREIGN: &str = "hf_abcdefghijklmnopqrstuvwxyzABCDEFGHIJ";

/// Repositories of every visibility; there is one of each kind.
const REPOS: [(&str, Visibility); 3] =
    [("acme/open", Visibility::Public), ("acme/house", Visibility::Internal), ("acme/secret", Visibility::Private)];

/// Callers that are tried on every kind of repository; the others on models.
const TRIED_EVERYWHERE: [&str; 6] = ["nobody", "foreign", "revoked", "stranger", "reader", "admin"];

/// How a caller stands to the repositories of `acme`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nobody this hub knows.
    Nobody,
    /// Somebody whose token is one of this hub and does not work.
    Refused,
    /// Somebody who is known here and has no role.
    Stranger,
    /// Somebody who may read, and whether they may write.
    Reader { writes: bool },
}

/// A caller, the token it sends, and what to expect.
type Who = (&'static str, Option<String>, Standing);

/// A hub with a repository of each kind and visibility.
async fn guarded() -> TestHub {
    let hub = alone().await;
    for kind in RepoKind::ALL {
        for (name, visibility) in REPOS {
            let card = b"---\nlicense: mit\n---\n";
            commit(&hub, (kind, name, visibility), &[("README.md", card), ("a.txt", b"text"), ("w.bin", b"weights")])
                .await;
        }
    }
    hub
}

/// A token for a user, who is made if there is none of this name.
async fn token_of(hub: &TestHub, user: &str, cap: Role, seconds: Option<i64>) -> String {
    if principals::by_name(hub.hub().db().reader(), user).await.unwrap().is_none() {
        identity::create_user(hub.hub(), &Caller::System, user, PrincipalKind::Person, None).await.unwrap();
    }
    let expires_at = seconds.map(|seconds| hub.hub().now().plus_seconds(seconds));
    let request = TokenRequest { name: format!("{user}-{cap}"), role: cap, user: Some(user.to_owned()), expires_at };
    identity::create_token(hub.hub(), &Caller::System, &request).await.unwrap().text
}

/// Gives a user a role.
async fn grant(hub: &TestHub, user: &str, scope: Scope, role: Role) {
    let tx = hub.hub().db().begin().await.unwrap();
    let principal = principals::by_name(&tx, user).await.unwrap().unwrap();
    principals::grant(&tx, principal.id, Grant { scope, role }, None, hub.hub().now()).await.unwrap();
    generation::bump(&tx).await.unwrap();
    acervo_store::db::commit(tx).await.unwrap();
    hub.hub().caches().clear();
}

/// Every kind of caller there is.
async fn callers(hub: &TestHub) -> Vec<Who> {
    let db = hub.hub().db().reader();
    let namespace = principals::namespace(db, "acme").await.unwrap().unwrap().id;
    let good = hub.token("good", Role::Reader).await;
    let other = if good.ends_with('a') { "b" } else { "a" };
    let mut all: Vec<Who> = vec![
        ("nobody", None, Standing::Nobody),
        ("foreign", Some(FOREIGN.to_owned()), Standing::Nobody),
        ("not a token at all", Some("x".to_owned()), Standing::Nobody),
        ("a signed token", Some("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln".to_owned()), Standing::Nobody),
        ("mistyped", Some(format!("{}{other}", &good[..good.len() - 1])), Standing::Refused),
        ("cut", Some(good[..good.len() - 5].to_owned()), Standing::Refused),
        ("with a tail", Some(format!("{good}x")), Standing::Refused),
        ("expired", Some(token_of(hub, "late", Role::Admin, Some(-1)).await), Standing::Refused),
        ("not yet expired", Some(token_of(hub, "early", Role::Admin, Some(3600)).await), Standing::Stranger),
        ("stranger", Some(hub.stranger("eve").await), Standing::Stranger),
    ];
    let revoked = hub.token("gone", Role::Admin).await;
    identity::revoke_token(hub.hub(), &Caller::System, "gone").await.unwrap();
    all.push(("revoked", Some(revoked), Standing::Refused));
    let disabled = token_of(hub, "mallory", Role::Admin, None).await;
    grant(hub, "mallory", Scope::Hub, Role::Admin).await;
    identity::disable_user(hub.hub(), &Caller::System, "mallory").await.unwrap();
    all.push(("disabled", Some(disabled), Standing::Refused));
    for role in Role::ALL {
        let writes = matches!(role, Role::Writer | Role::Maintainer | Role::Admin);
        all.push((role.as_str(), Some(hub.token(role.as_str(), role).await), Standing::Reader { writes }));
    }
    let capped = token_of(hub, "ana", Role::Reader, None).await;
    grant(hub, "ana", Scope::Hub, Role::Admin).await;
    all.push(("an admin by a reader's token", Some(capped), Standing::Reader { writes: false }));
    let member = token_of(hub, "member", Role::Admin, None).await;
    grant(hub, "member", Scope::Namespace(namespace), Role::Writer).await;
    all.push(("a writer of the namespace", Some(member), Standing::Reader { writes: true }));
    let guest = token_of(hub, "guest", Role::Writer, None).await;
    for kind in RepoKind::ALL {
        for (name, _) in REPOS {
            let repo = repos::by_name(hub.hub().db().reader(), kind, name).await.unwrap().unwrap();
            grant(hub, "guest", Scope::Repo(repo.id), Role::Reader).await;
        }
    }
    all.push(("a reader of the repositories", Some(guest), Standing::Reader { writes: false }));
    let elsewhere = token_of(hub, "elsewhere", Role::Admin, None).await;
    let own = principals::namespace(hub.hub().db().reader(), "elsewhere").await.unwrap().unwrap().id;
    grant(hub, "elsewhere", Scope::Namespace(own), Role::Admin).await;
    all.push(("an admin of another namespace", Some(elsewhere), Standing::Stranger));
    all
}

/// Every question about one repository that a reader may ask.
fn questions(hub: &TestHub, kind: RepoKind, name: &str) -> Vec<(String, RequestBuilder)> {
    let (files, api) = (format!("/{}{name}", kind.url_prefix()), format!("/api/{}/{name}", kind.plural()));
    let mut asked = Vec::new();
    for route in ["resolve/main/a.txt", "resolve/main/w.bin", "raw/main/w.bin"] {
        asked.push((Method::GET, format!("{files}/{route}")));
    }
    for route in
        ["", "?blobs=true", "/revision/main", "/tree/main", "/refs", "/commits/main", "/discussions", "/auth-check"]
    {
        asked.push((Method::GET, format!("{api}{route}")));
    }
    let mut requests: Vec<(String, RequestBuilder)> = Vec::new();
    for (method, path) in asked {
        requests.push((format!("{method} {path}"), hub.get(&path)));
        requests.push((format!("HEAD {path}"), hub.head(&path)));
    }
    let path = format!("{api}/paths-info/main");
    requests.push((format!("POST {path}"), hub.post(&path).json(&value!({ "paths": ["a.txt"] }))));
    requests
}

/// Asserts that contents that were handed out are those of the repository.
fn assert_contents(who: &str, what: &str, answer: &Answer) {
    for (route, start) in [
        ("/resolve/main/a.txt", "text"),
        ("/resolve/main/w.bin", "weights"),
        ("/raw/main/w.bin", "version https://git-lfs.github.com/spec/v1\n"),
    ] {
        if what.starts_with("GET ") && what.ends_with(route) {
            assert!(answer.text().starts_with(start), "{who}: {what}: {}", answer.text());
        }
    }
}

fn by(token: Option<&str>, request: RequestBuilder) -> RequestBuilder {
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_reads_exactly_what_they_may_read() {
    let hub = guarded().await;
    for (who, token, standing) in callers(&hub).await {
        let kinds = if TRIED_EVERYWHERE.contains(&who) { &RepoKind::ALL[..] } else { &[RepoKind::Model] };
        for &kind in kinds {
            for (name, visibility) in REPOS {
                let missing = format!("{kind} `{name}` is not here");
                let (status, code, message) = match (standing, visibility) {
                    (Standing::Refused, _) => (401, "", "Invalid credentials in Authorization header"),
                    (Standing::Nobody, Visibility::Public)
                    | (Standing::Stranger, Visibility::Public | Visibility::Internal)
                    | (Standing::Reader { .. }, _) => (200, "", ""),
                    (Standing::Nobody, _) => (401, "RepoNotFound", missing.as_str()),
                    (Standing::Stranger, Visibility::Private) => (404, "RepoNotFound", missing.as_str()),
                };
                for (what, request) in questions(&hub, kind, name) {
                    let answer = Answer::to(by(token.as_deref(), request)).await;
                    assert_eq!(answer.refusal(), (status, code), "{who}: {what}");
                    let told = answer.header("x-error-message");
                    assert!(
                        told.starts_with(message) && told.is_empty() == message.is_empty(),
                        "{who}: {what}: {told}"
                    );
                    let has_commit = status == 200 && what.contains(" /") && !what.contains(" /api/");
                    assert_eq!(!answer.header("x-repo-commit").is_empty(), has_commit, "{who}: {what}");
                    assert_eq!(answer.header("www-authenticate").is_empty(), status != 401, "{who}: {what}");
                    if status == 200 {
                        assert_contents(who, &what, &answer);
                    } else {
                        assert_eq!(answer.header("cache-control"), "no-store", "{who}: {what}");
                    }
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_to_write_is_told_by_a_status() {
    let hub = guarded().await;
    for (who, token, standing) in callers(&hub).await {
        for kind in RepoKind::ALL {
            for (name, visibility) in REPOS {
                let expected = match (standing, visibility) {
                    (Standing::Refused, _) | (Standing::Nobody, Visibility::Public) => (401, ""),
                    (Standing::Nobody, _) => (401, "RepoNotFound"),
                    (Standing::Stranger, Visibility::Private) => (404, "RepoNotFound"),
                    (Standing::Stranger, _) | (Standing::Reader { writes: false }, _) => (403, ""),
                    (Standing::Reader { writes: true }, _) => (200, ""),
                };
                let path = format!("/api/{}/{name}/auth-check/write", kind.plural());
                let answer = Answer::to(by(token.as_deref(), hub.get(&path))).await;
                assert_eq!(answer.refusal(), expected, "{who}: {path}");
                if expected.0 == 403 {
                    assert!(answer.header("x-error-message").contains("`writer`"), "{who}: {path}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_learns_who_they_are_and_pages_refuse_bad_tokens_only() {
    let hub = guarded().await;
    for (who, token, standing) in callers(&hub).await {
        let token = token.as_deref();
        let known = matches!(standing, Standing::Stranger | Standing::Reader { .. });
        let whoami = Answer::to(by(token, hub.get("/api/whoami-v2"))).await;
        if known {
            let body = whoami.json();
            assert_eq!(whoami.status, 200, "{who}");
            assert!(body["name"].is_string() && body["type"] == "user" && body["orgs"].is_array(), "{who}: {body}");
            let role = &body["auth"]["accessToken"]["role"];
            assert!(role == "read" || role == "write", "{who}: {body}");
            assert!(token.is_some_and(|token| !whoami.text().contains(token)), "{who}");
        } else {
            assert_eq!(whoami.refusal(), (401, ""), "{who}");
            assert_eq!(whoami.header("x-error-message"), "Invalid username or password.", "{who}");
        }
        for path in ["/", "/api/models", "/api/datasets?full=true", "/api/models/acme/absent"] {
            let answer = Answer::to(by(token, hub.get(path))).await;
            let expected = match (standing, path.ends_with("absent")) {
                (Standing::Refused, _) => (401, ""),
                (_, false) => (200, ""),
                (Standing::Nobody, true) => (401, "RepoNotFound"),
                (_, true) => (404, "RepoNotFound"),
            };
            assert_eq!(answer.refusal(), expected, "{who}: {path}");
        }
        for path in ["/healthz", "/readyz", "/api/agent-harnesses", "/openapi.json", "/static/acervo.css"] {
            assert_eq!(Answer::to(by(token, hub.get(path))).await.status, 200, "{who}: {path}");
        }
        let proxied = by(token, hub.get("/metrics").header("x-forwarded-for", "192.0.2.1"));
        let status = match who {
            "auditor" | "admin" => 200,
            _ if known => 403,
            _ => 401,
        };
        assert_eq!(Answer::to(proxied).await.status, status, "{who}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn basic_credentials_hold_the_token_as_password() {
    let hub = guarded().await;
    let path = "/acme/secret/resolve/main/a.txt";
    for (who, token, standing) in callers(&hub).await {
        let Some(token) = token else { continue };
        for user in ["git", "", "somebody@example.org"] {
            let bearer = Answer::to(hub.get(path).bearer_auth(&token)).await;
            let basic = Answer::to(hub.get(path).basic_auth(user, Some(&token))).await;
            assert_eq!((basic.status, basic.lasting()), (bearer.status, bearer.lasting()), "{who} as {user:?}");
            assert_eq!(basic.body, bearer.body, "{who} as {user:?}");
        }
        let as_user = Answer::to(hub.get(path).basic_auth(&token, Some(""))).await;
        assert_eq!(as_user.refusal(), (401, "RepoNotFound"), "{who}: a token is no user name");
        let lower = Answer::to(hub.get(path).header("authorization", format!("bearer {token}"))).await;
        assert_eq!(lower.status == 200, matches!(standing, Standing::Reader { .. }), "{who}");
    }
    for unreadable in ["Basic %%%", "Basic", "Bearer", "Bearer ", "Token x", "x", ""] {
        let public = Answer::to(hub.get("/acme/open/resolve/main/a.txt").header("authorization", unreadable)).await;
        let status = if unreadable == "Basic %%%" { 401 } else { 200 };
        assert_eq!(public.status, status, "{unreadable:?}");
        let private = Answer::to(hub.get(path).header("authorization", unreadable)).await;
        assert_eq!(private.status, 401, "{unreadable:?}");
    }
}
