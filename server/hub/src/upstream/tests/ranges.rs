//! Large files, fetched in several ranges at once: each byte once, each range resumed, one address for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use acervo_core::TreeEntry;

use super::super::throughput::Throughput;
use super::super::{Client, Config, UpstreamError};
use super::config;
use super::server::{Asked, Reply, Server};
use super::transfer::{Bench, SIZE, asked_for, content, cut, fetch, identified, lfs_entry, redirect, served, verified};

const RANGE: usize = 20_000;

fn splitting(endpoint: &str) -> Config {
    Config { range_bytes: RANGE as u64, ranges_at_once: 4, ..config(endpoint) }
}

fn client(endpoint: &str) -> Client {
    Client::new(&splitting(endpoint)).unwrap()
}

/// A hub that sends everybody to `cdn`.
async fn hub_before(cdn: &Server) -> Server {
    let base = cdn.url.clone();
    Server::start(move |_, nth| redirect(&lfs_entry(), &format!("{base}/signed/{nth}"))).await
}

/// Bytes that these requests asked for.
fn asked_bytes(server: &Server) -> usize {
    let spans = server.asked();
    spans.iter().map(|asked| asked_for(asked, SIZE).map_or(SIZE, |(first, end)| end - first)).sum()
}

#[tokio::test]
async fn a_large_file_comes_in_ranges_from_one_address_and_each_byte_once() {
    let cdn = Server::start(|asked, _| served(asked, &content())).await;
    let hub = hub_before(&cdn).await;
    let (bench, entry) = (Bench::new().await, lfs_entry());
    let sink = bench.stage(&entry).await;
    let told = fetch(&client(&hub.url), &entry, &sink).await.unwrap();

    assert!(!told.mixed);
    assert_eq!((hub.asked().len(), sink.arrived()), (1, SIZE as u64));
    let mut ranges: Vec<(usize, usize)> = cdn.asked().iter().map(|asked| asked_for(asked, SIZE).unwrap()).collect();
    ranges[..4].sort_unstable();
    assert_eq!(ranges[3], (3 * RANGE, 4 * RANGE), "the first bytes are asked for first: {ranges:?}");
    ranges.sort_unstable();
    let expected: Vec<(usize, usize)> = (0..SIZE / RANGE).map(|n| (n * RANGE, (n + 1) * RANGE)).collect();
    assert_eq!(ranges, expected);
    assert!(verified(sink).await);
}

#[tokio::test]
async fn ranges_are_asked_for_near_to_what_is_there_without_a_gap() {
    // The first range never comes; the others wait for it when they are far enough ahead.
    let cdn = Server::start(|asked, _| match asked_for(asked, SIZE).unwrap() {
        (0, _) => Reply::silence(),
        _ => served(asked, &content()),
    })
    .await;
    let hub = hub_before(&cdn).await;
    let (bench, entry) = (Bench::new().await, lfs_entry());
    let sink = bench.stage(&entry).await;
    let others_are_there = async {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        while sink.gap(RANGE as u64).is_none_or(|gap| gap.start < 9 * RANGE as u64) {
            assert!(Instant::now() < deadline, "{:?}", sink.gap(RANGE as u64));
            looks.tick().await;
        }
    };
    let client = client(&hub.url);
    tokio::select! {
        ended = fetch(&client, &entry, &sink) => panic!("{ended:?}"),
        () = others_are_there => {}
    }

    let furthest = cdn.asked().iter().map(|asked| asked_for(asked, SIZE).unwrap().0).max().unwrap();
    assert_eq!(furthest, 8 * RANGE, "twice as far as four ranges reach, and no further");
    assert_eq!(sink.gap(0), Some(0..RANGE as u64));
}

