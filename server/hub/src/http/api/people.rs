//! `/api/users/..` and `/api/organizations/..`: who is here, and what of theirs the caller sees.
//!
//! Nobody likes or follows anything here, so those lists are empty for whoever is known, and 404 for others.

use acervo_core::Caller;
use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::doc::{ErrorBody, RepoAddress, RepoErrors};
use super::view::{OrganizationOverview, UserItem, UserOverview};
use super::{cursor, next_page};
use crate::app::people;
use crate::context::Hub;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, BaseUrl, RepoRoute, open_repo};
use crate::http::query::Query;

/// The name in a path.
fn name<'a>(req: &'a HttpRequest, part: &str) -> &'a str {
    req.match_info().query(part)
}

/// Describes a user.
#[utoipa::path(
    method(get, head),
    path = "/api/users/{user}/overview",
    tag = "hub",
    params(("user" = String, Path, description = "Name of a user", example = "ana")),
    responses(
        (status = 200, description = "The user; what is counted is what the caller sees", body = UserOverview),
        (status = 401, description = "No token, or a bad one: users are told of to who is known here", body = ErrorBody,
            example = json!({"error": "Invalid username or password."})),
        (status = 404, description = "No such user", body = ErrorBody,
            example = json!({"error": "there is no user `eve` here"})),
    )
)]
pub async fn user_overview(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let user = people::user(&hub, &caller, name(&req, "user")).await?;
    Ok(HttpResponse::Ok().json(UserOverview::from(&user)))
}

/// Lists what a user likes, who follows them, or whom they follow: nothing and nobody.
async fn nothing_of_user(hub: &Hub, caller: &Caller, req: &HttpRequest) -> Result<HttpResponse, ApiError> {
    people::known_user(hub, caller, name(req, "user")).await?;
    Ok(HttpResponse::Ok().json(json!([])))
}

/// Lists what a user likes: nothing, there are no likes here.
#[utoipa::path(
    method(get, head),
    path = "/api/users/{user}/likes",
    tag = "hub",
    params(("user" = String, Path, description = "Name of a user", example = "ana")),
    responses(
        (status = 200, description = "Always empty", body = Vec<Object>, example = json!([])),
        (status = 401, description = "No token, or a bad one", body = ErrorBody,
            example = json!({"error": "Invalid username or password."})),
        (status = 404, description = "No such user", body = ErrorBody,
            example = json!({"error": "there is no user `eve` here"})),
    )
)]
pub async fn user_likes(hub: web::Data<Hub>, Auth(caller): Auth, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    nothing_of_user(&hub, &caller, &req).await
}

/// Lists who follows a user: nobody, users do not follow each other here.
#[utoipa::path(
    method(get, head),
    path = "/api/users/{user}/followers",
    tag = "hub",
    params(("user" = String, Path, description = "Name of a user", example = "ana")),
    responses(
        (status = 200, description = "Always empty", body = Vec<UserItem>, example = json!([])),
        (status = 401, description = "No token, or a bad one", body = ErrorBody,
            example = json!({"error": "Invalid username or password."})),
        (status = 404, description = "No such user", body = ErrorBody,
            example = json!({"error": "there is no user `eve` here"})),
    )
)]
pub async fn user_followers(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    nothing_of_user(&hub, &caller, &req).await
}

/// Lists whom a user follows: nobody, users do not follow each other here.
#[utoipa::path(
    method(get, head),
    path = "/api/users/{user}/following",
    tag = "hub",
    params(("user" = String, Path, description = "Name of a user", example = "ana")),
    responses(
        (status = 200, description = "Always empty", body = Vec<UserItem>, example = json!([])),
        (status = 401, description = "No token, or a bad one", body = ErrorBody,
            example = json!({"error": "Invalid username or password."})),
        (status = 404, description = "No such user", body = ErrorBody,
            example = json!({"error": "there is no user `eve` here"})),
    )
)]
pub async fn user_following(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    nothing_of_user(&hub, &caller, &req).await
}

