//! Requests: who is known here asks for a repository, an administrator makes a mirror of it or says why not.

use std::collections::HashMap;

use acervo_core::access::readable;
use acervo_core::name::check_segment;
use acervo_core::order::RevisionPattern;
use acervo_core::{Caller, RepoId, RepoKind, Role, Selection, Timestamp, Visibility};
use acervo_store::db::mirrors::{self as mirror_rows, Mirror};
use acervo_store::db::repos::{self as repo_rows, Origin, Repo};
use acervo_store::db::requests::{self, Asked, Request, State};
use acervo_store::db::{Transaction, commit, generation};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::events::{self, Told};
use crate::app::identity::{demand, names_of};
use crate::app::mirrors::{self, MirrorRequest};
use crate::app::repos;
use crate::app::sync::{self, DEFAULT_REVISION};
use crate::context::Hub;
use crate::error::HubError;

/// Most open requests of one principal.
pub const OPEN_MAX: u64 = 50;

/// Most requests of one page.
pub const LIST_LIMIT_MAX: u64 = 500;

/// Most revisions of one request.
const REVISIONS_MAX: usize = 20;

/// Most bytes that the revisions of a request have together.
const REVISIONS_BYTES_MAX: usize = 4096;

/// Longest reason, for a request or against it, in characters.
const REASON_CHARACTERS_MAX: usize = 1000;

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Model, dataset or space.
    pub kind: RepoKind,
    /// Name at the upstream: `namespace/name`, or bare.
    pub name: String,
    /// Revisions; none means the default branch.
    pub revisions: Vec<String>,
    /// What it is wanted for.
    pub reason: String,
}

/// A request, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestView {
    /// Id by which it is decided.
    pub id: String,
    /// Model, dataset or space.
    #[serde(rename = "type")]
    pub kind: RepoKind,
    /// Name at the upstream.
    pub repo: String,
    /// Revisions; none means the default branch.
    pub revisions: Vec<String>,
    /// What it is wanted for.
    pub reason: String,
    /// `open`, `accepted` or `declined`.
    pub state: &'static str,
    /// Who asks; nobody if it was asked on the machine itself.
    pub asked_by: Option<String>,
    /// When.
    pub asked_at: Timestamp,
    /// Who decided.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// Why it was declined.
    pub answer: Option<String>,
    /// Name here of what became of it, if the caller may know of that.
    pub mirror: Option<RepoId>,
    /// Job that fetches it first.
    pub job: Option<Uuid>,
}

/// Asks for a repository. Whoever asks again for the same is told of the request that is open.
pub async fn open(hub: &Hub, caller: &Caller, wish: &Wish) -> Result<RequestView, HubError> {
    if *caller == Caller::Anonymous {
        return Err(HubError::TokenRequired);
    }
    check(wish)?;
    refuse_held(hub, caller, wish).await?;
    let asked_by = caller.principal_id();
    let tx = hub.db().begin().await?;
    // The same may be asked for at once, and every request but one too many.
    generation::lock(&tx).await?;
    let alike = requests::open_for(&tx, asked_by, wish.kind, &wish.name).await?;
    if let Some(known) = alike.into_iter().find(|request| request.revisions == wish.revisions) {
        drop(tx);
        return told(hub, caller, known).await;
    }
    if asked_by.is_some() && requests::open_count(&tx, asked_by).await? >= OPEN_MAX {
        return Err(HubError::Conflict(format!(
            "{OPEN_MAX} of your requests are open; wait until an administrator has decided on some"
        )));
    }
    let request = Request {
        id: 0,
        public_id: hex::encode(hub.random::<12>()?),
        asked_by,
        kind: wish.kind,
        name: wish.name.clone(),
        revisions: wish.revisions.clone(),
        reason: wish.reason.clone(),
        state: State::Open,
        asked_at: hub.now(),
        decided_at: None,
        decided_by: None,
        answer: None,
        repo_id: None,
        job_id: None,
    };
    requests::insert(&tx, &request).await?;
    let facts = json!({ "revisions": request.revisions, "reason": request.reason });
    tell(hub, &tx, caller, ("request.opened", &request), facts).await?;
    commit(tx).await?;
    told(hub, caller, request).await
}

/// Refuses what could never be mirrored.
fn check(wish: &Wish) -> Result<(), HubError> {
    if wish.name.contains('/') {
        wish.name.parse::<RepoId>()?;
    } else {
        check_segment(&wish.name)?;
    }
    let bytes: usize = wish.revisions.iter().map(String::len).sum();
    if wish.revisions.len() > REVISIONS_MAX || bytes > REVISIONS_BYTES_MAX {
        return Err(HubError::Invalid(format!(
            "a request names at most {REVISIONS_MAX} revisions of {REVISIONS_BYTES_MAX} bytes together"
        )));
    }
    for revision in &wish.revisions {
        revision.parse::<RevisionPattern>().map_err(HubError::Invalid)?;
    }
    check_reason(&wish.reason)
}

