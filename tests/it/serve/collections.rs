//! Collections: who sees which, and what in them.

use acervo::app::collections::{self, Draft, Shown, Theme};
use acervo::app::{events, repos};
use acervo_core::{Caller, RepoKind, Role, Visibility};
use acervo_store::db::events as event_rows;
use acervo_tests::test_hub::TestHub;
use serde_json::{Value, json as value};

use super::{Answer, alone, commit, field, pages};

const REPOS: [(RepoKind, &str, Visibility); 4] = [
    (RepoKind::Model, "acme/open", Visibility::Public),
    (RepoKind::Dataset, "acme/house", Visibility::Internal),
    (RepoKind::Model, "acme/secret", Visibility::Private),
    (RepoKind::Space, "acme/show", Visibility::Public),
];

async fn make(hub: &TestHub, title: &str, visibility: Visibility) -> Shown {
    let draft = Draft {
        owner: "acme".to_owned(),
        title: title.to_owned(),
        description: Some(format!("About {title}")),
        theme: Theme::Green,
        visibility,
    };
    collections::create(hub.hub(), &Caller::System, &draft).await.unwrap()
}

async fn put(hub: &TestHub, collection: &Shown, (kind, name): (RepoKind, &str), note: Option<&str>) {
    let repo = repos::find(hub.hub(), &Caller::System, kind, name).await.unwrap().into_repo();
    collections::add(hub.hub(), &Caller::System, collection, &repo, note).await.unwrap();
}

/// A hub with a collection of every visibility, each with everything in it.
async fn filled() -> (TestHub, [String; 3]) {
    let hub = alone().await;
    for repo in REPOS {
        commit(&hub, repo, &[("a.txt", b"text")]).await;
    }
    let mut slugs = Vec::new();
    for (title, visibility) in
        [("Open \u{e1}rbol", Visibility::Public), ("House", Visibility::Internal), ("Secret", Visibility::Private)]
    {
        let collection = make(&hub, title, visibility).await;
        for (kind, name, _) in REPOS {
            put(&hub, &collection, (kind, name), (name == "acme/open").then_some("the <best>")).await;
        }
        slugs.push(collection.slug());
    }
    (hub, slugs.try_into().unwrap())
}

