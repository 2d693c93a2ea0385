//! Which path means what.

use acervo_core::{RepoKind, Visibility};
use reqwest::{Method, StatusCode};

use super::{Served, header};

#[tokio::test(flavor = "multi_thread")]
async fn every_spelling_of_a_path_leads_to_its_file() {
    let served = Served::start().await;
    let odd = "sub dir/a+b #1.txt";
    let files: &[(&str, &[u8], bool)] =
        &[("f.txt", b"file", false), (odd, b"odd", false), ("tree/main/x", b"x", false)];
    let model = served.commit(RepoKind::Model, "acme/x", Visibility::Public, files).await;
    served.commit(RepoKind::Dataset, "acme/x", Visibility::Public, &[("f.txt", b"data", false)]).await;
    served.commit(RepoKind::Model, "acme/tree", Visibility::Public, &[("f.txt", b"tree", false)]).await;

    for (path, body) in [
        ("/acme/x/resolve/main/f.txt".to_owned(), "file"),
        ("//acme/x/resolve/main/f.txt".to_owned(), "file"),
        ("///acme/x/resolve/main/f.txt/".to_owned(), "file"),
        ("/acme/x/resolve/HEAD/f.txt".to_owned(), "file"),
        ("/acme/x/resolve/refs%2Fheads%2Fmain/f.txt".to_owned(), "file"),
        ("/acme/x/resolve/refs/heads/main/f.txt".to_owned(), "file"),
        (format!("/acme/x/resolve/{}/f.txt", model.to_hex()), "file"),
        (format!("/acme/x/resolve/{}/f.txt", &model.to_hex()[..9]), "file"),
        (format!("/api/resolve-cache/models/acme/x/{}/f.txt?etag=%22x%22", model.to_hex()), "file"),
        ("/acme/x/resolve/main/sub%20dir/a%2Bb%20%231.txt".to_owned(), "odd"),
        ("/acme/x/resolve/main/sub%20dir%2Fa+b%20%231.txt".to_owned(), "odd"),
        ("/acme/x/resolve/main/tree/main/x".to_owned(), "x"),
        ("/datasets/acme/x/resolve/main/f.txt".to_owned(), "data"),
        ("/datasets/acme/x/raw/main/f.txt".to_owned(), "data"),
        ("/acme/tree/resolve/main/f.txt".to_owned(), "tree"),
    ] {
        let answer = served.get(&path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}: {:?}", answer.headers());
        assert_eq!(answer.text().await.unwrap(), body, "{path}");
    }
    let info: serde_json::Value = served.get("//api/models/acme/tree/").await.json().await.unwrap();
    assert_eq!(info["id"], "acme/tree", "a repository may be called like a marker");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_spelling_is_redirected_relatively_with_its_query() {
    let served = Served::start().await;
    served.commit(RepoKind::Model, "acme/x", Visibility::Public, &[("f.txt", b"file", false)]).await;

    for (path, location) in [
        (
            "//ACME/X/resolve/refs%2Fheads%2Fmain/f.txt?download=true",
            "/acme/x/resolve/refs%2Fheads%2Fmain/f.txt?download=true",
        ),
        ("/api/models/Acme/x/tree/main?recursive=1", "/api/models/acme/x/tree/main?recursive=1"),
        ("/api/models/acme/X", "/api/models/acme/x"),
    ] {
        let answer = served.get(path).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "location")), (307, Some(location)), "{path}");
        assert_eq!(header(&answer, "x-repo-commit"), None);
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bare_ids_are_told_from_namespaces_by_the_marker() {
    let served = Served::start().await;
    let model = "model `gpt2` is not here";
    let dataset = "dataset `squad` is not here";
    for (path, message) in [
        ("/gpt2/resolve/main/f", model),
        ("/gpt2/raw/refs/pr/1/f", model),
        ("/api/models/gpt2", model),
        ("/api/models/gpt2/refs", model),
        ("/api/models/gpt2/tree/main/resolve", model),
        ("/api/models/gpt2/tree/refs/pr/1", model),
        ("/api/models/gpt2/commits/main", model),
        ("/datasets/squad/resolve/main/f", dataset),
        ("/datasets/squad/raw/main/f", dataset),
        ("/api/datasets/squad/revision/main", dataset),
        ("/api/spaces/tree/tree/tree/main", "space `tree/tree` is not here"),
    ] {
        let answer = served.get(path).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(header(&answer, "x-error-code"), Some("RepoNotFound"), "{path}");
        assert!(header(&answer, "x-error-message").unwrap().starts_with(message), "{path}: {:?}", answer.headers());
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_mean_nothing_are_answered_in_the_callers_form() {
    let served = Served::start().await;
    for path in ["/api/nothing", "/api", "/api/kernels", "/nothing/at/all", "/a", "/static/none.css"] {
        let answer = served.get(path).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(header(&answer, "x-error-code"), None, "{path}");
        let body: serde_json::Value = answer.json().await.unwrap();
        assert!(body["error"].is_string(), "{path}");
    }
    let page = served.ask(Method::GET, "/nothing", &[("accept", "text/html")]).await;
    assert_eq!((page.status().as_u16(), header(&page, "content-type")), (404, Some("text/html; charset=utf-8")));

    let bad = served.get("/acme/x/resolve/main/%ff").await;
    assert_eq!(bad.status(), StatusCode::BAD_REQUEST, "not UTF-8");
    let other = served.ask(Method::POST, "/acme/x/resolve/main/f", &[]).await;
    assert_eq!(other.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(other.json::<serde_json::Value>().await.unwrap()["error"].is_string());
    served.stop().await;
}
