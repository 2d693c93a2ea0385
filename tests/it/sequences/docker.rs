//! Docker Model Runner: safetensors by one page of each folder's tree, and files by plain GETs.

use super::{Sender, model};
use crate::serve::synced;

const HEADERS: &[(&str, &str)] = &[("User-Agent", "docker-model-runner"), ("Accept", "application/json")];

#[tokio::test(flavor = "multi_thread")]
async fn docker_model_runner_walks_the_folders_and_takes_each_file() {
    let (_upstream, hub) = synced(vec![model()], &[]).await;
    let (fixture, sender) = (model(), Sender::new(&hub, HEADERS));
    let mut folders = vec![String::new()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        let tree = sender.get(&format!("/api/models/acme/modelo/tree/main{folder}"), &[]).await;
        assert_eq!((tree.status.as_u16(), tree.header("link")), (200, ""), "`{folder}` is one page");
        for entry in tree.json().as_array().unwrap() {
            let path = entry["path"].as_str().unwrap().to_owned();
            match entry["type"].as_str().unwrap() {
                "directory" => folders.push(format!("/{path}")),
                "file" => found.push((path, entry["size"].as_u64().unwrap(), entry["lfs"]["oid"].clone())),
                other => panic!("an entry of type {other}"),
            }
        }
    }
    assert_eq!(found.len(), fixture.files_at("main").len(), "{found:?}");
    for (path, size, sha256) in found {
        let file = fixture.entry(&path);
        assert_eq!((size, sha256.is_null()), (file.size(), !file.is_lfs()), "{path}");
        let target = format!("/acme/modelo/resolve/main/{}", path.replace(' ', "%20"));
        let answer = sender.get(&target, &[]).await;
        assert!(answer.status == 200 && answer.body == file.bytes, "{path}");
        assert_eq!(answer.header("content-length"), size.to_string(), "{path}");
    }
}
