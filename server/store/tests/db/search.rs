//! Lists and searches: the same on both databases, in the same order, whichever way a page is found.

use acervo_core::card::Card;
use acervo_core::catalog::{Facts, describe};
use acervo_core::gate::{Gate, GateMode};
use acervo_core::words::{Question, Words};
use acervo_core::{CommitOid, RefKind, RepoKind, Sha256Digest, Visibility};
use acervo_store::db::commits::{self, LogEntry};
use acervo_store::db::repos::{self, ReadScope, Repo};
use acervo_store::db::search::{self, Among, Filter, GatedIs, Position, Row, Sort, Tier, UnreadCard};
use acervo_store::db::{Database, blobs, gates, refs};
use sea_orm::ConnectionTrait;

use crate::support::{at, migrated, number, repo};

/// Name, tags, and the text of the card.
const CORPUS: [(&str, &[&str], &str); 9] = [
    ("acme/llama", &["license:mit", "en"], "The first."),
    ("llama/first", &["license:mit", "gn"], ""),
    ("acme/llama-3-8b", &["license:llama3", "en", "text-generation"], "A larger one, of 8B."),
    ("other/tiny-LLAMA", &["license:apache-2.0"], "Small, but a llama."),
    ("acme/alpaca", &["base_model:acme/llama", "en"], "Ñandú speaks Guaraní."),
    ("acme/nandu", &["license:mit"], "A bird that runs."),
    ("other/birds", &["gn"], "The Nándu and the llama, both of the Straße; 日本語 too."),
    ("other/numbers", &["n<1K"], "llamas 100% foo_bar *:&|!'\" <!-- -->"),
    ("acme/empty", &[], ""),
];

/// The corpus, made in this order; the row of each is returned.
async fn corpus(db: &Database) -> Vec<Repo> {
    let mut repos = Vec::new();
    for (index, (name, tags, text)) in CORPUS.into_iter().enumerate() {
        let made = repo(db, name).await;
        list(db, &made, tags, text, i64::try_from(index).unwrap()).await;
        repos.push(made);
    }
    repos
}

async fn list(db: &Database, repo: &Repo, tags: &[&str], text: &str, age: i64) {
    let oid: CommitOid = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    let entry = LogEntry {
        oid,
        title: String::new(),
        message: String::new(),
        authors: Vec::new(),
        committed_at: None,
        predecessor: None,
    };
    commits::insert_log(db.writer(), repo.id, &[entry], at(1)).await.unwrap();
    let commit_id = commits::by_oid(db.reader(), repo.id, oid).await.unwrap().unwrap().id;
    let tags: Vec<String> = tags.iter().map(|&tag| tag.to_owned()).collect();
    let entry = describe(&Facts { kind: repo.kind, name: &repo.name, tags: &tags, card: None, upstream: None });
    let row = Row {
        repo_id: repo.id,
        public_id: &repo.public_id,
        kind: repo.kind,
        name: &repo.name,
        namespace_id: repo.namespace_id,
        visibility: repo.visibility,
        commit_id,
        published_at: at(age),
        // Three each share a value.
        modified_at: at(age / 3),
        created_at: at(100 - age),
        downloads: age % 2,
        parameters: u64::try_from(age).ok(),
        bytes: 7,
        keys: &entry.keys,
        labels: &entry.labels.to_stored(),
        card: &Words::of(text).to_stored(),
    };
    search::put(db.writer(), &row).await.unwrap();
}

fn everything() -> ReadScope {
    ReadScope { everything: true, internal: true, namespaces: Vec::new(), repos: Vec::new() }
}

fn stranger() -> ReadScope {
    ReadScope { everything: false, internal: false, namespaces: Vec::new(), repos: Vec::new() }
}

async fn name_of(db: &Database, repo_id: i64) -> String {
    repos::by_id(db.reader(), repo_id).await.unwrap().unwrap().name.to_string()
}

