//! Whose turn it is: jobs of several organisations, and requests that many processes share.

use acervo_core::Timestamp;
use acervo_core::budget::{Asked, Given};
use acervo_store::db::jobs::{self, Ending, Lease, NewJob, State};
use acervo_store::db::{Database, budgets};
use uuid::Uuid;

use crate::aggregates::job;
use crate::support::{at, migrated};

const SOURCE: &str = "https://hub.example requests";
const WINDOW: i64 = 300;

fn of(organization: &str, key: &str, run_at: i64) -> NewJob {
    NewJob { organization: Some(organization.to_owned()), ..job(key, at(run_at)) }
}

#[tokio::test]
async fn organisations_take_turns_and_what_is_urgent_goes_before_all() {
    let (_home, db) = migrated().await;
    for n in 0..3 {
        jobs::enqueue(db.writer(), of("many", &format!("many {n}"), 10 + n)).await.unwrap();
    }
    jobs::enqueue(db.writer(), of("few", "few", 20)).await.unwrap();
    jobs::enqueue(db.writer(), NewJob { priority: 7, ..of("many", "urgent", 30) }).await.unwrap();

    let mut order = Vec::new();
    for now in 40..45 {
        let claimed = jobs::claim(db.writer(), Uuid::now_v7(), None, at(1000), at(now)).await.unwrap().unwrap();
        order.push(claimed.dedup_key.unwrap());
    }
    assert_eq!(order, ["urgent", "few", "many 0", "many 1", "many 2"]);
}

#[tokio::test]
async fn a_job_that_is_put_off_waits_and_loses_no_attempt() {
    let (_home, db) = migrated().await;
    let (id, _) = jobs::enqueue(db.writer(), job("a", at(1))).await.unwrap();
    for round in 0..5_i64 {
        let now = 10 + round * 100;
        let claimed = jobs::claim(db.writer(), Uuid::now_v7(), None, at(now + 30), at(now)).await.unwrap().unwrap();
        assert_eq!(claimed.attempts, 1);
        let lease = Lease { job_id: id, fence: claimed.fence };
        let ending = Ending::Deferred { reason: "waits".to_owned(), run_at: at(now + 100) };
        assert!(jobs::finish(db.writer(), lease, ending, None, at(now + 1)).await.unwrap());
        let job = jobs::by_id(db.reader(), id).await.unwrap().unwrap();
        assert_eq!((job.state, job.attempts, job.error.as_deref()), (State::Queued, 0, Some("waits")));
        assert!(jobs::claim(db.writer(), Uuid::now_v7(), None, at(999), at(now + 99)).await.unwrap().is_none());
    }
}

/// So many seconds after the beginning of time.
fn second(seconds: i64) -> Timestamp {
    at(seconds * 1000)
}

async fn take(db: &Database, count: u32, limit: u64, now: i64) -> Given {
    let window_start = second(now - now.rem_euclid(WINDOW));
    let asked = Asked { source: SOURCE, count, limit, window_start, background: limit < 10, at: second(now) };
    budgets::take(db.writer(), asked).await.unwrap()
}

#[tokio::test]
async fn a_window_gives_so_many_requests_and_the_next_one_as_many_again() {
    let (_home, db) = migrated().await;
    assert_eq!(take(&db, 4, 10, 3001).await, Given::Taken);
    assert_eq!(take(&db, 4, 8, 3002).await, Given::Taken);
    assert_eq!(take(&db, 1, 8, 3003).await, Given::UsedUp, "what nobody waits for has had its part");
    assert_eq!(take(&db, 4, 10, 3004).await, Given::UsedUp, "all or none");
    assert_eq!(take(&db, 2, 10, 3005).await, Given::Taken);
    assert_eq!(take(&db, 1, 10, 3299).await, Given::UsedUp);
    assert_eq!(take(&db, 10, 10, 3300).await, Given::Taken);
    assert_eq!(take(&db, 1, 10, 3299).await, Given::UsedUp, "a clock that is late takes from the window of the others");
    assert_eq!(take(&db, 1, 10, 3301).await, Given::UsedUp);
    assert_eq!(take(&db, 11, 10, 9000).await, Given::UsedUp, "more than there ever is");
    // A clock that fell back by hours finds no window that it would have to wait for.
    assert_eq!(take(&db, 10, 10, 9000).await, Given::Taken);
    assert_eq!(take(&db, 10, 10, 300).await, Given::Taken);
}

#[tokio::test]
async fn a_pause_is_kept_by_all_and_one_for_the_background_by_that_alone() {
    let (_home, db) = migrated().await;
    let held = async |background: bool, now: i64| -> Option<Timestamp> {
        budgets::held_until(db.reader(), SOURCE, background, second(now)).await.unwrap()
    };
    budgets::hold(db.writer(), SOURCE, true, second(100), second(10)).await.unwrap();
    assert_eq!((held(false, 11).await, held(true, 11).await), (None, Some(second(100))));
    budgets::hold(db.writer(), SOURCE, false, second(60), second(12)).await.unwrap();
    assert_eq!(
        (held(false, 13).await, held(true, 13).await),
        (Some(second(60)), Some(second(100))),
        "no pause shortens another"
    );
    assert_eq!(take(&db, 1, 10, 14).await, Given::HeldUntil(second(60)));
    assert_eq!((take(&db, 1, 10, 60).await, take(&db, 1, 9, 61).await), (Given::Taken, Given::HeldUntil(second(100))));
    assert_eq!(held(true, 100).await, None);

    budgets::hold(db.writer(), SOURCE, false, second(1_000_000), second(20_000)).await.unwrap();
    assert_eq!(held(false, 20_001).await, Some(second(23_600)), "an hour is the longest");
    assert_eq!(held(false, 10_000).await, None, "what was written before the clock fell back is not believed");
    budgets::hold(db.writer(), SOURCE, false, second(10_050), second(10_000)).await.unwrap();
    assert_eq!(held(false, 10_001).await, Some(second(10_050)));
}