async fn ask(hub: &TestHub, token: Option<&str>, path: &str) -> Answer {
    let request = hub.get(path);
    Answer::to(match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_the_collections_and_the_repositories_that_are_for_them() {
    let (hub, slugs) = filled().await;
    let (eve, admin) = (hub.stranger("eve").await, hub.token("admin", Role::Admin).await);
    for (token, seen, items) in [
        (None, 1, vec!["acme/open", "acme/show"]),
        (Some(&eve), 2, vec!["acme/open", "acme/house", "acme/show"]),
        (Some(&admin), 3, vec!["acme/open", "acme/house", "acme/secret", "acme/show"]),
    ] {
        let token = token.map(String::as_str);
        let listed = ask(&hub, token, "/api/collections").await.json();
        let mut expected: Vec<&str> = slugs[..seen].iter().map(String::as_str).collect();
        expected.reverse();
        assert_eq!(field(listed.as_array().unwrap(), "slug"), expected, "the last changed comes first");
        for (number, slug) in slugs.iter().enumerate() {
            let answer = ask(&hub, token, &format!("/api/collections/{slug}")).await;
            if number >= seen {
                assert_eq!(answer.refusal(), (404, ""), "{slug}");
                assert!(answer.header("x-error-message").contains("there is no collection"));
                continue;
            }
            let found = answer.json();
            assert_eq!(field(found["items"].as_array().unwrap(), "id"), items, "{slug}");
            assert_eq!((&found["position"], &found["private"]), (&value!(number), &value!(number > 0)), "{slug}");
        }
        let by_secret = ask(&hub, token, "/api/collections?item=models/acme/secret").await.json();
        let expected = if items.contains(&"acme/secret") { seen } else { 0 };
        assert_eq!(by_secret.as_array().unwrap().len(), expected, "what one does not see finds nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_has_the_fields_that_clients_demand() {
    let (hub, [open, ..]) = filled().await;
    let found = ask(&hub, None, &format!("/api/collections/{open}")).await.json();
    let id = open.rsplit_once('-').unwrap().1;
    assert_eq!(open, format!("acme/open-arbol-{id}"));
    for (name, expected) in [
        ("slug", value!(open)),
        ("title", value!("Open \u{e1}rbol")),
        ("description", value!("About Open \u{e1}rbol")),
        ("theme", value!("green")),
        ("upvotes", value!(0)),
        ("gating", value!(false)),
        ("isUpvotedByUser", value!(false)),
        ("owner", value!({"type": "org", "name": "acme", "fullname": "acme", "avatarUrl": "", "isHf": false})),
    ] {
        assert_eq!(found[name], expected, "{name}");
    }
    assert!(found["lastUpdated"].as_str().unwrap().ends_with('Z'), "{found}");
    let first = &found["items"][0];
    assert_eq!((&first["type"], &first["position"]), (&value!("model"), &value!(0)));
    assert_eq!(first["note"], value!({"text": "the <best>", "html": "the &lt;best&gt;"}));
    assert!(first["_id"].as_str().is_some_and(|id| id.len() == 24), "{first}");
    assert_eq!(found["items"][1].get("note"), None);
    for other in
        [format!("acme/another-title-{id}"), format!("ACME/{id}"), format!("acme%2Fopen-{}", id.to_uppercase())]
    {
        assert_eq!(ask(&hub, None, &format!("/api/collections/{other}")).await.json()["slug"], open, "{other}");
    }
    for other in [format!("other/open-{id}"), format!("acme/open{id}"), "acme".to_owned(), "acme/x".to_owned()] {
        assert_eq!(ask(&hub, None, &format!("/api/collections/{other}")).await.refusal(), (404, ""), "{other}");
    }
    let listed = ask(&hub, None, "/api/collections").await.json();
    assert_eq!(listed[0].get("position"), None, "huggingface_hub numbers lists itself and refuses two numbers");
}

#[tokio::test(flavor = "multi_thread")]
async fn collections_are_filtered_and_come_in_pages() {
    let hub = alone().await;
    for n in 0..6 {
        commit(&hub, (RepoKind::Model, &format!("acme/m{n}"), Visibility::Public), &[("a.txt", b"text")]).await;
    }
    let mut slugs: Vec<String> = Vec::new();
    for n in 0..7 {
        let collection = make(&hub, &format!("Number {n}"), Visibility::Public).await;
        for m in 0..n.min(6) {
            put(&hub, &collection, (RepoKind::Model, &format!("acme/m{m}")), None).await;
        }
        slugs.push(collection.slug());
    }
    let query = async |query: &str| -> Vec<String> {
        let pages = pages(&hub, &format!("/api/collections{query}")).await;
        let mut found: Vec<String> = field(pages.iter().flatten(), "slug").into_iter().map(str::to_owned).collect();
        found.sort_unstable_by_key(|slug| slugs.iter().position(|known| known == slug));
        found
    };
    for limit in ["", "?limit=2", "?limit=7", "?limit=1000", "?sort=trending&limit=3"] {
        assert_eq!(query(limit).await, slugs, "{limit}");
    }
    assert_eq!(query("?owner=ACME&owner=other").await, slugs);
    assert_eq!(query("?owner=other").await, Vec::<String>::new());
    assert_eq!(query("?item=models/acme/m4").await, slugs[5..]);
    assert_eq!(query("?item=models%2Facme%2Fm5&item=models/acme/absent").await, slugs[6..]);
    for nothing in ["?item=papers/2311.12983", "?item=datasets/acme/m4", "?q=NUMBER%203%00"] {
        assert_eq!(query(nothing).await, Vec::<String>::new(), "{nothing}");
    }
    assert_eq!(query("?q=N%C3%BAmber%203").await, slugs[3..4]);
    assert_eq!(ask(&hub, None, "/api/collections?sort=stars").await.refusal(), (400, ""));
    let listed = ask(&hub, None, "/api/collections?item=models/acme/m5").await.json();
    assert_eq!(listed[0]["items"].as_array().unwrap().len(), 4, "lists show the first four");
    let whole = ask(&hub, None, &format!("/api/collections/{}", slugs[6])).await.json();
    assert_eq!(whole["items"].as_array().unwrap().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_a_collection_is_told_in_events_and_seen_at_once() {
    let hub = alone().await;
    commit(&hub, (RepoKind::Model, "acme/open", Visibility::Public), &[("a.txt", b"text")]).await;
    let collection = make(&hub, "Mine", Visibility::Public).await;
    let (slug, path) = (collection.slug(), format!("/api/collections/{}", collection.slug()));
    let count = async || ask(&hub, None, &path).await.json()["items"].as_array().map(Vec::len);
    assert_eq!(count().await, Some(0));
    put(&hub, &collection, (RepoKind::Model, "acme/open"), None).await;
    assert_eq!(count().await, Some(1));
    let repo = repos::find(hub.hub(), &Caller::System, RepoKind::Model, "acme/open").await.unwrap().into_repo();
    let twice = collections::add(hub.hub(), &Caller::System, &collection, &repo, None).await.unwrap_err();
    assert!(twice.to_string().contains("exists already"), "{twice}");
    collections::remove(hub.hub(), &Caller::System, &collection, &repo).await.unwrap();
    assert_eq!(count().await, Some(0));
    assert!(collections::remove(hub.hub(), &Caller::System, &collection, &repo).await.is_err());
    put(&hub, &collection, (RepoKind::Model, "acme/open"), None).await;
    collections::delete(hub.hub(), &Caller::System, &collection).await.unwrap();
    assert_eq!(ask(&hub, None, &path).await.refusal(), (404, ""));
    assert_eq!(ask(&hub, None, "/api/models/acme/open").await.status, 200, "what was in it stays");

    events::number_waiting(hub.hub()).await.unwrap();
    let told = event_rows::after(hub.hub().db().reader(), 0, 1000).await.unwrap();
    let kinds: Vec<String> = told
        .iter()
        .map(|event| serde_json::from_slice::<Value>(&event.body).unwrap())
        .filter(|event| event["subject"] == slug.as_str())
        .map(|event| event["kind"].as_str().unwrap().to_owned())
        .collect();
    let (added, removed) = ("collection.item_added", "collection.item_removed");
    assert_eq!(kinds, ["collection.created", added, removed, added, "collection.deleted"]);
    let refused = collections::delete(hub.hub(), &Caller::Anonymous, &collection).await.unwrap_err();
    assert!(refused.to_string().contains("token"), "{refused}");
}