/// Every page of a search, two results each: tiers and names.
async fn searched(db: &Database, scope: &ReadScope, question: &str) -> Vec<(i32, String)> {
    let question = Question::parse(question).unwrap();
    let among = Among { scope: scope.clone(), kind: None, keys: Vec::new() };
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = search::by_name(db.reader(), &among, &question, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.tier, last.repo_id));
        found.extend(page);
    }
    for tier in [Tier::Tags, Tier::Card] {
        let mut after = None;
        loop {
            let page = search::by_words(db.reader(), &among, &question, tier, after, 2).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.repo_id);
            found.extend(page);
        }
    }
    let mut named = Vec::new();
    for row in found {
        named.push((row.tier as i32, name_of(db, row.repo_id).await));
    }
    named
}

#[tokio::test]
async fn a_search_finds_the_same_in_the_same_order_on_every_database() {
    let (_home, db) = migrated().await;
    corpus(&db).await;
    for (question, expected) in [
        (
            "llama",
            &[
                (0, "acme/llama"),
                (1, "acme/llama-3-8b"),
                (1, "llama/first"),
                (2, "other/tiny-LLAMA"),
                (3, "acme/alpaca"),
                (4, "other/numbers"),
                (4, "other/birds"),
            ][..],
        ),
        ("ACME/Llama", &[(0, "acme/llama"), (1, "acme/llama-3-8b"), (3, "acme/alpaca")]),
        ("llama 8b", &[(2, "acme/llama-3-8b")]),
        ("larger 8b", &[(4, "acme/llama-3-8b")]),
        ("NANDÚ", &[(0, "acme/nandu"), (4, "other/birds"), (4, "acme/alpaca")]),
        ("guarani", &[(4, "acme/alpaca")]),
        ("guar", &[(4, "acme/alpaca")]),
        ("strasse", &[(4, "other/birds")]),
        ("語日", &[(4, "other/birds")]),
        ("mit", &[(3, "acme/nandu"), (3, "llama/first"), (3, "acme/llama")]),
        ("license:mit gn", &[(3, "llama/first")]),
        ("100%", &[(4, "other/numbers")]),
        ("foo_bar", &[(4, "other/numbers")]),
        ("8", &[(2, "acme/llama-3-8b")]),
        ("bird 日本", &[(4, "other/birds")]),
        ("of the", &[(4, "other/birds")]),
        ("llama unheard", &[]),
        ("'\" OR 1=1 --", &[]),
    ] {
        let found = searched(&db, &everything(), question).await;
        let expected: Vec<(i32, String)> = expected.iter().map(|(tier, name)| (*tier, (*name).to_owned())).collect();
        assert_eq!(found, expected, "{question}");
    }
}

#[tokio::test]
async fn a_search_never_finds_what_is_hidden() {
    let (_home, db) = migrated().await;
    let repos = corpus(&db).await;
    for repo in &repos[..3] {
        repos::set_visibility(db.writer(), repo.id, Visibility::Private).await.unwrap();
    }
    let names = async |scope: &ReadScope| {
        searched(&db, scope, "llama").await.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
    };
    let open = ["other/tiny-LLAMA", "acme/alpaca", "other/numbers", "other/birds"];
    assert_eq!(names(&stranger()).await, open);
    let granted = ReadScope { repos: vec![repos[1].id], ..stranger() };
    assert_eq!(names(&granted).await, [&["llama/first"], &open[..]].concat());
    let member = ReadScope { namespaces: vec![repos[0].namespace_id], ..stranger() };
    assert_eq!(names(&member).await, [&["acme/llama", "acme/llama-3-8b"], &open[..]].concat());
}

/// Every page of a list, found in one of the two ways: names.
async fn listed(db: &Database, filter: &Filter, order: (Sort, bool), total: u64, limit: u64) -> Vec<String> {
    let mut found = Vec::new();
    let mut after: Option<Position> = None;
    loop {
        let page = search::page(db.reader(), filter, order, after.as_ref(), total, limit).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.position.clone());
        found.extend(page.iter().map(|row| row.repo_id));
    }
    let mut names = Vec::new();
    for repo_id in found {
        names.push(name_of(db, repo_id).await);
    }
    names
}

