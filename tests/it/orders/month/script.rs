//! What happens at the upstreams of the month, and what is to be told of it.

use std::collections::BTreeMap;

use acervo_core::{RepoKind, Timestamp};
use acervo_tests::fake_upstream::{Fault, Origin};
use acervo_tests::fixture::{Gated, Kind, RepoFixture, random_bytes};
use acervo_tests::receiver::Behaviour;
use serde_json::{Value, json};

use super::card;
use super::site::{NIGHTS, Site, start};

/// Pause that a 429 asks for.
pub(super) const PAUSE_SECONDS: i64 = 700;

/// Requests that the hub refuses: two on each of two nights.
pub(super) const STORMS: usize = 4;

/// How often the webhook is refused.
pub(super) const REFUSED: usize = 3;

/// Forty repositories: twenty that a pattern finds, ten and five by id, five at another hub.
pub(super) const ORDERS: &str = r#"
[defaults]
schedule = "30 2 * * *"
time_zone = "Europe/Berlin"
jitter_seconds = 1200

[mirror.acme]
repos = ["acme/*"]

[mirror.beta]
repos = ["beta/r1", "beta/r2", "beta/r3", "beta/r4", "beta/r5", "beta/r6", "beta/r7", "beta/r8", "beta/r9", "beta/r10"]
revisions = ["main", "v*"]
priority = 5

[mirror.data]
type = "dataset"
repos = ["lab/d1", "lab/d2", "lab/d3", "lab/d4", "lab/d5"]
windows = [{ from = "04:00", to = "05:30" }]

[mirror.far]
repos = ["far/x1", "far/x2", "far/x3", "far/x4", "far/x5"]
upstreams = ["PARTNER"]
"#;

/// Whether bytes of data sets may move: from four to half past five in Berlin, where clocks are set forward on the 28th.
pub(super) fn is_window_open(at: Timestamp) -> bool {
    let minutes = (at.as_millis() - start().as_millis()) / 60_000;
    let (day, minute) = (minutes / 1440, minutes % 1440);
    let ahead = if day >= 27 { 120 } else { 60 };
    (240..330).contains(&(minute + ahead))
}

fn model(name: &str, seed: u64) -> RepoFixture {
    RepoFixture::model(name)
        .card(card("mit"))
        .file("config.json", format!("{{\"seed\": {seed}}}"))
        .lfs("model.safetensors", random_bytes(seed, 3000))
}

/// What the main hub has on the first night.
pub(super) fn repositories() -> Vec<RepoFixture> {
    let acme = (1..=20).map(|n| model(&format!("acme/m{n}"), n));
    let beta = (1..=10).map(|n| model(&format!("beta/r{n}"), 100 + n).tag("v1"));
    let data =
        (1..=5).map(|n| RepoFixture::dataset(&format!("lab/d{n}")).lfs("rows.parquet", random_bytes(200 + n, 2000)));
    acme.chain(beta).chain(data).collect()
}

/// What the other hub has.
pub(super) fn partners() -> Vec<RepoFixture> {
    (1..=5).map(|n| model(&format!("far/x{n}"), 300 + n)).collect()
}

/// Does what is to happen before a night, and notes what must be held after it.
pub(super) fn before(night: i64, site: &mut Site) {
    let main = &site.main;
    let push = |address: &str, seed: u64| {
        main.push_commit(address, "more", |c| c.lfs("model.safetensors", random_bytes(seed, 4000)));
    };
    match night {
        2 => {
            push("acme/m3", 1000);
            push("beta/r1", 1001);
        }
        4 => site.main.add(model("acme/new", 50)),
        5 | 12 => site.main.fault(
            Fault::too_many_requests().retry_after(PAUSE_SECONDS.unsigned_abs()).at(Origin::Hub).after(20).times(2),
        ),
        7 => site.main.with_repo("beta/r1", |repo| {
            let head = repo.head();
            repo.set_ref("refs/tags/v1", &head);
        }),
        8 => site.partner.fault(Fault::drop_connection().always()),
        9 => site.receiver.next([
            Behaviour::Answer(500, "busy".to_owned()),
            Behaviour::BreakOff,
            Behaviour::Answer(503, "busy".to_owned()),
        ]),
        10 => site.main.remove("acme/m5"),
        11 => {
            site.partner.push_commit("far/x2", "while away", |c| c.file("config.json", "{}"));
        }
        15 => site.partner.clear_faults(),
        14 => push("beta/r2", 1003),
        16 => site.main.with_repo("beta/r2", |repo| {
            // What was added since is no part of the new history.
            let first = repo.commit_id("v1").unwrap();
            repo.set_ref("refs/heads/again", &first);
            let again = repo.push_commit_on("again", "another history", |c| c.file("aside.txt", "aside"));
            repo.set_ref("refs/heads/main", &again);
            repo.delete_ref("refs/heads/again");
        }),
        18 => site.main.with_repo("beta/r3", |repo| repo.card = Some(card("apache-2.0"))),
        19 => site.main.with_repo("beta/r4", |repo| repo.gated = Gated::Manual),
        20 => site.main.with_repo("beta/r5", |repo| {
            repo.aliases.push("beta/r5".to_owned());
            repo.name = "beta/r5-new".to_owned();
        }),
        21 => site.main.fault(Fault::wrong_sha256().on("beta/r6/model.safetensors")),
        22 => site.main.with_repo("beta/r1", |repo| repo.delete_ref("refs/tags/v1")),
        23 => {
            site.main.push_commit("datasets/lab/d2", "rows", |c| c.lfs("rows.parquet", random_bytes(1002, 2500)));
        }
        24 => site.main.add(model("acme/m5", 5)),
        26 => site.main.with_repo("beta/r7", |repo| repo.disabled = true),
        _ => {}
    }
    note(night, site);
}