fn check_reason(reason: &str) -> Result<(), HubError> {
    let is_told = !reason.trim().is_empty() && reason.chars().count() <= REASON_CHARACTERS_MAX;
    if is_told && !reason.contains('\0') {
        return Ok(());
    }
    Err(HubError::Invalid(format!("say why, in a text of at most {REASON_CHARACTERS_MAX} characters")))
}

/// Refuses what is here already, as far as the caller may know. What is hidden from them is as good as missing.
async fn refuse_held(hub: &Hub, caller: &Caller, wish: &Wish) -> Result<(), HubError> {
    let repo = match repos::find(hub, caller, wish.kind, &wish.name).await {
        Ok(found) => found.into_repo(),
        Err(HubError::RepoNotFound { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let is_kept = repo.origin == Origin::Local || mirror_rows::of_repo(hub.db().reader(), repo.id).await?.is_some();
    if !is_kept {
        return Ok(());
    }
    Err(HubError::Conflict(format!(
        "{} `{}` is here already; if it lacks something, ask an administrator to change its mirror",
        repo.kind, repo.name
    )))
}

/// Which requests are asked for.
#[derive(Clone, Debug, Default)]
pub struct RequestQuery {
    /// Where they stand.
    pub state: Option<State>,
    /// Id of the last one of the page before.
    pub after: Option<String>,
    /// Most requests of the page.
    pub limit: u64,
}

/// A page of requests.
#[derive(Clone, Debug)]
pub struct RequestPage {
    /// Requests, the newest first.
    pub requests: Vec<RequestView>,
    /// Id of the last of them, if there are older ones.
    pub next: Option<String>,
}

/// The caller's own requests, the newest first; everybody's for those who manage mirrors or watch over the hub.
pub async fn list(hub: &Hub, caller: &Caller, query: &RequestQuery) -> Result<RequestPage, HubError> {
    let sees_all = caller.has_hub_role(Role::Maintainer) || caller.has_hub_role(Role::Auditor);
    if *caller == Caller::Anonymous {
        return Err(HubError::TokenRequired);
    }
    let db = hub.db().reader();
    let limit = query.limit.clamp(1, LIST_LIMIT_MAX);
    let before = match &query.after {
        Some(id) => requests::by_public_id(db, id).await?.map(|request| request.id),
        None => None,
    };
    let asked_by = caller.principal_id().filter(|_| !sees_all);
    let mut rows = requests::listed(db, &Asked { state: query.state, asked_by, before, limit: limit + 1 }).await?;
    let has_more = rows.len() as u64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = rows.last().filter(|_| has_more).map(|request| request.public_id.clone());
    Ok(RequestPage { requests: views(hub, caller, rows).await?, next })
}

/// How a request is accepted.
#[derive(Clone, Debug, Default)]
pub struct Acceptance {
    /// Name here, if not the upstream's.
    pub local_name: Option<RepoId>,
    /// Who may read it; everybody, unless it is said.
    pub visibility: Option<Visibility>,
}

/// Makes a mirror of what was asked for, unless there is one, and queues its first sync.
///
/// Whatever breaks off in between leaves the request open, and accepting it again goes on from there.
pub async fn accept(hub: &Hub, caller: &Caller, id: &str, how: &Acceptance) -> Result<RequestView, HubError> {
    demand(caller, Role::Admin)?;
    let request = undecided(hub, id).await?;
    let mirror = mirror_for(hub, caller, &request, how).await?;
    let job = sync::enqueue(hub, caller, &mirror).await?;
    let facts = json!({ "mirror": mirror.repo.name, "job": job, "visibility": mirror.repo.visibility });
    let decided = Request {
        state: State::Accepted,
        decided_at: Some(hub.now()),
        decided_by: caller.principal_id(),
        repo_id: Some(mirror.repo.id),
        job_id: Some(job),
        ..request
    };
    decide(hub, caller, ("request.accepted", decided), facts).await
}

/// Turns a request down, for a reason that the one who asked may read.
pub async fn decline(hub: &Hub, caller: &Caller, id: &str, reason: &str) -> Result<RequestView, HubError> {
    demand(caller, Role::Admin)?;
    check_reason(reason)?;
    let request = undecided(hub, id).await?;
    let decided = Request {
        state: State::Declined,
        decided_at: Some(hub.now()),
        decided_by: caller.principal_id(),
        answer: Some(reason.to_owned()),
        ..request
    };
    decide(hub, caller, ("request.declined", decided), json!({ "reason": reason })).await
}

/// The open request of this id.
async fn undecided(hub: &Hub, id: &str) -> Result<Request, HubError> {
    let db = hub.db().reader();
    let missing = || HubError::NotFound(format!("there is no request `{id}`; `acervo request list` shows all"));
    // No database is asked for what no id can be.
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(missing());
    }
    let request = requests::by_public_id(db, id).await?.ok_or_else(missing)?;
    if request.state == State::Open {
        return Ok(request);
    }
    Err(decided_already(&request))
}

fn decided_already(request: &Request) -> HubError {
    HubError::Conflict(format!("the request for `{}` is {} already", request.name, request.state))
}

/// The mirror that serves what was asked for: the one that is here, or a new one.
async fn mirror_for(hub: &Hub, caller: &Caller, request: &Request, how: &Acceptance) -> Result<Mirror, HubError> {
    let name = how.local_name.as_ref().map_or(request.name.as_str(), RepoId::as_str);
    let known = match repos::find(hub, caller, request.kind, name).await {
        Ok(found) => mirror_rows::of_repo(hub.db().reader(), found.into_repo().id).await?,
        Err(HubError::RepoNotFound { .. }) => None,
        Err(error) => return Err(error),
    };
    if let Some(mirror) = known.filter(|mirror| mirror.upstream_name.eq_ignore_ascii_case(&request.name)) {
        let follows = &mirror.rules.follow.revisions;
        let is_followed = |wanted: &str| {
            follows.iter().any(|one| one.as_str() == wanted) || follows.is_empty() && wanted == DEFAULT_REVISION
        };
        if let Some(lacking) = request.revisions.iter().find(|wanted| !is_followed(wanted)) {
            return Err(HubError::Conflict(format!(
                "`{}` is mirrored already and does not follow `{lacking}`; let it follow that, then accept",
                mirror.repo.name
            )));
        }
        return Ok(mirror);
    }
    let wanted = MirrorRequest {
        kind: request.kind,
        upstream_name: request.name.clone(),
        revisions: request.revisions.clone(),
        selection: Selection::default(),
        local_name: how.local_name.clone(),
        visibility: how.visibility.unwrap_or(Visibility::Public),
        newest_tags: None,
        limits: None,
        timing: None,
        gate: None,
    };
    mirrors::add(hub, caller, &wanted).await
}

/// Writes a decision with its event, unless somebody else has decided meanwhile.
async fn decide(
    hub: &Hub,
    caller: &Caller,
    (kind, decided): (&str, Request),
    facts: Value,
) -> Result<RequestView, HubError> {
    let tx = hub.db().begin().await?;
    if !requests::decide(&tx, &decided).await? {
        let now = requests::by_public_id(&tx, &decided.public_id).await?;
        return Err(decided_already(&now.unwrap_or(decided)));
    }
    tell(hub, &tx, caller, (kind, &decided), facts).await?;
    commit(tx).await?;
    told(hub, caller, decided).await
}

/// Writes the event of a step of a request.
async fn tell(
    hub: &Hub,
    tx: &Transaction,
    caller: &Caller,
    (kind, request): (&str, &Request),
    facts: Value,
) -> Result<(), HubError> {
    let details = json!({ "request": request.public_id, "type": request.kind, "facts": facts });
    let told = Told { kind, repo_id: request.repo_id, subject: &request.name, details };
    events::record(hub, tx, caller, told).await
}

async fn told(hub: &Hub, caller: &Caller, request: Request) -> Result<RequestView, HubError> {
    let mut views = views(hub, caller, vec![request]).await?;
    views.pop().ok_or_else(|| HubError::Internal("a request got lost on its way out".to_owned()))
}

async fn views(hub: &Hub, caller: &Caller, rows: Vec<Request>) -> Result<Vec<RequestView>, HubError> {
    let people = rows.iter().flat_map(|request| [request.asked_by, request.decided_by]).flatten();
    let names = names_of(hub, people).await?;
    let ids: Vec<i64> = rows.iter().filter_map(|request| request.repo_id).collect();
    let here = repo_rows::by_ids(hub.db().reader(), &ids).await?;
    let here: HashMap<i64, Repo> = here.into_iter().map(|repo| (repo.id, repo)).collect();
    let name_of = |id: Option<i64>| id.and_then(|id| names.get(&id).cloned());
    let view = |request: Request| RequestView {
        id: request.public_id,
        kind: request.kind,
        repo: request.name,
        revisions: request.revisions,
        reason: request.reason,
        state: request.state.as_str(),
        asked_by: name_of(request.asked_by),
        asked_at: request.asked_at,
        decided_by: name_of(request.decided_by),
        decided_at: request.decided_at,
        answer: request.answer,
        mirror: request
            .repo_id
            .and_then(|id| readable(caller, here.get(&id)?.clone()).ok())
            .map(|repo| repo.name.clone()),
        job: request.job_id,
    };
    Ok(rows.into_iter().map(view).collect())
}
