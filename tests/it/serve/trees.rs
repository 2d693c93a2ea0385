//! Listings of files: trees in pages, and paths asked for by name.

use std::collections::BTreeSet;

use acervo_core::{RepoKind, Visibility};
use acervo_tests::fixture::{Kind, RepoFixture};
use acervo_tests::test_hub::TestHub;
use serde_json::{Value, json as value};

use super::{Answer, KINDS, alone, commit, field, get, json, pages, synced, tiny};

const FILES: usize = 2500;

/// More entries than one page, with folders whose names sort around a slash; few contents, so that a sync is short.
fn many() -> RepoFixture {
    let names = (0..FILES).map(|n| match n % 5 {
        0 => format!("a/{n:05}.json"),
        1 => format!("a-b/{n:05}.json"),
        2 => format!("a.b/{:02}/{n:05}.json", n % 50),
        3 => format!("ñ/{n:05} #%.json"),
        _ => format!("{n:05}.json"),
    });
    names.fold(RepoFixture::dataset("acme/many"), |repo, name| repo.file(&name, [b'0' + (name.len() % 7) as u8]))
}

/// Every entry of a fixture: files, and the folders above them.
fn everything(repo: &RepoFixture) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for path in repo.files_at("main").keys() {
        paths.insert(path.clone());
        paths.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
    }
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn following_the_links_of_a_large_tree_gives_every_entry_exactly_once() {
    let fixture = many();
    let expected = everything(&fixture);
    let (_upstream, hub) = synced(vec![fixture.clone()], &[]).await;
    let tree = "/api/datasets/acme/many/tree/main";
    for (query, sizes) in [
        ("?recursive=true", vec![1000, 1000, expected.len() - 2000]),
        ("?recursive=True&expand=False", vec![1000, 1000, expected.len() - 2000]),
        ("?recursive=1&limit=5000", vec![1000, 1000, expected.len() - 2000]),
        ("?recursive=true&limit=700", vec![700, 700, 700, expected.len() - 2100]),
    ] {
        let pages = pages(&hub, &format!("{tree}{query}")).await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), sizes, "{query}");
        let entries: Vec<&Value> = pages.iter().flatten().collect();
        let paths = field(entries.iter().copied(), "path");
        assert_eq!(paths.iter().map(|&path| path.to_owned()).collect::<BTreeSet<_>>(), expected, "{query}");
        assert_eq!(paths.len(), expected.len(), "an entry of {query} came twice");
        for entry in entries {
            let path = entry["path"].as_str().unwrap();
            let expected = match fixture.files_at("main").get(path) {
                Some(file) => value!({ "type": "file", "oid": file.oid, "size": file.size(), "path": path }),
                None => value!({ "type": "directory", "oid": fixture.tree_oid_of(path), "size": 0, "path": path }),
            };
            assert_eq!(*entry, expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_a_large_tree_is_listed_by_itself() {
    let fixture = many();
    let (_upstream, hub) = synced(vec![fixture.clone()], &[]).await;
    let tree = "/api/datasets/acme/many/tree/main";
    let all = everything(&fixture);
    let below = |folder: &str| -> Vec<String> {
        all.iter().filter(|path| path.starts_with(&format!("{folder}/"))).cloned().collect()
    };
    let parent = |path: &str| path.rsplit_once('/').map_or(String::new(), |(parent, _)| parent.to_owned());
    for (folder, written) in
        [("a", "a"), ("a-b", "a-b/"), ("a.b", "a.b"), ("a.b/02", "a.b%2F02"), ("a.b/47", "a.b/47"), ("ñ", "%C3%B1")]
    {
        for (query, expected) in [
            ("?recursive=true&limit=130", below(folder)),
            ("?limit=130", below(folder).into_iter().filter(|path| parent(path) == folder).collect()),
        ] {
            let pages = pages(&hub, &format!("{tree}/{written}{query}")).await;
            assert_eq!(field(pages.iter().flatten(), "path"), expected, "{written}{query}");
            assert!(pages.iter().all(|page| (1..=130).contains(&page.len())), "{written}{query}");
        }
    }
    let top = pages(&hub, tree).await;
    let expected: Vec<&String> = all.iter().filter(|path| !path.contains('/')).collect();
    assert_eq!(field(top.iter().flatten(), "path"), expected.into_iter().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_there_is_a_missing_entry_of_its_commit() {
    let fixtures = [Kind::Model, Kind::Dataset, Kind::Space].map(tiny);
    let (_upstream, hub) = synced(fixtures.to_vec(), &[]).await;
    for (fixture, (_, _, api)) in fixtures.iter().zip(KINDS) {
        for path in ["additional_chat_templates", "sub/absent", "sub/dee", "config.json", "config.json/x", "SUB"] {
            for query in ["", "?recursive=true&expand=false", "?limit=1"] {
                let answer = get(&hub, &format!("{api}acme/tiny/tree/main/{path}{query}")).await;
                assert_eq!(answer.refusal(), (404, "EntryNotFound"), "{path}");
                assert_eq!(answer.header("x-repo-commit"), fixture.head(), "{path}");
                assert_eq!(answer.header("link"), "", "{path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_moves_between_two_pages_is_read_to_its_end() {
    let hub = alone().await;
    let repo = (RepoKind::Model, "acme/moving", Visibility::Public);
    let old: Vec<String> = (0..30).map(|n| format!("old-{n:02}")).collect();
    let files: Vec<(&str, &[u8])> = old.iter().map(|path| (path.as_str(), &b"old"[..])).collect();
    commit(&hub, repo, &files).await;
    let first = get(&hub, "/api/models/acme/moving/tree/main?limit=10").await;
    let next = first.next(&hub).unwrap();
    commit(&hub, repo, &[("new", b"new")]).await;

    let (first, rest) = (first.json(), pages(&hub, &next).await);

    let read = first.as_array().unwrap().iter().chain(rest.iter().flatten());
    assert_eq!(field(read, "path"), old);
    assert_eq!(field(json(&hub, "/api/models/acme/moving/tree/main").await.as_array().unwrap(), "path"), ["new"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_carry_the_public_address_and_the_whole_query() {
    let hub = TestHub::with("http://127.0.0.1:9", |config| {
        config.server.public_url = "https://models.example/".to_owned();
    })
    .await;
    let files: &[(&str, &[u8])] = &[("sub dir/a", b"1"), ("sub dir/b", b"2"), ("sub dir/c", b"3")];
    let id = commit(&hub, (RepoKind::Model, "acme/x", Visibility::Public), files).await;
    commit(&hub, (RepoKind::Model, "acme/y", Visibility::Public), files).await;

    let tree = get(&hub, "/api/models/acme/x/tree/main/sub%20dir?recursive=True&expand=false&limit=1").await;
    let link = tree.header("link");
    let start = format!(
        "<https://models.example/api/models/acme/x/tree/{id}/sub%20dir?recursive=True&expand=false&limit=1&cursor="
    );
    assert!(link.starts_with(&start) && link.ends_with(">; rel=\"next\""), "{link}");
    let list = get(&hub, "/api/models?limit=1&filter=a&filter=&search=acme%2F&full=true").await;
    assert_eq!(list.header("link"), "", "no model has the tag");
    let list = get(&hub, "/api/models?limit=1&search=acme%2F&full=true&expand%5B%5D=sha").await;
    let start = "<https://models.example/api/models?limit=1&search=acme%2F&full=true&expand=sha&cursor=";
    assert!(list.header("link").starts_with(start), "{}", list.header("link"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_public_address_links_carry_the_hosts_name_and_a_proxys_word_if_it_is_trusted() {
    for (trusted, of_proxy) in [(false, "http://models.example:8080"), (true, "https://hub.example")] {
        let hub = TestHub::with("http://127.0.0.1:9", |config| {
            config.server.public_url = String::new();
            if trusted {
                config.server.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
            }
        })
        .await;
        commit(&hub, (RepoKind::Model, "acme/x", Visibility::Public), &[("a", b"1"), ("b", b"2")]).await;
        let ask = |host: &str| hub.get("/api/models/acme/x/tree/main?limit=1").header("host", host);
        let plain = Answer::to(ask("models.example:8080")).await;
        assert!(plain.header("link").starts_with("<http://models.example:8080/api/models/"), "{:?}", plain.headers);
        let proxied = ask("models.example:8080").header("x-forwarded-proto", "https");
        let proxied = Answer::to(proxied.header("x-forwarded-host", "hub.example, inner")).await;
        assert!(proxied.header("link").starts_with(&format!("<{of_proxy}/api/models/")), "{:?}", proxied.headers);
        for hostile in ["evil.example/<x>", "evil b", "evil\">; rel=\"next\"", "user@evil.example"] {
            let answer = Answer::to(ask(hostile)).await;
            assert!(!answer.header("link").contains("evil"), "{hostile}: {:?}", answer.headers);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_are_described_for_forms_and_for_json_and_missing_ones_left_out() {
    let fixtures = [Kind::Model, Kind::Dataset, Kind::Space].map(|kind| tiny(kind).file("a+b #1.txt", "odd"));
    let (_upstream, hub) = synced(fixtures.to_vec(), &[]).await;
    for (fixture, (_, _, api)) in fixtures.iter().zip(KINDS) {
        let (lfs, odd) = (fixture.entry("model.safetensors"), fixture.entry("a+b #1.txt"));
        let expected = value!([
            {
                "type": "file", "oid": lfs.oid, "size": 300_001, "path": "model.safetensors",
                "lfs": { "oid": lfs.sha256, "size": 300_001, "pointerSize": lfs.pointer.as_ref().unwrap().len() },
            },
            { "type": "directory", "oid": fixture.tree_oid_of("sub/deep"), "size": 0, "path": "sub/deep" },
            { "type": "file", "oid": odd.oid, "size": 3, "path": "a+b #1.txt" },
        ]);
        let form = "paths=model.safetensors&paths=absent&paths=sub%2Fdeep&paths=a%2Bb+%231.txt&paths=..&expand=false";
        let paths = ["model.safetensors", "absent", "sub/deep", "a+b #1.txt", ".."];
        for revision in ["main", &fixture.head()] {
            let address = format!("{api}acme/tiny/paths-info/{revision}");
            let python = hub.post(&address).header("content-type", "application/x-www-form-urlencoded").body(form);
            let javascript = hub.post(&address).json(&value!({ "paths": paths, "expand": true }));
            let mut expanded = expected.clone();
            for item in expanded.as_array_mut().unwrap() {
                item["lastCommit"] = value!({
                    "id": fixture.head(), "title": "initial commit", "date": "2024-01-01T00:00:00.000Z",
                });
            }
            for (request, expected) in [(python, &expected), (javascript, &expanded)] {
                let answer = Answer::to(request).await;
                assert_eq!((answer.status.as_u16(), &answer.json()), (200, expected), "{address}");
            }
        }
        let address = format!("{api}acme/tiny/paths-info/main");
        let none = Answer::to(hub.post(&address).json(&value!({ "paths": [] }))).await;
        assert_eq!((none.status.as_u16(), none.json()), (200, value!([])));
        for (body, kind) in
            [("{\"paths\":", "application/json"), ("{}", "application/json"), ("[1]", "application/json")]
        {
            let answer = Answer::to(hub.post(&address).header("content-type", kind).body(body)).await;
            assert_eq!(answer.refusal(), (400, ""), "{body}");
        }
        let absent = Answer::to(hub.post(&format!("{api}acme/tiny/paths-info/v9")).body("paths=a")).await;
        assert_eq!(absent.refusal(), (404, "RevisionNotFound"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_paths_may_be_asked_for_at_once_and_no_more() {
    let (_upstream, hub) = synced(vec![tiny(Kind::Model)], &[]).await;
    let address = "/api/models/acme/tiny/paths-info/main";
    let most: Vec<String> = (0..1000).map(|n| if n == 999 { "config.json".into() } else { format!("{n}") }).collect();
    let answer = Answer::to(hub.post(address).json(&value!({ "paths": most }))).await;
    assert_eq!((answer.status.as_u16(), answer.json().as_array().unwrap().len()), (200, 1));
    let too_many: Vec<(&str, String)> = (0..1001).map(|n| ("paths", format!("{n}"))).collect();
    let body = too_many.iter().map(|(name, path)| format!("{name}={path}")).collect::<Vec<_>>().join("&");
    let as_form = hub.post(address).header("content-type", "application/x-www-form-urlencoded").body(body);
    let paths: Vec<&String> = too_many.iter().map(|(_, path)| path).collect();
    for request in [as_form, hub.post(address).json(&value!({ "paths": paths }))] {
        let answer = Answer::to(request).await;
        assert_eq!(answer.refusal(), (413, ""));
        assert!(answer.json()["error"].as_str().unwrap().contains("1000"));
    }
}
