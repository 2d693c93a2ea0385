//! Every case of the stock Python clients, against a hub that mirrors a fake upstream.

use std::collections::BTreeMap;

use acervo::app::identity;
use acervo::demo::content;
use acervo_core::{Caller, RepoKind, Role, Selection};
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::{RepoFixture, random_bytes};
use acervo_tests::test_hub::{TestHub, order};
use acervo_tests::{expect, python};
use futures::{StreamExt, stream};
use serde_json::{Map, Value, json};

/// Clients at the same time: each is a Python process.
const CASES_AT_ONCE: usize = 3;

/// Cases that state what this hub does not do yet, and why.
const LATER: [(&str, &str); 4] = [
    ("gated", "gates of its own; upstream's gate is passed by the mirror's token"),
    ("held", "nothing holds a commit before there are policies"),
    ("recalled", "nothing withdraws a commit before there are decisions"),
    ("safetensors-index", "there is no route yet that hands out the headers of all shards at once"),
];

const CARD: &str = "---\nlicense: apache-2.0\nlanguage:\n- gn\n- es\npipeline_tag: text-generation\n\
                    library_name: transformers\ntags:\n- demo\nbase_model: acme/base\n---\n# Tiny\n";

/// A repository with everything that paths, sizes, revisions and histories can be.
fn tiny() -> RepoFixture {
    RepoFixture::model("acme/tiny")
        .file("README.md", CARD)
        .file(".gitattributes", "*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
        .file("config.json", "{\"model_type\": \"llama\"}")
        .file("empty.txt", "")
        .file("docs/guide/first steps.md", "# First steps\n")
        .file("docs/ñandú.txt", "ñandú")
        .file("data/a+b #1 100%.txt", "odd")
        .lfs("model.safetensors", random_bytes(1, 40_000))
        .lfs("weights/deep/extra.bin", random_bytes(2, 9_000))
        .tag("v1.0")
        .commit("Change the configuration", |commit| {
            commit.file("config.json", "{\"model_type\": \"llama\", \"a\": 1}").lfs("new.bin", random_bytes(3, 12_345))
        })
        .branch("feature/x")
        .commit("Say more", |commit| commit.file("docs/guide/more.md", "more"))
}

/// More entries than one page holds.
fn many() -> RepoFixture {
    (0..2500).fold(RepoFixture::dataset("acme/many"), |repo, n| {
        repo.file(&format!("data/{:03}/{n:05}.json", n % 40), format!("{n}"))
    })
}

/// A generated model of several shards, as an upstream would have it.
fn sharded() -> RepoFixture {
    let repos = content::repos();
    let llama = repos.iter().find(|repo| repo.name == "llama-tiny").expect("a generated model");
    llama.files.iter().fold(RepoFixture::model("acervo-demo/llama-tiny"), |repo, file| {
        if file.lfs { repo.lfs(&file.path, &file.bytes) } else { repo.file(&file.path, &file.bytes) }
    })
}

/// What the cases must see of `tiny`, and of the people who ask.
async fn main_expectation(hub: &TestHub, tiny: &RepoFixture, private: &RepoFixture) -> Value {
    let (first, head) = (tiny.commit_id("v1.0").unwrap(), tiny.head());
    let second = tiny.commit_id("feature/x").unwrap();
    let reader = hub.token("reader", Role::Reader).await;
    let stranger = hub.stranger("eve").await;
    let revoked = hub.token("gone", Role::Reader).await;
    identity::revoke_token(hub.hub(), &Caller::System, "gone").await.unwrap();
    // Another last character than it has, whatever that is.
    let mistyped = format!("{}{}", &reader[..reader.len() - 1], if reader.ends_with('x') { 'y' } else { 'x' });
    let mut expect = expect::repo(tiny);
    let more = json!({
        "snapshots": { first.clone(): expect::files(tiny, &first), second.clone(): expect::files(tiny, &second) },
        "branches": { "main": head, "feature/x": second },
        "tags": { "v1.0": first },
        "commits": [
            { "id": head, "title": "Say more" },
            { "id": second, "title": "Change the configuration" },
            { "id": first, "title": "initial commit" },
        ],
        "info": {
            "pipeline_tag": "text-generation", "library_name": "transformers", "private": false, "gated": false,
            "tags": ["license:apache-2.0", "demo"], "card_data": { "license": "apache-2.0", "base_model": "acme/base" },
        },
        "card": { "license": "apache-2.0", "language": ["gn", "es"] },
        "aliases": ["ACME/Tiny"],
        "lists": [
            { "kind": "models", "args": { "search": "tin" }, "ids": ["acme/tiny", "acervo-demo/llama-tiny", "acme/tiny-part"] },
            { "kind": "models", "args": { "author": "acervo-demo" }, "ids": ["acervo-demo/llama-tiny"] },
            { "kind": "models", "args": { "filter": ["license:apache-2.0", "language:gn"] }, "ids": ["acme/tiny"] },
            { "kind": "models", "args": { "limit": 1 }, "ids": ["acervo-demo/llama-tiny"] },
            { "kind": "datasets", "args": {}, "ids": ["acme/many"] },
            { "kind": "spaces", "args": {}, "ids": ["acme/show"] },
        ],
        "whoami": { "token": reader, "name": "reader", "orgs": [], "role": "read" },
        "private": {
            "repo": private.name, "path": "secret.bin", "files": expect::files(private, "main"), "reader": reader,
            "stranger": stranger,
        },
        "bad_tokens": { "revoked": revoked, "mistyped": mistyped },
        "foreign_token": "hf_AbCdEfGhIjKlMnOpQrStUvWxYz01234567",
    });
    expect.extend(more.as_object().cloned().unwrap_or_else(Map::new));
    Value::Object(expect)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_of_the_python_clients_passes() {
    let (tiny, many, sharded) = (tiny(), many(), sharded());
    let private = RepoFixture::model("acme/private").lfs("secret.bin", random_bytes(9, 5_000)).private(["hf_ours"]);
    let space = RepoFixture::space("acme/show").file("README.md", "---\nsdk: static\n---\n").file("index.html", "<p>");
    let repos = vec![tiny.clone(), many.clone(), sharded.clone(), private.clone(), space.clone()];
    let upstream = FakeUpstream::start(repos).await.unwrap();
    let hub = TestHub::with(&upstream.endpoint(), |config| {
        config.upstream.token = Some(acervo::upstream::Secret::new("hf_ours"));
    })
    .await;
    let mut request = order(RepoKind::Model, "acme/tiny");
    request.revisions = ["main", "v1.0", "feature/x"].map(str::to_owned).to_vec();
    let mirror = hub.mirror_with(request.clone()).await;
    hub.sync(&mirror).await;
    request.local_name = Some("acme/tiny-part".parse().unwrap());
    request.revisions.clear();
    request.selection = Selection { include: vec!["*.json".into()], exclude: Vec::new() };
    let part = hub.mirror_with(request).await;
    hub.sync(&part).await;
    hub.synced(RepoKind::Dataset, "acme/many").await;
    hub.synced(RepoKind::Model, "acervo-demo/llama-tiny").await;
    hub.synced(RepoKind::Model, "acme/private").await;
    hub.synced(RepoKind::Space, "acme/show").await;

    let ordinary = main_expectation(&hub, &tiny, &private).await;
    let of = |fixture: &RepoFixture| Value::Object(expect::repo(fixture));
    let mut selected = expect::repo(&tiny);
    selected.insert("repo".to_owned(), json!("acme/tiny-part"));
    selected.insert("unselected".to_owned(), json!({ "path": "model.safetensors", "message": "no include pattern" }));
    // Cases that are about another repository than the ordinary one.
    let special: BTreeMap<&str, Value> =
        BTreeMap::from([("tree-paged", of(&many)), ("unselected-entry", Value::Object(selected))]);
    // Run elsewhere, on what they are about: the repositories of the demonstration.
    let elsewhere = ["transformers-load", "safetensors-metadata", "datasets-load", "datasets-stream"];

    let all = python::cases().await;
    let mut runs: Vec<(String, Value)> = Vec::new();
    for case in &all {
        if LATER.iter().any(|(later, _)| later == case) || elsewhere.contains(&case.as_str()) {
            continue;
        }
        runs.push((case.clone(), special.get(case.as_str()).unwrap_or(&ordinary).clone()));
    }
    runs.push(("snapshot-whole".to_owned(), of(&many)));
    runs.push(("snapshot-whole".to_owned(), of(&space)));
    runs.push(("repo-info".to_owned(), of(&space)));
    let ran = runs.len();
    let url = hub.url().to_owned();
    let failures: Vec<String> = stream::iter(runs)
        .map(|(case, expect)| {
            let url = url.clone();
            async move { python::run(&case, &url, &expect).await.err() }
        })
        .buffer_unordered(CASES_AT_ONCE)
        .filter_map(|failure| async move { failure })
        .collect()
        .await;
    assert!(failures.is_empty(), "{} of {ran} cases failed:\n\n{}", failures.len(), failures.join("\n\n"));
    assert_eq!(ran, all.len() - LATER.len() - elsewhere.len() + 3, "every case was run, or says why not");
    assert_eq!(upstream.leaked_tokens(), 0);
}
