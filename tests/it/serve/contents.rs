//! Headers of contents: what identifies them, how long they may be kept, what a browser is told.

use acervo_core::{RepoKind, Visibility};
use acervo_tests::fixture::Kind;

use super::{Answer, KINDS, alone, commit, get, served_bytes, synced, tiny};

const PUBLIC: Visibility = Visibility::Public;

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_served_with_the_identity_that_upstream_declared() {
    let fixtures = [Kind::Model, Kind::Dataset, Kind::Space].map(tiny);
    let (_upstream, hub) = synced(fixtures.to_vec(), &[]).await;
    for (fixture, (_, prefix, _)) in fixtures.iter().zip(KINDS) {
        for (path, file) in fixture.files_at("main") {
            let address = format!("/{prefix}acme/tiny/resolve/main/{path}");
            let answer = get(&hub, &address).await;
            assert_eq!(answer.status, 200, "{address}");
            assert!(answer.body == file.bytes, "{address} differs");
            assert_eq!(answer.header("x-repo-commit"), fixture.head(), "{address}");
            assert_eq!(answer.header("content-length"), file.size().to_string(), "{address}");
            assert_eq!(answer.header("accept-ranges"), "bytes", "{address}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{address}");
            if file.is_lfs() {
                let tag = format!("\"{}\"", file.sha256);
                assert_eq!((answer.header("etag"), answer.header("x-linked-etag")), (tag.as_str(), tag.as_str()));
                assert_eq!(answer.header("x-linked-size"), file.size().to_string());
            } else {
                assert_eq!(answer.header("etag"), format!("\"{}\"", file.oid), "{address}");
                assert_eq!((answer.header("x-linked-etag"), answer.header("x-linked-size")), ("", ""), "{address}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_has_every_header_of_its_get_and_reads_nothing() {
    let fixtures = [Kind::Model, Kind::Dataset, Kind::Space].map(tiny);
    let (_upstream, hub) = synced(fixtures.to_vec(), &[]).await;
    let mut addresses = Vec::new();
    for (fixture, (_, prefix, api)) in fixtures.iter().zip(KINDS) {
        let head = fixture.head();
        for path in ["README.md", "empty.txt", "model.safetensors", "sub/deep/notes.txt", "absent.txt"] {
            addresses.push(format!("/{prefix}acme/tiny/resolve/main/{path}"));
            addresses.push(format!("/{prefix}acme/tiny/resolve/{head}/{path}?download=true"));
            addresses.push(format!("/{prefix}acme/tiny/raw/main/{path}"));
        }
        for rest in ["", "?blobs=true", "/revision/main", "/tree/main", "/tree/main/absent", "/refs", "/commits/main"] {
            addresses.push(format!("{api}acme/tiny{rest}"));
        }
        addresses.push(format!("{api}acme/absent"));
        addresses.push(format!("{api}ACME/tiny/refs"));
    }
    for (_, plural, _) in KINDS {
        addresses.push(format!("/api/{}", if plural.is_empty() { "models" } else { plural.trim_end_matches('/') }));
    }
    addresses
        .extend(["/", "/healthz", "/openapi.json", "/static/acervo.css", "/api/absent", "/absent"].map(String::from));

    for address in &addresses {
        for encoding in ["identity", "gzip, deflate, zstd"] {
            let before = served_bytes(&hub);
            let head = Answer::to(hub.head(address).header("accept-encoding", encoding)).await;
            assert_eq!(served_bytes(&hub), before, "the HEAD of {address} read something");
            let get = Answer::to(hub.get(address).header("accept-encoding", encoding)).await;

            assert!(head.body.is_empty(), "{address}");
            assert_eq!(head.status, get.status, "{address}");
            assert_eq!(head.lasting(), get.lasting(), "{address} with {encoding}");
            if encoding == "identity" {
                assert_eq!(get.header("content-length"), get.body.len().to_string(), "{address}");
            }
            // The document is an answer of the API that stands outside of it.
            if !address.starts_with("/api/") && address != "/openapi.json" {
                assert_eq!(get.header("content-encoding"), "", "{address}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_revision_as_it_was_written_and_the_readers_decide_how_long_an_answer_is_kept() {
    let hub = alone().await;
    let files: &[(&str, &[u8])] = &[("a.txt", b"text")];
    let forever = "public, max-age=31536000, immutable";
    for (name, visibility, of_commit, of_name) in [
        ("acme/open", PUBLIC, forever, "no-cache"),
        ("acme/house", Visibility::Internal, "private, no-cache", "private, no-cache"),
        ("acme/secret", Visibility::Private, "private, no-cache", "private, no-cache"),
    ] {
        let id = commit(&hub, (RepoKind::Model, name, visibility), files).await;
        let token = hub.token(&name.replace('/', "-"), acervo_core::Role::Reader).await;
        let upper = id.to_uppercase();
        for (revision, expected) in [
            (id.as_str(), of_commit),
            (upper.as_str(), of_commit),
            (&id[..12], of_name),
            ("main", of_name),
            ("HEAD", of_name),
            ("refs%2Fheads%2Fmain", of_name),
            ("refs/heads/main", of_name),
        ] {
            for route in ["resolve", "raw"] {
                let address = format!("/{name}/{route}/{revision}/a.txt");
                let answer = Answer::to(hub.get(&address).bearer_auth(&token)).await;
                assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, expected), "{address}");
                assert_eq!(answer.header("x-repo-commit"), id, "{address}");
                let absent = format!("/{name}/{route}/{revision}/absent");
                let answer = Answer::to(hub.get(&absent).bearer_auth(&token)).await;
                assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (404, "no-store"), "{absent}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_told_the_name_of_a_file_and_nothing_it_would_run() {
    let hub = alone().await;
    let text = "text/plain; charset=utf-8";
    let cases: &[(&str, &str, &str)] = &[
        ("page.html", text, "filename*=UTF-8''page.html; filename=\"page.html\";"),
        ("logo.svg", text, "filename*=UTF-8''logo.svg; filename=\"logo.svg\";"),
        ("app.js", text, "filename*=UTF-8''app.js; filename=\"app.js\";"),
        ("config.json", "application/json", "filename*=UTF-8''config.json; filename=\"config.json\";"),
        ("sub/w.bin", "application/octet-stream", "filename*=UTF-8''w.bin; filename=\"w.bin\";"),
        ("ñandú \"1\".txt", text, "filename*=UTF-8''%C3%B1and%C3%BA%20%221%22.txt; filename=\"_and_ _1_.txt\";"),
    ];
    let files: Vec<(&str, &[u8])> = cases.iter().map(|(path, ..)| (*path, &b"<script>"[..])).collect();
    commit(&hub, (RepoKind::Model, "acme/x", PUBLIC), &files).await;

    for (path, content_type, name) in cases {
        let address = format!("/acme/x/resolve/main/{}", super::encoded(path));
        let answer = get(&hub, &address).await;
        assert_eq!(answer.header("content-type"), *content_type, "{path}");
        assert_eq!(answer.header("content-disposition"), format!("inline; {name}"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; sandbox");
        for (query, expected) in [
            ("?download=true", format!("attachment; {name}")),
            ("?download=True&x=1", format!("attachment; {name}")),
            ("?download=1", format!("attachment; {name}")),
            ("?download=false", format!("inline; {name}")),
            ("?noContentDisposition=1", String::new()),
        ] {
            let answer = get(&hub, &format!("{address}{query}")).await;
            assert_eq!(answer.header("content-disposition"), expected, "{path}{query}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_is_the_blob_that_git_holds() {
    let fixtures = [Kind::Model, Kind::Dataset, Kind::Space].map(tiny);
    let (_upstream, hub) = synced(fixtures.to_vec(), &[]).await;
    for (fixture, (_, prefix, _)) in fixtures.iter().zip(KINDS) {
        for (path, file) in fixture.files_at("main") {
            let answer = get(&hub, &format!("/{prefix}acme/tiny/raw/main/{path}")).await;
            let git = file.pointer.as_ref().map_or(file.bytes.as_ref(), String::as_bytes);
            assert!(answer.body == git, "{path}");
            assert_eq!(answer.header("etag"), format!("\"{}\"", file.oid), "{path}");
            assert_eq!(answer.header("x-repo-commit"), fixture.head(), "{path}");
            assert_eq!((answer.header("x-linked-etag"), answer.header("x-linked-size")), ("", ""), "{path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        }
        let address = format!("/{prefix}acme/tiny/raw/main/model.safetensors");
        let part = Answer::to(hub.get(&address).header("range", "bytes=0-6")).await;
        assert_eq!((part.status.as_u16(), part.text()), (206, "version"));
        let total = fixture.entry("model.safetensors").pointer.as_ref().unwrap().len();
        assert_eq!(part.header("content-range"), format!("bytes 0-6/{total}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_addresses_of_the_public_hubs_cache_lead_to_the_content() {
    let fixture = tiny(Kind::Dataset);
    let (_upstream, hub) = synced(vec![fixture.clone()], &[]).await;
    let (id, file) = (fixture.head(), fixture.entry("sub/deep/notes.txt"));
    let address =
        format!("/api/resolve-cache/datasets/acme/tiny/{id}/sub%2Fdeep%2Fnotes.txt?%2Fx=&etag=%22{}%22", file.oid);
    let answer = get(&hub, &address).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "notes"));
    assert_eq!(answer.header("etag"), format!("\"{}\"", file.oid));
    assert_eq!(answer.header("x-repo-commit"), id);
    assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
}
