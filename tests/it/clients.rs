//! Every stock client against a hub that mirrors a fake upstream: one list of cases, one test a client.

mod browser;
mod libraries;
mod lists;
mod real_model;

use std::path::Path;

use acervo_tests::clients::matrix;
use acervo_tests::clients::run::Client;
use acervo_tests::clients::table::Table;
use acervo_tests::clients::world::{self, World};

/// Puts one client through all of its cases on the ordinary scenes.
async fn passes_its_cases(client: &str) {
    let cases = Table::load().runs(client, &world::SCENES);
    assert!(cases.len() > 10, "{client} runs only {} cases", cases.len());
    let world = World::start().await.unwrap();
    let failures = Client::named(client).run(world.hub().url(), &world.scenes(), &cases).await;
    assert!(failures.is_empty(), "{client} failed:\n\n{}", failures.join("\n\n"));
    assert_eq!(world.upstream().leaked_tokens(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn huggingface_hub_0_36_passes_every_case() {
    passes_its_cases("python-0.36").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn huggingface_hub_1_33_passes_every_case() {
    passes_its_cases("python-1.33").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn huggingface_hub_2_4_passes_every_case() {
    passes_its_cases("python-2.4").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hf_hub_0_5_sync_passes_every_case() {
    passes_its_cases("rust-0.5-sync").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hf_hub_0_5_tokio_passes_every_case() {
    passes_its_cases("rust-0.5-tokio").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hf_hub_1_0_passes_every_case() {
    passes_its_cases("rust-1.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn huggingface_hub_for_javascript_passes_every_case() {
    passes_its_cases("js-2.17").await;
}

#[tokio::test]
async fn every_case_is_run_by_every_client_or_explained() {
    let table = Table::load();
    let mut wrong = Vec::new();
    for client in &table.clients {
        let has = Client::named(&client.id).cases().await;
        for name in &has {
            if !table.cases.iter().any(|case| case.name == *name) {
                wrong.push(format!("{} has `{name}`, which the table does not know", client.id));
            }
        }
        for case in &table.cases {
            if case.reason(&client.id).is_none() && !has.contains(&case.name) {
                wrong.push(format!("{} neither has {} nor is it explained", client.id, case.label()));
            }
        }
        // Explained everywhere though the program has it: the explanation is out of date, or nobody's.
        for name in &has {
            let rows: Vec<_> = table.cases.iter().filter(|case| case.name == *name).collect();
            let explained = |case: &&acervo_tests::clients::table::Case| case.reason(&client.id).is_some();
            let by_nobody = rows.iter().all(|case| table.clients.iter().all(|other| case.reason(&other.id).is_some()));
            if !rows.is_empty() && rows.iter().all(explained) && !by_nobody {
                wrong.push(format!("{} has `{name}`, and the table explains why it has not", client.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_scene_of_the_table_is_staged_by_a_test() {
    let table = Table::load();
    let elsewhere = ["catalog", "demo", "demo-dataset", "model", "tables", "templates"];
    for case in &table.cases {
        let scene = case.scene.as_str();
        assert!(world::SCENES.contains(&scene) || elsewhere.contains(&scene), "nobody stages `{scene}`");
    }
}

#[test]
fn the_page_on_compatibility_shows_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/hub-compat.md");
    let page = std::fs::read_to_string(path).unwrap();
    let table = Table::load();
    assert!(page == matrix::put_into(&page, &table), "the matrix should be:\n\n{}", matrix::markdown(&table));
}
