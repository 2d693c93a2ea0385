//! What is hidden is as good as missing: to the byte, on every route, and in every list.

use std::collections::BTreeSet;

use acervo_core::{RepoKind, Role};
use acervo_store::db::repos::{self, Cause};
use acervo_tests::test_hub::TestHub;
use reqwest::{Method, RequestBuilder};
use serde_json::json as value;

use super::{FOREIGN, REPOS, Standing, TRIED_EVERYWHERE, by, callers, guarded};
use crate::serve::{Answer, get};

/// Every question whose answer could tell a hidden repository from a missing one.
fn probes(hub: &TestHub, kind: RepoKind, name: &str) -> Vec<(String, RequestBuilder)> {
    let (files, api) = (format!("/{}{name}", kind.url_prefix()), format!("/api/{}/{name}", kind.plural()));
    let mut probes: Vec<(String, RequestBuilder)> = Vec::new();
    for rest in ["main/a.txt", "main/absent", "v9/a.txt", "refs%2Fpr%2F1/a.txt", "main/%2e%2e%2fx", "main/100%25"] {
        for route in ["resolve", "raw"] {
            let path = format!("{files}/{route}/{rest}");
            probes.push((format!("HEAD {route}/{rest}"), hub.head(&path)));
            probes.push((format!("GET {route}/{rest}"), hub.get(&path)));
        }
    }
    let file = format!("{files}/resolve/main/a.txt");
    for (name, header) in [
        ("range", "bytes=0-0"),
        ("range", "bytes=99-"),
        ("if-none-match", "*"),
        ("if-match", "\"x\""),
        ("accept-encoding", "gzip"),
        ("origin", "https://app.example"),
        ("accept", "text/html"),
    ] {
        probes.push((format!("GET with {name}: {header}"), hub.get(&file).header(name, header)));
        probes.push((format!("HEAD with {name}: {header}"), hub.head(&file).header(name, header)));
    }
    for rest in [
        "",
        "?blobs=true",
        "?expand=sha",
        "/revision/main",
        "/revision/v9",
        "/tree/main",
        "/tree/main/absent",
        "/tree/main?recursive=true&limit=1",
        "/tree/v9",
        "/tree/main?cursor=%21",
        "/refs",
        "/refs?include_prs=1",
        "/commits/main",
        "/commits/v9",
        "/commits/main?p=99999999",
        "/discussions?p=0",
        "/auth-check",
        "/auth-check/write",
        "/ask-access",
        "/user-access-request/pending",
        "/likers",
        "/settings",
    ] {
        let path = format!("{api}{rest}");
        probes.push((format!("HEAD {rest}"), hub.head(&path)));
        probes.push((format!("GET {rest}"), hub.get(&path)));
        probes.push((format!("GET {rest} with gzip"), hub.get(&path).header("accept-encoding", "gzip")));
    }
    probes.push(("the register".to_owned(), hub.get(&format!("{files}/user-access-report"))));
    let many: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    let paths_info = format!("{api}/paths-info/main");
    for (what, request) in [
        ("a form", hub.post(&paths_info).body("paths=a.txt&expand=false")),
        ("json", hub.post(&paths_info).json(&value!({ "paths": ["a.txt"] }))),
        ("too many paths", hub.post(&paths_info).json(&value!({ "paths": many }))),
        ("a broken body", hub.post(&paths_info).header("content-type", "application/json").body("{")),
        ("another revision", hub.post(&format!("{api}/paths-info/v9")).body("paths=a.txt")),
        ("a POST to a file", hub.post(&file).body("")),
    ] {
        probes.push((what.to_owned(), request));
    }
    let decision = value!({ "user": "eve", "status": "accepted" });
    for (what, request) in [
        ("accepting other terms", hub.post(&format!("{api}/ask-access")).body("terms=x")),
        ("deciding", hub.post(&format!("{api}/user-access-request/handle")).json(&decision)),
        ("granting", hub.post(&format!("{api}/user-access-request/grant")).json(&decision)),
        ("changing settings", hub.put(&format!("{api}/settings")).json(&value!({ "gated": "auto" }))),
        ("changing nonsense", hub.put(&format!("{api}/settings")).body("[")),
    ] {
        probes.push((what.to_owned(), request));
    }
    probes
}

