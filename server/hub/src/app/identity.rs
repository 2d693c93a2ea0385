//! Who asks: credentials, principals, tokens.

use std::collections::HashMap;
use std::sync::Arc;

use acervo_core::access::{Caller, Grant, Identity, Scope};
use acervo_core::token::{self, TokenShape};
use acervo_core::{Role, Sha256Digest, Timestamp};
use acervo_store::db::principals::{self, NamespaceKind, NamespaceOrigin, NewToken, Principal, PrincipalKind, Token};
use acervo_store::db::{Transaction, commit, gates, generation};
use serde_json::json;

use crate::app::events::{self, Told};
use crate::context::Hub;
use crate::error::HubError;

/// Name of the principal that the first start makes.
pub const FIRST_ADMIN: &str = "admin";

/// The caller behind a bearer credential: anonymous without one or with a foreign one, an error with a bad one of ours.
pub async fn authenticate(hub: &Hub, credential: Option<&str>) -> Result<Caller, HubError> {
    let hash = match credential.map(token::inspect) {
        None | Some(TokenShape::Foreign) => return Ok(Caller::Anonymous),
        Some(TokenShape::Damaged) => return Err(HubError::BadToken("mistyped or cut")),
        Some(TokenShape::Ours(hash)) => hash,
    };
    let look_up = async || Ok::<_, HubError>(identify(hub, hash).await?.map(Arc::new));
    let identity = hub.caches().identities.get_or(hub.caches().epoch(), hash, look_up).await?;
    Ok(identity.map_or(Caller::Anonymous, |identity| Caller::Known((*identity).clone())))
}

/// Whose token this is; nobody's if it was never made here. Ours keep their rows when they are revoked, so a whole one
/// without a row is another Acervo's, which clients of both send by themselves.
async fn identify(hub: &Hub, hash: Sha256Digest) -> Result<Option<Identity>, HubError> {
    let db = hub.db().reader();
    let Some(token) = principals::token_by_hash(db, hash).await? else {
        return Ok(None);
    };
    if token.revoked_at.is_some() {
        return Err(HubError::BadToken("revoked"));
    }
    if token.expires_at.is_some_and(|end| end <= hub.now()) {
        return Err(HubError::BadToken("expired"));
    }
    let principal = principals::by_id(db, token.principal_id)
        .await?
        .ok_or_else(|| HubError::Internal(format!("token {} belongs to nobody", token.id)))?;
    if principal.disabled_at.is_some() {
        return Err(HubError::BadToken("of a disabled user"));
    }
    let grants = principals::grants(db, principal.id).await?;
    let admissions = gates::admissions(db, principal.id).await?;
    let (principal_id, name) = (principal.id, principal.name);
    Ok(Some(Identity { principal_id, name, grants, admissions, cap: token.cap, credential: token.name }))
}

/// Demands a role on the whole hub.
pub fn demand(caller: &Caller, needed: Role) -> Result<(), HubError> {
    if caller.has_hub_role(needed) {
        return Ok(());
    }
    Err(if *caller == Caller::Anonymous { HubError::TokenRequired } else { HubError::Forbidden(needed) })
}

/// Names of principals.
pub(super) async fn names_of(hub: &Hub, ids: impl IntoIterator<Item = i64>) -> Result<HashMap<i64, String>, HubError> {
    let mut names = HashMap::new();
    for id in ids {
        if !names.contains_key(&id)
            && let Some(principal) = principals::by_id(hub.db().reader(), id).await?
        {
            names.insert(id, principal.name);
        }
    }
    Ok(names)
}

/// A token that was just made, with the only copy of its text.
#[derive(Clone, Debug)]
pub struct FreshToken {
    /// The text to hand out.
    pub text: String,
    /// Name of the principal it belongs to.
    pub principal: String,
}

/// Makes a person or robot with a namespace of its own and, if given, a role on the whole hub.
pub async fn create_user(
    hub: &Hub,
    caller: &Caller,
    name: &str,
    kind: PrincipalKind,
    role: Option<Role>,
) -> Result<Principal, HubError> {
    demand(caller, Role::Admin)?;
    let tx = hub.db().begin().await?;
    generation::lock(&tx).await?;
    let principal = insert_user(hub, &tx, caller, name, kind, role).await?;
    commit(tx).await?;
    hub.caches().clear();
    Ok(principal)
}

