//! The command line: what it prints, and what it says to input it cannot use.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use acervo_tests::binary::{self, Ran};
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::RepoFixture;
use acervo_tests::processes::Installation;
use serde_json::Value;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_added_planned_synced_and_shown() {
    let fixture = RepoFixture::model("acme/tiny").file("a.txt", "hello").lfs("b.bin", [7; 5000]);
    let upstream = FakeUpstream::start(vec![fixture.clone()]).await.unwrap();
    let home = Installation::new(&upstream.endpoint());

    let added = home.run(&["mirror", "add", "acme/tiny"]).await;
    assert!(added.success && added.stdout.contains("acervo sync acme/tiny"), "{added:?}");
    let planned = home.run(&["sync", "acme/tiny", "--dry-run", "--json"]).await;
    let plan: Value = serde_json::from_str(&planned.stdout).unwrap();
    assert_eq!(plan[0]["totals"]["files_to_fetch"], 2, "{planned:?}");
    assert_eq!(upstream.cdn_bytes(), 0);
    let synced = home.run(&["sync", "acme/tiny"]).await;
    assert!(synced.success && synced.stderr.contains("fetched and verified 2 files (5.00 kB)"), "{synced:?}");
    assert_eq!(synced.stdout, "", "progress goes to standard error");
    let again = home.run(&["sync", "--all", "--json"]).await;
    let report: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(report[0]["state"], "succeeded", "{again:?}");
    assert_eq!(report[0]["outcome"]["revisions"][0]["commit"], fixture.head());
    assert_eq!(report[0]["outcome"]["files_fetched"], 0);
    let shown = home.run(&["mirror", "show", "acme/tiny"]).await;
    assert!(shown.stdout.contains("acme/tiny (model)"), "{shown:?}");
    let removed = home.run(&["mirror", "remove", "acme/tiny"]).await;
    assert!(removed.success, "{removed:?}");
    let listed = home.run(&["mirror", "list"]).await;
    assert!(listed.stdout.contains("no mirrors yet"), "{listed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_is_set_shown_and_people_are_let_in_by_commands() {
    let fixture = RepoFixture::model("acme/tiny").file("a.txt", "hello");
    let upstream = FakeUpstream::start(vec![fixture]).await.unwrap();
    let home = Installation::new(&upstream.endpoint());
    let json = async |arguments: &[&str]| -> Value {
        let ran = home.run(&[arguments, &["--json"]].concat()).await;
        assert!(ran.success, "{ran:?}");
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    };
    let said = async |arguments: &[&str]| {
        let ran = home.run(arguments).await;
        assert!(ran.success, "{ran:?}");
        ran.stdout
    };
    assert!(home.run(&["mirror", "add", "acme/tiny", "--gate", "auto"]).await.success);
    assert_eq!(json(&["mirror", "show", "acme/tiny"]).await["gate"], "auto");
    let again = home.run(&["mirror", "add", "acme/tiny", "--gate", "none"]).await;
    assert!(again.success && again.stderr.contains("acervo gate set"), "{again:?}");
    assert!(home.run(&["user", "create", "ana"]).await.success);
    let terms = home.folder().join("terms.txt");
    std::fs::write(&terms, "For research alone.").unwrap();

    let set = json(&["gate", "set", "acme/tiny", "manual", "--terms", terms.to_str().unwrap()]).await;
    assert_eq!(set["gate"], "manual");
    let shown = json(&["gate", "show", "acme/tiny"]).await;
    assert_eq!((&shown["terms"]["text"], &shown["terms"]["sha256"]), (&"For research alone.".into(), &set["terms"]));
    assert!(said(&["gate", "show", "acme/tiny"]).await.contains("For research alone."));
    assert_eq!(json(&["gate", "list"]).await[0]["repo"], "acme/tiny");
    assert!(said(&["gate", "list"]).await.contains("manual"));
    assert!(said(&["gate", "requests", "acme/tiny"]).await.contains("nobody has asked"));
    let unasked = home.run(&["gate", "accept", "acme/tiny", "ana"]).await;
    assert!(!unasked.success && unasked.stderr.contains("`ana` has not asked"), "{unasked:?}");

    let granted = json(&["gate", "grant", "acme/tiny", "ana"]).await;
    assert_eq!((&granted["status"], &granted["granted"]), (&"accepted".into(), &true.into()));
    assert!(said(&["gate", "reject", "acme/tiny", "ana", "--reason", "left"]).await.contains("is kept out"));
    let listed = json(&["gate", "requests", "acme/tiny", "--status", "rejected"]).await;
    assert_eq!((&listed[0]["user"], &listed[0]["reason"]), (&"ana".into(), &"left".into()));
    assert!(said(&["gate", "cancel", "acme/tiny", "ana"]).await.contains("waits for a decision"));
    assert!(said(&["gate", "accept", "acme/tiny", "ana"]).await.contains("may have its contents"));
    assert!(said(&["gate", "requests", "acme/tiny"]).await.contains("accepted"));
    assert!(said(&["gate", "set", "acme/tiny", "none"]).await.contains("has no gate"));
    assert_eq!(json(&["gate", "list"]).await, serde_json::json!([]));
    let open = home.run(&["gate", "grant", "acme/tiny", "ana"]).await;
    assert!(!open.success && open.stderr.contains("is not gated"), "{open:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_is_made_filled_shown_and_deleted_by_commands() {
    let fixtures = vec![
        RepoFixture::model("acme/tiny").file("a.txt", "hello"),
        RepoFixture::dataset("acme/rows").file("a.txt", "rows"),
    ];
    let upstream = FakeUpstream::start(fixtures).await.unwrap();
    let home = Installation::new(&upstream.endpoint());
    let said = async |arguments: &[&str]| {
        let ran = home.run(arguments).await;
        assert!(ran.success, "{ran:?}");
        ran.stdout
    };
    let json = async |arguments: &[&str]| -> Value {
        serde_json::from_str(&said(&[arguments, &["--json"]].concat()).await).unwrap()
    };
    assert!(said(&["collection", "list"]).await.contains("acervo collection create"));
    let nowhere = home.run(&["collection", "create", "acme", "Approved"]).await;
    assert!(!nowhere.success && nowhere.stderr.contains("no namespace `acme`"), "{nowhere:?}");
    for arguments in [&["mirror", "add", "acme/tiny"][..], &["mirror", "add", "acme/rows", "--type", "dataset"]] {
        assert!(home.run(arguments).await.success, "{arguments:?}");
    }
    assert!(home.run(&["sync", "--all"]).await.success);

    let made = json(&["collection", "create", "acme", "Approved models", "--theme", "pink"]).await;
    let slug = made["slug"].as_str().unwrap().to_owned();
    assert!(slug.starts_with("acme/approved-models-"), "{made}");
    assert!(said(&["collection", "show", &slug]).await.contains("nothing is in it"));
    assert!(said(&["collection", "add", &slug, "acme/tiny", "--note", "the smallest"]).await.contains("acme/tiny"));
    assert!(said(&["collection", "add", &slug, "acme/rows", "--type", "dataset"]).await.contains("acme/rows"));
    let shown = json(&["collection", "show", &slug]).await;
    let items = serde_json::json!([
        {"repo": "acme/tiny", "type": "model", "note": "the smallest"},
        {"repo": "acme/rows", "type": "dataset", "note": null},
    ]);
    assert_eq!((&shown["items"], &shown["visibility"], &shown["theme"]), (&items, &"public".into(), &"pink".into()));
    let table = said(&["collection", "show", &slug]).await;
    assert!(table.contains("the smallest") && table.contains("dataset"), "{table}");
    assert!(said(&["collection", "list", "--owner", "acme"]).await.contains(&slug));
    assert_eq!(json(&["collection", "list", "--owner", "other"]).await, serde_json::json!([]));

    assert!(said(&["collection", "remove", &slug, "acme/tiny"]).await.contains("no longer"));
    let again = home.run(&["collection", "remove", &slug, "acme/tiny"]).await;
    assert!(!again.success && again.stderr.contains("is not in"), "{again:?}");
    assert!(said(&["collection", "delete", &slug]).await.contains("is gone"));
    assert_eq!(json(&["collection", "list"]).await, serde_json::json!([]));
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
        (&["mirror", "add", "acme/x", "--schedule", "nightly"], &["`nightly`", "0 3 * * *"]),
        (&["mirror", "add", "acme/x", "--schedule", "0 3 * * *", "--time-zone", "Berlin"], &["Europe/Berlin"]),
        (&["mirror", "add", "acme/x", "--repo-bytes-max", "4 QB"], &["40 GB"]),
        (&["mirror", "add", "acme/x", "--priority", "3"], &["--schedule"]),
        (&["mirror", "add", "acme/x", "--type", "modle"], &["modle", "dataset"]),
        (&["mirror", "show", "acme/x"], &["acervo mirror add acme/x"]),
        (&["sync", "acme/x"], &["acervo mirror add acme/x"]),
        (&["gate", "set", "acme/x", "open"], &["`open`", "none, auto or manual"]),
        (&["gate", "set", "acme/x", "auto"], &["acervo mirror add acme/x"]),
        (&["mirror", "add", "acme/x", "--gate", "yes"], &["`yes`", "none, auto or manual"]),
        (&["collection", "create", "acme", "x"], &["no namespace `acme`", "mirror"]),
        (&["collection", "create", "acme", "x", "--theme", "red"], &["`red`", "indigo"]),
        (&["collection", "create", "acme", "x", "--visibility", "secret"], &["`secret`", "internal"]),
        (&["collection", "show", "acme/x"], &["no collection `acme/x`"]),
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
        let home = Installation::new(&endpoint);
        assert!(home.run(&["mirror", "add", "acme/x"]).await.success);
        let planned = home.run(&["sync", "acme/x", "--dry-run"]).await;
        assert!(!planned.success && planned.stderr.contains(said), "{planned:?}");
        assert!(planned.stderr.contains(endpoint.trim_start_matches("http://")), "{planned:?}");
    }
    assert!(!upstream.fired().is_empty());
}

#[tokio::test]
async fn a_token_is_printed_alone_listed_without_its_text_and_revoked() {
    let home = Installation::new("http://127.0.0.1:9");
    let created = home.run(&["token", "create", "--role", "reader", "--name", "ci", "--quiet"]).await;
    let token = created.stdout.trim();
    assert!(token.starts_with("hf_") && created.stdout == format!("{token}\n"), "{created:?}");
    let listed = home.run(&["token", "list"]).await;
    assert!(listed.stdout.contains("ci") && !listed.stdout.contains(token), "{listed:?}");
    assert!(listed.stdout.contains("active"), "{listed:?}");
    assert!(home.run(&["token", "revoke", "ci"]).await.success);
    let listed = home.run(&["token", "list"]).await;
    assert!(listed.stdout.contains("revoked"), "{listed:?}");
    let mistyped = home.run(&["token", "revoke", &token[..token.len() - 1]]).await;
    assert!(!mistyped.success && !mistyped.stderr.contains(&token[..20]), "{mistyped:?}");

    assert!(home.run(&["user", "create", "ada"]).await.success);
    assert!(home.run(&["user", "disable", "ada"]).await.success);
    let useless = home.run(&["token", "create", "--role", "reader", "--name", "n", "--user", "ada"]).await;
    assert!(!useless.success && useless.stderr.contains("disabled"), "{useless:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_is_heard_while_a_sync_waits_for_its_next_attempt() {
    let upstream = FakeUpstream::start(vec![RepoFixture::model("acme/x").file("a", "b")]).await.unwrap();
    upstream.fault(acervo_tests::fake_upstream::Fault::status(500).always());
    let home = Installation::new(&upstream.endpoint());
    for name in ["acme/x", "acme/y"] {
        assert!(home.run(&["mirror", "add", name]).await.success);
    }
    let mut child = home.command(&["sync", "--all"]).stderr(Stdio::piped()).spawn().unwrap();
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
