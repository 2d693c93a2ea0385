//! Lockfiles: writing down what mirrors serve, and getting ready to serve the same again.
//!
//! How a sync is held to a lock is `sync`'s business.

use acervo_core::lock::{Lock, LockedCommit, LockedFile, LockedRepo, LockedRevision, Pin};
use acervo_core::order::Followed;
use acervo_core::{Caller, CommitOid, RefKind, RevisionSpec, Role, Rules};
use acervo_store::db::commits::{self, Commit, State};
use acervo_store::db::mirrors::{self, ManagedBy, Mirror, NewMirror, Standing};
use acervo_store::db::refs::{self, Ref};
use acervo_store::db::{commit, generation, repos, trees};
use serde_json::json;

use crate::app::events::{self, Told};
use crate::app::identity::demand;
use crate::app::mirrors::{NewRepository, make_repo, same_origin};
use crate::app::sync::{self, DEFAULT_REVISION};
use crate::context::Hub;
use crate::error::HubError;

/// Reads the text of a lockfile.
pub fn read(text: &str) -> Result<Lock, HubError> {
    Lock::parse(text).map_err(|error| HubError::Invalid(error.to_string()))
}

/// What these mirrors serve now: the commit of every revision they follow, and the digest of every file.
pub async fn lock(hub: &Hub, caller: &Caller, mirrors: &[Mirror]) -> Result<Lock, HubError> {
    demand(caller, Role::Maintainer)?;
    let mut lock = Lock::default();
    for mirror in mirrors {
        lock.repos.push(locked(hub, mirror).await?);
    }
    lock.sort();
    Ok(lock)
}

async fn locked(hub: &Hub, mirror: &Mirror) -> Result<LockedRepo, HubError> {
    let name = &mirror.repo.name;
    let (refs, mut oids) = served(hub, mirror).await?;
    oids.extend(refs.iter().filter_map(|found| found.served.map(|(_, oid)| oid)));
    oids.sort_unstable();
    oids.dedup();
    if oids.is_empty() {
        return Err(HubError::Conflict(format!(
            "`{name}` serves nothing that its mirror follows; fetch it with `acervo sync {name}`, then lock"
        )));
    }
    let mut commits = Vec::with_capacity(oids.len());
    for oid in oids {
        let found = commits::by_oid(hub.db().reader(), mirror.repo.id, oid).await?;
        let Some(found) = found.filter(|found| found.state == State::Visible) else {
            return Err(HubError::Conflict(format!(
                "commit {oid} of `{name}` is not served here; bring it with `acervo sync {name}`, then lock"
            )));
        };
        commits.push(locked_commit(hub, mirror, &found).await?);
    }
    let revisions = refs
        .into_iter()
        .filter_map(|found| Some(LockedRevision { kind: found.kind, commit: found.served?.1, name: found.name }))
        .collect();
    Ok(LockedRepo {
        kind: mirror.repo.kind,
        name: name.clone(),
        upstream: mirror.endpoint.clone(),
        upstream_name: mirror.upstream_name.clone(),
        visibility: mirror.repo.visibility,
        selection: mirror.rules.selection.clone(),
        revisions,
        commits,
    })
}

async fn locked_commit(hub: &Hub, mirror: &Mirror, found: &Commit) -> Result<LockedCommit, HubError> {
    let (Some(listing), Some(held)) = (found.upstream_listing_id, found.served_listing_id) else {
        return Err(HubError::Internal(format!("commit {} is served and has no listing", found.oid)));
    };
    if found.selection != mirror.rules.selection {
        return Err(HubError::Conflict(format!(
            "commit {} of `{1}` is held by other patterns than its mirror has now; bring it up to date with `acervo sync \
             {1}`, then lock",
            found.oid, mirror.repo.name
        )));
    }
    let db = hub.db().reader();
    let files = sync::held_files(hub, held).await?;
    let files = files.into_iter().map(|(entry, sha256)| LockedFile {
        path: entry.path,
        size: entry.size,
        oid: entry.oid,
        sha256,
    });
    Ok(LockedCommit {
        id: found.oid,
        listing: trees::digest(db, listing).await?,
        held: trees::digest(db, held).await?,
        files: files.collect(),
    })
}

