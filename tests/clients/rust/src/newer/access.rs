//! Who may see what, and how a refusal looks: this client tells it by the call that was made and by the status.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use hf_hub::repository::AddSource;
use hf_hub::{HFError, HFRepository, RepoTypeAny};
use serde_json::Value;

use super::{check_kind, client, kind_of, repo};
use crate::scene::{Private, Scene, check_equal, check_file, files_in, other_name};

pub(super) fn private(scene: &Scene) -> anyhow::Result<Private> {
    scene.stated("private")
}

/// The error of every way of reading.
async fn refusals(
    repo: &HFRepository<RepoTypeAny>,
    path: &str,
    revision: Option<&str>,
) -> anyhow::Result<BTreeMap<&'static str, HFError>> {
    let revision = revision.map(str::to_owned);
    let tree = match repo.list_tree().maybe_revision(revision.clone()).send() {
        Ok(stream) => stream.try_collect::<Vec<_>>().await.map(drop),
        Err(error) => Err(error),
    };
    let log = match repo.list_commits().maybe_revision(revision.clone()).send() {
        Ok(stream) => stream.try_collect::<Vec<_>>().await.map(drop),
        Err(error) => Err(error),
    };
    let at = revision.as_deref();
    let outcomes = [
        ("list_tree", tree),
        ("list_commits", log),
        ("get_file_metadata", repo.get_file_metadata().filepath(path).maybe_revision(at).send().await.map(drop)),
        ("download_file", repo.download_file().filename(path).maybe_revision(revision.clone()).send().await.map(drop)),
        ("snapshot_download", repo.snapshot_download().maybe_revision(revision).send().await.map(drop)),
    ];
    let mut errors = BTreeMap::new();
    for (what, outcome) in outcomes {
        match outcome {
            Ok(()) => anyhow::bail!("{what} succeeded, expected a refusal"),
            Err(error) => errors.insert(what, error),
        };
    }
    Ok(errors)
}

/// Fails unless each error has the kind stated for its call, and the status where it keeps one.
fn check_errors(errors: &BTreeMap<&str, HFError>, kinds: &[(&str, &str)], status: u16) -> anyhow::Result<()> {
    let seen: BTreeMap<&str, &str> = errors.iter().map(|(what, error)| (*what, kind_of(error).0)).collect();
    check_equal("errors", seen, kinds.iter().copied().collect::<BTreeMap<_, _>>())?;
    for (what, error) in errors {
        if let Some(seen) = kind_of(error).1 {
            check_equal(&format!("status of {what}"), seen, status)?;
        }
    }
    Ok(())
}

/// What each call makes of a 401.
const REFUSED: [(&str, &str); 5] = [
    ("list_tree", "Http"),
    ("list_commits", "Http"),
    ("get_file_metadata", "AuthRequired"),
    ("download_file", "AuthRequired"),
    ("snapshot_download", "AuthRequired"),
];

/// What each call makes of a 404, whatever is missing.
const MISSING: [(&str, &str); 5] = [
    ("list_tree", "Http"),
    ("list_commits", "Http"),
    ("get_file_metadata", "EntryNotFound"),
    ("download_file", "EntryNotFound"),
    ("snapshot_download", "RevisionNotFound"),
];

pub(super) async fn whoami(scene: &Scene) -> anyhow::Result<()> {
    let who: Value = scene.stated("whoami")?;
    let (client, _) = client(scene, Some(&scene.reader_token()?))?;
    let seen = client.whoami().send().await?;
    check_equal("name", Some(seen.username.as_str()), who["name"].as_str())?;
    check_equal("type", seen.user_type.as_deref(), Some("user"))
}

pub(super) async fn missing_repo(scene: &Scene) -> anyhow::Result<()> {
    let name = format!("{}-nowhere", scene.repo);
    let (anonymous, _) = client(scene, None)?;
    let errors = refusals(&repo(scene, &anonymous, &name), "config.json", None).await?;
    check_errors(&errors, &REFUSED, 401)?;
    let (known, cache) = client(scene, Some(&scene.reader_token()?))?;
    let errors = refusals(&repo(scene, &known, &name), "config.json", None).await?;
    check_errors(&errors, &MISSING, 404)?;
    check_equal("files in the cache", files_in(&cache)?, Vec::<String>::new())
}

pub(super) async fn missing_revision(scene: &Scene) -> anyhow::Result<()> {
    let (client, cache) = client(scene, None)?;
    for revision in ["nowhere", "no/where"] {
        let errors = refusals(&repo(scene, &client, &scene.repo), "config.json", Some(revision)).await?;
        check_errors(&errors, &MISSING, 404)?;
    }
    check_equal("files in the cache", files_in(&cache)?, Vec::<String>::new())
}

pub(super) async fn missing_entry(scene: &Scene) -> anyhow::Result<()> {
    let (client, cache) = client(scene, None)?;
    let repo = repo(scene, &client, &scene.repo);
    let outcome = repo.download_file().filename("nowhere.bin").send().await;
    check_kind("the download", outcome, "EntryNotFound")?;
    // It remembers the file as absent, under the commit that the answer named.
    let marker = format!(".no_exist/{}/nowhere.bin", scene.commit);
    anyhow::ensure!(files_in(&cache)?.iter().any(|path| path.ends_with(&marker)), "there is no marker `{marker}`");
    let again = repo.download_file().filename("nowhere.bin").local_files_only(true).send().await;
    check_kind("the look into the cache", again, "EntryNotFound")?;
    Ok(())
}

