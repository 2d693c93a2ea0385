//! Full disks, for real: staging and store on a small file system of their own, the binary run inside.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use acervo_tests::binary::Ran;
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::{RepoFixture, random_bytes};
use acervo_tests::processes::{Installation, eventually};
use serde_json::{Value, json};

use super::{assert_nothing_is_left, assert_served_whole, assert_stored, events_of, large_and_small, size_of};

const NAME: &str = "acme/survivor";
const LARGE_BYTES: usize = 6_000_000;

/// Room that is left for the sync.
const FITTING: u64 = 3_000_000;

fn fixture() -> RepoFixture {
    large_and_small(NAME, LARGE_BYTES, 12)
}

/// A file system in memory that only the processes started in it see; it goes away with them.
struct SmallDisk {
    /// Keeps the mount alive; ends when this process closes its input, however it ends.
    holder: Child,
    folder: PathBuf,
}

impl SmallDisk {
    /// A file system on `folder`, with these options of `tmpfs`.
    async fn on(folder: &Path, options: &str) -> SmallDisk {
        std::fs::create_dir_all(folder).unwrap();
        let script = r#"mount -t tmpfs -o "$1" tmpfs "$2" && : > "$2/mounted" && exec cat"#;
        let holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", options])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let disk = SmallDisk { holder, folder: folder.to_owned() };
        eventually("a file system of this test's own (needs `unshare --user --mount`)", async || {
            disk.path("mounted").exists().then_some(())
        })
        .await;
        std::fs::remove_file(disk.path("mounted")).unwrap();
        disk
    }

    /// Where a path on the file system is for this process.
    fn path(&self, name: &str) -> PathBuf {
        let inside = self.folder.strip_prefix("/").unwrap();
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(inside).join(name)
    }

