//! Metadata: pinning, pages, redirects, refusals, waits.

use std::time::{Duration, Instant};

use acervo_core::{CommitOid, GitOid, RefKind, RepoKind, Sha256Digest};
use serde_json::json;

use super::super::client::NO_TOKEN;
use super::super::{Client, Config, Secret, UpstreamError};
use super::server::{Reply, Server};
use super::{TOKEN, client, commit, config};

const HTML: &str = "<!doctype html><title>Welcome</title>";

fn info() -> serde_json::Value {
    json!({
        "_id": "0123", "id": "acme/Tiny", "sha": commit().to_hex(), "private": false, "gated": "auto", "likes": 3,
        "xetEnabled": true,
        "siblings": [
            {"rfilename": "README.md", "size": 6, "blobId": GitOid::of_blob(b"hello\n").to_hex()},
            {"rfilename": "sub/w.bin", "size": 7, "blobId": GitOid::of_blob(b"pointer").to_hex(), "xetHash": "ab",
             "lfs": {"sha256": Sha256Digest::of(b"weights").to_hex(), "size": 7, "pointerSize": 126}},
        ],
    })
}

#[tokio::test]
async fn a_revision_is_pinned_to_its_commit_with_all_that_is_declared() {
    let hub = Server::start(|_, _| Reply::json(info().to_string())).await;
    let found = client(&hub.url).snapshot_info(RepoKind::Dataset, "acme/tiny", "refs/pr/1").await.unwrap();

    assert_eq!(hub.targets(), ["/api/datasets/acme/tiny/revision/refs%2Fpr%2F1?blobs=true"]);
    assert_eq!(hub.asked()[0].header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert!(hub.asked()[0].header("user-agent").unwrap().starts_with("acervo/"));
    assert_eq!((found.commit, found.name.as_str()), (commit(), "acme/Tiny"));
    assert_eq!((found.private, found.gated), (false, true));
    assert_eq!(found.files[0].oid, Some(GitOid::of_blob(b"hello\n")));
    assert_eq!(found.files[1].path.as_str(), "sub/w.bin");
    assert_eq!((found.files[1].size, found.files[1].lfs_sha256), (Some(7), Some(Sha256Digest::of(b"weights"))));
    assert_eq!(found.info["likes"], 3);
    assert!(!found.info.contains_key("siblings") && !found.info.contains_key("xetEnabled"));
}

#[tokio::test]
async fn a_pinned_commit_is_never_answered_with_another() {
    let hub = Server::start(|_, _| Reply::json(info().to_string())).await;
    let other = "11".repeat(20);
    let error = client(&hub.url).snapshot_info(RepoKind::Model, "acme/tiny", &other).await.unwrap_err();
    assert!(matches!(error, UpstreamError::CommitMoved { .. }), "{error}");
    let error = client(&hub.url).commits(RepoKind::Model, "a/b", commit(), 9, |_| false).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn what_is_not_a_hub_is_told_as_such() {
    let answers = [
        Reply::new(200).header("Content-Type", "text/html; charset=utf-8").body(HTML),
        Reply::new(200).body(HTML),
        Reply::json("{}"),
        Reply::json("{\"sha\": \"abc\"}"),
        Reply::new(404).header("Content-Type", "text/html").body(HTML),
    ];
    for answer in answers {
        let told = format!("{answer:?}");
        let hub = Server::start(move |_, _| answer.clone()).await;
        let error = client(&hub.url).snapshot_info(RepoKind::Model, "acme/tiny", "main").await.unwrap_err();
        assert!(matches!(error, UpstreamError::NotAHub { .. }), "{told}: {error}");
        assert_eq!(hub.asked().len(), 1, "{told}: no use in asking again");
    }
    for page in [HTML, "{\"branches\": ["] {
        let hub = Server::start(move |_, _| Reply::new(200).body(page)).await;
        let error = client(&hub.url).refs(RepoKind::Model, "acme/tiny").await.unwrap_err();
        assert!(matches!(error, UpstreamError::NotAHub { .. }), "{error}");
    }
}

#[tokio::test]
async fn refusals_are_told_by_their_code_and_without_the_token() {
    let cases = [
        (401, Some("RepoNotFound"), "acme/tiny` is not at"),
        (404, Some("RepoNotFound"), "acme/tiny` is not at"),
        (404, Some("RevisionNotFound"), "no revision `v9`"),
        (404, None, "no revision `v9`"),
        (403, Some("GatedRepo"), "/acme/tiny with the account"),
        (401, None, "refuses the token"),
        (403, None, "forbids access to `acme/tiny`: no [hidden] for you"),
        (418, None, "answered 418 I'm a teapot to `/api/models/acme/tiny/revision/v9`: no [hidden] for you"),
    ];
    for (status, code, text) in cases {
        let hub = Server::start(move |_, _| {
            let reply = Reply::new(status).body(format!("{{\"error\": \"no {TOKEN}\\nfor you\"}}"));
            code.map_or(reply.clone(), |code| reply.header("X-Error-Code", code)).header("X-Request-Id", "r-1")
        })
        .await;
        let error = client(&hub.url).snapshot_info(RepoKind::Model, "acme/tiny", "v9").await.unwrap_err();
        assert!(error.to_string().contains(text), "{status} {code:?}: {error}");
        assert!(!format!("{error} {error:?}").contains(TOKEN), "{error:?}");
        assert!(!error.is_transient() && hub.asked().len() == 1);
    }
}

#[tokio::test]
async fn an_anonymous_401_means_a_missing_or_private_repository() {
    let hub = Server::start(|_, _| Reply::new(401)).await;
    let anonymous = Client::new(&Config { token: None, ..config(&hub.url) }).unwrap();
    for error in [
        anonymous.snapshot_info(RepoKind::Model, "acme/tiny", "main").await.unwrap_err(),
        anonymous.refs(RepoKind::Model, "acme/tiny").await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("set `upstream.token_file`"), "{error}");
    }
    assert!(hub.asked().iter().all(|asked| asked.header("authorization").is_none()));
}

#[tokio::test]
async fn a_listing_is_read_to_its_last_page() {
    let hub = Server::start(|asked, nth| {
        let host = asked.header("host").unwrap();
        let sha256 = Sha256Digest::of(b"weights");
        let page = match nth {
            0 => json!([
                {"type": "directory", "path": "sub", "oid": "aa".repeat(20), "size": 0},
                {"type": "file", "path": "sub/w.bin", "oid": "bb".repeat(20), "size": 7, "xetHash": "cc",
                 "lfs": {"oid": sha256.to_hex(), "size": 7, "pointerSize": 126}},
            ]),
            _ => json!([{"type": "file", "path": "a.txt", "oid": "dd".repeat(20), "size": 3}]),
        };
        let reply = Reply::json(page.to_string());
        if nth > 0 {
            return reply;
        }
        reply.header("Link", format!("<http://{host}/api/models/gpt2/tree/x?recursive=true&cursor=1,2>; rel=\"next\""))
    })
    .await;
    let listing = client(&hub.url).listing(RepoKind::Model, "gpt2", commit()).await.unwrap();

    let pages = [
        format!("/api/models/gpt2/tree/{}?recursive=true", commit()),
        "/api/models/gpt2/tree/x?recursive=true&cursor=1,2".to_owned(),
    ];
    assert_eq!(hub.targets(), pages);
    assert!(hub.asked().iter().all(|asked| asked.header("authorization").is_some()));
    let paths: Vec<_> = listing.iter().map(|entry| (entry.path.as_str(), entry.is_file(), entry.size)).collect();
    assert_eq!(paths, [("sub", false, 0), ("sub/w.bin", true, 7), ("a.txt", true, 3)]);
    assert_eq!(listing[1].lfs.unwrap().sha256, Sha256Digest::of(b"weights"));
}

#[tokio::test]
async fn a_next_page_that_is_relative_or_elsewhere_is_an_error_and_never_asked_for() {
    let elsewhere = Server::start(|_, _| Reply::json("[]")).await;
    let foreign = format!("{}/api/models/a/b/tree/x?cursor=s3cret", elsewhere.url);
    for target in [foreign.as_str(), "/api/models/a/b/tree/x?cursor=s3cret", "?cursor=s3cret"] {
        let link = format!("<{target}>; rel=\"next\"");
        let hub =
            Server::start(move |_, _| Reply::json(format!("[{{\"id\": \"{}\"}}]", commit())).header("Link", &link))
                .await;
        let client = client(&hub.url);
        let error = client.commits(RepoKind::Model, "a/b", commit(), 9, |_| false).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Protocol { .. }), "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
        assert_eq!(hub.asked().len(), 1);
    }
    let hub = Server::start(move |_, _| Reply::json("[]").header("Link", "</x>; rel=\"next\"")).await;
    let error = client(&hub.url).listing(RepoKind::Model, "a/b", commit()).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Protocol { .. }), "{error}");
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn a_renamed_repository_is_followed_with_the_token_and_a_foreign_redirect_is_not() {
    let elsewhere = Server::start(|_, _| Reply::json(info().to_string())).await;
    let foreign = format!("{}/api/models/acme/Tiny/revision/main", elsewhere.url);
    for (location, followed) in [("/api/models/acme/Tiny/revision/main?blobs=true".to_owned(), true), (foreign, false)]
    {
        let hub = Server::start(move |_, nth| match nth {
            0 => Reply::new(307).header("Location", &location),
            _ => Reply::json(info().to_string()),
        })
        .await;
        let result = client(&hub.url).snapshot_info(RepoKind::Model, "old/tiny", "main").await;
        if followed {
            assert_eq!(result.unwrap().name, "acme/Tiny");
            assert!(hub.asked()[1].header("authorization").is_some());
        } else {
            assert!(matches!(result, Err(UpstreamError::ForbiddenRedirect { .. })), "{result:?}");
        }
    }
    assert!(elsewhere.asked().is_empty());

    let hub = Server::start(|asked, _| Reply::new(307).header("Location", &asked.target)).await;
    let error = client(&hub.url).snapshot_info(RepoKind::Model, "old/tiny", "main").await.unwrap_err();
    assert!(matches!(error, UpstreamError::Protocol { .. }), "{error}");
    assert_eq!(hub.asked().len(), 6);
}

