//! Repositories of thousands of entries, and odd ones: read in pages, described, and asked for by path.
//!
//! Large listings are written as a sync writes them, with one content behind all paths: their rows are what matters.

use std::time::Duration;

use acervo::app::publish::{self, Fetched, MovedRef, Publication};
use acervo_core::listing::{EntryKind, Listing};
use acervo_core::{Caller, CommitOid, RefKind, RepoKind, RepoPath, Selection, TreeEntry, Visibility};
use acervo_store::db::commits::LogEntry;
use acervo_store::db::repos::Gated;
use acervo_store::db::{blobs, commits, holdings, repos, trees};
use acervo_tests::fixture::{Kind, RepoFixture};
use acervo_tests::test_hub::TestHub;
use reqwest::Client;
use serde_json::{Value, json as value};

use super::{Answer, KINDS, alone, commit, empty, encoded, field, get, json, pages, synced};

/// The one content of a large repository.
const CONTENT: &[u8] = b"one content";

/// The paths of a repository of this many entries: a few at the top, the others in folders of a thousand.
fn paths(entries: usize) -> Vec<String> {
    (0..entries)
        .map(|n| if n % 100 == 0 { format!("top-{n:06}.json") } else { format!("data/{:03}/{n:06}.json", n / 1000) })
        .collect()
}

/// Publishes a commit of these paths on top of what is there, by the functions that a sync calls.
async fn publish_paths(hub: &TestHub, name: &str, id: &str, paths: &[String]) {
    let sha256 = acervo_core::Sha256Digest::of(CONTENT);
    let oid = acervo_core::GitOid::of_blob(CONTENT);
    commit(hub, (RepoKind::Model, name, Visibility::Public), &[("first.txt", CONTENT)]).await;
    let hub = hub.hub();
    let repo = repos::by_name(hub.db().reader(), RepoKind::Model, name).await.unwrap().unwrap();
    let head = acervo_store::db::refs::by_name(hub.db().reader(), repo.id, RefKind::Branch, "main").await.unwrap();
    let blob_id = blobs::held_by_sha256(hub.db().reader(), &[sha256]).await.unwrap()[&sha256].id;
    let entries = paths.iter().map(|path| TreeEntry {
        path: path.parse().unwrap(),
        kind: EntryKind::File,
        size: CONTENT.len() as u64,
        oid,
        lfs: None,
    });
    let listing = Listing::build(entries.collect()).unwrap();
    let ties: Vec<(RepoPath, i64)> = listing.files().map(|entry| (entry.path.clone(), blob_id)).collect();
    let (at, id): (_, CommitOid) = (hub.now(), id.parse().unwrap());
    let tx = hub.db().begin().await.unwrap();
    let listing_id = trees::insert_listing(&tx, repo.id, &listing, at).await.unwrap();
    holdings::tie(&tx, listing_id, &ties).await.unwrap();
    let log = LogEntry {
        oid: id,
        title: "Add very many files".to_owned(),
        message: String::new(),
        authors: Vec::new(),
        committed_at: Some(at),
        predecessor: head.and_then(|found| found.served).map(|(_, oid)| oid),
    };
    commits::insert_log(&tx, repo.id, &[log], at).await.unwrap();
    let row = commits::by_oid(&tx, repo.id, id).await.unwrap().unwrap();
    acervo_store::db::commit(tx).await.unwrap();
    let publication = Publication {
        repo,
        oid: id,
        fetched: Some(Fetched {
            commit_id: row.id,
            served_listing_id: listing_id,
            selection: Selection::default(),
            upstream_gated: Gated::None,
            private_upstream: false,
            upstream_created_at: None,
        }),
        refs: vec![MovedRef { kind: RefKind::Branch, name: "main".to_owned() }],
        cause: "commit",
        lease: None,
    };
    publish::snapshot(hub, &Caller::System, publication).await.unwrap();
}