#[tokio::test]
async fn a_list_is_the_same_whichever_way_its_pages_are_found() {
    let (_home, db) = migrated().await;
    let repos = corpus(&db).await;
    repos::set_visibility(db.writer(), repos[5].id, Visibility::Private).await.unwrap();
    repos::set_visibility(db.writer(), repos[6].id, Visibility::Internal).await.unwrap();
    gates::set(db.writer(), repos[2].id, Gate { mode: GateMode::Manual, terms: None }).await.unwrap();
    let filter = |change: fn(&mut Filter)| {
        let mut filter = Filter { kind: Some(RepoKind::Model), ..Filter::all(stranger()) };
        change(&mut filter);
        filter
    };
    let cases: [(Filter, usize); 12] = [
        (filter(|_| {}), 7),
        (filter(|filter| filter.scope.internal = true), 8),
        (filter(|filter| filter.scope = everything()), 9),
        (filter(|filter| filter.kind = None), 7),
        (filter(|filter| filter.kind = Some(RepoKind::Space)), 0),
        (filter(|filter| filter.keys = vec!["license:mit".to_owned()]), 2),
        (filter(|filter| filter.keys = vec!["en".to_owned(), "license:mit".to_owned()]), 1),
        (filter(|filter| filter.names = vec!["llama".to_owned(), "acme/".to_owned()]), 2),
        (filter(|filter| filter.namespace = Some("acme".to_owned())), 4),
        (filter(|filter| filter.gated = Some(GatedIs::Open)), 6),
        (filter(|filter| (filter.gated, filter.keys) = (Some(GatedIs::Any), vec!["en".to_owned()])), 1),
        (filter(|filter| filter.parameters = Some((1, 4))), 4),
    ];
    for (filter, expected) in cases {
        assert_eq!(search::count(db.reader(), &filter).await.unwrap(), expected as u64, "{filter:?}");
        let sorts = [Sort::Published, Sort::Modified, Sort::Created, Sort::Downloads, Sort::Parameters, Sort::Bytes];
        for sort in sorts.into_iter().chain([Sort::Name]) {
            let whole = listed(&db, &filter, (sort, false), 0, 1000).await;
            assert_eq!(whole.len(), expected, "{filter:?}");
            let mut reversed = listed(&db, &filter, (sort, true), 0, 1000).await;
            reversed.reverse();
            assert_eq!(reversed, whole, "{sort:?} {filter:?}");
            for (total, limit) in [(0, 2), (u64::MAX, 1000), (u64::MAX, 2)] {
                assert_eq!(
                    listed(&db, &filter, (sort, false), total, limit).await,
                    whole,
                    "{sort:?} {total} {filter:?}"
                );
            }
        }
    }
    let by_age = listed(&db, &filter(|_| {}), (Sort::Published, false), 0, 3).await;
    let open = |index: &usize| !matches!(index, 5 | 6);
    assert_eq!(by_age, (0..9).rev().filter(open).map(|index| CORPUS[index].0).collect::<Vec<_>>());
    let mut by_name: Vec<String> =
        CORPUS.iter().enumerate().filter(|(i, _)| open(i)).map(|(_, c)| c.0.to_owned()).collect();
    by_name.sort_by_key(|name| name.to_lowercase());
    assert_eq!(listed(&db, &filter(|_| {}), (Sort::Name, true), u64::MAX, 3).await, by_name);
}

