//! Web pages: the rows that `acervo_web` renders, and the headers that keep a browser safe.

use acervo_core::conditional::{self, Precondition};
use acervo_core::{Caller, Visibility};
use acervo_store::db::search::{Position, Tier, Value};
use acervo_web::{CONTENT_SECURITY_POLICY, HomePage, Language, NotFoundPage, RenderError, RepoRow, Totals};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY as CSP, ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, web};
use url::form_urlencoded::Serializer;

use super::api::cursor;
use super::api::doc::TokenErrors;
use super::error::ApiError;
use super::extract::{Auth, BaseUrl};
use super::query::Query;
use crate::app::lists::{self, ListRequest, Place, SearchRequest};
use crate::app::repos::{self, Summary};
use crate::context::Hub;
use crate::error::HubError;

/// Repositories of one page.
const PAGE_REPOS: u64 = 50;

/// The home page, and the answer to a search.
#[utoipa::path(
    method(get, head), path = "/", tag = "pages",
    params(
        ("search" = Option<String>, Query, description = "Words of names, tags and cards, or a part of a name",
            example = "llama"),
        ("cursor" = Option<String>, Query, description = "Where to go on, from the link of the page before"),
        ("lang" = Option<String>, Query, description = "`en` or `es`", example = "es"),
    ),
    responses(
        (status = 200, description = "What this hub holds", body = str, content_type = "text/html",
            example = json!("<!doctype html>")),
        (status = 400, description = "A cursor of another search"),
        TokenErrors,
    )
)]
pub(super) async fn home(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    BaseUrl(base): BaseUrl,
    query: Query,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let search = query.last("search").unwrap_or_default().trim();
    let held = repos::holdings(&hub, &caller).await?;
    let (items, next) = page(&hub, &caller, search, query.last("cursor")).await?;
    let rows: Vec<Row> = items.iter().map(Row::from).collect();
    let html = HomePage {
        language: language(&req, &query),
        base_url: &base,
        totals: Totals { repos: held.repos, commits: held.commits, blobs: held.blobs, bytes: held.bytes },
        repos: rows.iter().map(Row::view).collect(),
        search,
        more: next.map(|next| more(&next, &query)),
    };
    html_page(StatusCode::OK, html.render(), CONTENT_SECURITY_POLICY)
}

/// A stylesheet or picture of the pages.
#[utoipa::path(
    method(get, head), path = "/static/{name}", tag = "pages",
    params(("name" = String, Path, description = "Its name", example = "acervo.css")),
    responses(
        (status = 200, description = "The file", body = str, content_type = "*/*",
            headers(("ETag" = String, description = "Changes with the file"))),
        (status = 304, description = "The client has it already",
            headers(("ETag" = String, description = "Changes with the file"))),
        (status = 404, description = "There is no such file"),
    )
)]
pub(super) async fn static_file(
    name: web::Path<String>,
    query: Query,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Some(file) = acervo_web::static_file(&name) else {
        return Err(HubError::NotFound("there is no such static file".to_owned()).into());
    };
    let known = req.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = conditional::evaluate(None, known, &file.version()) == Precondition::NotModified;
    let mut response = HttpResponse::build(if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    // Pages link to a file with its version, so what that address answers never changes.
    let is_versioned = query.last("v") == Some(file.version().as_str());
    let cache = if is_versioned { "public, max-age=31536000, immutable" } else { "no-cache" };
    response.insert_header((ETAG, file.etag())).insert_header((CACHE_CONTROL, cache));
    if is_known {
        return Ok(response.finish());
    }
    Ok(response.content_type(file.content_type).insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff")).body(file.bytes))
}

/// The answer to an address that means nothing: a page for browsers, JSON for everybody else.
pub(super) async fn not_found(
    req: HttpRequest,
    BaseUrl(base): BaseUrl,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let accepted = req.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accepted.contains("text/html") {
        return Err(HubError::NotFound("there is nothing at this address".to_owned()).into());
    }
    let page = NotFoundPage { language: language(&req, &query), base_url: &base };
    html_page(StatusCode::NOT_FOUND, page.render(), CONTENT_SECURITY_POLICY)
}

/// The language that a page is wanted in.
pub(super) fn language(req: &HttpRequest, query: &Query) -> Language {
    let accepted = req.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Language::negotiate(accepted, query.last("lang"))
}

/// A page, with the headers that keep a browser safe.
pub(super) fn html_page(
    status: StatusCode,
    html: Result<String, RenderError>,
    policy: &'static str,
) -> Result<HttpResponse, ApiError> {
    let html = html.map_err(|error| HubError::Internal(format!("a page could not be rendered: {error}")))?;
    Ok(HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((CSP, policy))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "same-origin"))
        .insert_header((CACHE_CONTROL, "private, no-cache"))
        .insert_header((VARY, "Accept, Accept-Language, Authorization"))
        .body(html))
}

