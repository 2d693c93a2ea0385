//! Jobs as people see and steer them: paused, resumed, cancelled, repeated, followed live, looked at after their end.

mod live;
mod seen;
mod steering;

use acervo::app::events as numbered;
use acervo_core::RepoKind;
use acervo_store::db::events;
use acervo_tests::fake_upstream::{FakeUpstream, Fault, Origin};
use acervo_tests::fixture::{RepoFixture, random_bytes};
use acervo_tests::processes::eventually;
use acervo_tests::test_hub::TestHub;
use serde_json::Value;
use uuid::Uuid;

pub(crate) const MODEL: RepoKind = RepoKind::Model;

/// Bytes of the one large file.
const SIZE: u64 = 3_000_000;

/// Bytes of it that storage sends before it stalls.
const STALLED_AT: u64 = 2_000_000;

/// Bytes that are on the disk before anything is done about the job.
const ARRIVED: u64 = 1_000_000;

/// An upstream whose one large file stalls, and a hub.
async fn stalling() -> (FakeUpstream, TestHub, RepoFixture) {
    let fixture = RepoFixture::model("acme/big").file("README.md", "big").lfs("m.bin", random_bytes(5, SIZE as usize));
    let upstream = FakeUpstream::start(vec![fixture.clone()]).await.unwrap();
    upstream.fault(Fault::stall_after(STALLED_AT).on("m.bin").at(Origin::Cdn));
    let hub = TestHub::with(&upstream.endpoint(), |config| {
        // A stall lasts until it is released.
        config.upstream.read_timeout_seconds = 120;
    })
    .await;
    (upstream, hub, fixture)
}

/// Waits until a good part of the large file is on the disk.
async fn arrived(hub: &TestHub, fixture: &RepoFixture) {
    let staged = hub.staging().join(format!("sha256-{}", fixture.sha256_of("m.bin")));
    let enough = || staged.metadata().is_ok_and(|file| file.len() >= ARRIVED);
    eventually("a part of the file is on the disk", async || enough().then_some(())).await;
}

/// Status and JSON of an answer to a request with a token.
pub(crate) async fn asked(request: reqwest::RequestBuilder, token: &str) -> (u16, Value) {
    let answer = request.bearer_auth(token).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap())
}

/// The events so far whose kind begins so: kind, actor, and the facts.
pub(crate) async fn told(hub: &TestHub, kinds: &str) -> Vec<(String, String, Value)> {
    numbered::number_waiting(hub.hub()).await.unwrap();
    let all = events::after(hub.hub().db().reader(), 0, 1000).await.unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all.iter()
        .map(|event| serde_json::from_slice::<Value>(&event.body).unwrap())
        .map(|body| (text(&body["kind"]), text(&body["actor"]), body))
        .filter(|(kind, ..)| kind.starts_with(kinds))
        .collect()
}

/// Kinds and actors of such events.
async fn steps(hub: &TestHub, kinds: &str) -> Vec<(String, String)> {
    told(hub, kinds).await.into_iter().map(|(kind, actor, _)| (kind, actor)).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(kind, actor)| ((*kind).to_owned(), (*actor).to_owned())).collect()
}

fn path(id: Uuid, act: &str) -> String {
    format!("/api/mirrors/jobs/{id}/{act}")
}
