//! `GET /api/{type}/{repo}/refs`: branches, tags and other names, with the commit each serves.

use actix_web::{HttpRequest, HttpResponse, web};

use super::doc::{RepoAddress, RepoErrors};
use super::view::RefList;
use crate::app::repos;
use crate::context::Hub;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, RepoRoute, open_repo};
use crate::http::query::Query;

/// Lists the refs of a repository.
#[utoipa::path(
    method(get, head),
    path = "/api/{plural}/{repo}/refs",
    tag = "hub",
    params(
        RepoAddress,
        ("include_prs" = Option<bool>, Query, description = "Pull requests too", example = false),
    ),
    responses(
        (status = 200, description = "Refs that serve a commit", body = RefList),
        RepoErrors,
    )
)]
pub async fn refs(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    query: Query,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_repo(&hub, &caller, &route, &req).await?;
    let found = repos::refs(&hub, &repo).await?;
    Ok(HttpResponse::Ok().json(RefList::new(found, query.flag("include_prs"))))
}
