//! Gates: the register of who asked for a repository's contents, accepted which terms, and was let in by whom.
//!
//! Which gate stands before a repository is one of its `settings`; whether it opens for a caller is decided in
//! `core::access`. Changes here bump the generation, so that they hold at once in this process and within a second in
//! others.

use std::sync::Arc;

use acervo_core::access::{Caller, Denied, Identity, Readable, Writable, openable, writable};
use acervo_core::gate::{Closed, Gate, GateMode, RequestState};
use acervo_core::{Role, Sha256Digest, Timestamp};
use acervo_store::db::gates::{self, Consent, Request};
use acervo_store::db::principals::{self, Principal};
use acervo_store::db::repos::{self, Repo};
use acervo_store::db::{Transaction, commit, generation};
use serde_json::json;

use crate::app::events::{self, Told};
use crate::context::Hub;
use crate::error::{HubError, denied};

/// Longest reason of a decision, in characters; what huggingface_hub documents.
pub const REASON_CHARACTERS_MAX: usize = 200;

/// Most requests of one page.
pub const PAGE_REQUESTS: u64 = 1000;

/// Proves that the caller manages the repository, its gate and settings.
pub fn manage(caller: &Caller, repo: &Readable<Arc<Repo>>) -> Result<Writable<Arc<Repo>>, HubError> {
    writable(caller, Arc::clone(repo), Role::Maintainer).map_err(|why| match (why, caller) {
        (Denied::Needs(_), Caller::Anonymous) => HubError::TokenRequired,
        (why, _) => denied(why, repo.kind, repo.name.as_str()),
    })
}

/// How a caller stands to a gate.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The gate.
    pub gate: Gate,
    /// Text of its terms.
    pub terms_text: Option<String>,
    /// What the caller asked for, if it has.
    pub request: Option<Request>,
    /// Texts that it accepted here.
    pub consents: Vec<Consent>,
    /// Whether it may have the contents.
    pub has_access: bool,
}

/// How the caller stands to the gate of a repository. Everybody who sees the repository may read its terms.
pub async fn standing(hub: &Hub, caller: &Caller, repo: &Readable<Arc<Repo>>) -> Result<Standing, HubError> {
    let db = hub.db().reader();
    let gate = repo.gate();
    let terms_text = match gate.terms {
        Some(terms) => gates::terms_text(db, terms).await?,
        None => None,
    };
    let (request, consents) = match caller.principal_id() {
        Some(id) => (gates::request(db, repo.id, id).await?, gates::consents(db, repo.id, &[id]).await?),
        None => (None, Vec::new()),
    };
    Ok(Standing { gate, terms_text, request, consents, has_access: openable(caller, repo.clone()).is_ok() })
}

/// Asks to be let in, and accepts the terms if there are any: `accepted` is the SHA-256 of the text that was read.
///
/// Asking again is harmless. It accepts terms that have changed, and lets in at once who asked before the gate became
/// an automatic one. Who was rejected cannot ask again; a maintainer can change their mind.
pub async fn ask(
    hub: &Hub,
    caller: &Caller,
    repo: &Readable<Arc<Repo>>,
    accepted: Option<Sha256Digest>,
) -> Result<Request, HubError> {
    let Caller::Known(identity) = caller else { return Err(HubError::TokenRequired) };
    let at = hub.now();
    let tx = hub.db().begin().await?;
    // Neither terms nor a decision may change in between.
    generation::lock(&tx).await?;
    let gate = closed_gate(&tx, repo).await?;
    let known = gates::request(&tx, repo.id, identity.principal_id).await?;
    if known.as_ref().is_some_and(|request| request.state == RequestState::Rejected) {
        return Err(HubError::Gated { kind: repo.kind, name: repo.name.to_string(), why: Closed::Rejected });
    }
    let has_consented = match gate.terms {
        Some(terms) if accepted != Some(terms) => return Err(other_terms(repo, terms)),
        Some(terms) => {
            let consent = Consent { principal_id: identity.principal_id, terms, accepted_at: at };
            gates::note_consent(&tx, repo.id, consent).await?
        }
        None => false,
    };
    let let_in = gate.mode == GateMode::Automatic;
    let (request, kind) = match known {
        None => (insert_asked(hub, &tx, repo, identity, (at, let_in)).await?, "access.requested"),
        Some(waiting) if let_in && waiting.state == RequestState::Pending => {
            let request = Request { state: RequestState::Accepted, decided_at: Some(at), ..waiting };
            gates::update_request(&tx, &request).await?;
            (request, "access.accepted")
        }
        Some(request) if has_consented => (request, "access.consented"),
        // Nothing is new.
        Some(request) => return Ok(request),
    };
    let how = json!({ "by": "the gate", "terms": gate.terms });
    tell(hub, &tx, caller, repo, (kind, &identity.name, &request), &how).await?;
    finish(hub, tx).await?;
    Ok(request)
}

