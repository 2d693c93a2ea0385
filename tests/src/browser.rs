//! A real browser that reaches this machine only: scripts of `tests/clients/browser`, and what the browser did in them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;

/// What a script found, and the record of the browser.
#[derive(Clone, Debug, Deserialize)]
pub struct Visit {
    /// What the script returned.
    pub found: Value,
    /// Every request of every page, in order.
    pub requests: Vec<Asked>,
    /// Errors and warnings of the console, uncaught exceptions, requests that failed.
    pub complaints: Vec<String>,
}

/// A request that a page made.
#[derive(Clone, Debug, Deserialize)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The whole address.
    pub url: String,
    /// What it was for: `document`, `script`, `fetch` and so on.
    #[serde(rename = "type")]
    pub purpose: String,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
}

impl Visit {
    /// Fails unless every request went to `origin`, or to nobody (`data:` and `blob:`), and nothing was complained of.
    pub fn assert_stayed_at(&self, origin: &str) {
        let at_origin = |url: &str| url == origin || url.starts_with(&format!("{origin}/"));
        let to_nobody = |url: &str| url.starts_with("data:") || url.starts_with("blob:");
        let elsewhere: Vec<&Asked> =
            self.requests.iter().filter(|asked| !at_origin(&asked.url) && !to_nobody(&asked.url)).collect();
        assert!(elsewhere.is_empty(), "the page asked others than {origin}: {elsewhere:#?}");
        assert!(self.requests.iter().any(|asked| at_origin(&asked.url)), "nothing was asked of {origin}");
        assert!(self.complaints.is_empty(), "the browser complained: {:#?}", self.complaints);
    }
}

/// Runs a script with its task; panics with what it said if it fails.
pub async fn visit(script: &str, task: &Value) -> Visit {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/browser").join(script);
    let mut command = Command::new("node");
    for variable in ["ACERVO_TEST_BROWSER", "ACERVO_TEST_CHROMIUM"] {
        let value = std::env::var_os(variable).map(PathBuf::from);
        command.env(variable, value.unwrap_or_else(|| panic!("{variable} is not set; run the tests with `tests/run`")));
    }
    // Proxies of the machine are not for this machine.
    for variable in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(variable);
    }
    command.arg(&path).arg(task.to_string()).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.expect("node runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} failed, {}:\n{complaint}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{script} printed no record: {error}\n{}\n{complaint}", String::from_utf8_lossy(&output.stdout))
    })
}