pub(super) async fn unselected_entry(scene: &Scene) -> anyhow::Result<()> {
    let left_out: Value = scene.stated("unselected")?;
    let path = left_out["path"].as_str().unwrap_or_default();
    let (client, cache) = client(scene, None)?;
    let outcome = repo(scene, &client, &scene.repo).download_file().filename(path).send().await;
    check_kind("the download", outcome, "EntryNotFound")?;
    check_equal("files in the cache", files_in(&cache)?, Vec::<String>::new())
}

pub(super) async fn hidden(scene: &Scene, token: Option<String>) -> anyhow::Result<()> {
    let private = private(scene)?;
    let (kinds, status) = if token.is_some() { (&MISSING, 404) } else { (&REFUSED, 401) };
    for name in [other_name(&private.repo), private.repo] {
        let (client, cache) = client(scene, token.as_deref())?;
        let errors = refusals(&repo(scene, &client, &name), &private.path, None).await?;
        check_errors(&errors, kinds, status)?;
        check_equal("files in the cache", files_in(&cache)?, Vec::<String>::new())?;
    }
    Ok(())
}

pub(super) async fn private_reader(scene: &Scene) -> anyhow::Result<()> {
    let private = private(scene)?;
    let (client, _) = client(scene, Some(&private.reader))?;
    let repo = repo(scene, &client, &private.repo);
    check_equal("exists", repo.exists().send().await?, true)?;
    let path = repo.download_file().filename(private.path.as_str()).send().await?;
    check_file(&path, &private.path, &private.files[&private.path])
}

pub(super) async fn gated(scene: &Scene) -> anyhow::Result<()> {
    let door: Private = scene.stated("gated")?;
    for (token, kind, status) in [(None, "AuthRequired", 401), (Some(door.stranger.as_str()), "Forbidden", 403)] {
        let (client, cache) = client(scene, token)?;
        let repo = repo(scene, &client, &door.repo);
        check_equal("exists", repo.exists().send().await?, true)?;
        let entries: Vec<_> = repo.list_tree().send()?.try_collect().await?;
        check_equal("entries", entries.len(), door.files.len())?;
        let outcome = repo.download_file().filename(door.path.as_str()).send().await;
        let error = check_kind("download", outcome, kind)?;
        check_equal("status of the download", kind_of(&error).1, Some(status))?;
        check_kind("metadata", repo.get_file_metadata().filepath(door.path.as_str()).send().await, kind)?;
        check_equal("files in the cache", files_in(&cache)?, Vec::<String>::new())?;
    }
    let (client, _) = client(scene, Some(&door.reader))?;
    let path = repo(scene, &client, &door.repo).download_file().filename(door.path.as_str()).send().await?;
    check_file(&path, &door.path, &door.files[&door.path])
}

pub(super) async fn bad_token(scene: &Scene) -> anyhow::Result<()> {
    let tokens: BTreeMap<String, String> = scene.stated("bad_tokens")?;
    anyhow::ensure!(!tokens.is_empty(), "there are no bad tokens, so the case would prove nothing");
    for token in tokens.values() {
        let (client, cache) = client(scene, Some(token))?;
        let error = check_kind("whoami", client.whoami().send().await, "AuthRequired")?;
        check_equal("status of whoami", kind_of(&error).1, Some(401))?;
        let errors = refusals(&repo(scene, &client, &scene.repo), "config.json", None).await?;
        check_errors(&errors, &REFUSED, 401)?;
        check_equal("files in the cache", files_in(&cache)?, Vec::<String>::new())?;
    }
    Ok(())
}

pub(super) async fn foreign_token(scene: &Scene) -> anyhow::Result<()> {
    let token: String = scene.stated("foreign_token")?;
    super::downloads::fetch(scene, &scene.kinds()?, Some(&token)).await?;
    let (client, _) = client(scene, Some(&token))?;
    check_kind("whoami", client.whoami().send().await, "AuthRequired")?;
    Ok(())
}

pub(super) async fn upload_refused(scene: &Scene) -> anyhow::Result<()> {
    let (client, _) = client(scene, Some(&scene.reader_token()?))?;
    let repo = repo(scene, &client, &scene.repo);
    let new = format!("{}-new", scene.repo);
    let small = AddSource::bytes(b"{}".to_vec());
    let large = AddSource::bytes(vec![0; 11_000_000]);
    let outcomes = [
        ("create", client.create_repository().repo_id(&new).repo_type(RepoTypeAny::Model).send().await.map(drop)),
        ("upload", repo.upload_file().source(small).path_in_repo("new.json").send().await.map(drop)),
        ("large upload", repo.upload_file().source(large).path_in_repo("large.bin").send().await.map(drop)),
        ("branch", repo.create_branch().branch("new").send().await.map(drop)),
        ("tag", repo.create_tag().tag("new").send().await.map(drop)),
        (
            "delete",
            client.delete_repository().repo_id(&scene.repo).repo_type(RepoTypeAny::Model).send().await.map(drop),
        ),
    ];
    for (what, outcome) in outcomes {
        let Err(error) = outcome else { anyhow::bail!("{what} succeeded") };
        check_equal(&format!("status of {what}"), kind_of(&error).1, Some(404))?;
        let message = match &error {
            HFError::Http { context } => context.server_message.clone(),
            HFError::RepoNotFound { context, .. } => {
                context.as_ref().and_then(|context| context.server_message.clone())
            }
            HFError::RevisionNotFound { context, .. } => {
                context.as_ref().and_then(|context| context.server_message.clone())
            }
            other => anyhow::bail!("{what} ended in {other:?}"),
        };
        let text = message.unwrap_or_default();
        anyhow::ensure!(text.contains("is not part of this hub"), "{what} says `{text}`");
    }
    check_equal("exists", repo.revision_exists().revision(&scene.commit).send().await?, true)?;
    check_equal("new file", repo.file_exists().filename("new.json").send().await?, false)
}
