//! hf-hub 0.5: what text-generation-inference, candle and mistral.rs download with.
//!
//! Which of its two interfaces is called is the program's business, see `interface`. It has no snapshots: as its users
//! do, a case asks for the list of files and then for each of them. Its errors are those of its transports, so a
//! refusal is told by the status in their text.

use hf_hub_05::api::RepoInfo;
use hf_hub_05::{Cache, Repo, RepoType};

use crate::interface::{Api, CUT};
use crate::scene::{Files, Private, Scene, check_equal, check_file, check_folder, check_place, files_in, other_name};

/// Names of all cases.
pub(crate) const CASES: [&str; 20] = [
    "snapshot-whole",
    "snapshot-again",
    "file-kinds",
    "file-empty",
    "file-revisions",
    "file-metadata",
    "renamed",
    "repo-info",
    "repo-info-revisions",
    "missing-repo",
    "missing-revision",
    "missing-entry",
    "unselected-entry",
    "private-anonymous",
    "private-stranger",
    "private-reader",
    "gated",
    "bad-token",
    "foreign-token",
    CUT,
];

/// Runs one case.
pub(crate) async fn run(case: &str, scene: &Scene) -> anyhow::Result<()> {
    let open = |token: Option<&str>| Api::open(scene, token);
    match case {
        "snapshot-whole" => snapshot_whole(scene, &open(None)?).await,
        "snapshot-again" => snapshot_again(scene, &open(None)?).await,
        "file-kinds" => fetch(scene, &open(None)?, &scene.kinds()?).await,
        "file-empty" => fetch(scene, &open(None)?, &[scene.pick("empty file", |_, entry| entry.size == 0)?]).await,
        "file-revisions" => file_revisions(scene).await,
        "file-metadata" => file_metadata(scene, &open(None)?).await,
        "renamed" => renamed(scene, &open(None)?).await,
        "repo-info" => check_info(&open(None)?.info(&repo_of(scene, "main")).await?, &scene.commit, &scene.files),
        "repo-info-revisions" => info_revisions(scene, &open(None)?).await,
        "missing-repo" => missing_repo(scene).await,
        "missing-revision" => missing_revision(scene, &open(None)?).await,
        "missing-entry" => refused(&open(None)?, &repo_of(scene, "main"), "nowhere.bin", 404, false).await,
        "unselected-entry" => unselected(scene, &open(None)?).await,
        "private-anonymous" => hidden(scene, &open(None)?, 401).await,
        "private-stranger" => hidden(scene, &open(Some(&private(scene)?.stranger))?, 404).await,
        "private-reader" => private_reader(scene).await,
        "gated" => gated(scene).await,
        "bad-token" => bad_token(scene).await,
        "foreign-token" => {
            let api = open(Some(&scene.stated::<String>("foreign_token")?))?;
            fetch(scene, &api, &scene.kinds()?).await
        }
        "cut-resumed" => fetch(scene, &open(None)?, &[(scene.largest().0.as_str(), scene.largest().1)]).await,
        "cut-retried" => cut_retried(scene, &open(None)?).await,
        other => anyhow::bail!("there is no case `{other}`"),
    }
}

fn repo_of(scene: &Scene, revision: &str) -> Repo {
    let kind = match scene.kind.as_str() {
        "dataset" => RepoType::Dataset,
        "space" => RepoType::Space,
        _ => RepoType::Model,
    };
    Repo::with_revision(scene.repo.clone(), kind, revision.to_owned())
}

fn private(scene: &Scene) -> anyhow::Result<Private> {
    scene.stated("private")
}

async fn snapshot_whole(scene: &Scene, api: &Api) -> anyhow::Result<()> {
    let repo = repo_of(scene, "main");
    let info = api.info(&repo).await?;
    for sibling in &info.siblings {
        api.download(&repo, &sibling.rfilename).await?;
    }
    let folder = api.cache.join(repo.folder_name()).join("snapshots").join(&scene.commit);
    check_folder(&folder, &scene.files)
}

async fn snapshot_again(scene: &Scene, api: &Api) -> anyhow::Result<()> {
    snapshot_whole(scene, api).await?;
    // The cache knows no network.
    let cache = Cache::new(api.cache.clone()).repo(repo_of(scene, "main"));
    for (name, entry) in &scene.files {
        let Some(path) = cache.get(name) else { anyhow::bail!("`{name}` is not found again") };
        check_file(&path, name, entry)?;
    }
    anyhow::ensure!(cache.get("nowhere.bin").is_none(), "a file that is nowhere is found");
    Ok(())
}

async fn fetch(scene: &Scene, api: &Api, files: &[(&str, &crate::scene::Entry)]) -> anyhow::Result<()> {
    for (name, entry) in files {
        let path = api.download(&repo_of(scene, "main"), name).await?;
        check_file(&path, name, entry)?;
        check_place(&path, &scene.commit, name, entry)?;
    }
    Ok(())
}

async fn file_revisions(scene: &Scene) -> anyhow::Result<()> {
    for (revision, commit) in scene.revisions()? {
        let api = Api::open(scene, None)?;
        let path = api.download(&repo_of(scene, &revision), "config.json").await?;
        let entry = &scene.files_at(&commit)?["config.json"];
        check_file(&path, &format!("config.json` at `{revision}"), entry)?;
        check_place(&path, &commit, "config.json", entry)?;
    }
    Ok(())
}

async fn file_metadata(scene: &Scene, api: &Api) -> anyhow::Result<()> {
    for (name, entry) in &scene.files {
        let seen = api.metadata(&repo_of(scene, "main"), name).await?;
        let size = usize::try_from(entry.size)?;
        check_equal(&format!("metadata of `{name}`"), seen, (scene.commit.clone(), entry.etag().to_owned(), size))?;
    }
    Ok(())
}

