//! Repositories: found by the names people use, listed, described.

use std::collections::HashMap;
use std::sync::Arc;

use acervo_core::access::{Caller, Readable, Scope, readable};
use acervo_core::name::check_segment;
use acervo_core::{RepoKind, Role};
use acervo_store::db::commits::{self, CardFacts, Commit};
use acervo_store::db::repos::{self, ListQuery, ReadScope, Repo, Sort};
use acervo_store::db::{blobs, refs};

use crate::context::Hub;
use crate::error::{HubError, denied};

/// Most repositories of one page of a list.
pub const LIST_LIMIT_MAX: u64 = 1000;

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
fn read_scope(caller: &Caller) -> ReadScope {
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

/// What a list asks for.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// Only this kind.
    pub kind: Option<RepoKind>,
    /// Substring of the name.
    pub search: Option<String>,
    /// Namespace.
    pub author: Option<String>,
    /// Tags, all of them.
    pub tags: Vec<String>,
    /// Order.
    pub sort: Sort,
    /// Most repositories.
    pub limit: u64,
    /// Where to go on.
    pub after: Option<(i64, i64)>,
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

/// A page of a list.
#[derive(Clone, Debug)]
pub struct ListPage {
    /// The repositories.
    pub items: Vec<Summary>,
    /// Where the next page starts, if there is one.
    pub next: Option<(i64, i64)>,
}

/// Repositories the caller may see, with what their cards say.
pub async fn list(hub: &Hub, caller: &Caller, request: ListRequest) -> Result<ListPage, HubError> {
    let limit = request.limit.clamp(1, LIST_LIMIT_MAX);
    let query = ListQuery {
        scope: read_scope(caller),
        kind: request.kind,
        search: request.search,
        author: request.author,
        tags: request.tags,
        sort: request.sort,
        limit: limit + 1,
        after: request.after,
    };
    let db = hub.db().reader();
    let mut listed = repos::list(db, &query).await?;
    let more = listed.len() as u64 > limit;
    listed.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = listed.last().filter(|_| more).map(|last| last.position);

    let branches: Vec<(i64, &str)> = listed.iter().map(|row| (row.repo.id, row.repo.default_branch.as_str())).collect();
    let heads = refs::heads(db, &branches).await?;
    let ids: Vec<i64> = heads.values().copied().collect();
    let mut commits: HashMap<i64, Commit> =
        commits::by_ids(db, &ids).await?.into_iter().map(|commit| (commit.id, commit)).collect();
    let mut cards = commits::cards(db, &ids).await?;
    let items = listed
        .into_iter()
        .filter_map(|row| {
            let head = heads.get(&row.repo.id)?;
            let card = cards.remove(head).unwrap_or_default();
            Some(Summary { repo: row.repo, head: commits.remove(head)?, card })
        })
        .collect();
    Ok(ListPage { items, next })
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
    let limit = limit.clamp(1, LIST_LIMIT_MAX);
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
    let (repos, commits) = repos::totals(hub.db().reader(), &read_scope(caller)).await?;
    let (blobs, bytes) = blobs::totals(hub.db().reader()).await?;
    Ok(Holdings { repos, commits, blobs, bytes })
}
