//! Names that lead elsewhere or could be read in more than one way: renames, abbreviations, slashes within branches.

use std::collections::HashMap;

use acervo_core::{Role, Visibility};
use acervo_store::db::repos;
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::{Kind, RepoFixture};
use acervo_tests::test_hub::TestHub;
use serde_json::json as value;

use super::{Answer, KINDS, alone, commit, empty, get, json, synced};

#[tokio::test(flavor = "multi_thread")]
async fn a_former_name_leads_to_the_present_one_with_method_query_body_and_token() {
    for (kind, prefix, api) in KINDS {
        let plural = Kind::from_plural(kind.plural()).unwrap();
        let fixture = empty(plural, "acme/new").file("a.txt", "text");
        let upstream = FakeUpstream::start(vec![fixture.clone()]).await.unwrap();
        let hub = TestHub::start(&upstream.endpoint()).await;
        let mirror = hub.synced(kind, "acme/new").await;
        let (db, now) = (hub.hub().db().writer(), hub.hub().now());
        repos::add_alias(db, &mirror.repo, "acme/old", repos::Cause::Renamed, now).await.unwrap();
        let follower = reqwest::Client::builder().no_proxy().build().unwrap();
        for old in ["acme/old", "ACME/Old", "acme/NEW"] {
            let file = format!("/{prefix}{old}/resolve/main/a.txt?download=true&x=%2F");
            for request in [hub.get(&file), hub.head(&file)] {
                let answer = Answer::to(request).await;
                let there = format!("/{prefix}acme/new/resolve/main/a.txt?download=true&x=%2F");
                assert_eq!((answer.status.as_u16(), answer.header("location")), (307, there.as_str()), "{file}");
            }
            let posted = format!("{api}{old}/paths-info/refs%2Fheads%2Fmain?expand=true");
            let answer = Answer::to(hub.post(&posted).body("paths=a.txt")).await;
            let there = format!("{api}acme/new/paths-info/refs%2Fheads%2Fmain?expand=true");
            assert_eq!((answer.status.as_u16(), answer.header("location")), (307, there.as_str()), "{posted}");

            let whole = follower.get(format!("{}{file}", hub.url())).send().await.unwrap();
            assert_eq!(whole.headers()["x-repo-commit"], fixture.head().as_str());
            assert_eq!(whole.text().await.unwrap(), "text");
            let entries = follower.post(format!("{}{posted}", hub.url())).json(&value!({ "paths": ["a.txt"] }));
            let entries: serde_json::Value = entries.send().await.unwrap().json().await.unwrap();
            assert_eq!((entries.as_array().unwrap().len(), &entries[0]["path"]), (1, &value!("a.txt")), "{posted}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_repository_is_not_given_away_by_another_spelling_of_its_name() {
    let hub = alone().await;
    for (kind, prefix, api) in KINDS {
        commit(&hub, (kind, "acme/secret", Visibility::Private), &[("a.txt", b"text")]).await;
        let token = hub.token(&format!("reader-{kind}"), Role::Reader).await;
        for address in [format!("/{prefix}ACME/Secret/resolve/main/a.txt"), format!("{api}ACME/Secret/refs")] {
            let absent = address.replace("Secret", "Absent");
            let (hidden, missing) = (get(&hub, &address).await, get(&hub, &absent).await);
            assert_eq!(hidden.refusal(), (401, "RepoNotFound"), "{address}");
            let told = |answer: &Answer, name: &str| answer.text().replace(name, "*");
            assert_eq!(told(&hidden, "Secret"), told(&missing, "Absent"));
            let reader = Answer::to(hub.get(&address).bearer_auth(&token)).await;
            assert_eq!(reader.status, 307, "{address}");
        }
    }
}

/// A repository with two branches whose commits' ids begin with the same seven digits.
fn twins() -> RepoFixture {
    let base = RepoFixture::model("acme/twins").file("a.txt", "text").tag("base");
    let date = base_date();
    let add = |repo: &mut RepoFixture, branch: &str, n: u32| {
        repo.push_commit_on(branch, &format!("attempt {n}"), |commit| commit.date(date))
    };
    // Parent, date and files are the same, so the title alone decides on the id.
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut pair = (1_u32..).filter_map(|n| {
        let id = add(&mut base.clone(), "one", n);
        seen.insert(id[..7].to_owned(), n).map(|before| (before, n))
    });
    let (one, two) = pair.next().expect("a pair among some ten thousands");
    let mut repo = base;
    add(&mut repo, "one", one);
    add(&mut repo, "two", two);
    repo
}

fn base_date() -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abbreviation_that_fits_two_commits_fits_none() {
    let fixture = twins();
    let (one, two) = (fixture.commit_id("one").unwrap(), fixture.commit_id("two").unwrap());
    assert!(one != two && one[..7] == two[..7], "{one} and {two}");
    let (_upstream, hub) = synced(vec![fixture.clone()], &["main", "one", "two"]).await;

    let shared = &one[..7];
    for path in [
        format!("/acme/twins/resolve/{shared}/a.txt"),
        format!("/api/models/acme/twins/revision/{shared}"),
        format!("/api/models/acme/twins/tree/{shared}"),
        format!("/api/models/acme/twins/commits/{shared}"),
    ] {
        let answer = get(&hub, &path).await;
        assert_eq!(answer.refusal(), (404, "RevisionNotFound"), "{path}");
        assert_eq!(answer.header("x-repo-commit"), "", "{path}");
    }
    // As many digits as tell them apart are enough, and the answer has all of them.
    let alike = one.bytes().zip(two.bytes()).take_while(|(a, b)| a == b).count();
    for whole in [&one, &two] {
        let short = &whole[..=alike];
        let answer = get(&hub, &format!("/acme/twins/resolve/{short}/a.txt")).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-repo-commit")), (200, whole.as_str()), "{short}");
        assert_eq!(json(&hub, &format!("/api/models/acme/twins/revision/{short}")).await["sha"], *whole, "{short}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_could_be_read_two_ways_goes_by_the_longest_name_of_a_revision() {
    for kind in [Kind::Model, Kind::Dataset, Kind::Space] {
        // Git takes no branch `release` beside `release/v2`, but a tag.
        let fixture = empty(kind, "acme/tiny")
            .file("at.txt", "main")
            .commit_on("short", "first", |commit| {
                commit.file("v2/at.txt", "short").file("v2/only.txt", "only").file("at.txt", "short")
            })
            .commit_on("release/v2", "second", |commit| {
                commit.file("at.txt", "long").file("v2/at.txt", "long, deeper")
            });
        let short = fixture.commit_id("short").unwrap();
        let mut fixture = fixture;
        fixture.set_ref("refs/tags/release", &short);
        let long = fixture.commit_id("release/v2").unwrap();
        let (_upstream, hub) = synced(vec![fixture.clone()], &["main", "release", "release/v2"]).await;
        let (prefix, api) = (kind.prefix(), format!("/api/{}/acme/tiny", kind.plural()));
        for (written, id, text) in [
            ("release/v2/at.txt", &long, "long"),
            ("release%2Fv2/at.txt", &long, "long"),
            ("refs/heads/release/v2/at.txt", &long, "long"),
            ("release/v2/v2/at.txt", &long, "long, deeper"),
            ("release/at.txt", &short, "short"),
            // Written in full and as one segment, the shorter name is meant and the folder behind it.
            ("refs%2Ftags%2Frelease/v2/at.txt", &short, "short"),
            ("refs%2Ftags%2Frelease/v2/only.txt", &short, "only"),
        ] {
            for route in ["resolve", "raw"] {
                let answer = get(&hub, &format!("/{prefix}acme/tiny/{route}/{written}")).await;
                assert_eq!((answer.status.as_u16(), answer.text()), (200, text), "{written}");
                assert_eq!(answer.header("x-repo-commit"), *id, "{written}");
            }
        }
        let absent = get(&hub, &format!("/{prefix}acme/tiny/resolve/release/v2/only.txt")).await;
        assert_eq!(absent.refusal(), (404, "EntryNotFound"), "the longest name was meant");
        assert_eq!(absent.header("x-repo-commit"), long);
        for (written, oid) in [
            ("release/v2", &fixture.files_at("release/v2")["at.txt"].oid),
            ("release", &fixture.files_at("short")["at.txt"].oid),
            ("refs%2Ftags%2Frelease/v2", &fixture.files_at("short")["v2/only.txt"].oid),
        ] {
            let tree = json(&hub, &format!("{api}/tree/{written}")).await;
            assert!(tree.as_array().unwrap().iter().any(|entry| entry["oid"] == *oid), "{written}: {tree}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_also_markers_and_kinds_are_told_apart() {
    let hub = alone().await;
    let names = ["resolve/tree", "raw/resolve", "main/main", "acme/datasets", "main/models", "refs/pr"];
    for name in names {
        for (kind, ..) in KINDS {
            let text = format!("{kind} {name}");
            commit(&hub, (kind, name, Visibility::Public), &[("resolve/main/a.txt", text.as_bytes())]).await;
        }
    }
    for name in names {
        for (kind, prefix, api) in KINDS {
            let answer = get(&hub, &format!("/{prefix}{name}/resolve/main/resolve/main/a.txt")).await;
            assert_eq!((answer.status.as_u16(), answer.text()), (200, format!("{kind} {name}").as_str()), "{name}");
            assert_eq!(json(&hub, &format!("{api}{name}")).await["id"], name);
            let tree = json(&hub, &format!("{api}{name}/tree/main/resolve/main")).await;
            assert_eq!(tree[0]["path"], "resolve/main/a.txt", "{name}");
            assert_eq!(json(&hub, &format!("{api}{name}/refs")).await["branches"][0]["name"], "main", "{name}");
        }
    }
}
