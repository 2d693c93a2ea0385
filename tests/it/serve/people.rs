//! Users and organisations: who is told of whom, and what is counted for whom.

use acervo::app::identity;
use acervo_core::access::{Grant, Scope};
use acervo_core::{Caller, RepoKind, Role, Visibility};
use acervo_store::db::{generation, principals};
use acervo_tests::test_hub::TestHub;
use serde_json::{Value, json as value};

use super::{Answer, alone, commit, field};

/// Gives a user a role in the namespace `acme`.
async fn join(hub: &TestHub, user: &str, role: Role) {
    let tx = hub.hub().db().begin().await.unwrap();
    let principal = principals::by_name(&tx, user).await.unwrap().unwrap();
    let namespace = principals::namespace(&tx, "acme").await.unwrap().unwrap();
    let grant = Grant { scope: Scope::Namespace(namespace.id), role };
    principals::grant(&tx, principal.id, grant, None, hub.hub().now()).await.unwrap();
    generation::bump(&tx).await.unwrap();
    acervo_store::db::commit(tx).await.unwrap();
    hub.hub().caches().clear();
}

/// A hub with an organisation of one open and two closed repositories, and one whose repositories are all closed.
async fn peopled() -> (TestHub, String, String) {
    let hub = alone().await;
    for (kind, name, visibility) in [
        (RepoKind::Model, "acme/open", Visibility::Public),
        (RepoKind::Model, "acme/secret", Visibility::Private),
        (RepoKind::Dataset, "acme/house", Visibility::Internal),
        (RepoKind::Space, "hidden/space", Visibility::Private),
    ] {
        commit(&hub, (kind, name, visibility), &[("a.txt", b"text")]).await;
    }
    let (ana, eve) = (hub.stranger("ana").await, hub.stranger("eve").await);
    join(&hub, "ana", Role::Writer).await;
    commit(&hub, (RepoKind::Model, "ana/own", Visibility::Public), &[("a.txt", b"text")]).await;
    (hub, ana, eve)
}

