//! `@huggingface/hub` in a real browser, on a page of another origin: preflights, and headers that scripts may read.

use acervo_core::{RepoKind, Role};
use acervo_tests::browser;
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::{RepoFixture, random_bytes};
use acervo_tests::test_hub::TestHub;
use serde_json::{Value, json};

const UPSTREAM_TOKEN: &str = "hf_ours";

fn model(name: &str) -> RepoFixture {
    RepoFixture::model(name)
        .file(
            "README.md",
            "---\nlicense: mit\n---\n# A card that is long enough to have a part from byte 100 to 160. ".repeat(4),
        )
        .file("config.json", format!("{{\"model_type\": \"llama\", \"text\": \"{}\"}}", "x".repeat(300)))
        .lfs("weights/model.safetensors", random_bytes(4, 1_200_003))
        .with_xet()
        .commit("Say more", |commit| commit.file("notes/more.txt", "more ".repeat(50)))
}

/// What a page must have seen of a repository.
fn seen(fixture: &RepoFixture, hub: &TestHub) -> Value {
    let files = fixture.files_at("main").iter().map(|(path, file)| {
        let tag = if file.is_lfs() { &file.sha256 } else { &file.oid };
        let stated = json!({
            "size": file.size(), "etag": format!("\"{tag}\""), "xet": false, "fetched_from": hub.url(),
            "sha256": file.sha256, "part": hex::encode(&file.bytes[100..160]),
        });
        (path.clone(), stated)
    });
    let info = json!({ "name": fixture.name, "sha": fixture.head(), "private": fixture.private });
    json!({ "files": files.collect::<serde_json::Map<_, _>>(), "info": info })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_library_for_javascript_reads_from_a_page_of_another_origin() {
    let (open, secret) = (model("acme/tiny"), model("acme/secret").private([UPSTREAM_TOKEN]));
    let many = (0..1100).fold(RepoFixture::dataset("acme/many"), |repo, n| repo.file(&format!("{n:05}.json"), "{}"));
    let upstream = FakeUpstream::start(vec![open.clone(), secret.clone(), many]).await.unwrap();
    let hub = TestHub::with(&upstream.endpoint(), |config| {
        config.upstream.token = Some(acervo::upstream::Secret::new(UPSTREAM_TOKEN));
    })
    .await;
    for (kind, name) in
        [(RepoKind::Model, "acme/tiny"), (RepoKind::Model, "acme/secret"), (RepoKind::Dataset, "acme/many")]
    {
        hub.synced(kind, name).await;
    }
    // Its pages are its own affair: those of the listed origin may read, and nobody else's.
    let closed = TestHub::with(&upstream.endpoint(), |config| {
        config.server.cors_origins = vec!["https://other.example".to_owned()];
    })
    .await;
    closed.synced(RepoKind::Model, "acme/tiny").await;
    let token = hub.token("reader", Role::Reader).await;
    let wrong = format!("{}{}", &token[..token.len() - 1], if token.ends_with('x') { 'y' } else { 'x' });
    let task = json!({
        "hub": hub.url(), "closed": closed.url(), "open": "acme/tiny", "secret": "acme/secret", "many": "acme/many",
        "token": token, "wrong": wrong, "file": "config.json", "lfs": "weights/model.safetensors",
    });
    let visit = browser::visit("hub.mjs", &task).await;
    let found = &visit.found;

    assert_ne!(found["origin"], hub.url(), "the page has an origin of its own");
    assert_eq!(found["open"], seen(&open, &hub));
    assert_eq!(found["secret"], seen(&secret, &hub));
    assert_eq!(found["renamed"], "acme/tiny", "a redirect is followed across origins");
    assert_eq!(found["paged"], 1100, "the second page was found by a link that scripts may read");
    assert_eq!(found["listed"], json!(["acme/tiny"]));
    assert_eq!(found["by_json"], json!([open.sha256_of("weights/model.safetensors")]));
    assert_eq!(found["whoami"], "reader");

    let headers = &found["headers"];
    let lfs = open.entry("weights/model.safetensors");
    assert_eq!((&headers["file"]["status"], &headers["lfs"]["status"]), (&json!(206), &json!(200)));
    assert_eq!(headers["file"]["content-range"], format!("bytes 1-2/{}", open.entry("config.json").size()));
    assert_eq!(headers["file"]["x-repo-commit"], open.head());
    assert_eq!(headers["file"]["accept-ranges"], "bytes");
    assert_eq!(headers["lfs"]["x-linked-etag"], format!("\"{}\"", lfs.sha256));
    assert_eq!(headers["lfs"]["x-linked-size"], lfs.size().to_string());
    assert_eq!(headers["missing"]["x-error-code"], "EntryNotFound");
    assert_eq!(headers["missing"]["x-repo-commit"], open.head());
    assert!(headers["list"]["x-total-count"].is_string() && headers["missing"]["x-error-message"].is_string());
    assert!(headers["log"]["link"].as_str().unwrap().starts_with(&format!("<{}/api/models/acme/tiny/", hub.url())));
    for answer in headers.as_object().unwrap().values() {
        assert!(answer["x-request-id"].is_string() && answer.get("x-xet-hash").is_none(), "{answer}");
    }

    let refused = &found["refused"];
    for (what, status, words) in [
        ("missing_repo", 401, "acme/nowhere"),
        ("missing_revision", 404, "nowhere"),
        ("hidden", 401, "acme/secret"),
        ("wrong_token", 401, "Invalid credentials"),
    ] {
        let refusal = &refused[what];
        assert_eq!(
            (&refusal["name"], &refusal["status"]),
            (&json!("HubApiError"), &json!(status)),
            "{what}: {refusal}"
        );
        assert!(refusal["message"].as_str().unwrap().contains(words), "{what}: {refusal}");
        assert!(refusal["id"].is_string(), "{what}: {refusal}");
    }
    assert_eq!(refused["missing_file"]["returned"], Value::Null);
    assert_eq!(refused["closed"]["name"], "TypeError", "a page that is not on the list reads nothing: {refused}");

    // The browser did ask before it sent a token or a range, and went to nobody else.
    let counters = hub.hub().metrics().encode();
    assert!(counters.contains("method=\"OPTIONS\""), "no preflight was sent: {counters}");
    let hosts = [found["origin"].as_str().unwrap(), hub.url(), closed.url()];
    for asked in &visit.requests {
        let known =
            hosts.iter().any(|host| asked.url.starts_with(&format!("{host}/"))) || asked.url.starts_with("data:");
        assert!(known, "the page asked {}", asked.url);
    }
    let blocked: Vec<&String> = visit.complaints.iter().filter(|text| text.contains("CORS")).collect();
    assert!(blocked.iter().all(|text| text.contains(closed.url())), "{blocked:?}");
    assert_eq!(upstream.leaked_tokens(), 0);
}
