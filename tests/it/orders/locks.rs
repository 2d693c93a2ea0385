//! Lockfiles: what was locked comes out the same elsewhere, or not at all.

use acervo_tests::processes::Installation;

use super::{ORDERS, installed, json, ok, visible_commits};

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_installation_brings_the_same_commits_entries_and_digests_although_upstream_moved_on() {
    let (upstream, home) = installed(&ORDERS.replace("newest_tags = 1", "newest_tags = 1\nnewest_commits = 2")).await;
    ok(&home, &["mirror", "apply"]).await;
    let early = home.run(&["mirror", "lock"]).await;
    assert!(!early.success && early.stderr.contains("acervo sync acme/"), "{early:?}");
    ok(&home, &["sync", "--all"]).await;
    ok(&home, &["mirror", "lock"]).await;
    let file = home.folder().join("mirrors.lock");
    let path = file.to_str().unwrap();
    let locked = std::fs::read_to_string(&file).unwrap();
    assert_eq!(ok(&home, &["mirror", "lock", "--output", "-"]).await.stdout, locked, "the same text each time");

    upstream.push_commit("acme/one", "later", |c| c.file("config.json", "{\"later\": true}"));
    let fresh = Installation::new(&upstream.endpoint());
    let (report, code) = json(&fresh, &["sync", "--locked", path]).await;
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(ok(&fresh, &["mirror", "lock", "--output", "-"]).await.stdout, locked);
    let (again, _) = json(&fresh, &["sync", "--locked", path]).await;
    let changed = again.as_array().unwrap().iter().flat_map(|one| one["outcome"]["revisions"].as_array().unwrap());
    assert!(changed.clone().count() > 3 && changed.into_iter().all(|revision| revision["changed"] == false), "{again}");
    let here = fresh.folder().join("mirrors.lock");
    ok(&fresh, &["mirror", "lock"]).await;
    let same = home.run(&["mirror", "diff", path, here.to_str().unwrap()]).await;
    assert_eq!((same.code, same.stdout.trim()), (Some(0), "no difference"), "{same:?}");

    ok(&fresh, &["sync", "acme/one"]).await;
    ok(&fresh, &["mirror", "lock"]).await;
    let moved = home.run(&["mirror", "diff", path, here.to_str().unwrap()]).await;
    assert_eq!(moved.code, Some(2), "{moved:?}");
    assert!(
        moved.stdout.contains("changed model acme/one") && moved.stdout.contains("main: ~ config.json"),
        "{moved:?}"
    );
    let (moved, code) = json(&home, &["mirror", "diff", path, here.to_str().unwrap()]).await;
    assert_eq!((code, &moved["repos"][0]["revisions"][0]["name"]), (Some(2), &"main".into()), "{moved}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_what_was_locked_is_refused_and_nothing_is_published() {
    let (upstream, home) = installed(ORDERS).await;
    ok(&home, &["mirror", "apply"]).await;
    ok(&home, &["sync", "acme/two"]).await;
    ok(&home, &["mirror", "lock", "acme/two"]).await;
    let locked = std::fs::read_to_string(home.folder().join("mirrors.lock")).unwrap();
    let value = |key: &str| {
        let line = locked.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
        line.split('"').nth(1).unwrap().to_owned()
    };
    let bytes =
        locked.lines().find(|line| line.contains("README.md")).unwrap().split(['"', ' ']).find(|word| word.len() == 64);
    let other = "0".repeat(64);
    for (from, said) in [
        (value("listing"), "ask the upstream's operator why the commit has changed"),
        (value("held"), "selects another part"),
        (bytes.unwrap().to_owned(), "other SHA-256 digests than in the lockfile"),
    ] {
        // Where both are the same, the first one is the listing.
        let tampered = if said.starts_with("selects") {
            let (head, tail) = locked.split_once("held = ").unwrap();
            format!("{head}held = {}", tail.replacen(&from, &other, 1))
        } else {
            locked.replacen(&from, &other, 1)
        };
        let fresh = Installation::new(&upstream.endpoint());
        std::fs::write(fresh.folder().join("mirrors.lock"), tampered).unwrap();
        let refused = fresh.run(&["sync", "--locked"]).await;
        assert!(!refused.success && refused.stderr.contains(said), "{said}: {refused:?}");
        assert_eq!(visible_commits(&fresh).await, 0, "{said}");
    }
}
