//! What is told of one repository: its description, its refs, its log.

use acervo_tests::fixture::{FixtureFile, Kind, RepoFixture};
use serde_json::{Value, json as value};

use super::{KINDS, field, get, json, pages, synced, tiny};

#[tokio::test(flavor = "multi_thread")]
async fn a_description_lists_the_files_and_with_blobs_their_identities() {
    let fixtures = [Kind::Model, Kind::Dataset, Kind::Space].map(tiny);
    let (_upstream, hub) = synced(fixtures.to_vec(), &[]).await;
    for (fixture, (kind, _, api)) in fixtures.iter().zip(KINDS) {
        for address in [format!("{api}acme/tiny"), format!("{api}acme/tiny/revision/{}", fixture.head())] {
            let info = json(&hub, &address).await;
            assert_eq!((&info["id"], &info["author"]), (&value!("acme/tiny"), &value!("acme")), "{address}");
            assert_eq!((&info["sha"], &info["private"]), (&value!(fixture.head()), &value!(false)), "{address}");
            assert_eq!((&info["gated"], &info["disabled"]), (&value!(false), &value!(false)), "{address}");
            assert_eq!(info["lastModified"], "2024-01-01T00:00:00.000Z", "{address}");
            assert_eq!(info["createdAt"], "2024-01-01T00:00:00.000Z", "{address}");
            assert_eq!(info["cardData"], value!({ "license": "mit" }), "{address}");
            assert_eq!(info["tags"], value!(["license:mit"]), "{address}");
            let id = info["_id"].as_str().unwrap();
            assert!(id.len() == 24 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
            let model_id = if kind == acervo_core::RepoKind::Model { value!("acme/tiny") } else { Value::Null };
            assert_eq!(info["modelId"], model_id, "{address}");
            let plain: Vec<Value> = fixture.files_at("main").keys().map(|path| value!({ "rfilename": path })).collect();
            assert_eq!(info["siblings"], Value::Array(plain), "{address}");

            for query in ["?blobs=true", "?blobs=True&securityStatus=true", "?blobs=1"] {
                let info = json(&hub, &format!("{address}{query}")).await;
                let siblings = fixture.files_at("main").iter().map(|(path, file)| {
                    let mut item = value!({ "rfilename": path, "size": file.size(), "blobId": file.oid });
                    if let Some(pointer) = &file.pointer {
                        let (sha256, size) = (&file.sha256, file.size());
                        item["lfs"] = value!({ "sha256": sha256, "size": size, "pointerSize": pointer.len() });
                    }
                    item
                });
                assert_eq!(info["siblings"], Value::Array(siblings.collect()), "{address}{query}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expand_gives_the_named_fields_and_unknown_names_change_nothing() {
    let fixtures = [Kind::Model, Kind::Dataset, Kind::Space].map(tiny);
    let (_upstream, hub) = synced(fixtures.to_vec(), &[]).await;
    for (fixture, (_, _, api)) in fixtures.iter().zip(KINDS) {
        let bytes: u64 = fixture.files_at("main").values().map(FixtureFile::size).sum();
        for (query, expected) in [
            ("expand=sha", vec!["_id", "id", "sha"]),
            ("expand=sha&expand=siblings", vec!["_id", "id", "sha", "siblings"]),
            ("expand[]=likes&expand%5B%5D=downloads", vec!["_id", "downloads", "id", "likes"]),
            ("expand=usedStorage", vec!["_id", "id", "usedStorage"]),
            ("expand=noSuchField&expand=tags", vec!["_id", "id", "tags"]),
            ("expand=noSuchField", vec!["_id", "id"]),
            ("expand=trendingScore&expand=inferenceProviderMapping", vec!["_id", "id"]),
        ] {
            for address in [format!("{api}acme/tiny?{query}"), format!("{api}acme/tiny/revision/main?{query}")] {
                let info = json(&hub, &address).await;
                let mut names: Vec<&str> = info.as_object().unwrap().keys().map(String::as_str).collect();
                names.sort_unstable();
                assert_eq!(names, expected, "{address}");
                if query == "expand=usedStorage" {
                    assert_eq!(info["usedStorage"], bytes, "{address}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refs_are_told_by_kind_and_pull_requests_if_asked_for() {
    let fixture = tiny(Kind::Dataset)
        .tag("v1")
        .commit("second", |commit| commit.file("a", "2"))
        .commit_on("feature/x", "third", |commit| commit.file("a", "3"))
        .pull_request(7, "fourth", |commit| commit.file("a", "4"))
        .convert("parquet", "fifth", |commit| commit.file("p", "5"));
    let followed = ["main", "v1", "feature/x", "refs/pr/7", "refs/convert/parquet"];
    let (_upstream, hub) = synced(vec![fixture.clone()], &followed).await;
    let item = |name: &str, full: &str| value!({ "name": name, "ref": full, "targetCommit": fixture.commit_id(full).unwrap() });

    let refs = json(&hub, "/api/datasets/acme/tiny/refs").await;
    let with_requests = json(&hub, "/api/datasets/acme/tiny/refs?include_prs=1").await;

    let mut branches = refs["branches"].as_array().unwrap().clone();
    branches.sort_by_key(|branch| branch["name"].to_string());
    assert_eq!(branches, [item("feature/x", "refs/heads/feature/x"), item("main", "refs/heads/main")]);
    assert_eq!(refs["tags"], value!([item("v1", "refs/tags/v1")]));
    assert_eq!(refs["converts"], value!([item("parquet", "refs/convert/parquet")]));
    assert_eq!(refs.get("pullRequests"), None);
    assert_eq!(with_requests["pullRequests"], value!([item("7", "refs/pr/7")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_told_newest_first_in_pages() {
    let fixture = (1..120).fold(RepoFixture::space("acme/old").file("n", "0"), |repo, n| {
        repo.commit(&format!("<b>{n}</b>"), |commit| commit.file("n", format!("{n}")).body("why & how").author("ana"))
    });
    let (_upstream, hub) = synced(vec![fixture.clone()], &[]).await;
    let log = "/api/spaces/acme/old/commits/main";
    for (query, sizes) in [("", vec![50, 50, 20]), ("?limit=100", vec![100, 20]), ("?limit=120", vec![120])] {
        let pages = pages(&hub, &format!("{log}{query}")).await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), sizes, "{query}");
        let titles = field(pages.iter().flatten(), "title");
        let expected: Vec<String> = (1..120).rev().map(|n| format!("<b>{n}</b>")).collect();
        assert_eq!(titles[..119], expected, "{query}");
        assert_eq!(titles[119], "initial commit");
    }
    let newest = json(&hub, &format!("{log}?limit=1")).await[0].clone();
    assert_eq!(newest["id"], fixture.head());
    assert_eq!(newest["message"], "why & how");
    assert_eq!(newest["authors"][0]["user"], "ana");
    assert_eq!(newest["date"], "2024-01-05T23:00:00.000Z");
    assert_eq!(newest.get("formatted"), None);
    for expand in ["expand=formatted", "expand[]=formatted"] {
        let newest = json(&hub, &format!("{log}?limit=1&{expand}")).await[0].clone();
        assert_eq!(newest["formatted"]["title"], "&lt;b&gt;119&lt;/b&gt;", "{expand}");
        assert_eq!(newest["formatted"]["message"], "why &amp; how", "{expand}");
    }
    let by_number = json(&hub, &format!("{log}?limit=50&p=2")).await;
    assert_eq!(by_number.as_array().unwrap().len(), 20);
    assert_eq!(get(&hub, &format!("{log}?limit=50&p=9")).await.json(), value!([]));
    let known = fixture.commit_id(newest["id"].as_str().unwrap()).unwrap();
    assert_eq!(json(&hub, &format!("/api/spaces/acme/old/commits/{known}?limit=1")).await[0], newest);
    let passed_over = pages(&hub, log).await[1][0]["id"].as_str().unwrap().to_owned();
    let answer = get(&hub, &format!("/api/spaces/acme/old/revision/{passed_over}")).await;
    assert_eq!(answer.refusal(), (404, "RevisionNotFound"), "only the head was mirrored");
    assert!(answer.header("x-error-message").contains("not mirrored"), "{}", answer.header("x-error-message"));
}
