//! The interactive page of the API: its files are embedded, and it asks this hub alone.

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use acervo_core::conditional::{self, Precondition};
use acervo_web::{API_PAGE_POLICY, ApiPage};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, ETAG, IF_NONE_MATCH, VARY, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpRequest, HttpResponse, web};
use flate2::read::GzDecoder;
use utoipa_swagger_ui::{Config, SwaggerFile};

use super::error::ApiError;
use super::extract::BaseUrl;
use super::gzip;
use super::pages;
use super::query::Query;
use crate::error::HubError;

/// The files that the page loads. More are embedded; none of them is of use here.
const FILES: [&str; 2] = ["swagger-ui-bundle.js", "swagger-ui.css"];

/// Shows every operation, and tries them out.
#[utoipa::path(
    method(get, head), path = "/docs/api", tag = "pages",
    params(("lang" = Option<String>, Query, description = "`en` or `es`: words around the description", example = "es")),
    responses((status = 200, description = "The page", body = str, content_type = "text/html",
        example = json!("<!doctype html>")))
)]
pub(super) async fn page(req: HttpRequest, BaseUrl(base): BaseUrl, query: Query) -> Result<HttpResponse, ApiError> {
    let version = FILES.iter().map(|name| version(name)).collect::<Result<Vec<_>, _>>()?.join("-");
    let page = ApiPage { language: pages::language(&req, &query), base_url: &base, assets_version: &version };
    pages::html_page(StatusCode::OK, page.render(), API_PAGE_POLICY)
}

/// A file of the page that shows the operations.
#[utoipa::path(
    method(get, head), path = "/docs/api/{name}", tag = "pages",
    params(("name" = String, Path, description = "Its name", example = "swagger-ui.css")),
    responses(
        (status = 200, description = "The file", body = String, content_type = "*/*",
            headers(("ETag" = String, description = "Changes with the file"))),
        (status = 304, description = "The client has it already",
            headers(("ETag" = String, description = "Changes with the file"))),
        (status = 404, description = "There is no such file"),
    )
)]
pub(super) async fn file(name: web::Path<String>, query: Query, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    if !FILES.contains(&name.as_str()) {
        return Err(HubError::NotFound("there is no such file of the API's page".to_owned()).into());
    }
    let version = version(&name)?;
    let known = req.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = conditional::evaluate(None, known, &version) == Precondition::NotModified;
    let mut response = HttpResponse::build(if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    // The page links to all of its files with one version, so what that address answers never changes.
    let cache = if query.last("v").is_some_and(|asked| asked.contains(&version)) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    response.insert_header((ETAG, format!("\"{version}\""))).insert_header((CACHE_CONTROL, cache));
    response.insert_header((VARY, "Accept-Encoding"));
    if is_known {
        return Ok(response.finish());
    }
    let file = embedded(&name)?;
    let kind = if name.ends_with(".css") { "text/css; charset=utf-8" } else { "text/javascript; charset=utf-8" };
    response.content_type(kind).insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if file.gzpipped && gzip::takes_gzip(&req) {
        return Ok(response.insert_header((CONTENT_ENCODING, "gzip")).body(file.bytes.into_owned()));
    }
    let whole = web::block(move || unpacked(file)).await;
    Ok(response.body(whole.map_err(|error| HubError::Internal(error.to_string()))??))
}

/// What tells one build's file from the next one's.
fn version(name: &str) -> Result<String, HubError> {
    Ok(format!("{}.{}", env!("CARGO_PKG_VERSION"), embedded(name)?.bytes.len()))
}

fn embedded(name: &str) -> Result<SwaggerFile<'static>, HubError> {
    let found = utoipa_swagger_ui::serve(name, Arc::new(Config::default()));
    let missing = || HubError::Internal(format!("`{name}` was not built into this binary"));
    found.ok().flatten().ok_or_else(missing)
}

/// The file as it was before it was compressed.
fn unpacked(file: SwaggerFile<'static>) -> Result<Vec<u8>, HubError> {
    if !file.gzpipped {
        return Ok(Cow::into_owned(file.bytes));
    }
    let mut whole = Vec::new();
    let read = GzDecoder::new(&*file.bytes).read_to_end(&mut whole);
    read.map_err(|error| HubError::Internal(format!("an embedded file cannot be unpacked: {error}")))?;
    Ok(whole)
}
