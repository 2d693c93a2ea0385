//! `/api/mirrors/requests`: asking for repositories, and deciding on what was asked for. Acervo's own.

use acervo_core::{Caller, RepoId, RepoKind, Role, Visibility};
use acervo_store::db::requests::State;
use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, IntoResponses, ToSchema};

use super::doc::ErrorBody;
use super::view::VisibilityName;
use super::{cursor, next_page, read_json};
use crate::app::identity::demand;
use crate::app::requests::{self, Acceptance, RequestQuery, Wish};
use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, BaseUrl};
use crate::http::query::Query;

/// Requests of a page, unless another number is asked for.
const LIMIT: u64 = 100;

/// Where a request stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MirrorRequestState {
    /// Nobody has decided yet.
    Open,
    /// It became a mirror.
    Accepted,
    /// It was turned down.
    Declined,
}

/// A type of repositories.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RepoTypeName {
    /// Weights and what loads them.
    Model,
    /// Data.
    Dataset,
    /// A demo application.
    Space,
}

/// A repository that somebody asks for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(example = json!({"repo": "mistralai/Mistral-7B-v0.1", "reason": "for the translation course"}))]
pub struct Asking {
    /// Name at the upstream: `namespace/name`, or a bare name.
    pub repo: String,
    /// Its type; a model unless it is said.
    #[serde(default, rename = "type")]
    #[schema(value_type = Option<RepoTypeName>)]
    pub kind: Option<RepoKind>,
    /// Branches, tags, `refs/..` names or commit ids; none means the default branch.
    #[serde(default)]
    #[schema(example = json!(["main"]), max_items = 20)]
    pub revisions: Vec<String>,
    /// What it is wanted for, in at most 1000 characters.
    #[schema(min_length = 1, max_length = 1000)]
    pub reason: String,
}

/// How a request is accepted.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"visibility": "internal"}))]
pub struct Accepting {
    /// Name here, if not the upstream's: `namespace/name`.
    #[serde(default, rename = "as")]
    pub local_name: Option<String>,
    /// Who may read it; everybody, unless it is said.
    #[serde(default)]
    #[schema(value_type = Option<VisibilityName>)]
    pub visibility: Option<Visibility>,
}

/// Why a request is declined.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(example = json!({"reason": "its licence does not allow that"}))]
pub struct Declining {
    /// Why, for the one who asked, in at most 1000 characters.
    #[schema(min_length = 1, max_length = 1000)]
    pub reason: String,
}

/// The part of a path that names a request.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct RequestAddress {
    /// Id of the request.
    #[param(example = "66f2a1c09d3e4b5f60718293")]
    pub id: String,
}

/// Which requests are asked for.
#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RequestsQuery {
    /// Only those that stand here.
    #[param(inline, value_type = Option<MirrorRequestState>, example = "open")]
    pub state: Option<String>,
    /// Most requests of a page; 500 at most, 100 unless asked for.
    #[param(minimum = 1, maximum = 500, example = 50)]
    pub limit: Option<u64>,
    /// Where to go on, from the `Link` of the page before.
    pub cursor: Option<String>,
}

/// Answers to a decision that cannot be made.
#[derive(Clone, Debug, IntoResponses)]
pub enum DecisionErrors {
    /// No token, or a bad one of this hub.
    #[response(status = 401)]
    Anonymous(ErrorBody),
    /// The caller is no administrator.
    #[response(status = 403)]
    Forbidden(ErrorBody),
    /// There is no such request.
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// It was decided already, or contradicts what is here.
    #[response(status = 409)]
    Conflict(ErrorBody),
}

/// A request, for the description.
fn example() -> Value {
    json!({
        "id": "66f2a1c09d3e4b5f60718293", "type": "model", "repo": "mistralai/Mistral-7B-v0.1", "revisions": [],
        "reason": "for the translation course", "state": "open", "asked_by": "eva",
        "asked_at": "2023-11-14T22:13:20.007Z", "decided_by": null, "decided_at": null, "answer": null, "mirror": null,
        "job": null
    })
}

