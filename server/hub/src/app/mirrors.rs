//! Mirrors: standing orders to keep a repository like its upstream.

use acervo_core::access::Caller;
use acervo_core::gate::{Gate, GateMode};
use acervo_core::{RepoId, RepoKind, RevisionSpec, Role, Selection, Visibility};
use acervo_store::db::mirrors::{self, Mirror, NewMirror};
use acervo_store::db::principals::{self, NamespaceKind, NamespaceOrigin};
use acervo_store::db::repos::{self, NewRepo, Origin, Repo};
use acervo_store::db::{Transaction, commit, gates, generation};
use serde_json::json;

use crate::app::events::{self, Told};
use crate::app::identity::demand;
use crate::app::sync::DEFAULT_REVISION;
use crate::context::Hub;
use crate::error::HubError;

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
    /// What stands before its contents; unless it is said, what upstream gates is gated here, and by hand.
    pub gate: Option<GateMode>,
}

/// Adds a mirror, or changes what an existing one follows and holds. Nothing is fetched.
///
/// A bare upstream name needs the upstream's answer, to learn which `namespace/name` it stands for.
pub async fn add(hub: &Hub, caller: &Caller, request: &MirrorRequest) -> Result<Mirror, HubError> {
    demand(caller, Role::Maintainer)?;
    check(request)?;
    let endpoint = hub.upstream().endpoint().to_owned();
    let (name, upstream_name, alias) = names(hub, request).await?;
    let tx = hub.db().begin().await?;
    // Two orders at once may need the same namespace, or the same repository.
    generation::lock(&tx).await?;
    let repo = match repos::by_name(&tx, request.kind, &name.lower()).await? {
        Some(repo) => same_origin(repo, &endpoint, &upstream_name)?,
        None => make_repo(hub, &tx, request, &name, (&endpoint, &upstream_name)).await?,
    };
    if let Some(alias) = alias {
        repos::add_alias(&tx, &repo, &alias, repos::Cause::Canonical, hub.now()).await?;
    }
    let at = hub.now();
    let kind = match mirrors::of_repo(&tx, repo.id).await? {
        Some(existing) => {
            mirrors::update_order(&tx, existing.id, &request.revisions, &request.selection, at).await?;
            "mirror.changed"
        }
        None => {
            let new = NewMirror {
                repo_id: repo.id,
                endpoint: endpoint.clone(),
                upstream_name: upstream_name.clone(),
                revisions: request.revisions.clone(),
                selection: request.selection.clone(),
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

/// Refuses what could never be synced.
fn check(request: &MirrorRequest) -> Result<(), HubError> {
    request.selection.compile()?;
    if request.revisions.len() > REVISIONS_MAX {
        return Err(HubError::TooMuch(format!("a mirror follows at most {REVISIONS_MAX} revisions")));
    }
    for revision in &request.revisions {
        revision.parse::<RevisionSpec>()?;
    }
    // As the event that tells it spells it, which must hold it whole.
    let bytes = json!([request.revisions, request.selection]).to_string().len();
    if bytes > ORDER_BYTES_MAX {
        return Err(HubError::TooMuch(format!(
            "the revisions and patterns of a mirror have at most {ORDER_BYTES_MAX} bytes together, these have {bytes}; use fewer or shorter ones"
        )));
    }
    Ok(())
}

/// Name here, name there, and the bare name that leads here too.
async fn names(hub: &Hub, request: &MirrorRequest) -> Result<(RepoId, String, Option<String>), HubError> {
    let given = request.upstream_name.as_str();
    if given.contains('/') {
        let id: RepoId = given.parse()?;
        return Ok((request.local_name.clone().unwrap_or_else(|| id.clone()), id.to_string(), None));
    }
    acervo_core::name::check_segment(given)?;
    let info = hub.upstream().snapshot_info(request.kind, given, DEFAULT_REVISION).await?;
    match (&request.local_name, info.name.parse::<RepoId>()) {
        (Some(local), _) => Ok((local.clone(), info.name, None)),
        (None, Ok(id)) => Ok((id, info.name, Some(given.to_owned()))),
        (None, Err(_)) => Err(HubError::Invalid(format!(
            "`{given}` has no namespace at the upstream; give it a name here with `--as namespace/{given}`"
        ))),
    }
}

/// An existing repository may be mirrored into only from where it came.
fn same_origin(repo: Repo, endpoint: &str, upstream_name: &str) -> Result<Repo, HubError> {
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

/// Makes the repository, and its namespace unless that is there.
async fn make_repo(
    hub: &Hub,
    tx: &Transaction,
    request: &MirrorRequest,
    name: &RepoId,
    upstream: (&str, &str),
) -> Result<Repo, HubError> {
    let at = hub.now();
    let namespace = match principals::namespace(tx, name.namespace()).await? {
        // What is owned here is never mirrored over, or an upstream could put words into our own mouth.
        Some(own) if own.reserved || own.origin == NamespaceOrigin::Local => {
            return Err(HubError::Conflict(format!(
                "the namespace `{}` belongs to this hub; choose another name with `--as namespace/name`",
                own.name
            )));
        }
        Some(mirrored) => mirrored,
        None => {
            let (kind, origin) = (NamespaceKind::Organization, NamespaceOrigin::Mirrored);
            principals::insert_namespace(tx, name.namespace(), kind, origin, None, at).await?
        }
    };
    // The namespace's own spelling wins, so that one organisation is not listed under two.
    let name = RepoId::new(&namespace.name, name.name())?;
    let new = NewRepo {
        public_id: hex::encode(hub.random::<12>()?),
        kind: request.kind,
        name,
        namespace_id: namespace.id,
        visibility: request.visibility,
        upstream: Some((upstream.0.to_owned(), upstream.1.to_owned())),
        at,
    };
    let mut repo = repos::insert(tx, new).await?;
    if let Some(mode) = request.gate {
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
