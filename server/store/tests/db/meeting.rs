//! Writers that meet: many tasks, over several pools as several processes have, change the same rows at once.

use std::collections::BTreeSet;
use std::time::Duration;

use acervo_core::access::{Grant, Scope};
use acervo_core::listing::Listing;
use acervo_core::{Role, Sha256Digest};
use acervo_store::db::entity::{event, job as job_row};
use acervo_store::db::jobs::{self, Ending, Lease};
use acervo_store::db::principals::{self, PrincipalKind};
use acervo_store::db::{Database, DatabaseConfig, blobs, commit, events, generation, holdings, trees};
use futures::future::join_all;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::json;
use uuid::Uuid;

use crate::aggregates::{file, job};
use crate::support::{Home, at, config, migrated, number, repo};

/// Tasks that do the same at once.
const TASKS: usize = 8;

/// Longer than any of this takes on a busy machine; a deadlock takes for ever.
const DEADLINE: Duration = Duration::from_secs(90);

/// Runs `TASKS` tasks at once, over two pools, and returns what each came to.
async fn at_once<T, F>(home: &Home, task: impl Fn(Database, usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let pools = [open(home).await, open(home).await];
    let tasks: Vec<_> = (0..TASKS).map(|n| tokio::spawn(task(pools[n % 2].clone(), n))).collect();
    let ended = tokio::time::timeout(DEADLINE, join_all(tasks)).await.unwrap();
    ended.into_iter().map(|task| task.unwrap()).collect()
}

async fn open(home: &Home) -> Database {
    Database::open(&config(&home.url())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_holds_a_transaction_and_asks_a_question_waits_for_no_other_such_task() {
    let (home, db) = migrated().await;
    let smallest = DatabaseConfig { connections_max: 1, ..config(&home.url()) };
    let small = Database::open(&smallest).await.unwrap();
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let small = small.clone();
            tokio::spawn(async move {
                let tx = small.begin().await.unwrap();
                generation::current(small.reader()).await.unwrap();
                generation::bump(&tx).await.unwrap();
                generation::current(small.reader()).await.unwrap();
                commit(tx).await.unwrap();
            })
        })
        .collect();
    for task in tokio::time::timeout(DEADLINE, join_all(tasks)).await.unwrap() {
        task.unwrap();
    }
    assert_eq!(generation::current(db.reader()).await.unwrap(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_job_is_claimed_by_exactly_one_worker() {
    let (home, db) = migrated().await;
    for n in 0..40 {
        jobs::enqueue(db.writer(), job(&format!("sync:{n}"), at(1))).await.unwrap();
    }
    let claimed = at_once(&home, async |db: Database, _| {
        let worker = Uuid::now_v7();
        let mut mine = Vec::new();
        while let Some(job) = jobs::claim(db.writer(), worker, None, at(100), at(10)).await.unwrap() {
            assert_eq!((job.fence, job.attempts, job.worker_id), (1, 1, Some(worker)));
            mine.push(job.id);
        }
        mine
    })
    .await;
    let all: Vec<Uuid> = claimed.into_iter().flatten().collect();
    assert_eq!(all.len(), 40);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 40);
    assert_eq!(number(&db, "SELECT count(*) FROM job WHERE state = 'running' AND fence = 1").await, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_order_given_at_once_becomes_one_job() {
    let (home, db) = migrated().await;
    let orders = at_once(&home, async |db: Database, _| {
        let tx = db.begin().await.unwrap();
        let order = jobs::enqueue(&tx, job("sync:1", at(1))).await.unwrap();
        commit(tx).await.unwrap();
        order
    })
    .await;
    assert_eq!(orders.iter().filter(|(_, is_new)| *is_new).count(), 1);
    assert_eq!(orders.iter().map(|(id, _)| id).collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(job_row::Entity::find().count(db.reader()).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_taken_although_the_job_before_it_ends_in_the_same_moment() {
    let (home, db) = migrated().await;
    let done = at_once(&home, async |db: Database, _| {
        let mut done = 0;
        for _ in 0..10 {
            jobs::enqueue(db.writer(), job("sync:1", at(1))).await.unwrap();
            if let Some(job) = jobs::claim(db.writer(), Uuid::now_v7(), None, at(100), at(10)).await.unwrap() {
                let lease = Lease { job_id: job.id, fence: job.fence };
                let ended = jobs::finish(db.writer(), lease, Ending::Succeeded(json!({})), None, at(20)).await.unwrap();
                assert!(ended, "nobody else had it");
                done += 1;
            }
        }
        done
    })
    .await;
    let (done, unfinished) = (done.iter().sum::<i64>(), "SELECT count(*) FROM job WHERE state <> 'succeeded'");
    assert!(done > 0);
    assert_eq!(number(&db, "SELECT count(*) FROM job WHERE state = 'succeeded'").await, done);
    assert!(number(&db, unfinished).await <= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_cancelled_and_handed_back_in_the_same_moment_hears_of_it() {
    let (_home, db) = migrated().await;
    for round in 0..25 {
        let (id, _) = jobs::enqueue(db.writer(), job(&format!("sync:{round}"), at(1))).await.unwrap();
        let claimed = jobs::claim(db.writer(), Uuid::now_v7(), Some(id), at(100), at(10)).await.unwrap().unwrap();
        let lease = Lease { job_id: id, fence: claimed.fence };
        let (here, there) = (db.clone(), db.clone());
        let back =
            tokio::spawn(
                async move { jobs::finish(here.writer(), lease, Ending::HandedBack, None, at(20)).await.unwrap() },
            );
        let cancelled = tokio::spawn(async move { jobs::cancel(there.writer(), id, at(20)).await.unwrap() });
        assert!(back.await.unwrap() && cancelled.await.unwrap());
        let found = jobs::by_id(db.reader(), id).await.unwrap().unwrap();
        assert!(found.cancel_requested || found.state == jobs::State::Cancelled, "{:?}", found.state);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sequencers_that_meet_leave_no_gap_and_no_number_twice() {
    let (home, db) = migrated().await;
    at_once(&home, async |db: Database, n| {
        for _ in 0..25 {
            let tx = db.begin().await.unwrap();
            if n < 2 {
                events::number(&tx, 7).await.unwrap();
            } else {
                let new = events::NewEvent {
                    kind: "test.done",
                    actor_id: None,
                    repo_id: None,
                    subject: "x",
                    body: b"{}".to_vec(),
                    at: at(1),
                };
                events::record(&tx, new).await.unwrap();
            }
            commit(tx).await.unwrap();
        }
    })
    .await;
    let recorded = 25 * (TASKS as u64 - 2);
    assert_eq!(event::Entity::find().count(db.reader()).await.unwrap(), recorded);
    at_once(&home, async |db: Database, _| {
        loop {
            let tx = db.begin().await.unwrap();
            let numbered = events::number(&tx, 20).await.unwrap();
            commit(tx).await.unwrap();
            if numbered == 0 {
                return;
            }
        }
    })
    .await;
    let all = events::after(db.reader(), 0, 1000).await.unwrap();
    let expected: Vec<i64> = (1..=i64::try_from(recorded).unwrap()).collect();
    assert_eq!(all.iter().map(|event| event.seq).collect::<Vec<_>>(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_listing_written_by_many_is_there_once_and_whole() {
    let (home, db) = migrated().await;
    let repo = repo(&db, "acme/many").await.id;
    let entries = (0..3000).map(|n| file(&format!("data/{n:05}.json"))).collect();
    let listing = Listing::build(entries).unwrap();
    let written = listing.clone();
    let ids = at_once(&home, move |db: Database, _| {
        let listing = written.clone();
        async move {
            let tx = db.begin().await.unwrap();
            let id = trees::insert_listing(&tx, repo, &listing, at(1)).await.unwrap();
            commit(tx).await.unwrap();
            id
        }
    })
    .await;
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 1);
    let mut found = Vec::new();
    for segment in trees::segments(db.reader(), ids[0]).await.unwrap() {
        found.extend(trees::segment_entries(db.reader(), segment.segment_id, trees::Within::Everything).await.unwrap());
    }
    assert!(found.iter().map(|found| &found.entry).eq(listing.entries()));
    assert_eq!(number(&db, "SELECT count(*) FROM listing").await, 1);
    assert_eq!(holdings::missing_files(db.reader(), ids[0]).await.unwrap(), 3000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_that_arrives_many_times_at_once_has_one_row() {
    let (home, db) = migrated().await;
    let ids = at_once(&home, async |db: Database, n| {
        let tx = db.begin().await.unwrap();
        let id = blobs::insert(&tx, Sha256Digest::of(b"weights"), 7, at(n.try_into().unwrap())).await.unwrap();
        commit(tx).await.unwrap();
        id
    })
    .await;
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(blobs::totals(db.reader()).await.unwrap(), (1, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_given_many_times_at_once_is_had_once() {
    let (home, db) = migrated().await;
    let ada = principals::insert(db.writer(), PrincipalKind::Person, "ada", at(1)).await.unwrap().id;
    let grant = Grant { scope: Scope::Hub, role: Role::Admin };
    at_once(&home, move |db: Database, _| async move {
        let tx = db.begin().await.unwrap();
        principals::grant(&tx, ada, grant, None, at(1)).await.unwrap();
        // The transaction goes on: nothing in it has failed.
        generation::bump(&tx).await.unwrap();
        commit(tx).await.unwrap();
    })
    .await;
    assert_eq!(principals::grants(db.reader(), ada).await.unwrap(), [grant]);
    assert_eq!(generation::current(db.reader()).await.unwrap(), TASKS as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_the_change_lock_decides_by_what_is_not_there() {
    let (home, db) = migrated().await;
    let made = at_once(&home, async |db: Database, _| {
        let tx = db.begin().await.unwrap();
        generation::lock(&tx).await.unwrap();
        let is_first = principals::by_name(&tx, "ada").await.unwrap().is_none();
        if is_first {
            principals::insert(&tx, PrincipalKind::Person, "ada", at(1)).await.unwrap();
        }
        commit(tx).await.unwrap();
        is_first
    })
    .await;
    assert_eq!(made.iter().filter(|is_first| **is_first).count(), 1);
    assert_eq!(principals::count(db.reader()).await.unwrap(), 1);
}
