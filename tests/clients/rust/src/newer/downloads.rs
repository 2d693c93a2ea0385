//! Bytes: snapshots, single files, parts of files, caches. All are compared by size and SHA-256 with the expectation.

use std::path::Path;

use futures::TryStreamExt as _;
use hf_hub::HFClient;

use super::{check_kind, client, repo};
use crate::scene::{Entry, Files, Scene, check_equal, check_file, check_folder, check_place, files_in};

pub(super) async fn snapshot_whole(scene: &Scene) -> anyhow::Result<()> {
    let (client, _) = client(scene, None)?;
    let folder = repo(scene, &client, &scene.repo).snapshot_download().send().await?;
    check_equal("folder of the snapshot", folder.file_name().and_then(|name| name.to_str()), Some(&*scene.commit))?;
    check_folder(&folder, &scene.files)
}

pub(super) async fn snapshot_patterns(scene: &Scene) -> anyhow::Result<()> {
    let (allow, ignore) = ("*.json", "*.safetensors");
    let keep = |wanted: &dyn Fn(&str) -> bool| -> Files {
        scene.files.iter().filter(|(name, _)| wanted(name)).map(|(name, entry)| (name.clone(), entry.clone())).collect()
    };
    let allowed = keep(&|name| name.ends_with(".json"));
    let kept = keep(&|name| !name.ends_with(".safetensors"));
    anyhow::ensure!(!allowed.is_empty() && allowed.len() < scene.files.len(), "`{allow}` keeps all files or none");
    anyhow::ensure!(kept.len() < scene.files.len(), "`{ignore}` leaves nothing out");
    let (first, _) = client(scene, None)?;
    let folder = repo(scene, &first, &scene.repo).snapshot_download().allow_patterns(vec![allow.into()]).send().await?;
    check_folder(&folder, &allowed)?;
    let (second, _) = client(scene, None)?;
    let folder =
        repo(scene, &second, &scene.repo).snapshot_download().ignore_patterns(vec![ignore.into()]).send().await?;
    check_folder(&folder, &kept)
}

pub(super) async fn snapshot_again(scene: &Scene) -> anyhow::Result<()> {
    let (first, cache) = client(scene, None)?;
    let folder = repo(scene, &first, &scene.repo).snapshot_download().send().await?;
    check_folder(&folder, &scene.files)?;
    // A port that nothing listens on: what is asked of it fails.
    let offline = HFClient::builder().endpoint("http://127.0.0.1:9").cache_dir(cache).retry_max_attempts(1).build()?;
    let again = repo(scene, &offline, &scene.repo);
    check_equal("snapshot", again.snapshot_download().local_files_only(true).send().await?, folder.clone())?;
    for (name, entry) in &scene.files {
        let by_commit = again.download_file().filename(name.as_str()).revision(scene.commit.as_str()).send().await?;
        check_file(&by_commit, name, entry)?;
        let by_branch = again.download_file().filename(name.as_str()).local_files_only(true).send().await?;
        check_equal("path by branch", by_branch, folder.join(name))?;
    }
    let absent = again.download_file().filename("nowhere.bin").local_files_only(true).send().await;
    check_kind("a file that was never there", absent, "LocalEntryNotFound")?;
    Ok(())
}

pub(super) async fn snapshot_local_dir(scene: &Scene) -> anyhow::Result<()> {
    let (client, cache) = client(scene, None)?;
    let (repo, folder) = (repo(scene, &client, &scene.repo), cache.join("local"));
    for _ in 0..2 {
        let seen = repo.snapshot_download().local_dir(folder.clone()).send().await?;
        check_equal("folder", seen.as_path(), folder.as_path())?;
        check_folder(&folder, &scene.files)?;
    }
    Ok(())
}

/// Downloads files of `main`, or of another revision, and checks bytes and place.
pub(super) async fn fetch(scene: &Scene, files: &[(&str, &Entry)], token: Option<&str>) -> anyhow::Result<()> {
    let (client, _) = client(scene, token)?;
    for (name, entry) in files {
        let path = repo(scene, &client, &scene.repo).download_file().filename(*name).send().await?;
        check_file(&path, name, entry)?;
        check_place(&path, &scene.commit, name, entry)?;
    }
    Ok(())
}

