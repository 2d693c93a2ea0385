//! hf-hub 1.0: which cases it has, and how it is opened. Its cases are told apart by subject.

mod access;
mod downloads;
mod gathered;
mod metadata;

use std::path::PathBuf;

use hf_hub::{HFClient, HFError, HFRepository, RepoTypeAny, split_id};

use crate::scene::{Scene, check_equal};

/// Names of all cases.
pub(crate) const CASES: &[&str] = &[
    "snapshot-whole",
    "snapshot-patterns",
    "snapshot-again",
    "snapshot-local-dir",
    "file-kinds",
    "file-odd-paths",
    "file-empty",
    "file-revisions",
    "file-metadata",
    "range-read",
    "cut-retried",
    "renamed",
    "repo-info",
    "repo-info-described",
    "repo-info-revisions",
    "repo-info-expand",
    "tree-recursive",
    "tree-shallow",
    "tree-paged",
    "paths-info",
    "refs",
    "commits",
    "compare",
    "existence",
    "lists",
    "whoami",
    "people",
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
    "upload-refused",
];

/// Runs one case.
pub(crate) async fn run(case: &str, scene: &Scene) -> anyhow::Result<()> {
    match case {
        "snapshot-whole" => downloads::snapshot_whole(scene).await,
        "snapshot-patterns" => downloads::snapshot_patterns(scene).await,
        "snapshot-again" => downloads::snapshot_again(scene).await,
        "snapshot-local-dir" => downloads::snapshot_local_dir(scene).await,
        "file-kinds" => downloads::fetch(scene, &scene.kinds()?, None).await,
        "file-odd-paths" => downloads::odd_paths(scene).await,
        "file-empty" => downloads::fetch(scene, &[scene.pick("empty file", |_, entry| entry.size == 0)?], None).await,
        "file-revisions" => downloads::revisions(scene).await,
        "file-metadata" => downloads::metadata(scene).await,
        "range-read" => downloads::range_read(scene).await,
        "cut-retried" => downloads::cut_retried(scene).await,
        "renamed" => downloads::renamed(scene).await,
        "repo-info" => metadata::info(scene).await,
        "repo-info-described" => metadata::info_described(scene).await,
        "repo-info-revisions" => metadata::info_revisions(scene).await,
        "repo-info-expand" => metadata::info_expand(scene).await,
        "tree-recursive" | "tree-paged" => metadata::tree_recursive(scene).await,
        "tree-shallow" => metadata::tree_shallow(scene).await,
        "paths-info" => metadata::paths_info(scene).await,
        "refs" => metadata::refs(scene).await,
        "commits" => metadata::commits(scene).await,
        "compare" => gathered::compare(scene).await,
        "existence" => metadata::existence(scene).await,
        "lists" => metadata::lists(scene).await,
        "whoami" => access::whoami(scene).await,
        "people" => gathered::people(scene).await,
        "missing-repo" => access::missing_repo(scene).await,
        "missing-revision" => access::missing_revision(scene).await,
        "missing-entry" => access::missing_entry(scene).await,
        "unselected-entry" => access::unselected_entry(scene).await,
        "private-anonymous" => access::hidden(scene, None).await,
        "private-stranger" => access::hidden(scene, Some(access::private(scene)?.stranger)).await,
        "private-reader" => access::private_reader(scene).await,
        "gated" => access::gated(scene).await,
        "bad-token" => access::bad_token(scene).await,
        "foreign-token" => access::foreign_token(scene).await,
        "upload-refused" => access::upload_refused(scene).await,
        other => anyhow::bail!("there is no case `{other}`"),
    }
}

/// A client with an empty cache, and the folder of that.
fn client(scene: &Scene, token: Option<&str>) -> anyhow::Result<(HFClient, PathBuf)> {
    let cache = scene.cache()?;
    // The address comes from `HF_ENDPOINT`, as its users have it.
    let mut builder = HFClient::builder().cache_dir(cache.clone()).retry_max_attempts(2);
    if let Some(token) = token {
        builder = builder.token(token);
    }
    let client = builder.build()?;
    check_equal("the endpoint", client.endpoint(), std::env::var("HF_ENDPOINT")?.as_str())?;
    Ok((client, cache))
}

/// A handle on a repository of the scene's kind.
fn repo(scene: &Scene, client: &HFClient, name: &str) -> HFRepository<RepoTypeAny> {
    let kind = match scene.kind.as_str() {
        "dataset" => RepoTypeAny::Dataset,
        "space" => RepoTypeAny::Space,
        _ => RepoTypeAny::Model,
    };
    let (owner, name) = split_id(name);
    client.repository(kind, owner, name)
}

/// What kind of error it is, and the status behind it where the client keeps it.
fn kind_of(error: &HFError) -> (&'static str, Option<u16>) {
    match error {
        HFError::Http { context } => ("Http", Some(context.status.as_u16())),
        HFError::AuthRequired { context } => ("AuthRequired", Some(context.status.as_u16())),
        HFError::Forbidden { context } => ("Forbidden", Some(context.status.as_u16())),
        HFError::RepoNotFound { context, .. } => {
            ("RepoNotFound", context.as_ref().map(|context| context.status.as_u16()))
        }
        HFError::RevisionNotFound { context, .. } => {
            ("RevisionNotFound", context.as_ref().map(|context| context.status.as_u16()))
        }
        HFError::EntryNotFound { context, .. } => {
            ("EntryNotFound", context.as_ref().map(|context| context.status.as_u16()))
        }
        HFError::LocalEntryNotFound { .. } => ("LocalEntryNotFound", None),
        HFError::Request { .. } => ("Request", None),
        _ => ("another", None),
    }
}

/// Fails unless the outcome is an error of this kind.
fn check_kind<T>(what: &str, outcome: Result<T, HFError>, kind: &str) -> anyhow::Result<HFError> {
    match outcome {
        Ok(_) => anyhow::bail!("{what} succeeded, expected `{kind}`"),
        Err(error) if kind_of(&error).0 == kind => Ok(error),
        Err(error) => anyhow::bail!("{what} ended in `{}`, expected `{kind}`: {error}", kind_of(&error).0),
    }
}