/// Refs of a mirror that serve something and that it follows, and the commits that it follows by their ids.
async fn served(hub: &Hub, mirror: &Mirror) -> Result<(Vec<Ref>, Vec<CommitOid>), HubError> {
    let db = hub.db().reader();
    let all = refs::served(db, mirror.repo.id).await?;
    let names: Vec<(RefKind, &str)> = all.iter().map(|found| (found.kind, found.name.as_str())).collect();
    let of = |kind: RefKind, name: &str| all.iter().find(|known| known.kind == kind && known.name == name);
    let mut kept: Vec<Ref> = Vec::new();
    let mut alone: Vec<CommitOid> = Vec::new();
    for followed in mirror.rules.follow.among(&names, DEFAULT_REVISION) {
        let found = match followed {
            Followed::Found(kind, name) => of(kind, &name),
            Followed::Named(text) => match text.parse::<RevisionSpec>()? {
                RevisionSpec::Commit(oid) => {
                    alone.push(oid);
                    None
                }
                RevisionSpec::Head => of(RefKind::Branch, DEFAULT_REVISION),
                RevisionSpec::Name(name) => match name.explicit_kind() {
                    Some(kind) => of(kind, name.stored()),
                    None => of(RefKind::Branch, name.stored()).or_else(|| of(RefKind::Tag, name.stored())),
                },
            },
        };
        kept.extend(found.filter(|found| !kept.contains(found)).cloned());
    }
    if let Some(count) = mirror.rules.follow.newest_commits {
        let heads = kept.iter().filter(|found| found.kind == RefKind::Branch).filter_map(|found| found.served);
        for (_, head) in heads {
            let log = commits::log(db, mirror.repo.id, head, count.into()).await?;
            alone.extend(log.into_iter().map(|commit| commit.oid));
        }
    }
    Ok((kept, alone))
}

/// The mirrors of a lock, each with what it is held to. Those that are not here are made as the lock describes them, and
/// belong to the mirrors file from then on.
pub async fn prepare(hub: &Hub, caller: &Caller, lock: &Lock) -> Result<Vec<(Mirror, Pin)>, HubError> {
    demand(caller, Role::Admin)?;
    let mut prepared = Vec::with_capacity(lock.repos.len());
    for locked in &lock.repos {
        prepared.push((mirror_of(hub, caller, locked).await?, locked.pin()));
    }
    Ok(prepared)
}

async fn mirror_of(hub: &Hub, caller: &Caller, locked: &LockedRepo) -> Result<Mirror, HubError> {
    let tx = hub.db().begin().await?;
    generation::lock(&tx).await?;
    let repo = match repos::by_name(&tx, locked.kind, &locked.name.lower()).await? {
        Some(repo) => same_origin(repo, &locked.upstream, &locked.upstream_name)?,
        None => {
            let new = NewRepository {
                kind: locked.kind,
                name: &locked.name,
                visibility: locked.visibility,
                gate: None,
                upstream: (&locked.upstream, &locked.upstream_name),
            };
            make_repo(hub, &tx, &new).await?
        }
    };
    if let Some(mirror) = mirrors::of_repo(&tx, repo.id).await? {
        return Ok(mirror);
    }
    let mut rules = Rules { selection: locked.selection.clone(), ..Rules::default() };
    let full = |revision: &LockedRevision| match revision.kind {
        RefKind::Branch => format!("refs/heads/{}", revision.name),
        RefKind::Tag => format!("refs/tags/{}", revision.name),
        RefKind::Convert | RefKind::PullRequest => revision.name.clone(),
    };
    let named = |id: CommitOid| locked.revisions.iter().any(|revision| revision.commit == id);
    let alone = locked.commits.iter().filter(|commit| !named(commit.id)).map(|commit| commit.id.to_hex());
    let followed = locked.revisions.iter().map(full).chain(alone);
    rules.follow.revisions = followed.map(|name| name.parse().map_err(HubError::Invalid)).collect::<Result<_, _>>()?;
    rules.upstreams = vec![locked.upstream.clone()];
    let new = NewMirror {
        repo_id: repo.id,
        endpoint: locked.upstream.clone(),
        upstream_name: locked.upstream_name.clone(),
        order: Standing { rules, managed_by: ManagedBy::File, order_id: None, paused: false, next_run_at: None },
        created_by: caller.principal_id(),
        at: hub.now(),
    };
    let id = mirrors::insert(&tx, new).await?;
    let details = json!({
        "type": repo.kind, "endpoint": locked.upstream, "upstream": locked.upstream_name,
        "selection": locked.selection, "visibility": repo.visibility, "why": "a lockfile names it",
    });
    let told = Told { kind: "mirror.added", repo_id: Some(repo.id), subject: repo.name.as_str(), details };
    events::record(hub, &tx, caller, told).await?;
    generation::bump(&tx).await?;
    let mirror = mirrors::by_id(&tx, id).await?;
    commit(tx).await?;
    hub.caches().clear();
    mirror.ok_or_else(|| HubError::Internal(format!("the mirror of `{}` vanished", locked.name)))
}
