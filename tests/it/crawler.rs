//! A crawler of everything that leads anywhere: pages, lists, listings, links and redirects of a hub that mirrors
//! repositories whose contents mention their upstream.
//!
//! Contents may say what they like. What Acervo says by itself leads to Acervo, and there it is answered.

mod links;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use acervo_core::RepoKind;
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::{Kind, RepoFixture, random_bytes};
use acervo_tests::test_hub::{TestHub, order};
use serde_json::{Value, json};

use self::links::{Hosts, Page};
use crate::serve::{Answer, encoded, get};

/// Most answers that are looked at: the crawl ends by itself long before.
const ANSWERS_MAX: usize = 20_000;

/// A front matter, a text, a configuration and a tokenizer that name every host they could.
fn loud(kind: Kind, upstream: &FakeUpstream) -> RepoFixture {
    let (hub, cdn) = (upstream.endpoint(), upstream.cdn_endpoint());
    let name = "acme/ruidoso";
    let repo = match kind {
        Kind::Model => RepoFixture::model(name),
        Kind::Dataset => RepoFixture::dataset(name),
        Kind::Space => RepoFixture::space(name),
    };
    let card = "license: other\nlicense_name: own\nlicense_link: https://huggingface.co/acme/ruidoso/blob/main/LICENSE\n\
                thumbnail: https://cdn-uploads.huggingface.co/logo.png\npipeline_tag: text-generation\n\
                library_name: transformers\nbase_model: acme/base\n";
    let text = format!(
        "See https://huggingface.co/acme/ruidoso, {hub}/acme/ruidoso/resolve/main/config.json and <img src=\"{cdn}/logo.png\">.\n"
    );
    let config = json!({
        "model_type": "llama", "_name_or_path": format!("{hub}/acme/base"),
        "auto_map": { "AutoModel": "https://huggingface.co/acme/base--modeling.Loud" },
    });
    let tokenizer = json!({ "tokenizer_class": "LlamaTokenizerFast", "vocab_url": format!("{cdn}/tokenizer.json") });
    let mut repo = repo
        .file("README.md", format!("---\n{card}---\n# Ruidoso\n{text}"))
        .file("config.json", config.to_string())
        .file("tokenizer_config.json", tokenizer.to_string())
        .file("sub/deep/a+b #1 100%.txt", &text)
        .file("empty.txt", "")
        .lfs("model.safetensors", random_bytes(7, 20_000))
        .with_xet()
        .tags(["demo"])
        .card(json!({ "license": "other", "license_link": "https://huggingface.co/acme/ruidoso/blob/main/LICENSE" }))
        .tag("v1.0");
    // What a hub tells of itself and its services; none of it is true here.
    for field in ["url", "host", "subdomain", "spaces", "xetEnabled", "inferenceProviderMapping", "resourceGroup"] {
        repo = repo.info(field, json!({ "url": format!("{hub}/api/models/acme/ruidoso"), "cdn": cdn }));
    }
    repo.commit("Point at https://huggingface.co", |commit| commit.file("notes.md", &text))
        .commit_on("feature/x", "On a branch", |commit| commit.file("x.txt", "x"))
        .pull_request(1, "Ask", |commit| commit.file("y.txt", "y"))
}

/// A hub that mirrors loud repositories of every kind, one with more than a page, and a gated one.
async fn mirrored() -> (FakeUpstream, TestHub) {
    let upstream = FakeUpstream::start(Vec::new()).await.unwrap();
    for kind in [Kind::Model, Kind::Dataset, Kind::Space] {
        upstream.add(loud(kind, &upstream));
    }
    let many = RepoFixture::dataset("acme/muchos").file("README.md", "# Muchos\n");
    upstream.add((0..1001).fold(many, |repo, n| repo.file(&format!("{n:04}.txt"), "x")));
    upstream.add(
        RepoFixture::model("acme/cerrado")
            .file("README.md", "---\nlicense: mit\n---\n")
            .gated_auto()
            .grant(["hf_ours"]),
    );
    let hub = TestHub::with(&upstream.endpoint(), |config| {
        config.upstream.token = Some(acervo::upstream::Secret::new("hf_ours"));
    })
    .await;
    for kind in RepoKind::ALL {
        let mut request = order(kind, "acme/ruidoso");
        request.revisions = ["main", "v1.0", "feature/x", "refs/pr/1"].map(str::to_owned).to_vec();
        let mirror = hub.mirror_with(request).await;
        hub.sync(&mirror).await;
    }
    hub.synced(RepoKind::Dataset, "acme/muchos").await;
    hub.synced(RepoKind::Model, "acme/cerrado").await;
    (upstream, hub)
}

/// Where the crawl begins, beside what the pages and the document lead to.
fn seeds() -> Vec<String> {
    let mut seeds: Vec<String> = [
        "/",
        "/?lang=es",
        "/?search=ruidoso",
        "/openapi.json",
        "/nothing/at/this/address",
        "/api/quicksearch?q=ruidoso&limit=5",
        "/api/spaces/semantic-search?q=ruidoso",
        "/api/models-tags-by-type",
        "/api/datasets-tags-by-type",
        "/api/whoami-v2",
        "/api/agent-harnesses",
    ]
    .map(str::to_owned)
    .to_vec();
    for plural in ["models", "datasets", "spaces"] {
        seeds.push(format!("/api/{plural}?limit=1&full=true&cardData=true&config=true"));
        seeds.push(format!("/api/{plural}?sort=downloads&direction=-1&expand[]=siblings&expand[]=tags&limit=1"));
    }
    seeds
}

