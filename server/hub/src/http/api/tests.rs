//! The API through HTTP, over a hub with a few repositories.

use acervo_core::access::Caller;
use acervo_core::listing::{EntryKind, LfsIdentity, Listing};
use acervo_core::{CommitOid, RefKind, RepoKind, Role, Selection, Timestamp, TreeEntry, Visibility};
use acervo_store::db::commits::{self, Fetching, LogEntry};
use acervo_store::db::principals::{self, NamespaceKind, NamespaceOrigin};
use acervo_store::db::repos::{self, NewRepo, Repo};
use acervo_store::db::{commit, refs, trees};
use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::test::{TestRequest, init_service, read_body, try_call_service};
use serde_json::{Value, json};

use crate::app::catalog;
use crate::app::identity::{self, TokenRequest};
use crate::context::Hub;
use crate::http::router;
use crate::test_home::TestHome;

const HEAD: &str = "2222222222222222222222222222222222222222";
const FIRST: &str = "1111111111111111111111111111111111111111";

/// A hub with nothing in it, and where it lives.
async fn empty_hub() -> (Hub, TestHome) {
    let home = TestHome::new();
    let mut config = home.config();
    config.server.public_url = "https://hub.example.org/".to_owned();
    (Hub::open(config).await.unwrap(), home)
}

fn file(path: &str, size: u64) -> TreeEntry {
    let lfs = path
        .ends_with(".safetensors")
        .then(|| LfsIdentity { sha256: "cd".repeat(32).parse().unwrap(), pointer_size: 134 });
    let oid = "89abcdef0123456789abcdef0123456789abcdef".parse().unwrap();
    TreeEntry { path: path.parse().unwrap(), kind: EntryKind::File, size, oid, lfs }
}

/// Publishes a repository with two commits, a tag, a converted view and a pull request.
async fn publish(hub: &Hub, kind: RepoKind, name: &str, visibility: Visibility, minute: i64) -> Repo {
    let at = Timestamp::from_millis(1_700_000_000_000 + minute * 60_000);
    let tx = hub.db().begin().await.unwrap();
    let (namespace, _) = name.split_once('/').unwrap();
    let namespace = match principals::namespace(&tx, namespace).await.unwrap() {
        Some(known) => known,
        None => {
            let (kind, origin) = (NamespaceKind::Organization, NamespaceOrigin::Mirrored);
            principals::insert_namespace(&tx, namespace, kind, origin, None, at).await.unwrap()
        }
    };
    let new = NewRepo {
        public_id: format!("{minute:024x}"),
        kind,
        name: name.parse().unwrap(),
        namespace_id: namespace.id,
        visibility,
        upstream: Some(("https://upstream.example".to_owned(), name.to_owned())),
        at,
    };
    let repo = repos::insert(&tx, new).await.unwrap();
    let entry = |oid: &str, predecessor: Option<&str>| LogEntry {
        oid: oid.parse().unwrap(),
        title: format!("Commit <{}>", &oid[..1]),
        message: String::new(),
        authors: vec!["ana".to_owned()],
        committed_at: Some(at),
        predecessor: predecessor.map(|oid| oid.parse().unwrap()),
    };
    commits::insert_log(&tx, repo.id, &[entry(HEAD, Some(FIRST)), entry(FIRST, None)], at).await.unwrap();
    let files = vec![
        file("README.md", 10),
        file("config.json", 571),
        file("model.safetensors", 4_000_000_000),
        file("tokenizer/a b+ñ.txt", 5),
        file("tokenizer/deep/vocab.json", 7),
    ];
    let listing = trees::insert_listing(&tx, repo.id, &Listing::build(files).unwrap(), at).await.unwrap();
    let info = json!({"library_name": "transformers", "config": {"model_type": "llama"}, "xetEnabled": true});
    for (oid, include) in [(FIRST, vec!["*.json".to_owned()]), (HEAD, Vec::new())] {
        let oid: CommitOid = oid.parse().unwrap();
        let found = commits::by_oid(&tx, repo.id, oid).await.unwrap().unwrap();
        let fetching = Fetching { upstream_listing_id: listing, upstream_info: &info };
        commits::note_fetching(&tx, found.id, &fetching).await.unwrap();
        let selection = Selection { include, ..Selection::default() };
        commits::publish(&tx, found.id, listing, &selection, at).await.unwrap();
        let tags = ["en".to_owned(), "license:mit".to_owned(), kind.to_string()];
        commits::set_card(&tx, found.id, None, &tags, at).await.unwrap();
        for (kind, name) in [
            (RefKind::Branch, "main"),
            (RefKind::Branch, "feature/x"),
            (RefKind::Convert, "refs/convert/parquet"),
            (RefKind::PullRequest, "refs/pr/1"),
        ] {
            refs::move_to(&tx, repo.id, kind, name, (found.id, oid), "test", at).await.unwrap();
        }
    }
    let first = commits::by_oid(&tx, repo.id, FIRST.parse().unwrap()).await.unwrap().unwrap();
    refs::move_to(&tx, repo.id, RefKind::Tag, "v1", (first.id, first.oid), "test", at).await.unwrap();
    catalog::refresh(&tx, repo.id).await.unwrap();
    commit(tx).await.unwrap();
    repo
}