/// Describes an organisation: a namespace that is not one user's own.
#[utoipa::path(
    method(get, head),
    path = "/api/organizations/{organization}/overview",
    tag = "hub",
    params(("organization" = String, Path, description = "Name of an organisation", example = "mistralai")),
    responses(
        (status = 200, description = "The organisation; what is counted is what the caller sees",
            body = OrganizationOverview),
        (status = 401, description = "A bad token of this hub", body = ErrorBody,
            example = json!({"error": "Invalid credentials in Authorization header"})),
        (status = 404, description = "No such organisation, or the caller sees nothing of it", body = ErrorBody,
            example = json!({"error": "there is no organization `acme` here"})),
    )
)]
pub async fn organization_overview(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let organization = people::organization(&hub, &caller, name(&req, "organization")).await?;
    Ok(HttpResponse::Ok().json(OrganizationOverview::from(&organization)))
}

/// Lists who has a role in an organisation, in name order.
#[utoipa::path(
    method(get, head),
    path = "/api/organizations/{organization}/members",
    tag = "hub",
    params(
        ("organization" = String, Path, description = "Name of an organisation", example = "mistralai"),
        ("cursor" = Option<String>, Query, description = "Where to go on, from the `Link` of the page before"),
    ),
    responses(
        (status = 200, description = "Members, 100 a page; `Link` leads to the next page", body = Vec<UserItem>),
        (status = 400, description = "A cursor that is not from here", body = ErrorBody),
        (status = 401, description = "No token, or a bad one: users are told of to who is known here", body = ErrorBody,
            example = json!({"error": "Invalid username or password."})),
        (status = 404, description = "No such organisation, or the caller sees nothing of it", body = ErrorBody,
            example = json!({"error": "there is no organization `acme` here"})),
    )
)]
pub async fn organization_members(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    BaseUrl(base): BaseUrl,
    query: Query,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let organization = name(&req, "organization");
    let after = query.last("cursor").map(|text| cursor::decode_for(&organization, text)).transpose()?;
    let (members, next) = people::members(&hub, &caller, organization, after.as_deref()).await?;
    let mut response = HttpResponse::Ok();
    if let Some(next) = next {
        let next = cursor::encode_for(&organization, &next);
        let path = ["api", "organizations", organization, "members"];
        response.insert_header((LINK, next_page::link(&base, path, &query, &next)?));
    }
    Ok(response.json(members.iter().map(UserItem::from).collect::<Vec<_>>()))
}

/// Lists who follows an organisation: nobody, nothing is followed here.
#[utoipa::path(
    method(get, head),
    path = "/api/organizations/{organization}/followers",
    tag = "hub",
    params(("organization" = String, Path, description = "Name of an organisation", example = "mistralai")),
    responses(
        (status = 200, description = "Always empty", body = Vec<UserItem>, example = json!([])),
        (status = 401, description = "A bad token of this hub", body = ErrorBody,
            example = json!({"error": "Invalid credentials in Authorization header"})),
        (status = 404, description = "No such organisation, or the caller sees nothing of it", body = ErrorBody,
            example = json!({"error": "there is no organization `acme` here"})),
    )
)]
pub async fn organization_followers(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    people::known_organization(&hub, &caller, name(&req, "organization")).await?;
    Ok(HttpResponse::Ok().json(json!([])))
}

/// Lists who likes a repository: nobody, there are no likes here.
#[utoipa::path(
    method(get, head),
    path = "/api/{plural}/{repo}/likers",
    tag = "hub",
    params(RepoAddress),
    responses(
        (status = 200, description = "Always empty", body = Vec<UserItem>, example = json!([])),
        (status = 307, description = "The same, under the right name; `Location` is relative"),
        RepoErrors,
    )
)]
pub async fn likers(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    open_repo(&hub, &caller, &route, &req).await?;
    Ok(HttpResponse::Ok().json(json!([])))
}