#[tokio::test]
async fn ranges_that_fail_are_resumed_by_themselves_while_the_others_go_on() {
    let failed = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&failed);
    let cdn = Server::start(move |asked, _| {
        let (first, end) = asked_for(asked, SIZE).unwrap();
        let whole = end - first == RANGE;
        let fault = match first / RANGE {
            2 if whole => cut(asked, &content(), 7000),
            5 if whole && counted.load(Ordering::SeqCst) < 3 => Reply::new(503),
            7 if whole && counted.load(Ordering::SeqCst) < 4 => Reply::silence(),
            _ => return served(asked, &content()),
        };
        counted.fetch_add(1, Ordering::SeqCst);
        fault
    })
    .await;
    let hub = hub_before(&cdn).await;
    let (bench, entry) = (Bench::new().await, lfs_entry());
    let sink = bench.stage(&entry).await;
    let impatient = Config { read_timeout_seconds: 2, attempts_max: 5, ..splitting(&hub.url) };
    fetch(&Client::new(&impatient).unwrap(), &entry, &sink).await.unwrap();

    assert!(failed.load(Ordering::SeqCst) >= 3);
    assert!(cdn.ranges().contains(&Some(format!("bytes={}-{}", 2 * RANGE + 7000, 3 * RANGE - 1))));
    assert_eq!(hub.asked().len(), 1, "a broken range does not make the address wrong");
    assert!(verified(sink).await);
}

#[tokio::test]
async fn a_signed_address_that_expires_among_ranges_is_replaced_once_for_all() {
    let cdn = Server::start(|asked, nth| match nth {
        4.. if asked.target == "/signed/0" => Reply::new(403).body("<Error><Code>AccessDenied</Code></Error>"),
        _ => served(asked, &content()),
    })
    .await;
    let hub = hub_before(&cdn).await;
    let (bench, entry) = (Bench::new().await, lfs_entry());
    let sink = bench.stage(&entry).await;
    fetch(&client(&hub.url), &entry, &sink).await.unwrap();

    assert_eq!(hub.asked().len(), 2);
    assert!(cdn.targets().iter().all(|target| target == "/signed/0" || target == "/signed/1"));
    assert!(verified(sink).await);
}

#[tokio::test]
async fn a_server_without_ranges_sends_one_stream_and_what_is_there_is_kept() {
    let cdn = Server::start(|_, nth| {
        let whole = Reply::new(200).header("Content-Length", SIZE);
        // The stream breaks off once.
        if nth < 4 { whole.body(&content()[..150_000]) } else { whole.body(content()) }
    })
    .await;
    let hub = hub_before(&cdn).await;
    let (bench, entry) = (Bench::new().await, lfs_entry());
    let sink = bench.stage(&entry).await;
    let mut writer = sink.writer(200_000);
    // Other bytes than the server's, to see whose are kept.
    writer.write(bytes::Bytes::from_static(&[0xee; 1000])).await.unwrap();
    writer.flush().await.unwrap();
    let once = Client::new(&Config { attempts_max: 5, ..splitting(&hub.url) }).unwrap();
    fetch(&once, &entry, &sink).await.unwrap();

    assert!(cdn.asked().len() <= 6, "{:?}", cdn.ranges());
    assert_eq!(sink.gap(0), None);
    assert!(!verified(sink).await, "the bytes that were there are there still");
}

#[tokio::test]
async fn every_range_that_the_hub_sends_itself_is_held_to_the_listing() {
    let entry = lfs_entry();
    let hub = Server::start(|asked, _| identified(served(asked, &content()), &lfs_entry())).await;
    let bench = Bench::new().await;
    let sink = bench.stage(&entry).await;
    fetch(&client(&hub.url), &entry, &sink).await.unwrap();
    assert_eq!((hub.asked().len(), asked_bytes(&hub)), (SIZE / RANGE, SIZE));
    assert!(hub.asked().iter().all(|asked| asked.header("authorization").is_some()));
    assert!(verified(sink).await);

    let hub = Server::start(|asked, _| {
        let reply = served(asked, &content());
        let of_another = asked_for(asked, SIZE).unwrap().0 >= 6 * RANGE;
        let listed = lfs_entry();
        let entry = if of_another { TreeEntry { lfs: None, ..listed } } else { listed };
        identified(reply, &entry)
    })
    .await;
    let bench = Bench::new().await;
    let sink = bench.stage(&entry).await;
    let error = fetch(&client(&hub.url), &entry, &sink).await.unwrap_err();
    assert!(matches!(error, UpstreamError::IdentityDisagrees { .. }), "{error}");
    assert!(sink.arrived() <= 6 * RANGE as u64, "nothing of the other content was taken");
}

