//! Addresses: the spellings of paths, revisions and names that clients use, and those that mean nothing.

use acervo_core::{RepoKind, Visibility};
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::Kind;
use acervo_tests::test_hub::TestHub;

use super::{Answer, KINDS, alone, commit, empty, encoded, get, json, raw, raw_get, synced, tiny};

/// Paths that some client or server has stumbled over.
const ODD: [&str; 14] = [
    ".gitattributes",
    ".hidden/.deep/.x",
    "a b.txt",
    "a+b.txt",
    "a#1.txt",
    "a?b=c&d.txt",
    "100%.txt",
    "a%20b.txt",
    "ñandú/ñ 🦜.txt",
    "semi;colon,comma@at:colon=.txt",
    "quote'\"\\.txt",
    "resolve/main/tree.txt",
    "1/2/3/4/5/6/7/8/9/10/11/12/deep.txt",
    "a..b/...txt",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_path_a_repository_can_hold_is_served_and_listed_under_its_name() {
    for kind in [Kind::Model, Kind::Dataset, Kind::Space] {
        let fixture = ODD.iter().fold(tiny(kind), |repo, path| repo.file(path, *path));
        let (_upstream, hub) = synced(vec![fixture.clone()], &[]).await;
        let prefix = kind.prefix();
        for path in ODD {
            let python = encoded(path);
            // Rust leaves a plus alone, Python encodes the slashes of folders.
            for written in [python.clone(), python.replace("%2B", "+"), python.replace('/', "%2F")] {
                for route in ["resolve", "raw"] {
                    let address = format!("/{prefix}acme/tiny/{route}/main/{written}");
                    let answer = get(&hub, &address).await;
                    assert_eq!((answer.status.as_u16(), answer.text()), (200, path), "{address}");
                    assert_eq!(answer.header("etag"), format!("\"{}\"", fixture.oid_of(path)), "{address}");
                }
            }
        }
        let tree = json(&hub, &format!("/api/{}/acme/tiny/tree/main?recursive=true", kind.plural())).await;
        for path in ODD {
            assert!(tree.as_array().unwrap().iter().any(|entry| entry["path"] == path), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_are_sent_without_any_encoding_are_understood() {
    let fixture = ODD.iter().fold(tiny(Kind::Model), |repo, path| repo.file(path, *path));
    let (_upstream, hub) = synced(vec![fixture], &[]).await;
    for path in ["a+b.txt", "semi;colon,comma@at:colon=.txt", ".hidden/.deep/.x", "a..b/...txt"] {
        let (status, text) = raw_get(&hub, &format!("//acme/tiny/resolve/main/{path}")).await;
        assert_eq!(status, 200, "{path}: {text}");
        assert!(text.ends_with(path), "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_spelling_of_a_revision_leads_to_its_commit() {
    for kind in [Kind::Model, Kind::Dataset, Kind::Space] {
        let fixture = tiny(kind)
            .file("at.txt", "v1")
            .tag("v1")
            .commit("second", |commit| commit.file("at.txt", "main"))
            .commit_on("feature/x", "third", |commit| commit.file("at.txt", "feature"))
            .commit_on("feature/x/y", "fourth", |commit| commit.file("at.txt", "longer"))
            .commit_on("fix#1+100%-ñ", "odd", |commit| commit.file("at.txt", "odd"))
            .pull_request(1, "fifth", |commit| commit.file("at.txt", "request"))
            .convert("parquet", "sixth", |commit| commit.file("at.txt", "converted").file("default/0.txt", "rows"));
        let followed = ["main", "v1", "feature/x", "feature/x/y", "fix#1+100%-ñ", "refs/pr/1", "refs/convert/parquet"];
        let (_upstream, hub) = synced(vec![fixture.clone()], &followed).await;
        let (main, v1) = (fixture.head(), fixture.commit_id("v1").unwrap());
        let upper = main.to_uppercase();
        let cases: Vec<(&str, &str)> = vec![
            ("main", "main"),
            ("HEAD", "main"),
            ("refs%2Fheads%2Fmain", "main"),
            ("refs/heads/main", "main"),
            (&main, "main"),
            (&upper, "main"),
            (&main[..7], "main"),
            (&main[..39], "main"),
            (&upper[..10], "main"),
            ("v1", "v1"),
            ("refs%2Ftags%2Fv1", "v1"),
            ("refs/tags/v1", "v1"),
            (&v1, "v1"),
            ("feature%2Fx", "feature"),
            ("feature/x", "feature"),
            ("refs%2Fheads%2Ffeature%2Fx", "feature"),
            ("feature%2Fx%2Fy", "longer"),
            ("feature/x/y", "longer"),
            ("fix%231%2B100%25-%C3%B1", "odd"),
            ("fix%231+100%25-%C3%B1", "odd"),
            ("refs%2Fheads%2Ffix%231+100%25-%C3%B1", "odd"),
            ("refs%2Fpr%2F1", "request"),
            ("refs%2fpr%2f1", "request"),
            ("refs/pr/1", "request"),
            ("refs%2Fconvert%2Fparquet", "converted"),
            ("refs/convert/parquet", "converted"),
        ];
        let (prefix, api) = (kind.prefix(), format!("/api/{}/acme/tiny", kind.plural()));
        for (revision, name) in cases {
            let named = match name {
                "feature" => "feature/x",
                "longer" => "feature/x/y",
                "odd" => "fix#1+100%-ñ",
                "request" => "refs/pr/1",
                "converted" => "refs/convert/parquet",
                name => name,
            };
            let id = fixture.commit_id(named).unwrap();
            let file = get(&hub, &format!("/{prefix}acme/tiny/resolve/{revision}/at.txt")).await;
            assert_eq!((file.status.as_u16(), file.text()), (200, name), "{revision}");
            assert_eq!(file.header("x-repo-commit"), id, "{revision}");
            let info = json(&hub, &format!("{api}/revision/{revision}")).await;
            assert_eq!(info["sha"], id, "{revision}");
            let tree = json(&hub, &format!("{api}/tree/{revision}")).await;
            let oid = &fixture.files_at(named)["at.txt"].oid;
            assert!(tree.as_array().unwrap().iter().any(|entry| entry["oid"] == *oid), "{revision}");
            let log = json(&hub, &format!("{api}/commits/{revision}")).await;
            assert_eq!(log[0]["id"], id, "{revision}");
        }
        let folder = json(&hub, &format!("{api}/tree/refs/convert/parquet/default")).await;
        assert_eq!(super::field(folder.as_array().unwrap(), "path"), ["default/0.txt"]);
        for absent in
            ["v2", "feature", "feature/z", "refs/pr/2", "refs/convert/json", &main[..6], "0000000", "refs/heads"]
        {
            let answer = get(&hub, &format!("/{prefix}acme/tiny/resolve/{absent}/at.txt")).await;
            assert_eq!(answer.refusal(), (404, "RevisionNotFound"), "{absent}");
            assert_eq!(answer.header("x-repo-commit"), "", "{absent}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slashes_too_many_at_either_end_change_nothing() {
    let fixtures = [Kind::Model, Kind::Dataset, Kind::Space].map(tiny);
    let (_upstream, hub) = synced(fixtures.to_vec(), &[]).await;
    for (_, prefix, api) in KINDS {
        for (tidy, sloppy) in [
            (
                format!("/{prefix}acme/tiny/resolve/main/config.json"),
                format!("//{prefix}acme/tiny/resolve/main/config.json"),
            ),
            (
                format!("/{prefix}acme/tiny/resolve/main/config.json"),
                format!("///{prefix}acme/tiny/resolve/main/config.json/"),
            ),
            (format!("{api}acme/tiny"), format!("/{api}acme/tiny//")),
            (format!("{api}acme/tiny/tree/main"), format!("{api}acme/tiny/tree/main/")),
            (format!("{api}acme/tiny/tree/main/sub"), format!("/{api}acme/tiny/tree/main/sub/")),
            (format!("{api}acme/tiny/refs"), format!("/{api}acme/tiny/refs/")),
            (api.trim_end_matches('/').to_owned(), format!("/{api}")),
        ] {
            let (right, wrong) = (get(&hub, &tidy).await, get(&hub, &sloppy).await);
            assert_eq!((right.status.as_u16(), wrong.status.as_u16()), (200, 200), "{sloppy}");
            assert_eq!((wrong.lasting(), &wrong.body), (right.lasting(), &right.body), "{sloppy}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_and_proxied_forms_of_a_request_are_understood() {
    let hub = alone().await;
    commit(&hub, (RepoKind::Model, "acme/tiny", Visibility::Public), &[("a.txt", b"text")]).await;
    let (file, host) = ("acme/tiny/resolve/main/a.txt", "Host: other.example\r\nConnection: close\r\n\r\n");
    for request in [
        format!("GET http://other.example/{file} HTTP/1.1\r\n{host}"),
        format!("GET http://other.example//{file}?download=true HTTP/1.1\r\n{host}"),
        format!("GET /{file} HTTP/1.0\r\n\r\n"),
    ] {
        let (status, text) = raw(&hub, &request).await;
        assert!(status == 200 && text.ends_with("\r\n\r\ntext"), "{request}: {text}");
    }
    let renamed = format!("GET http://other.example/api/models/ACME/tiny/refs HTTP/1.1\r\n{host}");
    let (status, text) = raw(&hub, &renamed).await;
    assert!(status == 307 && text.contains("location: /api/models/acme/tiny/refs\r\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_climb_and_escapes_that_are_none_are_refused() {
    let hub = alone().await;
    commit(&hub, (RepoKind::Model, "acme/tiny", Visibility::Public), &[("a.txt", b"text")]).await;
    for rest in [
        "main/../a.txt",
        "main/sub/../../../../etc/passwd",
        "main/%2e%2e/a.txt",
        "main/..%2f..%2fa.txt",
        "main/./a.txt",
        "main//a.txt",
        "main/%2Fa.txt",
        "main/a.txt%00",
        "main/a%0d%0ax.txt",
        "main/%ff",
        "main/%c3%28",
        "main/%zz",
        "main/100%",
        "main/%4",
        "..%2f/a.txt",
        "%2e%2e/a.txt",
        "a..b/a.txt",
        "ma%20in/a.txt",
        "%ff/a.txt",
    ] {
        for target in [format!("/acme/tiny/resolve/{rest}"), format!("/acme/tiny/raw/{rest}")] {
            let (status, text) = raw_get(&hub, &target).await;
            assert_eq!(status, 400, "{target}: {text}");
            assert!(text.contains("{\"error\":"), "{target}: {text}");
        }
    }
    for rest in ["tree/main/..", "tree/main/%2e%2e%2f", "tree/main/%zz", "tree/%ff", "revision/%2e%2e", "commits/a..b"]
    {
        let (status, text) = raw_get(&hub, &format!("/api/models/acme/tiny/{rest}")).await;
        assert_eq!(status, 400, "{rest}: {text}");
    }
    for target in ["/%ff/tiny/resolve/main/a.txt", "/api/models/acme/%zz", "/api/models/%ff/refs"] {
        let (status, text) = raw_get(&hub, target).await;
        assert_eq!(status, 400, "{target}: {text}");
    }
    // Names that no repository can have are as absent as any other.
    for target in ["/../tiny/resolve/main/a.txt", "/acme/..%2f/resolve/main/a.txt", "/api/models/acme/ti%00ny"] {
        let (status, text) = raw_get(&hub, target).await;
        assert_eq!(status, 401, "{target}: {text}");
    }
    let alive = get(&hub, "/acme/tiny/resolve/main/a.txt").await;
    assert_eq!((alive.status.as_u16(), alive.text()), (200, "text"), "nothing of that broke the hub");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_canonical_name_leads_to_its_repository() {
    for kind in [Kind::Model, Kind::Dataset, Kind::Space] {
        let fixture = empty(kind, "openai-community/gpt2").file("config.json", "{}").renamed_from("gpt2");
        let upstream = FakeUpstream::start(vec![fixture]).await.unwrap();
        let hub = TestHub::start(&upstream.endpoint()).await;
        let mirror = hub.synced(RepoKind::from_plural(kind.plural()).unwrap(), "gpt2").await;
        assert_eq!(mirror.repo.name.as_str(), "openai-community/gpt2");

        let (prefix, plural) = (kind.prefix(), kind.plural());
        for (given, leads_to) in [
            (
                format!("/{prefix}gpt2/resolve/main/config.json?download=true"),
                format!("/{prefix}openai-community/gpt2/resolve/main/config.json?download=true"),
            ),
            (
                format!("/{prefix}GPT2/raw/refs%2Fheads%2Fmain/config.json"),
                format!("/{prefix}openai-community/gpt2/raw/refs%2Fheads%2Fmain/config.json"),
            ),
            (format!("/api/{plural}/gpt2"), format!("/api/{plural}/openai-community/gpt2")),
            (
                format!("/api/{plural}/gpt2/tree/main?recursive=true&expand=false"),
                format!("/api/{plural}/openai-community/gpt2/tree/main?recursive=true&expand=false"),
            ),
            (
                format!("/api/{plural}/gpt2/revision/main?expand=sha&expand=tags"),
                format!("/api/{plural}/openai-community/gpt2/revision/main?expand=sha&expand=tags"),
            ),
            (format!("/api/{plural}/gpt2/refs"), format!("/api/{plural}/openai-community/gpt2/refs")),
            (format!("/api/{plural}/gpt2/commits/main"), format!("/api/{plural}/openai-community/gpt2/commits/main")),
        ] {
            for request in [hub.get(&given), hub.head(&given)] {
                let answer = Answer::to(request).await;
                assert_eq!((answer.status.as_u16(), answer.header("location")), (307, leads_to.as_str()), "{given}");
                assert_eq!(answer.header("x-repo-commit"), "", "{given}");
            }
            assert_eq!(get(&hub, &leads_to).await.status, 200, "{leads_to}");
        }
        let posted =
            Answer::to(hub.post(&format!("/api/{plural}/gpt2/paths-info/main")).body("paths=config.json")).await;
        let location = format!("/api/{plural}/openai-community/gpt2/paths-info/main");
        assert_eq!((posted.status.as_u16(), posted.header("location")), (307, location.as_str()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_case_of_a_name_is_redirected_relatively_with_its_query() {
    let fixtures = [Kind::Model, Kind::Dataset, Kind::Space].map(tiny);
    let (_upstream, hub) = synced(fixtures.to_vec(), &[]).await;
    for (_, prefix, api) in KINDS {
        for rest in ["/resolve/main/sub/deep%2Fnotes.txt?download=true&x=%C3%B1", "/raw/main/config.json?"] {
            let answer = get(&hub, &format!("/{prefix}ACME/Tiny{rest}")).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("location")),
                (307, format!("/{prefix}acme/tiny{rest}").as_str())
            );
        }
        for rest in [
            "",
            "?blobs=true",
            "/refs?include_prs=1",
            "/tree/main/sub?limit=1&cursor=",
            "/auth-check",
            "/discussions?p=0",
        ] {
            let answer = get(&hub, &format!("//{api}acme/TINY{rest}")).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("location")),
                (307, format!("{api}acme/tiny{rest}").as_str())
            );
            assert_eq!(get(&hub, answer.header("location")).await.status, 200, "{rest}");
        }
    }
}
