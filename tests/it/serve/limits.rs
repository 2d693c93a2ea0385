//! Limits of requests, as an operator sets them and clients obey them; and the host of a viewer that is not here.

use std::path::{Path, PathBuf};

use acervo::limits::RateLimits;
use acervo_core::{RepoKind, Visibility};
use acervo_tests::test_hub::TestHub;
use tokio::process::Command;

use super::{Answer, alone, commit, get, raw};

const FILE: &str = "/acme/tiny/resolve/main/config.json";

/// A hub that takes so many requests of a window.
async fn limited(limits: RateLimits) -> TestHub {
    let hub = TestHub::with("http://127.0.0.1:9", |config| config.server.rate_limits = limits).await;
    commit(&hub, (RepoKind::Model, "acme/tiny", Visibility::Public), &[("config.json", b"{}")]).await;
    hub
}

/// Lets a new window begin, so that no test runs across its end.
fn begin_window(hub: &TestHub, window_seconds: i64) {
    let left = window_seconds * 1000 - hub.hub().now().as_millis() % (window_seconds * 1000);
    let ahead = hub.hub().now().as_millis() - i64::try_from(now_of_system()).unwrap();
    hub.hub().clock().set_ahead(ahead + left);
}

fn now_of_system() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
}

/// Left and until when, as the header says it.
fn left(answer: &Answer) -> (String, u64, u64) {
    let header = answer.header("ratelimit");
    let parts: Vec<&str> = header.split(';').collect();
    let [bucket, r, t] = parts.as_slice() else { panic!("`{header}` is not what clients read") };
    let number = |text: &str, key: &str| text.strip_prefix(key).and_then(|text| text.parse().ok()).unwrap();
    ((*bucket).to_owned(), number(r, "r="), number(t, "t="))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_gets_its_requests_is_told_what_is_left_and_then_when_to_come_back() {
    let hub = limited(RateLimits { api: 3, resolvers: 2, ..RateLimits::default() }).await;
    let known = hub.stranger("ana").await;
    begin_window(&hub, 300);
    for remaining in [2, 1, 0] {
        let answer = get(&hub, "/api/models").await;
        assert_eq!(answer.status, 200);
        let (bucket, r, t) = left(&answer);
        assert_eq!((bucket.as_str(), r, answer.header("retry-after")), ("\"api\"", remaining, ""));
        assert!((200..=300).contains(&t), "{t}");
        assert_eq!(answer.header("ratelimit-policy"), "\"fixed window\";\"api\";q=3;w=300");
    }
    for path in ["/api/models", "/api/nothing", "/api/models/acme/absent"] {
        let refused = get(&hub, path).await;
        assert_eq!(refused.refusal(), (429, ""), "{path}");
        let (_, r, t) = left(&refused);
        assert_eq!((r, refused.header("retry-after")), (0, t.to_string().as_str()), "{path}");
        assert_eq!(refused.json()["error"], refused.header("x-error-message"), "{path}");
        assert_eq!(refused.header("cache-control"), "no-store", "{path}");
        assert!(!refused.header("x-request-id").is_empty());
    }
    // Others have their own: other buckets, other callers; some are not counted at all.
    for (path, header) in [(FILE, "\"resolvers\";r=1"), ("/", ""), ("/healthz", ""), ("/static/acervo.css", "")] {
        let answer = get(&hub, path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("ratelimit").starts_with(header), "{path}: {}", answer.header("ratelimit"));
        assert_eq!(answer.header("ratelimit").is_empty(), header.is_empty(), "{path}");
    }
    let of_ana = Answer::to(hub.get("/api/whoami-v2").bearer_auth(&known)).await;
    assert_eq!((of_ana.status.as_u16(), left(&of_ana).1), (200, 2));
    // What a stranger makes up does not make another caller of it.
    for (name, value) in
        [("x-forwarded-for", "192.0.2.7"), ("authorization", "Bearer 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")]
    {
        let answer = Answer::to(hub.get("/api/models").header(name, value)).await;
        assert_eq!(answer.status, 429, "{name}");
    }
    let metrics = get(&hub, "/metrics").await;
    assert!(metrics.text().contains("acervo_rate_limited_total{bucket=\"api\"} 5\n"), "{}", metrics.text());
    begin_window(&hub, 300);
    assert_eq!(get(&hub, "/api/models").await.status, 200, "the next window has begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_clients_are_told_apart_by_what_the_proxy_says() {
    let hub = TestHub::with("http://127.0.0.1:9", |config| {
        config.server.rate_limits = RateLimits { api: 1, ..RateLimits::default() };
        config.server.trusted_proxies = vec!["127.0.0.1".parse().unwrap(), "10.0.0.1".parse().unwrap()];
    })
    .await;
    begin_window(&hub, 300);
    for (hops, status) in [
        ("192.0.2.1", 200),
        ("192.0.2.1", 429),
        ("192.0.2.2", 200),
        // The client itself wrote what comes first.
        ("198.51.100.9, 192.0.2.1", 429),
        ("192.0.2.3, 10.0.0.1", 200),
        ("192.0.2.3", 429),
        ("2001:db8::1", 200),
        ("2001:db8::ffff", 429),
    ] {
        let answer = Answer::to(hub.get("/api/models").header("x-forwarded-for", hops)).await;
        assert_eq!(answer.status, status, "{hops}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn huggingface_hub_waits_as_long_as_it_is_told_and_goes_on() {
    let hub = limited(RateLimits { window_seconds: 2, api: 2, ..RateLimits::default() }).await;
    let python = std::env::var_os("ACERVO_TEST_PYTHON").map(PathBuf::from);
    let python = python.expect("ACERVO_TEST_PYTHON is not set; run the tests with `tests/run`");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/python/limited.py");
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(python);
    command.arg(script).env("HF_ENDPOINT", hub.url()).env("HF_HOME", folder.path()).env_remove("HF_TOKEN");
    let output = command.kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "5 lists");
    let metrics = get(&hub, "/metrics").await;
    let never = "acervo_rate_limited_total{bucket=\"api\"} 0\n";
    assert!(!metrics.text().contains(never), "it was never refused, so nothing is proved");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_limited_unless_an_operator_says_so() {
    let hub = alone().await;
    for _ in 0..50 {
        let answer = get(&hub, "/api/models").await;
        assert_eq!((answer.status.as_u16(), answer.header("ratelimit")), (200, ""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_of_the_dataset_viewer_refuses_everything_at_once() {
    let hub = limited(RateLimits::default()).await;
    let ours = hub.url().strip_prefix("http://").unwrap().to_owned();
    let ask = async |host: &str, target: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        raw(&hub, &request).await
    };
    let viewer = format!("datasets-server.{ours}");
    for target in ["/info?dataset=acme/tiny", "/parquet?dataset=acme/tiny", "/is-valid", "/", "/api/models", FILE] {
        let (status, text) = ask(&viewer, target).await;
        assert_eq!(status, 404, "{target}: {text}");
        assert!(text.contains("content-type: application/json\r\n") && text.contains("no dataset viewer"), "{text}");
        assert!(!text.to_lowercase().contains("x-error-code"), "{text}");
    }
    for host in [ours.as_str(), "datasets-server.another.example"] {
        assert_eq!(ask(host, "/api/models").await.0, 200, "{host}");
    }
}
