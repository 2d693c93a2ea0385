//! Gates as clients read them: requests in the register, and how the caller stands to a gate.

use acervo_core::gate::RequestState;
use acervo_core::{Sha256Digest, Timestamp};
use acervo_store::db::gates::{Consent, Request};
use acervo_store::db::repos::{Gated, Repo};
use serde::Serialize;
use utoipa::ToSchema;

use super::GatedMark;
use crate::app::gates::{ListedRequest, Standing};

/// Where a request stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RequestStage {
    /// It waits for a decision.
    Pending,
    /// Whoever asked is let in.
    Accepted,
    /// Whoever asked is not let in.
    Rejected,
}

/// Who may see a repository.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum VisibilityName {
    /// Everybody.
    Public,
    /// Whoever is known here.
    Internal,
    /// Whoever has a role.
    Private,
}

/// A request in the register of a gated repository.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessRequestItem {
    /// Id by which it is decided.
    #[schema(example = "66f2a1c09d3e4b5f60718293")]
    pub request_id: String,
    /// `pending`, `accepted` or `rejected`.
    #[schema(value_type = RequestStage)]
    pub status: RequestState,
    /// When access was asked for.
    #[schema(value_type = String, format = DateTime, example = "2023-11-14T22:13:20.007Z")]
    pub timestamp: Timestamp,
    /// Who asks.
    pub user: AccessUser,
    /// Terms that they accepted, oldest first.
    pub accepted_terms: Vec<AcceptedTerms>,
    /// Whether a maintainer let them in unasked.
    pub granted: bool,
    /// When it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2023-11-14T22:13:20.007Z")]
    pub decided_at: Option<Timestamp>,
    /// Who decided; absent if the gate did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ana")]
    pub decided_by: Option<String>,
    /// Why, for the one who asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "only members of the institute")]
    pub rejection_reason: Option<String>,
}

/// Who asks for access.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AccessUser {
    /// Name on this hub.
    #[schema(example = "eva")]
    pub user: String,
    /// Name for people.
    #[schema(example = "Eva Ruiz")]
    pub fullname: String,
    /// Mail address, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "eva@example.org")]
    pub email: Option<String>,
}

/// A text that somebody accepted.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedTerms {
    /// Its SHA-256.
    #[schema(value_type = String, example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub sha256: Sha256Digest,
    /// When.
    #[schema(value_type = String, format = DateTime, example = "2023-11-14T22:13:20.007Z")]
    pub accepted_at: Timestamp,
}

impl From<&Consent> for AcceptedTerms {
    fn from(consent: &Consent) -> Self {
        AcceptedTerms { sha256: consent.terms, accepted_at: consent.accepted_at }
    }
}

impl From<&ListedRequest> for AccessRequestItem {
    fn from(listed: &ListedRequest) -> Self {
        let (request, user) = (&listed.request, &listed.user);
        AccessRequestItem {
            request_id: request.public_id.clone(),
            status: request.state,
            timestamp: request.asked_at,
            user: AccessUser {
                user: user.name.clone(),
                fullname: user.display_name.clone().unwrap_or_else(|| user.name.clone()),
                email: user.email.clone(),
            },
            accepted_terms: listed.consents.iter().map(AcceptedTerms::from).collect(),
            granted: request.granted,
            decided_at: request.decided_at,
            decided_by: listed.decided_by.clone(),
            rejection_reason: request.reason.clone(),
        }
    }
}

/// Where one's own request stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestStatus {
    /// Id of the request.
    #[schema(example = "66f2a1c09d3e4b5f60718293")]
    pub request_id: String,
    /// `pending`, `accepted` or `rejected`.
    #[schema(value_type = RequestStage, example = "accepted")]
    pub status: RequestState,
    /// When access was asked for.
    #[schema(value_type = String, format = DateTime, example = "2023-11-14T22:13:20.007Z")]
    pub timestamp: Timestamp,
    /// Why it was rejected, if somebody said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "only members of the institute")]
    pub rejection_reason: Option<String>,
}

impl From<&Request> for RequestStatus {
    fn from(request: &Request) -> Self {
        RequestStatus {
            request_id: request.public_id.clone(),
            status: request.state,
            timestamp: request.asked_at,
            rejection_reason: request.reason.clone(),
        }
    }
}

/// Terms to be read.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TermsText {
    /// SHA-256 of the text, by which it is accepted.
    #[schema(value_type = String, example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub sha256: Sha256Digest,
    /// The text.
    #[schema(example = "For research only.")]
    pub text: String,
}

/// How the caller stands to a gate.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateStanding {
    /// `false`, or how access is given.
    pub gated: GatedMark,
    /// What must be accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<TermsText>,
    /// Whether the caller may have the contents.
    pub has_access: bool,
    /// What the caller asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestStatus>,
    /// Terms that the caller accepted, oldest first.
    pub accepted_terms: Vec<AcceptedTerms>,
}

impl From<&Standing> for GateStanding {
    fn from(standing: &Standing) -> Self {
        let terms = standing.gate.terms.zip(standing.terms_text.clone());
        GateStanding {
            gated: Gated::from(standing.gate.mode).into(),
            terms: terms.map(|(sha256, text)| TermsText { sha256, text }),
            has_access: standing.has_access,
            request: standing.request.as_ref().map(RequestStatus::from),
            accepted_terms: standing.consents.iter().map(AcceptedTerms::from).collect(),
        }
    }
}

/// Settings of a repository as they are.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepoSettings {
    /// `false`, or how access is given.
    pub gated: GatedMark,
    /// SHA-256 of the terms that must be accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub gated_terms: Option<Sha256Digest>,
    /// Whether only some can see it.
    pub private: bool,
    /// Who may see it.
    #[schema(value_type = VisibilityName)]
    pub visibility: &'static str,
}

/// Where a decided request stands now.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// Name of the repository.
    #[schema(example = "acme/gated")]
    pub repo: String,
    /// The request.
    #[serde(flatten)]
    pub request: RequestStatus,
}

impl Decided {
    /// The view of a request that was just decided.
    pub fn new(repo: &Repo, request: &Request) -> Self {
        Decided { repo: repo.name.to_string(), request: request.into() }
    }
}
