//! `user-access-request`: the register of a gated repository, for those who manage it.
//!
//! What huggingface_hub calls `list_pending_access_requests`, `accept_access_request`, `grant_access` and so on.

use acervo_core::gate::RequestState;
use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;

use super::doc::{ErrorBody, RepoAddress, RepoErrors};
use super::view::{AccessRequestItem, Decided, RequestStage};
use super::{cursor, next_page, read_json};
use crate::app::gates::{self, Asker};
use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, BaseUrl, RepoRoute, open_repo};
use crate::http::query::Query;

/// Lists the requests that stand where `status` says, oldest first.
#[utoipa::path(
    method(get, head),
    path = "/api/{plural}/{repo}/user-access-request/{status}",
    tag = "gates",
    params(
        RepoAddress,
        ("status" = inline(RequestStage), Path, description = "Where the requests stand", example = "pending"),
        ("cursor" = Option<String>, Query, description = "Where to go on, from the `Link` of the page before"),
    ),
    responses(
        (
            status = 200,
            description = "Requests, a page of them",
            body = Vec<AccessRequestItem>,
            headers(("Link" = String, description = "Leads to the next page, if there is one"))
        ),
        RepoErrors,
    )
)]
pub async fn list(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    BaseUrl(base): BaseUrl,
    route: RepoRoute,
    query: Query,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_repo(&hub, &caller, &route, &req).await?;
    gates::manage(&caller, &repo)?;
    let status = req.match_info().query("status");
    let state: RequestState = status.parse().map_err(HubError::Invalid)?;
    if !repo.gate().is_closed() {
        return Err(gates::not_gated(&repo).into());
    }
    let after = query.last("cursor").map(cursor::decode).transpose()?;
    let page = gates::requests(&hub, &caller, &repo, Some(state), after.as_deref()).await?;
    let mut response = HttpResponse::Ok();
    if let Some(next) = page.next {
        let (plural, namespace, name) = (repo.kind.plural(), repo.name.namespace(), repo.name.name());
        let segments = ["api", plural, namespace, name, "user-access-request", state.as_str()];
        response.insert_header((LINK, next_page::link(&base, segments, &query, &cursor::encode(&next))?));
    }
    Ok(response.json(page.items.iter().map(AccessRequestItem::from).collect::<Vec<_>>()))
}

/// A decision on a request, which is named by its id or by who made it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"user": "ana", "status": "accepted"}))]
pub struct Handling {
    /// Name of the user who asks.
    #[serde(default)]
    pub user: Option<String>,
    /// Id of the request.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Where it stands from now on: `accepted`, `rejected`, or `pending` once more.
    #[schema(value_type = RequestStage)]
    pub status: RequestState,
    /// Why, for the one who asks: at most 200 characters.
    #[serde(default)]
    pub rejection_reason: Option<String>,
}

impl Handling {
    fn asker(&self) -> Result<Asker, HubError> {
        match (&self.user, &self.request_id) {
            (Some(user), None) => Ok(Asker::User(user.clone())),
            (None, Some(id)) => Ok(Asker::Request(id.clone())),
            _ => Err(HubError::Invalid("name either the `user` or the `requestId`".to_owned())),
        }
    }
}

/// Accepts or rejects a request, or puts it back to those that wait.
#[utoipa::path(
    post,
    path = "/api/{plural}/{repo}/user-access-request/handle",
    tag = "gates",
    params(RepoAddress),
    request_body = Handling,
    responses(
        (status = 200, description = "Where the request stands now", body = Decided),
        RepoErrors,
    )
)]
pub async fn handle(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    body: web::Bytes,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_repo(&hub, &caller, &route, &req).await?;
    gates::manage(&caller, &repo)?;
    let handling: Handling = read_json(&body)?;
    let reason = handling.rejection_reason.as_deref();
    let decided = gates::decide(&hub, &caller, &repo, &handling.asker()?, handling.status, reason).await?;
    Ok(HttpResponse::Ok().json(Decided::new(&repo, &decided)))
}

/// Who is let in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[schema(example = json!({"user": "ana"}))]
pub struct Granting {
    /// Name of the user.
    pub user: String,
}

/// Lets a user in who need not have asked.
#[utoipa::path(
    post,
    path = "/api/{plural}/{repo}/user-access-request/grant",
    tag = "gates",
    params(RepoAddress),
    request_body = Granting,
    responses(
        (status = 200, description = "The user is let in", body = Decided),
        (status = 400, description = "Not gated, or the user has access already", body = ErrorBody),
        RepoErrors,
    )
)]
pub async fn grant(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    body: web::Bytes,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_repo(&hub, &caller, &route, &req).await?;
    gates::manage(&caller, &repo)?;
    let granting: Granting = read_json(&body)?;
    let granted = gates::grant(&hub, &caller, &repo, &granting.user).await?;
    Ok(HttpResponse::Ok().json(Decided::new(&repo, &granted)))
}
