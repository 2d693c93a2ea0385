//! Requests that schemathesis makes up from the document, good ones and bad ones: no answer but those described.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use acervo::app::events;
use acervo::http::router::ROUTES;
use acervo_core::Role;
use acervo_store::db::events as event_rows;
use acervo_tests::test_hub::TestHub;
use tempfile::TempDir;
use tokio::process::Command;

use super::seeded;
use crate::serve::get;

/// The program, beside the interpreter of its environment; an absent one fails the run.
fn program() -> PathBuf {
    let python = std::env::var_os("ACERVO_TEST_SCHEMATHESIS").map(PathBuf::from);
    let python = python.expect("ACERVO_TEST_SCHEMATHESIS is not set; run the tests with `tests/run`");
    python.with_file_name("st")
}

/// Makes up requests with a token, and fails with all that was wrong with the answers.
async fn assert_answers_are_described(hub: &TestHub, token: Option<&str>, more: &[&str]) {
    let folder = TempDir::with_prefix("acervo-described-").unwrap();
    let mut command = Command::new(program());
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/openapi/schemathesis.toml");
    command.arg("--config-file").arg(config).arg("run").arg(format!("{}/openapi.json", hub.url()));
    // One worker: Python 3.11 sometimes loses count when two threads parse sources at once. A HEAD is answered as the GET
    // beside it is; that they agree is tested elsewhere.
    command.args(["--no-color", "--continue-on-failure", "--workers", "1", "--exclude-method", "HEAD"]).args(more);
    if let Some(token) = token {
        command.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    command.current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.expect("schemathesis runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}\n{complained}", output.status);
    let metrics = get(hub, "/metrics").await;
    let failed: Vec<&str> = metrics.text().lines().filter(|line| line.contains("status=\"5")).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// How many events were told so far: whatever changes something tells one.
async fn events_told(hub: &TestHub) -> usize {
    events::number_waiting(hub.hub()).await.unwrap();
    event_rows::after(hub.hub().db().reader(), 0, 10_000).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_nobody_in_particular_asks_gets_an_answer_that_is_described() {
    let hub = seeded().await;
    let before = events_told(&hub).await;
    let less = ["--phases", "examples,fuzzing", "--max-examples", "5"];
    assert_answers_are_described(&hub, None, &less).await;
    assert_eq!(events_told(&hub).await, before, "a stranger has changed something");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_reader_asks_gets_an_answer_that_is_described() {
    let hub = seeded().await;
    let reader = hub.token("reader", Role::Reader).await;
    let less = ["--phases", "examples,fuzzing", "--max-examples", "5"];
    assert_answers_are_described(&hub, Some(&reader), &less).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_an_administrator_asks_gets_an_answer_that_is_described() {
    let hub = seeded().await;
    let admin = hub.token("admin", Role::Admin).await;
    assert_answers_are_described(&hub, Some(&admin), &["--max-examples", "5"]).await;
    // It got everywhere: good answers of all routes that have any.
    let metrics = get(&hub, "/metrics").await;
    let reached = |route: &str| {
        let label = format!("route=\"{route}\",status=\"200\"");
        metrics.text().lines().any(|line| line.contains(&label))
    };
    let missed: BTreeSet<&str> = ROUTES.iter().map(|line| line.pattern).filter(|route| !reached(route)).collect();
    // Need a commit id and a collection's that no document knows, a user who asks or is let in, a delivery, a HEAD, a job,
    // a request, and a mirror.
    let hard = [
        "/api/resolve-cache/{plural}/{repo}/{commit}/{rest}",
        "/api/collections/{rest}",
        "/api/{plural}/{repo}/user-access-request/grant",
        "/api/{plural}/{repo}/user-access-request/handle",
        "/api/telemetry/{rest}",
        "/api/webhooks/deliveries/{id}/retry",
        "/api/mirrors/jobs/{id}",
        "/api/mirrors/jobs/{id}/events",
        "/api/mirrors/jobs/{id}/cancel",
        "/api/mirrors/jobs/{id}/pause",
        "/api/mirrors/jobs/{id}/resume",
        "/api/mirrors/jobs/{id}/retry",
        "/api/mirrors/requests/{id}/accept",
        "/api/mirrors/requests/{id}/decline",
        "/api/mirrors/{plural}/{repo}/sync",
        "/api/mirrors/{plural}/{repo}/pause",
        "/api/mirrors/{plural}/{repo}/resume",
    ];
    let missed: Vec<&str> = missed.into_iter().filter(|route| !hard.contains(route)).collect();
    assert!(missed.is_empty(), "no request got to {missed:?}");
}
