//! Two commits compared: as lines that hf-hub parses, and as JSON with the differences of short texts.

use acervo_core::{RepoKind, Selection};
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::{FixtureFile, Kind, RepoFixture};
use acervo_tests::test_hub::{TestHub, order};
use serde_json::{Value, json as value};

use super::{Answer, KINDS, empty, get, json, synced};

/// Two commits, of which the second changes one file of every sort.
fn changed(kind: Kind) -> RepoFixture {
    empty(kind, "acme/moves")
        .file("a b\u{f1}.txt", "same\n")
        .file("config.json", "{\n  \"layers\": 2\n}\n")
        .file("data.dat", [0, 1, 2])
        .lfs("model.bin", "first weights")
        .file("old/gone.txt", "gone\n")
        .file("long.txt", "line\n".repeat(20_000))
        .tag("v1")
        .commit("Change things", |commit| {
            commit
                .file("config.json", "{\n  \"layers\": 3\n}\n")
                .file("data.dat", [0, 1, 3])
                .lfs("model.bin", "second, longer weights")
                .remove("old/gone.txt")
                .file("new.txt", "without an end of line")
                .file("long.txt", "other\n".repeat(20_000))
        })
        .branch("feature/x")
}

/// The line of a file that differs.
fn line(mark: char, old: Option<&FixtureFile>, new: Option<&FixtureFile>, letter: char, path: &str) -> String {
    let none = "0".repeat(40);
    let mode = |side: Option<&FixtureFile>| if side.is_some() { "100644" } else { "000000" };
    let oid = |side: Option<&FixtureFile>| side.map_or(none.clone(), |file| file.oid.clone());
    let size = new.map_or(0, FixtureFile::size);
    format!("{mark} {size}\t:{} {} {}... {}... {letter}\t{path}\n", mode(old), mode(new), oid(old), oid(new))
}