/// Reads everything there is to read of a repository of this many files.
async fn read_through(hub: &TestHub, name: &str, files: usize) {
    let paths = paths(files);
    let api = format!("/api/models/{name}");
    let folders = (files - 1) / 1000 + 2;
    let recursive = pages(hub, &format!("{api}/tree/main?recursive=true")).await;
    assert!(recursive[..recursive.len() - 1].iter().all(|page| page.len() == 1000), "full pages until the last");
    let mut found: Vec<&str> = field(recursive.iter().flatten(), "path");
    assert_eq!(found.len(), files + folders);
    assert!(found.is_sorted(), "the order of pages is that of paths");
    found.dedup();
    assert_eq!(found.len(), files + folders, "an entry came twice");
    let folder = pages(hub, &format!("{api}/tree/main/data%2F001")).await;
    let expected: Vec<&str> = paths.iter().map(String::as_str).filter(|path| path.starts_with("data/001/")).collect();
    assert_eq!(field(folder.iter().flatten(), "path"), expected);
    let top = pages(hub, &format!("{api}/tree/main")).await;
    assert_eq!(top.iter().map(Vec::len).sum::<usize>(), files.div_ceil(100) + 1);
    let data = pages(hub, &format!("{api}/tree/main/data")).await;
    assert_eq!(data.iter().map(Vec::len).sum::<usize>(), folders - 1);

    let info = json(hub, &format!("{api}?blobs=true")).await;
    assert_eq!(info["siblings"].as_array().unwrap().len(), files);
    assert_eq!(info["siblings"][files - 1]["size"], CONTENT.len());
    assert_eq!(info["usedStorage"], files * CONTENT.len());

    let some: Vec<&String> = paths.iter().step_by(files / 1000).take(1000).collect();
    let address = format!("{api}/paths-info/main");
    let answer = Answer::to(hub.post(&address).json(&value!({ "paths": some, "expand": true }))).await;
    let answer = answer.json();
    assert_eq!(field(answer.as_array().unwrap(), "path"), some, "{name}");
    assert!(answer.as_array().unwrap().iter().all(|item| item["lastCommit"]["title"] == "Add very many files"));
    let many: Vec<&String> = paths.iter().take(1001).collect();
    let refused = Answer::to(hub.post(&address).json(&value!({ "paths": many }))).await;
    assert_eq!(refused.refusal(), (413, ""));
    let last = paths.last().unwrap();
    let content = get(hub, &format!("/{name}/resolve/main/{}", encoded(last))).await;
    assert_eq!(&content.body[..], CONTENT, "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_of_five_thousand_files_is_read_through() {
    let hub = alone().await;
    publish_paths(&hub, "acme/five", &"5".repeat(40), &paths(5_000)).await;
    read_through(&hub, "acme/five", 5_000).await;
    let raw = get(&hub, "/api/models/acme/five/compare/main?raw=true").await;
    assert_eq!(raw.text().lines().count(), 5_001, "all were added, and the first file was deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_of_a_hundred_thousand_files_is_read_through() {
    let hub = alone().await;
    let mut paths = paths(100_000);
    publish_paths(&hub, "acme/hundred", &"a".repeat(40), &paths).await;
    read_through(&hub, "acme/hundred", 100_000).await;
    // One more commit shares all segments but one.
    paths.push("data/050/new.json".to_owned());
    publish_paths(&hub, "acme/hundred", &"b".repeat(40), &paths).await;
    let patient = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
    let compare = format!("{}/api/models/acme/hundred/compare/{}..main?raw=true", hub.url(), "a".repeat(40));
    let raw = patient.get(compare).send().await.unwrap().text().await.unwrap();
    assert!(raw.ends_with(" A\tdata/050/new.json\n") && raw.lines().count() == 1, "{raw:.500}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_without_files_is_there_and_empty() {
    let fixtures = [Kind::Model, Kind::Dataset, Kind::Space].map(|kind| empty(kind, "acme/none"));
    let (_upstream, hub) = synced(fixtures.to_vec(), &[]).await;
    for (fixture, (_, prefix, api)) in fixtures.iter().zip(KINDS) {
        let info = json(&hub, &format!("{api}acme/none?blobs=true")).await;
        assert_eq!((&info["siblings"], &info["usedStorage"]), (&value!([]), &value!(0)));
        assert_eq!(info["sha"], fixture.head());
        for query in ["", "?recursive=true", "?expand=true"] {
            let tree = get(&hub, &format!("{api}acme/none/tree/main{query}")).await;
            assert_eq!((tree.status.as_u16(), tree.json(), tree.header("link")), (200, value!([]), ""), "{query}");
        }
        let paths = hub.post(&format!("{api}acme/none/paths-info/main")).json(&value!({ "paths": ["a"] }));
        assert_eq!(Answer::to(paths).await.json(), value!([]));
        assert_eq!(json(&hub, &format!("{api}acme/none/compare/main")).await, value!([]));
        let missing = get(&hub, &format!("/{prefix}acme/none/resolve/main/README.md")).await;
        assert_eq!(missing.refusal(), (404, "EntryNotFound"));
        assert_eq!(json(&hub, &format!("{api}acme/none/commits/main")).await.as_array().unwrap().len(), 1);
    }
}

/// Names that every layer between client and disk would like to change.
const ODD: [&str; 12] = [
    ".gitattributes",
    ".hidden/.also",
    "empty.txt",
    "weights.bin",
    "a b+c&d=e.txt",
    "100%/50%25.txt",
    "#hash?query;x.txt",
    "quote'\"<>`.txt",
    "\u{f1}and\u{fa}/\u{65e5}\u{672c}\u{8a9e}.txt",
    "e\u{301}.txt",
    "\u{e9}.txt",
    "emoji \u{1f999}.txt",
];

#[tokio::test(flavor = "multi_thread")]
async fn odd_names_are_listed_described_and_served_as_they_are() {
    let odd = |kind| -> RepoFixture {
        ODD.iter().fold(empty(kind, "acme/odd"), |repo, path| {
            let content = if path.starts_with("empty") { String::new() } else { format!("content of {path}") };
            if path.ends_with(".bin") { repo.lfs(path, content) } else { repo.file(path, content) }
        })
    };
    let fixtures = [Kind::Model, Kind::Dataset, Kind::Space].map(odd);
    let (_upstream, hub) = synced(fixtures.to_vec(), &[]).await;
    for (fixture, (_, prefix, api)) in fixtures.iter().zip(KINDS) {
        let files = fixture.files_at("main");
        let tree = pages(&hub, &format!("{api}acme/odd/tree/main?recursive=true&limit=3")).await;
        let listed: Vec<&Value> = tree.iter().flatten().filter(|item| item["type"] == "file").collect();
        assert_eq!(field(listed.iter().copied(), "path"), files.keys().collect::<Vec<_>>());
        let address = format!("{api}acme/odd/paths-info/main");
        let described = Answer::to(hub.post(&address).json(&value!({ "paths": ODD }))).await;
        assert_eq!(field(described.json().as_array().unwrap(), "path"), ODD);
        for (path, file) in files {
            let content = get(&hub, &format!("/{prefix}acme/odd/resolve/main/{}", encoded(path))).await;
            assert_eq!((content.status.as_u16(), &content.body), (200, &file.bytes), "{path}");
            let raw = get(&hub, &format!("/{prefix}acme/odd/raw/main/{}", encoded(path))).await;
            let expected = file.pointer.as_ref().map_or(&file.bytes[..], |pointer| pointer.as_ref());
            assert_eq!((raw.status.as_u16(), &raw.body[..]), (200, expected), "{path}: pointers stand for LFS files");
        }
    }
}
