//! `acervo demo`, as people run it.

use std::path::Path;

use acervo::app::mirrors;
use acervo::app::sync::Progress;
use acervo::demo::content::{self, DemoRepo};
use acervo::demo::{DemoMirror, DemoUpstream, order};
use acervo::worker;
use acervo_core::{Caller, GitOid, RepoKind, Sha256Digest};
use acervo_store::db::jobs::{self, State};
use acervo_tests::binary;
use acervo_tests::clients::run::Client;
use acervo_tests::clients::table::Table;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

#[test]
fn the_demonstration_proves_what_it_shows() {
    let folder = TempDir::new().unwrap();
    let ran = binary::run(folder.path(), &["demo", "--once"]);
    assert!(ran.success, "{}\n{}", ran.stdout, ran.stderr);
    for repo in content::repos() {
        let name = format!("{} {}/{}: {} files", repo.kind, repo.namespace, repo.name, repo.files.len());
        assert!(ran.stdout.contains(&format!("proved: {name}")), "{name} is missing in\n{}", ran.stdout);
    }
    assert!(ran.stdout.contains("goes on at byte"), "{}", ran.stdout);
    assert!(ran.stdout.contains("a second sync has nothing to fetch"), "{}", ran.stdout);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the demonstration leaves nothing behind");
}

/// Files of a generated repository, as clients must see them.
fn files(repo: &DemoRepo) -> Value {
    let entries = repo.files.iter().map(|file| {
        let sha256 = Sha256Digest::of(&file.bytes);
        let size = file.bytes.len() as u64;
        let oid = if file.lfs { acervo_core::lfs::pointer_oid(sha256, size) } else { GitOid::of_blob(&file.bytes) };
        (file.path.clone(), json!({ "size": size, "sha256": sha256, "oid": oid, "lfs": file.lfs }))
    });
    Value::Object(entries.collect::<Map<String, Value>>())
}

fn write_to(folder: &Path, repo: &DemoRepo) {
    for file in &repo.files {
        let path = folder.join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &file.bytes).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_models_and_dataset_load_in_stock_libraries() {
    let upstream = DemoUpstream::start().await.unwrap();
    let mirror = DemoMirror::start(upstream.url(), "127.0.0.1:0").await.unwrap();
    let generated = TempDir::new().unwrap();
    let (mut models, mut dataset) = (Vec::new(), Value::Null);
    for repo in upstream.repos() {
        let name = format!("{}/{}", repo.namespace, repo.name);
        let added = mirrors::add(mirror.hub(), &Caller::System, &order(repo.kind, &name)).await.unwrap();
        let id = acervo::app::sync::enqueue(mirror.hub(), &Caller::System, &added).await.unwrap();
        let (progress, never) = (std::sync::Arc::new(Progress::default()), CancellationToken::new());
        worker::run_once(mirror.hub(), uuid::Uuid::now_v7(), Some(id), &progress, &never).await.unwrap();
        let job = jobs::by_id(mirror.hub().db().reader(), id).await.unwrap().unwrap();
        assert_eq!(job.state, State::Succeeded, "{name}: {:?}", job.error);
        let commit = job.outcome.unwrap()["revisions"][0]["commit"].clone();
        if repo.kind == RepoKind::Model {
            let folder = generated.path().join(repo.name);
            write_to(&folder, repo);
            models.push(json!({
                "repo": name, "commit": commit, "generated_dir": folder, "tokenizer": true, "templates": ["default"],
            }));
        } else {
            dataset = json!({
                "repo": name, "repo_type": repo.kind.as_str(), "revision": "main", "commit": commit,
                "files": files(repo), "dataset": { "repo": name, "splits": splits(repo) },
            });
        }
    }
    assert_eq!(models.len(), 4);
    let scenes = json!({ "demo": { "repo": models[0]["repo"], "models": models }, "demo-dataset": dataset });
    let (table, mut failures) = (Table::load(), Vec::new());
    for client in &table.clients {
        let cases = table.runs(&client.id, &["demo", "demo-dataset"]);
        failures.extend(Client::named(&client.id).run(mirror.url(), &scenes, &cases).await);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    mirror.stop().await;
    upstream.stop().await;
}

/// Rows of the generated dataset, by split.
fn splits(repo: &DemoRepo) -> Value {
    let mut splits = Map::new();
    for file in &repo.files {
        let name = file.path.rsplit('/').next().unwrap();
        if let Some(split) = name.strip_suffix(".jsonl") {
            let text = std::str::from_utf8(&file.bytes).unwrap();
            let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            splits.insert(split.to_owned(), Value::Array(rows));
        }
    }
    assert!(splits.len() >= 2, "the dataset has splits");
    Value::Object(splits)
}
