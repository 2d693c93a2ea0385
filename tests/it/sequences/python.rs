//! huggingface_hub, three generations: 0.36 on requests, 1.33 on httpx, 2.4 on httpx2.

use acervo_tests::fixture::RepoFixture;

use super::{Sender, model};
use crate::serve::{encoded, synced};

const REQUESTS: &[(&str, &str)] = &[("User-Agent", "unknown/None; hf_hub/0.36.2; python/3.11.7"), ("Accept", "*/*")];

const HTTPX: &[(&str, &str)] = &[
    ("User-Agent", "unknown/None; hf_hub/1.33.0; python/3.11.7"),
    ("Accept", "*/*"),
    ("X-Amzn-Trace-Id", "3f0c5b0e-9d5a-4d1f-8a3d-2f6f0f9f1c11"),
    ("X-HF-Download-Counter", "1"),
];

/// HEAD and GET of each file at a commit, and the rest of it after a break.
async fn fetches_each(sender: &Sender<'_>, fixture: &RepoFixture, paths: &[String]) {
    let sha = fixture.head();
    assert_eq!(paths.len(), fixture.files_at("main").len(), "{paths:?}");
    for path in paths {
        let file = fixture.entry(path);
        let target = format!("/acme/modelo/resolve/{sha}/{}", encoded(path));
        let head = sender.head(&target, &[("Accept-Encoding", "identity")]).await;
        assert_eq!((head.status.as_u16(), head.header("x-repo-commit")), (200, sha.as_str()), "{target}");
        let tag = if file.is_lfs() { &file.sha256 } else { &file.oid };
        assert_eq!(head.header("etag"), format!("\"{tag}\""), "{target}");
        assert_eq!(head.header("content-length"), file.size().to_string(), "{target}");
        assert_eq!(head.header("location"), "", "{target}");
        let get = sender.get(&target, &[("Accept-Encoding", "gzip, deflate")]).await;
        assert!(get.status == 200 && get.body == file.bytes, "{target}");
        assert_eq!(get.header("content-encoding"), "", "{target}");
        let half = file.size() / 2;
        if half > 0 {
            let rest = sender.get(&target, &[("Range", &format!("bytes={half}-"))]).await;
            assert!(rest.status == 206 && rest.body == file.bytes[half as usize..], "{target} from {half}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_0_36_goes_by_the_siblings_of_its_revision() {
    let (_upstream, hub) = synced(vec![model()], &[]).await;
    let (fixture, sender) = (model(), Sender::new(&hub, REQUESTS));
    let info = sender.json("/api/models/acme/modelo/revision/main").await;
    assert_eq!((&info["id"], &info["sha"]), (&"acme/modelo".into(), &fixture.head().into()));
    let siblings: Vec<String> =
        info["siblings"].as_array().unwrap().iter().map(|one| one["rfilename"].as_str().unwrap().to_owned()).collect();
    fetches_each(&sender, &fixture, &siblings).await;
    // Its booleans are Python's.
    let info = sender.json("/api/models/acme/modelo?blobs=True&securityStatus=True").await;
    let shard = info["siblings"].as_array().unwrap().iter().find(|one| one["rfilename"] == "onnx/model.onnx").unwrap();
    let onnx = fixture.entry("onnx/model.onnx");
    assert_eq!((&shard["size"], &shard["lfs"]["sha256"]), (&9_000.into(), &onnx.sha256.clone().into()));
    let tree = sender.json("/api/models/acme/modelo/tree/main?recursive=True&expand=False").await;
    assert!(tree.as_array().unwrap().iter().any(|entry| entry["path"] == "onnx/model.onnx"), "{tree}");
    let flat = sender.json("/api/models/acme/modelo/tree/main?recursive=False&expand=False").await;
    assert!(flat.as_array().unwrap().iter().all(|entry| !entry["path"].as_str().unwrap().contains('/')), "{flat}");
    let list = sender.json("/api/models?full=True&cardData=True&sort=downloads&direction=-1&limit=5").await;
    assert_eq!((&list[0]["id"], &list[0]["cardData"]["license"]), (&"acme/modelo".into(), &"mit".into()));
    assert_eq!(list[0]["siblings"].as_array().unwrap().len(), siblings.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_1_33_and_2_4_goes_by_the_tree_of_the_commit() {
    let (_upstream, hub) = synced(vec![model()], &[]).await;
    let (fixture, sender) = (model(), Sender::new(&hub, HTTPX));
    let answer = sender.get("/api/models/acme/modelo/revision/main", &[]).await;
    assert_eq!(answer.header("x-request-id"), "3f0c5b0e-9d5a-4d1f-8a3d-2f6f0f9f1c11", "the trace is named in errors");
    let sha = answer.json()["sha"].as_str().unwrap().to_owned();
    assert_eq!(sha, fixture.head());
    let tree = sender.json(&format!("/api/models/acme/modelo/tree/{sha}?recursive=true&expand=false")).await;
    let entries = tree.as_array().unwrap();
    let files = entries.iter().filter(|entry| entry["type"] == "file");
    let paths: Vec<String> = files.map(|entry| entry["path"].as_str().unwrap().to_owned()).collect();
    for entry in entries {
        // What the client indexes without asking whether it is there.
        for key in ["type", "path", "oid"] {
            assert!(entry[key].is_string(), "{entry}");
        }
        assert!(entry["size"].is_u64() && entry.get("xetHash").is_none(), "{entry}");
        if let Some(lfs) = entry.get("lfs") {
            assert!(lfs["oid"].is_string() && lfs["size"].is_u64() && lfs["pointerSize"].is_u64(), "{entry}");
        }
    }
    fetches_each(&sender, &fixture, &paths).await;

    let part = sender.json("/api/models/acme/modelo?expand=sha&expand=siblings").await;
    let mut keys: Vec<&str> = part.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["_id", "id", "sha", "siblings"]);
    let refs = sender.json("/api/models/acme/modelo/refs?include_prs=1").await;
    for key in ["branches", "converts", "tags", "pullRequests"] {
        assert!(refs[key].is_array(), "{refs}");
    }
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let body = "paths=config.json&paths=original%2Fa%2Bb+c.txt&paths=nowhere&expand=false";
    let found = sender.send("POST", "/api/models/acme/modelo/paths-info/main", &form, body).await;
    let found = found.json();
    let paths: Vec<&str> = found.as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["config.json", "original/a+b c.txt"]);
}
