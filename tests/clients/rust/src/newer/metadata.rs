//! What the API says of repositories: info, trees, paths, refs, commits, lists.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt as _;
use hf_hub::repository::{GitRefInfo, RepoTreeEntry};
use hf_hub::split_id;
use serde::Deserialize;
use serde_json::Value;

use super::{client, repo};
use crate::scene::{Files, Scene, check_equal};

/// What the cases look at in an info, whatever the kind.
struct Info {
    id: String,
    sha: Option<String>,
    private: Option<bool>,
    tags: Option<Vec<String>>,
    files: Option<BTreeSet<String>>,
}

async fn info_of(scene: &Scene, revision: Option<&str>, expand: Option<Vec<String>>) -> anyhow::Result<Info> {
    let (client, _) = client(scene, None)?;
    let (owner, name) = split_id(&scene.repo);
    let revision = revision.map(str::to_owned);
    let names = |siblings: Option<Vec<hf_hub::repository::RepoSibling>>| {
        siblings.map(|siblings| siblings.into_iter().map(|sibling| sibling.rfilename).collect())
    };
    if scene.kind == "space" {
        let seen = client.space(owner, name).info().maybe_revision(revision).maybe_expand(expand).send().await?;
        let files = names(seen.siblings);
        return Ok(Info { id: seen.id, sha: seen.sha, private: seen.private, tags: seen.tags, files });
    }
    let seen = client.model(owner, name).info().maybe_revision(revision).maybe_expand(expand).send().await?;
    Ok(Info { id: seen.id, sha: seen.sha, private: seen.private, tags: seen.tags, files: names(seen.siblings) })
}

fn check_info(info: &Info, scene: &Scene, commit: &str, files: &Files) -> anyhow::Result<()> {
    check_equal("id and sha", (info.id.as_str(), info.sha.as_deref()), (scene.repo.as_str(), Some(commit)))?;
    check_equal("files", info.files.clone(), Some(files.keys().cloned().collect::<BTreeSet<_>>()))
}

pub(super) async fn info(scene: &Scene) -> anyhow::Result<()> {
    let seen = info_of(scene, None, None).await?;
    check_info(&seen, scene, &scene.commit, &scene.files)?;
    check_equal("`private`", seen.private, Some(false))
}

pub(super) async fn info_revisions(scene: &Scene) -> anyhow::Result<()> {
    for (revision, commit) in scene.revisions()? {
        let seen = info_of(scene, Some(&revision), None).await?;
        check_info(&seen, scene, &commit, &scene.files_at(&commit)?)?;
    }
    Ok(())
}

pub(super) async fn info_expand(scene: &Scene) -> anyhow::Result<()> {
    let expand = vec!["sha".to_owned(), "siblings".to_owned()];
    let seen = info_of(scene, None, Some(expand)).await?;
    check_info(&seen, scene, &scene.commit, &scene.files)?;
    anyhow::ensure!(seen.tags.is_none() && seen.private.is_none(), "more was sent than asked for");
    Ok(())
}

pub(super) async fn info_described(scene: &Scene) -> anyhow::Result<()> {
    let expected: Value = scene.stated("info")?;
    let (client, _) = client(scene, None)?;
    let (owner, name) = split_id(&scene.repo);
    let seen = client.model(owner, name).info().send().await?;
    check_equal("task", seen.pipeline_tag.as_deref(), expected["pipeline_tag"].as_str())?;
    check_equal("library", seen.library_name.as_deref(), expected["library_name"].as_str())?;
    let tags = seen.tags.unwrap_or_default();
    for tag in expected["tags"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        anyhow::ensure!(tags.iter().any(|seen| seen == tag), "the tags {tags:?} lack `{tag}`");
    }
    let card = seen.card_data.unwrap_or_default();
    for (key, value) in expected["card_data"].as_object().into_iter().flatten() {
        check_equal(&format!("`{key}` of the card"), card.get(key), Some(value))?;
    }
    Ok(())
}

/// Path, size, git id and size by LFS of a file.
type Facts = (String, u64, String, Option<u64>);

fn check_entries(what: &str, seen: &[RepoTreeEntry], files: &Files, folders: &BTreeSet<String>) -> anyhow::Result<()> {
    let (mut found, mut found_folders): (Vec<Facts>, BTreeSet<String>) = (Vec::new(), BTreeSet::new());
    for entry in seen {
        match entry {
            RepoTreeEntry::File { oid, size, path, lfs, xet_hash, .. } => {
                check_equal(&format!("Xet hash of `{path}`"), xet_hash.as_deref(), None::<&str>)?;
                found.push((path.clone(), *size, oid.clone(), lfs.as_ref().and_then(|lfs| lfs.size)));
            }
            RepoTreeEntry::Directory { path, .. } => {
                found_folders.insert(path.clone());
            }
        }
    }
    found.sort();
    let expected: Vec<Facts> = files
        .iter()
        .map(|(path, entry)| (path.clone(), entry.size, entry.oid.clone(), entry.lfs.then_some(entry.size)))
        .collect();
    check_equal(&format!("files of the {what}"), found, expected)?;
    check_equal(&format!("folders of the {what}"), &found_folders, folders)
}

async fn tree(scene: &Scene, folder: Option<&str>, recursive: bool) -> anyhow::Result<Vec<RepoTreeEntry>> {
    let (client, _) = client(scene, None)?;
    let repo = repo(scene, &client, &scene.repo);
    let folder = folder.map(str::to_owned);
    let stream = repo.list_tree().recursive(recursive).maybe_path_in_repo(folder).send()?;
    Ok(stream.try_collect().await?)
}

