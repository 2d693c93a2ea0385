//! What is on the wire, byte by byte and header by header, as clients of every generation will see it.
//!
//! Requests are raw: no redirect is followed, and where a client library would tidy a path, the bytes are written by
//! hand. What must be true is stated by the fixture, never by what the hub answered elsewhere.

mod addresses;
mod around;
mod collections;
mod compare;
mod contents;
mod downloads;
mod large;
mod limits;
mod lists;
mod metadata;
mod names;
mod people;
mod prefix;
mod refusals;
mod remembered;
mod shards;
mod touched;
mod trees;

use std::collections::BTreeMap;

use acervo::app::local::{self, NewCommit, NewFile};
use acervo_core::{Caller, RepoKind, Visibility};
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::{Kind, RepoFixture, random_bytes};
use acervo_tests::test_hub::{TestHub, order};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What stands unencoded in a segment of an address.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// All kinds, with what precedes a name in a file's address and in the API's.
const KINDS: [(RepoKind, &str, &str); 3] = [
    (RepoKind::Model, "", "/api/models/"),
    (RepoKind::Dataset, "datasets/", "/api/datasets/"),
    (RepoKind::Space, "spaces/", "/api/spaces/"),
];

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Sends a request and reads what comes.
    pub(crate) async fn to(request: RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, body: response.bytes().await.expect("a whole body") }
    }

    /// A header as text; absent ones are empty.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header of ASCII"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// Status and code of a refusal.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        (self.status.as_u16(), self.header("x-error-code"))
    }

    /// The headers that say something of the answer, and not of this one request.
    pub(crate) fn lasting(&self) -> BTreeMap<String, String> {
        let name_of_the_request = ["date", "x-request-id"];
        let headers = self.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        headers.filter(|(name, _)| !name_of_the_request.contains(&name.as_str())).collect()
    }

    /// Where the next page is, below the hub's own address.
    pub(crate) fn next(&self, hub: &TestHub) -> Option<String> {
        let link = self.headers.get("link")?.to_str().expect("a header of ASCII");
        let url = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
        let url = url.unwrap_or_else(|| panic!("stock clients do not read `{link}`"));
        let path = url.strip_prefix(hub.url()).unwrap_or_else(|| panic!("`{url}` is not absolute, or not of this hub"));
        Some(path.to_owned())
    }
}

/// GETs a path.
pub(crate) async fn get(hub: &TestHub, path: &str) -> Answer {
    Answer::to(hub.get(path)).await
}

/// GETs a path that must be there, as JSON.
pub(crate) async fn json(hub: &TestHub, path: &str) -> Value {
    let answer = get(hub, path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// Every page from a path on, by the links alone.
pub(crate) async fn pages(hub: &TestHub, path: &str) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        assert!(pages.len() < 1000, "the links of `{path}` do not end");
        let answer = get(hub, &path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        next = answer.next(hub);
        pages.push(answer.json().as_array().expect("a list").clone());
    }
    pages
}

/// One field of each item.
pub(crate) fn field<'a>(items: impl IntoIterator<Item = &'a Value>, name: &str) -> Vec<&'a str> {
    items.into_iter().map(|item| item[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {item}"))).collect()
}

/// Sends a request exactly as it is written, and reads until the hub closes: the status, and everything else.
pub(crate) async fn raw(hub: &TestHub, request: &str) -> (u16, String) {
    let address = hub.url().strip_prefix("http://").expect("a plain address");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("the hub reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the hub answers");
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split_once(' ').and_then(|(_, rest)| rest.get(..3)?.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer but {text:?}")), text)
}

/// GETs a target that no client library would let pass.
pub(crate) async fn raw_get(hub: &TestHub, target: &str) -> (u16, String) {
    raw(hub, &format!("GET {target} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")).await
}

/// A path as an address holds it, its slashes kept.
pub(crate) fn encoded(path: &str) -> String {
    path.split('/').map(|part| utf8_percent_encode(part, SEGMENT).to_string()).collect::<Vec<_>>().join("/")
}

/// A repository of a kind, with nothing in it.
fn empty(kind: Kind, name: &str) -> RepoFixture {
    match kind {
        Kind::Model => RepoFixture::model(name),
        Kind::Dataset => RepoFixture::dataset(name),
        Kind::Space => RepoFixture::space(name),
    }
}

/// A repository with every size and form of file that matters to headers.
pub(crate) fn tiny(kind: Kind) -> RepoFixture {
    empty(kind, "acme/tiny")
        .file("README.md", "---\nlicense: mit\n---\n# Tiny\n")
        .file("config.json", "{\"model_type\": \"llama\"}")
        .file("empty.txt", "")
        .file("sub/deep/notes.txt", "notes")
        .lfs("model.safetensors", random_bytes(1, 300_001))
        .with_xet()
}

/// A hub that has synced these repositories from an upstream, all of them with all the refs that are named.
pub(crate) async fn synced(repos: Vec<RepoFixture>, revisions: &[&str]) -> (FakeUpstream, TestHub) {
    let upstream = FakeUpstream::start(repos.clone()).await.expect("an upstream");
    let hub = TestHub::start(&upstream.endpoint()).await;
    for repo in repos {
        let mut request = order(RepoKind::from_plural(repo.kind.plural()).expect("a kind"), &repo.name);
        request.revisions = revisions.iter().map(|&name| name.to_owned()).collect();
        let mirror = hub.mirror_with(request).await;
        hub.sync(&mirror).await;
    }
    (upstream, hub)
}

/// A hub without an upstream, for repositories that are committed to it.
pub(crate) async fn alone() -> TestHub {
    TestHub::start("http://127.0.0.1:9").await
}

/// Commits regular files, and `.bin` files through LFS; returns the commit's id.
pub(crate) async fn commit(
    hub: &TestHub,
    (kind, name, visibility): (RepoKind, &str, Visibility),
    files: &[(&str, &[u8])],
) -> String {
    let files = files.iter().map(|(path, bytes)| NewFile {
        path: path.parse().expect("a path"),
        bytes: Bytes::copy_from_slice(bytes),
        lfs: path.ends_with(".bin"),
    });
    let (name, title) = (name.parse().expect("a name"), "Add files".to_owned());
    let new = NewCommit { kind, name, visibility, files: files.collect(), title, at: hub.hub().now() };
    local::commit_files(hub.hub(), &Caller::System, &new).await.expect("a commit").to_hex()
}

/// Bytes of contents handed out so far.
fn served_bytes(hub: &TestHub) -> u64 {
    hub.hub().metrics().served_bytes.get()
}
