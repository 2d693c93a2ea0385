//! What happens around every handler, and the operators' routes.

use std::time::{Duration, Instant};

use acervo_core::{RepoKind, Role, Visibility};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, StatusCode};

use super::{Served, header};
use crate::http;

#[tokio::test(flavor = "multi_thread")]
async fn operators_learn_whether_it_is_alive_ready_and_what_it_did() {
    let served = Served::start().await;
    assert_eq!(served.get("/healthz").await.text().await.unwrap(), "ok\n");
    let ready: serde_json::Value = served.get("/readyz").await.json().await.unwrap();
    assert_eq!(ready, serde_json::json!({ "ready": true, "database": "ok", "staging": "ok", "storage": "ok" }));
    served.get("/acme/x/resolve/main/f?token=secret").await;

    let metrics = served.get("/metrics").await;
    assert!(header(&metrics, "content-type").unwrap().starts_with("application/openmetrics-text"));
    let text = metrics.text().await.unwrap();
    let line = "acervo_http_requests_total{method=\"GET\",route=\"/{repo}/resolve/{rest}\",status=\"401\"} 1";
    assert!(text.contains(line), "{text}");
    assert!(!text.contains("secret") && !text.contains("acme"), "{text}");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_behind_a_proxy_are_for_auditors() {
    let served = Served::start().await;
    let proxied = ("x-forwarded-for", "192.0.2.1");
    let ask = |token: Option<String>| {
        let authorization = token.map(|token| format!("Bearer {token}")).unwrap_or_default();
        let served = &served;
        async move {
            let headers = [proxied, ("authorization", authorization.as_str())];
            served.ask(Method::GET, "/metrics", &headers).await.status()
        }
    };
    assert_eq!(ask(None).await, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(Some(served.token("ci", Role::Writer).await)).await, StatusCode::FORBIDDEN);
    assert_eq!(ask(Some(served.token("audit", Role::Auditor).await)).await, StatusCode::OK);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_request_id_comes_back_if_it_can_be_shown() {
    let served = Served::start().await;
    for (name, given) in [("x-amzn-trace-id", "5f3c-uuid"), ("x-request-id", "Root=1-67;x")] {
        let answer = served.ask(Method::GET, "/healthz", &[(name, given)]).await;
        assert_eq!(header(&answer, "x-request-id"), Some(given));
    }
    for headers in [vec![], vec![("x-request-id", "a b\"c")]] {
        let answer = served.ask(Method::GET, "/nothing", &headers).await;
        assert_eq!(header(&answer, "x-request-id").unwrap().len(), 36);
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_elsewhere_may_read_as_far_as_origins_are_listed() {
    let preflight = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization,range"),
    ];
    let served = Served::start().await;
    let answer = served.ask(Method::OPTIONS, "/acme/x/resolve/main/f", &preflight).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(header(&answer, "access-control-allow-origin"), Some("*"));
    assert_eq!(header(&answer, "access-control-allow-headers"), Some("Authorization, Range, Accept, Content-Type"));
    let answer = served.ask(Method::GET, "/healthz", &preflight[..1]).await;
    assert!(header(&answer, "access-control-expose-headers").unwrap().contains("X-Linked-ETag"));
    assert_eq!(header(&answer, "vary"), Some("Origin"));
    served.stop().await;

    let listed =
        Served::start_with(|config| config.server.cors_origins = vec!["https://other.example".to_owned()]).await;
    let answer = listed.ask(Method::OPTIONS, "/healthz", &preflight).await;
    assert_eq!(header(&answer, "access-control-allow-origin"), None);
    listed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tokens_of_this_hub_are_refused_in_either_scheme() {
    let served = Served::start().await;
    let token = served.token("ci", Role::Reader).await;
    let basic = |token: &str| format!("Basic {}", STANDARD.encode(format!("anybody:{token}")));
    for good in [format!("bearer {token}"), basic(&token), basic("hf_foreign"), "Digest x".to_owned()] {
        let answer = served.ask(Method::GET, "/", &[("authorization", &good)]).await;
        assert_eq!(answer.status(), StatusCode::OK, "{good:.8}");
    }
    for bad in [format!("Bearer {}", &token[..30]), basic(&token[..30]), "Basic %%%".to_owned()] {
        let answer = served.ask(Method::GET, "/", &[("authorization", &bad)]).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{bad:.8}");
        assert_eq!(header(&answer, "x-error-message"), Some("Invalid credentials in Authorization header"));
        assert_eq!(header(&answer, "x-error-code"), None);
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_are_never_compressed() {
    let served = Served::start().await;
    let text = "text ".repeat(1000);
    served.commit(RepoKind::Model, "acme/tiny", Visibility::Public, &[("a.txt", text.as_bytes(), false)]).await;
    let gzip = [("accept-encoding", "gzip")];
    let api = served.ask(Method::GET, "/api/models", &gzip).await;
    assert_eq!((api.status().as_u16(), header(&api, "content-encoding")), (200, Some("gzip")));
    for path in ["/acme/tiny/resolve/main/a.txt", "/acme/tiny/raw/main/a.txt"] {
        let content = served.ask(Method::GET, path, &gzip).await;
        assert_eq!(header(&content, "content-encoding"), None, "{path}");
        assert_eq!(content.text().await.unwrap(), text, "{path}");
    }
    let document: serde_json::Value = served.get("/openapi.json").await.json().await.unwrap();
    assert!(document["paths"]["/{repo}/resolve/{rest}"]["head"].is_object());
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_home_page_and_its_files_load_nothing_from_elsewhere() {
    let served = Served::start().await;
    let page = served.ask(Method::GET, "/?lang=es&search=x", &[]).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(header(&page, "content-security-policy").unwrap().starts_with("default-src 'none'"));
    assert!(page.text().await.unwrap().contains("lang=\"es\""));
    let style = served.get("/static/acervo.css").await;
    let etag = header(&style, "etag").unwrap().to_owned();
    assert_eq!(header(&style, "cache-control"), Some("no-cache"));
    let again = served.ask(Method::GET, "/static/acervo.css", &[("if-none-match", &etag)]).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_begin_as_the_client_reached_the_hub() {
    let forwarded = [("x-forwarded-proto", "https"), ("x-forwarded-host", "hub.example")];
    let shown = async |served: &Served, headers: &[(&str, &str)]| {
        let page = served.ask(Method::GET, "/", headers).await.text().await.unwrap();
        let (_, rest) = page.split_once("HF_ENDPOINT=").unwrap();
        rest.split(['\n', '<']).next().unwrap().to_owned()
    };

    let direct = Served::start().await;
    assert_eq!(shown(&direct, &forwarded).await, direct.url, "nobody is trusted");
    assert_eq!(shown(&direct, &[("host", "hub:80")]).await, "http://hub:80");
    assert_eq!(shown(&direct, &[("host", "a\"b")]).await, "http://127.0.0.1:7860", "no host name");
    direct.stop().await;

    let proxied = Served::start_with(|config| config.server.trusted_proxies = vec!["127.0.0.1".parse().unwrap()]).await;
    assert_eq!(shown(&proxied, &forwarded).await, "https://hub.example");
    assert_eq!(shown(&proxied, &[]).await, proxied.url);
    proxied.stop().await;

    let named = Served::start_with(|config| config.server.public_url = "https://named.example/".to_owned()).await;
    assert_eq!(shown(&named, &forwarded).await, "https://named.example");
    named.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_reported_with_the_next_step() {
    let taken = http::listen("127.0.0.1:0").unwrap();
    let bind = taken.local_addr().unwrap().to_string();
    let error = http::listen(&bind).unwrap_err().to_string();
    assert!(error.contains(&bind) && error.contains("set `server.bind` to another port"), "{error}");
    assert!(http::listen("nonsense").unwrap_err().to_string().contains("address:port"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_ends_at_once_although_clients_keep_connections() {
    let served = Served::start().await;
    served.get("/healthz").await.bytes().await.unwrap();
    let client = served.client.clone();
    let url = served.url.clone();
    let started = Instant::now();
    served.stop().await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(client.get(format!("{url}/healthz")).send().await.is_err());
}
