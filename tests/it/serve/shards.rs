//! The headers of all shards of a model in one answer, and what is said of files that only claim to be shards.

use acervo_tests::fixture::{Kind, RepoFixture};
use serde_json::{Value, json as value};

use super::{Answer, empty, get, json, served_bytes, synced};

const ROUTE: &str = "/api/models/acme/shards/safetensors-metadata";

/// A shard: the length of its header, the header, and tensors that nobody shall read.
fn shard(header: &str) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(&[7; 10_000]);
    bytes
}

fn header(tensor: &str) -> Value {
    value!({ "__metadata__": { "format": "pt" }, tensor: { "dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24] } })
}

fn index(weights: &[(&str, &str)]) -> String {
    let map: serde_json::Map<String, Value> =
        weights.iter().map(|(tensor, shard)| ((*tensor).to_owned(), value!(shard))).collect();
    value!({ "metadata": { "total_size": 48 }, "weight_map": map }).to_string()
}

fn model() -> RepoFixture {
    let shards = [("a", "m-1.safetensors"), ("b", "m-2.safetensors"), ("c", "m-1.safetensors")];
    empty(Kind::Model, "acme/shards")
        .file("model.safetensors.index.json", index(&shards))
        .lfs("m-1.safetensors", shard(&format!("{}    ", header("a"))))
        .lfs("m-2.safetensors", shard(&header("b").to_string()))
        .file("text \u{f1}/model.safetensors.index.json", index(&[("d", "x.safetensors")]))
        .lfs("text \u{f1}/x.safetensors", shard(&header("d").to_string()))
        .file("config.json", "{}")
        .file("absent.index.json", index(&[("a", "nowhere.safetensors")]))
        .file("outside.index.json", index(&[("a", "../m-1.safetensors")]))
        .file("huge.index.json", index(&[("a", "huge.safetensors")]))
        .lfs("huge.safetensors", [0xff; 100])
        .file("beyond.index.json", index(&[("a", "beyond.safetensors")]))
        .lfs("beyond.safetensors", [101, 0, 0, 0, 0, 0, 0, 0, b'{', b'}'])
        .file("short.index.json", index(&[("a", "short.safetensors")]))
        .lfs("short.safetensors", [1, 0])
        .file("text.index.json", index(&[("a", "text.safetensors")]))
        .lfs("text.safetensors", shard("not a header at all"))
        .file("shape.index.json", index(&[("a", "shape.safetensors")]))
        .lfs("shape.safetensors", shard("{\"a\": {\"dtype\": \"F32\"}}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn index_and_headers_come_as_the_files_have_them() {
    let (_upstream, hub) = synced(vec![model()], &[]).await;
    let before = served_bytes(&hub);
    for _ in 0..2 {
        let found = json(&hub, &format!("{ROUTE}/model.safetensors.index.json")).await;
        assert_eq!(
            found,
            value!({
                "index": { "metadata": { "total_size": 48 } },
                "headers": { "m-1.safetensors": header("a"), "m-2.safetensors": header("b") },
            })
        );
    }
    for written in ["text%20%C3%B1/model.safetensors.index.json", "text%20%C3%B1%2Fmodel.safetensors.index.json"] {
        let found = json(&hub, &format!("{ROUTE}/{written}")).await;
        assert_eq!(found["headers"], value!({ "x.safetensors": header("d") }), "{written}");
    }
    assert_eq!(served_bytes(&hub), before, "headers are no downloads");
    let without_body = Answer::to(hub.head(&format!("{ROUTE}/model.safetensors.index.json"))).await;
    assert_eq!((without_body.status.as_u16(), without_body.body.len()), (200, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_index_or_no_shard_is_refused_with_the_reason() {
    let fixture = model();
    let (_upstream, hub) = synced(vec![fixture.clone()], &[]).await;
    for (path, status, code, said) in [
        ("nothing.index.json", 404, "EntryNotFound", "nothing.index.json"),
        ("absent.index.json", 404, "EntryNotFound", "nowhere.safetensors"),
        ("config.json", 400, "", "weight_map"),
        ("m-1.safetensors", 400, "", "is not an index"),
        ("outside.index.json", 400, "", "../m-1.safetensors"),
        ("huge.index.json", 400, "", "at most 25000000"),
        ("beyond.index.json", 400, "", "a header of 101 bytes and has 10"),
        ("short.index.json", 400, "", "less than 8 bytes"),
        ("text.index.json", 400, "", "text.safetensors"),
        ("shape.index.json", 400, "", "shape.safetensors"),
    ] {
        let answer = get(&hub, &format!("{ROUTE}/{path}")).await;
        assert_eq!(answer.refusal(), (status, code), "{path}: {}", answer.text());
        assert!(answer.header("x-error-message").contains(said), "{path}: {}", answer.text());
        let commit = if code.is_empty() { String::new() } else { fixture.head() };
        assert_eq!(answer.header("x-repo-commit"), commit, "{path}");
    }
}
