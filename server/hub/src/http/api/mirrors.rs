//! `POST /api/mirrors/{type}/{repo}/sync`, `pause` and `resume`: one mirror. Acervo's own.

use acervo_core::Caller;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::doc::{ErrorBody, RepoAddress, RepoErrors};
use super::jobs::example;
use crate::app::{jobs, mirrors, sync};
use crate::context::Hub;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, RepoRoute, open_repo};

/// Queues a sync of a mirror, or finds the one that is under way.
#[utoipa::path(
    post,
    path = "/api/mirrors/{plural}/{repo}/sync",
    tag = "mirrors",
    params(RepoAddress),
    responses(
        (status = 200, description = "The job that syncs it", body = Object, example = json!(example())),
        RepoErrors,
    )
)]
pub async fn sync(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_repo(&hub, &caller, &route, &req).await?;
    let mirror = mirrors::of(&hub, &caller, &repo).await?;
    let job = sync::enqueue(&hub, &caller, &mirror).await?;
    Ok(HttpResponse::Ok().json(jobs::get(&hub, &caller, job).await?))
}

/// Suspends the schedule of a mirror; it can still be synced by hand.
#[utoipa::path(
    post,
    path = "/api/mirrors/{plural}/{repo}/pause",
    tag = "mirrors",
    params(RepoAddress),
    responses(
        (
            status = 200, description = "The mirror as it is now", body = Object,
            example = json!({"type": "model", "repo": "mistralai/Mistral-7B-v0.1", "paused": true})
        ),
        (status = 409, description = "The mirror belongs to the mirrors file", body = ErrorBody),
        RepoErrors,
    )
)]
pub async fn pause(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    set_paused(&hub, &caller, &route, &req, true).await
}

/// Lets the schedule of a mirror go on.
#[utoipa::path(
    post,
    path = "/api/mirrors/{plural}/{repo}/resume",
    tag = "mirrors",
    params(RepoAddress),
    responses(
        (
            status = 200, description = "The mirror as it is now", body = Object,
            example = json!({"type": "model", "repo": "mistralai/Mistral-7B-v0.1", "paused": false})
        ),
        (status = 409, description = "The mirror belongs to the mirrors file", body = ErrorBody),
        RepoErrors,
    )
)]
pub async fn resume(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    set_paused(&hub, &caller, &route, &req, false).await
}

async fn set_paused(
    hub: &Hub,
    caller: &Caller,
    route: &RepoRoute,
    req: &HttpRequest,
    is_paused: bool,
) -> Result<HttpResponse, ApiError> {
    let repo = open_repo(hub, caller, route, req).await?;
    let mirror = mirrors::of(hub, caller, &repo).await?;
    let now = mirrors::set_paused(hub, caller, &mirror, is_paused).await?;
    Ok(HttpResponse::Ok().json(json!({ "type": now.repo.kind, "repo": now.repo.name, "paused": now.paused })))
}
