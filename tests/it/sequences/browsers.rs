//! `@huggingface/hub` and transformers.js, as `fetch` sends for them: raw paths, JSON bodies, lists joined by commas.

use serde_json::Value;

use super::{Sender, in_parts, model};
use crate::serve::synced;

const HEADERS: &[(&str, &str)] = &[("Accept", "*/*"), ("Accept-Language", "*"), ("Sec-Fetch-Mode", "cors")];

const XET: (&str, &str) = ("Accept", "application/vnd.xet-fileinfo+json, */*");

/// The next page as the client's pattern finds it: a space, and double quotes.
fn next(link: &str) -> Option<String> {
    let (url, rest) = link.strip_prefix('<')?.split_once('>')?;
    (rest == "; rel=\"next\"").then(|| url.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_library_for_javascript_lists_by_raw_revisions_and_downloads_what_is_no_xet() {
    let (_upstream, hub) = synced(vec![model()], &["main", "refs/pr/1"]).await;
    let (fixture, sender) = (model(), Sender::new(&hub, HEADERS));
    let request = fixture.commit_id("refs/pr/1").unwrap();
    // listFiles, listCommits and modelInfo.
    let paths = |entries: &Value| -> Vec<String> {
        entries.as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap().to_owned()).collect()
    };
    let tree = sender.json("/api/models/acme/modelo/tree/refs/pr/1/sub?recursive=true&expand=false").await;
    assert_eq!(paths(&tree), ["sub/deep", "sub/deep/more.txt", "sub/note.txt"]);
    let log = sender.json("/api/models/acme/modelo/commits/refs/pr/1?limit=100").await;
    assert_eq!(log[0]["id"], request);
    for key in ["title", "message", "date"] {
        assert!(log[0][key].is_string(), "{log}");
    }
    assert!(log[0]["authors"].as_array().unwrap().iter().all(|author| author["user"].is_string()), "{log}");
    let expands = "expand=pipeline_tag&expand=private&expand=gated&expand=downloads&expand=likes&expand=lastModified";
    let info = sender.json(&format!("/api/models/acme/modelo/revision/HEAD?{expands}&expand=sha")).await;
    assert_eq!((&info["id"], &info["sha"], &info["likes"]), (&"acme/modelo".into(), &fixture.head().into(), &0.into()));

    // fileDownloadInfo and downloadFile.
    for path in ["config.json", "model-00001-of-00002.safetensors"] {
        let (target, file) = (format!("/acme/modelo/resolve/main/{path}"), fixture.entry(path));
        let probe = sender.get(&target, &[XET, ("Range", "bytes=0-0")]).await;
        assert_eq!(probe.header("content-range"), format!("bytes 0-0/{}", file.size()), "{target}");
        assert!(!probe.header("content-type").contains("xet"), "{target}: {}", probe.header("content-type"));
        assert!(!probe.header("etag").is_empty());
        let whole = sender.get(&format!("{target}?noContentDisposition=1"), &[]).await;
        assert!(whole.body == file.bytes && whole.header("content-disposition").is_empty(), "{target}");
        assert!(in_parts(&sender, &target, file.size(), 65_536).await == file.bytes);
    }
    // fileExists and pathsInfo.
    let raw = |path: &str| format!("/acme/modelo/raw/main/{path}");
    assert_eq!(sender.head(&raw("onnx/model.onnx"), &[]).await.status, 200);
    assert_eq!(sender.head(&raw("nowhere"), &[]).await.refusal(), (404, "EntryNotFound"));
    let json = [("Content-Type", "application/json"), ("Accept", "application/json")];
    let body = "{\"paths\":[\"onnx/model.onnx\",\"original/a+b c.txt\"],\"expand\":true}";
    let found = sender.send("POST", "/api/models/acme/modelo/paths-info/main", &json, body).await.json();
    assert_eq!(paths(&found), ["onnx/model.onnx", "original/a+b c.txt"]);
    assert_eq!(found[0]["lfs"]["oid"], fixture.sha256_of("onnx/model.onnx"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_the_library_for_javascript_join_what_others_repeat_and_go_on_by_links() {
    let one = |name: &str| acervo_tests::fixture::RepoFixture::model(name).lfs("m-Q8_0.gguf", name).tags(["gguf"]);
    let (_upstream, hub) = synced(vec![one("acme/a"), one("acme/b"), one("acme/c")], &[]).await;
    let sender = Sender::new(&hub, HEADERS);
    let mut url = "/api/models?limit=1&owner=acme&author=acme&expand=pipeline_tag&expand[]=likes&apps=llama.cpp,ollama"
        .to_owned();
    let mut seen = Vec::new();
    loop {
        let answer = sender.get(&url, &[]).await;
        assert_eq!(answer.status, 200, "{url}");
        let page = answer.json();
        assert_eq!(page.as_array().unwrap().len(), 1, "{url}");
        assert!(page[0]["likes"].is_u64() && page[0].get("downloads").is_none(), "{page}");
        seen.push(page[0]["id"].as_str().unwrap().to_owned());
        let Some(link) = next(answer.header("link")) else { break };
        assert!(link.contains("limit=1") && link.contains("expand=pipeline_tag"), "{link}");
        url = link.strip_prefix(hub.url()).unwrap().to_owned();
    }
    seen.sort();
    assert_eq!(seen, ["acme/a", "acme/b", "acme/c"]);
    let none = sender.json("/api/models?limit=500&inference_provider=together,fireworks-ai").await;
    assert_eq!(none.as_array().unwrap().len(), 0, "nobody infers here");
}

#[tokio::test(flavor = "multi_thread")]
async fn transformers_js_loads_by_plain_addresses_and_reads_hashes_from_pointers() {
    let (_upstream, hub) = synced(vec![model()], &[]).await;
    let (fixture, sender) = (model(), Sender::new(&hub, HEADERS));
    // `remoteHost` ends with a slash or without one, and the template is filled in without any escape.
    for host in ["/", "//"] {
        let address = |path: &str| format!("{host}acme/modelo/resolve/main/{path}");
        for path in ["config.json", "tokenizer.json", "onnx/model.onnx"] {
            let file = fixture.entry(path);
            let probe = sender.get(&address(path), &[("Range", "bytes=0-0")]).await;
            assert_eq!(probe.header("content-range"), format!("bytes 0-0/{}", file.size()), "{path}");
            let answer = sender.get(&address(path), &[]).await;
            assert!(answer.status == 200 && answer.body == file.bytes, "{path}");
            assert_eq!(answer.header("content-length"), file.size().to_string(), "progress needs the length");
        }
        for optional in
            ["generation_config.json", "preprocessor_config.json", "onnx/model.onnx_data", "chat_template.jinja"]
        {
            assert_eq!(sender.get(&address(optional), &[]).await.refusal(), (404, "EntryNotFound"), "{optional}");
        }
        let pointer = sender.get(&format!("{host}acme/modelo/raw/main/onnx/model.onnx"), &[]).await;
        let hash = pointer.text().lines().find_map(|line| line.strip_prefix("oid sha256:")).unwrap().to_owned();
        assert_eq!(hash, fixture.sha256_of("onnx/model.onnx"));
    }
}