async fn insert_user(
    hub: &Hub,
    tx: &Transaction,
    caller: &Caller,
    name: &str,
    kind: PrincipalKind,
    role: Option<Role>,
) -> Result<Principal, HubError> {
    // A user's name is a namespace, so the same rules hold.
    acervo_core::RepoId::new(name, "x")?;
    let at = hub.now();
    let principal = principals::insert(tx, kind, name, at).await?;
    if principals::namespace(tx, name).await?.is_none() {
        let origin = NamespaceOrigin::Local;
        principals::insert_namespace(tx, name, NamespaceKind::User, origin, Some(principal.id), at).await?;
    }
    if let Some(role) = role {
        let grant = Grant { scope: Scope::Hub, role };
        principals::grant(tx, principal.id, grant, caller.principal_id(), at).await?;
    }
    generation::bump(tx).await?;
    let details = json!({ "role": role });
    events::record(hub, tx, caller, Told { kind: "user.created", repo_id: None, subject: name, details }).await?;
    Ok(principal)
}

/// Every principal.
pub async fn users(hub: &Hub, caller: &Caller) -> Result<Vec<Principal>, HubError> {
    demand(caller, Role::Auditor)?;
    Ok(principals::all(hub.db().reader()).await?)
}

/// Disables a principal: its tokens stop working at once.
pub async fn disable_user(hub: &Hub, caller: &Caller, name: &str) -> Result<(), HubError> {
    demand(caller, Role::Admin)?;
    let user = user_named(hub, name).await?;
    let tx = hub.db().begin().await?;
    principals::disable(&tx, user.id, hub.now()).await?;
    generation::bump(&tx).await?;
    let told = Told { kind: "user.disabled", repo_id: None, subject: &user.name, details: json!({}) };
    events::record(hub, &tx, caller, told).await?;
    commit(tx).await?;
    hub.caches().clear();
    Ok(())
}

async fn user_named(hub: &Hub, name: &str) -> Result<Principal, HubError> {
    principals::by_name(hub.db().reader(), name)
        .await?
        .ok_or_else(|| HubError::NotFound(format!("there is no user `{name}`; `acervo user list` shows all")))
}

/// What a token is made for.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// Name, for people.
    pub name: String,
    /// What it may do at most.
    pub role: Role,
    /// The user it belongs to; without one, a robot of the token's name is made and given the role on the hub.
    pub user: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// Makes a token; its text is nowhere but in the answer.
pub async fn create_token(hub: &Hub, caller: &Caller, request: &TokenRequest) -> Result<FreshToken, HubError> {
    demand(caller, Role::Admin)?;
    let tx = hub.db().begin().await?;
    generation::lock(&tx).await?;
    let principal = match &request.user {
        Some(user) => principals::by_name(&tx, user).await?.ok_or_else(|| {
            HubError::NotFound(format!("there is no user `{user}`; make one with `acervo user create {user}`"))
        })?,
        None => match principals::by_name(&tx, &request.name).await? {
            Some(existing) if existing.kind == PrincipalKind::Robot => {
                let grant = Grant { scope: Scope::Hub, role: request.role };
                principals::grant(&tx, existing.id, grant, caller.principal_id(), hub.now()).await?;
                existing
            }
            Some(_) => {
                return Err(HubError::Conflict(format!(
                    "`{0}` is a person; add `--user {0}` to make a token for them",
                    request.name
                )));
            }
            None => insert_user(hub, &tx, caller, &request.name, PrincipalKind::Robot, Some(request.role)).await?,
        },
    };
    if principal.disabled_at.is_some() {
        return Err(HubError::Conflict(format!(
            "the user `{}` is disabled and no token of it works; make the token for another one with `--user`",
            principal.name
        )));
    }
    let text = insert_token(hub, &tx, caller, &principal, request).await?;
    commit(tx).await?;
    hub.caches().clear();
    Ok(FreshToken { text, principal: principal.name })
}

