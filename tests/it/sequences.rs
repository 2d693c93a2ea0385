//! What clients that are too large to install send, replayed byte by byte: methods, raw paths, headers, queries.
//!
//! Each module is one family, named by who sends it; what it asserts is what that client reads from the answer. Real
//! clients that run here are tried in `clients`, and need no replay.

mod browsers;
mod docker;
mod llama_cpp;
mod python;
mod rust;
mod vllm;

use acervo_tests::fixture::{RepoFixture, random_bytes};
use acervo_tests::test_hub::TestHub;
use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::serve::Answer;

/// A client: what it sends with every request.
struct Sender<'a> {
    hub: &'a TestHub,
    headers: Vec<(&'static str, String)>,
}

impl<'a> Sender<'a> {
    fn new(hub: &'a TestHub, headers: &[(&'static str, &str)]) -> Sender<'a> {
        Sender { hub, headers: headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect() }
    }

    /// Sends a request as it is written, escapes and all, and reads the answer to its end.
    async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let address = self.hub.url().strip_prefix("http://").unwrap();
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
        let own = self.headers.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in own.chain(headers.iter().copied()) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str(&format!("\r\n{body}"));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        read(&bytes, &format!("{method} {target}"))
    }

    async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", target, headers, "").await
    }

    async fn head(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("HEAD", target, headers, "").await
    }

    /// GETs JSON that must be there.
    async fn json(&self, target: &str) -> Value {
        let answer = self.get(target, &[]).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        assert!(answer.header("content-type").starts_with("application/json"), "{target}");
        answer.json()
    }
}

fn read(bytes: &[u8], what: &str) -> Answer {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("no answer to {what}"));
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
    }
    assert!(!headers.contains_key("transfer-encoding"), "{what} is not answered with its length");
    for name in headers.keys() {
        assert!(!name.as_str().contains("xet"), "{what} is answered with {name}");
    }
    let link = headers.get("link").map_or("", |link| link.to_str().unwrap());
    assert!(!link.contains("xet"), "{what} is answered with {link}");
    let body = Bytes::copy_from_slice(&bytes[end + 4..]);
    Answer {
        status: status.parse::<u16>().ok().and_then(|code| StatusCode::from_u16(code).ok()).unwrap(),
        headers,
        body,
    }
}

/// A model as such clients load it: weights in two shards, a tokenizer, folders.
fn model() -> RepoFixture {
    RepoFixture::model("acme/modelo")
        .file("README.md", "---\nlicense: mit\n---\n# Modelo\n")
        .file("config.json", "{\"model_type\": \"llama\"}")
        .file("model.safetensors.index.json", "{\"weight_map\": {}}")
        .lfs("model-00001-of-00002.safetensors", random_bytes(1, 300_000))
        .lfs("model-00002-of-00002.safetensors", random_bytes(2, 150_001))
        .lfs("onnx/model.onnx", random_bytes(3, 9_000))
        .file("tokenizer.json", "{}")
        .file("original/a+b c.txt", "odd")
        .with_xet()
        .pull_request(1, "Add a note", |commit| commit.file("sub/note.txt", "note").file("sub/deep/more.txt", "more"))
}

/// The parts of a file by ranges of this size, as downloaders in parallel ask for them, put together again.
async fn in_parts(sender: &Sender<'_>, target: &str, size: u64, part: u64) -> Vec<u8> {
    let mut whole = Vec::new();
    let mut start = 0;
    while start < size {
        let end = (start + part - 1).min(size - 1);
        let answer = sender.get(target, &[("Range", &format!("bytes={start}-{end}"))]).await;
        assert_eq!(answer.status, 206, "{target} from {start}");
        assert_eq!(answer.header("content-range"), format!("bytes {start}-{end}/{size}"));
        assert_eq!(answer.header("content-length"), (end + 1 - start).to_string());
        whole.extend_from_slice(&answer.body);
        start = end + 1;
    }
    whole
}
