//! Who downloads by hf-hub 0.x: text-generation-inference, text-embeddings-inference, candle, mistral.rs.

use serde_json::Value;

use super::{Sender, in_parts, model};
use crate::serve::synced;

const HEADERS: &[(&str, &str)] = &[("User-Agent", "unkown/None; hf-hub/0.4.3; rust/unknown"), ("Accept", "*/*")];

#[tokio::test(flavor = "multi_thread")]
async fn text_generation_inference_probes_the_first_byte_and_takes_the_rest_in_parts() {
    let (_upstream, hub) = synced(vec![model()], &["main", "refs/pr/1"]).await;
    let (fixture, sender) = (model(), Sender::new(&hub, HEADERS));
    let info = sender.json("/api/models/acme/modelo/revision/main").await;
    // The key has to be there, and its items have to name each file.
    let named = |one: &Value| one["rfilename"].as_str().unwrap().to_owned();
    let siblings: Vec<String> = info["siblings"].as_array().unwrap().iter().map(named).collect();
    let weights: Vec<&String> = siblings.iter().filter(|path| path.ends_with(".safetensors")).collect();
    assert_eq!(weights.len(), 2, "{siblings:?}");
    for path in ["config.json", "tokenizer.json", weights[0].as_str(), weights[1].as_str()] {
        let (target, file) = (format!("/acme/modelo/resolve/main/{path}"), fixture.entry(path));
        let probe = sender.get(&target, &[("Range", "bytes=0-0")]).await;
        assert_eq!((probe.status.as_u16(), probe.body.len()), (206, 1), "{target}");
        assert_eq!(probe.header("content-range"), format!("bytes 0-0/{}", file.size()));
        assert_eq!(probe.header("x-repo-commit"), fixture.head());
        // It makes a file name of this by taking the quotes away.
        let tag = if file.is_lfs() { &file.sha256 } else { &file.oid };
        assert_eq!(probe.header("etag"), format!("\"{tag}\""));
        assert!(in_parts(&sender, &target, file.size(), 100_000).await == file.bytes, "{target}");
    }
    for absent in ["adapter_config.json", "medusa_lm_head.safetensors", "params.json"] {
        let answer = sender.get(&format!("/acme/modelo/resolve/main/{absent}"), &[("Range", "bytes=0-0")]).await;
        assert_eq!(answer.refusal(), (404, "EntryNotFound"), "{absent}");
    }
    // A revision is one segment to it.
    let info = sender.json("/api/models/acme/modelo/revision/refs%2Fpr%2F1").await;
    assert_eq!(info["sha"], fixture.commit_id("refs/pr/1").unwrap());
    let note = sender.get("/acme/modelo/resolve/refs%2Fpr%2F1/sub/note.txt", &[("Range", "bytes=0-0")]).await;
    assert_eq!((note.status.as_u16(), note.text()), (206, "n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_goes_on_at_its_length_and_ends_at_the_end() {
    let (_upstream, hub) = synced(vec![model()], &[]).await;
    let (fixture, sender) = (model(), Sender::new(&hub, HEADERS));
    let path = "model-00002-of-00002.safetensors";
    let (target, file) = (format!("/acme/modelo/resolve/main/{path}"), fixture.entry(path));
    for start in [1, 75_000, file.size() - 1] {
        let answer = sender.get(&target, &[("Range", &format!("bytes={start}-"))]).await;
        assert!(answer.status == 206 && answer.body == file.bytes[start as usize..], "from {start}");
    }
    // The last part of a pool of workers may name more than there is.
    let answer = sender.get(&target, &[("Range", "bytes=140000-10139999")]).await;
    assert_eq!(answer.header("content-range"), format!("bytes 140000-150000/{}", file.size()));
    let whole = sender.get(&target, &[("Range", &format!("bytes={}-", file.size()))]).await;
    assert_eq!((whole.status.as_u16(), whole.header("content-range")), (416, "bytes */150001"));
}