#[tokio::test]
async fn a_file_that_changes_under_its_address_is_asked_for_again_and_told() {
    let tagged = |asked: &Asked, tag: &str| served(asked, &content()).header("ETag", format!("\"{tag}\""));
    let cdn = Server::start(move |asked, nth| tagged(asked, if nth < 5 { "one" } else { "two" })).await;
    let hub = hub_before(&cdn).await;
    let (bench, entry) = (Bench::new().await, lfs_entry());
    let sink = bench.stage(&entry).await;
    let told = fetch(&client(&hub.url), &entry, &sink).await.unwrap();

    assert!(told.mixed);
    assert!((2..=4).contains(&hub.asked().len()), "{}", hub.asked().len());
    let conditions: Vec<Option<String>> =
        cdn.asked().iter().map(|asked| asked.header("if-range").map(str::to_owned)).collect();
    assert!(conditions[0].is_none() && conditions.contains(&Some("\"one\"".to_owned())), "{conditions:?}");
    assert!(verified(sink).await);

    // One host behind several machines that never agree comes to an end, too.
    let cdn = Server::start(move |asked, nth| tagged(asked, &format!("{nth}"))).await;
    let hub = hub_before(&cdn).await;
    let bench = Bench::new().await;
    let sink = bench.stage(&entry).await;
    let patient = Client::new(&Config { attempts_max: 8, ..splitting(&hub.url) }).unwrap();
    assert!(fetch(&patient, &entry, &sink).await.unwrap().mixed);
    assert!(verified(sink).await);
}

#[tokio::test]
async fn a_later_call_asks_for_the_missing_ranges_alone() {
    let cdn = Server::start(|asked, nth| match nth {
        9.. => Reply::new(410),
        _ => served(asked, &content()),
    })
    .await;
    let hub = hub_before(&cdn).await;
    let (bench, entry) = (Bench::new().await, lfs_entry());
    let sink = bench.stage(&entry).await;
    fetch(&client(&hub.url), &entry, &sink).await.unwrap_err();
    let there = sink.arrived();
    assert_eq!(there, 9 * RANGE as u64);
    // Dropped, as a process is that dies.
    drop(sink);

    let cdn = Server::start(|asked, _| served(asked, &content())).await;
    let hub = hub_before(&cdn).await;
    let sink = bench.stage(&entry).await;
    assert_eq!(sink.arrived(), there);
    fetch(&client(&hub.url), &entry, &sink).await.unwrap();
    assert_eq!(asked_bytes(&cdn), SIZE - usize::try_from(there).unwrap());
    assert!(verified(sink).await);
}

#[tokio::test]
async fn clients_that_share_a_limit_keep_to_it_together() {
    let hub = Server::start(|asked, _| identified(served(asked, &content()), &lfs_entry())).await;
    let (bench, entry) = (Bench::new().await, lfs_entry());
    let throughput = Throughput::new(1, 0);
    let held = throughput.enter().await.unwrap();
    let limited = Client::sharing(&splitting(&hub.url), &throughput).unwrap();
    let sink = bench.stage(&entry).await;
    let mut waiting = Box::pin(fetch(&limited, &entry, &sink));
    // Another client comes to its end meanwhile, so there was time enough.
    let free = bench.stage(&entry).await;
    let others = client(&hub.url);
    tokio::select! {
        _ = &mut waiting => panic!("there is no place for it"),
        fetched = fetch(&others, &entry, &free) => { fetched.unwrap(); }
    }
    assert_eq!(hub.asked().len(), SIZE / RANGE);
    drop(held);
    waiting.await.unwrap();
    assert_eq!(hub.asked().len(), 2 * SIZE / RANGE);
}

#[tokio::test]
async fn bytes_come_no_faster_than_is_allowed() {
    let hub = Server::start(|asked, _| identified(served(asked, &content()), &lfs_entry())).await;
    let (bench, entry) = (Bench::new().await, lfs_entry());
    let capped = Config { bandwidth_bytes_per_second: 500_000, ..splitting(&hub.url) };
    let sink = bench.stage(&entry).await;
    let start = Instant::now();
    fetch(&Client::new(&capped).unwrap(), &entry, &sink).await.unwrap();
    let least = (SIZE as f64 - 65_536.0 - 2048.0) / 500_000.0;
    assert!(start.elapsed() >= Duration::from_secs_f64(least), "{:?}", start.elapsed());
    assert!(verified(sink).await);
}
