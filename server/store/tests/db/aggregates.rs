//! What the questions and changes of `db` promise, over a migrated database.

use acervo_core::listing::{EntryKind, Listing};
use acervo_core::{CommitOid, GitOid, RefKind, RepoKind, Sha256Digest, Timestamp, TreeEntry};
use acervo_store::StoreError;
use acervo_store::db::blobs::Held;
use acervo_store::db::commits::{self, LogEntry};
use acervo_store::db::jobs::{self, Ending, Heartbeat, Lease, Level, LogLine, NewJob, State};
use acervo_store::db::repos::{self, Cause};
use acervo_store::db::{blobs, commit, events, generation, holdings, refs, trees};
use serde_json::json;
use uuid::Uuid;

use crate::support::{at, migrated, repo};

pub(crate) fn file(path: &str) -> TreeEntry {
    let oid = GitOid::of_blob(path.as_bytes());
    TreeEntry { path: path.parse().unwrap(), kind: EntryKind::File, size: path.len() as u64, oid, lfs: None }
}

pub(crate) fn job(key: &str, run_at: Timestamp) -> NewJob {
    NewJob {
        id: Uuid::now_v7(),
        kind: "sync",
        payload: json!({}),
        dedup_key: key.to_owned(),
        repo_id: None,
        priority: 0,
        run_at,
        attempts_max: 3,
        created_by: None,
        organization: None,
        at: at(1),
    }
}

#[tokio::test]
async fn names_are_unique_without_regard_to_case_and_aliases_lead_to_them() {
    let (_home, db) = migrated().await;
    let gpt2 = repo(&db, "OpenAI-Community/gpt2").await;
    let found = repos::by_name(db.reader(), RepoKind::Model, "openai-community/gpt2").await.unwrap().unwrap();
    assert_eq!(found.name.as_str(), "OpenAI-Community/gpt2");
    assert!(repos::by_name(db.reader(), RepoKind::Dataset, "openai-community/gpt2").await.unwrap().is_none());

    for _ in 0..2 {
        repos::add_alias(db.writer(), &gpt2, "GPT2", Cause::Canonical, at(2)).await.unwrap();
    }
    let led = repos::by_alias(db.reader(), RepoKind::Model, "gpt2").await.unwrap().unwrap();
    assert_eq!(led.id, gpt2.id);
    let other = repo(&db, "acme/other").await;
    let taken = repos::add_alias(db.writer(), &other, "gpt2", Cause::Canonical, at(2)).await.unwrap_err();
    assert!(matches!(taken, StoreError::Conflict { .. }), "{taken}");
}

#[tokio::test]
async fn a_large_listing_is_found_by_path_by_folder_and_in_full() {
    let (_home, db) = migrated().await;
    let repo = repo(&db, "acme/large").await;
    let entries: Vec<TreeEntry> = (0..7000).map(|n| file(&format!("data/{:02}/{n:05}.json", n % 50))).collect();
    let new = Listing::build(entries).unwrap();
    let id = trees::insert_listing(db.writer(), repo.id, &new, at(1)).await.unwrap();
    assert_eq!(trees::insert_listing(db.writer(), repo.id, &new, at(2)).await.unwrap(), id, "written once");

    for path in ["data", "data/00", "data/49/06999.json", "data/00/00000.json"] {
        let found = trees::entry_at(db.reader(), id, &path.parse().unwrap()).await.unwrap();
        assert_eq!(found.unwrap().entry.path.as_str(), path);
    }
    for path in ["a", "data/00/", "data/00/00001.json", "zzz"] {
        let Ok(path) = path.parse() else { continue };
        assert!(trees::entry_at(db.reader(), id, &path).await.unwrap().is_none(), "{path}");
    }
    let (mut all, mut direct) = (Vec::new(), 0);
    for segment in trees::segments(db.reader(), id).await.unwrap() {
        all.extend(trees::segment_entries(db.reader(), segment.segment_id, trees::Within::Everything).await.unwrap());
        direct += trees::segment_entries(db.reader(), segment.segment_id, trees::Within::Directly("data"))
            .await
            .unwrap()
            .len();
    }
    assert!(all.iter().map(|found| &found.entry).eq(new.entries()), "the listing comes back as it was");
    assert_eq!(direct, 50);
    assert_eq!(trees::totals(db.reader(), id).await.unwrap().files, 7000);
    assert_eq!(holdings::missing_files(db.reader(), id).await.unwrap(), 7000);

    let blob = blobs::insert(db.writer(), Sha256Digest::of(b"x"), 1, at(1)).await.unwrap();
    let missing = holdings::missing_paths(db.reader(), id).await.unwrap();
    let ties: Vec<_> = missing.iter().map(|path| (path.parse().unwrap(), blob)).collect();
    holdings::tie(db.writer(), id, &ties[1..]).await.unwrap();
    assert_eq!(holdings::missing_paths(db.reader(), id).await.unwrap(), missing[..1], "all but the first are tied");
}

