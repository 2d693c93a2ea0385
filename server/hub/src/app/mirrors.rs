//! Mirrors: standing orders to keep a repository like its upstream.

mod pause;

use std::sync::Arc;

use acervo_core::access::{Caller, Readable};
use acervo_core::gate::{Gate, GateMode};
use acervo_core::order::{Follow, Limits, RevisionPattern, Timing};
use acervo_core::{RepoId, RepoKind, Role, Rules, Selection, Timestamp, Visibility};
use acervo_store::db::mirrors::{self, ManagedBy, Mirror, NewMirror, Standing};
use acervo_store::db::principals::{self, Namespace, NamespaceKind, NamespaceOrigin};
use acervo_store::db::repos::{self, NewRepo, Origin, Repo};
use acervo_store::db::{Transaction, commit, gates, generation};
use serde_json::json;

use crate::app::events::{self, Told};
use crate::app::identity::demand;
use crate::app::sync::DEFAULT_REVISION;
use crate::context::Hub;
use crate::error::HubError;
use crate::upstream::Client;

pub use pause::set_paused;

/// Most revisions a mirror follows.
pub const REVISIONS_MAX: usize = 200;

/// Most bytes that the revisions and patterns of a mirror may have together.
const ORDER_BYTES_MAX: usize = 24 * 1024;

/// What a mirror is to be.
#[derive(Clone, Debug)]
pub struct MirrorRequest {
    /// Model, dataset or space.
    pub kind: RepoKind,
    /// Name at the upstream: `namespace/name`, or bare.
    pub upstream_name: String,
    /// Revisions to follow; none means the default branch.
    pub revisions: Vec<String>,
    /// What of each commit to hold.
    pub selection: Selection,
    /// Name here, if not the upstream's.
    pub local_name: Option<RepoId>,
    /// Who may read it.
    pub visibility: Visibility,
    /// Of the tags that patterns find, so many of the highest versions.
    pub newest_tags: Option<u32>,
    /// How large it may be; a mirror that is there keeps its ceilings unless others are given.
    pub limits: Option<Limits>,
    /// When it is due and how urgent it is; a mirror that is there keeps that unless it is given.
    pub timing: Option<Timing>,
    /// What stands before its contents; unless it is said, what upstream gates is gated here, and by hand.
    pub gate: Option<GateMode>,
}

/// Adds a mirror, or changes what an existing one follows and holds. Nothing is fetched.
///
/// A bare upstream name needs the upstream's answer, to learn which `namespace/name` it stands for.
pub async fn add(hub: &Hub, caller: &Caller, request: &MirrorRequest) -> Result<Mirror, HubError> {
    demand(caller, Role::Maintainer)?;
    let revisions = check(request)?;
    let endpoint = hub.upstream().endpoint().to_owned();
    let (name, upstream_name, alias) =
        names(hub.upstream(), request.kind, &request.upstream_name, request.local_name.as_ref()).await?;
    let tx = hub.db().begin().await?;
    // Two orders at once may need the same namespace, or the same repository.
    generation::lock(&tx).await?;
    let repo = match repos::by_name(&tx, request.kind, &name.lower()).await? {
        Some(repo) => same_origin(repo, &endpoint, &upstream_name)?,
        None => {
            let new = NewRepository {
                kind: request.kind,
                name: &name,
                visibility: request.visibility,
                gate: request.gate,
                upstream: (&endpoint, &upstream_name),
            };
            make_repo(hub, &tx, &new).await?
        }
    };
    if let Some(alias) = alias {
        repos::add_alias(&tx, &repo, &alias, repos::Cause::Canonical, hub.now()).await?;
    }
    let at = hub.now();
    let kind = match mirrors::of_repo(&tx, repo.id).await? {
        Some(existing) => {
            refuse_managed(&existing)?;
            let mut order = Standing {
                rules: existing.rules,
                managed_by: existing.managed_by,
                order_id: existing.order_id,
                paused: existing.paused,
                next_run_at: existing.next_run_at,
            };
            order.rules = rules_of(request, revisions, order.rules);
            if request.timing.is_some() {
                order.next_run_at = next_run(&order.rules, &repo, at);
            }
            mirrors::update(&tx, existing.id, order, at).await?;
            "mirror.changed"
        }
        None => {
            let rules = rules_of(request, revisions, Rules::default());
            let new = NewMirror {
                repo_id: repo.id,
                endpoint: endpoint.clone(),
                upstream_name: upstream_name.clone(),
                order: Standing {
                    next_run_at: next_run(&rules, &repo, at),
                    rules,
                    managed_by: ManagedBy::Api,
                    order_id: None,
                    paused: false,
                },
                created_by: caller.principal_id(),
                at,
            };
            mirrors::insert(&tx, new).await?;
            "mirror.added"
        }
    };
    let details = json!({
        "type": repo.kind, "endpoint": endpoint, "upstream": upstream_name, "revisions": request.revisions,
        "selection": request.selection, "visibility": repo.visibility, "gate": GateMode::from(repo.gated),
    });
    events::record(hub, &tx, caller, Told { kind, repo_id: Some(repo.id), subject: repo.name.as_str(), details })
        .await?;
    generation::bump(&tx).await?;
    let mirror = mirrors::of_repo(&tx, repo.id).await?;
    commit(tx).await?;
    hub.caches().clear();
    mirror.ok_or_else(|| HubError::Internal(format!("the mirror of `{}` vanished", repo.name)))
}

