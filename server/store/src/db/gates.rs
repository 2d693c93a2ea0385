//! Gates: terms, who accepted which of them, and who asked to be let in.

use std::collections::HashMap;

use acervo_core::gate::{Admission, Gate, GateMode, RequestState};
use acervo_core::{Sha256Digest, Timestamp};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveEnum, ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Value,
};

use super::entity::repo::Gated;
use super::entity::value::Sha256Column;
use super::entity::{access_request, principal, repo, terms, terms_consent};
use super::repos::Repo;
use crate::error::{Doing, StoreError};

pub use super::entity::principal::Model as Principal;

/// A request to be let in, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Database id.
    pub id: i64,
    /// Random id of 24 hex digits that clients see.
    pub public_id: String,
    /// Database id of the repository.
    pub repo_id: i64,
    /// Database id of who asks.
    pub principal_id: i64,
    /// Where it stands.
    pub state: RequestState,
    /// Whether a maintainer let them in unasked.
    pub granted: bool,
    /// When it was asked or, unasked, granted.
    pub asked_at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// Database id of who decided; nobody if the gate did.
    pub decided_by: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

impl From<access_request::Model> for Request {
    fn from(row: access_request::Model) -> Self {
        Request {
            id: row.id,
            public_id: row.public_id,
            repo_id: row.repo_id,
            principal_id: row.principal_id,
            state: row.state.into(),
            granted: row.granted,
            asked_at: row.asked_at.into(),
            decided_at: row.decided_at.map(Into::into),
            decided_by: row.decided_by,
            reason: row.reason,
        }
    }
}

/// A consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Database id of who accepted.
    pub principal_id: i64,
    /// SHA-256 of the text.
    pub terms: Sha256Digest,
    /// When.
    pub accepted_at: Timestamp,
}

/// Keeps a text, once; returns its SHA-256.
pub async fn keep_terms(db: &impl ConnectionTrait, text: &str, at: Timestamp) -> Result<Sha256Digest, StoreError> {
    let sha256 = Sha256Digest::of(text.as_bytes());
    let row = terms::ActiveModel {
        sha256: ActiveValue::Set(sha256.into()),
        body: ActiveValue::Set(text.to_owned()),
        created_at: ActiveValue::Set(at.into()),
    };
    let ignore = OnConflict::new().do_nothing().to_owned();
    terms::Entity::insert(row).on_conflict(ignore).exec_without_returning(db).await.doing("keeping terms")?;
    Ok(sha256)
}

/// The text with this SHA-256.
pub async fn terms_text(db: &impl ConnectionTrait, sha256: Sha256Digest) -> Result<Option<String>, StoreError> {
    let row = terms::Entity::find_by_id(Sha256Column::from(sha256)).one(db).await.doing("reading terms")?;
    Ok(row.map(|row| row.body))
}

/// Puts this gate before a repository; from now on upstream's word does not.
pub async fn set(db: &impl ConnectionTrait, repo_id: i64, gate: Gate) -> Result<(), StoreError> {
    let terms: Value = gate.terms.map(Sha256Column::from).into();
    repo::Entity::update_many()
        .col_expr(repo::Column::Gated, Expr::value(Gated::from(gate.mode).to_value()))
        .col_expr(repo::Column::GateTerms, Expr::value(terms))
        .col_expr(repo::Column::GateChosen, Expr::value(true))
        .filter(repo::Column::Id.eq(repo_id))
        .exec(db)
        .await
        .doing("setting a gate")?;
    Ok(())
}

/// Puts a manual gate before a repository that upstream gates, unless it has one or somebody here has decided on it;
/// returns whether it did.
pub async fn close_like_upstream(db: &impl ConnectionTrait, repo_id: i64) -> Result<bool, StoreError> {
    let done = repo::Entity::update_many()
        .col_expr(repo::Column::Gated, Expr::value(Gated::Manual.to_value()))
        .filter(repo::Column::Id.eq(repo_id))
        .filter(repo::Column::GateChosen.eq(false))
        .filter(repo::Column::Gated.eq(Gated::None))
        .exec(db)
        .await
        .doing("closing a gate")?;
    Ok(done.rows_affected > 0)
}

/// Every repository with a gate, in name order.
pub async fn gated_repos(db: &impl ConnectionTrait) -> Result<Vec<Repo>, StoreError> {
    let rows = repo::Entity::find()
        .filter(repo::Column::Gated.ne(Gated::from(GateMode::Open)))
        .order_by_asc(repo::Column::FullNameLower)
        .order_by_asc(repo::Column::Kind)
        .all(db)
        .await
        .doing("reading gated repositories")?;
    rows.into_iter().map(Repo::try_from).collect()
}

/// The request of a principal for a repository.
pub async fn request(
    db: &impl ConnectionTrait,
    repo_id: i64,
    principal_id: i64,
) -> Result<Option<Request>, StoreError> {
    let row = access_request::Entity::find()
        .filter(access_request::Column::RepoId.eq(repo_id))
        .filter(access_request::Column::PrincipalId.eq(principal_id))
        .one(db)
        .await
        .doing("looking up an access request")?;
    Ok(row.map(Into::into))
}

/// The request with this public id, if it is one for this repository.
pub async fn request_by_public_id(
    db: &impl ConnectionTrait,
    repo_id: i64,
    public_id: &str,
) -> Result<Option<Request>, StoreError> {
    let row = access_request::Entity::find()
        .filter(access_request::Column::PublicId.eq(public_id))
        .filter(access_request::Column::RepoId.eq(repo_id))
        .one(db)
        .await
        .doing("looking up an access request")?;
    Ok(row.map(Into::into))
}