    /// The same command, run where the file system is seen.
    fn inside(&self, command: &Command) -> Command {
        let mut entered = Command::new("nsenter");
        entered.args(["--preserve-credentials", "--user", "--mount", "--target", &self.holder.id().to_string()]);
        if let Some(folder) = command.get_current_dir() {
            entered.arg(format!("--wd={}", folder.display()));
        }
        entered.arg("--").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => entered.env(name, value),
                None => entered.env_remove(name),
            };
        }
        entered
    }

    /// Takes up so much of it.
    fn fill(&self, bytes: usize) {
        std::fs::write(self.path("ballast"), vec![1; bytes]).unwrap();
    }

    /// Takes up all that is left of it.
    fn fill_up(&self) {
        let mut ballast = std::fs::File::create(self.path("ballast")).unwrap();
        let full = std::io::copy(&mut std::io::repeat(1), &mut ballast).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    /// Inodes that are in use.
    fn inodes(&self) -> u64 {
        let shown =
            Command::new("stat").args(["--file-system", "--format", "%c %d"]).arg(self.path(".")).output().unwrap();
        let text = String::from_utf8(shown.stdout).unwrap();
        let (all, free) = text.trim().split_once(' ').unwrap();
        all.parse::<u64>().unwrap() - free.parse::<u64>().unwrap()
    }

    /// Changes its options while it is in use.
    fn remount(&self, options: &str) {
        let mut remount = Command::new("mount");
        remount.args(["-o", &format!("remount,{options}")]).arg(&self.folder);
        assert!(self.inside(&remount).status().unwrap().success());
    }

    /// Copies all that is on it to where this process sees its folder, so that the same configuration finds it there.
    fn copy_out(&self) {
        let copied = Command::new("cp").arg("-a").arg(self.path(".")).arg(&self.folder).status().unwrap();
        assert!(copied.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// An installation whose staging and store are on a small disk, and whose database is not.
async fn installed(upstream: &FakeUpstream, options: &str) -> (Installation, SmallDisk) {
    let mut installation = Installation::new(&upstream.endpoint());
    let folder = installation.folder().join("disk");
    let disk = SmallDisk::on(&folder, options).await;
    installation.set("staging.dir", &folder.join("staging").display().to_string());
    // Also where the run's engine keeps its blobs on a server: the disk that is full is a local one.
    for key in ["endpoint", "region", "access_key_id", "secret_access_key"] {
        installation.unset(&format!("storage.{key}"));
    }
    installation.set("storage.url", &format!("file://{}", folder.join("store").display()));
    // One after the other, so that it is known what fits.
    installation.set_raw("sync.files_at_once", "1");
    let added = run(&installation, &disk, &["mirror", "add", NAME]);
    assert!(added.success, "{added:?}");
    (installation, disk)
}

fn run(installation: &Installation, disk: &SmallDisk, arguments: &[&str]) -> Ran {
    Ran::from(disk.inside(&installation.command(arguments)).stdin(Stdio::null()).output().unwrap())
}

/// Asserts that a sync said what to do, and that with a little room a server shows nothing of what it brought.
async fn assert_refused_for_lack_of_room(installation: &Installation, disk: &SmallDisk, refused: &Ran) {
    assert!(!refused.success, "{refused:?}");
    for text in ["no space left at", "free some space", "nothing is lost"] {
        assert!(refused.stderr.contains(text), "it must say {text:?}: {}", refused.stderr);
    }
    assert!(!refused.stderr.contains("panicked"), "{}", refused.stderr);
    let server = installation.start_command(disk.inside(&installation.command(&["serve"])));
    let server = server.serving().await;
    let answer = super::client().get(format!("{}/api/models/{NAME}", server.url())).send().await.unwrap();
    assert_eq!(answer.status(), 401, "nothing of it is visible");
    server.kill().await;
}

async fn assert_complete(installation: &Installation, disk: &SmallDisk) {
    let server = installation.start_command(disk.inside(&installation.command(&["serve"]))).serving().await;
    assert_served_whole(server.url(), &fixture(), "after space was freed").await;
    server.kill().await;
    disk.copy_out();
    let hub = installation.hub().await;
    assert_stored(&hub, &[&fixture()], "after space was freed").await;
    assert_nothing_is_left(&hub, "after space was freed").await;
    assert_eq!(events_of(&hub, "commit.published").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_staging_folder_stops_a_sync_with_the_way_out_and_the_next_one_fetches_the_rest() {
    let upstream = FakeUpstream::start(vec![fixture()]).await.unwrap();
    let (installation, disk) = installed(&upstream, "size=16m").await;
    disk.fill((16 << 20) - usize::try_from(FITTING).unwrap());

    let refused = run(&installation, &disk, &["sync", NAME]);

    assert_refused_for_lack_of_room(&installation, &disk, &refused).await;
    let fetched = upstream.file_bytes();
    disk.remount("size=64m");
    let synced = run(&installation, &disk, &["sync", NAME]);
    assert!(synced.success, "{synced:?}");
    let rest = upstream.file_bytes() - fetched;
    assert!(rest <= size_of(&fixture()) - FITTING / 2, "{rest} bytes were fetched although much had fitted");
    assert_complete(&installation, &disk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_on_a_full_disk_serves_what_it_holds_and_says_why_it_takes_no_more() {
    let held = RepoFixture::model("acme/held").lfs("model.safetensors", random_bytes(3, 200_000));
    let upstream = FakeUpstream::start(vec![fixture(), held.clone()]).await.unwrap();
    let (installation, disk) = installed(&upstream, "size=16m").await;
    for arguments in [["mirror", "add", "acme/held"].as_slice(), &["sync", "acme/held"]] {
        let ran = run(&installation, &disk, arguments);
        assert!(ran.success, "{ran:?}");
    }
    let token = run(&installation, &disk, &["token", "create", "--role", "reader", "--name", "watch", "--quiet"]);
    disk.fill_up();

    let server = installation.start_command(disk.inside(&installation.command(&["serve"]))).serving().await;

    assert_served_whole(server.url(), &held, "on a full disk").await;
    let readiness = async |token: Option<&str>| -> (u16, Value) {
        let mut asked = super::client().get(format!("{}/readyz", server.url()));
        if let Some(token) = token {
            asked = asked.bearer_auth(token);
        }
        let answer = asked.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    };
    let states = json!({ "ready": true, "database": "ok", "staging": "failed", "storage": "ok" });
    assert_eq!(readiness(None).await, (200, states), "what is held can be served");
    let (_, told) = readiness(Some(token.stdout.trim())).await;
    let why = told["details"]["staging"].as_str().unwrap();
    assert!(why.contains("no space is left") && why.contains("`staging.dir`"), "{told}");
    let refused = run(&installation, &disk, &["sync", NAME]);
    assert!(!refused.success && refused.stderr.contains("no space left at"), "{refused:?}");

    std::fs::remove_file(disk.path("ballast")).unwrap();
    let synced = run(&installation, &disk, &["sync", NAME]);
    assert!(synced.success, "{synced:?}");
    assert_served_whole(server.url(), &fixture(), "once there was room").await;
    let (_, told) = readiness(Some(token.stdout.trim())).await;
    assert_eq!((&told["staging"], told["details"].get("staging")), (&json!("ok"), None));
    server.kill().await;
    disk.copy_out();
    let hub = installation.hub().await;
    assert_stored(&hub, &[&fixture(), &held], "once there was room").await;
    assert_nothing_is_left(&hub, "once there was room").await;
    let probes = super::files_below(&hub.config().staging.dir);
    assert!(probes.is_empty(), "probes are left: {probes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_no_more_entries_stops_a_sync_with_the_way_out() {
    let upstream = FakeUpstream::start(vec![fixture()]).await.unwrap();
    let (installation, disk) = installed(&upstream, "size=64m").await;
    // Each content takes an inode in staging, which moves along, and up to four for its folders in the store. First there
    // is room for some contents, then for one more without all of its folders.
    disk.remount(&format!("nr_inodes={}", disk.inodes() + 14));
    let early = run(&installation, &disk, &["sync", NAME]);
    assert!(!early.success && early.stderr.contains("no space left at"), "{early:?}");
    disk.remount(&format!("nr_inodes={}", disk.inodes() + 2));

    let refused = run(&installation, &disk, &["sync", NAME]);

    assert!(refused.stderr.contains("while creating the folder"), "it is the store that is full: {refused:?}");
    let fetched = upstream.file_bytes();
    disk.remount("nr_inodes=10000");
    assert_refused_for_lack_of_room(&installation, &disk, &refused).await;
    let synced = run(&installation, &disk, &["sync", NAME]);
    assert!(synced.success, "{synced:?}");
    assert!(fetched > 0 && upstream.file_bytes() <= size_of(&fixture()) * 11 / 10, "{} bytes", upstream.file_bytes());
    assert_complete(&installation, &disk).await;
}
