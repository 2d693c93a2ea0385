//! `GET /api/models|datasets|spaces`: the repositories the caller may see, searched, filtered, sorted, in pages; and the
//! tags they have.

use std::collections::BTreeMap;

use acervo_core::RepoKind;
use acervo_core::access::Caller;
use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::doc::{ErrorBody, KindAddress, TokenErrors};
use super::list_params::{ListParams, cursor_to};
use super::view::{RepoInfo, Sibling, project};
use super::{kind_of, next_page};
use crate::app::repos::Summary;
use crate::app::{lists, trees};
use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, BaseUrl};
use crate::http::query::Query;

/// Lists repositories.
#[utoipa::path(
    method(get, head),
    path = "/api/{plural}",
    tag = "hub",
    params(KindAddress, ListParams),
    responses(
        (
            status = 200,
            description = "Repositories, a page of them",
            body = Vec<RepoInfo>,
            headers(
                ("Link" = String, description = "Leads to the next page, if there is one"),
                ("X-Total-Count" = u64, description = "How many there are on all pages"),
            )
        ),
        (status = 400, description = "An unknown order, a parameter that cannot be read, or a cursor of another list",
            body = ErrorBody),
        (status = 404, description = "No type of repositories", body = ErrorBody),
        TokenErrors,
    )
)]
pub async fn list(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    BaseUrl(base): BaseUrl,
    query: Query,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let kind = kind_of(&req)?;
    let params = ListParams::from(&query);
    let request = params.request(kind)?;
    let page = lists::list(&hub, &caller, &request).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header(("X-Total-Count", page.total.to_string()));
    if let Some(next) = &page.next {
        let next = cursor_to(&request, next);
        response.insert_header((LINK, next_page::link(&base, ["api", kind.plural()], &query, &next)?));
    }
    let mut items = Vec::with_capacity(page.items.len());
    for summary in &page.items {
        items.push(item(&hub, &caller, kind, &params, summary).await?);
    }
    Ok(response.json(items))
}

/// One item, with the fields asked for.
async fn item(
    hub: &Hub,
    caller: &Caller,
    kind: RepoKind,
    params: &ListParams,
    summary: &Summary,
) -> Result<Value, HubError> {
    let mut info = RepoInfo::new(&summary.repo, &summary.head, &summary.card);
    if params.lists_files(kind) {
        let files = trees::summary_files(hub, caller, summary).await?;
        info.siblings = Some(files.iter().map(|file| Sibling::new(file, false)).collect());
    }
    project(&info, &params.fields(kind)).map_err(|error| HubError::Internal(error.to_string()))
}

/// A tag that lists can be filtered by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TagView {
    /// What to filter by.
    #[schema(example = "license:mit")]
    pub id: String,
    /// The same for people.
    #[schema(example = "mit")]
    pub label: String,
    /// Sort of the tag.
    #[serde(rename = "type")]
    #[schema(example = "license")]
    pub sort: String,
}

/// Tags of the models that the caller may see, by sort.
#[utoipa::path(
    method(get, head),
    path = "/api/models-tags-by-type",
    tag = "hub",
    responses(
        (status = 200, description = "Tags by sort", body = BTreeMap<String, Vec<TagView>>),
        TokenErrors,
    )
)]
pub async fn model_tags(hub: web::Data<Hub>, Auth(caller): Auth) -> Result<HttpResponse, ApiError> {
    tags(&hub, &caller, RepoKind::Model).await
}

/// Tags of the datasets that the caller may see, by sort.
#[utoipa::path(
    method(get, head),
    path = "/api/datasets-tags-by-type",
    tag = "hub",
    responses(
        (status = 200, description = "Tags by sort", body = BTreeMap<String, Vec<TagView>>),
        TokenErrors,
    )
)]
pub async fn dataset_tags(hub: web::Data<Hub>, Auth(caller): Auth) -> Result<HttpResponse, ApiError> {
    tags(&hub, &caller, RepoKind::Dataset).await
}

async fn tags(hub: &Hub, caller: &Caller, kind: RepoKind) -> Result<HttpResponse, ApiError> {
    let mut sorts: BTreeMap<String, Vec<TagView>> = BTreeMap::new();
    for row in lists::tags(hub, caller, kind).await?.iter() {
        let label = row.tag.strip_prefix(&format!("{}:", row.sort)).unwrap_or(&row.tag).to_owned();
        let tag = TagView { id: row.tag.clone(), label, sort: row.sort.clone() };
        sorts.entry(row.sort.clone()).or_default().push(tag);
    }
    Ok(HttpResponse::Ok().json(sorts))
}
