//! Tokens stay between the client and this hub: no log, no output and no file holds one.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use acervo_tests::binary;
use reqwest::Client;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::FOREIGN;

/// For starting and stopping, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the hub as an operator does, with its output in two files; it is up when this returns.
async fn serve(folder: &Path, url: &str) -> Child {
    let output = |name: &str| Stdio::from(File::create(folder.join(name)).unwrap());
    let mut command = binary::command(folder);
    let bind = url.strip_prefix("http://").unwrap();
    command.args(["serve", "--bind", bind, "--set", "log.format=json", "--set", "log.filter=trace"]);
    command.stdin(Stdio::null()).stdout(output("stdout")).stderr(output("stderr"));
    let mut child = Command::from(command).kill_on_drop(true).spawn().unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    let up = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while client.get(format!("{url}/healthz")).send().await.is_err() {
            assert_eq!(child.try_wait().unwrap(), None, "{}", std::fs::read_to_string(folder.join("stderr")).unwrap());
            ticks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, up).await.expect("the hub starts");
    child
}

/// Asks it to end, and waits for that.
async fn terminate(mut child: Child) -> Option<i32> {
    let id = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    tokio::time::timeout(PATIENCE, child.wait()).await.expect("the hub stops").unwrap().code()
}

fn new_token(folder: &Path, name: &str) -> String {
    let ran = binary::run(folder, &["token", "create", "--role", "reader", "--name", name, "--quiet"]);
    assert!(ran.success, "{ran:?}");
    ran.stdout.trim().to_owned()
}

/// Every file below a folder with its bytes.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_and_no_file_holds_a_token_and_a_signal_ends_it_well() {
    let folder = TempDir::new().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let child = serve(folder.path(), &url).await;
    let first_output = std::fs::read_to_string(folder.path().join("stdout")).unwrap();
    let admin = first_output.split_whitespace().find(|word| word.starts_with("hf_")).unwrap().to_owned();
    let (good, revoked) = (new_token(folder.path(), "good"), new_token(folder.path(), "revoked"));
    assert!(binary::run(folder.path(), &["token", "revoke", "revoked"]).success);
    let mistyped = format!("{}{}", &good[..good.len() - 1], if good.ends_with('0') { '1' } else { '0' });
    let tokens = [admin.as_str(), good.as_str(), revoked.as_str(), mistyped.as_str(), FOREIGN];

    let client = Client::builder().no_proxy().build().unwrap();
    for token in tokens {
        let is_bad = token == revoked || token == mistyped;
        for path in ["/api/whoami-v2", "/acme/x/resolve/main/a", "/api/models/acme/x", "/api/models", "/"] {
            let requests = [
                client.get(format!("{url}{path}")).bearer_auth(token),
                client.head(format!("{url}{path}")).bearer_auth(token),
                client.get(format!("{url}{path}")).basic_auth("git", Some(token)),
            ];
            for request in requests {
                let status = request.send().await.unwrap().status().as_u16();
                assert!(
                    if is_bad { status == 401 } else { status < 500 },
                    "{path}: {status} for {token} of {tokens:?}"
                );
            }
            client.get(format!("{url}{path}")).header("authorization", format!("Weird {token}")).send().await.unwrap();
            // Where no token belongs, people put them all the same.
            for misplaced in [format!("{url}{path}?token={token}&access_token={token}"), format!("{url}/{token}{path}")]
            {
                client.get(misplaced).header("cookie", format!("token={token}")).send().await.unwrap();
            }
        }
    }
    let whoami = client.get(format!("{url}/api/whoami-v2")).bearer_auth(&admin).send().await.unwrap();
    assert!(whoami.text().await.unwrap().contains("\"admin\""));

    assert_eq!(terminate(child).await, Some(0));
    assert!(client.get(format!("{url}/healthz")).send().await.is_err());

    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let (stdout, stderr) = (read("stdout"), read("stderr"));
    assert!(stderr.contains("\"TRACE\"") && stderr.contains("answered a request"), "all is logged: {stderr:.2000}");
    for line in stderr.lines().filter(|line| line.contains("answered a request")) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["http.route"].is_string() && line["http.status"].is_number(), "{line}");
    }
    assert_eq!(stdout.matches(&admin).count(), 1, "the first token is shown once");
    for token in tokens {
        assert!(token == admin || !stdout.contains(token), "{stdout}");
        let told: Vec<&str> = stderr.lines().filter(|line| line.contains(token)).collect();
        assert!(told.is_empty(), "{} lines hold a token; the first: {:.1000}", told.len(), told[0]);
    }
    let mut kept = Vec::new();
    files(&folder.path().join("data"), &mut kept);
    assert!(!kept.is_empty());
    for (path, bytes) in kept {
        assert!(!tokens.iter().any(|token| holds(&bytes, token)), "{path} holds a token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_token_is_made_once() {
    let folder = TempDir::new().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    for (start, tokens) in [(1, 1), (2, 0)] {
        let child = serve(folder.path(), &url).await;
        assert_eq!(terminate(child).await, Some(0));
        let stdout = std::fs::read_to_string(folder.path().join("stdout")).unwrap();
        assert_eq!(stdout.matches("hf_").count(), tokens, "start {start}: {stdout}");
        assert!(stdout.contains(&format!("serving {url}")), "{stdout}");
    }
}