/// Records a request that its principal makes now, accepted at once or to be decided.
async fn insert_asked(
    hub: &Hub,
    tx: &Transaction,
    repo: &Repo,
    identity: &Identity,
    (at, is_accepted): (Timestamp, bool),
) -> Result<Request, HubError> {
    let request = Request {
        id: 0,
        public_id: hex::encode(hub.random::<12>()?),
        repo_id: repo.id,
        principal_id: identity.principal_id,
        state: if is_accepted { RequestState::Accepted } else { RequestState::Pending },
        granted: false,
        asked_at: at,
        decided_at: is_accepted.then_some(at),
        decided_by: None,
        reason: None,
    };
    gates::insert_request(tx, request.clone()).await?;
    Ok(request)
}

/// The refusal of a consent to something else than the terms as they are.
fn other_terms(repo: &Repo, terms: Sha256Digest) -> HubError {
    HubError::Invalid(format!(
        "`{}` has terms; read them at `/api/{}/{}/ask-access` and accept them by sending their SHA-256 as `terms`, which \
         is `{terms}` now",
        repo.name,
        repo.kind.plural(),
        repo.name
    ))
}

/// Whose request is meant.
#[derive(Clone, Debug)]
pub enum Asker {
    /// That of this user.
    User(String),
    /// The one with this public id.
    Request(String),
}

/// Accepts or rejects a request, or puts it back to those that wait.
pub async fn decide(
    hub: &Hub,
    caller: &Caller,
    repo: &Readable<Arc<Repo>>,
    asker: &Asker,
    state: RequestState,
    reason: Option<&str>,
) -> Result<Request, HubError> {
    manage(caller, repo)?;
    if reason.is_some_and(|text| text.chars().count() > REASON_CHARACTERS_MAX || text.contains('\0')) {
        return Err(HubError::Invalid(format!("a reason is text of at most {REASON_CHARACTERS_MAX} characters")));
    }
    let tx = hub.db().begin().await?;
    generation::lock(&tx).await?;
    closed_gate(&tx, repo).await?;
    let (user, known) = asked_by(&tx, repo, asker).await?;
    if known.state == state {
        return Err(HubError::NotFound(format!(
            "the request of `{}` for `{}` is {state} already",
            user.name, repo.name
        )));
    }
    let is_decided = state != RequestState::Pending;
    let request = Request {
        state,
        // Whoever comes back through a request accepts the terms like everybody else.
        granted: false,
        decided_at: is_decided.then(|| hub.now()),
        decided_by: caller.principal_id().filter(|_| is_decided),
        reason: reason.map(str::to_owned),
        ..known
    };
    gates::update_request(&tx, &request).await?;
    let kind = match state {
        RequestState::Accepted => "access.accepted",
        RequestState::Rejected => "access.rejected",
        RequestState::Pending => "access.cancelled",
    };
    tell(hub, &tx, caller, repo, (kind, &user.name, &request), &json!({ "before": known.state, "reason": reason }))
        .await?;
    finish(hub, tx).await?;
    Ok(request)
}

