//! The hub that every client is shown: one mirror of everything that paths, sizes, revisions and rights can be.
//!
//! Owns the repositories and what must be seen of them, by scene. It knows no client.

use acervo::app::collections::{self, Draft, Theme};
use acervo::app::settings::{self, Change, Terms};
use acervo::app::{gates, identity, repos};
use acervo::demo::content;
use acervo_core::access::{Grant, Scope};
use acervo_core::{Caller, RepoKind, Role, Selection, Visibility};
use acervo_store::db::{generation, principals};
use serde_json::{Map, Value, json};

use crate::expect;
use crate::fake_upstream::FakeUpstream;
use crate::fixture::{RepoFixture, random_bytes};
use crate::test_hub::{TestHub, order};

/// What Acervo's own token at the upstream is, so that it may read the private repository.
const UPSTREAM_TOKEN: &str = "hf_ours";

const CARD: &str = "---\nlicense: apache-2.0\nlanguage:\n- gn\n- es\npipeline_tag: text-generation\n\
                    library_name: transformers\ntags:\n- demo\nbase_model: acme/base\n---\n# Tiny\n";

/// Enough to be cut twice on its way to a client; see `run`.
const LARGE_BYTES: usize = 26_000_000;

/// The gated repository once more, for the case that opens its gate while others want it closed.
const STEERED: &str = "closed/gated";

/// Scenes that [`World`] stages; the table's other scenes belong to tests of their own.
pub const SCENES: [&str; 6] = ["tiny", "plain", "large", "many", "space", "part"];

/// A mirror in full, and the upstream it was made from.
pub struct World {
    upstream: FakeUpstream,
    hub: TestHub,
    scenes: Map<String, Value>,
}

impl World {
    /// Starts both servers and mirrors everything.
    pub async fn start() -> anyhow::Result<World> {
        let (tiny, plain, many, sharded) = (tiny(), plain(), many(), sharded());
        let large = RepoFixture::model("acme/large").lfs("model.safetensors", random_bytes(6, LARGE_BYTES));
        let private =
            RepoFixture::model("acme/private").lfs("secret.bin", random_bytes(9, 5_000)).private([UPSTREAM_TOKEN]);
        let gated = RepoFixture::model("acme/gated")
            .file("README.md", "---\nlicense: other\n---\n# Gated\n")
            .lfs("weights.bin", random_bytes(10, 4_000))
            .gated_auto()
            .grant([UPSTREAM_TOKEN]);
        let space =
            RepoFixture::space("acme/show").file("README.md", "---\nsdk: static\n---\n").file("index.html", "<p>");
        let repos = [&tiny, &plain, &large, &many, &sharded, &private, &gated, &space].map(Clone::clone).to_vec();
        let upstream = FakeUpstream::start(repos).await?;
        let hub = TestHub::with(&upstream.endpoint(), |config| {
            config.upstream.token = Some(acervo::upstream::Secret::new(UPSTREAM_TOKEN));
        })
        .await;

        let mut request = order(RepoKind::Model, "acme/tiny");
        request.revisions = ["main", "v1.0", "feature/x"].map(str::to_owned).to_vec();
        let mirror = hub.mirror_with(request.clone()).await;
        hub.sync(&mirror).await;
        request.local_name = Some("acme/tiny-part".parse()?);
        request.revisions.clear();
        request.selection = Selection { include: vec!["*.json".into()], ..Selection::default() };
        let part = hub.mirror_with(request).await;
        hub.sync(&part).await;
        let mut steered = order(RepoKind::Model, "acme/gated");
        steered.local_name = Some(STEERED.parse()?);
        let steered = hub.mirror_with(steered).await;
        hub.sync(&steered).await;
        for (kind, name) in [
            (RepoKind::Model, "acme/plain"),
            (RepoKind::Model, "acme/large"),
            (RepoKind::Dataset, "acme/many"),
            (RepoKind::Model, "acme/gated"),
            (RepoKind::Model, "acervo-demo/llama-tiny"),
            (RepoKind::Model, "acme/private"),
            (RepoKind::Space, "acme/show"),
        ] {
            hub.synced(kind, name).await;
        }

        let mut people = people(&hub, &private).await;
        let door = door(&hub, &gated).await?;
        let mut steered = door.clone();
        steered["repo"] = json!(STEERED);
        people.insert("gated".to_owned(), door);
        people.insert("steered".to_owned(), steered);
        let mut scenes = Map::new();
        for (scene, fixture) in
            [("tiny", &tiny), ("plain", &plain), ("large", &large), ("many", &many), ("space", &space), ("part", &tiny)]
        {
            let mut stated = expect::repo(fixture);
            stated.extend(people.clone());
            scenes.insert(scene.to_owned(), Value::Object(stated));
        }
        extend(&mut scenes["tiny"], of_tiny(&tiny));
        extend(&mut scenes["tiny"], gathered(&hub).await?);
        extend(
            &mut scenes["part"],
            json!({
                "repo": "acme/tiny-part",
                "unselected": { "path": "model.safetensors", "message": "no include pattern" },
            }),
        );
        Ok(World { upstream, hub, scenes })
    }

