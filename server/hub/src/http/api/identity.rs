//! Who the caller is, and whether it may read or write a repository.

use acervo_core::Role;
use acervo_core::access::{Caller, writable};
use actix_web::{HttpRequest, HttpResponse, web};

use super::doc::{ErrorBody, RepoAddress, RepoErrors};
use super::view::User;
use crate::app::people;
use crate::context::Hub;
use crate::error::{HubError, denied};
use crate::http::error::ApiError;
use crate::http::extract::{Auth, RepoRoute, open_contents, open_repo};

/// Tells who the token belongs to.
#[utoipa::path(
    method(get, head),
    path = "/api/whoami-v2",
    tag = "hub",
    responses(
        (status = 200, description = "The caller and its token", body = User),
        (status = 401, description = "No token, or a bad one", body = ErrorBody),
    )
)]
pub async fn whoami(hub: web::Data<Hub>, auth: Result<Auth, ApiError>) -> Result<HttpResponse, ApiError> {
    match auth {
        Ok(Auth(Caller::Known(identity))) => {
            let orgs = people::memberships(&hub, identity.principal_id).await?;
            Ok(HttpResponse::Ok().json(User::new(&identity, &orgs)))
        }
        // Here a bad token is answered as none is: clients show this text at login.
        Ok(Auth(Caller::Anonymous | Caller::System)) | Err(ApiError::Hub(HubError::BadToken(_))) => {
            Err(HubError::TokenRequired.into())
        }
        Err(error) => Err(error),
    }
}

/// Tells by its status alone whether the caller may have the contents of a repository.
#[utoipa::path(
    method(get, head),
    path = "/api/{plural}/{repo}/auth-check",
    tag = "hub",
    params(RepoAddress),
    responses(
        (status = 200, description = "It may; the body is empty"),
        RepoErrors,
    )
)]
pub async fn auth_check(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    open_contents(&hub, &caller, &route, &req).await?;
    Ok(HttpResponse::Ok().finish())
}

/// Tells by its status alone whether the caller may write to a repository.
#[utoipa::path(
    method(get, head),
    path = "/api/{plural}/{repo}/auth-check/write",
    tag = "hub",
    params(RepoAddress),
    responses(
        (status = 200, description = "It may; the body is empty"),
        RepoErrors,
    )
)]
pub async fn auth_check_write(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_repo(&hub, &caller, &route, &req).await?;
    match writable(&caller, (*repo).clone(), Role::Writer) {
        Ok(_) => Ok(HttpResponse::Ok().finish()),
        Err(_) if caller == Caller::Anonymous => Err(HubError::TokenRequired.into()),
        Err(why) => Err(denied(why, route.kind, &route.name).into()),
    }
}
