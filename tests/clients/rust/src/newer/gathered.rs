//! What is gathered around repositories: comparisons of commits, users and organisations.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use hf_hub::repository::{DiffEntry, GitStatus, HFFileDiff};
use serde::Deserialize;

use super::{check_kind, client, repo};
use crate::scene::{Entry, Files, Scene, check_equal};

/// What differs between two sets of files: status, ids before and after, size after.
fn differences(old: &Files, new: &Files) -> BTreeMap<String, (GitStatusName, String, String, u64)> {
    let oid = |entry: Option<&Entry>| entry.map_or_else(|| "0".repeat(40), |entry| entry.oid.clone());
    let mut found = BTreeMap::new();
    for path in old.keys().chain(new.keys()) {
        let (before, after) = (old.get(path), new.get(path));
        let status = match (before, after) {
            (None, _) => "added",
            (_, None) => "deleted",
            (Some(before), Some(after)) if before.oid == after.oid => continue,
            _ => "modified",
        };
        found.insert(path.clone(), (status, oid(before), oid(after), after.map_or(0, |entry| entry.size)));
    }
    found
}

type GitStatusName = &'static str;

fn parsed(diff: &HFFileDiff) -> (GitStatusName, String, String, u64) {
    let status = match diff.status {
        GitStatus::Addition => "added",
        GitStatus::Deletion => "deleted",
        GitStatus::Modification => "modified",
        _ => "another",
    };
    (status, diff.old_blob_id.clone(), diff.new_blob_id.clone(), diff.new_file_size)
}

/// Commits are compared, as lines that the client parses and as JSON.
pub(super) async fn compare(scene: &Scene) -> anyhow::Result<()> {
    let (client, _) = client(scene, None)?;
    let repo = repo(scene, &client, &scene.repo);
    let branches: BTreeMap<String, String> = scene.stated("branches")?;
    let tags: BTreeMap<String, String> = scene.stated("tags")?;
    let (tag, first) = tags.first_key_value().ok_or_else(|| anyhow::anyhow!("no tag is stated"))?;
    let slashed = branches.iter().find(|(name, _)| name.contains('/'));
    let (branch, second) = slashed.ok_or_else(|| anyhow::anyhow!("no branch with a slash is stated"))?;
    for (what, old, new) in [
        (format!("{tag}..main"), first, &scene.commit),
        (format!("{tag}..{branch}"), first, second),
        (format!("{branch}...main"), second, &scene.commit),
        ("main".to_owned(), second, &scene.commit),
        (format!("main..{first}"), &scene.commit, first),
    ] {
        let expected = differences(&scene.files_at(old)?, &scene.files_at(new)?);
        anyhow::ensure!(!expected.is_empty(), "nothing differs in `{what}`, so the case would prove nothing");
        let seen: Vec<HFFileDiff> =
            repo.get_raw_diff_stream().compare(what.clone()).send().await?.try_collect().await?;
        let seen: BTreeMap<_, _> = seen.iter().map(|diff| (diff.file_path.clone(), parsed(diff))).collect();
        check_equal(&format!("differences of `{what}`"), &seen, &expected)?;
        let raw = repo.get_raw_diff().compare(&what).send().await?;
        check_equal("lines", raw.lines().count(), expected.len())?;
        let text = repo.get_commit_diff().compare(&what).send().await?;
        let items: Vec<DiffEntry> = serde_json::from_str(&text)?;
        let items: BTreeMap<_, _> =
            items.into_iter().map(|item| (item.path.unwrap_or_default(), item.status.unwrap_or_default())).collect();
        let expected: BTreeMap<_, _> =
            expected.into_iter().map(|(path, (status, ..))| (path, status.to_owned())).collect();
        check_equal(&format!("entries of `{what}`"), items, expected)?;
    }
    // The client goes by the status alone.
    check_kind("a comparison with nothing", repo.get_raw_diff().compare("main..nowhere").send().await, "RepoNotFound")?;
    Ok(())
}

/// What is said of people.
#[derive(Debug, Deserialize)]
struct People {
    token: String,
    user: String,
    organization: String,
    members: Vec<String>,
    counts: [u64; 4],
}

/// Users and organisations are told of to those who are known; nobody follows anybody.
pub(super) async fn people(scene: &Scene) -> anyhow::Result<()> {
    let stated: People = scene.stated("people")?;
    let (known, _) = client(scene, Some(&stated.token))?;
    let user = known.user_overview().username(&stated.user).send().await?;
    check_equal("user", (user.username.as_str(), user.num_likes), (stated.user.as_str(), Some(0)))?;
    let orgs: Vec<_> = user.orgs.unwrap_or_default().into_iter().filter_map(|org| org.name).collect();
    check_equal("organisations of the user", orgs, vec![stated.organization.clone()])?;
    let seen = known.organization_overview().organization(&stated.organization).send().await?;
    let counts = [seen.num_users, seen.num_models, seen.num_datasets, seen.num_spaces];
    check_equal("organisation", (seen.name.as_str(), counts), (stated.organization.as_str(), stated.counts.map(Some)))?;
    let members = known.list_organization_members().organization(&stated.organization).send()?;
    let members: Vec<_> = members.map_ok(|member| member.username).try_collect().await?;
    check_equal("members", members, stated.members)?;
    let followers: Vec<_> = known.list_user_followers().username(&stated.user).send()?.try_collect().await?;
    anyhow::ensure!(followers.is_empty(), "somebody follows: {followers:?}");
    let (stranger, _) = client(scene, None)?;
    check_kind("a user, for strangers", stranger.user_overview().username(&stated.user).send().await, "AuthRequired")?;
    Ok(())
}