/// An answer, read to its end.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Path and query of the next page.
    fn next(&self) -> Option<String> {
        let link = self.header("link")?;
        let url = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
        Some(url.strip_prefix("https://hub.example.org").unwrap().to_owned())
    }
}

async fn answer<B: MessageBody>(response: ServiceResponse<B>) -> Answer {
    let status = response.status().as_u16();
    let text = |value: &actix_web::http::header::HeaderValue| value.to_str().unwrap().to_owned();
    let headers = response.headers().iter().map(|(key, value)| (key.to_string(), text(value))).collect();
    let body = read_body(response).await;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    Answer { status, headers, body }
}

/// Sends one request to a hub.
async fn send(hub: &Hub, request: TestRequest) -> Answer {
    let service = init_service(router::app(hub)).await;
    answer(try_call_service(&service, request.to_request()).await.unwrap()).await
}

async fn get(hub: &Hub, path: &str) -> Answer {
    send(hub, TestRequest::get().uri(path)).await
}

fn names(items: &Value, field: &str) -> Vec<String> {
    items.as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn info_is_given_at_every_spelling_of_a_revision() {
    let (hub, _home) = empty_hub().await;
    publish(&hub, RepoKind::Model, "acme/tiny", Visibility::Public, 1).await;
    for (path, sha) in [
        ("/api/models/acme/tiny", HEAD),
        ("//api/models/acme/tiny/", HEAD),
        ("/api/models/acme/tiny/revision/HEAD", HEAD),
        ("/api/models/acme/tiny/revision/v1", FIRST),
        ("/api/models/acme/tiny/revision/11111111", FIRST),
        ("/api/models/acme/tiny/revision/feature%2Fx", HEAD),
        ("/api/models/acme/tiny/revision/feature/x", HEAD),
        ("/api/models/acme/tiny/revision/refs%2Fpr%2F1", HEAD),
        ("/api/models/acme/tiny/revision/refs/convert/parquet", HEAD),
    ] {
        let found = get(&hub, path).await;
        assert_eq!((found.status, found.body["sha"].as_str()), (200, Some(sha)), "{path}: {}", found.body);
    }
    let full = get(&hub, "/api/models/acme/tiny?blobs=True&unknown=1").await.body;
    assert_eq!(full["siblings"][2]["lfs"]["pointerSize"], 134);
    assert_eq!(full["usedStorage"], 4_000_000_593_u64);
    assert_eq!((&full["config"], full.get("xetEnabled")), (&json!({"model_type": "llama"}), None));
    let part = get(&hub, "/api/models/acme/tiny/revision/v1?expand=sha&expand[]=tags").await;
    assert_eq!(
        part.body,
        json!({"_id": format!("{:024x}", 1), "id": "acme/tiny", "sha": FIRST, "tags": ["en", "license:mit", "model"]})
    );
    assert!(part.header("x-hf-warning").unwrap().starts_with("selection; "));
    assert_eq!(get(&hub, "/api/models/acme/tiny").await.header("x-hf-warning"), None);
}

#[actix_web::test]
async fn what_is_not_there_is_told_by_its_code() {
    let (hub, _home) = empty_hub().await;
    publish(&hub, RepoKind::Model, "acme/tiny", Visibility::Public, 1).await;
    publish(&hub, RepoKind::Model, "acme/hidden", Visibility::Private, 2).await;
    for (path, status, code) in [
        ("/api/models/acme/none", 401, Some("RepoNotFound")),
        ("/api/models/acme/hidden", 401, Some("RepoNotFound")),
        ("/api/datasets/acme/tiny", 401, Some("RepoNotFound")),
        ("/api/models/acme/tiny/revision/none", 404, Some("RevisionNotFound")),
        ("/api/models/acme/tiny/revision/main/more", 404, Some("RevisionNotFound")),
        ("/api/models/acme/tiny/tree/none", 404, Some("RevisionNotFound")),
        ("/api/models/acme/tiny/tree/main/none", 404, Some("EntryNotFound")),
        ("/api/models/acme/tiny/tree/main/config.json", 404, Some("EntryNotFound")),
        ("/api/models/acme/tiny/tree/main?cursor=*", 400, None),
        ("/api/models?cursor=*", 400, None),
        ("/api/jobs", 404, None),
        ("/api/models/acme/none/likers", 401, Some("RepoNotFound")),
    ] {
        let found = get(&hub, path).await;
        assert_eq!((found.status, found.header("x-error-code")), (status, code), "{path}: {}", found.body);
        assert!(found.body["error"].is_string() && found.header("x-error-message").is_some(), "{path}");
    }
    let moved = get(&hub, "/api/models/ACME/tiny/tree/main?recursive=true").await;
    assert_eq!((moved.status, moved.header("location")), (307, Some("/api/models/acme/tiny/tree/main?recursive=true")));
}

#[actix_web::test]
async fn trees_are_listed_in_pages_to_the_end() {
    let (hub, _home) = empty_hub().await;
    publish(&hub, RepoKind::Dataset, "acme/set", Visibility::Public, 1).await;
    let whole = get(&hub, "/api/datasets/acme/set/tree/main?recursive=True&expand=False").await;
    assert_eq!(whole.next(), None);
    let all = names(&whole.body, "path");
    assert_eq!(all.len(), 7);
    assert_eq!(whole.body[2]["lfs"]["oid"], "cd".repeat(32));
    let mut page = get(&hub, "/api/datasets/acme/set/tree/main?recursive=True&limit=3").await;
    let mut paged = names(&page.body, "path");
    while let Some(next) = page.next() {
        assert!(next.contains(HEAD), "pages stay at one commit: {next}");
        page = get(&hub, &next).await;
        paged.extend(names(&page.body, "path"));
    }
    assert_eq!(paged, all);
    for path in ["tokenizer%2Fdeep", "tokenizer/deep", "tokenizer/deep/"] {
        let folder = get(&hub, &format!("/api/datasets/acme/set/tree/feature%2Fx/{path}")).await;
        assert_eq!(names(&folder.body, "path"), ["tokenizer/deep/vocab.json"], "{path}");
    }
    let flat = get(&hub, "/api/datasets/acme/set/tree/main/tokenizer?limit=1").await;
    assert_eq!(names(&flat.body, "path"), ["tokenizer/a b+ñ.txt"]);
    let rest = get(&hub, &flat.next().unwrap()).await;
    assert_eq!(
        (names(&rest.body, "path"), rest.body[0]["type"].as_str()),
        (vec!["tokenizer/deep".to_owned()], Some("directory"))
    );
}

#[actix_web::test]
async fn paths_are_described_for_forms_and_for_json() {
    let (hub, _home) = empty_hub().await;
    publish(&hub, RepoKind::Model, "acme/tiny", Visibility::Public, 1).await;
    let post = || TestRequest::default().method(Method::POST).uri("/api/models/acme/tiny/paths-info/main");
    let form = "paths=tokenizer&paths=tokenizer%2Fa+b%2B%C3%B1.txt&paths=none&paths=..%2Fx&expand=false";
    let json = json!({"paths": ["tokenizer", "tokenizer/a b+ñ.txt", "none", "../x"], "expand": true});
    for request in [
        post().insert_header(("content-type", "application/x-www-form-urlencoded")).set_payload(form),
        post().set_json(json),
    ] {
        let found = send(&hub, request).await;
        assert_eq!(
            (found.status, names(&found.body, "path")),
            (200, vec!["tokenizer".to_owned(), "tokenizer/a b+ñ.txt".to_owned()])
        );
    }
    assert_eq!(send(&hub, post().set_payload("paths=a&".repeat(1001))).await.status, 413);
    assert_eq!(send(&hub, post().set_json(json!([]))).await.status, 400);
}

#[actix_web::test]
async fn refs_and_logs_are_told() {
    let (hub, _home) = empty_hub().await;
    publish(&hub, RepoKind::Model, "acme/tiny", Visibility::Public, 1).await;
    let found = get(&hub, "/api/models/acme/tiny/refs").await.body;
    assert_eq!(names(&found["branches"], "name"), ["feature/x", "main"]);
    assert_eq!(found["tags"], json!([{"name": "v1", "ref": "refs/tags/v1", "targetCommit": FIRST}]));
    assert_eq!(
        (names(&found["converts"], "ref"), found.get("pullRequests")),
        (vec!["refs/convert/parquet".to_owned()], None)
    );
    let found = get(&hub, "/api/models/acme/tiny/refs?include_prs=1").await.body;
    assert_eq!(names(&found["pullRequests"], "ref"), ["refs/pr/1"]);

    let log = get(&hub, "/api/models/acme/tiny/commits/main?expand[]=formatted").await;
    assert_eq!(
        (names(&log.body, "id"), log.header("x-total-count")),
        (vec![HEAD.to_owned(), FIRST.to_owned()], Some("2"))
    );
    assert_eq!(log.body[0]["authors"], json!([{"user": "ana"}]));
    assert_eq!(log.body[0]["formatted"]["title"], "Commit &lt;2&gt;");
    assert_eq!(log.body[0]["date"], "2023-11-14T22:14:20.000Z");
    let page = get(&hub, "/api/models/acme/tiny/commits/main?limit=1").await;
    assert_eq!(names(&page.body, "id"), [HEAD]);
    let last = get(&hub, &page.next().unwrap()).await;
    assert_eq!((names(&last.body, "id"), last.next()), (vec![FIRST.to_owned()], None));
    assert_eq!(names(&get(&hub, "/api/models/acme/tiny/commits/main?limit=1&p=1").await.body, "id"), [FIRST]);
    assert_eq!(get(&hub, "/api/models/acme/tiny/commits/main?limit=1&p=2").await.body, json!([]));
}

#[actix_web::test]
async fn lists_show_what_the_caller_may_see() {
    let (hub, _home) = empty_hub().await;
    for (minute, name) in ["acme/one", "acme/two", "other/three"].into_iter().enumerate() {
        publish(&hub, RepoKind::Model, name, Visibility::Public, i64::try_from(minute).unwrap()).await;
    }
    publish(&hub, RepoKind::Model, "acme/hidden", Visibility::Private, 7).await;
    publish(&hub, RepoKind::Dataset, "acme/set", Visibility::Public, 8).await;
    for (query, expected) in [
        ("", vec!["other/three", "acme/two", "acme/one"]),
        ("?author=ACME&sort=createdAt&direction=-1", vec!["acme/two", "acme/one"]),
        ("?search=T&search=other", vec!["other/three"]),
        ("?filter=license:mit,en&filter=model", vec!["other/three", "acme/two", "acme/one"]),
        ("?filter=language%3Aen&author=other", vec!["other/three"]),
        ("?filter=license:apache-2.0", vec![]),
        ("?gated=true", vec![]),
        ("?gated=false&sort=id", vec!["acme/one", "acme/two", "other/three"]),
        ("?num_parameters=min:1B", vec![]),
    ] {
        assert_eq!(names(&get(&hub, &format!("/api/models{query}")).await.body, "id"), expected, "{query}");
    }
    for sort in ["lastModified", "createdAt", "downloads"] {
        let mut page = get(&hub, &format!("/api/models?limit=1&sort={sort}&filter=en")).await;
        let mut found = names(&page.body, "id");
        while let Some(next) = page.next() {
            page = get(&hub, &next).await;
            found.extend(names(&page.body, "id"));
        }
        assert_eq!(found, ["other/three", "acme/two", "acme/one"], "{sort}");
    }
    let item = &get(&hub, "/api/models?search=one&full=true&config=1").await.body[0];
    assert_eq!((item["sha"].as_str(), item["siblings"].as_array().unwrap().len()), (Some(HEAD), 5));
    assert_eq!(item["config"], json!({"model_type": "llama"}));
    let basic = &get(&hub, "/api/models?search=one").await.body[0];
    assert_eq!((basic.get("sha"), basic["modelId"].as_str()), (None, Some("acme/one")));
    assert_eq!(names(&get(&hub, "/api/datasets").await.body, "sha"), [HEAD]);
}

#[actix_web::test]
async fn callers_learn_who_they_are_and_what_they_may() {
    let (hub, _home) = empty_hub().await;
    publish(&hub, RepoKind::Model, "acme/hidden", Visibility::Private, 1).await;
    let request = TokenRequest { name: "laptop".to_owned(), role: Role::Reader, user: None, expires_at: None };
    let token = identity::create_token(&hub, &Caller::System, &request).await.unwrap().text;
    let as_reader =
        |path: &str| TestRequest::get().uri(path).insert_header(("authorization", format!("Bearer {token}")));
    let me = send(&hub, as_reader("/api/whoami-v2")).await;
    assert_eq!((me.status, me.body["name"].as_str(), me.body["type"].as_str()), (200, Some("laptop"), Some("user")));
    assert_eq!(me.body["auth"]["accessToken"], json!({"displayName": "laptop", "role": "read"}));
    let cut =
        TestRequest::get().uri("/api/whoami-v2").insert_header(("authorization", format!("Bearer {}", &token[..40])));
    for stranger in [TestRequest::get().uri("/api/whoami-v2"), cut] {
        let refused = send(&hub, stranger).await;
        assert_eq!((refused.status, refused.header("x-error-message")), (401, Some("Invalid username or password.")));
    }
    for (path, status) in [("auth-check", 200), ("auth-check/write", 403), ("discussions?p=0", 200)] {
        let path = format!("/api/models/acme/hidden/{path}");
        assert_eq!(send(&hub, as_reader(&path)).await.status, status, "{path}");
        assert_eq!(get(&hub, &path).await.status, 401, "{path}");
    }
}

#[actix_web::test]
async fn side_calls_of_clients_are_answered() {
    let (hub, _home) = empty_hub().await;
    assert_eq!(get(&hub, "/api/agent-harnesses").await.body, json!({"standardEnvVars": [], "harnesses": {}}));
    let telemetry = TestRequest::default().method(Method::HEAD).uri("/api/telemetry/hf_hub/download");
    assert_eq!(send(&hub, telemetry).await.status, 200);
    let validate = |content: &str| TestRequest::post().uri("/api/validate-yaml").set_json(json!({"content": content}));
    let good = send(&hub, validate("---\nlicense: mit\n---\n")).await;
    assert_eq!((good.status, good.body), (200, json!({"errors": [], "warnings": []})));
    let bad = send(&hub, validate("---\na: [\n---\n")).await;
    assert_eq!((bad.status, bad.body["errors"].as_array().unwrap().len()), (400, 1));
}