/// Everything that clients ask of a repository, given its info.
fn around(plural: &str, info: &Value) -> Vec<String> {
    let (name, prefix) = (info["id"].as_str().unwrap(), RepoKind::from_plural(plural).unwrap().url_prefix());
    let api = format!("/api/{plural}/{name}");
    let mut found: Vec<String> = [
        "",
        "?blobs=true&securityStatus=true",
        "/refs?include_prs=1",
        "/tree/main?recursive=true&expand=true&limit=3",
        "/tree/main?recursive=true",
        "/commits/main?limit=1",
        "/commits/main?expand[]=formatted",
        "/auth-check",
        "/discussions?p=0",
        "/ask-access",
        "/revision/HEAD",
    ]
    .map(|rest| format!("{api}{rest}"))
    .to_vec();
    found.push(format!("/api/{plural}/{}", name.to_uppercase()));
    found.push(format!("/{prefix}{}/resolve/main/README.md", name.to_uppercase()));
    for revision in ["v1.0", "feature/x", "refs%2Fpr%2F1", "refs/pr/1"] {
        if name == "acme/ruidoso" {
            found.push(format!("{api}/revision/{revision}"));
            found.push(format!("{api}/tree/{revision}"));
        }
    }
    let siblings = info["siblings"].as_array().into_iter().flatten();
    for path in siblings.filter_map(|one| one["rfilename"].as_str()).take(20) {
        for route in ["resolve", "raw"] {
            found.push(format!("/{prefix}{name}/{route}/main/{}", encoded(path)));
        }
        if let Some(sha) = info["sha"].as_str() {
            found.push(format!("/api/resolve-cache/{plural}/{name}/{sha}/{}", encoded(path)));
        }
    }
    found
}

/// What only those are told who are known here.
const FOR_KNOWN: [&str; 6] = [
    "/api/whoami-v2",
    "/metrics",
    "/api/events",
    "/api/mirrors/jobs",
    "/api/mirrors/requests",
    "/api/webhooks/deliveries",
];

/// Whether an answer of the error kind is one that this address is meant to give.
fn is_declared(target: &str, answer: &Answer) -> bool {
    match answer.refusal() {
        (404, _) => target.starts_with("/nothing/at/this/address"),
        (401, "") => FOR_KNOWN.iter().any(|address| target.starts_with(address)),
        (401, "GatedRepo") => target.to_lowercase().contains("acme/cerrado"),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_acervo_says_leads_to_acervo_and_is_answered_there() {
    let (upstream, hub) = mirrored().await;
    let hosts = Hosts { own: hub.url().to_owned(), others: vec![upstream.endpoint(), upstream.cdn_endpoint()] };
    let mut waiting: VecDeque<String> = seeds().into();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut ways: BTreeMap<&str, usize> = BTreeMap::new();
    let mut problems = Vec::new();
    while let Some(target) = waiting.pop_front() {
        if !seen.insert(target.clone()) {
            continue;
        }
        assert!(seen.len() < ANSWERS_MAX, "the crawl does not end; the last address was {target}");
        let answer = Answer::to(hub.get(&target).header("accept", "text/html, application/json, */*")).await;
        if answer.status.as_u16() >= 400 && !is_declared(&target, &answer) {
            problems.push(format!("{target} is answered {}: {:.300}", answer.status, answer.text()));
        }
        let page = Page::of(&target, &answer);
        problems.extend(page.faults(&hosts).into_iter().map(|fault| format!("{target}: {fault}")));
        for (way, address) in page.leads(&hosts) {
            *ways.entry(way).or_default() += 1;
            waiting.push_back(address);
        }
        // Ids lead on, too: by what clients make of them.
        if answer.status == 200 && target.starts_with("/api/") {
            let plural = target["/api/".len()..].split(['?', '/']).next().unwrap().to_owned();
            let is_list = target.starts_with(&format!("/api/{plural}?"));
            for info in page.json().and_then(Value::as_array).into_iter().flatten().filter(|_| is_list) {
                if info["siblings"].is_array() {
                    waiting.extend(around(&plural, info));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    for way in ["link", "location", "href", "action", "operation"] {
        assert!(ways.get(way).copied().unwrap_or_default() > 0, "no {way} was followed: {ways:?}");
    }
    assert!(seen.len() > 200, "only {} answers were looked at", seen.len());
    assert_eq!(upstream.leaked_tokens(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_of_the_crawl_says_all_that_acervo_must_not() {
    let (upstream, hub) = mirrored().await;
    let hosts = Hosts { own: hub.url().to_owned(), others: vec![upstream.endpoint(), upstream.cdn_endpoint()] };
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut faults = String::new();
    for target in [
        "/acme/ruidoso/resolve/main/model.safetensors",
        "/api/models/acme/ruidoso/tree/main?recursive=true&limit=2",
        "/api/models/acme/ruidoso/tree/main?recursive=true",
        "/api/models/acme/ruidoso",
    ] {
        let answer = Answer::to(client.get(format!("{}{target}", upstream.endpoint()))).await;
        faults.push_str(&Page::of(target, &answer).faults(&hosts).join("\n"));
    }
    for wanted in ["x-xet-hash", "xet-auth", "xethash", "`location`", "`link`", "/url`"] {
        assert!(faults.to_lowercase().contains(wanted), "the upstream gives no {wanted}:\n{faults}");
    }
    // Its contents arrive unchanged: nobody edits what others wrote.
    let config = get(&hub, "/acme/ruidoso/resolve/main/config.json").await;
    assert!(config.text().contains(&upstream.endpoint()) && config.text().contains("https://huggingface.co"));
}
