//! A hub that is reached below a path of somebody else's address: `HF_ENDPOINT=https://host/hf/`.

use acervo_core::{RepoKind, Role};
use acervo_tests::clients::run::Client;
use acervo_tests::clients::table::Table;
use acervo_tests::expect;
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::{Kind, RepoFixture, random_bytes};
use acervo_tests::path_proxy::PathProxy;
use acervo_tests::test_hub::TestHub;
use serde_json::{Value, json as value};

use super::{Answer, KINDS, get, tiny};

/// A hub behind a proxy that serves it below `/hf`, with these repositories.
async fn below(repos: &[RepoFixture]) -> (FakeUpstream, PathProxy, TestHub) {
    let upstream = FakeUpstream::start(repos.to_vec()).await.unwrap();
    let proxy = PathProxy::start("/hf").await.unwrap();
    let hub =
        TestHub::with(&upstream.endpoint(), |config| config.server.public_url = format!("{}/", proxy.url())).await;
    proxy.serve(hub.url());
    for repo in repos {
        hub.synced(RepoKind::from_plural(repo.kind.plural()).unwrap(), &repo.name).await;
    }
    (upstream, proxy, hub)
}

#[tokio::test(flavor = "multi_thread")]
async fn links_and_redirects_of_a_hub_below_a_path_lead_through_the_proxy() {
    let (_upstream, proxy, hub) = below(&[Kind::Model, Kind::Dataset, Kind::Space].map(tiny)).await;
    let (base, client) = (proxy.url(), reqwest::Client::builder().no_proxy().build().unwrap());
    let root = base.strip_suffix("/hf").unwrap();
    for (_, prefix, api) in KINDS {
        for there in [
            format!("/{prefix}acme/tiny/resolve/main/config.json?download=true"),
            format!("{api}acme/tiny/tree/main/sub%2Fdeep?recursive=true"),
            format!("{api}acme/tiny/refs"),
        ] {
            let answer = get(&hub, &there.replace("acme/tiny", "ACME/Tiny")).await;
            let location = format!("/hf{there}");
            assert_eq!((answer.status.as_u16(), answer.header("location")), (307, location.as_str()));
            let followed =
                client.get(format!("{base}{}", there.replace("acme/tiny", "ACME/Tiny"))).send().await.unwrap();
            assert_eq!(
                (followed.status().as_u16(), followed.url().as_str()),
                (200, format!("{root}{location}").as_str())
            );
        }
        for list in [format!("{api}acme/tiny/tree/main?recursive=true&limit=1"), format!("{api}acme/tiny/commits/main")]
        {
            let answer = client.get(format!("{base}{list}")).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{list}");
            if let Some(link) = answer.headers().get("link") {
                let link = link.to_str().unwrap();
                assert!(link.starts_with(&format!("<{base}{api}acme/tiny/")), "{link}");
                let next = link[1..].split('>').next().unwrap();
                assert_eq!(client.get(next).send().await.unwrap().status(), 200, "{link}");
            }
        }
    }
    let page = client.get(format!("{base}/")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains(&format!("HF_ENDPOINT={base}")), "{page}");
    assert!(page.contains("href=\"/hf/static/") && !page.contains("href=\"/static/"), "{page}");
    assert_eq!(proxy.strays(), Vec::<String>::new(), "nothing led beside the proxy");
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_clients_read_from_a_hub_below_a_path() {
    let tiny = RepoFixture::model("acme/tiny")
        .file("README.md", "---\nlicense: mit\n---\n# Tiny\n")
        .file("config.json", "{}")
        .file("docs/first/notes.txt", "notes")
        .lfs("model.safetensors", random_bytes(1, 40_000))
        .lfs("weights/deep/extra.bin", random_bytes(2, 9_000));
    let many = (0..1100)
        .fold(RepoFixture::dataset("acme/many"), |repo, n| repo.file(&format!("data/{n:05}.json"), n.to_string()));
    let (_upstream, proxy, hub) = below(&[tiny.clone(), many.clone()]).await;
    let (mut first, mut second) = (expect::repo(&tiny), expect::repo(&many));
    first.insert("aliases".to_owned(), value!(["ACME/Tiny"]));
    first.insert("branches".to_owned(), value!({ "main": tiny.head() }));
    first.insert("tags".to_owned(), value!({}));
    first.insert("lists".to_owned(), value!([{ "kind": "models", "args": { "limit": 1 }, "ids": ["acme/tiny"] }]));
    let token = hub.token("reader", Role::Reader).await;
    first.insert("whoami".to_owned(), value!({ "token": token, "name": "reader", "orgs": [], "role": "read" }));
    second.insert("aliases".to_owned(), value!([]));
    let scenes = value!({ "tiny": Value::Object(first), "many": Value::Object(second) });

    let wanted = [
        "renamed@tiny",
        "file-kinds@tiny",
        "repo-info@tiny",
        "tree-recursive@tiny",
        "tree-paged@many",
        "missing-entry@tiny",
        "whoami@tiny",
        "range-read@tiny",
    ];
    let table = Table::load();
    let mut failures = Vec::new();
    for client in ["python-0.36", "python-1.33", "python-2.4", "rust-1.0", "js-2.17"] {
        let cases: Vec<_> = table
            .runs(client, &["tiny", "many"])
            .into_iter()
            .filter(|case| wanted.contains(&case.label().as_str()))
            .collect();
        assert!(cases.len() >= 7, "{client} runs {cases:?}");
        // People write the address with a slash at its end as well, which the library for JavaScript does not mind.
        let endpoint = if client.starts_with("python") { format!("{}/", proxy.url()) } else { proxy.url() };
        failures.extend(Client::named(client).run(&endpoint, &scenes, &cases).await);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert_eq!(proxy.strays(), Vec::<String>::new(), "nothing led beside the proxy");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_says_of_the_address_is_believed_of_trusted_ones_alone() {
    let fixture = tiny(Kind::Model);
    for (trusted, base) in [("127.0.0.1", "https://models.example"), ("192.0.2.1", "http://direct.example:81")] {
        let upstream = FakeUpstream::start(vec![fixture.clone()]).await.unwrap();
        let hub = TestHub::with(&upstream.endpoint(), |config| {
            config.server.public_url = String::new();
            config.server.trusted_proxies = vec![trusted.parse().unwrap()];
        })
        .await;
        hub.synced(RepoKind::Model, "acme/tiny").await;
        let ask = |path: &str| {
            let request = hub.get(path).header("host", "direct.example:81").header("x-forwarded-proto", "https, http");
            Answer::to(request.header("x-forwarded-host", "models.example, inner.example"))
        };
        let page = ask("/api/models/acme/tiny/tree/main?recursive=true&limit=1").await;
        let link = page.header("link");
        assert!(link.starts_with(&format!("<{base}/api/models/acme/tiny/tree/")), "{link}");
        let moved = ask("/api/models/ACME/tiny/refs").await;
        assert_eq!(moved.header("location"), "/api/models/acme/tiny/refs", "no host is named, whoever asks");
    }
}