/// What `v1..main` must say.
fn lines(fixture: &RepoFixture) -> String {
    let (old, new) = (fixture.files_at("v1"), fixture.files_at("main"));
    [
        ('T', 'M', "config.json"),
        ('B', 'M', "data.dat"),
        ('T', 'M', "long.txt"),
        ('T', 'M', "model.bin"),
        ('T', 'A', "new.txt"),
        ('T', 'D', "old/gone.txt"),
    ]
    .map(|(mark, letter, path)| line(mark, old.get(path), new.get(path), letter, path))
    .concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_revisions_are_compared_however_they_are_written() {
    let fixtures = [Kind::Model, Kind::Dataset, Kind::Space].map(changed);
    let (_upstream, hub) = synced(fixtures.to_vec(), &["v1", "main", "feature/x"]).await;
    for (fixture, (_, _, api)) in fixtures.iter().zip(KINDS) {
        let (first, head) = (fixture.commit_id("v1").unwrap(), fixture.head());
        let compare = format!("{api}acme/moves/compare");
        for what in [
            "v1..main",
            "v1...main",
            "main",
            "HEAD",
            "v1..",
            "v1..feature%2Fx",
            "v1..feature/x",
            "refs/tags/v1..refs%2Fheads%2Fmain",
            &format!("{first}..{head}"),
            &format!("{}..{head}", &first[..8]),
        ] {
            let raw = get(&hub, &format!("{compare}/{what}?raw=true")).await;
            assert_eq!((raw.status.as_u16(), raw.text()), (200, lines(fixture).as_str()), "{what}");
            assert_eq!(raw.header("content-type"), "text/plain; charset=utf-8");
            let without_body = Answer::to(hub.head(&format!("{compare}/{what}?raw=1"))).await;
            assert_eq!((without_body.status.as_u16(), without_body.body.len()), (200, 0), "{what}");
        }
        for nothing in ["main..main", "main...v1", "feature/x..main"] {
            assert_eq!(get(&hub, &format!("{compare}/{nothing}?raw=true")).await.text(), "", "{nothing}");
            assert_eq!(json(&hub, &format!("{compare}/{nothing}")).await, value!([]), "{nothing}");
        }
        let added: String = fixture
            .files_at("v1")
            .iter()
            .map(|(path, file)| (path, file, if path == "data.dat" { 'B' } else { 'T' }))
            .map(|(path, file, mark)| line(mark, None, Some(file), 'A', path))
            .collect();
        assert_eq!(
            get(&hub, &format!("{compare}/v1?raw=true")).await.text(),
            added,
            "the first commit adds everything"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_of_short_texts_are_told_and_others_are_said_to_be_left_out() {
    let fixture = changed(Kind::Model);
    let (_upstream, hub) = synced(vec![fixture.clone()], &["v1", "main"]).await;

    let items = json(&hub, "/api/models/acme/moves/compare/v1..main").await;

    let item = |path: &str| items.as_array().unwrap().iter().find(|item| item["path"] == path).unwrap();
    let (old, new) = (fixture.files_at("v1"), fixture.files_at("main"));
    assert_eq!(
        *item("config.json"),
        value!({
            "path": "config.json", "status": "modified", "lfs": false,
            "oldOid": old["config.json"].oid, "oldSize": 18, "newOid": new["config.json"].oid, "newSize": 18,
            "diff": "--- a/config.json\n+++ b/config.json\n@@ -1,3 +1,3 @@\n {\n-  \"layers\": 2\n+  \"layers\": 3\n }\n",
        })
    );
    let diff = |path: &str| item(path)["diff"].as_str().unwrap().to_owned();
    assert!(diff("model.bin").contains(&format!("-oid sha256:{}\n", old["model.bin"].sha256)), "{}", diff("model.bin"));
    assert!(diff("model.bin").contains(&format!("+oid sha256:{}\n", new["model.bin"].sha256)), "{}", diff("model.bin"));
    assert_eq!(item("model.bin")["lfs"], true);
    assert!(diff("new.txt").starts_with("--- /dev/null\n+++ b/new.txt\n"), "{}", diff("new.txt"));
    assert!(diff("new.txt").contains("+without an end of line\n\\ No newline at end of file"), "{}", diff("new.txt"));
    assert_eq!((&item("new.txt")["status"], &item("new.txt")["oldOid"]), (&value!("added"), &Value::Null));
    assert!(diff("old/gone.txt").ends_with("-gone\n"), "{}", diff("old/gone.txt"));
    assert_eq!(item("old/gone.txt")["status"], "deleted");
    for (path, why) in [("data.dat", "binary"), ("long.txt", "too large")] {
        assert_eq!((&item(path)["omitted"], &item(path)["diff"]), (&value!(why), &Value::Null), "{path}");
    }
    assert_eq!(items.as_array().unwrap().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_held_is_not_compared() {
    let fixture = changed(Kind::Model);
    let upstream = FakeUpstream::start(vec![fixture.clone()]).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    hub.synced(RepoKind::Model, "acme/moves").await;
    for (what, status, code, said) in [
        ("main", 404, "RevisionNotFound", "not mirrored"),
        ("v1..main", 404, "RevisionNotFound", "`v1`"),
        ("main..v9", 404, "RevisionNotFound", "`v9`"),
        (&format!("{}..main", fixture.commit_id("v1").unwrap()), 404, "RevisionNotFound", "not mirrored"),
        ("main..a%20b", 400, "", "a b"),
        ("main....main", 400, "", "revision"),
    ] {
        for query in ["", "?raw=true"] {
            let answer = get(&hub, &format!("/api/models/acme/moves/compare/{what}{query}")).await;
            assert_eq!(answer.refusal(), (status, code), "{what}: {}", answer.text());
            assert!(answer.header("x-error-message").contains(said), "{what}: {}", answer.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_compared_as_far_as_it_is_served() {
    let fixture = changed(Kind::Model);
    let upstream = FakeUpstream::start(vec![fixture.clone()]).await.unwrap();
    let hub = TestHub::start(&upstream.endpoint()).await;
    let mut request = order(RepoKind::Model, "acme/moves");
    request.revisions = vec!["v1".into(), "main".into()];
    request.selection =
        Selection { include: Vec::new(), exclude: vec!["*.bin".into(), "long.txt".into()], ..Selection::default() };
    let mirror = hub.mirror_with(request).await;
    hub.sync(&mirror).await;

    let raw = get(&hub, "/api/models/acme/moves/compare/v1..main?raw=true").await;
    let items = json(&hub, "/api/models/acme/moves/compare/v1..main").await;

    let expected: String = lines(&fixture)
        .split_inclusive('\n')
        .filter(|line| !line.contains("model.bin") && !line.contains("long"))
        .collect();
    assert_eq!(raw.text(), expected);
    assert_eq!(items.as_array().unwrap().len(), 4);
    assert!(items[0]["diff"].as_str().unwrap().contains("layers"), "{items}");
}
