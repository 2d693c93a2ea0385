//! The stock Python clients, run as separate processes from `tests/clients/python`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

/// The interpreter of the environment that `tests/run` makes; an absent one fails the run.
fn interpreter() -> PathBuf {
    let path = std::env::var_os("ACERVO_TEST_PYTHON");
    PathBuf::from(path.expect("ACERVO_TEST_PYTHON is not set; run the tests with `tests/run`"))
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/python/cases.py")
}

/// Names of all cases.
pub async fn cases() -> Vec<String> {
    let output = Command::new(interpreter()).arg(script()).arg("--list").output().await.expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// Runs one case against the hub at `endpoint`; `Err` is what it said.
pub async fn run(case: &str, endpoint: &str, expect: &Value) -> Result<(), String> {
    let home = TempDir::with_prefix("acervo-client-").expect("a temporary folder");
    let expect_path = home.path().join("expect.json");
    std::fs::write(&expect_path, expect.to_string()).expect("the expectation is written");
    let output = Command::new(interpreter())
        .arg(script())
        .arg(case)
        .env("HF_ENDPOINT", endpoint)
        .env("HF_HOME", home.path().join("hf"))
        .env("EXPECT", &expect_path)
        .env_remove("HF_TOKEN")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("python runs");
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && said.lines().any(|line| line == format!("ok {case}")) {
        return Ok(());
    }
    Err(format!("{case}: {}\n{said}{}", output.status, String::from_utf8_lossy(&output.stderr)))
}
