//! What operators and their machines ask: is it alive, is it ready, how much has it done.

use std::net::SocketAddr;

use acervo_core::{Caller, Role};
use acervo_store::blob::BlobError;
use actix_web::http::header::{ContentType, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ApiError;
use super::extract::Auth;
use crate::app::identity;
use crate::context::Hub;

/// Seconds until a hub that is not ready may be asked again.
const RETRY_SECONDS: u64 = 5;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Says that the process answers.
#[utoipa::path(
    method(get, head), path = "/healthz", tag = "operators",
    responses((status = 200, description = "The process answers", body = str, content_type = "text/plain",
        example = json!("ok\n")))
)]
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body("ok\n")
}

/// What was found of a part that this hub stands on.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Finding {
    /// It works.
    Ok,
    /// It does not; the log says why.
    Failed,
}

/// Whether what this hub stands on works.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    /// Whether requests can be served now: the database and the blob store answer.
    ready: bool,
    /// Whether the database answers.
    database: Finding,
    /// Whether the staging folder takes bytes. Syncs need it; what is held is served without.
    staging: Finding,
    /// Whether the blob store answers.
    storage: Finding,
    /// What it stands on; for callers who are known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

/// What this hub stands on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Details {
    /// The blob store.
    storage: StorageDetails,
    /// Why the staging folder takes no bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "the folder cannot be written; look into the log of this process")]
    staging: Option<&'static str>,
}

/// What the blob store was found to honour at start-up: `honoured`, `ignored`, `refused` or `unknown`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StorageDetails {
    /// `file`, `s3`, `gs` or `az`.
    #[schema(example = "s3")]
    kind: &'static str,
    /// Writing an object only if none is there. Nothing relies on it.
    #[schema(example = "ignored")]
    conditional_put: &'static str,
    /// Reading a part of an object.
    #[schema(example = "honoured")]
    ranged_get: &'static str,
    /// Uploads in parts.
    #[schema(example = "honoured")]
    multipart: &'static str,
    /// Removing objects.
    #[schema(example = "honoured")]
    delete: &'static str,
}

impl Details {
    fn of(hub: &Hub, staging: &Result<(), BlobError>) -> Details {
        let found = hub.blobs().capabilities();
        Details {
            storage: StorageDetails {
                kind: found.kind,
                conditional_put: found.conditional_put.word(),
                ranged_get: found.ranged_get.word(),
                multipart: found.multipart.word(),
                delete: found.delete.word(),
            },
            staging: match staging {
                Ok(()) => None,
                Err(BlobError::Full { .. }) => Some("no space is left; free some on the disk of `staging.dir`"),
                Err(_) => Some("the folder cannot be written; look into the log of this process"),
            },
        }
    }
}

/// Asks the database, the staging folder and the blob store; what failed stands in the log.
#[utoipa::path(
    method(get, head), path = "/readyz", tag = "operators",
    responses(
        (status = 200, description = "Ready to serve", body = Readiness),
        (status = 503, description = "The database or the blob store does not work", body = Readiness),
    )
)]
pub(super) async fn readyz(hub: web::Data<Hub>, auth: Result<Auth, ApiError>) -> HttpResponse {
    let blobs = hub.blobs();
    let (database, staging, storage) = futures::join!(hub.db().ping(), blobs.check_staging(), blobs.check_storage());
    if let Err(error) = &database {
        tracing::error!(error = ?error, "not ready: the database does not answer");
    }
    if let Err(error) = &staging {
        tracing::error!(error = ?error, "the staging folder takes no bytes: syncs will fail");
    }
    if let Err(error) = &storage {
        tracing::error!(error = ?error, "not ready: the blob store does not answer");
    }
    // A token that cannot be looked up makes nobody unready: its bearer is a stranger then.
    let is_known = auth.is_ok_and(|auth| auth.0 != Caller::Anonymous);
    let word = |is_ok| if is_ok { Finding::Ok } else { Finding::Failed };
    let readiness = Readiness {
        // Not staging: a full disk that nobody can write to must not take away what everybody can read.
        ready: database.is_ok() && storage.is_ok(),
        database: word(database.is_ok()),
        staging: word(staging.is_ok()),
        storage: word(storage.is_ok()),
        details: is_known.then(|| Details::of(&hub, &staging)),
    };
    if readiness.ready {
        HttpResponse::Ok().json(readiness)
    } else {
        HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, RETRY_SECONDS.to_string())).json(readiness)
    }
}

/// Counters in the OpenMetrics text format: for auditors of the hub, and without a token from this very machine.
#[utoipa::path(
    method(get, head), path = "/metrics", tag = "operators",
    responses(
        (status = 200, description = "Counters", body = str, content_type = "application/openmetrics-text",
            example = json!("# HELP acervo_commits_published Commits published.\n# EOF\n")),
        (status = 401, description = "Asked from another machine without a token, or with a bad one"),
        (status = 403, description = "The token is not an auditor's"),
    )
)]
pub(super) async fn metrics(hub: web::Data<Hub>, auth: Auth, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let caller = if is_local(&hub, &req) { Caller::System } else { auth.0 };
    identity::demand(&caller, Role::Auditor)?;
    Ok(HttpResponse::Ok().content_type(OPENMETRICS).body(hub.metrics().encode()))
}

/// Whether the request was made on this machine, and not handed on by a proxy that runs here.
fn is_local(hub: &Hub, req: &HttpRequest) -> bool {
    let is_handed_on = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"]
        .iter()
        .any(|name| req.headers().contains_key(*name));
    let peer = req.peer_addr().as_ref().map(SocketAddr::ip).map(|peer| peer.to_canonical());
    let proxies = &hub.config().server.trusted_proxies;
    !is_handed_on && peer.is_some_and(|peer| peer.is_loopback() && !proxies.contains(&peer))
}