/// Lets a user in who need not have asked; who does so answers for their consent, also to terms to come.
pub async fn grant(hub: &Hub, caller: &Caller, repo: &Readable<Arc<Repo>>, user: &str) -> Result<Request, HubError> {
    manage(caller, repo)?;
    let at = hub.now();
    let tx = hub.db().begin().await?;
    generation::lock(&tx).await?;
    let gate = closed_gate(&tx, repo).await?;
    let user = user_named(&tx, user).await?;
    let admissions = gates::admissions(&tx, user.id).await?;
    let admission = admissions.iter().find(|admission| admission.repo_id == repo.id);
    if gate.refuses(admission).is_none() {
        return Err(HubError::Invalid(format!("`{}` has access to `{}` already", user.name, repo.name)));
    }
    let granted = |known: Option<Request>| -> Result<Request, HubError> {
        let (id, public_id, asked_at) = match known {
            Some(known) => (known.id, known.public_id, known.asked_at),
            None => (0, hex::encode(hub.random::<12>()?), at),
        };
        Ok(Request {
            id,
            public_id,
            repo_id: repo.id,
            principal_id: user.id,
            state: RequestState::Accepted,
            granted: true,
            asked_at,
            decided_at: Some(at),
            decided_by: caller.principal_id(),
            reason: None,
        })
    };
    let known = gates::request(&tx, repo.id, user.id).await?;
    let is_new = known.is_none();
    let request = granted(known)?;
    if is_new {
        gates::insert_request(&tx, request.clone()).await?;
    } else {
        gates::update_request(&tx, &request).await?;
    }
    tell(hub, &tx, caller, repo, ("access.granted", &user.name, &request), &json!({ "terms": gate.terms })).await?;
    finish(hub, tx).await?;
    Ok(request)
}

/// A request with the people around it.
#[derive(Clone, Debug)]
pub struct ListedRequest {
    /// The request.
    pub request: Request,
    /// Who asks.
    pub user: Principal,
    /// Texts that they accepted, oldest first.
    pub consents: Vec<Consent>,
    /// Name of who decided; nobody if the gate or the system did.
    pub decided_by: Option<String>,
}

/// A page of the register.
#[derive(Clone, Debug)]
pub struct RequestsPage {
    /// Requests, oldest first.
    pub items: Vec<ListedRequest>,
    /// Public id of the request after which the next page starts, if there is one.
    pub next: Option<String>,
}

/// The register of a repository, or those of its requests that stand where `state` says, after the one with this public
/// id. It is kept when the gate is opened.
pub async fn requests(
    hub: &Hub,
    caller: &Caller,
    repo: &Readable<Arc<Repo>>,
    state: Option<RequestState>,
    after: Option<&str>,
) -> Result<RequestsPage, HubError> {
    manage(caller, repo)?;
    let db = hub.db().reader();
    let after = match after {
        Some(id) => gates::request_by_public_id(db, repo.id, id).await?.map(|request| request.id),
        None => None,
    };
    let mut rows = gates::requests(db, repo.id, state, after, PAGE_REQUESTS + 1).await?;
    let length = usize::try_from(PAGE_REQUESTS).unwrap_or(usize::MAX);
    let more = rows.len() > length;
    rows.truncate(length);
    let next = rows.last().filter(|_| more).map(|(request, _)| request.public_id.clone());
    let ids: Vec<i64> = rows.iter().map(|(request, _)| request.principal_id).collect();
    let consents = gates::consents(db, repo.id, &ids).await?;
    let mut deciders: Vec<i64> = rows.iter().filter_map(|(request, _)| request.decided_by).collect();
    deciders.sort_unstable();
    deciders.dedup();
    let mut names = std::collections::HashMap::new();
    for id in deciders {
        if let Some(principal) = principals::by_id(db, id).await? {
            names.insert(id, principal.name);
        }
    }
    let items = rows.into_iter().map(|(request, user)| ListedRequest {
        consents: consents.iter().filter(|consent| consent.principal_id == user.id).copied().collect(),
        decided_by: request.decided_by.and_then(|id| names.get(&id).cloned()),
        request,
        user,
    });
    Ok(RequestsPage { items: items.collect(), next })
}

