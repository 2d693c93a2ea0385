//! Mirrors as a file says them: planned, applied, locked, reproduced, seeded.

mod by_hand;
mod fleet;
mod guide;
mod locks;
mod month;
mod pauses;
mod requests;
mod seed;
mod upstreams;
mod windows;

use std::sync::Arc;

use acervo::app::sync::Progress;
use acervo::context::Hub;
use acervo::worker;
use acervo_core::Timestamp;
use acervo_store::db::repos::{ReadScope, commit_count};
use acervo_tests::binary::Ran;
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::{RepoFixture, random_bytes};
use acervo_tests::processes::Installation;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What the upstream of these tests has.
pub(crate) fn fixtures() -> Vec<RepoFixture> {
    vec![
        RepoFixture::model("acme/one")
            .file("config.json", "{}")
            .lfs("model.safetensors", random_bytes(1, 40_000))
            .lfs("pytorch_model.bin", random_bytes(2, 40_000))
            .tag("v1.9")
            .commit("second", |c| c.file("config.json", "{\"a\": 1}"))
            .tag("v1.10")
            .commit("third", |c| c.lfs("model.safetensors", random_bytes(3, 50_000))),
        RepoFixture::model("acme/two").file("README.md", "two").lfs("model.safetensors", random_bytes(4, 30_000)),
        RepoFixture::model("acme/two-GGUF").lfs("two.Q4_K_M.gguf", random_bytes(5, 1000)),
        RepoFixture::dataset("acme/rows").lfs("rows.parquet", random_bytes(6, 20_000)),
        RepoFixture::model("other/left").file("a.txt", "left"),
    ]
}

/// Orders for most of it.
pub(crate) const ORDERS: &str = r#"
[defaults]
schedule = "0 3 * * *"

[mirror.models]
repos = ["acme/*"]
except = ["acme/*-GGUF"]
revisions = ["main", "v*"]
newest_tags = 1
presets = ["safetensors-only"]

[mirror.rows]
type = "dataset"
repos = ["acme/rows"]
"#;

/// An installation with a mirrors file.
pub(crate) async fn installed(orders: &str) -> (FakeUpstream, Installation) {
    let upstream = FakeUpstream::start(fixtures()).await.unwrap();
    let home = Installation::new(&upstream.endpoint());
    write(&home, orders);
    (upstream, home)
}

pub(crate) fn write(home: &Installation, orders: &str) {
    std::fs::write(home.folder().join("mirrors.toml"), orders).unwrap();
}

/// Lets the clock of a hub show this time.
pub(crate) fn set_clock(hub: &Hub, time: Timestamp) {
    hub.clock().set_ahead(0);
    hub.clock().set_ahead(time.as_millis() - hub.now().as_millis());
}

/// A time of day in RFC 3339.
pub(crate) fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// Works until nothing is due; returns how many attempts that were.
pub(crate) async fn drain(hub: &Hub) -> usize {
    let (worker, never, mut attempts) = (Uuid::now_v7(), CancellationToken::new(), 0);
    while worker::run_once(hub, worker, None, &Arc::new(Progress::default()), &never).await.unwrap() {
        attempts += 1;
    }
    attempts
}

/// What a command prints as JSON, and how it ended.
pub(crate) async fn json(home: &Installation, arguments: &[&str]) -> (Value, Option<i32>) {
    let ran = home.run(&[arguments, &["--json"]].concat()).await;
    let value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    (value, ran.code)
}

pub(crate) async fn ok(home: &Installation, arguments: &[&str]) -> Ran {
    let ran = home.run(arguments).await;
    assert!(ran.success, "{arguments:?}: {ran:?}");
    ran
}

/// Action and name of every step.
pub(crate) fn steps(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |key: &str| value[key].as_array().unwrap().clone();
    let orders =
        list("orders").into_iter().map(|step| format!("{} order {}", text(&step["action"]), text(&step["name"])));
    let mirrors = list("mirrors")
        .into_iter()
        .map(|step| format!("{} {} {}", text(&step["action"]), text(&step["type"]), text(&step["repo"])));
    orders.chain(mirrors).collect()
}

/// How many commits are served.
pub(crate) async fn visible_commits(home: &Installation) -> u64 {
    let hub = home.hub().await;
    let everything = ReadScope { everything: true, internal: true, namespaces: Vec::new(), repos: Vec::new() };
    commit_count(hub.db().reader(), &everything).await.unwrap()
}

