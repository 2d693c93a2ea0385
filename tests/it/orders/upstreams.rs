//! Several upstreams, another Acervo as upstream, and whose token is sent where.

use acervo::app::mirrors;
use acervo::app::orders::{self, Steps};
use acervo::app::sync::Progress;
use acervo::upstream::{Credential, Secret};
use acervo_core::{Caller, RepoKind, Role};
use acervo_store::db::jobs::State;
use acervo_tests::fake_upstream::{FakeUpstream, Fault, Origin};
use acervo_tests::fixture::{RepoFixture, random_bytes};
use acervo_tests::test_hub::TestHub;

fn repo(name: &str) -> RepoFixture {
    RepoFixture::model(name).file("config.json", "{}").lfs("model.safetensors", random_bytes(7, 30_000))
}

async fn apply(hub: &TestHub, text: &str) -> Steps {
    let orders = orders::read(&Caller::System, text).unwrap();
    orders::apply(hub.hub(), &Caller::System, &orders, &Progress::default()).await.unwrap()
}

async fn get(hub: &TestHub, path: &str, token: &str) -> (u16, Vec<u8>) {
    let answer = hub.get(path).bearer_auth(token).send().await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_hub_that_has_a_repository_is_its_upstream_and_the_next_one_helps_out() {
    let first = FakeUpstream::start(vec![repo("acme/one")]).await.unwrap();
    let second = FakeUpstream::start(vec![repo("acme/one"), repo("acme/two"), repo("beta/three")]).await.unwrap();
    let hub = TestHub::start(&first.endpoint()).await;
    let text = format!(
        "[mirror.all]\nrepos = ['acme/*', 'beta/three']\nupstreams = ['{}', '{}']\n",
        first.endpoint(),
        second.endpoint()
    );
    let steps = apply(&hub, &text).await;
    assert!(steps.refused.is_empty(), "{:?}", steps.refused);
    let endpoint = |name: &str| steps.mirrors.iter().find(|step| step.upstream == name).unwrap().endpoint.clone();
    assert_eq!(endpoint("acme/one"), first.endpoint());
    assert_eq!((endpoint("acme/two"), endpoint("beta/three")), (second.endpoint(), second.endpoint()));

    first.fault(Fault::drop_connection().at(Origin::Cdn).always());
    let mirror = mirrors::get(hub.hub(), &Caller::System, RepoKind::Model, "acme/one").await.unwrap();
    hub.sync(&mirror).await;
    assert!(first.fired().len() > 1 && second.cdn_bytes() == 30_000, "{}", second.cdn_bytes());
    assert!(second.requests().iter().all(|request| request.path_and_query.contains("/three")
        || request.path_and_query.contains("?author=")
        || request.path_and_query.contains("model.safetensors")));
    let info: serde_json::Value = hub.get("/api/models/acme/one").send().await.unwrap().json().await.unwrap();
    assert_eq!(info["sha"], repo("acme/one").head());

    // It is asked first again, and stays the upstream although the other one has the repository, too.
    first.clear_faults();
    let again = apply(&hub, &text).await;
    assert!(!again.changes(), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_does_not_answer_decides_nothing() {
    let first = FakeUpstream::start(vec![repo("acme/one")]).await.unwrap();
    let second = FakeUpstream::start(vec![repo("acme/one"), repo("acme/two")]).await.unwrap();
    let hub = TestHub::start(&second.endpoint()).await;
    let text = format!(
        "[mirror.found]\nrepos = ['acme/*']\nupstreams = ['{0}', '{1}']\n[mirror.named]\nrepos = ['acme/two']\nupstreams = ['{0}', '{1}']\nas = 'lab/two'\n",
        first.endpoint(),
        second.endpoint()
    );
    first.fault(Fault::drop_connection().always());
    let steps = apply(&hub, &text).await;
    assert!(steps.mirrors.is_empty(), "{steps:?}");
    let refused: Vec<&str> = steps.refused.iter().map(|refusal| refusal.repo.as_str()).collect();
    assert_eq!(refused, ["acme/*", "acme/two"]);
    assert!(steps.refused.iter().all(|refusal| refusal.reason.contains("cannot be reached")), "{:?}", steps.refused);

    first.clear_faults();
    let steps = apply(&hub, &text).await;
    assert_eq!(steps.mirrors.len(), 3, "{steps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_acervo_is_an_upstream_for_private_contents_with_a_token() {
    let upstream = FakeUpstream::start(vec![repo("acme/one").tag("v1"), repo("acme/two")]).await.unwrap();
    let near = TestHub::start(&upstream.endpoint()).await;
    let orders = "[mirror.a]\nrepos = ['acme/*']\nrevisions = ['main', 'v*']\nvisibility = 'private'\n";
    assert_eq!(apply(&near, orders).await.mirrors.len(), 2);
    for name in ["acme/one", "acme/two"] {
        near.sync(&mirrors::get(near.hub(), &Caller::System, RepoKind::Model, name).await.unwrap()).await;
    }

    let stranger = TestHub::start(near.url()).await;
    let steps = apply(&stranger, "[mirror.a]\nrepos = ['acme/*', 'acme/one']\n").await;
    assert_eq!(steps.mirrors.len(), 1, "what is hidden is not listed: {steps:?}");
    let job = stranger
        .attempt(&mirrors::get(stranger.hub(), &Caller::System, RepoKind::Model, "acme/one").await.unwrap())
        .await;
    let error = job.error.unwrap();
    assert!(
        job.state == State::Failed && error.contains("missing, or private") && error.contains("`upstream.token_file`"),
        "{error}"
    );

    let token = near.token("far", Role::Reader).await;
    let far = TestHub::with(near.url(), |config| {
        let credential = Credential {
            organization: Some("acme".to_owned()),
            token: Some(Secret::new(&token)),
            ..Credential::default()
        };
        config.upstream.credentials = vec![credential];
    })
    .await;
    let steps = apply(&far, orders).await;
    assert_eq!(steps.mirrors.len(), 2, "{steps:?}");
    let reader = far.token("ana", Role::Reader).await;
    for name in ["acme/one", "acme/two"] {
        let outcome = far.sync(&mirrors::get(far.hub(), &Caller::System, RepoKind::Model, name).await.unwrap()).await;
        assert_eq!(outcome.revisions[0].commit.to_hex(), repo(name).commit_id("main").unwrap());
        let path = format!("/{name}/resolve/main/model.safetensors");
        assert_eq!(get(&far, &path, &reader).await, (200, random_bytes(7, 30_000)));
        assert_eq!(far.get(&path).send().await.unwrap().status(), 401, "what is private there stays private here");
    }
    // Both say the same of what they hold, byte for byte.
    let locked = async |hub: &TestHub| {
        let all = mirrors::list(hub.hub(), &Caller::System).await.unwrap();
        acervo::app::locks::lock(hub.hub(), &Caller::System, &all).await.unwrap()
    };
    let (here, there) = (locked(&far).await, locked(&near).await);
    assert_eq!(here.repos.len(), 2);
    for (one, other) in here.repos.iter().zip(&there.repos) {
        assert_eq!((&one.commits, &one.revisions), (&other.commits, &other.revisions));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_organisation_sends_its_own_token_and_errors_name_the_setting() {
    let upstream = FakeUpstream::start(vec![
        repo("acme/secret").private(["hf_acme"]),
        repo("lab/secret").private(["hf_lab"]),
        repo("lab/gated").gated_manual(),
    ])
    .await
    .unwrap();
    upstream.token("hf_acme", "acme-bot");
    upstream.token("hf_lab", "lab-bot");
    let credential = |organization: &str, token: &str| Credential {
        organization: Some(organization.to_owned()),
        token: Some(Secret::new(token)),
        ..Credential::default()
    };
    let hub = TestHub::with(&upstream.endpoint(), |config| {
        config.upstream.credentials = vec![credential("acme", "hf_acme"), credential("Lab", "hf_lab")];
    })
    .await;
    for name in ["acme/secret", "lab/secret"] {
        hub.synced(RepoKind::Model, name).await;
    }
    let users = |path: &str| {
        let asked = upstream
            .requests()
            .into_iter()
            .filter(|request| request.origin == Origin::Hub && request.path_and_query.contains(path));
        asked.map(|request| request.user.unwrap_or_default()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(users("acme/secret").into_iter().collect::<Vec<_>>(), ["acme-bot"]);
    assert_eq!(users("lab/secret").into_iter().collect::<Vec<_>>(), ["lab-bot"]);
    assert_eq!(upstream.leaked_tokens(), 0);

    let mirror = hub.mirror(RepoKind::Model, "lab/gated").await;
    let error = hub.attempt(&mirror).await.error.unwrap();
    let page = format!("{}/lab/gated", upstream.endpoint());
    assert!(error.contains(&format!("accept its terms at {page}")), "{error}");
    assert!(error.contains("`upstream.credentials`") && error.contains("`lab`") && !error.contains("hf_"), "{error}");
}
