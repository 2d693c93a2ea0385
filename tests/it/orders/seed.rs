//! Seeding from a disk: what is there is verified and not fetched.

use std::os::unix::fs::symlink;
use std::path::Path;

use acervo_tests::fixture::RepoFixture;
use serde_json::Value;

use super::{fixtures, installed, json, ok, visible_commits};

const ORDERS: &str = "[mirror.one]\nrepos = ['acme/one']\n[mirror.two]\nrepos = ['acme/two']\n";

/// A cache as huggingface_hub lays it out, of what is at the head of `main`, without `left_out`.
fn cache(root: &Path, repo: &RepoFixture, left_out: &str) {
    let folder = root.join(format!("models--{}", repo.name.replace('/', "--")));
    let snapshot = folder.join("snapshots").join(repo.head());
    std::fs::create_dir_all(folder.join("blobs")).unwrap();
    std::fs::create_dir_all(&snapshot).unwrap();
    for (path, file) in repo.files_at("main") {
        if path == left_out {
            continue;
        }
        let name = if file.is_lfs() { &file.sha256 } else { &file.oid };
        std::fs::write(folder.join("blobs").join(name), &file.bytes).unwrap();
        symlink(Path::new("../../blobs").join(name), snapshot.join(path)).unwrap();
    }
}

fn of<'a>(report: &'a Value, repo: &str) -> &'a Value {
    let found = report["mirrors"].as_array().unwrap().iter().find(|one| one["repo"] == repo);
    &found.unwrap_or_else(|| panic!("{repo}: {report}"))["seeded"]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cache_has_is_verified_and_only_the_rest_is_fetched() {
    let (upstream, home) = installed(ORDERS).await;
    ok(&home, &["mirror", "apply"]).await;
    let repos = fixtures();
    let (one, two) = (&repos[0], &repos[1]);
    let disk = home.folder().join("disk");
    cache(&disk, one, "pytorch_model.bin");
    // Weights on a plain disk, a file of the right size with other bytes, and links that lead elsewhere.
    std::fs::create_dir_all(disk.join("weights")).unwrap();
    std::fs::write(disk.join("weights/anything"), &two.entry("model.safetensors").bytes).unwrap();
    std::fs::write(disk.join("weights/wrong"), [7; 40_000]).unwrap();
    std::fs::write(home.folder().join("outside"), &two.entry("README.md").bytes).unwrap();
    symlink(home.folder().join("outside"), disk.join("weights/README.md")).unwrap();
    symlink("nowhere", disk.join("weights/dangling")).unwrap();

    let (report, code) = json(&home, &["mirror", "seed", disk.to_str().unwrap()]).await;

    assert_eq!(code, Some(0), "{report}");
    let numbers = |repo: &str| {
        let seeded = of(&report, repo);
        (
            seeded["files_seeded"].as_u64().unwrap(),
            seeded["bytes_seeded"].as_u64().unwrap(),
            seeded["files_left"].as_u64().unwrap(),
        )
    };
    assert_eq!(numbers("acme/one"), (2, 50_000 + 8, 1));
    assert_eq!(numbers("acme/two"), (1, 30_000, 1));
    let unread: Vec<&str> =
        report["unread"].as_array().unwrap().iter().map(|one| one["why"].as_str().unwrap()).collect();
    assert_eq!(unread.len(), 2, "{unread:?}");
    assert!(unread.iter().any(|why| why.contains("leads out of the folder")), "{unread:?}");
    assert!(unread.iter().any(|why| why.contains("leads nowhere")), "{unread:?}");
    assert_eq!(upstream.file_bytes(), 0, "seeding fetches nothing");
    let hub = home.hub().await;
    assert_eq!(visible_commits(&home).await, 0, "nor publishes it");

    let again = json(&home, &["mirror", "seed", disk.to_str().unwrap()]).await.0;
    assert_eq!(
        (&of(&again, "acme/one")["files_seeded"], &of(&again, "acme/one")["files_held"]),
        (&0.into(), &2.into())
    );
    ok(&home, &["sync", "--all"]).await;
    let fetched = one.entry("pytorch_model.bin").bytes.len() + two.entry("README.md").bytes.len();
    assert_eq!(upstream.file_bytes(), fetched as u64, "only the rest is fetched");
    let sha256 = one.sha256_of("model.safetensors").parse().unwrap();
    let held = acervo_store::db::blobs::held_by_sha256(hub.db().reader(), &[sha256]).await.unwrap();
    let ways = acervo_store::db::blobs::ways(hub.db().reader(), held[&sha256].id).await.unwrap();
    assert_eq!(ways, [acervo_store::db::blobs::Way::Seeded]);
    assert_eq!(std::fs::read(disk.join("weights/wrong")).unwrap(), [7; 40_000], "the disk is only read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_there_is_told() {
    let (_upstream, home) = installed(ORDERS).await;
    let none = home.run(&["mirror", "seed", "absent"]).await;
    assert!(!none.success && none.stderr.contains("acervo mirror apply"), "{none:?}");
    ok(&home, &["mirror", "apply"]).await;
    let absent = home.run(&["mirror", "seed", "absent"]).await;
    assert!(!absent.success && absent.stderr.contains("`absent` cannot be read"), "{absent:?}");
}
