//! How the program of a client is run, and what it says.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use futures::{StreamExt, stream};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::table::Case;
use crate::binary;
use crate::fault_proxy::{Direction, FaultProxy};

/// Processes of one client at the same time.
const PROCESSES: usize = 3;

/// How often a link is cut before it holds.
const CUTS: u32 = 2;

/// Bytes that pass before each cut: more than the 10 MiB that huggingface_hub writes at a time, since it goes on from what
/// it has written.
const PASSED_BYTES: u64 = 12 * 1024 * 1024;

/// A client as it is installed here.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its name in the table.
    pub id: String,
    program: PathBuf,
    leading: Vec<PathBuf>,
}

/// A folder or program that `tests/run` makes; an absent one fails the run.
fn installed(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable);
    PathBuf::from(path.unwrap_or_else(|| panic!("{variable} is not set; run the tests with `tests/run`")))
}

fn script(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(path)
}

impl Client {
    /// The client of this name.
    pub fn named(id: &str) -> Client {
        let python = |variable| (installed(variable), vec![script("python/cases.py")]);
        let (program, leading) = match id {
            "python-2.4" => python("ACERVO_TEST_PYTHON"),
            "python-1.33" => python("ACERVO_TEST_PYTHON_1_33"),
            "python-0.36" => python("ACERVO_TEST_PYTHON_0_36"),
            "js-2.17" => (PathBuf::from("node"), vec![script("js/cases.mjs")]),
            "rust-0.5-sync" => (installed("ACERVO_TEST_BLOCKING_CLIENT"), Vec::new()),
            rust => (binary::named("acervo-test-client"), vec![PathBuf::from(rust)]),
        };
        Client { id: id.to_owned(), program, leading }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.leading).env_remove("HF_TOKEN").stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Names of the cases that its program has.
    pub async fn cases(&self) -> Vec<String> {
        let output = self.command().arg("--list").output().await.expect("the client's program runs");
        assert!(output.status.success(), "{}: {}", self.id, String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// Runs cases against the hub at `endpoint`, by several processes; returns what failed, and how.
    pub async fn run(&self, endpoint: &str, scenes: &Value, cases: &[Case]) -> Vec<String> {
        let (cut, straight): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| case.through_cut);
        let mut groups: Vec<Vec<String>> = vec![Vec::new(); PROCESSES.min(straight.len())];
        for (number, case) in straight.iter().enumerate() {
            groups[number % PROCESSES].push(case.label());
        }
        let runs = groups.iter().map(|labels| self.process(endpoint, scenes, labels));
        let mut failures: Vec<String> = stream::iter(runs).buffer_unordered(PROCESSES).concat().await;
        for case in cut {
            let target = endpoint.trim_start_matches("http://").parse().expect("the hub's address");
            let link = FaultProxy::start(target).expect("a link");
            link.cut_every(Direction::ToClient, PASSED_BYTES, CUTS);
            let through = format!("http://{}", link.address());
            failures.extend(self.process(&through, scenes, &[case.label()]).await);
            let cuts = link.fired().len();
            if cuts != CUTS as usize {
                failures.push(format!("{} {}: the link cut {cuts} answers, not {CUTS}", self.id, case.label()));
            }
        }
        failures
    }

    async fn process(&self, endpoint: &str, scenes: &Value, labels: &[String]) -> Vec<String> {
        let folder = TempDir::with_prefix("acervo-client-").expect("a temporary folder");
        let expect = folder.path().join("expect.json");
        std::fs::write(&expect, scenes.to_string()).expect("the expectation is written");
        let output = self
            .command()
            .args(labels)
            .env("HF_ENDPOINT", endpoint)
            .env("HF_HOME", folder.path().join("hf"))
            .env("EXPECT", &expect)
            .output()
            .await
            .expect("the client's program runs");
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let passed = |label: &&String| said.lines().any(|line| line.strip_prefix("ok ") == Some(label.as_str()));
        let failed: Vec<&String> = labels.iter().filter(|label| !passed(label)).collect();
        if failed.is_empty() && output.status.success() {
            return Vec::new();
        }
        // What a process complained of belongs to all of its cases: they may say nothing by themselves.
        vec![format!("{} {failed:?}, {}:\n{complained}", self.id, output.status)]
    }
}