pub(super) async fn tree_recursive(scene: &Scene) -> anyhow::Result<()> {
    check_entries("tree", &tree(scene, None, true).await?, &scene.files, &folders_of(&scene.files))
}

pub(super) async fn tree_shallow(scene: &Scene) -> anyhow::Result<()> {
    let folders = folders_of(&scene.files);
    anyhow::ensure!(!folders.is_empty(), "the expected files are in no folder, so the case would prove nothing");
    let mut parents: BTreeSet<Option<&str>> = folders.iter().map(|folder| Some(folder.as_str())).collect();
    parents.insert(None);
    for parent in parents {
        let prefix = parent.map(|parent| format!("{parent}/")).unwrap_or_default();
        let child = |path: &str| path.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/'));
        let files: Files = scene.files.clone().into_iter().filter(|(path, _)| child(path)).collect();
        let inner: BTreeSet<String> = folders.iter().filter(|path| child(path)).cloned().collect();
        check_entries(&format!("tree of {parent:?}"), &tree(scene, parent, false).await?, &files, &inner)?;
    }
    Ok(())
}

pub(super) async fn paths_info(scene: &Scene) -> anyhow::Result<()> {
    let (client, _) = client(scene, None)?;
    let mut paths: Vec<String> = scene.files.keys().cloned().collect();
    paths.extend(["no/such/file.bin", "nothing here"].map(str::to_owned));
    let seen = repo(scene, &client, &scene.repo).get_paths_info().paths(paths).send().await?;
    check_entries("paths", &seen, &scene.files, &BTreeSet::new())
}

pub(super) async fn refs(scene: &Scene) -> anyhow::Result<()> {
    let (client, _) = client(scene, None)?;
    let seen = repo(scene, &client, &scene.repo).list_refs().send().await?;
    let by_name = |refs: Vec<GitRefInfo>| -> BTreeMap<String, String> {
        refs.into_iter().map(|item| (item.name, item.target_commit)).collect()
    };
    check_equal("branches", by_name(seen.branches), scene.stated::<BTreeMap<String, String>>("branches")?)?;
    check_equal("tags", by_name(seen.tags), scene.stated::<BTreeMap<String, String>>("tags")?)
}

pub(super) async fn commits(scene: &Scene) -> anyhow::Result<()> {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Stated {
        id: String,
        title: String,
    }
    let (client, _) = client(scene, None)?;
    let repo = repo(scene, &client, &scene.repo);
    let seen: Vec<_> = repo.list_commits().send()?.try_collect().await?;
    anyhow::ensure!(seen.iter().all(|commit| commit.date.is_some() && !commit.authors.is_empty()), "{seen:?}");
    let seen: Vec<Stated> = seen.into_iter().map(|commit| Stated { id: commit.id, title: commit.title }).collect();
    check_equal("commits", seen, scene.stated::<Vec<Stated>>("commits")?)
}

pub(super) async fn existence(scene: &Scene) -> anyhow::Result<()> {
    // Without a token a missing repository is 401 here, as on the public hub, and this client takes that for an error.
    let (client, _) = client(scene, Some(&scene.reader_token()?))?;
    let (here, nowhere) = (repo(scene, &client, &scene.repo), repo(scene, &client, &format!("{}-nowhere", scene.repo)));
    check_equal("repo", here.exists().send().await?, true)?;
    check_equal("other repo", nowhere.exists().send().await?, false)?;
    check_equal("commit", here.revision_exists().revision(&scene.commit).send().await?, true)?;
    check_equal("other revision", here.revision_exists().revision("nowhere").send().await?, false)?;
    check_equal("file", here.file_exists().filename("config.json").send().await?, true)?;
    check_equal("other file", here.file_exists().filename("nowhere.bin").send().await?, false)
}

pub(super) async fn lists(scene: &Scene) -> anyhow::Result<()> {
    let (client, _) = client(scene, None)?;
    let mut asked = 0;
    for query in scene.stated::<Vec<Value>>("lists")? {
        let text = |key: &str| query["args"][key].as_str().map(str::to_owned);
        let filters: Vec<&str> =
            query["args"]["filter"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let limit = query["args"]["limit"].as_u64().map(usize::try_from).transpose()?;
        let mut ids: Vec<String> = match query["kind"].as_str() {
            Some("models") => {
                // One filter at a time is all that this client has.
                let calls = client
                    .list_models()
                    .maybe_search(text("search"))
                    .maybe_author(text("author"))
                    .maybe_filter(filters.first().map(|filter| (*filter).to_owned()))
                    .maybe_limit(limit)
                    .send()?;
                calls.map_ok(|item| item.id).try_collect().await?
            }
            Some("datasets") => client.list_datasets().send()?.map_ok(|item| item.id).try_collect().await?,
            _ => client.list_spaces().send()?.map_ok(|item| item.id).try_collect().await?,
        };
        ids.sort();
        let mut expected: Vec<String> = serde_json::from_value(query["ids"].clone())?;
        expected.sort();
        check_equal(&format!("list by {query}"), ids, expected)?;
        asked += 1;
    }
    anyhow::ensure!(asked > 0, "no list is stated, so the case would prove nothing");
    Ok(())
}

/// Every folder that holds a file, at any depth.
fn folders_of(files: &Files) -> BTreeSet<String> {
    let ends = |name: &str| name.match_indices('/').map(|(end, _)| end).collect::<Vec<_>>();
    files.keys().flat_map(|name| ends(name).into_iter().map(|end| name[..end].to_owned())).collect()
}