/// What a row of the page borrows from.
struct Row<'a> {
    summary: &'a Summary,
    commit: String,
    updated_at: String,
}

impl<'a> From<&'a Summary> for Row<'a> {
    fn from(summary: &'a Summary) -> Self {
        Row { summary, commit: summary.head.oid.to_hex(), updated_at: summary.repo.updated_at.to_string() }
    }
}

impl Row<'_> {
    fn view(&self) -> RepoRow<'_> {
        let (repo, card) = (&self.summary.repo, &self.summary.card);
        let field = |name: &str| card.data.as_ref().and_then(|data| data.get(name)?.as_str());
        RepoRow {
            kind: repo.kind.as_str(),
            name: repo.name.as_str(),
            commit: &self.commit,
            updated_at: &self.updated_at,
            license: field("license").or_else(|| card.tags.iter().find_map(|tag| tag.strip_prefix("license:"))),
            task: field("pipeline_tag"),
            private: repo.visibility != Visibility::Public,
        }
    }
}

/// One page: what fits a search, best first, or everything, the last published first; and where the next one starts.
async fn page(
    hub: &Hub,
    caller: &Caller,
    search: &str,
    cursor: Option<&str>,
) -> Result<(Vec<Summary>, Option<String>), HubError> {
    let after = cursor.map(|text| cursor::decode_for(&search, text)).transpose()?;
    let after = after.as_ref().map(|text| text.split_once(' ').ok_or_else(cursor::invalid)).transpose()?;
    let number = |text: &str| text.parse::<i64>().map_err(|_| cursor::invalid());
    let encode = |number: i64, public_id: &str| cursor::encode_for(&search, &format!("{number} {public_id}"));
    if search.is_empty() {
        let mut request = ListRequest::of(None);
        request.limit = PAGE_REPOS;
        if let Some((value, public_id)) = after {
            request.after = Some(Position { value: Value::Number(number(value)?), public_id: public_id.to_owned() });
        }
        let page = lists::list(hub, caller, &request).await?;
        let next = page.next.and_then(|next| match next.value {
            Value::Number(value) => Some(encode(value, &next.public_id)),
            Value::Text(_) => None,
        });
        return Ok((page.items, next));
    }
    let after = match after {
        None => None,
        Some((tier, public_id)) => {
            let tier = Tier::from_number(number(tier)?).ok_or_else(cursor::invalid)?;
            Some(Place { tier, public_id: public_id.to_owned() })
        }
    };
    let request = SearchRequest {
        question: search.to_owned(),
        kind: None,
        tags: Vec::new(),
        sdks: Vec::new(),
        limit: PAGE_REPOS,
        after,
    };
    let results = lists::search(hub, caller, &request).await?;
    Ok((results.items, results.next.map(|next| encode(i64::from(next.tier as i32), &next.public_id))))
}

/// Link to the next page, with the search and language of this one.
fn more(next: &str, query: &Query) -> String {
    let mut link = Serializer::for_suffix("?".to_owned(), 1);
    for key in ["search", "lang"] {
        if let Some(text) = query.last(key) {
            link.append_pair(key, text);
        }
    }
    link.append_pair("cursor", next).finish()
}
