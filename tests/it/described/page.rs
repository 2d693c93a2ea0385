//! The interactive page in a real browser that reaches nothing but this machine.

use acervo_core::Role;
use acervo_tests::browser;
use acervo_tests::test_hub::TestHub;
use serde_json::{Value, json};

use super::seeded;
use crate::serve::get;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_api_shows_and_tries_every_operation_without_asking_anybody_else() {
    let hub = seeded().await;
    let token = hub.token("rosa", Role::Reader).await;
    let visit = browser::visit("api.mjs", &json!({ "url": hub.url(), "token": token })).await;
    visit.assert_stayed_at(hub.url());
    let found = &visit.found;
    let document = get(&hub, "/openapi.json").await.json();
    let described = document["paths"].as_object().unwrap().values();
    // A HEAD beside a GET is left out.
    let shown = described.flat_map(|item| {
        let operations = item.as_object().unwrap();
        operations.keys().filter(|method| *method != "head" || !operations.contains_key("get"))
    });
    assert_eq!(found["operations"], shown.count());
    assert_eq!(found["list"]["status"], "200");
    let listed = found["list"]["body"].as_str().unwrap();
    assert!(listed.contains("acme/tiny") && !listed.contains("acme/secret"), "{listed}");
    // With the token, and after the page is loaded again without it.
    assert_eq!((&found["known"]["status"], &found["forgotten"]), (&json!("200"), &json!(true)));
    assert!(found["known"]["body"].as_str().unwrap().contains("\"rosa\""), "{found}");
    assert_eq!((&found["stored"], &found["cookies"]), (&json!(0), &json!(0)), "the page keeps something");
    assert!(!visit.requests.iter().any(|asked| asked.url.contains(&token)), "a token in an address");
    assert_ne!(found["light"], found["dark"], "the colours follow the system's");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_api_works_below_a_path() {
    let hub = TestHub::with("http://127.0.0.1:9", |config| {
        config.server.public_url = "https://hub.example/acervo".to_owned();
    })
    .await;
    let visit = browser::visit("api.mjs", &json!({ "url": hub.url(), "below": "/acervo" })).await;
    let origin = visit.found["origin"].as_str().unwrap();
    assert_ne!(origin, hub.url());
    visit.assert_stayed_at(&format!("{origin}/acervo"));
    assert_eq!((&visit.found["list"]["status"], &visit.found["list"]["body"]), (&json!("200"), &json!("[]")));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_page_arrive_packed_or_not_and_can_be_kept() {
    let hub = seeded().await;
    let page = get(&hub, "/docs/api").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("connect-src 'self'"), "{policy}");
    let files: Vec<&str> = page.text().split('"').filter(|text| text.starts_with("/docs/api/")).collect();
    assert_eq!(files.len(), 2, "{}", page.text());
    for file in files {
        let plain = get(&hub, file).await;
        assert_eq!((plain.status.as_u16(), plain.header("content-encoding")), (200, ""), "{file}");
        assert!(plain.header("cache-control").contains("immutable") && plain.body.len() > 100_000, "{file}");
        let packed = hub.get(file).header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(packed.headers()["content-encoding"], "gzip", "{file}");
        assert!(packed.bytes().await.unwrap().len() < plain.body.len() / 2, "{file}");
        let tag = plain.header("etag").to_owned();
        let again = hub.get(file).header("if-none-match", tag).send().await.unwrap();
        assert_eq!(again.status(), 304, "{file}");
        let path = file.split('?').next().unwrap();
        assert_eq!(get(&hub, path).await.header("cache-control"), "no-cache", "{path}");
    }
    for absent in ["swagger-initializer.js", "index.html", "..%2fopenapi.json"] {
        assert_eq!(get(&hub, &format!("/docs/api/{absent}")).await.status, 404, "{absent}");
    }
    let home = get(&hub, "/").await;
    assert!(home.text().contains("href=\"/docs/api\""), "{}", home.text());
    let packed = hub.get("/openapi.json").header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert_eq!(get(&hub, "/openapi.json").await.json()["info"]["title"], Value::from("Acervo"));
}
