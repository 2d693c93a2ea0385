//! Two hubs, two workers on one installation, and what they asked at which time of a clock that the test sets.

use std::collections::BTreeSet;

use acervo::app::orders::{self, Steps};
use acervo::app::sync::Progress;
use acervo::app::{events, schedule, webhooks};
use acervo::context::Hub;
use acervo::hooks::{HookConfig, HookUrl};
use acervo_core::{Caller, RepoKind, Secret, Timestamp};
use acervo_store::db::events::after;
use acervo_store::db::webhooks as rows;
use acervo_tests::fake_upstream::{FakeUpstream, Recorded};
use acervo_tests::fixture::{Kind, RepoFixture};
use acervo_tests::receiver::Receiver;
use acervo_tests::test_hub::TestHub;
use serde_json::Value;

use super::super::{drain, set_clock, time};

/// Nights that are played.
pub(crate) const NIGHTS: i64 = 30;

/// What may be asked in five minutes of each hub.
pub(crate) const REQUESTS_PER_WINDOW: u64 = 40;
pub(crate) const RESOLVES_PER_WINDOW: u64 = 30;

/// Events that a webhook is sent.
pub(crate) const HOOKED: [&str; 2] = ["upstream.*", "sync.failed"];

/// Midnight of the first night in UTC; the clocks of Berlin are set forward on the last but three.
const START: &str = "2027-03-01T00:00:00Z";

/// Five minutes: a step, and a window of the budgets.
const STEP_SECONDS: i64 = 300;

/// Steps of a night: from before the schedules are due, also in summer, until everything that can be done was done.
const STEPS: std::ops::Range<i64> = 5..50;

/// What was asked in a step.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) at: Timestamp,
    pub(crate) main: Vec<Recorded>,
    pub(crate) partner: Vec<Recorded>,
}

/// The installation and its upstreams.
pub(crate) struct Site {
    pub(crate) main: FakeUpstream,
    pub(crate) partner: FakeUpstream,
    /// Who is told what happens upstream.
    pub(crate) receiver: Receiver,
    hub: TestHub,
    other: Hub,
    pub(crate) log: Vec<Step>,
    /// Commits that must be held in the end.
    pub(crate) wanted: BTreeSet<(RepoKind, String, String)>,
    steps: Steps,
}

impl Site {
    pub(crate) async fn start(repos: Vec<RepoFixture>, partners: Vec<RepoFixture>) -> Site {
        let main = FakeUpstream::start(repos).await.unwrap();
        let partner = FakeUpstream::start(partners).await.unwrap();
        let receiver = Receiver::start().await;
        let limits = |config: &mut acervo::config::Config| {
            config.upstream.requests_per_window = REQUESTS_PER_WINDOW;
            config.upstream.resolves_per_window = RESOLVES_PER_WINDOW;
            config.upstream.window_seconds = STEP_SECONDS.unsigned_abs();
            config.webhook_delivery.allowed_private_hosts = vec!["127.0.0.1".to_owned()];
            config.webhooks = vec![HookConfig {
                name: "month".to_owned(),
                url: HookUrl::try_from(receiver.url("/hook")).unwrap(),
                secret: Some(Secret::new("a text of no great length")),
                secret_file: None,
                events: HOOKED.iter().map(|kind| kind.parse().unwrap()).collect(),
            }];
        };
        let hub = TestHub::with(&main.endpoint(), limits).await;
        let mut config = hub.config_of_another(&main.endpoint());
        limits(&mut config);
        let other = Hub::open(config).await.unwrap();
        let (log, wanted, steps) = (Vec::new(), BTreeSet::new(), Steps::default());
        webhooks::take_over(&other).await.unwrap();
        Site { main, partner, receiver, hub, other, log, wanted, steps }
    }

    pub(crate) fn hub(&self) -> &Hub {
        self.hub.hub()
    }

    /// Applies a mirrors file on the day before the first night.
    pub(crate) async fn apply(&mut self, text: &str) {
        self.set_clocks(start().plus_seconds(-12 * 3600));
        let text = text.replace("PARTNER", &self.partner.endpoint());
        let orders = orders::read(&Caller::System, &text).unwrap();
        self.steps = orders::apply(self.hub(), &Caller::System, &orders, &Progress::default()).await.unwrap();
        assert!(self.steps.refused.is_empty(), "{:?}", self.steps.refused);
        self.main.clear_log();
        self.partner.clear_log();
    }

    pub(crate) fn steps(&self) -> &Steps {
        &self.steps
    }

    /// Plays a night with both workers.
    pub(crate) async fn night(&mut self, night: i64) {
        for step in STEPS {
            let at = start().plus_seconds(night * 24 * 3600 + step * STEP_SECONDS);
            self.set_clocks(at);
            let (here, there) = tokio::join!(schedule::queue_due(self.hub()), schedule::queue_due(&self.other));
            here.unwrap();
            there.unwrap();
            tokio::join!(drain(self.hub()), drain(&self.other));
            tokio::join!(tell(self.hub()), tell(&self.other));
            let (main, partner) = (self.main.requests(), self.partner.requests());
            self.main.clear_log();
            self.partner.clear_log();
            self.log.push(Step { at, main, partner });
        }
    }

    fn set_clocks(&self, at: Timestamp) {
        for hub in [self.hub(), &self.other] {
            set_clock(hub, at);
        }
    }

    /// All events in their order.
    pub(crate) async fn events(&self) -> Vec<Value> {
        events::number_waiting(self.hub()).await.unwrap();
        let rows = after(self.hub().db().reader(), 0, 100_000).await.unwrap();
        rows.iter().map(|event| serde_json::from_slice(&event.body).unwrap()).collect()
    }

    /// Numbers of the events that the webhook is sent.
    pub(crate) async fn hooked(&self) -> BTreeSet<i64> {
        let rows = after(self.hub().db().reader(), 0, 100_000).await.unwrap();
        let hooked = |kind: &str| kind == "sync.failed" || kind.starts_with("upstream.");
        rows.iter().filter(|event| hooked(&event.kind)).map(|event| event.seq).collect()
    }

    /// How many deliveries have not come to their end.
    pub(crate) async fn undelivered(&self) -> usize {
        let filter = rows::Filter { limit: 1000, ..rows::Filter::default() };
        let listed = rows::listed(self.hub().db().reader(), &filter).await.unwrap();
        listed.iter().filter(|listed| listed.delivery.state != rows::State::Delivered).count()
    }

    /// Notes that a commit must be held in the end.
    pub(crate) fn want_commit(&mut self, kind: Kind, name: &str, commit: String) {
        let kind = if kind == Kind::Dataset { RepoKind::Dataset } else { RepoKind::Model };
        self.wanted.insert((kind, name.to_owned(), commit));
    }

    pub(crate) async fn get(&self, path: &str) -> Vec<u8> {
        let answer = self.hub.get(path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.bytes().await.unwrap().to_vec()
    }
}

/// When the first night begins.
pub(crate) fn start() -> Timestamp {
    time(START)
}

/// Sends what there is to be told.
async fn tell(hub: &Hub) {
    events::number_waiting(hub).await.unwrap();
    webhooks::take_over(hub).await.unwrap();
    webhooks::deliver_due(hub).await.unwrap();
}
