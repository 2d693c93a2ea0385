//! The way to an upstream: authorities that only we know, and a forward proxy that everything has to pass.

use acervo_core::Secret;
use acervo_store::db::blobs;
use acervo_store::db::jobs::State;
use acervo_test_engine::Authority;
use acervo_tests::fake_upstream::{FakeUpstream, Origin};
use acervo_tests::forward_proxy::ForwardProxy;
use acervo_tests::processes::Installation;
use acervo_tests::test_hub::TestHub;

use super::{MODEL, tiny};

/// User and password of the proxy, in a URL and as they are sent.
const CREDENTIALS: &str = "mirror:s3cret-word";
const AUTHORIZATION: &str = "Basic bWlycm9yOnMzY3JldC13b3Jk";

async fn upstream(authority: Option<&Authority>) -> FakeUpstream {
    match authority {
        Some(authority) => FakeUpstream::start_encrypted(vec![tiny()], authority).await.unwrap(),
        None => FakeUpstream::start(vec![tiny()]).await.unwrap(),
    }
}

async fn assert_held_and_served(hub: &TestHub) {
    assert_eq!(blobs::totals(hub.hub().db().reader()).await.unwrap().0, 5);
    let served = hub.get("/acme/tiny/resolve/main/model.safetensors").send().await.unwrap();
    assert!(served.bytes().await.unwrap() == tiny().entry("model.safetensors").bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_of_a_private_authority_is_refused_with_the_way_out_until_that_is_trusted() {
    let (authority, other) = (Authority::new(), Authority::new());
    let upstream = upstream(Some(&authority)).await;
    assert!(upstream.endpoint().starts_with("https://") && upstream.cdn_endpoint().starts_with("https://"));
    for trusted in [None, Some(other.file())] {
        let hub = TestHub::with(&upstream.endpoint(), |config| config.upstream.ca_file = trusted.clone()).await;
        let mirror = hub.mirror(MODEL, "acme/tiny").await;

        let job = hub.attempt(&mirror).await;

        let error = job.error.unwrap();
        assert_eq!(job.state, State::Failed, "waiting mends nothing: {error}");
        for text in [&*upstream.endpoint(), "is not trusted", "`upstream.ca_file`"] {
            assert!(error.contains(text), "it must say {text:?}: {error}");
        }
        assert_eq!(blobs::totals(hub.hub().db().reader()).await.unwrap().0, 0);
    }
    assert!(upstream.requests().is_empty(), "nothing was asked of a hub that is not trusted");

    let hub = TestHub::with(&upstream.endpoint(), |config| config.upstream.ca_file = Some(authority.file())).await;
    hub.synced(MODEL, "acme/tiny").await;

    assert!(upstream.cdn_bytes() >= 300_000, "the storage host is trusted, too");
    assert_held_and_served(&hub).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_and_what_is_fetched_goes_through_the_proxy() {
    for authority in [None, Some(Authority::new())] {
        let upstream = upstream(authority.as_ref()).await;
        let proxy = ForwardProxy::start(AUTHORIZATION).unwrap();
        let hub = TestHub::with(&upstream.endpoint(), |config| {
            config.upstream.proxy = Some(Secret::new(format!("http://{CREDENTIALS}@{}", proxy.address())));
            config.upstream.ca_file = authority.as_ref().map(Authority::file);
        })
        .await;

        hub.synced(MODEL, "acme/tiny").await;

        assert_held_and_served(&hub).await;
        let base = |origin| if origin == Origin::Hub { upstream.endpoint() } else { upstream.cdn_endpoint() };
        let mut passed: Vec<String> = proxy.passed().into_iter().map(|passed| passed.target).collect();
        let mut expected: Vec<String> = if authority.is_some() {
            assert!(proxy.passed().iter().all(|passed| passed.method == "CONNECT"));
            passed.dedup();
            [Origin::Hub, Origin::Cdn].map(|origin| base(origin).replace("https://", "")).to_vec()
        } else {
            upstream.requests().iter().map(|asked| format!("{}{}", base(asked.origin), asked.path_and_query)).collect()
        };
        passed.sort();
        passed.dedup();
        expected.sort();
        expected.dedup();
        assert_eq!(passed, expected, "nothing finds a way around it");
        assert!(upstream.cdn_bytes() >= 300_000 && proxy.bytes() > upstream.file_bytes(), "{} bytes", proxy.bytes());
        assert_eq!(proxy.refused(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_gone_or_refuses_is_named_and_its_credentials_are_shown_nowhere() {
    let authority = Authority::new();
    // Wants another password than it is given.
    let refusing = ForwardProxy::start("Basic bWlycm9yOm90aGVy").unwrap();
    let gone = ForwardProxy::start(AUTHORIZATION).unwrap().address();
    for (proxy, expected) in [
        (gone, "cannot be reached through the proxy"),
        (refusing.address(), "check user and password in `upstream.proxy`"),
    ] {
        for authority in [None, Some(&authority)] {
            let upstream = upstream(authority).await;
            let mut installation = Installation::new(&upstream.endpoint());
            installation.set("upstream.proxy", &format!("http://{CREDENTIALS}@{proxy}"));
            installation.set("log.filter", "trace");
            if let Some(authority) = authority {
                installation.set("upstream.ca_file", &authority.file().display().to_string());
            }
            assert!(installation.run(&["mirror", "add", "acme/tiny"]).await.success);

            let ran = installation.run(&["sync", "acme/tiny", "--dry-run", "--verbose"]).await;
            let shown = installation.run(&["check-config"]).await;

            assert!(!ran.success && ran.stderr.contains("TRACE"), "{}", ran.stderr);
            assert!(ran.stderr.contains(expected) && ran.stderr.contains("`upstream.proxy`"), "{}", ran.stderr);
            assert!(shown.success && shown.stdout.contains("upstream.proxy"), "{}", shown.stdout);
            for text in [&ran.stdout, &ran.stderr, &shown.stdout, &shown.stderr] {
                for secret in ["s3cret-word", AUTHORIZATION.trim_start_matches("Basic ")] {
                    assert!(!text.contains(secret), "it shows {secret:?}: {text}");
                }
            }
            assert!(upstream.requests().is_empty(), "nobody goes around a proxy");
        }
    }
    assert!(refusing.refused() >= 2 && refusing.passed().is_empty());
}
