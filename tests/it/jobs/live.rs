//! Jobs followed live, as server-sent events, from a server that does not work on them.

use acervo::context::Hub;
use acervo::http;
use acervo_core::{Caller, Role};
use acervo_store::db::jobs::State;
use acervo_tests::processes::PATIENCE;
use acervo_tests::test_hub::{TestHub, header};
use reqwest::Response;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{MODEL, arrived, path, stalling};

/// One event as a browser would tell it.
#[derive(Clone, Debug, PartialEq)]
struct Event {
    kind: String,
    id: Option<i64>,
    data: Value,
}

/// A stream of events, read as it comes.
struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    /// The next event; `None` when the stream is closed. Comments are passed over.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(name))?;
                    Some(line.trim_start_matches(": ").to_owned())
                };
                let Some(kind) = field("event") else { continue };
                let data = serde_json::from_str(&field("data").unwrap()).unwrap();
                return Some(Event { kind, id: field("id").map(|id| id.parse().unwrap()), data });
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("the stream is alive");
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()?).unwrap());
        }
    }

    /// Events until the first for which this holds, which is the last of them.
    async fn until(&mut self, mut is_last: impl FnMut(&Event) -> bool) -> Vec<Event> {
        let mut found = Vec::new();
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended early: {found:?}"));
            found.push(event.clone());
            if is_last(&event) {
                return found;
            }
        }
    }
}

/// Another server of the same installation.
struct Second {
    url: String,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

impl Second {
    async fn start(hub: &TestHub, endpoint: &str) -> Second {
        let listener = http::listen("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let other = Hub::open(hub.config_of_another(endpoint)).await.unwrap();
        let shutdown = CancellationToken::new();
        let serving = http::serve(other, listener, shutdown.clone());
        Second { url, shutdown, server: tokio::spawn(async move { serving.await.unwrap() }) }
    }

    async fn follow(&self, path: &str, token: &str, last: Option<i64>) -> Stream {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.get(format!("{}{path}", self.url)).bearer_auth(token);
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let response = request.send().await.unwrap();
        assert_eq!((response.status().as_u16(), header(&response, "content-type")), (200, "text/event-stream"));
        Stream { response, text: String::new() }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_followed_to_its_end_from_another_server() {
    let (upstream, hub, fixture) = stalling().await;
    let mia = hub.token("mia", Role::Maintainer).await;
    let mirror = hub.mirror(MODEL, "acme/big").await;
    let id = acervo::app::sync::enqueue(hub.hub(), &Caller::System, &mirror).await.unwrap();
    let second = Second::start(&hub, &upstream.endpoint()).await;
    let mut stream = second.follow(&path(id, "events"), &mia, None).await;
    let first = stream.next().await.unwrap();
    assert_eq!((first.kind.as_str(), &first.data["state"]), ("progress", &"queued".into()), "how it is, at once");
    let watch = async {
        arrived(&hub, &fixture).await;
        let moving = |event: &Event| event.data["progress"]["bytes_done"].as_u64().is_some_and(|done| done > 0);
        let mut seen = stream.until(moving).await;
        upstream.release_stalled_on("m.bin");
        seen.extend(stream.until(|event| event.kind == "end").await);
        seen
    };

    let (job, seen) = tokio::join!(hub.attempt(&mirror), watch);

    assert_eq!((job.id, job.state), (id, State::Succeeded), "{:?}", job.error);
    assert!(stream.next().await.is_none(), "nothing comes after the end");
    let end = seen.last().unwrap();
    assert_eq!((&end.data["state"], &end.data["id"]), (&"succeeded".into(), &id.to_string().into()));
    let last = seen.iter().rfind(|event| event.kind == "progress").unwrap();
    assert_eq!((&last.data["state"], &last.data["progress"]["files_done"]), (&"succeeded".into(), &2.into()));
    let lines: Vec<&Event> = seen.iter().filter(|event| event.kind == "log").collect();
    let numbers: Vec<i64> = lines.iter().map(|line| line.id.unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>(), "each line once, in order");
    assert_eq!(lines.last().unwrap().data["text"], "done");

    // Whoever comes back with the number of a line gets those after it.
    let mut again = second.follow(&path(id, "events"), &mia, Some(numbers.len() as i64 - 1)).await;
    let rest = again.until(|event| event.kind == "end").await;
    let kinds: Vec<&str> = rest.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["progress", "log", "end"], "{rest:?}");
    assert!(again.next().await.is_none());
    second.shutdown.cancel();
    second.server.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_server_and_with_the_right_to_look() {
    let (upstream, hub, _) = stalling().await;
    let mia = hub.token("mia", Role::Maintainer).await;
    let zoe = hub.token("zoe", Role::Auditor).await;
    let mirror = hub.mirror(MODEL, "acme/big").await;
    let id = acervo::app::sync::enqueue(hub.hub(), &Caller::System, &mirror).await.unwrap();
    let second = Second::start(&hub, &upstream.endpoint()).await;
    let mut kept = second.follow(&path(id, "events"), &mia, None).await;
    let mut lost = second.follow(&path(id, "events"), &zoe, None).await;
    assert_eq!(kept.next().await.unwrap().data["state"], "queued");
    assert_eq!(lost.next().await.unwrap().data["state"], "queued");

    acervo::app::identity::revoke_token(hub.hub(), &Caller::System, "zoe").await.unwrap();
    // At the latest the sign of life after the revocation is held back.
    assert!(lost.next().await.is_none(), "a revoked token sees no more");
    acervo::app::jobs::pause(hub.hub(), &Caller::System, id).await.unwrap();
    let seen = kept.until(|event| event.data["state"] == "paused").await;
    assert!(seen.iter().all(|event| event.kind == "progress"), "{seen:?}");
    let told = kept.until(|event| event.kind == "log").await;
    assert_eq!(told[0].data["text"], "paused by `system`");

    second.shutdown.cancel();

    assert!(kept.next().await.is_none(), "the server does not wait for the end of a job");
    tokio::time::timeout(PATIENCE, second.server).await.expect("it ends").unwrap();
}
