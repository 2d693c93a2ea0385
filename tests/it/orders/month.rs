//! A month of nights over forty mirrors, with two workers and a clock that the test sets.

mod script;
mod site;

use std::collections::{BTreeMap, BTreeSet};

use acervo_core::{CommitOid, RepoKind};
use acervo_store::db::commits::{self, State};
use acervo_store::db::{mirrors, repos};
use acervo_tests::fake_upstream::Origin;
use serde_json::{Value, json};

use self::site::{NIGHTS, REQUESTS_PER_WINDOW, RESOLVES_PER_WINDOW, Site};

/// Hundredths of a window that schedules may take part in.
const BACKGROUND_PERCENT: usize = 80;

#[tokio::test(flavor = "multi_thread")]
async fn a_month_of_nights_keeps_forty_repositories_and_tells_what_happened() {
    let mut site = Site::start(script::repositories(), script::partners()).await;
    site.apply(script::ORDERS).await;
    let (steps, mirrors) = (site.steps(), mirrors::all(site.hub().db().reader()).await.unwrap());
    assert_eq!(mirrors.len(), 40, "{steps:?}");

    for night in 0..NIGHTS {
        script::before(night, &mut site);
        site.night(night).await;
    }

    assert_budgets(&site);
    assert_pauses(&site);
    assert_windows(&site);
    assert_events(&site).await;
    assert_told(&site).await;
    assert_held(&site).await;
}

/// Never more requests in a window than there are to share, and of those that nobody waits for only their part.
fn assert_budgets(site: &Site) {
    for step in &site.log {
        for asked in [&step.main, &step.partner] {
            let resolves =
                asked.iter().filter(|request| request.origin == Origin::Hub && is_resolve(&request.path_and_query));
            let resolves = resolves.count();
            let others = asked.iter().filter(|request| request.origin == Origin::Hub).count() - resolves;
            let most = |all: u64| usize::try_from(all).unwrap() * BACKGROUND_PERCENT / 100;
            assert!(others <= most(REQUESTS_PER_WINDOW), "{} requests at {}", others, step.at);
            assert!(resolves <= most(RESOLVES_PER_WINDOW), "{} resolves at {}", resolves, step.at);
        }
    }
    let busiest = site.log.iter().map(|step| step.main.len()).max();
    assert!(busiest >= Some(25), "the budget was never near its end: {busiest:?}");
}

fn is_resolve(path: &str) -> bool {
    path.contains("/resolve/")
}

/// After a 429 nobody asks until the time that it named: not this worker, not the other, not for another repository.
fn assert_pauses(site: &Site) {
    let mut refused = 0;
    for (index, step) in site.log.iter().enumerate() {
        // Both workers may be refused before either has told the other.
        let refusals = step.main.iter().filter(|request| request.status == 429).count();
        if refusals == 0 {
            continue;
        }
        refused += refusals;
        let until = step.at.plus_seconds(script::PAUSE_SECONDS);
        let during: Vec<_> = site.log[index + 1..].iter().take_while(|later| later.at < until).collect();
        assert!(!during.is_empty());
        for later in during {
            assert!(later.main.is_empty(), "asked at {} although held until {until}: {:?}", later.at, later.main);
        }
    }
    assert_eq!(refused, script::STORMS, "requests that were refused");
}

/// Bytes of what has windows move only while one is open.
fn assert_windows(site: &Site) {
    let mut fetched = 0;
    for step in &site.log {
        let bytes = step
            .main
            .iter()
            .filter(|request| request.path_and_query.contains("/datasets/lab/") && is_resolve(&request.path_and_query))
            .count();
        if bytes > 0 {
            fetched += bytes;
            assert!(script::is_window_open(step.at), "bytes of data sets moved at {}", step.at);
        }
    }
    assert!(fetched > 0);
}

async fn assert_events(site: &Site) {
    let events = site.events().await;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &events {
        *counts.entry(event["kind"].as_str().unwrap()).or_default() += 1;
    }
    let counts: BTreeMap<&str, usize> = counts
        .into_iter()
        .filter(|(kind, _)| kind.starts_with("upstream.") || kind.starts_with("sync.") || kind.starts_with("mirror."))
        .collect();
    assert_eq!(counts, script::counts(), "{events:#?}");
    for (kind, subject, before, after) in script::changes(site) {
        let found = events.iter().find(|event| event["kind"] == kind && event["subject"] == subject);
        let found = found.unwrap_or_else(|| panic!("no {kind} of {subject}"));
        assert_part(&before, &found["details"]["before"], found);
        assert_part(&after, &found["details"]["after"], found);
    }
}

/// Every event of the webhook's kinds has arrived, and those that were refused at first once more under the same id.
async fn assert_told(site: &Site) {
    let sequence = |event: &Value| event["sequence"].as_i64().unwrap();
    let (mut arrived, mut attempts) = (BTreeMap::new(), 0);
    for received in site.receiver.received() {
        attempts += 1;
        let event = received.event();
        let ids = arrived.entry(sequence(&event)).or_insert_with(BTreeSet::new);
        ids.insert(received.id().to_owned());
    }
    assert!(arrived.values().all(|ids| ids.len() == 1), "one id for each event: {arrived:?}");
    let wanted: BTreeSet<i64> = site.hooked().await;
    assert_eq!(arrived.keys().copied().collect::<BTreeSet<_>>(), wanted);
    assert_eq!(attempts, wanted.len() + script::REFUSED, "attempts");
    assert_eq!(site.undelivered().await, 0);
}

/// Whether a value has what is expected of it; further fields may stand beside.
fn assert_part(expected: &Value, found: &Value, event: &Value) {
    match expected {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| assert_part(value, &found[name], event)),
        other => assert_eq!(other, found, "{event:#}"),
    }
}

/// Every commit that a branch had on any night is held, and what is served now is what upstream has.
async fn assert_held(site: &Site) {
    let db = site.hub().db().reader();
    for (kind, name, commit) in &site.wanted {
        let repo = repos::by_name(db, *kind, &name.to_ascii_lowercase()).await.unwrap();
        let repo = repo.unwrap_or_else(|| panic!("{name} is not here"));
        let oid: CommitOid = commit.parse().unwrap();
        let held = commits::by_oid(db, repo.id, oid).await.unwrap();
        assert_eq!(held.map(|held| held.state), Some(State::Visible), "{name} at {commit}");
    }
    assert_eq!(site.wanted.len(), 46);
    for (kind, name, path, sha256) in script::contents(site) {
        let prefix = if kind == RepoKind::Dataset { "datasets/" } else { "" };
        let answer = site.get(&format!("/{prefix}{name}/resolve/main/{path}")).await;
        assert_eq!(hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&answer)), sha256, "{name}/{path}");
    }
    let old = site.get(&format!("/beta/r2/resolve/{}/model.safetensors", script::rewritten(site))).await;
    assert!(!old.is_empty(), "what was rewritten upstream is still served by its id");
}

/// What a change of a card's licence looks like.
pub(super) fn card(license: &str) -> Value {
    json!({ "license": license })
}
