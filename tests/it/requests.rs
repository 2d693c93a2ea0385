//! Repositories that people ask for: asked, accepted into mirrors, declined.

use acervo_core::{Caller, RepoKind, Role, Visibility};
use acervo_store::db::jobs::State;
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::RepoFixture;
use acervo_tests::processes::Installation;
use acervo_tests::test_hub::{TestHub, order};
use serde_json::{Value, json};

use crate::jobs::{asked, told};

const ADDRESS: &str = "/api/mirrors/requests";

async fn started() -> (FakeUpstream, TestHub) {
    let repos = ["acme/tiny", "acme/secret", "acme/open"];
    let fixtures = repos.map(|name| RepoFixture::model(name).file("a.txt", name));
    let upstream = FakeUpstream::start(fixtures.to_vec()).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    (upstream, hub)
}

fn id(request: &Value) -> String {
    request["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reader_asks_for_becomes_a_mirror_when_an_administrator_accepts_it() {
    let (_upstream, hub) = started().await;
    let admin = hub.token("admin", Role::Admin).await;
    let mia = hub.token("mia", Role::Maintainer).await;
    let (eve, ida) = (hub.stranger("eve").await, hub.stranger("ida").await);
    let wish = json!({"repo": "acme/tiny", "reason": "for a course"});

    let (status, open) = asked(hub.post(ADDRESS).json(&wish), &eve).await;

    assert_eq!((status, &open["state"], &open["asked_by"]), (200, &"open".into(), &"eve".into()), "{open}");
    let (_, again) = asked(hub.post(ADDRESS).json(&wish), &eve).await;
    assert_eq!(again["id"], open["id"], "asking twice is asking once");
    let (_, other) = asked(hub.post(ADDRESS).json(&wish), &ida).await;
    assert_ne!(other["id"], open["id"], "somebody else asks for themselves");
    let count = async |token: &str, query: &str| {
        let (status, all) = asked(hub.get(&format!("{ADDRESS}{query}")), token).await;
        assert_eq!(status, 200, "{all}");
        all.as_array().unwrap().len()
    };
    assert_eq!((count(&eve, "").await, count(&ida, "").await, count(&mia, "").await), (1, 1, 2), "one's own, or all");
    let accept = format!("{ADDRESS}/{}/accept", id(&open));
    for token in [&eve, &mia] {
        assert_eq!(asked(hub.post(&accept).json(&json!({})), token).await.0, 403);
    }

    let (status, accepted) = asked(hub.post(&accept).json(&json!({"visibility": "internal"})), &admin).await;

    assert_eq!((status, &accepted["state"], &accepted["decided_by"]), (200, &"accepted".into(), &"admin".into()));
    assert_eq!(accepted["mirror"], "acme/tiny");
    let job = accepted["job"].as_str().unwrap().parse().unwrap();
    assert_eq!(hub.job(job).await.state, State::Queued);
    let mirror = acervo::app::mirrors::get(hub.hub(), &Caller::System, RepoKind::Model, "acme/tiny").await.unwrap();
    assert_eq!(mirror.repo.visibility, Visibility::Internal);
    hub.sync(&mirror).await;
    let served = hub.get("/acme/tiny/resolve/main/a.txt").bearer_auth(&eve).send().await.unwrap();
    assert_eq!(served.text().await.unwrap(), "acme/tiny");
    let (status, refused) = asked(hub.post(&accept).json(&json!({})), &admin).await;
    assert_eq!(status, 409);
    assert!(refused["error"].as_str().unwrap().contains("accepted already"), "{refused}");
    let (status, here) = asked(hub.post(ADDRESS).json(&wish), &eve).await;
    assert_eq!(status, 409, "{here}");
    assert!(here["error"].as_str().unwrap().contains("`acme/tiny` is here already"), "{here}");
    // The other request for the same finds the mirror that is there.
    let (status, also) = asked(hub.post(&format!("{ADDRESS}/{}/accept", id(&other))).json(&json!({})), &admin).await;
    assert_eq!((status, &also["mirror"]), (200, &"acme/tiny".into()), "{also}");
    assert_eq!((count(&mia, "?state=open").await, count(&mia, "?state=accepted").await), (0, 2));
    let steps: Vec<(String, String)> =
        told(&hub, "request.").await.into_iter().map(|(kind, actor, _)| (kind, actor)).collect();
    let wanted = [
        ("request.opened", "eve"),
        ("request.opened", "ida"),
        ("request.accepted", "admin"),
        ("request.accepted", "admin"),
    ];
    assert_eq!(steps, wanted.map(|(kind, actor)| (kind.to_owned(), actor.to_owned())));
    assert_eq!(told(&hub, "request.").await[0].2["details"]["facts"]["reason"], "for a course");
    assert_eq!(told(&hub, "mirror.added").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_declined_with_a_reason_and_may_be_made_again() {
    let (_upstream, hub) = started().await;
    let admin = hub.token("admin", Role::Admin).await;
    let eve = hub.stranger("eve").await;
    let wish = json!({"repo": "acme/tiny", "revisions": ["v1"], "reason": "for a course"});
    let (_, open) = asked(hub.post(ADDRESS).json(&wish), &eve).await;
    let decline = format!("{ADDRESS}/{}/decline", id(&open));
    assert_eq!(asked(hub.post(&decline).json(&json!({"reason": " "})), &admin).await.0, 400, "without a reason");
    assert_eq!(asked(hub.post(&decline).json(&json!({"reason": "no"})), &eve).await.0, 403);

    let (status, declined) = asked(hub.post(&decline).json(&json!({"reason": "its licence"})), &admin).await;

    assert_eq!((status, &declined["state"], &declined["answer"]), (200, &"declined".into(), &"its licence".into()));
    let (_, mine) = asked(hub.get(ADDRESS), &eve).await;
    assert_eq!((&mine[0]["answer"], &mine[0]["decided_by"]), (&"its licence".into(), &"admin".into()));
    let (_, again) = asked(hub.post(ADDRESS).json(&wish), &eve).await;
    assert_ne!(again["id"], open["id"]);
    let steps: Vec<String> = told(&hub, "request.").await.into_iter().map(|(kind, ..)| kind).collect();
    assert_eq!(steps, ["request.opened", "request.declined", "request.opened"]);
    assert!(told(&hub, "mirror.").await.is_empty());
    let absent = format!("{ADDRESS}/0123456789abcdef01234567/decline");
    assert_eq!(asked(hub.post(&absent).json(&json!({"reason": "no"})), &admin).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_tells_nothing_of_what_is_hidden_and_is_bounded() {
    let (_upstream, hub) = started().await;
    let mut secret = order(RepoKind::Model, "acme/secret");
    secret.visibility = Visibility::Private;
    let secret = hub.mirror_with(secret).await;
    hub.sync(&secret).await;
    hub.synced(RepoKind::Model, "acme/open").await;
    let eve = hub.stranger("eve").await;
    let ask = async |name: &str, reason: &str| {
        asked(hub.post(ADDRESS).json(&json!({"repo": name, "reason": reason})), &eve).await
    };

    let (hidden, absent) = (ask("acme/secret", "why not").await, ask("acme/absent", "why not").await);

    assert_eq!((hidden.0, absent.0), (200, 200));
    let shape = |request: &Value| request.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(shape(&hidden.1), shape(&absent.1), "nothing tells them apart");
    assert_eq!(ask("acme/open", "why not").await.0, 409, "what the caller sees is named");
    for (name, reason) in [("acme/../x", "why not"), ("acme/x", ""), ("acme/x", &"x".repeat(1001))] {
        let (status, refused) = ask(name, reason).await;
        assert_eq!(status, 400, "{name}: {refused}");
    }
    let nobody = hub.post(ADDRESS).json(&json!({"repo": "acme/x", "reason": "why not"})).send().await.unwrap();
    assert_eq!(nobody.status(), 401);
    assert_eq!(hub.get(ADDRESS).send().await.unwrap().status(), 401);
    for n in 2..50 {
        assert_eq!(ask(&format!("acme/n{n}"), "why not").await.0, 200, "{n}");
    }
    let (status, refused) = ask("acme/more", "why not").await;
    assert_eq!(status, 409);
    assert!(refused["error"].as_str().unwrap().contains("50 of your requests are open"), "{refused}");
    assert_eq!(told(&hub, "request.opened").await.len(), 50);
    // Accepted for one who may not see it, it does not say where it is.
    let (_, mine) = asked(hub.get(&format!("{ADDRESS}?limit=100")), &eve).await;
    let secret = mine.as_array().unwrap().iter().find(|request| request["repo"] == "acme/secret").unwrap();
    let admin = hub.token("admin", Role::Admin).await;
    let (status, _) = asked(hub.post(&format!("{ADDRESS}/{}/accept", id(secret))).json(&json!({})), &admin).await;
    assert_eq!(status, 200);
    let (_, mine) = asked(hub.get(&format!("{ADDRESS}?state=accepted")), &eve).await;
    assert_eq!((&mine[0]["state"], &mine[0]["mirror"]), (&"accepted".into(), &Value::Null), "{mine}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_ask_and_decide() {
    let upstream = FakeUpstream::start(vec![RepoFixture::model("acme/tiny").file("a.txt", "a")]).await.unwrap();
    let home = Installation::new(&upstream.endpoint());
    let parsed = |ran: acervo_tests::binary::Ran| -> Value {
        assert!(ran.success, "{ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let add = async |name: &str| home.run(&["request", "add", name, "--reason", "for a course", "--json"]).await;
    let (first, second) = (parsed(add("acme/tiny").await), parsed(add("acme/other").await));

    let accepted = parsed(home.run(&["request", "accept", &id(&first), "--as", "lab/tiny", "--json"]).await);
    assert_eq!((&accepted["state"], &accepted["mirror"]), (&"accepted".into(), &"lab/tiny".into()), "{accepted}");
    let declined = home.run(&["request", "decline", &id(&second), "--reason", "too large"]).await;
    assert!(declined.success && declined.stdout.contains("is declined"), "{declined:?}");
    let again = home.run(&["request", "accept", &id(&second)]).await;
    assert!(!again.success && again.stderr.contains("declined already"), "{again:?}");
    assert!(home.run(&["sync", "lab/tiny"]).await.success);

    let listed = parsed(home.run(&["request", "list", "--state", "declined", "--json"]).await);
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["answer"]), (1, &"too large".into()));
    let table = home.run(&["request", "list"]).await;
    assert!(table.stdout.contains("acme/tiny") && table.stdout.contains("too large"), "{table:?}");
    let none = home.run(&["request", "list", "--state", "open"]).await;
    assert!(none.stdout.contains("no such requests"), "{none:?}");
}
