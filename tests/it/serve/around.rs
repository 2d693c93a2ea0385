//! What clients, browsers and operators ask for beside contents and metadata.

use acervo_core::{RepoKind, Role, Visibility};
use acervo_tests::fixture::{Kind, RepoFixture};
use acervo_tests::test_hub::TestHub;
use serde_json::json as value;

use super::{Answer, KINDS, alone, commit, get, json, raw, synced, tiny};

#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_checked_as_far_as_it_can_be_read() {
    let hub = alone().await;
    for (content, problem) in [
        ("---\nlicense: mit\n---\n# Title\n", None),
        ("# No front matter\n", None),
        ("", None),
        ("---\nlicense: [\n---\n", Some("line")),
        ("---\n- a\n- list\n---\n", Some("mapping")),
        ("---\na: &x [1]\nb: *y\n---\n", Some("")),
    ] {
        for kind in ["model", "dataset", "space"] {
            let body = value!({ "content": content, "repoType": kind });
            let answer = Answer::to(hub.post("/api/validate-yaml").json(&body)).await;
            let verdict = answer.json();
            assert_eq!(verdict["warnings"], value!([]), "{content:?}");
            match problem {
                None => assert_eq!((answer.status.as_u16(), &verdict["errors"]), (200, &value!([])), "{content:?}"),
                Some(words) => {
                    assert_eq!(answer.status, 400, "{content:?}");
                    let message = verdict["errors"][0]["message"].as_str().unwrap();
                    assert!(!message.is_empty() && message.contains(words), "{content:?}: {message}");
                }
            }
        }
    }
    for body in ["", "{}", "[]", "{\"content\": 1}", "not json"] {
        let answer = Answer::to(hub.post("/api/validate-yaml").body(body)).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.json()["errors"][0]["message"].is_string(), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_clients_make_in_passing_are_answered() {
    let hub = alone().await;
    for (kind, _, api) in KINDS {
        commit(&hub, (kind, "acme/x", Visibility::Public), &[("a.txt", b"text")]).await;
        let discussions = json(&hub, &format!("{api}acme/x/discussions?p=0")).await;
        assert_eq!(discussions, value!({ "discussions": [], "count": 0, "start": 0 }));
        let check = get(&hub, &format!("{api}acme/x/auth-check")).await;
        assert_eq!((check.status.as_u16(), check.text()), (200, ""));
    }
    assert_eq!(json(&hub, "/api/agent-harnesses").await, value!({ "standardEnvVars": [], "harnesses": {} }));
    for topic in ["hf_hub", "transformers/from_pretrained", "a%20b"] {
        let answer = Answer::to(hub.head(&format!("/api/telemetry/{topic}"))).await;
        assert_eq!(answer.status, 200, "{topic}");
    }
    let anonymous = get(&hub, "/api/whoami-v2").await;
    assert_eq!(
        (anonymous.status.as_u16(), anonymous.header("x-error-message")),
        (401, "Invalid username or password.")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_learn_whether_it_is_alive_ready_and_what_it_offers() {
    let hub = alone().await;
    assert_eq!(get(&hub, "/healthz").await.text(), "ok\n");
    assert_eq!(
        json(&hub, "/readyz").await,
        value!({ "ready": true, "database": "ok", "staging": "ok", "storage": "ok" })
    );
    let metrics = get(&hub, "/metrics").await;
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    let line = "acervo_http_requests_total{method=\"GET\",route=\"/healthz\",status=\"200\"} 1\n";
    assert!(metrics.text().contains(line) && metrics.text().ends_with("# EOF\n"), "{}", metrics.text());
    let document = json(&hub, "/openapi.json").await;
    for line in acervo::http::router::ROUTES {
        for method in line.methods {
            let described = &document["paths"][line.pattern][method.as_str().to_lowercase()];
            assert!(described.is_object(), "{method} {} is not described", line.pattern);
        }
    }
    let of_a_stranger = Answer::to(hub.get("/metrics").header("x-forwarded-for", "192.0.2.1")).await;
    assert_eq!(of_a_stranger.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_may_ask_and_read_what_clients_need() {
    let (_upstream, hub) = synced(vec![tiny(Kind::Model)], &[]).await;
    let address = "/acme/tiny/resolve/main/config.json";
    let preflight = format!(
        "OPTIONS {address} HTTP/1.1\r\nHost: hub\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: GET\r\n\
         Access-Control-Request-Headers: authorization, range\r\nConnection: close\r\n\r\n"
    );
    let (status, text) = raw(&hub, &preflight).await;
    assert_eq!(status, 204, "{text}");
    let lower = text.to_lowercase();
    assert!(lower.contains("access-control-allow-origin: *\r\n") && lower.contains("vary: origin\r\n"), "{text}");
    for name in ["authorization", "range", "accept", "content-type"] {
        let line = lower.lines().find(|line| line.starts_with("access-control-allow-headers")).unwrap();
        assert!(line.contains(name), "{line}");
    }
    for method in ["get", "head", "post"] {
        let line = lower.lines().find(|line| line.starts_with("access-control-allow-methods")).unwrap();
        assert!(line.contains(method), "{line}");
    }
    for path in
        [address, "/acme/tiny/resolve/main/absent", "/api/models/acme/tiny", "/api/models/acme/absent", "/api/models"]
    {
        let answer = Answer::to(hub.get(path).header("origin", "https://app.example")).await;
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), "", "{path}");
        let varies = answer.headers.get_all("vary").iter().any(|value| value.to_str().unwrap().contains("Origin"));
        assert!(varies, "{path}: {:?}", answer.headers);
        let exposed = answer.header("access-control-expose-headers").to_lowercase();
        for name in [
            "x-repo-commit",
            "x-request-id",
            "x-error-code",
            "x-error-message",
            "x-total-count",
            "etag",
            "link",
            "accept-ranges",
            "content-range",
            "x-linked-size",
            "x-linked-etag",
        ] {
            assert!(exposed.split(", ").any(|found| found == name), "{path}: {name} is not in {exposed}");
        }
    }
    let of_this_origin = get(&hub, address).await;
    assert_eq!(of_this_origin.header("access-control-allow-origin"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_name_for_a_request_comes_back_with_every_answer() {
    let (_upstream, hub) = synced(vec![tiny(Kind::Model)], &[]).await;
    for path in [
        "/acme/tiny/resolve/main/config.json",
        "/acme/tiny/resolve/main/absent",
        "/ACME/tiny/resolve/main/config.json",
        "/api/models/acme/tiny",
        "/api/models/acme/absent",
        "/api/absent",
        "/",
    ] {
        for name in ["x-amzn-trace-id", "x-request-id"] {
            let answer = Answer::to(hub.get(path).header(name, "0f3c-77")).await;
            assert_eq!(answer.header("x-request-id"), "0f3c-77", "{path} {name}");
        }
        let both = hub.get(path).header("x-request-id", "of-the-proxy").header("x-amzn-trace-id", "of-the-client");
        assert_eq!(Answer::to(both).await.header("x-request-id"), "of-the-client", "{path}");
        for bad in ["", "a b", "<script>", &"x".repeat(500)] {
            let answer = Answer::to(hub.get(path).header("x-request-id", bad)).await;
            assert!(
                uuid::Uuid::parse_str(answer.header("x-request-id")).is_ok(),
                "{path} {bad:.10}: {:?}",
                answer.headers
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_home_page_is_there_in_both_languages() {
    let hub = alone().await;
    commit(&hub, (RepoKind::Dataset, "acme/rows", Visibility::Public), &[("a.txt", b"text")]).await;
    commit(&hub, (RepoKind::Model, "acme/secret", Visibility::Private), &[("a.txt", b"text")]).await;
    for (path, accepted, language, words) in [
        ("/", "", "en", "Models and data kept here"),
        ("/", "es-PY,es;q=0.9,en;q=0.8", "es", "Modelos y datos guardados aquí"),
        ("/", "en-GB,en;q=0.9,es;q=0.8", "en", "Models and data kept here"),
        ("/?lang=es", "en", "es", "Modelos y datos guardados aquí"),
        ("/?lang=en&search=rows", "es", "en", "Models and data kept here"),
    ] {
        let page = Answer::to(hub.get(path).header("accept-language", accepted)).await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
        assert!(page.text().contains(&format!("<html lang=\"{language}\">")), "{path} {accepted}");
        assert!(page.text().contains(words) && page.text().contains("rows"), "{path} {accepted}");
        assert!(!page.text().contains("secret"), "{path} shows what is private");
        assert!(page.header("vary").contains("Accept-Language"), "{path}");
        assert_eq!(page.header("cache-control"), "private, no-cache", "{path}");
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("script-src"), "{policy}");
    }
    let reader = hub.token("reader", Role::Reader).await;
    let page = Answer::to(hub.get("/").bearer_auth(reader)).await;
    assert!(page.text().contains("secret"));
    let nowhere = Answer::to(hub.get("/nowhere").header("accept", "text/html").header("accept-language", "es")).await;
    assert_eq!((nowhere.status.as_u16(), nowhere.header("content-type")), (404, "text/html; charset=utf-8"));
    assert!(nowhere.text().contains("<html lang=\"es\">"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_home_page_leads_through_everything_that_was_found() {
    let hub = alone().await;
    let names: Vec<String> = (0..110).map(|n| format!("acme/row-{n:03}")).collect();
    for (n, name) in names.iter().enumerate() {
        let kind = RepoKind::ALL[n % 3];
        commit(&hub, (kind, name, Visibility::Public), &[("a.txt", b"text")]).await;
    }
    commit(&hub, (RepoKind::Model, "other/thing", Visibility::Public), &[("a.txt", b"text")]).await;
    for start in ["?search=row-", "?search=row-&lang=es"] {
        let (mut found, mut sizes, mut next) = (Vec::new(), Vec::new(), Some(format!("/{start}")));
        while let Some(path) = next {
            let page = get(&hub, &path).await;
            assert_eq!(page.status, 200, "{path}");
            let language = if start.contains("es") { "<html lang=\"es\">" } else { "<html lang=\"en\">" };
            assert!(page.text().contains(language), "{path}");
            let rows: Vec<String> =
                names.iter().filter(|name| page.text().contains(&format!("/{name}\""))).cloned().collect();
            sizes.push(rows.len());
            found.extend(rows);
            let link = page.text().split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next());
            next = link.map(|link| format!("/{}", link.replace("&#38;", "&").replace("&amp;", "&")));
            assert!(sizes.len() < 9, "{start} does not end");
        }
        found.sort_unstable();
        assert_eq!((sizes, found == names), (vec![50, 50, 10], true), "{start}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_card_and_a_hostile_search_cannot_put_markup_on_the_page() {
    let attack = "<script>alert(1)</script>\\\"'><img src=x onerror=alert(1)>";
    let card = format!(
        "---\nlicense: \"{attack}\"\npipeline_tag: \"{attack}\"\nlibrary_name: \"{attack}\"\ntags: [\"{attack}\"]\n\
         sdk: \"{attack}\"\nlanguage: \"{attack}\"\n---\n{attack}\n"
    );
    let kinds = [RepoFixture::model("acme/evil"), RepoFixture::dataset("acme/evil"), RepoFixture::space("acme/evil")];
    let fixtures = kinds.map(|repo| repo.file("README.md", &card).file(&format!("{}.txt", "<script>"), "x"));
    let (_upstream, hub): (_, TestHub) = synced(fixtures.to_vec(), &[]).await;
    let search = super::encoded("\"><script>alert(1)</script><img src=x onerror=alert(1)>");
    for path in [
        "/".to_owned(),
        "/?lang=es".to_owned(),
        format!("/?search={search}"),
        format!("/?search=evil&lang={search}"),
        format!("/?search={search}&lang=es"),
        format!("/{search}"),
        format!("/acme/evil/{search}"),
    ] {
        let page = Answer::to(hub.get(&path).header("accept", "text/html")).await;
        assert!(matches!(page.status.as_u16(), 200 | 404), "{path}: {}", page.status);
        let lower = page.text().to_lowercase();
        for markup in ["<script", "<img", "onerror=alert(1)>"] {
            assert!(!lower.contains(markup), "{path} holds {markup}");
        }
        assert!(page.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
    }
    let home = get(&hub, "/").await;
    assert!(home.text().contains("alert(1)"), "the card's words are shown, as words");
    for cursor in ["x", "*", "AAAA"] {
        assert_eq!(get(&hub, &format!("/?cursor={cursor}")).await.status, 400, "{cursor}");
    }
}