async fn ask(hub: &TestHub, token: Option<&str>, path: &str) -> Answer {
    let request = hub.get(path);
    Answer::to(match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_told_of_to_those_who_are_known_here() {
    let (hub, ana, eve) = peopled().await;
    for route in ["overview", "likes", "followers", "following"] {
        for name in ["ana", "nobody-here"] {
            let stranger = ask(&hub, None, &format!("/api/users/{name}/{route}")).await;
            assert_eq!(stranger.refusal(), (401, ""), "{name}/{route}: the same, whoever is here");
        }
        assert_eq!(ask(&hub, Some(&eve), &format!("/api/users/ana/{route}")).await.status, 200);
        for missing in ["nobody-here", "acme", "a%20b", "%2e"] {
            let answer = ask(&hub, Some(&eve), &format!("/api/users/{missing}/{route}")).await;
            assert_eq!(answer.refusal(), (404, ""), "{missing}/{route}");
        }
        if route != "overview" {
            assert_eq!(ask(&hub, Some(&eve), &format!("/api/users/ana/{route}")).await.json(), value!([]));
        }
    }
    let seen = ask(&hub, Some(&eve), "/api/users/ANA/overview").await.json();
    assert_eq!((&seen["user"], &seen["type"], &seen["fullname"]), (&value!("ana"), &value!("user"), &value!("ana")));
    assert_eq!((&seen["numModels"], &seen["numLikes"], &seen["isPro"]), (&value!(1), &value!(0), &value!(false)));
    assert_eq!(field(seen["orgs"].as_array().unwrap(), "name"), ["acme"]);
    assert_eq!(seen.get("name"), None, "hf-hub takes `name` for `user` and refuses both");
    assert_eq!(seen.get("email"), None);
    let own = ask(&hub, Some(&ana), "/api/whoami-v2").await.json();
    assert_eq!(field(own["orgs"].as_array().unwrap(), "roleInOrg"), ["write"]);
    assert_eq!(field(own["orgs"].as_array().unwrap(), "name"), ["acme"]);
    assert_eq!(ask(&hub, Some(&eve), "/api/whoami-v2").await.json()["orgs"], value!([]));

    identity::disable_user(hub.hub(), &Caller::System, "ana").await.unwrap();
    assert_eq!(ask(&hub, Some(&eve), "/api/users/ana/overview").await.refusal(), (404, ""));
    let members = ask(&hub, Some(&eve), "/api/organizations/acme/members").await.json();
    assert_eq!(members, value!([]), "who is disabled is nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_of_which_one_sees_nothing_is_as_good_as_missing() {
    let (hub, ana, eve) = peopled().await;
    let admin = hub.token("admin", Role::Admin).await;
    let count = |overview: &Value| {
        ["numModels", "numDatasets", "numSpaces"].map(|name| overview[name].as_u64().unwrap_or(u64::MAX))
    };
    for (token, counts, members) in
        [(None, [1, 0, 0], None), (Some(&eve), [1, 1, 0], Some(1)), (Some(&ana), [2, 1, 0], Some(1))]
    {
        let token = token.map(String::as_str);
        let overview = ask(&hub, token, "/api/organizations/Acme/overview").await.json();
        assert_eq!((&overview["name"], &overview["type"]), (&value!("acme"), &value!("org")));
        assert_eq!(count(&overview), counts);
        assert_eq!(overview["numUsers"].as_u64(), members);
        assert_eq!(ask(&hub, token, "/api/organizations/acme/followers").await.json(), value!([]));
        for route in ["overview", "followers"] {
            for name in ["hidden", "nowhere", "ana"] {
                let answer = ask(&hub, token, &format!("/api/organizations/{name}/{route}")).await;
                assert_eq!(answer.refusal(), (404, ""), "{name}/{route}");
                let expected = format!("there is no organization `{name}` here");
                assert_eq!(answer.header("x-error-message"), expected);
            }
        }
    }
    assert_eq!(ask(&hub, Some(&admin), "/api/organizations/hidden/overview").await.json()["numSpaces"], 1);
    assert_eq!(ask(&hub, None, "/api/organizations/acme/members").await.refusal(), (401, ""));
    assert_eq!(ask(&hub, Some(&eve), "/api/organizations/hidden/members").await.refusal(), (404, ""));
    let members = ask(&hub, Some(&eve), "/api/organizations/acme/members").await.json();
    assert_eq!(
        members,
        value!([{ "type": "user", "user": "ana", "fullname": "ana", "avatarUrl": "", "isPro": false }])
    );
    for kind in ["models", "datasets", "spaces"] {
        let answer = ask(&hub, None, &format!("/api/{kind}/acme/open/likers")).await;
        let expected = if kind == "models" { 200 } else { 401 };
        assert_eq!(answer.status, expected, "{kind}");
    }
    assert_eq!(ask(&hub, None, "/api/models/acme/open/likers").await.json(), value!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_members_come_in_pages() {
    let (hub, _, eve) = peopled().await;
    let mut expected = vec!["ana".to_owned()];
    for n in 0..120 {
        let name = format!("member-{n:03}");
        let kind = acervo_store::db::principals::PrincipalKind::Person;
        identity::create_user(hub.hub(), &Caller::System, &name, kind, None).await.unwrap();
        join(&hub, &name, Role::Reader).await;
        expected.push(name);
    }
    let (mut found, mut next) = (Vec::new(), Some("/api/organizations/acme/members".to_owned()));
    while let Some(path) = next {
        let page = ask(&hub, Some(&eve), &path).await;
        assert_eq!(page.status, 200, "{path}");
        found.extend(field(page.json().as_array().unwrap(), "user").into_iter().map(str::to_owned));
        next = page.next(&hub);
    }
    assert_eq!(found, expected);
    let foreign = ask(&hub, Some(&eve), "/api/organizations/acme/members?cursor=YWJj").await;
    assert_eq!(foreign.refusal(), (400, ""));
}