/// Heads that the night must bring.
fn note(night: i64, site: &mut Site) {
    let mut heads: Vec<(Kind, String, String)> = Vec::new();
    let mut head = |repo: RepoFixture| heads.push((repo.kind, repo.name.clone(), repo.head()));
    for n in (1..=20).filter(|n| *n != 5 || !(10..24).contains(&night)) {
        head(site.main.repo(&format!("acme/m{n}")));
    }
    for n in (1..=10).filter(|n| *n != 5) {
        head(site.main.repo(&format!("beta/r{n}")));
    }
    (1..=5).for_each(|n| head(site.main.repo(&format!("datasets/lab/d{n}"))));
    if !(8..15).contains(&night) {
        (1..=5).for_each(|n| head(site.partner.repo(&format!("far/x{n}"))));
    }
    if night >= 4 {
        head(site.main.repo("acme/new"));
    }
    for (kind, name, commit) in heads {
        site.want_commit(kind, &name, commit);
    }
}

/// How often what is told in the month.
pub(super) fn counts() -> BTreeMap<&'static str, usize> {
    let nights = usize::try_from(NIGHTS).unwrap();
    BTreeMap::from([
        ("mirror.added", 41),
        // The new one is fetched when it is found, and looked at once more at its own time of that night.
        ("sync.queued", 40 * nights + nights - 4 + 1),
        // A week of five mirrors, what was removed for a fortnight, and what was taken down in the end.
        ("sync.failed", 5 * 7 + 14 + 4),
        ("upstream.unreachable", 5),
        ("upstream.reachable", 5 + 1),
        ("upstream.repo_missing", 1),
        ("upstream.repo_forbidden", 1),
        ("upstream.tag_moved", 1),
        ("upstream.tag_deleted", 1),
        ("upstream.history_rewritten", 1),
        ("upstream.license_changed", 1),
        ("upstream.gate_changed", 1),
        ("upstream.repo_renamed", 1),
        ("upstream.content_changed", 1),
    ])
}

/// Changes with what was before and after.
pub(super) fn changes(site: &Site) -> Vec<(&'static str, &'static str, Value, Value)> {
    let r2 = site.main.repo("beta/r2");
    vec![
        (
            "upstream.tag_moved",
            "beta/r1",
            json!({ "name": "v1" }),
            json!({ "name": "v1", "commit": site.main.repo("beta/r1").head() }),
        ),
        ("upstream.tag_deleted", "beta/r1", json!({ "name": "v1" }), Value::Null),
        (
            "upstream.history_rewritten",
            "beta/r2",
            json!({ "name": "main", "commit": rewritten(site) }),
            json!({ "name": "main", "commit": r2.head(), "whole_log_read": true }),
        ),
        ("upstream.license_changed", "beta/r3", json!("mit"), json!("apache-2.0")),
        ("upstream.gate_changed", "beta/r4", json!(false), json!("manual")),
        ("upstream.repo_renamed", "beta/r5", json!("beta/r5"), json!("beta/r5-new")),
        ("upstream.content_changed", "beta/r6", json!({ "files_changed": 1 }), json!({ "files_changed": 1 })),
        ("upstream.unreachable", "far/x1", json!({ "state": "reachable" }), json!({ "state": "unreachable" })),
        ("upstream.repo_missing", "acme/m5", json!({ "state": "reachable" }), json!({ "state": "missing" })),
        ("upstream.repo_forbidden", "beta/r7", json!({ "state": "reachable" }), json!({ "state": "forbidden" })),
    ]
}

/// The commit that `main` of `beta/r2` had before its history was rewritten.
pub(super) fn rewritten(site: &Site) -> String {
    let repo = site.main.repo("beta/r2");
    let others = [repo.head(), repo.commit_id("v1").unwrap()];
    let known = site.wanted.iter().find(|(_, name, commit)| name == "beta/r2" && !others.contains(commit));
    known.expect("a head between the first and the last").2.clone()
}

/// One large file of each repository with the digest it must have here.
pub(super) fn contents(site: &Site) -> Vec<(RepoKind, String, &'static str, String)> {
    let mut found = Vec::new();
    let mut add = |kind, path: &'static str, repo: RepoFixture| {
        found.push((kind, repo.name.clone(), path, repo.sha256_of(path)));
    };
    (1..=20).for_each(|n| add(RepoKind::Model, "model.safetensors", site.main.repo(&format!("acme/m{n}"))));
    (1..=5).for_each(|n| add(RepoKind::Dataset, "rows.parquet", site.main.repo(&format!("datasets/lab/d{n}"))));
    (1..=5).for_each(|n| add(RepoKind::Model, "model.safetensors", site.partner.repo(&format!("far/x{n}"))));
    found
}