async fn insert_token(
    hub: &Hub,
    tx: &Transaction,
    caller: &Caller,
    principal: &Principal,
    request: &TokenRequest,
) -> Result<String, HubError> {
    let text = token::make(&hub.random()?);
    let new = NewToken {
        principal_id: principal.id,
        name: &request.name,
        hash: token::hash(&text),
        hint: &text[text.len() - 4..],
        cap: request.role,
        expires_at: request.expires_at,
        at: hub.now(),
    };
    principals::insert_token(tx, new).await?;
    generation::bump(tx).await?;
    let details = json!({ "token": request.name, "role": request.role, "expires_at": request.expires_at });
    let told = Told { kind: "token.created", repo_id: None, subject: &principal.name, details };
    events::record(hub, tx, caller, told).await?;
    Ok(text)
}

/// A token with the name of the principal it belongs to.
#[derive(Clone, Debug)]
pub struct ListedToken {
    /// The token.
    pub token: Token,
    /// Whose it is.
    pub principal: String,
}

/// Every token.
pub async fn tokens(hub: &Hub, caller: &Caller) -> Result<Vec<ListedToken>, HubError> {
    demand(caller, Role::Auditor)?;
    let db = hub.db().reader();
    let names: HashMap<i64, String> =
        principals::all(db).await?.into_iter().map(|principal| (principal.id, principal.name)).collect();
    let tokens = principals::tokens(db, None).await?;
    Ok(tokens
        .into_iter()
        .map(|token| ListedToken { principal: names.get(&token.principal_id).cloned().unwrap_or_default(), token })
        .collect())
}

/// Revokes every working token of this name (or with this text); returns how many.
pub async fn revoke_token(hub: &Hub, caller: &Caller, name: &str) -> Result<usize, HubError> {
    demand(caller, Role::Admin)?;
    let hash = match token::inspect(name) {
        TokenShape::Ours(hash) => Some(hash),
        TokenShape::Damaged | TokenShape::Foreign => None,
    };
    let tx = hub.db().begin().await?;
    let by_text = match hash {
        Some(hash) => principals::token_by_hash(&tx, hash).await?.map(|token| token.id),
        None => None,
    };
    let all = principals::tokens(&tx, None).await?;
    let found: Vec<Token> = all
        .into_iter()
        .filter(|token| token.revoked_at.is_none() && (token.name == name || Some(token.id) == by_text))
        .collect();
    if found.is_empty() {
        // Mistyped and foreign ones may be secrets as well.
        let shown = if name.starts_with("hf_") { "with this text".to_owned() } else { format!("`{name}`") };
        return Err(HubError::NotFound(format!("there is no working token {shown}; `acervo token list` shows all")));
    }
    for token in &found {
        principals::revoke_token(&tx, token.id, hub.now()).await?;
        let told = Told { kind: "token.revoked", repo_id: None, subject: &token.name, details: json!({}) };
        events::record(hub, &tx, caller, told).await?;
    }
    generation::bump(&tx).await?;
    commit(tx).await?;
    hub.caches().clear();
    Ok(found.len())
}

/// On the very first start, makes an administrator and a token for it.
pub async fn ensure_first_admin(hub: &Hub) -> Result<Option<FreshToken>, HubError> {
    if principals::count(hub.db().reader()).await? > 0 {
        return Ok(None);
    }
    let tx = hub.db().begin().await?;
    // Asked again when nobody else can be at it: another process may have been first.
    generation::lock(&tx).await?;
    if principals::count(&tx).await? > 0 {
        return Ok(None);
    }
    let caller = Caller::System;
    let admin = insert_user(hub, &tx, &caller, FIRST_ADMIN, PrincipalKind::Person, Some(Role::Admin)).await?;
    let request = TokenRequest { name: "first start".to_owned(), role: Role::Admin, user: None, expires_at: None };
    let text = insert_token(hub, &tx, &caller, &admin, &request).await?;
    commit(tx).await?;
    hub.caches().clear();
    Ok(Some(FreshToken { text, principal: admin.name }))
}