/// Asks for a repository to be mirrored. Who asks again for the same gets the request that is open.
#[utoipa::path(
    post,
    path = "/api/mirrors/requests",
    tag = "mirrors",
    request_body = Asking,
    responses(
        (status = 200, description = "The request", body = Object, example = json!(example())),
        (status = 400, description = "A name, revision or reason that cannot be", body = ErrorBody),
        (status = 401, description = "No token, or a bad one of this hub", body = ErrorBody),
        (status = 409, description = "It is here already, or too many requests of the caller are open", body = ErrorBody),
    )
)]
pub async fn open(hub: web::Data<Hub>, Auth(caller): Auth, body: web::Bytes) -> Result<HttpResponse, ApiError> {
    if caller == Caller::Anonymous {
        return Err(HubError::TokenRequired.into());
    }
    let asking: Asking = read_json(&body)?;
    let wish = Wish {
        kind: asking.kind.unwrap_or(RepoKind::Model),
        name: asking.repo,
        revisions: asking.revisions,
        reason: asking.reason,
    };
    Ok(HttpResponse::Ok().json(requests::open(&hub, &caller, &wish).await?))
}

/// Lists the caller's own requests, the newest first; everybody's for those who manage mirrors or watch over the hub.
#[utoipa::path(
    method(get, head),
    path = "/api/mirrors/requests",
    tag = "mirrors",
    params(RequestsQuery),
    responses(
        (
            status = 200, description = "Requests, a page of them", body = Vec<Object>,
            headers(("Link" = String, description = "Leads to the next page, if there is one")),
            example = json!([example()])
        ),
        (status = 400, description = "A state or cursor that is none", body = ErrorBody),
        (status = 401, description = "No token, or a bad one of this hub", body = ErrorBody),
    )
)]
pub async fn list(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    BaseUrl(base): BaseUrl,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let after = query.last("cursor").map(cursor::decode).transpose()?;
    if after.as_ref().is_some_and(|id| !id.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Err(cursor::invalid().into());
    }
    let asked = RequestQuery {
        state: query.last("state").map(str::parse::<State>).transpose().map_err(HubError::Invalid)?,
        after,
        limit: query.number("limit").unwrap_or(LIMIT),
    };
    let page = requests::list(&hub, &caller, &asked).await?;
    let mut response = HttpResponse::Ok();
    if let Some(next) = page.next {
        let cursor = cursor::encode(&next);
        response.insert_header((LINK, next_page::link(&base, ["api", "mirrors", "requests"], &query, &cursor)?));
    }
    Ok(response.json(page.requests))
}

/// Makes a mirror of what was asked for, and queues its first sync.
#[utoipa::path(
    post,
    path = "/api/mirrors/requests/{id}/accept",
    tag = "mirrors",
    params(RequestAddress),
    request_body = Accepting,
    responses(
        (status = 200, description = "The request as it is now", body = Object, example = json!(example())),
        (status = 400, description = "A name or visibility that cannot be", body = ErrorBody),
        DecisionErrors,
    )
)]
pub async fn accept(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    body: web::Bytes,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    demand(&caller, Role::Admin)?;
    let accepting: Accepting = read_json(&body)?;
    let local_name = accepting.local_name.map(|name| name.parse::<RepoId>()).transpose()?;
    let how = Acceptance { local_name, visibility: accepting.visibility };
    let id = req.match_info().query("id");
    Ok(HttpResponse::Ok().json(requests::accept(&hub, &caller, id, &how).await?))
}

/// Turns a request down, for a reason that the one who asked may read.
#[utoipa::path(
    post,
    path = "/api/mirrors/requests/{id}/decline",
    tag = "mirrors",
    params(RequestAddress),
    request_body = Declining,
    responses(
        (status = 200, description = "The request as it is now", body = Object, example = json!(example())),
        (status = 400, description = "A reason that cannot be", body = ErrorBody),
        DecisionErrors,
    )
)]
pub async fn decline(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    body: web::Bytes,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    demand(&caller, Role::Admin)?;
    let declining: Declining = read_json(&body)?;
    let id = req.match_info().query("id");
    Ok(HttpResponse::Ok().json(requests::decline(&hub, &caller, id, &declining.reason).await?))
}