/// Every repository with a gate.
pub async fn gated(hub: &Hub, caller: &Caller) -> Result<Vec<Repo>, HubError> {
    crate::app::identity::demand(caller, Role::Auditor)?;
    Ok(gates::gated_repos(hub.db().reader()).await?)
}

/// Puts a gate before what upstream gates, unless somebody here has decided on one; belongs into the transaction that
/// publishes.
pub async fn follow_upstream(hub: &Hub, tx: &Transaction, caller: &Caller, repo: &Repo) -> Result<(), HubError> {
    if !gates::close_like_upstream(tx, repo.id).await? {
        return Ok(());
    }
    let now = Gate { mode: GateMode::Manual, terms: repo.gate_terms };
    tell_gate(hub, tx, caller, repo, now, Some("gated at upstream")).await
}

/// Writes the event of a gate that is another one from now on.
pub async fn tell_gate(
    hub: &Hub,
    tx: &Transaction,
    caller: &Caller,
    before: &Repo,
    now: Gate,
    why: Option<&str>,
) -> Result<(), HubError> {
    let was = before.gate();
    let details = json!({
        "type": before.kind, "before": was.mode, "terms_before": was.terms, "now": now.mode, "terms": now.terms,
        "why": why,
    });
    let told = Told { kind: "gate.set", repo_id: Some(before.id), subject: before.name.as_str(), details };
    events::record(hub, tx, caller, told).await
}

/// The gate of a repository as it is within this transaction, if there is one.
async fn closed_gate(tx: &Transaction, repo: &Repo) -> Result<Gate, HubError> {
    let now = repos::by_id(tx, repo.id).await?;
    now.map(|now| now.gate()).filter(Gate::is_closed).ok_or_else(|| not_gated(repo))
}

/// The refusal of a question that makes sense of gated repositories only.
pub fn not_gated(repo: &Repo) -> HubError {
    HubError::Invalid(format!("`{}` is not gated: who sees it may have its contents", repo.name))
}

/// A request and who made it.
async fn asked_by(tx: &Transaction, repo: &Repo, asker: &Asker) -> Result<(Principal, Request), HubError> {
    match asker {
        Asker::User(name) => {
            let user = user_named(tx, name).await?;
            let request = gates::request(tx, repo.id, user.id).await?;
            let none = || HubError::NotFound(format!("`{}` has not asked for access to `{}`", user.name, repo.name));
            Ok((user.clone(), request.ok_or_else(none)?))
        }
        Asker::Request(id) => {
            let none = || HubError::NotFound(format!("`{}` has no access request of this id", repo.name));
            let request = gates::request_by_public_id(tx, repo.id, id).await?.ok_or_else(none)?;
            let user = principals::by_id(tx, request.principal_id).await?.ok_or_else(none)?;
            Ok((user, request))
        }
    }
}

async fn user_named(tx: &Transaction, name: &str) -> Result<Principal, HubError> {
    let found = if name.contains('\0') { None } else { principals::by_name(tx, name).await? };
    found.ok_or_else(|| HubError::NotFound(format!("there is no user `{name}` on this hub")))
}

/// Writes the event of a change to a request.
async fn tell(
    hub: &Hub,
    tx: &Transaction,
    caller: &Caller,
    repo: &Repo,
    (kind, user, request): (&str, &str, &Request),
    more: &serde_json::Value,
) -> Result<(), HubError> {
    let details = json!({
        "type": repo.kind, "user": user, "request": request.public_id, "state": request.state, "facts": more,
    });
    let told = Told { kind, repo_id: Some(repo.id), subject: repo.name.as_str(), details };
    events::record(hub, tx, caller, told).await
}

/// Commits a change of the register; it holds here from now on.
async fn finish(hub: &Hub, tx: Transaction) -> Result<(), HubError> {
    generation::bump(&tx).await?;
    commit(tx).await?;
    hub.caches().clear();
    Ok(())
}
