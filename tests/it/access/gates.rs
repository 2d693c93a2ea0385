//! Gated repositories: who sees them, who may have their contents, and the register of consent.

use acervo::app::events;
use acervo::app::settings::{self, Change, Terms};
use acervo::app::{gates, repos};
use acervo_core::access::{Readable, Scope};
use acervo_core::gate::{GateMode, RequestState};
use acervo_core::{Caller, RepoKind, Role, Sha256Digest, Visibility};
use acervo_store::db::events as event_rows;
use acervo_store::db::gates as rows;
use acervo_store::db::repos::Repo;
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::RepoFixture;
use acervo_tests::test_hub::{TestHub, order};
use serde_json::{Value, json as value};
use std::sync::Arc;

use super::{Standing, assert_contents, by, callers, grant, guarded, questions, token_of};
use crate::serve::{Answer, commit, get};

/// What is gated, who may see it, and by which gate.
const GATED: [(&str, Visibility, GateMode); 4] = [
    ("acme/asks", Visibility::Public, GateMode::Manual),
    ("acme/lets-in", Visibility::Public, GateMode::Automatic),
    ("acme/asks-house", Visibility::Internal, GateMode::Automatic),
    ("acme/asks-secret", Visibility::Private, GateMode::Manual),
];

const TERMS: &str = "For research alone.\n";

/// Roles that manage a repository, and so pass its gate; the credential used does not matter.
const MANAGERS: [&str; 3] = ["maintainer", "admin", "an admin by a reader's token"];

/// A repository as this installation finds it.
async fn found(hub: &TestHub, name: &str) -> Readable<Arc<Repo>> {
    repos::find(hub.hub(), &Caller::System, RepoKind::Model, name).await.unwrap().into_repo()
}

async fn set(hub: &TestHub, name: &str, mode: GateMode, terms: Terms) {
    let change = Change { gate: Some(mode), terms, ..Change::default() };
    settings::change(hub.hub(), &Caller::System, &found(hub, name).await, &change).await.unwrap();
}

/// The hub of the other tests, with gated repositories beside.
async fn gated() -> TestHub {
    let hub = guarded().await;
    for (name, visibility, mode) in GATED {
        let files = [("README.md", &b"---\nlicense: mit\n---\n"[..]), ("a.txt", b"text"), ("w.bin", b"weights")];
        commit(&hub, (RepoKind::Model, name, visibility), &files).await;
        set(&hub, name, mode, Terms::Put(TERMS.to_owned())).await;
    }
    hub
}

/// Every event so far: kind, subject, and the facts.
async fn told(hub: &TestHub) -> Vec<(String, String, Value)> {
    events::number_waiting(hub.hub()).await.unwrap();
    let all = event_rows::after(hub.hub().db().reader(), 0, 10_000).await.unwrap();
    all.into_iter().map(|event| (event.kind, event.subject, serde_json::from_slice(&event.body).unwrap())).collect()
}

/// Kinds of the events after the first `seen`.
async fn told_since(hub: &TestHub, seen: usize) -> Vec<String> {
    told(hub).await.into_iter().skip(seen).map(|(kind, ..)| kind).collect()
}