/// Kinds of the events so far, and what each is about.
async fn told(home: &Installation) -> Vec<String> {
    let hub = home.hub().await;
    acervo::app::events::number_waiting(&hub).await.unwrap();
    let all = acervo_store::db::events::after(hub.db().reader(), 0, 1000).await.unwrap();
    all.iter()
        .map(|event| {
            let body: Value = serde_json::from_slice(&event.body).unwrap();
            format!("{} {}", body["kind"].as_str().unwrap(), body["subject"].as_str().unwrap())
        })
        .filter(|text| text.starts_with("mirror.") || text.starts_with("order."))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_planned_applied_once_and_fetched() {
    let (upstream, home) = installed(ORDERS).await;

    let (plan, code) = json(&home, &["mirror", "plan"]).await;
    assert_eq!(code, Some(2), "{plan}");
    let wanted =
        ["add order models", "add order rows", "add model acme/one", "add model acme/two", "add dataset acme/rows"];
    assert_eq!(steps(&plan), wanted);
    // Two commits of `one` without the pickle, and what `two` and `rows` have.
    assert_eq!(plan["totals"]["commits_to_publish"], 4, "{plan}");
    assert_eq!((&plan["totals"]["files_to_fetch"], &plan["totals"]["files_held"]), (&6.into(), &0.into()), "{plan}");
    assert!(ok(&home, &["mirror", "list"]).await.stdout.contains("no mirrors yet"), "a plan changes nothing");
    let shown = home.run(&["mirror", "plan"]).await;
    assert!(shown.stdout.contains("a sync would do:") && shown.stdout.contains("acme/rows"), "{shown:?}");
    assert_eq!(upstream.cdn_bytes(), 0);

    let (applied, code) = json(&home, &["mirror", "apply"]).await;
    assert_eq!((steps(&applied), code), (wanted.map(str::to_owned).to_vec(), Some(0)));
    let once = told(&home).await;
    let events = [
        "order.added models",
        "order.added rows",
        "mirror.added acme/one",
        "mirror.added acme/two",
        "mirror.added acme/rows",
    ];
    assert_eq!(once, events);
    let again = ok(&home, &["mirror", "apply"]).await;
    assert!(again.stdout.contains("everything is as `mirrors.toml` says"), "{again:?}");
    assert_eq!(told(&home).await, once, "what is not changed is not told");
    let (shown, _) = json(&home, &["mirror", "show", "acme/one"]).await;
    assert_eq!((&shown["managed_by"], &shown["rules"]["follow"]["newest_tags"]), (&"file".into(), &1.into()));
    assert!(shown["next_run_at"].as_str().unwrap().contains("T03:00:00"), "{shown}");

    assert_eq!(json(&home, &["mirror", "plan"]).await.1, Some(2), "there is something to fetch");
    ok(&home, &["sync", "--all"]).await;
    let (plan, code) = json(&home, &["mirror", "plan"]).await;
    assert_eq!((code, &plan["totals"]["files_to_fetch"]), (Some(0), &0.into()), "{plan}");
    let hub = home.hub().await;
    let one = acervo_store::db::repos::by_name(hub.db().reader(), acervo_core::RepoKind::Model, "acme/one").await;
    let refs = acervo_store::db::refs::served(hub.db().reader(), one.unwrap().unwrap().id).await.unwrap();
    let names: Vec<&str> = refs.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["main", "v1.10"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_changes_its_own_mirrors_and_no_others() {
    let (upstream, home) = installed(ORDERS).await;
    ok(&home, &["mirror", "add", "other/left"]).await;
    ok(&home, &["mirror", "apply"]).await;
    let by_hand = home.run(&["mirror", "add", "acme/two", "--revision", "v1"]).await;
    assert!(!by_hand.success && by_hand.stderr.contains("belongs to the mirrors file"), "{by_hand:?}");
    let by_hand = home.run(&["mirror", "remove", "acme/two"]).await;
    assert!(!by_hand.success && by_hand.stderr.contains("acervo mirror apply"), "{by_hand:?}");

    // A glob finds something new, another order goes, one has other rules, and one asks for what was added by hand.
    upstream.add(RepoFixture::model("acme/three").file("a.txt", "three"));
    upstream.remove("acme/two");
    ok(&home, &["user", "create", "ana"]).await;
    let before = told(&home).await.len();
    write(
        &home,
        "[mirror.models]\nrepos = ['acme/*', 'other/left']\nexcept = ['acme/*-GGUF']\nvisibility = 'private'\nreaders = ['ana']\n",
    );
    let (plan, code) = json(&home, &["mirror", "plan"]).await;
    assert_eq!(code, Some(1), "{plan}");
    let (applied, code) = json(&home, &["mirror", "apply"]).await;
    assert_eq!((code, steps(&plan)), (Some(1), steps(&applied)), "what is refused is an error, the rest is done");
    assert_eq!(
        steps(&applied),
        [
            "change order models",
            "remove order rows",
            "change model acme/one",
            "add model acme/three",
            "keep model acme/two",
            "remove dataset acme/rows"
        ]
    );
    assert_eq!(applied["refused"][0]["repo"], "other/left");
    assert!(applied["refused"][0]["reason"].as_str().unwrap().contains("acervo mirror remove other/left"));
    let news = told(&home).await.split_off(before);
    for event in [
        "order.changed models",
        "order.removed rows",
        "mirror.changed acme/one",
        "mirror.added acme/three",
        "mirror.removed acme/rows",
    ] {
        assert!(news.iter().any(|told| told == event), "{event}: {news:?}");
    }
    assert_eq!(news.len(), 5, "{news:?}");
    let (one, _) = json(&home, &["mirror", "show", "acme/one"]).await;
    assert_eq!((&one["visibility"], &one["rules"]["selection"]["presets"]), (&"private".into(), &Value::Null), "{one}");
    let (left, _) = json(&home, &["mirror", "show", "other/left"]).await;
    assert_eq!((&left["managed_by"], &left["visibility"]), (&"api".into(), &"public".into()));
    let hub = home.hub().await;
    let ana = acervo_store::db::principals::by_name(hub.db().reader(), "ana").await.unwrap().unwrap();
    let grants = acervo_store::db::principals::grants(hub.db().reader(), ana.id).await.unwrap();
    let on_repos = grants.iter().filter(|grant| matches!(grant.scope, acervo_core::access::Scope::Repo(_))).count();
    assert_eq!(on_repos, 2, "{grants:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_had_is_refused_by_name_and_costs_nothing_else() {
    let orders = r#"
        [mirror.large]
        repos = ["acme/one"]
        file_bytes_max = "45 kB"
        [mirror.absent]
        repos = ["acme/absent", "acme/two"]
        [mirror.stranger]
        repos = ["acme/two-GGUF"]
        readers = ["nobody-here"]
        [mirror.nowhere]
        repos = ["acme/*"]
        upstreams = ["http://127.0.0.1:9"]
    "#;
    let (_upstream, home) = installed(orders).await;

    let (plan, code) = json(&home, &["mirror", "plan"]).await;

    assert_eq!(code, Some(1));
    let refused: Vec<(&str, &str)> = plan["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refusal| (refusal["order"].as_str().unwrap(), refusal["reason"].as_str().unwrap()))
        .collect();
    let said = |order: &str, text: &str| {
        assert!(refused.iter().any(|(of, why)| *of == order && why.contains(text)), "{order}: {text}: {refused:?}");
    };
    said("large", "`model.safetensors` of `acme/one` has 50000 bytes");
    said("absent", "acme/absent");
    said("stranger", "acervo user create nobody-here");
    said("nowhere", "127.0.0.1:9");
    assert_eq!(plan["totals"]["files_to_fetch"], 2, "what `acme/two` has: {plan}");

    let applied = home.run(&["mirror", "apply"]).await;
    assert_eq!(applied.code, Some(1), "{applied:?}");
    assert!(applied.stderr.contains("order `stranger`"), "{applied:?}");
    assert!(ok(&home, &["sync", "acme/two"]).await.success);
    let large = home.run(&["sync", "acme/one"]).await;
    assert!(!large.success && large.stderr.contains("raise `file_bytes_max`"), "{large:?}");
    write(&home, "[mirror.x]\nrepos = ['acme/one']\nshedule = '0 3 * * *'\n");
    let mistyped = home.run(&["mirror", "plan"]).await;
    assert!(
        mistyped.stderr.contains("`mirrors.toml`, line 3, column 1: unknown key `shedule`; did you mean `schedule`?"),
        "{mistyped:?}"
    );
}
