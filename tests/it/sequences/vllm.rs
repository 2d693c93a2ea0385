//! vLLM and transformers: optional files by HEAD, the list of files, headers of safetensors, the snapshot by patterns.

use super::{Sender, model};
use crate::serve::synced;

const HEADERS: &[(&str, &str)] = &[
    ("User-Agent", "transformers/5.23.0; python/3.11.7; hf_hub/2.4.0; session_id/0c3f; is_ci/false"),
    ("Accept", "*/*"),
];

#[tokio::test(flavor = "multi_thread")]
async fn vllm_loads_a_model_by_probes_lists_and_parts_of_files() {
    let (_upstream, hub) = synced(vec![model()], &[]).await;
    let (fixture, sender) = (model(), Sender::new(&hub, HEADERS));
    let sha = fixture.head();
    let head = async |path: &str, revision: &str| {
        sender.head(&format!("/acme/modelo/resolve/{revision}/{path}"), &[("Accept-Encoding", "identity")]).await
    };
    let config = head("config.json", "main").await;
    assert_eq!((config.status.as_u16(), config.header("x-repo-commit")), (200, sha.as_str()));
    assert_eq!(config.header("content-length"), fixture.entry("config.json").size().to_string());
    // Whatever may be there is asked for, by name and then by commit; each miss has to be one that can be kept.
    for probe in [
        "params.json",
        "adapter_config.json",
        "processor_config.json",
        "chat_template.jinja",
        "generation_config.json",
        "modules.json",
        "sentence_bert_config.json",
        "hf_quant_config.json",
        "model.safetensors",
    ] {
        for revision in ["main", sha.as_str()] {
            let answer = head(probe, revision).await;
            assert_eq!(answer.refusal(), (404, "EntryNotFound"), "{probe} at {revision}");
            assert_eq!(answer.header("x-repo-commit"), sha, "{probe} at {revision}");
        }
    }
    let templates =
        sender.get("/api/models/acme/modelo/tree/main/additional_chat_templates?recursive=false&expand=false", &[]);
    assert_eq!(templates.await.refusal(), (404, "EntryNotFound"), "any other code ends the loading of a tokenizer");

    // `list_repo_files`, then `HfFileSystem.ls` and `find`, which resolve the revision first.
    let tree = sender.json("/api/models/acme/modelo/tree/main?recursive=true&expand=false").await;
    let files = tree.as_array().unwrap().iter().filter(|entry| entry["type"] == "file").count();
    assert_eq!(files, fixture.files_at("main").len());
    assert_eq!(sender.json("/api/models/acme/modelo/revision/main").await["sha"], sha);
    let root = sender.json(&format!("/api/models/acme/modelo/tree/{sha}?recursive=false&expand=true")).await;
    assert!(root.as_array().unwrap().iter().any(|entry| entry["path"] == "onnx" && entry["type"] == "directory"));
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let body = "paths=model-00001-of-00002.safetensors&expand=true";
    let found = sender.send("POST", &format!("/api/models/acme/modelo/paths-info/{sha}"), &form, body).await.json();
    assert_eq!(found[0]["lfs"]["oid"], fixture.sha256_of("model-00001-of-00002.safetensors"));

    // The header of a shard lies within its first bytes, of which it asks for more than a short file has.
    for path in ["model-00001-of-00002.safetensors", "onnx/model.onnx"] {
        let (target, bytes) = (format!("/acme/modelo/resolve/main/{path}"), &fixture.entry(path).bytes);
        let part = sender.get(&target, &[("Range", "bytes=0-100000")]).await;
        let end = bytes.len().min(100_001);
        assert!(part.status == 206 && part.body == bytes[..end], "{target}");
        assert_eq!(part.header("content-range"), format!("bytes 0-{}/{}", end - 1, bytes.len()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_client_has_is_confirmed_by_its_tag() {
    let (_upstream, hub) = synced(vec![model()], &[]).await;
    let (fixture, sender) = (model(), Sender::new(&hub, HEADERS));
    for path in ["config.json", "model-00001-of-00002.safetensors"] {
        let target = format!("/acme/modelo/resolve/main/{path}");
        let tag = sender.head(&target, &[]).await.header("etag").to_owned();
        for method in ["HEAD", "GET"] {
            let answer = sender.send(method, &target, &[("If-None-Match", &tag)], "").await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (304, 0), "{method} {target}");
            assert_eq!(
                (answer.header("x-repo-commit"), answer.header("etag")),
                (fixture.head().as_str(), tag.as_str())
            );
        }
    }
}