#[tokio::test]
async fn bytes_are_reused_by_git_id_within_a_repository_and_never_across() {
    let (_home, db) = migrated().await;
    let (one, two) = (repo(&db, "acme/one").await, repo(&db, "acme/two").await);
    let new = Listing::build(vec![file("a.txt"), file("b.txt")]).unwrap();
    let id = trees::insert_listing(db.writer(), one.id, &new, at(1)).await.unwrap();
    let blob = blobs::insert(db.writer(), Sha256Digest::of(b"a.txt"), 5, at(1)).await.unwrap();
    assert_eq!(
        blobs::insert(db.writer(), Sha256Digest::of(b"a.txt"), 5, at(9)).await.unwrap(),
        blob,
        "one row a content"
    );
    let path: acervo_core::RepoPath = "a.txt".parse().unwrap();
    holdings::tie(db.writer(), id, &[(path.clone(), blob)]).await.unwrap();

    assert_eq!(holdings::missing_files(db.reader(), id).await.unwrap(), 1);
    let stored = trees::entry_at(db.reader(), id, &path).await.unwrap().unwrap();
    assert_eq!(stored.blob, Some(Sha256Digest::of(b"a.txt")));
    let oids = [GitOid::of_blob(b"a.txt"), GitOid::of_blob(b"b.txt")];
    let here = holdings::held_by_oid(db.reader(), one.id, &oids).await.unwrap();
    assert_eq!(here.into_iter().collect::<Vec<_>>(), [(oids[0], Held { id: blob, size: 5 })]);
    assert!(holdings::held_by_oid(db.reader(), two.id, &oids).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_log_follows_predecessors_and_survives_a_cycle() {
    let (_home, db) = migrated().await;
    let repo = repo(&db, "acme/log").await;
    let oid = |n: u8| CommitOid::from_bytes([n; 20]);
    let entry = |n: u8, before: Option<u8>| LogEntry {
        oid: oid(n),
        title: format!("commit {n}"),
        message: String::new(),
        authors: vec!["ana".to_owned()],
        committed_at: Some(at(i64::from(n))),
        predecessor: before.map(oid),
    };
    let log = [entry(3, Some(2)), entry(2, Some(1)), entry(1, Some(3))];
    for _ in 0..2 {
        commits::insert_log(db.writer(), repo.id, &log, at(1)).await.unwrap();
    }
    let titles = |found: Vec<commits::Commit>| found.into_iter().map(|commit| commit.title).collect::<Vec<_>>();
    let two = commits::log(db.reader(), repo.id, oid(3), 2).await.unwrap();
    assert_eq!(titles(two), ["commit 3", "commit 2"]);
    assert!(commits::log(db.reader(), repo.id, oid(3), 100).await.unwrap().len() <= 100);
    assert!(commits::log(db.reader(), repo.id, oid(9), 100).await.unwrap().is_empty());
}

#[tokio::test]
async fn refs_remember_where_they_were_and_where_upstream_is() {
    let (_home, db) = migrated().await;
    let repo = repo(&db, "acme/refs").await;
    let (old, new) = (CommitOid::from_bytes([1; 20]), CommitOid::from_bytes([2; 20]));
    let entry = |oid| LogEntry {
        oid,
        title: "t".to_owned(),
        message: String::new(),
        authors: Vec::new(),
        committed_at: None,
        predecessor: None,
    };
    commits::insert_log(db.writer(), repo.id, &[entry(old), entry(new)], at(1)).await.unwrap();
    let old_id = commits::by_oid(db.reader(), repo.id, old).await.unwrap().unwrap().id;

    refs::note_upstream(db.writer(), repo.id, RefKind::Branch, "main", Some(old), at(1)).await.unwrap();
    assert!(refs::served(db.reader(), repo.id).await.unwrap().is_empty(), "upstream's ref serves nothing here yet");
    let before =
        refs::move_to(db.writer(), repo.id, RefKind::Branch, "main", (old_id, old), "sync", at(2)).await.unwrap();
    assert_eq!(before, None);
    refs::note_upstream(db.writer(), repo.id, RefKind::Branch, "main", Some(new), at(3)).await.unwrap();
    let main = refs::by_name(db.reader(), repo.id, RefKind::Branch, "main").await.unwrap().unwrap();
    assert_eq!((main.served, main.upstream), (Some((old_id, old)), Some(new)), "what is served stays");
    assert!(refs::by_name(db.reader(), repo.id, RefKind::Tag, "main").await.unwrap().is_none());
}

#[tokio::test]
async fn a_job_is_queued_once_claimed_once_and_fenced() {
    let (_home, db) = migrated().await;
    let (id, is_new) = jobs::enqueue(db.writer(), job("sync:1", at(10))).await.unwrap();
    assert!(is_new);
    assert_eq!(jobs::enqueue(db.writer(), job("sync:1", at(10))).await.unwrap(), (id, false));
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    assert!(jobs::claim(db.writer(), first, None, at(100), at(9)).await.unwrap().is_none(), "not due yet");

    let claimed = jobs::claim(db.writer(), first, None, at(100), at(10)).await.unwrap().unwrap();
    let lease = Lease { job_id: id, fence: claimed.fence };
    assert!(jobs::claim(db.writer(), second, None, at(100), at(50)).await.unwrap().is_none(), "it has a holder");
    let beat = jobs::heartbeat(db.writer(), lease, Some(json!({"n": 1})), at(200), at(60)).await.unwrap();
    assert_eq!(beat, Heartbeat::Held);

    let taken = jobs::claim(db.writer(), second, None, at(400), at(201)).await.unwrap().unwrap();
    assert_eq!((taken.id, taken.attempts), (id, 2), "the lease had run out");
    let lost = jobs::heartbeat(db.writer(), lease, None, at(500), at(202)).await.unwrap();
    assert_eq!(lost, Heartbeat::Lost);
    assert!(!jobs::is_held(db.writer(), lease).await.unwrap());
    let late = jobs::finish(db.writer(), lease, Ending::Succeeded(json!({})), None, at(203)).await.unwrap();
    assert!(!late, "the first holder may write nothing any more");
    let mine = Lease { job_id: id, fence: taken.fence };
    assert!(jobs::finish(db.writer(), mine, Ending::Succeeded(json!({"ok": true})), None, at(204)).await.unwrap());
    let done = jobs::by_id(db.reader(), id).await.unwrap().unwrap();
    assert_eq!((done.state, done.outcome), (State::Succeeded, Some(json!({"ok": true}))));
    let (_, is_new) = jobs::enqueue(db.writer(), job("sync:1", at(300))).await.unwrap();
    assert!(is_new, "an ended job does not block the next");
}

#[tokio::test]
async fn a_job_is_retried_when_due_and_cancelled_on_demand() {
    let (_home, db) = migrated().await;
    let (id, _) = jobs::enqueue(db.writer(), job("sync:1", at(10))).await.unwrap();
    let worker = Uuid::now_v7();
    let claimed = jobs::claim(db.writer(), worker, Some(id), at(100), at(10)).await.unwrap().unwrap();
    let lease = Lease { job_id: id, fence: claimed.fence };
    let retry = Ending::Retry { error: "busy".to_owned(), run_at: at(50) };
    assert!(jobs::finish(db.writer(), lease, retry, None, at(20)).await.unwrap());
    assert!(jobs::claim(db.writer(), worker, None, at(100), at(49)).await.unwrap().is_none());
    let again = jobs::claim(db.writer(), worker, None, at(100), at(50)).await.unwrap().unwrap();

    assert!(jobs::cancel(db.writer(), id, at(60)).await.unwrap());
    let lease = Lease { job_id: id, fence: again.fence };
    let beat = jobs::heartbeat(db.writer(), lease, None, at(200), at(61)).await.unwrap();
    assert_eq!(beat, Heartbeat::Cancelled);
    assert!(jobs::finish(db.writer(), lease, Ending::Cancelled, None, at(62)).await.unwrap());
    assert!(!jobs::cancel(db.writer(), id, at(63)).await.unwrap(), "it has ended");
    let (queued, _) = jobs::enqueue(db.writer(), job("sync:2", at(10))).await.unwrap();
    assert!(jobs::cancel(db.writer(), queued, at(64)).await.unwrap());
    assert_eq!(jobs::by_id(db.reader(), queued).await.unwrap().unwrap().state, State::Cancelled);
}

#[tokio::test]
async fn a_job_is_put_aside_and_goes_on_whatever_its_worker_does_meanwhile() {
    let (_home, db) = migrated().await;
    let (id, _) = jobs::enqueue(db.writer(), job("sync:1", at(10))).await.unwrap();
    let state = async || jobs::by_id(db.reader(), id).await.unwrap().unwrap().state;
    assert!(jobs::pause(db.writer(), id).await.unwrap() && !jobs::pause(db.writer(), id).await.unwrap());
    assert_eq!(state().await, State::Paused);
    assert!(jobs::claim(db.writer(), Uuid::now_v7(), Some(id), at(100), at(20)).await.unwrap().is_none());
    assert_eq!(jobs::enqueue(db.writer(), job("sync:1", at(10))).await.unwrap(), (id, false), "it is the one");
    assert!(jobs::resume(db.writer(), id, at(30)).await.unwrap());
    let claim = async |now: i64| {
        let claimed = jobs::claim(db.writer(), Uuid::now_v7(), None, at(1000), at(now)).await.unwrap().unwrap();
        Lease { job_id: id, fence: claimed.fence }
    };
    let lease = claim(30).await;
    assert!(jobs::pause(db.writer(), id).await.unwrap());
    assert_eq!(jobs::heartbeat(db.writer(), lease, None, at(1000), at(31)).await.unwrap(), Heartbeat::Paused);
    assert!(jobs::resume(db.writer(), id, at(32)).await.unwrap(), "before its worker let go of it");
    assert!(jobs::finish(db.writer(), lease, Ending::HandedBack, None, at(33)).await.unwrap());
    assert_eq!(state().await, State::Queued);
    let lease = claim(33).await;
    assert!(jobs::pause(db.writer(), id).await.unwrap());
    let retry = Ending::Retry { error: "a".to_owned(), run_at: at(50) };
    assert!(jobs::finish(db.writer(), lease, retry, None, at(34)).await.unwrap());
    assert_eq!(state().await, State::Paused, "a failure that would be tried again is put aside");
    assert!(jobs::resume(db.writer(), id, at(40)).await.unwrap());
    let lease = claim(40).await;
    assert!(jobs::pause(db.writer(), id).await.unwrap() && jobs::cancel(db.writer(), id, at(41)).await.unwrap());
    assert!(jobs::finish(db.writer(), lease, Ending::HandedBack, None, at(42)).await.unwrap());
    let ended = jobs::by_id(db.reader(), id).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.finished_at.map(Timestamp::from)), (State::Cancelled, Some(at(42))));
    assert!(!jobs::resume(db.writer(), id, at(43)).await.unwrap());
}

