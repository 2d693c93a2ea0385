//! What is refused, in which words; and that no answer of any kind leads a client to the upstream.

use acervo::http::router::ROUTES;
use acervo_core::{Caller, RepoKind, Role, Selection, Visibility};
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::{Kind, random_bytes};
use acervo_tests::test_hub::{TestHub, order};
use reqwest::Method;

use super::{Answer, KINDS, alone, commit, raw, synced, tiny};

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_status_its_code_and_its_words() {
    let fixtures = [Kind::Model, Kind::Dataset, Kind::Space].map(tiny);
    let (_upstream, hub) = synced(fixtures.to_vec(), &[]).await;
    let token = hub.token("reader", Role::Reader).await;
    for (fixture, (_, prefix, api)) in fixtures.iter().zip(KINDS) {
        let head = fixture.head();
        let mut cases: Vec<(String, u16, u16, &str, bool)> = Vec::new();
        for rest in [
            format!("/{prefix}acme/absent/resolve/main/a.txt"),
            format!("/{prefix}absent/resolve/main/a.txt"),
            format!("/{prefix}acme/absent/raw/main/a.txt"),
            format!("{api}acme/absent"),
            format!("{api}absent"),
            format!("{api}acme/absent/revision/main"),
            format!("{api}acme/absent/tree/main"),
            format!("{api}acme/absent/refs"),
            format!("{api}acme/absent/commits/main"),
            format!("{api}acme/absent/discussions"),
            format!("{api}acme/absent/compare/v1..main"),
            format!("{api}acme/absent/safetensors-metadata/model.safetensors.index.json"),
            format!("{api}acme/absent/likers"),
            format!("{api}acme/absent/auth-check"),
            format!("{api}acme/absent/auth-check/write"),
        ] {
            cases.push((rest, 401, 404, "RepoNotFound", false));
        }
        for revision in ["v9", "refs%2Fpr%2F9", "0123456789abcdef0123456789abcdef01234567"] {
            cases.push((
                format!("/{prefix}acme/tiny/resolve/{revision}/config.json"),
                404,
                404,
                "RevisionNotFound",
                false,
            ));
            for route in ["revision", "tree", "commits", "compare"] {
                cases.push((format!("{api}acme/tiny/{route}/{revision}"), 404, 404, "RevisionNotFound", false));
            }
        }
        for path in ["adapter_config.json", "sub", "sub/deep", "config.json/x", "CONFIG.JSON"] {
            for revision in ["main", &head] {
                cases.push((format!("/{prefix}acme/tiny/resolve/{revision}/{path}"), 404, 404, "EntryNotFound", true));
                cases.push((format!("/{prefix}acme/tiny/raw/{revision}/{path}"), 404, 404, "EntryNotFound", true));
            }
        }
        cases.push((format!("{api}acme/tiny/tree/main/absent"), 404, 404, "EntryNotFound", true));
        for unknown in ["acme/tiny/jobs", "acme/tiny/refs/x", "acme/tiny/tree", "acme/tiny/x/y/z"] {
            cases.push((format!("{api}{unknown}"), 404, 404, "", false));
        }
        cases.push((format!("{api}acme/tiny/tree/main?cursor=%21"), 400, 400, "", false));
        cases.push((format!("{api}acme/tiny/commits/main/x"), 404, 404, "RevisionNotFound", false));

        for (address, anonymous, known, code, has_commit) in &cases {
            for (token, status) in [(None, *anonymous), (Some(&token), *known)] {
                let ask = |method: Method| {
                    let request = if method == Method::HEAD { hub.head(address) } else { hub.get(address) };
                    match token {
                        Some(token) => request.bearer_auth(token),
                        None => request,
                    }
                };
                let answer = Answer::to(ask(Method::GET)).await;
                assert_eq!(answer.refusal(), (status, *code), "{address}");
                assert_eq!(answer.header("x-repo-commit"), if *has_commit { head.as_str() } else { "" }, "{address}");
                well_formed(&answer, address);
                let without_body = Answer::to(ask(Method::HEAD)).await;
                assert_eq!(
                    (without_body.status, without_body.lasting()),
                    (answer.status, answer.lasting()),
                    "{address}"
                );
                assert!(without_body.body.is_empty(), "{address}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served_below_the_api_says_where_it_is_written_down() {
    let hub = alone().await;
    for path in [
        "papers/2311.12983",
        "daily_papers",
        "kernels",
        "kernels/acme/x/tree/main",
        "buckets/acme/x",
        "jobs/acme",
        "scheduled-jobs/acme",
        "settings/webhooks",
        "repos/create",
        "organizations/acme",
        "users/ana",
        "models/acme/x/y/z",
        "nothing/at/all",
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE", "BREW"] {
            let request =
                format!("{method} /api/{path} HTTP/1.1\r\nHost: hub\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let (status, text) = raw(&hub, &request).await;
            assert_eq!(status, 404, "{method} {path}: {text}");
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let message = head.lines().find(|line| line.starts_with("x-error-message: ")).unwrap_or_default();
            assert!(message.contains("docs/hub-compat.md") && message.contains(path), "{method} {path}: {text}");
            assert!(head.contains("content-type: application/json"), "{method} {path}: {text}");
            assert!(method == "HEAD" || body.contains("{\"error\":\""), "{method} {path}: {text}");
        }
    }
    for (path, has) in [
        ("/api/models/acme/x", "GET, HEAD"),
        ("/api/models/acme/x/paths-info/main", "POST"),
        ("/api/models/acme/x/ask-access", "GET, HEAD, POST"),
        ("/api/collections", "GET, HEAD"),
        ("/acme/x/resolve/main/a.txt", "GET, HEAD"),
    ] {
        for method in ["DELETE", "PURGE"] {
            let (status, text) = raw(
                &hub,
                &format!("{method} {path} HTTP/1.1\r\nHost: hub\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
            )
            .await;
            assert_eq!(status, 405, "{method} {path}: {text}");
            assert!(text.contains(&format!("\r\nallow: {has}\r\n")), "{method} {path}: {text}");
            assert!(text.contains("this address does not have this method"), "{method} {path}: {text}");
        }
    }
}

/// The facts stand in the headers, for HEADs, and in the body; nobody keeps them.
fn well_formed(answer: &Answer, address: &str) {
    assert_eq!(answer.header("content-type"), "application/json", "{address}");
    assert_eq!(answer.header("cache-control"), "no-store", "{address}");
    let text = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(!text.is_empty() && !text.contains('\n'), "{address}: {text}");
    assert_eq!(answer.header("x-error-message"), text, "{address}");
    let challenge = answer.header("www-authenticate");
    assert_eq!(challenge.starts_with("Bearer "), answer.status == 401, "{address}: {challenge}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_be_are_refused_in_json_too() {
    let hub = alone().await;
    commit(&hub, (RepoKind::Model, "acme/x", Visibility::Public), &[("a.txt", b"text")]).await;
    for (method, address, status) in [
        ("POST", "/acme/x/resolve/main/a.txt", 405),
        ("DELETE", "/acme/x/resolve/main/a.txt", 405),
        ("PUT", "/api/models/acme/x", 405),
        ("GET", "/api/models/acme/x/paths-info/main", 405),
        ("GET", "/api/validate-yaml", 405),
        ("GET", "/api/telemetry/x", 405),
        ("POST", "/api/models/acme/x/absent", 404),
        ("GET", "/api", 404),
        ("GET", "/api/", 404),
        ("GET", "/api/kernels/acme/x", 404),
        ("GET", "/acme/x", 404),
        ("GET", "/acme/x/resolve/main", 400),
        ("GET", "/acme/x/resolve", 404),
        ("GET", "/static/..%2fCargo.toml", 404),
        ("GET", "/acme/x/resolve/main/%ff", 400),
    ] {
        let request =
            format!("{method} {address} HTTP/1.1\r\nHost: hub\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let (found, text) = raw(&hub, &request).await;
        assert_eq!(found, status, "{method} {address}: {text}");
        assert!(text.contains("content-type: application/json\r\n"), "{method} {address}: {text}");
        assert!(text.contains("\r\n\r\n{\"error\":\""), "{method} {address}: {text}");
    }
    let big = vec![b'a'; 3 * 1024 * 1024];
    for address in ["/api/models/acme/x/paths-info/main", "/api/validate-yaml"] {
        let answer = Answer::to(hub.post(address).header("content-type", "application/json").body(big.clone())).await;
        assert_eq!(answer.refusal(), (413, ""), "{address}");
        assert!(answer.json()["error"].is_string(), "{address}");
    }
    let long = Answer::to(hub.get(&format!("/acme/x/resolve/main/{}", "a".repeat(5000)))).await;
    assert_eq!(long.refusal(), (400, ""));
    let missing = Answer::to(hub.get(&format!("/acme/x/resolve/main/{}", "a".repeat(4000)))).await;
    assert_eq!(missing.refusal(), (404, "EntryNotFound"));
    assert!(missing.header("x-error-message").len() <= 1000, "proxies refuse long headers");
    let odd = Answer::to(hub.get("/api/models/acme/%C3%B1and%C3%BA")).await;
    assert_eq!(odd.status, 401);
    assert!(odd.header("x-error-message").contains("acme/\\u{f1}and\\u{fa}"), "{}", odd.header("x-error-message"));
    assert!(odd.json()["error"].as_str().unwrap().contains("acme/ñandú"), "{}", odd.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_on_its_way_is_asked_for_again_later() {
    let upstream = FakeUpstream::start(vec![tiny(Kind::Model)]).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    let mirror = hub.mirror(RepoKind::Model, "acme/tiny").await;
    let addresses = ["/acme/tiny/resolve/main/config.json", "/api/models/acme/tiny", "/api/models/acme/tiny/tree/main"];
    for address in addresses {
        let ordered = Answer::to(hub.get(address)).await;
        assert_eq!(ordered.refusal(), (401, "RepoNotFound"), "{address}: nobody fetches it yet");
    }
    let job = acervo::app::sync::enqueue(hub.hub(), &Caller::System, &mirror).await.unwrap();
    for address in addresses {
        for request in [hub.get(address), hub.head(address)] {
            let waiting = Answer::to(request).await;
            assert_eq!(waiting.refusal(), (503, ""), "{address}");
            assert!(waiting.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0), "{address}");
            assert_eq!(waiting.header("cache-control"), "no-store", "{address}");
        }
    }
    acervo::app::jobs::cancel(hub.hub(), &Caller::System, job).await.unwrap();
    hub.sync(&mirror).await;
    for address in addresses {
        assert_eq!(Answer::to(hub.get(address)).await.status, 200, "{address}");
    }
}

/// Addresses of a route, good and bad, for every kind.
fn addresses(pattern: &str, commit: &str) -> Vec<String> {
    let marker = |text: &str| pattern.contains(text);
    let rests: &[&str] = if marker("/telemetry/") {
        &["topic"]
    } else if marker("/resolve-cache/") {
        &["model.safetensors", "README.md", "absent"]
    } else if marker("/resolve/") || marker("/raw/") {
        &["main/model.safetensors", "main/README.md", "main/left.out", "main/absent", "v9/README.md"]
    } else if marker("/collections/") {
        &["acme/nothing-0123456789abcdef01234567", "acme"]
    } else if marker("/safetensors-metadata/") {
        &["model.safetensors.index.json", "README.md"]
    } else {
        &["main", "main/sub", "HEAD", "v9", "main/absent"]
    };
    let mut found = Vec::new();
    for repo in ["acme/tiny", "ACME/tiny", "acme/never", "acme/absent"] {
        for plural in ["models", "datasets", "spaces"] {
            for rest in rests {
                let address = pattern.replace("{repo}", repo).replace("{plural}", plural).replace("{rest}", rest);
                let address = address.replace("{commit}", commit).replace("{name}", "acervo.css");
                let address = address.replace("{status}", "pending");
                let address = address.replace("{id}", "0193a3f0-6c1e-7b3c-8a52-3f1d2c4b5a69");
                let address = address.replace("{user}", "admin").replace("{organization}", "acme");
                assert!(!address.contains('{'), "this test knows no value for a part of `{pattern}`");
                found.push(address);
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_of_any_route_speaks_of_xet_or_leads_to_the_upstream() {
    let fixtures = [Kind::Model, Kind::Dataset, Kind::Space].map(|kind| {
        let repo = tiny(kind).lfs("left.out", random_bytes(2, 1000)).tags(["demo"]);
        repo.card(serde_json::json!({ "license": "mit", "library_name": "transformers" }))
    });
    let upstream = FakeUpstream::start(fixtures.to_vec()).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    for kind in RepoKind::ALL {
        let mut request = order(kind, "acme/tiny");
        request.selection = Selection { exclude: vec!["*.out".into()], ..Selection::default() };
        let mirror = hub.mirror_with(request).await;
        hub.sync(&mirror).await;
        // One that was ordered, and failed.
        let never = hub.mirror(kind, "acme/never").await;
        assert_ne!(hub.attempt(&never).await.state, acervo_store::db::jobs::State::Succeeded);
    }
    let admin = hub.token("admin", Role::Admin).await;
    let hosts = [upstream.endpoint(), upstream.cdn_endpoint()].map(|url| url.replace("http://", ""));

    let (mut answered, mut succeeded) = (0, 0);
    for line in ROUTES {
        for address in addresses(line.pattern, &fixtures[0].head()) {
            for query in ["", "?recursive=true&blobs=true&full=true&cardData=true&limit=1"] {
                for method in line.methods {
                    for token in [None, Some(&admin)] {
                        let target = format!("{address}{query}");
                        let request = match method.as_str() {
                            "HEAD" => hub.head(&target),
                            "POST" => hub.post(&target).body("{\"paths\": [\"model.safetensors\"], \"content\": \"\"}"),
                            _ => hub.get(&target),
                        };
                        let request = request.header("accept", "application/vnd.xet-fileinfo+json, */*");
                        let answer = Answer::to(match token {
                            Some(token) => request.bearer_auth(token),
                            None => request,
                        });
                        let answer = answer.await;
                        answered += 1;
                        succeeded += usize::from(answer.status == 200);
                        assert!(answer.status.as_u16() < 500, "{method} {target}: {}", answer.status);
                        if line.pattern.ends_with("/sync") && answer.status == 200 {
                            // Left queued, it would have all further answers say that it is on its way.
                            let job = answer.json()["id"].as_str().unwrap().parse().unwrap();
                            acervo::app::jobs::cancel(hub.hub(), &Caller::System, job).await.unwrap();
                        }
                        // Who manages mirrors is told where one failed.
                        let tells_of_jobs = line.pattern.starts_with("/api/mirrors/jobs") && token.is_some();
                        let hosts = if tells_of_jobs { &[][..] } else { &hosts[..] };
                        silent(&answer, hosts, &format!("{method} {target}"));
                    }
                }
            }
        }
    }
    assert!(answered > 1000 && succeeded > 200, "only {answered} answers were looked at, {succeeded} of them good");
}

/// Nothing in head or body names the upstream, or a Xet store.
fn silent(answer: &Answer, hosts: &[String], what: &str) {
    let headers: String = answer.lasting().iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let body = String::from_utf8_lossy(&answer.body);
    for text in [&headers, body.as_ref()] {
        for host in hosts {
            assert!(!text.contains(host.as_str()), "{what} names the upstream {host}: {text:.1000}");
        }
        let lower = text.to_lowercase();
        assert!(
            !lower.contains("x-xet") && !lower.contains("xethash") && !lower.contains("xet-auth"),
            "{what}: {text:.1000}"
        );
    }
}