/// All of an answer that a caller could compare, the name taken out.
async fn seen(request: RequestBuilder, name: &str) -> String {
    let answer = Answer::to(request).await;
    let headers: Vec<String> = answer.lasting().iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let body = String::from_utf8_lossy(&answer.body);
    format!("{}\n{}\n\n{body}", answer.status, headers.join("\n")).replace(name, "NAME")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_repository_answers_like_a_missing_one() {
    let hub = guarded().await;
    let db = hub.hub().db();
    for kind in RepoKind::ALL {
        let tx = db.begin().await.unwrap();
        let secret = repos::by_name(&tx, kind, "acme/secret").await.unwrap().unwrap();
        repos::add_alias(&tx, &secret, "secret", Cause::Canonical, hub.hub().now()).await.unwrap();
        acervo_store::db::commit(tx).await.unwrap();
    }
    let reader = hub.token("reader", Role::Reader).await;
    for kind in RepoKind::ALL {
        let path = format!("/api/{}/secret", kind.plural());
        assert_eq!(Answer::to(hub.get(&path).bearer_auth(&reader)).await.status, 307, "the alias is there");
    }
    let stranger = hub.stranger("eve").await;
    let of_nobody = ["acme/secret", "ACME/Secret", "secret", "acme/house", "ACME/house"];
    let of_strangers = ["acme/secret", "ACME/Secret", "secret"];
    let mut compared = 0;
    for (token, names) in [(None, &of_nobody[..]), (Some(FOREIGN), &of_nobody), (Some(&stranger), &of_strangers)] {
        for hidden in names {
            // As long as the hidden name, so that lengths must be the same too.
            let missing = hidden.to_lowercase().replace("secret", "absent").replace("house", "hoard");
            let missing = if hidden.starts_with('A') { missing.replace("acme", "ACME") } else { missing };
            let kinds = if *hidden == "acme/secret" { &RepoKind::ALL[..] } else { &[RepoKind::Model] };
            for &kind in kinds {
                let (left, right) = (probes(&hub, kind, hidden), probes(&hub, kind, &missing));
                for ((what, of_hidden), (_, of_missing)) in left.into_iter().zip(right) {
                    let of_hidden = seen(by(token, of_hidden), hidden).await;
                    let of_missing = seen(by(token, of_missing), &missing).await;
                    assert_eq!(of_hidden, of_missing, "{kind} {hidden}: {what}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 1000, "only {compared} answers were compared");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_pages_show_what_the_caller_may_read_and_nothing_else() {
    let hub = guarded().await;
    for (who, token, standing) in callers(&hub).await {
        let token = token.as_deref();
        let may_see: BTreeSet<&str> = match standing {
            Standing::Refused => continue,
            Standing::Nobody => ["acme/open"].into(),
            Standing::Stranger => ["acme/open", "acme/house"].into(),
            Standing::Reader { .. } => REPOS.map(|(name, _)| name).into(),
        };
        let kinds = if TRIED_EVERYWHERE.contains(&who) { &RepoKind::ALL[..] } else { &[RepoKind::Model] };
        for &kind in kinds {
            for (query, among) in [
                ("?limit=1000", &["open", "house", "secret"][..]),
                ("?limit=1", &["open", "house", "secret"]),
                ("?limit=1&sort=createdAt&full=true", &["open", "house", "secret"]),
                ("?author=acme&cardData=true", &["open", "house", "secret"]),
                ("?filter=license%3Amit&limit=2", &["open", "house", "secret"]),
                ("?search=secret", &["secret"]),
                ("?search=house&limit=1", &["house"]),
            ] {
                let mut found = Vec::new();
                let mut next = Some(format!("/api/{}{query}", kind.plural()));
                while let Some(path) = next {
                    let answer = Answer::to(by(token, hub.get(&path))).await;
                    let items = answer.json().as_array().unwrap().clone();
                    next = answer.next(&hub);
                    assert!(next.is_none() || !items.is_empty(), "{who}: an empty page tells of hidden repositories");
                    found.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
                    assert!(found.len() < 100, "{who}: {query} does not end");
                }
                let expected: BTreeSet<String> = among
                    .iter()
                    .map(|name| format!("acme/{name}"))
                    .filter(|name| may_see.contains(name.as_str()))
                    .collect();
                assert_eq!(found.len(), expected.len(), "{who}: {query}: {found:?}");
                assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{who}: {query}");
            }
        }
        for path in ["/", "/?lang=es", "/?search=acme"] {
            let page = Answer::to(by(token, hub.get(path))).await;
            for (name, _) in REPOS {
                let short = name.strip_prefix("acme/").unwrap();
                assert_eq!(page.text().contains(short), may_see.contains(name), "{who}: {path}: {name}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_somebody_else_was_led_to_shows_no_more() {
    let hub = guarded().await;
    let admin = hub.token("admin", Role::Admin).await;
    let mut next = Some("/api/models?limit=1".to_owned());
    while let Some(path) = next {
        let of_admin = Answer::to(hub.get(&path).bearer_auth(&admin)).await;
        let of_nobody = get(&hub, &path).await;
        assert_eq!(of_nobody.status, 200, "{path}");
        for item in of_nobody.json().as_array().unwrap() {
            assert_eq!(item["id"], "acme/open", "{path}");
        }
        assert_eq!(of_nobody.header("link"), "", "{path}: there is but one to show");
        next = of_admin.next(&hub);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_are_not_there_tell_nothing_either() {
    let hub = guarded().await;
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let mut answers = Vec::new();
        for name in ["acme/secret", "acme/absent"] {
            let url = format!("{}/api/models/{name}", hub.url());
            answers.push(seen(reqwest::Client::new().request(method.clone(), url), name).await);
        }
        assert_eq!(answers[0], answers[1], "{method}");
    }
}
