//! SIGKILL at seeded points of a sync: of a server with a worker inside, and of a command that works its job itself.
//!
//! Points are steps of the upstream (requests begun and chunks sent), not moments, so that they spread over a whole sync
//! on any machine. At every other point the upstream stands still until the process is dead; at the rest it goes on.

use acervo_store::db::jobs::State;
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::{RepoFixture, random_bytes};
use acervo_tests::processes::Installation;
use futures::StreamExt;

use super::{
    assert_nothing_is_left, assert_nothing_wrong_is_served, assert_served_whole, assert_stored, events_of, finished,
    large_and_small, queued, size_of,
};

const NAME: &str = "acme/survivor";

/// Points for each of the two ways to sync.
const POINTS: usize = 12;

/// Deaths that are died at the same time: afterwards most of the time goes by waiting for leases to end.
const AT_ONCE: usize = 6;

/// Names another seed than the usual one.
const SEED_VARIABLE: &str = "ACERVO_TEST_SEED";

fn fixture() -> RepoFixture {
    large_and_small(NAME, 8_000_000, 40)
}

/// `POINTS` steps between the first and the last of a whole sync, both among them.
fn points(steps: u64, salt: u64) -> Vec<u64> {
    let seed: u64 = std::env::var(SEED_VARIABLE).map_or(20_240_101, |text| text.parse().unwrap());
    println!("{SEED_VARIABLE}={seed}");
    let draws = random_bytes(seed ^ salt, 8 * (POINTS - 2));
    let draws = draws.chunks(8).map(|draw| u64::from_le_bytes(draw.try_into().unwrap()) % steps + 1);
    let mut points: Vec<u64> = draws.chain([1, steps]).collect();
    points.sort_unstable();
    println!("points of {steps} steps: {points:?}");
    points
}

/// Steps that a sync takes if nobody dies.
async fn steps_of_a_whole_sync() -> u64 {
    let upstream = FakeUpstream::start(vec![fixture()]).await.unwrap();
    let installation = Installation::new(&upstream.endpoint());
    assert!(installation.run(&["mirror", "add", NAME]).await.success);
    let synced = installation.run(&["sync", NAME]).await;
    assert!(synced.success, "{synced:?}");
    assert_eq!(upstream.file_bytes(), size_of(&fixture()));
    upstream.steps()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_at_any_point_of_a_sync_completes_it_after_its_restart() {
    let points = points(steps_of_a_whole_sync().await, 1);
    let deaths = futures::stream::iter(points.into_iter().enumerate());
    let resumed = deaths.map(|(index, point)| die_serving(point, index % 2 == 0)).buffer_unordered(AT_ONCE);
    assert_some_resumed(&resumed.collect::<Vec<bool>>().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_killed_at_any_point_of_a_sync_completes_it_when_it_is_run_again() {
    let points = points(steps_of_a_whole_sync().await, 2);
    let deaths = futures::stream::iter(points.into_iter().enumerate());
    let resumed = deaths.map(|(index, point)| die_syncing(point, index % 2 == 0)).buffer_unordered(AT_ONCE);
    assert_some_resumed(&resumed.collect::<Vec<bool>>().await);
}

/// How much of a large file is on disk when its process dies is up to the kernel, hence some and not all.
fn assert_some_resumed(resumed: &[bool]) {
    assert_eq!(resumed.len(), POINTS);
    let count = resumed.iter().filter(|resumed| **resumed).count();
    assert!(count > 0, "after no death of {POINTS} the large file went on where it had stopped");
}

/// An upstream that stands still from this point on, or does not.
async fn upstream_held(point: u64, is_held: bool) -> FakeUpstream {
    let upstream = FakeUpstream::start(vec![fixture()]).await.unwrap();
    upstream.hold_at(is_held.then_some(point));
    upstream
}

/// Returns whether the large file went on where it had stopped.
async fn die_serving(point: u64, is_held: bool) -> bool {
    let when = format!("server killed at step {point}, upstream {}", if is_held { "held" } else { "going on" });
    let upstream = upstream_held(point, is_held).await;
    let installation = Installation::new(&upstream.endpoint());
    let server = installation.serve().await;
    let hub = installation.hub().await;
    let (_, job) = queued(&hub, NAME).await;
    upstream.wait_steps(point).await;
    server.kill().await;
    upstream.hold_at(None);

    let server = installation.serve().await;
    assert_nothing_wrong_is_served(server.url(), &fixture(), &when).await;
    let ended = finished(&hub, job).await;

    assert_eq!(ended.state, State::Succeeded, "{when}: {:?}", ended.error);
    assert!(is_held <= (ended.attempts == 2), "{when}: {} attempts", ended.attempts);
    assert_served_whole(server.url(), &fixture(), &when).await;
    assert!(server.stop().await.success(), "{when}");
    assert_all_is_well(&upstream, &installation, &when).await
}

/// Returns whether the large file went on where it had stopped.
async fn die_syncing(point: u64, is_held: bool) -> bool {
    let when = format!("command killed at step {point}, upstream {}", if is_held { "held" } else { "going on" });
    let upstream = upstream_held(point, is_held).await;
    let installation = Installation::new(&upstream.endpoint());
    assert!(installation.run(&["mirror", "add", NAME]).await.success, "{when}");
    let command = installation.start(&["sync", NAME]);
    upstream.wait_steps(point).await;
    command.kill().await;
    upstream.hold_at(None);

    let again = installation.run(&["sync", NAME]).await;

    assert!(again.success, "{when}: {again:?}");
    let server = installation.serve().await;
    assert_served_whole(server.url(), &fixture(), &when).await;
    assert!(server.stop().await.success(), "{when}");
    assert_all_is_well(&upstream, &installation, &when).await
}

async fn assert_all_is_well(upstream: &FakeUpstream, installation: &Installation, when: &str) -> bool {
    let hub = installation.hub().await;
    assert_stored(&hub, &[&fixture()], when).await;
    assert_nothing_is_left(&hub, when).await;
    assert_eq!(events_of(&hub, "commit.published").await, 1, "{when}");
    let lost = upstream.file_bytes().saturating_sub(size_of(&fixture()));
    println!("{when}: {lost} bytes fetched again");
    assert!(lost <= size_of(&fixture()), "{when}: {lost} bytes were fetched again, more than all of it");
    let starts_within = |range: &String| range.strip_prefix("bytes=").is_some_and(|range| !range.starts_with("0-"));
    upstream.requests().iter().filter_map(|request| request.range.as_ref()).any(starts_within)
}