/// What is asked for, on top of what the mirror had.
fn rules_of(request: &MirrorRequest, revisions: Vec<RevisionPattern>, before: Rules) -> Rules {
    let follow = Follow { revisions, newest_tags: request.newest_tags, newest_commits: before.follow.newest_commits };
    Rules {
        follow,
        selection: request.selection.clone(),
        limits: request.limits.unwrap_or(before.limits),
        timing: request.timing.clone().unwrap_or(before.timing),
        upstreams: before.upstreams,
    }
}

/// When a mirror is due next by its rules, if they have a schedule; its lateness is drawn from its type and name.
pub(super) fn next_run(rules: &Rules, repo: &Repo, now: Timestamp) -> Option<Timestamp> {
    rules.timing.next_run(&format!("{}:{}", repo.kind, repo.name.lower()), now)
}

/// Refuses to change by hand what the mirrors file says.
fn refuse_managed(mirror: &Mirror) -> Result<(), HubError> {
    match mirror.managed_by {
        ManagedBy::Api => Ok(()),
        ManagedBy::File => Err(HubError::Conflict(format!(
            "the mirror of `{}` belongs to the mirrors file; change it there, then `acervo mirror apply`",
            mirror.repo.name
        ))),
    }
}

/// Refuses what could never be synced; returns the revisions, read.
fn check(request: &MirrorRequest) -> Result<Vec<RevisionPattern>, HubError> {
    request.selection.compile()?;
    if request.revisions.len() > REVISIONS_MAX {
        return Err(HubError::TooMuch(format!("a mirror follows at most {REVISIONS_MAX} revisions")));
    }
    let read = |text: &String| text.parse::<RevisionPattern>().map_err(HubError::Invalid);
    let revisions = request.revisions.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    // As the event that tells it spells it, which must hold it whole.
    let bytes = json!([request.revisions, request.selection]).to_string().len();
    if bytes > ORDER_BYTES_MAX {
        return Err(HubError::TooMuch(format!(
            "the revisions and patterns of a mirror have at most {ORDER_BYTES_MAX} bytes together, these have {bytes}; use fewer or shorter ones"
        )));
    }
    Ok(revisions)
}

/// Name here, name there, and the bare name that leads here too.
pub(super) async fn names(
    client: &Client,
    kind: RepoKind,
    given: &str,
    local_name: Option<&RepoId>,
) -> Result<(RepoId, String, Option<String>), HubError> {
    if given.contains('/') {
        let id: RepoId = given.parse()?;
        return Ok((local_name.cloned().unwrap_or_else(|| id.clone()), id.to_string(), None));
    }
    acervo_core::name::check_segment(given)?;
    let info = client.snapshot_info(kind, given, DEFAULT_REVISION).await?;
    match (local_name, info.name.parse::<RepoId>()) {
        (Some(local), _) => Ok((local.clone(), info.name, None)),
        (None, Ok(id)) => Ok((id, info.name, Some(given.to_owned()))),
        (None, Err(_)) => Err(HubError::Invalid(format!(
            "`{given}` has no namespace at the upstream; give it a name here with `--as namespace/{given}`"
        ))),
    }
}

/// An existing repository may be mirrored into only from where it came.
pub(super) fn same_origin(repo: Repo, endpoint: &str, upstream_name: &str) -> Result<Repo, HubError> {
    if repo.origin == Origin::Local {
        return Err(HubError::Conflict(format!(
            "`{}` is a repository of this hub and no mirror; choose another name with `--as namespace/name`",
            repo.name
        )));
    }
    let same = repo.upstream_endpoint.as_deref() == Some(endpoint)
        && repo.upstream_name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(upstream_name));
    if same {
        return Ok(repo);
    }
    Err(HubError::Conflict(format!(
        "`{}` mirrors `{}` of `{}` already; choose another name with `--as namespace/name`",
        repo.name,
        repo.upstream_name.as_deref().unwrap_or_default(),
        repo.upstream_endpoint.as_deref().unwrap_or_default()
    )))
}