#[tokio::test]
async fn a_log_takes_so_many_lines_and_says_that_others_were_left_out() {
    let (_home, db) = migrated().await;
    let (id, _) = jobs::enqueue(db.writer(), job("sync:1", at(10))).await.unwrap();
    let line = |text: String| LogLine { seq: 0, at: at(1), level: Level::Info, text };
    for batch in 0..3 {
        let lines: Vec<LogLine> = (0..400).map(|n| line(format!("{batch} {n}"))).collect();
        jobs::append(db.writer(), id, &lines).await.unwrap();
    }
    jobs::append(db.writer(), id, &[line("late".to_owned())]).await.unwrap();
    let log = jobs::lines_after(db.reader(), id, 0).await.unwrap();
    assert_eq!(log.len(), 1001);
    assert!(log.iter().zip(1..).all(|(line, seq)| line.seq == seq));
    assert_eq!((log[999].text.as_str(), log[1000].text.as_str()), ("2 199", "further lines are left out"));
    assert_eq!(jobs::lines_after(db.reader(), id, 999).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_job_that_is_handed_back_is_due_at_once_and_has_lost_no_attempt() {
    let (_home, db) = migrated().await;
    let (id, _) = jobs::enqueue(db.writer(), job("sync:1", at(10))).await.unwrap();
    for now in [10, 20, 30, 40, 50] {
        let claimed = jobs::claim(db.writer(), Uuid::now_v7(), None, at(1000), at(now)).await.unwrap().unwrap();
        assert_eq!((claimed.id, claimed.attempts), (id, 1));
        let lease = Lease { job_id: id, fence: claimed.fence };
        assert!(jobs::finish(db.writer(), lease, Ending::HandedBack, None, at(now)).await.unwrap());
    }
}

#[tokio::test]
async fn events_vanish_with_their_transaction_and_are_numbered_without_gaps() {
    let (_home, db) = migrated().await;
    let event = |subject: &'static str| events::NewEvent {
        kind: "test.done",
        actor_id: None,
        repo_id: None,
        subject,
        body: b"{}".to_vec(),
        at: at(1),
    };
    events::record(db.writer(), event("first")).await.unwrap();
    let tx = db.begin().await.unwrap();
    events::record(&tx, event("undone")).await.unwrap();
    drop(tx);
    events::record(db.writer(), event("second")).await.unwrap();
    let before = generation::current(db.reader()).await.unwrap();
    generation::bump(db.writer()).await.unwrap();
    assert_eq!(generation::current(db.reader()).await.unwrap(), before + 1);

    for expected in [2, 0] {
        let tx = db.begin().await.unwrap();
        assert_eq!(events::number(&tx, 10).await.unwrap(), expected);
        commit(tx).await.unwrap();
    }
    let all = events::after(db.reader(), 0, 10).await.unwrap();
    let seen: Vec<(i64, &str)> = all.iter().map(|event| (event.seq, event.subject.as_str())).collect();
    assert_eq!(seen, [(1, "first"), (2, "second")]);
    let huge = events::NewEvent { body: vec![b'x'; events::BODY_BYTES_MAX + 1], ..event("huge") };
    assert!(events::record(db.writer(), huge).await.is_err());
}
