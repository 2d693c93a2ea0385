//! llama.cpp with `-hf user/repo[:quant]`: refs, one page of the tree, HEAD and GET of what it picks.

use acervo_tests::fixture::{RepoFixture, random_bytes};

use super::Sender;
use crate::serve::synced;

const HEADERS: &[(&str, &str)] = &[("User-Agent", "llama-cpp/b7003-a1b2c3d"), ("Accept", "application/json")];

/// As many entries as one page has to hold.
const ENTRIES: usize = 1000;

fn quantised() -> RepoFixture {
    let repo = RepoFixture::model("acme/modelo-GGUF")
        .lfs("modelo-Q4_K_M.gguf", random_bytes(1, 120_000))
        .lfs("modelo-Q8_0.gguf", random_bytes(2, 90_000))
        .lfs("mmproj-F16.gguf", random_bytes(3, 5_000))
        .lfs("BF16/modelo-00001-of-00002.gguf", random_bytes(4, 40_000))
        .with_xet();
    (0..ENTRIES - 5).fold(repo, |repo, n| repo.file(&format!("n{n:04}.txt"), "x"))
}

#[tokio::test(flavor = "multi_thread")]
async fn llama_cpp_finds_its_quantisation_on_the_first_page_and_takes_it_up_where_it_broke_off() {
    let fixture = quantised();
    let (_upstream, hub) = synced(vec![fixture.clone()], &[]).await;
    let sender = Sender::new(&hub, HEADERS);
    // It joins the endpoint and a path with a slash, whether there is one or not.
    for slash in ["/", "//"] {
        let refs = sender.json(&format!("{slash}api/models/acme/modelo-GGUF/refs")).await;
        let branches = refs["branches"].as_array().unwrap();
        let main = branches.iter().find(|branch| branch["name"] == "main").unwrap();
        let sha = main["targetCommit"].as_str().unwrap();
        assert!(sha.len() == 40 && sha.bytes().all(|digit| digit.is_ascii_hexdigit()), "{main}");
        assert_eq!(sha, fixture.head());

        let tree = sender.get(&format!("{slash}api/models/acme/modelo-GGUF/tree/{sha}?recursive=true"), &[]).await;
        assert_eq!((tree.status.as_u16(), tree.header("link")), (200, ""), "it reads no second page");
        let tree = tree.json();
        assert_eq!(tree.as_array().unwrap().len(), ENTRIES);
        for entry in tree.as_array().unwrap().iter().filter(|entry| entry["type"] == "file") {
            assert!(entry["path"].is_string() && entry["size"].is_u64() && entry["oid"].is_string(), "{entry}");
        }
        for path in ["modelo-Q4_K_M.gguf", "mmproj-F16.gguf", "BF16/modelo-00001-of-00002.gguf"] {
            let file = fixture.entry(path);
            let listed = tree.as_array().unwrap().iter().find(|entry| entry["path"] == path).unwrap();
            assert_eq!((&listed["lfs"]["oid"], &listed["size"]), (&file.sha256.clone().into(), &file.size().into()));

            let target = format!("{slash}acme/modelo-GGUF/resolve/{sha}/{path}");
            let head = sender.head(&target, &[]).await;
            assert_eq!(head.status, 200, "the last answer it follows to has to be this one");
            assert_eq!(head.header("etag"), format!("\"{}\"", file.sha256));
            assert_eq!(head.header("content-length"), file.size().to_string());
            assert_eq!(head.header("accept-ranges"), "bytes", "or it starts over after a break");
            let rest = sender.get(&target, &[("Range", "bytes=1000-")]).await;
            assert!(rest.status == 206 && rest.body == file.bytes[1000..], "{target}");
            let whole = sender.get(&target, &[]).await;
            assert!(whole.status == 200 && whole.body == file.bytes, "{target}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn llama_cpp_is_refused_in_words_where_there_is_nothing() {
    let (_upstream, hub) = synced(vec![quantised()], &[]).await;
    // Of other hubs' tokens it sends those that look like ours.
    let foreign = "Bearer hf_AbCdEfGhIjKlMnOpQrStUvWxYz01234567";
    let sender = Sender::new(&hub, &[HEADERS, &[("Authorization", foreign)]].concat());
    assert_eq!(sender.json("//api/models/acme/modelo-GGUF/refs").await["branches"][0]["name"], "main");
    let missing = sender.get("//api/models/acme/ninguno-GGUF/refs", &[]).await;
    assert_eq!(missing.refusal(), (401, "RepoNotFound"));
    assert!(missing.json()["error"].as_str().unwrap().contains("acme/ninguno-GGUF"));
    let sha = quantised().head();
    let absent = sender.head(&format!("//acme/modelo-GGUF/resolve/{sha}/preset.ini"), &[]).await;
    assert_eq!(absent.refusal(), (404, "EntryNotFound"));
}
