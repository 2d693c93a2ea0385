//! The commit that last touched an entry, where the commits that are held tell.

use std::collections::BTreeMap;

use acervo_core::RepoKind;
use acervo_tests::fixture::{Kind, RepoFixture};
use acervo_tests::test_hub::{TestHub, order};
use serde_json::{Value, json as value};

use super::{Answer, empty, get, json, pages, synced};

/// Three commits, of which each touches something else.
fn history() -> RepoFixture {
    empty(Kind::Model, "acme/history")
        .file("a.txt", "a")
        .file("b.txt", "b")
        .file("sub/c.txt", "c")
        .file("sub/deep/d.txt", "d")
        .tag("first")
        .commit("Change b", |commit| commit.file("b.txt", "B"))
        .tag("second")
        .commit("Change c and add e", |commit| commit.file("sub/c.txt", "C").lfs("e.bin", "e"))
}

/// The id of the commit that last touched each entry; empty where the answer does not tell.
fn touched(items: &Value) -> BTreeMap<String, String> {
    let last = |item: &Value| item["lastCommit"]["id"].as_str().unwrap_or_default().to_owned();
    items.as_array().unwrap().iter().map(|item| (item["path"].as_str().unwrap().to_owned(), last(item))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_every_commit_held_every_entry_knows_who_touched_it() {
    let fixture = history();
    let (_upstream, hub) = synced(vec![fixture.clone()], &["first", "second", "main"]).await;
    let at = |revision: &str| fixture.commit_id(revision).unwrap();
    let expected: BTreeMap<String, String> = [
        ("a.txt", at("first")),
        ("b.txt", at("second")),
        ("e.bin", at("main")),
        ("sub", at("main")),
        ("sub/c.txt", at("main")),
        ("sub/deep", at("first")),
        ("sub/deep/d.txt", at("first")),
    ]
    .map(|(path, id)| (path.to_owned(), id))
    .into();

    let tree = json(&hub, "/api/models/acme/history/tree/main?recursive=true&expand=true").await;
    assert_eq!(touched(&tree), expected);
    let b = tree.as_array().unwrap().iter().find(|item| item["path"] == "b.txt").unwrap();
    assert_eq!(
        b["lastCommit"],
        value!({ "id": at("second"), "title": "Change b", "date": "2024-01-01T01:00:00.000Z" })
    );
    let paths: Vec<&String> = expected.keys().collect();
    let address = "/api/models/acme/history/paths-info/main";
    let json_body = hub.post(address).json(&value!({ "paths": paths, "expand": true }));
    let form: String = paths.iter().map(|path| format!("paths={path}&")).collect();
    let form = hub.post(address).header("content-type", "application/x-www-form-urlencoded").body(form + "expand=True");
    for request in [json_body, form] {
        assert_eq!(touched(&Answer::to(request).await.json()), expected);
    }
    let earlier = json(&hub, "/api/models/acme/history/tree/second?expand=1").await;
    assert_eq!(touched(&earlier)["sub"], at("first"));
    for plain in ["", "?expand=false", "?recursive=true"] {
        let plain = json(&hub, &format!("/api/models/acme/history/tree/main{plain}")).await;
        assert!(plain.as_array().unwrap().iter().all(|item| item.get("lastCommit").is_none()), "{plain}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_here_knows_is_left_out_until_it_is_known() {
    let fixture = history();
    let (_upstream, hub) = synced(vec![fixture.clone()], &["second", "main"]).await;
    let tree = "/api/models/acme/history/tree/main?recursive=true&expand=true";

    let known = touched(&json(&hub, tree).await);

    let head = fixture.head();
    for path in ["e.bin", "sub", "sub/c.txt"] {
        assert_eq!(known[path], head, "{path}");
    }
    for path in ["a.txt", "b.txt", "sub/deep", "sub/deep/d.txt"] {
        assert_eq!(known[path], "", "the listing that would tell of {path} is not here");
    }
    let alone = touched(&json(&hub, "/api/models/acme/history/tree/second?expand=true").await);
    assert!(alone.values().all(String::is_empty), "{alone:?}");

    let mut request = order(RepoKind::Model, "acme/history");
    request.revisions = vec!["first".into(), "second".into(), "main".into()];
    let mirror = hub.mirror_with(request).await;
    hub.sync(&mirror).await;
    let known = touched(&json(&hub, tree).await);
    assert_eq!(known["b.txt"], fixture.commit_id("second").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn expanded_trees_come_in_pages_of_fifty() {
    let fixture = (0..120).fold(empty(Kind::Model, "acme/pages"), |repo, n| repo.file(&format!("{n:03}.txt"), "x"));
    let (_upstream, hub) = synced(vec![fixture.clone()], &[]).await;
    for (query, sizes) in
        [("?expand=true", vec![50, 50, 20]), ("?expand=true&limit=70", vec![50, 50, 20]), ("", vec![120])]
    {
        let pages = pages(&hub, &format!("/api/models/acme/pages/tree/main{query}")).await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), sizes, "{query}");
        for item in pages.iter().flatten() {
            let expected = if query.is_empty() { Value::Null } else { value!(fixture.head()) };
            assert_eq!(item["lastCommit"]["id"], expected, "{query}");
        }
    }
    let few = get(&hub, "/api/models/acme/pages/tree/main?expand=true&limit=7").await;
    assert_eq!(few.json().as_array().unwrap().len(), 7);
    assert_held(&hub, &few);
}

/// The link of an expanded page asks for expanded pages.
fn assert_held(hub: &TestHub, answer: &Answer) {
    assert!(answer.next(hub).unwrap().contains("expand=true"), "{:?}", answer.headers);
}