pub(super) async fn odd_paths(scene: &Scene) -> anyhow::Result<()> {
    let files = [
        scene.pick("path with a space", |name, _| name.contains(' '))?,
        scene.pick("path beyond ASCII", |name, _| !name.is_ascii())?,
        scene.pick("path with `+`, `#` or `%`", |name, _| name.contains(['+', '#', '%']))?,
    ];
    fetch(scene, &files, None).await
}

pub(super) async fn revisions(scene: &Scene) -> anyhow::Result<()> {
    for (revision, commit) in scene.revisions()? {
        let (client, _) = client(scene, None)?;
        let repo = repo(scene, &client, &scene.repo);
        let path = repo.download_file().filename("config.json").revision(revision.as_str()).send().await?;
        let entry = &scene.files_at(&commit)?["config.json"];
        check_file(&path, &format!("config.json` at `{revision}"), entry)?;
        check_place(&path, &commit, "config.json", entry)?;
    }
    Ok(())
}

pub(super) async fn metadata(scene: &Scene) -> anyhow::Result<()> {
    let (client, _) = client(scene, None)?;
    for (name, entry) in &scene.files {
        let seen = repo(scene, &client, &scene.repo).get_file_metadata().filepath(name.as_str()).send().await?;
        let expected = (scene.commit.as_str(), entry.etag(), entry.size, None);
        let seen = (seen.commit_hash.as_str(), seen.etag.as_str(), seen.file_size, seen.xet_hash.as_deref());
        check_equal(&format!("metadata of `{name}`"), seen, expected)?;
    }
    Ok(())
}

pub(super) async fn range_read(scene: &Scene) -> anyhow::Result<()> {
    let (name, entry) = scene.pick("LFS file", |_, entry| entry.lfs && entry.size > 2000)?;
    let (client, _) = client(scene, None)?;
    let repo = repo(scene, &client, &scene.repo);
    let path = repo.download_file().filename(name).send().await?;
    check_file(&path, name, entry)?;
    let whole = std::fs::read(path)?;
    let part = repo.download_file_to_bytes().filename(name).range(1000..1500).send().await?;
    anyhow::ensure!(part == whole[1000..1500], "bytes 1000 to 1500 differ");
    let (length, stream) = repo.download_file_stream().filename(name).range(5..entry.size).send().await?;
    check_equal("length of the stream", length, Some(entry.size - 5))?;
    let streamed: Vec<u8> = stream.map_ok(|bytes| bytes.to_vec()).try_concat().await?;
    anyhow::ensure!(streamed == whole[5..], "the stream from byte 5 on differs");
    Ok(())
}

pub(super) async fn cut_retried(scene: &Scene) -> anyhow::Result<()> {
    let (name, entry) = scene.largest();
    let (client, cache) = client(scene, None)?;
    for failures in 0..5 {
        let outcome = repo(scene, &client, &scene.repo).download_file().filename(name.as_str()).send().await;
        if let Ok(path) = outcome {
            anyhow::ensure!(failures > 0, "the transfer was not cut");
            return check_file(&path, name, entry);
        }
        check_kind("a transfer that is cut", outcome, "Request")?;
        anyhow::ensure!(!holds(&cache, name, entry)?, "after a cut the cache holds what passes for the file");
    }
    anyhow::bail!("the download failed five times")
}

fn holds(cache: &Path, name: &str, entry: &Entry) -> anyhow::Result<bool> {
    Ok(files_in(cache)?.iter().any(|path| path.ends_with(entry.etag()) || path.ends_with(name)))
}

pub(super) async fn renamed(scene: &Scene) -> anyhow::Result<()> {
    for alias in scene.stated::<Vec<String>>("aliases")? {
        let (client, _) = client(scene, None)?;
        let repo = repo(scene, &client, &alias);
        let path = repo.download_file().filename("config.json").send().await?;
        check_file(&path, "config.json", &scene.files["config.json"])?;
        check_folder(&repo.snapshot_download().send().await?, &scene.files)?;
    }
    Ok(())
}
