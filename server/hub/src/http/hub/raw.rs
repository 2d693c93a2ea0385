//! `raw`: what git itself holds at a path, which for an LFS file is its pointer.

use acervo_core::access::Guarded as _;
use acervo_core::lfs;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;

use super::answer::{Offer, answer};
use super::resolve::{file_at, stream, written_revision};
use crate::context::Hub;
use crate::http::api::doc::{ContentAnswers, FileAddress, NameAddress, RepoErrors};
use crate::http::error::ApiError;
use crate::http::extract::{Auth, RepoRoute, open_contents, open_revision};
use crate::http::headers;

/// The git blob at a path: the pointer text of an LFS file, the bytes of any other.
#[utoipa::path(
    method(get, head),
    path = "/{repo}/raw/{rest}",
    tag = "contents",
    params(NameAddress, FileAddress),
    responses(ContentAnswers, RepoErrors)
)]
pub(in crate::http) async fn raw(
    hub: web::Data<Hub>,
    auth: Auth,
    route: RepoRoute,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_contents(&hub, &auth.0, &route, &req).await?;
    let (commit, path) = open_revision(&hub, &repo, &route.rest).await?;
    let file = file_at(&hub, &repo, &commit, &path).await?;
    let entry = &file.entry;
    let pointer = entry.lfs.map(|lfs| Bytes::from(lfs::pointer_text(lfs.sha256, entry.size)));
    let offer = Offer {
        commit: commit.oid,
        etag: entry.oid.to_hex(),
        size: pointer.as_ref().map_or(entry.size, |text| text.len() as u64),
        linked: None,
        content_type: if pointer.is_some() { "text/plain; charset=utf-8" } else { headers::content_type(&entry.path) },
        disposition: None,
        cache_control: headers::cache_control(&repo.access(), written_revision(&route, &path)),
    };
    let open = async |start, end| match &pointer {
        Some(text) => Ok(part(text, start, end)),
        None => stream(&hub, &repo, &file, start, end).await,
    };
    answer(&req, &offer, open).await
}

/// Some bytes of a short text.
fn part(text: &Bytes, start: u64, end: u64) -> BoxBody {
    let position = |at: u64| usize::try_from(at).unwrap_or(text.len()).min(text.len());
    text.slice(position(start)..position(end)).boxed()
}
