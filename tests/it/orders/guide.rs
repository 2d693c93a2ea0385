//! The orders that the guide for operators shows: they can be read and planned.

use std::collections::BTreeSet;

use acervo::app::orders;
use acervo::app::sync::Progress;
use acervo_core::{Caller, Order, RepoKind};
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::RepoFixture;
use acervo_tests::test_hub::TestHub;

/// Every example of a mirrors file.
fn examples() -> Vec<String> {
    let guide = include_str!("../../../docs/operations.md");
    let blocks = guide.split("```toml\n").skip(1).filter_map(|rest| rest.split_once("```"));
    blocks.map(|(block, _)| block.to_owned()).filter(|block| block.contains("[mirror.")).collect()
}

/// What an upstream must have so that each order finds something.
fn wanted(orders: &[Order]) -> Vec<RepoFixture> {
    let mut known = BTreeSet::new();
    let mut repos = Vec::new();
    for order in orders {
        for pattern in &order.repos {
            let name = pattern.as_str().replace('*', "found");
            if known.insert((order.kind, name.clone())) {
                let repo = match order.kind {
                    RepoKind::Model => RepoFixture::model(&name),
                    RepoKind::Dataset => RepoFixture::dataset(&name),
                    RepoKind::Space => RepoFixture::space(&name),
                };
                let repo = repo.file("config.json", "{}").lfs("model-Q4_K_M.gguf", "weights").tag("v1.0");
                repos.push(repo.convert("parquet", "converted", |c| c.lfs("0.parquet", "rows")));
            }
        }
    }
    repos
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_guide_can_be_planned() {
    let examples = examples();
    assert!(examples.len() >= 3, "{}", examples.len());
    for example in examples {
        let orders = orders::read(&Caller::System, &example).unwrap_or_else(|error| panic!("{error}\n{example}"));
        let upstream = FakeUpstream::start(wanted(&orders)).await.unwrap();
        let hub = TestHub::start(&upstream.endpoint()).await;
        for user in orders.iter().flat_map(|order| &order.readers).collect::<BTreeSet<_>>() {
            hub.stranger(user).await;
        }
        let mut here = orders.clone();
        for order in &mut here {
            order.rules.upstreams.iter_mut().for_each(|url| *url = upstream.endpoint());
            order.rules.upstreams.dedup();
        }
        let plan = orders::plan(hub.hub(), &Caller::System, &here, &Progress::default()).await.unwrap();
        assert!(plan.steps.refused.is_empty(), "{:?}\n{example}", plan.steps.refused);
        for order in &orders {
            let mirrors = plan.steps.mirrors.iter().filter(|step| step.order.as_deref() == Some(&order.name));
            let bytes: u64 = mirrors.filter_map(|step| Some(step.sync.as_ref()?.totals.bytes_to_fetch)).sum();
            assert!(bytes > 0, "the order `{}` would fetch nothing\n{example}", order.name);
        }
    }
}