fn terms_of(text: &str) -> String {
    Sha256Digest::of(text.as_bytes()).to_hex()
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_a_gated_repository_like_an_open_one_and_has_its_contents_when_let_in() {
    let hub = gated().await;
    let mut all = callers(&hub).await;
    let let_in = token_of(&hub, "letin", Role::Reader, None).await;
    for (name, ..) in GATED {
        let repo = found(&hub, name).await;
        grant(&hub, "letin", Scope::Repo(repo.id), Role::Reader).await;
        gates::grant(hub.hub(), &Caller::System, &repo, "letin").await.unwrap();
    }
    all.push(("let in", Some(let_in), Standing::Reader { writes: false }));
    for (who, token, standing) in all {
        let passes = MANAGERS.contains(&who) || who == "let in";
        for (name, visibility, mode) in GATED {
            let guest_only = who == "a reader of the repositories" && visibility == Visibility::Private;
            for (what, request) in questions(&hub, RepoKind::Model, name) {
                let is_contents = !what.contains(" /api/") || what.contains("/auth-check");
                let expected = match (standing, visibility) {
                    (Standing::Refused, _) => (401, ""),
                    (Standing::Nobody, Visibility::Public) if is_contents => (401, "GatedRepo"),
                    (Standing::Nobody, Visibility::Public) => (200, ""),
                    (Standing::Nobody, _) => (401, "RepoNotFound"),
                    (Standing::Stranger, Visibility::Private) => (404, "RepoNotFound"),
                    _ if guest_only => (404, "RepoNotFound"),
                    (Standing::Stranger | Standing::Reader { .. }, _) if is_contents && !passes => (403, "GatedRepo"),
                    (Standing::Stranger | Standing::Reader { .. }, _) => (200, ""),
                };
                let answer = Answer::to(by(token.as_deref(), request)).await;
                assert_eq!(answer.refusal(), expected, "{who}: {what}");
                if expected.1 == "GatedRepo" {
                    let way = format!("`/api/models/{name}/ask-access`");
                    assert!(answer.header("x-error-message").contains(&way), "{who}: {what}");
                    assert_eq!(answer.header("cache-control"), "no-store", "{who}: {what}");
                    for header in ["x-repo-commit", "etag", "x-linked-etag", "x-linked-size", "accept-ranges"] {
                        assert_eq!(answer.header(header), "", "{who}: {what}: {header}");
                    }
                    let names_contents = answer.text().contains("weights") || answer.text() == "text";
                    assert!(!names_contents, "{who}: {what}: {}", answer.text());
                } else if expected.0 == 200 && is_contents && !what.contains("/auth-check") {
                    assert_eq!(answer.header("cache-control"), "private, no-cache", "{who}: {what}");
                    assert_eq!(answer.header("x-repo-commit").len(), 40, "{who}: {what}");
                    assert_contents(who, &what, &answer);
                } else if what == format!("GET /api/models/{name}") && expected.0 == 200 {
                    assert_eq!(answer.json()["gated"], mode.as_str(), "{who}: {what}");
                    assert_eq!(answer.json()["siblings"].as_array().unwrap().len(), 3, "{who}: {what}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_gate_refuses_before_it_looks_at_what_is_asked_for() {
    let hub = gated().await;
    let token = hub.stranger("eve").await;
    let commit = get(&hub, "/api/models/acme/asks").await.json()["sha"].as_str().unwrap().to_owned();
    for rest in ["main/a.txt", "main/absent", "v9/a.txt", "main/%2e%2e%2fx", &format!("{commit}/a.txt")] {
        for route in ["resolve", "raw"] {
            for (name, header) in [("range", "bytes=0-0"), ("if-none-match", "*"), ("if-match", "\"x\""), ("x", "x")] {
                let request = hub.get(&format!("/acme/asks/{route}/{rest}")).header(name, header);
                let answer = Answer::to(request.bearer_auth(&token)).await;
                assert_eq!(answer.refusal(), (403, "GatedRepo"), "{route}/{rest} with {name}");
            }
        }
    }
    let cached = hub.get(&format!("/api/resolve-cache/models/acme/asks/{commit}/a.txt")).bearer_auth(&token);
    assert_eq!(Answer::to(cached).await.refusal(), (403, "GatedRepo"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_accepts_the_terms_of_an_automatic_gate_is_in_and_asked_again_when_they_change() {
    let hub = gated().await;
    let token = hub.stranger("eve").await;
    let (file, ask) = ("/acme/lets-in/resolve/main/a.txt", "/api/models/acme/lets-in/ask-access");
    let standing = async || Answer::to(hub.get(ask).bearer_auth(&token)).await.json();
    let read = async || Answer::to(hub.get(file).bearer_auth(&token)).await;
    let accept = async |terms: &str| Answer::to(hub.post(ask).bearer_auth(&token).body(format!("terms={terms}"))).await;
    let anonymous = get(&hub, ask).await.json();
    assert_eq!((&anonymous["terms"]["text"], &anonymous["hasAccess"]), (&value!(TERMS), &value!(false)));
    assert_eq!(Answer::to(hub.post(ask)).await.refusal(), (401, ""), "consent is somebody's");

    let seen = told(&hub).await.len();
    for other in ["", "yes", &terms_of("other terms")] {
        let refused = accept(other).await;
        assert_eq!(refused.refusal(), (400, ""), "{other}");
        assert!(!refused.header("x-error-message").is_empty());
    }
    assert_eq!((read().await.refusal(), told(&hub).await.len()), ((403, "GatedRepo"), seen));

    let accepted = accept(&terms_of(TERMS)).await;
    assert_eq!((accepted.status.as_u16(), &accepted.json()["status"]), (200, &value!("accepted")));
    assert_eq!(read().await.text(), "text");
    assert_eq!(told_since(&hub, seen).await, ["access.requested"]);
    let (_, subject, event) = told(&hub).await.pop().unwrap();
    assert_eq!((subject.as_str(), &event["actor"]), ("acme/lets-in", &value!("eve")));
    assert_eq!(event["details"]["facts"]["terms"], terms_of(TERMS));
    assert_eq!(accept(&terms_of(TERMS)).await.json()["status"], "accepted");
    assert_eq!(told_since(&hub, seen).await.len(), 1, "asking again changes nothing");

    set(&hub, "acme/lets-in", GateMode::Automatic, Terms::Put("New terms.".to_owned())).await;
    let refused = read().await;
    assert_eq!(refused.refusal(), (403, "GatedRepo"));
    assert!(refused.header("x-error-message").contains("its terms have changed"));
    assert_eq!(accept(&terms_of(TERMS)).await.refusal(), (400, ""), "those are the old ones");
    assert_eq!(accept(&terms_of("New terms.")).await.status, 200);
    assert_eq!(read().await.status, 200);
    assert_eq!(told_since(&hub, seen + 1).await, ["gate.set", "access.consented"]);
    let register: Vec<Value> = standing().await["acceptedTerms"].as_array().unwrap().clone();
    let digests: Vec<&Value> = register.iter().map(|terms| &terms["sha256"]).collect();
    assert_eq!(
        digests,
        [&value!(terms_of(TERMS)), &value!(terms_of("New terms."))],
        "each with its time: {register:?}"
    );

    set(&hub, "acme/lets-in", GateMode::Automatic, Terms::Put(TERMS.to_owned())).await;
    assert_eq!(read().await.status, 200, "that text was accepted before");
    set(&hub, "acme/lets-in", GateMode::Open, Terms::Keep).await;
    assert_eq!(get(&hub, file).await.status, 200, "open to all");
    assert_eq!(Answer::to(hub.post(ask).bearer_auth(&token)).await.refusal(), (400, ""), "nothing to ask for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manual_gate_opens_and_closes_as_its_maintainers_say() {
    let hub = gated().await;
    let eve = hub.stranger("eve").await;
    let maintainer = token_of(&hub, "mia", Role::Admin, None).await;
    let repo = found(&hub, "acme/asks").await;
    grant(&hub, "mia", Scope::Repo(repo.id), Role::Maintainer).await;
    let api = "/api/models/acme/asks";
    let read = async || Answer::to(hub.get("/acme/asks/resolve/main/a.txt").bearer_auth(&eve)).await;
    let ask = async || {
        let body = value!({ "terms": terms_of(TERMS) });
        Answer::to(hub.post(&format!("{api}/ask-access")).bearer_auth(&eve).json(&body)).await
    };
    let listed = async |status: &str| {
        let path = format!("{api}/user-access-request/{status}");
        Answer::to(hub.get(&path).bearer_auth(&maintainer)).await.json().as_array().unwrap().clone()
    };
    let post = async |route: &str, body: Value| {
        let request = hub.post(&format!("{api}/user-access-request/{route}")).bearer_auth(&maintainer);
        Answer::to(request.json(&body)).await
    };
    let seen = told(&hub).await.len();
    assert_eq!(post("handle", value!({ "user": "eve", "status": "accepted" })).await.refusal(), (404, ""), "unasked");

    let asked = ask().await.json();
    assert_eq!(asked["status"], "pending");
    assert!(read().await.header("x-error-message").contains("waits for a maintainer"));
    let pending = listed("pending").await;
    assert_eq!(pending.len(), 1);
    assert_eq!((&pending[0]["user"]["user"], &pending[0]["status"]), (&value!("eve"), &value!("pending")));
    assert_eq!(pending[0]["requestId"], asked["requestId"]);
    assert_eq!(pending[0]["acceptedTerms"][0]["sha256"], terms_of(TERMS));
    assert!(pending[0]["timestamp"].as_str().unwrap().ends_with('Z'));

    let by_id = value!({ "requestId": asked["requestId"], "status": "accepted" });
    assert_eq!(post("handle", by_id.clone()).await.status, 200);
    assert_eq!(read().await.text(), "text");
    assert_eq!(post("handle", by_id).await.refusal(), (404, ""), "accepted already");
    let accepted = listed("accepted").await;
    assert_eq!((&accepted[0]["decidedBy"], listed("pending").await.len()), (&value!("mia"), 0));

    let long = "x".repeat(201);
    let reject = |reason: &str| value!({ "user": "EVE", "status": "rejected", "rejectionReason": reason });
    assert_eq!(post("handle", reject(&long)).await.refusal(), (400, ""));
    assert_eq!(read().await.status, 200);
    assert_eq!(post("handle", reject("left the group")).await.status, 200);
    assert!(read().await.header("x-error-message").contains("was rejected"));
    assert_eq!(ask().await.refusal(), (403, "GatedRepo"), "who was rejected cannot ask again");
    let own = Answer::to(hub.get(&format!("{api}/ask-access")).bearer_auth(&eve)).await.json();
    assert_eq!((&own["request"]["rejectionReason"], &own["hasAccess"]), (&value!("left the group"), &value!(false)));

    assert_eq!(post("handle", value!({ "user": "eve", "status": "pending" })).await.status, 200);
    assert_eq!((read().await.refusal(), listed("pending").await.len()), ((403, "GatedRepo"), 1));
    assert_eq!(post("grant", value!({ "user": "eve" })).await.status, 200);
    assert_eq!(read().await.status, 200);
    assert_eq!(post("grant", value!({ "user": "eve" })).await.refusal(), (400, ""), "has access already");
    assert_eq!(post("grant", value!({ "user": "nobody-here" })).await.refusal(), (404, ""));
    set(&hub, "acme/asks", GateMode::Manual, Terms::Put("Others.".to_owned())).await;
    assert_eq!(read().await.status, 200, "who granted answers for consent");

    let report = Answer::to(hub.get("/acme/asks/user-access-report").bearer_auth(&maintainer)).await;
    assert!(report.header("content-type").starts_with("text/csv"));
    let lines: Vec<&str> = report.text().lines().collect();
    assert_eq!(lines.len(), 2, "a heading and one request with one text: {lines:?}");
    assert!(lines[1].starts_with("\"eve\",") && lines[1].contains(&terms_of(TERMS)), "{}", lines[1]);

    let kinds = told_since(&hub, seen).await;
    let expected = ["access.requested", "access.accepted", "access.rejected", "access.cancelled", "access.granted"];
    assert_eq!(kinds[..5], expected);
    assert_eq!(kinds[5..], ["gate.set"]);
    let (_, _, rejected) = told(&hub).await.into_iter().find(|(kind, ..)| kind == "access.rejected").unwrap();
    assert_eq!(rejected["actor"], "mia");
    assert_eq!(rejected["details"]["facts"]["reason"], "left the group");
    assert_eq!((&rejected["details"]["user"], &rejected["details"]["state"]), (&value!("eve"), &value!("rejected")));
    let eve = acervo_store::db::principals::by_name(hub.hub().db().reader(), "eve").await.unwrap().unwrap();
    let stored = rows::request(hub.hub().db().reader(), repo.id, eve.id).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.granted, stored.reason), (RequestState::Accepted, true, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_manage_a_repository_learns_and_changes_nothing_of_its_register() {
    let hub = gated().await;
    let body = value!({ "user": "erin", "status": "accepted" });
    let erin = hub.stranger("erin").await;
    let asked = hub.post("/api/models/acme/asks/ask-access").bearer_auth(&erin);
    assert_eq!(Answer::to(asked.json(&value!({ "terms": terms_of(TERMS) }))).await.status, 200);
    let all = callers(&hub).await;
    let before = told(&hub).await.len();
    for (who, token, standing) in &all {
        for (name, visibility, _) in GATED {
            let manages = matches!(*who, "maintainer" | "admin");
            let guest_only = *who == "a reader of the repositories" && visibility == Visibility::Private;
            let expected = match (standing, visibility) {
                (Standing::Refused, _) | (Standing::Nobody, Visibility::Public) => (401, ""),
                (Standing::Nobody, _) => (401, "RepoNotFound"),
                (Standing::Stranger, Visibility::Private) => (404, "RepoNotFound"),
                _ if guest_only => (404, "RepoNotFound"),
                (Standing::Stranger | Standing::Reader { .. }, _) if manages => continue,
                (Standing::Stranger | Standing::Reader { .. }, _) => (403, ""),
            };
            let api = format!("/api/models/{name}");
            for (what, request) in [
                ("list", hub.get(&format!("{api}/user-access-request/pending"))),
                ("list nonsense", hub.get(&format!("{api}/user-access-request/nonsense"))),
                ("handle", hub.post(&format!("{api}/user-access-request/handle")).json(&body)),
                ("handle nonsense", hub.post(&format!("{api}/user-access-request/handle")).body("{")),
                ("grant", hub.post(&format!("{api}/user-access-request/grant")).json(&value!({ "user": who }))),
                ("settings", hub.put(&format!("{api}/settings")).json(&value!({ "gated": false }))),
                ("settings nonsense", hub.put(&format!("{api}/settings")).body("[")),
            ] {
                let answer = Answer::to(by(token.as_deref(), request)).await;
                assert_eq!(answer.refusal(), expected, "{who}: {name}: {what}");
            }
        }
    }
    assert_eq!(told(&hub).await.len(), before, "nothing has changed");
    for (name, _, mode) in GATED {
        assert_eq!(found(&hub, name).await.gate().mode, mode);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_changed_all_together_and_hold_with_the_next_request() {
    let hub = guarded().await;
    let admin = hub.token("admin", Role::Admin).await;
    let put =
        async |body: Value| Answer::to(hub.put("/api/models/acme/open/settings").bearer_auth(&admin).json(&body)).await;
    let (file, info) = ("/acme/open/resolve/main/a.txt", "/api/models/acme/open");
    let seen = told(&hub).await.len();

    let now = put(value!({ "gated": "manual", "gatedTerms": TERMS })).await.json();
    assert_eq!((&now["gated"], &now["gatedTerms"]), (&value!("manual"), &value!(terms_of(TERMS))));
    assert_eq!(get(&hub, file).await.refusal(), (401, "GatedRepo"));
    assert_eq!(put(value!({ "gated": "auto" })).await.json()["gatedTerms"], terms_of(TERMS), "terms stay");
    assert_eq!(get(&hub, info).await.json()["gated"], "auto");
    assert_eq!(put(value!({ "gated": "manual", "visibility": "protected" })).await.refusal(), (400, ""));
    assert_eq!(put(value!({ "gatedTerms": "x".repeat(300_000) })).await.refusal(), (413, ""));
    assert_eq!(put(value!({ "gatedTerms": " " })).await.refusal(), (400, ""));
    assert_eq!(get(&hub, info).await.json()["gated"], "auto", "half a change is none");
    assert_eq!(put(value!({ "gated": false, "private": true })).await.json()["visibility"], "private");
    assert_eq!(get(&hub, file).await.refusal(), (401, "RepoNotFound"));
    assert_eq!(put(value!({ "visibility": "public", "gatedTerms": null })).await.status, 200);
    assert_eq!(get(&hub, file).await.text(), "text");
    assert_eq!(
        told_since(&hub, seen).await,
        ["gate.set", "gate.set", "repo.visibility_changed", "gate.set", "repo.visibility_changed", "gate.set"]
    );
    let renamed = Answer::to(hub.put("/api/models/ACME/open/settings").bearer_auth(&admin).json(&value!({}))).await;
    assert_eq!((renamed.status.as_u16(), renamed.header("location")), (307, "/api/models/acme/open/settings"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_register_is_read_in_pages() {
    let hub = gated().await;
    let repo = found(&hub, "acme/asks").await;
    let tx = hub.hub().db().begin().await.unwrap();
    let total = usize::try_from(gates::PAGE_REQUESTS).unwrap() + 3;
    for n in 0..total {
        let name = format!("user-{n}");
        let kind = acervo_store::db::principals::PrincipalKind::Person;
        let who = acervo_store::db::principals::insert(&tx, kind, &name, hub.hub().now()).await.unwrap();
        let request = rows::Request {
            id: 0,
            public_id: format!("{n:024x}"),
            repo_id: repo.id,
            principal_id: who.id,
            state: RequestState::Pending,
            granted: false,
            asked_at: hub.hub().now(),
            decided_at: None,
            decided_by: None,
            reason: None,
        };
        rows::insert_request(&tx, request).await.unwrap();
    }
    acervo_store::db::commit(tx).await.unwrap();
    let admin = hub.token("admin", Role::Admin).await;
    let mut names = Vec::new();
    let mut next = Some("/api/models/acme/asks/user-access-request/pending".to_owned());
    let mut pages = 0;
    while let Some(path) = next {
        let answer = Answer::to(hub.get(&path).bearer_auth(&admin)).await;
        next = answer.next(&hub);
        let page = answer.json();
        names.extend(page.as_array().unwrap().iter().map(|item| item["user"]["user"].as_str().unwrap().to_owned()));
        pages += 1;
        assert!(pages < 10, "the links do not end");
    }
    assert_eq!((pages, names.len()), (2, total));
    let expected: Vec<String> = (0..total).map(|n| format!("user-{n}")).collect();
    assert_eq!(names, expected, "oldest first, none twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_upstream_gates_is_gated_here_unless_somebody_decides_otherwise() {
    let names = ["acme/by-default", "acme/opened", "acme/by-itself", "acme/later"];
    let mut fixtures: Vec<RepoFixture> = names[..3]
        .iter()
        .map(|name| RepoFixture::model(name).file("a.txt", "text").gated_auto().grant([TOKEN]))
        .collect();
    let later = RepoFixture::model("acme/later").file("a.txt", "text");
    fixtures.push(later.clone());
    let upstream = FakeUpstream::start(fixtures).await.unwrap();
    let hub = TestHub::with(&upstream.endpoint(), |config| {
        config.upstream.token = Some(acervo_core::Secret::new(TOKEN));
    })
    .await;
    let mut mirrors = Vec::new();
    for (name, gate) in names.iter().zip([None, Some(GateMode::Open), Some(GateMode::Automatic), None]) {
        let mut request = order(RepoKind::Model, name);
        request.gate = gate;
        let mirror = hub.mirror_with(request).await;
        hub.sync(&mirror).await;
        mirrors.push(mirror);
    }
    let shown = async |name: &str| get(&hub, &format!("/api/models/{name}")).await.json()["gated"].clone();
    let file = |name: &str| format!("/{name}/resolve/main/a.txt");
    for (name, gated, status) in [
        (names[0], value!("manual"), 401),
        (names[1], value!(false), 200),
        (names[2], value!("auto"), 401),
        (names[3], value!(false), 200),
    ] {
        assert_eq!((shown(name).await, get(&hub, &file(name)).await.status.as_u16()), (gated, status), "{name}");
    }
    let closed: Vec<Value> = told(&hub)
        .await
        .into_iter()
        .filter(|(kind, subject, _)| kind == "gate.set" && subject == names[0])
        .map(|(_, _, event)| event)
        .collect();
    assert_eq!(closed.len(), 1);
    assert_eq!((&closed[0]["details"]["now"], &closed[0]["actor"]), (&value!("manual"), &value!("system")));
    assert_eq!(closed[0]["details"]["why"], "gated at upstream");

    let next = later.commit("More", |commit| commit.file("a.txt", "more")).gated_manual().grant([TOKEN]);
    upstream.with_repo("acme/later", |repo| *repo = next);
    hub.sync(&mirrors[3]).await;
    assert_eq!((shown(names[3]).await, get(&hub, &file(names[3])).await.status.as_u16()), (value!("manual"), 401));

    set(&hub, names[3], GateMode::Open, Terms::Keep).await;
    upstream.with_repo("acme/later", |repo| {
        *repo = repo.clone().commit("Once more", |commit| commit.file("a.txt", "once more"));
    });
    hub.sync(&mirrors[3]).await;
    assert_eq!(get(&hub, &file(names[3])).await.text(), "once more", "somebody has decided");
}

/// Token by which the upstream lets this hub in.
const TOKEN: &str = "hf_TheTokenOfThisHubAtItsUpstream000000";

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_the_namespace_is_no_party_to_its_terms() {
    let hub = gated().await;
    let token = token_of(&hub, "ana", Role::Admin, None).await;
    let repo = found(&hub, "acme/asks-secret").await;
    for role in [Role::Reader, Role::Writer, Role::Reviewer, Role::Auditor] {
        grant(&hub, "ana", Scope::Namespace(repo.namespace_id), role).await;
        let answer = Answer::to(hub.get("/acme/asks-secret/resolve/main/a.txt").bearer_auth(&token)).await;
        assert_eq!(answer.refusal(), (403, "GatedRepo"), "{role}");
    }
    grant(&hub, "ana", Scope::Namespace(repo.namespace_id), Role::Maintainer).await;
    let answer = Answer::to(hub.get("/acme/asks-secret/resolve/main/a.txt").bearer_auth(&token)).await;
    assert_eq!(answer.text(), "text");
}