#[tokio::test]
async fn a_bad_moment_is_sat_out_and_a_bad_day_is_not() {
    let hub = Server::start(|_, nth| if nth < 2 { Reply::new(503) } else { Reply::json(info().to_string()) }).await;
    client(&hub.url).snapshot_info(RepoKind::Model, "acme/tiny", "main").await.unwrap();
    assert_eq!(hub.asked().len(), 3);

    let hub = Server::start(|_, _| Reply::new(500)).await;
    let error = client(&hub.url).refs(RepoKind::Model, "acme/tiny").await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(hub.asked().len(), 3, "attempts are counted once, not once more inside");

    let error = client("http://127.0.0.1:1").snapshot_info(RepoKind::Model, "acme/tiny", "main").await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_rate_limit_is_obeyed_and_one_too_long_is_reported() {
    let hub = Server::start(|_, nth| match nth {
        0 => Reply::new(429).header("Retry-After", 1),
        _ => Reply::json(info().to_string()),
    })
    .await;
    let start = Instant::now();
    client(&hub.url).snapshot_info(RepoKind::Model, "acme/tiny", "main").await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));

    let hub = Server::start(|_, _| Reply::new(429).header("RateLimit", "\"api\";r=0;t=1200")).await;
    let client = client(&hub.url);
    for _ in 0..2 {
        let error = client.snapshot_info(RepoKind::Model, "acme/tiny", "main").await.unwrap_err();
        let UpstreamError::RateLimited { retry_after: Some(wait), .. } = error else { panic!("{error}") };
        assert!(wait > Duration::from_secs(1100), "{wait:?}");
    }
    assert_eq!(hub.asked().len(), 1, "the second call must not ask while the pause lasts");
}