#[tokio::test]
async fn tags_are_listed_as_far_as_the_caller_sees_who_has_them() {
    let (_home, db) = migrated().await;
    let repos = corpus(&db).await;
    repos::set_visibility(db.writer(), repos[2].id, Visibility::Private).await.unwrap();
    let tags = async |scope| {
        let rows = search::tags(db.reader(), &scope, RepoKind::Model).await.unwrap();
        rows.into_iter().map(|row| format!("{} {}", row.sort, row.tag)).collect::<Vec<_>>()
    };
    let open = [
        "base_model base_model:acme/llama",
        "language en",
        "language gn",
        "license license:apache-2.0",
        "license license:mit",
        "other n<1K",
    ];
    assert_eq!(tags(stranger()).await, open);
    let all = tags(everything()).await;
    assert_eq!(all.len(), open.len() + 2, "{all:?}");
    assert_eq!(search::tags(db.reader(), &everything(), RepoKind::Dataset).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_taken_off_the_lists_leaves_nothing_behind() {
    let (_home, db) = migrated().await;
    let repos = corpus(&db).await;
    for repo in &repos {
        search::remove(db.writer(), repo.id).await.unwrap();
    }
    assert_eq!(search::count(db.reader(), &Filter::all(everything())).await.unwrap(), 0);
    assert_eq!(searched(&db, &everything(), "llama").await, []);
    for table in ["repo_search", "repo_tag", "repo_words"] {
        assert_eq!(number(&db, &format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_row_is_replaced_whole_when_it_is_written_again() {
    let (_home, db) = migrated().await;
    let repos = corpus(&db).await;
    list(&db, &repos[0], &["license:bsd"], "Something else.", 50).await;
    let filter = |key: &str| Filter { keys: vec![key.to_owned()], ..Filter::all(everything()) };
    assert_eq!(search::count(db.reader(), &filter("license:bsd")).await.unwrap(), 1);
    assert_eq!(search::count(db.reader(), &filter("license:mit")).await.unwrap(), 2);
    assert_eq!(searched(&db, &everything(), "something").await, [(4, "acme/llama".to_owned())]);
    assert_eq!(searched(&db, &everything(), "first").await, [(0, "llama/first".to_owned())]);
    assert_eq!(listed(&db, &Filter::all(everything()), (Sort::Published, false), 0, 100).await[0], "acme/llama");
}

#[tokio::test]
async fn what_lists_lack_is_told() {
    let (_home, db) = migrated().await;
    let made = repo(&db, "acme/tiny").await;
    list(&db, &made, &[], "", 1).await;
    assert_eq!(search::unlisted(db.reader(), 0, 10).await.unwrap(), [0; 0], "nothing of it is served");
    let oid: CommitOid = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    let commit = commits::by_oid(db.reader(), made.id, oid).await.unwrap().unwrap();
    let kind = RefKind::Branch;
    refs::move_to(db.writer(), made.id, kind, "main", (commit.id, oid), "test", at(1)).await.unwrap();
    assert_eq!(search::unlisted(db.reader(), 0, 10).await.unwrap(), [0; 0], "it is listed with this commit");
    db.writer().execute_unprepared("UPDATE repo_search SET version = 0").await.unwrap();
    assert_eq!(search::unlisted(db.reader(), 0, 10).await.unwrap(), [made.id], "made by other rules");
    assert_eq!(search::unlisted(db.reader(), made.id, 10).await.unwrap(), [0; 0]);
    search::remove(db.writer(), made.id).await.unwrap();
    assert_eq!(search::unlisted(db.reader(), 0, 10).await.unwrap(), [made.id]);

    list(&db, &made, &[], "", 1).await;
    let blob_id = blobs::insert(db.writer(), Sha256Digest::of(b"# Hi"), 4, at(1)).await.unwrap();
    commits::set_card(db.writer(), commit.id, Some((blob_id, &Card::default())), &[], at(1)).await.unwrap();
    assert_eq!(search::unread_cards(db.reader(), 0, 10).await.unwrap(), []);
    search::set_card_words(db.writer(), commit.id, None).await.unwrap();
    let unread = UnreadCard { repo_id: made.id, commit_id: commit.id, blob_id };
    assert_eq!(search::unread_cards(db.reader(), 0, 10).await.unwrap(), [unread]);
    search::set_card_words(db.writer(), commit.id, Some("hi")).await.unwrap();
    assert_eq!(search::card_words(db.reader(), commit.id).await.unwrap(), "hi");
    assert_eq!(search::unread_cards(db.reader(), 0, 10).await.unwrap(), []);
}
