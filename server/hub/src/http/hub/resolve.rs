//! `resolve`: the contents of a file at a revision, the request that every client downloads by.
//!
//! The entity tag names the client's cache file, so it is the SHA-256 of LFS files and git's blob id of all others.
//! Bytes come from this address and nowhere else; nothing here ever speaks of Xet.

use std::sync::Arc;

use acervo_core::RepoPath;
use acervo_core::access::{Guarded as _, Openable, Readable};
use acervo_store::db::commits::Commit;
use acervo_store::db::repos::Repo;
use acervo_store::db::trees::StoredEntry;
use actix_web::body::{BoxBody, MessageBody, SizedStream};
use actix_web::{HttpRequest, HttpResponse, web};
use futures::TryStreamExt;

use super::answer::{Offer, answer};
use crate::app::{content, trees};
use crate::context::Hub;
use crate::error::HubError;
use crate::http::api::doc::{CommitAddress, ContentAnswers, FileAddress, NameAddress, RepoAddress, RepoErrors};
use crate::http::error::ApiError;
use crate::http::extract::{Auth, RepoRoute, open_contents, open_revision};
use crate::http::headers;
use crate::http::query::Query;

/// The contents of a file, whole or in part.
#[utoipa::path(
    method(get, head), path = "/{repo}/resolve/{rest}", tag = "contents",
    params(
        NameAddress,
        FileAddress,
        ("download" = Option<bool>, Query, description = "Offer it as a download", example = false),
        ("noContentDisposition" = Option<bool>, Query, description = "Without `Content-Disposition`", example = false),
    ),
    responses(ContentAnswers, RepoErrors)
)]
pub(in crate::http) async fn resolve(
    hub: web::Data<Hub>,
    auth: Auth,
    route: RepoRoute,
    query: Query,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_contents(&hub, &auth.0, &route, &req).await?;
    let (commit, path) = open_revision(&hub, &repo, &route.rest).await?;
    let file = file_at(&hub, &repo, &commit, &path).await?;
    let entry = &file.entry;
    let offer = Offer {
        commit: commit.oid,
        etag: entry.etag(),
        size: entry.size,
        linked: entry.lfs.map(|lfs| lfs.sha256.to_hex()),
        content_type: headers::content_type(&entry.path),
        disposition: (!query.flag("noContentDisposition"))
            .then(|| headers::content_disposition(&entry.path, query.flag("download"))),
        cache_control: headers::cache_control(&repo.access(), written_revision(&route, &path)),
    };
    answer(&req, &offer, async |start, end| stream(&hub, &repo, &file, start, end).await).await
}

/// The contents of a file, whole or in part, at the address to which the public hub sends clients for small ones.
#[utoipa::path(
    method(get, head),
    path = "/api/resolve-cache/{plural}/{repo}/{commit}/{rest}",
    tag = "contents",
    params(RepoAddress, CommitAddress),
    responses(ContentAnswers, RepoErrors)
)]
pub(in crate::http) async fn cached(
    hub: web::Data<Hub>,
    auth: Auth,
    route: RepoRoute,
    query: Query,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    resolve(hub, auth, route, query, req).await
}

/// The revision as the client wrote it, if it is one segment; longer ones are never commit ids.
pub(super) fn written_revision<'a>(route: &'a RepoRoute, path: &[String]) -> &'a str {
    match &route.rest[..route.rest.len().saturating_sub(path.len())] {
        [revision] => revision,
        _ => "",
    }
}

/// The file at a path; a folder is no file.
pub(super) async fn file_at(
    hub: &Hub,
    repo: &Readable<Arc<Repo>>,
    commit: &Commit,
    path: &[String],
) -> Result<Arc<StoredEntry>, ApiError> {
    let path: RepoPath = path.join("/").parse()?;
    let found = trees::entry(hub, repo, commit, &path).await?;
    if found.entry.is_file() {
        return Ok(found);
    }
    Err(HubError::EntryNotFound { name: repo.name.to_string(), path: path.to_string(), commit: commit.oid }.into())
}

/// The bytes of a file from `start` up to, not including, `end`, counted as they go. They are there when this returns.
pub(super) async fn stream(
    hub: &Hub,
    repo: &Openable<Arc<Repo>>,
    file: &StoredEntry,
    start: u64,
    end: u64,
) -> Result<BoxBody, ApiError> {
    if let Some(whole) = content::small(hub, repo, file).await? {
        hub.metrics().served_bytes.inc_by(end - start);
        let within = |at| usize::try_from(at).unwrap_or(usize::MAX).min(whole.len());
        return Ok(BoxBody::new(whole.slice(within(start)..within(end))));
    }
    let bytes = content::reader(hub, repo, file).await?.stream(start, end).await.map_err(HubError::from)?;
    let hub = hub.clone();
    let bytes = bytes.inspect_ok(move |chunk| {
        hub.metrics().served_bytes.inc_by(chunk.len() as u64);
    });
    let bytes = bytes.inspect_err(|error| tracing::error!(error = %error, "reading a stored blob failed midway"));
    Ok(SizedStream::new(end - start, bytes).boxed())
}
