//! Revisions: from what a client wrote to a commit that may be served.

use std::sync::Arc;

use acervo_core::access::Readable;
use acervo_core::{CommitOid, RefKind, RevisionName, RevisionSpec};
use acervo_store::db::commits::{self, Commit, State};
use acervo_store::db::jobs;
use acervo_store::db::refs;
use acervo_store::db::repos::Repo;

use crate::app::sync;
use crate::context::Hub;
use crate::error::HubError;

/// Shortest abbreviation of a commit id.
const PREFIX_DIGITS_MIN: usize = 7;

/// Seconds after which a client may ask again for something that is being fetched.
const RETRY_SECONDS: u64 = 10;

/// What a revision turned out to be.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// A commit; whether it may be served stands in its state.
    Commit(Arc<Commit>),
    /// Nothing.
    Nothing,
}

/// The visible commit a revision stands for.
pub async fn resolve(hub: &Hub, repo: &Readable<Arc<Repo>>, revision: &RevisionSpec) -> Result<Arc<Commit>, HubError> {
    let caches = hub.caches();
    let look_up = async || look_up(hub, repo, revision).await;
    let found = caches.revisions.get_or(caches.epoch(), (repo.id, revision.text()), look_up).await?;
    let missing = |hint| HubError::RevisionNotFound { name: repo.name.to_string(), revision: revision.text(), hint };
    let Lookup::Commit(commit) = found else {
        return Err(if is_empty(hub, repo).await? { not_synced(hub, repo).await? } else { missing("") });
    };
    match commit.state {
        State::Visible => Ok(commit),
        State::Known => Err(missing("; it is known from upstream's log but not mirrored, ask an administrator for it")),
        State::Fetching if is_under_way(hub, repo).await? => Err(HubError::NotYet {
            what: format!("commit {} of `{}`", commit.oid, repo.name),
            retry_after_seconds: RETRY_SECONDS,
        }),
        State::Fetching => Err(missing("; fetching it did not succeed, ask an administrator to sync it again")),
        State::Held => Err(HubError::Held {
            name: repo.name.to_string(),
            reason: format!("commit {} has not been approved", commit.oid),
        }),
        State::Recalled => Err(HubError::Recalled),
    }
}

/// Whether the repository serves nothing at all.
async fn is_empty(hub: &Hub, repo: &Readable<Arc<Repo>>) -> Result<bool, HubError> {
    Ok(refs::served(hub.db().reader(), repo.id).await?.is_empty())
}

/// Whether a sync of the repository is queued or running.
async fn is_under_way(hub: &Hub, repo: &Readable<Arc<Repo>>) -> Result<bool, HubError> {
    Ok(jobs::is_under_way(hub.db().reader(), &sync::dedup_key(repo.id)).await?)
}

/// What to say of a repository of which nothing is here.
async fn not_synced(hub: &Hub, repo: &Readable<Arc<Repo>>) -> Result<HubError, HubError> {
    Ok(if is_under_way(hub, repo).await? {
        HubError::NotYet { what: format!("`{}`", repo.name), retry_after_seconds: RETRY_SECONDS }
    } else {
        HubError::RepoNotFound { kind: repo.kind, name: repo.name.to_string() }
    })
}

async fn look_up(hub: &Hub, repo: &Readable<Arc<Repo>>, revision: &RevisionSpec) -> Result<Lookup, HubError> {
    let db = hub.db().reader();
    let commit = match revision {
        RevisionSpec::Head => served_by(hub, repo, RefKind::Branch, &repo.default_branch).await?,
        RevisionSpec::Commit(oid) => commits::by_oid(db, repo.id, *oid).await?,
        RevisionSpec::Name(name) => match by_ref_name(hub, repo, name).await? {
            Some(commit) => Some(commit),
            None => by_abbreviation(hub, repo, name.as_str()).await?,
        },
    };
    Ok(commit.map_or(Lookup::Nothing, |commit| Lookup::Commit(Arc::new(commit))))
}

/// A branch before a tag of the same name, as git does not but hubs do.
async fn by_ref_name(hub: &Hub, repo: &Repo, name: &RevisionName) -> Result<Option<Commit>, HubError> {
    if let Some(kind) = name.explicit_kind() {
        return served_by(hub, repo, kind, name.stored()).await;
    }
    match served_by(hub, repo, RefKind::Branch, name.as_str()).await? {
        Some(commit) => Ok(Some(commit)),
        None => served_by(hub, repo, RefKind::Tag, name.as_str()).await,
    }
}

async fn served_by(hub: &Hub, repo: &Repo, kind: RefKind, name: &str) -> Result<Option<Commit>, HubError> {
    let db = hub.db().reader();
    match refs::by_name(db, repo.id, kind, name).await?.and_then(|found| found.served) {
        Some((commit_id, _)) => Ok(commits::by_id(db, commit_id).await?),
        None => Ok(None),
    }
}

/// The only visible commit whose id begins like this.
async fn by_abbreviation(hub: &Hub, repo: &Repo, text: &str) -> Result<Option<Commit>, HubError> {
    let is_hex = text.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_hex || !(PREFIX_DIGITS_MIN..40).contains(&text.len()) {
        return Ok(None);
    }
    let padded = |digit: &str| format!("{text}{}", digit.repeat(40 - text.len())).parse::<CommitOid>();
    let between = commits::visible_between(hub.db().reader(), repo.id, padded("0")?, padded("f")?).await?;
    Ok(match <[Commit; 1]>::try_from(between) {
        Ok([only]) => Some(only),
        Err(_) => None,
    })
}

/// Splits decoded URL segments into a revision and what follows it.
///
/// A revision written raw may hold slashes: `refs/pr/N` and `refs/convert/NAME` always do, and among branches and tags
/// the longest name that this repository has wins. Returns the revision's text and how many segments it takes.
pub async fn split(
    hub: &Hub,
    repo: &Readable<Arc<Repo>>,
    segments: &[String],
) -> Result<(RevisionSpec, usize), HubError> {
    let Some(first) = segments.first() else {
        return Err(HubError::Invalid("the URL names no revision".to_owned()));
    };
    if first == "refs" && segments.len() >= 3 && matches!(segments[1].as_str(), "pr" | "convert") {
        return Ok((segments[..3].join("/").parse()?, 3));
    }
    let names = slashed_names(hub, repo).await?;
    let longest = names.iter().filter(|name| starts_with(segments, name)).max_by_key(|name| name.len());
    match longest {
        Some(name) => Ok((name.parse()?, name.split('/').count())),
        None => Ok((first.parse()?, 1)),
    }
}

/// Whether the segments begin with those of `name`.
fn starts_with(segments: &[String], name: &str) -> bool {
    let parts: Vec<&str> = name.split('/').collect();
    segments.len() >= parts.len() && parts.iter().zip(segments).all(|(part, segment)| part == segment)
}

/// Branches and tags of a repository whose names hold a slash, in short and in full form.
async fn slashed_names(hub: &Hub, repo: &Readable<Arc<Repo>>) -> Result<Arc<Vec<String>>, HubError> {
    let look_up = async || {
        let mut names = Vec::new();
        for found in refs::served(hub.db().reader(), repo.id).await? {
            match found.kind {
                RefKind::Branch => names.push(format!("refs/heads/{}", found.name)),
                RefKind::Tag => names.push(format!("refs/tags/{}", found.name)),
                RefKind::Convert | RefKind::PullRequest => {}
            }
            if found.name.contains('/') {
                names.push(found.name);
            }
        }
        Ok(Arc::new(names))
    };
    hub.caches().slashed.get_or(hub.caches().epoch(), repo.id, look_up).await
}
