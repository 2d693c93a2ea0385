//! Downloads: parts, conditions, large files, and a server that stops in the middle.

use std::time::Duration;

use acervo::app::cache;
use acervo_core::{RepoKind, Role, Sha256Digest, Visibility};
use acervo_tests::fixture::{Kind, random_bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Answer, alone, commit, get, served_bytes, synced, tiny};

const PUBLIC: Visibility = Visibility::Public;

/// The LFS file that most tests here read, and its size.
const WEIGHTS: &str = "/acme/tiny/resolve/main/model.safetensors";
const SIZE: usize = 300_001;

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_a_range_gives_exactly_its_bytes() {
    let fixture = tiny(Kind::Model);
    let (_upstream, hub) = synced(vec![fixture.clone()], &[]).await;
    let file = fixture.entry("model.safetensors");
    let whole = Answer::to(hub.head(WEIGHTS)).await;
    for (range, start, end) in [
        ("bytes=0-0", 0, 0),
        ("bytes=0-", 0, SIZE - 1),
        ("bytes=0-300000", 0, SIZE - 1),
        ("bytes=0-300001", 0, SIZE - 1),
        ("bytes=100-199", 100, 199),
        ("bytes=131071-262144", 131_071, 262_144),
        ("bytes=299999-", 299_999, SIZE - 1),
        ("bytes=300000-300000", SIZE - 1, SIZE - 1),
        ("bytes=300000-99999999999999999999999999", SIZE - 1, SIZE - 1),
        ("bytes=-1", SIZE - 1, SIZE - 1),
        ("bytes=-1000", SIZE - 1000, SIZE - 1),
        ("bytes=-300001", 0, SIZE - 1),
        ("bytes=-99999999999999999999999999", 0, SIZE - 1),
        ("bytes= 5 - 9 ", 5, 9),
    ] {
        let part = Answer::to(hub.get(WEIGHTS).header("range", range)).await;
        assert_eq!(part.status, 206, "{range}");
        assert!(part.body == file.bytes[start..=end], "{range}");
        let mut expected = whole.lasting();
        expected.insert("content-range".to_owned(), format!("bytes {start}-{end}/{SIZE}"));
        expected.insert("content-length".to_owned(), (end - start + 1).to_string());
        // Clients would take the size of the whole file for that of the part.
        expected.remove("x-linked-size");
        assert_eq!(part.lasting(), expected, "{range}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_fetched_at_the_same_time_make_the_whole() {
    let fixture = tiny(Kind::Model);
    let (_upstream, hub) = synced(vec![fixture.clone()], &[]).await;
    let part_bytes = 7919;
    let parts = (0..SIZE.div_ceil(part_bytes)).map(|n| {
        let range = format!("bytes={}-{}", n * part_bytes, (n + 1) * part_bytes - 1);
        Answer::to(hub.get(WEIGHTS).header("range", range))
    });
    let parts = futures::future::join_all(parts).await;
    assert!(parts.iter().all(|part| part.status == 206));
    let whole: Vec<u8> = parts.iter().flat_map(|part| part.body.to_vec()).collect();
    assert!(whole == fixture.entry("model.safetensors").bytes);
    assert_eq!(served_bytes(&hub), SIZE as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_means_nothing_gets_the_whole_content() {
    let fixture = tiny(Kind::Model);
    let (_upstream, hub) = synced(vec![fixture.clone()], &[]).await;
    let file = fixture.entry("model.safetensors");
    for range in ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=9-5", "bytes=0-1,5-6", "bytes=1", "items=0-1"] {
        let answer = Answer::to(hub.get(WEIGHTS).header("range", range)).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-range")), (200, ""), "{range:?}");
        assert!(answer.body == file.bytes, "{range:?}");
    }
    let head = Answer::to(hub.head(WEIGHTS).header("range", "bytes=0-0")).await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, "300001"), "ranges are for GET alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_outside_the_content_is_refused_with_the_contents_size() {
    let fixture = tiny(Kind::Model);
    let (_upstream, hub) = synced(vec![fixture.clone()], &[]).await;
    for (address, range, size) in [
        (WEIGHTS, "bytes=300001-", "bytes */300001"),
        (WEIGHTS, "bytes=300001-300005", "bytes */300001"),
        (WEIGHTS, "bytes=99999999999999999999999999-", "bytes */300001"),
        (WEIGHTS, "bytes=-0", "bytes */300001"),
    ] {
        let answer = Answer::to(hub.get(address).header("range", range)).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-range")), (416, size), "{address} {range}");
        assert_eq!(answer.header("x-repo-commit"), fixture.head(), "{address} {range}");
        assert_eq!(answer.header("cache-control"), "no-store", "{address} {range}");
        assert!(answer.json()["error"].is_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_content_answers_any_range_with_itself_and_its_size() {
    let fixture = tiny(Kind::Model);
    let (_upstream, hub) = synced(vec![fixture.clone()], &[]).await;
    let empty = "/acme/tiny/resolve/main/empty.txt";
    let whole = get(&hub, empty).await;
    assert_eq!((whole.status.as_u16(), whole.header("content-length"), whole.text()), (200, "0", ""));
    for range in ["bytes=0-0", "bytes=0-", "bytes=-1", "bytes=7-9"] {
        let answer = Answer::to(hub.get(empty).header("range", range)).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-length"), answer.text()), (200, "0", ""), "{range}");
        // Clients that probe for a size with a range take it from here.
        assert_eq!(answer.header("content-range"), "bytes */0", "{range}");
        assert_eq!(answer.header("x-repo-commit"), fixture.head(), "{range}");
        assert_eq!(answer.header("etag"), whole.header("etag"), "{range}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_sent_only_of_the_content_that_the_client_has() {
    let fixture = tiny(Kind::Model);
    let (_upstream, hub) = synced(vec![fixture.clone()], &[]).await;
    let tag = format!("\"{}\"", fixture.entry("model.safetensors").sha256);
    for (if_range, status) in [
        (tag.clone(), 206),
        (format!("W/{tag}"), 200),
        ("\"other\"".to_owned(), 200),
        ("Mon, 01 Jan 2024 00:00:00 GMT".to_owned(), 200),
    ] {
        let request = hub.get(WEIGHTS).header("range", "bytes=1-2").header("if-range", &if_range);
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, status, "{if_range}");
        assert_eq!(answer.body.len(), if status == 206 { 2 } else { SIZE }, "{if_range}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_the_content_is_told_so_and_one_that_has_another_is_stopped() {
    let fixture = tiny(Kind::Model);
    let (_upstream, hub) = synced(vec![fixture.clone()], &[]).await;
    for (path, tag) in [
        ("model.safetensors", fixture.sha256_of("model.safetensors")),
        ("README.md", fixture.oid_of("README.md")),
        ("empty.txt", fixture.oid_of("empty.txt")),
    ] {
        let (address, tag) = (format!("/acme/tiny/resolve/main/{path}"), format!("\"{tag}\""));
        let before = served_bytes(&hub);
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            for request in [hub.head(&address), hub.get(&address), hub.get(&address).header("range", "bytes=0-0")] {
                let answer = Answer::to(request.header("if-none-match", &known)).await;
                assert_eq!((answer.status.as_u16(), answer.header("etag")), (304, tag.as_str()), "{path} {known}");
                assert_eq!(answer.header("x-repo-commit"), fixture.head(), "{path} {known}");
                assert_eq!(answer.header("cache-control"), "no-cache", "{path} {known}");
                assert!(answer.body.is_empty(), "{path} {known}");
            }
        }
        for request in [hub.head(&address), hub.get(&address)] {
            let answer = Answer::to(request.header("if-match", "\"other\"")).await;
            assert_eq!((answer.status.as_u16(), answer.header("etag")), (412, tag.as_str()), "{path}");
        }
        assert_eq!(served_bytes(&hub), before, "{path}");
        for (name, value) in [("if-none-match", "\"other\""), ("if-match", &tag), ("if-match", "*")] {
            assert_eq!(Answer::to(hub.get(&address).header(name, value)).await.status, 200, "{path} {name}: {value}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_before_needs_no_database() {
    let fixture = tiny(Kind::Model);
    let (_upstream, hub) = synced(vec![fixture.clone()], &[]).await;
    let token = hub.token("reader", Role::Reader).await;
    let tag = format!("\"{}\"", fixture.sha256_of("model.safetensors"));
    let id = fixture.head();
    let ask = || async {
        let mut answers = Vec::new();
        for revision in ["main", &id] {
            for path in ["model.safetensors", "config.json", "absent.json"] {
                let address = format!("/acme/tiny/resolve/{revision}/{path}");
                answers.push(Answer::to(hub.head(&address)).await);
                answers.push(Answer::to(hub.get(&address).bearer_auth(&token)).await);
                answers.push(Answer::to(hub.get(&address).header("range", "bytes=0-9")).await);
                answers.push(Answer::to(hub.get(&address).header("if-none-match", &tag)).await);
            }
        }
        answers.push(get(&hub, "/ACME/tiny/resolve/main/config.json").await);
        answers.push(get(&hub, "/acme/absent/resolve/main/config.json").await);
        answers
    };
    // Or the poll for changes of other processes meets those just made here, and forgets everything in between.
    cache::follow_generation(hub.hub()).await.unwrap();
    let cold = ask().await;

    hub.hub().db().close().await.unwrap();
    let warm = ask().await;

    assert_eq!(get(&hub, "/readyz").await.status, 503, "the database is gone");
    assert_eq!(cold.len(), warm.len());
    for (cold, warm) in cold.iter().zip(&warm) {
        assert_eq!((warm.status, warm.lasting(), &warm.body), (cold.status, cold.lasting(), &cold.body));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_a_large_file_reads_none_of_it() {
    let hub = alone().await;
    let bytes = vec![7; 100_000_000];
    commit(&hub, (RepoKind::Model, "acme/big", PUBLIC), &[("weights.bin", &bytes)]).await;
    let address = "/acme/big/resolve/main/weights.bin";

    let head = Answer::to(hub.head(address)).await;

    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, "100000000"));
    assert_eq!(head.header("x-linked-size"), "100000000");
    assert_eq!(head.header("etag"), format!("\"{}\"", Sha256Digest::of(&bytes)));
    assert_eq!(served_bytes(&hub), 0);
    // On one connection: had the HEAD sent a byte of the body, the next answer would not begin where it does.
    let mut stream = TcpStream::connect(hub.url().strip_prefix("http://").unwrap()).await.unwrap();
    for _ in 0..3 {
        stream.write_all(format!("HEAD {address} HTTP/1.1\r\nHost: hub\r\n\r\n").as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("content-length: 100000000\r\n"), "{head}");
    }
    assert_eq!(served_bytes(&hub), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_takes_no_new_connections_and_finishes_a_running_download() {
    let hub = alone().await;
    // More than all the buffers between the two ends hold.
    let bytes = random_bytes(9, 40_000_000);
    commit(&hub, (RepoKind::Model, "acme/big", PUBLIC), &[("weights.bin", &bytes)]).await;
    let address = hub.url().strip_prefix("http://").unwrap().to_owned();
    let mut download = hub.get("/acme/big/resolve/main/weights.bin").send().await.unwrap();
    let mut received = download.chunk().await.unwrap().unwrap().to_vec();

    let stopping = tokio::spawn(hub.restart("http://127.0.0.1:9"));
    let refused = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        while TcpStream::connect(&address).await.is_ok() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), refused).await.expect("the hub stops listening");
    assert!(!stopping.is_finished(), "the hub waits for the download");
    while let Some(chunk) = download.chunk().await.unwrap() {
        received.extend_from_slice(&chunk);
    }

    assert!(received == bytes);
    let again = stopping.await.unwrap();
    let part = Answer::to(again.get("/acme/big/resolve/main/weights.bin").header("range", "bytes=-7")).await;
    assert_eq!((part.status.as_u16(), part.body.as_ref()), (206, &bytes[bytes.len() - 7..]));
}