    /// The hub that clients are pointed at.
    pub fn hub(&self) -> &TestHub {
        &self.hub
    }

    /// The hub that it mirrors.
    pub fn upstream(&self) -> &FakeUpstream {
        &self.upstream
    }

    /// What must be seen, by scene.
    pub fn scenes(&self) -> Value {
        Value::Object(self.scenes.clone())
    }
}

fn extend(scene: &mut Value, more: Value) {
    if let (Value::Object(scene), Value::Object(more)) = (scene, more) {
        scene.extend(more);
    }
}

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

/// A repository of names that even clients can ask for which put paths into addresses as they are; no file is empty.
fn plain() -> RepoFixture {
    RepoFixture::model("acme/plain")
        .file("README.md", "# Plain\n")
        .file("config.json", "{\"model_type\": \"llama\"}")
        .file("docs/guide/first-steps.md", "# First steps\n")
        .lfs("model.safetensors", random_bytes(4, 30_000))
        .lfs("weights/deep/extra.bin", random_bytes(5, 7_000))
}

/// More entries than one page holds.
fn many() -> RepoFixture {
    (0..1100).fold(RepoFixture::dataset("acme/many"), |repo, n| {
        repo.file(&format!("data/{:03}/{n:05}.json", n % 40), format!("{}", n % 50))
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

/// The people who ask, and what they may see.
async fn people(hub: &TestHub, private: &RepoFixture) -> Map<String, Value> {
    let reader = hub.token("reader", Role::Reader).await;
    let stranger = hub.stranger("eve").await;
    let revoked = hub.token("gone", Role::Reader).await;
    identity::revoke_token(hub.hub(), &Caller::System, "gone").await.expect("the token is revoked");
    // Another last character than it has, whatever that is.
    let mistyped = format!("{}{}", &reader[..reader.len() - 1], if reader.ends_with('x') { 'y' } else { 'x' });
    let stated = json!({
        "whoami": { "token": reader, "name": "reader", "orgs": [], "role": "read" },
        "private": {
            "repo": private.name, "path": "secret.bin", "files": expect::files(private, "main"), "reader": reader,
            "stranger": stranger,
        },
        "bad_tokens": { "revoked": revoked, "mistyped": mistyped },
        "foreign_token": "hf_AbCdEfGhIjKlMnOpQrStUvWxYz01234567",
    });
    stated.as_object().cloned().unwrap_or_default()
}

/// The gated repository, and who stands at its gate.
async fn door(hub: &TestHub, gated: &RepoFixture) -> anyhow::Result<Value> {
    const TERMS: &str = "For research alone.";
    let caller = Caller::System;
    let (reader, stranger) = (hub.stranger("gina").await, hub.stranger("gus").await);
    let mut terms = None;
    for name in [gated.name.as_str(), STEERED] {
        let repo = repos::find(hub.hub(), &caller, RepoKind::Model, name).await?.into_repo();
        let change = Change { terms: Terms::Put(TERMS.to_owned()), ..Change::default() };
        terms = settings::change(hub.hub(), &caller, &repo, &change).await?.gate.terms;
        gates::grant(hub.hub(), &caller, &repo, "gina").await?;
    }
    Ok(json!({
        "repo": gated.name, "path": "weights.bin", "files": expect::files(gated, "main"), "reader": reader,
        "stranger": stranger, "maintainer": hub.token("keeper", Role::Maintainer).await,
        "asker": { "user": "asker", "token": hub.stranger("asker").await }, "terms": terms,
    }))
}

/// Collections and people around the ordinary repository.
async fn gathered(hub: &TestHub) -> anyhow::Result<Value> {
    let caller = Caller::System;
    let items = [
        (RepoKind::Model, "acme/tiny"),
        (RepoKind::Dataset, "acme/many"),
        (RepoKind::Space, "acme/show"),
        (RepoKind::Model, "acme/plain"),
        (RepoKind::Model, "acme/large"),
    ];
    let draft = |title: &str, visibility| Draft {
        owner: "acme".to_owned(),
        title: title.to_owned(),
        description: Some("What may be used in production".to_owned()),
        theme: Theme::Indigo,
        visibility,
    };
    let shown = collections::create(hub.hub(), &caller, &draft("Modelos \u{fa}tiles", Visibility::Public)).await?;
    let hidden = collections::create(hub.hub(), &caller, &draft("Hidden", Visibility::Private)).await?;
    // One that nobody below a reader sees is the last, so that it would be missed in no place but its own.
    for (kind, name) in items.into_iter().chain([(RepoKind::Model, "acme/private")]) {
        let repo = repos::find(hub.hub(), &caller, kind, name).await?.into_repo();
        let note = (name == "acme/tiny").then_some("the smallest");
        collections::add(hub.hub(), &caller, &shown, &repo, note).await?;
    }
    let member = hub.stranger("mia").await;
    let db = hub.hub().db();
    let tx = db.begin().await?;
    let (principal, namespace) = (principals::by_name(&tx, "mia").await?, principals::namespace(&tx, "acme").await?);
    let (principal, namespace) = (principal.expect("a user").id, namespace.expect("a namespace").id);
    let grant = Grant { scope: Scope::Namespace(namespace), role: Role::Reader };
    principals::grant(&tx, principal, grant, None, hub.hub().now()).await?;
    generation::bump(&tx).await?;
    acervo_store::db::commit(tx).await?;
    hub.hub().caches().clear();
    Ok(json!({
        "collection": {
            "slug": shown.slug(), "title": "Modelos \u{fa}tiles", "description": "What may be used in production",
            "owner": "acme", "note": "the smallest", "hidden": hidden.slug(),
            "reader": hub.token("collector", Role::Reader).await,
            "items": items.map(|(kind, name)| json!([kind, name])),
        },
        // What a user without any role sees: not the private model.
        "people": {
            "token": hub.stranger("uma").await, "user": "mia", "organization": "acme", "members": ["mia"],
            "counts": [1, 5, 1, 1], "member": member,
        },
    }))
}

/// Which of these commits, newest first, last touched each file.
fn last_commits(repo: &RepoFixture, commits: &[&String]) -> Value {
    let mut last = Map::new();
    for (path, file) in repo.files_at("main") {
        let mut touched = commits[0];
        for pair in commits.windows(2) {
            match repo.files_at(pair[1]).get(path) {
                Some(before) if before.oid == file.oid => touched = pair[1],
                _ => break,
            }
        }
        last.insert(path.clone(), json!(touched));
    }
    Value::Object(last)
}

/// History, card and lists around the ordinary repository.
fn of_tiny(tiny: &RepoFixture) -> Value {
    let (first, head) = (tiny.commit_id("v1.0").expect("the tag"), tiny.head());
    let second = tiny.commit_id("feature/x").expect("the branch");
    json!({
        "snapshots": { first.clone(): expect::files(tiny, &first), second.clone(): expect::files(tiny, &second) },
        "branches": { "main": head, "feature/x": second },
        "tags": { "v1.0": first },
        "last_commits": last_commits(tiny, &[&head, &second, &first]),
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
    })
}
