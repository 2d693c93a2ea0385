//! A mirror with a schedule and ceilings that needs no file.

use super::{installed, json, ok, visible_commits, write};

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_made_by_hand_has_its_schedule_and_ceilings_and_no_file_touches_it() {
    let (_upstream, home) = installed("# nothing\n").await;
    let add = ["mirror", "add", "acme/one", "--revision", "main", "--revision", "v*", "--newest-tags", "1"];
    let when = ["--schedule", "0 3 * * *", "--time-zone", "Europe/Berlin", "--jitter-seconds", "60", "--priority", "5"];
    ok(&home, &[&add[..], &when, &["--repo-bytes-max", "85 kB"]].concat()).await;

    let (shown, _) = json(&home, &["mirror", "show", "acme/one"]).await;
    assert_eq!(shown["managed_by"], "api", "{shown}");
    let timing = &shown["rules"]["timing"];
    assert_eq!((&timing["schedule"], &timing["time_zone"]), (&"0 3 * * *".into(), &"Europe/Berlin".into()), "{shown}");
    assert_eq!((&timing["priority"], &shown["rules"]["follow"]["newest_tags"]), (&5.into(), &1.into()), "{shown}");
    let due = shown["next_run_at"].as_str().unwrap().to_owned();

    let refused = home.run(&["sync", "acme/one"]).await;
    assert!(!refused.success && refused.stderr.contains("raise `repo_bytes_max`"), "{refused:?}");

    // What is not given stays; the ceiling is another one.
    ok(&home, &["mirror", "add", "acme/one", "--repo-bytes-max", "1 MB"]).await;
    let (changed, _) = json(&home, &["mirror", "show", "acme/one"]).await;
    assert_eq!((&changed["rules"]["timing"], changed["next_run_at"].as_str()), (timing, Some(due.as_str())));
    ok(&home, &["sync", "acme/one"]).await;

    write(&home, "[mirror.other]\nrepos = ['acme/two']\n");
    ok(&home, &["mirror", "apply"]).await;
    write(&home, "# nothing\n");
    ok(&home, &["mirror", "apply"]).await;
    let (listed, _) = json(&home, &["mirror", "list"]).await;
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|mirror| mirror["repo"].as_str().unwrap()).collect();
    assert_eq!(names, ["acme/one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_shows_since_when_upstream_does_not_have_it_any_more() {
    let (upstream, home) = installed("# nothing\n").await;
    ok(&home, &["mirror", "add", "acme/one"]).await;
    ok(&home, &["sync", "acme/one"]).await;
    assert!(!ok(&home, &["mirror", "show", "acme/one"]).await.stdout.contains("trouble"));
    let held = visible_commits(&home).await;

    upstream.remove("acme/one");
    let failed = home.run(&["sync", "acme/one"]).await;
    assert!(!failed.success && failed.stderr.contains("missing, or private"), "{failed:?}");

    let shown = ok(&home, &["mirror", "show", "acme/one"]).await.stdout;
    assert!(shown.contains("trouble     missing since 2"), "{shown}");
    assert_eq!(visible_commits(&home).await, held, "what is held stays");
    let events = ok(&home, &["events", "--kind", "upstream.*", "--repo", "acme/one", "--json"]).await.stdout;
    let kinds: Vec<String> = events
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["upstream.repo_missing"]);
}
