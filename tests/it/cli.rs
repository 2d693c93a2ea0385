//! The command line: what it prints, and what it says to input it cannot use.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use acervo_tests::binary::{self, Ran};
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::RepoFixture;
use serde_json::Value;
use tempfile::TempDir;

/// Runs a command against an upstream, in a folder of its own.
fn acervo(folder: &Path, endpoint: &str, arguments: &[&str]) -> Ran {
    let settings = [format!("upstream.endpoint={endpoint}"), "upstream.retry_base_milliseconds=1".to_owned()];
    let mut all: Vec<&str> = settings.iter().flat_map(|text| ["--set", text.as_str()]).collect();
    all.extend(["--set", "upstream.allowed_private_hosts=[\"localhost\"]"]);
    all.extend(arguments);
    binary::run(folder, &all)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_added_planned_synced_and_shown() {
    let fixture = RepoFixture::model("acme/tiny").file("a.txt", "hello").lfs("b.bin", [7; 5000]);
    let upstream = FakeUpstream::start(vec![fixture.clone()]).await.unwrap();
    let (folder, endpoint) = (TempDir::new().unwrap(), upstream.endpoint());

    let added = acervo(folder.path(), &endpoint, &["mirror", "add", "acme/tiny"]);
    assert!(added.success && added.stdout.contains("acervo sync acme/tiny"), "{added:?}");
    let planned = acervo(folder.path(), &endpoint, &["sync", "acme/tiny", "--dry-run", "--json"]);
    let plan: Value = serde_json::from_str(&planned.stdout).unwrap();
    assert_eq!(plan[0]["totals"]["files_to_fetch"], 2, "{planned:?}");
    assert_eq!(upstream.cdn_bytes(), 0);
    let synced = acervo(folder.path(), &endpoint, &["sync", "acme/tiny"]);
    assert!(synced.success && synced.stderr.contains("fetched and verified 2 files (5.00 kB)"), "{synced:?}");
    assert_eq!(synced.stdout, "", "progress goes to standard error");
    let again = acervo(folder.path(), &endpoint, &["sync", "--all", "--json"]);
    let report: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(report[0]["state"], "succeeded", "{again:?}");
    assert_eq!(report[0]["outcome"]["revisions"][0]["commit"], fixture.head());
    assert_eq!(report[0]["outcome"]["files_fetched"], 0);
    let shown = acervo(folder.path(), &endpoint, &["mirror", "show", "acme/tiny"]);
    assert!(shown.stdout.contains("acme/tiny (model)"), "{shown:?}");
    let removed = acervo(folder.path(), &endpoint, &["mirror", "remove", "acme/tiny"]);
    assert!(removed.success, "{removed:?}");
    let listed = acervo(folder.path(), &endpoint, &["mirror", "list"]);
    assert!(listed.stdout.contains("no mirrors yet"), "{listed:?}");
}

#[test]
fn bad_input_is_refused_with_the_next_step() {
    let folder = TempDir::new().unwrap();
    let cases: &[(&[&str], &[&str])] = &[
        (&["mirror", "add", "a/b/c"], &["`a/b/c`", "namespace/name"]),
        (&["mirror", "add", "acme/x--y"], &["x--y"]),
        (&["mirror", "add", "api/x"], &["reserved", "--as"]),
        (&["mirror", "add", "acme/x", "--include", "[a"], &["`[a`", "pattern"]),
        (&["mirror", "add", "acme/x", "--revision", "a..b"], &["`a..b`", "revision"]),
        (&["mirror", "add", "acme/x", "--type", "modle"], &["modle", "dataset"]),
        (&["mirror", "show", "acme/x"], &["acervo mirror add acme/x"]),
        (&["sync", "acme/x"], &["acervo mirror add acme/x"]),
        (&["sync", "--all"], &["acervo mirror add"]),
        (&["token", "create", "--role", "boss", "--name", "n"], &["boss", "maintainer"]),
        (&["token", "revoke", "nothing"], &["acervo token list"]),
        (&["--set", "server.bnd=x", "check-config"], &["server.bnd", "did you mean `bind`"]),
        (&["--set", "storage.url=ftp://x", "mirror", "list"], &["storage.url", "file://"]),
        (&["--config", "missing.toml", "check-config"], &["missing.toml"]),
        (&["serve", "--bind", "not an address"], &["not an address"]),
    ];
    for (arguments, said) in cases {
        let ran = binary::run(folder.path(), arguments);
        assert!(!ran.success, "{arguments:?} must fail: {ran:?}");
        for text in *said {
            assert!(ran.stderr.contains(text), "{arguments:?} must say {text:?}: {}", ran.stderr);
        }
        assert!(!ran.stderr.contains("panicked"), "{arguments:?}: {}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_no_hub_or_not_there_is_told_and_nothing_is_left_half_done() {
    let upstream = FakeUpstream::start(vec![RepoFixture::model("acme/x").file("a", "b")]).await.unwrap();
    upstream.fault(acervo_tests::fake_upstream::Fault::html().always());
    let closed = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let cases =
        [(upstream.endpoint(), "does not answer like a hub"), (format!("http://{closed}"), "cannot be reached")];
    for (endpoint, said) in cases {
        let folder = TempDir::new().unwrap();
        assert!(acervo(folder.path(), &endpoint, &["mirror", "add", "acme/x"]).success);
        let planned = acervo(folder.path(), &endpoint, &["sync", "acme/x", "--dry-run"]);
        assert!(!planned.success && planned.stderr.contains(said), "{planned:?}");
        assert!(planned.stderr.contains(endpoint.trim_start_matches("http://")), "{planned:?}");
    }
    assert!(!upstream.fired().is_empty());
}

#[test]
fn a_token_is_printed_alone_listed_without_its_text_and_revoked() {
    let folder = TempDir::new().unwrap();
    let created = binary::run(folder.path(), &["token", "create", "--role", "reader", "--name", "ci", "--quiet"]);
    let token = created.stdout.trim();
    assert!(token.starts_with("hf_") && created.stdout == format!("{token}\n"), "{created:?}");
    let listed = binary::run(folder.path(), &["token", "list"]);
    assert!(listed.stdout.contains("ci") && !listed.stdout.contains(token), "{listed:?}");
    assert!(listed.stdout.contains("active"), "{listed:?}");
    assert!(binary::run(folder.path(), &["token", "revoke", "ci"]).success);
    let listed = binary::run(folder.path(), &["token", "list"]);
    assert!(listed.stdout.contains("revoked"), "{listed:?}");
    let mistyped = binary::run(folder.path(), &["token", "revoke", &token[..token.len() - 1]]);
    assert!(!mistyped.success && !mistyped.stderr.contains(&token[..20]), "{mistyped:?}");

    assert!(binary::run(folder.path(), &["user", "create", "ada"]).success);
    assert!(binary::run(folder.path(), &["user", "disable", "ada"]).success);
    let useless = binary::run(folder.path(), &["token", "create", "--role", "reader", "--name", "n", "--user", "ada"]);
    assert!(!useless.success && useless.stderr.contains("disabled"), "{useless:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_is_heard_while_a_sync_waits_for_its_next_attempt() {
    let upstream = FakeUpstream::start(vec![RepoFixture::model("acme/x").file("a", "b")]).await.unwrap();
    upstream.fault(acervo_tests::fake_upstream::Fault::status(500).always());
    let (folder, endpoint) = (TempDir::new().unwrap(), upstream.endpoint());
    for name in ["acme/x", "acme/y"] {
        assert!(acervo(folder.path(), &endpoint, &["mirror", "add", name]).success);
    }
    let mut child = binary::command(folder.path())
        .args(["--set", &format!("upstream.endpoint={endpoint}"), "--set", "upstream.retry_base_milliseconds=1"])
        .args(["sync", "--all"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("trying again in")), "it waits for another attempt");
    let process = child.id().to_string();
    assert!(Command::new("sh").args(["-c", "kill -INT $0", &process]).status().unwrap().success());

    let rest: Vec<String> = lines.collect();
    assert!(!child.wait().unwrap().success());
    assert!(rest.iter().any(|line| line.contains("acme/x: stopped; what has arrived is kept")), "{rest:?}");
    assert!(rest.iter().all(|line| !line.contains("acme/y")), "an interrupt ends all of it: {rest:?}");
}

#[test]
fn the_effective_configuration_tells_where_each_value_came_from() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("acervo.toml"), "[server]\nbind = \"127.0.0.1:1\"\n").unwrap();
    let output = binary::command(folder.path())
        .args(["check-config", "--set", "sync.files_at_once=3"])
        .env("ACERVO__UPSTREAM__TOKEN", "hf_very_secret")
        .env("ACERVO_PORT", "tcp://10.0.0.1:80")
        .output()
        .unwrap();
    let ran = Ran::from(output);
    assert!(ran.success, "{ran:?}");
    assert!(ran.stdout.contains("server.bind") && ran.stdout.contains("acervo.toml"), "{ran:?}");
    assert!(ran.stdout.contains("the environment") && ran.stdout.contains("the command line"), "{ran:?}");
    assert!(!ran.stdout.contains("hf_very_secret"), "{ran:?}");
}