async fn renamed(scene: &Scene, api: &Api) -> anyhow::Result<()> {
    for alias in scene.stated::<Vec<String>>("aliases")? {
        let repo = Repo::new(alias.clone(), RepoType::Model);
        check_equal(&format!("commit behind `{alias}`"), api.info(&repo).await?.sha, scene.commit.as_str())?;
        let path = api.download(&repo, "config.json").await?;
        check_file(&path, "config.json", &scene.files["config.json"])?;
    }
    Ok(())
}

fn check_info(seen: &RepoInfo, commit: &str, files: &Files) -> anyhow::Result<()> {
    check_equal("sha", seen.sha.as_str(), commit)?;
    let mut names: Vec<&str> = seen.siblings.iter().map(|sibling| sibling.rfilename.as_str()).collect();
    names.sort_unstable();
    check_equal("files", names, files.keys().map(String::as_str).collect::<Vec<_>>())
}

async fn info_revisions(scene: &Scene, api: &Api) -> anyhow::Result<()> {
    for (revision, commit) in scene.revisions()? {
        let seen = api.info(&repo_of(scene, &revision)).await?;
        check_info(&seen, &commit, &scene.files_at(&commit)?)?;
    }
    Ok(())
}

/// Fails unless the download, and the info if it is to be, ends in this status and leaves nothing in the cache.
async fn refused(api: &Api, repo: &Repo, name: &str, status: u16, info_too: bool) -> anyhow::Result<()> {
    let mut errors = Vec::new();
    match api.download(repo, name).await {
        Ok(path) => anyhow::bail!("`{name}` was downloaded to `{}`", path.display()),
        Err(error) => errors.push(error),
    }
    if info_too {
        match api.info(repo).await {
            Ok(info) => anyhow::bail!("the info is {info:?}"),
            Err(error) => errors.push(error),
        }
    }
    for error in errors {
        let text = format!("{error:#}");
        anyhow::ensure!(text.contains(&status.to_string()), "the error is `{text}`, without status {status}");
    }
    check_equal("files in the cache", files_in(&api.cache)?, Vec::<String>::new())
}

async fn missing_repo(scene: &Scene) -> anyhow::Result<()> {
    let repo = Repo::new(format!("{}-nowhere", scene.repo), RepoType::Model);
    refused(&Api::open(scene, None)?, &repo, "config.json", 401, true).await?;
    let known = Api::open(scene, Some(&scene.reader_token()?))?;
    refused(&known, &repo, "config.json", 404, true).await
}

async fn missing_revision(scene: &Scene, api: &Api) -> anyhow::Result<()> {
    for revision in ["nowhere", "no/where", "ffffffffffffffffffffffffffffffffffffffff"] {
        refused(api, &repo_of(scene, revision), "config.json", 404, true).await?;
    }
    Ok(())
}

async fn unselected(scene: &Scene, api: &Api) -> anyhow::Result<()> {
    let left_out: serde_json::Value = scene.stated("unselected")?;
    let Some(name) = left_out["path"].as_str() else { anyhow::bail!("no path") };
    refused(api, &repo_of(scene, "main"), name, 404, false).await
}

async fn hidden(scene: &Scene, api: &Api, status: u16) -> anyhow::Result<()> {
    let private = private(scene)?;
    for name in [other_name(&private.repo), private.repo] {
        refused(api, &Repo::new(name, RepoType::Model), &private.path, status, true).await?;
    }
    Ok(())
}

async fn private_reader(scene: &Scene) -> anyhow::Result<()> {
    let private = private(scene)?;
    let api = Api::open(scene, Some(&private.reader))?;
    let path = api.download(&Repo::new(private.repo, RepoType::Model), &private.path).await?;
    check_file(&path, &private.path, &private.files[&private.path])
}

async fn gated(scene: &Scene) -> anyhow::Result<()> {
    let door: crate::scene::Private = scene.stated("gated")?;
    let repo = Repo::new(door.repo, RepoType::Model);
    for (token, status) in [(None, 401), (Some(door.stranger.as_str()), 403)] {
        let api = Api::open(scene, token)?;
        refused(&api, &repo, &door.path, status, false).await?;
        api.info(&repo).await?;
    }
    let path = Api::open(scene, Some(&door.reader))?.download(&repo, &door.path).await?;
    check_file(&path, &door.path, &door.files[&door.path])
}

async fn bad_token(scene: &Scene) -> anyhow::Result<()> {
    let tokens: std::collections::BTreeMap<String, String> = scene.stated("bad_tokens")?;
    anyhow::ensure!(!tokens.is_empty(), "there are no bad tokens, so the case would prove nothing");
    for token in tokens.values() {
        let api = Api::open(scene, Some(token))?;
        refused(&api, &repo_of(scene, "main"), "config.json", 401, true).await?;
    }
    Ok(())
}

async fn cut_retried(scene: &Scene, api: &Api) -> anyhow::Result<()> {
    let (name, entry) = scene.largest();
    let repo = repo_of(scene, "main");
    for failures in 0..5 {
        match api.download(&repo, name).await {
            Ok(path) => {
                anyhow::ensure!(failures > 0, "the transfer was not cut");
                return check_file(&path, name, entry);
            }
            Err(_) => {
                let found = files_in(&api.cache)?;
                let passes = found.iter().any(|path| path.ends_with(entry.etag()) || path.ends_with(name.as_str()));
                anyhow::ensure!(!passes, "after a cut the cache holds {found:?}");
            }
        }
    }
    anyhow::bail!("the download failed five times")
}