/// A repository to be made for a mirror.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewRepository<'a> {
    pub(super) kind: RepoKind,
    pub(super) name: &'a RepoId,
    pub(super) visibility: Visibility,
    pub(super) gate: Option<GateMode>,
    /// Base URL of the upstream, and the name there.
    pub(super) upstream: (&'a str, &'a str),
}

/// What is owned here is never mirrored over, or an upstream could put words into our own mouth.
pub(super) fn mirrorable(namespace: Namespace) -> Result<Namespace, HubError> {
    if namespace.reserved || namespace.origin == NamespaceOrigin::Local {
        return Err(HubError::Conflict(format!(
            "the namespace `{}` belongs to this hub; choose another name with `--as namespace/name`",
            namespace.name
        )));
    }
    Ok(namespace)
}

/// Makes the repository, and its namespace unless that is there.
pub(super) async fn make_repo(hub: &Hub, tx: &Transaction, new: &NewRepository<'_>) -> Result<Repo, HubError> {
    let (at, name) = (hub.now(), new.name);
    let namespace = match principals::namespace(tx, name.namespace()).await? {
        Some(known) => mirrorable(known)?,
        None => {
            let (kind, origin) = (NamespaceKind::Organization, NamespaceOrigin::Mirrored);
            principals::insert_namespace(tx, name.namespace(), kind, origin, None, at).await?
        }
    };
    // The namespace's own spelling wins, so that one organisation is not listed under two.
    let name = RepoId::new(&namespace.name, name.name())?;
    let row = NewRepo {
        public_id: hex::encode(hub.random::<12>()?),
        kind: new.kind,
        name,
        namespace_id: namespace.id,
        visibility: new.visibility,
        upstream: Some((new.upstream.0.to_owned(), new.upstream.1.to_owned())),
        at,
    };
    let mut repo = repos::insert(tx, row).await?;
    if let Some(mode) = new.gate {
        gates::set(tx, repo.id, Gate { mode, terms: None }).await?;
        repo.gated = mode.into();
    }
    Ok(repo)
}

/// Every mirror.
pub async fn list(hub: &Hub, caller: &Caller) -> Result<Vec<Mirror>, HubError> {
    demand(caller, Role::Reader)?;
    Ok(mirrors::all(hub.db().reader()).await?)
}

/// The mirror that fills a repository.
pub async fn of(hub: &Hub, caller: &Caller, repo: &Readable<Arc<Repo>>) -> Result<Mirror, HubError> {
    demand(caller, Role::Maintainer)?;
    mirrors::of_repo(hub.db().reader(), repo.id)
        .await?
        .ok_or_else(|| HubError::NotFound(format!("{} `{}` is not mirrored", repo.kind, repo.name)))
}

/// The mirror of a repository, by its name here.
pub async fn get(hub: &Hub, caller: &Caller, kind: RepoKind, name: &str) -> Result<Mirror, HubError> {
    demand(caller, Role::Reader)?;
    let db = hub.db().reader();
    let lower = name.to_ascii_lowercase();
    let repo = match repos::by_name(db, kind, &lower).await? {
        Some(repo) => Some(repo),
        None => repos::by_alias(db, kind, &lower).await?,
    };
    let mirror = match repo {
        Some(repo) => mirrors::of_repo(db, repo.id).await?,
        None => None,
    };
    mirror.ok_or_else(|| {
        HubError::NotFound(format!("there is no mirror of the {kind} `{name}`; add it with `acervo mirror add {name}`"))
    })
}

/// Removes a mirror. What it fetched stays and is served.
pub async fn remove(hub: &Hub, caller: &Caller, kind: RepoKind, name: &str) -> Result<Mirror, HubError> {
    demand(caller, Role::Maintainer)?;
    let mirror = get(hub, caller, kind, name).await?;
    refuse_managed(&mirror)?;
    let tx = hub.db().begin().await?;
    mirrors::remove(&tx, mirror.id).await?;
    let told = Told {
        kind: "mirror.removed",
        repo_id: Some(mirror.repo.id),
        subject: mirror.repo.name.as_str(),
        details: json!({ "type": mirror.repo.kind }),
    };
    events::record(hub, &tx, caller, told).await?;
    commit(tx).await?;
    Ok(mirror)
}