#[tokio::test]
async fn silence_ends_a_request() {
    let hub = Server::start(|_, _| Reply::silence()).await;
    let config = Config { read_timeout_seconds: 1, attempts_max: 1, ..config(&hub.url) };
    let error = Client::new(&config).unwrap().snapshot_info(RepoKind::Model, "acme/tiny", "main").await.unwrap_err();
    assert!(matches!(error, UpstreamError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn refs_carry_their_kind_and_stored_name() {
    let hub = Server::start(|_, _| {
        let at = |name: &str, full: &str| json!({"name": name, "ref": full, "targetCommit": commit().to_hex()});
        let refs = json!({
            "branches": [at("main", "refs/heads/main"), at("feature/x", "refs/heads/feature/x")],
            "tags": [at("v1", "refs/tags/v1")],
            "converts": [at("parquet", "refs/convert/parquet")],
        });
        Reply::json(refs.to_string())
    })
    .await;
    let refs = client(&hub.url).refs(RepoKind::Dataset, "squad").await.unwrap();
    assert_eq!(hub.targets(), ["/api/datasets/squad/refs"]);
    assert_eq!(hub.asked()[0].header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    let found: Vec<_> = refs.iter().map(|r| (r.kind, r.name.as_str())).collect();
    let expected = [
        (RefKind::Branch, "main"),
        (RefKind::Branch, "feature/x"),
        (RefKind::Tag, "v1"),
        (RefKind::Convert, "refs/convert/parquet"),
    ];
    assert_eq!(found, expected);
    assert!(refs.iter().all(|r| r.target == commit()));
}

#[tokio::test]
async fn the_history_ends_where_it_is_known_or_long_enough() {
    let oid = |n: u8| CommitOid::from_bytes([n; 20]);
    let hub = Server::start(move |asked, nth| {
        let page = json!([
            {"id": oid(9 - 2 * nth as u8).to_hex(), "title": "t", "message": "m", "date": "2024-01-02T03:04:05.000Z",
             "authors": [{"user": "ada"}, {"name": "Bob", "email": "bob@example.org"}]},
            {"id": oid(8 - 2 * nth as u8).to_hex(), "title": "t", "message": "", "date": null, "authors": []},
        ]);
        let next = format!("<http://{}/next?n={nth}>; rel=\"next\"", asked.header("host").unwrap());
        Reply::json(page.to_string()).header("Link", next)
    });
    let hub = hub.await;
    let history = client(&hub.url).commits(RepoKind::Model, "a/b", oid(9), 100, |at| at == oid(7)).await.unwrap();
    assert_eq!(hub.targets(), [format!("/api/models/a/b/commits/{}?limit=100", oid(9)), "/next?n=0".to_owned()]);
    assert_eq!(history.iter().map(|commit| commit.oid).collect::<Vec<_>>(), [oid(9), oid(8), oid(7)]);
    assert_eq!(history[0].authors, ["ada", "Bob"]);
    assert_eq!(history[0].date.unwrap().to_string(), "2024-01-02T03:04:05.000Z");
    assert_eq!(history[1].date, None);
}

/// Runs itself in a child process whose environment holds credentials, and looks at what the child sent.
#[tokio::test]
async fn credentials_of_the_environment_never_reach_an_upstream() {
    const CHILD: &str = "ACERVO_TEST_UPSTREAM";
    if let Ok(endpoint) = std::env::var(CHILD) {
        let anonymous = Client::new(&Config { token: None, ..config(&endpoint) }).unwrap();
        anonymous.snapshot_info(RepoKind::Model, "acme/tiny", "main").await.unwrap();
        let _ = anonymous.refs(RepoKind::Model, "acme/tiny").await;
        let _ = client(&endpoint).refs(RepoKind::Model, "acme/tiny").await;
        // The control: left to itself, hf-hub does send what it finds.
        let ambient = hf_hub::HFClient::builder().endpoint(&endpoint).build().unwrap();
        let _ = ambient.model("control", "x").list_refs().send().await;
        return;
    }
    let hub = Server::start(|_, _| Reply::json(info().to_string())).await;
    let status = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["upstream::tests::discovery::credentials_of_the_environment_never_reach_an_upstream", "--exact"])
        .env(CHILD, &hub.url)
        .env("HF_TOKEN", "hf_ambient")
        .env("HF_ENDPOINT", "http://127.0.0.1:1")
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("NO_PROXY", "")
        .env_remove("HF_HUB_DISABLE_IMPLICIT_TOKEN")
        .status()
        .await
        .unwrap();
    assert!(status.success());
    let sent: Vec<_> = hub.asked().iter().map(|asked| asked.header("authorization").map(str::to_owned)).collect();
    assert_eq!(sent, [None, None, Some(format!("Bearer {TOKEN}"))]);
}

#[test]
fn a_configuration_that_cannot_work_is_refused_and_secrets_are_not_repeated() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let good = config("http://127.0.0.1:1/hf/");
    assert_eq!(Client::new(&good).unwrap().endpoint(), "http://127.0.0.1:1/hf");
    Client::new(&Config { token: None, token_file: Some(file.clone()), ..good.clone() }).unwrap();

    let secret = |text: &str| Some(Secret::new(text));
    let bad = [
        Config { token_file: Some(file), ..good.clone() },
        Config { token: None, token_file: Some(dir.path().join("absent")), ..good.clone() },
        Config { token: secret(""), ..good.clone() },
        Config { token: secret(NO_TOKEN), ..good.clone() },
        Config { token: secret("hf_s3cret with spaces"), ..good.clone() },
        Config { endpoint: "huggingface.co".to_owned(), ..good.clone() },
        Config { endpoint: "ftp://h".to_owned(), ..good.clone() },
        Config { endpoint: "https://u:s3cret@h".to_owned(), ..good.clone() },
        Config { endpoint: "https://h/?x=s3cret".to_owned(), ..good.clone() },
        Config { proxy: secret("s3cret"), ..good.clone() },
        Config { concurrency: 0, ..good.clone() },
        Config { attempts_max: 0, ..good.clone() },
        Config { read_timeout_seconds: 0, ..good.clone() },
    ];
    for config in bad {
        let error = Client::new(&config).unwrap_err();
        assert!(matches!(error, UpstreamError::Config(_)) && !error.to_string().contains("s3cret"), "{error}");
    }
    let shown = format!("{good:?} {} {}", serde_json::to_string(&good).unwrap(), good.token.clone().unwrap());
    assert!(!shown.contains(TOKEN), "{shown}");
    assert!(serde_json::from_str::<Config>("{\"endpont\": \"x\"}").is_err());
}
