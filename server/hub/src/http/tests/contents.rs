//! `resolve` and `raw`: headers, parts, conditions.

use acervo_core::{GitOid, RepoKind, Role, Sha256Digest, Visibility, lfs};
use reqwest::{Method, StatusCode};

use super::{Served, header};

const WEIGHTS: &str = "/acme/x/resolve/main/model.safetensors";

fn weights() -> Vec<u8> {
    (0..700_001_u32).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect()
}

async fn served() -> (Served, String) {
    let served = Served::start().await;
    let bytes = weights();
    let files: &[(&str, &[u8], bool)] = &[
        ("config.json", b"{}\n", false),
        ("empty.txt", b"", false),
        ("model.safetensors", &bytes, true),
        ("sub/page.html", b"<script>", false),
    ];
    let commit = served.commit(RepoKind::Model, "acme/x", Visibility::Public, files).await;
    (served, commit.to_hex())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_has_every_header_of_the_get_and_no_body() {
    let (served, commit) = served().await;
    let etag = format!("\"{}\"", Sha256Digest::of(&weights()));

    let head = served.ask(Method::HEAD, WEIGHTS, &[("accept-encoding", "gzip, deflate")]).await;
    let get = served.ask(Method::GET, WEIGHTS, &[("accept-encoding", "gzip, deflate")]).await;

    for answer in [&head, &get] {
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(header(answer, "x-repo-commit"), Some(commit.as_str()));
        assert_eq!(header(answer, "etag"), Some(etag.as_str()));
        assert_eq!(header(answer, "x-linked-etag"), Some(etag.as_str()));
        assert_eq!(header(answer, "x-linked-size"), Some("700001"));
        assert_eq!(header(answer, "content-length"), Some("700001"));
        assert_eq!(header(answer, "accept-ranges"), Some("bytes"));
        assert_eq!(header(answer, "content-type"), Some("application/octet-stream"));
        assert_eq!(header(answer, "x-content-type-options"), Some("nosniff"));
        assert_eq!(header(answer, "cache-control"), Some("no-cache"));
        let disposition = "inline; filename*=UTF-8''model.safetensors; filename=\"model.safetensors\";";
        assert_eq!(header(answer, "content-disposition"), Some(disposition));
        assert_eq!(header(answer, "content-encoding"), None);
        assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("x-xet")));
    }
    assert!(get.bytes().await.unwrap() == weights());
    assert!(head.bytes().await.unwrap().is_empty());
    let metrics = served.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("acervo_served_bytes_total 700001"), "the HEAD reads nothing: {metrics}");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_exact_and_what_lies_outside_is_refused() {
    let (served, commit) = served().await;
    let bytes = weights();
    for (range, expected, content_range) in [
        ("bytes=0-0", &bytes[..1], "bytes 0-0/700001"),
        ("bytes=262143-524289", &bytes[262_143..524_290], "bytes 262143-524289/700001"),
        ("bytes=700000-", &bytes[700_000..], "bytes 700000-700000/700001"),
        ("bytes=-3", &bytes[699_998..], "bytes 699998-700000/700001"),
    ] {
        let answer = served.ask(Method::GET, WEIGHTS, &[("range", range)]).await;
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(header(&answer, "content-range"), Some(content_range));
        assert_eq!(header(&answer, "content-length"), Some(expected.len().to_string().as_str()));
        assert_eq!(header(&answer, "x-repo-commit"), Some(commit.as_str()));
        assert!(answer.bytes().await.unwrap() == expected, "{range}");
    }
    let beyond = served.ask(Method::GET, WEIGHTS, &[("range", "bytes=700001-")]).await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(header(&beyond, "content-range"), Some("bytes */700001"));
    let whole = served.ask(Method::GET, WEIGHTS, &[("range", "bytes=0-0"), ("if-range", "\"other\"")]).await;
    assert_eq!(whole.status(), StatusCode::OK);
    let empty = served.ask(Method::HEAD, "/acme/x/resolve/main/empty.txt", &[]).await;
    assert_eq!((empty.status().as_u16(), header(&empty, "content-length")), (200, Some("0")));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_the_content_is_told_so() {
    let (served, commit) = served().await;
    let etag = format!("\"{}\"", Sha256Digest::of(&weights()));
    for method in [Method::HEAD, Method::GET] {
        let answer = served.ask(method, WEIGHTS, &[("if-none-match", &etag)]).await;
        assert_eq!(answer.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(header(&answer, "etag"), Some(etag.as_str()));
        assert_eq!(header(&answer, "x-repo-commit"), Some(commit.as_str()));
        assert!(answer.bytes().await.unwrap().is_empty());
    }
    let failed = served.ask(Method::GET, WEIGHTS, &[("if-match", "\"other\"")]).await;
    assert_eq!(failed.status(), StatusCode::PRECONDITION_FAILED);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_may_be_kept_and_pages_never_act() {
    let (served, commit) = served().await;
    let answer = served.get(&format!("/acme/x/resolve/{commit}/sub/page.html?download=True")).await;
    assert_eq!(header(&answer, "cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(header(&answer, "content-type"), Some("text/plain; charset=utf-8"));
    assert!(header(&answer, "content-security-policy").unwrap().contains("sandbox"));
    assert!(header(&answer, "content-disposition").unwrap().starts_with("attachment; "));
    assert_eq!(header(&answer, "x-linked-size"), None, "a regular file is not linked");
    let oid = GitOid::of_blob(b"<script>").to_hex();
    assert_eq!(header(&answer, "etag"), Some(format!("\"{oid}\"").as_str()));
    let plain = served.get("/acme/x/resolve/main/config.json?noContentDisposition=1").await;
    assert_eq!(header(&plain, "content-disposition"), None);
    assert_eq!(header(&plain, "content-type"), Some("application/json"));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_is_what_git_holds() {
    let (served, commit) = served().await;
    let pointer = lfs::pointer_text(Sha256Digest::of(&weights()), 700_001);
    let path = "/acme/x/raw/main/model.safetensors";
    let head = served.ask(Method::HEAD, path, &[]).await;
    assert_eq!(header(&head, "content-length"), Some(pointer.len().to_string().as_str()));
    let answer = served.get(path).await;
    let oid = GitOid::of_blob(pointer.as_bytes()).to_hex();
    assert_eq!(header(&answer, "etag"), Some(format!("\"{oid}\"").as_str()));
    assert_eq!(header(&answer, "x-repo-commit"), Some(commit.as_str()));
    assert_eq!(header(&answer, "x-linked-size"), None);
    assert_eq!(answer.text().await.unwrap(), pointer);
    let part = served.ask(Method::GET, path, &[("range", "bytes=0-6")]).await;
    assert_eq!((part.status().as_u16(), part.text().await.unwrap().as_str()), (206, "version"));
    assert_eq!(served.get("/acme/x/raw/main/config.json").await.text().await.unwrap(), "{}\n");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_told_by_its_code() {
    let (served, commit) = served().await;
    for path in ["no.txt", "sub", "config.json/x"] {
        for method in [Method::HEAD, Method::GET] {
            let answer = served.ask(method, &format!("/acme/x/resolve/main/{path}"), &[]).await;
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
            assert_eq!(header(&answer, "x-error-code"), Some("EntryNotFound"));
            assert_eq!(header(&answer, "x-repo-commit"), Some(commit.as_str()));
        }
    }
    let answer = served.get("/acme/x/resolve/v9/config.json").await;
    assert_eq!((answer.status().as_u16(), header(&answer, "x-error-code")), (404, Some("RevisionNotFound")));
    assert_eq!(header(&answer, "x-repo-commit"), None);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_repository_is_a_missing_one() {
    let served = Served::start().await;
    served.commit(RepoKind::Model, "acme/secret", Visibility::Private, &[("f.txt", b"secret", false)]).await;
    let auditor = format!("Bearer {}", served.token("audit", Role::Auditor).await);
    let stranger = format!("Bearer {}", outsider(&served).await);

    for authorization in ["Bearer hf_abcdefghijklmnopqrstuvwxyzABCDEFGH", stranger.as_str()] {
        let mut answers = Vec::new();
        for name in ["acme/secret", "acme/absent"] {
            let path = format!("/{name}/resolve/main/f.txt");
            let headers = [("authorization", authorization), ("x-request-id", "same")];
            let answer = served.ask(Method::GET, &path, &headers).await;
            let mut lines: Vec<String> =
                answer.headers().iter().map(|(key, value)| format!("{key}: {}", value.to_str().unwrap())).collect();
            lines.retain(|line| !line.starts_with("date: "));
            lines.sort();
            let status = answer.status().as_u16();
            let text = format!("{status} {} {}", lines.join("\n"), answer.text().await.unwrap());
            answers.push(text.replace(name, "NAME"));
        }
        assert_eq!(answers[0], answers[1]);
        let status = if authorization == stranger { "404" } else { "401" };
        assert!(answers[0].starts_with(status) && answers[0].contains("x-error-code: RepoNotFound"), "{}", answers[0]);
    }

    let answer = served.ask(Method::GET, "/acme/secret/resolve/main/f.txt", &[("authorization", &auditor)]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(header(&answer, "cache-control"), Some("private, no-cache"));
    served.stop().await;
}

/// A token of somebody who is known here and may do nothing.
async fn outsider(served: &Served) -> String {
    use crate::app::identity::{self, TokenRequest};
    use acervo_core::Caller;
    use acervo_store::db::principals::PrincipalKind;
    identity::create_user(&served.hub, &Caller::System, "outsider", PrincipalKind::Person, None).await.unwrap();
    let user = Some("outsider".to_owned());
    let request = TokenRequest { name: "laptop".to_owned(), role: Role::Reader, user, expires_at: None };
    identity::create_token(&served.hub, &Caller::System, &request).await.unwrap().text
}
