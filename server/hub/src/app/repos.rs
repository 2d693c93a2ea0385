//! Repositories: found by the names people use, and described.

use std::sync::Arc;

use acervo_core::access::{Caller, Readable, Scope, readable};
use acervo_core::name::check_segment;
use acervo_core::{RepoKind, Role};
use acervo_store::db::commits::{self, CardFacts, Commit};
use acervo_store::db::repos::{self, ReadScope, Repo};
use acervo_store::db::search::Filter;
use acervo_store::db::{blobs, refs};

use crate::app::lists;
use crate::context::Hub;
use crate::error::{HubError, denied};

/// Most commits of one page of a log.
pub const LOG_LIMIT_MAX: u64 = 1000;

/// A repository as a name led to it.
#[derive(Clone, Debug)]
pub enum Found {
    /// Under exactly this name.
    Here(Readable<Arc<Repo>>),
    /// Under this other name: another spelling, a rename, or a bare canonical id.
    Moved(Readable<Arc<Repo>>),
}

impl Found {
    /// The repository, however it was found.
    pub fn into_repo(self) -> Readable<Arc<Repo>> {
        match self {
            Found::Here(repo) | Found::Moved(repo) => repo,
        }
    }
}

/// Finds a repository by `namespace/name` or a bare name, if the caller may know of it.
pub async fn find(hub: &Hub, caller: &Caller, kind: RepoKind, name: &str) -> Result<Found, HubError> {
    let lower = name.to_ascii_lowercase();
    if lower.split('/').any(|segment| check_segment(segment).is_err()) {
        // No repository can have this name, and some databases refuse to be asked for it.
        return Err(HubError::RepoNotFound { kind, name: name.to_owned() });
    }
    let look_up = async || {
        let db = hub.db().reader();
        // Both are asked in any case: who may not see a repository must not notice that there is one.
        let (named, led_to) = (repos::by_name(db, kind, &lower).await?, repos::by_alias(db, kind, &lower).await?);
        Ok::<_, HubError>(named.or(led_to).map(Arc::new))
    };
    let repo = hub.caches().repos.get_or(hub.caches().epoch(), (kind, lower.clone()), look_up).await?;
    let missing = || HubError::RepoNotFound { kind, name: name.to_owned() };
    let repo = readable(caller, repo.ok_or_else(missing)?).map_err(|why| denied(why, kind, name))?;
    Ok(if repo.name.as_str() == name { Found::Here(repo) } else { Found::Moved(repo) })
}

/// Which repositories the caller may see.
pub(super) fn read_scope(caller: &Caller) -> ReadScope {
    let mut scope = ReadScope {
        everything: caller.has_hub_role(Role::Reader),
        internal: !matches!(caller, Caller::Anonymous),
        namespaces: Vec::new(),
        repos: Vec::new(),
    };
    if let Caller::Known(identity) = caller {
        for grant in identity.grants.iter().filter(|grant| grant.role.implies(Role::Reader)) {
            match grant.scope {
                Scope::Hub => {}
                Scope::Namespace(id) => scope.namespaces.push(id),
                Scope::Repo(id) => scope.repos.push(id),
            }
        }
    }
    scope
}

/// A repository of a list, with its default revision.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The repository.
    pub repo: Repo,
    /// The commit its default branch serves.
    pub head: Commit,
    /// Its card and tags.
    pub card: CardFacts,
}

/// The card and tags of a commit.
pub async fn card(hub: &Hub, _repo: &Readable<Arc<Repo>>, commit: &Commit) -> Result<CardFacts, HubError> {
    let mut facts = commits::cards(hub.db().reader(), &[commit.id]).await?;
    Ok(facts.remove(&commit.id).unwrap_or_default())
}

/// Refs of a repository that can be served.
pub async fn refs(hub: &Hub, repo: &Readable<Arc<Repo>>) -> Result<Vec<refs::Ref>, HubError> {
    Ok(refs::served(hub.db().reader(), repo.id).await?)
}

/// A page of a log.
#[derive(Clone, Debug)]
pub struct LogPage {
    /// Commits, newest first.
    pub commits: Vec<Commit>,
    /// The commit the next page starts with, if there is one.
    pub next: Option<acervo_core::CommitOid>,
}

/// A commit and those before it, as upstream's log has them.
pub async fn log(
    hub: &Hub,
    repo: &Readable<Arc<Repo>>,
    from: acervo_core::CommitOid,
    limit: u64,
) -> Result<LogPage, HubError> {
    let limit = limit.clamp(1, LOG_LIMIT_MAX);
    let mut commits = commits::log(hub.db().reader(), repo.id, from, limit + 1).await?;
    let length = usize::try_from(limit).unwrap_or(usize::MAX);
    let next = commits.get(length).map(|commit| commit.oid);
    commits.truncate(length);
    Ok(LogPage { commits, next })
}

/// What this hub holds, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Repositories that serve something.
    pub repos: u64,
    /// Visible commits.
    pub commits: u64,
    /// Contents held once each.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What this hub holds: repositories and commits as far as the caller may see them, contents over all.
pub async fn holdings(hub: &Hub, caller: &Caller) -> Result<Holdings, HubError> {
    let scope = read_scope(caller);
    let commits = repos::commit_count(hub.db().reader(), &scope).await?;
    let repos = lists::count(hub, Filter::all(scope)).await?;
    let (blobs, bytes) = blobs::totals(hub.db().reader()).await?;
    Ok(Holdings { repos, commits, blobs, bytes })
}
