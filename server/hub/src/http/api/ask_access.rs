//! `ask-access`: what a gate asks of the caller, and asking to be let in.
//!
//! The public hub has a form of this name at `/{repo}/ask-access`; no stock client sends it. Consent is to a text, so
//! whoever asks names the text that was read by its SHA-256.

use acervo_core::Sha256Digest;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;

use super::doc::{ErrorBody, RepoAddress, RepoErrors};
use super::read_json;
use super::view::{GateStanding, RequestStatus};
use crate::app::gates;
use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, RepoRoute, open_repo};
use crate::http::query::Query;

/// What is accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[schema(example = json!({"terms": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}))]
pub struct Acceptance {
    /// SHA-256 of the terms that were read, if there are any.
    #[serde(default)]
    #[schema(pattern = "^[0-9a-fA-F]{64}$", min_length = 64, max_length = 64)]
    pub terms: Option<String>,
}

impl Acceptance {
    fn read(content_type: &str, body: &[u8]) -> Result<Acceptance, HubError> {
        let body = body.trim_ascii();
        if content_type.contains("json") || body.first() == Some(&b'{') {
            return if body.is_empty() { Ok(Acceptance::default()) } else { read_json(body) };
        }
        Ok(Acceptance { terms: Query::parse(body).last("terms").map(str::to_owned) })
    }

    fn digest(&self) -> Result<Option<Sha256Digest>, HubError> {
        let refused = |_| HubError::Invalid("`terms` is no SHA-256 of 64 hex digits; send that of the text".to_owned());
        self.terms.as_deref().map(|text| text.parse().map_err(refused)).transpose()
    }
}

/// Tells what the gate of a repository asks, and how the caller stands to it.
#[utoipa::path(
    method(get, head),
    path = "/api/{plural}/{repo}/ask-access",
    tag = "gates",
    params(RepoAddress),
    responses(
        (status = 200, description = "The gate, its terms, and the caller's request", body = GateStanding),
        RepoErrors,
    )
)]
pub async fn standing(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_repo(&hub, &caller, &route, &req).await?;
    Ok(HttpResponse::Ok().json(GateStanding::from(&gates::standing(&hub, &caller, &repo).await?)))
}

/// Accepts the terms of a repository and asks to be let in.
#[utoipa::path(
    post,
    path = "/api/{plural}/{repo}/ask-access",
    tag = "gates",
    params(RepoAddress),
    request_body(
        content((Acceptance = "application/json"), (Acceptance = "application/x-www-form-urlencoded")),
        description = "The terms that were read; nothing if there are none",
    ),
    responses(
        (status = 200, description = "Where the request stands now", body = RequestStatus),
        (status = 400, description = "Not gated, or other terms than the present ones", body = ErrorBody),
        RepoErrors,
    )
)]
pub async fn ask(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    body: web::Bytes,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_repo(&hub, &caller, &route, &req).await?;
    let accepted = Acceptance::read(req.content_type(), &body).and_then(|acceptance| acceptance.digest())?;
    let request = gates::ask(&hub, &caller, &repo, accepted).await?;
    Ok(HttpResponse::Ok().json(RequestStatus::from(&request)))
}

#[cfg(test)]
mod tests {
    use super::Acceptance;

    #[test]
    fn acceptances_are_read_from_forms_and_json() {
        let sha256 = "ab".repeat(32);
        let read = |content_type: &str, body: &str| Acceptance::read(content_type, body.as_bytes()).unwrap().digest();
        for (content_type, body) in [
            ("application/json", format!("{{\"terms\":\"{sha256}\"}}")),
            ("", format!(" {{\"terms\":\"{sha256}\"}}")),
            ("application/x-www-form-urlencoded", format!("terms={sha256}&name=x")),
        ] {
            assert_eq!(read(content_type, &body).unwrap().unwrap().to_hex(), sha256);
        }
        for (content_type, body) in [("application/json", ""), ("application/json", "{}"), ("", ""), ("", "name=x")] {
            assert_eq!(read(content_type, body).unwrap(), None, "{content_type} {body}");
        }
        assert!(read("", "terms=yes").is_err());
        assert!(Acceptance::read("application/json", b"[").is_err());
    }
}