/// Requests for a repository, oldest first, from the one after `after` on, with who asked.
pub async fn requests(
    db: &impl ConnectionTrait,
    repo_id: i64,
    state: Option<RequestState>,
    after: Option<i64>,
    limit: u64,
) -> Result<Vec<(Request, Principal)>, StoreError> {
    let mut find = access_request::Entity::find()
        .filter(access_request::Column::RepoId.eq(repo_id))
        .filter(access_request::Column::Id.gt(after.unwrap_or(0)))
        .order_by_asc(access_request::Column::Id)
        .limit(limit);
    if let Some(state) = state {
        find = find.filter(access_request::Column::State.eq(access_request::State::from(state)));
    }
    let rows = find.all(db).await.doing("reading access requests")?;
    let people = principal::Entity::find()
        .filter(principal::Column::Id.is_in(rows.iter().map(|row| row.principal_id)))
        .all(db)
        .await
        .doing("reading who asked for access")?;
    let mut people: HashMap<i64, Principal> = people.into_iter().map(|person| (person.id, person)).collect();
    // Each principal has one request for a repository at most.
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((people.remove(&row.principal_id)?, row)))
        .map(|(who, row)| (row.into(), who))
        .collect())
}

/// Records a request that was not there.
pub async fn insert_request(db: &impl ConnectionTrait, new: Request) -> Result<(), StoreError> {
    let row = access_request::ActiveModel {
        id: ActiveValue::NotSet,
        public_id: ActiveValue::Set(new.public_id),
        repo_id: ActiveValue::Set(new.repo_id),
        principal_id: ActiveValue::Set(new.principal_id),
        state: ActiveValue::Set(new.state.into()),
        granted: ActiveValue::Set(new.granted),
        asked_at: ActiveValue::Set(new.asked_at.into()),
        decided_at: ActiveValue::Set(new.decided_at.map(Into::into)),
        decided_by: ActiveValue::Set(new.decided_by),
        reason: ActiveValue::Set(new.reason),
    };
    access_request::Entity::insert(row).exec_without_returning(db).await.doing("recording an access request")?;
    Ok(())
}

/// Brings a request to where it stands now: state, grant, decision and reason.
pub async fn update_request(db: &impl ConnectionTrait, request: &Request) -> Result<(), StoreError> {
    let column = access_request::State::from(request.state);
    access_request::Entity::update_many()
        .col_expr(access_request::Column::State, Expr::value(column.to_value()))
        .col_expr(access_request::Column::Granted, Expr::value(request.granted))
        .col_expr(access_request::Column::DecidedAt, Expr::value(request.decided_at.map(Timestamp::as_millis)))
        .col_expr(access_request::Column::DecidedBy, Expr::value(request.decided_by))
        .col_expr(access_request::Column::Reason, Expr::value(request.reason.clone()))
        .filter(access_request::Column::Id.eq(request.id))
        .exec(db)
        .await
        .doing("changing an access request")?;
    Ok(())
}

/// Notes that somebody accepted terms; returns whether that is new.
pub async fn note_consent(db: &impl ConnectionTrait, repo_id: i64, consent: Consent) -> Result<bool, StoreError> {
    let row = terms_consent::ActiveModel {
        principal_id: ActiveValue::Set(consent.principal_id),
        repo_id: ActiveValue::Set(repo_id),
        terms: ActiveValue::Set(consent.terms.into()),
        accepted_at: ActiveValue::Set(consent.accepted_at.into()),
    };
    let ignore = OnConflict::new().do_nothing().to_owned();
    let rows = terms_consent::Entity::insert(row)
        .on_conflict(ignore)
        .exec_without_returning(db)
        .await
        .doing("noting consent")?;
    Ok(rows > 0)
}

/// What these principals have accepted of a repository, oldest first.
pub async fn consents(db: &impl ConnectionTrait, repo_id: i64, principals: &[i64]) -> Result<Vec<Consent>, StoreError> {
    let rows = terms_consent::Entity::find()
        .filter(terms_consent::Column::RepoId.eq(repo_id))
        .filter(terms_consent::Column::PrincipalId.is_in(principals.iter().copied()))
        .order_by_asc(terms_consent::Column::AcceptedAt)
        .all(db)
        .await
        .doing("reading consents")?;
    Ok(rows
        .into_iter()
        .map(|row| Consent {
            principal_id: row.principal_id,
            terms: row.terms.into(),
            accepted_at: row.accepted_at.into(),
        })
        .collect())
}

/// How a principal stands to every gate it has been at.
pub async fn admissions(db: &impl ConnectionTrait, principal_id: i64) -> Result<Vec<Admission>, StoreError> {
    let requests = access_request::Entity::find()
        .filter(access_request::Column::PrincipalId.eq(principal_id))
        .all(db)
        .await
        .doing("reading admissions")?;
    if requests.is_empty() {
        return Ok(Vec::new());
    }
    let mut consents: HashMap<i64, Vec<Sha256Digest>> = HashMap::new();
    let rows = terms_consent::Entity::find()
        .filter(terms_consent::Column::PrincipalId.eq(principal_id))
        .all(db)
        .await
        .doing("reading consents")?;
    for row in rows {
        consents.entry(row.repo_id).or_default().push(row.terms.into());
    }
    Ok(requests
        .into_iter()
        .map(|row| Admission {
            repo_id: row.repo_id,
            state: row.state.into(),
            granted: row.granted,
            accepted: consents.remove(&row.repo_id).unwrap_or_default(),
        })
        .collect())
}
