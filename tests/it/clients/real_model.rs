//! A real model, as its makers published it: mirrored, and downloaded by every client.

use std::path::{Path, PathBuf};

use acervo_core::RepoKind;
use acervo_tests::clients::run::Client;
use acervo_tests::clients::table::Table;
use acervo_tests::expect;
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::RepoFixture;
use acervo_tests::test_hub::TestHub;
use serde_json::{Value, json};

const NAME: &str = "sentence-transformers/all-MiniLM-L6-v2";
const WEIGHTS: &str = "model.safetensors";
const WEIGHTS_BYTES: u64 = 90_868_376;
const WEIGHTS_SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

/// The folder that `tests/run` unpacks; an absent one fails the run.
fn folder() -> PathBuf {
    let path = std::env::var_os("ACERVO_TEST_MODEL");
    PathBuf::from(path.expect("ACERVO_TEST_MODEL is not set; run the tests with `tests/run`"))
}

/// The folder as the repository that it was made from.
fn fixture(folder: &Path) -> RepoFixture {
    let mut waiting = vec![folder.to_owned()];
    let mut repo = RepoFixture::model(NAME);
    while let Some(inner) = waiting.pop() {
        for entry in std::fs::read_dir(inner).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            let bytes = std::fs::read(&path).unwrap();
            repo = if name == WEIGHTS { repo.lfs(name, bytes) } else { repo.file(name, bytes) };
        }
    }
    repo
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_model_arrives_whole_at_every_client_and_loads() {
    let folder = folder();
    let fixture = fixture(&folder);
    let weights = fixture.entry(WEIGHTS);
    assert_eq!((weights.size(), weights.sha256.as_str()), (WEIGHTS_BYTES, WEIGHTS_SHA256), "not the model meant here");
    assert_eq!(fixture.files_at("main").len(), 13);

    let upstream = FakeUpstream::start(vec![fixture.clone()]).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    let mirror = hub.mirror(RepoKind::Model, NAME).await;
    let outcome = hub.sync(&mirror).await;
    assert!(outcome.bytes_fetched >= WEIGHTS_BYTES, "{outcome:?}");
    assert!(hub.staged_files().is_empty(), "nothing is left in staging");

    let mut stated = expect::repo(&fixture);
    let model = json!({
        "repo": NAME, "commit": fixture.head(), "generated_dir": folder, "tokenizer": true, "lossless": false,
        "text": "A real model is mirrored, byte for byte.",
    });
    stated.insert("models".to_owned(), Value::Array(vec![model]));
    let scenes = json!({ "model": stated });
    let table = Table::load();
    let mut failures = Vec::new();
    // One after the other: each holds the whole model on disk.
    for client in &table.clients {
        let cases = table.runs(&client.id, &["model"]);
        assert!(!cases.is_empty(), "{} does not download the model", client.id);
        failures.extend(Client::named(&client.id).run(hub.url(), &scenes, &cases).await);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
