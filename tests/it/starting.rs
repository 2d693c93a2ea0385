//! Processes of one installation that start, or change it, in the same moment.

use acervo::app::identity::{self, TokenRequest};
use acervo::app::mirrors;
use acervo::config::Config;
use acervo::context::Hub;
use acervo_core::{Caller, RepoKind, Role};
use acervo_store::db::{events, principals};
use acervo_test_engine::Engine;
use acervo_tests::test_hub::{TestHub, order, storage_config};
use futures::future::join_all;
use tempfile::TempDir;

/// An endpoint that nobody answers at.
const NOBODY: &str = "http://127.0.0.1:9";

/// Processes at the same time.
const PROCESSES: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_open_a_new_database_at_once_all_start_and_make_one_administrator() {
    let (engine, folder) = (Engine::from_env(), TempDir::new().unwrap());
    let (database, storage) = (engine.empty_database(folder.path()), engine.storage(folder.path()));
    let mut config = Config::default();
    config.database.url = database.url();
    config.storage = storage_config(&storage);
    config.staging.dir = folder.path().join("staging");

    let starts = (0..PROCESSES).map(|_| {
        let config = config.clone();
        tokio::spawn(async move {
            let hub = Hub::open(config).await.unwrap();
            let made = identity::ensure_first_admin(&hub).await.unwrap();
            (hub, made)
        })
    });
    let (hubs, made): (Vec<Hub>, Vec<_>) = join_all(starts).await.into_iter().map(|started| started.unwrap()).unzip();

    let tokens: Vec<String> = made.into_iter().flatten().map(|token| token.text).collect();
    assert_eq!(tokens.len(), 1, "one of them prints a token");
    for hub in &hubs {
        let caller = identity::authenticate(hub, Some(&tokens[0])).await.unwrap();
        assert!(caller.has_hub_role(Role::Admin));
    }
    assert_eq!(principals::count(hubs[0].db().reader()).await.unwrap(), 1);
    let numbered = acervo::app::events::number_waiting(&hubs[0]).await.unwrap();
    let told: Vec<String> =
        events::after(hubs[0].db().reader(), 0, 100).await.unwrap().into_iter().map(|event| event.kind).collect();
    assert_eq!((numbered, told), (2, vec!["user.created".to_owned(), "token.created".to_owned()]));
}

/// The hub, and as many other processes of its installation.
async fn processes(hub: &TestHub) -> Vec<Hub> {
    let others = (1..PROCESSES).map(|_| Hub::open(hub.config_of_another(NOBODY)));
    let mut all = vec![hub.hub().clone()];
    all.extend(join_all(others).await.into_iter().map(|opened| opened.unwrap()));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_ordered_at_once_share_their_namespace_and_repeat_nothing() {
    let hub = TestHub::start(NOBODY).await;
    let processes = processes(&hub).await;
    for round in 0..5 {
        let orders = processes.iter().cloned().enumerate().map(|(n, process)| {
            // Two pairs of processes want the same repository, and all of them the same namespace.
            let name = format!("new-{round}/repo-{}", n % 2);
            tokio::spawn(async move {
                mirrors::add(&process, &Caller::System, &order(RepoKind::Model, &name)).await.map(|mirror| mirror.id)
            })
        });
        let mirrors: Vec<i64> = join_all(orders).await.into_iter().map(|added| added.unwrap().unwrap()).collect();
        assert_eq!((mirrors[0], mirrors[1]), (mirrors[2], mirrors[3]));
        assert_ne!(mirrors[0], mirrors[1]);
    }
    assert_eq!(mirrors::list(hub.hub(), &Caller::System).await.unwrap().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_made_at_once_belong_to_one_robot() {
    let hub = TestHub::start(NOBODY).await;
    let making = processes(&hub).await.into_iter().map(|process| {
        let request = TokenRequest { name: "ci".to_owned(), role: Role::Reader, user: None, expires_at: None };
        tokio::spawn(async move { identity::create_token(&process, &Caller::System, &request).await })
    });
    for made in join_all(making).await {
        let token = made.unwrap().unwrap().text;
        assert!(identity::authenticate(hub.hub(), Some(&token)).await.unwrap().has_hub_role(Role::Reader));
    }
    let users = identity::users(hub.hub(), &Caller::System).await.unwrap();
    assert_eq!(users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["ci"]);
    assert_eq!(identity::tokens(hub.hub(), &Caller::System).await.unwrap().len(), PROCESSES);
}
